# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What to do so that one instance's redis.conf and its running server are as wanted. Pure."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ._directive_catalogue import CATALOGUE, Directive, Version
from ._directives import (
    OWNED_ELSEWHERE,
    Setting,
    config_set_form,
    current_directive,
    known_directive,
    meaning,
    same,
    setting_from_live,
    setting_from_yaml,
)
from ._files import Access
from ._plan import Change, Plan, RedisPlatformError
from ._redis_conf import Line, edit_conf, parse_conf

# What a server shows for these depends on where and how it was started; unset does not mean default.
_NOT_RESET = {
    "aclfile",
    "bind",
    "daemonize",
    "dir",
    "logfile",
    "maxclients",
    "pidfile",
    "port",
    "replicaof",
    "supervised",
}
_NOT_RESET |= {"tls-port", "unixsocket", *OWNED_ELSEWHERE}
# Not ours to take out of the file: CONFIG REWRITE notes down how the server was started.
_NOT_DROPPED = {*OWNED_ELSEWHERE, "daemonize", "pidfile", "supervised"} - {"include"}
# Where Redis keeps its data.
_DATA_PATHS = ("dir", "dbfilename", "appenddirname", "appendfilename")


@dataclass(frozen=True)
class DesiredConfig:
    name: str
    path: str
    directives: t.Mapping[str, object]
    secret_directives: t.Mapping[str, object] = field(default_factory=dict, repr=False)
    access: Access = Access(None, None, 0o640)
    directory_access: Access = Access(None, None, 0o750)
    purge: bool = False

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredConfig:
        return cls(
            name=params["name"] or params["path"],
            path=params["path"],
            directives=params["directives"],
            secret_directives=params["secret_directives"] or {},
            access=Access.parse(params["owner"], params["group"], params["mode"]),
            directory_access=Access.parse(params["owner"], params["group"], params["directory_mode"]),
            purge=params["purge"],
        )


@dataclass(frozen=True)
class Wanted:
    """One directive, as this version of Redis knows it, and what it shall be."""

    directive: Directive
    setting: Setting = field(repr=False)

    def is_in(self, found: t.Mapping[str, Setting]) -> bool:
        """Whether a file's settings say the same."""
        return self.directive.name in found and self.equals(found[self.directive.name])

    def is_live(self, value: str) -> bool:
        return self.equals(setting_from_live(self.directive, value))

    def equals(self, found: Setting) -> bool:
        try:
            return same(self.directive, found, self.setting)
        except RedisPlatformError:  # nonsense in the file, or a value of a newer Redis than the catalogue's
            return False


@dataclass(frozen=True)
class Disk:
    """Which data the instance would find in its directory."""

    rdb: bool = False
    aof: bool = False


@dataclass(frozen=True)
class CurrentConfig:
    """``live`` is CONFIG GET, None when no server runs; ``old_disk`` is the data where the file points now."""

    version: Version
    text: str | None = field(default=None, repr=False)
    access: Access | None = None
    directories: t.Mapping[str, Access | None] = field(default_factory=dict)
    live: t.Mapping[str, str] | None = field(default=None, repr=False)
    aof_settled: bool = True
    disk: Disk = Disk()
    old_disk: Disk = Disk()


@dataclass(frozen=True)
class MakeDirectory:
    path: str
    access: Access
    changes: bool = True

    def describe(self) -> str:
        return f"create directory {self.path} ({self.access})"


@dataclass(frozen=True)
class SetAccess:
    path: str
    access: Access
    changes: bool = True

    def describe(self) -> str:
        return f"set owner, group and mode of {self.path} to {self.access}"


@dataclass(frozen=True)
class SwitchAof:
    """Turn the append-only file on or off so that the data set survives the next restart.

    Redis started with ``appendonly yes`` looks at the AOF only and ignores an existing RDB file, and the reverse.
    """

    on: bool
    live: bool
    changes: bool = True

    def describe(self) -> str:
        how = "in the running server" if self.live else "by a private server that loads the data and writes it anew"
        return f"carry the data from {'RDB to AOF' if self.on else 'AOF to RDB'} {how}"


