# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switching appendonly with redis_config keeps the data. By hand, the next start would find an empty data set."""

from __future__ import annotations

import os
import random
import typing as t
from pathlib import Path

import pytest
import redis
from playbook_runs import Ansible, task
from redis_instances import Instance, wait_until

MakeInstance = t.Callable[..., Instance]

KEYS = 200


def fill(client: redis.Redis, value: str = "x", keys: int = KEYS) -> None:
    with client.pipeline() as pipeline:
        for number in range(keys):
            pipeline.set(f"key:{number}", value)
        pipeline.execute()


def values(client: redis.Redis) -> tuple[int, set[str]]:
    """How many keys there are, and their different values."""
    return client.dbsize(), {str(value) for value in client.mget(client.keys())} if client.dbsize() else set()


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_the_data_is_there_after_the_switch(ansible: Ansible, instance: MakeInstance, on: bool, running: bool) -> None:
    cache = instance()
    fill(cache.start(appendonly="no" if on else "yes", save="3600 1"))
    if not running:
        cache.stop()
    before = cache.run_id if running else ""
    wanted = cache.config(appendonly=on, save="3600 1")

    checked, switched, again = ansible.play(
        task("redis_config", wanted, check_mode=True, diff=True),
        task("redis_config", wanted, diff=True),
        task("redis_config", wanted),
    )
    assert (checked["actions"], checked["diff"]) == (switched["actions"], switched["diff"])
    direction = "from RDB to AOF" if on else "from AOF to RDB"
    assert [action for action in switched["actions"] if direction in action]
    assert switched["instances"][0]["restart_required"] == []
    assert not again["changed"]
    wait_until(lambda: cache.runs == running, "only what ran before runs still")
    if running:
        assert (cache.run_id, cache.live("appendonly")) == (before, "yes" if on else "no")
        cache.kill()  # what counts is on disk, whatever a clean stop would save
    assert values(cache.start()) == (KEYS, {"x"})
    assert cache.live("appendonly") == ("yes" if on else "no")


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_an_aof_left_over_from_earlier_does_not_come_back(
    ansible: Ansible, instance: MakeInstance, running: bool
) -> None:
    cache = instance()
    fill(cache.start(appendonly="yes", save=""), "old", KEYS + 50)
    cache.stop()
    # Switched off by hand: the AOF stays where it is, and new data goes to the RDB file.
    cache.configure(appendonly="no", save="3600 1")
    fill(cache.start(), "new")
    if not running:
        cache.stop()
    ansible("redis_config", cache.config(appendonly=True, save="3600 1"))
    if running:
        cache.kill()
    assert values(cache.start()) == (KEYS, {"new"})


