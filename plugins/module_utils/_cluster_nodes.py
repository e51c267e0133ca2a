# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What the nodes of a Redis Cluster say about themselves and each other, as data.

The text format is the one of CLUSTER NODES (https://redis.io/docs/latest/commands/cluster-nodes/), 7.0 to 8.0.
"""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import dataclass

SLOT_COUNT = 16384
_OPEN_SLOT = re.compile(r"\[(?P<slot>\d+)-(?P<way>[<>])-(?P<id>\w+)\]")
_ADDRESS = re.compile(r"(?P<host>.*):(?P<port>\d+)@(?P<bus>\d+)(?:,(?P<hostname>[^,]*))?.*")


@dataclass(frozen=True)
class Peer:
    """One line of CLUSTER NODES: a node as another node (or itself) sees it."""

    id: str
    host: str
    port: int
    bus_port: int
    flags: frozenset[str]
    primary_id: str | None
    config_epoch: int
    link_up: bool
    slots: frozenset[int]
    open_slots: tuple[str, ...] = ()
    hostname: str = ""

    @property
    def address(self) -> str:
        return f"{self.host or self.hostname or '?'}:{self.port}"

    @property
    def is_self(self) -> bool:
        return "myself" in self.flags

    @property
    def is_replica(self) -> bool:
        return "slave" in self.flags

    @property
    def in_handshake(self) -> bool:
        return "handshake" in self.flags

    @property
    def failed(self) -> bool:
        return "fail" in self.flags

    def opened(self, way: str) -> dict[int, str]:
        """Slots on their way out (``>``) or in (``<``), and the id of the other node. Only a node itself shows them."""
        found = (_OPEN_SLOT.fullmatch(text) for text in self.open_slots)
        return {int(one["slot"]): one["id"] for one in found if one is not None and one["way"] == way}


def parse_cluster_nodes(text: str) -> tuple[Peer, ...]:
    return tuple(_peer(line.split()) for line in text.splitlines() if line.strip())


def _peer(fields: t.Sequence[str]) -> Peer:
    address = _ADDRESS.fullmatch(fields[1])
    if address is None:
        raise ValueError(f"not an address of CLUSTER NODES: {fields[1]}")
    return Peer(
        id=fields[0],
        host=address["host"],
        port=int(address["port"]),
        bus_port=int(address["bus"]),
        hostname=address["hostname"] or "",
        flags=frozenset(fields[2].split(",")),
        primary_id=None if fields[3] == "-" else fields[3],
        config_epoch=int(fields[6]),
        link_up=fields[7] == "connected",
        slots=_slots(tuple(text for text in fields[8:] if not text.startswith("["))),
        open_slots=tuple(text for text in fields[8:] if text.startswith("[")),
    )


@functools.lru_cache(maxsize=4096)  # every node says the same of all nodes, and what is one object compares fast
def _slots(ranges: tuple[str, ...]) -> frozenset[int]:
    slots: set[int] = set()
    for text in ranges:
        first, dummy, last = text.partition("-")
        slots.update(range(int(first), int(last or first) + 1))
    return frozenset(slots)


def slot_ranges(slots: t.Iterable[int]) -> list[tuple[int, int]]:
    """First and last of every run, in order."""
    chosen = frozenset(slots)
    firsts = sorted(slot for slot in chosen if slot - 1 not in chosen)
    lasts = sorted(slot for slot in chosen if slot + 1 not in chosen)
    return list(zip(firsts, lasts))


def show_slots(slots: t.Iterable[int]) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in slot_ranges(slots)) or "none"


def split_slots(primaries: int) -> list[range]:
    """The slots of each of so many primaries, cut where redis-cli cuts them."""
    per_primary = SLOT_COUNT / primaries
    ranges = []
    first = 0
    cursor = 0.0
    for number in range(primaries):
        last = SLOT_COUNT - 1 if number == primaries - 1 else int(cursor + per_primary - 1 + 0.5)
        ranges.append(range(first, last + 1))
        first = last + 1
        cursor += per_primary
    return ranges
