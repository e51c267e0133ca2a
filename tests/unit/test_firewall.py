# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._firewall import (
    UFW_PORTS,
    FirewalldRule,
    UfwRule,
    firewalld_rules,
    source_networks,
    ufw_rules,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError

networks = st.one_of(
    st.builds(
        lambda address, length: ipaddress.ip_network((address, length), strict=False),
        st.ip_addresses(v=4),
        st.integers(1, 32),
    ),
    st.builds(
        lambda address, length: ipaddress.ip_network((address, length), strict=False),
        st.ip_addresses(v=6),
        st.integers(1, 128),
    ),
)
sources = st.lists(networks.map(str), max_size=4).map(source_networks)
ports = st.lists(st.integers(1, 65535), unique=True, max_size=40)


def rich_rule(source: str) -> str:
    family = "ipv6" if ":" in source else "ipv4"
    return f'rule family="{family}" source address="{source}" service name="redis-instances" accept'


def ufw_line(source: str, listed: str) -> str:
    return f"ufw allow from {source} to any port {listed} proto tcp comment 'redis-instances'"


FOREIGN_RICH_RULES = [
    'rule family="ipv4" source address="192.0.2.7" service name="ssh" accept',
    'rule family="ipv4" source address="192.0.2.7" service name="redis-instances" drop',
    'rule family="ipv4" source address="192.0.2.7" service name="redis-instances" log prefix="x" accept',
    'rule family="ipv4" source address="192.0.2.7" service name="redis" accept',
]
FOREIGN_UFW_LINES = [
    "Added user rules (see 'ufw status' for running firewall):",
    "ufw allow 22/tcp",
    "ufw allow from 192.0.2.7 to any port 6379 proto tcp",
    "ufw allow from 192.0.2.7 to any port 6379 proto tcp comment 'cache'",
    "ufw deny from 192.0.2.7 to any port 6379 proto tcp comment 'redis-instances'",
    "(None)",
]


@pytest.mark.parametrize(
    ("given_as", "printed"),
    [
        (["192.0.2.0/24"], ["192.0.2.0/24"]),
        (["192.0.2.0/255.255.255.0", "192.0.2.0/24"], ["192.0.2.0/24"]),
        (["192.0.2.1", "192.0.2.2/32"], ["192.0.2.1", "192.0.2.2"]),
        (["2001:DB8:0::/32", "2001:db8::1/128"], ["2001:db8::/32", "2001:db8::1"]),
        ("192.0.2.1, 2001:db8::/32", ["192.0.2.1", "2001:db8::/32"]),
        ("", []),
        ([], []),
    ],
)
def test_sources_are_spelt_as_firewalls_print_them(given_as: str | list[str], printed: list[str]) -> None:
    assert source_networks(given_as) == printed


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("192.0.2.5/24", "192.0.2.5/24 is neither a network nor a host: write 192.0.2.0/24 or 192.0.2.5"),
        ("2001:db8::1/32", "2001:db8::1/32 is neither a network nor a host: write 2001:db8::/32 or 2001:db8::1"),
        ("0.0.0.0/0", "0.0.0.0/0 is everybody: name the networks of the clients"),
        ("::/0", "::/0 is everybody"),
        ("192.0.2.0/33", "'192.0.2.0/33' is not a network such as 192.0.2.0/24 or 2001:db8::/64"),
        ("web1.example.com", "'web1.example.com' is not a network"),
        ("any", "'any' is not a network"),
        ("192.0.2.1-192.0.2.9", "is not a network"),
        (6379, "'6379' is not a network"),
        (None, "'None' is not a network"),
        ("fe80::1%eth0", "fe80::1%eth0 names an interface"),
    ],
)
def test_what_is_not_a_network_is_refused_by_name(source: object, complaint: str) -> None:
    with pytest.raises(RedisPlatformError) as problem:
        source_networks(["192.0.2.0/24", source])
    assert complaint in str(problem.value)
    assert str(problem.value).startswith("redis_server_firewall_sources: ")


def test_all_wrong_sources_are_named_at_once() -> None:
    with pytest.raises(RedisPlatformError, match=r"'any' .*; 192\.0\.2\.1/8 "):
        source_networks(["any", "10.0.0.0/8", "192.0.2.1/8"])


