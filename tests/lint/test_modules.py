# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-test leaves open about modules."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

MODULES = sorted(path for path in Path("plugins/modules").glob("*.py") if path.name != "__init__.py")


def constant(module: Path, name: str) -> str:
    """The value of a string constant, without importing the module."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return str(ast.literal_eval(node.value))
    return ""


def test_the_action_group_holds_every_module() -> None:
    """Without it `module_defaults: group/microservices.redis.redis` misses one silently."""
    group = yaml.safe_load(Path("meta/runtime.yml").read_text())["action_groups"]["redis"]
    assert group == [path.stem for path in MODULES]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_examples_use_the_module_by_its_full_name(module: Path) -> None:
    examples = yaml.safe_load(constant(module, "EXAMPLES")) or []
    assert [task for task in examples if f"microservices.redis.{module.stem}" in task]
