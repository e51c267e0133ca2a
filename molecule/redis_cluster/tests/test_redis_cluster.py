"""One cluster over six hosts of four distributions in three zones, after one of its primaries has failed over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from testinfra.host import Host

PORT = "-p 6379"
HOSTS = yaml.safe_load((Path(__file__).parents[1] / "inventory/hosts.yml").read_text())["redis_cluster"]["hosts"]
ZONES = {variables["address"]: variables["redis_zone"] for variables in HOSTS.values()}


class Node(NamedTuple):
    """What CLUSTER NODES says of one."""

    id: str
    address: str
    role: str
    primary_id: str
    link: str

    @property
    def zone(self) -> str:
        return ZONES[self.address.split(":")[0]]


@pytest.fixture
def nodes(redis: Any) -> list[Node]:
    """The cluster as the host sees it."""
    lines = [line.split() for line in redis.ask(PORT, "cluster nodes").splitlines()]
    return [Node(one[0], one[1].rstrip(","), one[2].removeprefix("myself,"), one[3], one[7]) for one in lines]


def test_cluster_is_whole(redis: Any) -> None:
    said = dict(line.strip().split(":", 1) for line in redis.ask(PORT, "cluster info").splitlines())
    wanted = {"cluster_state": "ok", "cluster_slots_ok": "16384", "cluster_known_nodes": "6", "cluster_size": "3"}
    assert {key: said[key] for key in wanted} == wanted


def test_every_node_is_known_by_the_address_of_the_inventory(nodes: list[Node]) -> None:
    assert {node.address for node in nodes} == {f"{address}:6379@16379" for address in ZONES}
    assert {node.link for node in nodes} == {"connected"}


def test_every_primary_has_a_replica_in_another_zone(nodes: list[Node]) -> None:
    primaries = {node.id: node for node in nodes if node.role == "master"}
    replicas = [node for node in nodes if node.role == "slave"]
    assert sorted(primaries) == sorted(replica.primary_id for replica in replicas)
    assert [replica for replica in replicas if replica.zone == primaries[replica.primary_id].zone] == []


def test_replica_is_in_step(redis: Any) -> None:
    replication = redis.info(PORT, "replication")
    if replication["role"] == "slave":
        assert replication["master_link_status"] == "up"
    else:
        assert re.fullmatch(r"ip=.*,state=online,.*", replication["slave0"])


def test_any_node_leads_a_client_to_every_key(host: Host, redis: Any) -> None:
    keys = [f"{host.backend.hostname}:{number}" for number in range(6)]
    assert [redis.ask(f"-c {PORT}", f"set {key} tea", user="shop") for key in keys] == ["OK"] * 6
    assert [redis.ask(f"-c {PORT}", f"get {key}", user="shop") for key in keys] == ["tea"] * 6
    # Without following, as a proof that there was something to follow.
    assert "MOVED" in " ".join(redis.ask(PORT, f"get {key}", user="shop") for key in keys)


def test_application_may_not_manage_the_cluster(redis: Any) -> None:
    assert redis.ask(PORT, "cluster failover", user="shop").startswith("NOPERM")
    assert redis.ask(PORT, "cluster reset", user="shop").startswith("NOPERM")


def test_unit_starts_at_boot_and_listens_where_it_was_told(host: Host) -> None:
    assert host.service("redis-instance@node").is_running
    assert host.service("redis-instance@node").is_enabled
    own = host.ansible.get_variables()["address"]
    listening = host.check_output("ss --listening --tcp --numeric --processes --no-header")
    sockets = set(re.findall(r'(\S+) +\S+ +users:\(\("redis-server"', listening))
    assert sockets == {f"{address}:{port}" for address in ("127.0.0.1", own) for port in (6379, 16379)}
