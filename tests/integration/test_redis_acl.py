# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_acl brings the users of an instance to the wanted set, in its aclfile and live, touching only what differs."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import stat
import typing as t

import pytest
import redis
from playbook_runs import Ansible, task
from redis_instances import PASSWORDS, Instance

MakeInstance = t.Callable[..., Instance]
User = dict[str, object]

ADMIN: User = {"name": "admin", "preset": "admin", "passwords": [PASSWORDS["admin"]]}
# Every kind of rule, in a spelling that no Redis uses itself.
APP: User = {
    "name": "app",
    "passwords": [PASSWORDS["app"]],
    "rules": [
        "~app:*",
        "%R~shared:*",
        "&app:*",
        "+@all -@dangerous +info -@scripting +config|get",
        "(~orders:* +get +set) (%W~log:* +append)",
    ],
}
READER: User = {"name": "reader", "rules": ["~*", "+get"], "passwords": ["reader-Pw5"]}


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def users(instance: Instance) -> list[str]:
    return sorted(instance.client().acl_users())


def can_log_in(instance: Instance, user: str, password: str) -> bool:
    try:
        instance.client(user, password).ping()
    except redis.AuthenticationError:
        return False
    except redis.exceptions.NoPermissionError:
        pass  # in, but may not do this
    return True


def denials(instance: Instance) -> list[str]:
    return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in instance.client().acl_log()]


@pytest.fixture
def secured(instance: MakeInstance) -> Instance:
    """A running instance with an administrator, default switched off, and nobody else."""
    made = instance(secured=True)
    made.start()
    return made


