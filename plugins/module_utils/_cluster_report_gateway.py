# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Asks one node what it sees of its Redis Cluster. Reads only."""

from __future__ import annotations

from ._cluster_nodes import parse_cluster_nodes
from ._cluster_report import Sight, require_cluster_mode
from ._info import parse_info
from ._plan import Plan, Step
from ._redis_client import Server, Settings


class ClusterReportGateway:
    def __init__(self, settings: Settings) -> None:
        self._server = Server(settings)

    def close(self) -> None:
        self._server.close()

    def check(self, plan: Plan[Step]) -> None:
        pass

    def apply(self, step: Step) -> None:
        raise NotImplementedError("a report plans nothing")

    def read(self) -> Sight:
        enabled = self._server.info("cluster").get("cluster_enabled") == "1"
        require_cluster_mode(self._server.settings.address, enabled)
        state = parse_info(self._server.call("CLUSTER", "INFO"))
        peers = parse_cluster_nodes(self._server.call("CLUSTER", "NODES"))
        known = tuple(peer for peer in peers if not peer.in_handshake)
        return Sight(state.get("cluster_state", ""), int(state.get("cluster_current_epoch", 0)), known)
