# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.microservices.redis.plugins.module_utils._acl_presets import preset_names, preset_rules
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError


def test_rules_that_a_version_does_not_know_are_left_out() -> None:
    """An aclfile with an unknown subcommand keeps the server from starting."""
    assert "+client|setinfo" not in preset_rules("health", (7, 0))
    assert "+client|setinfo" in preset_rules("health", (7, 2))


@pytest.mark.parametrize("name", sorted(set(preset_names()) - {"admin"}))
def test_only_the_admin_may_do_everything(name: str) -> None:
    rules = preset_rules(name, (8, 0))
    assert "+@all" not in rules
    assert not {"+config", "+acl", "+debug", "+shutdown", "+flushall", "+keys", "+module"} & set(rules)
    assert rules.index("-@all") < min(number for number, rule in enumerate(rules) if rule.startswith("+"))


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_sets_neither_password_nor_switch(name: str) -> None:
    assert not [rule for rule in preset_rules(name, (8, 0)) if rule[0] in "<>#!" or rule in ("on", "off", "nopass")]


def test_applications_get_no_dangerous_command_but_those_their_clients_need() -> None:
    for name in ("app_cache", "app_sessions"):
        rules = preset_rules(name, (8, 0))
        dangerous = rules.index("-@dangerous")
        assert not [rule for rule in rules[dangerous:] if rule.startswith("+@")]


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(RedisPlatformError, match="preset root: there is none of that name; there are admin, app_cache"):
        preset_rules("root", (8, 0))
