# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import asdict

from ansible.errors import AnsibleFilterError

from ansible_collections.microservices.redis.plugins.module_utils._firewall import (
    firewalld_rules,
    source_networks,
    ufw_rules,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError


def _source_networks(sources: str | t.Sequence[object]) -> list[str]:
    try:
        return source_networks(sources)
    except RedisPlatformError as problem:
        raise AnsibleFilterError(str(problem)) from problem


def _firewalld_rules(listing: t.Sequence[str], sources: t.Sequence[str]) -> list[dict[str, t.Any]]:
    return [asdict(rule) for rule in firewalld_rules(listing, sources)]


def _ufw_rules(added: t.Sequence[str], sources: t.Sequence[str], ports: t.Sequence[int]) -> list[dict[str, t.Any]]:
    return [asdict(rule) for rule in ufw_rules(added, sources, ports)]


class FilterModule:
    """Who gets through the host's firewall."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "source_networks": _source_networks,
            "firewalld_rules": _firewalld_rules,
            "ufw_rules": _ufw_rules,
        }
