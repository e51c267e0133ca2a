# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._health import (
    Expectation,
    Finding,
    Grade,
    Observation,
)
from ansible_collections.microservices.redis.plugins.module_utils._health_table import (
    conclude,
    summary,
    table,
    table_of_hosts,
)

INFO = {
    "role": "master",
    "redis_version": "7.0.15",
    "used_memory": "1572864",
    "maxmemory": "1073741824",
    "aof_enabled": "1",
}
GOOD = [Finding("replication", Grade.OK, "2/2 in step")]
BAD = [
    Finding("memory", Grade.WARNING, "85% used", "data grows", "raise maxmemory"),
    Finding("security", Grade.CRITICAL, "open", "no aclfile", "use redis_acl"),
]


def report(name: str, findings: list[Finding], info: dict[str, str] | None = None) -> dict[str, t.Any]:
    seen = Observation(info=INFO if info is None else info)
    return {"name": name, **summary(seen, Expectation(name, f"192.0.2.1:{len(name)}"), findings)}


def test_the_table_is_aligned_and_ends_with_what_is_wrong() -> None:
    assert table([report("cache", GOOD), report("a-long-name", BAD, {})]) == [
        "INSTANCE     ROLE     VERSION  MEMORY        PERSISTENCE  REPLICATION  VERDICT",
        "cache        primary  7.0.15   1.5M of 1.0G  aof          2/2 in step  ok",
        "a-long-name  unknown  -        -             -            -            critical",
        "a-long-name: warning: memory: 85% used. Cause: data grows. Fix: raise maxmemory.",
        "a-long-name: critical: security: open. Cause: no aclfile. Fix: use redis_acl.",
    ]


def test_instances_of_several_hosts_are_named_with_their_host() -> None:
    lines = table_of_hosts({"h1": {"instances": [report("a", GOOD)]}, "h2": {"instances": [report("a", GOOD)]}})
    assert [line.split()[0] for line in lines] == ["INSTANCE", "h1/a", "h2/a"]


@pytest.mark.parametrize(
    ("findings", "fail_on", "verdict", "reasons"),
    [
        (GOOD, "warning", "ok", []),
        (BAD[:1], "critical", "warning", []),
        (BAD[:1], "warning", "warning", ["memory"]),
        (BAD, "critical", "critical", ["security"]),
        (BAD, "warning", "critical", ["memory", "security"]),
        (BAD, "never", "critical", []),
    ],
)
def test_the_worst_finding_decides(findings: list[Finding], fail_on: str, verdict: str, reasons: list[str]) -> None:
    result = conclude([report("a", GOOD), report("b", findings)], fail_on)
    assert result["verdict"] == verdict
    because = result.get("failed_because", "")
    assert [check for check in ("memory", "security") if f": {check}: " in because] == reasons


def test_no_instances_are_in_good_health() -> None:
    assert conclude([], "warning")["verdict"] == "ok"


@pytest.mark.parametrize(
    ("used", "limit", "shown"),
    [("0", "0", "0B of no limit"), ("1023", "1024", "1023B of 1.0K"), ("52428800", "2147483648", "50M of 2.0G")],
)
def test_sizes_are_short(used: str, limit: str, shown: str) -> None:
    assert report("a", GOOD, {**INFO, "used_memory": used, "maxmemory": limit})["memory"] == shown
