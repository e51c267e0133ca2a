# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Reads and changes one instance's redis.conf, directories and running server."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from . import _processes
from ._config import (
    ConfigStep,
    CurrentConfig,
    DesiredConfig,
    Disk,
    MakeDirectory,
    SetAccess,
    SetLive,
    WriteConf,
    directories_of,
)
from ._files import Files
from ._plan import Plan, RedisPlatformError
from ._redis_client import Server, Settings, Unreachable
from ._redis_conf import parse_conf
from ._redis_program import private_server, program_version

_DEFAULTS = {"dir": ".", "dbfilename": "dump.rdb", "appenddirname": "appendonlydir", "appendfilename": "appendonly.aof"}


class ConfigGateway:
    def __init__(
        self, desired: DesiredConfig, settings: Settings, executable: str, timeout: float, files: Files
    ) -> None:
        self._desired = desired
        self._executable = executable
        self._timeout = timeout
        self._files = files
        self._server = Server(settings)

    def close(self) -> None:
        self._server.close()

    def read(self) -> CurrentConfig:
        text = self._files.read(self._desired.path)
        try:
            filed = {line.name: line.value for line in parse_conf(text or "")}
        except RedisPlatformError as problem:
            raise RedisPlatformError(f"instance {self._desired.name}: {self._desired.path}: {problem}") from problem
        live, settled = self._read_live()
        return CurrentConfig(
            version=program_version(self._executable),
            text=text,
            access=self._files.access(self._desired.path, self._desired.access),
            directories={
                path: self._files.access(path, self._desired.directory_access) for path in directories_of(self._desired)
            },
            live=live,
            aof_settled=settled,
            disk=_disk(self._desired.directives),
            old_disk=_disk(filed),
        )

    def check(self, plan: Plan[ConfigStep]) -> None:
        """Let a private server read the new file before anything is touched."""
        for step in plan.steps:
            if isinstance(step, WriteConf):
                try:
                    with self._private(step.text):
                        pass
                except RedisPlatformError as problem:
                    raise RedisPlatformError(f"instance {self._desired.name}: {problem}") from problem

    def apply(self, step: ConfigStep) -> None:
        if isinstance(step, MakeDirectory):
            self._files.make_directory(step.path, step.access)
        elif isinstance(step, SetAccess):
            self._files.set_access(step.path, step.access)
        elif isinstance(step, SetLive):
            self._server.call("CONFIG", "SET", *(word for pair in step.values for word in pair))
        elif isinstance(step, WriteConf):
            self._files.write(step.path, step.text, step.access)
        elif step.live:
            self._switch_aof(self._server, step.on)
        else:
            self._switch_aof_offline(step.on)

    def _read_live(self) -> tuple[dict[str, str] | None, bool]:
        directory = str(self._desired.directives.get("dir", ""))
        if not self._server.is_up():
            process = _processes.server_in(directory) if directory else None
            if process is None:
                return None, True
            self._server = self._at_its_old_port(process)
        # Some directives are shown only when asked for by name.
        reply = self._server.call("CONFIG", "GET", "*", *self._desired.directives)
        live = dict(zip(reply[::2], reply[1::2]))
        live["loadmodule"] = " ".join(_module_words(self._server, str(self._desired.directives.get("loadmodule"))))
        if directory and os.path.realpath(live.get("dir", "")) == os.path.realpath(directory):
            live["dir"] = directory  # CONFIG GET shows it with symbolic links resolved
        return live, _aof_settled(self._server)

    def _at_its_old_port(self, process: _processes.Process) -> Server:
        """The running server, when the wanted port is not yet the one it listens on."""
        settings = self._server.settings
        ports = sorted(_processes.listening_ports(process.pid))
        for port in ports:
            server = Server(settings.at(settings.host, port))
            with contextlib.suppress(Unreachable):
                if server.is_up():
                    return server
        raise RedisPlatformError(
            f"instance {self._desired.name}: its redis-server (pid {process.pid}) runs, yet does not answer at "
            f"{settings.address} nor at its ports {', '.join(map(str, ports)) or '(none visible)'} on {settings.host}: "
            "check login_host and tls, or stop it"
        )

    def _switch_aof(self, server: Server, on: bool) -> None:
        if on:
            server.call("CONFIG", "SET", "appendonly", "yes")
            self._await(lambda: _aof_settled(server), "the first rewrite of the append-only file")
            return
        # The RDB file is what the next start will load; it has to hold everything before the AOF stops growing.
        last = server.call("LASTSAVE")
        time.sleep(1.1 - time.time() % 1)  # LASTSAVE counts whole seconds
        server.call("BGSAVE", "SCHEDULE")
        self._await(lambda: server.call("LASTSAVE") > last and _rdb_settled(server), "saving the RDB file")
        server.call("CONFIG", "SET", "appendonly", "no")

    def _switch_aof_offline(self, on: bool) -> None:
        directives = self._desired.directives
        if not directives.get("dir"):
            raise RedisPlatformError(
                f"instance {self._desired.name}: give dir among the directives: the data has to be found"
            )
        names = {f"--{name}": str(directives[name]) for name in _DEFAULTS if name in directives and name != "dir"}
        overrides = {**names, "--appendonly": "no" if on else "yes", "--save": ""}
        with private_server(
            self._executable, overrides=overrides, directory=str(directives["dir"]), limit=self._timeout
        ) as server:
            if on:
                self._switch_aof(server, True)
            else:
                server.call("SAVE", timeout=self._timeout)

    def _private(self, text: str) -> t.ContextManager[Server]:
        # Directories may not exist yet, and dir is entered while the file is read. Users could lock us out.
        conf = "\n".join(line.text for line in parse_conf(text) if line.name not in ("dir", "user"))
        return private_server(self._executable, conf)

    def _await(self, condition: t.Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._timeout
        while not condition():
            if time.monotonic() > deadline:
                raise RedisPlatformError(
                    f"instance {self._desired.name}: {what} is not done after {self._timeout:g} seconds"
                )
            time.sleep(0.1)


def _module_words(server: Server, wanted: str) -> t.Iterator[str]:
    """Paths and arguments of the loaded modules, which CONFIG GET does not know, in the order of those wanted.

    MODULE LIST has an order of its own, another one after every start.
    """
    modules = [dict(zip(reply[::2], reply[1::2])) for reply in server.call("MODULE", "LIST")]
    loaded = [module for module in modules if module.get("path")]  # built-in ones have none
    for module in sorted(loaded, key=lambda module: (wanted.find(module["path"]), module["path"])):
        yield from (module["path"], *module["args"])


def _aof_settled(server: Server) -> bool:
    info = server.info("persistence")
    busy = info.get("aof_rewrite_in_progress") == "1" or info.get("aof_rewrite_scheduled") == "1"
    return not busy and info.get("aof_last_bgrewrite_status") == "ok"


def _rdb_settled(server: Server) -> bool:
    info = server.info("persistence")
    return info.get("rdb_bgsave_in_progress") == "0" and info.get("rdb_last_bgsave_status") == "ok"


def _disk(directives: t.Mapping[str, object]) -> Disk:
    names = {name: str(directives.get(name) or default) for name, default in _DEFAULTS.items()}
    aof_directory = os.path.join(names["dir"], names["appenddirname"])
    return Disk(
        rdb=os.path.exists(os.path.join(names["dir"], names["dbfilename"])),
        aof=os.path.exists(os.path.join(aof_directory, names["appendfilename"] + ".manifest")),
    )
