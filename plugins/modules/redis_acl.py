#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_acl
short_description: Manage the users of Redis instances
version_added: 0.1.0
description:
  - Brings the users of an instance to the wanted set, in its aclfile and in the running server.
  - Only users that differ are touched, so connections of the others are not dropped.
  - Rules are compared in the form in which the server itself describes them. While the instance is stopped, a private
    server of the same version is asked.
  - User V(default) is always part of the set. Unless it is listed, it is switched off.
  - The aclfile holds hashes, never passwords.
extends_documentation_fragment:
  - microservices.redis._connection
  - microservices.redis._attributes
  - microservices.redis._attributes.actiongroup
attributes:
  check_mode:
    support: full
    details:
      - To compare rules, a user that may do nothing is created and deleted again within one transaction.
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
      - The instance's aclfile, as given to C(aclfile) in redis.conf. Needed here or in each of O(instances).
    type: path
  users:
    description:
      - The wanted users. Needed here or in each of O(instances).
    type: list
    elements: dict
    suboptions: &users
      name:
        description: The user's name.
        type: str
        required: true
      preset:
        description:
          - A named rule set of this collection. O(users[].rules) are added to it; key and channel patterns among them take
            the place of the preset's own.
        type: str
        choices: [admin, app_cache, app_sessions, cluster_admin, health, replication]
      rules:
        description:
          - ACL rules such as V(~cache:*) or V(+@read). Without a rule that allows it, a user may do nothing.
        type: list
        elements: str
      passwords:
        description:
          - The user's passwords. Several are valid side by side.
        type: list
        elements: str
      password_hashes:
        description:
          - SHA-256 hashes of passwords, as 64 hexadecimal digits, instead of or beside O(users[].passwords).
        type: list
        elements: str
      enabled:
        description:
          - Whether the user can log in.
        type: bool
        default: true
  purge:
    description:
      - Whether to delete users that are not listed.
    type: bool
    default: false
  owner:
    description:
      - Owner of the aclfile.
    type: str
  group:
    description:
      - Group of the aclfile.
    type: str
  mode:
    description:
      - Mode of the aclfile, as a quoted octal number.
    type: str
    default: "0640"
  executable:
    description:
      - The redis-server program that uses the aclfile. It is asked about rules while the instance is stopped.
    type: str
    default: redis-server
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
      users:
        description: See O(users).
        type: list
        elements: dict
        suboptions: *users
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
  - name: Redis ACL
    description: Rules, categories and the aclfile.
    link: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
"""

EXAMPLES = r"""
- name: An administrator and one application, nobody else
  microservices.redis.redis_acl:
    path: /etc/redis/cache.acl
    owner: redis
    group: redis
    purge: true
    users:
      - name: admin
        preset: admin
        passwords: ["{{ redis_admin_password }}"]
      - name: shop
        rules: ["~shop:*", "&shop:*", "+@read", "+@write", "+ping"]
        password_hashes: ["{{ shop_password | hash('sha256') }}"]
    login_port: 6380
    login_user: admin
    login_password: "{{ redis_admin_password }}"
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, over all instances.
  returned: always
  type: list
  elements: str
  sample: ["/etc/redis/cache.acl: ACL SETUSER shop"]
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
      description: Whether a server answered; else only the aclfile was looked at.
      type: bool
    users:
      description: Names of the users the instance has.
      type: list
      elements: str
      sample: ["admin", "default", "shop"]
"""

from ansible_collections.microservices.redis.plugins.module_utils._acl import DesiredAcl, plan_acl
from ansible_collections.microservices.redis.plugins.module_utils._acl_gateway import AclGateway
from ansible_collections.microservices.redis.plugins.module_utils._acl_presets import preset_names
from ansible_collections.microservices.redis.plugins.module_utils._redis_client import Settings
from ansible_collections.microservices.redis.plugins.module_utils._runner import (
    CONNECTION_OPTIONS,
    FILE_OPTIONS,
    LOGIN_PER_INSTANCE,
    Spec,
    Wiring,
    run,
)

USER_OPTIONS = {
    "name": {"type": "str", "required": True},
    "preset": {"type": "str", "choices": preset_names()},
    "rules": {"type": "list", "elements": "str"},
    "passwords": {"type": "list", "elements": "str", "no_log": True},
    "password_hashes": {"type": "list", "elements": "str", "no_log": True},
    "enabled": {"type": "bool", "default": True},
}
SPEC = Spec(
    options={
        **CONNECTION_OPTIONS,
        **FILE_OPTIONS,
        "users": {"type": "list", "elements": "dict", "options": USER_OPTIONS},
        "purge": {"type": "bool", "default": False},
    },
    per_instance=("name", "path", "users", *LOGIN_PER_INSTANCE),
    required_for_each=("path", "users"),
)
WIRING = Wiring(
    parse=DesiredAcl.from_params,
    connect=lambda desired, params, files: AclGateway(
        desired, Settings.from_params(params), params["executable"], files
    ),
    plan=plan_acl,
    report=lambda current, desired, plan: {
        "running": current.live is not None,
        "users": sorted(current.live or current.filed or {}),
    },
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
