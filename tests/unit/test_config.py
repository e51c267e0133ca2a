# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._config import (
    ConfigStep,
    CurrentConfig,
    DesiredConfig,
    Disk,
    MakeDirectory,
    SetAccess,
    SetLive,
    SwitchAof,
    WriteConf,
    directories_of,
    plan_config,
    restart_required,
)
from ansible_collections.microservices.redis.plugins.module_utils._directive_catalogue import CATALOGUE
from ansible_collections.microservices.redis.plugins.module_utils._directives import (
    config_set_form,
    current_directive,
)
from ansible_collections.microservices.redis.plugins.module_utils._files import Access
from ansible_collections.microservices.redis.plugins.module_utils._plan import Plan, RedisPlatformError
from ansible_collections.microservices.redis.plugins.module_utils._redis_conf import GENERATED, parse_conf, quote_word

VERSION = (7, 0)
PATH = "/etc/redis/a.conf"
DEFAULTS = {name: one.default for name, one in CATALOGUE.items() if one.default is not None and one.since <= VERSION}


def desired(directives: t.Mapping[str, object], purge: bool = False, **secrets: str) -> DesiredConfig:
    return DesiredConfig("a", PATH, directives, secrets, purge=purge)


def server(**live: str) -> dict[str, str]:
    """CONFIG GET of a server with these settings and the defaults otherwise; ``_`` stands for ``-``."""
    shown = {**DEFAULTS, "dir": "/data", **{name.replace("_", "-"): value for name, value in live.items()}}
    return {**shown, **{alias: shown[name] for name in shown for alias in CATALOGUE[name].aliases}}


def written(plan: Plan[ConfigStep]) -> str:
    [text] = [step.text for step in plan.steps if isinstance(step, WriteConf)]
    return text


def actions(current: CurrentConfig, wanted: DesiredConfig) -> list[str]:
    return plan_config(current, wanted).describe()


# What is compared


def test_a_new_instance_gets_its_directories_and_its_file() -> None:
    wanted = desired({"port": 7000, "dir": "/data", "logfile": "/var/log/redis/a.log"})
    current = CurrentConfig(VERSION, directories=dict.fromkeys(directories_of(wanted)))
    plan = plan_config(current, wanted)
    assert plan.describe() == [
        "create directory /data (-:- 0750)",
        "create directory /etc/redis (-:- 0750)",
        "create directory /var/log/redis (-:- 0750)",
        f"write {PATH}",
    ]
    assert plan.diff()["before"] == {}
    assert plan.diff()["after"]["port"] == "7000"
    assert written(plan).endswith("\nport 7000\ndir /data\nlogfile /var/log/redis/a.log\n")


def test_another_spelling_of_the_same_is_no_change() -> None:
    text = "save 300 10 900 1\nmaxmemory 1073741824\nhash-max-ziplist-value 64\nappendonly yes\n"
    live = server(save="300 10 900 1", maxmemory="1073741824", appendonly="yes")
    current = CurrentConfig(VERSION, text, Access(None, None, 0o640), live=live)
    wanted = desired(
        {"save": ["900 1", "300 10"], "maxmemory": "1gb", "hash-max-listpack-value": "64b", "appendonly": True}
    )
    assert not plan_config(current, wanted)


def test_mutable_directives_go_live_and_immutable_ones_need_a_restart() -> None:
    text = "maxmemory 100mb\nio-threads 1\n"
    current = CurrentConfig(VERSION, text, live=server(maxmemory="104857600"))
    wanted = desired({"maxmemory": "200mb", "io-threads": 4})
    plan = plan_config(current, wanted)
    assert plan.describe() == ["CONFIG SET maxmemory", f"write {PATH}"]
    assert plan.diff() == {
        "before": {"maxmemory (live)": "104857600", "maxmemory": "100mb", "io-threads": "1"},
        "after": {"maxmemory (live)": "200mb", "maxmemory": "200mb", "io-threads": "4"},
    }
    assert restart_required(current, wanted) == ["io-threads"]
    assert restart_required(replace(current, live=None), wanted) == []


