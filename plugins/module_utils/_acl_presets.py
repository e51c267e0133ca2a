# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Named rule sets: the least that each kind of user needs.

The replication rules are those of redis.io's ACL page; the others were found by running the real client under them
with ACL LOG empty at the end.
"""

from __future__ import annotations

import typing as t

from ._info import Version
from ._plan import RedisPlatformError

_CLUSTER_CLIENT = (
    "+cluster|slots +cluster|shards +cluster|nodes +cluster|myid +cluster|keyslot +cluster|countkeysinslot"
)
_CONNECTION = (
    "+ping +hello +auth +client|setname +client|getname +client|id +client|setinfo +client|no-evict +reset +quit +select "
    "+command +info +readonly +readwrite +wait +client|tracking +client|caching +client|trackinginfo"
)
_APPLICATION = (
    f"-@all +@read +@write +@transaction +@pubsub +@scripting -@dangerous -@admin {_CONNECTION} {_CLUSTER_CLIENT}"
)

_PRESETS: t.Mapping[str, str] = {
    # The collection's own login: everything it manages, no more than it can be trusted with as root on the host.
    "admin": "~* &* +@all",
    # redis_cluster in all it does; MIGRATE logs in at the target with it.
    "cluster_admin": "~* -@all +ping +info +cluster +config|get +select +migrate +restore +restore-asking +asking "
    "+memory|usage +multi +exec +unlink +function|list +function|dump +function|restore",
    "replication": "-@all +psync +replconf +ping",
    # redis_health with its probe: a key that expires and a message on a channel of its own.
    "health": "~microservices:health:* &microservices:health:* -@all +ping +info +role +cluster|info "
    "+cluster|nodes +cluster|myid +cluster|keyslot +acl|whoami +latency|latest +set +get +pttl "
    "+publish +subscribe +unsubscribe +client|setname +client|setinfo",
    "app_cache": f"~* &* {_APPLICATION}",
    "app_sessions": f"~* &* {_APPLICATION}",
}
# Subcommands that older versions refuse to read, even in an aclfile at start.
_SINCE: t.Mapping[str, Version] = {"+client|setinfo": (7, 2)}


def preset_names() -> list[str]:
    return sorted(_PRESETS)


def preset_rules(name: str, version: Version) -> tuple[str, ...]:
    """Raises RedisPlatformError for an unknown name."""
    if name not in _PRESETS:
        raise RedisPlatformError(f"preset {name}: there is none of that name; there are {', '.join(preset_names())}")
    return tuple(rule for rule in _PRESETS[name].split() if version >= _SINCE.get(rule, version))
