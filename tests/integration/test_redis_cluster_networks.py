# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_cluster forms and scales clusters whose nodes are reached by TLS, by name, through NAT, by IPv6, and by few rights."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
import typing as t
from pathlib import Path

import pytest
import redis
from certificates import issue
from playbook_runs import Ansible, task
from redis_instances import PASSWORDS, Instance, free_port, user_line, wait_until

from ansible_collections.microservices.redis.plugins.module_utils._acl_presets import preset_rules

MakeInstance = t.Callable[..., Instance]
Options = dict[str, t.Any]

QUICK = {"cluster_enabled": "yes", "cluster_node_timeout": 1500, "repl_diskless_sync_delay": 0, "save": '""'}
KEYS = 600


def wish(nodes: t.Sequence[Options], **options: object) -> Options:
    allow = ["add", "rebalance", "remove", "repair"]
    return task("redis_cluster", {"nodes": list(nodes), "allow": allow, "timeout": 40, **options})


def at(instances: t.Sequence[Instance], host: str = "") -> list[Options]:
    return [{"host": host or one.host, "port": one.port} for one in instances]


def out_and_in(
    ansible: Ansible, nodes: t.Sequence[Options], client: t.Callable[[], redis.RedisCluster], **login: object
) -> list[int]:
    """Create a cluster of the first six nodes, with keys, take in the other two, and take them out again.

    Returns the ports of the primaries in the order of their slots.
    """
    three, four = wish(nodes[:6], **login), wish(nodes, **login)
    created, again = ansible.play(three, three)
    assert (created["changed"], again["changed"]) == (True, False)
    reader = client()
    for number in range(KEYS):
        reader.set(f"product:{number}", number, ex=3600)
    reader.close()
    out, same, back, still = ansible.play(four, four, three, three)
    assert [one["changed"] for one in (out, same, back, still)] == [True, False, True, False]
    assert len(out["shards"]) == 4
    assert [shard["primary"] for shard in back["shards"]] == [shard["primary"] for shard in still["shards"]]
    reader = client()
    assert [reader.get(f"product:{number}") for number in range(KEYS)] == [str(number) for number in range(KEYS)]
    assert {0 < reader.ttl(f"product:{number}") <= 3600 for number in range(KEYS)} == {True}
    reader.close()
    return [int(shard["primary"].rpartition(":")[2]) for shard in still["shards"]]


def test_tls_with_announced_names_and_a_user_of_few_rights(
    ansible: Ansible, instance: MakeInstance, tmp_path: Path, redis_version: tuple[int, int]
) -> None:
    certificates = issue(tmp_path)
    rights = {
        "cluster_admin": " ".join(preset_rules("cluster_admin", redis_version)),
        "replication": " ".join(preset_rules("replication", redis_version)),
        "admin": "~* &* +@all",
    }
    nodes = [instance(f"node{number}", secured=True, certificates=certificates) for number in range(8)]
    for node in nodes:
        node.aclfile.write_text(user_line("default", "off") + "".join(user_line(*user) for user in rights.items()))
        node.start(
            **QUICK,
            masteruser="replication",
            masterauth=PASSWORDS["replication"],
            cluster_announce_hostname="localhost",
            cluster_preferred_endpoint_type="hostname",
        )
    nodes[0].call("FUNCTION LOAD", "#!lua name=stock\nredis.register_function('left', function() return 1 end)")
    login = {**nodes[0].login, "login_user": "cluster_admin", "login_password": PASSWORDS["cluster_admin"]}

    def client() -> redis.RedisCluster:
        return redis.RedisCluster(
            host="localhost",
            port=nodes[0].port,
            username="admin",
            password=PASSWORDS["admin"],
            decode_responses=True,
            **nodes[0].encryption,
        )

    ports = out_and_in(ansible, at(nodes, "localhost"), client, **login)
    lose_keys([next(node for node in nodes if node.port == port) for port in ports])
    repaired = ansible.play(wish(at(nodes[:6], "localhost"), **login))[0]
    assert [action for action in repaired["actions"] if "bring 2 keys of slot 0" in action], repaired["actions"]
    reader = client()
    assert [reader.get(f"{{06S}}{number}") for number in (1, 2, 3, 4)] == ["kept"] * 4
    reader.close()
    denied = {f"{entry['username']}: {entry['object']}" for node in nodes for entry in node.client().acl_log()}
    assert denied == set(), "the users need rights that they do not have"


def lose_keys(primaries: t.Sequence[Instance]) -> None:
    """Keys of slot 0, which the first owns, on two others: moves that were begun and forgotten."""
    owner, *others = primaries
    for other, names in zip(others, (["1", "2", "3"], ["3", "4"]), strict=True):
        other.call("CLUSTER SETSLOT", 0, "IMPORTING", owner.node_id)
        for name in names:
            pipe = other.client().pipeline(transaction=False)
            pipe.execute_command("ASKING")
            pipe.execute_command("SET", f"{{06S}}{name}", "kept")
            pipe.execute()


