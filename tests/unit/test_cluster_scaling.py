# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster that is there becomes another one: more nodes, fewer, others; never without what it needs meanwhile."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from cluster_world import begun, check, desired_on, fresh, grown, having, run, settled
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster import plan_cluster
from ansible_collections.microservices.redis.plugins.module_utils._cluster_slots import (
    Transfer,
    fair_shares,
    plan_transfers,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_state import (
    ALL_SLOTS,
    CurrentCluster,
    DesiredCluster,
    topology,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_steps import MoveSlots, simulate
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError

SIX = desired_on("AABBCC")
DONE = run(fresh(SIX), SIX)
ONE, TWO, THREE = "A:7000", "B:7002", "C:7004"

ZONES = st.sampled_from(["x", "y", "z", None])


@st.composite
def wishes(draw: st.DrawFn) -> tuple[DesiredCluster, DesiredCluster]:
    """What is, and what shall be: some nodes of the first, in any order, and others."""
    hosts = draw(st.text("ABCD", min_size=3, max_size=9))
    before = desired_on(hosts, draw(st.integers(0, 2).filter(lambda replicas: len(hosts) // (replicas + 1) >= 3)))
    before = replace(before, nodes=tuple(replace(node, zone=draw(ZONES)) for node in before.nodes))
    kept = draw(st.permutations(before.nodes))[: draw(st.integers(len(before.nodes) // 2 + 1, len(before.nodes)))]
    new = tuple(
        replace(node, port=node.port + 100, zone=draw(ZONES), weight=draw(st.sampled_from([1.0, 2.0])))
        for node in desired_on(draw(st.text("ABCDE", max_size=6))).nodes
    )
    nodes = (*kept, *new)
    replicas = draw(st.integers(0, 2))
    return before, replace(before, nodes=nodes, replicas=replicas)


def owned(current: CurrentCluster) -> dict[str, frozenset[int]]:
    return {owner.name: owner.slots for owner in current.owners()}


def replicas_of(current: CurrentCluster) -> dict[str, int]:
    """Replicas with the data of each shard that has slots."""
    return {
        owner.name: sum(one.primary_id == owner.id and one.synced for one in current.members.values())
        for owner in current.owners()
    }


@given(wishes(), st.lists(st.integers(0, 12), max_size=4))
def test_whatever_is_wished_for_is_reached_and_nothing_is_lost_on_the_way(
    wish: tuple[DesiredCluster, DesiredCluster], cuts: list[int]
) -> None:
    before, desired = wish
    current = grown(run(fresh(before), before), desired)
    if len(desired.nodes) // (desired.replicas + 1) < 3:
        with pytest.raises(RedisPlatformError, match="a cluster needs at least 3"):
            plan_cluster(current, desired)
        return
    ours = [owner for owner in current.owners() if owner.wanted or wanted_replica(current, owner.id)]
    if 2 * len(ours) < len(current.owners()):
        with pytest.raises(RedisPlatformError, match="most of whose shards have no node"):
            plan_cluster(current, desired)
        return
    least = min(desired.replicas, *replicas_of(current).values())

    def watch(now: CurrentCluster) -> None:
        slots = owned(now).values()
        assert frozenset().union(*slots) == ALL_SLOTS, "a slot that nobody owns"
        assert sum(map(len, slots)) == len(ALL_SLOTS), "a slot that two own"
        assert min(replicas_of(now).values()) >= least, "a shard without the replicas that it had"

    finished = run(current, desired, cuts, watch)
    check(finished, desired)
    assert plan_cluster(finished, desired).describe() == []


def wanted_replica(current: CurrentCluster, primary_id: str) -> bool:
    return any(one.wanted and one.primary_id == primary_id for one in current.members.values())


@given(wishes())
def test_the_plan_says_what_will_be(wish: tuple[DesiredCluster, DesiredCluster]) -> None:
    before, desired = wish
    current = grown(run(fresh(before), before), desired)
    try:
        plan = plan_cluster(current, desired)
    except RedisPlatformError:
        return
    final = simulate(current, plan.steps)
    assert plan_cluster(final, desired).describe() == []
    check(final, desired)
    shards = [nodes for slots, nodes in topology(final).items() if slots != "no slots"]
    assert sorted(name for shard in shards for name in shard) == sorted(node.name for node in desired.nodes)


WEIGHTS = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=3, max_size=8)


@given(WEIGHTS, st.lists(st.integers(0, 400), min_size=3, max_size=10))
def test_no_more_slots_move_than_the_imbalance_requires(weights: list[float], sizes: list[int]) -> None:
    """Whoever has more than the share gives that away, and nobody gives and takes."""
    scale = sum(sizes) or 1
    names = [f"p{number}" for number in range(max(len(weights), len(sizes)))]
    slots, first = {}, 0
    for name, size in zip(names, sizes, strict=False):
        last = len(ALL_SLOTS) * size // scale + first
        slots[name] = frozenset(range(first, last))
        first = last
    slots[names[0]] |= frozenset(range(first, len(ALL_SLOTS)))
    wanted = dict(zip(names, weights, strict=False))
    transfers = plan_transfers(slots, wanted, threshold=0)
    after = dict(slots)
    for one in transfers:
        assert one.slots <= slots[one.source]
        after[one.source] = after[one.source] - one.slots
        after[one.target] = after.get(one.target, frozenset()) | one.slots
    assert {name: len(owned) for name, owned in after.items() if name not in wanted and owned} == {}
    shares = fair_shares(wanted, {name: len(owned) for name, owned in slots.items()})
    assert sum(shares.values()) == len(ALL_SLOTS)
    if transfers:
        assert {name: len(after.get(name, ())) for name in wanted} == shares
    moved = sum(len(one.slots) for one in transfers)
    assert moved <= sum(max(0, len(owned) - shares.get(name, 0)) for name, owned in slots.items())
    assert not {one.source for one in transfers} & {one.target for one in transfers}


def test_scaling_out_is_one_plan_that_can_be_read() -> None:
    eight = desired_on("AABBCCDD")
    plan = plan_cluster(grown(DONE, eight), eight)
    assert plan.describe() == [
        "introduce D:7006 to A:7000",
        "introduce D:7007 to A:7000",
        "wait until all nodes know A:7000, A:7001, B:7002, B:7003, C:7004, C:7005, D:7006, D:7007",
        "make D:7007 a replica of D:7006",
        "wait until the replication link of D:7007 is up",
        "move 1365 slots (0-1364) from A:7000 to D:7006; move 1366 slots (5461-6826) from B:7002 to D:7006; "
        "move 1365 slots (10923-12287) from C:7004 to D:7006",
    ]


def test_a_primary_that_leaves_hands_over_to_its_replica_instead_of_moving_all_keys() -> None:
    swapped = desired_on("AABBCC")
    swapped = replace(swapped, nodes=(*swapped.nodes[1:], replace(swapped.nodes[0], host="D", port=7100)))
    plan = plan_cluster(grown(DONE, swapped), swapped)
    assert [step.describe() for step in plan.steps if step.changes] == [
        "introduce D:7100 to A:7001",
        "make D:7100 a replica of A:7000",
        "let B:7003 take over from A:7000",
        "remove A:7000 from the cluster and reset it",
    ]


def test_a_dead_node_is_replaced() -> None:
    five = desired_on("AABBCC")
    five = replace(five, nodes=(*five.nodes[:5], replace(five.nodes[5], host="D")))
    dead = DONE.members["C:7005"]
    members = {name: member for name, member in DONE.members.items() if name != dead.name}
    current = grown(CurrentCluster(members, ghosts={dead.id: dead.name}), five)
    plan = plan_cluster(current, five)
    assert [step.describe() for step in plan.steps if step.changes] == [
        "introduce D:7005 to A:7000",
        "make D:7005 a replica of B:7002",
        "forget C:7005, which was at C:7005",
    ]
    assert plan_cluster(simulate(current, plan.steps), five).describe() == []


def test_what_a_target_cannot_hold_is_refused() -> None:
    eight = desired_on("AABBCCDD")
    current = grown(DONE, eight)
    for name in (ONE, TWO, THREE):
        current = having(current, name, data_size=400_000_000)
    current = having(current, "D:7006", memory_used=2_000_000, memory_limit=200_000_000)
    with pytest.raises(RedisPlatformError, match=r"D:7006 would get about 286 MB of data and has maxmemory 191 MB"):
        plan_cluster(current, eight)


def test_functions_are_brought_to_new_primaries() -> None:
    eight = desired_on("AABBCCDD")
    current = grown(DONE, eight)
    for name in (ONE, TWO, THREE):
        current = having(current, name, libraries=frozenset({"stock"}))
    plan = plan_cluster(current, eight)
    assert f"copy functions stock from {ONE} to D:7006" in plan.describe()


@pytest.mark.parametrize("weight", [2.0, 1.02])
def test_slots_follow_the_weights_beyond_the_threshold_only(weight: float) -> None:
    nodes = tuple(replace(node, weight=weight if node.host == "A" else 1.0) for node in SIX.nodes)
    desired = replace(SIX, nodes=nodes)
    final = run(grown(DONE, desired), desired)
    heavy = {name: len(slots) for name, slots in owned(final).items()}
    # A:7001 replicates C:7004, so that shard weighs as much.
    assert heavy == ({ONE: 6554, TWO: 3277, THREE: 6553} if weight == 2 else {ONE: 5461, TWO: 5462, THREE: 5461})


# What was left half done


@given(
    st.lists(st.tuples(st.sampled_from([ONE, TWO, THREE]), st.sampled_from([ONE, TWO, THREE])), max_size=4), st.data()
)
def test_moves_that_were_cut_off_are_finished(moves: list[tuple[str, str]], data: st.DataObject) -> None:
    current = DONE
    for number, (source, target) in enumerate(moves):
        if source != target:
            first = min(DONE.members[source].slots) + number * 10
            slots = frozenset(range(first, first + 5))
            keys = data.draw(st.lists(st.sampled_from(sorted(slots))))
            current = begun(current, Transfer(source, target, slots), keys)
            what = data.draw(st.sampled_from(["both", "migrating", "importing"]))
            if what == "migrating" and not keys:
                current = having(current, target, importing={})
            elif what == "importing":
                current = having(current, source, migrating={})
    desired = replace(SIX, allow=frozenset())
    finished = run(current, desired)
    check(finished, desired)
    assert not any(one.migrating or one.importing for one in finished.members.values())


def test_keys_at_a_second_importer_are_brought_to_the_owner() -> None:
    slots = frozenset({3})
    current = begun(begun(DONE, Transfer(ONE, TWO, slots), slots), Transfer(ONE, THREE, slots), slots)
    with pytest.raises(RedisPlatformError, match="repair, to bring 1 keys of slot 3 from"):
        plan_cluster(current, replace(SIX, allow=frozenset()))
    finished = run(current, SIX)
    check(finished, SIX)
    assert not any(one.importing or one.slot_keys.get(3) for one in finished.members.values())


def test_slots_that_nobody_owns_go_to_who_has_their_keys() -> None:
    lost = frozenset(range(100))
    current = having(DONE, ONE, slots=DONE.members[ONE].slots - lost, keys=5)
    current = having(current, THREE, slot_keys={7: 3}, keys=5)
    current = settled(current)
    final = run(current, SIX)
    check(final, SIX)
    assert 7 in final.members[THREE].slots


def test_the_slots_of_a_primary_that_is_gone_for_good_are_given_away_only_when_that_is_allowed() -> None:
    five = replace(SIX, nodes=tuple(node for node in SIX.nodes if node.name not in (ONE, "B:7003")), replicas=0)
    members = {name: member for name, member in DONE.members.items() if name not in (ONE, "B:7003")}
    ghosts = {ONE: ONE, "B:7003": "B:7003"}
    current = CurrentCluster({name: replace(member, keys=4) for name, member in members.items()}, ghosts=ghosts)
    with pytest.raises(RedisPlatformError, match=r"nobody owns slots 0-5460, which A:7000 had.* its keys are lost"):
        plan_cluster(current, replace(five, allow=frozenset({"remove"})))
    check(run(current, five), five)


def test_nodes_that_came_back_elsewhere_are_introduced_again() -> None:
    current = DONE
    for name, member in DONE.members.items():
        others = frozenset(id_ for id_ in member.knows if id_ != name)
        current = having(current, name, lost=others, announced=f"new-{name}", state_ok=False)
    plan = plan_cluster(current, SIX)
    assert plan.describe()[0].startswith("introduce ")
    assert plan_cluster(simulate(current, plan.steps), SIX).describe() == []


def test_a_replica_that_seeks_its_primary_where_it_was_is_told_again() -> None:
    current = having(DONE, "B:7003", synced=False, misled=True)
    primary = current.ids()[current.members["B:7003"].primary_id or ""].name
    plan = plan_cluster(current, replace(SIX, allow=frozenset()))
    assert [step.describe() for step in plan.steps if step.changes] == [f"make B:7003 a replica of {primary}"]
    assert not plan_cluster(having(DONE, "B:7003", synced=False), SIX).changes, "copying takes its time"
    check(run(current, SIX), SIX)


def test_a_node_that_does_not_answer_is_no_reason_to_touch_the_others() -> None:
    members = {name: member for name, member in DONE.members.items() if name != "C:7005"}
    plan = plan_cluster(CurrentCluster(members, {"C:7005": "cannot connect"}), SIX)
    assert (plan.describe(), len(plan.warnings)) == ([], 1)
    assert "C:7005: cannot connect" in plan.warnings[0]


def facts_of(**facts: t.Any) -> CurrentCluster:
    return having(DONE, TWO, **facts)


@pytest.mark.parametrize(
    ("current", "complaint"),
    [
        (having(facts_of(version="8.0.2"), ONE, version="7.0.15"), "nodes of different major versions"),
        (having(facts_of(tls=True), ONE, tls=False), "B:7002 has tls-cluster yes and A:7000 no"),
    ],
)
def test_nodes_that_do_not_go_together_are_refused(current: CurrentCluster, complaint: str) -> None:
    with pytest.raises(RedisPlatformError, match=complaint):
        plan_cluster(current, SIX)


def test_too_few_zones_are_a_warning_or_a_refusal() -> None:
    lopsided = desired_on("AAAABC")
    assert "A has more nodes than the cluster has shards" in plan_cluster(fresh(lopsided), lopsided).warnings[0]
    with pytest.raises(RedisPlatformError, match="spread the nodes over more zones"):
        plan_cluster(fresh(lopsided), replace(lopsided, anti_affinity="fail"))


def test_slots_in_one_step_are_counted() -> None:
    assert MoveSlots((Transfer("a", "b", frozenset({1, 2})), Transfer("c", "b", frozenset({3})))).slot_count == 3
