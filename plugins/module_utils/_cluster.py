# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What to do so that the wanted nodes form one Redis Cluster. Pure.

Made for resuming: each step depends only on what the nodes say now, so a run that was cut off anywhere goes on where
it stopped. Roles are never forced back: wanted are so many primaries with so many replicas each, whoever they are
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ._cluster_layout import Layout, Node, assign_replicas, lay_out
from ._cluster_nodes import SLOT_COUNT, show_slots, slot_ranges, split_slots
from ._plan import Change, Plan, RedisPlatformError

ALL_SLOTS = frozenset(range(SLOT_COUNT))


@dataclass(frozen=True)
class DesiredCluster:
    name: str
    nodes: tuple[Node, ...]
    replicas: int

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredCluster:
        nodes = tuple(Node(node["host"], node["port"], node["zone"]) for node in params["nodes"])
        return cls(params["name"], nodes, params["replicas"])


@dataclass(frozen=True)
class Member:
    """A wanted node as it describes itself.

    ``knows`` maps ids to addresses, itself included and without handshakes. ``view`` is who owns which slots in its
    eyes, ``following`` which replica follows which primary. ``synced`` is whether a replica's link to its primary is
    up; a primary has none and counts as synced.
    """

    node: Node
    id: str
    knows: t.Mapping[str, str]
    bus_port: int = 0
    slots: frozenset[int] = frozenset()
    primary_id: str | None = None
    config_epoch: int = 0
    keys: int = 0
    enabled: bool = True
    synced: bool = True
    state_ok: bool = True
    view: t.Mapping[str, frozenset[int]] = field(default_factory=dict)
    following: t.Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def isolated(self) -> bool:
        return len(self.knows) == 1

    @property
    def is_replica(self) -> bool:
        return self.primary_id is not None


@dataclass(frozen=True)
class CurrentCluster:
    members: t.Mapping[str, Member]
    unreachable: t.Mapping[str, str] = field(default_factory=dict)

    def by_id(self, node_id: str) -> Member | None:
        return next((member for member in self.members.values() if member.id == node_id), None)


@dataclass(frozen=True)
class AddSlots:
    node: str
    slots: frozenset[int]
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
class Await:
    """Nothing to do but wait; ``suspects`` are nodes whose bus port may be the reason."""

    what: str
    suspects: tuple[str, ...] = ()
    changes: bool = False

    def describe(self) -> str:
        return f"wait until {self.what}"


ClusterStep = t.Union[AddSlots, SetConfigEpoch, Meet, Replicate, Await]


def plan_cluster(current: CurrentCluster, desired: DesiredCluster) -> Plan[ClusterStep]:
    """Raises RedisPlatformError, before anything is changed, when the nodes are not free to form this cluster."""
    layout = lay_out(desired.nodes, desired.replicas)
    _refuse(current)
    rivals = _rivals(current)
    if rivals:
        return Plan((Await(f"{', '.join(rivals)} agree on who owns which slots", tuple(current.members)),))
    assigned = _assigned_slots(current, desired, layout)
    owners = [name for name in current.members if current.members[name].slots or assigned.get(name)]
    if len(owners) != len(layout.primaries):
        raise RedisPlatformError(
            f"cluster {desired.name} has {len(owners)} primaries, and {len(desired.nodes)} nodes with {desired.replicas} "
            f"replicas each make {len(layout.primaries)}: moving slots to change that is not supported yet; give nodes and "
            "replicas that fit the cluster"
        )
    steps: list[ClusterStep] = [AddSlots(name, slots) for name, slots in assigned.items()]
    if not any(member.slots and not member.isolated for member in current.members.values()):
        steps += [
            SetConfigEpoch(member.name, number)
            for number, member in enumerate(current.members.values(), start=1)
            if member.isolated and member.config_epoch == 0
        ]
    steps += _meetings(current)
    steps += _gossip_pending(current)
    steps += [Replicate(name, primary) for name, primary in _new_replicas(current, desired, layout, owners).items()]
    final = simulate(current, steps)
    steps += _settling(current if not any(step.changes for step in steps) else final)
    return Plan(tuple(steps), tuple(_differences(current, final)))


