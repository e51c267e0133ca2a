# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._directive_catalogue import (
    DIRECTIVES,
    Directive,
    Kind,
    as_of,
    available,
)
from ansible_collections.microservices.redis.plugins.module_utils._directives import (
    OWNED_ELSEWHERE,
    Setting,
    config_set_form,
    current_directive,
    known_directive,
    meaning,
    memory_bytes,
    same,
    setting_from_live,
    setting_from_yaml,
)
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError
from ansible_collections.microservices.redis.plugins.module_utils._redis_conf import directive_line, parse_conf

VERSIONS = [(7, 0), (7, 2), (7, 4), (8, 0)]
LATEST = VERSIONS[-1]


def yaml(name: str, value: object) -> Setting:
    return setting_from_yaml(known_directive(name, LATEST), value)


def through_the_file(directive: Directive, setting: Setting) -> Setting:
    text = "\n".join(directive_line(directive.name, words) for words in setting)
    return tuple(line.words[1:] for line in parse_conf(text))


# Two ways to say the same, as an inventory, redis.conf or CONFIG GET would.
SAME = [
    ("maxmemory", "1gb", 1073741824),
    ("maxmemory", "1g", "1000m"),
    ("maxmemory", "1KB", "1024b"),
    ("maxmemory", 0, "0"),
    ("appendonly", True, "YES"),
    ("appendonly", False, "no"),
    ("appendfsync", False, "NO"),
    ("maxmemory-policy", "AllKeys-LRU", "allkeys-lru"),
    ("oom-score-adj", "relative", True),
    ("maxmemory-clients", "0%", 0),
    ("maxmemory-clients", "1mb", "1048576"),
    ("unixsocketperm", "0770", "770"),
    ("save", ["900 1", "300 10"], "300 10 900 1"),
    ("save", ["3600 1 300 100", "60 10000"], ["60 10000", "3600 1", "300 100"]),
    ("save", "", '""'),
    ("save", "", []),
    ("bind", ["127.0.0.1", "-::1"], "127.0.0.1 -::1"),
    ("bind", [], ""),
    ("dir", "/var/lib/redis/", "/var/lib/redis"),
    ("dir", "/", "//"),
    ("notify-keyspace-events", "KEA", "EKg$lshzxetd"),
    ("notify-keyspace-events", "Ex", "xE"),
    ("shutdown-on-sigterm", "nosave now", "NOW nosave default"),
    ("latency-tracking-info-percentiles", "50 99 99.9", [50.0, "99.000", "99.90"]),
    ("latency-tracking-info-percentiles", "99.9999999", "100"),  # CONFIG GET shows six digits
    ("tls-protocols", "TLSv1.2 TLSv1.3", ["tlsv1.3", "tlsv1.2"]),
    ("oom-score-adj-values", [0, 200, 800], "0 200 800"),
    ("client-output-buffer-limit", "replica 256mb 64mb 60", "slave 268435456 67108864 60"),
    ("client-output-buffer-limit", ["pubsub 1mb 1kb 5"], "normal 0 0 0 slave 256mb 64mb 60 pubsub 1mb 1kb 5"),
    ("client-output-buffer-limit", ["normal 0 0 0", "pubsub 32mb 8mb 60"], "PUBSUB 32mb 8mb 60"),
    ("logfile", None, ""),
    ("requirepass", "with space", "with space"),
]

DIFFERENT = [
    ("maxmemory", "1gb", "1g"),
    ("maxmemory-clients", "5%", 5),
    ("save", "900 1", "1 900"),
    ("save", "900 1", ""),
    ("bind", ["127.0.0.1", "::1"], ["::1", "127.0.0.1"]),
    ("notify-keyspace-events", "Ex", "Kx"),
    ("shutdown-on-sigterm", "now", "default"),
    ("client-output-buffer-limit", "replica 1mb 1mb 60", "pubsub 1mb 1mb 60"),
    ("logfile", "redis.log", "Redis.log"),
    ("oom-score-adj-values", [0, 200, 800], [0, 800, 200]),
]


def setting_of(name: str, value: object) -> tuple[Directive, Setting]:
    """Also of a directive that redis_config does not manage."""
    directive = current_directive(name, LATEST)
    assert directive
    return directive, setting_from_yaml(directive, value)


@pytest.mark.parametrize(("name", "one", "other"), SAME)
def test_two_spellings_of_one_meaning_are_the_same(name: str, one: object, other: object) -> None:
    directive, first = setting_of(name, one)
    second = setting_from_yaml(directive, other)
    assert same(directive, first, second)
    assert same(directive, second, first)


