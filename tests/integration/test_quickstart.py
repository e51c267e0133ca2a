# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make quickstart` as a newcomer meets it: refused, cut off, finished, run again, damaged and taken down.

As root, the newcomer is an ordinary user. The tests share one clone and are in the order that needs the fewest runs.
QUICKSTART_SEED chooses what is killed and when; a failure names it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import yaml
from playbook_runs import Result
from quickstart_run import (
    CLUSTER_PORTS,
    PORTS,
    Clone,
    Run,
    a_clone,
    await_task,
    client_of,
    end,
    identity,
    own_loopback,
    playbook_of,
)
from redis_instances import is_running, servers_below, wait_until

SEED = int(os.environ.get("QUICKSTART_SEED", "7"))
DAEMON = 1  # another ordinary user that every system has
PATIENCE = 60  # seconds for a failover
KEYS = {f"key:{number}": f"value {number}" for number in range(60)}

INTERRUPTIONS: dict[str, t.Callable[[subprocess.Popen[bytes]], None]] = {
    "Ctrl-C": lambda process: os.killpg(process.pid, signal.SIGINT),
    "the terminal closes": lambda process: os.killpg(process.pid, signal.SIGHUP),
    "SIGINT to ansible-playbook": lambda process: os.kill(playbook_of(process), signal.SIGINT),
    "SIGKILL to ansible-playbook": lambda process: os.kill(playbook_of(process), signal.SIGKILL),
    "SIGKILL to the process group": lambda process: os.killpg(process.pid, signal.SIGKILL),
    "SIGKILL to all it started": end,
}


@pytest.fixture(scope="module")
def clone(redis_server: str) -> Iterator[Clone]:
    with own_loopback(), a_clone(redis_server, ordinary=True) as one:
        yield one


@pytest.fixture
def down(clone: Clone) -> Clone:
    clone.take_down()
    return clone


@pytest.fixture
def up(clone: Clone) -> Clone:
    clone.bring_up()
    return clone


# Before there is anything


def test_check_mode_says_what_it_would_do_and_does_nothing(down: Clone) -> None:
    for dummy in range(2):
        assert down.make("quickstart", "--check").succeeded().recap["changed"] > 0
        assert not down.quickstart.exists()
        assert servers_below(down.path) == []


def test_ports_in_use_are_named_with_their_holder(down: Clone) -> None:
    # One is a port for clients, the other a cluster bus port.
    with listener(down, 7003, 17004) as (name, pid):
        said = down.make("quickstart").refused()
    assert f"instance cluster-7003: port 7003 is in use by {name} (pid {pid})" in said
    assert f"instance cluster-7004: port 17004 is in use by {name} (pid {pid})" in said
    assert "stop that" in said
    assert not down.quickstart.exists()


def test_an_older_redis_is_refused(down: Clone) -> None:
    old = down.home / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.7 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64 build=0'\n")
    old.chmod(0o755)
    said = down.make("quickstart", PATH=f"{down.home}:{down.environment['PATH']}").refused()
    assert f"{old} is Redis 6.2, and at least 7.0 is needed: install a newer package" in said
    assert not down.quickstart.exists()


def test_without_redis_and_the_right_to_install_it_the_command_is_told(down: Clone) -> None:
    if down.user == 0:
        pytest.skip("root installs it")
    # Modules also look where PATH does not lead: a name that is nowhere stands for a machine without Redis.
    said = down.make("quickstart", "-e", "redis_server_executable=redis-server-that-is-not-here").refused()
    assert "redis-server is not installed, and only root can install it" in said
    assert "'sudo apt-get install redis-server'" in said
    assert not down.quickstart.exists()


def test_a_python_that_is_too_old_is_named_with_what_to_do(down: Clone) -> None:
    old = down.home / "python3.9"
    old.write_text("#!/bin/sh\necho 3.9 /opt/python3.9\n")
    old.chmod(0o755)
    said = down.make("quickstart", variables=[f"PYTHON={old}"]).refused()
    assert "needs Python 3.11" in said
    assert f"/opt/python3.9 (3.9) as PYTHON={old}" in said
    assert "apt-get install python3.11" in said
    assert "Nothing was changed" in said
    assert Path(down.python).exists()
    assert not down.quickstart.exists()


# Cut off


def test_after_interruptions_the_next_run_finishes(down: Clone) -> None:
    interrupt_and_finish(down, random.Random(SEED), times=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEED, SEED + 25))
def test_after_any_interruption_the_next_run_finishes(down: Clone, seed: int) -> None:
    generator = random.Random(seed)
    interrupt_and_finish(down, generator, times=generator.choice([1, 1, 2, 3]))


