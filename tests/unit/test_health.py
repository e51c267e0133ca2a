# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster_nodes import parse_cluster_nodes
from ansible_collections.microservices.redis.plugins.module_utils._health import (
    Expectation,
    Grade,
    Observation,
    Probe,
    check_names,
    judge,
    persistence_of,
    worst,
)

EXPECTED = Expectation("a", "192.0.2.1:6379")
INFO = {
    "redis_version": "7.0.15",
    "role": "master",
    "connected_slaves": "2",
    "slave0": "ip=192.0.2.2,port=6379,state=online,offset=9,lag=1",
    "slave1": "ip=192.0.2.3,port=6379,state=online,offset=9,lag=0",
    "rdb_last_bgsave_status": "ok",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "used_memory": "500",
    "maxmemory": "1000",
    "maxmemory_policy": "noeviction",
    "maxclients": "100",
    "connected_clients": "10",
}
REPLICA = {
    "role": "slave",
    "master_host": "192.0.2.1",
    "master_port": "6379",
    "master_link_status": "up",
    "master_last_io_seconds_ago": "1",
}
DOWN = {"master_link_status": "down", "master_link_down_since_seconds": "42"}
STATE = {"cluster_state": "ok", "cluster_slots_assigned": "16384", "cluster_known_nodes": "3"}
A, B, C = "a" * 40, "b" * 40, "c" * 40
PEERS = (
    f"{A} 192.0.2.1:7000@17000 myself,master - 0 0 1 connected 0-8000",
    f"{B} 192.0.2.2:7000@17000 master - 0 0 2 connected 8001-16383",
    f"{C} 192.0.2.3:7000@17000 slave {A} 0 0 1 connected",
)
GOOD = Observation(latency=1.0, info=INFO, default_user_open=False, probe=Probe())
NODE = replace(GOOD, cluster=STATE, peers=parse_cluster_nodes("\n".join(PEERS)))


def having(**info: str) -> Observation:
    return replace(GOOD, info={**INFO, **info})


def node(*peers: str, **state: str) -> Observation:
    return replace(NODE, cluster={**STATE, **state}, peers=parse_cluster_nodes("\n".join(peers or PEERS)))


@pytest.mark.parametrize("seen", [GOOD, NODE, having(**REPLICA)])
def test_good_health_is_ok_in_every_check(seen: Observation) -> None:
    findings = judge(seen, EXPECTED)
    assert [str(finding.grade) for finding in findings] == ["ok"] * len(findings)
    assert {finding.check for finding in findings} | {"cluster"} == set(check_names())


W, X = Grade.WARNING, Grade.CRITICAL


@pytest.mark.parametrize(
    ("check", "grade", "message", "seen", "expectation"),
    [
        ("connection", W, "answered after 250 ms", replace(GOOD, latency=250.4), {}),
        ("security", X, "user default is on and needs no password", replace(GOOD, default_user_open=True), {}),
        ("role", X, "is primary, expected replica", GOOD, {"role": "replica"}),
        ("replication", W, "2 of 3 replicas are in step", GOOD, {"min_replicas": 3}),
        (
            "replication",
            W,
            "1 of 2 replicas are in step",
            having(slave1="state=wait_bgsave,lag=0"),
            {"min_replicas": 2},
        ),
        ("replication", W, "1 of 2 replicas are in step", having(slave1="state=online,lag=11"), {"min_replicas": 2}),
        ("replication", X, "no link to 192.0.2.1:6379 for 42 s", having(**REPLICA | DOWN), {}),
        (
            "replication",
            W,
            "copies the data of 192.0.2.1:6379",
            having(**REPLICA | DOWN, master_sync_in_progress="1"),
            {},
        ),
        (
            "replication",
            W,
            "nothing heard from 192.0.2.1:6379 for 11 s",
            having(**REPLICA | {"master_last_io_seconds_ago": "11"}),
            {},
        ),
        ("persistence", X, "the last RDB save failed", having(rdb_last_bgsave_status="err"), {}),
        ("persistence", X, "the last write to the AOF failed", having(aof_last_write_status="err"), {}),
        ("persistence", X, "the last AOF rewrite failed", having(aof_last_bgrewrite_status="err"), {}),
        ("memory", W, "no maxmemory", having(maxmemory="0"), {}),
        ("memory", W, "80% of maxmemory used; at 100% writes are refused", having(used_memory="800"), {}),
        ("memory", X, "95% of maxmemory used", having(used_memory="950"), {}),
        ("clients", W, "90 of 100 connections in use", having(connected_clients="90"), {}),
        ("cluster", X, "384 slots have no owner", node(cluster_slots_assigned="16000"), {}),
        ("cluster", X, "failed: 192.0.2.2:7000", node(PEERS[0], PEERS[1].replace("master", "master,fail")), {}),
        ("cluster", W, "failed: 192.0.2.3:7000", node(*PEERS[:2], PEERS[2].replace("slave", "slave,fail")), {}),
        (
            "cluster",
            W,
            "no bus link to 192.0.2.3:7000",
            node(*PEERS[:2], PEERS[2].replace("connected", "disconnected")),
            {},
        ),
        ("cluster", W, "open slots: [7->-b]", node(PEERS[0] + " [7->-b]"), {}),
        ("cluster", X, "cluster_state is not ok", node(cluster_state="fail"), {}),
        (
            "probe",
            X,
            "a published message did not arrive",
            replace(GOOD, probe=Probe("a published message did not arrive")),
            {},
        ),
    ],
)
def test_each_trouble_is_graded_with_cause_and_fix(
    check: str, grade: Grade, message: str, seen: Observation, expectation: dict[str, t.Any]
) -> None:
    [finding] = [finding for finding in judge(seen, replace(EXPECTED, **expectation)) if finding.grade]
    assert (finding.check, finding.grade) == (check, grade)
    assert finding.message.startswith(message)
    assert finding.cause
    assert finding.fix


