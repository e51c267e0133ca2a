# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster_nodes import (
    SLOT_COUNT,
    parse_cluster_nodes,
    show_slots,
    slot_ranges,
    split_slots,
)

ID, OTHER = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("field", "host", "port", "bus", "hostname"),
    [
        ("127.0.0.1:7000@17000", "127.0.0.1", 7000, 17000, ""),  # 7.0
        ("127.0.0.1:7000@17000,redis1.example", "127.0.0.1", 7000, 17000, "redis1.example"),
        (f"127.0.0.1:7000@17000,,shard-id={ID}", "127.0.0.1", 7000, 17000, ""),  # 7.2, 8.0
        (f"127.0.0.1:7000@17000,h,tls-port=0,shard-id={ID}", "127.0.0.1", 7000, 17000, "h"),
        ("2001:db8::1:7000@17000", "2001:db8::1", 7000, 17000, ""),
        (":7000@17000", "", 7000, 17000, ""),  # itself before it met anybody
        (":0@0", "", 0, 0, ""),  # noaddr
    ],
)
def test_an_address_is_read_in_every_shape(field: str, host: str, port: int, bus: int, hostname: str) -> None:
    [peer] = parse_cluster_nodes(f"{ID} {field} master - 0 1700000000000 3 connected")
    assert (peer.host, peer.port, peer.bus_port, peer.hostname) == (host, port, bus, hostname)


@pytest.mark.parametrize(
    ("field", "address"),
    [("192.0.2.1:7000@1,h", "192.0.2.1:7000"), (":7000@1,h", "h:7000"), (":7000@1", "?:7000")],
)
def test_a_peer_is_shown_by_the_best_address_there_is(field: str, address: str) -> None:
    [peer] = parse_cluster_nodes(f"{ID} {field} master - 0 0 0 connected")
    assert peer.address == address


NODES = f"""\
{ID} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-2 7 [93->-{OTHER}] [77-<-{OTHER}]
{OTHER} 127.0.0.1:7001@17001 slave,fail {ID} 1700000000000 1700000000000 1 disconnected

{"c" * 40} 127.0.0.1:7002@17002 master,fail? - 1700000000000 1700000000000 3 connected
{"d" * 40} 127.0.0.1:7003@17003 handshake - 0 0 0 disconnected
"""


def test_roles_slots_and_links_are_read() -> None:
    primary, replica, doubted, stranger = parse_cluster_nodes(NODES)
    assert (primary.is_self, primary.is_replica, primary.primary_id, primary.link_up) == (True, False, None, True)
    assert (primary.slots, primary.config_epoch) == (frozenset({0, 1, 2, 7}), 1)
    assert primary.open_slots == (f"[93->-{OTHER}]", f"[77-<-{OTHER}]")
    assert (replica.is_self, replica.is_replica, replica.primary_id, replica.link_up) == (False, True, ID, False)
    assert (replica.failed, doubted.failed) == (True, False)
    assert (stranger.in_handshake, stranger.slots) == (True, frozenset())


def test_what_is_no_address_is_named() -> None:
    with pytest.raises(ValueError, match="not an address of CLUSTER NODES: nowhere"):
        parse_cluster_nodes(f"{ID} nowhere master - 0 0 0 connected")


@given(st.frozensets(st.integers(0, SLOT_COUNT - 1)))
def test_ranges_are_the_slots_and_nothing_else(slots: frozenset[int]) -> None:
    ranges = slot_ranges(slots)
    assert [slot for first, last in ranges for slot in range(first, last + 1)] == sorted(slots)
    assert all(end + 1 < start for (_, end), (start, _) in itertools.pairwise(ranges))


def test_slots_are_shown_briefly() -> None:
    assert [show_slots(slots) for slots in ([], [5], [3, 1, 2, 9])] == ["none", "5", "1-3,9"]


def as_redis_cli_splits(primaries: int) -> list[tuple[int, int]]:
    """clusterManagerCommandCreate of redis-cli.c, which counts in single precision."""

    def single(number: float) -> float:
        return float(struct.unpack("f", struct.pack("f", number))[0])

    share, cursor, first, ranges = single(SLOT_COUNT / primaries), 0.0, 0, []
    for number in range(1, primaries + 1):
        last = SLOT_COUNT - 1 if number == primaries else int(single(single(cursor + share) - 1) + 0.5)
        ranges.append((first, last))
        first, cursor = last + 1, single(cursor + share)
    return ranges


def test_slots_are_split_as_redis_cli_does() -> None:
    for primaries in range(1, 65):
        assert [(part[0], part[-1]) for part in split_slots(primaries)] == as_redis_cli_splits(primaries)


@given(st.integers(1, 1000))
def test_every_slot_has_one_owner_and_nobody_much_more_than_others(primaries: int) -> None:
    parts = split_slots(primaries)
    assert [slot for part in parts for slot in part] == list(range(SLOT_COUNT))
    assert len(parts) == primaries
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
