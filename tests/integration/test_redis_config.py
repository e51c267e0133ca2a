# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_config brings redis.conf and the running server to the wanted directives, compared by meaning."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import stat
import threading
import typing as t
from pathlib import Path

import pytest
from playbook_runs import Ansible, task
from redis_instances import Instance

MakeInstance = t.Callable[..., Instance]

SECRET = "Zx9-not-for-anybody"
OLD_SECRET = "Yw8-not-for-anybody-either"


def files_below(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of everything there."""
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"") for path in directory.rglob("*")
    }


def without_changed(result: dict[str, t.Any]) -> dict[str, t.Any]:
    return {name: result[name] for name in ("changed", "actions", "diff")}


def test_create_then_nothing_to_do(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    wanted = {**cache.config(maxmemory="64mb", save=["900 1", "300 10"], appendonly=True), "purge": True}
    before = files_below(cache.home)
    checked = ansible("redis_config", wanted, check_mode=True, diff=True)
    assert files_below(cache.home) == before

    created, again, still = ansible.play(
        task("redis_config", wanted, diff=True),
        task("redis_config", wanted, diff=True),
        task("redis_config", wanted, check_mode=True),
    )
    assert checked["changed"]
    assert without_changed(checked) == without_changed(created)
    assert created["diff"][0]["after"]["maxmemory"] == "64mb"
    assert (again["changed"], again["actions"], again["diff"]) == (False, [], [])
    assert not still["changed"]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (cache.conf, cache.data)} == {
        "redis.conf": "0o640",
        "data": "0o750",
    }
    assert cache.start().config_get("save") == {"save": "900 1 300 10"}


def test_what_can_change_at_run_time_does(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.start(maxmemory="64mb", maxmemory_policy="noeviction")
    pid, run_id = cache.pid, cache.run_id
    wanted = cache.config(maxmemory="128mb", maxmemory_policy="allkeys-lru", hz=20)

    conf = cache.conf.read_bytes()
    checked = ansible("redis_config", wanted, check_mode=True, diff=True)
    assert (cache.conf.read_bytes(), cache.live("maxmemory")) == (conf, str(64 << 20))

    done, again = ansible.play(task("redis_config", wanted, diff=True), task("redis_config", wanted))
    assert without_changed(checked) == without_changed(done)
    assert done["diff"][0]["before"]["maxmemory"] == "64mb"
    assert done["diff"][0]["after"]["maxmemory"] == "128mb"
    assert done["instances"][0]["restart_required"] == []
    assert done["instances"][0]["running"]
    assert not again["changed"]
    assert (cache.live("maxmemory"), cache.live("maxmemory-policy"), cache.live("hz")) == (
        str(128 << 20),
        "allkeys-lru",
        "20",
    )
    assert (cache.pid, cache.run_id) == (pid, run_id)

    # And at the next start it is the same.
    cache.restart()
    assert (cache.live("maxmemory"), cache.live("hz")) == (str(128 << 20), "20")


def test_what_needs_a_restart_is_reported_until_there_was_one(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.start()
    pid = cache.pid
    wanted = cache.config(databases=4, tcp_backlog=200, hz=30)
    written, again, dummy, after = ansible.play(
        task("redis_config", wanted),
        task("redis_config", wanted),
        task("redis_process", cache.process("restarted")),
        task("redis_config", wanted),
    )
    assert written["changed"]
    assert [result["changed"] for result in (again, after)] == [False, False]
    required = [result["instances"][0]["restart_required"] for result in (written, again, after)]
    assert required == [["databases", "tcp-backlog"], ["databases", "tcp-backlog"], []]
    assert cache.live("databases") == "4"
    assert cache.pid != pid


def test_a_file_that_redis_has_rewritten_is_no_difference(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    wanted = {
        **cache.config(
            maxmemory="1gb",
            repl_backlog_size="2m",
            save=["900 1", "300 10"],
            hash_max_ziplist_entries=64,
            list_max_ziplist_size=-1,
            client_output_buffer_limit=["normal 1mb 512kb 30", "replica 256mb 64mb 60"],
            notify_keyspace_events="KEA",
            latency_tracking_info_percentiles="50 99.5",
            appendonly="Yes",
            appenddirname="my aof",
            proc_title_template="{title} {listen-addr}",
            bind=["127.0.0.1", "-::1"],
            oom_score_adj_values=[0, 200, 800],
            pidfile=str(cache.home / "run/redis.pid"),
        ),
        "secret_directives": {"masterauth": 'with "quotes" and spaces'},
        "purge": True,
    }
    ansible.play(task("redis_config", wanted), task("redis_process", cache.process()))
    written = cache.conf.read_text()
    client = cache.client()
    client.config_rewrite()
    assert cache.conf.read_text() != written

    live, dummy, stopped = ansible.play(
        task("redis_config", wanted, diff=True),
        task("redis_process", cache.process("stopped")),
        task("redis_config", wanted, diff=True),
    )
    assert live["diff"] == []
    assert live["instances"][0] == {**live["instances"][0], "changed": False, "restart_required": []}
    assert stopped["diff"] == []


def test_what_redis_owns_survives(ansible: Ansible, instance: MakeInstance) -> None:
    primary, replica = instance("primary"), instance("replica")
    primary.start()
    client = replica.start()
    client.replicaof(primary.host, primary.port)
    client.acl_setuser("app", enabled=True, nopass=True, keys=["*"])
    client.config_rewrite()
    assert "# Generated by CONFIG REWRITE" in replica.conf.read_text()

    changed, again = ansible.play(
        task("redis_config", {**replica.config(maxmemory="64mb"), "purge": True}),
        task("redis_config", {**replica.config(maxmemory="64mb"), "purge": True}),
    )
    assert (changed["changed"], again["changed"]) == (True, False)
    text = replica.conf.read_text()
    assert f"replicaof {primary.host} {primary.port}" in text
    assert "user app on nopass" in text
    assert client.info("replication")["role"] == "slave"

    client = replica.restart()
    assert client.info("replication")["master_port"] == primary.port
    assert "app" in client.acl_users()
    client.config_rewrite()
    assert ansible("redis_config", {**replica.config(maxmemory="64mb"), "purge": True}, diff=True)["diff"] == []


def test_changes_by_hand_are_taken_back(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    client = cache.start(maxmemory="64mb")
    client.config_set("maxmemory", "65mb")  # managed
    client.config_set("maxmemory-samples", 7)  # not managed
    with cache.conf.open("a") as file:
        file.write("slowlog-max-len 5\nhash-max-ziplist-entries 7\n# a comment\n")

    kept, kept_again, purged, purged_again = ansible.play(
        task("redis_config", cache.config(maxmemory="64mb")),
        task("redis_config", cache.config(maxmemory="64mb")),
        task("redis_config", {**cache.config(maxmemory="64mb"), "purge": True}, diff=True),
        task("redis_config", {**cache.config(maxmemory="64mb"), "purge": True}),
    )
    assert kept["actions"] == ["cache: CONFIG SET maxmemory"]
    assert purged["diff"][0]["before"] == {
        "maxmemory-samples (live)": "7",
        "slowlog-max-len": "5",
        "hash-max-listpack-entries": "7",
    }
    assert (kept_again["changed"], purged_again["changed"]) == (False, False)
    assert (cache.live("maxmemory"), cache.live("maxmemory-samples")) == (str(64 << 20), "5")
    text = cache.conf.read_text()
    assert "slowlog-max-len" not in text
    assert "ziplist" not in text
    assert "# a comment" in text


def test_a_mistake_is_refused_before_any_instance_changes(ansible: Ansible, instance: MakeInstance) -> None:
    mistakes: list[tuple[dict[str, str], list[str]]] = [
        ({"maxmemroy": "1gb"}, ["maxmemroy", "did you mean maxmemory"]),
        ({"maxmemory": "lots"}, ["maxmemory", "'lots'"]),
        ({"appendfsync": "sometimes"}, ["appendfsync", "everysec"]),
        ({"replicaof": "127.0.0.1 1"}, ["replicaof", "redis_replication"]),
        ({"masterauth": SECRET}, ["masterauth", "secret_directives"]),
        # Only the private server finds this one.
        ({"loadmodule": "/nonexistent/module.so"}, ["/nonexistent/module.so"]),
    ]
    cache, sessions = instance("cache"), instance("sessions")
    cache.start(hz=10)
    before = files_below(cache.conf), files_below(sessions.home)
    results = ansible.failures(
        *(
            task("redis_config", {"instances": [cache.config(hz=20), sessions.config(**directive)]})
            for directive, dummy in mistakes
        )
    )
    for result, (directive, words) in zip(results, mistakes, strict=True):
        message = result["msg"]
        assert [word for word in ["instance sessions", *words] if word not in message] == [], f"{directive}: {message}"
        assert SECRET not in message
        assert not result["changed"]
    assert cache.live("hz") == "10"
    assert (files_below(cache.conf), files_below(sessions.home)) == before


def test_a_directive_of_a_later_version_is_refused_on_an_older_one(
    ansible: Ansible, instance: MakeInstance, redis_version: tuple[int, int]
) -> None:
    cache = instance()
    wanted = cache.config(max_new_connections_per_cycle=20)  # since 7.4
    if redis_version >= (7, 4):
        ansible.play(task("redis_config", wanted), task("redis_process", cache.process()))
        assert cache.live("max-new-connections-per-cycle") == "20"
    else:
        message = ansible.failure("redis_config", wanted)
        assert "max-new-connections-per-cycle: exists only from Redis 7.4 on, and this is 7.0" in message
        assert not cache.conf.exists()


def test_secrets_stay_out_of_every_output(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.start()
    cache.client().config_set("masterauth", OLD_SECRET)
    cache.client().config_rewrite()
    secret = {"secret_directives": {"masterauth": SECRET, "tls-key-file-pass": SECRET}}
    run = ansible.run(
        task("redis_config", {**cache.config(), **secret}),
        task("redis_config", {"instances": [{**cache.config(), **secret}]}),
        task("redis_config", {**cache.config(), **secret, "purge": True}),
        # Refusals of every kind, with a secret beside or inside what is wrong.
        task("redis_config", {**cache.config(hz="fast"), **secret}),
        task("redis_config", {**cache.config(loadmodule="/nonexistent"), **secret}),
        task("redis_config", {**cache.config(), "secret_directives": {"masterauht": SECRET}}),
        arguments=["-vvv", "--diff"],
    )
    assert [result["failed"] for result in run.results[:5]] == [False, False, False, True, True]
    assert "masterauth" in run.output
    leaks = [line for line in run.output.splitlines() if SECRET in line or OLD_SECRET in line]
    assert leaks == []
    assert SECRET not in str(run.results)
    assert OLD_SECRET not in str(run.results)
    assert f"masterauth {SECRET}" in cache.conf.read_text()


def test_a_secret_is_never_readable_by_others_not_even_while_it_is_written(
    ansible: Ansible, instance: MakeInstance
) -> None:
    cache, loose = instance("cache"), instance("loose")
    loose.configure()
    loose.conf.chmod(0o644)  # as CONFIG REWRITE leaves it where the umask is 022
    before = loose.conf.stat().st_ino
    seen: set[tuple[str, int]] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for directory in (cache.home, loose.home):
                for entry in os.scandir(directory):
                    with contextlib.suppress(FileNotFoundError):
                        if entry.inode() != before:
                            seen.add((entry.name, stat.S_IMODE(entry.stat().st_mode)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        secret = {"secret_directives": {"masterauth": SECRET}}
        ansible.run(
            task("redis_config", {**cache.config(), **secret}),
            task("redis_config", {**cache.config(hz=20), **secret, "mode": "0600"}),
            task("redis_config", {**loose.config(), **secret}),
            umask=0,
        )
    finally:
        done.set()
        watcher.join()
    assert {mode for name, mode in seen if name == "redis.conf"} == {0o640, 0o600}
    assert [(name, oct(mode)) for name, mode in sorted(seen) if mode & 0o007] == []
    assert [path.name for path in cache.home.iterdir() if path.name.startswith(".")] == []


def test_several_instances_are_one_call(ansible: Ansible, instance: MakeInstance) -> None:
    cache, sessions = instance("cache"), instance("sessions")
    cache.start(maxmemory="64mb")
    call = {
        "instances": [cache.config(maxmemory="64mb"), sessions.config(appendonly=True)],
        "secret_directives": {"masterauth": SECRET},
    }
    first, second = ansible.play(task("redis_config", call), task("redis_config", call))
    assert [(one["name"], one["changed"], one["running"]) for one in first["instances"]] == [
        ("cache", True, True),
        ("sessions", True, False),
    ]
    assert not second["changed"]
    assert cache.live("masterauth") == SECRET
    assert f"masterauth {SECRET}" in sessions.conf.read_text()


def test_a_running_instance_moves_to_another_port(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance()
    cache.start()
    run_id = cache.run_id
    cache.close()
    cache.port = instance("elsewhere").port
    moved, again = ansible.play(task("redis_config", cache.config()), task("redis_config", cache.config()))
    assert moved["instances"][0]["restart_required"] == []
    assert not again["changed"]
    assert cache.run_id == run_id


def test_a_cluster_node_moves_to_another_port_at_its_restart(ansible: Ansible, instance: MakeInstance) -> None:
    node = instance()
    node.start(cluster_enabled="yes")
    node.close()
    old, node.port = node.port, instance("elsewhere").port
    wanted = node.config(cluster_enabled=True)
    written, again, dummy, after = ansible.play(
        task("redis_config", wanted),
        task("redis_config", {**wanted, "login_port": old}),
        task("redis_process", {**node.process("restarted")}),
        task("redis_config", wanted),
    )
    required = [result["instances"][0]["restart_required"] for result in (written, again, after)]
    assert required == [["port"], ["port"], []]
    assert (again["changed"], after["changed"]) == (False, False)


def test_a_server_that_cannot_be_asked_is_an_error_and_no_guess(ansible: Ansible, instance: MakeInstance) -> None:
    locked, hung = instance("locked", secured=True), instance("hung")
    locked.start(hz=10)
    hung.start(hz=10)
    before = locked.conf.read_text(), hung.conf.read_text()
    os.kill(hung.pid, signal.SIGSTOP)
    impatient = {"command_timeout": 0.3, "connect_timeout": 0.3}
    wrong, unknown, nobody, silent = ansible.failures(
        task("redis_config", {**locked.config(hz=20), "login_password": "wrong"}),
        task("redis_config", {**locked.config(hz=20), "login_user": "nobody-here"}),
        task("redis_config", {**locked.config(hz=20), "login_user": None, "login_password": None}),
        task("redis_config", {**hung.config(hz=20), **impatient}),
    )
    os.kill(hung.pid, signal.SIGCONT)
    assert f"{locked.address} does not let user 'admin'" in wrong["msg"]
    assert f"{locked.address} does not let user 'nobody-here'" in unknown["msg"]
    assert f"{locked.address} does not let user 'default'" in nobody["msg"]
    assert all("login_password" in result["msg"] for result in (wrong, unknown, nobody))
    assert f"{hung.address} does not answer PING in time" in silent["msg"]
    assert [result["changed"] for result in (wrong, unknown, nobody, silent)] == [False] * 4
    assert (locked.conf.read_text(), hung.conf.read_text()) == before


def interrupt_and_finish(ansible: Ansible, instance: MakeInstance, delay: float) -> None:
    """Two instances, one of them running; killed on the way, then run again."""
    cache, sessions = instance("cache"), instance("sessions")
    cache.start(maxmemory="64mb", hz=10)
    run_id = cache.run_id
    wanted = {
        "instances": [cache.config(maxmemory="128mb", hz=20, databases=8), sessions.config(appendonly=True)],
        "secret_directives": {"masterauth": SECRET},
        "purge": True,
    }
    ansible.cut_off(task("redis_config", wanted), after=delay)
    for one in (cache, sessions):
        if one.conf.exists():
            assert one.conf.read_text().endswith("\n")  # the old text or the new one, never a part
    finished, again = ansible.play(task("redis_config", wanted), task("redis_config", wanted))
    assert not again["changed"]
    assert finished["instances"][0]["restart_required"] == ["databases"]
    assert cache.run_id == run_id
    assert (cache.live("maxmemory"), cache.live("hz")) == (str(128 << 20), "20")
    sessions.start()
    assert sessions.live("appendonly") == "yes"


def test_a_run_that_was_killed_is_finished_by_the_next(ansible: Ansible, instance: MakeInstance) -> None:
    interrupt_and_finish(ansible, instance, random.Random(1).uniform(0.3, 0.8))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_runs_killed_at_any_time_are_finished_by_the_next(ansible: Ansible, instance: MakeInstance, seed: int) -> None:
    interrupt_and_finish(ansible, instance, random.Random(seed).uniform(0.2, 1.2))
