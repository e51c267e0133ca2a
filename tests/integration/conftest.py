# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the integration tests share.

Environment: REDIS_SERVER is the redis-server to test with (default: the one in PATH), MODULE_PYTHON the interpreter
that runs the modules (default: the one that runs pytest).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from playbook_runs import Ansible
from redis_instances import Instance, end_all_below, free_port, version_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="session")
def redis_server() -> str:
    """The program to test with."""
    wanted = os.environ.get("REDIS_SERVER")
    found = shutil.which(wanted or "redis-server")
    if found is None:
        if wanted:
            pytest.fail(f"REDIS_SERVER={wanted} is no program")
        pytest.skip("no redis-server in PATH, and REDIS_SERVER names none")
    return found


@pytest.fixture(scope="session")
def redis_version(redis_server: str) -> tuple[int, int]:
    return version_of(redis_server)


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path: the modules put unix sockets below it, whose paths the system limits to about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="redis-it-") as directory:
        path = Path(directory)
        path.chmod(0o755)  # servers of other users work there too
        yield path
        end_all_below(path)


@pytest.fixture(scope="session")
def environment(redis_server: str, scratch: Path) -> dict[str, str]:
    """What Ansible and the modules see: the tested redis-server first in PATH, nobody's own settings."""
    (scratch / "bin").mkdir()
    (scratch / "bin/redis-server").symlink_to(redis_server)
    (scratch / "tmp").mkdir()
    (scratch / "tmp").chmod(0o1777)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {
        **kept,
        "PATH": f"{scratch}/bin:{os.environ['PATH']}",
        "TMPDIR": f"{scratch}/tmp",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".build/collections")),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "task_results",
        "ANSIBLE_NOCOLOR": "true",
    }


@pytest.fixture
def ansible(tmp_path: Path, environment: dict[str, str]) -> Iterator[Ansible]:
    """Runs modules through ansible-playbook."""
    directory = tmp_path / "ansible"
    directory.mkdir()
    runner = Ansible(directory, environment, os.environ.get("MODULE_PYTHON", sys.executable))
    yield runner
    runner.close()


@pytest.fixture
def instance(tmp_path: Path, redis_server: str) -> Iterator[t.Callable[..., Instance]]:
    """Makes instances, none of which runs yet; whatever runs in the end is killed."""
    made: list[Instance] = []

    def make(name: str = "cache", **facts: t.Any) -> Instance:
        made.append(Instance(name, tmp_path / name, free_port(), redis_server, **facts))
        made[-1].home.mkdir()
        return made[-1]

    yield make
    for one in made:
        one.close()
    end_all_below(tmp_path)
