# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._process_plan import (
    CurrentProcess,
    DesiredProcess,
    ProcessStep,
    Start,
    Stop,
    plan_process,
)

CONF = "/etc/redis/a.conf"
START = [f"start redis-server {CONF}", "wait until the server answers and has loaded its data"]
STOP = ["stop the redis-server"]


def desired(state: str) -> DesiredProcess:
    return DesiredProcess("a", CONF, "/data", state)


@pytest.mark.parametrize(
    ("state", "current", "steps"),
    [
        ("started", CurrentProcess(), START),
        ("started", CurrentProcess(7, ready=True), []),
        ("started", CurrentProcess(7), START[1:]),  # it loads its data
        ("restarted", CurrentProcess(), START),
        ("restarted", CurrentProcess(7, ready=True), STOP + START),
        ("restarted", CurrentProcess(8, ready=True, restarted=True), []),
        ("restarted", CurrentProcess(8, restarted=True), START[1:]),
        ("stopped", CurrentProcess(), []),
        ("stopped", CurrentProcess(7), STOP),
    ],
)
def test_a_process_is_started_or_stopped_when_needed(state: str, current: CurrentProcess, steps: list[str]) -> None:
    plan = plan_process(current, desired(state))
    assert plan.describe() == steps
    assert plan.changes is (len(steps) > 0 and steps != START[1:])


def after(current: CurrentProcess, step: ProcessStep, first: int | None) -> CurrentProcess:
    if isinstance(step, Stop):
        assert step.pid == current.pid
        return CurrentProcess(None, restarted=first is not None)
    if isinstance(step, Start):
        assert current.pid is None
        return CurrentProcess((first or 0) + 1, restarted=True)
    return replace(current, ready=True)


@given(
    st.sampled_from(["started", "restarted", "stopped"]),
    st.builds(CurrentProcess, st.none() | st.just(7), st.booleans()),
    st.lists(st.integers(0, 3), max_size=3),
)
def test_a_run_cut_off_anywhere_goes_on_until_nothing_is_left(
    state: str, current: CurrentProcess, cuts: list[int]
) -> None:
    first = current.pid
    for length in [*cuts, None]:
        for step in plan_process(current, desired(state)).steps[:length]:
            current = after(current, step, first)
    assert plan_process(current, desired(state)).describe() == []
    assert (current.pid is None) is (state == "stopped")
    assert state != "restarted" or current.pid != first
