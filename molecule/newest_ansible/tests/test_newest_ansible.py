"""What the newest ansible-core leaves: instances under systemd, and an ordinary user's quickstart beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def passwords(host: Host) -> dict[str, str]:
    """Those of the quickstart's users."""
    connections = json.loads(host.file("/home/newcomer/.quickstart/connections.json").content_string)
    users: dict[str, str] = connections["cluster"]["users"]
    return users


def test_ansible_is_newer_than_the_one_that_is_locked(host: Host) -> None:
    versions = "import ansible.release as core, sys; print(core.__version__, *sys.version_info[:2])"
    core, *python = host.check_output(f'/opt/ansible/bin/python -c "{versions}"').split()
    assert tuple(map(int, core.split(".")[:2])) >= (2, 20)
    assert python == ["3", "12"]


@pytest.mark.parametrize(("name", "port"), [("cache", 6379), ("sessions", 6380)])
def test_instance_runs_under_systemd(host: Host, redis: Any, name: str, port: int) -> None:
    assert host.service(f"redis-instance@{name}").is_running
    assert host.service(f"redis-instance@{name}").is_enabled
    assert redis.ask(f"-p {port}", "ping") == "PONG"


@pytest.mark.parametrize("port", [7010, 7011])
def test_quickstart_has_a_cache_and_a_session_store(redis: Any, passwords: dict[str, str], port: int) -> None:
    assert redis.ask(f"-p {port}", "set key value", "app", passwords["app"]) == "OK"


@pytest.mark.parametrize("port", range(7000, 7006))
def test_quickstart_has_a_cluster(redis: Any, passwords: dict[str, str], port: int) -> None:
    lines = redis.ask(f"-p {port}", "cluster info", "health", passwords["health"]).splitlines()
    said = dict(line.strip().split(":", 1) for line in lines)
    wanted = {"cluster_state": "ok", "cluster_slots_ok": "16384", "cluster_known_nodes": "6", "cluster_size": "3"}
    assert {key: said[key] for key in wanted} == wanted
    assert redis.ask(f"-c -p {port}", f"set key:{port} value", "app", passwords["app"]) == "OK"
