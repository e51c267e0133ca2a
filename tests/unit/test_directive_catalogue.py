# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._directive_catalogue import (
    CATALOGUE,
    DIRECTIVES,
    Directive,
    Kind,
    as_of,
    available,
    find,
    nearest,
)

VERSIONS = [(7, 0, 15), (7, 2), (7, 4), (8, 0)]


def rows(version: tuple[int, ...]) -> list[Directive]:
    return [as_of(directive, version) for directive in DIRECTIVES if available(directive, version)]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_name_stands_for_two_directives(version: tuple[int, ...]) -> None:
    names = Counter(name for row in rows(version) for name in (row.name, *row.aliases))
    assert {name for name, count in names.items() if count > 1} == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_defaults_are_values_the_row_allows(version: tuple[int, ...]) -> None:
    for row in rows(version):
        if row.kind is Kind.ENUM:
            assert row.default in row.choices, row.name
        elif row.minimum is not None and row.maximum is not None:
            assert row.default is not None, row.name
            assert row.minimum <= int(row.default) <= row.maximum, row.name


def test_exactly_these_hold_secrets() -> None:
    secrets = {directive.name for directive in DIRECTIVES if directive.secret}
    assert secrets == {"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass", "user"}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("maxmemory", "maxmemory"),
        ("MaxMemory", "maxmemory"),
        ("slaveof", "replicaof"),
        ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
        ("server_cpulist", "server_cpulist"),
        ("server-cpulist", "server_cpulist"),
    ],
)
def test_find_knows_every_name(name: str, canonical: str) -> None:
    assert find(name) is CATALOGUE[canonical]


def test_find_does_not_guess() -> None:
    assert find("renamed-commands") is None


def test_a_directive_is_available_from_its_first_version_on() -> None:
    directive = CATALOGUE["set-max-listpack-entries"]
    assert [available(directive, version) for version in VERSIONS] == [False, True, True, True]


def test_as_of_tells_what_versions_changed() -> None:
    assert [as_of(CATALOGUE["maxmemory-samples"], version).maximum for version in VERSIONS[1:3]] == [2**31 - 1, 64]
    assert ["nothing" in as_of(CATALOGUE["loglevel"], version).choices for version in VERSIONS[:2]] == [False, True]
    assert as_of(CATALOGUE["io-threads-do-reads"], (8, 0, 2)).kind is Kind.IGNORED


def test_as_of_gives_the_name_to_write() -> None:
    old, new = (as_of(CATALOGUE["server_cpulist"], version) for version in VERSIONS[1:3])
    assert (old.name, old.aliases) == ("server_cpulist", ())
    assert (new.name, new.aliases) == ("server-cpulist", ("server_cpulist",))


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("active-rehashing", "activerehashing"),
        ("renamed-commands", "rename-command"),
        ("MAXMEMORY_POLICY", "maxmemory-policy"),
        ("slave-prioritie", "replica-priority"),
    ],
)
def test_nearest_corrects_typos(typo: str, meant: str) -> None:
    assert nearest(typo, (7, 0))[0] == meant


def test_nearest_offers_only_what_the_version_has() -> None:
    assert "set-max-listpack-value" not in nearest("set-max-listpack-valu", (7, 0))
    assert nearest("set-max-listpack-valu", (7, 2))[0] == "set-max-listpack-value"
    assert nearest("xyzzy", (8, 0)) == []
