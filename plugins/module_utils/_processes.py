# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which redis-server processes run on this host and who holds which port, read from /proc (Linux, proc(5)).

An instance is known by its working directory: redis-server changes into ``dir`` and every instance has its own.
That holds after a crash, when a pidfile lies, and needs no password.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

_LISTEN = "0A"


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str


def server_in(directory: str) -> Process | None:
    """The redis-server that works in the directory; its forked children (BGSAVE) are not it."""
    found = [process for process in _all() if process.name.startswith("redis-") and _works_in(process.pid, directory)]
    pids = {process.pid for process in found}
    servers = [process for process in found if process.parent not in pids]
    return servers[0] if servers else None


def is_running(pid: int) -> bool:
    """Whether the process has not ended; one that nobody has waited for yet has."""
    return _process(pid) is not None


def listening_ports(pid: int) -> set[int]:
    sockets = _sockets(pid)
    return {port for port, inode in _listeners() if inode in sockets}


def ports_in_use() -> set[int]:
    return {port for port, dummy in _listeners()}


def holder_of(port: int) -> str | None:
    """Who listens on a TCP port of this host, as text for the user; None when nobody does."""
    inodes = {inode for number, inode in _listeners() if number == port}
    if not inodes:
        return None
    for process in _all():
        if inodes & _sockets(process.pid):
            return f"{process.name} (pid {process.pid})"
    return "a process of another user"


def _all() -> t.Iterator[Process]:
    return filter(None, (_process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()))


def _process(pid: int) -> Process | None:
    """None when there is none, or only its exit status is left."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    state, parent = text[text.rindex(")") + 2 :].split()[:2]
    return None if state == "Z" else Process(pid, int(parent), name)


def _works_in(pid: int, directory: str) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(directory)
    except OSError:
        return False


def _listeners() -> t.Iterator[tuple[int, str]]:
    """(port, inode) of every listening TCP socket."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = file.read().splitlines()[1:]
        except OSError:
            continue  # no IPv6 here
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN:
                yield int(fields[1].rpartition(":")[2], 16), fields[9]


def _sockets(pid: int) -> set[str]:
    directory = f"/proc/{pid}/fd"
    inodes = set()
    try:
        for descriptor in os.listdir(directory):
            target = os.readlink(f"{directory}/{descriptor}")
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        pass  # ended, or not ours to look into
    return inodes
