# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The core decides, the shell does input and output. What is pure here must not reach for the outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ansible_collections.microservices.redis.plugins.module_utils._plan as a_module

PACKAGE = a_module.__name__.rpartition(".")[0]
DIRECTORY = Path(a_module.__file__).parent
# The shell, by name; every other file is the core.
SHELL = {"_files", "_processes", "_redis_client", "_redis_program", "_runner", "_slot_mover"}
FORBIDDEN = {
    "ansible",
    "redis",
    "consul",
    "socket",
    "subprocess",
    *(f"{PACKAGE}.{name}" for name in SHELL - {"_files"}),
}


def test_the_core_needs_neither_ansible_nor_redis_py_nor_the_shell() -> None:
    core = sorted(path.stem for path in DIRECTORY.glob("_*.py") if path.stem not in SHELL | {"__init__"})
    core = [name for name in core if not name.endswith("_gateway")]
    assert "_cluster" in core
    program = [
        "import importlib, sys",
        f"sys.path[:0] = {[str(DIRECTORY.parents[4])]}",
        f"for name in {core}: importlib.import_module({PACKAGE!r} + '.' + name)",
        f"print(sorted(sys.modules.keys() & {FORBIDDEN}))",
    ]
    # -S: without site-packages, so an import of anything but the standard library fails.
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "\n".join(program)], capture_output=True, text=True, check=False
    )
    assert (run.stdout.strip(), run.stderr) == ("[]", "")
