# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images: the official ones where an image registry answers, else made by mmdebstrap."""

from __future__ import annotations

import fcntl
import functools
import os
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap import SUITES, bootstrap
from commands import announced, succeeds

DISTRIBUTIONS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("distributions.toml").read_text())
LOCK = Path(tempfile.gettempdir(), f"microservices-redis-images-{os.geteuid()}.lock")


@dataclass(frozen=True)
class Base:
    image: str
    userland: str  # "distribution" when it is the distribution's own, "stand-in" when it only resembles it
    made_by: str


class Bases:
    """The bases of one run. Those made here are made once and have names only until its end.

    One run at a time on a machine, else one would take the other's bases away.
    """

    def __init__(self) -> None:
        self._bootstrapped: dict[str, str] = {}
        self._lock = LOCK.open("a")

    def __enter__(self) -> Bases:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another build of images.", file=sys.stderr)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_error: object) -> None:
        for image in self._bootstrapped.values():
            succeeds("docker", "rmi", image)
        self._lock.close()

    def get(self, name: str, official: bool = True) -> Base:
        """The base of a distribution; the official one, if it is to be had, unless it is not wanted."""
        distribution = DISTRIBUTIONS[name]
        if official and registry_has(distribution["official"]):
            return Base(distribution["official"], "distribution", distribution["official"])
        suite = distribution["suite"]
        if suite not in self._bootstrapped:
            with announced(f"Making a base of {SUITES[suite]['origin']} {suite}"):
                self._bootstrapped[suite] = bootstrap(suite)
        userland = "stand-in" if "stand_in" in distribution else "distribution"
        return Base(self._bootstrapped[suite], userland, f"{SUITES[suite]['origin']} {suite} by mmdebstrap")


def recipe(name: str) -> tuple[Any, ...]:
    """All that may decide what the base of a distribution is."""
    distribution = DISTRIBUTIONS[name]
    return distribution["official"], distribution["suite"], SUITES[distribution["suite"]]


@functools.cache
def registry_has(image: str) -> bool:
    return succeeds("docker", "image", "inspect", image) or (
        succeeds("docker", "manifest", "inspect", image, timeout=15) and succeeds("docker", "pull", "--quiet", image)
    )
