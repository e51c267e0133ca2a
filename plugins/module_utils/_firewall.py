# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which rules let the clients' networks through the host's firewall, and which of our rules have to go. Pure.

Ours are the rules that look as we write them and carry our name: firewalld's rich rules for our service, ufw's rules with
our comment. All others belong to somebody else and stay.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ._plan import RedisPlatformError

NAME = "redis-instances"
UFW_PORTS = 15  # as many as one rule may list, see ufw(8)

_SOURCE = r"([0-9a-f.:]+(?:/[0-9]+)?)"
_FIREWALLD_RULE = re.compile(rf'rule family="ipv[46]" source address="{_SOURCE}" service name="{NAME}" accept')
_UFW_RULE = re.compile(rf"ufw allow from {_SOURCE} to any port ([0-9,]+) proto tcp comment '{NAME}'")

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class FirewalldRule:
    """A rich rule, its zone unless that is the default one, and what shall become of it: ``enabled`` or ``disabled``."""

    zone: str | None
    rule: str
    state: str


@dataclass(frozen=True)
class UfwRule:
    """A rule to add, or to delete."""

    source: str
    ports: str
    delete: bool

    @property
    def meaning(self) -> tuple[Network, str]:
        return _network(self.source), self.ports


def source_networks(sources: str | t.Sequence[object]) -> list[str]:
    """The sources as firewalls print them, each once. Raises RedisPlatformError for what is not a network."""
    listed = sources.replace(",", " ").split() if isinstance(sources, str) else [str(one) for one in sources]
    wrong = [problem for problem in map(_problem, listed) if problem]
    if wrong:
        raise RedisPlatformError(f"redis_server_firewall_sources: {'; '.join(wrong)}")
    return list(dict.fromkeys(_printed(_network(source)) for source in listed))


def firewalld_rules(listing: t.Sequence[str], sources: t.Sequence[str]) -> list[FirewalldRule]:
    """From the lines of ``firewall-cmd --list-all-zones``: a rule per source, and none for others in any zone."""
    networks = set(map(_network, sources))
    wanted = [FirewalldRule(None, _rich_rule(source), "enabled") for source in sources]
    unwanted = []
    zone = None
    for line in listing:
        found = _FIREWALLD_RULE.fullmatch(line.strip())
        if found and _network(found.group(1)) not in networks:
            unwanted.append(FirewalldRule(zone, found.group(), "disabled"))
        elif line and not line[0].isspace():
            zone = line.split()[0]  # what follows tells whether it is active
    return wanted + list(dict.fromkeys(unwanted))


def ufw_rules(added: t.Sequence[str], sources: t.Sequence[str], ports: t.Sequence[int]) -> list[UfwRule]:
    """From the lines of ``ufw show added``: what to add and what to delete, nothing where all is well.

    First what to add, so that nobody who may stay is locked out in between.
    """
    matches = [match for match in map(_UFW_RULE.fullmatch, added) if match]
    found = [UfwRule(match.group(1), match.group(2), delete=True) for match in matches]
    parts = [sorted(ports)[start : start + UFW_PORTS] for start in range(0, len(ports), UFW_PORTS)]
    wanted = [UfwRule(source, ",".join(map(str, part)), delete=False) for source in sources for part in parts]
    missing = [rule for rule in wanted if rule.meaning not in {one.meaning for one in found}]
    unwanted = [rule for rule in found if rule.meaning not in {one.meaning for one in wanted}]
    return missing + unwanted


def _problem(source: str) -> str | None:
    try:
        network = _network(source)
    except ValueError:
        return f"{source!r} is not a network such as 192.0.2.0/24 or 2001:db8::/64"
    if "%" in source:
        return f"{source} names an interface, which firewalls do not take as part of a network: leave that out"
    if not network.prefixlen:
        return f"{source} is everybody: name the networks of the clients"
    address = source.partition("/")[0]
    if ipaddress.ip_address(address) != network.network_address:
        return f"{source} is neither a network nor a host: write {network} or {address}"
    return None


def _network(source: str) -> Network:
    return ipaddress.ip_network(source, strict=False)


def _printed(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _rich_rule(source: str) -> str:
    family = "ipv6" if ":" in source else "ipv4"
    return f'rule family="{family}" source address="{source}" service name="{NAME}" accept'
