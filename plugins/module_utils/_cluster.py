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
from collections import Counter

from ._cluster_election import Shards, elect, replicas_to_place
from ._cluster_layout import Layout, crowded_zones, lay_out
from ._cluster_refusals import permitted, refuse, refuse_overflow
from ._cluster_repair import close_open_slots, cover_slots
from ._cluster_slots import Transfer, cut_slots, plan_transfers
from ._cluster_state import ALL_SLOTS, CurrentCluster, DesiredCluster, Member, report_shards, topology
from ._cluster_steps import (
    AddSlots,
    Await,
    ClusterStep,
    CopyFunctions,
    Detach,
    ForgetGhost,
    HandOver,
    Meet,
    MoveSlots,
    Remove,
    Replicate,
    SetConfigEpoch,
    estimated,
    simulate,
)
from ._plan import Change, Plan, RedisPlatformError


def plan_cluster(current: CurrentCluster, desired: DesiredCluster) -> Plan[ClusterStep]:
    """Raises RedisPlatformError, before anything is changed, when the nodes are not free to form this cluster."""
    layout = lay_out(desired.nodes, desired.replicas)
    warnings = tuple(_zone_warnings(desired, layout))
    degraded = refuse(current, desired)
    if degraded:
        return Plan((), (), (*warnings, degraded))
    rivals = _rivals(current)
    if rivals:
        return Plan((Await(f"{', '.join(rivals)} agree on who owns which slots", tuple(current.members)),))
    planning = _Planning(current, desired, layout)
    for stage in STAGES:
        planning.add(stage(planning))
    final = planning.state
    if not any(step.changes for step in planning.steps):
        planning.add(_settling(current))
    else:
        planning.add(_settling(final))
        permitted(current, desired, planning.steps)
    return Plan(tuple(planning.steps), tuple(_differences(current, final)), warnings)


def report_cluster(current: CurrentCluster, plan: Plan[ClusterStep]) -> dict[str, t.Any]:
    """The topology, and what is left to do."""
    return {
        "shards": report_shards(current),
        "unanswered": sorted(current.unreachable),
        "finished": not plan,
        "to_move": slots_to_move(plan),
    }


def slots_to_move(plan: Plan[ClusterStep]) -> dict[str, int]:
    """In slots and, as estimates, in keys and bytes."""
    moves = [step for step in plan.steps if isinstance(step, MoveSlots)]
    return {
        "slots": sum(one.slot_count for one in moves),
        "keys": sum(one.keys for one in moves),
        "bytes": sum(one.size for one in moves),
    }


class _Planning:
    """A plan in the making: ``state`` is what will be after the steps so far."""

    def __init__(self, current: CurrentCluster, desired: DesiredCluster, layout: Layout) -> None:
        self.current = self.state = current
        self.desired = desired
        self.layout = layout
        self.steps: list[ClusterStep] = []

    def add(self, steps: t.Sequence[ClusterStep]) -> None:
        if steps:
            self.steps += steps
            self.state = simulate(self.state, steps)

    def shards(self) -> Shards:
        return elect(self.state, self.desired, len(self.layout.primaries))


def _cover(planning: _Planning) -> list[ClusterStep]:
    """The slots that nobody owns: the first steps of a new cluster, or a repair."""
    state, desired = planning.state, planning.desired
    missing = ALL_SLOTS.difference(*(owner.slots for owner in state.owners()))
    if not missing:
        return []
    wanted = _first_slots(desired, planning.layout)
    if _in_the_making(state, planning.layout, wanted):
        return [AddSlots(name, slots & missing) for name, slots in wanted.items() if slots & missing]
    return cover_slots(state, desired, missing)


def _epochs(planning: _Planning) -> list[ClusterStep]:
    """Different ones from the start save the nodes an election about them."""
    members = planning.current.members.values()
    if any(member.slots and not member.isolated for member in members):
        return []
    return [
        SetConfigEpoch(member.name, number)
        for number, member in enumerate(members, start=1)
        if member.isolated and member.config_epoch == 0
    ]


def _introduce(planning: _Planning) -> list[ClusterStep]:
    return [*_meetings(planning.state), *_renewed_addresses(planning.state), *_gossip_pending(planning.state)]


def _close(planning: _Planning) -> list[ClusterStep]:
    return close_open_slots(planning.state)


def _promote(planning: _Planning) -> list[ClusterStep]:
    """Replicas that shall be primaries of new shards have to leave their old one first."""
    promoted = [name for name in planning.shards().newcomers if planning.state.members[name].is_replica]
    if not promoted:
        return []
    steps: list[ClusterStep] = [Detach(name) for name in promoted]
    after = simulate(planning.state, steps)
    return [*steps, *_meetings(after), *_gossip_pending(after)]


