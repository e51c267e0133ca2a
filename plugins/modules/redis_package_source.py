#!/usr/bin/python
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_package_source
short_description: Choose where a host gets its Redis packages from
version_added: 0.1.0
description:
  - Makes packages.redis.io, or a mirror, known to C(apt) or C(dnf), pinned to one series of Redis. All packages of Redis
    come from that series then, also when the distribution or the repository offers a newer one.
  - The repository's key is fetched once. It is refused, before anything is changed, unless the file holds the key with
    the wanted fingerprint and no other.
  - Installs nothing. The files are its own, so V(distribution) removes them and nothing else.
extends_documentation_fragment:
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
  source:
    description:
      - V(distribution) leaves only what the distribution itself offers.
      - V(redis_io) is packages.redis.io. For Enterprise Linux 9 it has Redis 8.0 and newer only.
      - V(mirror) is a copy of that, or a repository of your own, at O(url).
    type: str
    choices: [distribution, redis_io, mirror]
    default: distribution
  series:
    description:
      - The series to pin to, such as V(7.4). Needed unless O(source=distribution).
    type: str
  url:
    description:
      - The mirror's repository, with O(source=mirror). For C(apt) it has the distribution's code name as suite and component
        C(main), for C(dnf) it holds C(repodata).
      - Without user and password, for everybody on the host can read it.
    type: str
  key_url:
    description:
      - Where the ASCII-armored key of the mirror is. Default is C(gpg) beside O(url).
    type: str
  fingerprint:
    description:
      - The fingerprint of the mirror's key, 40 hexadecimal digits. Default is that of packages.redis.io, which signs what a
        plain copy of it holds.
    type: str
  timeout:
    description:
      - Seconds to wait for the key.
    type: float
    default: 30.0
author:
  - The microservices.redis authors (@microservices-redis)
seealso:
  - name: Redis packages for Debian and Ubuntu
    description: The repository and its pin.
    link: https://github.com/redis/redis-debian
"""

EXAMPLES = r"""
- name: Take Redis 7.4 from packages.redis.io
  microservices.redis.redis_package_source:
    source: redis_io
    series: "7.4"

- name: Take Redis 7.4 from a mirror with a key of its own
  microservices.redis.redis_package_source:
    source: mirror
    series: "7.4"
    url: https://mirror.example.com/redis/deb
    fingerprint: 0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567

- name: Go back to the distribution's packages
  microservices.redis.redis_package_source:
    source: distribution
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["package source: write /etc/apt/sources.list.d/redis.sources"]
"""

from ansible_collections.microservices.redis.plugins.module_utils._package_source import DesiredSource, plan_source
from ansible_collections.microservices.redis.plugins.module_utils._package_source_gateway import PackageSourceGateway
from ansible_collections.microservices.redis.plugins.module_utils._runner import Spec, Wiring, run

SPEC = Spec(
    options={
        "source": {"type": "str", "choices": ["distribution", "redis_io", "mirror"], "default": "distribution"},
        "series": {"type": "str"},
        "url": {"type": "str"},
        "key_url": {"type": "str", "no_log": False},
        "fingerprint": {"type": "str"},
        "timeout": {"type": "float", "default": 30.0},
    },
    needs_redis_py=False,
)
WIRING = Wiring(
    parse=DesiredSource.from_params,
    connect=lambda desired, params, files: PackageSourceGateway(desired, files, params["timeout"]),
    plan=plan_source,
    report=lambda current, desired, plan: {},
)


def main() -> None:
    run(SPEC, WIRING)


if __name__ == "__main__":
    main()
