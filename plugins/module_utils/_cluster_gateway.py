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
from concurrent.futures import ThreadPoolExecutor

from ._cluster_layout import Node
from ._cluster_nodes import Peer, parse_cluster_nodes, slot_ranges
from ._cluster_repair import slots_in_question
from ._cluster_state import CurrentCluster, DesiredCluster, Member
from ._cluster_steps import (
    AddSlots,
    Await,
    CloseSlots,
    ClusterStep,
    CopyFunctions,
    Detach,
    HandOver,
    Meet,
    MoveSlots,
    Remove,
    Replicate,
    ReturnKeys,
    SetConfigEpoch,
)
from ._info import count_keys, parse_info
from ._plan import NotReady, Plan, RedisPlatformError
from ._redis_client import AccessDenied, CommandFailed, Reply, Server, Settings, Unreachable
from ._slot_mover import Endpoint, SlotMover

_PATIENCE = 3.0  # seconds of waiting after which bus ports are tried, to name the one that is closed
_PROBE_LIMIT = 1.0
_AT_ONCE = 32  # connections that are used at the same time
_NEWS_INTERVAL = 1.0  # seconds before the same is told to the same node again
_NEWS_AT_ONCE = 16  # nodes that one node speaks to between two looks
_FAILOVER_LIMIT = 10.0  # seconds; Redis itself gives up a manual failover after 5

R = t.TypeVar("R")