def _teach(planning: _Planning) -> list[ClusterStep]:
    """Functions are not part of any slot, so nothing else brings them to a new primary."""
    state = planning.state
    source = max(state.owners(), key=lambda owner: (len(owner.libraries), owner.wanted), default=None)
    if source is None:
        return []
    newcomers = [state.members[name] for name in planning.shards().newcomers]
    lacking = [(one.name, tuple(sorted(source.libraries - one.libraries))) for one in newcomers]
    return [CopyFunctions(source.name, name, libraries) for name, libraries in lacking if libraries]


def _relink(planning: _Planning) -> list[ClusterStep]:
    """A replica that hears of its primary's new address by gossip goes on trying the old one, until it is told again."""
    members = planning.state.members.values()
    names = {member.id: member.name for member in members}
    misled = {member.name: names.get(member.primary_id or "") for member in members if member.misled}
    return [Replicate(name, primary) for name, primary in misled.items() if primary]


def _place(planning: _Planning) -> list[ClusterStep]:
    places = replicas_to_place(planning.state, planning.desired, planning.shards(), planning.layout)
    return [Replicate(name, primary) for name, primary in places.items()]


def _ready(planning: _Planning) -> list[ClusterStep]:
    """Before slots move or a replica takes over, every shard has its replicas, and newcomers know the cluster."""
    shards = planning.shards()
    if not (shards.newcomers or shards.leaving or shards.heirs or _transfers(planning)):
        return []
    return _unsynced(planning.state) or _not_ok(planning.state, shards.newcomers)


def _hand_over(planning: _Planning) -> list[ClusterStep]:
    return [HandOver(heir, primary) for primary, heir in planning.shards().heirs.items()]


def _move(planning: _Planning) -> list[ClusterStep]:
    transfers = _transfers(planning)
    if not transfers:
        return []
    refuse_overflow(planning.state, transfers)
    return [estimated(planning.state, transfers)]


def _synced(planning: _Planning) -> list[ClusterStep]:
    """Nobody leaves before the others can do without."""
    if not (planning.state.ghosts or any(not member.wanted for member in planning.state.members.values())):
        return []
    return _unsynced(planning.state)


def _leave(planning: _Planning) -> list[ClusterStep]:
    removed = [Remove(member.name) for member in planning.state.members.values() if not member.wanted]
    return [*removed, *(ForgetGhost(id_, address) for id_, address in planning.state.ghosts.items())]


STAGES: tuple[t.Callable[[_Planning], list[ClusterStep]], ...] = (
    _cover,
    _epochs,
    _introduce,
    _close,
    _promote,
    _teach,
    _relink,
    _place,
    _ready,
    _hand_over,
    _move,
    _place,
    _synced,
    _leave,
)


def _first_slots(desired: DesiredCluster, layout: Layout) -> dict[str, frozenset[int]]:
    weight = {node.name: node.weight for node in desired.nodes}
    weights = {name: weight[name] for name in layout.primaries}
    for replica, primary in layout.replicas.items():
        weights[primary] = max(weights[primary], weight[replica])
    return cut_slots(weights)


def _in_the_making(state: CurrentCluster, layout: Layout, wanted: t.Mapping[str, frozenset[int]]) -> bool:
    """Whether somebody has begun to make just this cluster and nobody has used it yet."""
    half_made = all(owner.slots <= wanted.get(owner.name, frozenset()) for owner in state.owners())
    empty = not any(member.keys for member in state.members.values())
    roles_fit = not any(state.members[name].is_replica for name in layout.primaries)
    return half_made and empty and roles_fit and not state.ghosts


def _transfers(planning: _Planning) -> tuple[Transfer, ...]:
    state, desired = planning.state, planning.desired
    shards = planning.shards()
    owned = {owner.name: owner.slots for owner in state.owners()}
    return plan_transfers(
        owned, shards.weights, desired.threshold, rebalance="rebalance" in desired.allow or bool(shards.newcomers)
    )


def _rivals(current: CurrentCluster) -> list[str]:
    """Nodes that claim the same slots: a primary that comes back has to hear of the failover first.

    Raises RedisPlatformError when they do not know each other, for then they never will.
    """
    owners = current.owners()
    if sum(len(owner.slots) for owner in owners) == len(frozenset().union(*(owner.slots for owner in owners))):
        return []
    rivals = [one for one in owners if any(one.slots & other.slots for other in owners if other is not one)]
    if any(other.id not in one.knows for one in rivals for other in rivals):
        raise RedisPlatformError(
            f"{' and '.join(member.name for member in rivals)} own the same slots in different clusters: CLUSTER RESET those "
            "that hold no data you need"
        )
    return [member.name for member in rivals]


