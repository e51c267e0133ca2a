#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster
short_description: Form a Redis Cluster from its nodes
version_added: 0.1.0
description:
  - Makes the given nodes one Redis Cluster with all slots served and the wanted number of replicas for each primary.
  - A run that was cut off at any step is resumed by the next one. A cluster that is right is left alone, whichever of
    its nodes are the primaries after failovers.
  - Primaries and replicas are placed so that no replica shares the zone or host of its primary where that can be
    avoided, and the same way for the same list of nodes.
  - Nodes that hold keys, or that belong to another cluster, are refused before anything is changed.
  - Run it once for a cluster, from a host that reaches the port and the cluster bus port of every node.
extends_documentation_fragment:
  - microservices.redis._connection
  - microservices.redis._attributes
  - microservices.redis._attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the cluster in messages.
    type: str
    default: cluster
  nodes:
    description:
      - All nodes of the cluster. They share user, password and TLS settings.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Address, or a name that resolves to the address under which the other nodes reach this one.
        type: str
        required: true
      port:
        description: The node's port.
        type: int
        default: 6379
      zone:
        description: What fails together with this node, such as a rack or an availability zone. Default is the host.
        type: str
  replicas:
    description:
      - How many replicas each primary shall have. The number of primaries follows from the number of nodes.
    type: int
    default: 1
  timeout:
    description:
      - Seconds after which to give up waiting for the nodes, saying which of them does not answer.
    type: float
    default: 60.0
author:
  - The microservices.redis authors (@microservices-redis)
seealso:
  - module: microservices.redis.redis_config
  - module: microservices.redis.redis_health
  - name: Redis Cluster specification
    description: Slots, the cluster bus and failover.
    link: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

EXAMPLES = r"""
- name: Three primaries and three replicas over three zones
  microservices.redis.redis_cluster:
    name: shop
    nodes:
      - {host: 192.0.2.11, port: 7000, zone: a}
      - {host: 192.0.2.11, port: 7001, zone: a}
      - {host: 192.0.2.12, port: 7000, zone: b}
      - {host: 192.0.2.12, port: 7001, zone: b}
      - {host: 192.0.2.13, port: 7000, zone: c}
      - {host: 192.0.2.13, port: 7001, zone: c}
    replicas: 1
    login_user: admin
    login_password: "{{ redis_admin_password }}"
  run_once: true
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
  sample: ["shop: assign slots 0-5460 to 192.0.2.11:7000", "shop: introduce 192.0.2.12:7000 to 192.0.2.11:7000"]
shards:
  description: The shards of the cluster in the order of their slots.
  returned: always
  type: list
  elements: dict
  sample: [{"slots": "0-5460", "primary": "192.0.2.11:7000", "replicas": ["192.0.2.12:7001"]}]
"""

from ansible_collections.microservices.redis.plugins.module_utils._cluster import (
    DesiredCluster,
    plan_cluster,
    report_shards,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_gateway import ClusterGateway
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Settings
from ansible_collections.microservices.redis.plugins.module_utils._runner import CONNECTION_OPTIONS, Spec, Wiring, run

NODE_OPTIONS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 6379},
    "zone": {"type": "str"},
}
SPEC = Spec(
    options={
        **CONNECTION_OPTIONS,
        "name": {"type": "str", "default": "cluster"},
        "nodes": {"type": "list", "elements": "dict", "required": True, "options": NODE_OPTIONS},
        "replicas": {"type": "int", "default": 1},
        "timeout": {"type": "float", "default": 60.0},
    },
)
WIRING = Wiring(
    parse=DesiredCluster.from_params,
    connect=lambda desired, params, files: ClusterGateway(desired, Settings.from_params(params)),
    plan=plan_cluster,
    report=lambda current, desired, plan: {"shards": report_shards(current)},
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
