#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cluster_info
short_description: Tell the topology of a Redis Cluster
version_added: 0.1.0
description:
  - Asks one node of a Redis Cluster for its shards and nodes, as data for templates and reports.
  - Tells what that node sees. Whether all nodes see the same, and are well, is what M(microservices.redis.redis_health) judges.
extends_documentation_fragment:
  - microservices.redis._connection
  - microservices.redis._attributes
  - microservices.redis._attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options: {}
author:
  - The microservices.redis authors (@microservices-redis)
seealso:
  - module: microservices.redis.redis_cluster
  - module: microservices.redis.redis_health
  - name: CLUSTER NODES
    description: Where the data comes from.
    link: https://redis.io/docs/latest/commands/cluster-nodes/
"""

EXAMPLES = r"""
- name: Ask any node
  microservices.redis.redis_cluster_info:
    login_host: 192.0.2.11
    login_port: 7000
    login_user: admin
    login_password: "{{ redis_admin_password }}"
  register: cluster

- name: Say who the primaries are
  ansible.builtin.debug:
    msg: "{{ cluster.shards | map(attribute='primary.address') }}"
"""

RETURN = r"""
state:
  description: What the node calls the cluster, V(ok) or V(fail).
  returned: always
  type: str
  sample: ok
epoch:
  description: The cluster's current epoch. It grows with every failover.
  returned: always
  type: int
  sample: 6
complete:
  description: Whether every slot has an owner.
  returned: always
  type: bool
slots_served:
  description: How many slots have an owner that is not failed.
  returned: always
  type: int
  sample: 16384
slots_open:
  description: Slots that are on their way to or from the asked node.
  returned: always
  type: list
  elements: int
  sample: []
shards:
  description:
    - The shards in the order of their slots, each with C(slots), C(slot_count), C(primary) and C(replicas); the nodes are as in
      RV(nodes).
  returned: always
  type: list
  elements: dict
  sample: [{"slots": "0-5460", "slot_count": 5461, "primary": {"address": "192.0.2.11:7000"}, "replicas": []}]
nodes:
  description:
    - All nodes, each with C(id), C(address), C(host), C(hostname), C(port), C(bus_port), C(role), which is V(primary) or
      V(replica), C(primary), the id of a replica's primary, and C(healthy).
  returned: always
  type: list
  elements: dict
  sample: [{"id": "07c3", "address": "192.0.2.11:7000", "role": "primary", "healthy": true}]
"""

from ansible_collections.microservices.redis.plugins.module_utils._cluster_report import Address, report_topology
from ansible_collections.microservices.redis.plugins.module_utils._cluster_report_gateway import ClusterReportGateway
from ansible_collections.microservices.redis.plugins.module_utils._plan import Plan
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Settings
from ansible_collections.microservices.redis.plugins.module_utils._runner import CONNECTION_OPTIONS, Spec, Wiring, run

SPEC = Spec(options={**CONNECTION_OPTIONS})
WIRING = Wiring(
    parse=Address.from_params,
    connect=lambda desired, params, files: ClusterReportGateway(Settings.from_params(params)),
    plan=lambda current, desired: Plan(),
    report=lambda current, desired, plan: report_topology(current),
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
