"""After the quickstart has been taken down."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_of_the_quickstart_is_left(host: Host) -> None:
    assert not host.file("/home/newcomer/.quickstart").exists
    assert {process.user for process in host.process.filter(comm="redis-server")} == {"redis"}


def test_instances_under_systemd_still_run(host: Host) -> None:
    assert host.service("redis-instance@cache").is_running
    assert host.service("redis-instance@sessions").is_running
