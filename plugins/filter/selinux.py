# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import asdict

from ansible_collections.microservices.redis.plugins.module_utils._selinux import file_contexts


def _file_contexts(data: str, *, config: str, log: str) -> list[dict[str, t.Any]]:
    return [asdict(context) for context in file_contexts(config, data, log)]


class FilterModule:
    """What SELinux has to know of the instances."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"file_contexts": _file_contexts}
