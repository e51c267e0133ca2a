# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis compiled and packaged, the images that the hosts take their repositories from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bases import Bases, recipe
from images import HERE, INPUTS, copy_out, docker_build, hash_of, id_of, labels_of
from machine import mirrors, write_machine

SERIES = {"7.0": "bookworm", "8.0": "trixie"}  # and the Debian release whose source package has it
PROGRAMS = "microservices-redis-programs"  # tagged with what they run on, /redis/<series>/bin/
PACKAGES = "microservices-redis-packages:latest"
DEBIAN, EL9 = "debian12", "almalinux9"  # the distributions to compile for; Ubuntu 24.04 runs Debian 12's programs


@contextmanager
def context_of(*directories: str) -> Iterator[Path]:
    """What `docker build` is given: directories of this one, and what this machine adds."""
    with tempfile.TemporaryDirectory(prefix="microservices-redis-") as scratch:
        context = Path(scratch)
        for directory in directories:
            shutil.copytree(HERE / directory, context, dirs_exist_ok=True)
        write_machine(context / "machine")
        yield context


def source_lists() -> str:
    """apt's sources for the source packages of both series."""
    lists: list[str] = []
    for suite in SERIES.values():
        lists += mirrors("Debian", suite, ["main"])[:1] or [f"deb http://deb.debian.org/debian {suite} main"]
    return "".join(f"{line.replace('deb ', 'deb-src ', 1)}\n" for line in lists)


def programs(bases: Bases, name: str) -> str:
    """The image with Redis compiled for a distribution, brought up to date."""
    image = f"{PROGRAMS}:{name}"
    with context_of("compile") as context:
        (context / "sources.list").write_text(source_lists())
        inputs = hash_of(context, SERIES, recipe(name), recipe(DEBIAN))
        if labels_of(image).get(INPUTS) != inputs:
            base = bases.get(name)
            sources = " ".join(f"{series}:{suite}" for series, suite in SERIES.items())
            arguments = {"SOURCES_BASE": bases.get(DEBIAN).image, "BASE": base.image, "SERIES": sources}
            docker_build(image, context, arguments, {"userland": base.userland, INPUTS: inputs})
    return image


def packages(bases: Bases) -> str:
    """The image with the repositories, brought up to date."""
    for_debian, for_el9 = programs(bases, DEBIAN), programs(bases, EL9)
    with context_of("packages") as context:
        inputs = hash_of(context, id_of(for_debian), id_of(for_el9))
        if labels_of(PACKAGES).get(INPUTS) != inputs:
            arguments = {"BASE": bases.get(DEBIAN).image, "PROGRAMS": for_debian, "EL9_PROGRAMS": for_el9}
            docker_build(PACKAGES, context, arguments, {"userland": labels_of(for_el9)["userland"], INPUTS: inputs})
    return PACKAGES


def mirror_fingerprint() -> str:
    """Of the key that signs the mirror."""
    with tempfile.TemporaryDirectory(prefix="microservices-redis-") as scratch:
        copy_out(PACKAGES, "/fingerprint", Path(scratch))
        return (Path(scratch) / "fingerprint").read_text().strip()