# While it is up


def test_a_second_run_changes_nothing_and_is_short(up: Clone) -> None:
    pids, files = up.pids, contents(up.quickstart / "etc")
    run = up.make("quickstart")
    run.changed_nothing()
    assert run.output.count("\nTASK [") < 25
    assert up.pids == pids
    assert contents(up.quickstart / "etc") == files


def test_it_is_healthy_and_shows_it(up: Clone) -> None:
    lines = last_message(up.bring_up())
    headings = lines[0].split()
    assert headings == ["INSTANCE", "ROLE", "VERSION", "MEMORY", "PERSISTENCE", "REPLICATION", "VERDICT"]
    rows = {re.sub(r".*:", "cluster-", line.split()[0]): re.split(r" {2,}", line) for line in lines[1:9]}
    assert set(rows) == set(PORTS)
    assert [name for name, row in rows.items() if row[6] != "ok"] == []
    roles = sorted(row[1] for name, row in rows.items() if name.startswith("cluster-"))
    assert roles == ["primary"] * 3 + ["replica"] * 3
    assert "aof" in rows["sessions"][4].split("+")
    assert "aof" not in rows["cache"][4].split("+")
    assert_cluster(up)


def test_connections_tell_all_there_is_to_know(up: Clone) -> None:
    path = up.quickstart / "connections.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(up.quickstart.stat().st_mode) == 0o700
    assert path.stat().st_uid == up.user

    found = up.connections()
    assert {name: one["kind"] for name, one in found.items()} == {
        "cluster": "cluster",
        "cache": "standalone",
        "sessions": "standalone",
    }
    nodes = {name: [(node["host"], node["port"]) for node in one["nodes"]] for name, one in found.items()}
    assert nodes == {
        "cluster": [("127.0.0.1", port) for port in CLUSTER_PORTS],
        "cache": [("127.0.0.1", PORTS["cache"])],
        "sessions": [("127.0.0.1", PORTS["sessions"])],
    }
    for one in found.values():
        assert one["tls"] is None
        assert len(set(one["users"].values())) == len(one["users"]) >= 3
        assert min(map(len, one["users"].values())) >= 32


def test_every_user_gets_in_and_default_does_not(up: Clone) -> None:
    for deployment in up.connections().values():
        users = deployment["users"]
        refused = [{"username": "app", "password": "wrong"}, {"username": "default", "password": users["admin"]}, {}]
        for port in (node["port"] for node in deployment["nodes"]):
            for user, password in users.items():
                with client_of(port, username=user, password=password) as client:
                    assert client.ping(), (port, user)
            for login in refused:
                with client_of(port, **login) as client, pytest.raises(redis.AuthenticationError):
                    client.ping()
            with up.client(port) as client:
                assert "off" in client.acl_getuser("default")["flags"]
                assert set(client.acl_users()) == {"default", *users}


def test_the_application_may_not_administrate(up: Clone) -> None:
    for port in (7000, PORTS["cache"], PORTS["sessions"]):
        for command in (["CONFIG", "GET", "maxmemory"], ["FLUSHALL"], ["ACL", "LIST"], ["SHUTDOWN"], ["KEYS", "*"]):
            with up.client(port, user="app") as client, pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


def test_the_session_store_does_not_evict_and_the_cache_does(up: Clone) -> None:
    policies = {}
    for name in ("cache", "sessions"):
        with up.client(PORTS[name]) as client:
            policies[name] = client.config_get("maxmemory-policy")["maxmemory-policy"]
    assert policies == {"cache": "allkeys-lru", "sessions": "noeviction"}


def test_the_lines_it_prints_work_as_they_stand(up: Clone) -> None:
    run = up.bring_up()
    printed = [line.strip().removeprefix("- ") for line in run.output.splitlines()]
    lines = last_message(run)

    shell = [line for line in lines if line.startswith(("export ", "redis-cli "))]
    assert len(shell) == 3
    if not (Path(up.environment["PATH"].split(":")[0]) / "redis-cli").exists():
        pytest.skip("no redis-cli in PATH")
    status, said = up.capture("bash", "-euc", "\n".join(shell))
    assert status == 0, said
    assert said.splitlines()[0] == "PONG"
    assert len([line for line in said.splitlines() if " connected" in line]) == len(CLUSTER_PORTS)

    start = next(number for number, line in enumerate(lines) if line.startswith("import "))
    python = lines[
        start : next(n for n, line in enumerate(lines) if n > start and not re.match(r"\w+ = |\w+\.|print", line))
    ]
    status, said = up.capture(up.python, "-W", "ignore", "-", text="\n".join(python))
    assert (status, said) == (0, "hello\n")
    # Whoever copies them from the terminal gets the same: neither quoted nor broken.
    assert set(shell + python) <= set(printed)


