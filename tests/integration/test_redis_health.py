# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_health grades what real instances say about themselves."""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
import redis
from playbook_runs import Ansible, Result, task
from redis_instances import Instance, meet, wait_until

MakeInstance = t.Callable[..., Instance]


@pytest.fixture
def well(instance: MakeInstance) -> MakeInstance:
    """Makes running instances that have nothing to complain about, but for what the test adds."""

    def make(name: str, **more: object) -> Instance:
        made = instance(name, secured=True)
        made.start(**{"maxmemory": "512mb", "save": '""', **more})
        return made

    return make


def health_of(*instances: Instance, **options: object) -> dict[str, object]:
    """Options of redis_health for the instances; a dict for an instance's name adds options for it."""
    entries = [
        {"name": one.name, **one.login, **t.cast("dict[str, object]", options.pop(one.name, {}))} for one in instances
    ]
    return {"instances": entries, **options}


def verdicts(result: Result) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in result["instances"]}


def complaints(result: Result, name: str) -> dict[str, tuple[str, str]]:
    """Check to grade and message, for what is not ok with an instance."""
    report = next(one for one in result["instances"] if one["name"] == name)
    found = [finding for finding in report["findings"] if finding["grade"] != "ok"]
    assert all(finding["cause"] and finding["fix"] for finding in found)
    return {finding["check"]: (finding["grade"], finding["message"]) for finding in found}


def test_every_instance_is_graded_and_one_that_is_down_is_no_failure(
    ansible: Ansible, instance: MakeInstance, well: MakeInstance
) -> None:
    good, locked = well("good", appendonly="yes"), well("locked")
    down, opened = instance("down"), instance("opened")
    opened.start(save="3600 1").save()
    result = ansible("redis_health", health_of(good, down, locked, opened, locked={"login_password": "wrong"}))

    assert not result["changed"]
    assert result["verdict"] == "critical"
    assert verdicts(result) == {"good": "ok", "down": "critical", "locked": "critical", "opened": "critical"}
    assert complaints(result, "good") == {}
    assert "cannot connect" in complaints(result, "down")["connection"][1]
    assert "does not let user 'admin' run" in complaints(result, "locked")["connection"][1]
    assert complaints(result, "opened") == {
        "security": ("critical", "user default is on and needs no password"),
        "memory": ("warning", "no maxmemory: it may grow until the kernel kills it"),
    }
    heading, *lines = result["table"]
    assert heading.split() == ["INSTANCE", "ROLE", "VERSION", "MEMORY", "PERSISTENCE", "REPLICATION", "VERDICT"]
    version = good.client().info("server")["redis_version"]
    assert lines[0].split()[:3] == ["good", "primary", version]
    assert lines[0].split()[-3:] == ["aof", "-", "ok"]
    assert lines[1].split() == ["down", "unknown", "-", "-", "-", "-", "critical"]
    assert "no limit  rdb" in lines[3]
    assert [line.split(":")[:3] for line in lines[4:]] == [
        ["down", " critical", " connection"],
        ["locked", " critical", " connection"],
        ["opened", " critical", " security"],
        ["opened", " warning", " memory"],
    ]


def test_memory_is_judged_by_what_happens_when_it_is_full(ansible: Ansible, well: MakeInstance) -> None:
    shares = {"some": 0.5, "much": 0.88, "full": 0.97, "evicting": 0.97}
    instances = [well(name) for name in shares]
    for one in instances:
        client = one.client()
        client.setrange("bulk", 30_000_000, "x")
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / shares[one.name]))
    instances[-1].client().config_set("maxmemory-policy", "allkeys-lru")
    result = ansible("redis_health", health_of(*instances))
    assert verdicts(result) == {"some": "ok", "much": "warning", "full": "critical", "evicting": "ok"}
    assert complaints(result, "much")["memory"][1].startswith("88% of maxmemory used")

    adjusted = health_of(*instances, memory_warning=0.4, memory_critical=0.8)
    assert verdicts(ansible("redis_health", adjusted)) == {
        "some": "warning",
        "much": "critical",
        "full": "critical",
        "evicting": "ok",
    }


