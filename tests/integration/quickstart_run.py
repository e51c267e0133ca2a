# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newcomer's clone of this repository, and the quickstart run in it as a newcomer does: with make."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
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
from playbook_runs import Result
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_instances import command_of, descendants_of, end_all_below, is_free, servers_below

ROOT = Path(__file__).parents[2]
CLUSTER_PORTS = range(7000, 7006)
PORTS = {f"cluster-{port}": port for port in CLUSTER_PORTS} | {"cache": 7010, "sessions": 7011}
LIMIT = 180  # seconds for one run
NOBODY = 65534  # an ordinary user that every system has
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CLONE_NEWNET = 0x40000000  # unshare(2)
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40  # netdevice(7)


@contextlib.contextmanager
def own_loopback() -> Iterator[None]:
    """The quickstart's ports to ourselves: in a network namespace, so that a quickstart of the user's may go on.

    Without the right to make one, only when all ports are free.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as before:
        if libc.unshare(_CLONE_NEWNET) != 0:
            taken = [port for port in PORTS.values() if not is_free(port)]
            if taken:
                pytest.skip(f"ports {taken} are in use (make quickstart-down?), and only root gets others of its own")
            yield
            return
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP | _IFF_RUNNING))
            yield
        finally:
            if libc.setns(before.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "cannot leave the network namespace")


@dataclass(frozen=True)
class Run:
    """What became of one make."""

    status: int
    output: str
    results: list[Result]

    @property
    def recap(self) -> dict[str, int]:
        """The counts of the only host: ok, changed, failed, skipped."""
        lines = re.findall(r"^localhost +: (.*)$", self.output, re.MULTILINE)
        assert len(lines) == 1, self.output
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", lines[0])}

    @property
    def changed(self) -> list[Result]:
        return [result for result in self.results if result.get("changed")]

    def succeeded(self) -> Run:
        assert self.status == 0, self.output
        return self

    def changed_nothing(self) -> None:
        assert self.succeeded().recap["changed"] == 0, self.output

    def refused(self) -> str:
        """Everything it said, with line breaks and quoting that depend on its width taken out."""
        assert self.status != 0, self.output
        return re.sub(r"''", "'", re.sub(r"\s+", " ", self.output))


@dataclass
class Clone:
    """The clone, who works in it, and what they see."""

    path: Path
    user: int
    environment: dict[str, str]
    runs: int = 0
    last: Run | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def quickstart(self) -> Path:
        return self.path / ".quickstart"

    @property
    def home(self) -> Path:
        return Path(self.environment["HOME"])

    @property
    def python(self) -> str:
        return str(self.path / ".venv/bin/python")

    @property
    def is_up(self) -> bool:
        return (self.quickstart / "connections.json").exists() and len(self.pids) == len(PORTS)

    @property
    def pids(self) -> dict[str, int]:
        """The pid of each instance that runs."""
        data = self.quickstart / "data"
        return {Path(os.readlink(f"/proc/{pid}/cwd")).name: pid for pid in servers_below(data)}

    def connections(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads((self.quickstart / "connections.json").read_text()))

    def client(self, port: int, user: str = "admin") -> redis.Redis:
        """Logged in with what connections.json says; close it after use."""
        kind = next((name for name in ("cache", "sessions") if PORTS[name] == port), "cluster")
        password = self.connections()[kind]["users"][user]
        return client_of(port, username=user, password=password)

    def bring_up(self) -> Run:
        if not (self.is_up and self.last):
            self.last = self.make("quickstart").succeeded()
        return self.last

    def take_down(self) -> None:
        if self.quickstart.exists():
            self.make("quickstart-down").succeeded()

    def make(self, target: str, *arguments: str, variables: t.Sequence[str] = (), **environment: str) -> Run:
        """Run a target to its end; ``arguments`` go to ansible-playbook."""
        command = ["make", target, *variables]
        if arguments:
            command.append(f"ARGS={' '.join(arguments)}")
        return self.run(*command, **environment)

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> Run:
        process, log = self.start(*command, cwd=cwd, **environment)
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            end(process)
            pytest.fail(f"{command} did not end within {LIMIT} seconds:\n{log.read_text()}")
        results = log.with_suffix(".results")
        lines = results.read_text().splitlines() if results.exists() else []
        return Run(process.returncode, log.read_text(), [json.loads(line) for line in lines])

    def start(self, *command: str, cwd: Path | None = None, **environment: str) -> tuple[subprocess.Popen[bytes], Path]:
        """A command in the background, in a process group of its own, and the file it prints to."""
        self.runs += 1
        log = self.home / f"{self.runs}.log"
        # A file, not a pipe: what a killed run leaves behind would keep a pipe open.
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=cwd or self.path,
                env={**self.environment, "TASK_RESULTS": str(log.with_suffix(".results")), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
                **identity(self.user),
            )
        self.started.append(process)
        return process, log

    def capture(self, *command: str, user: int | None = None, text: str | None = None) -> tuple[int, str]:
        """Exit status and output of a short command, by default as the clone's user."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            input=text or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
            **identity(self.user if user is None else user),
        )
        return done.returncode, done.stdout

    def own(self, path: Path) -> None:
        """Give what the test has made to the user."""
        for one in [path, *path.rglob("*")]:
            os.chown(one, self.user, -1, follow_symlinks=False)

    def close(self) -> None:
        for process in self.started:
            end(process)
        end_all_below(self.path.parent)


