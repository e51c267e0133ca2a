# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Looks at a host before instances are put on it. Reads only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from . import _processes
from ._directive_catalogue import Version
from ._files import Files
from ._info import parse_release, parse_version
from ._package_source import MANAGERS
from ._plan import Plan, RedisPlatformError, Step
from ._preflight import KERNEL_MINIMUM, CurrentHost, DesiredHost
from ._redis_client import REDIS_IMPORT_ERROR
from ._redis_program import find_program, version_text

# What dpkg-query(1) calls a package between missing and installed.
_UNFINISHED = {"half-installed", "unpacked", "half-configured"}


class HostGateway:
    def __init__(self, desired: DesiredHost, executable: str, directories: list[str], packages: list[str]) -> None:
        self._desired = desired
        self._executable = executable
        self._directories = directories
        self._packages = packages

    def close(self) -> None:
        pass

    def check(self, plan: Plan[Step]) -> None:
        pass

    def apply(self, step: Step) -> None:
        raise NotImplementedError("looking at a host plans nothing")

    def read(self) -> CurrentHost:
        program, version, release = self._program()
        running = {one.directory: _processes.server_in(one.directory) for one in self._desired.instances}
        ports = {port for one in self._desired.instances for port in one.ports}
        holders = {port: _processes.holder_of(port) for port in ports & _processes.ports_in_use()}
        return CurrentHost(
            program=program,
            version=version,
            is_root=os.geteuid() == 0,
            running={directory: process.pid for directory, process in running.items() if process},
            holders={port: holder or "an unknown process" for port, holder in holders.items()},
            not_writable=dict(filter(None, map(_not_writable, self._directories))),
            memory=_total_memory(),
            enabled_units=frozenset(filter(_is_enabled, {one.unit for one in self._desired.instances if one.unit})),
            redis_py=REDIS_IMPORT_ERROR is None,
            unfinished=_is_unfinished(self._packages),
            outdated=frozenset(
                directory
                for directory, process in running.items()
                if process and _release(process.pid) not in (None, release)
            ),
            with_data=frozenset(filter(_holds_something, running)),
            package_source=any(os.path.exists(manager.repository) for manager in MANAGERS.values()),
            kernel={name: value for name, value in map(_kernel_value, KERNEL_MINIMUM) if value is not None},
            kernel_is_ours=os.access("/proc/sys/vm/overcommit_memory", os.W_OK) and not _in_container(),
            firewall=_firewall(),
            selinux=os.path.exists("/sys/fs/selinux/enforce"),
        )

    def _program(self) -> tuple[str | None, Version, str | None]:
        """Where the program is, its version, and its version in full."""
        try:
            path = find_program(self._executable)
        except RedisPlatformError:
            return None, (0, 0), None
        text = version_text(path)
        return path, parse_version(text), parse_release(text)


def _release(pid: int) -> str | None:
    """The version that a process runs, also when its program has been replaced since; None if it is not ours to ask."""
    try:
        return parse_release(version_text(f"/proc/{pid}/exe"))
    except RedisPlatformError:
        return None


def _holds_something(directory: str) -> bool:
    try:
        return bool(os.listdir(directory))
    except OSError:
        return False


def _not_writable(path: str) -> tuple[str, str] | None:
    existing = path
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    if os.access(existing, os.W_OK | os.X_OK):
        return None
    return path, f"no right to write in {existing}"


def _is_enabled(unit: str) -> bool:
    return os.path.islink(f"/etc/systemd/system/multi-user.target.wants/{unit}")


def _is_unfinished(packages: list[str]) -> bool:
    if not packages or not shutil.which("dpkg-query"):
        return False
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *packages]
    # pylint: disable-next=ansible-bad-function # of AnsibleModule, a gateway has only what HostModule names
    states = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    ).stdout.split()
    return not _UNFINISHED.isdisjoint(states)


def _kernel_value(name: str) -> tuple[str, int | None]:
    text = Files.read("/proc/sys/" + name.replace(".", "/"))
    return name, int(text) if text else None


def _in_container() -> bool:
    """Containers share the kernel; systemd tells its children which kind they are in."""
    return os.path.exists("/run/systemd/container") or os.path.exists("/.dockerenv")


def _firewall() -> str | None:
    """The firewall service that rules here, if it is one we know."""
    if _succeeds("firewall-cmd", "--state"):
        return "firewalld"
    if re.search(r"^ENABLED=yes", Files.read("/etc/ufw/ufw.conf") or "", re.MULTILINE):
        return "ufw"
    return None


def _succeeds(*command: str) -> bool:
    if not shutil.which(command[0]):
        return False
    # pylint: disable-next=ansible-bad-function
    return not subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    ).returncode


def _total_memory() -> int:
    found = re.search(r"MemTotal:\s+(\d+) kB", Files.read("/proc/meminfo") or "")
    return int(found.group(1)) * 1024 if found else 0