def test_failed_saving_and_a_crowd_of_clients(ansible: Ansible, well: MakeInstance) -> None:
    unsaved, crowded = well("unsaved", save="3600 1"), well("crowded")
    (unsaved.data / "dump.rdb").mkdir()  # nobody can put a file there, not even root
    client = unsaved.client()
    client.set("key", "x")
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "the save has failed")
    crowd = [crowded.client() for dummy in range(20)]
    assert all(one.ping() for one in crowd)
    crowded.client().config_set("maxclients", 24)

    result = ansible("redis_health", health_of(unsaved, crowded, probe=True))
    assert complaints(result, "unsaved")["persistence"] == ("critical", "the last RDB save failed")
    assert "MISCONF" in complaints(result, "unsaved")["probe"][1]
    assert complaints(result, "crowded")["clients"][0] == "warning"


def test_replication(ansible: Ansible, well: MakeInstance, instance: MakeInstance) -> None:
    login = {"masteruser": "admin", "masterauth": "admin-Pw1"}
    primary, follower, refused, waiting = (
        well(name, **login) for name in ("primary", "follower", "refused", "waiting")
    )
    slow = well("slow", rdb_key_save_delay=20000, repl_diskless_sync="no", **login)
    for number in range(5):
        slow.client().mset({f"key:{number}:{one}": "x" for one in range(2000)})
    refused.client().config_set("masterauth", "wrong")
    for replica in (follower, refused):
        replica.client().replicaof(primary.host, primary.port)
    waiting.client().replicaof(slow.host, slow.port)
    wait_until(lambda: follower.client().info("replication")["master_link_status"] == "up", "the replica follows")
    wait_until(lambda: waiting.client().info("replication")["master_sync_in_progress"], "the other one copies")

    result = ansible(
        "redis_health",
        health_of(
            *(primary, follower, refused, waiting),
            probe=True,
            primary={"min_replicas": 1, "role": "primary"},
            follower={"role": "primary"},
            refused={"role": "replica"},
        ),
    )
    assert complaints(result, "primary") == {}
    assert complaints(result, "follower") == {"role": ("critical", "is replica, expected primary")}
    assert complaints(result, "refused")["replication"][0] == "critical"
    assert f"no link to {primary.address}" in complaints(result, "refused")["replication"][1]
    assert complaints(result, "waiting")["replication"] == ("warning", f"copies the data of {slow.address}")
    reports = {one["name"]: one for one in result["instances"]}
    assert reports["primary"]["replication"] == "1/1 in step"
    assert reports["follower"]["replication"] == f"follows {primary.address}"
    probes = [finding["message"] for finding in reports["follower"]["findings"] if finding["check"] == "probe"]
    assert probes == ["not on a replica, which takes no writes"]

    # One replica is not enough where two are expected.
    lonely = ansible("redis_health", health_of(primary, primary={"min_replicas": 2}))
    assert complaints(lonely, "primary") == {"replication": ("warning", "1 of 2 replicas are in step")}


def test_the_probe_leaves_nothing_behind(ansible: Ansible, well: MakeInstance) -> None:
    cache = well("cache")
    reader = well("reader")
    reader.client().acl_setuser("looker", enabled=True, passwords="+looker-Pw", commands=["+@all", "-set"], keys=["*"])
    result = ansible(
        "redis_health",
        health_of(cache, reader, probe=True, reader={"login_user": "looker", "login_password": "looker-Pw"}),
    )
    assert verdicts(result) == {"cache": "ok", "reader": "critical"}
    assert "does not let user 'looker' run SET" in complaints(result, "reader")["probe"][1]
    client = cache.client()
    for key in client.scan_iter():
        assert key.startswith("microservices:health:")
        assert 0 < client.ttl(key) <= 10


