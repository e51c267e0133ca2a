# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""How many slots each shard shall have, and which ones move for that. Pure.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._cluster_nodes import SLOT_COUNT, split_slots


@dataclass(frozen=True)
class Transfer:
    """Slots that one primary gives to another. Both by name."""

    source: str
    target: str
    slots: frozenset[int]


def fair_shares(weights: t.Mapping[str, float], owned: t.Mapping[str, int]) -> dict[str, int]:
    """How many slots each primary shall have, by weight; who has one more already keeps it where numbers are odd."""
    exact = _exact_shares(weights)
    shares = {name: int(share) for name, share in exact.items()}
    left = SLOT_COUNT - sum(shares.values())

    def entitled(name: str) -> tuple[bool, float, str]:
        return owned.get(name, 0) <= shares[name], shares[name] - exact[name], name

    for name in sorted(shares, key=entitled)[:left]:
        shares[name] += 1
    return shares


def cut_slots(weights: t.Mapping[str, float]) -> dict[str, frozenset[int]]:
    """The slots of a new cluster's primaries, one range each; with equal weights where redis-cli would cut."""
    if len(set(weights.values())) == 1:
        return {name: frozenset(slots) for name, slots in zip(weights, split_slots(len(weights)))}
    cut, first = {}, 0
    for name, share in fair_shares(weights, {}).items():
        cut[name] = frozenset(range(first, first + share))
        first += share
    return cut


def is_balanced(owned: t.Mapping[str, int], weights: t.Mapping[str, float], threshold: float) -> bool:
    """Whether no primary is further than ``threshold`` percent from its share."""
    exact = _exact_shares(weights)
    return all(abs(owned.get(name, 0) - share) <= share * threshold / 100 + 1 for name, share in exact.items())


def plan_transfers(
    owned: t.Mapping[str, frozenset[int]], weights: t.Mapping[str, float], threshold: float, rebalance: bool = True
) -> tuple[Transfer, ...]:
    """The fewest slots that have to move.

    ``owned`` are the slots of all primaries, ``weights`` are those of the primaries that shall have slots at the end;
    the others give all away. Without ``rebalance``, or where everybody is within ``threshold`` percent of the share,
    that is all that moves.
    """
    counts = {name: len(slots) for name, slots in owned.items()}
    shares = fair_shares(weights, counts)
    leaving = [name for name, slots in owned.items() if slots and name not in weights]
    giving = [(name, counts[name]) for name in leaving]
    if rebalance and not is_balanced(counts, weights, threshold):
        giving += [(name, counts[name] - share) for name, share in shares.items() if counts.get(name, 0) > share]
    taking = [(name, share - counts.get(name, 0)) for name, share in shares.items() if counts.get(name, 0) < share]
    return tuple(_pair(giving, taking, owned))


def _pair(
    giving: t.Iterable[tuple[str, int]], taking: t.Iterable[tuple[str, int]], owned: t.Mapping[str, frozenset[int]]
) -> t.Iterator[Transfer]:
    """Lowest slots first. Every giver serves every taker, so that all of them work at the same time."""
    wanting = dict(taking)
    for name, count in giving:
        slots = sorted(owned[name])[:count]
        while slots:
            target = max(wanting, key=lambda one: (wanting[one], one))
            part = min(wanting[target], len(slots))
            if part == 0:
                return
            yield Transfer(name, target, frozenset(slots[:part]))
            wanting[target] -= part
            slots = slots[part:]


def _exact_shares(weights: t.Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: SLOT_COUNT * weight / total for name, weight in weights.items()}