def test_nobody_else_can_read_it(up: Clone) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can look with another user's eyes")
    for path in (up.quickstart, *(up.quickstart / name for name in ("secret", "connections.json", "etc/cache.conf"))):
        status, said = up.capture("cat" if path.is_file() else "ls", str(path), user=DAEMON)
        assert status != 0, path
        assert "Permission denied" in said
    # The same can be read by its owner: it is the permissions that refuse.
    assert up.capture("cat", str(up.quickstart / "secret"))[0] == 0


# Damaged


def test_killed_instances_come_back_with_their_data_and_nothing_else_changes(up: Clone) -> None:
    generator = random.Random(SEED)
    write_keys(up)
    replica_of = replicas(up)
    lost, other = generator.sample(sorted(replica_of), 2)
    victims = {"cache", "sessions", f"cluster-{lost}", f"cluster-{replica_of[other]}"}
    before = up.pids
    kill(up, *victims)
    heir = replica_of[lost]
    await_promotion(up, heir)

    run = up.make("quickstart").succeeded()

    context = f"QUICKSTART_SEED={SEED}, killed: {victims}\n{run.output}"
    assert [changed_instances(result) for result in run.changed] == [victims], context
    after = up.pids
    assert {name for name in PORTS if before[name] != after[name]} == victims, context
    assert_keys(up)
    assert_cluster(up)
    assert replicas(up)[heir] == lost, "the failover was reverted"
    up.make("quickstart").changed_nothing()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEED, SEED + 12))
def test_any_killed_instance_comes_back_at_once(up: Clone, seed: int) -> None:
    """One at a time, and no wait for a failover: it may happen before, during or after the run, or not at all."""
    generator = random.Random(seed)
    write_keys(up)
    victim = generator.choice(sorted(PORTS))
    before = up.pids
    kill(up, victim)
    time.sleep(generator.choice([0, 3, 5, 6, 7]))

    run = up.make("quickstart").succeeded()

    assert [changed_instances(result) for result in run.changed] == [{victim}], run.output
    assert {name for name in PORTS if before[name] != up.pids[name]} == {victim}
    assert_keys(up)
    assert_cluster(up)
    up.make("quickstart").changed_nothing()


# Taken down


def test_down_removes_what_it_started_and_no_more(up: Clone) -> None:
    beside, foreign = up.path / ".quickstart.notes", up.path / "foreign"
    beside.write_text("mine")
    with foreign_server(up, foreign, port=7006) as server, someone_in(up, up.quickstart / "data/cache") as visitor:
        kill(up, "cache", "cluster-7001")
        up.make("quickstart-down").succeeded()
        assert servers_below(up.path) == [server]
        assert visitor.poll() is None
        assert not up.quickstart.exists()
        assert beside.read_text() == "mine"
        with client_of(7006) as client:
            assert client.get("kept") == "yes"

        up.make("quickstart-down").changed_nothing()
        assert servers_below(up.path) == [server]
    beside.unlink()


# What the tests do and look at


def interrupt_and_finish(clone: Clone, generator: random.Random, times: int) -> None:
    story, hits = [], 0
    for name in generator.sample(sorted(INTERRUPTIONS), times):
        number, delay = generator.randrange(6, 20), round(generator.uniform(0, 1), 2)
        story.append(f"{name}, {delay} s into task {number}")
        process, log = clone.start("make", "quickstart")
        await_task(process, log, number)
        time.sleep(delay)
        if process.poll() is None:
            INTERRUPTIONS[name](process)
            hits += 1
        wait_until(
            lambda process=process: process.poll() is not None, f"the run ends after: {story[-1]}", limit=PATIENCE
        )
    assert hits, f"nothing was interrupted: {story}"
    # Some of what was started may still be at work: the next run copes with that too.
    run = clone.make("quickstart")
    assert run.status == 0, f"after {story}:\n{run.output}"
    clone.last = run
    assert set(clone.pids) == set(PORTS), story
    assert_cluster(clone)
    again = clone.make("quickstart")
    assert again.status == 0, f"after {story}:\n{again.output}"
    assert again.recap["changed"] == 0, f"after {story}:\n{again.output}"
    # No private server of an interrupted module is left, and no half-written file.
    assert len(servers_below(clone.path.parent)) == len(PORTS), story
    files = {f"{name}.{kind}" for name in PORTS for kind in ("conf", "acl")}
    assert {path.name for path in (clone.quickstart / "etc").iterdir()} == files, story