def test_a_cluster_node_does_not_change_its_port_while_it_runs() -> None:
    wanted = desired({"port": 7001})
    text = "port 7001\n"
    access = Access(None, None, 0o640)
    alone = CurrentConfig(VERSION, text, access, live=server(port="7000"))
    assert actions(alone, wanted) == ["CONFIG SET port"]
    clustered = replace(alone, live=server(port="7000", cluster_enabled="yes"))
    assert (actions(clustered, wanted), restart_required(clustered, wanted)) == ([], ["port"])


def test_only_owner_group_or_mode_wrong_is_mended_without_writing() -> None:
    current = CurrentConfig(VERSION, "port 6379\n", Access(None, None, 0o644), {"/data": Access(None, None, 0o755)})
    plan = plan_config(current, desired({"port": 6379, "dir": "/data/"}))
    assert plan.steps[0] == SetAccess("/data", Access(None, None, 0o750))
    current = replace(current, text="port 6379\ndir /data\n", directories={})
    assert actions(current, desired({"port": 6379, "dir": "/data/"})) == [
        f"set owner, group and mode of {PATH} to -:- 0640"
    ]


def test_a_value_of_a_newer_redis_is_another_value_not_an_error() -> None:
    current = CurrentConfig(VERSION, "loglevel nothing\n", live=server(loglevel="nothing"))
    assert actions(current, desired({"loglevel": "notice"})) == ["CONFIG SET loglevel", f"write {PATH}"]


# What is refused


def test_all_that_is_wrong_is_told_at_once_with_the_nearest_name() -> None:
    wanted = desired(
        {"maxmemroy": "1gb", "port": "http", "locale-collate": "C", "replicaof": "a 1", "masterauth": "s3cret"}
    )
    with pytest.raises(RedisPlatformError) as problem:
        plan_config(CurrentConfig(VERSION), wanted)
    message = str(problem.value)
    assert message.startswith("instance a: ")
    assert "maxmemroy: no such directive in Redis 7.0; did you mean maxmemory" in message
    assert "port: 'http' is not a whole number" in message
    assert "locale-collate: exists only from Redis 7.2 on" in message
    assert "masterauth: put it under secret_directives" in message
    assert "s3cret" not in message


def test_one_directive_under_two_names_is_refused() -> None:
    wanted = desired({"hash-max-listpack-value": 64, "hash-max-ziplist-value": 64})
    with pytest.raises(RedisPlatformError, match="hash-max-ziplist-value: given twice"):
        plan_config(CurrentConfig(VERSION), wanted)


def test_users_in_the_file_and_an_aclfile_exclude_each_other() -> None:
    with pytest.raises(RedisPlatformError, match="user lines, which an aclfile forbids"):
        plan_config(CurrentConfig(VERSION, "user default on nopass\n"), desired({"aclfile": "/etc/redis/a.acl"}))


@pytest.mark.parametrize("moved", [{"dir": "/new"}, {"dir": "/data", "dbfilename": "new.rdb"}])
def test_data_is_not_left_behind(moved: dict[str, object]) -> None:
    current = CurrentConfig(VERSION, "dir /data\n", old_disk=Disk(rdb=True), disk=Disk(aof=True))
    with pytest.raises(RedisPlatformError, match="the data would stay behind: stop the instance and move its files"):
        plan_config(current, desired(moved))
    # Nothing stays behind when there is nothing, when somebody has moved it, or when nothing moves.
    assert plan_config(replace(current, old_disk=Disk()), desired(moved))
    assert plan_config(replace(current, disk=Disk(rdb=True)), desired(moved))
    assert not plan_config(
        replace(current, access=Access(None, None, 0o640)), desired({"dbfilename": "dump.rdb"})
    ).steps[1:]


