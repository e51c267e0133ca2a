# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A world for plans of clusters that keeps to the rules of Redis: it refuses what Redis would refuse."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.microservices.redis.plugins.module_utils._cluster import plan_cluster
from ansible_collections.microservices.redis.plugins.module_utils._cluster_layout import Node
from ansible_collections.microservices.redis.plugins.module_utils._cluster_slots import Transfer
from ansible_collections.microservices.redis.plugins.module_utils._cluster_state import (
    ALL_SLOTS,
    PERMISSIONS,
    CurrentCluster,
    DesiredCluster,
    Member,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_steps import (
    AddSlots,
    Await,
    CloseSlots,
    ClusterStep,
    CopyFunctions,
    Detach,
    ForgetGhost,
    HandOver,
    Meet,
    MoveSlots,
    Remove,
    Replicate,
    ReturnKeys,
    SetConfigEpoch,
)


def desired_on(hosts: str, replicas: int = 1, allow: t.Iterable[str] = PERMISSIONS) -> DesiredCluster:
    """A node per letter, the letter being its host."""
    nodes = tuple(Node(host, 7000 + number) for number, host in enumerate(hosts))
    return DesiredCluster("shop", nodes, replicas, frozenset(allow))


def fresh(desired: DesiredCluster) -> CurrentCluster:
    """Empty nodes that know nobody."""
    members = [Member(node, node.name, {node.name: node.name}, state_ok=False) for node in desired.nodes]
    return CurrentCluster({member.name: member for member in members})


def grown(current: CurrentCluster, desired: DesiredCluster) -> CurrentCluster:
    """The cluster with other wishes: new nodes are there and empty, some are not wanted any more."""
    wanted = {node.name: node for node in desired.nodes}
    members = {
        name: replace(member, node=wanted.get(name, member.node), wanted=name in wanted)
        for name, member in current.members.items()
    }
    return replace(current, members={**fresh(desired).members, **members})


def having(current: CurrentCluster, name: str, **facts: t.Any) -> CurrentCluster:
    return replace(current, members={**current.members, name: replace(current.members[name], **facts)})


def after(current: CurrentCluster, step: ClusterStep) -> CurrentCluster:
    """What the nodes say right after a step; Redis would refuse what is asserted against."""
    if isinstance(step, Await):
        return settled(current)
    if isinstance(step, MoveSlots):
        for one in step.transfers:
            current = moved(current, one)
        return current
    if isinstance(step, CopyFunctions):
        return having(current, step.target, libraries=current.members[step.source].libraries)
    if isinstance(step, ReturnKeys):
        member, owner = current.members[step.source], current.members[step.owner]
        assert step.slot in owner.slots
        assert step.slot in member.importing
        return having(current, step.source, slot_keys={**member.slot_keys, step.slot: 0})
    if isinstance(step, ForgetGhost):
        ghosts = {id_: address for id_, address in current.ghosts.items() if id_ != step.id}
        return forgotten(replace(current, ghosts=ghosts), step.id)
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
    if isinstance(step, Detach):
        assert member.is_replica or not member.keys
        return having(
            current, step.node, knows={member.id: member.name}, primary_id=None, keys=0, view={}, following={}
        )
    if isinstance(step, CloseSlots):
        assert not any(member.slot_keys.get(slot) for slot in step.slots if slot in member.importing)
        return closed(current, step.node, step.slots)
    if isinstance(step, HandOver):
        return handed_over(current, member, current.members[step.primary])
    if isinstance(step, Remove):
        assert not member.slots
        for other in current.members.values():
            assert other.primary_id != member.id or not other.wanted
        members = {name: one for name, one in current.members.items() if name != step.node}
        return forgotten(replace(current, members=members), member.id)
    primary = current.members[step.primary]
    assert primary.id in member.knows
    assert not primary.is_replica
    assert not member.slots
    assert member.is_replica or not member.keys
    return having(current, step.node, primary_id=primary.id, synced=False, misled=False)


def moved(current: CurrentCluster, one: Transfer) -> CurrentCluster:
    source, target = current.members[one.source], current.members[one.target]
    assert one.slots <= source.slots
    assert not target.is_replica
    assert target.id in source.knows
    assert source.id in target.knows
    assert target.state_ok, "MIGRATE: Target instance replied with error: CLUSTERDOWN"
    current = having(current, one.source, slots=source.slots - one.slots)
    current = having(current, one.target, slots=target.slots | one.slots)
    for name in (one.source, one.target):
        current = closed(current, name, one.slots)
    return current


def begun(current: CurrentCluster, one: Transfer, keys: t.Iterable[int] = ()) -> CurrentCluster:
    """A move that was cut off: slots are open, ``keys`` of them have keys at the target already."""
    source, target = current.members[one.source], current.members[one.target]
    current = having(current, one.source, migrating={**source.migrating, **dict.fromkeys(one.slots, target.id)})
    counts = {**target.slot_keys, **dict.fromkeys(keys, 1)}
    importing = {**target.importing, **dict.fromkeys(one.slots, source.id)}
    return having(current, one.target, importing=importing, slot_keys=counts)


def closed(current: CurrentCluster, name: str, slots: frozenset[int]) -> CurrentCluster:
    member = current.members[name]
    facts: dict[str, t.Any] = {
        what: {slot: value for slot, value in getattr(member, what).items() if slot not in slots}
        for what in ("migrating", "importing", "slot_keys")
    }
    return having(current, name, **facts)


def handed_over(current: CurrentCluster, heir: Member, primary: Member) -> CurrentCluster:
    assert heir.primary_id == primary.id
    assert heir.synced
    slots = primary.slots
    for name, member in current.members.items():
        if member.primary_id == primary.id:
            current = having(current, name, primary_id=heir.id)
    current = having(current, primary.name, slots=frozenset(), primary_id=heir.id)
    return having(current, heir.name, slots=slots, primary_id=None, config_epoch=99)


def forgotten(current: CurrentCluster, node_id: str) -> CurrentCluster:
    for name, member in current.members.items():
        knows = {id_: address for id_, address in member.knows.items() if id_ != node_id}
        view = {id_: slots for id_, slots in member.view.items() if id_ != node_id}
        following = {id_: primary for id_, primary in member.following.items() if id_ != node_id}
        current = having(current, name, knows=knows, view=view, following=following)
    return current


def settled(current: CurrentCluster) -> CurrentCluster:
    """Time passes: news spreads to whoever is connected, replicas copy their data."""
    members = dict(current.members)
    for dummy in range(3):
        for name, member in members.items():
            friends = [other for other in members.values() if other.id in member.knows]
            knows = {id_: other for friend in friends for id_, other in friend.knows.items()}
            view = {friend.id: friend.slots for friend in friends if friend.slots}
            following = {friend.id: friend.primary_id for friend in friends if friend.primary_id}
            ok = sum(map(len, view.values())) == len(ALL_SLOTS)
            members[name] = replace(
                member,
                knows=knows,
                view=view,
                following={id_: primary for id_, primary in following.items() if primary},
                synced=True,
                state_ok=ok,
            )
    return replace(current, members=members)


Witness = t.Callable[[CurrentCluster], None]


def run(
    current: CurrentCluster,
    desired: DesiredCluster,
    cuts: t.Iterable[int | None] = (),
    witness: Witness = lambda current: None,
) -> CurrentCluster:
    """As the runner does it: apply until a step has to wait, look again; ``cuts`` are runs that end early."""
    plan = plan_cluster(current, desired)
    for length in [*cuts, *[None] * 30]:
        for step in plan.steps[:length]:
            if isinstance(step, Replicate) and step.primary not in current.members[step.node].knows:
                break
            current = after(current, step)
            witness(current)
            if isinstance(step, Await):
                break
        plan = plan_cluster(current, desired)
        if not plan:
            return current
    raise AssertionError(f"still to do: {plan.describe()}")


def check(current: CurrentCluster, desired: DesiredCluster) -> None:
    """No slot without an owner or with two, no shard without its replicas, nobody who does not know all others."""
    members = current.members.values()
    owners = {member.id: member for member in members if member.slots}
    assert sum(len(owner.slots) for owner in owners.values()) == len(ALL_SLOTS)
    assert frozenset().union(*(owner.slots for owner in owners.values())) == ALL_SLOTS
    replicas = [member for member in members if not member.slots]
    assert {replica.primary_id for replica in replicas} <= set(owners)
    for owner in owners:
        assert sum(replica.primary_id == owner for replica in replicas) >= desired.replicas
    assert [member.name for member in members if len(member.knows) != len(current.members)] == []
    assert len(owners) == len(desired.nodes) // (desired.replicas + 1)
    assert sorted(current.members) == sorted(node.name for node in desired.nodes)
