#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_health
short_description: Judge the health of Redis instances
version_added: 0.1.0
description:
  - Asks each instance about itself and grades what it says as ok, warning or critical, with the likely cause and the fix.
  - Covers connection and latency, security, role, replication, persistence, memory, clients and cluster state.
  - Works as a gate with C(until), as data for reports, and as an assertion with O(fail_on).
  - An instance that does not answer is a critical finding, not a failure of the module.
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
options:
  name:
    description:
      - Name of the instance in results. Default is its address.
    type: str
  role:
    description:
      - The role the instance must have. Leave it out where failovers may move it.
    type: str
    choices: [primary, replica]
  min_replicas:
    description:
      - How many replicas in step a primary must have.
    type: int
    default: 0
  max_lag:
    description:
      - Seconds that a replica may be behind, or hear nothing from its primary.
    type: float
    default: 10.0
  memory_warning:
    description:
      - Share of maxmemory in use from which an instance that never evicts gets a warning.
    type: float
    default: 0.8
  memory_critical:
    description:
      - Share of maxmemory in use from which an instance that never evicts is critical.
    type: float
    default: 0.95
  max_latency:
    description:
      - Milliseconds that the answer to PING may take.
    type: float
    default: 100.0
  probe:
    description:
      - Whether to also write, read and expire a key and to send a message, on primaries. Both are named
        C(microservices:health:) and something random.
    type: bool
    default: false
  checks:
    description:
      - The checks to judge by. All of them when empty.
    type: list
    elements: str
    choices: [connection, security, role, replication, persistence, memory, clients, cluster, probe]
    default: []
  fail_on:
    description:
      - From which verdict on the module fails, with every finding, its cause and its fix in the message.
    type: str
    choices: [critical, warning, never]
    default: never
  instances:
    description:
      - Several instances in one call, also of other hosts. Each entry takes these options; what it leaves out is taken
        from the options of the same name above.
    type: list
    elements: dict
    suboptions:
      name:
        description: See O(name).
        type: str
      role:
        description: See O(role).
        type: str
        choices: [primary, replica]
      min_replicas:
        description: See O(min_replicas).
        type: int
      login_host:
        description: See O(login_host).
        type: str
      login_port:
        description: See O(login_port).
        type: int
      login_unix_socket:
        description: See O(login_unix_socket).
        type: path
      login_user:
        description: See O(login_user).
        type: str
      login_password:
        description: See O(login_password).
        type: str
author:
  - The microservices.redis authors (@microservices-redis)
seealso:
  - name: INFO
    description: Where most of the figures come from.
    link: https://redis.io/docs/latest/commands/info/
"""

EXAMPLES = r"""
- name: Wait until the instance is well
  microservices.redis.redis_health:
    login_port: 6380
    login_user: health
    login_password: "{{ redis_health_password }}"
  register: health
  until: health.verdict == "ok"
  retries: 10
  delay: 3

- name: Stop the play unless both instances are at least usable, writing and reading included
  microservices.redis.redis_health:
    instances:
      - {name: cache, login_port: 6380}
      - {name: sessions, login_port: 6381, min_replicas: 1}
    login_user: health
    login_password: "{{ redis_health_password }}"
    probe: true
    fail_on: critical
"""

RETURN = r"""
verdict:
  description: The worst verdict of all instances.
  returned: always
  type: str
  sample: ok
table:
  description: The same for people, one line for each instance and one for each finding that is not ok.
  returned: always
  type: list
  elements: str
instances:
  description: One entry for each instance.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the instance.
      type: str
    address:
      description: Where it was asked.
      type: str
    verdict:
      description: The worst grade of its findings, V(ok), V(warning) or V(critical).
      type: str
    role:
      description: V(primary), V(replica) or V(unknown).
      type: str
    version:
      description: Version of the server.
      type: str
    memory:
      description: Memory in use and maxmemory.
      type: str
    persistence:
      description: How the data survives a restart.
      type: str
    replication:
      description: The state of replication.
      type: str
    findings:
      description: One entry for each check, with C(check), C(grade), C(message), C(cause) and C(fix).
      type: list
      elements: dict
"""

from ansible_collections.microservices.redis.plugins.module_utils._health import Expectation, check_names, judge
from ansible_collections.microservices.redis.plugins.module_utils._health_gateway import HealthGateway
from ansible_collections.microservices.redis.plugins.module_utils._health_table import conclude, summary
from ansible_collections.microservices.redis.plugins.module_utils._plan import Plan
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Settings
from ansible_collections.microservices.redis.plugins.module_utils._runner import (
    CONNECTION_OPTIONS,
    LOGIN_PER_INSTANCE,
    Spec,
    Wiring,
    run,
)

SPEC = Spec(
    options={
        **CONNECTION_OPTIONS,
        "name": {"type": "str"},
        "role": {"type": "str", "choices": ["primary", "replica"]},
        "min_replicas": {"type": "int", "default": 0},
        "max_lag": {"type": "float", "default": 10.0},
        "memory_warning": {"type": "float", "default": 0.8},
        "memory_critical": {"type": "float", "default": 0.95},
        "max_latency": {"type": "float", "default": 100.0},
        "probe": {"type": "bool", "default": False},
        "checks": {"type": "list", "elements": "str", "choices": check_names(), "default": []},
        "fail_on": {"type": "str", "choices": ["critical", "warning", "never"], "default": "never"},
    },
    per_instance=("name", "role", "min_replicas", *LOGIN_PER_INSTANCE),
)
WIRING = Wiring(
    parse=Expectation.from_params,
    connect=lambda desired, params, files: HealthGateway(Settings.from_params(params), params["probe"]),
    plan=lambda current, desired: Plan(),
    report=lambda current, desired, plan: summary(current, desired, judge(current, desired)),
    summarize=lambda reports, params: conclude(reports, params["fail_on"]),
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