@dataclass(frozen=True)
class SetLive:
    values: tuple[tuple[str, str], ...] = field(repr=False)
    changes: bool = True

    def describe(self) -> str:
        return "CONFIG SET " + ", ".join(name for name, dummy in self.values)


@dataclass(frozen=True)
class WriteConf:
    path: str
    text: str = field(repr=False)
    access: Access
    changes: bool = True

    def describe(self) -> str:
        return f"write {self.path}"


ConfigStep = t.Union[MakeDirectory, SetAccess, SwitchAof, SetLive, WriteConf]
_Parts = t.Iterator[tuple[ConfigStep, list[Change]]]


def plan_config(current: CurrentConfig, desired: DesiredConfig) -> Plan[ConfigStep]:
    """Directories, then the running server, then the file: cut off anywhere, the next run still sees what is left.

    Raises RedisPlatformError for directives or values that this version of Redis does not take.
    """
    wanted = wanted_settings(desired, current.version)
    filed = _settings_in(parse_conf(current.text or ""), current.version)
    if "aclfile" in wanted and "user" in filed:
        raise RedisPlatformError(f"{desired.path} has user lines, which an aclfile forbids: move them to redis_acl")
    _refuse_to_leave_data_behind(current, desired, filed, wanted)
    parts = [
        *_directories(current, desired, wanted),
        *_data(current, desired, filed, wanted),
        *_running_server(current, desired, wanted),
        *_file(current, desired, filed, wanted),
    ]
    return Plan(tuple(step for step, dummy in parts), tuple(change for dummy, changes in parts for change in changes))


def wanted_settings(desired: DesiredConfig, version: Version) -> dict[str, Wanted]:
    """The directives by the name this version writes. Raises RedisPlatformError, naming all that are wrong."""
    problems: list[str] = []
    wanted: dict[str, Wanted] = {}
    for values, secret in ((desired.directives, False), (desired.secret_directives, True)):
        for name, value in values.items():
            try:
                directive = known_directive(name, version)
                if secret:
                    directive = replace(directive, secret=True)  # whatever is given there shall not be shown
                elif directive.secret:
                    raise RedisPlatformError(
                        f"{name}: put it under secret_directives, which are kept out of every output"
                    )
                if directive.name in wanted:
                    raise RedisPlatformError(f"{name}: given twice, the other time under its other name")
                wanted[directive.name] = Wanted(directive, setting_from_yaml(directive, value))
            except RedisPlatformError as problem:
                problems.append(str(problem))
    if problems:
        raise RedisPlatformError(f"instance {desired.name}: " + "; ".join(problems))
    return wanted


def report_config(current: CurrentConfig, desired: DesiredConfig) -> dict[str, t.Any]:
    return {
        "running": current.live is not None,
        "version": ".".join(map(str, current.version)),
        "restart_required": restart_required(current, desired),
    }


def restart_required(current: CurrentConfig, desired: DesiredConfig) -> list[str]:
    """Directives that the running server has with another value and takes only at its next start."""
    wanted = wanted_settings(desired, current.version)
    differing = _live_differences(current, desired, wanted)
    return sorted(item.directive.name for item in differing if not _settable(item.directive, current.live))


def directories_of(desired: DesiredConfig) -> list[str]:
    """The data directory and those of the files that Redis itself writes."""
    named = desired.directives
    paths = [str(named["dir"]).rstrip("/") or "/"] if named.get("dir") else []
    files = [
        desired.path,
        *(str(named[key]) for key in ("logfile", "pidfile", "unixsocket", "aclfile") if named.get(key)),
    ]
    paths += [os.path.dirname(path) for path in files if os.path.isabs(path)]
    return sorted(set(paths))  # parents before what is in them


def _name(name: str, version: Version) -> str:
    directive = current_directive(name, version)
    return directive.name if directive else name.lower()


def _settings_in(lines: t.Sequence[Line], version: Version) -> dict[str, Setting]:
    """What a server started from the file would use: lines add up for repeatable names, else the last one holds."""
    found: dict[str, Setting] = {}
    for line in lines:
        if line.name:
            directive = current_directive(line.name, version)
            name = directive.name if directive else line.name
            before = found.get(name, ()) if directive and directive.repeatable else ()
            found[name] = (*before, line.words[1:])
    return found


