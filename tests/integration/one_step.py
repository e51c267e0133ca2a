# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs module redis_cluster with the options on stdin, and kills itself right after the first step that changes anything.

Prints the step before. Ends normally, printing nothing, when there is nothing left to do.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import typing as t

from ansible_collections.microservices.redis.plugins.module_utils._cluster_gateway import ClusterGateway
from ansible_collections.microservices.redis.plugins.module_utils._cluster_steps import ClusterStep
from ansible_collections.microservices.redis.plugins.module_utils._runner import Visit
from ansible_collections.microservices.redis.plugins.modules.redis_cluster import NODE_OPTIONS, SPEC, WIRING


class KilledGateway(ClusterGateway):
    def apply(self, step: ClusterStep) -> None:
        super().apply(step)
        if step.changes:
            print(step.describe(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    params: dict[str, t.Any] = {name: option.get("default") for name, option in SPEC.options.items()}
    params.update(json.load(sys.stdin))
    params["nodes"] = [
        {**{name: option.get("default") for name, option in NODE_OPTIONS.items()}, **node} for node in params["nodes"]
    ]
    desired = WIRING.parse(params)
    visit = Visit(WIRING, params, None)  # type: ignore[arg-type]
    visit.gateway = KilledGateway(desired, visit.gateway.settings)
    visit.look()
    visit.converge()


if __name__ == "__main__":
    main()
