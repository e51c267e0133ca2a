# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.microservices.redis.plugins.module_utils._logrotate import logs_to_rotate


class FilterModule:
    """Which logs nobody rotates yet."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"logs_to_rotate": logs_to_rotate}
