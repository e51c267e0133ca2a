# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""How far the slots of a cluster have moved, for the person who waits. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

MEGABYTE = 1024 * 1024


Amounts = t.Mapping[str, int]


@dataclass(frozen=True)
class Progress:
    """``total`` and ``left`` are slots, keys and bytes; times are seconds of a monotonic clock."""

    total: Amounts
    left: Amounts
    started: float
    now: float

    @classmethod
    def begin(cls, total: Amounts, now: float) -> Progress:
        return cls(total, total, now, now)

    def seen(self, left: Amounts, now: float) -> Progress:
        """After another look at what is left."""
        return replace(self, left=left, now=now)

    def describe(self) -> str:
        if not self.total["slots"]:
            return "no slots to move"
        done = {what: max(0, count - self.left[what]) for what, count in self.total.items()}
        moved = (
            f"{done['slots']} of {self.total['slots']} slots, {done['keys']} of about {self.total['keys']} keys and "
            f"{done['bytes'] / MEGABYTE:.1f} of about {self.total['bytes'] / MEGABYTE:.1f} MB have moved"
        )
        if not done["slots"]:
            return moved
        seconds = (self.now - self.started) / done["slots"] * self.left["slots"]
        return f"{moved}, about {seconds:.0f} s left"
