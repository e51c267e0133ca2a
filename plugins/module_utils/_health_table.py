# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""The health of several instances as a table for people."""

from __future__ import annotations

import typing as t

from ._health import Expectation, Finding, Grade, Observation, persistence_of, worst

_HEADINGS = ("INSTANCE", "ROLE", "VERSION", "MEMORY", "PERSISTENCE", "REPLICATION", "VERDICT")


def summary(seen: Observation, expected: Expectation, findings: t.Sequence[Finding]) -> dict[str, t.Any]:
    """One instance's health as data."""
    return {
        "address": expected.address,
        "verdict": str(worst(findings)),
        "role": seen.role,
        "version": seen.info.get("redis_version", "-"),
        "memory": _memory(seen),
        "persistence": persistence_of(seen) if seen.info else "-",
        "replication": next((finding.message for finding in findings if finding.check == "replication"), "-"),
        "findings": [finding.as_dict() for finding in findings],
    }


def conclude(reports: t.Sequence[t.Mapping[str, t.Any]], fail_on: str) -> dict[str, t.Any]:
    """What holds for all instances together; ``failed_because`` when one is as bad as ``fail_on`` or worse."""
    verdict = max((Grade[report["verdict"].upper()] for report in reports), default=Grade.OK)
    result: dict[str, t.Any] = {"verdict": str(verdict), "table": table(reports)}
    if fail_on != "never" and verdict >= Grade[fail_on.upper()]:
        result["failed_because"] = " ".join(complaints(reports, Grade[fail_on.upper()]))
    return result


def table(reports: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """One line each, columns aligned, then a line for every finding that is not ok."""
    keys = ("name", *(heading.lower() for heading in _HEADINGS[1:]))
    rows = [_HEADINGS, *(tuple(str(report[key]) for key in keys) for report in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [*lines, *complaints(reports)]


def table_of_hosts(results: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """One table from the results of redis_health on several hosts."""
    reports = [
        {**report, "name": f"{host}/{report['name']}"}
        for host, result in results.items()
        for report in result.get("instances", ())
    ]
    return table(reports)


def complaints(reports: t.Sequence[t.Mapping[str, t.Any]], least: Grade = Grade.WARNING) -> list[str]:
    """What is wrong where, why, and what to do about it."""
    return [
        f"{report['name']}: {found['grade']}: {found['check']}: {found['message'].rstrip('.')}. "
        f"Cause: {found['cause']}. Fix: {found['fix']}."
        for report in reports
        for found in report["findings"]
        if Grade[found["grade"].upper()] >= least
    ]


def _memory(seen: Observation) -> str:
    if not seen.info:
        return "-"
    limit = seen.number("maxmemory")
    return f"{_size(seen.number('used_memory'))} of {_size(limit) if limit else 'no limit'}"


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "K", "M", "G"):
        if value < 1024 or unit == "G":
            break
        value /= 1024
    return f"{value:.0f}{unit}" if value >= 10 or unit == "B" else f"{value:.1f}{unit}"
