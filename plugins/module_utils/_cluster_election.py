# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which nodes shall lead the shards of a cluster, and which replicas go where. Pure.

Who leads a shard stays; only nodes that have to go give their shard away, and only shards that are too many end.
"""

from __future__ import annotations

import heapq
import typing as t
from collections import Counter
from dataclasses import dataclass

from ._cluster_layout import Layout, Node, place_replicas
from ._cluster_state import CurrentCluster, DesiredCluster, Member


@dataclass(frozen=True)
class Shards:
    """``weights`` are those of the primaries that shall have slots at the end, whether or not they have some yet.

    ``newcomers`` of them have none yet. ``leaving`` have some and shall not. ``heirs`` maps unwanted primaries to
    the wanted replicas that take over from them.
    """

    weights: t.Mapping[str, float]
    newcomers: tuple[str, ...]
    leaving: tuple[str, ...]
    heirs: t.Mapping[str, str]


def elect(current: CurrentCluster, desired: DesiredCluster, count: int) -> Shards:
    """The primaries of ``count`` shards: those that are, as far as they are wanted, then new ones."""
    rank = {node.name: number for number, node in enumerate(desired.nodes)}
    followers = _followers(current)
    heads: dict[str, Member] = {}
    for owner in current.owners():
        replicas = [one for one in followers.get(owner.id, []) if one.wanted]
        heirs = sorted(replicas, key=lambda one: (not one.synced, rank[one.name]))
        if owner.wanted or heirs:
            heads[owner.name] = owner if owner.wanted else heirs[0]
    _drop_surplus(heads, current, count, rank)
    leaving = tuple(owner.name for owner in current.owners() if owner.name not in heads)
    leads = Counter(head.node.place for head in heads.values())
    newcomers = _newcomers(current, heads, followers, rank, count - len(heads), leads)
    weights = {}
    for name in [*heads, *newcomers]:
        shard = [current.members[name], *followers.get(current.members[name].id, [])]
        weights[name] = max((one.node.weight for one in shard if one.wanted), default=1.0)
    return Shards(weights, newcomers, leaving, {name: one.name for name, one in heads.items() if one.name != name})


def replicas_to_place(
    current: CurrentCluster, desired: DesiredCluster, shards: Shards, layout: Layout
) -> dict[str, str]:
    """A primary for each node that has none, and for those a shard has too many of while another lacks some."""
    ids = {current.members[name].id: name for name in shards.weights}
    still_needed = {current.members[name].id for name in shards.leaving}
    heirs = set(shards.heirs.values())
    followers = [member for member in current.members.values() if member.wanted and not member.slots]
    serving = {member.name: ids[member.primary_id] for member in followers if member.primary_id in ids}
    free = [
        member.name
        for member in followers
        if member.name not in serving and member.name not in shards.weights and member.primary_id not in still_needed
    ]
    as_laid_out = all(layout.replicas.get(name) == owner for name, owner in serving.items())
    if as_laid_out and all(layout.replicas.get(name) in shards.weights for name in free):
        return {name: layout.replicas[name] for name in free}
    nodes = {member.name: member.node for member in current.members.values()}
    groups: dict[str, list[Node]] = {name: [nodes[shards.heirs.get(name, name)]] for name in shards.weights}
    replicas: dict[str, list[str]] = {name: [] for name in groups}
    for name, owner in serving.items():
        if name not in heirs:
            replicas[owner].append(name)
    lacking = sum(max(0, desired.replicas - len(names)) for names in replicas.values()) - len(free)
    moving = _surplus(replicas, nodes, groups, desired.replicas)[: max(0, lacking)]
    for owner, names in replicas.items():
        groups[owner] += [nodes[name] for name in names if name not in moving]
    return place_replicas(groups, [nodes[name] for name in [*free, *moving]])


def _followers(current: CurrentCluster) -> dict[str, list[Member]]:
    followers: dict[str, list[Member]] = {}
    for member in current.members.values():
        if member.primary_id and not member.slots:
            followers.setdefault(member.primary_id, []).append(member)
    return followers


def _drop_surplus(heads: dict[str, Member], current: CurrentCluster, count: int, rank: t.Mapping[str, int]) -> None:
    """Those that have to go anyway first, then who has least to move, in the zones that lead most."""
    leads = Counter(head.node.place for head in heads.values())
    while len(heads) > count:

        def dispensable(name: str) -> tuple[bool, int, int, int]:
            owner = current.members[name]
            return owner.wanted, len(owner.slots), -leads[heads[name].node.place], -rank.get(heads[name].name, 0)

        dropped = min(heads, key=dispensable)
        leads[heads.pop(dropped).node.place] -= 1


def _newcomers(
    current: CurrentCluster,
    heads: t.Mapping[str, Member],
    followers: t.Mapping[str, t.Sequence[Member]],
    rank: t.Mapping[str, int],
    missing: int,
    leads: Counter[str],
) -> tuple[str, ...]:
    taken = {head.name for head in heads.values()}
    free = [one for one in current.members.values() if one.wanted and not one.slots and one.name not in taken]
    empty = [one for one in free if not one.is_replica]
    chosen_before = [one for one in empty if one.id in followers]  # by an earlier run, which gave it replicas
    others = [one for one in empty if one.id not in followers]
    chosen: list[str] = []
    for candidates in (chosen_before, others):
        chosen += _from_zones_that_lead_least(candidates, missing - len(chosen), leads, rank)
    sizes = {current.members[name].id: len(followers.get(current.members[name].id, [])) for name in heads}
    replicas = {one.name: one for one in free if one.is_replica}
    while len(chosen) < missing and replicas:

        def dispensable(name: str) -> tuple[int, int, int]:
            one = replicas[name]
            return -sizes.get(one.primary_id or "", 0), leads[one.node.place], rank[name]

        best = replicas.pop(min(replicas, key=dispensable))
        chosen.append(best.name)
        leads[best.node.place] += 1
        if best.primary_id in sizes:
            sizes[best.primary_id] -= 1
    return tuple(chosen)


def _from_zones_that_lead_least(
    candidates: t.Sequence[Member], count: int, leads: Counter[str], rank: t.Mapping[str, int]
) -> list[str]:
    zones: dict[str, list[str]] = {}
    for member in sorted(candidates, key=lambda one: rank[one.name], reverse=True):
        zones.setdefault(member.node.place, []).append(member.name)
    heap = [(leads[zone], rank[names[-1]], zone) for zone, names in zones.items()]
    heapq.heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < count:
        dummy, dummy, zone = heapq.heappop(heap)
        chosen.append(zones[zone].pop())
        leads[zone] += 1
        if zones[zone]:
            heapq.heappush(heap, (leads[zone], rank[zones[zone][-1]], zone))
    return chosen


def _surplus(
    replicas: t.Mapping[str, t.Sequence[str]],
    nodes: t.Mapping[str, Node],
    groups: t.Mapping[str, t.Sequence[Node]],
    wanted: int,
) -> list[str]:
    """The replicas that a shard can do without, those first that are worth least where they are."""
    poor = {groups[name][0].place for name, names in replicas.items() if len(names) < wanted}
    surplus = []
    for owner, names in replicas.items():

        def worth_keeping(replica: str, primary: str = owner) -> tuple[bool, bool, str]:
            place = nodes[replica].place
            return place == groups[primary][0].place, place not in poor, replica

        surplus += sorted(names, key=worth_keeping)[wanted:]
    return surplus
