# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which file contexts SELinux lacks for the directories of the instances. Pure.

The policy knows Redis' ports and directories, and where redis-server runs confined it may use no others.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

# https://github.com/fedora-selinux/selinux-policy/blob/rawhide/policy/modules/contrib/redis.fc
KNOWN = {"redis_conf_t": "/etc/redis", "redis_var_lib_t": "/var/lib/redis", "redis_log_t": "/var/log/redis"}


@dataclass(frozen=True)
class FileContext:
    """The type of a directory and all below it. ``target`` is a regular expression, as semanage-fcontext(8) takes it."""

    path: str
    target: str
    setype: str


def file_contexts(config_directory: str, data_directory: str, log_directory: str) -> list[FileContext]:
    """The contexts to add: none for a directory that the policy knows, or that lies below such a one."""
    config, data, log = map(posixpath.normpath, (config_directory, data_directory, log_directory))
    # The last one counts where two are the same: redis-server may do everything with files of the data's type.
    types = {config: "redis_conf_t", log: "redis_log_t", data: "redis_var_lib_t"}
    return [
        FileContext(path, f"{_literally(path)}(/.*)?", setype)
        # Of the expressions that match a file, SELinux takes the one that was added last.
        for path, setype in sorted(types.items())
        if not _is_within(path, KNOWN[setype])
    ]


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _literally(path: str) -> str:
    # Unlike re.escape, only what has a meaning: the policy lists the expression as it was given.
    return re.sub(r"([][\\.^$*+?(){}|])", r"\\\1", path)
