# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What to do about slots whose owner is in question: half moved, or owned by nobody. Pure.

While a slot moves it is *migrating* at its owner and *importing* at the next one
(https://redis.io/docs/latest/commands/cluster-setslot/). What a move that was cut off leaves is finished, not undone:
keys that are at the next one already stay there.
"""

from __future__ import annotations

import typing as t

from ._cluster_nodes import show_slots
from ._cluster_slots import Transfer
from ._cluster_state import CurrentCluster, DesiredCluster, Member
from ._cluster_steps import AddSlots, CloseSlots, ClusterStep, ForgetGhost, ReturnKeys, estimated
from ._plan import RedisPlatformError


def close_open_slots(current: CurrentCluster) -> list[ClusterStep]:
    """Finish moves that have begun, and close what is none."""
    owners = {slot: owner for owner in current.owners() for slot in owner.slots}
    finish: dict[tuple[str, str], set[int]] = {}
    close: dict[str, set[int]] = {}
    bring: list[ClusterStep] = []
    for slot in sorted(_open_slots(current)):
        owner = owners.get(slot)
        if owner is None:
            continue  # has to be owned first
        importing = [one for one in current.members.values() if slot in one.importing and one is not owner]
        target = _target(current, owner, slot, importing)
        if target is not None:
            finish.setdefault((owner.name, target.name), set()).add(slot)
        for member in current.members.values():
            part_of_it = target is not None and member in (owner, target)
            if slot not in {*member.migrating, *member.importing} or part_of_it:
                continue
            keys = member.slot_keys.get(slot, 0)
            if keys and member is not owner:
                bring.append(ReturnKeys(member.name, (target or owner).name, slot, keys))
            else:
                close.setdefault(member.name, set()).add(slot)
    steps: list[ClusterStep] = [CloseSlots(name, frozenset(slots)) for name, slots in close.items()]
    if finish:
        steps.append(estimated(current, tuple(Transfer(*pair, frozenset(slots)) for pair, slots in finish.items())))
    return [*steps, *bring]


def cover_slots(current: CurrentCluster, desired: DesiredCluster, missing: frozenset[int]) -> list[ClusterStep]:
    """An owner for slots that have none: who has most keys of it, else who has fewest slots.

    Raises RedisPlatformError when the owner may come back, or when that is not allowed.
    """
    ghosts = {id_ for member in current.members.values() for id_, slots in member.view.items() if slots & missing}
    gone = [ForgetGhost(id_, address) for id_, address in current.ghosts.items() if id_ in ghosts]
    if "repair" not in desired.allow or (gone and "remove" not in desired.allow):
        owned_by = f", which {' and '.join(one.address for one in gone)} had" if gone else ""
        needed = "remove and repair" if gone else "repair"
        raise RedisPlatformError(
            f"cluster {desired.name}: nobody owns slots {show_slots(missing)}{owned_by}, and this is not a cluster in the "
            f"making: start the node that had them; if it is gone for good, its keys are lost, and {needed} in allow gives the "
            "slots to others"
        )
    candidates = [one for one in current.members.values() if one.wanted and not one.is_replica]
    if not candidates:
        raise RedisPlatformError(f"cluster {desired.name}: no primary is left to give slots {show_slots(missing)} to")
    loads = {one.name: len(one.slots) for one in candidates}
    given: dict[str, set[int]] = {}
    for slot in sorted(missing):

        def fitness(one: Member, slot: int = slot) -> tuple[int, int, str]:
            return -one.slot_keys.get(slot, 0), loads[one.name], one.name

        owner = min((one for one in candidates if one.slots or not one.isolated), key=fitness, default=candidates[0])
        loads[owner.name] += 1
        given.setdefault(owner.name, set()).add(slot)
    return [*gone, *(AddSlots(name, frozenset(slots), claim=True) for name, slots in given.items())]


def slots_in_question(members: t.Iterable[Member]) -> frozenset[int]:
    """Those whose keys have to be counted on every primary before anything can be decided."""
    everybody = list(members)
    owned = frozenset().union(*(member.slots for member in everybody))
    uncovered = frozenset(range(16384)) - owned if any(member.keys for member in everybody) else frozenset()
    return uncovered.union(*(frozenset(member.migrating) | frozenset(member.importing) for member in everybody))


def _open_slots(current: CurrentCluster) -> set[int]:
    return {slot for member in current.members.values() for slot in (*member.migrating, *member.importing)}


def _target(current: CurrentCluster, owner: Member, slot: int, importing: t.Sequence[Member]) -> Member | None:
    """Where the slot is on its way to, if anything says that it has left."""
    ids = current.ids()
    named = ids.get(owner.migrating.get(slot, ""))
    if named in importing and named is not None:
        return named
    with_keys = [one for one in importing if one.slot_keys.get(slot)]
    if named is not None and named.slot_keys.get(slot) and not named.is_replica:
        return named
    return max(with_keys, key=lambda one: one.slot_keys[slot], default=None)