@contextlib.contextmanager
def a_clone(redis_server: str, ordinary: bool = False) -> Iterator[Clone]:
    """The repository as git has it, in a new directory; ``ordinary`` makes root work in it as an ordinary user."""
    with tempfile.TemporaryDirectory(prefix="quickstart-") as scratch, contextlib.ExitStack() as cleanup:
        top = Path(scratch)
        top.chmod(0o755)
        user = NOBODY if ordinary and os.geteuid() == 0 else os.geteuid()
        clone = Clone(top / "clone", user, _environment(top, redis_server))
        cleanup.callback(clone.close)
        copy_repository(clone.path)
        _borrow_venv(clone)
        clone.own(top)
        yield clone


def copy_repository(directory: Path) -> None:
    """What a commit of everything here would hold."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name, follow_symlinks=False)


def client_of(port: int, **login: str) -> redis.Redis:
    """A client that says at once what is wrong; redis-py would try a refused password several times. Close it after use."""
    return redis.Redis(port=port, retry=Retry(NoBackoff(), 0), decode_responses=True, socket_timeout=15, **login)


def identity(user: int) -> dict[str, t.Any]:
    return {"user": user, "group": user, "extra_groups": []} if user != os.geteuid() else {}


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process and what it has started, but not for servers, which have left it."""
    if process.poll() is not None:
        return  # its pid may be somebody else's by now
    for pid in [process.pid, *descendants_of(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def playbook_of(process: subprocess.Popen[bytes]) -> int:
    """The pid of the ansible-playbook that a make has started."""
    pids = [
        pid for pid in descendants_of(process.pid) if any("ansible-playbook" in word for word in command_of(pid)[:2])
    ]
    return pids[0] if pids else process.pid


def await_task(process: subprocess.Popen[bytes], log: Path, number: int) -> None:
    """Until the run has begun so many tasks, or is over."""
    while process.poll() is None and log.read_bytes().count(b"\nTASK [") < number:
        time.sleep(0.01)


def _environment(top: Path, redis_server: str) -> dict[str, str]:
    """A login of its own with the tested Redis in PATH, and a record of the results of tasks."""
    for name in ("bin", "home", "tmp"):
        (top / name).mkdir()
    (top / "bin/redis-server").symlink_to(redis_server)
    redis_cli = shutil.which("redis-cli", path=f"{Path(redis_server).parent}:{os.environ['PATH']}")
    if redis_cli:
        (top / "bin/redis-cli").symlink_to(redis_cli)
    return {
        "PATH": f"{top}/bin:{SYSTEM_PATH}",
        "HOME": f"{top}/home",
        # As a caller that is no shell leaves it: it does not say where we are.
        "PWD": str(top),
        "TMPDIR": f"{top}/tmp",
        "LANG": "C.UTF-8",
        # Ansible expands ~ to the home that the system knows, not to $HOME.
        "ANSIBLE_REMOTE_TMP": f"{top}/home/.ansible/tmp",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "task_results",
    }


def _borrow_venv(clone: Clone) -> None:
    """A .venv that make finds up to date, with the packages of the one that runs the tests.

    What make does from nothing is the same for everybody and takes a minute: it has been done when this runs.
    """
    venv = clone.path / ".venv"
    python = _python_for(clone)
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", venv], env=clone.environment, check=True)
    [packages] = venv.glob("lib/python*/site-packages")
    packages.rmdir()
    packages.symlink_to(_packages())
    for script in ("ansible-playbook", "ansible-galaxy"):
        lines = (Path(sys.prefix) / "bin" / script).read_text().splitlines(keepends=True)
        (venv / "bin" / script).write_text("".join([f"#!{venv}/bin/python\n", *lines[1:]]))
        (venv / "bin" / script).chmod(0o755)
    lock = hashlib.sha256((clone.path / "requirements/run.txt").read_bytes()).hexdigest()
    (venv / "run.stamp").write_text(f"{clone.path} {lock}  -\n")


def _packages() -> Path:
    return Path(pytest.__file__).parents[1]


def _python_for(clone: Clone) -> str:
    """An interpreter like the one that runs the tests, which the user may run."""
    base, copy = Path(sys.base_prefix), clone.path.parent / "python"
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = base / "bin" / name
    if not _can_run(python, clone):
        # It lies in root's home, say. The version that the system has may not go with the same packages.
        ignored = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "config-*")
        shutil.copytree(base / "lib" / name, copy / "lib" / name, ignore=ignored, symlinks=True)
        for library in (base / "lib").glob("libpython*"):
            shutil.copy2(library, copy / "lib")
        (copy / "bin").mkdir()
        python = Path(shutil.copy2(python, copy / "bin"))
        clone.environment["LD_LIBRARY_PATH"] = str(copy / "lib")
    if not _can_run(python, clone):
        pytest.skip(f"user {clone.user} may not read {_packages()}")
    return str(python)


def _can_run(python: Path, clone: Clone) -> bool:
    code = f"import sys, venv; sys.path.append({str(_packages())!r}); import ansible, redis"
    with contextlib.suppress(OSError):
        return clone.capture(str(python), "-c", code)[0] == 0
    return False