def test_an_aof_without_a_word_about_it_is_left_to_the_user(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    fill(cache.start(appendonly="yes", save=""))
    cache.stop()
    cache.configure(appendonly="no", save="")
    conf = cache.conf.read_text()
    message = ansible.failure("redis_config", cache.config(appendonly=True))
    assert "holds an AOF and no RDB file" in message
    assert str(cache.data) in message
    assert cache.conf.read_text() == conf


def test_data_is_not_left_behind_in_another_place(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    fill(cache.start(save="3600 1"))
    cache.stop()
    moved = {**cache.directives(save="3600 1"), "dir": str(cache.home / "elsewhere")}
    renamed = cache.directives(save="3600 1", dbfilename="other.rdb")
    messages = [
        result["msg"]
        for result in ansible.failures(
            task("redis_config", {**cache.config(), "directives": moved}),
            task("redis_config", {**cache.config(), "directives": renamed}),
        )
    ]
    assert "dir changes from" in messages[0]
    assert "dbfilename changes from" in messages[1]
    assert not (cache.home / "elsewhere").exists()
    assert values(cache.start()) == (KEYS, {"x"})


def test_an_unfinished_rewrite_is_waited_for(ansible: Ansible, instance: MakeInstance) -> None:
    """A run that was killed after CONFIG SET leaves a server that still writes its first AOF."""
    cache = instance()
    client = cache.start(appendonly="no", save="3600 1", rdb_key_save_delay=20000)
    fill(client)
    client.config_set("aof-use-rdb-preamble", "yes")
    client.config_set("appendonly", "yes")
    assert client.info("persistence")["aof_rewrite_in_progress"]

    result = ansible("redis_config", cache.config(appendonly=True, save="3600 1"))
    assert result["changed"]
    persistence = client.info("persistence")
    assert not persistence["aof_rewrite_in_progress"]
    assert persistence["aof_last_bgrewrite_status"] == "ok"
    cache.kill()
    assert values(cache.start()) == (KEYS, {"x"})


def test_a_rewrite_that_fails_is_an_error_and_the_file_stays(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    fill(cache.start(appendonly="no", save="3600 1"))
    (cache.data / "appendonlydir").write_text("in the way")
    conf = cache.conf.read_text()
    result = ansible.failures(task("redis_config", {**cache.config(appendonly=True, save="3600 1"), "timeout": 1}))[0]
    assert cache.name in result["msg"] or cache.address in result["msg"]
    assert cache.conf.read_text() == conf
    cache.stop()
    assert values(cache.start()) == (KEYS, {"x"})


def cut_off_and_finish(
    ansible: Ansible, cache: Instance, on: bool, running: bool, after: float, begun: bool = True
) -> None:
    """Kill the module while it switches, then run it again: all data is there, and nothing of it runs any more."""
    # Saving takes a while, so that a kill can fall into it.
    slow = {"save": "3600 1", "rdb_key_save_delay": 100}
    client = cache.start(appendonly="no" if on else "yes", **slow)
    fill(client, keys=3000)
    if not running:
        cache.stop()

    def switching() -> bool:
        if not running:
            return cache.runs  # the private server that carries the data over
        persistence = client.info("persistence")
        return bool(persistence["aof_rewrite_in_progress"] or persistence["rdb_bgsave_in_progress"])

    wanted = cache.config(appendonly=on, **slow)
    ansible.cut_off(task("redis_config", wanted), once=switching if begun else lambda: True, after=after)
    wait_until(lambda: cache.runs == running, "only what ran before runs still")

    # Whether the second has anything left to do depends on when the kill came.
    dummy, still = ansible.play(task("redis_config", wanted), task("redis_config", wanted))
    assert not still["changed"]
    if running:
        cache.kill()
    assert values(cache.start()) == (3000, {"x"})


@pytest.mark.parametrize(("on", "running", "after"), [(True, False, 0.01), (False, True, 0.1)])
def test_a_switch_that_was_killed_is_finished_by_the_next_run(
    ansible: Ansible, instance: MakeInstance, on: bool, running: bool, after: float
) -> None:
    cut_off_and_finish(ansible, instance(), on, running, after)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(60))
def test_switches_killed_at_any_time_are_finished_by_the_next_run(
    ansible: Ansible, instance: MakeInstance, seed: int
) -> None:
    chance = random.Random(seed)
    on, running, begun = (chance.random() < 0.5 for _ in range(3))
    cut_off_and_finish(ansible, instance(), on, running, chance.uniform(0, 0.2 if begun else 1.2), begun)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work on files of somebody else")
def test_the_files_stay_those_of_the_owner(
    ansible: Ansible, scratch: Path, redis_server: str, instance: MakeInstance
) -> None:
    """The private server that carries the data over runs as the owner of the directory."""
    cache = Instance("of-nobody", scratch / "of-nobody", instance().port, redis_server)
    cache.home.mkdir()
    fill(cache.start(appendonly="no", save="3600 1"))
    cache.stop()
    for path in (cache.home, *cache.home.rglob("*")):
        os.chown(path, 65534, 65534)
    owner = {"owner": "nobody"}
    results = ansible.play(
        task("redis_config", {**cache.config(appendonly=True, save="3600 1"), **owner}),
        task("redis_process", {**cache.process(), **owner}),
        task("redis_config", {**cache.config(appendonly=True, save="3600 1"), **owner}),
    )
    assert [result["changed"] for result in results] == [True, True, False]
    assert {path: path.stat().st_uid for path in cache.home.rglob("*") if path.stat().st_uid != 65534} == {}
    assert values(cache.client()) == (KEYS, {"x"})
