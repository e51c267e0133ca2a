# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError
from ansible_collections.microservices.redis.plugins.module_utils._redis_conf import (
    GENERATED,
    HEADER,
    directive_line,
    edit_conf,
    parse_conf,
    quote_word,
    split_words,
)

# Anything a file can hold: bytes that are no UTF-8 arrive as lone surrogates.
TEXTS = st.text() | st.binary(max_size=20).map(lambda data: data.decode("utf-8", "surrogateescape"))


def test_split_words_reads_quotes_and_escapes_as_redis_does() -> None:
    assert split_words("""save "" '' """) == ["save", "", ""]
    assert split_words(r'a "b c" d\e "\x41\n\q\"" ') == ["a", "b c", r"d\e", 'A\nq"']
    assert split_words(r"'it\'s' 'back\slash'") == ["it's", r"back\slash"]
    assert split_words("tab\tand\x0b\x0c  blanks") == ["tab", "and\x0b\x0c", "blanks"]


def test_split_words_takes_no_blank_from_outside_ascii() -> None:
    assert split_words("no\u00a0break\u2028here\u0085or here") == ["no\u00a0break\u2028here\u0085or", "here"]


def test_split_words_joins_the_bytes_that_config_rewrite_escaped_one_by_one() -> None:
    assert split_words(r'"\xc3\xa9t\xc3\xa9 \xff"') == ["été \udcff"]


@pytest.mark.parametrize("text", ['"open', "'open", '"closed"by', "'closed'by", '"escaped\\"'])
def test_split_words_refuses_what_redis_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="quote"):
        split_words(text)


@given(st.lists(TEXTS, max_size=4))
@example(["", " ", "#", "\n", "\x00", "\x85", "\u2028", "\\x41", '"', "'", "\udcc3", "\udca9"])
def test_what_is_quoted_reads_back_the_same(words: list[str]) -> None:
    assert split_words(" ".join(map(quote_word, words))) == words
    line = parse_conf(directive_line("name", words) + "\n")
    assert [one.words[1:] for one in line] == [tuple(words) or ("",)]


@pytest.mark.parametrize("word", ["6379", "/var/lib/redis", "*", "-::1", "{title}", "KEA", "été"])
def test_what_needs_no_quotes_gets_none(word: str) -> None:
    assert quote_word(word) == word


def test_a_line_that_cannot_be_read_is_named_without_its_value() -> None:
    with pytest.raises(RedisPlatformError, match=r"^redis.conf, line 2: unbalanced quotes: masterauth") as problem:
        parse_conf('port 6379\nmasterauth "s3cret\n')
    assert "s3cret" not in str(problem.value)


FILE = f"""\
# by hand
port 6379
save 900 1
save 300 10
appendonly no

replicaof 192.0.2.1 6379
{GENERATED}
user default off
maxmemory 100mb
latency-tracking-info-percentiles 50 99
"""


def edited(text: str, wanted: dict[str, list[list[str]]], drop: frozenset[str] = frozenset()) -> str:
    return edit_conf(parse_conf(text), wanted, str.lower, drop)


def test_an_edit_replaces_in_place_and_leaves_alone_what_belongs_to_redis() -> None:
    text = edited(FILE, {"save": [["60", "5"]], "maxmemory": [["1gb"]], "port": [["7000"]], "hz": [["20"]]})
    assert text.splitlines() == [
        "# by hand",
        "port 7000",
        "save 60 5",
        "appendonly no",
        "",
        "replicaof 192.0.2.1 6379",
        "maxmemory 1gb",
        "hz 20",
        GENERATED,
        "user default off",
        "latency-tracking-info-percentiles 50 99",
    ]


def test_an_edit_drops_only_what_it_is_told_to() -> None:
    text = edited(FILE, {}, frozenset({"user", "maxmemory", "latency-tracking-info-percentiles", "save"}))
    assert text.splitlines() == ["# by hand", "port 6379", "appendonly no", "", "replicaof 192.0.2.1 6379"]


def test_a_new_file_says_who_owns_it() -> None:
    assert edited("", {"port": [["6379"]]}) == f"{HEADER}\nport 6379\n"


NAMES = st.sampled_from(["port", "save", "bind", "user", "replicaof", "loadmodule"])
LINES = st.one_of(
    st.builds(directive_line, NAMES, st.lists(TEXTS, max_size=2)),
    st.sampled_from(["", "# a comment", GENERATED, "  PORT 1", "unknown-thing x"]),
)


@given(
    st.lists(LINES).map(lambda lines: "".join(f"{line}\n" for line in lines)),
    st.dictionaries(NAMES, st.lists(st.lists(TEXTS, min_size=1, max_size=2), min_size=1, max_size=2), max_size=3),
)
@example(f"{GENERATED}\n", {})
def test_after_an_edit_the_file_says_what_is_wanted_and_the_rest_stays(
    text: str, wanted: dict[str, list[list[str]]]
) -> None:
    result = edited(text, wanted)
    found = parse_conf(result)
    for name, values in wanted.items():
        assert [list(line.words[1:]) for line in found if line.name == name] == values
    others = [line.text for line in parse_conf(text) if line.name not in wanted and line.text != GENERATED]
    assert [line.text for line in found if line.name not in wanted and line.text not in (GENERATED, HEADER)] == others
    assert not result or edited(result, wanted) == result
