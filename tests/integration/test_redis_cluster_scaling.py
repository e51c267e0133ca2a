# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_cluster changes a cluster that is in use: more nodes, fewer, others; and finishes what was left half done."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
import redis
from playbook_runs import Ansible, task
from redis_instances import Instance, wait_until

from ansible_collections.microservices.redis.plugins.module_utils._cluster_nodes import parse_cluster_nodes
from ansible_collections.microservices.redis.plugins.module_utils._cluster_slots import Transfer
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Server, Settings
from ansible_collections.microservices.redis.plugins.module_utils._slot_mover import Endpoint, SlotMover

MakeInstance = t.Callable[..., Instance]
Nodes = list[Instance]

ALL = ["add", "rebalance", "remove", "repair"]
QUICK = {"cluster_node_timeout": 1500, "repl_diskless_sync_delay": 0, "save": '""'}


@pytest.fixture
def make_nodes(instance: MakeInstance) -> t.Callable[[int], Nodes]:
    """More running nodes in cluster mode that know nothing of each other."""
    made: Nodes = []

    def make(count: int) -> Nodes:
        new = [instance(f"node{len(made) + number}") for number in range(count)]
        for node in new:
            node.start(cluster_enabled="yes", **QUICK)
        made.extend(new)
        return new

    return make


def wish(nodes: Nodes, **options: object) -> dict[str, object]:
    listed = [{"host": node.host, "port": node.port} for node in nodes]
    return {"nodes": listed, "timeout": 40, "allow": ALL, **options}


def change(nodes: Nodes, **options: object) -> dict[str, t.Any]:
    return task("redis_cluster", wish(nodes, **options))


def assert_whole(nodes: Nodes, shards: int) -> None:
    """All slots served by so many primaries, each with a replica; nobody knows anybody else."""
    for node in nodes:
        info = node.call("CLUSTER INFO")
        known = (info["cluster_state"], info["cluster_slots_ok"], info["cluster_known_nodes"], info["cluster_size"])
        assert known == ("ok", "16384", str(len(nodes)), str(shards)), node.address
        own = next(line for line in node.nodes if "myself" in line)
        assert "[" not in own, f"open slots on {node.address}"
    roles = sorted(node.role for node in nodes)
    assert roles == ["primary"] * shards + ["replica"] * (len(nodes) - shards)


class Shop:
    """An application that writes and reads all the time, and follows redirections; nothing else may happen to it.

    redis-py's cluster client fails at an ASK that names a node which had no slots when it last looked.
    """

    def __init__(self, node: Instance) -> None:
        self._start = node.port
        self._clients: dict[int, redis.Redis] = {}
        self._owners: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.written: dict[str, str] = {}
        self.trouble: list[str] = []

    def __enter__(self) -> Shop:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        for client in self._clients.values():
            client.close()

    def _work(self) -> None:
        number = 0
        chance = random.Random(4)
        while not self._stop.is_set():
            key = f"order:{number}"
            try:
                self.ask("SET", key, str(number))
                self.written[key] = str(number)
                earlier = chance.choice(list(self.written))
                if self.ask("GET", earlier) != self.written[earlier]:
                    self.trouble.append(f"{earlier} has a wrong value")
            except redis.RedisError as problem:
                self.trouble.append(f"{key}: {problem}")
            number += 1
            self._stop.wait(0.001)

    def ask(self, command: str, key: str, *words: str) -> t.Any:
        slot = redis.cluster.key_slot(key.encode())  # type: ignore[attr-defined,no-untyped-call]
        port, asking = self._owners.get(slot, self._start), False
        while True:
            client = self._clients.setdefault(port, redis.Redis(port=port, decode_responses=True))
            try:
                if not asking:
                    return client.execute_command(command, key, *words)
                pipe = client.pipeline(transaction=False)
                pipe.execute_command("ASKING")
                pipe.execute_command(command, key, *words)
                return pipe.execute()[1]
            except redis.exceptions.MovedError as moved:
                port, asking = moved.port, False
                self._owners[slot] = port
            except redis.exceptions.AskError as ask:
                port, asking = ask.port, True
            except redis.exceptions.ClusterDownError:
                # A node that has left the cluster: as cluster clients do, ask another for the way.
                if port == self._start:
                    raise
                port, asking = self._start, False

    def missing(self) -> list[str]:
        return [key for key, value in self.written.items() if self.ask("GET", key) != value]


def fill(nodes: Nodes, count: int) -> dict[str, str]:
    client = redis.RedisCluster(host=nodes[0].host, port=nodes[0].port, decode_responses=True)
    keys = {f"product:{number}": f"tea {number}" for number in range(count)}
    for key, value in keys.items():
        client.set(key, value, ex=3600)
    client.close()
    return keys


