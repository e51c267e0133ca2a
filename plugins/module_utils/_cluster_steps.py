# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""The steps that make a Redis Cluster what is wanted, and what becomes of it by them. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ._cluster_nodes import show_slots
from ._cluster_slots import Transfer
from ._cluster_state import CurrentCluster, Groups, Member


@dataclass(frozen=True)
class AddSlots:
    """``keys`` says that the node has keys there already, so that its claim has to be newer than any other."""

    node: str
    slots: frozenset[int]
    claim: bool = False
    changes: bool = True

    def describe(self) -> str:
        return f"assign slots {show_slots(self.slots)} to {self.node}"


@dataclass(frozen=True)
class SetConfigEpoch:
    node: str
    epoch: int
    changes: bool = True

    def describe(self) -> str:
        return f"set config epoch {self.epoch} on {self.node}"


@dataclass(frozen=True)
class Meet:
    node: str
    other: str
    changes: bool = True

    def describe(self) -> str:
        return f"introduce {self.node} to {self.other}"


@dataclass(frozen=True)
class Replicate:
    node: str
    primary: str
    changes: bool = True

    def describe(self) -> str:
        return f"make {self.node} a replica of {self.primary}"


@dataclass(frozen=True)
class Detach:
    """Makes a replica an empty primary that knows nobody and keeps its id."""

    node: str
    changes: bool = True

    def describe(self) -> str:
        return f"make {self.node} an empty primary"


@dataclass(frozen=True)
class CopyFunctions:
    source: str
    target: str
    libraries: tuple[str, ...]
    changes: bool = True

    def describe(self) -> str:
        return f"copy functions {', '.join(self.libraries)} from {self.source} to {self.target}"


@dataclass(frozen=True)
class MoveSlots:
    """All at the same time; ``keys`` and ``size``, in bytes, are estimates of what moves with them."""

    transfers: tuple[Transfer, ...]
    keys: int = 0
    size: int = 0
    changes: bool = True

    @property
    def slot_count(self) -> int:
        return sum(len(one.slots) for one in self.transfers)

    def describe(self) -> str:
        return "; ".join(
            f"move {len(one.slots)} slots ({show_slots(one.slots)}) from {one.source} to {one.target}"
            for one in self.transfers
        )


@dataclass(frozen=True)
class CloseSlots:
    """Ends a move that is none."""

    node: str
    slots: frozenset[int]
    changes: bool = True

    def describe(self) -> str:
        return f"close slots {show_slots(self.slots)} on {self.node}"


@dataclass(frozen=True)
class ReturnKeys:
    """Brings keys that are where nobody looks for them to the owner of their slot, whose own copies win."""

    source: str
    owner: str
    slot: int
    keys: int
    changes: bool = True

    def describe(self) -> str:
        return f"bring {self.keys} keys of slot {self.slot} from {self.source} to its owner {self.owner}"


@dataclass(frozen=True)
class HandOver:
    """A failover by consent: the primary waits until the replica has everything."""

    node: str
    primary: str
    changes: bool = True

    def describe(self) -> str:
        return f"let {self.node} take over from {self.primary}"


@dataclass(frozen=True)
class Remove:
    node: str
    changes: bool = True

    def describe(self) -> str:
        return f"remove {self.node} from the cluster and reset it"


@dataclass(frozen=True)
class ForgetGhost:
    """``id`` belongs to a node that is gone for good."""

    id: str
    address: str
    changes: bool = True

    def describe(self) -> str:
        return f"forget {self.id}, which was at {self.address}"


@dataclass(frozen=True)
class Await:
    """Nothing to do but wait; ``suspects`` are nodes whose bus port may be the reason."""

    what: str
    suspects: tuple[str, ...] = ()
    changes: bool = False

    def describe(self) -> str:
        return f"wait until {self.what}"


ClusterStep = t.Union[
    AddSlots,
    SetConfigEpoch,
    Meet,
    Replicate,
    Detach,
    CopyFunctions,
    MoveSlots,
    CloseSlots,
    ReturnKeys,
    HandOver,
    Remove,
    ForgetGhost,
    Await,
]


def estimated(current: CurrentCluster, transfers: tuple[Transfer, ...]) -> MoveSlots:
    """The step with what moves along, as if keys were spread evenly over a node's slots."""
    keys = size = 0.0
    for one in transfers:
        source = current.members[one.source]
        share = len(one.slots) / len(source.slots) if source.slots else 0.0
        keys += source.keys * share
        size += source.data_size * share
    return MoveSlots(transfers, round(keys), round(size))


def simulate(current: CurrentCluster, steps: t.Iterable[ClusterStep]) -> CurrentCluster:
    """What the nodes will say once the steps are done and gossip has spread."""
    world = _World(current)
    for step in steps:
        world.do(step)
    return world.settled()


