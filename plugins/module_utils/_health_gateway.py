# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Asks one instance everything the health checks judge. Reads only, but for the probe when it is wanted."""

from __future__ import annotations

import contextlib
import secrets
import time
import typing as t
from dataclasses import replace

from ._cluster_nodes import parse_cluster_nodes
from ._health import Observation, Probe
from ._plan import Plan, RedisPlatformError, Step
from ._redis_client import AccessDenied, CommandFailed, Loading, Server, Settings

PREFIX = "microservices:health:"
_KEY_LIFE = 10  # seconds
_MESSAGE_LIMIT = 2.0  # seconds


class HealthGateway:
    def __init__(self, settings: Settings, probe: bool) -> None:
        self._settings = settings
        self._probe = probe
        self._server = Server(settings)

    def close(self) -> None:
        self._server.close()

    def check(self, plan: Plan[Step]) -> None:
        pass

    def apply(self, step: Step) -> None:
        raise NotImplementedError("health checks plan nothing")

    def read(self) -> Observation:
        try:
            return self._observe()
        except RedisPlatformError as problem:
            return Observation(
                problem=str(problem), denied=isinstance(problem, AccessDenied), loading=isinstance(problem, Loading)
            )

    def _observe(self) -> Observation:
        server = self._server
        self._ping()  # opens the connection, which is not part of the latency
        start = time.monotonic()
        self._ping()
        latency = (time.monotonic() - start) * 1000
        info = server.info()
        in_cluster = info.get("cluster_enabled") == "1"
        return Observation(
            latency=latency,
            info=info,
            cluster=_fields(server.call("CLUSTER", "INFO")) if in_cluster else {},
            peers=parse_cluster_nodes(server.call("CLUSTER", "NODES")) if in_cluster else (),
            default_user_open=_default_user_open(self._settings),
            probe=self._try_out(info, in_cluster) if self._probe else None,
        )

    def _ping(self) -> None:
        # Any answer will do: Redis answers with an error when it cannot write to disk, which INFO then tells.
        with contextlib.suppress(CommandFailed):
            self._server.call("PING")

    def _try_out(self, info: t.Mapping[str, str], in_cluster: bool) -> Probe:
        if info.get("role") != "master":
            return Probe(skipped="not on a replica, which takes no writes")
        token = secrets.token_hex(8)
        try:
            key = _own_key(self._server, token) if in_cluster else PREFIX + token
            if key is None:
                return Probe(skipped="not on a primary without slots")
            return self._write_and_read(key, token) or self._send_and_receive(token) or Probe()
        except RedisPlatformError as problem:
            return Probe(problem=str(problem))

    def _write_and_read(self, key: str, token: str) -> Probe | None:
        self._server.call("SET", key, token, "EX", _KEY_LIFE)
        if self._server.call("GET", key) != token:
            return Probe(problem="a key that was just written reads back differently")
        if not 0 < int(self._server.call("PTTL", key)) <= _KEY_LIFE * 1000:
            return Probe(problem="a key written with a time to live does not expire")
        return None

    def _send_and_receive(self, token: str) -> Probe | None:
        channel = PREFIX + token
        with Server(self._settings) as listener:
            listener.listen(channel)
            self._server.call("PUBLISH", channel, token)
            received = listener.receive(_MESSAGE_LIMIT)
        if received != ["message", channel, token]:
            return Probe(problem="a published message did not arrive")
        return None


def _own_key(server: Server, token: str) -> str | None:
    """A key in a slot that this node serves. CLUSTER KEYSLOT leaves the hashing to the server."""
    myself = next(peer for peer in parse_cluster_nodes(server.call("CLUSTER", "NODES")) if peer.is_self)
    if not myself.slots:
        return None
    number = 0
    while True:
        key = f"{PREFIX}{token}:{number}"
        if server.call("CLUSTER", "KEYSLOT", key) in myself.slots:
            return key
        number += 1


def _default_user_open(settings: Settings) -> bool:
    """Whether anybody gets in without a password: found out by trying, which takes no rights."""
    with Server(replace(settings, user=None, password=None)) as anybody:
        try:
            anybody.call("PING")
        except RedisPlatformError:
            return False
    return True


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, dummy, value in (line.partition(":") for line in text.splitlines())}
