#!/usr/bin/env python3
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""redis-cli --cluster against module redis_cluster, alternately, on fresh servers on loopback.

usage: benchmarks/cluster.py [--quick] [--node-timeout=<ms>] [--only=create|rebalance|nothing-to-do]

Prints the median of five runs each and one line per ratio, ours to theirs; less is better. ``--quick`` runs everything once
and small, to prove that it works. The module runs in this process, so Ansible's own second per task is not in its time.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import redis

from ansible_collections.microservices.redis.plugins.module_utils._runner import Visit
from ansible_collections.microservices.redis.plugins.modules.redis_cluster import SPEC, WIRING

FIRST_PORT = 21000
# A primary that has just got slots waits one node timeout, between 0.5 and 5 seconds, until it calls the cluster well. Nobody
# can shorten that, so that it shall not hide the difference; --node-timeout=15000 shows Redis' default.
SETTINGS = {
    "save": '""',
    "appendonly": "no",
    "bind": "127.0.0.1",
    "cluster-enabled": "yes",
    "cluster-node-timeout": "500",
    "repl-diskless-sync-delay": "0",
}
LIMIT = 120  # seconds for anything
SLOTS = 16384


class Nodes:
    """Fresh servers in cluster mode."""

    def __init__(self, count: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="benchmark-cluster-"))
        self.ports = range(FIRST_PORT, FIRST_PORT + count)
        self.servers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Nodes:
        for port in self.ports:
            directory = self.home / str(port)
            directory.mkdir()
            words = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
            command = ["redis-server", "--port", str(port), "--dir", str(directory), *words]
            self.servers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for port in self.ports:
            wait_until(lambda port=port: answers(port), f"the server on {port} answers")
        time.sleep(2.1)  # a node of a cluster takes no writes in its first two seconds
        return self

    def __exit__(self, *exception: object) -> None:
        for server in self.servers:
            server.send_signal(signal.SIGKILL)
            server.wait()
        shutil.rmtree(self.home)

    def wait_until_whole(self, ports: t.Sequence[int] | None = None) -> None:
        """Every node reports ``cluster_state:ok`` and knows all nodes and replicas."""
        ports = ports or self.ports
        for port in ports:
            wait_until(lambda port=port: is_whole(port, len(ports)), f"{port} knows the whole cluster")


def client(port: int) -> redis.Redis:
    return redis.Redis(port=port, decode_responses=True)


def answers(port: int) -> bool:
    with contextlib.suppress(redis.ConnectionError):
        return bool(client(port).ping())
    return False


