# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Judges what an instance says about itself: graded findings, each with its likely cause and the fix. Pure.

The figures are those of INFO (https://redis.io/docs/latest/commands/info/) and CLUSTER INFO.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, field

from ._cluster_nodes import SLOT_COUNT, Peer
from ._info import parse_fields


class Grade(enum.IntEnum):
    OK = 0
    WARNING = 1
    CRITICAL = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    check: str
    grade: Grade
    message: str
    cause: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        return {
            "check": self.check,
            "grade": str(self.grade),
            "message": self.message,
            "cause": self.cause,
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Expectation:
    """What the user wants of an instance. Shares are parts of one, lags are seconds, latency is milliseconds."""

    name: str
    address: str
    role: str | None = None
    min_replicas: int = 0
    max_lag: float = 10.0
    memory_warning: float = 0.8
    memory_critical: float = 0.95
    max_latency: float = 100.0
    checks: t.Sequence[str] = ()

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Expectation:
        address = params["login_unix_socket"] or f"{params['login_host']}:{params['login_port']}"
        return cls(
            name=params["name"] or address,
            address=address,
            role=params["role"],
            min_replicas=params["min_replicas"],
            max_lag=params["max_lag"],
            memory_warning=params["memory_warning"],
            memory_critical=params["memory_critical"],
            max_latency=params["max_latency"],
            checks=params["checks"],
        )


@dataclass(frozen=True)
class Probe:
    """What became of a key that was written and read, and of a message that was sent."""

    problem: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Observation:
    """Everything asked of one instance; empty but for the problem when it gave no answer."""

    problem: str = ""
    denied: bool = False
    loading: bool = False
    latency: float = 0.0
    info: t.Mapping[str, str] = field(default_factory=dict)
    cluster: t.Mapping[str, str] = field(default_factory=dict)
    peers: tuple[Peer, ...] = ()
    default_user_open: bool | None = None
    probe: Probe | None = None

    @property
    def role(self) -> str:
        return {"master": "primary", "slave": "replica"}.get(self.info.get("role", ""), "unknown")

    def number(self, name: str) -> int:
        return int(float(self.info.get(name) or 0))


_JOIN_FIX = "open port and cluster bus port between all nodes, then run the redis_cluster role again"

Check = t.Callable[[Observation, Expectation], t.Iterator[Finding]]


def judge(seen: Observation, expected: Expectation) -> list[Finding]:
    """One finding or more for each check that applies and is wanted; without an answer there is only that."""
    if seen.problem:
        return [_no_answer(seen, expected)]
    wanted = [check for name, check in _CHECKS.items() if name in (expected.checks or _CHECKS)]
    return [finding for check in wanted for finding in check(seen, expected)]


def check_names() -> list[str]:
    return list(_CHECKS)


def worst(findings: t.Iterable[Finding]) -> Grade:
    return max((finding.grade for finding in findings), default=Grade.OK)


def _no_answer(seen: Observation, expected: Expectation) -> Finding:
    if seen.denied:
        return Finding(
            "connection",
            Grade.CRITICAL,
            seen.problem,
            "wrong user or password, or ACL rules that do not cover the health checks",
            "compare login_user and login_password with the instance's users; the health preset has the needed rules",
        )
    if seen.loading:
        return Finding(
            "connection",
            Grade.CRITICAL,
            seen.problem,
            "the server was started a moment ago and reads its data",
            "wait; large data sets take minutes",
        )
    return Finding(
        "connection",
        Grade.CRITICAL,
        seen.problem,
        "the instance does not run, does not listen on this address, or a firewall drops the connection",
        f"look at the instance's unit and log, at bind and port in its redis.conf, and try to connect to {expected.address}",
    )


def _connection(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    if seen.latency > expected.max_latency:
        yield Finding(
            "connection",
            Grade.WARNING,
            f"answered after {seen.latency:.0f} ms",
            "slow commands, a fork of a large process, swapping, or the network",
            "look at SLOWLOG GET and LATENCY LATEST, and keep transparent huge pages and swap away from Redis",
        )
    else:
        yield Finding("connection", Grade.OK, f"answered after {seen.latency:.1f} ms")


def _security(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    if seen.default_user_open:
        yield Finding(
            "security",
            Grade.CRITICAL,
            "user default is on and needs no password",
            "no aclfile, or one without a line for user default",
            "manage the users with redis_acl: it always switches user default off unless told otherwise",
        )
    elif seen.default_user_open is not None:
        yield Finding("security", Grade.OK, "nobody gets in without a password")


def _role(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    if expected.role in (None, seen.role):
        yield Finding("role", Grade.OK, seen.role)
    else:
        yield Finding(
            "role",
            Grade.CRITICAL,
            f"is {seen.role}, expected {expected.role}",
            "a failover has moved the role",
            "expect a role only where it must not move; leave role out otherwise",
        )


def _replication(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    if seen.role == "replica":
        yield _replica_link(seen, expected)
        return
    replicas = [
        parse_fields(value) for name, value in seen.info.items() if name.startswith("slave") and name[5:].isdigit()
    ]
    usable = [one for one in replicas if one.get("state") == "online" and float(one.get("lag", 0)) <= expected.max_lag]
    if len(usable) < expected.min_replicas:
        yield Finding(
            "replication",
            Grade.WARNING,
            f"{len(usable)} of {expected.min_replicas} replicas are in step",
            "a replica is down, still copies the data, or is refused by user or password",
            "look at the health of the replicas, and at masteruser and masterauth in their redis.conf",
        )
    elif replicas or expected.min_replicas:
        yield Finding("replication", Grade.OK, f"{len(usable)}/{len(replicas)} in step")


def _replica_link(seen: Observation, expected: Expectation) -> Finding:
    primary = f"{seen.info.get('master_host')}:{seen.info.get('master_port')}"
    if seen.info.get("master_link_status") != "up":
        if seen.info.get("master_sync_in_progress") == "1":
            return Finding(
                "replication", Grade.WARNING, f"copies the data of {primary}", "a full synchronisation", "wait"
            )
        return Finding(
            "replication",
            Grade.CRITICAL,
            f"no link to {primary} for {seen.info.get('master_link_down_since_seconds', '?')} s",
            "the primary is down, does not accept the user or password, or cannot be reached",
            "check the primary, and masteruser and masterauth on this instance",
        )
    silence = seen.number("master_last_io_seconds_ago")
    if silence > expected.max_lag:
        return Finding(
            "replication",
            Grade.WARNING,
            f"nothing heard from {primary} for {silence} s",
            "the network or a primary that is busy or hangs",
            "look at the primary's latency",
        )
    return Finding("replication", Grade.OK, f"follows {primary}")


def _persistence(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    disk_fix = "free disk space, check the owner of the data directory and the log; vm.overcommit_memory should be 1"
    failed = False
    if seen.info.get("rdb_last_bgsave_status") not in (None, "ok"):
        failed = True
        yield Finding(
            "persistence",
            Grade.CRITICAL,
            "the last RDB save failed",
            "disk full, not writable, or no memory to fork",
            disk_fix,
        )
    if seen.info.get("aof_enabled") == "1":
        for name, what in (("aof_last_write_status", "write to the AOF"), ("aof_last_bgrewrite_status", "AOF rewrite")):
            if seen.info.get(name) not in (None, "ok"):
                failed = True
                yield Finding(
                    "persistence",
                    Grade.CRITICAL,
                    f"the last {what} failed",
                    "disk full, not writable, or no memory",
                    disk_fix,
                )
    if not failed:
        yield Finding("persistence", Grade.OK, persistence_of(seen))


def persistence_of(seen: Observation) -> str:
    """In a word: how the data of this run was saved. INFO tells; the save points take the right to read secrets."""
    kinds = ["aof"] if seen.info.get("aof_enabled") == "1" else []
    if seen.number("rdb_saves"):
        kinds.append("rdb")
    return "+".join(kinds) or "unsaved"


def _memory(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    limit, used = seen.number("maxmemory"), seen.number("used_memory")
    evicts = seen.info.get("maxmemory_policy", "noeviction") != "noeviction"
    if not limit:
        yield Finding(
            "memory",
            Grade.WARNING,
            "no maxmemory: it may grow until the kernel kills it",
            "maxmemory is 0",
            "set maxmemory, and leave a good part of the host's memory for forks and buffers",
        )
        return
    share = used / limit
    text = f"{share:.0%} of maxmemory used"
    if not evicts and share >= expected.memory_warning:
        yield Finding(
            "memory",
            Grade.CRITICAL if share >= expected.memory_critical else Grade.WARNING,
            f"{text}; at 100% writes are refused",
            "the data grows and the policy is noeviction",
            "raise maxmemory if the host has room, give keys a time to live, or spread the data over more instances",
        )
    else:
        yield Finding("memory", Grade.OK, text)


def _clients(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    limit, connected = seen.number("maxclients"), seen.number("connected_clients")
    if limit and connected >= 0.9 * limit:
        yield Finding(
            "clients",
            Grade.WARNING,
            f"{connected} of {limit} connections in use",
            "applications open connections and do not close or share them",
            "use connection pools with an upper bound, or raise maxclients and the unit's LimitNOFILE",
        )
    else:
        yield Finding("clients", Grade.OK, f"{connected} connections")


def _cluster(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    if not seen.cluster:
        return
    found = list(_cluster_problems(seen))
    if seen.cluster.get("cluster_state") != "ok" and worst(found) < Grade.CRITICAL:
        message, cause = "cluster_state is not ok", "this node does not see a majority of the primaries"
        found.append(Finding("cluster", Grade.CRITICAL, message, cause, _JOIN_FIX))
    nodes = seen.cluster.get("cluster_known_nodes")
    yield from found or [Finding("cluster", Grade.OK, f"{nodes} nodes, all slots served")]


def _cluster_problems(seen: Observation) -> t.Iterator[Finding]:
    slots = int(seen.cluster.get("cluster_slots_assigned", 0))
    if slots < SLOT_COUNT:
        cause = "the cluster is half made or lost a shard"
        yield Finding("cluster", Grade.CRITICAL, f"{SLOT_COUNT - slots} slots have no owner", cause, _JOIN_FIX)
    failed = [peer.address for peer in seen.peers if peer.failed]
    if failed:
        lost = any(peer.failed and peer.slots for peer in seen.peers)
        grade, cause = Grade.CRITICAL if lost else Grade.WARNING, "these nodes are down or cannot be reached"
        yield Finding("cluster", grade, f"failed: {', '.join(failed)}", cause, f"start what is down, else {_JOIN_FIX}")
    unlinked = [peer.address for peer in seen.peers if not peer.link_up and not peer.failed and not peer.is_self]
    if unlinked:
        cause = "the cluster bus port is closed, or the node restarts"
        yield Finding("cluster", Grade.WARNING, f"no bus link to {', '.join(unlinked)}", cause, _JOIN_FIX)
    moving = [slot for peer in seen.peers for slot in peer.open_slots]
    if moving:
        cause, fix = "slots are being moved, or moving them was cut off", "wait, else run redis-cli --cluster fix"
        yield Finding("cluster", Grade.WARNING, f"open slots: {' '.join(moving)}", cause, fix)


def _probe(seen: Observation, expected: Expectation) -> t.Iterator[Finding]:
    if seen.probe is None:
        return
    if seen.probe.problem:
        yield Finding(
            "probe",
            Grade.CRITICAL,
            seen.probe.problem,
            "the instance refuses writes (memory, disk, missing replicas) or the user lacks a rule",
            "see the other findings; the user needs the rules of the health preset",
        )
    else:
        yield Finding("probe", Grade.OK, seen.probe.skipped or "a key was written, read and expires; a message arrived")


_CHECKS: t.Mapping[str, Check] = {
    "connection": _connection,
    "security": _security,
    "role": _role,
    "replication": _replication,
    "persistence": _persistence,
    "memory": _memory,
    "clients": _clients,
    "cluster": _cluster,
    "probe": _probe,
}
