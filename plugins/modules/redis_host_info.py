#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_host_info
short_description: Look at a host before Redis instances are put on it
version_added: 0.1.0
description:
  - Tells which Redis is installed, which of the wanted instances run, and what stands in the way of them.
  - Changes nothing and needs no password.
extends_documentation_fragment:
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
  instances:
    description:
      - The wanted instances.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the instance in messages.
        type: str
        required: true
      directory:
        description: Its own directory, by which its process is known.
        type: path
        required: true
      port:
        description: Its port.
        type: int
        required: true
      bus_port:
        description: Its cluster bus port, for a node of a Redis Cluster.
        type: int
      maxmemory:
        description: Its maxmemory, such as V(512mb).
        type: str
      unit:
        description: Its systemd unit.
        type: str
  directories:
    description:
      - Directories that must be writable, or can be created.
    type: list
    elements: path
    default: []
  executable:
    description:
      - The redis-server program.
    type: str
    default: redis-server
  minimum_version:
    description:
      - The oldest version that will do.
    type: str
    default: "7.0"
  series:
    description:
      - The only series that will do, such as V(7.4). Without it every version from O(minimum_version) on will.
    type: str
  install:
    description:
      - Whether a missing package may be installed.
    type: bool
    default: true
  replace:
    description:
      - Whether installing also replaces an installed package of another version.
    type: bool
    default: false
  package:
    description:
      - The package to name in the advice when it is missing.
    type: str
    default: redis-server
  packages:
    description:
      - The packages that Redis comes with, for RV(unfinished).
    type: list
    elements: str
    default: []
author:
  - The microservices.redis authors (@microservices-redis)
"""

EXAMPLES = r"""
- name: Look before anything is changed
  microservices.redis.redis_host_info:
    instances:
      - {name: cache, directory: /var/lib/redis/cache, port: 6380, maxmemory: 512mb}
  register: host

- name: Refuse with what is wrong and what to do
  ansible.builtin.assert:
    that: host.problems | length == 0
    fail_msg: "{{ host.problems }}"
"""

RETURN = r"""
installed:
  description: Path of the redis-server program, null when there is none.
  returned: always
  type: str
  sample: /usr/bin/redis-server
version:
  description: Its version, C(0.0) when there is none.
  returned: always
  type: str
  sample: "7.0"
running:
  description: Names of the wanted instances that run.
  returned: always
  type: list
  elements: str
enabled:
  description: Names of the wanted instances whose unit starts at boot.
  returned: always
  type: list
  elements: str
redis_py:
  description: Whether the Python package redis is there.
  returned: always
  type: bool
unfinished:
  description: Whether C(dpkg) was cut off while it installed one of O(packages), or is still at it.
  returned: always
  type: bool
due:
  description: Whether there is something to install, because it is missing, unfinished, or not the wanted version.
  returned: always
  type: bool
outdated:
  description: Names of the wanted instances that run another version than is installed.
  returned: always
  type: list
  elements: str
package_source:
  description: Whether M(microservices.redis.redis_package_source) has added a repository.
  returned: always
  type: bool
kernel_settings:
  description: Kernel settings to change with sysctl. Empty in a container, where the kernel is not the host's own.
  returned: always
  type: dict
  sample: {"vm.overcommit_memory": "1"}
firewall:
  description: The firewall that rules here, V(firewalld) or V(ufw), null for none of them.
  returned: always
  type: str
selinux:
  description: Whether SELinux is on.
  returned: always
  type: bool
problems:
  description: What stands in the way, each with the fix. Empty when nothing does.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.microservices.redis.plugins.module_utils._host_gateway import HostGateway
from ansible_collections.microservices.redis.plugins.module_utils._plan import Plan
from ansible_collections.microservices.redis.plugins.module_utils._preflight import DesiredHost, report_host
from ansible_collections.microservices.redis.plugins.module_utils._runner import Spec, Wiring, run

INSTANCE_OPTIONS = {
    "name": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "port": {"type": "int", "required": True},
    "bus_port": {"type": "int"},
    "maxmemory": {"type": "str"},
    "unit": {"type": "str"},
}
SPEC = Spec(
    options={
        "instances": {"type": "list", "elements": "dict", "required": True, "options": INSTANCE_OPTIONS},
        "directories": {"type": "list", "elements": "path", "default": []},
        "executable": {"type": "str", "default": "redis-server"},
        "minimum_version": {"type": "str", "default": "7.0"},
        "series": {"type": "str"},
        "install": {"type": "bool", "default": True},
        "replace": {"type": "bool", "default": False},
        "package": {"type": "str", "default": "redis-server"},
        "packages": {"type": "list", "elements": "str", "default": []},
    },
    needs_redis_py=False,
)
WIRING = Wiring(
    parse=DesiredHost.from_params,
    connect=lambda desired, params, files: HostGateway(
        desired, params["executable"], params["directories"], params["packages"]
    ),
    plan=lambda current, desired: Plan(),
    report=lambda current, desired, plan: report_host(current, desired),
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
