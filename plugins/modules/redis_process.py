#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_process
short_description: Start and stop Redis instances where no service manager runs
version_added: 0.1.0
description:
  - Starts redis-server in the background, for containers, tests and machines without systemd. Nothing supervises it.
  - An instance is known by its directory, so neither a stale pidfile nor a password is in the way.
  - After a start it waits until the server answers and has loaded its data.
  - A stop sends SIGTERM, on which Redis saves as configured, and waits. It never sends SIGKILL.
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
      - Name of the instance in messages and results. Default is the path.
    type: str
  path:
    description:
      - The instance's redis.conf. Needed here or in each of O(instances).
    type: path
  directory:
    description:
      - The instance's own directory, C(dir) in its redis.conf. Needed here or in each of O(instances).
    type: path
  state:
    description:
      - V(started) and V(stopped) do nothing when that is so already. V(restarted) always restarts a running instance.
    type: str
    choices: [started, stopped, restarted]
    default: started
  owner:
    description:
      - User to run as. Only root can choose another user than itself.
    type: str
  executable:
    description:
      - The redis-server program.
    type: str
    default: redis-server
  timeout:
    description:
      - Seconds to wait for an instance to answer, or to stop.
    type: float
    default: 60.0
  instances:
    description:
      - Several instances of the host in one call. Each entry takes these options; what it leaves out is taken from the
        options of the same name above.
    type: list
    elements: dict
    suboptions:
      name:
        description: See O(name).
        type: str
      path:
        description: See O(path).
        type: path
      directory:
        description: See O(directory).
        type: path
      state:
        description: See O(state).
        type: str
        choices: [started, stopped, restarted]
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
  - module: microservices.redis.redis_config
"""

EXAMPLES = r"""
- name: Start an instance in a container
  microservices.redis.redis_process:
    path: /etc/redis/cache.conf
    directory: /var/lib/redis/cache
    owner: redis
    login_port: 6380
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, over all instances.
  returned: always
  type: list
  elements: str
  sample: ["cache: start redis-server /etc/redis/cache.conf"]
instances:
  description: One entry for each instance.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the instance.
      type: str
    changed:
      description: Whether this instance was started or stopped.
      type: bool
    pid:
      description: Process id, null when it does not run.
      type: int
"""

from ansible_collections.microservices.redis.plugins.module_utils._process_gateway import ProcessGateway
from ansible_collections.microservices.redis.plugins.module_utils._process_plan import DesiredProcess, plan_process
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
        "path": {"type": "path"},
        "directory": {"type": "path"},
        "state": {"type": "str", "choices": ["started", "stopped", "restarted"], "default": "started"},
        "owner": {"type": "str"},
        "executable": {"type": "str", "default": "redis-server"},
        "timeout": {"type": "float", "default": 60.0},
    },
    per_instance=("name", "path", "directory", "state", *LOGIN_PER_INSTANCE),
    required_for_each=("path", "directory"),
)
WIRING = Wiring(
    parse=DesiredProcess.from_params,
    connect=lambda desired, params, files: ProcessGateway(
        desired, Settings.from_params(params), params["executable"], params["owner"], params["timeout"]
    ),
    plan=plan_process,
    report=lambda current, desired, plan: {"pid": current.pid},
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