def test_a_node_cut_off_from_the_others_is_critical_though_each_sign_is_a_warning() -> None:
    """Its links are down, nobody has been declared failed yet, and it refuses commands."""
    seen = node(
        PEERS[0], PEERS[1].replace("connected", "disconnected").replace("master", "master,fail?"), cluster_state="fail"
    )
    assert [str(finding.grade) for finding in judge(seen, EXPECTED) if finding.check == "cluster"] == [
        "warning",
        "critical",
    ]


@pytest.mark.parametrize(
    ("seen", "fix"),
    [
        (Observation("no route"), "try to connect to 192.0.2.1:6379"),
        (Observation("WRONGPASS", denied=True), "compare login_user and login_password"),
        (Observation("loading", loading=True), "wait"),
    ],
)
def test_an_instance_that_does_not_answer_has_one_critical_finding(seen: Observation, fix: str) -> None:
    [finding] = judge(seen, EXPECTED)
    assert (finding.check, finding.grade, finding.message) == ("connection", Grade.CRITICAL, seen.problem)
    assert fix in finding.fix


def test_full_memory_is_no_trouble_for_a_cache_that_evicts() -> None:
    seen = having(used_memory="1000", maxmemory_policy="allkeys-lru")
    assert worst(judge(seen, EXPECTED)) is Grade.OK


def test_only_the_wanted_checks_are_made() -> None:
    findings = judge(having(maxmemory="0"), replace(EXPECTED, checks=["role", "clients"]))
    assert [finding.check for finding in findings] == ["role", "clients"]


def test_what_a_user_may_not_ask_is_not_judged() -> None:
    assert not [one for one in judge(replace(GOOD, default_user_open=None), EXPECTED) if one.check == "security"]


@pytest.mark.parametrize(
    ("aof", "saves", "shown"),
    [("1", "2", "aof+rdb"), ("1", "0", "aof"), ("0", "1", "rdb"), ("0", "0", "unsaved")],
)
def test_persistence_is_told_in_a_word(aof: str, saves: str, shown: str) -> None:
    assert persistence_of(having(aof_enabled=aof, rdb_saves=saves)) == shown


VALUES = st.sampled_from(
    ["", "ok", "err", "0", "1", "950", "master", "slave", "up", "state=online,lag=1", "noeviction"]
)


@given(
    st.dictionaries(
        st.sampled_from(["role", "maxmemory_policy", "slave0", *(name for name in INFO if "status" in name)]), VALUES
    )
)
def test_any_answer_is_judged_and_nothing_bad_goes_unexplained(info: dict[str, str]) -> None:
    findings = judge(replace(NODE, info={**INFO, **info}), EXPECTED)
    assert [
        finding for finding in findings if finding.grade and not (finding.message and finding.cause and finding.fix)
    ] == []
    assert worst(findings) == max(finding.grade for finding in findings)