def test_a_running_server_that_will_save_has_data_too() -> None:
    current = CurrentConfig(VERSION, "dir /data\n", live=server())
    with pytest.raises(RedisPlatformError, match="dir changes from /data to /new"):
        plan_config(current, desired({"dir": "/new"}))
    assert plan_config(replace(current, live=server(save="")), desired({"dir": "/new"}))


# Append-only file (switching it on in the file alone would start an empty server)

ON, OFF = "appendonly yes\n", "appendonly no\n"
CARRY_LIVE = ["carry the data from RDB to AOF in the running server"]
CARRY_BACK_LIVE = ["carry the data from AOF to RDB in the running server"]
CARRY = ["carry the data from RDB to AOF by a private server that loads the data and writes it anew"]
CARRY_BACK = ["carry the data from AOF to RDB by a private server that loads the data and writes it anew"]
WRITE = [f"write {PATH}"]
RDB, AOF, BOTH, NOTHING = Disk(rdb=True), Disk(aof=True), Disk(rdb=True, aof=True), Disk()


@pytest.mark.parametrize(
    ("wanted", "text", "live", "disk", "steps"),
    [
        # The server runs.
        ("yes", OFF, "no", RDB, CARRY_LIVE + WRITE),
        ("yes", OFF, "no", NOTHING, CARRY_LIVE + WRITE),
        ("yes", ON, "no", RDB, CARRY_LIVE),  # somebody edited the file, which a restart would have made a loss
        ("yes", OFF, "yes", BOTH, WRITE),
        ("yes", ON, "yes", AOF, []),
        ("no", ON, "yes", AOF, CARRY_BACK_LIVE + WRITE),
        ("no", OFF, "yes", AOF, CARRY_BACK_LIVE),
        ("no", ON, "no", BOTH, CARRY_BACK_LIVE + WRITE),  # what is in memory may be in no RDB file yet
        ("no", OFF, "no", RDB, []),
        # It does not.
        ("yes", OFF, None, RDB, CARRY + WRITE),
        ("yes", OFF, None, BOTH, CARRY + WRITE),  # the AOF is an old one
        ("yes", OFF, None, NOTHING, WRITE),
        ("yes", "", None, RDB, CARRY + WRITE),  # off is the default
        ("yes", ON, None, BOTH, []),
        ("no", ON, None, AOF, CARRY_BACK + WRITE),
        ("no", ON, None, BOTH, CARRY_BACK + WRITE),
        ("no", ON, None, RDB, WRITE),
        ("no", OFF, None, BOTH, []),
        # There is no file yet: while the data is carried over, one says where it was.
        ("yes", None, None, RDB, WRITE + CARRY + WRITE),
        ("yes", None, None, AOF, WRITE),
        ("yes", None, None, NOTHING, WRITE),
        ("no", None, None, AOF, WRITE + CARRY_BACK + WRITE),
        ("no", None, None, RDB, WRITE),
        ("yes", None, "no", RDB, WRITE + CARRY_LIVE + WRITE),
    ],
)
def test_appendonly_takes_the_data_along(
    wanted: str, text: str | None, live: str | None, disk: Disk, steps: list[str]
) -> None:
    running = server(appendonly=live) if live else None
    current = CurrentConfig(VERSION, text, Access(None, None, 0o640), live=running, disk=disk, old_disk=disk)
    assert actions(current, desired({"appendonly": wanted})) == steps


def test_a_rewrite_that_goes_on_is_waited_for_before_the_file_relies_on_it() -> None:
    current = CurrentConfig(VERSION, OFF, live=server(appendonly="yes"), aof_settled=False)
    assert actions(current, desired({"appendonly": "yes"})) == CARRY_LIVE + WRITE
    assert not plan_config(replace(current, text=ON, access=Access(None, None, 0o640)), desired({"appendonly": "yes"}))


