# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_cluster forms a cluster, goes on where a run was cut off, and leaves alone what failovers made of it."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
import typing as t

import pytest
from playbook_runs import Ansible, task
from redis_instances import Instance, free_port, meet, wait_until

MakeInstance = t.Callable[..., Instance]
Nodes = list[Instance]

SLOTS = ["0-5460", "5461-10922", "10923-16383"]
# Failovers shall not take long, and replicas shall not wait for others to copy the data together.
QUICK = {"cluster_node_timeout": 1500, "repl_diskless_sync_delay": 0, "save": '""'}


@pytest.fixture
def nodes(instance: MakeInstance) -> Nodes:
    """Six running nodes in cluster mode that know nothing of each other."""
    return [start_node(instance(f"node{number}")) for number in range(6)]


def start_node(node: Instance, **more: object) -> Instance:
    node.start(cluster_enabled="yes", **QUICK, **more)
    return node


def cluster_of(nodes: Nodes, **options: object) -> dict[str, object]:
    """Options of redis_cluster for the nodes."""
    return {"nodes": [{"host": node.host, "port": node.port} for node in nodes], "timeout": 40, **options}


def assert_whole(nodes: Nodes) -> None:
    """All slots served, three primaries with one replica each, every link up, as seen from everywhere."""
    for node in nodes:
        info = node.call("CLUSTER INFO")
        assert (info["cluster_state"], info["cluster_slots_ok"], info["cluster_known_nodes"]) == ("ok", "16384", "6")
    replication = [node.client().info("replication") for node in nodes]
    assert sorted(one["role"] for one in replication) == ["master"] * 3 + ["slave"] * 3
    assert [one["connected_slaves"] for one in replication if one["role"] == "master"] == [1, 1, 1]
    assert {one["master_link_status"] for one in replication if one["role"] == "slave"} == {"up"}


def assert_untouched(nodes: Nodes) -> None:
    for node in nodes:
        assert [line.split()[8:] for line in node.nodes] == [[]], "it knows nobody and has no slots"


def test_create_then_nothing_to_do(ansible: Ansible, nodes: Nodes) -> None:
    checked = ansible("redis_cluster", cluster_of(nodes), check_mode=True, diff=True)
    assert_untouched(nodes)
    created, again, still = ansible.play(
        task("redis_cluster", cluster_of(nodes), diff=True),
        task("redis_cluster", cluster_of(nodes), diff=True),
        task("redis_cluster", cluster_of(nodes[::-1]), check_mode=True),  # whichever order the inventory has
    )
    assert (checked["changed"], checked["actions"], checked["diff"]) == (True, created["actions"], created["diff"])
    assert f"cluster: assign slots 0-5460 to {nodes[0].address}" in created["actions"]
    assert_whole(nodes)
    assert [shard["slots"] for shard in created["shards"]] == SLOTS
    assert [shard["primary"] for shard in created["shards"]] == [node.address for node in nodes[:3]]
    assert created["diff"][0]["after"]["shard 0-5460"][0] == nodes[0].address
    assert (again["changed"], again["diff"], again["shards"]) == (False, [], created["shards"])
    assert not still["changed"]


def test_no_replica_shares_a_host_with_its_primary(ansible: Ansible, instance: MakeInstance) -> None:
    hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"]
    spread = [instance(f"node{number}", host=host) for number, host in enumerate(hosts)]
    for node in spread:
        start_node(node, cluster_announce_ip=node.host)
    result = ansible("redis_cluster", cluster_of(spread))
    assert_whole(spread)
    for shard in result["shards"]:
        together = [shard["primary"], *shard["replicas"]]
        assert len({address.rpartition(":")[0] for address in together}) == 2
    assert {shard["primary"].rpartition(":")[0] for shard in result["shards"]} == set(hosts)


def one_has_slots(nodes: Nodes) -> None:
    nodes[1].call("CLUSTER ADDSLOTSRANGE", 5461, 10922)


def some_slots_of_one(nodes: Nodes) -> None:
    nodes[0].call("CLUSTER ADDSLOTSRANGE", 0, 99)


def all_have_slots(nodes: Nodes) -> None:
    for node, slots in zip(nodes, SLOTS, strict=False):
        node.call("CLUSTER ADDSLOTSRANGE", *slots.split("-"))