class ClusterGateway:
    """``time_budget`` is how many seconds slots may move before the next look; without, until all have moved."""

    def __init__(self, desired: DesiredCluster, settings: Settings, time_budget: float | None = None) -> None:
        self.settings = settings
        self._servers = {node.name: Server(settings.at(node.host, node.port)) for node in desired.nodes}
        self._nodes = {node.name: node for node in desired.nodes}
        self._readings: dict[str, _Reading] = {}
        self._deadline = None if time_budget is None else time.monotonic() + time_budget
        self._told: dict[tuple[str, str], float] = {}
        self._awaited: Await | None = None
        self._waiting_since = 0.0
        self._hint = ""

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    def read(self) -> CurrentCluster:
        readings, unreachable = self._read_wanted()
        ghosts = self._read_unwanted(readings, unreachable)
        self._readings = readings
        members = {name: reading.member for name, reading in readings.items()}
        counted = slots_in_question(members.values())
        if counted and not unreachable:
            primaries = [name for name, member in members.items() if member.enabled and not member.is_replica]
            for name, counts in zip(primaries, _at_once(lambda name: self._count(name, counted), primaries)):
                members[name] = members[name].with_slot_keys(counts)
        return CurrentCluster(members, unreachable, ghosts)

    def check(self, plan: Plan[ClusterStep]) -> None:
        if any(isinstance(step, Meet) for step in plan.steps):
            addresses = {name: reading.meeting_point()[0] for name, reading in self._readings.items()}
            local = [name for name, address in addresses.items() if ipaddress.ip_address(address).is_loopback]
            if local and len(local) < len(addresses):
                raise RedisPlatformError(
                    f"{', '.join(local)} resolve to a loopback address, which the other nodes cannot reach: give addresses"
                )

    def apply(self, step: ClusterStep) -> None:
        if isinstance(step, Await):
            self._spread_news()
            raise NotReady(self._reason(step))
        if isinstance(step, AddSlots):
            self._add_slots(step)
        elif isinstance(step, SetConfigEpoch):
            self._servers[step.node].call("CLUSTER", "SET-CONFIG-EPOCH", step.epoch)
        elif isinstance(step, Meet):
            self._servers[step.node].call("CLUSTER", "MEET", *self._readings[step.other].meeting_point())
        elif isinstance(step, Replicate):
            self._replicate(step)
        elif isinstance(step, Detach):
            self._servers[step.node].call("CLUSTER", "RESET", "SOFT")
        elif isinstance(step, CopyFunctions):
            dump = self._servers[step.source].call("FUNCTION", "DUMP")
            self._servers[step.target].call("FUNCTION", "RESTORE", dump, "REPLACE")
        elif isinstance(step, MoveSlots):
            self._move(step)
        elif isinstance(step, CloseSlots):
            _each(self._servers[step.node], [("CLUSTER", "SETSLOT", slot, "STABLE") for slot in sorted(step.slots)])
        elif isinstance(step, ReturnKeys):
            self._return_keys(step)
        elif isinstance(step, HandOver):
            self._hand_over(step)
        elif isinstance(step, Remove):
            self._remove(step)
        else:
            self._forget(step.id, self._servers)

    # Reading

    def _read_wanted(self) -> tuple[dict[str, _Reading], dict[str, str]]:
        def read(name: str) -> _Reading | Unreachable:
            try:
                return _read(self._nodes[name], self._servers[name], wanted=True)
            except Unreachable as problem:
                return problem

        found = dict(zip(self._nodes, _at_once(read, list(self._nodes))))
        readings = {name: one for name, one in found.items() if isinstance(one, _Reading)}
        silent = {
            name: f"{one}; start it, or open its port" for name, one in found.items() if isinstance(one, Unreachable)
        }
        return readings, silent

    def _read_unwanted(self, readings: dict[str, _Reading], unreachable: t.Mapping[str, str]) -> dict[str, str]:
        """Adds the nodes that others know and that answer to ``readings``; returns those that do not."""
        silent = {_resolved(self._nodes[name]) for name in unreachable}
        ids = {reading.member.id for reading in readings.values()}
        strangers = {
            peer.id: peer
            for reading in readings.values()
            for peer in reading.peers
            if peer.id not in ids and (peer.host, peer.port) not in silent
        }

        def read(peer: Peer) -> _Reading | None:
            node = Node(peer.host or peer.hostname, peer.port)
            if not node.host or node.name in readings:
                return None
            server = self._servers.setdefault(node.name, Server(self.settings.at(node.host, node.port)))
            try:
                reading = _read(node, server, wanted=False)
            except RedisPlatformError:
                return None
            return reading if reading.member.id == peer.id else None

        found = dict(zip(strangers.values(), _at_once(read, list(strangers.values()))))
        readings.update({one.member.name: one for one in found.values() if one is not None})
        return {peer.id: peer.address for peer, one in found.items() if one is None}

    def _count(self, name: str, slots: t.Iterable[int]) -> dict[int, int]:
        ordered = sorted(slots)
        replies = _each(self._servers[name], [("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in ordered])
        return {slot: keys for slot, keys in zip(ordered, replies) if keys}

    # Changing

    def _add_slots(self, step: AddSlots) -> None:
        words: list[str | int] = [
            "CLUSTER",
            "ADDSLOTSRANGE",
            *(bound for pair in slot_ranges(step.slots) for bound in pair),
        ]
        if step.claim:
            self._servers[step.node].transaction(words, ("CLUSTER", "BUMPEPOCH"))
        else:
            self._servers[step.node].call(*words)

    def _replicate(self, step: Replicate) -> None:
        primary = self._readings[step.primary].member.id
        if primary not in self._readings[step.node].member.knows:
            raise NotReady(f"{step.node} does not know {step.primary} yet")
        self._servers[step.node].call("CLUSTER", "REPLICATE", primary)

    def _move(self, step: MoveSlots) -> None:
        mover = SlotMover(self._endpoints(), self.settings.user, self.settings.password)
        progress = mover.move(step.transfers, self._deadline)
        if progress.slots < step.slot_count:
            raise NotReady(f"{progress.slots} of {step.slot_count} slots have moved")

    def _endpoints(self) -> dict[str, Endpoint]:
        addresses = {
            peer.id: (peer.host or peer.hostname, peer.port)
            for reading in self._readings.values()
            for peer in reading.peers
            if not peer.is_self and (peer.host or peer.hostname)
        }
        ends = {}
        for name, reading in self._readings.items():
            member = reading.member
            if not member.is_replica:
                host, port = addresses.get(member.id, (member.node.host, member.node.port))
                ends[name] = Endpoint(name, member.id, self._servers[name], host, port, len(member.slots))
        return ends

    def _return_keys(self, step: ReturnKeys) -> None:
        mover = SlotMover(self._endpoints(), self.settings.user, self.settings.password)
        mover.bring(step.source, step.owner, step.slot)

    def _hand_over(self, step: HandOver) -> None:
        server = self._servers[step.node]
        server.call("CLUSTER", "FAILOVER")
        deadline = time.monotonic() + _FAILOVER_LIMIT
        while server.info("replication").get("role") != "master":
            if time.monotonic() >= deadline:
                raise NotReady(f"{step.node} has not taken over from {step.primary}: see the log of either")
            time.sleep(0.05)

    def _remove(self, step: Remove) -> None:
        """The node first: until the others have forgotten it they name it, so that a run that is cut off can be resumed.

        The other way round it would be left as it is, for since 7.2 one that forgets tells all others to do so.
        """
        leaving = self._readings.pop(step.node).member
        server = self._servers.pop(step.node)
        server.call("CLUSTER", "RESET", "HARD")
        server.close()
        self._forget(
            leaving.id, [name for name, reading in self._readings.items() if leaving.id in reading.member.knows]
        )

    def _forget(self, node_id: str, names: t.Iterable[str]) -> None:
        def forget(name: str) -> None:
            try:
                self._servers[name].call("CLUSTER", "FORGET", node_id)
            except CommandFailed as problem:
                if "my master" in problem.reply:
                    raise NotReady(f"{name} has not heard of its new primary yet") from problem
                if "Unknown node" not in problem.reply:
                    raise

        _at_once(forget, [name for name in names if name in self._readings])

    # Waiting

    def _spread_news(self) -> None:
        """Let nodes tell others at once what those do not know of them yet; gossip alone takes many seconds for it.

        CLUSTER MEET makes a node send all it says of itself, also to one that knows it already.
        """
        now = time.monotonic()
        news: dict[str, list[_Reading]] = {}
        for name, teller in self._readings.items():
            for other, listener in self._readings.items():
                recently = now - self._told.get((name, other), 0.0) < _NEWS_INTERVAL
                full = len(news.get(name, ())) >= _NEWS_AT_ONCE
                if name != other and not recently and not full and _is_news(teller.member, listener.member):
                    news.setdefault(name, []).append(listener)
                    self._told[name, other] = self._told[other, name] = now

        def tell(name: str) -> None:
            self._servers[name].pipeline(*(("CLUSTER", "MEET", *listener.meeting_point()) for listener in news[name]))

        _at_once(tell, list(news))

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
        points = [reading.meeting_point() for reading in self._readings.values()]
        known = {(address, bus_port) for address, dummy, bus_port in points}
        for name, reading in self._readings.items():
            wrong = sorted({peer.address for peer in reading.handshakes if (peer.host, peer.bus_port) not in known})
            if wrong:
                yield (
                    f"{name} tries to reach {', '.join(wrong)}, where no node of this cluster is: set cluster-announce-ip "
                    "(redis_server_announce_address) to each node's own address"
                )

    def _closed_bus_port(self, name: str) -> str | None:
        reading = self._readings.get(name)
        if reading is None:
            return None
        address, dummy, bus_port = reading.meeting_point()
        try:
            socket.create_connection((address, bus_port), timeout=_PROBE_LIMIT).close()
        except OSError as problem:
            return f"bus port {bus_port} of {name} does not answer ({problem}): open it in the firewall"
        return None


class _Reading(t.NamedTuple):
    """What a node said, as the plan needs it and as commands need it.

    ``announced_ip`` is ``cluster-announce-ip``, or nothing.
    """

    member: Member
    peers: tuple[Peer, ...] = ()
    handshakes: tuple[Peer, ...] = ()
    announced_ip: str = ""

    def meeting_point(self) -> tuple[str, int, int]:
        """Address, port and bus port where other nodes reach it; behind NAT they need not be ours."""
        myself = next(peer for peer in self.peers if peer.is_self)
        if self.announced_ip:
            return self.announced_ip, myself.port, myself.bus_port
        # What a node without the directive says of its address may be an earlier one.
        return _ip_address(self.member.node), self.member.node.port, myself.bus_port


def _read(node: Node, server: Server, wanted: bool) -> _Reading:
    said, state, nodes, functions, config = server.pipeline(
        ("INFO",),
        ("CLUSTER", "INFO"),
        ("CLUSTER", "NODES"),
        ("FUNCTION", "LIST"),
        ("CONFIG", "GET", "tls-cluster", "cluster-announce-ip"),
    )
    info = parse_info(_said(said))
    if info.get("cluster_enabled") != "1":
        return _Reading(Member(node, id=node.name, knows={node.name: node.name}, enabled=False, wanted=wanted))
    everyone = parse_cluster_nodes(_said(nodes))
    pairs = _optional(config)
    directives = dict(zip(pairs[::2], pairs[1::2]))
    tls = directives["tls-cluster"] == "yes" if "tls-cluster" in directives else None
    peers = tuple(peer for peer in everyone if not peer.in_handshake)
    myself = next(peer for peer in peers if peer.is_self)
    primary = next((peer for peer in peers if peer.id == myself.primary_id), None)
    member = Member(
        node=node,
        id=myself.id,
        knows={peer.id: node.name if peer.is_self else peer.address for peer in peers},
        slots=myself.slots,
        primary_id=myself.primary_id,
        config_epoch=myself.config_epoch,
        keys=count_keys(info),
        synced=info.get("master_link_status", "up") == "up",
        misled=_is_misled(info, primary, tls is None or tls == (server.settings.tls is not None)),
        state_ok="cluster_state:ok" in _said(state),
        view={peer.id: peer.slots for peer in peers if peer.slots},
        following={peer.id: peer.primary_id for peer in peers if peer.primary_id},
        wanted=wanted,
        # A node does not know its own address before another has spoken to it.
        announced=myself.address if myself.host or myself.hostname else "",
        failed=frozenset(peer.id for peer in peers if peer.failed),
        lost=frozenset(peer.id for peer in peers if not peer.is_self and not peer.link_up),
        migrating=myself.opened(">"),
        importing=myself.opened("<"),
        libraries=_library_names(_optional(functions)),
        memory_used=int(info.get("used_memory", 0)),
        data_size=int(info.get("used_memory_dataset", 0)),
        memory_limit=int(info.get("maxmemory", 0)),
        version=info.get("redis_version", ""),
        tls=tls,
    )
    handshakes = tuple(peer for peer in everyone if peer.in_handshake)
    return _Reading(member, peers, handshakes, directives.get("cluster-announce-ip", ""))


def _is_misled(info: t.Mapping[str, str], primary: Peer | None, same_port: bool) -> bool:
    """``same_port`` is whether CLUSTER NODES gives us the ports that replicas use, which depends on TLS."""
    if primary is None or not primary.link_up or info.get("master_link_status") != "down":
        return False
    address = (primary.host, str(primary.port))
    sought = (info.get("master_host", ""), info.get("master_port", ""))
    return sought != address if same_port else sought[0] != address[0]


def _is_news(teller: Member, listener: Member) -> bool:
    if teller.id not in listener.knows:
        return True
    same_slots = listener.view.get(teller.id, frozenset()) == teller.slots
    return not (same_slots and listener.following.get(teller.id) == teller.primary_id)


def _said(reply: Reply) -> str:
    if isinstance(reply, Exception):
        raise reply
    return str(reply)


def _optional(reply: Reply) -> Reply:
    """Nothing where the user may not ask."""
    if isinstance(reply, (AccessDenied, CommandFailed)):
        return []
    return reply


def _library_names(functions: Reply) -> frozenset[str]:
    return frozenset(str(library[library.index("library_name") + 1]) for library in functions)


def _each(server: Server, commands: t.Sequence[t.Sequence[str | int]]) -> list[Reply]:
    """The replies of all commands; raises the first that is an error."""
    replies: list[Reply] = []
    for first in range(0, len(commands), 1000):
        for reply in server.pipeline(*commands[first : first + 1000]):
            if isinstance(reply, Exception):
                raise reply
            replies.append(reply)
    return replies


A = t.TypeVar("A")


def _at_once(action: t.Callable[[A], R], arguments: t.Sequence[A]) -> list[R]:
    if len(arguments) < 2:
        return [action(argument) for argument in arguments]
    with ThreadPoolExecutor(min(_AT_ONCE, len(arguments))) as pool:
        return list(pool.map(action, arguments))


def _resolved(node: Node) -> tuple[str, int]:
    try:
        return _ip_address(node), node.port
    except RedisPlatformError:
        return node.host, node.port


def _ip_address(node: Node) -> str:
    """CLUSTER MEET takes no host names."""
    try:
        return str(socket.getaddrinfo(node.host, node.port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as problem:
        raise RedisPlatformError(f"{node.name}: the host name does not resolve: {problem}") from problem