@pytest.mark.parametrize(("name", "one", "other"), DIFFERENT)
def test_two_meanings_are_not_the_same(name: str, one: object, other: object) -> None:
    directive, first = setting_of(name, one)
    second = setting_from_yaml(directive, other)
    assert not same(directive, first, second)
    assert not same(directive, second, first)


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ('save 900 1\nsave ""\nsave 60 5', "60 5"),
        ("save 900 1\nsave 300 10", "300 10 900 1"),
        ("hash-max-ziplist-entries 64", "64"),
        ("client-output-buffer-limit normal 1mb 0 0\nclient-output-buffer-limit normal 2mb 0 0", "normal 2mb 0 0"),
        ('tls-protocols "TLSv1.2 TLSv1.3"', "TLSv1.3 TLSv1.2"),
        ('bind "127.0.0.1 ::1"', "127.0.0.1 ::1"),
    ],
)
def test_lines_of_a_file_mean_what_redis_makes_of_them(file: str, meant: str) -> None:
    lines = parse_conf(file)
    directive = current_directive(lines[0].name, LATEST)
    assert directive
    assert same(directive, tuple(line.words[1:] for line in lines), setting_from_live(directive, meant))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("port", "http", "port: 'http' is not a whole number between 0 and 65535"),
        ("port", 65536, "between 0 and 65535"),
        ("port", "1_000", "whole number"),
        ("port", "0123", "whole number"),
        ("hz", 10.5, "whole number"),
        ("hz", "", "whole number"),
        ("port", [1, 2], "whole number"),
        ("appendonly", "maybe", "yes or no"),
        ("maxmemory", "1gib", "a size such as 512mb"),
        ("maxmemory", "-1", "a size such as 512mb"),
        ("maxmemory", "half", "a size such as 512mb"),
        ("maxmemory-clients", "101%", "a share such as 5%"),
        ("maxmemory-policy", "lru", "one of volatile-lru"),
        ("unixsocketperm", 504, 'in quotes, such as "770"'),
        ("unixsocketperm", "888", "octal"),
        ("dir", "data", "absolute path"),
        ("dir", "", "absolute path"),
        ("save", "900", "pairs of seconds and changes"),
        ("save", [900, 1], "pairs of seconds and changes"),  # two lines
        ("save", "0 1", "pairs of seconds and changes"),
        ("latency-tracking-info-percentiles", "nan", "numbers from 0 to 100"),
        ("latency-tracking-info-percentiles", "101", "numbers from 0 to 100"),
        ("oom-score-adj-values", "a b c", "whole numbers"),
        ("client-output-buffer-limit", "everybody 0 0 0", "client class"),
        ("client-output-buffer-limit", "normal 0 0", "client class"),
        ("client-output-buffer-limit", "", "client class"),
        ("notify-keyspace-events", "Ey", "made of A"),
        ("shutdown-on-sigterm", "later", "made of default, save"),
        ("tls-protocols", "sslv3", "made of tlsv1"),
        ("bind", '127.0.0.1 "::1', "unbalanced quotes"),
    ],
)
def test_a_value_that_redis_would_refuse_is_refused_with_what_it_expects(
    name: str, value: object, complaint: str
) -> None:
    with pytest.raises(RedisPlatformError, match=f"^{name}: ") as problem:
        yaml(name, value)
    assert complaint in str(problem.value)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("maxmemroy", "maxmemroy: no such directive in Redis 7.0; did you mean maxmemory"),
        ("active-rehashing", "did you mean activerehashing"),
        ("set-max-listpack-entries", "exists only from Redis 7.2 on, and this is 7.0"),
        ("lua-replicate-commands", "has no effect in Redis 7.0"),
        *((name, reason) for name, reason in OWNED_ELSEWHERE.items()),
        ("slaveof", OWNED_ELSEWHERE["replicaof"]),
    ],
)
def test_a_directive_that_cannot_be_managed_is_refused_with_a_hint(name: str, complaint: str) -> None:
    with pytest.raises(RedisPlatformError, match=f"^{name}: ") as problem:
        known_directive(name, (7, 0))
    assert complaint in str(problem.value)


def test_a_secret_is_not_in_the_complaint_about_it() -> None:
    directive = Directive("port", Kind.INTEGER, secret=True)
    with pytest.raises(RedisPlatformError) as problem:
        setting_from_yaml(directive, "s3cret")
    assert str(problem.value) == "port: its value is not a whole number"


def test_aliases_are_known_by_the_name_to_write() -> None:
    assert known_directive("zset-max-ziplist-value", (7, 0)).name == "zset-max-listpack-value"
    assert known_directive("MIN-SLAVES-TO-WRITE", (7, 0)).name == "min-replicas-to-write"
    assert current_directive("set-max-listpack-entries", (7, 0)) is None


def test_config_set_names_every_class_of_clients_because_it_leaves_others_alone() -> None:
    directive = known_directive("client-output-buffer-limit", LATEST)
    form = config_set_form(directive, setting_from_yaml(directive, "pubsub 1mb 1kb 5"))
    assert form == "normal 0 0 0 replica 268435456 67108864 60 pubsub 1048576 1024 5"


def test_words_of_one_argument_are_written_as_one() -> None:
    directive = known_directive("tls-protocols", LATEST)
    for value in ("TLSv1.2 TLSv1.3", ["TLSv1.2", "TLSv1.3"]):
        setting = setting_from_yaml(directive, value)
        assert [directive_line("tls-protocols", words) for words in setting] == ['tls-protocols "TLSv1.2 TLSv1.3"']


