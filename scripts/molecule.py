#!/usr/bin/env python3
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run molecule scenarios one after the other, whatever became of the one before, with a table of the hosts at the end.

usage: scripts/molecule.py [scenario[@series] ...]      (default: all)

A scenario with the inventory redis_series.yml runs once with the distribution's Redis and once with each other series.
Exit status 3: there is no container engine. Under `make test`, which sets SKIPPED, that is no failure.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "molecule"
SERIES = "MOLECULE_REDIS"  # the variable that chooses one, see molecule/shared/inventory/redis_series.yml
OTHER_SERIES = ("8.0",)
LABEL = "microservices.redis."
HEADINGS = ("SCENARIO", "HOST", "DISTRIBUTION", "USERLAND", "REDIS", "PYTHON", "ANSIBLE-CORE", "SECONDS", "RESULT")
# A host may be a controller as well, with an Ansible of its own.
ASK = "PATH=$PATH:/opt/ansible/bin; redis-server --version; python3 --version; ansible --version"
VERSIONS = (r"Redis server v=(\S+)", r"Python (\S+)", r"\[core (\S+)\]")


@dataclass
class Run:
    """One scenario with one series of Redis."""

    scenario: str
    series: str
    passed: bool = False
    seconds: float = 0.0
    hosts: list[tuple[str, ...]] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Run:
        scenario, _, series = text.partition("@")
        return cls(scenario, series)

    def __str__(self) -> str:
        return f"{self.scenario}@{self.series}" if self.series else self.scenario

    def execute(self) -> None:
        started = time.monotonic()
        try:
            # --destroy=never leaves out both, so that the hosts can be asked at the end.
            self.passed = self._molecule("destroy") and self._molecule("test", "--destroy=never")
            self.hosts = [about(container) for container in containers_of(self.scenario)]
        finally:
            self._molecule("destroy")
            self.seconds = time.monotonic() - started

    def _molecule(self, command: str, *arguments: str) -> bool:
        # Molecule complains about a collection's molecule/ directory unless told where its scenarios are.
        environment = {**os.environ, "MOLECULE_GLOB": "molecule/*/molecule.yml", SERIES: self.series}
        return not subprocess.run(
            [sys.executable, "-m", "molecule", command, "--scenario-name", self.scenario, *arguments],
            env=environment,
            check=False,
        ).returncode

    def rows(self) -> list[tuple[str, ...]]:
        """One for each host."""
        rest = (f"{self.seconds:.0f}", "passed" if self.passed else "FAILED")
        return [(str(self), *host, *rest) for host in self.hosts or [("-",) * 6]]


def all_runs() -> list[Run]:
    runs = []
    for path in sorted(SCENARIOS.glob("*/molecule.yml")):
        runs.append(Run(path.parent.name, ""))
        if "shared/inventory/redis_series.yml" in path.read_text():
            runs += [Run(path.parent.name, series) for series in OTHER_SERIES]
    return runs


def containers_of(scenario: str) -> list[str]:
    label = f"label={LABEL}scenario={scenario}"
    return sorted(output("docker", "ps", "--filter", label, "--format", "{{.Names}}").split())


def about(container: str) -> tuple[str, ...]:
    """Host, distribution, userland, versions of Redis, of Python, and of the ansible-core that was used."""
    labels = json.loads(output("docker", "inspect", "--format", "{{json .Config.Labels}}", container))
    userland = "own" if labels[f"{LABEL}userland"] == "distribution" else "STAND-IN"
    # What is missing on the host says so, or is the controller's.
    said = output("docker", "exec", container, "sh", "-c", ASK) + output("ansible", "--version")
    found = [re.search(version, said) for version in VERSIONS]
    return container, labels[f"{LABEL}distribution"], userland, *(match[1] if match else "-" for match in found)


def output(*command: str) -> str:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout


def table(runs: list[Run]) -> str:
    rows = [HEADINGS, *(row for run in runs for row in run.rows())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if any("STAND-IN" in row for row in rows):
        lines.append("STAND-IN: not the distribution itself, see tests/images/README.md.")
    return "\n".join(lines)


def prepare(runs: list[Run]) -> int:
    """An engine and up-to-date images. 3 when there is no engine."""
    status = subprocess.run([ROOT / "tests/images/engine"], check=False).returncode
    if status != 3:
        return status or subprocess.run([ROOT / "tests/images/build"], check=False).returncode
    reason = f"molecule scenarios {' '.join(map(str, runs))}: no container engine"
    print(f"Not run: {reason}", file=sys.stderr)
    if "SKIPPED" in os.environ:
        Path(os.environ["SKIPPED"]).write_text(reason + "\n")
    return status


def main(arguments: list[str]) -> int:
    os.chdir(ROOT)
    runs = [Run.parse(argument) for argument in arguments] or all_runs()
    unknown = [run.scenario for run in runs if not (SCENARIOS / run.scenario / "molecule.yml").exists()]
    if unknown:
        print(f"No such scenario in molecule/: {', '.join(unknown)}", file=sys.stderr)
        return 2
    if status := prepare(runs):
        return 0 if status == 3 and "SKIPPED" in os.environ else status
    for run in runs:
        print(f"\n##### molecule {run}", flush=True)
        run.execute()
    summary = table(runs)
    print(f"\n{summary}", flush=True)
    if report := os.environ.get("SUMMARY"):
        Path(report).write_text(summary + "\n")
    return 0 if all(run.passed for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
