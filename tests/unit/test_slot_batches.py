# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of a slot migration is done at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._cluster_slots import Transfer
from ansible_collections.microservices.redis.plugins.module_utils._slot_batches import (
    COMMANDS_AT_ONCE,
    KEYS_AT_ONCE,
    MOST_UNITS,
    ROUND_TRIP,
    SLOTS_AT_ONCE,
    Load,
    Pace,
    Patience,
    choose_listing,
    cut_batches,
    cut_phases,
    cut_round,
    may_pass,
    weigh,
)

LOADS = st.lists(
    st.builds(
        Load,
        slot=st.integers(0, 16383),
        keys=st.lists(st.text(max_size=3), min_size=1, max_size=80).map(tuple),
        weight=st.integers(1, 5000),
    ),
    min_size=1,
    max_size=20,
)


@given(LOADS, st.integers(1, MOST_UNITS))
def test_a_round_is_bounded_and_rounds_lose_no_key(loads: list[Load], units: int) -> None:
    expected = [(load.slot, key) for load in loads for key in load.keys]
    sent: list[tuple[int, str]] = []
    while loads:
        now, loads = cut_round(loads, units)
        keys = [(load.slot, key) for load in now for key in load.keys]
        assert 1 <= len(now) <= COMMANDS_AT_ONCE
        assert len(keys) == 1 or sum(load.units for load in now) <= units
        sent += keys
    assert sent == expected


@given(st.dictionaries(st.integers(0, 16383), st.integers(0, 3000), max_size=300), st.integers(0, 1000))
def test_batches_are_bounded_and_begin_small(counts: dict[int, int], owned: int) -> None:
    batches = list(cut_batches(counts, owned))
    assert [slot for batch in batches for slot in batch] == list(counts)
    for batch in batches:
        assert len(batch) <= SLOTS_AT_ONCE
        assert len(batch) == 1 or sum(batch.values()) <= KEYS_AT_ONCE
        assert sum(choose_listing(batch).values()) == min(KEYS_AT_ONCE, sum(batch.values()))
    moved = owned
    for batch in batches:
        assert len(batch) <= max(1, moved // 16)
        moved += len(batch)


NAMES = st.sampled_from("abcd")
TRANSFERS = st.lists(
    st.builds(Transfer, NAMES, NAMES, st.just(frozenset({1}))).filter(lambda one: one.source != one.target)
)


@given(TRANSFERS)
def test_nobody_gives_and_takes_at_the_same_time(transfers: list[Transfer]) -> None:
    phases = cut_phases(transfers)
    assert sorted(str(one) for phase in phases for one in phase) == sorted(map(str, transfers))
    for phase in phases:
        assert not {one.source for one in phase} & {one.target for one in phase}


def test_the_pace_follows_the_time_that_round_trips_take() -> None:
    pace = Pace()
    for dummy in range(20):
        pace = pace.after(pace.units, pace.units * 10e-6)
    assert ROUND_TRIP / 4 <= pace.units * 10e-6 <= ROUND_TRIP
    assert pace.after(1, 1e-5) == pace, "a small round says nothing about large ones"
    slow = pace.after(pace.units, 100 * ROUND_TRIP)
    assert slow.units == pace.units // 8
    for dummy in range(20):
        slow = slow.after(slow.units, 1.0)
    assert slow.units == 1


def test_large_keys_go_alone() -> None:
    heavy = Load(7, ("a", "b"), weigh([100, 200 << 20]))
    now, rest = cut_round([Load(1, ("x",)), heavy], MOST_UNITS)
    assert [load.slot for load in now] == [1]
    assert cut_round(rest, MOST_UNITS)[0] == [Load(7, ("a",), heavy.weight)]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        ("IOERR error or timeout reading from target instance", True),
        ("Target instance replied with error: CLUSTERDOWN The cluster is down", True),
        ("Target instance replied with error: LOADING Redis is loading the dataset in memory", True),
        ("The cluster is down", True),
        ("Target instance replied with error: OOM command not allowed when used memory > 'maxmemory'.", False),
        ("Target instance replied with error: BUSYKEY Target key name already exists.", False),
        ("Target instance replied with error: WRONGPASS invalid username-password pair", False),
    ],
)
def test_what_may_pass_is_tried_again(error: str, passes: bool) -> None:
    assert may_pass(error) is passes


def test_patience_ends_after_both_tries_and_time() -> None:
    patience = Patience().after_failure(100.0)
    assert not patience.exhausted(1000.0), "one try can take a minute"
    for dummy in range(50):
        patience = patience.after_failure(101.0)
    assert not patience.exhausted(101.0), "many fail within a moment"
    assert patience.exhausted(110.0)