@pytest.mark.parametrize("version", VERSIONS)
def test_every_default_survives_the_file_and_config_set(version: tuple[int, ...]) -> None:
    for directive in (as_of(one, version) for one in DIRECTIVES if available(one, version)):
        if directive.default is not None:
            setting = setting_from_live(directive, directive.default)
            assert same(directive, through_the_file(directive, setting), setting), directive.name
            again = setting_from_live(directive, config_set_form(directive, setting))
            assert same(directive, again, setting), directive.name


@given(st.integers(0, 2**40), st.sampled_from(["", "b", "k", "kb", "m", "mb", "g", "gb"]))
def test_units_are_what_redis_takes_them_for(number: int, unit: str) -> None:
    power = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3}[unit[:1]]
    assert memory_bytes(f"{number}{unit.upper()}") == number * (1024 if unit.endswith("b") else 1000) ** power


SIZES = st.builds("{}{}".format, st.integers(0, 10**6), st.sampled_from(["", "b", "k", "kb", "mb", "GB"]))
POINTS = st.builds("{} {}".format, st.integers(1, 9999), st.integers(0, 9999))
LIMITS = st.builds(
    "{} {} {} {}".format, st.sampled_from(["normal", "slave", "replica", "PubSub"]), SIZES, SIZES, st.integers(0, 99)
)


def values_of(directive: Directive) -> st.SearchStrategy[object]:
    """Values that an inventory may give to a directive."""
    low, high = directive.minimum or 0, directive.maximum or 2**31
    choices = st.lists(st.sampled_from(directive.choices or ("a", "b")), min_size=1)
    by_kind: dict[Kind, st.SearchStrategy[object]] = {
        Kind.BOOL: st.sampled_from(["yes", "no", "YES", True, False]),
        Kind.ENUM: st.sampled_from([choice.title() for choice in directive.choices] or [""]),
        Kind.INTEGER: st.integers(low, high) | st.integers(low, high).map(str),
        Kind.OCTAL: st.integers(low, high).map("{:o}".format),
        Kind.MEMORY: st.integers(low, high) | SIZES,
        Kind.MEMORY_OR_PERCENT: SIZES | st.integers(0, 100).map("{}%".format),
        Kind.STRING: st.text(),
        Kind.DIRECTORY: st.text().map("/{}".format),
        Kind.SET: choices,
        Kind.KEYSPACE_EVENTS: choices.map("".join),
        Kind.FLAGS: choices | choices.map(" ".join),
        Kind.WORDS: st.lists(st.ip_addresses().map(str)),
        Kind.INTEGERS: st.lists(st.integers(-999, 999)),
        Kind.PERCENTILES: st.lists(st.integers(0, 100) | st.floats(0, 100)),
        Kind.SAVE: st.lists(POINTS) | POINTS,
        Kind.OUTPUT_BUFFER_LIMIT: st.lists(LIMITS, min_size=1) | LIMITS,
        Kind.STATEMENT: st.lists(st.just("/lib/module.so an-argument")),
    }
    return by_kind[directive.kind]


MANAGED = [one for one in DIRECTIVES if one.kind is not Kind.IGNORED and one.name not in OWNED_ELSEWHERE]
GIVEN = st.sampled_from(MANAGED).flatmap(lambda directive: st.tuples(st.just(directive), values_of(directive)))


@given(GIVEN)
def test_a_value_means_the_same_in_the_inventory_in_the_file_and_live(given_value: tuple[Directive, object]) -> None:
    directive, value = given_value
    try:
        setting = setting_from_yaml(directive, value)
    except RedisPlatformError:
        return  # out of the directive's bounds
    assert same(directive, setting, setting)
    assert same(directive, through_the_file(directive, setting), setting)
    if directive.kind is not Kind.STATEMENT:
        assert same(directive, setting_from_live(directive, config_set_form(directive, setting)), setting)


@given(st.sampled_from(MANAGED).flatmap(lambda one: st.tuples(st.just(one), values_of(one), values_of(one))))
def test_the_comparison_is_symmetric(given_values: tuple[Directive, object, object]) -> None:
    directive, one, other = given_values
    try:
        first, second = setting_from_yaml(directive, one), setting_from_yaml(directive, other)
    except RedisPlatformError:
        return
    assert same(directive, first, second) is same(directive, second, first)
    assert same(directive, first, second) is (meaning(directive, first) == meaning(directive, second))


@given(st.sampled_from(MANAGED), st.one_of(st.text(), st.lists(st.text()), st.integers(), st.floats(), st.booleans()))
def test_whatever_the_value_there_is_a_setting_or_a_message(directive: Directive, value: object) -> None:
    try:
        setting = setting_from_yaml(directive, value)
    except RedisPlatformError as problem:
        message = str(problem)
    else:
        message = f"{directive.name}: {meaning(directive, setting)}"
    assert message.startswith(f"{directive.name}: ")
