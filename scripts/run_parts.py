#!/usr/bin/env python3
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run make targets one after the other and say at the end what ran, what did not, and how long it took.

usage: scripts/run_parts.py [--keep-going] target ...

A target tells what cannot run here, and why, on lines of the file that $SKIPPED names, and succeeds. What it writes to
$SUMMARY is shown below the table.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REPORTS = Path(".build/reports")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
# The closing line of pytest, "=== 3 passed, 1 skipped in 0.12s ===", and of what counts its tests in the same form.
# Molecule draws a frame around it.
CLOSING = re.compile(r"[\s│]*=* *((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s\b")


@dataclass
class Part:
    name: str
    result: str = "not run"
    seconds: float = 0.0
    tests: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    summary: str = ""

    def run(self) -> None:
        reasons = REPORTS / f"{self.name}.skipped"
        summary = REPORTS / f"{self.name}.summary"
        reasons.unlink(missing_ok=True)
        summary.unlink(missing_ok=True)
        started = time.monotonic()
        self.result = "interrupted"
        # The output passes through here, so it must not wait in a buffer nor carry colours.
        piped = {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        told = {"SKIPPED": str(reasons.absolute()), "SUMMARY": str(summary.absolute())}
        try:
            status = self._follow({**os.environ, **piped, **told})
        finally:
            self.seconds = time.monotonic() - started
        if reasons.exists():
            self.reasons = reasons.read_text().splitlines()
        if summary.exists():
            self.summary = summary.read_text()
        if status:
            self.result = "FAILED"
            # What fails outside of the test runs counts as well.
            self.tests["failed"] = max(1, self.tests["failed"])
        else:
            self.result = "passed" if self.tests["passed"] else "skipped"

    def _follow(self, environment: dict[str, str]) -> int:
        """Show and keep the output while it comes; count what its pytest runs say."""
        command = ["make", self.name]
        with (
            (REPORTS / f"{self.name}.log").open("w") as log,
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            ) as process,
        ):
            for line in process.stdout or ():
                print(line, end="", flush=True)
                log.write(line)
                if closing := CLOSING.match(ESCAPE.sub("", line)):
                    for count in closing[1].split(", "):
                        number, outcome = count.split()
                        self.tests["failed" if outcome.startswith("error") else outcome] += int(number)
        return process.returncode


def summary(parts: list[Part]) -> str:
    outcomes = ("passed", "failed", "skipped")
    lines = ["", f"{'part':14}{'result':12}{'seconds':>8}" + "".join(f"{outcome:>9}" for outcome in outcomes)]
    for part in parts:
        counts = "".join(f"{part.tests[outcome] or '':>9}" for outcome in outcomes)
        lines.append(f"{part.name:14}{part.result:12}{part.seconds:8.0f}{counts}".rstrip())
        lines += [f"{'':14}not run: {reason}" for reason in part.reasons]
    total = sum((part.tests for part in parts), Counter[str]())
    counts = ", ".join(f"{total[outcome]} {outcome}" for outcome in outcomes)
    summaries = [text for part in parts if part.summary for text in ("", part.summary.rstrip())]
    return "\n".join([*lines, *summaries, "", f"{counts} in {sum(part.seconds for part in parts):.0f} s"])


def main(arguments: list[str]) -> int:
    keep_going = "--keep-going" in arguments
    parts = [Part(name) for name in arguments if not name.startswith("-")]
    REPORTS.mkdir(parents=True, exist_ok=True)
    try:
        for part in parts:
            print(f"\n##### make {part.name}", flush=True)
            part.run()
            if part.result == "FAILED" and not keep_going:
                break
    except KeyboardInterrupt:
        pass
    print(summary(parts), flush=True)
    return 0 if all(part.result in ("passed", "skipped") for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
