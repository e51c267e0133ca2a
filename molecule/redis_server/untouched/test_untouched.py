"""After check mode on a host that has never seen Redis."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.mark.parametrize(
    "path",
    ["/usr/bin/redis-server", "/etc/redis", "/var/lib/redis", "/var/log/redis", "/usr/sbin/policy-rc.d"],
)
def test_check_mode_leaves_no_files(host: Host, path: str) -> None:
    assert not host.file(path).exists


def test_check_mode_leaves_no_units(host: Host) -> None:
    assert host.run("systemctl list-unit-files --no-legend 'redis*'").stdout == ""
