# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""The one shell around the pure core: parse, read, plan, apply. The only import of AnsibleModule.

``changed``, the diff and check mode follow from the plan here and nowhere else. All instances are read and
planned before the first one is changed, so a refusal leaves every one of them as it was. After applying, each is
read and planned again until nothing is left to do, so an interrupted run resumes and a finished one is proven.
"""

from __future__ import annotations

import os
import time
import typing as t
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from . import _redis_client
from ._files import Files
from ._plan import NotReady, Plan, RedisPlatformError, Step

Params = t.Mapping[str, t.Any]
OptionSpec = dict[str, t.Any]
Reports = t.Sequence[t.Mapping[str, t.Any]]

DEFAULT_TIMEOUT = 60.0  # seconds to converge, where a module has no such option
# Seconds between two looks at servers that are still settling: often at first, for mostly it takes no time.
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5

CONNECTION_OPTIONS: OptionSpec = {
    "login_host": {"type": "str", "default": "127.0.0.1"},
    "login_port": {"type": "int", "default": 6379},
    "login_unix_socket": {"type": "path"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "tls": {"type": "bool", "default": False},
    "ca_certs": {"type": "path"},
    "client_cert_file": {"type": "path"},
    "client_key_file": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "connect_timeout": {"type": "float", "default": 5.0},
    "command_timeout": {"type": "float", "default": 10.0},
}
FILE_OPTIONS: OptionSpec = {
    "name": {"type": "str"},
    "path": {"type": "path"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str", "default": "0640"},
    "executable": {"type": "str", "default": "redis-server"},
}
LOGIN_PER_INSTANCE = ("login_host", "login_port", "login_unix_socket", "login_user", "login_password")


class Named(t.Protocol):
    @property
    def name(self) -> str:
        """What an instance is called in results."""


D = t.TypeVar("D", bound=Named)
C = t.TypeVar("C")
C_co = t.TypeVar("C_co", covariant=True)
S = t.TypeVar("S", bound=Step)


class Gateway(t.Protocol[C_co, S]):
    """The way to one instance or deployment: all input and output of a module goes through it."""

    def read(self) -> C_co:
        """What is there now."""

    def check(self, plan: Plan[S]) -> None:
        """Raise RedisPlatformError if the plan cannot be carried out; changes nothing."""

    def apply(self, step: S) -> None:
        """Carry out one step of a plan."""

    def close(self) -> None:
        """Let go of connections and private servers."""


@dataclass(frozen=True)
class Spec:
    """The options of a module.

    With ``per_instance``, option ``instances`` takes several instances in one call; each entry overrides the
    options named here, the others hold for all.
    """

    options: OptionSpec
    per_instance: tuple[str, ...] = ()
    required_for_each: tuple[str, ...] = ()
    needs_redis_py: bool = True

    def create_module(self) -> AnsibleModule:
        options = dict(self.options)
        if self.per_instance:
            entry = {name: _without_default(self.options[name]) for name in self.per_instance}
            options["instances"] = {"type": "list", "elements": "dict", "options": entry}
        return AnsibleModule(argument_spec=options, supports_check_mode=True)

    def split(self, params: Params) -> t.Sequence[Params]:
        """One complete set of options for each instance."""
        if not self.per_instance:
            return [params]
        common = {name: value for name, value in params.items() if name != "instances"}
        sets = [common]
        if params["instances"] is not None:
            sets = [{**common, **{k: v for k, v in entry.items() if v is not None}} for entry in params["instances"]]
        for number, one in enumerate(sets, start=1):
            missing = [name for name in self.required_for_each if one.get(name) in (None, "", {}, [])]
            if missing:
                raise RedisPlatformError(
                    f"instance {one.get('name') or number} lacks {', '.join(missing)}: "
                    "give it at the top level or in each entry of instances"
                )
        return sets


@dataclass(frozen=True)
class Wiring(t.Generic[D, C, S]):
    """What makes a module: how to parse, reach, plan and report one instance or deployment.

    ``outset`` adds results that tell of the first plan, ``summarize`` adds results over all instances; one named
    ``failed_because`` makes the module fail with it.
    """

    parse: t.Callable[[Params], D]
    connect: t.Callable[[D, Params, Files], Gateway[C, S]]
    plan: t.Callable[[C, D], Plan[S]]
    report: t.Callable[[C, D, Plan[S]], t.Mapping[str, t.Any]]
    outset: t.Callable[[Plan[S]], t.Mapping[str, t.Any]] = lambda first: {}
    summarize: t.Callable[[Reports, Params], t.Mapping[str, t.Any]] = lambda reports, params: {}


def run(spec: Spec, wiring: Wiring[D, C, S]) -> t.NoReturn:
    """Run a module from its options to its result."""
    module = spec.create_module()
    # Nothing this process creates may be readable by others, not even for the moment before its mode is set.
    os.umask(0o077)
    if spec.needs_redis_py and _redis_client.REDIS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("redis"), exception=_redis_client.REDIS_IMPORT_ERROR)
    visits: list[Visit[D, C, S]] = []
    try:
        for params in spec.split(module.params):
            visits.append(Visit(wiring, params, Files(module)))
        for visit in visits:
            visit.look()
        for visit in visits:
            if not module.check_mode:
                visit.converge()
    except (RedisPlatformError, OSError) as problem:
        done = [f"{visit.desired.name}: {step.describe()}" for visit in visits for step in visit.done]
        module.fail_json(msg=str(problem), changed=bool(done), actions=list(dict.fromkeys(done)))
    finally:
        for visit in visits:
            visit.gateway.close()
    reports = [{**visit.report, **wiring.outset(visit.first), "changed": visit.first.changes} for visit in visits]
    result = {**_result(visits), **wiring.summarize(reports, module.params)}
    if spec.per_instance:
        result["instances"] = reports
    else:
        result = {**reports[0], **result}
    for visit in visits:
        for warning in visit.first.warnings:
            module.warn(f"{visit.desired.name}: {warning}")
    failed_because = result.pop("failed_because", None)
    if failed_because:
        module.fail_json(msg=failed_because, **result)
    module.exit_json(**result)


class Visit(t.Generic[D, C, S]):
    """One instance or deployment during a run."""

    def __init__(self, wiring: Wiring[D, C, S], params: Params, files: Files) -> None:
        self.wiring = wiring
        self.desired = wiring.parse(params)
        self.timeout: float = params.get("timeout", DEFAULT_TIMEOUT)
        self.time_budget: float | None = params.get("time_budget")
        self.gateway = wiring.connect(self.desired, params, files)
        self.first: Plan[S] = Plan()
        self.done: list[S] = []
        self.report: dict[str, t.Any] = {}

    def look(self) -> None:
        self._read_and_plan()
        self.gateway.check(self.plan)
        self.first = self.plan

    def converge(self) -> None:
        """Apply, read and plan again until the plan is empty; gives up after the timeout without progress, saying why.

        Ends early, without a failure, when there has been progress and the time budget is spent.
        """
        started = time.monotonic()
        deadline = started + self.timeout
        pause = FIRST_PAUSE
        while self.plan:
            reason = self._apply()
            before = self.plan
            self._read_and_plan()
            now = time.monotonic()
            progress = self.plan.changes and self.plan != before
            if progress:
                deadline = now + self.timeout
            if self.plan and now >= deadline:
                todo = "; ".join(self.plan.describe())
                raise RedisPlatformError(
                    f"not finished after {self.timeout:g} seconds: {reason or 'still to do: ' + todo}"
                )
            if progress and self.time_budget is not None and now >= started + self.time_budget:
                return
            if self.plan != before:
                pause = FIRST_PAUSE
            if self.plan and (reason or self.plan == before):
                time.sleep(pause)
                pause = _longer(pause)

    def _read_and_plan(self) -> None:
        current = self._patiently_read()
        self.plan = self.wiring.plan(current, self.desired)
        self.report = {"name": self.desired.name, **self.wiring.report(current, self.desired, self.plan)}

    def _patiently_read(self) -> C:
        deadline = time.monotonic() + self.timeout
        pause = FIRST_PAUSE
        while True:
            try:
                return self.gateway.read()
            except NotReady as reason:
                if time.monotonic() >= deadline:
                    raise RedisPlatformError(f"{reason}, for more than {self.timeout:g} seconds") from reason
            time.sleep(pause)
            pause = _longer(pause)

    def _apply(self) -> str:
        for step in self.plan.steps:
            try:
                self.gateway.apply(step)
            except NotReady as reason:
                return str(reason)
            if step.changes:
                self.done.append(step)
        return ""


def _longer(pause: float) -> float:
    return min(LONGEST_PAUSE, pause * 1.25)


def _result(visits: t.Sequence[Visit[t.Any, t.Any, t.Any]]) -> dict[str, t.Any]:
    changing = [visit for visit in visits if visit.first.changes]
    return {
        "changed": bool(changing),
        "actions": [f"{visit.desired.name}: {action}" for visit in changing for action in visit.first.describe()],
        "diff": [
            {"before_header": visit.desired.name, "after_header": visit.desired.name, **visit.first.diff()}
            for visit in changing
        ],
    }


def _without_default(option: t.Mapping[str, t.Any]) -> OptionSpec:
    return {key: value for key, value in option.items() if key not in ("default", "required")}
