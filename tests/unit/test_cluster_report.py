# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.microservices.redis.plugins.module_utils._cluster_nodes import parse_cluster_nodes
from ansible_collections.microservices.redis.plugins.module_utils._cluster_progress import Progress
from ansible_collections.microservices.redis.plugins.module_utils._cluster_report import Sight, report_topology

LINES = """\
a1 192.0.2.1:7000@17000,one.example.com myself,master - 0 0 3 connected 0-5460 [93->-b2]
b2 192.0.2.2:7000@17000 master - 0 0 2 connected 5461-16383
c3 192.0.2.3:7000@17000 slave a1 0 0 3 connected
d4 192.0.2.4:7000@17000 slave,fail b2 0 0 2 disconnected
"""


def test_a_topology_is_data() -> None:
    report = report_topology(Sight("ok", 3, parse_cluster_nodes(LINES)))
    assert (report["state"], report["epoch"], report["complete"], report["slots_served"]) == ("ok", 3, True, 16384)
    assert report["slots_open"] == [93]
    assert [(one["slots"], one["primary"]["address"]) for one in report["shards"]] == [
        ("0-5460", "192.0.2.1:7000"),
        ("5461-16383", "192.0.2.2:7000"),
    ]
    assert [[one["address"] for one in shard["replicas"]] for shard in report["shards"]] == [
        ["192.0.2.3:7000"],
        ["192.0.2.4:7000"],
    ]
    assert [(one["role"], one["primary"], one["healthy"]) for one in report["nodes"]] == [
        ("primary", None, True),
        ("primary", None, True),
        ("replica", "a1", True),
        ("replica", "b2", False),
    ]


def test_progress_says_how_far_and_how_long() -> None:
    total = {"slots": 4000, "keys": 100_000, "bytes": 10 * 1024 * 1024}
    begun = Progress.begin(total, 100.0)
    assert begun.describe().startswith("0 of 4000 slots")
    later = begun.seen({"slots": 3000, "keys": 75_000, "bytes": 7_864_320}, 104.0)
    assert later.describe() == (
        "1000 of 4000 slots, 25000 of about 100000 keys and 2.5 of about 10.0 MB have moved, about 12 s left"
    )