def _directories(current: CurrentConfig, desired: DesiredConfig, wanted: t.Mapping[str, Wanted]) -> _Parts:
    access = desired.directory_access
    for path, found in current.directories.items():
        if found is None:
            yield MakeDirectory(path, access), [Change(path, None, str(access))]
        elif path == _directory(wanted) and found != access:
            yield SetAccess(path, access), [Change(path, str(found), str(access))]


def _data(
    current: CurrentConfig, desired: DesiredConfig, filed: t.Mapping[str, Setting], wanted: t.Mapping[str, Wanted]
) -> _Parts:
    switch = _switch_aof(current, desired, filed, wanted)
    if switch:
        old, new = ("rdb", "aof") if switch.on else ("aof", "rdb")
        if current.text is None:
            # Cut off after the switch there is data in both forms: the file has to tell which one to start from.
            before = {**_settings(wanted), "appendonly": (("no" if switch.on else "yes",),)}
            yield WriteConf(desired.path, _edited(current, before), desired.access), []
        yield switch, [Change("appendonly (data)", old, new)]


def _running_server(current: CurrentConfig, desired: DesiredConfig, wanted: t.Mapping[str, Wanted]) -> _Parts:
    values = []
    changes = []
    for item in _live_differences(current, desired, wanted):
        if _settable(item.directive, current.live):
            name, value = item.directive.name, config_set_form(item.directive, item.setting)
            values.append((name, value))
            changes.append(Change(f"{name} (live)", (current.live or {})[name], value, item.directive.secret))
    if values:
        yield SetLive(tuple(values)), changes


def _file(
    current: CurrentConfig, desired: DesiredConfig, filed: t.Mapping[str, Setting], wanted: t.Mapping[str, Wanted]
) -> _Parts:
    drop = _surplus(filed, wanted, current.version) if desired.purge else set()
    differing = [name for name, item in wanted.items() if not item.is_in(filed)]
    settings = _settings(wanted)
    if differing or drop or current.text is None:
        changes = []
        for name in [*differing, *sorted(drop)]:
            directive = wanted[name].directive if name in wanted else current_directive(name, current.version)
            # What nobody knows may be a secret.
            secret = directive is None or directive.secret
            changes.append(Change(name, _shown(filed.get(name)), _shown(settings.get(name)), secret))
        yield WriteConf(desired.path, _edited(current, settings, drop), desired.access), changes
    elif current.access != desired.access:
        yield SetAccess(desired.path, desired.access), [Change(desired.path, str(current.access), str(desired.access))]


def _surplus(filed: t.Mapping[str, Setting], wanted: t.Mapping[str, Wanted], version: Version) -> set[str]:
    """What a purge takes out of the file: all that nobody asked for, unless it says the default or is not ours."""
    surplus = set()
    for name in filed.keys() - wanted.keys() - _NOT_DROPPED:
        default = _default(current_directive(name, version))
        if default is None or not default.equals(filed[name]):
            surplus.add(name)
    return surplus


def _settings(wanted: t.Mapping[str, Wanted]) -> dict[str, Setting]:
    return {name: item.setting for name, item in wanted.items()}


def _edited(current: CurrentConfig, settings: t.Mapping[str, Setting], drop: t.AbstractSet[str] = frozenset()) -> str:
    lines = parse_conf(current.text or "")
    return edit_conf(lines, settings, lambda name: _name(name, current.version), drop)


def _default(directive: Directive | None) -> Wanted | None:
    if directive is None or directive.default is None:
        return None
    return Wanted(directive, setting_from_live(directive, directive.default))


def _settable(directive: Directive, live: t.Mapping[str, str] | None) -> bool:
    if directive.name in ("port", "tls-port") and live and live.get("cluster-enabled") == "yes":
        return False  # the cluster bus would stay at the old port
    return directive.mutable


