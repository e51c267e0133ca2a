# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpgp_keys import ED25519, ED25519_FINGERPRINT, OTHER, OTHER_FINGERPRINT

from ansible_collections.microservices.redis.plugins.module_utils._package_source import (
    MANAGERS,
    REDIS_IO_FINGERPRINT,
    CurrentSource,
    DesiredSource,
    WriteFile,
    needs_key,
    plan_source,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError

MIRROR: t.Mapping[str, t.Any] = {
    "source": "mirror",
    "series": "7.4",
    "url": "https://mirror.example/redis/deb/",
    "key_url": None,
    "fingerprint": ED25519_FINGERPRINT,
}
WANTED = DesiredSource.from_params(MIRROR)


def host(manager: str = "apt", key: str | None = ED25519) -> CurrentSource:
    """One that has never heard of us."""
    return CurrentSource(manager, "noble" if manager == "apt" else "", dict.fromkeys(MANAGERS[manager].paths), key)


def after(current: CurrentSource, desired: DesiredSource) -> CurrentSource:
    files = dict(current.files)
    for step in plan_source(current, desired).steps:
        files[step.path] = step.text if isinstance(step, WriteFile) else None
    return replace(current, files=files, offered_key=None)


def test_apt_gets_a_repository_its_key_and_a_pin_without_a_way_around() -> None:
    assert after(host(), WANTED).files == {
        "/etc/apt/keyrings/redis.asc": ED25519,
        "/etc/apt/preferences.d/redis": "# Managed by Ansible, by microservices.redis.redis_package_source.\n"
        "Package: redis redis-server redis-sentinel redis-tools\n"
        "Pin: version /^([0-9]+:)?7\\.4\\./\nPin-Priority: 1001\n\n"
        "Package: redis redis-server redis-sentinel redis-tools\nPin: version *\nPin-Priority: -1\n",
        "/etc/apt/sources.list.d/redis.sources": "# Managed by Ansible, by microservices.redis.redis_package_source.\n"
        "Types: deb\nURIs: https://mirror.example/redis/deb/\nSuites: noble\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/redis.asc\n",
    }


def test_dnf_has_the_pin_in_the_repository() -> None:
    written = after(host("dnf"), WANTED).files["/etc/yum.repos.d/redis.repo"] or ""
    for line in ("includepkgs=redis-7.4.*", "gpgcheck=1", "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-redis"):
        assert line in written.splitlines()


def test_the_repository_comes_after_its_pin_and_goes_before_it() -> None:
    paths = list(MANAGERS["apt"].paths)
    current = host()
    assert [step.path for step in plan_source(current, WANTED).steps] == paths
    current = after(current, WANTED)
    assert [step.path for step in plan_source(current, DesiredSource("", "distribution")).steps] == paths[::-1]


@pytest.mark.parametrize("key", [OTHER, ED25519 + OTHER, "<html>not found</html>", ""])
def test_a_wrong_key_is_refused(key: str) -> None:
    with pytest.raises(RedisPlatformError, match=r"https://mirror\.example/redis/gpg"):
        plan_source(host(key=key), WANTED)


def test_a_key_that_will_do_is_not_fetched_again() -> None:
    current = after(host(), WANTED)
    assert not needs_key(current, WANTED)
    assert needs_key(current, replace(WANTED, fingerprint=OTHER_FINGERPRINT))
    assert not needs_key(host(), DesiredSource("", "distribution"))


def test_the_fingerprint_of_a_plain_copy_is_that_of_packages_redis_io() -> None:
    assert DesiredSource.from_params({**MIRROR, "fingerprint": None}).fingerprint == REDIS_IO_FINGERPRINT
    spaced = "2e02 daef e678 e5e8 ed95  12c2 7238 dcc5 da21 4a7e"
    assert DesiredSource.from_params({**MIRROR, "fingerprint": spaced}).fingerprint == ED25519_FINGERPRINT


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"series": None}, "series ''"),
        ({"series": "7"}, "series '7'"),
        ({"series": "6.2"}, "from 7.0 on"),
        ({"url": None}, "url None is not the URL"),
        ({"url": "mirror.example/redis"}, "is not the URL of a mirror"),
        ({"url": "https://mirror.example/a b"}, "is not the URL of a mirror"),
        ({"url": "https://user:secret@mirror.example/"}, "everybody on the host could read it"),
        ({"key_url": "gpg"}, "key_url 'gpg'"),
        ({"fingerprint": "DEADBEEF"}, "40 hexadecimal digits"),
    ],
)
def test_bad_options_are_named(wrong: dict[str, t.Any], problem: str) -> None:
    with pytest.raises(RedisPlatformError, match=problem) as refusal:
        DesiredSource.from_params({**MIRROR, **wrong})
    assert "secret" not in str(refusal.value)


def test_packages_redis_io_has_no_redis_7_for_enterprise_linux() -> None:
    seven, eight = (DesiredSource.from_params({"source": "redis_io", "series": series}) for series in ("7.4", "8.0"))
    with pytest.raises(RedisPlatformError, match=r"no Redis 7\.4 for this distribution, only 8\.0 and newer"):
        plan_source(host("dnf"), seven)
    assert plan_source(replace(host(), offered_key=None), DesiredSource("", "distribution")) == plan_source(
        host("dnf"), DesiredSource("", "distribution")
    )
    with pytest.raises(RedisPlatformError, match=f"{REDIS_IO_FINGERPRINT} is wanted"):
        plan_source(host("dnf"), eight)


@given(
    manager=st.sampled_from(sorted(MANAGERS)),
    left=st.lists(st.sampled_from([None, "", "something", ED25519, OTHER]), min_size=3, max_size=3),
    wanted=st.sampled_from([WANTED, replace(WANTED, series="8.0"), DesiredSource("", "distribution")]),
)
def test_a_finished_plan_leaves_nothing_to_do(manager: str, left: list[str | None], wanted: DesiredSource) -> None:
    current = replace(host(manager), files=dict(zip(MANAGERS[manager].paths, left, strict=False)))
    assert not plan_source(after(current, wanted), wanted)
