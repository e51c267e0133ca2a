# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new file in the root reaches every user through Galaxy unless build_ignore names it."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

SHIPPED = {
    *("FILES.json", "MANIFEST.json"),
    *("CHANGELOG.md", "LICENSE", "README.md"),
    *("client", "docs", "inventories", "meta", "playbooks", "plugins", "roles"),
}


def test_only_what_users_need_is_shipped(tmp_path: Path) -> None:
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", tmp_path], check=True)
    [tarball] = tmp_path.iterdir()
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} - SHIPPED == set()
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []
