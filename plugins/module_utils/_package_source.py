# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Where a host gets its Redis packages: a repository beside the distribution's, pinned to one series. Pure.

The pin of https://github.com/redis/redis-debian, for all packages of Redis and with no way around it: apt finds no
candidate at all when the repository lacks the series. See apt_preferences(5), sources.list(5), dnf.conf(5).
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ._info import Version, parse_version
from ._openpgp import fingerprints
from ._plan import Change, Plan, RedisPlatformError

OLDEST = (7, 0)
PACKAGES = ("redis", "redis-server", "redis-sentinel", "redis-tools")
REDIS_IO_KEY = "https://packages.redis.io/gpg"
REDIS_IO_FINGERPRINT = "54318FA4052D1E61A6B6F7BB5F4349D6BF53AA0C"
_HEADING = "# Managed by Ansible, by microservices.redis.redis_package_source.\n"


@dataclass(frozen=True)
class Manager:
    """What a package manager reads. ``oldest`` is the first series that packages.redis.io has for it."""

    key: str
    pin: str | None
    repository: str
    redis_io: str
    oldest: Version

    @property
    def paths(self) -> tuple[str, ...]:
        """In the order in which they are written: never a repository without its pin."""
        return tuple(path for path in (self.key, self.pin, self.repository) if path)


MANAGERS: t.Mapping[str, Manager] = {
    "apt": Manager(
        key="/etc/apt/keyrings/redis.asc",
        pin="/etc/apt/preferences.d/redis",
        repository="/etc/apt/sources.list.d/redis.sources",
        redis_io="https://packages.redis.io/deb",
        oldest=OLDEST,
    ),
    "dnf": Manager(
        key="/etc/pki/rpm-gpg/RPM-GPG-KEY-redis",
        pin=None,  # stands in the repository's file
        repository="/etc/yum.repos.d/redis.repo",
        redis_io="https://packages.redis.io/rpm/rockylinux9",
        oldest=(8, 0),
    ),
}


@dataclass(frozen=True)
class DesiredSource:
    """``source`` is distribution, redis_io or mirror; the others matter for the last two only."""

    name: str
    source: str
    series: str = ""
    url: str = ""
    key_url: str = ""
    fingerprint: str = ""

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredSource:
        source = params["source"]
        if source == "distribution":
            return cls("package source", source)
        series = params["series"] or ""
        if not re.fullmatch(r"\d+\.\d+", series) or parse_version(series) < OLDEST:
            raise RedisPlatformError(f'series {series!r} is not a series of Redis such as "7.4", from 7.0 on')
        if source == "redis_io":
            return cls("package source", source, series, "", REDIS_IO_KEY, REDIS_IO_FINGERPRINT)
        url = _url("url", params["url"])
        key_url = _url("key_url", params["key_url"] or url.rstrip("/").rpartition("/")[0] + "/gpg")
        fingerprint = re.sub(r"\s", "", params["fingerprint"] or REDIS_IO_FINGERPRINT).upper()
        if not re.fullmatch(r"[0-9A-F]{40}", fingerprint):
            raise RedisPlatformError(
                f"fingerprint {params['fingerprint']!r} is not the 40 hexadecimal digits of an OpenPGP key's "
                "fingerprint; gpg --show-keys tells it"
            )
        return cls("package source", source, series, url, key_url, fingerprint)

    @property
    def is_wanted(self) -> bool:
        return self.source != "distribution"


@dataclass(frozen=True)
class CurrentSource:
    """``files`` holds the text of each of the manager's paths, None where there is no file.

    ``offered_key`` is what the key's URL answers; it is asked only when the key on the host will not do.
    """

    manager: str
    suite: str = ""
    files: t.Mapping[str, str | None] = field(default_factory=dict)
    offered_key: str | None = None


@dataclass(frozen=True)
class WriteFile:
    path: str
    text: str = field(repr=False)
    changes: bool = True

    def describe(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True)
class RemoveFile:
    path: str
    changes: bool = True

    def describe(self) -> str:
        return f"remove {self.path}"


SourceStep = t.Union[WriteFile, RemoveFile]


