# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_process starts, stops and restarts servers that nothing else looks after."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from playbook_runs import Ansible, task
from redis_instances import Instance, is_running, wait_until

MakeInstance = t.Callable[..., Instance]


def test_each_state_from_each_state(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.configure()
    results = ansible.play(
        task("redis_process", cache.process("started"), check_mode=True),
        task("redis_process", cache.process("started"), diff=True),
        task("redis_process", cache.process("started")),
        task("redis_process", cache.process("restarted")),
        task("redis_process", cache.process("stopped"), check_mode=True),
        task("redis_process", cache.process("stopped")),
        task("redis_process", cache.process("stopped")),
        task("redis_process", cache.process("restarted")),
    )
    assert [result["changed"] for result in results] == [True, True, False, True, True, True, False, True]

    pids = [result["instances"][0]["pid"] for result in results]
    checked, started, again, restarted, still, *ended, last = pids
    assert (checked, ended) == (None, [None, None])
    assert started == again
    assert started != restarted
    assert restarted == still
    assert last == cache.pid
    assert results[0]["actions"] == results[1]["actions"]
    diff = results[1]["diff"][0]
    assert (diff["before"], diff["after"]) == ({"process": "stopped"}, {"process": "running"})


def test_a_killed_instance_comes_back_with_its_data_and_the_others_stay(
    ansible: Ansible, instance: MakeInstance
) -> None:
    instances = [instance(f"node{number}") for number in range(4)]
    for one in instances:
        one.configure(appendonly="yes", appendfsync="always")
    call = task("redis_process", {"instances": [one.process() for one in instances]})
    first = ansible.play(call)[0]
    assert first["changed"]
    assert [one["pid"] for one in first["instances"]] == [one.pid for one in instances]

    instances[2].client().set("kept", "yes")
    instances[2].kill()
    second = ansible.play(call)[0]

    assert [one["changed"] for one in second["instances"]] == [False, False, True, False]
    assert instances[2].client().get("kept") == "yes"
    before, after = ([one["pid"] for one in run["instances"]] for run in (first, second))
    assert [before[number] == after[number] for number in range(4)] == [True, True, False, True]


def test_a_pidfile_that_names_another_process_misleads_nobody(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    pidfile = cache.home / "redis.pid"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as bystander:
        try:
            cache.configure(pidfile=pidfile)
            pidfile.write_text(f"{bystander.pid}\n")
            stopped, started = ansible.play(
                task("redis_process", cache.process("stopped")), task("redis_process", cache.process("started"))
            )
            assert (stopped["changed"], started["changed"]) == (False, True)

            pidfile.write_text(f"{bystander.pid}\n")
            assert ansible("redis_process", cache.process("stopped"))["changed"]
            assert not cache.runs
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_taken_port_is_told_in_the_words_of_redis(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.configure()
    with socket.create_server((cache.host, cache.port)):
        message = ansible.failures(task("redis_process", cache.process()))[0]["msg"]
    assert "instance cache: redis-server ended right away" in message
    assert "Address already in use" in message
    assert str(cache.log) in message


def test_a_bad_configuration_is_told_without_its_secrets(ansible: Ansible, instance: MakeInstance) -> None:
    value, secret, unknown = instance("value"), instance("secret"), instance("unknown")
    value.configure(hz="fast")
    secret.configure(masterauth="hunter2-of-nobody and more")
    unknown.configure(masterauht="hunter2-of-nobody")
    messages = [
        result["msg"]
        for result in ansible.failures(*(task("redis_process", i.process()) for i in (value, secret, unknown)))
    ]
    assert "instance value: redis-server does not start" in messages[0]
    assert "argument couldn't be parsed into an integer" in messages[0]
    assert "wrong number of arguments" in messages[1]
    # Redis 8 takes it for an option of a module and ends a little later.
    assert "Bad directive" in messages[2] or "Module Configuration detected" in messages[2]
    assert [message for message in messages if "hunter2-of-nobody" in message] == []


def test_a_start_waits_until_the_data_is_loaded(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    client = cache.start()
    with client.pipeline() as pipeline:
        for number in range(500):
            pipeline.set(f"key:{number}", "x")
        pipeline.execute()
    client.save()
    cache.stop()

    cache.configure(key_load_delay=2000, loading_process_events_interval_bytes=1024)
    started = time.monotonic()
    ansible("redis_process", cache.process())
    assert cache.client().dbsize() == 500
    assert time.monotonic() - started > 500 * 0.002


def test_a_server_that_does_not_answer_where_it_should_is_named(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.configure()
    message = ansible.failures(
        task("redis_process", {**cache.process(), "login_port": instance("elsewhere").port, "timeout": 1})
    )[0]["msg"]
    assert "not finished after 1 seconds" in message
    assert "instance cache does not answer" in message


def test_a_server_that_does_not_end_is_never_killed(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.start(save="3600 1").set("kept", "yes")
    pid = cache.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        message = ansible.failure(
            "redis_process", {**cache.process("stopped"), "timeout": 1, "command_timeout": 0.2, "connect_timeout": 0.2}
        )
        assert f"pid {pid} has not stopped after 1 seconds" in message
        assert is_running(pid)
    finally:
        os.kill(pid, signal.SIGCONT)
    # The SIGTERM was delivered; a SIGKILL would have left no dump.
    wait_until(lambda: not is_running(pid), "it has saved and ended")
    assert cache.start().get("kept") == "yes"


def test_a_server_whose_parent_does_not_reap_it_counts_as_ended(ansible: Ansible, instance: MakeInstance) -> None:
    """In a container without an init process, a daemon that ended stays in /proc."""
    cache = instance()
    cache.configure()
    with subprocess.Popen([cache.program, str(cache.conf)], stdout=subprocess.DEVNULL) as process:
        cache.wait_until_up()
        assert ansible("redis_process", {**cache.process("stopped"), "timeout": 5})["changed"]
        assert Path(f"/proc/{process.pid}").exists()


def test_what_the_server_writes_is_not_for_others_and_keeps_its_mode(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance(secured=True)
    cache.configure(appendonly="yes")
    ansible.run(task("redis_process", cache.process()), umask=0)
    client = cache.client()
    client.config_set("maxmemory", "64mb")
    client.config_rewrite()
    client.acl_save()
    client.save()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in cache.home.rglob("*")}
    assert (modes[cache.conf], modes[cache.aclfile]) == (0o640, 0o640)
    written = {path: oct(mode) for path, mode in modes.items() if path != cache.data and mode & 0o007}
    assert written == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a server as somebody else")
def test_it_runs_as_the_owner(ansible: Ansible, scratch: Path, redis_server: str, instance: MakeInstance) -> None:
    cache = Instance("owned", scratch / "owned", instance().port, redis_server)
    cache.home.mkdir()
    cache.configure()
    for path in (cache.home, cache.data, cache.conf):
        os.chown(path, 65534, 65534)
    ansible("redis_process", {**cache.process(), "owner": "nobody"})
    assert Path(f"/proc/{cache.pid}").stat().st_uid == 65534
