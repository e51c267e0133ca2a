# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's argument_specs are its documentation and its checks, so they must say what its defaults do."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROLES = sorted(path for path in Path("roles").glob("*") if path.is_dir())

Options = dict[str, dict[str, t.Any]]


def argument_specs(role: Path) -> dict[str, t.Any]:
    specs: dict[str, t.Any] = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return specs


def is_complete(option: dict[str, t.Any]) -> bool:
    return bool(option.get("description")) and "type" in option and (option["type"] != "list" or "elements" in option)


def every_option(options: Options, where: str) -> Iterator[tuple[str, dict[str, t.Any]]]:
    for name, option in options.items():
        yield f"{where}.{name}", option
        yield from every_option(option.get("options", {}), f"{where}.{name}")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_equal_argument_specs(role: Path) -> None:
    options: Options = argument_specs(role)["main"].get("options", {})
    # An option without a default in the specs has none in defaults/main.yml either.
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    assert defaults == specified


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_has_a_description_and_a_type(role: Path) -> None:
    incomplete = [
        name
        for entry_point, spec in argument_specs(role).items()
        for name, option in every_option(spec.get("options", {}), entry_point)
        if not is_complete(option)
    ]
    assert incomplete == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_entry_points_say_what_they_do(role: Path) -> None:
    assert [name for name, spec in argument_specs(role).items() if not spec.get("short_description")] == []
