# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the collection's modules as a user does: ansible-playbook, a playbook, results per task."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis_instances import command_of, descendants_of

Task = dict[str, t.Any]
Result = dict[str, t.Any]

LIMIT = 120  # seconds for one playbook


def task(module: str, options: t.Mapping[str, t.Any], **keywords: t.Any) -> Task:
    """A task that runs one of the collection's modules; keywords are Ansible's, such as ``check_mode``."""
    return {f"microservices.redis.{module}": {**options}, **keywords}


@dataclass
class Run:
    """What became of a playbook: a result for each task, and everything that was printed."""

    results: list[Result]
    output: str


@dataclass
class Ansible:
    """Plays tasks on this machine."""

    directory: Path
    environment: dict[str, str]
    module_python: str = sys.executable
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, module: str, options: t.Mapping[str, t.Any], **keywords: t.Any) -> Result:
        """The result of one module, which must succeed."""
        return self.play(task(module, options, **keywords))[0]

    def play(self, *tasks: Task) -> list[Result]:
        """The results of several tasks, which must all succeed."""
        run = self.run(*tasks)
        problems = [result.get("msg", result) for result in run.results if result["failed"]]
        if problems or len(run.results) != len(tasks):
            pytest.fail(f"{problems}\n{run.output}")
        return run.results

    def failure(self, module: str, options: t.Mapping[str, t.Any], **keywords: t.Any) -> str:
        """The message of a module that must refuse, having changed nothing."""
        result = self.failures(task(module, options, **keywords))[0]
        assert not result.get("changed"), result
        return str(result["msg"])

    def failures(self, *tasks: Task) -> list[Result]:
        """The results of several tasks, which must all fail."""
        results = self.run(*tasks).results
        assert [result["failed"] for result in results] == [True] * len(tasks), results
        return results

    def run(self, *tasks: Task, arguments: t.Sequence[str] = (), umask: int = -1) -> Run:
        """Play the tasks, all of them whatever becomes of each."""
        process, results = self.start(*tasks, arguments=arguments, umask=umask)
        try:
            output, dummy = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            kill(process)
            pytest.fail(f"a playbook did not end within {LIMIT} seconds: {tasks}\n{process.communicate()[0]}")
        lines = results.read_text().splitlines() if results.exists() else []
        if not lines:
            pytest.fail(f"the playbook came to no result:\n{output}")
        return Run([json.loads(line) for line in lines], output)

    def start(
        self, *tasks: Task, arguments: t.Sequence[str] = (), umask: int = -1
    ) -> tuple[subprocess.Popen[str], Path]:
        """A playbook in the background, and the file where its results will be."""
        number = len(self.started)
        playbook, results = self.directory / f"{number}.json", self.directory / f"{number}.results"
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "ignore_errors": True,
            "vars": {"ansible_python_interpreter": self.module_python},
            "tasks": list(tasks),
        }
        playbook.write_text(json.dumps([play]))
        process = subprocess.Popen(
            [sys.executable, "-m", "ansible", "playbook", "--inventory", "localhost,", str(playbook), *arguments],
            env={**self.environment, "TASK_RESULTS": str(results)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=umask,
        )
        self.started.append(process)
        return process, results

    def cut_off(self, *tasks: Task, once: t.Callable[[], bool] = lambda: True, after: float = 0.0) -> None:
        """Play the tasks; kill Ansible and the module some time after the module has begun and a condition is met."""
        process, dummy = self.start(*tasks)
        while process.poll() is None and not (self._module_runs(process) and once()):
            time.sleep(0.002)
        time.sleep(after)
        kill(process)
        process.communicate()

    def _module_runs(self, process: subprocess.Popen[str]) -> bool:
        # Pipelining feeds the module to an interpreter without arguments.
        return [self.module_python] in map(command_of, descendants_of(process.pid))

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                kill(process)
            if process.stdout:
                process.stdout.close()


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL for the playbook and what it started, but not for servers that have left it."""
    pids = [process.pid, *descendants_of(process.pid)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
