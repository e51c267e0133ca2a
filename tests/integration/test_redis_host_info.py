# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_host_info says what stands in the way of instances before anything is changed."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest
from playbook_runs import Ansible, task
from redis_instances import BUS_OFFSET, Instance

MakeInstance = t.Callable[..., Instance]


def wanted(instance: Instance, **more: object) -> dict[str, object]:
    return {"name": instance.name, "directory": str(instance.data), "port": instance.port, **more}


def program(path: Path, version: str) -> str:
    """A redis-server that can only tell its version."""
    path.write_text(
        f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=0'\n"
    )
    path.chmod(0o755)
    return str(path)


def test_a_free_host_and_one_where_our_instances_run(
    ansible: Ansible, instance: MakeInstance, redis_version: tuple[int, int]
) -> None:
    cache, node = instance("cache"), instance("node")
    call = {
        "instances": [
            wanted(cache, maxmemory="64mb"),
            wanted(node, bus_port=node.port + BUS_OFFSET, maxmemory="1gb"),
        ],
        "directories": [str(cache.data), str(node.home / "not/there/yet")],
    }
    free = ansible("redis_host_info", call)
    assert (free["changed"], free["problems"], free["running"]) == (False, [], [])
    assert free["version"] == ".".join(map(str, redis_version))
    assert Path(free["installed"]).name == "redis-server"
    assert free["redis_py"]

    cache.start()
    node.start(cluster_enabled="yes")
    occupied = ansible("redis_host_info", call)
    assert (occupied["problems"], occupied["running"]) == ([], ["cache", "node"])
    assert not (node.home / "not").exists()


def test_a_port_that_somebody_else_holds_is_named(ansible: Ansible, instance: MakeInstance) -> None:
    cache, node, stranger = instance("cache"), instance("node"), instance("stranger")
    stranger.start()
    with (
        socket.create_server(("127.0.0.1", cache.port)),
        socket.create_server(("::1", node.port + BUS_OFFSET), family=socket.AF_INET6)
        if socket.has_ipv6
        else socket.create_server(("127.0.0.1", node.port + BUS_OFFSET)),
    ):
        problems = ansible(
            "redis_host_info",
            {
                "instances": [
                    wanted(cache),
                    wanted(node, bus_port=node.port + BUS_OFFSET),
                    {"name": "third", "directory": str(stranger.home / "third"), "port": stranger.port},
                ]
            },
        )["problems"]
    mine = Path("/proc/self/comm").read_text().strip()
    assert [problem.partition(": stop that")[0] for problem in problems] == [
        f"instance cache: port {cache.port} is in use by {mine} (pid {os.getpid()})",
        f"instance node: port {node.port + BUS_OFFSET} is in use by {mine} (pid {os.getpid()})",
        f"instance third: port {stranger.port} is in use by redis-server (pid {stranger.pid})",
    ]


def test_programs_that_will_not_do(ansible: Ansible, instance: MakeInstance, tmp_path: Path) -> None:
    one = {"instances": [wanted(instance())]}
    old = program(tmp_path / "redis-old", "6.2.14")
    broken = tmp_path / "redis-broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    absent = str(tmp_path / "redis-absent")
    too_old, older_than_asked, missing, no_version = ansible.run(
        task("redis_host_info", {**one, "executable": old}),
        task("redis_host_info", {**one, "minimum_version": "99.1"}),
        task("redis_host_info", {**one, "executable": absent, "install": False}),
        task("redis_host_info", {**one, "executable": str(broken)}),
    ).results
    assert too_old["problems"] == [f"{old} is Redis 6.2, and at least 7.0 is needed: install a newer package"]
    assert "at least 99.1 is needed" in older_than_asked["problems"][0]
    assert (missing["installed"], missing["version"]) == (None, "0.0")
    assert missing["problems"] == ["redis-server is not installed: install Redis 7.0 or newer, or allow this role to"]
    assert f"{broken} does not tell its version" in str(no_version)


def test_a_server_whose_program_was_replaced_is_outdated(
    ansible: Ansible, instance: MakeInstance, redis_server: str, tmp_path: Path
) -> None:
    cache, sessions = instance("cache"), instance("sessions")
    cache.start()
    sessions.start()
    one = {"instances": [wanted(cache), wanted(sessions)]}
    newer = {**one, "executable": program(tmp_path / "redis-server", "9.1.0"), "series": "9.1", "replace": True}
    same, replaced, unwanted = ansible.run(
        task("redis_host_info", one),
        task("redis_host_info", newer),
        task("redis_host_info", {**newer, "series": "9.2", "replace": False}),
    ).results
    assert (same["outdated"], same["due"]) == ([], False)
    assert (replaced["outdated"], replaced["due"], replaced["problems"]) == (["cache", "sessions"], False, [])
    assert unwanted["due"]
    assert "is Redis 9.1, and 9.2 is wanted" in unwanted["problems"][0]


def test_what_two_instances_cannot_share(ansible: Ansible, instance: MakeInstance) -> None:
    cache, node = instance("cache"), instance("node")
    problems = "\n".join(
        ansible(
            "redis_host_info",
            {
                "instances": [
                    wanted(cache),
                    {**wanted(cache), "port": node.port},
                    {**wanted(node), "port": node.port, "bus_port": cache.port},
                    {**wanted(node), "name": "high", "directory": "/high", "port": 60000, "bus_port": 70000},
                ]
            },
        )["problems"]
    )
    assert "name cache is given to two instances" in problems
    assert f"directory {cache.data} is given to two instances" in problems
    assert f"port {', '.join(sorted(map(str, (cache.port, node.port))))} is given to two instances" in problems
    assert "instance high: cluster bus port (port + 10000) 70000 is not between 1 and 65535" in problems


def test_more_memory_than_there_is(ansible: Ansible, instance: MakeInstance) -> None:
    cache, sessions = instance("cache"), instance("sessions")
    greedy, nonsense = ansible.run(
        task("redis_host_info", {"instances": [wanted(cache, maxmemory="9000gb"), wanted(sessions, maxmemory="1gb")]}),
        task("redis_host_info", {"instances": [wanted(cache, maxmemory="much")]}),
    ).results
    assert "the maxmemory of all instances adds up to 9217024 MB" in greedy["problems"][0]
    assert "instance cache: maxmemory 'much' is not a size" in nonsense["msg"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_the_right_to_write(ansible: Ansible, instance: MakeInstance, tmp_path: Path) -> None:
    cache = instance()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    absent = {"executable": str(tmp_path / "redis-absent")}
    result = ansible(
        "redis_host_info", {"instances": [wanted(cache)], "directories": [str(closed / "below/it"), str(cache.home)]}
    )
    assert [problem.partition(";")[0] for problem in result["problems"]] == [
        f"{closed}/below/it cannot be written: no right to write in {closed}"
    ]
    missing = ansible("redis_host_info", {"instances": [wanted(cache)], **absent})
    assert "only root can install it" in missing["problems"][0]
