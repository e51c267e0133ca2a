# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask a real server whether the table tells the truth about its version.

REDIS_SERVER names the binary; without it the ``redis-server`` found in PATH is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from ansible_collections.microservices.redis.plugins.module_utils._directive_catalogue import (
    ALL_KEYSPACE_EVENTS,
    CATALOGUE,
    DIRECTIVES,
    ULONG_MAX,
    Directive,
    Kind,
    as_of,
    available,
)

# Security fixes brought it to packages of every version; whether it is there depends on the patch level.
BACKPORTED = {"lua-enable-deprecated-api"}
# What the start of the test's own servers sets.
GIVEN = {"port", "unixsocket"}
NUMBERS = {Kind.INTEGER, Kind.OCTAL, Kind.MEMORY}


class Server:
    """A running redis-server, its version, and the rows that claim to describe it."""

    def __init__(self, binary: str, client: redis.Redis) -> None:
        self.binary = binary
        self.client = client
        self.version = tuple(int(part) for part in client.info("server")["redis_version"].split("."))
        self.rows = [as_of(row, self.version) for row in DIRECTIVES if available(row, self.version)]
        self.shown_rows = [row for row in self.rows if row.in_config_get and not row.hidden]

    def get(self, pattern: str) -> dict[str, str]:
        return {str(name): str(value) for name, value in self.client.config_get(pattern).items()}

    def set(self, name: str, value: str) -> str:
        """Why the server refuses the value; nothing when it accepts it."""
        try:
            self.client.execute_command("CONFIG SET", name, value)
        except redis.ResponseError as error:
            return str(error)
        return ""

    def start_with(self, name: str, value: str) -> str:
        """Why a server refuses to start with the value."""
        with tempfile.TemporaryDirectory(prefix="redis-") as home:
            command = [self.binary, "--port", "0", "--unixsocket", f"{home}/socket", f"--{name}", value]
            stopped = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=10, check=False)
        return stopped.stdout + stopped.stderr

    def refuse(self, row: Directive, value: str) -> str:
        return self.set(row.name, value) if row.mutable else self.start_with(row.name, value)


@contextmanager
def running(binary: str, *options: str, redis_conf: str = "") -> Iterator[Server]:
    # A short path: the system allows sockets no more than about 100 characters.
    with tempfile.TemporaryDirectory(prefix="redis-") as home:
        Path(home, "redis.conf").write_text(redis_conf)
        command = [binary, f"{home}/redis.conf", "--port", "0", "--unixsocket", f"{home}/socket", *options]
        with (
            Path(home, "output").open("w") as output,
            subprocess.Popen(command, cwd=home, stdout=output, stderr=output) as process,
            redis.Redis(unix_socket_path=f"{home}/socket", decode_responses=True) as client,
        ):
            try:
                deadline = time.monotonic() + 10
                while not answers(client):
                    if process.poll() is not None or time.monotonic() > deadline:
                        pytest.fail(f"{command} does not run: {Path(home, 'output').read_text()}")
                    time.sleep(0.02)
                yield Server(binary, client)
            finally:
                process.kill()


def answers(client: redis.Redis) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def binary() -> str:
    wanted = os.environ.get("REDIS_SERVER")
    found = shutil.which(wanted or "redis-server")
    if found is None:
        if wanted:
            pytest.fail(f"REDIS_SERVER={wanted} is no program")
        pytest.skip("no redis-server in PATH, and REDIS_SERVER names none")
    return found


@pytest.fixture
def server(binary: str) -> Iterator[Server]:
    with running(binary) as started:
        yield started


def test_the_names_are_those_of_config_get(server: Server) -> None:
    assert {name for row in server.shown_rows for name in (row.name, *row.aliases)} == set(server.get("*"))


def test_hidden_directives_are_shown_by_name_only(server: Server) -> None:
    hidden = [row for row in server.rows if row.hidden and (row.name not in BACKPORTED or server.get(row.name))]
    assert {row.name: row.default for row in hidden} == {row.name: server.get(row.name).get(row.name) for row in hidden}
    assert not {row.name for row in hidden} & set(server.get("*"))


def test_defaults(server: Server) -> None:
    rows = [row for row in server.shown_rows if row.default is not None and row.name not in GIVEN]
    wanted = {name: row.default for row in rows for name in (row.name, *row.aliases)}
    shown = server.get("*")
    assert wanted == {name: shown[name] for name in wanted}


def test_config_set_accepts_what_is_mutable(server: Server) -> None:
    shown = server.get("*")
    wanted, seen = {}, {}
    for row in server.shown_rows:
        for name in (row.name, *row.aliases):
            reason = (
                "" if row.mutable else "can't set protected config" if row.protected else "can't set immutable config"
            )
            wanted[name] = reason
            seen[name] = server.set(name, shown[name]).partition(" - ")[2]
    assert wanted == seen


