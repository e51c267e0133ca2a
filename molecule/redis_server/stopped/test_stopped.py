"""After the stop entry point: nothing runs, nothing starts at boot, nothing is lost."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.mark.parametrize("name", ["cache", "sessions", "events"])
def test_instance_neither_runs_nor_starts_at_boot(host: Host, name: str) -> None:
    unit = host.service(f"redis-instance@{name}")
    assert not unit.is_running
    assert not unit.is_enabled


def test_no_server_is_left(host: Host) -> None:
    assert host.process.filter(comm="redis-server") == []


def test_data_stay(host: Host) -> None:
    assert host.file("/var/lib/redis/sessions/appendonlydir").is_directory
    assert host.file("/var/lib/redis/events/dump.rdb").is_file
