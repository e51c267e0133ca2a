# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as Galaxy users get it: built, installed into an empty directory, and used from elsewhere.

Nothing is downloaded: the collections it depends on come with the `ansible` package that runs the tests.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from quickstart_run import PORTS, Clone, Run, a_clone, own_loopback
from redis_instances import servers_below

NEEDED = {"meta", "playbooks", "plugins", "roles"}
FOR_READERS = {"CHANGELOG.md", "LICENSE", "README.md", "docs", "inventories"}
FROM_GALAXY = {"FILES.json", "MANIFEST.json"}


@dataclass
class Installed:
    """The only copy of the collection that Ansible can find, and a directory to work in."""

    clone: Clone
    tarball: Path
    collections: Path
    elsewhere: Path

    def play(self, *arguments: str) -> Run:
        command = [f"{self.clone.path}/.venv/bin/ansible-playbook", "microservices.redis.quickstart", *arguments]
        return self.clone.run(*command, cwd=self.elsewhere, ANSIBLE_COLLECTIONS_PATH=str(self.collections))


@pytest.fixture(scope="module")
def installed(redis_server: str) -> Iterator[Installed]:
    with own_loopback(), a_clone(redis_server) as clone:
        top = clone.path.parent
        galaxy = [f"{clone.path}/.venv/bin/ansible-galaxy", "collection"]
        clone.run(*galaxy, "build", "--output-path", f"{top}/dist").succeeded()
        [tarball] = (top / "dist").iterdir()
        # What is left of the clone is the virtual environment.
        for path in clone.path.iterdir():
            if path.name != ".venv":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        collections, elsewhere = top / "collections", top / "elsewhere"
        collections.mkdir()
        elsewhere.mkdir()
        clone.run(*galaxy, "install", str(tarball), "--collections-path", str(collections), cwd=elsewhere).succeeded()
        yield Installed(clone, tarball, collections, elsewhere)


def test_the_tarball_holds_what_users_need_and_nothing_else(installed: Installed) -> None:
    with tarfile.open(installed.tarball) as archive:
        names = archive.getnames()
    top = {name.split("/")[0] for name in names}
    assert top >= NEEDED | FROM_GALAXY
    assert top <= NEEDED | FROM_GALAXY | FOR_READERS
    assert [name for name in names if "__pycache__" in name or Path(name).name.startswith(".")] == []


def test_the_quickstart_works_from_there(installed: Installed) -> None:
    collection = installed.collections / "ansible_collections/microservices/redis"
    for path in collection.iterdir():
        if path.name not in NEEDED | FROM_GALAXY:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    run = installed.play().succeeded()

    assert (installed.elsewhere / ".quickstart/connections.json").exists()
    assert len(servers_below(installed.elsewhere)) == len(PORTS)
    # Ansible's own default is to print JSON: what is to be copied stands there as it is.
    for line in ("export REDISCLI_AUTH=$(cat .quickstart/app.password)", "import json, redis"):
        assert f'"{line}"' in run.output

    installed.play("-e", "quickstart_state=absent").succeeded()
    assert servers_below(installed.elsewhere) == []
    assert list(installed.elsewhere.iterdir()) == []