def test_a_gate_waits_until_the_data_is_loaded(ansible: Ansible, well: MakeInstance) -> None:
    cache = well("cache")
    cache.client().mset({f"key:{number}": "x" for number in range(20_000)})
    cache.client().save()
    cache.stop()
    cache.configure(maxmemory="64mb", key_load_delay=2000, loading_process_events_interval_bytes=1024)
    cache.launch()
    loading = ansible("redis_health", health_of(cache))
    assert "still loading" in complaints(loading, "cache")["connection"][1]

    client = cache.client()
    before = client.info("stats")["total_connections_received"]

    def finish_loading() -> None:
        wait_until(lambda: client.info("stats")["total_connections_received"] > before + 1, "the gate has asked twice")
        client.config_set("key-load-delay", 0)

    finisher = threading.Thread(target=finish_loading)
    finisher.start()
    until = {"register": "health", "until": "health.verdict == 'ok'", "retries": 30, "delay": 1}
    gate = ansible("redis_health", health_of(cache), **until)
    finisher.join()
    assert gate["verdict"] == "ok"
    assert gate["attempts"] > 1


def test_an_assertion_with_causes_and_fixes(ansible: Ansible, well: MakeInstance, instance: MakeInstance) -> None:
    good, warned, down = well("good"), well("warned", maxmemory=0), instance("down")
    passed, critical, warning, narrowed = ansible.run(
        task("redis_health", health_of(good, warned, fail_on="critical")),
        task("redis_health", health_of(good, warned, down, fail_on="critical")),
        task("redis_health", health_of(good, warned, fail_on="warning")),
        task("redis_health", health_of(good, warned, fail_on="warning", checks=["connection", "security"])),
    ).results
    assert [one["failed"] for one in (passed, critical, warning, narrowed)] == [False, True, True, False]
    assert critical["msg"].startswith("down: critical: connection: cannot connect")
    assert "Cause: " in critical["msg"]
    assert "Fix: " in critical["msg"]
    assert "no maxmemory" not in critical["msg"]
    assert "no maxmemory" in warning["msg"]
    assert warning["verdict"] == "warning"
    assert len(critical["instances"]) == 3


def test_a_server_that_hangs_costs_no_more_than_its_time_limit(ansible: Ansible, well: MakeInstance) -> None:
    cache = well("cache")
    cache.client().client_pause(20_000)
    started = time.monotonic()
    result = ansible("redis_health", health_of(cache, command_timeout=0.5))
    assert time.monotonic() - started < 10
    assert "does not answer PING in time" in complaints(result, "cache")["connection"][1]


def test_a_cluster_from_half_made_to_broken(ansible: Ansible, instance: MakeInstance) -> None:
    nodes = [instance(f"node{number}", secured=True) for number in range(3)]
    for node in nodes:
        node.start(cluster_enabled="yes", cluster_node_timeout=1000, maxmemory="64mb", save='""')
    meet(nodes)
    half_made = ansible("redis_health", health_of(*nodes, probe=True))
    assert complaints(half_made, "node0")["cluster"][:1] == ("critical",)
    assert "16384 slots have no owner" in half_made["table"][4]
    assert "probe" not in complaints(half_made, "node0"), "a primary without slots takes no keys"

    for node, first, last in zip(nodes, (0, 5461, 10923), (5460, 10922, 16383), strict=True):
        node.call("CLUSTER ADDSLOTSRANGE", first, last)
    wait_until(
        lambda: all(node.call("CLUSTER INFO")["cluster_state"] == "ok" for node in nodes), "the cluster is whole"
    )
    whole = ansible("redis_health", health_of(*nodes, probe=True))
    assert verdicts(whole) == {"node0": "ok", "node1": "ok", "node2": "ok"}

    nodes[2].kill()
    wait_until(lambda: nodes[0].call("CLUSTER INFO")["cluster_state"] == "fail", "the others have noticed")
    broken = ansible("redis_health", health_of(*nodes, probe=True))
    assert complaints(broken, "node0")["cluster"] == ("critical", f"failed: {nodes[2].address}")
    assert "The cluster is down" in complaints(broken, "node0")["probe"][1]
    assert "connection" in complaints(broken, "node2")
    with pytest.raises(redis.exceptions.ClusterDownError):
        nodes[0].client().set("key", "x")