def _live_differences(current: CurrentConfig, desired: DesiredConfig, wanted: t.Mapping[str, Wanted]) -> list[Wanted]:
    """What the running server has otherwise; with purge also what nobody asked for and is not at its default."""
    if current.live is None:
        return []
    found = []
    for name, value in current.live.items():
        directive = current_directive(name, current.version)
        if directive is None or directive.name != name or name == "appendonly":
            continue  # unknown, an alias, or the work of SwitchAof
        if name == "databases" and current.live.get("cluster-enabled") == "yes":
            continue  # a cluster has one, whatever the file says
        item = wanted.get(name)
        if item is None and desired.purge and name not in _NOT_RESET:
            item = _default(directive)
        if item is not None and not item.is_live(value):
            found.append(item)
    return found


def _switch_aof(
    current: CurrentConfig,
    desired: DesiredConfig,
    filed: t.Mapping[str, Setting],
    wanted: t.Mapping[str, Wanted],
) -> SwitchAof | None:
    if "appendonly" not in wanted and not desired.purge:
        return None
    on = "appendonly" in wanted and wanted["appendonly"].is_live("yes")
    was_on = _keeps_aof(filed)
    if current.live is not None:
        is_on = current.live.get("appendonly") == "yes"
        # Before the file says so, the data has to be where the next start will look for it.
        carried = was_on == on or (on and current.aof_settled)
        return None if is_on == on and carried else SwitchAof(on, live=True)
    if current.text is None:
        if current.disk.rdb and current.disk.aof:
            raise RedisPlatformError(
                f"instance {desired.name}: {_directory(wanted)} holds both an RDB file and an AOF and no {desired.path} "
                "tells which one is in use: move the one you do not want away"
            )
        return SwitchAof(on, live=False) if (current.disk.rdb if on else current.disk.aof) else None
    hidden = [name for name in _DATA_PATHS if name in filed and name not in wanted and not desired.purge]
    if on != was_on and hidden:
        raise RedisPlatformError(
            f"instance {desired.name}: give {', '.join(hidden)} among the directives as well: appendonly changes, and "
            "the data has to be found"
        )
    if on and not was_on:
        if current.disk.aof and not current.disk.rdb:
            raise RedisPlatformError(
                f"instance {desired.name}: appendonly is off in {desired.path}, yet {_directory(wanted)} holds an AOF and "
                "no RDB file; turning it on would bring that old data back: move the AOF directory away, or start "
                "the instance with appendonly yes yourself if you want it"
            )
        return SwitchAof(True, live=False) if current.disk.rdb else None
    if was_on and not on and current.disk.aof:
        return SwitchAof(False, live=False)
    return None


def _keeps_aof(filed: t.Mapping[str, Setting]) -> bool:
    return [line[0].lower() for line in filed.get("appendonly", ()) if line] == ["yes"]


def _refuse_to_leave_data_behind(
    current: CurrentConfig,
    desired: DesiredConfig,
    filed: t.Mapping[str, Setting],
    wanted: t.Mapping[str, Wanted],
) -> None:
    if "dir" not in filed:
        return  # it depends on where the server was started, and nobody can tell
    aof = current.live.get("appendonly") == "yes" if current.live is not None else _keeps_aof(filed)
    # A running server writes its data out when it stops, if it ever does.
    leaves = (current.old_disk.aof if aof else current.old_disk.rdb) or (
        current.live is not None and (aof or bool(current.live.get("save")))
    )
    if not leaves or (current.disk.aof if aof else current.disk.rdb):
        return
    for name in _DATA_PATHS:
        default = setting_from_live(CATALOGUE[name], CATALOGUE[name].default or "")
        old = filed.get(name, default)
        new = Wanted(CATALOGUE[name], default if desired.purge else old)
        new = wanted.get(name, new)
        if not new.equals(old):
            raise RedisPlatformError(
                f"instance {desired.name}: {name} changes from {_shown(old)} to {_shown(new.setting) or 'its default'}, and "
                "the data would stay behind: stop the instance and move its files first"
            )


def _directory(wanted: t.Mapping[str, Wanted]) -> str:
    """Without a slash at the end."""
    return str(meaning(wanted["dir"].directive, wanted["dir"].setting)) if "dir" in wanted else "the directory"


def _shown(setting: Setting | None) -> str | None:
    return None if setting is None else " ".join(word for line in setting for word in line)
