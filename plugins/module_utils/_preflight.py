# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What stands in the way of the wanted instances on a host, found before anything is changed. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ._directive_catalogue import Version
from ._directives import memory_bytes
from ._info import parse_version
from ._plan import RedisPlatformError

BUS_OFFSET = 10000  # https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/


@dataclass(frozen=True)
class WantedInstance:
    name: str
    directory: str
    port: int
    bus_port: int | None = None
    maxmemory: int = 0
    unit: str | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(port for port in (self.port, self.bus_port) if port)


@dataclass(frozen=True)
class DesiredHost:
    """``series`` is the only one that will do; ``replace`` is whether installing also replaces another version."""

    name: str
    instances: tuple[WantedInstance, ...]
    minimum: Version
    package: str
    install: bool
    series: Version | None = None
    replace: bool = False

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredHost:
        instances = tuple(
            WantedInstance(one["name"], one["directory"], one["port"], one["bus_port"], _bytes(one), one["unit"])
            for one in params["instances"]
        )
        minimum = parse_version(params["minimum_version"])
        series = parse_version(params["series"]) if params["series"] else None
        return cls("this host", instances, minimum, params["package"], params["install"], series, params["replace"])

    def accepts(self, version: Version) -> bool:
        return version >= self.minimum and self.series in (None, version)


@dataclass(frozen=True)
class CurrentHost:
    """``running`` maps a directory to the pid of its redis-server, ``holders`` a taken port to who holds it.

    ``outdated`` and ``with_data`` are directories: of servers that run another version of the program than is installed
    now, and those with something in them.
    """

    program: str | None
    version: Version = (0, 0)
    is_root: bool = False
    running: t.Mapping[str, int] = field(default_factory=dict)
    holders: t.Mapping[int, str] = field(default_factory=dict)
    not_writable: t.Mapping[str, str] = field(default_factory=dict)
    memory: int = 0
    enabled_units: frozenset[str] = frozenset()
    redis_py: bool = True
    unfinished: bool = False
    outdated: frozenset[str] = frozenset()
    with_data: frozenset[str] = frozenset()
    package_source: bool = False
    kernel: t.Mapping[str, int] = field(default_factory=dict)
    kernel_is_ours: bool = False
    firewall: str | None = None
    selinux: bool = False


# Without the first, saving a large data set fails for want of memory; the second cuts tcp-backlog short.
KERNEL_MINIMUM = {"vm.overcommit_memory": 1, "net.core.somaxconn": 511}


def problems(current: CurrentHost, desired: DesiredHost) -> list[str]:
    """Each names the thing and the fix."""
    return [*_program(current, desired), *_names(desired), *_ports(current, desired), *_room(current, desired)]


def report_host(current: CurrentHost, desired: DesiredHost) -> dict[str, t.Any]:
    return {
        "installed": current.program,
        "version": ".".join(map(str, current.version)),
        "running": [one.name for one in desired.instances if one.directory in current.running],
        "enabled": [one.name for one in desired.instances if one.unit in current.enabled_units],
        "redis_py": current.redis_py,
        "unfinished": current.unfinished,
        "due": is_due(current, desired),
        "outdated": [one.name for one in desired.instances if one.directory in current.outdated],
        "package_source": current.package_source,
        "kernel_settings": kernel_settings(current),
        "firewall": current.firewall,
        "selinux": current.selinux,
        "problems": problems(current, desired),
    }


def is_due(current: CurrentHost, desired: DesiredHost) -> bool:
    """Whether there is something to install."""
    return current.program is None or current.unfinished or not current.redis_py or not desired.accepts(current.version)


def kernel_settings(current: CurrentHost) -> dict[str, str]:
    """What to set with sysctl; nothing where the kernel belongs to somebody else, as in a container."""
    if not current.kernel_is_ours:
        return {}
    wrong = {
        name: least for name, least in KERNEL_MINIMUM.items() if name in current.kernel and current.kernel[name] < least
    }
    return {name: str(value) for name, value in wrong.items()}