def test_seeding_before_the_first_start(ansible: Ansible, instance: MakeInstance) -> None:
    cache = instance(secured=True)
    wanted = {**cache.acl(ADMIN, APP), "purge": True}
    checked = ansible("redis_acl", wanted, check_mode=True, diff=True)
    assert not cache.aclfile.exists()

    seeded, again = ansible.play(task("redis_acl", wanted, diff=True), task("redis_acl", wanted))
    assert (checked["changed"], checked["actions"], checked["diff"]) == (True, seeded["actions"], seeded["diff"])
    assert not seeded["instances"][0]["running"]
    assert not again["changed"]
    assert oct(stat.S_IMODE(cache.aclfile.stat().st_mode)) == "0o640"
    text = cache.aclfile.read_text()
    assert [line.split()[1:3] for line in text.splitlines()] == [["default", "off"], ["admin", "on"], ["app", "on"]]
    assert digest(PASSWORDS["app"]) in text
    assert [password for password in PASSWORDS.values() if password in text] == []

    cache.start()
    live, respelled = ansible.play(
        task("redis_acl", wanted, diff=True),
        # The same rights, said otherwise.
        task("redis_acl", {**cache.acl(ADMIN, {**APP, "rules": " ".join(t.cast("list[str]", APP["rules"]))})}),
    )
    assert live["diff"] == []
    assert live["instances"][0] == {
        "name": "cache",
        "changed": False,
        "running": True,
        "users": ["admin", "app", "default"],
    }
    assert not respelled["changed"]
    app = cache.client("app")
    assert app.set("app:1", "x")
    assert app.get("shared:1") is None
    assert app.set("orders:1", "x")
    for command in (("SET", "shared:1", "x"), ("GET", "log:1"), ("EVAL", "return 1", 0), ("FLUSHALL",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            app.execute_command(*command)
    assert not can_log_in(cache, "default", "anything")


def test_only_users_that_differ_are_touched(ansible: Ansible, secured: Instance) -> None:
    before = {**secured.acl(ADMIN, APP, READER), "purge": True}
    ansible("redis_acl", before)
    app, reader = (secured.client(str(user["name"]), user["passwords"][0]).connection_pool for user in (APP, READER))
    held = {pool: pool.get_connection() for pool in (app, reader)}
    reader_subscription = secured.client("app").pubsub()
    reader_subscription.subscribe("app:news")

    wider = {**READER, "rules": ["~*", "+get", "+mget"]}
    checked, changed = ansible.play(
        task("redis_acl", {**before, "users": [ADMIN, APP, wider]}, check_mode=True),
        task("redis_acl", {**before, "users": [ADMIN, APP, wider]}, diff=True),
    )
    assert checked["actions"] == changed["actions"]
    assert changed["actions"] == [f"cache: write {secured.aclfile}", "cache: ACL SETUSER reader"]
    assert list(changed["diff"][0]["after"]) == ["user reader"]

    deleted = ansible("redis_acl", {**before, "users": [ADMIN, APP]})
    assert deleted["actions"] == [f"cache: write {secured.aclfile}", "cache: ACL DELUSER reader"]
    assert users(secured) == ["admin", "app", "default"]
    assert "reader" not in secured.aclfile.read_text()

    # Nobody has dropped the connections of the user who stayed as she was.
    held[app].send_command("PING")
    assert held[app].read_response() == "PONG"
    assert reader_subscription.get_message(timeout=1)["type"] == "subscribe"
    secured.client().publish("app:news", "hello")
    assert reader_subscription.get_message(timeout=1)["data"] == "hello"
    held[reader].send_command("PING")
    with pytest.raises(redis.ConnectionError):
        held[reader].read_response()
    for pool, connection in held.items():
        pool.release(connection)
    reader_subscription.close()


def test_users_that_are_not_listed_stay_unless_purged(ansible: Ansible, secured: Instance) -> None:
    secured.client().acl_setuser("byhand", enabled=True, passwords="+byhand-Pw", keys=["*"], commands=["+get"])
    secured.client().acl_save()
    added, again, purged, purged_again = ansible.play(
        task("redis_acl", secured.acl(ADMIN, APP)),
        task("redis_acl", secured.acl(ADMIN, APP)),
        task("redis_acl", {**secured.acl(ADMIN, APP), "purge": True}, check_mode=True, diff=True),
        task("redis_acl", secured.acl(ADMIN, APP)),
    )
    assert [result["changed"] for result in (added, again, purged, purged_again)] == [True, False, True, False]
    assert "user byhand" in purged["diff"][0]["before"]
    assert "user byhand" not in purged["diff"][0]["after"]
    assert "byhand" in secured.aclfile.read_text()
    assert can_log_in(secured, "byhand", "byhand-Pw")

    ansible("redis_acl", {**secured.acl(ADMIN, APP), "purge": True})
    assert users(secured) == ["admin", "app", "default"]
    secured.restart()
    assert users(secured) == ["admin", "app", "default"]


def test_drift_is_repaired_where_it_is(ansible: Ansible, secured: Instance) -> None:
    wanted = {**secured.acl(ADMIN, APP), "purge": True}
    ansible("redis_acl", wanted)
    written = secured.aclfile.read_text()
    client = secured.client()

    # In the running server only.
    client.execute_command("ACL", "SETUSER", "app", "+flushall", "~*")
    client.execute_command("ACL", "SETUSER", "default", "on", "nopass", "+@all", "~*")
    live = ansible("redis_acl", wanted)
    assert live["actions"] == ["cache: ACL SETUSER default", "cache: ACL SETUSER app"]
    assert secured.aclfile.read_text() == written
    assert not can_log_in(secured, "default", "anything")

    # In the file only.
    secured.aclfile.write_text(written.replace("user app on", "user app off") + "user intruder on nopass ~* +@all\n")
    filed = ansible("redis_acl", wanted)
    assert filed["actions"] == [f"cache: write {secured.aclfile}"]
    assert secured.aclfile.read_text() == written

    # The server's own spelling is no drift.
    client.acl_save()
    assert secured.aclfile.read_text() != written
    saved = ansible("redis_acl", wanted, diff=True)
    assert saved["diff"] == []
    client.acl_load()
    assert ansible("redis_acl", wanted, diff=True)["diff"] == []


def test_rules_are_compared_by_a_private_server_while_the_instance_is_stopped(
    ansible: Ansible, secured: Instance
) -> None:
    wanted = {**secured.acl(ADMIN, APP), "purge": True}
    ansible("redis_acl", wanted)
    secured.client().acl_save()
    secured.stop()
    same, narrower = ansible.play(
        task("redis_acl", wanted, diff=True),
        task("redis_acl", {**wanted, "users": [ADMIN, {**APP, "rules": ["~app:*", "+get"]}]}, diff=True),
    )
    assert same["diff"] == []
    assert narrower["actions"] == [f"cache: write {secured.aclfile}"]
    assert list(narrower["diff"][0]["after"]) == ["user app"]
    secured.start()
    with pytest.raises(redis.exceptions.NoPermissionError):
        secured.client("app").set("app:1", "x")


def test_passwords_rotate_side_by_side(ansible: Ansible, secured: Instance) -> None:
    old, new = PASSWORDS["app"], "app-Pw-next"
    wanted = secured.acl(ADMIN, APP)
    ansible("redis_acl", wanted)
    app = secured.client("app")
    assert app.set("app:1", "x")
    number = app.client_id()

    both = ansible("redis_acl", {**wanted, "users": [ADMIN, {**APP, "passwords": [old, new]}]})
    assert both["changed"]
    assert (can_log_in(secured, "app", old), can_log_in(secured, "app", new)) == (True, True)

    hashed = {key: value for key, value in APP.items() if key != "passwords"}
    only_new, again = ansible.play(
        task("redis_acl", {**wanted, "users": [ADMIN, {**APP, "passwords": [new]}]}, diff=True),
        task("redis_acl", {**wanted, "users": [ADMIN, {**hashed, "password_hashes": [digest(new)]}]}),
    )
    assert "1 password" in only_new["diff"][0]["after"]["user app"]
    assert not again["changed"]
    assert (can_log_in(secured, "app", old), can_log_in(secured, "app", new)) == (False, True)
    assert app.client_id() == number

    off = {**hashed, "password_hashes": [digest(new)], "enabled": False}
    ansible("redis_acl", {**wanted, "users": [ADMIN, off]})
    assert not can_log_in(secured, "app", new)


def test_default_can_be_wanted_too(ansible: Ansible, secured: Instance) -> None:
    default = {"name": "default", "rules": ["~*", "+@read"], "passwords": ["default-Pw"]}
    first, again = ansible.play(
        task("redis_acl", {**secured.acl(ADMIN, default), "purge": True}),
        task("redis_acl", {**secured.acl(ADMIN, default), "purge": True}),
    )
    assert (first["changed"], again["changed"]) == (True, False)
    assert can_log_in(secured, "default", "default-Pw")
    assert secured.aclfile.read_text().count("user default ") == 1


def test_a_mistake_is_refused_before_any_instance_changes(
    ansible: Ansible, secured: Instance, instance: MakeInstance
) -> None:
    mistakes: list[tuple[User, str]] = [
        ({"name": "app", "rules": ["+no-such-command"], "passwords": ["x"]}, "user app: "),
        ({"name": "app", "rules": ["~app:*", "nonsense"], "passwords": ["x"]}, "user app: "),
        ({"name": "app", "rules": [">in-the-open"], "passwords": ["x"]}, "user app: rule >... does not belong"),
        ({"name": "app", "rules": ["+get"]}, "user app: has no password"),
        ({"name": "app", "password_hashes": ["abc"]}, "user app: a password hash is"),
        ({"name": "two words", "passwords": ["x"]}, "user 'two words'"),
    ]
    other = instance("other", secured=True)
    before = secured.aclfile.read_text()
    results = ansible.failures(
        *(
            task("redis_acl", {"instances": [secured.acl(ADMIN, READER), other.acl(ADMIN, user)]})
            for user, dummy in mistakes
        )
    )
    for result, (user, words) in zip(results, mistakes, strict=True):
        assert words in result["msg"], user
        assert "in-the-open" not in result["msg"]
        assert not result["changed"]
    assert (users(secured), secured.aclfile.read_text()) == (["admin", "default"], before)
    assert not other.aclfile.exists()


def test_locking_oneself_out_is_refused(ansible: Ansible, secured: Instance, instance: MakeInstance) -> None:
    unsecured = instance("unsecured")
    unsecured.start()
    before = secured.aclfile.read_text()
    absent, off, powerless, default = (
        result["msg"]
        for result in ansible.failures(
            task("redis_acl", {**secured.acl(APP), "purge": True}),
            task("redis_acl", secured.acl({**ADMIN, "enabled": False})),
            task("redis_acl", secured.acl({"name": "admin", "rules": ["~*", "+@all", "-@admin"], "passwords": ["x"]})),
            task("redis_acl", unsecured.acl(ADMIN)),
        )
    )
    assert "login_user admin is not among users" in absent
    assert "login_user admin is to be switched off" in off
    assert "login_user admin has no rule that allows ACL SETUSER" in powerless
    assert "login_user default is to be switched off" in default
    assert (users(secured), secured.aclfile.read_text()) == (["admin", "default"], before)
    assert (users(unsecured), unsecured.aclfile.exists()) == (["default"], False)


def test_the_password_of_the_login_itself_can_change(ansible: Ansible, secured: Instance) -> None:
    renewed = secured.acl({**ADMIN, "passwords": ["admin-Pw-next"]})
    changed, again, refused = ansible.run(
        task("redis_acl", renewed),
        task("redis_acl", {**renewed, "login_password": "admin-Pw-next"}),
        task("redis_acl", renewed),
    ).results
    assert (changed["changed"], again["changed"], refused["failed"]) == (True, False, True)
    assert "does not let user 'admin'" in refused["msg"]


def test_a_server_that_hangs_is_not_taken_for_a_stopped_one(ansible: Ansible, secured: Instance) -> None:
    before = secured.aclfile.read_text()
    os.kill(secured.pid, signal.SIGSTOP)
    message = ansible.failure("redis_acl", {**secured.acl(ADMIN, APP), "command_timeout": 0.3})
    os.kill(secured.pid, signal.SIGCONT)
    assert f"{secured.address} does not answer PING in time" in message
    assert secured.aclfile.read_text() == before


def test_no_secret_in_any_output(ansible: Ansible, secured: Instance) -> None:
    ansible("redis_acl", secured.acl(ADMIN, APP))
    hashed = {"name": "app", "rules": ["~*", "+get"], "password_hashes": [digest("next-Pw"), digest("later-Pw")]}
    run = ansible.run(
        task("redis_acl", secured.acl(ADMIN, {**APP, "passwords": ["next-Pw"]})),
        task("redis_acl", secured.acl(ADMIN, hashed)),
        task("redis_acl", {"instances": [{**secured.acl(ADMIN, {**APP, "passwords": ["later-Pw"]}), "name": "x"}]}),
        task("redis_acl", secured.acl(ADMIN, {**APP, "passwords": ["next-Pw"], "rules": ["+nonsense"]})),
        task("redis_acl", {**secured.acl(ADMIN), "login_password": "wrong-Pw"}),
        arguments=["-vvv", "--diff"],
    )
    assert [result["failed"] for result in run.results] == [False, False, False, True, True]
    plain = [PASSWORDS["admin"], PASSWORDS["app"], "next-Pw", "later-Pw", "wrong-Pw"]
    secrets = [*plain, *map(digest, plain)]
    assert [line for line in run.output.splitlines() if any(secret in line for secret in secrets)] == []
    assert [secret for secret in secrets if secret in str(run.results)] == []


def test_the_module_leaves_no_trace_in_the_server(ansible: Ansible, secured: Instance) -> None:
    wanted = secured.acl(ADMIN, APP)
    ansible.play(task("redis_acl", wanted), task("redis_acl", wanted), task("redis_acl", wanted, check_mode=True))
    assert denials(secured) == []
    assert users(secured) == ["admin", "app", "default"]
    ansible.failure("redis_acl", {**wanted, "login_password": "wrong"})
    assert [line for line in denials(secured) if "admin: auth" not in line] == []


def interrupt_and_finish(ansible: Ansible, secured: Instance, delay: float) -> None:
    wanted = {**secured.acl(ADMIN, APP, READER), "purge": True}
    secured.client().acl_setuser("byhand", enabled=True, nopass=True, keys=["*"], commands=["+get"])
    ansible.cut_off(task("redis_acl", wanted), after=delay)
    assert "user default off" in secured.aclfile.read_text()
    assert secured.client().ping()
    dummy, again = ansible.play(task("redis_acl", wanted), task("redis_acl", wanted, diff=True))
    assert again["diff"] == []
    secured.kill()
    secured.start()
    assert users(secured) == ["admin", "app", "default", "reader"]


def test_a_run_that_was_killed_is_finished_by_the_next(ansible: Ansible, secured: Instance) -> None:
    interrupt_and_finish(ansible, secured, random.Random(1).uniform(0.3, 0.8))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_runs_killed_at_any_time_are_finished_by_the_next(ansible: Ansible, secured: Instance, seed: int) -> None:
    interrupt_and_finish(ansible, secured, random.Random(seed).uniform(0.2, 1.2))