def test_nat_of_ports_and_addresses(ansible: Ansible, instance: MakeInstance) -> None:
    """The nodes listen on one address and are reached at another, with other ports."""
    nodes = [instance(f"node{number}") for number in range(8)]
    outside = "127.0.0.2"
    with Forwarder() as nat:
        announced = []
        for node in nodes:
            port, bus_port = free_port(), free_port()
            nat.forward((outside, port), (node.host, node.port))
            nat.forward((outside, bus_port), (node.host, node.port + 10000))
            node.start(
                **QUICK,
                cluster_announce_ip=outside,
                cluster_announce_port=port,
                cluster_announce_bus_port=bus_port,
            )
            announced.append({"host": outside, "port": port})

        def client() -> redis.RedisCluster:
            return redis.RedisCluster(host=outside, port=announced[0]["port"], decode_responses=True)

        out_and_in(ansible, announced, client)
        # Seen from inside they are the same nodes: who they are does not depend on where they are found.
        inside, grown, same = ansible.play(wish(at(nodes[:6])), wish(at(nodes)), wish(announced))
        assert [inside["changed"], grown["changed"], same["changed"]] == [False, True, False]


def test_whoever_waits_sees_slots_move(ansible: Ansible, instance: MakeInstance) -> None:
    """Over a slow line, so that it takes a while."""
    nodes = [instance(f"node{number}") for number in range(4)]
    for node in nodes:
        node.start(**QUICK)
    ansible.play(wish(at(nodes[:3]), replicas=0))
    with Forwarder(delay=0.01) as line:
        far = []
        for node in nodes:
            far.append({"host": node.host, "port": free_port()})
            line.forward((node.host, far[-1]["port"]), (node.host, node.port))
        run = ansible.run(wish(far, replicas=0))
    assert [result["failed"] for result in run.results] == [False], run.output
    moved = [
        int(count) for count in re.findall(r"cluster: (\d+) of 4096 slots, 0 of about 0 keys .* s left", run.output)
    ]
    assert len(moved) >= 2, run.output
    assert moved == sorted(moved)
    assert len(run.results[0]["shards"]) == 4


def test_ipv6(ansible: Ansible, instance: MakeInstance) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on the loopback interface")
    nodes = [instance(f"node{number}", host="::1") for number in range(8)]
    for node in nodes:
        node.start(**QUICK)
    out_and_in(ansible, at(nodes), lambda: redis.RedisCluster(host="::1", port=nodes[0].port, decode_responses=True))


def test_all_nodes_come_back_at_other_addresses(ansible: Ansible, instance: MakeInstance) -> None:
    """As containers do. Nobody finds anybody then, for nodes keep the addresses of the others, not their own."""
    nodes = [instance(f"node{number}") for number in range(6)]
    for node in nodes:
        node.start(**QUICK)
    ansible.play(wish(at(nodes)))
    ids = [node.node_id for node in nodes]
    for node in nodes:
        node.stop()
    for node in nodes:
        node.port = free_port()
        node.start(**QUICK)
    moved, again = ansible.play(wish(at(nodes)), wish(at(nodes)))
    assert (moved["changed"], again["changed"]) == (True, False)
    assert [node.node_id for node in nodes] == ids
    assert len(moved["shards"]) == 3, "however the roles are after the reunion"
    assert {node.client().info("replication").get("master_link_status", "up") for node in nodes} == {"up"}


def test_a_replica_that_seeks_its_primary_where_it_was(ansible: Ansible, instance: MakeInstance) -> None:
    """When both come back at other addresses, the replica hears of its primary's by gossip, and goes on trying the old one."""
    nodes = [instance(f"node{number}") for number in range(6)]
    for node in nodes:
        node.start(**QUICK)
    shard = ansible.play(wish(at(nodes)))[0]["shards"][0]
    primary, replica = (
        next(node for node in nodes if node.address == one) for one in (shard["primary"], *shard["replicas"])
    )
    for node in (primary, replica):
        node.stop()
    for node in (primary, replica):
        node.port = free_port()
        node.start(**QUICK)
    wait_until(lambda: f"{primary.address}@" in "".join(replica.nodes), "the replica knows where its primary is")
    mended, again = ansible.play(wish(at(nodes)), wish(at(nodes)))
    # Unless its primary has happened to find it first.
    assert mended["actions"][:1] in ([], [f"cluster: make {replica.address} a replica of {primary.address}"])
    assert not again["changed"]
    assert replica.client().info("replication")["master_link_status"] == "up"


class Forwarder:
    """Passes TCP connections on from one address to another; ``delay`` is in seconds each way."""

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay

    def __enter__(self) -> Forwarder:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def forward(self, front: tuple[str, int], back: tuple[str, int]) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                back_reader, back_writer = await asyncio.open_connection(*back)
                await asyncio.gather(self._pass_on(reader, back_writer), self._pass_on(back_reader, writer))
            writer.close()

        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, *front), self._loop)
        self._servers.append(starting.result())

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await asyncio.sleep(self._delay)
                target.write(data)
                await target.drain()
        finally:
            target.close()
