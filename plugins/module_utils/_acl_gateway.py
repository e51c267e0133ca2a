# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Reads and changes one instance's aclfile and the users of its running server."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ._acl import (
    DEFAULT_USER,
    AclStep,
    CurrentAcl,
    DeleteUser,
    DesiredAcl,
    SetFileAccess,
    SetUser,
    User,
    UserState,
    WriteAclFile,
    acl_file_line,
    base_rules,
    description_from_reply,
    parse_acl_file,
    set_user_words,
    state_from_reply,
)
from ._files import Access, Files
from ._info import Version, parse_version
from ._plan import Plan, RedisPlatformError
from ._redis_client import CommandFailed, Server, Settings
from ._redis_program import private_server, program_version

# Exists only inside a transaction that also deletes it.
_SCRATCH_USER = "microservices-redis-scratch"


class AclGateway:
    def __init__(self, desired: DesiredAcl, settings: Settings, executable: str, files: Files) -> None:
        self._desired = desired
        self._executable = executable
        self._files = files
        self._server = Server(settings)
        self._version: Version = (0, 0)
        self._running = False

    def close(self) -> None:
        self._server.close()

    def read(self) -> CurrentAcl:
        text = self._files.read(self._desired.path)
        with self._asked_server() as (server, running):
            self._running = running
            if running:
                self._version = parse_version(server.info("server")["redis_version"])
            else:
                self._version = program_version(self._executable)
            return CurrentAcl(
                version=self._version,
                wanted=self._described(server),
                filed=None if text is None else self._filed(server, text),
                live=_live_users(server) if running else None,
                access=self._files.access(self._desired.path, self._desired.access),
            )

    def check(self, plan: Plan[AclStep]) -> None:
        """Nobody may saw off the branch they sit on: the login must be able to go on managing users."""
        login = self._server.settings.user or DEFAULT_USER
        user = next((one for one in self._desired.users if one.name == login), None)
        problem = ""
        if user is None:
            problem = "is not among users" if self._desired.purge else ""
        elif self._running and not user.enabled:
            problem = "is to be switched off"
        elif self._running and not self._may_manage_users(user):
            problem = "has no rule that allows ACL SETUSER"
        if problem:
            raise RedisPlatformError(
                f"instance {self._desired.name}: login_user {login} {problem}, so this would lock it out: change that, log in "
                "as another user, or stop the instance first"
            )

    def apply(self, step: AclStep) -> None:
        if isinstance(step, SetUser):
            self._server.call("ACL", "SETUSER", step.user.name, *set_user_words(step.user, self._version))
        elif isinstance(step, DeleteUser):
            self._server.call("ACL", "DELUSER", step.name)
        elif isinstance(step, SetFileAccess):
            self._files.set_access(step.path, step.access)
        else:
            self._write(step)

    def _write(self, step: WriteAclFile) -> None:
        directory = os.path.dirname(step.path)
        if not os.path.isdir(directory):
            self._files.make_directory(directory, Access(step.access.owner, step.access.group, 0o750))
        old = (self._files.read(step.path) or "").splitlines()
        kept = [line for line in old if line.split()[1:2] and line.split()[1] in step.kept]
        lines = [acl_file_line(user, self._version) for user in step.users]
        self._files.write(step.path, "".join(f"{line}\n" for line in [*lines, *kept]), step.access)

    @contextlib.contextmanager
    def _asked_server(self) -> t.Iterator[tuple[Server, bool]]:
        """The running server, or a private one of the same version when the instance is stopped."""
        if self._server.is_up():
            yield self._server, True
        else:
            with private_server(self._executable) as server:
                yield server, False

    def _described(self, server: Server) -> dict[str, UserState]:
        states = {}
        for user in self._desired.users:
            reply = self._reply_for(server, f"user {user.name}", base_rules(user.all_rules(self._version)))
            states[user.name] = UserState(description_from_reply(reply), user.hashes, user.enabled)
        return states

    def _filed(self, server: Server, text: str) -> dict[str, UserState]:
        states = {}
        for name, (enabled, hashes, rules) in parse_acl_file(text).items():
            reply = self._reply_for(server, f"{self._desired.path}: user {name}", rules)
            states[name] = UserState(description_from_reply(reply), hashes, enabled)
        return states

    def _reply_for(self, server: Server, what: str, rules: t.Sequence[str]) -> list[t.Any]:
        try:
            replies = server.transaction(
                ["ACL", "SETUSER", _SCRATCH_USER, "reset", *rules],
                ["ACL", "GETUSER", _SCRATCH_USER],
                ["ACL", "DELUSER", _SCRATCH_USER],
            )
        except CommandFailed as problem:
            raise RedisPlatformError(f"instance {self._desired.name}: {what}: {problem.reply}") from problem
        return t.cast("list[t.Any]", replies[1])

    def _may_manage_users(self, user: User) -> bool:
        rules = base_rules(user.all_rules(self._version))
        replies = self._server.transaction(
            ["ACL", "SETUSER", _SCRATCH_USER, "reset", *rules],
            ["ACL", "DRYRUN", _SCRATCH_USER, "ACL", "SETUSER", user.name],
            ["ACL", "DELUSER", _SCRATCH_USER],
        )
        return bool(replies[1] == "OK")


def _live_users(server: Server) -> dict[str, UserState]:
    return {name: state_from_reply(server.call("ACL", "GETUSER", name)) for name in server.call("ACL", "USERS")}