@pytest.mark.parametrize(
    ("wanted", "text", "disk", "reason"),
    [
        ("yes", OFF, AOF, "would bring that old data back"),
        ("yes", None, BOTH, "holds both an RDB file and an AOF"),
        ("no", None, BOTH, "holds both an RDB file and an AOF"),
    ],
)
def test_data_that_may_be_the_wrong_one_is_not_chosen(wanted: str, text: str | None, disk: Disk, reason: str) -> None:
    current = CurrentConfig(VERSION, text, disk=disk, old_disk=disk)
    with pytest.raises(RedisPlatformError, match=reason):
        plan_config(current, desired({"appendonly": wanted, "dir": "/data"}))


def test_a_stopped_instance_has_to_tell_where_its_data_is() -> None:
    current = CurrentConfig(VERSION, "dir /data\ndbfilename a.rdb\n", old_disk=RDB)
    with pytest.raises(RedisPlatformError, match="give dir, dbfilename among the directives as well"):
        plan_config(current, desired({"appendonly": "yes"}))
    assert plan_config(replace(current, live=server(dbfilename="a.rdb")), desired({"appendonly": "yes"}))


# Purge


def test_purge_takes_back_what_nobody_asked_for_in_the_file_and_live() -> None:
    text = "port 6379\nhz 50\nmaxmemory 1gb\ntimeout 0\nlatency-tracking-info-percentiles 50 99 99.9\n"
    current = CurrentConfig(VERSION, text, live=server(hz="50", maxmemory="1073741824", io_threads="4"))
    wanted = desired({"port": 6379, "maxmemory": "1gb"}, purge=True)
    plan = plan_config(current, wanted)
    assert plan.diff() == {"before": {"hz": "50", "hz (live)": "50"}, "after": {"hz (live)": "10"}}
    assert written(plan) == text.replace("hz 50\n", "")
    assert restart_required(current, wanted) == ["io-threads"]


def test_purge_leaves_alone_what_others_own() -> None:
    text = "port 6379\nreplicaof 192.0.2.1 6379\nrequirepass s3cret\nuser a on nopass\nrename-command KEYS k\n"
    live = server(replicaof="192.0.2.1 6379", requirepass="s3cret", dir="/elsewhere", maxclients="4064")
    current = CurrentConfig(VERSION, text, Access(None, None, 0o640), live=live)
    wanted = desired({"port": 6379}, purge=True)
    assert not plan_config(current, wanted)
    assert restart_required(current, wanted) == []


def test_a_purge_of_what_nobody_knows_does_not_show_it() -> None:
    plan = plan_config(CurrentConfig(VERSION, "requirepas s3cret\n"), desired({"port": 6379}, purge=True))
    assert plan.diff()["before"] == {"requirepas": "VALUE HIDDEN"}


# Laws