def assert_kept(nodes: Nodes, keys: t.Mapping[str, str]) -> None:
    client = redis.RedisCluster(host=nodes[0].host, port=nodes[0].port, decode_responses=True)
    wrong = [key for key, value in keys.items() if client.get(key) != value or not 0 < client.ttl(key) <= 3600]
    client.close()
    assert wrong == []


def test_out_to_five_shards_and_back_to_three_while_an_application_works(
    ansible: Ansible, make_nodes: t.Callable[[int], Nodes]
) -> None:
    six = make_nodes(6)
    ansible("redis_cluster", wish(six))
    for node in six:
        if node.role == "primary":
            node.call("FUNCTION LOAD", "#!lua name=stock\nredis.register_function('left', function() return 1 end)")
    keys = fill(six, 2000)
    ten = [*six, *make_nodes(4)]
    with Shop(six[0]) as shop:
        checked = ansible("redis_cluster", wish(ten), check_mode=True, diff=True)
        out, again = ansible.play(change(ten), change(ten))
        assert (checked["actions"], checked["changed"]) == (out["actions"], True)
        assert (out["changed"], again["changed"], again["finished"]) == (True, False, True)
        assert_whole(ten, 5)
        libraries = {bool(node.call("FUNCTION LIST")) for node in ten if node.role == "primary"}
        assert libraries == {True}, "every primary has the functions"
        assert_kept(ten, keys)

        back, still = ansible.play(change(six), change(six))
        assert (back["changed"], still["changed"]) == (True, False)
        assert_whole(six, 3)
        for node in ten[6:]:
            assert node.call("CLUSTER INFO")["cluster_known_nodes"] == "1"
            assert node.call("DBSIZE") == 0
    assert_kept(six, keys)
    assert (shop.trouble, shop.missing()) == ([], [])
    assert len(shop.written) > 500


def test_nothing_happens_that_the_policy_does_not_name(ansible: Ansible, make_nodes: t.Callable[[int], Nodes]) -> None:
    six = make_nodes(6)
    ansible("redis_cluster", wish(six))
    eight = [*six, *make_nodes(2)]
    results = ansible.failures(
        change(eight, allow=["add", "repair"]), change(six[:5], replicas=0, allow=["add"]), change(eight, allow=[])
    )
    messages = [result["msg"] for result in results]
    assert "needs what allow does not name: rebalance, to move 1365 slots" in messages[0]
    assert (
        f"in a cluster with {six[5].address}, which the inventory does not name: add them, or allow remove"
        in messages[1]
    )
    assert "add, to introduce" in messages[2]
    assert_whole(six, 3)
    # A new replica needs no slots.
    assert ansible("redis_cluster", wish(eight[:7], allow=["add"]))["changed"]
    assert_whole(eight[:7], 3)


def test_a_node_that_is_gone_is_replaced_and_one_that_leaves_hands_over(
    ansible: Ansible, make_nodes: t.Callable[[int], Nodes]
) -> None:
    six = make_nodes(6)
    created = ansible("redis_cluster", wish(six))
    keys = fill(six, 500)
    by_address = {node.address: node for node in six}
    primary = by_address[created["shards"][0]["primary"]]
    heir = by_address[created["shards"][0]["replicas"][0]]
    leaver = by_address[created["shards"][1]["primary"]]

    primary.kill()
    wait_until(lambda: heir.role == "primary", "the replica of the first shard is promoted")
    wait_until(lambda: heir.call("CLUSTER INFO")["cluster_state"] == "ok", "the cluster is well again")
    degraded = ansible("redis_cluster", wish(six))
    assert (degraded["changed"], degraded["finished"]) == (False, True)
    assert any(f"{primary.address}: cannot connect" in warning for warning in degraded["warnings"])

    changed = [*(node for node in six if node not in (primary, leaver)), *make_nodes(2)]
    replaced, again = ansible.play(change(changed), change(changed))
    assert (replaced["changed"], again["changed"]) == (True, False)
    assert not any("slots" in action for action in replaced["actions"]), "no keys have to move for that"
    assert_whole(changed, 3)
    assert_kept(changed, keys)
    assert leaver.call("CLUSTER INFO")["cluster_known_nodes"] == "1"


def open_both(source: Instance, target: Instance, slot: int) -> None:
    target.call("CLUSTER SETSLOT", slot, "IMPORTING", source.node_id)
    source.call("CLUSTER SETSLOT", slot, "MIGRATING", target.node_id)


def open_at_target(source: Instance, target: Instance, slot: int) -> None:
    target.call("CLUSTER SETSLOT", slot, "IMPORTING", source.node_id)


