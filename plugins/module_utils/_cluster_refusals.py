# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What speaks against a wish for a cluster, before anything is changed. Pure."""

from __future__ import annotations

import typing as t

from ._cluster_slots import Transfer
from ._cluster_state import ALL_SLOTS, CurrentCluster, DesiredCluster, Member, acquaintances
from ._cluster_steps import (
    AddSlots,
    ClusterStep,
    Detach,
    ForgetGhost,
    HandOver,
    Meet,
    MoveSlots,
    Remove,
    ReturnKeys,
)
from ._plan import RedisPlatformError

MEGABYTE = 1024 * 1024


def refuse(current: CurrentCluster, desired: DesiredCluster) -> str:
    """Raises RedisPlatformError with all that is wrong with the nodes.

    Returns a warning when nodes do not answer that the cluster can do without: nothing is to be done then.
    """
    problems = [f"{name}: {reason}" for name, reason in current.unreachable.items()]
    if problems and _serves_without_them(current):
        return (
            f"left as it is, because of {'; '.join(problems)}. All slots are served without, and the next run goes on once it "
            "answers, or once it is no longer among the nodes"
        )
    members = current.members.values()
    for member in members:
        if not member.enabled:
            problems.append(f"{member.name} runs without cluster-enabled yes: set it and restart the instance")
        elif member.keys and member.isolated:
            problems.append(
                f"{member.name} holds {member.keys} keys and is in no cluster yet: a new member must be empty; save what "
                "you need, then FLUSHALL and CLUSTER RESET on it"
            )
        elif member.keys and not member.slots and not member.is_replica and not (member.importing or member.slot_keys):
            problems.append(
                f"{member.name} holds {member.keys} keys and no slots, so it cannot become a replica: save what you need, "
                "then FLUSHALL on it"
            )
    if not current.unreachable:
        problems += _strangers(current, desired)
    problems += _same_server(current)
    problems += _mixed(members)
    if problems:
        raise RedisPlatformError("; ".join(problems))
    return ""


def permitted(current: CurrentCluster, desired: DesiredCluster, steps: t.Iterable[ClusterStep]) -> None:
    """Raises RedisPlatformError when the steps need what the policy does not allow."""
    if not _exists(current):
        return
    known = {id_ for member in current.members.values() if not member.isolated for id_ in member.knows}
    needed: dict[str, list[str]] = {}
    for step in steps:
        permission = _permission(current, known, step)
        if permission and permission not in desired.allow:
            needed.setdefault(permission, []).append(step.describe())
    if needed:
        wishes = "; ".join(f"{permission}, to {', '.join(reasons)}" for permission, reasons in needed.items())
        raise RedisPlatformError(
            f"cluster {desired.name} needs what allow does not name: {wishes}. Add it, or give nodes and replicas that fit the "
            "cluster"
        )


def refuse_overflow(current: CurrentCluster, transfers: t.Iterable[Transfer]) -> None:
    """Raises RedisPlatformError when a target's ``maxmemory`` cannot hold what it would get."""
    coming: dict[str, float] = {}
    for one in transfers:
        source = current.members[one.source]
        share = len(one.slots) / len(source.slots) if source.slots else 0.0
        coming[one.target] = coming.get(one.target, 0.0) + source.data_size * share
    for name, more in coming.items():
        target = current.members[name]
        if target.memory_limit and target.memory_used + more > target.memory_limit:
            raise RedisPlatformError(
                f"{name} would get about {more / MEGABYTE:.0f} MB of data and has maxmemory "
                f"{target.memory_limit / MEGABYTE:.0f} MB, of which {target.memory_used / MEGABYTE:.0f} MB are used: raise "
                "maxmemory there, keep more primaries, or delete data"
            )


def _serves_without_them(current: CurrentCluster) -> bool:
    owned: frozenset[int] = frozenset().union(*(owner.slots for owner in current.owners()))
    return owned == ALL_SLOTS and not any(member.isolated for member in current.members.values())