@given(networks)
def test_a_source_stays_the_network_that_it_was(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    [printed] = source_networks([str(network)])
    assert ipaddress.ip_network(printed) == network
    assert source_networks([printed]) == [printed]


# firewalld


def listing(**zones: list[str]) -> list[str]:
    """As firewalld 1.3 prints zones, and 2.x."""
    lines = []
    for heading, rules in zones.items():
        lines += [
            heading.replace("_active", " (active)").replace("_default", " (default, active)"),
            "  target: default",
        ]
        lines += ["  services: dhcpv6-client ssh", "  rich rules: ", *(f"\t{rule}" for rule in rules), ""]
    return lines


def test_each_source_has_one_rule_and_others_lose_theirs() -> None:
    zones = listing(
        drop=[],
        public_active=[rich_rule("198.51.100.0/24"), rich_rule("192.0.2.0/24")],
        work=[rich_rule("198.51.100.9")],
    )
    assert firewalld_rules(zones, ["192.0.2.0/24", "2001:db8::/32"]) == [
        FirewalldRule(None, rich_rule("192.0.2.0/24"), "enabled"),
        FirewalldRule(None, rich_rule("2001:db8::/32"), "enabled"),
        FirewalldRule("public", rich_rule("198.51.100.0/24"), "disabled"),
        FirewalldRule("work", rich_rule("198.51.100.9"), "disabled"),
    ]


def test_a_source_may_also_stand_in_another_zone() -> None:
    zones = listing(public_default=[], work=[rich_rule("192.0.2.0/24")])
    assert [rule.state for rule in firewalld_rules(zones, ["192.0.2.0/24"])] == ["enabled"]


@given(sources, sources, sources)
def test_firewalld_lets_exactly_the_sources_through(running: list[str], kept: list[str], after: list[str]) -> None:
    zones = {
        "public_default": [*FOREIGN_RICH_RULES, *map(rich_rule, running)],
        "work": [*FOREIGN_RICH_RULES, *map(rich_rule, kept)],
    }
    rules = firewalld_rules(listing(**zones) + listing(public=list(map(rich_rule, kept))), after)
    left = {
        "public": {*FOREIGN_RICH_RULES, *map(rich_rule, [*running, *kept])},
        "work": {*FOREIGN_RICH_RULES, *map(rich_rule, kept)},
    }
    for rule in rules:
        there = left[rule.zone or "public"]
        (there.add if rule.state == "enabled" else there.remove)(rule.rule)
    assert left["public"] == {*FOREIGN_RICH_RULES, *map(rich_rule, after)}
    assert left["work"] == {*FOREIGN_RICH_RULES, *map(rich_rule, set(kept) & set(after))}


# ufw


def test_ufw_gets_what_it_lacks_and_loses_what_is_too_much() -> None:
    added = [*FOREIGN_UFW_LINES, ufw_line("192.0.2.0/24", "6379"), ufw_line("198.51.100.0/24", "6379,6380")]
    assert ufw_rules(added, ["192.0.2.0/24", "2001:db8::1"], [16379, 6379]) == [
        UfwRule("192.0.2.0/24", "6379,16379", delete=False),
        UfwRule("2001:db8::1", "6379,16379", delete=False),
        UfwRule("192.0.2.0/24", "6379", delete=True),
        UfwRule("198.51.100.0/24", "6379,6380", delete=True),
    ]


def test_the_same_network_in_another_spelling_is_the_same() -> None:
    assert ufw_rules([ufw_line("::ffff:192.0.2.0/120", "6379")], ["::ffff:c000:200/120"], [6379]) == []


@given(sources, ports, sources, ports)
def test_ufw_lets_exactly_the_sources_through(
    sources_before: list[str], ports_before: list[int], sources_after: list[str], ports_after: list[int]
) -> None:
    lines = list(FOREIGN_UFW_LINES)
    for sources_now, ports_now in ((sources_before, ports_before), (sources_after, ports_after)):
        for rule in ufw_rules(lines, sources_now, ports_now):
            (lines.remove if rule.delete else lines.append)(ufw_line(rule.source, rule.ports))
    assert ufw_rules(lines, sources_after, ports_after) == []
    ours = [line.split() for line in lines if line not in FOREIGN_UFW_LINES]
    assert len(lines) == len(FOREIGN_UFW_LINES) + len(ours)
    assert all(len(words[7].split(",")) <= UFW_PORTS for words in ours)
    open_to = {(words[3], int(port)) for words in ours for port in words[7].split(",")}
    assert open_to == {(source, port) for source in sources_after for port in ports_after}
