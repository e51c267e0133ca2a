# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every command in README.md, in its order, in a fresh copy of this clone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_instances import end_all_below

ROOT = Path(__file__).parents[2]
NOT_RUN = {
    "ansible-galaxy collection install microservices.redis": "not on Galaxy yet; test_galaxy installs the tarball",
    "make test": "what runs this",
}
LIMIT = 300  # seconds for one command


def commands_of(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """What a fresh clone holds, uncommitted changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "clone" / name, follow_symlinks=False)
    yield tmp_path / "clone"
    end_all_below(tmp_path)


def test_every_command_works(clone: Path, redis_server: str) -> None:
    commands = [line for line in commands_of((clone / "README.md").read_text()) if line not in NOT_RUN]
    assert len(commands) >= 8
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MAKE", "VIRTUAL"))
    }
    path = [
        Path(redis_server).parent,
        *filter(lambda entry: ROOT not in Path(entry).parents, environment["PATH"].split(":")),
    ]
    environment["PATH"] = ":".join(map(str, path))
    outputs = run_in_one_shell(commands, clone, environment)

    by_command = dict(zip(commands, outputs, strict=True))
    assert "PONG" in by_command["redis-cli -p 7010 --user app ping"]
    assert "OK" in by_command["redis-cli -c -p 7000 --user app set greeting hello"]
    assert not (clone / ".quickstart").exists()


def run_in_one_shell(commands: t.Sequence[str], directory: Path, environment: dict[str, str]) -> list[str]:
    """The output of each command; a variable or an activation of one holds for the next, as in a terminal."""
    lines = ["set -e"]
    for number, command in enumerate(commands):
        lines += [f"echo '==== {number}'", f"timeout {LIMIT} {command}" if runs_a_program(command) else command]
        if number == 0:
            lines.append(". .venv/bin/activate")  # as the text says
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return re.split(r"^==== \d+\n", done.stdout, flags=re.MULTILINE)[1:]


def runs_a_program(command: str) -> bool:
    return not command.startswith(("export ", ". "))


def test_the_list_of_commands_not_run_is_true() -> None:
    commands = commands_of((ROOT / "README.md").read_text())
    assert set(NOT_RUN) <= set(commands)
