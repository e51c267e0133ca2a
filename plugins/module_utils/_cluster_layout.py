# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which nodes of a cluster make a shard. Pure and the same for the same inventory.

A replica in the zone of its primary dies with it. A zone is what the inventory says, else the host.
"""

from __future__ import annotations

import heapq
import typing as t
from collections import Counter, deque
from dataclasses import dataclass

from ._plan import RedisPlatformError

LEAST_PRIMARIES = 3  # fewer cannot agree on a failover


@dataclass(frozen=True)
class Node:
    """One wanted member. ``weight`` is its shard's share of the slots, compared with the others'."""

    host: str
    port: int
    zone: str | None = None
    weight: float = 1.0

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


def count_primaries(nodes: t.Sequence[Node], replicas_per_primary: int) -> int:
    """Raises RedisPlatformError when there are too few nodes, or one is given twice or with no weight."""
    twice = sorted(name for name, times in Counter(node.name for node in nodes).items() if times > 1)
    if twice:
        raise RedisPlatformError(f"given more than once: {', '.join(twice)}")
    weightless = [node.name for node in nodes if node.weight <= 0]
    if weightless:
        raise RedisPlatformError(
            f"{', '.join(weightless)}: a weight is more than 0; take a node that shall hold nothing out of the nodes"
        )
    if replicas_per_primary < 0:
        raise RedisPlatformError(f"{replicas_per_primary} replicas per primary cannot be: give 0 or more")
    count = len(nodes) // (replicas_per_primary + 1)
    if count < LEAST_PRIMARIES:
        raise RedisPlatformError(
            f"{len(nodes)} nodes with {replicas_per_primary} replicas per primary make {count} primaries, and a cluster "
            f"needs at least {LEAST_PRIMARIES}: give at least {LEAST_PRIMARIES * (replicas_per_primary + 1)} nodes"
        )
    return count


def lay_out(nodes: t.Sequence[Node], replicas_per_primary: int) -> Layout:
    """A new cluster: primaries spread over the zones, the nodes of each shard in different ones wherever that can be.

    Dealt zone by zone, one node to each shard in turn, a zone comes twice to a shard only when it has more nodes than
    there are shards, and then no other way would avoid it. Raises RedisPlatformError as ``count_primaries`` does.
    """
    count = count_primaries(nodes, replicas_per_primary)
    rank = {node: number for number, node in enumerate(nodes)}
    shards = [sorted(shard, key=rank.__getitem__) for shard in _deal(nodes, count)]
    primaries: dict[Node, list[Node]] = {}
    leading: Counter[str] = Counter()
    for shard in shards:
        crowd = Counter(node.place for node in shard)
        primary = min(shard, key=lambda node: (crowd[node.place], leading[node.place], rank[node]))
        leading[primary.place] += 1
        primaries[primary] = [node for node in shard if node != primary]
    ordered = sorted(primaries, key=rank.__getitem__)
    dealt = {replica: one.name for one in ordered for replica in primaries[one]}
    if any(replica.place == one.place for one in ordered for replica in primaries[one]):
        # A zone is too big for dealing: what cannot be avoided shall at least not be beside the primary.
        placed = place_replicas({one.name: [one] for one in ordered}, sorted(dealt, key=rank.__getitem__))
        dealt = {replica: placed[replica.name] for replica in dealt}
    replicas = {replica.name: dealt[replica] for replica in sorted(dealt, key=rank.__getitem__)}
    return Layout(tuple(node.name for node in ordered), replicas)


def crowded_zones(nodes: t.Sequence[Node], primaries: int) -> list[str]:
    """Zones with more nodes than there are shards: some of them have to share one."""
    return [zone for zone, size in Counter(node.place for node in nodes).items() if size > primaries]


def place_replicas(shards: t.Mapping[str, t.Sequence[Node]], free: t.Sequence[Node]) -> dict[str, str]:
    """A primary for each free node: even numbers first, then another zone than all of the shard's nodes.

    ``shards`` maps a primary's name to the nodes of its shard, itself the first. As few nodes as can be share a zone with
    their shard: what a greedy choice leaves over is exchanged along augmenting paths (https://en.wikipedia.org/wiki/Maximum_flow_problem).
    """
    matching = _Matching(shards, _rooms(shards, free))
    left = [node for node in _most_numerous_first(free) if not matching.settle(node)]
    for apart in (matching.from_all, matching.from_primary):
        left = [node for node in left if not matching.exchange(node, apart)]
    for node in left:
        matching.squeeze_in(node)
    return {node.name: matching.shard_of[node] for node in free}


class _Matching:
    """Free nodes on their way to shards that have room."""

    def __init__(self, shards: t.Mapping[str, t.Sequence[Node]], rooms: t.Mapping[str, int]) -> None:
        self.shards = shards
        self.rooms = {name: room for name, room in rooms.items() if room}
        self.zones = {name: Counter(node.place for node in shards[name]) for name in self.rooms}
        self.guests: dict[str, list[Node]] = {name: [] for name in self.rooms}
        self.shard_of: dict[Node, str] = {}
        self._open = deque(self.rooms)

    def from_all(self, node: Node, name: str) -> bool:
        return not self.zones[name][node.place]

    def from_primary(self, node: Node, name: str) -> bool:
        return self.shards[name][0].place != node.place

    def settle(self, node: Node) -> bool:
        """The next shard with room and without this zone, in turn, so that everybody gets the first before a second."""
        for dummy in range(len(self._open)):
            name = self._open[0]
            self._open.rotate(-1)
            if self.from_all(node, name):
                self._put(node, name)
                return True
        return False

    def exchange(self, node: Node, apart: t.Callable[[Node, str], bool]) -> bool:
        """Make room by moving others: the shortest chain of moves that keeps everybody apart."""
        paths: dict[str, tuple[str | None, Node]] = {}
        queue: deque[tuple[str | None, Node]] = deque([(None, node)])
        while queue:
            origin, guest = queue.popleft()
            for name in self.rooms:
                if name in paths or not apart(guest, name):
                    continue
                paths[name] = (origin, guest)
                if len(self.guests[name]) < self.rooms[name]:
                    self._follow(paths, name)
                    return True
                queue.extend((name, other) for other in self.guests[name])
        return False

    def squeeze_in(self, node: Node) -> None:
        """Where it does least harm: beside a replica of its zone rather than a primary, on another host at least."""

        def harm(name: str) -> tuple[bool, bool, int, str]:
            primary = self.shards[name][0]
            return primary.place == node.place, primary.host == node.host, self.zones[name][node.place], name

        self._put(node, min((name for name in self.rooms if self.rooms[name] > len(self.guests[name])), key=harm))

    def _put(self, node: Node, name: str) -> None:
        self.guests[name].append(node)
        self.shard_of[node] = name
        self.zones[name][node.place] += 1
        if len(self.guests[name]) >= self.rooms[name] and name in self._open:
            self._open.remove(name)

    def _follow(self, paths: t.Mapping[str, tuple[str | None, Node]], name: str) -> None:
        while True:
            origin, guest = paths[name]
            if origin is not None:
                self.guests[origin].remove(guest)
                self.zones[origin][guest.place] -= 1
            self._put(guest, name)
            if origin is None:
                return
            name = origin


def _deal(nodes: t.Sequence[Node], count: int) -> list[list[Node]]:
    zones: dict[str, list[Node]] = {}
    for node in nodes:
        zones.setdefault(node.place, []).append(node)
    shards: list[list[Node]] = [[] for dummy in range(count)]
    for number, node in enumerate(one for zone in zones.values() for one in _host_by_host(zone)):
        shards[number % count].append(node)
    return shards


def _host_by_host(nodes: t.Sequence[Node]) -> list[Node]:
    hosts: dict[str, list[Node]] = {}
    for node in nodes:
        hosts.setdefault(node.host, []).append(node)
    return [node for host in hosts.values() for node in host]


def _rooms(shards: t.Mapping[str, t.Sequence[Node]], free: t.Sequence[Node]) -> dict[str, int]:
    """How many more each shard gets: even numbers, and where they are odd, more for one in a less crowded zone."""
    rooms = dict.fromkeys(shards, 0)
    crowd = Counter(node.place for node in free)
    left = len(free)
    level = min((len(nodes) for nodes in shards.values()), default=0)
    while left:
        takers = [name for name, nodes in shards.items() if len(nodes) + rooms[name] == level]
        for name in takers if len(takers) <= left else _least_crowded(shards, takers, crowd, left):
            rooms[name] += 1
            crowd[shards[name][0].place] += 1
            left -= 1
        level += 1
    return rooms


def _least_crowded(
    shards: t.Mapping[str, t.Sequence[Node]], takers: t.Sequence[str], crowd: t.Mapping[str, int], count: int
) -> list[str]:
    zones: dict[str, list[str]] = {}
    for name in reversed(takers):
        zones.setdefault(shards[name][0].place, []).append(name)
    heap = [(crowd.get(zone, 0), zone) for zone in zones]
    heapq.heapify(heap)
    chosen = []
    for dummy in range(count):
        size, zone = heapq.heappop(heap)
        chosen.append(zones[zone].pop())
        if zones[zone]:
            heapq.heappush(heap, (size + 1, zone))
    return chosen


def _most_numerous_first(nodes: t.Sequence[Node]) -> list[Node]:
    crowd = Counter(node.place for node in nodes)
    first = {node.place: number for number, node in reversed(list(enumerate(nodes)))}
    return sorted(nodes, key=lambda node: (-crowd[node.place], first[node.place]))
