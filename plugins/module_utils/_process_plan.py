# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What to do so that an instance's process runs, or does not. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._plan import Change, Plan


@dataclass(frozen=True)
class DesiredProcess:
    """``state`` is started, restarted or stopped."""

    name: str
    path: str
    directory: str
    state: str = "started"

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredProcess:
        return cls(params["name"] or params["path"], params["path"], params["directory"], params["state"])


@dataclass(frozen=True)
class CurrentProcess:
    """``restarted`` is whether the process that ran at first has been stopped by us."""

    pid: int | None = None
    ready: bool = False
    restarted: bool = False


@dataclass(frozen=True)
class Start:
    path: str
    changes: bool = True

    def describe(self) -> str:
        return f"start redis-server {self.path}"


@dataclass(frozen=True)
class Stop:
    pid: int
    changes: bool = True

    def describe(self) -> str:
        return "stop the redis-server"


@dataclass(frozen=True)
class AwaitReady:
    changes: bool = False

    def describe(self) -> str:
        return "wait until the server answers and has loaded its data"


ProcessStep = t.Union[Start, Stop, AwaitReady]


def plan_process(current: CurrentProcess, desired: DesiredProcess) -> Plan[ProcessStep]:
    if desired.state == "stopped":
        if current.pid is None:
            return Plan()
        return Plan((Stop(current.pid),), (Change("process", "running", "stopped"),))
    if current.pid is None:
        return Plan((Start(desired.path), AwaitReady()), (Change("process", "stopped", "running"),))
    if desired.state == "restarted" and not current.restarted:
        steps = (Stop(current.pid), Start(desired.path), AwaitReady())
        return Plan(steps, (Change("process", "running", "restarted"),))
    return Plan() if current.ready else Plan((AwaitReady(),))
