# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.microservices.redis.plugins.module_utils._instances import (
    Site,
    cluster_nodes,
    complete_instances,
    instance_ports,
    login_of_nodes,
    with_state,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError


def _complete_instances(instances: t.Sequence[t.Mapping[str, t.Any]], **site: t.Any) -> list[dict[str, t.Any]]:
    try:
        return complete_instances(instances, Site(**site))
    except RedisPlatformError as problem:
        raise AnsibleFilterError(str(problem)) from problem


def _cluster_nodes(hosts: t.Sequence[str], hostvars: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    try:
        return [node for host in hosts for node in cluster_nodes(hostvars[host], host)]
    except RedisPlatformError as problem:
        raise AnsibleFilterError(str(problem)) from problem


class FilterModule:
    """What roles and playbooks derive from the inventory."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "complete_instances": _complete_instances,
            "cluster_nodes": _cluster_nodes,
            "instance_ports": instance_ports,
            "login_of_nodes": login_of_nodes,
            "with_state": with_state,
        }
