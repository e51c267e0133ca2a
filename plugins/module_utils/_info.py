# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""The text of INFO and of version strings as data (https://redis.io/docs/latest/commands/info/)."""

from __future__ import annotations

import re
import typing as t

Version = tuple[int, ...]


def parse_info(text: str) -> dict[str, str]:
    """``name:value`` lines as a mapping; section headers are dropped."""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, separator, value in pairs if separator}


def parse_fields(value: str) -> dict[str, str]:
    """One composite INFO value, such as ``keys=3,expires=0,avg_ttl=0``."""
    pairs = (part.partition("=") for part in value.split(","))
    return {name: field for name, separator, field in pairs if separator}


def parse_version(text: str) -> Version:
    """Major and minor of ``7.0.15``, ``v=7.4.1`` or ``255.255.255``; (0, 0) when there is none."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def parse_release(text: str) -> str | None:
    """The whole version in what ``redis-server --version`` says, such as ``7.0.15``."""
    found = re.search(r"v=(\d+(?:\.\d+)+)", text)
    return found.group(1) if found else None


def count_keys(info: t.Mapping[str, str]) -> int:
    """Keys in all databases, from INFO keyspace."""
    return sum(int(parse_fields(value).get("keys", 0)) for name, value in info.items() if re.fullmatch(r"db\d+", name))
