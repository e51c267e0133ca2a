# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What every planner returns and every error it raises: pure data, no input or output."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

HIDDEN = "VALUE HIDDEN"


class RedisPlatformError(Exception):
    """A problem the user can act on. The message names the thing and the fix."""


class NotReady(RedisPlatformError):
    """A step cannot be done yet; reading and planning again in a moment will tell."""


class Step(t.Protocol):
    """One thing to do. Planners create steps, a gateway carries them out."""

    @property
    def changes(self) -> bool:
        """Whether doing it changes anything; waiting for the servers to settle does not."""

    def describe(self) -> str:
        """One line for the user, without secrets."""


S = t.TypeVar("S", bound=Step)


@dataclass(frozen=True)
class Change:
    """One fact that differs. ``None`` stands for absent; a secret never shows its values."""

    key: str
    before: object = field(default=None, repr=False)
    after: object = field(default=None, repr=False)
    secret: bool = False

    def shown(self) -> tuple[object, object]:
        """Before and after as the user may see them."""
        if not self.secret:
            return self.before, self.after
        old, new = (None if value is None else HIDDEN for value in (self.before, self.after))
        if old and new:
            old += " (old)"  # equal sides would make the change invisible in a diff
        return old, new


@dataclass(frozen=True)
class Plan(t.Generic[S]):
    """The ordered steps from what is to what is wanted, and the facts they change."""

    steps: tuple[S, ...] = ()
    differences: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def changes(self) -> bool:
        return any(step.changes for step in self.steps)

    def describe(self) -> list[str]:
        return [step.describe() for step in self.steps]

    def diff(self) -> dict[str, dict[str, object]]:
        """Before and after of only what differs, for ``--diff``."""
        shown = {change.key: change.shown() for change in self.differences}
        before = {key: old for key, (old, dummy) in shown.items() if old is not None}
        after = {key: new for key, (dummy, new) in shown.items() if new is not None}
        return {"before": before, "after": after}