def all_have_epochs(nodes: Nodes) -> None:
    all_have_slots(nodes)
    for number, node in enumerate(nodes, start=1):
        node.call("CLUSTER SET-CONFIG-EPOCH", number)


def two_have_met(nodes: Nodes) -> None:
    all_have_epochs(nodes)
    meet(nodes[:2])


def two_groups_have_met(nodes: Nodes) -> None:
    all_have_epochs(nodes)
    meet(nodes[:3])
    meet(nodes[3:])


def all_have_met(nodes: Nodes) -> None:
    all_have_epochs(nodes)
    meet(nodes)


def all_have_met_without_slots(nodes: Nodes) -> None:
    meet(nodes)


def one_replica_is_missing(nodes: Nodes) -> None:
    all_have_met(nodes)
    for replica, primary in ((nodes[3], nodes[0]), (nodes[4], nodes[1])):
        replica.call("CLUSTER REPLICATE", primary.node_id)


def two_replicas_follow_one(nodes: Nodes) -> None:
    all_have_met(nodes)
    for replica in nodes[3:5]:
        replica.call("CLUSTER REPLICATE", nodes[0].node_id)


@pytest.mark.parametrize(
    "state",
    [
        one_has_slots,
        pytest.param(some_slots_of_one, marks=pytest.mark.soak),
        pytest.param(all_have_slots, marks=pytest.mark.soak),
        pytest.param(two_have_met, marks=pytest.mark.soak),
        two_groups_have_met,
        all_have_met,
        all_have_met_without_slots,
        one_replica_is_missing,
        two_replicas_follow_one,
    ],
    ids=lambda state: state.__name__.replace("_", " "),
)
def test_a_half_made_cluster_is_finished(ansible: Ansible, nodes: Nodes, state: t.Callable[[Nodes], None]) -> None:
    state(nodes)
    finished, again = ansible.play(task("redis_cluster", cluster_of(nodes)), task("redis_cluster", cluster_of(nodes)))
    assert (finished["changed"], again["changed"]) == (True, False)
    assert [shard["slots"] for shard in finished["shards"]] == SLOTS
    assert_whole(nodes)


def cut_off_and_finish(ansible: Ansible, nodes: Nodes, after: float) -> None:
    ansible.cut_off(task("redis_cluster", cluster_of(nodes)), after=after)
    dummy, again = ansible.play(task("redis_cluster", cluster_of(nodes)), task("redis_cluster", cluster_of(nodes)))
    assert not again["changed"]
    assert [shard["slots"] for shard in again["shards"]] == SLOTS
    assert_whole(nodes)


def test_a_run_that_was_killed_is_finished_by_the_next(ansible: Ansible, nodes: Nodes) -> None:
    cut_off_and_finish(ansible, nodes, random.Random(1).uniform(0.4, 1.5))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_runs_killed_at_any_time_are_finished_by_the_next(ansible: Ansible, nodes: Nodes, seed: int) -> None:
    cut_off_and_finish(ansible, nodes, random.Random(seed).uniform(0.3, 3.0))


def test_failovers_are_left_alone(ansible: Ansible, nodes: Nodes) -> None:
    all_have_met(nodes)
    created = ansible("redis_cluster", cluster_of(nodes))
    by_address = {node.address: node for node in nodes}
    first, second = ([by_address[s["primary"]], by_address[s["replicas"][0]]] for s in created["shards"][:2])
    first[0].client().set("{06S}", "kept")  # its slot is 0

    # A failover by hand, and one because a primary was killed.
    first[1].call("CLUSTER FAILOVER")
    wait_until(lambda: first[1].role == "primary", "the replica of the first shard is promoted")
    second[0].kill()
    wait_until(lambda: second[1].role == "primary", "the replica of the second shard is promoted")
    second[0].start()
    wait_until(lambda: second[0].role == "replica", "the former primary follows")

    result = ansible("redis_cluster", cluster_of(nodes), diff=True)
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])
    assert [shard["primary"] for shard in result["shards"][:2]] == [first[1].address, second[1].address]
    assert [shard["slots"] for shard in result["shards"]] == SLOTS
    assert first[1].client().get("{06S}") == "kept"
    assert_whole(nodes)