def test_protected_directives_are_mutable_where_that_is_allowed(binary: str) -> None:
    with running(binary, "--enable-protected-configs", "yes") as server:
        shown = server.get("*")
        assert [server.set(row.name, shown[row.name]) for row in server.shown_rows if row.protected] == ["", ""]


def test_choices(server: Server) -> None:
    wanted, seen = {}, {}
    for row in server.shown_rows:
        if row.kind in {Kind.ENUM, Kind.FLAGS}:
            stated = re.search("must be one of the following: (.*)", server.refuse(row, "no-such-choice"))
            wanted[row.name] = set(row.choices)
            seen[row.name] = set(stated[1].split(", ")) if stated else set()
    assert wanted == seen


def test_synonyms(server: Server) -> None:
    for row in server.shown_rows:
        for written, shown in row.synonyms:
            assert server.set(row.name, written) == ""
            assert server.get(row.name) == {row.name: shown}


def test_keyspace_events(server: Server) -> None:
    name = "notify-keyspace-events"
    letters = set(map(chr, range(ord("!"), ord("~"))))
    assert {letter for letter in letters if not server.set(name, letter)} == set(CATALOGUE[name].choices)
    assert not server.set(name, ALL_KEYSPACE_EVENTS + "n")
    assert server.get(name) == {name: "A"}


def test_limits(server: Server) -> None:
    """The server states its limits when it refuses a value, or replaces the value by the limit."""
    wanted, seen = {}, {}
    for row in server.rows:
        # Nothing beyond ULONG_MAX can be written, so there the server has no limit to state.
        if row.kind in NUMBERS and row.minimum is not None and row.maximum is not None and row.maximum < ULONG_MAX:
            base = 8 if row.kind is Kind.OCTAL else 10
            wanted[row.name] = (row.minimum, row.maximum)
            limits: list[int | None] = [None, None]
            replaced = {}
            for side, value in enumerate([row.minimum - 1, row.maximum + 1]):
                reason = server.refuse(row, f"{value:o}" if base == 8 else str(value))
                if stated := re.search(r"between (-?\d+) and (\d+) inclusive", reason):
                    limits = [int(limit, base) for limit in stated.groups()]
                elif not reason:
                    replaced[side] = int(server.get(row.name)[row.name])
            seen[row.name] = tuple(replaced.get(side, limit) for side, limit in enumerate(limits))
    assert wanted == seen


def test_the_smallest_value_is_kept(server: Server) -> None:
    rows = [row for row in server.rows if row.mutable and row.minimum is not None and server.get(row.name)]
    assert {row.name: server.set(row.name, str(row.minimum)) for row in rows} == {row.name: "" for row in rows}
    assert {row.name: server.get(row.name)[row.name] for row in rows} == {row.name: str(row.minimum) for row in rows}


def test_redis_conf_accepts_every_value_as_one_quoted_argument(binary: str, server: Server) -> None:
    # The empty replicaof can only be written as "no one".
    rows = [row for row in server.shown_rows if row.default is not None and row.name not in {*GIVEN, "replicaof"}]
    redis_conf = "".join(f'{row.name} "{row.default}"\n' for row in rows)
    with running(binary, redis_conf=redis_conf) as configured:
        shown = configured.get("*")
        assert {row.name: row.default for row in rows} == {row.name: shown[row.name] for row in rows}


def test_repeated_lines_add_up(binary: str) -> None:
    redis_conf = """
        save 900 1
        save 300 10
        client-output-buffer-limit normal 1mb 0 0
        client-output-buffer-limit replica 1gb 512kb 60
        bind 127.0.0.1
        bind ::1
    """
    with running(binary, redis_conf=redis_conf) as server:
        shown = server.get("*")
        assert {row.name for row in server.shown_rows if row.repeatable} == {"save", "client-output-buffer-limit"}
        assert shown["save"] == "900 1 300 10"
        assert shown["client-output-buffer-limit"].startswith("normal 1048576 0 0 slave 1073741824 524288 60 pubsub")
        assert shown["bind"] == "::1"


def test_redis_conf_accepts_statements_and_leftovers(binary: str, server: Server) -> None:
    included = "include /dev/null\n" * 2
    renamed = "rename-command debug hidden-debug\nrename-command flushall hidden-flushall\n"
    users = "user one on nopass +ping\nuser two off\n"
    ignored = "".join(f"{row.name} 1\n" for row in server.rows if row.kind is Kind.IGNORED)
    with running(binary, redis_conf=included + renamed + users + ignored) as configured:
        assert configured.get("*").keys() == server.get("*").keys()
        assert configured.client.acl_users() == ["default", "one", "two"]
    assert "Can't load module" in server.start_with("loadmodule", "/dev/null")
    statements = {row.name for row in server.rows if row.kind is Kind.STATEMENT}
    assert statements == {"include", "loadmodule", "rename-command", "user"}
