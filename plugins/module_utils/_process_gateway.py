# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Starts and stops redis-server processes that no service manager looks after."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
import typing as t

from . import _processes
from ._files import Files
from ._plan import NotReady, Plan, RedisPlatformError
from ._process_plan import AwaitReady, CurrentProcess, DesiredProcess, ProcessStep, Start
from ._redis_client import AccessDenied, CommandFailed, Server, Settings
from ._redis_conf import parse_conf
from ._redis_program import complaint, find_program

_UMASK = 0o027  # what Redis writes is for its group at most, and its configuration files keep the mode 0640


class ProcessGateway:
    def __init__(
        self, desired: DesiredProcess, settings: Settings, executable: str, owner: str | None, timeout: float
    ) -> None:
        self._desired = desired
        self._executable = executable
        self._owner = owner
        self._timeout = timeout
        self._server = Server(settings)
        self._first_pid: int | None = None
        self._looked = False

    def close(self) -> None:
        self._server.close()

    def read(self) -> CurrentProcess:
        process = _processes.server_in(self._desired.directory)
        pid = process.pid if process else None
        if not self._looked:
            self._first_pid, self._looked = pid, True
        return CurrentProcess(pid, ready=pid is not None and self._is_ready(), restarted=pid != self._first_pid)

    def check(self, plan: Plan[ProcessStep]) -> None:
        if any(isinstance(step, Start) for step in plan.steps):
            find_program(self._executable)

    def apply(self, step: ProcessStep) -> None:
        if isinstance(step, Start):
            self._start(step.path)
        elif isinstance(step, AwaitReady):
            self._await_ready()
        else:
            self._stop(step.pid)

    def _is_ready(self) -> bool:
        try:
            self._server.call("PING")
        except (AccessDenied, CommandFailed):
            return True  # it answers; who may log in is not the business of the process
        except RedisPlatformError:
            return False
        return True

    def _await_ready(self) -> None:
        if _processes.server_in(self._desired.directory) is None:
            raise RedisPlatformError(
                f"instance {self._desired.name}: redis-server ended right away: {self._last_words()}"
            )
        if not self._is_ready():
            address = self._server.settings.address
            raise NotReady(f"instance {self._desired.name} does not answer at {address} yet, or loads its data")

    def _start(self, path: str) -> None:
        identity: dict[str, t.Any] = {}
        if self._owner and os.geteuid() == 0:
            user = pwd.getpwnam(self._owner)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # The parent ends once the configuration is read; what goes wrong later is in the log.
        try:
            # pylint: disable-next=ansible-bad-function # run_command has no timeout and no other user
            started = subprocess.run(
                [find_program(self._executable), path, "--daemonize", "yes"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                umask=_UMASK,
                timeout=self._timeout,
                check=False,
                **identity,
            )
        except subprocess.TimeoutExpired:
            raise RedisPlatformError(
                f"instance {self._desired.name}: redis-server has not read {path} within {self._timeout:g} seconds"
            ) from None
        if started.returncode:
            words = complaint(started.stdout + started.stderr)
            raise RedisPlatformError(f"instance {self._desired.name}: redis-server does not start: {words}")
        deadline = time.monotonic() + 2.0  # until the child has entered its directory
        while _processes.server_in(self._desired.directory) is None and time.monotonic() < deadline:
            time.sleep(0.02)

    def _stop(self, pid: int) -> None:
        """SIGTERM saves the data as configured; it is never followed by SIGKILL."""
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._timeout
        while _processes.is_running(pid):
            if time.monotonic() > deadline:
                raise RedisPlatformError(
                    f"instance {self._desired.name}: pid {pid} has not stopped after {self._timeout:g} seconds: "
                    f"{self._last_words()}"
                )
            time.sleep(0.02)
        self._server.close()

    def _last_words(self) -> str:
        conf = {line.name: line.value for line in parse_conf(Files.read(self._desired.path) or "")}
        log = os.path.join(self._desired.directory, conf.get("logfile") or "")
        if not conf.get("logfile") or not os.path.isfile(log):
            return "it keeps no log file"
        return f"{complaint(Files.read(log) or '')} ({log})"