def shown_by_a_server(text: str) -> dict[str, str]:
    """CONFIG GET right after a start from the file."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in parse_conf(text):
        directive = current_directive(line.name, VERSION)
        if directive:
            lines = found.setdefault(directive.name, [])
            if not directive.repeatable:
                lines.clear()
            lines.append(line.words[1:])
    settings = {name: config_set_form(CATALOGUE[name], tuple(lines)) for name, lines in found.items()}
    return {
        **server(),
        **settings,
        **{alias: value for name, value in settings.items() for alias in CATALOGUE[name].aliases},
    }


@dataclass(frozen=True)
class World:
    """An instance, and in which of its forms on disk the data is."""

    current: CurrentConfig
    data: frozenset[str] = field(default_factory=frozenset)

    def after(self, step: ConfigStep) -> World:
        current = self.current
        if isinstance(step, MakeDirectory):
            return replace(self, current=replace(current, directories={**current.directories, step.path: step.access}))
        if isinstance(step, SetAccess) and step.path == PATH:
            return replace(self, current=replace(current, access=step.access))
        if isinstance(step, SetAccess):
            return replace(self, current=replace(current, directories={**current.directories, step.path: step.access}))
        if isinstance(step, WriteConf):
            return replace(self, current=replace(current, text=step.text, access=step.access))
        if isinstance(step, SetLive):
            return replace(self, current=replace(current, live={**(current.live or {}), **_config_set(current, step)}))
        return self._after_switch(step)

    def _after_switch(self, step: SwitchAof) -> World:
        current = self.current
        assert step.live is (current.live is not None)
        if not step.live:
            assert ("rdb" if step.on else "aof") in self.data
        live = {**current.live, "appendonly": "yes" if step.on else "no"} if current.live is not None else None
        disk = Disk(rdb=current.disk.rdb or not step.on, aof=current.disk.aof or step.on)
        current = replace(current, live=live, aof_settled=True, disk=disk, old_disk=disk)
        return World(current, self.data | {"aof" if step.on else "rdb"})

    def restarted(self) -> World:
        return replace(self, current=replace(self.current, live=shown_by_a_server(self.current.text or "")))

    @property
    def loads_its_data(self) -> bool:
        """Whether a server that starts from the file would find what is there."""
        return not self.data or ("aof" if keeps_aof(self.current.text) else "rdb") in self.data


def keeps_aof(text: str | None) -> bool:
    return shown_by_a_server(text or "")["appendonly"].lower() == "yes"


def _config_set(current: CurrentConfig, step: SetLive) -> dict[str, str]:
    changed = {}
    for name, value in step.values:
        if name == "client-output-buffer-limit":  # classes that are not named stay as they are
            words = ((current.live or {})[name] + " " + value).split()
            classes = {words[i].replace("slave", "replica"): words[i + 1 : i + 4] for i in range(0, len(words), 4)}
            value = " ".join(word for kind, limits in classes.items() for word in (kind, *limits))
        changed.update(dict.fromkeys((name, *CATALOGUE[name].aliases), value))
    return changed


VALUES: dict[str, st.SearchStrategy[t.Any]] = {
    "appendonly": st.sampled_from(["yes", "no"]),
    "maxmemory": st.sampled_from(["0", "100mb", "104857600"]),
    "save": st.sampled_from(["", "900 1", "900 1 300 10"]),
    "hz": st.integers(1, 500).map(str),
    "io-threads": st.sampled_from(["1", "4"]),
    "bind": st.sampled_from(["127.0.0.1", "127.0.0.1 ::1"]),
    "hash-max-ziplist-value": st.sampled_from(["64", "128"]),
    "client-output-buffer-limit": st.sampled_from(
        ["pubsub 1mb 1mb 5", "slave 512mb 0 0 normal 0 0 0", "normal 1mb 0 0"]
    ),
    "proc-title-template": st.text(),
    "notify-keyspace-events": st.sampled_from(["", "KEA", "Ex"]),
}
SETTINGS = st.fixed_dictionaries({}, optional=VALUES)
OTHER_LINES = [
    "# comment\n",
    "replicaof 192.0.2.1 6379\n",
    f"{GENERATED}\n",
    "user default off\n",
    "hz 7\n",
    "made-up x\n",
]
TEMPLATE, EMPTY = "proc-title-template", '""'


def text_of(settings: t.Mapping[str, str]) -> str:
    return "".join(
        f"{name} {quote_word(value) if name == TEMPLATE else value or EMPTY}\n" for name, value in settings.items()
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Instances of every sort: with and without file, running or not, edited by hand, data here or there."""
    others = draw(st.lists(st.sampled_from(OTHER_LINES)))
    text = draw(st.none() | SETTINGS.map(lambda filed: "".join([text_of(filed), "dir /data\n", *others])))
    live = draw(st.none() | SETTINGS.map(text_of).map(shown_by_a_server))
    settled = text is None or draw(st.booleans())
    writes_aof = live is not None and live["appendonly"] == "yes" and settled
    disk = Disk(rdb=draw(st.booleans()), aof=writes_aof or draw(st.booleans()))
    found = {"rdb"} if disk.rdb else set()
    if text is None and live is None:
        found |= {"aof"} if disk.aof else set()
    elif text is not None and keeps_aof(text):
        found = {"aof"} if disk.aof else set()
    found |= {"aof"} if writes_aof else set()
    access = draw(st.sampled_from([Access(None, None, 0o640), Access(None, None, 0o644)]))
    directories = {"/data": draw(st.sampled_from([None, Access(None, None, 0o755)])), "/etc/redis": None}
    current = CurrentConfig(VERSION, text, access if text else None, directories, live, settled, disk, disk)
    return World(current, frozenset(found))


