"""After the switch from 7.0 to 8.0, a refused way back, and the return to the distribution's source."""

from __future__ import annotations

from typing import Any

from testinfra.host import Host


def test_newer_redis_runs_with_the_data(host: Host, redis: Any) -> None:
    assert "v=8.0." in host.check_output("redis-server --version")
    assert redis.info("-p 6390", "server")["redis_version"].startswith("8.0.")
    assert redis.ask("-p 6390", "get session:1") == "ann"


def test_nothing_is_left_of_the_mirror(host: Host) -> None:
    left = "ls /etc/apt/keyrings/redis.asc /etc/apt/preferences.d/redis /etc/apt/sources.list.d/redis.sources"
    assert host.run(f"{left} /etc/pki/rpm-gpg/RPM-GPG-KEY-redis /etc/yum.repos.d/redis.repo").stdout == ""
