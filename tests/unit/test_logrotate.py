# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._logrotate import logs_to_rotate

DEBIAN, EL = "/var/log/redis/redis-server*.log", "/var/log/redis/*.log"
OURS = ["/var/log/redis/redis-server-cache.log", "/var/log/redis/redis-server-node-1.log"]


def test_without_another_file_all_logs_are_ours() -> None:
    assert logs_to_rotate(OURS) == OURS
    assert logs_to_rotate([], [EL]) == []


@pytest.mark.parametrize("covered", [DEBIAN, EL])
def test_what_the_package_rotates_is_left_to_it(covered: str) -> None:
    assert logs_to_rotate(OURS, [covered]) == []
    elsewhere = [log.replace("/var/log", "/srv") for log in OURS]
    assert logs_to_rotate([*OURS, *elsewhere], [covered]) == elsewhere
    below = ["/var/log/redis/fast/redis-server-cache.log"]
    assert logs_to_rotate(below, [covered]) == below


def test_only_names_that_match_are_covered() -> None:
    assert logs_to_rotate(["/var/log/redis/cache.log"], [DEBIAN]) == ["/var/log/redis/cache.log"]


def test_patterns_match_as_those_of_the_shell_do(tmp_path: Path) -> None:
    names = ["redis-server.log", "redis-server-a.log", "Redis-server.log", "redis-server-a.log.1", "b/redis-server.log"]
    files = [tmp_path / name for name in names]
    (tmp_path / "b").mkdir()
    for file in files:
        file.touch()
    pattern = str(tmp_path / "redis-server*.log")
    logs = [str(file) for file in files]
    assert set(logs) - set(logs_to_rotate(logs, [pattern])) == set(glob.glob(pattern))