WANTED = st.builds(
    lambda directives, purge: DesiredConfig("a", PATH, {**directives, "dir": "/data"}, purge=purge),
    SETTINGS,
    st.booleans(),
)


def plan_or_skip(current: CurrentConfig, wanted: DesiredConfig) -> list[ConfigStep]:
    try:
        return list(plan_config(current, wanted).steps)
    except RedisPlatformError:
        assume(False)
        raise


@given(worlds(), WANTED)
@example(
    World(CurrentConfig(VERSION, "dir /data\n", live=server(client_output_buffer_limit="normal 1 1 1"))),
    desired({"client-output-buffer-limit": "pubsub 1mb 1mb 5"}),
)
def test_nothing_is_left_to_do_after_a_plan(world: World, wanted: DesiredConfig) -> None:
    for step in plan_or_skip(world.current, wanted):
        world = world.after(step)
    assert plan_config(world.current, wanted).describe() == []


@given(worlds(), WANTED, st.lists(st.integers(0, 4), max_size=4))
def test_a_run_that_was_cut_off_ends_where_an_uninterrupted_one_does(
    world: World, wanted: DesiredConfig, cuts: list[int]
) -> None:
    whole = cut = world
    for step in plan_or_skip(world.current, wanted):
        whole = whole.after(step)
    for length in [*cuts, None]:
        for step in plan_config(cut.current, wanted).steps[:length]:
            cut = cut.after(step)
    assert (cut.current.text, cut.current.live, cut.current.access) == (
        whole.current.text,
        whole.current.live,
        whole.current.access,
    )


@given(worlds(), WANTED)
def test_whenever_the_server_starts_from_the_file_it_finds_its_data(world: World, wanted: DesiredConfig) -> None:
    steps = plan_or_skip(world.current, wanted)
    managed = "appendonly" in wanted.directives or wanted.purge
    assume(world.loads_its_data or (world.current.text is None and managed))
    on_disk = bool(world.data)
    for number, step in enumerate(steps, start=1):
        world = world.after(step)
        if number == len(steps) or (on_disk and world.current.text is not None):
            assert world.loads_its_data


@given(worlds(), WANTED)
def test_after_a_restart_the_server_is_as_wanted(world: World, wanted: DesiredConfig) -> None:
    for step in plan_or_skip(world.current, wanted):
        world = world.after(step)
    restarted = world.restarted().current
    assert restart_required(restarted, wanted) == []
    assert plan_config(restarted, wanted).describe() == []


@given(worlds(), WANTED)
def test_what_redis_and_sentinel_wrote_stays(world: World, wanted: DesiredConfig) -> None:
    before = [line.text for line in parse_conf(world.current.text or "") if line.name in ("replicaof", "user")]
    for step in plan_or_skip(world.current, wanted):
        world = world.after(step)
    assert [line.text for line in parse_conf(world.current.text or "") if line.name in ("replicaof", "user")] == before


SECRETS = st.text("0123456789abcdef", min_size=16, max_size=32)


@given(SECRETS, SECRETS, SECRETS, st.booleans())
def test_no_secret_in_the_plan_but_where_it_is_written(old: str, new: str, name: str, purge: bool) -> None:
    text = f"masterauth {old}\nmasteruser {name}\nuser replication on >{old}\n"
    live = server(masterauth=old, masteruser=name)
    current = CurrentConfig(VERSION, text, live=live)
    wanted = desired({}, purge, masterauth=new, masteruser=f"{name}-{new}")
    plan = plan_config(current, wanted)
    shown = f"{plan!r} {plan.diff()} {plan.describe()} {current!r} {wanted!r}"
    assert len(plan.steps) == 2
    assert old not in shown
    assert new not in shown
