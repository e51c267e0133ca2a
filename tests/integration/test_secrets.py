# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No password reaches a command line, a log at -vvvv, a diff, or a file that others can read.

One story is told with everything on: the quickstart, which makes its own passwords, and an inventory with given ones,
each in a first run, the inventory's also with passwords that change, and both in runs that fail. Then it is searched.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from quickstart_run import PORTS, Clone, Run, a_clone, client_of, own_loopback
from secret_watch import Watch, found_in_files, found_in_journal, names_in, readable_by_others

VERBOSE = ("-vvvv", "--diff")
STORE = 7310
USERS = ("admin", "replication", "health", "app")
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


class Given:
    """A password that quoting cannot hide: whatever becomes of its rim, its middle stays as it is."""

    def __init__(self) -> None:
        self.middle = secrets.token_hex(12)
        self.text = f"'{self.middle}\" #\\é $HOME"


@dataclass
class Story:
    """What was said, and what there was to be kept secret."""

    directory: Path
    watch: Watch
    began: float
    secrets: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    log: str = ""
    kept: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def story(redis_server: str) -> Iterator[Story]:
    with own_loopback(), a_clone(redis_server) as clone:
        top = clone.path.parent
        clone.environment["ANSIBLE_LOG_PATH"] = str(top / "ansible.log")
        # Modules' options, secrets among them: by itself the newest ansible-core does not print them.
        clone.environment["ANSIBLE_INJECT_INVOCATION"] = "true"
        trees = (clone.quickstart, clone.path / "site", clone.home, top / "tmp")
        with Watch(*trees) as watch:
            told = Story(top, watch, time.time())
            tell_of_the_quickstart(clone, told)
            tell_of_an_inventory(clone, told)
        told.log = (top / "ansible.log").read_text()
        yield told


# The story


def tell_of_the_quickstart(clone: Clone, story: Story) -> None:
    story.runs["quickstart"] = clone.make("quickstart", *VERBOSE).succeeded()
    secret = clone.quickstart / "secret"
    seed = secret.read_text()
    story.secrets |= derived_from(seed, "quickstart")
    users = clone.connections()["cluster"]["users"]
    assert {seed, *users.values()} == set(story.secrets.values())
    for port in PORTS.values():
        with clone.client(port) as client:
            client.config_set("maxclients", "1000")
            client.config_rewrite()
            client.acl_save()
    keep(story, clone.quickstart)

    # With another seed no password is right any more.
    wrong = secrets.token_hex(32)
    story.secrets |= derived_from(wrong, "wrong quickstart")
    secret.write_text(wrong)
    story.runs["quickstart with wrong passwords"] = clone.make("quickstart", *VERBOSE)
    secret.write_text(seed)
    story.runs["quickstart-down"] = clone.make("quickstart-down", *VERBOSE).succeeded()


def tell_of_an_inventory(clone: Clone, story: Story) -> None:
    site = clone.path / "site"
    site.mkdir()
    passwords = {user: Given() for user in USERS}

    def play(name: str, **users: t.Any) -> Run:
        story.secrets |= {f"{user}'s password ({name})": one.middle for user, one in passwords.items()}
        run = play_site(clone, site, passwords, **users)
        story.runs[name] = run
        return run

    play("first run").succeeded()
    assert may_log_in(passwords["app"])

    before = passwords["app"]
    passwords |= {user: Given() for user in ("app", "replication", "health")}
    play("changed passwords").succeeded()
    assert may_log_in(passwords["app"])
    assert not may_log_in(before)
    with client_of(STORE, username="admin", password=passwords["admin"].text) as client:
        # The password that replication logs in with is in this very file.
        assert client.config_get("masterauth")["masterauth"] == passwords["replication"].text
        client.config_set("maxclients", "1000")
        client.config_rewrite()
        client.acl_save()
    keep(story, site)

    play("bad rule", app={"rules": ["+nosuchcommand"]})
    play("bad type", app={"preset": ["app_cache"]})
    right = passwords["admin"]
    passwords["admin"] = Given()
    play("wrong password")
    passwords["admin"] = right


def play_site(clone: Clone, site: Path, passwords: t.Mapping[str, Given], **users: t.Any) -> Run:
    app = {"name": "app", "preset": "app_cache", "passwords": [passwords["app"].text], **users.get("app", {})}
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": clone.python,
        "redis_become": False,
        "redis_server_service_manager": "process",
        "redis_server_kernel": False,
        "redis_server_user": "",
        "redis_server_group": "",
        "redis_server_config_directory": f"{site}/etc",
        "redis_server_data_directory": f"{site}/data",
        "redis_server_log_directory": f"{site}/log",
        **{f"redis_server_{user}_password": passwords[user].text for user in ("admin", "replication", "health")},
        "redis_server_instances": [
            {"name": "store", "port": STORE, "directives": {"appendonly": True, "maxmemory": "32mb"}, "users": [app]}
        ],
    }
    inventory = clone.path.parent / "inventory.json"
    inventory.touch(0o600)
    inventory.write_text(json.dumps({"redis_standalone": {"hosts": {"here": variables}}}))
    return clone.run(
        *(".venv/bin/ansible-playbook", "-i", str(inventory), *VERBOSE, "microservices.redis.site"),
        ANSIBLE_CONFIG=str(clone.path / "ansible.cfg"),
        ANSIBLE_COLLECTIONS_PATH=str(clone.path / ".build/collections"),
        # As it is without our ansible.cfg: the modules and their options go through files.
        ANSIBLE_PIPELINING="false",
    )