def simulate(current: CurrentCluster, steps: t.Iterable[ClusterStep]) -> CurrentCluster:
    """What the nodes will say once the steps are done and gossip has spread."""
    members = dict(current.members)
    for step in steps:
        if isinstance(step, Meet):
            _merge(members, step.node, step.other)
        elif isinstance(step, AddSlots):
            members[step.node] = replace(members[step.node], slots=members[step.node].slots | step.slots)
        elif isinstance(step, SetConfigEpoch):
            members[step.node] = replace(members[step.node], config_epoch=step.epoch)
        elif isinstance(step, Replicate):
            primary = members[step.primary].id
            members[step.node] = replace(members[step.node], primary_id=primary, synced=False)
        else:
            members = {name: replace(member, synced=True, state_ok=True) for name, member in members.items()}
    owners = {member.id: member.slots for member in members.values() if member.slots}
    following = {member.id: member.primary_id for member in members.values() if member.primary_id}
    members = {
        name: replace(
            member,
            view={id_: slots for id_, slots in owners.items() if id_ in member.knows},
            following={id_: primary for id_, primary in following.items() if id_ in member.knows},
        )
        for name, member in members.items()
    }
    return replace(current, members=members)


def topology(current: CurrentCluster) -> dict[str, list[str]]:
    """Slots of each shard to its nodes, the primary first; nodes outside a shard under ``no slots``."""
    shards: dict[str, list[str]] = {}
    for member in sorted(current.members.values(), key=lambda member: sorted(member.slots)[:1]):
        if member.slots:
            replicas = sorted(other.name for other in current.members.values() if other.primary_id == member.id)
            shards[show_slots(member.slots)] = [member.name, *replicas]
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


def _refuse(current: CurrentCluster) -> None:
    problems = [f"{name}: {reason}" for name, reason in current.unreachable.items()]
    ids = {member.id for member in current.members.values()}
    clusters: dict[str, list[str]] = {}
    for member in current.members.values():
        strangers = sorted(address for node_id, address in member.knows.items() if node_id not in ids)
        if not member.enabled:
            problems.append(f"{member.name} runs without cluster-enabled yes: set it and restart the instance")
        elif strangers and not current.unreachable:
            clusters.setdefault(", ".join(strangers), []).append(member.name)
        elif member.keys and member.isolated:
            problems.append(
                f"{member.name} holds {member.keys} keys and is in no cluster yet: a new member must be empty; save what "
                "you need, then FLUSHALL and CLUSTER RESET on it"
            )
        elif member.keys and not member.slots and not member.is_replica:
            problems.append(
                f"{member.name} holds {member.keys} keys and no slots, so it cannot become a replica: save what you need, "
                "then FLUSHALL on it"
            )
    problems += [
        f"{', '.join(names)} in a cluster with {strangers}, which the inventory does not name: add them, or, if they are "
        "gone for good, CLUSTER FORGET them on every node; to use the nodes elsewhere, CLUSTER RESET them"
        for strangers, names in clusters.items()
    ]
    for node_id in ids:
        names = [member.name for member in current.members.values() if member.id == node_id]
        if len(names) > 1:
            problems.append(f"{' and '.join(names)} are one and the same server: check their hosts and ports")
    if problems:
        raise RedisPlatformError("; ".join(problems))


def _rivals(current: CurrentCluster) -> list[str]:
    """Nodes that claim the same slots: a primary that comes back has to hear of the failover first.

    Raises RedisPlatformError when they do not know each other, for then they never will.
    """
    owners = [member for member in current.members.values() if member.slots]
    rivals = [one for one in owners if any(one.slots & other.slots for other in owners if other is not one)]
    if any(other.id not in one.knows for one in rivals for other in rivals):
        raise RedisPlatformError(
            f"{' and '.join(member.name for member in rivals)} own the same slots in different clusters: CLUSTER RESET those "
            "that hold no data you need"
        )
    return [member.name for member in rivals]


def _assigned_slots(current: CurrentCluster, desired: DesiredCluster, layout: Layout) -> dict[str, frozenset[int]]:
    """The slots that nobody owns yet, for the primaries of the layout."""
    owned = {name: member.slots for name, member in current.members.items() if member.slots}
    missing = ALL_SLOTS.difference(*owned.values())
    if not missing:
        return {}
    wanted = {name: frozenset(slots) for name, slots in zip(layout.primaries, split_slots(len(layout.primaries)))}
    half_made = all(slots <= wanted.get(name, frozenset()) for name, slots in owned.items())
    holds_keys = [member.name for member in current.members.values() if member.keys]
    roles_fit = not any(current.members[name].is_replica for name in layout.primaries)
    if not half_made or holds_keys or not roles_fit:
        raise RedisPlatformError(
            f"cluster {desired.name}: nobody owns slots {show_slots(missing)}, and this is not a cluster in the making: "
            "find the node that had them, or repair the cluster with redis-cli --cluster fix"
        )
    return {name: wanted[name] & missing for name in layout.primaries if wanted[name] & missing}


