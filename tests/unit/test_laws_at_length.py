# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.soak
def test_the_laws_hold_for_many_more_examples() -> None:
    command = [sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent)]
    run = subprocess.run(command, env={**os.environ, "HYPOTHESIS_PROFILE": "soak"}, check=False)
    assert run.returncode == 0