def _bytes(instance: t.Mapping[str, t.Any]) -> int:
    try:
        return memory_bytes(instance["maxmemory"] or "0")
    except (ValueError, KeyError):
        raise RedisPlatformError(
            f"instance {instance['name']}: maxmemory {instance['maxmemory']!r} is not a size such as 512mb"
        ) from None


def _program(current: CurrentHost, desired: DesiredHost) -> t.Iterator[str]:
    wanted = f"Redis {_text(desired.series)}" if desired.series else f"Redis {_text(desired.minimum)} or newer"
    if desired.series and desired.series < desired.minimum:
        yield f"series {_text(desired.series)} is wanted, and at least {_text(desired.minimum)} is needed: choose another series"
    elif current.program is None:
        if not desired.install:
            yield f"redis-server is not installed: install {wanted}, or allow this role to"
        elif not current.is_root:
            yield (
                "redis-server is not installed, and only root can install it: run "
                f"'sudo apt-get install {desired.package}' (Debian, Ubuntu) or its equivalent, or run this as root"
            )
    elif not desired.accepts(current.version):
        yield from _version(current, desired)
    elif current.unfinished and desired.install and not current.is_root:
        yield (
            f"the installation of {desired.package} was interrupted, and only root can finish it: run "
            "'sudo dpkg --configure -a' and 'sudo apt-get --fix-broken install', or run this as root"
        )


def _version(current: CurrentHost, desired: DesiredHost) -> t.Iterator[str]:
    """What keeps the installed version from being replaced by the wanted one."""
    found = f"{current.program} is Redis {_text(current.version)}"
    if desired.series is None:
        what = f"{found}, and at least {_text(desired.minimum)} is needed"
    else:
        what = f"{found}, and {_text(desired.series)} is wanted"
    in_use = [one.name for one in desired.instances if one.directory in {*current.running, *current.with_data}]
    if not desired.install or not desired.replace:
        yield f"{what}: install a {'package of that series' if desired.series else 'newer package'}"
    elif not current.is_root:
        yield f"{what}, and only root can install it: run this as root"
    elif desired.series and current.version > desired.series and in_use:
        yield (
            f"{what}, and an older Redis cannot read what a newer one wrote: {', '.join(in_use)} would lose its data. "
            f"Stay with {_text(current.version)}, or move the data out of the way first"
        )


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _names(desired: DesiredHost) -> t.Iterator[str]:
    for what, values in (
        ("name", [one.name for one in desired.instances]),
        ("directory", [one.directory for one in desired.instances]),
        ("port", [str(port) for one in desired.instances for port in one.ports]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            yield f"{what} {', '.join(twice)} is given to two instances: every instance needs its own"
    for one in desired.instances:
        for port in one.ports:
            if not 0 < port < 65536:
                kind = "port" if port == one.port else f"cluster bus port (port + {BUS_OFFSET})"
                yield f"instance {one.name}: {kind} {port} is not between 1 and 65535: choose another port"


def _ports(current: CurrentHost, desired: DesiredHost) -> t.Iterator[str]:
    for one in desired.instances:
        for port in one.ports:
            if port in current.holders and one.directory not in current.running:
                yield f"instance {one.name}: port {port} is in use by {current.holders[port]}: stop that, or choose another port"


def _room(current: CurrentHost, desired: DesiredHost) -> t.Iterator[str]:
    for path, reason in current.not_writable.items():
        yield f"{path} cannot be written: {reason}; run this as root or choose other directories"
    wanted = sum(one.maxmemory for one in desired.instances)
    if current.memory and wanted > current.memory:
        yield (
            f"the maxmemory of all instances adds up to {wanted >> 20} MB and the host has {current.memory >> 20} MB: "
            "lower it, and leave room for forks and buffers"
        )
