# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""redis_package_source up to the point of writing; the scenario redis_server_sources sees it install."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest
from playbook_runs import Ansible, task

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root changes where packages come from"),
    pytest.mark.skipif(not shutil.which("apt-get"), reason="this host has no apt"),
]

FINGERPRINT = "2E02DAEFE678E5E8ED9512C27238DCC5DA214A7E"
# Made with gpg; nothing is signed with it.
KEY = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawP2/xYJKwYBBAHaRw8BAQdAfP5EiP+ac8poloJo/iyfSaIvr4IOpPB1scIt
bOUr74C0C3Rlc3QgbWlycm9yiJAEExYIADgWIQQuAtrv5njl6O2VEsJyONzF2iFK
fgUCawP2/wIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRByONzF2iFKfu3h
AP9MU1aO7w3I6VogfHlJhNy4TmaQ92IhGyupmtdqEuvCPQD/Xry27BZHPCouqDSD
Pouka/cwCJXJjek92q1gCTJpcAc=
=oyVm
-----END PGP PUBLIC KEY BLOCK-----
"""


@pytest.fixture
def mirror(tmp_path: Path) -> dict[str, t.Any]:
    (tmp_path / "gpg").write_text(KEY)
    (tmp_path / "page").write_text("<html>Please log in</html>")
    return {"source": "mirror", "series": "7.4", "url": f"file://{tmp_path}/deb", "fingerprint": FINGERPRINT}


def test_check_mode_shows_all_three_files_and_writes_none(ansible: Ansible, mirror: dict[str, t.Any]) -> None:
    result = ansible("redis_package_source", mirror, check_mode=True, diff=True)
    paths = ["/etc/apt/keyrings/redis.asc", "/etc/apt/preferences.d/redis", "/etc/apt/sources.list.d/redis.sources"]
    assert result["actions"] == [f"package source: write {path}" for path in paths]
    assert f"URIs: {mirror['url']}" in result["diff"][0]["after"][paths[2]]
    assert not any(os.path.exists(path) for path in paths)
    assert not ansible("redis_package_source", {"source": "distribution"})["changed"]


def test_a_key_that_is_not_the_wanted_one_is_refused(ansible: Ansible, mirror: dict[str, t.Any]) -> None:
    base = mirror["url"].removesuffix("/deb")
    other, page, missing, nowhere = ansible.failures(
        task("redis_package_source", {**mirror, "fingerprint": None}, check_mode=True),
        task("redis_package_source", {**mirror, "key_url": f"{base}/page"}, check_mode=True),
        task("redis_package_source", {**mirror, "key_url": f"{base}/missing"}, check_mode=True),
        task("redis_package_source", {**mirror, "key_url": "http://127.0.0.1:9/gpg", "timeout": 2}, check_mode=True),
    )
    assert (
        f"{base}/gpg holds the key {FINGERPRINT}, and 54318FA4052D1E61A6B6F7BB5F4349D6BF53AA0C is wanted"
        in other["msg"]
    )
    assert f"{base}/page is no key to check packages with" in page["msg"]
    assert f"cannot fetch the key {base}/missing" in missing["msg"]
    assert "cannot fetch the key http://127.0.0.1:9/gpg" in nowhere["msg"]
