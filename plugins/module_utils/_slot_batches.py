# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""How much of a slot migration is done at a time. Pure.

MIGRATE blocks the event loop of the node that sends (https://redis.io/docs/latest/commands/migrate/), so clients wait as
long as one round trip takes: the work in it is measured in *units*, of which a small key is one, and adapted to time.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ._cluster_slots import Transfer

SLOTS_AT_ONCE = 32  # open at the same time
MOVED_PER_OPEN = 16  # slots that have moved before one more is opened at the same time
KEYS_AT_ONCE = 1000  # in the slots that are open at the same time, unless there is only one
KEYS_PER_SAMPLE = 64  # of one slot
COMMANDS_AT_ONCE = 8  # MIGRATEs in one round trip: a target that has died costs each of them the time limit

ROUND_TRIP = 0.004  # seconds that a round trip with MIGRATEs shall take
FIRST_UNITS = 32
MOST_UNITS = 2000
BYTES_PER_UNIT = 4096  # take as long to send as a small key takes to handle

_TRANSIENT = re.compile(r"IOERR|CLUSTERDOWN|LOADING|TRYAGAIN|\bBUSY\b|[Tt]he cluster is down|Hash slot not served")


@dataclass(frozen=True)
class Load:
    """Keys of one slot, about ``weight`` units each."""

    slot: int
    keys: tuple[str, ...]
    weight: int = 1

    @property
    def units(self) -> int:
        return len(self.keys) * self.weight


@dataclass(frozen=True)
class Pace:
    """How many units the next round trip shall carry."""

    units: int = FIRST_UNITS

    def after(self, units: int, seconds: float) -> Pace:
        """As measured with so many units; what was less than half a round trip's worth does not speed it up."""
        if seconds > ROUND_TRIP:
            return Pace(max(1, int(self.units * max(ROUND_TRIP / seconds, 1 / 8))))
        if units * 2 >= self.units and seconds * 2 < ROUND_TRIP:
            return Pace(min(MOST_UNITS, self.units * 2))
        return self


def cut_phases(transfers: t.Iterable[Transfer]) -> list[list[Transfer]]:
    """Transfers that can go on at the same time: nobody gives and takes at once.

    A node that takes slots gets a new config epoch. If it gives others at that moment, its claim to them is newer than the
    one of the node that has just got them, which would then drop their keys.
    """
    phases: list[list[Transfer]] = []
    for transfer in transfers:
        for phase in phases:
            sources, targets = {one.source for one in phase}, {one.target for one in phase}
            if transfer.source not in targets and transfer.target not in sources:
                phase.append(transfer)
                break
        else:
            phases.append([transfer])
    return phases


def cut_batches(counts: t.Mapping[int, int], owned: int = 0) -> t.Iterator[dict[int, int]]:
    """Slots that move together, in order, and the number of keys in each; ``owned`` is how many the target has already.

    Few at first: clients that see ASK for a node that they have never heard of may fail (redis-py up to 8.1 does), so that
    they should come across a slot that has moved before they come across an open one.
    """
    batch: dict[int, int] = {}
    moved, keys = owned, 0
    for slot, count in counts.items():
        most = min(SLOTS_AT_ONCE, max(1, moved // MOVED_PER_OPEN))
        if batch and (len(batch) >= most or keys + count > KEYS_AT_ONCE):
            yield batch
            moved += len(batch)
            batch, keys = {}, 0
        batch[slot] = count
        keys += count
    if batch:
        yield batch


def choose_listing(counts: t.Mapping[int, int]) -> dict[int, int]:
    """How many keys to ask for in which slots, from the number that is left in each."""
    chosen: dict[int, int] = {}
    room = KEYS_AT_ONCE
    for slot, count in counts.items():
        if count and room:
            chosen[slot] = min(count, room)
            room -= chosen[slot]
    return chosen


def choose_samples(keys: t.Sequence[str]) -> t.Sequence[str]:
    """Keys of one slot whose size tells about the others: at least one."""
    return keys[::KEYS_PER_SAMPLE]


def weigh(sizes: t.Sequence[int]) -> int:
    """Units per key, from the bytes of the samples; the largest counts, for it may block the longest."""
    return 1 + max(sizes, default=0) // BYTES_PER_UNIT


def cut_round(loads: t.Sequence[Load], units: int) -> tuple[list[Load], list[Load]]:
    """What fits into one round trip, at least one key, and the rest."""
    now: list[Load] = []
    for index, load in enumerate(loads):
        fitting = max(0, units // load.weight)
        if fitting == 0 and not now:
            fitting = 1
        if fitting == 0 or len(now) == COMMANDS_AT_ONCE:
            return now, list(loads[index:])
        now.append(Load(load.slot, load.keys[:fitting], load.weight))
        if fitting < len(load.keys):
            return now, [Load(load.slot, load.keys[fitting:], load.weight), *loads[index + 1 :]]
        units -= load.units
    return now, []


def may_pass(error: str) -> bool:
    """Whether trying again can help. ``error`` is a reply to MIGRATE, which quotes what the target said."""
    return _TRANSIENT.search(error) is not None


@dataclass(frozen=True)
class Patience:
    """Failures in a row, the first at ``since`` (seconds of a monotonic clock)."""

    failures: int = 0
    since: float = 0.0

    TRIES: t.ClassVar[int] = 3
    SECONDS: t.ClassVar[float] = 10.0

    def after_failure(self, now: float) -> Patience:
        return Patience(self.failures + 1, self.since if self.failures else now)

    def exhausted(self, now: float) -> bool:
        """Only when both limits have passed: one failure can take a minute, and many a moment."""
        return self.failures >= self.TRIES and now - self.since >= self.SECONDS