def needs_key(current: CurrentSource, desired: DesiredSource) -> bool:
    """Whether the key has to be fetched. A key file that holds the wanted key, and no other, stays."""
    key = current.files.get(MANAGERS[current.manager].key)
    if not desired.is_wanted:
        return False
    try:
        return key is None or set(fingerprints(key)) != {desired.fingerprint}
    except ValueError:
        return True


def plan_source(current: CurrentSource, desired: DesiredSource) -> Plan[SourceStep]:
    """Raises RedisPlatformError for a key that is not the wanted one, and a series that cannot be had."""
    wanted = _wanted_files(current, desired)
    paths = MANAGERS[current.manager].paths
    steps: list[SourceStep] = [
        WriteFile(path, wanted[path]) for path in paths if path in wanted and current.files.get(path) != wanted[path]
    ]
    steps += [
        RemoveFile(path) for path in reversed(paths) if path not in wanted and current.files.get(path) is not None
    ]
    differences = [Change(step.path, current.files.get(step.path), wanted.get(step.path)) for step in steps]
    return Plan(tuple(steps), tuple(differences))


def _wanted_files(current: CurrentSource, desired: DesiredSource) -> dict[str, str]:
    if not desired.is_wanted:
        return {}
    manager = MANAGERS[current.manager]
    url = desired.url or _redis_io(manager, desired)
    key = current.offered_key if needs_key(current, desired) else current.files[manager.key]
    _check_key(key or "", desired)
    files = {manager.key: key or ""}
    if manager.pin:
        files[manager.pin] = _apt_pin(desired.series)
        files[manager.repository] = _apt_repository(url, current.suite, manager.key)
    else:
        files[manager.repository] = _dnf_repository(url, desired.series, manager.key)
    return files


def _check_key(key: str, desired: DesiredSource) -> None:
    try:
        found = set(fingerprints(key))
    except ValueError as problem:
        raise RedisPlatformError(
            f"{desired.key_url} is no key to check packages with: {problem}; give the key's address as key_url"
        ) from problem
    if found != {desired.fingerprint}:
        raise RedisPlatformError(
            f"{desired.key_url} holds the key {', '.join(sorted(found))}, and {desired.fingerprint} is wanted: packages "
            "signed with another key are not to be trusted. Give the right fingerprint if this is your mirror's own key"
        )


def _redis_io(manager: Manager, desired: DesiredSource) -> str:
    if parse_version(desired.series) < manager.oldest:
        oldest = ".".join(map(str, manager.oldest))
        raise RedisPlatformError(
            f"packages.redis.io has no Redis {desired.series} for this distribution, only {oldest} and newer: take the "
            "distribution's packages or a mirror, or choose another series"
        )
    return manager.redis_io


def _apt_pin(series: str) -> str:
    names = f"Package: {' '.join(PACKAGES)}\n"
    version = re.escape(series)
    return (
        f"{_HEADING}{names}Pin: version /^([0-9]+:)?{version}\\./\nPin-Priority: 1001\n\n"
        f"{names}Pin: version *\nPin-Priority: -1\n"
    )


def _apt_repository(url: str, suite: str, key: str) -> str:
    return f"{_HEADING}Types: deb\nURIs: {url}\nSuites: {suite}\nComponents: main\nSigned-By: {key}\n"


def _dnf_repository(url: str, series: str, key: str) -> str:
    # The priority goes before the distribution's own redis, and module_hotfixes before its module streams.
    return (
        f"{_HEADING}[redis]\nname=Redis {series}\nbaseurl={url}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n"
        f"includepkgs=redis-{series}.*\npriority=1\nmodule_hotfixes=1\n"
    )


def _url(option: str, value: str | None) -> str:
    parts = urllib.parse.urlsplit(value or "")
    if (
        parts.scheme not in ("https", "http", "file")
        or not (parts.netloc or parts.path)
        or re.search(r"\s", value or "")
    ):
        raise RedisPlatformError(
            f"{option} {value!r} is not the URL of a mirror, such as https://mirror.example/redis/deb"
        )
    if parts.password or parts.username:
        raise RedisPlatformError(
            f"{option} holds a user or password, and everybody on the host could read it: put them into apt_auth.conf(5), "
            "or let the mirror know its hosts by their address"
        )
    return str(value)
