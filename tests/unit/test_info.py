# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._info import (
    count_keys,
    parse_fields,
    parse_info,
    parse_version,
)

INFO = """# Server\r
redis_version:7.0.15\r
executable:/a:b\r
\r
# Keyspace\r
db0:keys=3,expires=0,avg_ttl=0\r
db10:keys=4,expires=1,avg_ttl=0,subexpiry=0\r
"""


def test_info_is_read_by_name() -> None:
    info = parse_info(INFO)
    assert (info["redis_version"], info["executable"]) == ("7.0.15", "/a:b")
    assert parse_fields(info["db10"])["expires"] == "1"
    assert count_keys(info) == 7
    assert count_keys(parse_info("")) == 0


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("7.0.15", (7, 0)),
        ("Redis server v=8.0.2 sha=00000000:1 malloc=jemalloc-5.3.0 bits=64 build=38138fc03fd42e61", (8, 0)),
        ("7.10", (7, 10)),
        ("unknown", (0, 0)),
    ],
)
def test_versions_are_major_and_minor(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version
