# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._acl import DesiredAcl
from ansible_collections.microservices.redis.plugins.module_utils._config import (
    CurrentConfig,
    DesiredConfig,
    WriteConf,
    plan_config,
)
from ansible_collections.microservices.redis.plugins.module_utils._instances import (
    Site,
    cluster_nodes,
    complete_instances,
    instance_ports,
    login_address,
    login_of_nodes,
    with_state,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError
from ansible_collections.microservices.redis.plugins.module_utils._preflight import DesiredHost

ADMIN = {
    "name": "admin",
    "preset": "admin",
    "rules": None,
    "passwords": ["x"],
    "password_hashes": None,
    "enabled": True,
}
SITE = Site("/etc/r", "/var/lib/r", "/var/log/r", ["127.0.0.1", "-::1"], {"maxmemory": "1gb"}, [ADMIN], "replication")
FILE = {"owner": None, "group": None, "mode": "0640", "directory_mode": "0750", "purge": False}


def complete(site: Site = SITE, **instance: t.Any) -> dict[str, t.Any]:
    [one] = complete_instances([{"name": "a", "port": 7000, **instance}], site)
    return one


def test_every_module_gets_what_it_takes() -> None:
    one = complete(directives={"cluster-enabled": True, "io-threads": 2}, users=[{**ADMIN, "name": "app"}])
    config = DesiredConfig.from_params({**FILE, **one["config"]})
    [step] = plan_config(CurrentConfig((7, 0)), config).steps
    assert isinstance(step, WriteConf)
    assert step.text.splitlines()[1:] == [
        "port 7000",
        "bind 127.0.0.1 -::1",
        "dir /var/lib/r/a",
        "logfile /var/log/r/redis-server-a.log",
        "aclfile /etc/r/a.acl",
        "maxmemory 1gb",
        "cluster-enabled yes",
        "io-threads 2",
    ]
    assert [user.name for user in DesiredAcl.from_params({**FILE, **one["acl"]}).users] == ["default", "admin", "app"]
    host = {
        "instances": [one["host"]],
        "minimum_version": "7.0",
        "package": "redis-server",
        "install": True,
        "series": None,
        "replace": False,
    }
    assert DesiredHost.from_params(host).instances[0].ports == (7000, 17000)
    assert one["process"] == {**one["health"], "path": "/etc/r/a.conf", "directory": "/var/lib/r/a"}


def test_replicas_log_in_as_the_replication_user() -> None:
    site = Site("/e", "/d", "/l", ["192.0.2.1"], {}, [], "replication", "s3cret", "198.51.100.1")
    config = complete(site, directives={"cluster-enabled": "yes"})["config"]
    assert config["directives"]["masteruser"] == "replication"
    assert config["secret_directives"] == {"masterauth": "s3cret"}
    assert config["directives"]["cluster-announce-ip"] == "198.51.100.1"


def test_the_bus_port_follows_the_port_unless_it_is_given() -> None:
    assert complete()["host"]["bus_port"] is None
    assert complete(directives={"cluster-enabled": "yes", "cluster-port": 7100})["host"]["bus_port"] == 7100


def test_the_ports_of_a_host_are_those_of_its_instances_and_of_the_cluster_bus() -> None:
    nodes = [
        {"name": name, "port": port, "directives": {"cluster-enabled": True}}
        for name, port in (("a", 7001), ("b", 7000))
    ]
    assert instance_ports(complete_instances([*nodes, {"name": "c", "port": 6379}], SITE)) == [
        6379,
        7000,
        7001,
        17000,
        17001,
    ]
    assert instance_ports([]) == []


@pytest.mark.parametrize(
    ("instance", "complaint"),
    [
        ({"name": "../a"}, "instance '../a': a name is made of letters"),
        (
            {"maxmemory": "1gb"},
            "instance a: maxmemory is no key of an instance; put directives of redis.conf under directives",
        ),
        ({"port": "http"}, "instance a: give its port as a number"),
        ({"directives": {"dir": "/data"}}, "instance a: dir follows from the role's data directory; leave it out"),
    ],
)
def test_a_description_that_is_wrong_is_refused_by_name(instance: dict[str, t.Any], complaint: str) -> None:
    with pytest.raises(RedisPlatformError) as problem:
        complete(**instance)
    assert complaint in str(problem.value)


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        (["192.0.2.1", "127.0.0.1"], "127.0.0.1"),
        (["*", "-::*"], "127.0.0.1"),
        (["-192.0.2.1"], "192.0.2.1"),
        (["::*"], "::1"),
        ([], "127.0.0.1"),
    ],
)
def test_modules_log_in_where_the_instance_listens(bind: list[str], address: str) -> None:
    assert login_address(bind) == address


def test_one_address_may_be_given_without_a_list() -> None:
    assert complete(bind="192.0.2.1 ::1")["config"]["directives"]["bind"] == ["192.0.2.1", "::1"]


def test_a_cluster_is_made_of_the_instances_that_are_cluster_enabled() -> None:
    variables = {
        "redis_address": "192.0.2.1",
        "redis_zone": "west",
        "redis_weight": 2,
        "redis_server_directives": {"cluster-enabled": "yes"},
        "redis_server_instances": [
            {"port": 7000},
            {"port": 7001, "zone": "east", "weight": 1},
            {"port": 6379, "directives": {"cluster-enabled": False}},
        ],
    }
    nodes = cluster_nodes(variables, "h1")
    assert nodes == [
        {"host": "192.0.2.1", "port": 7000, "zone": "west", "weight": 2},
        {"host": "192.0.2.1", "port": 7001, "zone": "east", "weight": 1},
    ]
    assert login_of_nodes(nodes)[1] == {"name": "192.0.2.1:7001", "login_host": "192.0.2.1", "login_port": 7001}


def test_only_instances_that_need_it_are_restarted() -> None:
    states = with_state([{"name": "a"}, {"name": "b"}], {"b"})
    assert [one["state"] for one in states] == ["started", "restarted"]
