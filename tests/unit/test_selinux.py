# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._selinux import file_contexts

DEFAULTS = ("/etc/redis", "/var/lib/redis", "/var/log/redis")


def labelled(config: str, data: str, log: str) -> dict[str, str]:
    """The type of each path, as SELinux finds it: the last expression that matches."""
    contexts = file_contexts(config, data, log)
    files = [f"{directory}/file" for directory in (config, data, log)]
    return {
        file: next((one.setype for one in reversed(contexts) if re.fullmatch(one.target, file)), "") for file in files
    }


@pytest.mark.parametrize(
    "directories",
    [
        DEFAULTS,
        ("/etc/redis/", "/var/lib/redis/", "/var/log/redis/"),
        ("/etc/redis/instances", "/var/lib/redis/fast", "/var/log/redis/a/b"),
    ],
)
def test_the_policy_knows_the_directories_of_the_package(directories: tuple[str, str, str]) -> None:
    assert file_contexts(*directories) == []


def test_other_directories_are_labelled() -> None:
    assert [(one.path, one.target, one.setype) for one in file_contexts("/srv/etc", "/srv/data/", "/srv/log.d")] == [
        ("/srv/data", "/srv/data(/.*)?", "redis_var_lib_t"),
        ("/srv/etc", "/srv/etc(/.*)?", "redis_conf_t"),
        ("/srv/log.d", "/srv/log\\.d(/.*)?", "redis_log_t"),
    ]


@pytest.mark.parametrize("near", ["/var/lib/redis-data", "/var/lib/rediss", "/var/lib"])
def test_a_name_that_only_begins_alike_is_another_directory(near: str) -> None:
    assert [one.path for one in file_contexts("/etc/redis", near, "/var/log/redis")] == [near]


def test_a_directory_below_another_has_its_own_type() -> None:
    assert labelled("/srv/redis/etc", "/srv/redis", "/srv/redis/log") == {
        "/srv/redis/etc/file": "redis_conf_t",
        "/srv/redis/file": "redis_var_lib_t",
        "/srv/redis/log/file": "redis_log_t",
    }
    assert labelled("/etc/redis", "/etc/redis/data", "/var/log/redis")["/etc/redis/data/file"] == "redis_var_lib_t"


def test_a_directory_that_is_shared_has_the_type_that_allows_most() -> None:
    assert [one.setype for one in file_contexts("/srv/redis", "/srv/redis", "/srv/redis/")] == ["redis_var_lib_t"]


@given(st.lists(st.text("ab.+*[](){}|^$?\\ é-", min_size=1, max_size=6), min_size=1, max_size=3))
def test_a_path_is_taken_literally(parts: list[str]) -> None:
    path = "/srv/" + "/".join(f"a{part}" for part in parts)
    [context] = file_contexts("/etc/redis", path, "/var/log/redis")
    assert re.fullmatch(context.target, path)
    assert re.fullmatch(context.target, f"{path}/a/appendonly.aof")
    assert not re.fullmatch(context.target, f"{path}x")