def _meetings(current: CurrentCluster) -> list[ClusterStep]:
    """Everybody is introduced to the node that most know, and it to those it has lost; gossip does the rest."""
    members = _needed(current)
    known: dict[str, int] = {}
    for knows, times in _acquaintance(members):
        for node_id in knows:
            known[node_id] = known.get(node_id, 0) + times
    best = max((known[member.id], member.wanted, len(member.knows)) for member in members)
    hub = next(member for member in members if (known[member.id], member.wanted, len(member.knows)) == best)
    strangers = [Meet(member.name, hub.name) for member in members if hub.id not in member.knows]
    # A handshake that only one side has finished leaves one that knows and one that does not.
    one_sided = [
        Meet(hub.name, member.name) for member in members if hub.id in member.knows and member.id not in hub.knows
    ]
    return [*strangers, *one_sided]


def _needed(current: CurrentCluster) -> list[Member]:
    """Who has to know and be known; an unwanted node without slots is about to be forgotten."""
    return [member for member in current.members.values() if member.wanted or member.slots]


def _acquaintance(members: t.Collection[Member]) -> list[tuple[t.Mapping[str, str], int]]:
    """What members know, and how many know just that: mostly it is one object that all of them share."""
    times = Counter(id(member.knows) for member in members)
    distinct = {id(member.knows): member.knows for member in members}
    return [(distinct[key], count) for key, count in times.items()]


def _renewed_addresses(current: CurrentCluster) -> list[ClusterStep]:
    """Nodes that came back under another address, which nobody has heard of."""
    moved: dict[str, str] = {}
    for member in current.members.values():
        for other in current.members.values():
            if other.id in member.lost and other.announced and member.knows[other.id] != other.announced:
                moved.setdefault(other.name, member.name)
    return [Meet(name, other) for name, other in moved.items()]


def _gossip_pending(current: CurrentCluster) -> list[ClusterStep]:
    ids = {member.id: member.name for member in current.members.values()}
    unseen = {ids[id_] for knows, dummy in _acquaintance(current.members.values()) for id_ in ids.keys() - knows.keys()}
    if not unseen:
        return []
    return [Await(f"all nodes know {', '.join(sorted(unseen))}", tuple(current.members))]


def _unsynced(state: CurrentCluster) -> list[ClusterStep]:
    names = [member.name for member in state.members.values() if not member.synced]
    return [Await(f"the replication link of {', '.join(names)} is up")] if names else []


def _not_ok(state: CurrentCluster, names: t.Iterable[str]) -> list[ClusterStep]:
    failing = [name for name in names if not state.members[name].state_ok]
    return [Await(f"cluster_state is ok on {', '.join(failing)}", tuple(state.members))] if failing else []


def _settling(state: CurrentCluster) -> list[ClusterStep]:
    """What has to come true by itself before the cluster can be called good."""
    unsynced = _unsynced(state)
    if unsynced:
        return unsynced
    members = list(state.members.values())
    if _disagree(members, lambda member: member.view):
        return [Await("all nodes agree on who owns which slots", tuple(state.members))]
    if _disagree(members, lambda member: member.following):
        return [Await("all nodes agree on who replicates whom", tuple(state.members))]
    return _not_ok(state, state.members)


def _disagree(members: t.Sequence[Member], what: t.Callable[[Member], object]) -> bool:
    distinct = {id(what(member)): what(member) for member in members}  # most are one and the same object
    first = next(iter(distinct.values()), None)
    return any(other != first for other in distinct.values())


def _zone_warnings(desired: DesiredCluster, layout: Layout) -> t.Iterator[str]:
    """Raises RedisPlatformError instead when anti-affinity is a condition."""
    if desired.replicas == 0 or len({node.place for node in desired.nodes}) == 1:
        return  # one machine for everything: somebody tries things out
    crowded = crowded_zones(desired.nodes, len(layout.primaries))
    if crowded:
        message = (
            f"{', '.join(crowded)} has more nodes than the cluster has shards ({len(layout.primaries)}): some shards have two "
            "nodes there, which fail together; spread the nodes over more zones"
        )
        if desired.anti_affinity == "fail":
            raise RedisPlatformError(f"cluster {desired.name}: {message}, or set anti_affinity to warn")
        yield message


def _differences(current: CurrentCluster, final: CurrentCluster) -> t.Iterator[Change]:
    before, after = topology(current), topology(final)
    for slots in dict.fromkeys([*before, *after]):
        old, new = before.get(slots), after.get(slots)
        if old != new:
            yield Change(f"shard {slots}" if slots != "no slots" else slots, old, new)