def _exists(current: CurrentCluster) -> bool:
    """Whether this is a cluster already, and not one in the making."""
    members = current.members.values()
    owned: frozenset[int] = frozenset().union(*(owner.slots for owner in current.owners()))
    return any(member.keys for member in members) or (
        owned == ALL_SLOTS and not any(member.slots and member.isolated for member in members)
    )


def _permission(current: CurrentCluster, known: t.AbstractSet[str], step: ClusterStep) -> str:
    if isinstance(step, Meet):
        return "" if current.members[step.node].id in known else "add"
    if isinstance(step, MoveSlots):
        opened = [one for one in step.transfers if not _has_begun(current, one)]
        unwanted = all(not current.members[one.source].wanted for one in opened)
        return "" if not opened else "remove" if unwanted else "rebalance"
    if isinstance(step, Detach):
        return "rebalance"
    if isinstance(step, (HandOver, Remove, ForgetGhost)):
        return "remove"
    if isinstance(step, (ReturnKeys, AddSlots)):
        return "repair"
    return ""


def _has_begun(current: CurrentCluster, one: Transfer) -> bool:
    source, target = current.members[one.source], current.members[one.target]
    return all(slot in source.migrating or slot in target.importing for slot in one.slots)


def _strangers(current: CurrentCluster, desired: DesiredCluster) -> list[str]:
    """Nodes that nobody wants: another cluster's, or those that shall leave."""
    unwanted = {member.id: member.name for member in current.members.values() if not member.wanted}
    strangers = {**unwanted, **current.ghosts}
    if not strangers:
        return []
    clusters: dict[str, list[str]] = {}
    for member in current.members.values():
        known = sorted(name for node_id, name in strangers.items() if node_id in member.knows)
        if known and member.wanted:
            clusters.setdefault(", ".join(known), []).append(member.name)
    if "remove" not in desired.allow:
        return [
            f"{', '.join(names)} in a cluster with {known}, which the inventory does not name: add them, or allow remove; to "
            "use the nodes elsewhere, CLUSTER RESET them"
            for known, names in clusters.items()
        ]
    ours = [owner for owner in current.owners() if _is_ours(owner, current)]
    if 2 * len(ours) < len(current.owners()):
        return [
            f"{', '.join(names)} in a cluster with {known}, most of whose shards have no node that the inventory names: that is "
            "another cluster, or the inventory lacks nodes"
            for known, names in clusters.items()
        ]
    circles = [circle for circle in acquaintances(current) if len(circle) > 1]
    if unwanted and len(circles) > 1:
        return [
            f"{' and '.join(map(', '.join, circles))} are different clusters: CLUSTER RESET nodes that hold no data you need"
        ]
    return []


def _is_ours(owner: Member, current: CurrentCluster) -> bool:
    return owner.wanted or any(one.wanted and one.primary_id == owner.id for one in current.members.values())


def _same_server(current: CurrentCluster) -> list[str]:
    names: dict[str, list[str]] = {}
    for member in current.members.values():
        names.setdefault(member.id, []).append(member.name)
    return [
        f"{' and '.join(same)} are one and the same server: check their hosts and ports"
        for same in names.values()
        if len(same) > 1
    ]


def _mixed(members: t.Iterable[Member]) -> list[str]:
    versions = {member.version.partition(".")[0]: member for member in members if member.version and member.wanted}
    problems = []
    if len(versions) > 1:
        shown = ", ".join(f"{member.name} has {member.version}" for member in versions.values())
        problems.append(f"nodes of different major versions ({shown}): install the same series everywhere first")
    modes = {member.tls: member.name for member in members if member.tls is not None and member.wanted}
    if len(modes) > 1:
        problems.append(f"{modes[True]} has tls-cluster yes and {modes[False]} no: set the same on every node")
    return problems
