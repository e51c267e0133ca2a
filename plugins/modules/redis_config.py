#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_config
short_description: Configure Redis instances, on disk and live
version_added: 0.1.0
description:
  - Brings redis.conf and the running server to the wanted directives. Both are compared by meaning, so V(1gb) and
    V(1073741824) or the C(ziplist) and C(listpack) names are no difference.
  - Directives that the server takes at run time are applied with CONFIG SET. Those it does not are written to the file
    and returned as RV(instances[].restart_required).
  - What Redis and Sentinel write themselves (C(replicaof), the block that CONFIG REWRITE generates) is left alone.
  - A directive that the installed version does not know, or a value it does not take, is refused before anything is
    changed. A private server reads the new file first.
  - Switching C(appendonly) on or off keeps the data, also while the instance is stopped.
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
  directives:
    description:
      - Directives of redis.conf. A list stands for several lines where lines add up (C(save),
        C(client-output-buffer-limit)) and for several words elsewhere (C(bind)).
      - C(dir) and the directories of C(logfile), C(pidfile), C(unixsocket) and C(aclfile) are created when missing.
    type: dict
  secret_directives:
    description:
      - Directives whose values are secrets, such as C(masterauth). They are kept out of every output.
    type: dict
  purge:
    description:
      - Whether directives that are not given go back to their defaults, in the file and in the running server.
    type: bool
    default: false
  owner:
    description:
      - Owner of the file and of the directories.
    type: str
  group:
    description:
      - Group of the file and of the directories.
    type: str
  mode:
    description:
      - Mode of the file, as a quoted octal number.
    type: str
    default: "0640"
  directory_mode:
    description:
      - Mode of the directories, as a quoted octal number.
    type: str
    default: "0750"
  executable:
    description:
      - The redis-server program that will use the file; its version decides which directives are valid.
    type: str
    default: redis-server
  timeout:
    description:
      - Seconds after which to give up, for instance on a rewrite of the append-only file.
    type: float
    default: 300.0
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
      directives:
        description: See O(directives).
        type: dict
      secret_directives:
        description: See O(secret_directives).
        type: dict
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
  - module: microservices.redis.redis_acl
  - module: microservices.redis.redis_process
  - name: Redis configuration
    description: How redis.conf works.
    link: https://redis.io/docs/latest/operate/oss_and_stack/management/config/
"""

EXAMPLES = r"""
- name: Configure a cache that never grows beyond 512 MB
  microservices.redis.redis_config:
    path: /etc/redis/cache.conf
    owner: redis
    group: redis
    directives:
      port: 6380
      dir: /var/lib/redis/cache
      maxmemory: 512mb
      maxmemory-policy: allkeys-lru
      save: ""
    login_port: 6380
    login_user: admin
    login_password: "{{ redis_admin_password }}"

- name: Keep sessions in an append-only file, without losing those that are only in the RDB file now
  microservices.redis.redis_config:
    path: /etc/redis/sessions.conf
    directives:
      dir: /var/lib/redis/sessions
      appendonly: true
      save: ["900 1", "300 10"]
    secret_directives:
      masterauth: "{{ redis_replication_password }}"
    login_user: admin
    login_password: "{{ redis_admin_password }}"
  register: config
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, over all instances.
  returned: always
  type: list
  elements: str
  sample: ["/etc/redis/cache.conf: CONFIG SET maxmemory", "/etc/redis/cache.conf: write /etc/redis/cache.conf"]
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
      description: Whether this instance was changed.
      type: bool
    running:
      description: Whether a server answered.
      type: bool
    version:
      description: Major and minor version of the program.
      type: str
      sample: "7.0"
    restart_required:
      description: Directives that the running server takes only at its next start.
      type: list
      elements: str
      sample: ["io-threads"]
"""

from ansible_collections.microservices.redis.plugins.module_utils._config import (
    DesiredConfig,
    plan_config,
    report_config,
)
from ansible_collections.microservices.redis.plugins.module_utils._config_gateway import ConfigGateway
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Settings
from ansible_collections.microservices.redis.plugins.module_utils._runner import (
    CONNECTION_OPTIONS,
    FILE_OPTIONS,
    LOGIN_PER_INSTANCE,
    Spec,
    Wiring,
    run,
)

SPEC = Spec(
    options={
        **CONNECTION_OPTIONS,
        **FILE_OPTIONS,
        "directives": {"type": "dict"},
        "secret_directives": {"type": "dict", "no_log": True},
        "purge": {"type": "bool", "default": False},
        "directory_mode": {"type": "str", "default": "0750"},
        "timeout": {"type": "float", "default": 300.0},
    },
    per_instance=("name", "path", "directives", "secret_directives", *LOGIN_PER_INSTANCE),
    required_for_each=("path", "directives"),
)
WIRING = Wiring(
    parse=DesiredConfig.from_params,
    connect=lambda desired, params, files: ConfigGateway(
        desired, Settings.from_params(params), params["executable"], params["timeout"], files
    ),
    plan=plan_config,
    report=lambda current, desired, plan: report_config(current, desired),
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
