# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from cluster_world import check, desired_on, fresh, grown, having, run, settled
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster import plan_cluster
from ansible_collections.microservices.redis.plugins.module_utils._cluster_layout import lay_out
from ansible_collections.microservices.redis.plugins.module_utils._cluster_state import (
    ALL_SLOTS,
    CurrentCluster,
    DesiredCluster,
    report_shards,
    topology,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_steps import (
    simulate,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError

SIX = desired_on("AABBCC")
ONE, TWO, THREE = "A:7000", "B:7002", "C:7004"  # the primaries of six


# Making one


def test_an_empty_set_of_nodes_becomes_a_cluster_in_one_plan() -> None:
    plan = plan_cluster(fresh(SIX), SIX)
    assert plan.describe() == [
        f"assign slots 0-5460 to {ONE}",
        f"assign slots 5461-10922 to {TWO}",
        f"assign slots 10923-16383 to {THREE}",
        *(f"set config epoch {number} on {node.name}" for number, node in enumerate(SIX.nodes, start=1)),
        *(f"introduce {node.name} to {ONE}" for node in SIX.nodes[1:]),
        f"wait until all nodes know {', '.join(node.name for node in SIX.nodes)}",
        f"make A:7001 a replica of {THREE}",
        f"make B:7003 a replica of {ONE}",
        f"make C:7005 a replica of {TWO}",
        "wait until the replication link of A:7001, B:7003, C:7005 is up",
    ]
    assert plan.diff() == {
        "before": {"no slots": [node.name for node in SIX.nodes]},
        "after": {
            "shard 0-5460": [ONE, "B:7003"],
            "shard 5461-10922": [TWO, "C:7005"],
            "shard 10923-16383": [THREE, "A:7001"],
        },
    }
    assert plan_cluster(simulate(fresh(SIX), plan.steps), SIX).describe() == []


DONE = run(fresh(SIX), SIX)


def test_shards_are_reported_in_the_order_of_their_slots() -> None:
    assert report_shards(DONE) == [
        {"slots": "0-5460", "primary": ONE, "replicas": ["B:7003"]},
        {"slots": "5461-10922", "primary": TWO, "replicas": ["C:7005"]},
        {"slots": "10923-16383", "primary": THREE, "replicas": ["A:7001"]},
    ]


HOSTS = st.text("ABCD", min_size=3, max_size=10)
CUTS = st.lists(st.integers(0, 25), max_size=6)


@given(HOSTS, st.integers(0, 2), CUTS)
def test_however_often_it_is_cut_off_it_ends_as_an_uninterrupted_run(
    hosts: str, replicas: int, cuts: list[int]
) -> None:
    desired = desired_on(hosts, replicas)
    if len(hosts) // (replicas + 1) < 3:
        return
    whole = run(fresh(desired), desired)
    check(whole, desired)
    assert topology(run(fresh(desired), desired, cuts)) == topology(whole)
    layout = lay_out(desired.nodes, replicas)
    assert {member.name: member.primary_id for member in whole.members.values() if member.is_replica} == layout.replicas


@given(HOSTS.filter(lambda hosts: len(hosts) >= 6), CUTS)
def test_the_next_plan_is_what_the_simulation_says(hosts: str, cuts: list[int]) -> None:
    desired = desired_on(hosts)
    current = fresh(desired)
    for length in cuts:
        current = simulate(current, plan_cluster(current, desired).steps[:length])
    final = simulate(current, plan_cluster(current, desired).steps)
    assert plan_cluster(final, desired).describe() == []
    check(final, desired)


@given(st.dictionaries(st.sampled_from(sorted(DONE.members)), st.sampled_from(sorted(DONE.members))))
def test_whoever_knows_whom_everybody_gets_to_know_each_other(acquaintances: dict[str, str]) -> None:
    """A node that was killed may have forgotten somebody who still knows it."""
    current = fresh(SIX)
    for name, other in acquaintances.items():
        current = having(current, name, knows={name: name, other: other})
    check(run(current, SIX), SIX)


# One that exists


def failed_over(current: CurrentCluster, primary: str, replica: str) -> CurrentCluster:
    slots = current.members[primary].slots
    current = having(current, primary, slots=frozenset(), primary_id=replica)
    return settled(having(current, replica, slots=slots, primary_id=None, config_epoch=9))


@given(st.lists(st.sampled_from(["0-5460", "5461-10922", "10923-16383"]), max_size=5))
def test_roles_that_failovers_moved_stay_where_they_are(shards: list[str]) -> None:
    current = DONE
    for shard in shards:
        primary, replica = topology(current)[shard]
        current = failed_over(current, primary, replica)
        assert topology(current)[shard] == [replica, primary]
    assert plan_cluster(current, SIX).describe() == []


def test_a_primary_that_has_not_heard_of_the_failover_is_waited_for() -> None:
    moved = failed_over(DONE, ONE, "B:7003")
    back = having(moved, ONE, slots=DONE.members[ONE].slots, primary_id=None, view=DONE.members[ONE].view, keys=5)
    plan = plan_cluster(back, SIX)
    assert plan.describe() == [f"wait until {ONE}, B:7003 agree on who owns which slots"]
    assert not plan.changes


@given(st.permutations(sorted(DONE.members)), st.integers(0, 6))
def test_keys_in_a_running_cluster_are_no_obstacle(names: list[str], count: int) -> None:
    current = DONE
    for name in names[:count]:
        current = having(current, name, keys=3)
    assert plan_cluster(current, SIX).describe() == []


def test_new_replicas_are_taken_in_and_nobody_else_is_moved() -> None:
    nine = desired_on("AABBCCDDD", 2)
    newcomers = fresh(nine).members
    grown = run(replace(DONE, members={**newcomers, **DONE.members}), nine)
    check(grown, nine)
    before = {member.name: member.primary_id for member in DONE.members.values()}
    assert {name: grown.members[name].primary_id for name in before} == before


def test_a_shard_that_lacks_a_replica_gets_one_that_another_has_too_many() -> None:
    lopsided = settled(having(DONE, "A:7001", primary_id=TWO))
    plan = plan_cluster(lopsided, SIX)
    # Not C:7005, which would be beside its primary.
    assert [step.describe() for step in plan.steps if step.changes] == [f"make A:7001 a replica of {THREE}"]
    check(run(lopsided, SIX), SIX)


@pytest.mark.parametrize(
    ("facts", "waits_for"),
    [
        ({"synced": False}, "the replication link of C:7005 is up"),
        ({"view": {}}, "all nodes agree on who owns which slots"),
        ({"following": {}}, "all nodes agree on who replicates whom"),
        ({"state_ok": False}, "cluster_state is ok on C:7005"),
    ],
)
def test_what_comes_true_by_itself_is_waited_for(facts: dict[str, t.Any], waits_for: str) -> None:
    plan = plan_cluster(having(DONE, "C:7005", **facts), SIX)
    assert plan.describe() == [f"wait until {waits_for}"]
    assert (plan.changes, plan.diff()) == (False, {"before": {}, "after": {}})


# Refusals

STRANGER = {"id-x": "192.0.2.9:7000"}


def met_a_stranger(name: str) -> CurrentCluster:
    return replace(having(fresh(SIX), name, knows={name: name, **STRANGER}), ghosts=STRANGER)


@pytest.mark.parametrize(
    ("current", "complaints"),
    [
        (CurrentCluster({}, {ONE: "connection refused"}), [f"{ONE}: connection refused"]),
        (having(fresh(SIX), TWO, enabled=False), [f"{TWO} runs without cluster-enabled yes: set it and restart"]),
        (
            having(fresh(SIX), TWO, keys=5),
            [f"{TWO} holds 5 keys and is in no cluster yet", "FLUSHALL and CLUSTER RESET"],
        ),
        (having(fresh(SIX), TWO, keys=5, slots=frozenset({3})), [f"{TWO} holds 5 keys and is in no cluster yet"]),
        (having(DONE, "C:7005", keys=5, primary_id=None), ["C:7005 holds 5 keys and no slots", "FLUSHALL on it"]),
        (met_a_stranger(TWO), [TWO, "192.0.2.9:7000, which the inventory does not name: add them"]),
        (having(fresh(SIX), TWO, id=ONE), [f"{ONE} and {TWO} are one and the same server"]),
        (
            having(having(fresh(SIX), ONE, slots=ALL_SLOTS), TWO, slots=frozenset({1})),
            [f"{ONE} and {TWO} own the same slots in different clusters"],
        ),
        (
            settled(having(having(DONE, ONE, slots=frozenset(range(100)), keys=7), "B:7003", keys=7)),
            ["nobody owns slots 100-5460", "start the node that had them", "repair in allow"],
        ),
        (having(fresh(SIX), ONE, slots=frozenset({16000})), ["nobody owns slots", "not a cluster in the making"]),
    ],
)
def test_nodes_that_are_not_free_are_refused_by_name(current: CurrentCluster, complaints: list[str]) -> None:
    with pytest.raises(RedisPlatformError) as problem:
        plan_cluster(current, replace(SIX, allow=frozenset()))
    assert [complaint for complaint in complaints if complaint not in str(problem.value)] == []


def test_a_cluster_that_others_belong_to_is_named_once() -> None:
    current = DONE
    for name in DONE.members:
        current = having(current, name, knows={**current.members[name].knows, **STRANGER})
    current = replace(current, ghosts=STRANGER)
    with pytest.raises(RedisPlatformError) as problem:
        plan_cluster(current, replace(SIX, allow=frozenset()))
    assert str(problem.value).count("192.0.2.9:7000") == 1


@pytest.mark.parametrize(
    ("desired", "allow", "complaints"),
    [
        (desired_on("AABBCCDD"), {"add"}, ["needs what allow does not name: rebalance, to move 1365 slots"]),
        (desired_on("AABBCCD"), set(), ["needs what allow does not name: add, to introduce D:7006"]),
        (desired_on("AABBCC", 0), {"add"}, ["rebalance, to make A:7001 an empty primary"]),
    ],
)
def test_what_the_policy_does_not_allow_is_refused(
    desired: DesiredCluster, allow: set[str], complaints: list[str]
) -> None:
    with pytest.raises(RedisPlatformError) as problem:
        plan_cluster(grown(DONE, desired), replace(desired, allow=frozenset(allow)))
    assert [complaint for complaint in complaints if complaint not in str(problem.value)] == []
