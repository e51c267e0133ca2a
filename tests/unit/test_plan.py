# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._plan import Change, Plan


@dataclass(frozen=True)
class Step:
    name: str
    changes: bool = True

    def describe(self) -> str:
        return self.name


def test_a_plan_is_true_when_something_is_to_do_and_changes_when_that_changes_something() -> None:
    assert (bool(Plan()), Plan().changes) == (False, False)
    waiting: Plan[Step] = Plan((Step("wait", changes=False),))
    assert (bool(waiting), waiting.changes) == (True, False)
    assert Plan((Step("wait", changes=False), Step("write"))).changes


def test_the_diff_has_only_what_differs_and_leaves_out_what_is_absent() -> None:
    plan: Plan[Step] = Plan(
        differences=(Change("port", "6379", "6380"), Change("dir", None, "/data"), Change("save", "", None))
    )
    assert plan.diff() == {"before": {"port": "6379", "save": ""}, "after": {"port": "6380", "dir": "/data"}}


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("one", "other", ("VALUE HIDDEN (old)", "VALUE HIDDEN")),
        (None, "new", (None, "VALUE HIDDEN")),
        ("old", None, ("VALUE HIDDEN", None)),
        ("", "new", ("VALUE HIDDEN (old)", "VALUE HIDDEN")),
    ],
)
def test_a_secret_shows_that_it_changes_and_nothing_else(before: str | None, after: str | None, shown: object) -> None:
    assert Change("masterauth", before, after, secret=True).shown() == shown


SECRETS = st.text("0123456789abcdef", min_size=16, max_size=32)


@given(SECRETS, SECRETS)
def test_no_secret_in_the_diff_or_the_representation_of_a_plan(before: str, after: str) -> None:
    plan: Plan[Step] = Plan((Step("write"),), (Change("masterauth", before, after, secret=True),))
    shown = f"{plan!r} {plan.diff()} {plan.describe()}"
    assert before not in shown
    assert after not in shown