def test_nodes_that_are_not_free_are_named_and_nothing_changes(
    ansible: Ansible, nodes: Nodes, instance: MakeInstance
) -> None:
    free = nodes[:5]
    keys, member, stranger, hung = (instance(name) for name in ("keys", "member", "stranger", "hung"))
    standalone = instance("standalone")
    # An instance that was used without cluster mode, the usual way to keys on a node.
    keys.start(save="3600 1").set("forgotten", "x")
    keys.stop()
    keys.configure(cluster_enabled="yes")
    for node in (keys, member, stranger, hung):
        start_node(node)
    meet([member, stranger])
    standalone.start()
    os.kill(hung.pid, signal.SIGSTOP)
    absent = instance("absent")

    def with_node(node: Instance, **options: object) -> dict[str, t.Any]:
        return task("redis_cluster", cluster_of([*free, node], command_timeout=0.5, **options))

    results = ansible.failures(
        with_node(keys),
        with_node(member),
        with_node(standalone),
        with_node(absent),
        with_node(hung),
        with_node(free[0]),
        task("redis_cluster", cluster_of(free)),
    )
    os.kill(hung.pid, signal.SIGCONT)
    messages = [result["msg"] for result in results]
    assert f"{keys.address} holds 1 keys and is in no cluster yet" in messages[0]
    assert f"{member.address} in a cluster with {stranger.address}, which the inventory does not name" in messages[1]
    assert f"{standalone.address} runs without cluster-enabled yes" in messages[2]
    assert f"{absent.address}: cannot connect to {absent.address}" in messages[3]
    assert f"{hung.address}: {hung.address} does not answer" in messages[4]
    assert free[0].address in messages[5] or "one and the same server" in messages[5]
    assert "5 nodes with 1 replicas per primary make 2 primaries" in messages[6]
    assert [result["changed"] for result in results] == [False] * len(results)
    assert_untouched(free)


def test_a_closed_bus_port_is_named_within_the_time_given(ansible: Ansible, nodes: Nodes) -> None:
    """The classic silent hang. A node announces a bus port where nobody listens, as behind a firewall."""
    closed = free_port()
    nodes[4].call("CONFIG SET", "cluster-announce-bus-port", closed)
    started = time.monotonic()
    message = ansible.failures(task("redis_cluster", cluster_of(nodes, timeout=6)))[0]["msg"]
    assert time.monotonic() - started < 20
    assert "not finished after 6 seconds" in message
    assert f"bus port {closed} of {nodes[4].address} does not answer" in message
    assert message.count("bus port") == 1, "no other node is accused"

    # Once it is open, the next run finishes.
    nodes[4].call("CONFIG SET", "cluster-announce-bus-port", 0)
    assert ansible("redis_cluster", cluster_of(nodes))["changed"]
    assert_whole(nodes)


def test_host_names_are_resolved(ansible: Ansible, nodes: Nodes) -> None:
    socket.getaddrinfo("localhost", None, socket.AF_INET)
    named = cluster_of(nodes)
    named["nodes"] = [{"host": "localhost", "port": node.port} for node in nodes]
    result = ansible("redis_cluster", named)
    assert result["shards"][0]["primary"] == f"localhost:{nodes[0].port}"
    assert_whole(nodes)
    assert not ansible("redis_cluster", cluster_of(nodes))["changed"]


def test_a_replica_that_may_not_copy_is_named(ansible: Ansible, instance: MakeInstance) -> None:
    secured = [start_node(instance(f"node{number}", secured=True)) for number in range(6)]
    options = {**cluster_of(secured, timeout=8), **secured[0].login}
    message = ansible.failures(task("redis_cluster", options))[0]["msg"]
    assert "wait until the replication link of" in message
    assert secured[5].address in message
    assert "check masteruser, masterauth" in message

    # The right user lets the next run finish.
    for node in secured:
        node.client().config_set("masteruser", "admin", "masterauth", node.login["login_password"])
    dummy, again = ansible.play(task("redis_cluster", {**options, "timeout": 40}), task("redis_cluster", options))
    assert not again["changed"]
    assert_whole(secured)