def kill(clone: Clone, *names: str) -> None:
    pids = [clone.pids[name] for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)), f"{names} have ended")


def write_keys(clone: Clone) -> None:
    """As the application; on every node of the cluster and in the session store."""
    users = clone.connections()["cluster"]["users"]
    with contextlib.closing(redis.RedisCluster("127.0.0.1", 7000, username="app", password=users["app"])) as cluster:
        for key, value in KEYS.items():
            cluster.set(key, value)
    for primary in replicas(clone):
        with clone.client(primary) as client:
            assert client.wait(1, 5000) == 1
    with clone.client(PORTS["sessions"], user="app") as client:
        client.mset(KEYS)


def assert_keys(clone: Clone) -> None:
    users = clone.connections()["cluster"]["users"]
    start = next(iter(replicas(clone)))
    cluster = redis.RedisCluster("127.0.0.1", start, username="app", password=users["app"], decode_responses=True)
    with contextlib.closing(cluster):
        assert {key: cluster.get(key) for key in KEYS} == KEYS
    with clone.client(PORTS["sessions"], user="app") as client:
        assert dict(zip(KEYS, client.mget(list(KEYS)), strict=True)) == KEYS


def replicas(clone: Clone, port: int | None = None) -> dict[int, int]:
    """The port of each primary, and that of its one replica, as a node says."""
    pids = clone.pids
    asked = port or next(port for port in CLUSTER_PORTS if f"cluster-{port}" in pids)
    with clone.client(asked) as client:
        nodes = client.cluster("nodes")
    port_of = {node["node_id"]: int(address.split("@")[0].rpartition(":")[2]) for address, node in nodes.items()}
    return {port_of[one["master_id"]]: port_of[one["node_id"]] for one in nodes.values() if "slave" in one["flags"]}


def await_promotion(clone: Clone, port: int) -> None:
    with clone.client(port) as client:
        wait_until(lambda: client.role()[0] == "master", f"port {port} is a primary", limit=PATIENCE)


def assert_cluster(clone: Clone) -> None:
    """Three primaries with a replica each and all slots, in the eyes of every node."""

    def agreed() -> bool:
        views = []
        for port in CLUSTER_PORTS:
            with clone.client(port) as client:
                info = client.cluster("info")
                if (info["cluster_state"], info["cluster_slots_ok"], info["cluster_known_nodes"]) != (
                    "ok",
                    "16384",
                    "6",
                ):
                    return False
            views.append(replicas(clone, port))
        return all(view == views[0] and len(view) == 3 for view in views)

    wait_until(agreed, "all nodes agree on a whole cluster", limit=PATIENCE)


def changed_instances(result: Result) -> set[str]:
    return {one["name"] for one in result.get("instances", []) if one["changed"]}


def last_message(run: Run) -> list[str]:
    """The lines that the run ends with, whatever the callback has made of them."""
    block = run.output[run.output.rindex("msg:\n") : run.output.index("PLAY RECAP")]
    lines = yaml.safe_load(block[: block.index("\n\n")])["msg"]
    return [line.strip() for line in lines]


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in directory.iterdir()}


@contextlib.contextmanager
def listener(clone: Clone, *ports: int) -> Iterator[tuple[str, int]]:
    """A program of the user's own that holds ports; its name and pid."""
    code = (
        "import socket, sys\n"
        f"held = [socket.create_server(('127.0.0.1', port)) for port in {ports}]\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [clone.python, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env=clone.environment,
        **identity(clone.user),
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield Path(f"/proc/{process.pid}/comm").read_text().strip(), process.pid
        assert process.stdin
        process.stdin.close()


@contextlib.contextmanager
def foreign_server(clone: Clone, directory: Path, port: int) -> Iterator[int]:
    """A redis-server of the user's own; its pid."""
    directory.mkdir()
    clone.own(directory)
    command = ["redis-server", "--port", str(port), "--dir", str(directory), "--daemonize", "yes"]
    status, said = clone.capture(*command)
    assert status == 0, said
    wait_until(lambda: servers_below(directory), "the foreign server runs")
    [pid] = servers_below(directory)

    def answers() -> bool:
        with client_of(port) as client, contextlib.suppress(redis.ConnectionError):
            return bool(client.set("kept", "yes"))
        return False

    wait_until(answers, "the foreign server answers")
    yield pid
    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def someone_in(clone: Clone, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works in a directory and is no redis-server."""
    code = "import sys; sys.stdin.read()"
    # With the rights of the user: root may be kept out of nothing, but others are.
    command = [sys.executable if clone.user == os.geteuid() else clone.python, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, cwd=directory, env=clone.environment, **identity(clone.user)
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()