def is_whole(port: int, count: int) -> bool:
    asked = client(port)
    asked.response_callbacks.clear()
    state = asked.execute_command("CLUSTER INFO")
    lines = asked.execute_command("CLUSTER NODES").splitlines()
    replicas = sum("slave" in line.split()[2] for line in lines)
    asked.close()
    return "cluster_state:ok" in state and len(lines) == count and replicas == (count // 2 if count > 4 else 0)


def wait_until(condition: t.Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.005)


def redis_cli(*words: object) -> None:
    command = ["redis-cli", *map(str, words), "--cluster-yes"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT)


def module(ports: t.Iterable[int], **options: object) -> float:
    """Run the module on these nodes; returns its seconds."""
    params = {name: option.get("default") for name, option in SPEC.options.items()}
    nodes = [{"host": "127.0.0.1", "port": port, "zone": None, "weight": 1.0} for port in ports]
    params.update(nodes=nodes, timeout=LIMIT, allow=["add", "rebalance"], **options)
    started = time.monotonic()
    visit = Visit(WIRING, params, files=None)
    try:
        visit.look()
        visit.converge()
    finally:
        visit.gateway.close()
    return time.monotonic() - started


# What is measured


def create(count: int, ours: bool) -> float:
    """Until all nodes know all; the module goes on until replicas have their data, redis-cli does not."""
    with Nodes(count) as nodes:
        addresses = [f"127.0.0.1:{port}" for port in nodes.ports]
        action, words, options = redis_cli, ("--cluster", "create", *addresses, "--cluster-replicas", 1), {}
        if ours:
            action, words, options = module, (nodes.ports,), {"replicas": 1}
        # In a process of its own, so that looking at the nodes takes no time from it.
        running = multiprocessing.get_context("fork").Process(target=action, args=words, kwargs=options)
        started = time.monotonic()
        running.start()
        nodes.wait_until_whole()
        seconds = time.monotonic() - started
        running.join(LIMIT)
        if running.exitcode:
            raise AssertionError(f"exit status {running.exitcode}")
        return seconds


def rebalance(keys: int, size: int, slots: int, ours: bool, pipeline: int = 10) -> tuple[float, float]:
    """Seconds, and the slowest request of a client meanwhile in milliseconds."""
    with Nodes(4) as nodes:
        three = nodes.ports[:3]
        module(three, replicas=0)
        nodes.wait_until_whole(three)
        filled = fill(three, keys, size, slots)
        address = f"127.0.0.1:{three[0]}"
        redis_cli("--cluster", "add-node", f"127.0.0.1:{nodes.ports[3]}", address)
        nodes.wait_until_whole()
        with Requests(three) as requests:
            started = time.monotonic()
            if ours:
                module(nodes.ports, replicas=0)
            else:
                redis_cli(
                    "--cluster", "rebalance", address, "--cluster-use-empty-masters", "--cluster-pipeline", pipeline
                )
            seconds = time.monotonic() - started
        expect_all(nodes.ports, filled)
        return seconds, requests.slowest * 1000


def fill(ports: t.Sequence[int], keys: int, size: int, slots: int) -> int:
    """So many keys in the first ``slots`` slots of every node, evenly; returns how many there are."""
    tags = tags_of_slots()
    value = "x" * size
    for number, port in enumerate(ports):
        connection = redis.Redis(port=port)
        first = SLOTS * number // len(ports) + 1
        chosen = range(first, first + slots)
        per_slot = keys // len(ports) // slots
        for slot in chosen:
            pipe = connection.pipeline(transaction=False)
            for index in range(per_slot):
                pipe.set(f"key:{{{tags[slot]}}}:{index}", value)
            pipe.execute()
        connection.close()
    return per_slot * slots * len(ports)


def tags_of_slots() -> dict[int, str]:
    tags: dict[int, str] = {}
    number = 0
    while len(tags) < SLOTS:
        tags.setdefault(redis.cluster.key_slot(str(number).encode()), str(number))
        number += 1
    return tags


def expect_all(ports: t.Sequence[int], filled: int) -> None:
    found = sum(len(list(client(port).scan_iter("key:*", count=10000))) for port in ports)
    if found != filled:
        raise AssertionError(f"{filled} keys were there, {found} are")


class Requests:
    """A client in a process of its own, which writes and reads all the time and follows redirections."""

    def __init__(self, ports: t.Sequence[int]) -> None:
        self.slowest = 0.0
        self._stop = multiprocessing.Event()
        self._result: multiprocessing.Queue[float | str] = multiprocessing.Queue()
        self._process = multiprocessing.Process(target=self._work, args=(ports[0],))

    def __enter__(self) -> Requests:
        self._process.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        result = self._result.get(timeout=LIMIT)
        self._process.join()
        if isinstance(result, str):
            raise AssertionError(result)
        self.slowest = result

    def _work(self, port: int) -> None:
        slowest, number = 0.0, 0
        asked = Redirected(port)
        try:
            while not self._stop.is_set():
                key = f"request:{number % 1000}"
                started = time.monotonic()
                asked("SET", key, number)
                if asked("GET", key) != str(number):
                    raise AssertionError(f"{key} has a wrong value")
                slowest = max(slowest, time.monotonic() - started)
                number += 1
                time.sleep(0.002)
        except (AssertionError, redis.RedisError) as problem:
            self._result.put(f"{type(problem).__name__}: {problem}")
        self._result.put(slowest)


class Redirected:
    """redis-py's own cluster client fails at an ASK that names a node without slots until then."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: dict[int, redis.Redis] = {}
        self._owners: dict[int, int] = {}

    def __call__(self, command: str, key: str, *words: object) -> t.Any:
        slot = redis.cluster.key_slot(key.encode())
        port, asking = self._owners.get(slot, self._port), False
        while True:
            node = self._clients.setdefault(port, redis.Redis(port=port, decode_responses=True))
            try:
                if asking:
                    pipe = node.pipeline(transaction=False)
                    return pipe.execute_command("ASKING").execute_command(command, key, *words).execute()[1]
                return node.execute_command(command, key, *words)
            except redis.exceptions.MovedError as moved:
                port = self._owners[slot] = moved.port
                asking = False
            except redis.exceptions.AskError as ask:
                port, asking = ask.port, True


def compare(what: str, theirs: t.Callable[[], t.Any], ours: t.Callable[[], t.Any], times: int) -> None:
    rows: dict[str, list[tuple[float, float]]] = {"redis-cli": [], "redis_cluster": []}
    for dummy in range(times):
        for name, action in (("redis-cli", theirs), ("redis_cluster", ours)):
            result = action()
            rows[name].append(result if isinstance(result, tuple) else (result, 0.0))
    medians = {name: statistics.median(seconds for seconds, dummy in ones) for name, ones in rows.items()}
    for name, ones in rows.items():
        slowest = sorted(slow for dummy, slow in ones)
        latency = (
            f"   slowest request {statistics.median(slowest):6.1f} ms, at worst {slowest[-1]:.1f}"
            if slowest[-1]
            else ""
        )
        print(f"{what:34} {name:14} {medians[name]:8.2f} s{latency}")
    print(f"{what:34} ratio          {medians['redis_cluster'] / medians['redis-cli']:8.2f}\n", flush=True)


def no_change(count: int, times: int) -> None:
    with Nodes(count) as nodes:
        module(nodes.ports, replicas=1)
        nodes.wait_until_whole()
        seconds = statistics.median(module(nodes.ports, replicas=1) for dummy in range(times))
    print(f"{f'no change, {count} nodes':34} redis_cluster  {seconds:8.2f} s\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="once and small")
    parser.add_argument(
        "--node-timeout", default=SETTINGS["cluster-node-timeout"], help="of the servers, in milliseconds"
    )
    parser.add_argument("--only", default="", help="what to run: create, rebalance or nothing-to-do")
    arguments = parser.parse_args()
    times = 1 if arguments.quick else 5
    SETTINGS["cluster-node-timeout"] = arguments.node_timeout
    os.umask(0o077)
    if arguments.only in ("", "create"):
        for count in (6,) if arguments.quick else (6, 30, 60):
            compare(f"create, {count} nodes", lambda n=count: create(n, False), lambda n=count: create(n, True), times)
    if arguments.only in ("", "rebalance"):
        loads = [("small keys", 40_000 if arguments.quick else 400_000, 100, 5460)]
        loads += [
            (
                "1,000 keys of 1 KB per slot",
                30_000 if arguments.quick else 300_000,
                1000,
                10 if arguments.quick else 100,
            )
        ]
        for name, keys, size, slots in loads:
            compare(
                f"rebalance, {name}",
                lambda k=keys, s=size, n=slots: rebalance(k, s, n, False),
                lambda k=keys, s=size, n=slots: rebalance(k, s, n, True),
                times,
            )
    if arguments.only in ("", "nothing-to-do"):
        no_change(6 if arguments.quick else 60, times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
