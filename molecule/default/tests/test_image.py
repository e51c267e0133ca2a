"""What the scenarios of the roles take for granted of an untouched host."""

from __future__ import annotations

import json
import re

import pytest
import testinfra
from testinfra.host import Host

# What Ansible finds: family, distribution, major version, package manager, Python.
FACTS = {
    "debian12": ("Debian", "Debian", "12", "apt", "3.11"),
    "ubuntu2404": ("Debian", "Ubuntu", "24", "apt", "3.12"),
    "almalinux9": ("RedHat", "AlmaLinux", "9", "dnf", "3.9"),
    "rockylinux9": ("RedHat", "Rocky", "9", "dnf", "3.9"),
}
MIRROR = "/srv/redis-mirror"


@pytest.fixture
def variables(host: Host) -> dict[str, str]:
    """Of the inventory."""
    return host.ansible.get_variables()


@pytest.fixture
def labels(variables: dict[str, str]) -> dict[str, str]:
    """Of the image, without their prefix."""
    name = variables["inventory_hostname"]
    found = testinfra.get_host("local://").check_output(f"docker inspect --format '{{{{json .Config.Labels}}}}' {name}")
    return {key.removeprefix("microservices.redis."): value for key, value in json.loads(found).items()}


def is_redhat(variables: dict[str, str]) -> bool:
    return FACTS[variables["distribution"]][0] == "RedHat"


def test_ansible_takes_it_for_the_distribution(host: Host, variables: dict[str, str]) -> None:
    facts = host.ansible("setup")["ansible_facts"]
    names = ("os_family", "distribution", "distribution_major_version", "pkg_mgr", "python_version")
    *found, python = (facts[f"ansible_{name}"] for name in names)
    assert (*found, python.rpartition(".")[0]) == FACTS[variables["distribution"]]


def test_a_stand_in_says_so_and_nothing_else_does(host: Host, labels: dict[str, str]) -> None:
    motd = host.file("/etc/motd")
    says = motd.exists and "STAND-IN" in motd.content_string
    assert says == (labels["userland"] == "stand-in")


def test_redis_is_not_there_and_can_be_installed(host: Host, variables: dict[str, str]) -> None:
    assert not host.exists("redis-server")
    if is_redhat(variables):
        assert host.check_output("dnf --quiet repoquery --queryformat '%{version}' redis").startswith("6.2.")
        host.run_expect([0], "dnf --quiet module info redis:7")
    else:
        host.run_expect([0], "apt-get install --simulate redis-server")


def test_packages_are_within_reach(host: Host, variables: dict[str, str]) -> None:
    host.run_expect([0], "dnf makecache" if is_redhat(variables) else "apt-get update --error-on=any")


def test_mirror_offers_two_series(host: Host, variables: dict[str, str]) -> None:
    if is_redhat(variables):
        source = f"--repofrompath=mirror,file://{MIRROR}/rpm --repo=mirror"
        offered = host.check_output(f"dnf --quiet {source} repoquery --queryformat '%{{version}}' redis")
    else:
        codename = host.system_info.codename
        # Lists of its own, so that the host stays as it is.
        source = "-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList=/tmp/mirror.list -o Dir::State::Lists=/tmp/mirror"
        host.check_output(
            f"mkdir --parents /tmp/mirror/partial; cp {MIRROR}/gpg /tmp/mirror.asc;"
            f" echo 'deb [signed-by=/tmp/mirror.asc] file://{MIRROR}/deb {codename} main' > /tmp/mirror.list;"
            f" apt-get {source} update --error-on=any"
        )
        offered = host.check_output(f"apt-cache {source} madison redis-server")
    assert set(re.findall(r"\b(\d\.\d)\.\d", offered)) == {"7.0", "8.0"}


def test_mirror_has_a_right_and_a_wrong_key(host: Host, labels: dict[str, str]) -> None:
    assert re.fullmatch("[0-9A-F]{40}", labels["mirror_fingerprint"])
    keys = {host.file(f"{MIRROR}/{name}").content_string for name in ("gpg", "wrong-key")}
    assert len(keys) == 2
    assert all(key.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----") for key in keys)


def test_kernel_settings_are_out_of_reach(host: Host) -> None:
    """They are the machine's, so a role has to skip them here."""
    assert host.run("test -w /proc/sys/vm/overcommit_memory").failed
