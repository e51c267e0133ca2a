# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which logs need a logrotate file of ours. Pure."""

from __future__ import annotations

import fnmatch
import posixpath
import typing as t


def logs_to_rotate(logs: t.Sequence[str], covered: t.Sequence[str] = ()) -> list[str]:
    """The logs that no pattern in ``covered`` matches: logrotate refuses a log that two of its files name."""
    return [log for log in logs if not any(_matches(log, pattern) for pattern in covered)]


def _matches(path: str, pattern: str) -> bool:
    """As glob(7) does: a star does not reach into another directory."""
    return posixpath.dirname(path) == posixpath.dirname(pattern) and fnmatch.fnmatchcase(
        posixpath.basename(path), posixpath.basename(pattern)
    )
