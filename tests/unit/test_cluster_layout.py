# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster_layout import (
    Layout,
    Node,
    lay_out,
    place_replicas,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError


def nodes_on(hosts: str, zones: str = "") -> list[Node]:
    """One node per letter: ``AAB`` are two nodes on host A and one on B."""
    places = zip(hosts, zones[: len(hosts)] or [None] * len(hosts), strict=True)
    return [Node(host, 7000 + number, zone) for number, (host, zone) in enumerate(places)]


def shared(layout: Layout, nodes: list[Node], what: str = "place") -> int:
    """How many replicas would die with their primary."""
    by_name = {node.name: node for node in nodes}
    return sum(getattr(by_name[one], what) == getattr(by_name[other], what) for one, other in layout.replicas.items())


@pytest.mark.parametrize(
    ("hosts", "replicas", "primaries", "pairs"),
    [
        ("AABBCC", 1, "A:7000 B:7002 C:7004", {"A:7001": "C:7004", "B:7003": "A:7000", "C:7005": "B:7002"}),
        ("ABCDEF", 1, "A:7000 B:7001 C:7002", {"D:7003": "A:7000", "E:7004": "B:7001", "F:7005": "C:7002"}),
        ("AAA", 0, "A:7000 A:7001 A:7002", {}),
    ],
)
def test_primaries_are_spread_and_replicas_are_elsewhere(
    hosts: str, replicas: int, primaries: str, pairs: dict[str, str]
) -> None:
    assert lay_out(nodes_on(hosts), replicas) == Layout(tuple(primaries.split()), pairs)


def test_a_zone_counts_more_than_a_host() -> None:
    nodes = nodes_on("ABCDEF", "xxyyzz")
    assert shared(lay_out(nodes, 1), nodes) == 0


def test_replicas_of_one_primary_are_apart_as_well() -> None:
    nodes = nodes_on("AAABBBCCC")
    layout = lay_out(nodes, 2)
    hosts = {node.name: node.host for node in nodes}
    for primary in layout.primaries:
        shard = [primary, *(replica for replica, owner in layout.replicas.items() if owner == primary)]
        assert sorted(hosts[name] for name in shard) == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("nodes", "replicas", "complaint"),
    [
        (nodes_on("ABC"), 1, "3 nodes with 1 replicas per primary make 1 primaries, .* give at least 6 nodes"),
        (nodes_on("AB"), 0, "needs at least 3: give at least 3 nodes"),
        (nodes_on("ABC"), -1, "give 0 or more"),
        ([*nodes_on("ABC"), Node("A", 7000, "x")], 0, "given more than once: A:7000"),
        ([*nodes_on("ABC"), Node("A", 7009, weight=0)], 0, "A:7009: a weight is more than 0"),
    ],
)
def test_what_makes_no_cluster_is_refused(nodes: list[Node], replicas: int, complaint: str) -> None:
    with pytest.raises(RedisPlatformError, match=complaint):
        lay_out(nodes, replicas)


def test_an_address_of_ipv6_is_named_in_brackets() -> None:
    assert Node("2001:db8::1", 7000).name == "[2001:db8::1]:7000"


HOSTS = st.text("ABCD", min_size=3, max_size=9)


@given(HOSTS, st.none() | st.text("xyz", min_size=9, max_size=9), st.integers(0, 2))
@example("AABBCC", None, 1)
def test_every_node_has_its_place_and_every_primary_its_share(hosts: str, zones: str | None, replicas: int) -> None:
    nodes = nodes_on(hosts, zones or "")
    if len(nodes) // (replicas + 1) < 3:
        return
    layout = lay_out(nodes, replicas)
    assert len(layout.primaries) == len(nodes) // (replicas + 1)
    assert sorted([*layout.primaries, *layout.replicas]) == sorted(node.name for node in nodes)
    counts = Counter(layout.replicas.values())
    assert all(counts[primary] >= replicas for primary in layout.primaries)
    assert max(counts.values(), default=0) - min((counts[one] for one in layout.primaries), default=0) <= 1
    assert lay_out(nodes, replicas) == layout


def fewest_shared(primaries: list[Node], replicas: list[Node]) -> int:
    """By trying every assignment with even numbers."""
    most, rest = divmod(len(replicas), len(primaries))
    fewest = len(replicas)
    for owners in itertools.product(range(len(primaries)), repeat=len(replicas)):
        counts = Counter(owners)
        sizes = sorted(counts[number] for number in range(len(primaries)))
        if sizes == [most] * (len(primaries) - rest) + [most + 1] * rest:
            conflicts = sum(
                replica.place == primaries[owner].place for replica, owner in zip(replicas, owners, strict=True)
            )
            fewest = min(fewest, conflicts)
    return fewest


@given(st.text("ABC", min_size=3, max_size=3), st.text("ABC", min_size=1, max_size=6))
def test_no_assignment_has_fewer_replicas_beside_their_primary(primaries: str, replicas: str) -> None:
    nodes = nodes_on(primaries + replicas)
    first, rest = nodes[:3], nodes[3:]
    layout = Layout(tuple(node.name for node in first), place_replicas({node.name: [node] for node in first}, rest))
    assert shared(layout, nodes) == fewest_shared(first, rest)


@given(HOSTS.filter(lambda hosts: len(hosts) >= 6))
def test_no_layout_of_these_primaries_has_fewer_shared_zones(hosts: str) -> None:
    nodes = nodes_on(hosts)
    layout = lay_out(nodes, 1)
    primaries = [node for node in nodes if node.name in layout.primaries]
    assert shared(layout, nodes) == fewest_shared(primaries, [node for node in nodes if node not in primaries])