def derived_from(seed: str, name: str) -> dict[str, str]:
    """The seed of a quickstart and the passwords that follow from it."""
    passwords = {user: hashlib.sha256(f"{seed}{user}".encode()).hexdigest() for user in USERS}
    return {f"the seed ({name})": seed, **{f"{user}'s password ({name})": one for user, one in passwords.items()}}


def keep(story: Story, directory: Path) -> None:
    """What lies there after the servers have rewritten their files, which they do with rights of their own choice."""
    written = [
        path.name for path in (directory / "etc").glob("*.conf") if "Generated by CONFIG REWRITE" in path.read_text()
    ]
    assert written, "no configuration was rewritten"
    story.kept += found_in_files(story.secrets, readable_by_others(directory, even_behind_doors=True))


def may_log_in(password: Given) -> bool:
    with client_of(STORE, username="app", password=password.text) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False


# What it comes to


def test_the_story_went_as_told(story: Story) -> None:
    """Else nothing would be proven: the passwords are those in use, the output is verbose, and the failures fail."""
    for name in ("quickstart with wrong passwords", "wrong password"):
        assert "does not let user 'admin'" in story.runs[name].refused()
    assert "nosuchcommand" in story.runs["bad rule"].refused()
    assert "app_cache" in story.runs["bad type"].refused()
    for run in story.runs.values():
        assert "EXEC" in run.output, "this is not -vvvv"
    assert story.log.count("TASK [") == sum(run.output.count("TASK [") for run in story.runs.values())
    for name in ("quickstart", "first run", "changed passwords"):
        assert HIDDEN in story.runs[name].output
        assert "+++ after" in story.runs[name].output
    assert len(set(story.secrets.values())) >= 2 * (1 + len(USERS)) + len(USERS) + 3 + 1


def test_no_process_was_given_a_secret(story: Story) -> None:
    seen = b"\n".join(story.watch.command_lines)
    assert b"redis-server" in seen
    assert b"ansible-playbook" in seen
    assert [hit for hit in story.watch.hits(story.secrets) if "arguments" in hit] == []


def test_no_output_shows_a_secret(story: Story) -> None:
    assert {name: names_in(run.output.encode(), story.secrets) for name, run in story.runs.items()} == {
        name: [] for name in story.runs
    }
    assert names_in(story.log.encode(), story.secrets) == []


def test_no_file_that_others_can_read_held_a_secret_meanwhile(story: Story) -> None:
    assert [hit for hit in story.watch.hits(story.secrets) if "arguments" not in hit] == []


def test_no_file_that_others_can_read_holds_a_secret_afterwards(story: Story) -> None:
    places = [
        story.directory,
        Path(tempfile.gettempdir()),
        Path.home() / ".ansible",
        Path("/var/log"),
        Path("/var/tmp"),
    ]
    files = {path for place in places for path in readable_by_others(place, since=story.began)}
    assert story.directory / "ansible.log" in files
    assert found_in_files(story.secrets, files) == []
    assert found_in_journal(story.secrets, story.began) == []


def test_what_redis_wrote_itself_is_closed_too(story: Story) -> None:
    assert story.kept == []


# Would it be found?


def test_planted_secrets_are_found() -> None:
    planted = {"the password": secrets.token_hex(12)}
    [secret] = planted.values()
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        tree.chmod(0o755)
        closed = tree / "closed"
        closed.mkdir(0o700)
        with Watch(tree) as watch:
            command = [sys.executable, "-c", "input()", secret]
            with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
                for path, mode in ((tree / "open", 0o644), (tree / "mine", 0o640), (closed / "open", 0o644)):
                    path.write_text(f"masterauth {secret}\n")
                    path.chmod(mode)
                (tree / "AnsiballZ_x.py").touch(0o644)
                behind_doors = found_in_files(planted, readable_by_others(tree, even_behind_doors=True))
                watch.await_round()
                (tree / "open").unlink()
                process.communicate("\n")
        assert watch.hits(planted) == [
            f"the password in the arguments of {sys.executable}",
            f"the options of a module, encoded, in {tree}/AnsiballZ_x.py, which others can read",
            f"the password in {tree}/open, which others can read",
        ]
        assert sorted(behind_doors) == [
            f"the password in {closed}/open, which others can read",
            f"the password in {tree}/open, which others can read",
        ]
        assert found_in_files(planted, readable_by_others(closed)) == []
        assert found_in_files(planted, readable_by_others(tree, since=time.time() + 60)) == []
