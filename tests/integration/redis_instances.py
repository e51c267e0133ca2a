# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real redis-server processes, each in a directory of its own, looked after without the modules under test."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import redis
from certificates import Certificates

# Below the ports that the kernel gives to outgoing connections, with room for the cluster bus 10000 above.
PORTS = range(20000, 22700)
BUS_OFFSET = 10000
LIMIT = 15  # seconds for anything a small server does

PASSWORDS = {
    "admin": "admin-Pw1",
    "health": "health-Pw2",
    "replication": "replication-Pw3",
    "app": "app-Pw4",
    "cluster_admin": "cluster-admin-Pw5",
}

_ports_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that is free, as is the bus port that belongs to it, and not given out before."""
    while True:
        port = random.choice(PORTS)
        if port not in _ports_given and is_free(port) and is_free(port + BUS_OFFSET):
            _ports_given.add(port)
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def wait_until(condition: t.Callable[[], object], what: str, limit: float = LIMIT) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {limit} seconds: {what}"
        time.sleep(0.02)


@dataclass
class Instance:
    """A redis-server: the places of its files, and ways to start, ask and end it."""

    name: str
    home: Path
    port: int
    program: str
    host: str = "127.0.0.1"
    secured: bool = False
    certificates: Certificates | None = None
    clients: list[redis.Redis] = field(default_factory=list)

    @property
    def conf(self) -> Path:
        return self.home / "redis.conf"

    @property
    def aclfile(self) -> Path:
        return self.home / "users.acl"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "redis.log"

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def login(self) -> dict[str, t.Any]:
        """The options by which a module reaches it."""
        login: dict[str, t.Any] = {"login_host": self.host, "login_port": self.port}
        if self.certificates:
            login.update(tls=True, ca_certs=str(self.certificates.authority))
        return {**login, "login_user": "admin", "login_password": PASSWORDS["admin"]} if self.secured else login

    @property
    def encryption(self) -> dict[str, t.Any]:
        """The arguments by which redis-py trusts it."""
        return {"ssl": True, "ssl_ca_certs": str(self.certificates.authority)} if self.certificates else {}

    def directives(self, **more: object) -> dict[str, object]:
        """What every instance needs, and more, with ``_`` for ``-``."""
        basic: dict[str, object] = {
            "port": self.port,
            "bind": self.host,
            "dir": str(self.data),
            "logfile": str(self.log),
        }
        if self.certificates:
            basic.update(
                {
                    "port": 0,
                    "tls-port": self.port,
                    "tls-ca-cert-file": str(self.certificates.authority),
                    "tls-cert-file": str(self.certificates.certificate),
                    "tls-key-file": str(self.certificates.key),
                    "tls-auth-clients": "no",
                    "tls-replication": "yes",
                    "tls-cluster": "yes",
                }
            )
        if self.secured:
            basic["aclfile"] = str(self.aclfile)
        return {**basic, **{name.replace("_", "-"): value for name, value in more.items()}}

    def config(self, **more: object) -> dict[str, object]:
        """Options of redis_config for it."""
        return {"name": self.name, "path": str(self.conf), "directives": self.directives(**more), **self.login}

    def acl(self, *users: t.Mapping[str, object]) -> dict[str, object]:
        """Options of redis_acl for it."""
        return {"name": self.name, "path": str(self.aclfile), "users": list(users), **self.login}

    def process(self, state: str = "started") -> dict[str, object]:
        """Options of redis_process for it."""
        place = {"path": str(self.conf), "directory": str(self.data)}
        return {"name": self.name, "state": state, **place, **self.login}

    def configure(self, **more: object) -> None:
        """Write redis.conf by hand; a list makes several lines."""
        lines = []
        for name, value in self.directives(**more).items():
            for item in value if isinstance(value, list) else [value]:
                lines.append(f"{name} {item}\n")
        self.data.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.conf.write_text("".join(lines))
        self.conf.chmod(0o640)
        if self.secured and not self.aclfile.exists():
            self.aclfile.write_text(user_line("default", "off") + user_line("admin", "~* &* +@all"))
            self.aclfile.chmod(0o640)

    def start(self, **more: object) -> redis.Redis:
        """Start it with redis.conf, written by hand first when there is none or there is more to say."""
        if more or not self.conf.exists():
            self.configure(**more)
        self.launch()
        self.wait_until_up()
        return self.client()

    def launch(self) -> None:
        """Start it without waiting for an answer."""
        command = [self.program, str(self.conf), "--daemonize", "yes"]
        started = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, umask=0o027, check=False)
        assert started.returncode == 0, started.stdout

    def wait_until_up(self) -> None:
        wait_until(self.is_up, f"{self.name} at {self.address} answers")

    def is_up(self) -> bool:
        try:
            return bool(self.client().ping())
        except (redis.ConnectionError, redis.BusyLoadingError):
            return False

    def client(self, user: str = "", password: str = "") -> redis.Redis:
        """A client of its own connection, logged in as the administrator unless told otherwise."""
        if self.secured and not user:
            user = "admin"
        client = redis.Redis(
            host=self.host,
            port=self.port,
            username=user or None,
            password=password or PASSWORDS.get(user),
            decode_responses=True,
            single_connection_client=False,
            socket_timeout=LIMIT,
            **self.encryption,
        )
        self.clients.append(client)
        return client

    @property
    def pid(self) -> int:
        """Raises IndexError when it does not run."""
        return servers_below(self.data)[0]

    @property
    def runs(self) -> bool:
        return bool(servers_below(self.data))

    @property
    def run_id(self) -> str:
        return str(self.client().info("server")["run_id"])

    @property
    def role(self) -> str:
        return {"master": "primary", "slave": "replica"}[str(self.client().info("replication")["role"])]

    @property
    def node_id(self) -> str:
        return str(self.call("CLUSTER MYID"))

    @property
    def nodes(self) -> list[str]:
        """The lines of CLUSTER NODES as the server sends them."""
        client = self.client()
        client.response_callbacks.clear()
        return str(client.execute_command("CLUSTER NODES")).splitlines()

    def call(self, *words: object) -> t.Any:
        return self.client().execute_command(*words)

    def live(self, name: str) -> str:
        return str(self.client().config_get(name)[name])

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def restart(self) -> redis.Redis:
        self.stop()
        return self.start()

    def _signal(self, number: int) -> None:
        pid = self.pid
        os.kill(pid, number)
        wait_until(lambda: not is_running(pid), f"{self.name} has ended")

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()


def meet(nodes: t.Sequence[Instance]) -> None:
    """Make cluster nodes know each other."""
    for node in nodes[1:]:
        node.call("CLUSTER MEET", nodes[0].host, nodes[0].port)
    ids = {node.node_id for node in nodes}
    wait_until(lambda: all({line.split()[0] for line in node.nodes} >= ids for node in nodes), "they know each other")


def user_line(name: str, rules: str) -> str:
    """A line for an aclfile, with the test's password for the user."""
    if name not in PASSWORDS:
        return f"user {name} {rules} resetkeys resetchannels -@all\n"
    digest = hashlib.sha256(PASSWORDS[name].encode()).hexdigest()
    return f"user {name} on #{digest} resetkeys resetchannels -@all {rules}\n"


def servers_below(directory: Path) -> list[int]:
    """The redis-server processes that work in or below a directory, oldest first."""
    found = []
    for pid in all_pids():
        with contextlib.suppress(OSError):
            place = Path(os.readlink(f"/proc/{pid}/cwd"))
            is_server = "redis-server" in "".join(command_of(pid)[:1]) and is_running(pid)
            if is_server and (place == directory or directory in place.parents):
                found.append(pid)
    return sorted(found)


def end_all_below(directory: Path) -> list[int]:
    """Kill every redis-server that works below a directory; returns their pids."""
    pids = servers_below(directory)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_until(lambda pid=pid: not is_running(pid), f"{pid} has ended")
    return pids


def all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def is_running(pid: int) -> bool:
    """Whether the process has not ended; a zombie has."""
    return _state_and_parent(pid)[0] not in ("", "Z", "X")


def descendants_of(pid: int) -> list[int]:
    parents = {child: _state_and_parent(child)[1] for child in all_pids()}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "", 0
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def version_of(program: str) -> tuple[int, int]:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)", output)
    assert found, output
    return int(found[1]), int(found[2])
