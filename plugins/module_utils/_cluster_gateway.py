# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Reads and changes the nodes of one Redis Cluster."""

from __future__ import annotations

import ipaddress
import socket
import time
import typing as t

from ._cluster import (
    AddSlots,
    Await,
    ClusterStep,
    CurrentCluster,
    DesiredCluster,
    Meet,
    Member,
    Replicate,
    SetConfigEpoch,
    add_slots_words,
)
from ._cluster_layout import Node
from ._cluster_nodes import parse_cluster_nodes
from ._info import count_keys
from ._plan import NotReady, Plan, RedisPlatformError
from ._redis_client import Server, Settings, Unreachable

_PATIENCE = 3.0  # seconds of waiting after which bus ports are tried, to name the one that is closed
_PROBE_LIMIT = 1.0


class ClusterGateway:
    def __init__(self, desired: DesiredCluster, settings: Settings) -> None:
        self._servers = {node.name: Server(settings.at(node.host, node.port)) for node in desired.nodes}
        self._nodes = {node.name: node for node in desired.nodes}
        self._members: dict[str, Member] = {}
        self._handshakes: dict[str, list[str]] = {}
        self._awaited: Await | None = None
        self._waiting_since = 0.0
        self._hint = ""

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    def read(self) -> CurrentCluster:
        self._members, unreachable = {}, {}
        for name, server in self._servers.items():
            try:
                self._members[name], self._handshakes[name] = _read_member(self._nodes[name], server)
            except Unreachable as problem:
                unreachable[name] = f"{problem}; start it, or open its port"
        return CurrentCluster(dict(self._members), unreachable)

    def check(self, plan: Plan[ClusterStep]) -> None:
        if any(isinstance(step, Meet) for step in plan.steps):
            addresses = {name: _ip_address(node) for name, node in self._nodes.items()}
            local = [name for name, address in addresses.items() if ipaddress.ip_address(address).is_loopback]
            if local and len(local) < len(addresses):
                raise RedisPlatformError(
                    f"{', '.join(local)} resolve to a loopback address, which the other nodes cannot reach: give addresses"
                )

    def apply(self, step: ClusterStep) -> None:
        if isinstance(step, Await):
            raise NotReady(self._reason(step))
        server = self._servers[step.node]
        if isinstance(step, AddSlots):
            server.call("CLUSTER", "ADDSLOTSRANGE", *add_slots_words(step.slots))
        elif isinstance(step, SetConfigEpoch):
            server.call("CLUSTER", "SET-CONFIG-EPOCH", step.epoch)
        elif isinstance(step, Meet):
            other = self._members[step.other]
            server.call("CLUSTER", "MEET", _ip_address(other.node), other.node.port, other.bus_port)
        else:
            self._replicate(server, step)

    def _replicate(self, server: Server, step: Replicate) -> None:
        primary = self._members[step.primary].id
        if primary not in self._members[step.node].knows:
            raise NotReady(f"{step.node} does not know {step.primary} yet")
        server.call("CLUSTER", "REPLICATE", primary)

    def _reason(self, step: Await) -> str:
        now = time.monotonic()
        if step != self._awaited:
            self._awaited, self._waiting_since, self._hint = step, now, ""
        if now - self._waiting_since >= _PATIENCE:
            self._waiting_since = now  # trying all ports takes a while; not at every look
            self._hint = (
                self._bus_trouble(step.suspects) if step.suspects else "check masteruser, masterauth and the log there"
            )
        return f"{step.describe()}: {self._hint}" if self._hint else step.describe()

    def _bus_trouble(self, suspects: t.Iterable[str]) -> str:
        found = "; ".join([*self._closed_bus_ports(suspects), *self._wrong_addresses()])
        return found or "every bus port answers from here; check that the nodes reach each other's"

    def _closed_bus_ports(self, names: t.Iterable[str]) -> t.Iterator[str]:
        for name in names:
            problem = self._closed_bus_port(name)
            if problem:
                yield problem

    def _wrong_addresses(self) -> t.Iterator[str]:
        """A node takes another's address from the connection, which shows the wrong one on hosts with several."""
        known = {f"{_ip_address(node)}:{node.port}" for node in self._nodes.values()}
        for name, addresses in self._handshakes.items():
            wrong = sorted(set(addresses) - known)
            if wrong:
                yield (
                    f"{name} tries to reach {', '.join(wrong)}, where no node of this cluster is: set cluster-announce-ip "
                    "(redis_server_announce_address) to each node's own address"
                )

    def _closed_bus_port(self, name: str) -> str | None:
        member = self._members.get(name)
        if member is None:
            return None
        try:
            socket.create_connection((member.node.host, member.bus_port), timeout=_PROBE_LIMIT).close()
        except OSError as problem:
            return f"bus port {member.bus_port} of {name} does not answer ({problem}): open it in the firewall"
        return None


def _read_member(node: Node, server: Server) -> tuple[Member, list[str]]:
    """The node, and the addresses of those it is shaking hands with."""
    info = server.info()
    if info.get("cluster_enabled") != "1":
        return Member(node, id=node.name, knows={node.name: node.name}, enabled=False), []
    state = server.call("CLUSTER", "INFO")
    everyone = parse_cluster_nodes(server.call("CLUSTER", "NODES"))
    peers = [peer for peer in everyone if not peer.in_handshake]
    myself = next(peer for peer in peers if peer.is_self)
    member = Member(
        node=node,
        id=myself.id,
        knows={peer.id: node.name if peer.is_self else peer.address for peer in peers},
        bus_port=myself.bus_port,
        slots=myself.slots,
        primary_id=myself.primary_id,
        config_epoch=myself.config_epoch,
        keys=count_keys(info),
        synced=info.get("master_link_status", "up") == "up",
        state_ok="cluster_state:ok" in state,
        view={peer.id: peer.slots for peer in peers if peer.slots},
        following={peer.id: peer.primary_id for peer in peers if peer.primary_id},
    )
    return member, [peer.address for peer in everyone if peer.in_handshake]


def _ip_address(node: Node) -> str:
    """CLUSTER MEET takes no host names."""
    try:
        return str(socket.getaddrinfo(node.host, node.port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as problem:
        raise RedisPlatformError(f"{node.name}: the host name does not resolve: {problem}") from problem
