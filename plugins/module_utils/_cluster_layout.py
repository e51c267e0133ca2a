# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Where primaries and replicas of a new cluster go. Pure and the same for the same inventory.

A replica in the zone of its primary dies with it. A zone is what the inventory says, else the host.
"""

from __future__ import annotations

import itertools
import typing as t
from collections import Counter
from dataclasses import dataclass

from ._plan import RedisPlatformError

LEAST_PRIMARIES = 3  # fewer cannot agree on a failover


@dataclass(frozen=True)
class Node:
    """One wanted member."""

    host: str
    port: int
    zone: str | None = None

    @property
    def name(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def place(self) -> str:
        return self.zone or self.host


@dataclass(frozen=True)
class Layout:
    """``replicas`` maps a replica's name to its primary's."""

    primaries: tuple[str, ...]
    replicas: t.Mapping[str, str]


def lay_out(nodes: t.Sequence[Node], replicas_per_primary: int) -> Layout:
    """Primaries spread over the zones, each replica in another zone than its primary wherever that can be.

    Raises RedisPlatformError when there are too few nodes, or one is given twice.
    """
    names = [node.name for node in nodes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RedisPlatformError(f"given more than once: {', '.join(twice)}")
    if replicas_per_primary < 0:
        raise RedisPlatformError(f"{replicas_per_primary} replicas per primary cannot be: give 0 or more")
    count = len(nodes) // (replicas_per_primary + 1)
    if count < LEAST_PRIMARIES:
        raise RedisPlatformError(
            f"{len(nodes)} nodes with {replicas_per_primary} replicas per primary make {count} primaries, and a cluster "
            f"needs at least {LEAST_PRIMARIES}: give at least {LEAST_PRIMARIES * (replicas_per_primary + 1)} nodes"
        )
    primaries = _spread(nodes)[:count]
    rest = [node for node in nodes if node not in primaries]
    return Layout(tuple(node.name for node in primaries), assign_replicas(primaries, rest))


def assign_replicas(
    primaries: t.Sequence[Node], replicas: t.Sequence[Node], taken: t.Sequence[tuple[Node, Node]] = ()
) -> dict[str, str]:
    """A primary for each replica: even numbers first, then as few shared zones as possible.

    ``taken`` are (replica, primary) pairs that exist already. Each new replica takes the best place left; then pairs
    are swapped while that brings fewer shared zones. With the numbers fixed that finds the fewest: a replica beside
    its primary has nobody to swap with only when all other places are taken by replicas of its zone.
    """
    loads = {primary.name: [replica for replica, owner in taken if owner == primary] for primary in primaries}
    shares = _shares(primaries, replicas, loads)
    assigned: dict[Node, Node] = {}
    for replica in replicas:
        open_ones = [primary for primary in primaries if shares[primary.name]]
        costs = [(_conflicts(replica, one, loads[one.name]), len(loads[one.name]), one.name) for one in open_ones]
        best = open_ones[costs.index(min(costs))]
        loads[best.name].append(replica)
        shares[best.name] -= 1
        assigned[replica] = best
    _improve(assigned, loads)
    return {replica.name: primary.name for replica, primary in assigned.items()}


def _shares(
    primaries: t.Sequence[Node], replicas: t.Sequence[Node], loads: t.Mapping[str, t.Sequence[Node]]
) -> dict[str, int]:
    """How many replicas each primary gets; where numbers are odd, the one in the least crowded zone gets more."""
    shares = dict.fromkeys(loads, 0)
    crowd = Counter(replica.place for replica in replicas)
    for dummy in replicas:
        least = min(primaries, key=lambda one: (len(loads[one.name]) + shares[one.name], crowd[one.place], one.name))
        shares[least.name] += 1
        crowd[least.place] += 1
    return shares


def _spread(nodes: t.Sequence[Node]) -> list[Node]:
    """One node of each zone in turn, in the inventory's order."""
    zones: dict[str, list[Node]] = {}
    for node in nodes:
        zones.setdefault(node.place, []).append(node)
    ordered: list[Node] = []
    while any(zones.values()):
        ordered += [queue.pop(0) for queue in zones.values() if queue]
    return ordered


def _conflicts(replica: Node, primary: Node, siblings: t.Sequence[Node]) -> int:
    """Sharing the primary's zone is far worse than sharing a sibling's, sharing the very host worse still."""
    same_zone = 1000 * (replica.place == primary.place) + 1000 * (replica.host == primary.host)
    return same_zone + sum(sibling.place == replica.place for sibling in siblings if sibling != replica)


def _improve(assigned: dict[Node, Node], loads: dict[str, list[Node]]) -> None:
    def cost(*primaries: Node) -> int:
        return sum(
            _conflicts(one, primary, loads[primary.name]) for primary in primaries for one in loads[primary.name]
        )

    improved = True
    while improved:
        improved = False
        for one, other in itertools.combinations(sorted(assigned, key=lambda node: node.name), 2):
            first, second = assigned[one], assigned[other]
            before = cost(first, second) if first != second else 0
            if before:
                _swap(assigned, loads, one, other)
                if cost(first, second) < before:
                    improved = True
                else:
                    _swap(assigned, loads, one, other)


def _swap(assigned: dict[Node, Node], loads: dict[str, list[Node]], one: Node, other: Node) -> None:
    first, second = assigned[one], assigned[other]
    loads[first.name].remove(one)
    loads[second.name].remove(other)
    loads[first.name].append(other)
    loads[second.name].append(one)
    assigned[one], assigned[other] = second, first
