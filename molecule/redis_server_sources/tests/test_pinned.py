"""Redis 7.0 from the mirror, although the mirror offers 8.0 and the distribution its own."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host


@pytest.fixture
def has_apt(host: Host) -> bool:
    return bool(host.exists("apt-get"))


@pytest.fixture
def had_the_series(host: Host) -> bool:
    """Whether the host had Redis 7.0 from its distribution before; then there was nothing to replace."""
    return host.backend.hostname.endswith(("ubuntu2404", "rockylinux9"))


def test_package_is_the_mirrors_unless_the_series_was_there(host: Host, has_apt: bool, had_the_series: bool) -> None:
    if has_apt:
        names = host.check_output(
            "dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Version}\n' 'redis*'"
        )
        versions = dict(line.split()[1:] for line in names.splitlines() if line.startswith("installed"))
        assert {"redis-server", "redis-tools"} <= set(versions)
        wanted = r"5:7\.0\..*" if had_the_series else r"6:7\.0\.\d+-1rl1~\w+"
        assert all(re.fullmatch(wanted, version) for version in versions.values()), versions
    else:
        version = host.check_output("rpm --query --queryformat '%{version} %{release}' redis")
        assert version.startswith("7.0.")
        assert ("module" in version) == had_the_series


def test_pin_holds_although_newer_is_offered(host: Host, has_apt: bool) -> None:
    if has_apt:
        policy = host.check_output("apt-cache policy redis-server redis-sentinel redis-tools redis")
        assert set(re.findall(r"Candidate: 6:(\d\.\d)\.", policy)) == {"7.0"}
        assert policy.count(" 6:8.0.") == 4
        upgrade = host.check_output("apt-get --simulate --quiet dist-upgrade")
        assert not re.search(r"^Inst redis.*\(6:8", upgrade, re.MULTILINE)
    else:
        offered = host.check_output("dnf --quiet --disableexcludes=all list --showduplicates redis")
        assert re.search(r"^redis\.x86_64 +\S*8\.0\.", offered, re.MULTILINE)
        assert host.run("dnf --quiet check-update redis").rc == 0


def test_instance_runs_it(host: Host) -> None:
    assert "v=7.0." in host.check_output("redis-server --version")
    pid = host.check_output("systemctl show --property=MainPID --value redis-instance@sessions")
    assert host.file(f"/proc/{pid}/exe").linked_to == host.check_output("readlink --canonicalize /usr/bin/redis-server")


def test_packaged_services_are_as_they_were(host: Host) -> None:
    if host.backend.hostname.endswith("ubuntu2404"):
        # They were there before.
        assert host.service("redis-server").is_running
        assert host.service("redis-sentinel").is_running
    else:
        assert len(host.process.filter(comm="redis-server")) == 1
        assert host.run("journalctl --no-pager --quiet --unit=redis-server --unit=redis").stdout == ""


def test_what_tells_of_the_mirror_is_for_everyone_to_read(host: Host, has_apt: bool) -> None:
    files = {
        True: ["/etc/apt/keyrings/redis.asc", "/etc/apt/preferences.d/redis", "/etc/apt/sources.list.d/redis.sources"],
        False: ["/etc/pki/rpm-gpg/RPM-GPG-KEY-redis", "/etc/yum.repos.d/redis.repo"],
    }[has_apt]
    assert {(host.file(path).user, host.file(path).mode) for path in files} == {("root", 0o644)}
