# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All modules together, as the roles call them, and least privilege: the presets are enough, ACL LOG stays empty."""

from __future__ import annotations

import typing as t

import pytest
import redis
import redis.cluster
from playbook_runs import Ansible, Task, task
from redis_instances import PASSWORDS, Instance, wait_until

MakeInstance = t.Callable[..., Instance]

PRESETS = {"admin": "admin", "health": "health", "replication": "replication", "app": "app_cache"}
USERS = [{"name": name, "preset": preset, "passwords": [PASSWORDS[name]]} for name, preset in PRESETS.items()]


def installed(instances: list[Instance], **directives: object) -> list[Task]:
    """Configuration, users and processes of several instances."""
    common = {"maxmemory": "64mb", "appendonly": True, "masteruser": "replication", **directives}
    login = {"login_user": "admin", "login_password": PASSWORDS["admin"], "purge": True}
    secrets = {"secret_directives": {"masterauth": PASSWORDS["replication"]}}
    return [
        task("redis_config", {"instances": [one.config(**common) for one in instances], **login, **secrets}),
        task("redis_acl", {"instances": [one.acl() | {"users": USERS} for one in instances], **login}),
        task("redis_process", {"instances": [one.process() for one in instances]}),
    ]


def healthy(instances: list[Instance]) -> Task:
    """The check as the health user, with its probe; it fails unless all is well."""
    entries = [{"name": one.name, "login_host": one.host, "login_port": one.port} for one in instances]
    login = {"login_user": "health", "login_password": PASSWORDS["health"]}
    return task("redis_health", {"instances": entries, **login, "probe": True, "fail_on": "warning"})


def denials(instances: list[Instance]) -> list[str]:
    return [
        f"{one.name}: {entry['username']} {entry['reason']} {entry['object']}"
        for one in instances
        for entry in one.client().acl_log()
    ]


def test_a_cluster_under_least_privilege(ansible: Ansible, instance: MakeInstance) -> None:
    nodes = [instance(f"node{number}", secured=True) for number in range(6)]
    members = {"nodes": [{"host": node.host, "port": node.port} for node in nodes], **nodes[0].login}
    platform = [
        *installed(nodes, cluster_enabled=True, cluster_node_timeout=2000, repl_diskless_sync_delay=0),
        task("redis_cluster", {name: members[name] for name in ("nodes", "login_user", "login_password")}),
        healthy(nodes),
    ]
    first = ansible.play(*platform)
    assert [result["changed"] for result in first] == [True, True, True, True, False]
    assert {one["role"] for one in first[4]["instances"]} == {"primary", "replica"}

    # An application, with a client that follows the cluster.
    app = redis.cluster.RedisCluster(
        host=nodes[0].host, port=nodes[0].port, username="app", password=PASSWORDS["app"], decode_responses=True
    )
    use_as_application(app)
    app.close()
    nodes[4].kill()
    again = ansible.play(*platform)
    assert [result["changed"] for result in again] == [False, False, True, False, False]
    assert [one["name"] for one in again[2]["instances"] if one["changed"]] == ["node4"]

    # A failover, after which primary and replica of a shard have changed places.
    shard = again[3]["shards"][0]
    replica = next(node for node in nodes if node.address == shard["replicas"][0])
    replica.call("CLUSTER FAILOVER")
    wait_until(lambda: replica.role == "primary", "the replica is promoted")
    wait_until(lambda: replica.client().info("replication")["connected_slaves"] == 1, "the former primary follows")
    after = ansible.play(*platform)
    assert [result["changed"] for result in after] == [False] * 5
    assert denials(nodes) == []


def test_a_replicated_pair_under_least_privilege(ansible: Ansible, instance: MakeInstance) -> None:
    primary, replica = pair = [instance(name, secured=True) for name in ("primary", "replica")]
    ansible.play(*installed(pair))
    replica.client().replicaof(primary.host, primary.port)
    wait_until(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica follows")
    app = primary.client("app")
    use_as_application(app)
    assert primary.client().wait(1, 5000) == 1
    wait_until(lambda: replica.client("app").get("{shop}:1") == "x", "the replica has the data")
    again = ansible.play(*installed(pair), healthy(pair))
    assert [result["changed"] for result in again] == [False] * 4
    assert denials(pair) == []

    for command in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("ACL", "LIST"), ("SHUTDOWN",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            app.execute_command(*command)
    health = primary.client("health")
    for command in (("GET", "{shop}:1"), ("SET", "key", "x"), ("CONFIG", "SET", "save", ""), ("FLUSHALL",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            health.execute_command(*command)
    replication = primary.client("replication")
    for command in (("GET", "{shop}:1"), ("INFO",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            replication.execute_command(*command)


def use_as_application(app: redis.Redis | redis.cluster.RedisCluster) -> None:
    """What a cache or a session store does."""
    assert app.set("{shop}:1", "x", ex=600)
    assert app.get("{shop}:1") == "x"
    with app.pipeline() as pipeline:
        pipeline.hset("{shop}:2", mapping={"name": "x"})
        pipeline.expire("{shop}:2", 600)
        assert pipeline.execute() == [1, True]
    script = "return redis.call('GET', KEYS[1])"
    assert app.eval(script, 1, "{shop}:1") == "x"
    assert app.evalsha(app.script_load(script), 1, "{shop}:1") == "x"
    assert app.delete("{shop}:2") == 1
    subscription = app.pubsub()
    subscription.subscribe("news")
    wait_until(lambda: subscription.get_message(timeout=1), "it has subscribed")
    app.publish("news", "hello")
    message = subscription.get_message(timeout=5)
    assert message
    assert message["data"] == "hello"
    subscription.close()
