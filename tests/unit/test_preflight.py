# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError
from ansible_collections.microservices.redis.plugins.module_utils._preflight import (
    CurrentHost,
    DesiredHost,
    WantedInstance,
    kernel_settings,
    problems,
    report_host,
)

GOOD = CurrentHost("/usr/bin/redis-server", (7, 0))
A, B = WantedInstance("a", "/data/a", 7000, 17000), WantedInstance("b", "/data/b", 7001, 17001)


def host(*instances: WantedInstance, install: bool = True) -> DesiredHost:
    return DesiredHost("this host", instances, (7, 0), "redis-server", install)


def test_a_good_host_has_no_problems() -> None:
    assert problems(GOOD, host(A, B)) == []


@pytest.mark.parametrize(
    ("current", "desired", "problem"),
    [
        (
            CurrentHost(None),
            host(A, install=False),
            "redis-server is not installed: install Redis 7.0 or newer, or allow",
        ),
        (CurrentHost(None), host(A), "'sudo apt-get install redis-server' (Debian, Ubuntu)"),
        (
            CurrentHost("/opt/redis-server", (6, 2)),
            host(A),
            "/opt/redis-server is Redis 6.2, and at least 7.0 is needed",
        ),
        (CurrentHost("/r", (7, 0), unfinished=True), host(A), "was interrupted, and only root can finish it"),
        (GOOD, host(A, WantedInstance("a", "/data/b", 7001)), "name a is given to two instances"),
        (GOOD, host(A, WantedInstance("b", "/data/a", 7001)), "directory /data/a is given to two instances"),
        (GOOD, host(A, WantedInstance("b", "/data/b", 7000)), "port 7000 is given to two instances"),
        (GOOD, host(A, WantedInstance("b", "/data/b", 17000)), "port 17000 is given to two instances"),
        (GOOD, host(WantedInstance("a", "/data/a", 70000)), "instance a: port 70000 is not between 1 and 65535"),
        (
            GOOD,
            host(WantedInstance("a", "/data/a", 60000, 70000)),
            "cluster bus port (port + 10000) 70000 is not between",
        ),
        (
            CurrentHost("/r", (7, 0), holders={7000: "nginx (pid 3)"}),
            host(A),
            "instance a: port 7000 is in use by nginx (pid 3)",
        ),
        (CurrentHost("/r", (7, 0), holders={17000: "nginx (pid 3)"}), host(A), "port 17000 is in use by nginx (pid 3)"),
        (
            CurrentHost("/r", (7, 0), not_writable={"/data": "no right"}),
            host(A),
            "/data cannot be written: no right; run this as",
        ),
        (
            CurrentHost("/r", (7, 0), memory=2 << 30),
            host(WantedInstance("a", "/a", 1, None, 1 << 30), WantedInstance("b", "/b", 2, None, 2 << 30)),
            "adds up to 3072 MB and the host has 2048 MB",
        ),
    ],
)
def test_each_problem_names_the_thing_and_the_fix(current: CurrentHost, desired: DesiredHost, problem: str) -> None:
    [found] = problems(current, desired)
    assert problem in found
    assert report_host(current, desired)["problems"] == [found]


SEVEN_FOUR = replace(host(A), series=(7, 4), replace=True)
ROOT = replace(GOOD, is_root=True)


def test_another_series_is_replaced_where_that_may_and_can_be() -> None:
    assert problems(ROOT, SEVEN_FOUR) == []
    assert problems(replace(ROOT, version=(8, 0)), SEVEN_FOUR) == []
    assert problems(replace(ROOT, version=(7, 4)), replace(SEVEN_FOUR, install=False)) == []


@pytest.mark.parametrize(
    ("current", "desired", "problem"),
    [
        (ROOT, replace(SEVEN_FOUR, install=False), "is Redis 7.0, and 7.4 is wanted: install a package of that series"),
        (ROOT, replace(SEVEN_FOUR, replace=False), "is Redis 7.0, and 7.4 is wanted: install a package of that series"),
        (GOOD, SEVEN_FOUR, "is Redis 7.0, and 7.4 is wanted, and only root can install it"),
        (CurrentHost(None), replace(SEVEN_FOUR, install=False), "install Redis 7.4, or allow this role to"),
        (
            replace(ROOT, version=(7, 4)),
            replace(SEVEN_FOUR, minimum=(8, 0)),
            "and at least 8.0 is needed: choose another",
        ),
        (replace(ROOT, version=(8, 0), running={"/data/a": 3}), SEVEN_FOUR, "a would lose its data. Stay with 8.0"),
        (
            replace(ROOT, version=(8, 0), with_data=frozenset({"/data/a"})),
            SEVEN_FOUR,
            "cannot read what a newer one wrote",
        ),
    ],
)
def test_what_keeps_a_series_from_being_replaced(current: CurrentHost, desired: DesiredHost, problem: str) -> None:
    [found] = problems(current, desired)
    assert problem in found


def test_older_data_is_no_obstacle_to_a_newer_series() -> None:
    used = replace(ROOT, running={"/data/a": 3}, with_data=frozenset({"/data/a"}))
    assert problems(used, SEVEN_FOUR) == []


@pytest.mark.parametrize(
    ("current", "due"),
    [
        (ROOT, False),
        (CurrentHost(None), True),
        (replace(ROOT, redis_py=False), True),
        (replace(ROOT, unfinished=True), True),
        (replace(ROOT, version=(6, 2)), True),
    ],
)
def test_something_is_due_when_it_is_missing_unfinished_or_too_old(current: CurrentHost, due: bool) -> None:
    assert report_host(current, host(A))["due"] is due


def test_another_series_is_due_too_and_what_runs_it_is_outdated() -> None:
    report = report_host(replace(ROOT, outdated=frozenset({"/data/b"})), replace(host(A, B), series=(7, 4)))
    assert (report["due"], report["outdated"]) == (True, ["b"])


def test_a_running_instance_may_hold_its_own_port() -> None:
    current = CurrentHost("/r", (7, 0), running={"/data/a": 3}, holders={7000: "redis-server (pid 3)"})
    assert problems(current, host(A)) == []
    assert report_host(current, host(A, B))["running"] == ["a"]


def test_root_installs_what_is_missing() -> None:
    assert problems(CurrentHost(None, is_root=True), host(A)) == []


def test_the_kernel_is_told_only_what_is_too_low_and_only_where_it_is_ours() -> None:
    kernel = {"vm.overcommit_memory": 0, "net.core.somaxconn": 4096}
    assert kernel_settings(CurrentHost("/r", kernel=kernel, kernel_is_ours=True)) == {"vm.overcommit_memory": "1"}
    assert kernel_settings(CurrentHost("/r", kernel=kernel)) == {}


@pytest.mark.parametrize("size", ["much", "1gib", "-1"])
def test_a_size_that_is_none_is_refused_with_the_instance(size: str) -> None:
    one = {"name": "a", "directory": "/a", "port": 1, "bus_port": None, "maxmemory": size, "unit": None}
    params = {"instances": [one], "minimum_version": "7.0", "package": "redis-server", "install": False}
    with pytest.raises(RedisPlatformError, match=f"instance a: maxmemory '{size}' is not a size such as 512mb"):
        DesiredHost.from_params(params)
