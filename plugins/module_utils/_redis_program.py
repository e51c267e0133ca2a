# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Runs the redis-server program itself: its version, a private server to ask, a start in the background.

Redis has no way to test a configuration. A server started with it on a private unix socket, in a directory of its
own, says whether the text is good and how the server would spell it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t

from ._info import Version, parse_version
from ._plan import RedisPlatformError
from ._redis_client import Server, Settings, Unreachable

OLDEST = (7, 0)
_START_LIMIT = 10.0  # seconds for an empty server to answer
_LOG_PREFIX = re.compile(r"\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ [.*#-] ")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # prctl(2)
# Over whatever the tested configuration says: no port, no data of the real instance, no files elsewhere.
_PRIVATE = {
    "--port": "0",
    "--tls-port": "0",
    "--cluster-enabled": "no",
    "--daemonize": "no",
    "--supervised": "no",
    "--replicaof": "no one",
    "--aclfile": "",
    "--requirepass": "",
    "--logfile": "",
    "--pidfile": "",
}


def find_program(executable: str) -> str:
    """The full path of redis-server. Raises RedisPlatformError when there is none."""
    path = shutil.which(executable, path=os.environ.get("PATH", "") + ":/usr/local/bin:/usr/bin:/usr/sbin")
    if path is None:
        raise RedisPlatformError(
            f"there is no {executable} on this host: install Redis 7 or give its path as executable"
        )
    return path


def program_version(executable: str) -> Version:
    """Raises RedisPlatformError when the program is older than what this collection knows."""
    path = find_program(executable)
    version = parse_version(version_text(path))
    if version < OLDEST:
        raise RedisPlatformError(
            f"{path} is Redis {version[0]}.{version[1]}, and at least 7.0 is needed: install a newer package"
        )
    return version


def version_text(path: str) -> str:
    try:
        # pylint: disable-next=ansible-bad-function # run_command has no timeout
        return subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=_START_LIMIT
        ).stdout
    except (OSError, subprocess.SubprocessError) as problem:
        raise RedisPlatformError(f"{path} does not tell its version: {problem}") from problem


@contextlib.contextmanager
def private_server(
    executable: str,
    conf: str = "",
    overrides: t.Mapping[str, str] | None = None,
    directory: str | None = None,
    limit: float = _START_LIMIT,
) -> t.Iterator[Server]:
    """A server nobody else can reach, for as long as the context lasts.

    With ``directory`` it loads that directory's data, as the user who owns the directory, and leaves what it then
    writes there; else it works in a temporary one. Raises RedisPlatformError with Redis' own words when the
    configuration is bad.
    """
    with tempfile.TemporaryDirectory(prefix="redis-private-") as scratch:
        conf_path, socket = f"{scratch}/redis.conf", f"{scratch}/s"
        with open(conf_path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(conf)
        options = {**_PRIVATE, "--dir": directory or scratch, "--unixsocket": socket, "--unixsocketperm": "700"}
        if directory is None:
            options.update({"--appendonly": "no", "--save": ""})
        options.update(overrides or {})
        words = [word for name, value in options.items() for word in (name, *(value.split(" ") if value else [""]))]
        owner: dict[str, t.Any] = {}
        if directory is not None and os.geteuid() == 0:
            found = os.stat(directory)
            os.chown(scratch, found.st_uid, found.st_gid)
            os.chown(conf_path, found.st_uid, found.st_gid)
            owner = {"user": found.st_uid, "group": found.st_gid, "extra_groups": []}
        output_path = f"{scratch}/output"
        with open(output_path, "w", encoding="utf-8") as output:
            # pylint: disable-next=ansible-bad-function # run_command waits for the end
            process = subprocess.Popen(
                [find_program(executable), conf_path, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_this_process,
                **owner,
            )
        try:
            with Server(Settings(unix_socket=socket, command_timeout=limit)) as server:
                _await_answer(process, output_path, server, limit)
                yield server
        finally:
            process.terminate()  # saves first where the configuration says so
            try:
                process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_with_this_process() -> None:
    """In the child: also when this process is killed, no server may stay behind in the instance's directory."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _await_answer(process: subprocess.Popen[bytes], output_path: str, server: Server, limit: float) -> None:
    deadline = time.monotonic() + limit
    while True:
        if process.poll() is not None:
            with open(output_path, encoding="utf-8", errors="replace") as file:
                output = file.read()
            raise RedisPlatformError(f"redis-server refuses this configuration: {complaint(output)}")
        # It may end on a mistake after it began to listen: then the connection breaks, and the next look tells why.
        with contextlib.suppress(Unreachable):
            if server.is_up() and not _is_loading(server):
                return
        if time.monotonic() > deadline:
            raise RedisPlatformError(f"a private redis-server did not get ready within {limit:g} seconds")
        time.sleep(0.01)


def _is_loading(server: Server) -> bool:
    return server.info("persistence").get("loading") == "1"


def complaint(output: str) -> str:
    """What a failed start says is wrong, without the banner and the text of offending lines, which may be secret."""
    lines = [_LOG_PREFIX.sub("", line).strip() for line in output.splitlines()]
    lines = [line for line in lines if line and "WARNING" not in line and not line.startswith(">>>")]
    marked = [number for number, line in enumerate(lines, start=1) if "FATAL CONFIG FILE ERROR" in line]
    return "; ".join(lines[marked[0] if marked else -3 :]) or "it ended without a word"
