# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Files and directories with their owner and mode, written atomically."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
import typing as t
from dataclasses import dataclass

from ._plan import RedisPlatformError


@dataclass(frozen=True)
class Access:
    """Who may use a path. ``None`` leaves the owner or group as it is; the mode is octal, such as 0o640."""

    owner: str | None
    group: str | None
    mode: int

    @classmethod
    def parse(cls, owner: str | None, group: str | None, mode: str) -> Access:
        try:
            number = int(mode, 8)
        except ValueError:
            raise RedisPlatformError(f'mode {mode!r} is not an octal number; write it as "0640"') from None
        return cls(owner, group, number)

    def __str__(self) -> str:
        return f"{self.owner or '-'}:{self.group or '-'} {self.mode:04o}"


class HostModule(t.Protocol):
    """What is used of AnsibleModule: it knows about SELinux contexts, immutable files and bind mounts."""

    def atomic_move(self, src: str, dest: str) -> None:
        """Put a file in the place of another in one step."""


class Files:
    def __init__(self, module: HostModule) -> None:
        self._module = module

    @staticmethod
    def read(path: str) -> str | None:
        """The text of a file, or None when there is none."""
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return None

    @staticmethod
    def access(path: str, wanted: Access) -> Access | None:
        """Who may use the path, told only of what ``wanted`` speaks of; None when there is no such path."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return Access(
            owner=_name_of(pwd.getpwuid, found.st_uid) if wanted.owner else None,
            group=_name_of(grp.getgrgid, found.st_gid) if wanted.group else None,
            mode=stat.S_IMODE(found.st_mode),
        )

    def write(self, path: str, text: str, access: Access) -> None:
        """Replace the file in one step: a reader or a crash sees the old text or the new, never a part."""
        handle, candidate = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self.set_access(candidate, access)
            if os.path.exists(path):
                self.set_access(path, access)  # what is moved there takes the access of what was there
            self._module.atomic_move(candidate, path)
            self.set_access(path, access)
        finally:
            if os.path.exists(candidate):
                os.unlink(candidate)

    def make_directory(self, path: str, access: Access) -> None:
        parent = os.path.dirname(path.rstrip("/"))
        if not os.path.isdir(parent):
            self.make_directory(parent, Access(None, None, 0o755))
        if not os.path.isdir(path):
            os.mkdir(path)
        self.set_access(path, access)

    @staticmethod
    def set_access(path: str, access: Access) -> None:
        try:
            uid = pwd.getpwnam(access.owner).pw_uid if access.owner else -1
            gid = grp.getgrnam(access.group).gr_gid if access.group else -1
        except KeyError as problem:
            raise RedisPlatformError(f"{path}: {problem.args[0]}: create that user or group first") from problem
        if uid != -1 or gid != -1:
            os.chown(path, uid, gid)
        os.chmod(path, access.mode)


def _name_of(lookup: t.Callable[[int], t.Any], number: int) -> str:
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)
