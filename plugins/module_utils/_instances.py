# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""From an inventory's short description of instances to what each module needs to know of them. Pure.

The filters hand this to the roles, so that the same rule holds for configuration, users, processes and checks.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ._plan import RedisPlatformError
from ._preflight import BUS_OFFSET

Instance = t.Mapping[str, t.Any]
_KEYS = {"name", "port", "bind", "directives", "secret_directives", "users", "weight", "zone"}
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_MANAGED = {
    "port": "port",
    "bind": "bind",
    "dir": "the role's data directory",
    "aclfile": "the role's configuration directory",
    "logfile": "the role's log directory",
    "masteruser": "the role's replication user",
}


@dataclass(frozen=True)
class Site:
    """What all instances of a host share."""

    config_directory: str
    data_directory: str
    log_directory: str
    bind: t.Sequence[str]
    directives: t.Mapping[str, t.Any]
    users: t.Sequence[t.Mapping[str, t.Any]]
    replication_user: str
    replication_password: str | None = None
    announce_address: str | None = None


def complete_instances(instances: t.Sequence[Instance], site: Site) -> list[dict[str, t.Any]]:
    """Each instance with the options of every module: ``host``, ``config``, ``acl``, ``process`` and ``health``.

    Raises RedisPlatformError for a description that names unknown keys or lacks one.
    """
    return [_complete(instance, site) for instance in instances]


def cluster_nodes(variables: t.Mapping[str, t.Any], host: str) -> list[dict[str, t.Any]]:
    """A host's instances as nodes for redis_cluster: those with ``cluster-enabled``, from the host's variables."""
    address = variables.get("redis_address") or variables.get("ansible_host") or host
    placing = {"zone": variables.get("redis_zone"), "weight": variables.get("redis_weight")}
    common = variables.get("redis_server_directives") or {}
    nodes = []
    for one in variables.get("redis_server_instances") or ():
        if _is_yes({**common, **(one.get("directives") or {})}.get("cluster-enabled")):
            if "port" not in one:
                raise RedisPlatformError(f"host {host}: instance {one.get('name', '?')}: give its port")
            own = {name: one[name] for name in placing if one.get(name)}
            common_placing = {name: value for name, value in placing.items() if value}
            nodes.append({"host": address, "port": one["port"], **common_placing, **own})
    return nodes


def login_of_nodes(nodes: t.Sequence[Instance]) -> list[dict[str, t.Any]]:
    """A cluster's nodes as instances for redis_health."""
    return [
        {"name": f"{node['host']}:{node['port']}", "login_host": node["host"], "login_port": node["port"]}
        for node in nodes
    ]


def with_state(processes: t.Sequence[Instance], restart: t.Collection[str]) -> list[dict[str, t.Any]]:
    """Instances for redis_process: those named in ``restart`` restarted, the others started."""
    return [{**one, "state": "restarted" if one["name"] in restart else "started"} for one in processes]


def instance_ports(instances: t.Sequence[Instance]) -> list[int]:
    """Every port that completed instances listen on, the cluster bus included."""
    hosts = [instance["host"] for instance in instances]
    return sorted({port for host in hosts for port in (host["port"], host["bus_port"]) if port})


def login_address(bind: t.Sequence[str]) -> str:
    """Where a module on the same host reaches an instance that listens on these addresses."""
    addresses = [address.lstrip("-") for address in bind]
    if not addresses or {"127.0.0.1", "*", "0.0.0.0"} & set(addresses):  # noqa: S104 (compared, nothing is bound)
        return "127.0.0.1"
    return "::1" if addresses[0] == "::*" else addresses[0]


def _complete(instance: Instance, site: Site) -> dict[str, t.Any]:
    name, port, directives = _checked(instance, site)
    bind = _listed(instance.get("bind") or site.bind)
    path = f"{site.config_directory}/{name}.conf"
    aclfile = f"{site.config_directory}/{name}.acl"
    directory = f"{site.data_directory}/{name}"
    secrets = dict(instance.get("secret_directives") or {})
    replication: dict[str, t.Any] = {}
    if site.replication_password:
        replication["masteruser"] = site.replication_user
        secrets["masterauth"] = site.replication_password
    announced: dict[str, t.Any] = {}
    if site.announce_address and _is_yes(directives.get("cluster-enabled")):
        announced["cluster-announce-ip"] = site.announce_address
    login = {"name": name, "login_host": login_address(bind), "login_port": port}
    return {
        "name": name,
        "host": {
            "name": name,
            "directory": directory,
            "port": port,
            "bus_port": _bus_port(directives, port),
            "maxmemory": str(directives.get("maxmemory") or "0"),
            "unit": f"redis-instance@{name}.service",
        },
        "config": {
            **login,
            "path": path,
            "directives": {
                "port": port,
                "bind": bind,
                "dir": directory,
                "logfile": f"{site.log_directory}/redis-server-{name}.log",
                "aclfile": aclfile,
                **replication,
                **announced,
                **directives,
            },
            "secret_directives": secrets,
        },
        "acl": {**login, "path": aclfile, "users": [*site.users, *(instance.get("users") or ())]},
        "process": {**login, "path": path, "directory": directory},
        "health": login,
    }


def _checked(instance: Instance, site: Site) -> tuple[str, int, dict[str, t.Any]]:
    name = str(instance.get("name") or "")
    if not _NAME.fullmatch(name):
        raise RedisPlatformError(f"instance {name!r}: a name is made of letters, digits, '_', '-' and '.'")
    unknown = sorted(instance.keys() - _KEYS)
    if unknown:
        raise RedisPlatformError(
            f"instance {name}: {', '.join(unknown)} is no key of an instance; put directives of redis.conf under directives"
        )
    try:
        port = int(instance["port"])
    except (KeyError, ValueError, TypeError):
        raise RedisPlatformError(f"instance {name}: give its port as a number") from None
    directives = {**site.directives, **(instance.get("directives") or {})}
    for directive in sorted(directives.keys() & _MANAGED.keys()):
        raise RedisPlatformError(
            f"instance {name}: {directive} follows from {_MANAGED[directive]}; leave it out of directives"
        )
    return name, port, directives


def _listed(addresses: str | t.Sequence[str]) -> list[str]:
    return addresses.split() if isinstance(addresses, str) else list(addresses)


def _bus_port(directives: t.Mapping[str, t.Any], port: int) -> int | None:
    if not _is_yes(directives.get("cluster-enabled")):
        return None
    given = directives.get("cluster-port") or 0
    try:
        return int(given) or port + BUS_OFFSET
    except (ValueError, TypeError):
        raise RedisPlatformError(f"the instance on port {port}: cluster-port {given!r} is not a number") from None


def _is_yes(value: object) -> bool:
    return value is True or str(value).lower() in ("yes", "true")
