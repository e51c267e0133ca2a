#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster
short_description: Form a Redis Cluster from its nodes, and keep it as declared
version_added: 0.1.0
description:
  - Makes the given nodes one Redis Cluster with all slots served by weight and the wanted number of replicas for each
    primary, from whatever state they are in; or says precisely why not, before anything is changed.
  - A run that was cut off at any step is resumed by the next one. A cluster that is right is left alone, whichever of
    its nodes are the primaries after failovers.
  - Primaries and replicas are placed so that the nodes of a shard are in different zones where that can be, and the
    same way for the same list of nodes.
  - Nodes are added and taken away by changing O(nodes). Their slots move while clients go on; a node leaves after its
    keys and replicas have found another place.
  - Nodes that hold keys, or that belong to another cluster, are refused before anything is changed.
  - When a node does not answer that the cluster can do without, nothing is changed, and a warning tells.
  - Run it once for a cluster, from a host that reaches the port and the cluster bus port of every node.
  - A node is known by the id that it gives of itself. Behind NAT the addresses in O(nodes) may be those that the nodes announce
    (C(cluster-announce-ip), C(cluster-announce-port), C(cluster-announce-bus-port)) or others under which this host reaches them.
  - Preset V(cluster_admin) of M(microservices.redis.redis_acl) has the rights that this module needs.
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
      weight:
        description:
          - Share of the slots that this node's shard gets, compared with the other shards. The greatest weight among the
            nodes of a shard counts, so that a failover changes nothing.
        type: float
        default: 1.0
  replicas:
    description:
      - How many replicas each primary shall have. The number of primaries follows from the number of nodes.
    type: int
    default: 1
  allow:
    description:
      - What may be done to a cluster that is there. Whatever else is needed is refused, with the reason, before anything
        is changed. Creating a cluster is always allowed.
      - V(add) takes in nodes that are in no cluster yet.
      - V(rebalance) moves slots, to new primaries or because shares differ from the weights.
      - V(remove) takes nodes that O(nodes) does not name out of the cluster and resets them, after moving what they hold.
      - V(repair) gives an owner to slots that have none, and brings keys back to the owner of their slot. What a run of this
        module has left half done is finished without it.
    type: list
    elements: str
    choices: [add, rebalance, remove, repair]
    default: [add, repair]
  threshold:
    description:
      - How many percent a shard's number of slots may differ from its share before V(rebalance) moves any.
    type: float
    default: 2.0
  anti_affinity:
    description:
      - What to do when there are too few zones to have the nodes of every shard in different ones.
    type: str
    choices: [warn, fail]
    default: warn
  timeout:
    description:
      - Seconds without progress after which to give up, saying what is waited for and which node does not answer.
    type: float
    default: 60.0
  time_budget:
    description:
      - Seconds after which a run that moves slots ends early, with RV(finished=false); the next run goes on. The action
        plugin of this module makes use of it to show progress.
    type: float
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

- name: Two more nodes, which are in the inventory now; one less, which is not
  microservices.redis.redis_cluster:
    name: shop
    nodes: "{{ groups['redis_cluster'] | microservices.redis.cluster_nodes(hostvars) }}"
    allow: [add, rebalance, remove, repair]
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
unanswered:
  description: Nodes that do not answer, and that the cluster can do without. Nothing is done then.
  returned: always
  type: list
  elements: str
  sample: []
finished:
  description: Whether there is nothing left to do.
  returned: always
  type: bool
  sample: true
moving:
  description: What had to move when this run began, as RV(to_move).
  returned: always
  type: dict
  sample: {"slots": 8192, "keys": 200000, "bytes": 20971520}
to_move:
  description: What has to move yet, in slots and, as an estimate, in keys and bytes.
  returned: always
  type: dict
  sample: {"slots": 4096, "keys": 100000, "bytes": 10485760}
"""

from ansible_collections.microservices.redis.plugins.module_utils._cluster import (
    plan_cluster,
    report_cluster,
    slots_to_move,
)
from ansible_collections.microservices.redis.plugins.module_utils._cluster_gateway import ClusterGateway
from ansible_collections.microservices.redis.plugins.module_utils._cluster_state import PERMISSIONS, DesiredCluster
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Settings
from ansible_collections.microservices.redis.plugins.module_utils._runner import CONNECTION_OPTIONS, Spec, Wiring, run

NODE_OPTIONS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 6379},
    "zone": {"type": "str"},
    "weight": {"type": "float", "default": 1.0},
}
SPEC = Spec(
    options={
        **CONNECTION_OPTIONS,
        "name": {"type": "str", "default": "cluster"},
        "nodes": {"type": "list", "elements": "dict", "required": True, "options": NODE_OPTIONS},
        "replicas": {"type": "int", "default": 1},
        "allow": {"type": "list", "elements": "str", "choices": list(PERMISSIONS), "default": ["add", "repair"]},
        "threshold": {"type": "float", "default": 2.0},
        "anti_affinity": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
        "timeout": {"type": "float", "default": 60.0},
        "time_budget": {"type": "float"},
    },
)
WIRING = Wiring(
    parse=DesiredCluster.from_params,
    connect=lambda desired, params, files: ClusterGateway(desired, Settings.from_params(params), params["time_budget"]),
    plan=plan_cluster,
    report=lambda current, desired, plan: report_cluster(current, plan),
    outset=lambda first: {"moving": slots_to_move(first)},
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
