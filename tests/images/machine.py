# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine contributes to a build: how it reaches its package mirrors and indexes."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

from commands import BuildError, output

CERTIFICATES = Path("/usr/local/share/ca-certificates")
# Settings of this machine's apt that decide whether its mirrors answer and are believed.
APT_SETTINGS = ("acquire::check-date", "acquire::check-valid-until", "acquire::http", "acquire::https")
# The same for pip. Not its certificates: where they lie is this machine's matter, and images have their own bundle.
PIP_SETTINGS = {"index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout", "timeout"}


def apt_settings() -> str:
    if not shutil.which("apt-config"):
        return ""
    lines = output("apt-config", "dump", "--no-empty").splitlines()
    return "".join(f"{line}\n" for line in lines if line.lower().startswith(APT_SETTINGS))


def pip_settings() -> str:
    try:
        lines = output(sys.executable, "-m", "pip", "config", "list").splitlines()
    except BuildError:
        return ""
    found: dict[str, str] = {}
    for line in lines:
        # From the environment first, as pip itself has it: such lines sort before those of files.
        name, _, value = line.partition("=")
        found.setdefault(name.rpartition(".")[2], ast.literal_eval(value))
    # One line each: several addresses may as well be told apart by blanks.
    lines = [f"{name} = {' '.join(value.split())}\n" for name, value in found.items() if name in PIP_SETTINGS]
    return "".join(["[global]\n", *lines])


def mirrors(origin: str, suite: str, components: list[str]) -> list[str]:
    """The apt sources for a suite, from where this machine gets the same distribution; none when it does not."""
    if not shutil.which("apt-get"):
        return []
    wanted = "$(ORIGIN)\t$(RELEASE)\t$(REPO_URI)"
    uris: dict[str, str] = {}
    for line in output("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines():
        found, release, uri = line.split("\t")
        if found == origin:
            uris.setdefault(release.partition("-")[2], uri)
    if "" not in uris:
        return []
    return [
        f"deb {uris[pocket]} {suite}{pocket and '-'}{pocket} {' '.join(components)}"
        for pocket in ("", "updates", "security")
        if pocket in uris
    ]


def write_machine(directory: Path) -> None:
    """Lay out all that below ``directory``, for a Dockerfile to copy."""
    (directory / "certificates").mkdir(parents=True)
    (directory / "apt.conf").write_text(apt_settings())
    (directory / "pip.conf").write_text(pip_settings())
    for certificate in CERTIFICATES.glob("*.crt"):
        shutil.copy(certificate, directory / "certificates")
