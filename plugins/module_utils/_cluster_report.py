# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""A Redis Cluster as one of its nodes sees it, as data for templates and reports. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._cluster_nodes import SLOT_COUNT, Peer, show_slots
from ._plan import RedisPlatformError


@dataclass(frozen=True)
class Address:
    """The node to ask."""

    name: str

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Address:
        return cls(params["login_unix_socket"] or f"{params['login_host']}:{params['login_port']}")


@dataclass(frozen=True)
class Sight:
    """What the asked node sees; ``epoch`` and ``state`` are those of CLUSTER INFO."""

    state: str
    epoch: int
    peers: tuple[Peer, ...]


def report_topology(sight: Sight) -> dict[str, t.Any]:
    """Shards in the order of their slots, and all nodes."""
    nodes = {peer.id: _node(peer) for peer in sight.peers}
    shards = []
    for peer in sorted((one for one in sight.peers if one.slots), key=lambda one: min(one.slots)):
        replicas = [nodes[one.id] for one in sight.peers if one.primary_id == peer.id]
        shards.append(
            {
                "slots": show_slots(peer.slots),
                "slot_count": len(peer.slots),
                "primary": nodes[peer.id],
                "replicas": sorted(replicas, key=lambda one: str(one["address"])),
            }
        )
    return {
        "state": sight.state,
        "epoch": sight.epoch,
        "slots_served": sum(len(peer.slots) for peer in sight.peers if not peer.failed),
        "slots_open": sorted(int(slot) for peer in sight.peers for way in "<>" for slot in peer.opened(way)),
        "complete": sum(len(peer.slots) for peer in sight.peers) == SLOT_COUNT,
        "shards": shards,
        "nodes": sorted(nodes.values(), key=lambda one: str(one["address"])),
    }


def require_cluster_mode(address: str, enabled: bool) -> None:
    """Raises RedisPlatformError."""
    if not enabled:
        raise RedisPlatformError(f"{address} runs without cluster-enabled yes: ask a node of a Redis Cluster")


def _node(peer: Peer) -> dict[str, t.Any]:
    return {
        "id": peer.id,
        "address": peer.address,
        "host": peer.host or peer.hostname,
        "hostname": peer.hostname,
        "port": peer.port,
        "bus_port": peer.bus_port,
        "role": "replica" if peer.is_replica else "primary",
        "primary": peer.primary_id,
        "healthy": not peer.failed and (peer.link_up or peer.is_self),
    }
