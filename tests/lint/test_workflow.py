# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new scenario runs in public CI only if the workflow names it."""

from __future__ import annotations

from pathlib import Path

import yaml


def test_public_ci_runs_every_scenario() -> None:
    jobs = yaml.safe_load(Path(".github/workflows/ci.yml").read_text())["jobs"]
    named = {scenario.partition("@")[0] for scenario in jobs["molecule"]["strategy"]["matrix"]["scenario"]}
    assert named == {path.parent.name for path in Path("molecule").glob("*/molecule.yml")}
