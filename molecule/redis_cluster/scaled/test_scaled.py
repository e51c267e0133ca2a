"""After two hosts have joined: four shards, and every key where it was."""

from __future__ import annotations

from typing import Any

from testinfra.host import Host

PORT = "-p 6379"


def test_cluster_has_another_shard(redis: Any) -> None:
    said = dict(line.strip().split(":", 1) for line in redis.ask(PORT, "cluster info").splitlines())
    wanted = {"cluster_state": "ok", "cluster_slots_ok": "16384", "cluster_known_nodes": "8", "cluster_size": "4"}
    assert {key: said[key] for key in wanted} == wanted


def test_redis_cli_finds_nothing_wrong(host: Host) -> None:
    said = host.run("REDISCLI_AUTH=secret-of-admin redis-cli --user admin --cluster check 127.0.0.1:6379")
    assert (said.rc, "[OK] All 16384 slots covered." in said.stdout) == (0, True), said.stdout
    assert "[ERR]" not in said.stdout
    assert "[WARNING]" not in said.stdout


def test_keys_from_before_are_there(host: Host, redis: Any) -> None:
    keys = [f"{host.backend.hostname}:{number}" for number in range(6)]
    assert [redis.ask(f"-c {PORT}", f"get {key}", user="shop") for key in keys] == ["tea"] * 6
    assert redis.ask(f"-c {PORT}", "get kept") == "tea"