def _meetings(current: CurrentCluster) -> list[ClusterStep]:
    """Everybody is introduced to the node that most know, and it to those it has lost; gossip does the rest."""
    members = list(current.members.values())
    known_by = {member.name: sum(member.id in other.knows for other in members) for member in members}
    hub = max(members, key=lambda member: (known_by[member.name], len(member.knows), -members.index(member)))
    strangers = [Meet(member.name, hub.name) for member in members if hub.id not in member.knows]
    # A handshake that only one side has finished leaves one that knows and one that does not.
    one_sided = [
        Meet(hub.name, member.name) for member in members if hub.id in member.knows and member.id not in hub.knows
    ]
    return [*strangers, *one_sided]


def _gossip_pending(current: CurrentCluster) -> list[ClusterStep]:
    ids = {member.id: member.name for member in current.members.values()}
    unseen = sorted(
        {name for member in current.members.values() for id_, name in ids.items() if id_ not in member.knows}
    )
    if not unseen:
        return []
    return [Await(f"all nodes know {', '.join(unseen)}", tuple(current.members))]


def _new_replicas(
    current: CurrentCluster, desired: DesiredCluster, layout: Layout, owners: t.Sequence[str]
) -> dict[str, str]:
    """A primary for each node that has none, and for those a shard has too many of while another lacks some."""
    owner_ids = {current.members[name].id: name for name in owners}
    serving = {
        member.name: owner_ids[member.primary_id]
        for member in current.members.values()
        if member.primary_id in owner_ids and not member.slots
    }
    free = [name for name in current.members if name not in owners and name not in serving]
    as_laid_out = all(layout.replicas.get(name) == owner for name, owner in serving.items())
    if as_laid_out and all(layout.replicas.get(name) in owners for name in free):
        return {name: layout.replicas[name] for name in free}
    counts = {name: [replica for replica, owner in serving.items() if owner == name] for name in owners}
    lacking = sum(max(0, desired.replicas - len(replicas)) for replicas in counts.values()) - len(free)
    nodes = {member.name: member.node for member in current.members.values()}
    poor = {nodes[name].place for name, replicas in counts.items() if len(replicas) < desired.replicas}

    def worth_keeping(replica: str) -> tuple[bool, bool, str]:
        place = nodes[replica].place
        return place == nodes[serving[replica]].place, place not in poor, replica

    surplus = [one for replicas in counts.values() for one in sorted(replicas, key=worth_keeping)[desired.replicas :]]
    moving = surplus[: max(0, lacking)]
    return assign_replicas(
        [nodes[name] for name in owners],
        [nodes[name] for name in [*free, *moving]],
        [(nodes[replica], nodes[owner]) for replica, owner in serving.items() if replica not in moving],
    )


def _settling(current: CurrentCluster) -> list[ClusterStep]:
    """What has to come true by itself before the cluster can be called good."""
    members = current.members.values()
    unsynced = [member.name for member in members if not member.synced]
    if unsynced:
        return [Await(f"the replication link of {', '.join(unsynced)} is up")]
    if any(member.view != next(iter(members)).view for member in members):
        return [Await("all nodes agree on who owns which slots", tuple(current.members))]
    if any(member.following != next(iter(members)).following for member in members):
        return [Await("all nodes agree on who replicates whom", tuple(current.members))]
    failing = [member.name for member in members if not member.state_ok]
    if failing:
        return [Await(f"cluster_state is ok on {', '.join(failing)}", tuple(current.members))]
    return []


def _differences(current: CurrentCluster, final: CurrentCluster) -> t.Iterator[Change]:
    before, after = topology(current), topology(final)
    for slots in dict.fromkeys([*before, *after]):
        old, new = before.get(slots), after.get(slots)
        if old != new:
            yield Change(f"shard {slots}" if slots != "no slots" else slots, old, new)


def _merge(members: dict[str, Member], one: str, other: str) -> None:
    """Gossip: whoever is known, however indirectly, gets to know all the others."""
    together = {**members[one].knows, **members[other].knows}
    before: t.Mapping[str, str] = {}
    while len(before) < len(together):
        before = together
        for member in members.values():
            if member.id in before:
                together = {**together, **member.knows}
    for name, member in members.items():
        if member.id in together:
            members[name] = replace(member, knows=together)


def add_slots_words(slots: frozenset[int]) -> list[int]:
    """The arguments of CLUSTER ADDSLOTSRANGE."""
    return [bound for pair in slot_ranges(slots) for bound in pair]
