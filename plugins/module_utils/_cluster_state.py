# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""A Redis Cluster: what is wanted of it, and what its nodes say. Pure data.

A node is who it says it is: its id comes from itself, never from the address where it was found
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ._cluster_layout import Node
from ._cluster_nodes import SLOT_COUNT, show_slots
from ._plan import RedisPlatformError

ALL_SLOTS = frozenset(range(SLOT_COUNT))
PERMISSIONS = ("add", "rebalance", "remove", "repair")


@dataclass(frozen=True)
class DesiredCluster:
    """``allow`` is what may be done to a cluster that is there; ``threshold`` is in percent of a shard's share."""

    name: str
    nodes: tuple[Node, ...]
    replicas: int
    allow: frozenset[str] = frozenset({"add", "repair"})
    threshold: float = 2.0
    anti_affinity: str = "warn"

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredCluster:
        """Raises RedisPlatformError when ``threshold`` is no percentage."""
        nodes = tuple(Node(node["host"], node["port"], node["zone"], node["weight"]) for node in params["nodes"])
        if not 0 <= params["threshold"] < 100:
            raise RedisPlatformError(f"threshold is a percentage from 0 to 99, not {params['threshold']:g}")
        allow = frozenset(params["allow"])
        return cls(params["name"], nodes, params["replicas"], allow, params["threshold"], params["anti_affinity"])


@dataclass(frozen=True)
class Member:
    """A node as it describes itself.

    ``knows`` maps ids to addresses, itself included and without handshakes; ``failed`` are those that it deems failed
    and ``lost`` those it has no link to. ``announced`` is the address that it gives of itself. ``view`` is who owns
    which slots in its eyes, ``following`` which replica follows which primary. ``synced`` is whether a replica's link
    to its primary is up; a primary has none and counts as synced. ``misled`` is a replica that tries another address than
    the one its primary has in its own eyes. ``migrating`` and ``importing`` map open slots to
    the id of the node at the other end, ``slot_keys`` counts the keys in slots whose owner is in question.
    ``memory_used``, ``data_size`` (of it, the keys) and ``memory_limit`` (``maxmemory``, or 0) are bytes.
    """

    node: Node
    id: str
    knows: t.Mapping[str, str]
    slots: frozenset[int] = frozenset()
    primary_id: str | None = None
    config_epoch: int = 0
    keys: int = 0
    enabled: bool = True
    synced: bool = True
    misled: bool = False
    state_ok: bool = True
    view: t.Mapping[str, frozenset[int]] = field(default_factory=dict)
    following: t.Mapping[str, str] = field(default_factory=dict)
    wanted: bool = True
    announced: str = ""
    failed: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    migrating: t.Mapping[int, str] = field(default_factory=dict)
    importing: t.Mapping[int, str] = field(default_factory=dict)
    slot_keys: t.Mapping[int, int] = field(default_factory=dict)
    libraries: frozenset[str] = frozenset()
    memory_used: int = 0
    data_size: int = 0
    memory_limit: int = 0
    version: str = ""
    tls: bool | None = None

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def isolated(self) -> bool:
        return len(self.knows) == 1

    @property
    def is_replica(self) -> bool:
        return self.primary_id is not None

    def with_slot_keys(self, counts: t.Mapping[int, int]) -> Member:
        return replace(self, slot_keys=counts)


@dataclass(frozen=True)
class CurrentCluster:
    """``members`` are the wanted nodes, and those that they know and that answer; ``unreachable`` are wanted nodes.

    ``ghosts`` are unwanted nodes that the members know and nobody answers for: ids to addresses.
    """

    members: t.Mapping[str, Member]
    unreachable: t.Mapping[str, str] = field(default_factory=dict)
    ghosts: t.Mapping[str, str] = field(default_factory=dict)

    def ids(self) -> dict[str, Member]:
        return {member.id: member for member in self.members.values()}

    def owners(self) -> list[Member]:
        """The primaries that have slots."""
        return [member for member in self.members.values() if member.slots]


class Groups:
    """Sets that grow together (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        self._parent[self._root(one)] = self._root(other)

    def all(self) -> list[list[str]]:
        groups: dict[str, list[str]] = {}
        for name in self._parent:
            groups.setdefault(self._root(name), []).append(name)
        return list(groups.values())

    def _root(self, name: str) -> str:
        self._parent.setdefault(name, name)
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name


def acquaintances(current: CurrentCluster) -> list[list[str]]:
    """The names of those that know each other, however indirectly, each set of them."""
    groups = Groups()
    ids = current.ids()
    for name, member in current.members.items():
        for known in member.knows:
            if known in ids:
                groups.join(name, ids[known].name)
    return groups.all()


def topology(current: CurrentCluster) -> dict[str, list[str]]:
    """Slots of each shard to its nodes, the primary first; nodes outside a shard under ``no slots``."""
    replicas: dict[str, list[str]] = {}
    for member in current.members.values():
        if member.primary_id and not member.slots:
            replicas.setdefault(member.primary_id, []).append(member.name)
    owners = sorted(current.owners(), key=lambda member: min(member.slots))
    shards = {show_slots(one.slots): [one.name, *sorted(replicas.get(one.id, []))] for one in owners}
    placed = {name for shard in shards.values() for name in shard}
    rest = sorted(name for name in current.members if name not in placed)
    return {**shards, **({"no slots": rest} if rest else {})}


def report_shards(current: CurrentCluster) -> list[dict[str, t.Any]]:
    """The topology as data, in the order of the slots."""
    return [
        {"slots": slots, "primary": nodes[0], "replicas": nodes[1:]}
        for slots, nodes in topology(current).items()
        if slots != "no slots"
    ]