def open_at_source(source: Instance, target: Instance, slot: int) -> None:
    source.call("CLUSTER SETSLOT", slot, "MIGRATING", target.node_id)


def half_moved(source: Instance, target: Instance, slot: int) -> None:
    open_both(source, target, slot)
    names = source.call("CLUSTER GETKEYSINSLOT", slot, 1)
    source.call("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", *names)


def handed_over_at_target_only(source: Instance, target: Instance, slot: int) -> None:
    open_both(source, target, slot)
    names = source.call("CLUSTER GETKEYSINSLOT", slot, 10)
    source.call("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", *names)
    target.call("CLUSTER SETSLOT", slot, "NODE", target.node_id)


STATES = [open_both, open_at_target, open_at_source, half_moved, handed_over_at_target_only]


def test_whatever_a_move_has_left_half_done_is_finished(ansible: Ansible, make_nodes: t.Callable[[int], Nodes]) -> None:
    six = make_nodes(6)
    created = ansible("redis_cluster", wish(six))
    by_address = {node.address: node for node in six}
    source, target = (by_address[shard["primary"]] for shard in created["shards"][:2])
    client = source.client()
    tags = ["{06S}", "{Qi}", "{5L5}", "{4Iu}", "{4gY}"]  # slots 0 to 4
    for slot, (tag, state) in enumerate(zip(tags, STATES, strict=True)):
        assert client.execute_command("CLUSTER KEYSLOT", tag) == slot
        for number in range(2):
            client.set(f"{tag}{number}", "kept")
        state(source, target, slot)
    finished, again = ansible.play(change(six, allow=[]), change(six))
    assert (finished["changed"], again["changed"]) == (True, False)
    assert_whole(six, 3)
    reader = redis.RedisCluster(host=six[0].host, port=six[0].port, decode_responses=True)
    assert [reader.get(f"{tag}{number}") for tag in tags for number in range(2)] == ["kept"] * 10
    reader.close()


def run_step_by_step(nodes: Nodes) -> list[str]:
    """Run the module again and again, each time killed with SIGKILL after one step; returns the steps."""
    steps = []
    program = [sys.executable, str(Path(__file__).with_name("one_step.py"))]
    environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
    while True:
        run = subprocess.run(
            program,
            input=json.dumps(wish(nodes)),
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if run.returncode == 0:
            return steps
        assert run.returncode == -signal.SIGKILL, run.stderr
        steps.append(run.stdout.strip())
        assert len(steps) < 100, steps


def test_a_run_that_is_killed_after_every_single_step_gets_there(make_nodes: t.Callable[[int], Nodes]) -> None:
    six = make_nodes(6)
    created = run_step_by_step(six)
    assert_whole(six, 3)
    keys = fill(six, 1000)
    eight = [*six, *make_nodes(2)]
    assert any("slots" in step for step in run_step_by_step(eight))
    assert_whole(eight, 4)
    assert_kept(eight, keys)
    primaries = [node for node in eight if node.role == "primary"]
    lopsided = Transfer(primaries[0].address, primaries[1].address, frozenset(own_slots(primaries[0])[:2000]))
    move(eight, lopsided)
    assert [step for step in run_step_by_step(eight) if "slots" in step], "the imbalance is mended"
    assert run_step_by_step(six)
    assert_whole(six, 3)
    assert_kept(six, keys)
    assert len(created) >= 6 + 5 + 3


def own_slots(node: Instance) -> list[int]:
    own = next(line for line in node.nodes if "myself" in line)
    return sorted(parse_cluster_nodes(own)[0].slots)


def move(nodes: Nodes, transfer: Transfer) -> None:
    ends = {
        node.address: Endpoint(node.address, node.node_id, Server(Settings(node.host, node.port)), node.host, node.port)
        for node in nodes
        if node.role == "primary"
    }
    SlotMover(ends, None, None).move([transfer], None)


def cut_off(ansible: Ansible, nodes: Nodes, after: float, shards: int) -> None:
    ansible.cut_off(change(nodes), after=after)
    dummy, again = ansible.play(change(nodes), change(nodes))
    assert not again["changed"]
    assert_whole(nodes, shards)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(30))
def test_scaling_that_was_killed_at_any_time_is_finished(
    ansible: Ansible, make_nodes: t.Callable[[int], Nodes], seed: int
) -> None:
    chance = random.Random(seed)
    six = make_nodes(6)
    ansible("redis_cluster", wish(six))
    keys = fill(six, 1000)
    ten = [*six, *make_nodes(4)]
    cut_off(ansible, ten, chance.uniform(0.4, 6.0), 5)
    assert_kept(ten, keys)
    cut_off(ansible, six, chance.uniform(0.4, 6.0), 3)
    assert_kept(six, keys)