class _World:
    def __init__(self, current: CurrentCluster) -> None:
        self.current = current
        self.members = dict(current.members)
        self.ghosts = dict(current.ghosts)
        self.met: list[tuple[str, str]] = []

    def do(self, step: ClusterStep) -> None:
        if isinstance(step, Meet):
            self.met.append((step.node, step.other))
        elif isinstance(step, AddSlots):
            self._set(step.node, slots=self.members[step.node].slots | step.slots, primary_id=None)
        elif isinstance(step, SetConfigEpoch):
            self._set(step.node, config_epoch=step.epoch)
        elif isinstance(step, Replicate):
            self._set(step.node, primary_id=self.members[step.primary].id, synced=False, misled=False)
        elif isinstance(step, Detach):
            self._spread()
            member = self.members[step.node]
            alone = {member.id: member.name}
            self._set(step.node, knows=alone, primary_id=None, synced=True, misled=False, keys=0, config_epoch=0)
        elif isinstance(step, CopyFunctions):
            libraries = self.members[step.target].libraries | frozenset(step.libraries)
            self._set(step.target, libraries=libraries)
        elif isinstance(step, MoveSlots):
            for one in step.transfers:
                self._move(one)
        elif isinstance(step, CloseSlots):
            self._close(step.node, step.slots)
        elif isinstance(step, ReturnKeys):
            self._close(step.source, frozenset({step.slot}))
        elif isinstance(step, HandOver):
            self._hand_over(self.members[step.node], self.members[step.primary])
        elif isinstance(step, Remove):
            self._spread()
            self._forget(self.members.pop(step.node).id)
        elif isinstance(step, ForgetGhost):
            self._spread()
            self._forget(step.id)
        else:
            for name, member in self.members.items():
                if not (member.synced and member.state_ok):
                    self._set(name, synced=True, state_ok=True)

    def settled(self) -> CurrentCluster:
        self._spread()
        owners = {member.id: member.slots for member in self.members.values() if member.slots}
        following = {member.id: member.primary_id for member in self.members.values() if member.primary_id}
        seen: dict[int, tuple[dict[str, frozenset[int]], dict[str, str]]] = {}
        for name, member in self.members.items():
            key = id(member.knows)  # those that know the same share one object, see _spread
            if key not in seen:
                seen[key] = (
                    {id_: slots for id_, slots in owners.items() if id_ in member.knows},
                    {id_: primary for id_, primary in following.items() if id_ in member.knows},
                )
            view, follows = seen[key]
            self.members[name] = replace(member, view=view, following=follows)
        return replace(self.current, members=self.members, ghosts=self.ghosts)

    def _set(self, name: str, **facts: t.Any) -> None:
        self.members[name] = replace(self.members[name], **facts)

    def _move(self, one: Transfer) -> None:
        source, target = self.members[one.source], self.members[one.target]
        self._set(one.source, slots=source.slots - one.slots)
        self._set(one.target, slots=target.slots | one.slots)
        for name in (one.source, one.target):
            self._close(name, one.slots)

    def _close(self, name: str, slots: frozenset[int]) -> None:
        member = self.members[name]
        if member.migrating or member.importing or member.slot_keys:
            self._set(
                name,
                migrating=_without(member.migrating, slots),
                importing=_without(member.importing, slots),
                slot_keys=_without(member.slot_keys, slots),
            )

    def _hand_over(self, heir: Member, primary: Member) -> None:
        for name, member in self.members.items():
            if member.primary_id == primary.id and name != heir.name:
                self._set(name, primary_id=heir.id)
        self._set(heir.name, slots=primary.slots, primary_id=None)
        self._set(primary.name, slots=frozenset(), primary_id=heir.id)

    def _forget(self, node_id: str) -> None:
        self.ghosts.pop(node_id, None)
        for name, member in self.members.items():
            if node_id in member.knows:
                knows = {id_: address for id_, address in member.knows.items() if id_ != node_id}
                self._set(name, knows=knows, failed=member.failed - {node_id}, lost=member.lost - {node_id})
        self._share_knowledge()

    def _share_knowledge(self) -> None:
        shared: dict[frozenset[str], t.Mapping[str, str]] = {}
        for name, member in self.members.items():
            self._set(name, knows=shared.setdefault(frozenset(member.knows), member.knows))

    def _spread(self) -> None:
        """Gossip: whoever is known, however indirectly, gets to know all the others, at their present addresses."""
        if not self.met:
            return
        groups = Groups()
        names = {member.id: name for name, member in self.members.items()}
        for one, other in self.met:
            groups.join(one, other)
        touched = {name for pair in self.met for name in pair}
        distinct = {id(member.knows): (name, member) for name, member in self.members.items()}
        for name, member in distinct.values():  # most know the same, and then it is one and the same object
            for known in member.knows:
                if known in names and (not member.isolated or name in touched):
                    groups.join(name, names[known])
        for group in groups.all():
            together: dict[str, str] = {}
            for name in group:
                together.update(self.members[name].knows)
            present = {self.members[name].id for name in group}
            for name in group:
                member = self.members[name]
                self._set(name, knows=together, lost=member.lost - present, failed=member.failed - present)
        self.met = []


V = t.TypeVar("V")


def _without(mapping: t.Mapping[int, V], slots: frozenset[int]) -> dict[int, V]:
    return {slot: value for slot, value in mapping.items() if slot not in slots}
