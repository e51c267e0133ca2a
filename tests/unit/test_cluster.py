# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster import (
    ALL_SLOTS,
    AddSlots,
    Await,
    ClusterStep,
    CurrentCluster,
    DesiredCluster,
    Meet,
    Member,
    Replicate,
    SetConfigEpoch,
    add_slots_words,
    plan_cluster,
    report_shards,
    simulate,
    topology,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_layout import Node, lay_out
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError


def desired_on(hosts: str, replicas: int = 1) -> DesiredCluster:
    """A node per letter, the letter being its host."""
    return DesiredCluster("shop", tuple(Node(host, 7000 + number) for number, host in enumerate(hosts)), replicas)


SIX = desired_on("AABBCC")
ONE, TWO, THREE = "A:7000", "B:7002", "C:7004"  # the primaries of six


def fresh(desired: DesiredCluster) -> CurrentCluster:
    """Empty nodes that know nobody."""
    members = [
        Member(node, node.name, {node.name: node.name}, node.port + 10000, state_ok=False) for node in desired.nodes
    ]
    return CurrentCluster({member.name: member for member in members})


def having(current: CurrentCluster, name: str, **facts: t.Any) -> CurrentCluster:
    return replace(current, members={**current.members, name: replace(current.members[name], **facts)})


# A world that keeps to the rules of Redis


def after(current: CurrentCluster, step: ClusterStep) -> CurrentCluster:
    """What the nodes say right after a step; Redis would refuse what is asserted against."""
    if isinstance(step, Await):
        return settled(current)
    member = current.members[step.node]
    if isinstance(step, AddSlots):
        assert not [slots for slots in member.view.values() if slots & step.slots]
        slots = member.slots | step.slots
        return having(current, step.node, slots=slots, view={**member.view, member.id: slots})
    if isinstance(step, SetConfigEpoch):
        assert (member.isolated, member.config_epoch) == (True, 0)
        return having(current, step.node, config_epoch=step.epoch)
    if isinstance(step, Meet):
        other = current.members[step.other]
        current = having(current, step.node, knows={**member.knows, other.id: other.name})
        return having(current, step.other, knows={**other.knows, member.id: member.name})
    primary = current.members[step.primary]
    assert primary.id in member.knows
    assert not primary.is_replica
    assert not member.slots
    assert member.is_replica or not member.keys
    return having(current, step.node, primary_id=primary.id, synced=False)


def settled(current: CurrentCluster) -> CurrentCluster:
    """Time passes: news spreads to whoever is connected, replicas copy their data."""
    members = dict(current.members)
    for dummy in members:
        for name, member in members.items():
            friends = [other for other in members.values() if other.id in member.knows]
            knows = {id_: other for friend in friends for id_, other in friend.knows.items()}
            view = {friend.id: friend.slots for friend in friends if friend.slots}
            following = {friend.id: friend.primary_id for friend in friends if friend.primary_id}
            ok = sum(map(len, view.values())) == len(ALL_SLOTS)
            facts: dict[str, t.Any] = {
                "knows": knows,
                "view": view,
                "following": following,
                "synced": True,
                "state_ok": ok,
            }
            members[name] = replace(member, **facts)
    return replace(current, members=members)


def run(current: CurrentCluster, desired: DesiredCluster, cuts: t.Iterable[int | None] = ()) -> CurrentCluster:
    """As the runner does it: apply until a step has to wait, look again; ``cuts`` are runs that end early."""
    plan = plan_cluster(current, desired)
    for length in [*cuts, *[None] * 20]:
        for step in plan.steps[:length]:
            if isinstance(step, Replicate) and step.primary not in current.members[step.node].knows:
                break
            current = after(current, step)
            if isinstance(step, Await):
                break
        plan = plan_cluster(current, desired)
        if not plan:
            return current
    raise AssertionError(f"still to do: {plan.describe()}")


def check(current: CurrentCluster, desired: DesiredCluster) -> None:
    """No slot without an owner or with two, no shard without its replicas, none beside its primary without need."""
    members = current.members.values()
    owners = {member.id: member for member in members if member.slots}
    assert sum(len(owner.slots) for owner in owners.values()) == len(ALL_SLOTS)
    assert frozenset().union(*(owner.slots for owner in owners.values())) == ALL_SLOTS
    replicas = [member for member in members if not member.slots]
    assert {replica.primary_id for replica in replicas} <= set(owners)
    for owner in owners:
        assert sum(replica.primary_id == owner for replica in replicas) >= desired.replicas
    assert [member.name for member in members if len(member.knows) != len(current.members)] == []


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


def test_slots_are_assigned_in_ranges() -> None:
    assert add_slots_words(frozenset({1, 2, 3, 7})) == [1, 3, 7, 7]


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
    return having(fresh(SIX), name, knows={name: name, **STRANGER})


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
            ["nobody owns slots 100-5460", "redis-cli --cluster fix"],
        ),
        (having(fresh(SIX), ONE, slots=frozenset({16000})), ["nobody owns slots", "not a cluster in the making"]),
    ],
)
def test_nodes_that_are_not_free_are_refused_by_name(current: CurrentCluster, complaints: list[str]) -> None:
    with pytest.raises(RedisPlatformError) as problem:
        plan_cluster(current, SIX)
    assert [complaint for complaint in complaints if complaint not in str(problem.value)] == []


def test_a_cluster_that_others_belong_to_is_named_once() -> None:
    current = DONE
    for name in DONE.members:
        current = having(current, name, knows={**current.members[name].knows, **STRANGER})
    with pytest.raises(RedisPlatformError) as problem:
        plan_cluster(current, SIX)
    assert str(problem.value).count("192.0.2.9:7000") == 1


def test_another_number_of_primaries_is_refused_for_now() -> None:
    eight = desired_on("AABBCCDD")
    current = replace(DONE, members={**fresh(eight).members, **DONE.members})
    with pytest.raises(
        RedisPlatformError, match="cluster shop has 3 primaries, and 8 nodes with 1 replicas each make 4"
    ):
        plan_cluster(current, eight)
