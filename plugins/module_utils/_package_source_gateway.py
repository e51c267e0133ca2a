# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Reads and writes what a host's package manager knows of our repository, and fetches its key."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace

from ansible.module_utils.urls import open_url

from ._files import Access, Files
from ._package_source import MANAGERS, CurrentSource, DesiredSource, SourceStep, WriteFile, needs_key
from ._plan import Plan, RedisPlatformError

_ACCESS = Access("root", "root", 0o644)
_DIRECTORY = Access("root", "root", 0o755)
_KEY_LIMIT = 1 << 20  # bytes


class PackageSourceGateway:
    def __init__(self, desired: DesiredSource, files: Files, timeout: float) -> None:
        self._desired = desired
        self._files = files
        self._timeout = timeout
        self._key: str | None = None

    def close(self) -> None:
        pass

    def read(self) -> CurrentSource:
        manager = _manager()
        files = {path: Files.read(path) for path in MANAGERS[manager].paths}
        found = CurrentSource(manager, _suite() if manager == "apt" else "", files)
        return replace(found, offered_key=self._fetch_key()) if needs_key(found, self._desired) else found

    def check(self, plan: Plan[SourceStep]) -> None:
        if plan and os.geteuid() != 0:
            raise RedisPlatformError("only root can change where packages come from: run this as root")

    def apply(self, step: SourceStep) -> None:
        if isinstance(step, WriteFile):
            directory = os.path.dirname(step.path)
            if not os.path.isdir(directory):
                self._files.make_directory(directory, _DIRECTORY)
            self._files.write(step.path, step.text, _ACCESS)
        else:
            os.unlink(step.path)

    def _fetch_key(self) -> str:
        if self._key is None:
            try:
                with open_url(self._desired.key_url, timeout=self._timeout) as answer:
                    self._key = answer.read(_KEY_LIMIT).decode("utf-8", "replace")
            except (OSError, ValueError) as problem:  # URLError is an OSError
                raise RedisPlatformError(
                    f"cannot fetch the key {self._desired.key_url}: {problem}; a host without outside access needs "
                    "a mirror, and key_url for its key"
                ) from problem
        return self._key


def _manager() -> str:
    for manager, program in (("apt", "apt-get"), ("dnf", "dnf")):
        if shutil.which(program):
            return manager
    raise RedisPlatformError(
        "this host has neither apt nor dnf: install Redis yourself and leave the package source alone"
    )


def _suite() -> str:
    found = re.search(r'^VERSION_CODENAME="?(\w+)', Files.read("/etc/os-release") or "", re.MULTILINE)
    if not found:
        raise RedisPlatformError("/etc/os-release does not tell the distribution's VERSION_CODENAME")
    return found.group(1)
