# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""The meaning of directive values: two spellings of the same setting are equal here.

``1gb`` and ``1073741824``, ``save 900 1`` in one line or CONFIG GET's form, ``hash-max-ziplist-entries`` and
``hash-max-listpack-entries``, ``Yes`` and ``yes``
(https://redis.io/docs/latest/operate/oss_and_stack/management/config/).
"""

from __future__ import annotations

import re
import typing as t

from ._directive_catalogue import ALL_KEYSPACE_EVENTS, Directive, Kind, Version, as_of, available, find, nearest
from ._plan import RedisPlatformError
from ._redis_conf import split_words

# A directive's value as it stands in redis.conf: one or more lines, each of words.
Setting = tuple[tuple[str, ...], ...]

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 1000**2, "mb": 1 << 20, "g": 1000**3, "gb": 1 << 30}
_OUTPUT_BUFFER_DEFAULTS = {
    "normal": (0, 0, 0),
    "replica": (256 << 20, 64 << 20, 60),
    "pubsub": (32 << 20, 8 << 20, 60),
}

# In redis.conf their value is a single argument, quoted when it has spaces.
_ONE_WORD = (Kind.STRING, Kind.DIRECTORY, Kind.SET)

# Written by nobody but their owner, whatever the inventory says.
OWNED_ELSEWHERE = {
    "replicaof": "who replicates whom belongs to redis_replication and, from then on, to Sentinel",
    "user": "users belong to redis_acl and its aclfile",
    "rename-command": "it is not managed yet; ACL rules (module redis_acl) do the same job per user",
    "include": "give the directives themselves: CONFIG REWRITE copies what an included file sets into the main file",
    "requirepass": "with an aclfile Redis ignores it; give user default a password with redis_acl instead",
}


def known_directive(name: str, version: Version) -> Directive:
    """The catalogue's entry for a name or alias. Raises RedisPlatformError with the nearest valid name."""
    directive = find(name)
    if directive is None:
        close = nearest(name, version)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise RedisPlatformError(f"{name}: no such directive in Redis {_dotted(version)}{hint}")
    if not available(directive, version):
        raise RedisPlatformError(
            f"{name}: exists only from Redis {_dotted(directive.since)} on, and this is {_dotted(version)}; leave it out"
        )
    directive = as_of(directive, version)
    if directive.kind is Kind.IGNORED:
        raise RedisPlatformError(f"{name}: has no effect in Redis {_dotted(version)}; leave it out")
    if directive.name in OWNED_ELSEWHERE:
        raise RedisPlatformError(f"{name}: {OWNED_ELSEWHERE[directive.name]}")
    return directive


def current_directive(name: str, version: Version) -> Directive | None:
    """What a name found in a file or in a server's reply stands for, None when this version does not know it."""
    directive = find(name)
    return as_of(directive, version) if directive and available(directive, version) else None


def setting_from_yaml(directive: Directive, value: object) -> Setting:
    """What an inventory says about a directive, in the shape of redis.conf.

    A list means several lines for a directive that adds up (``save``), several words otherwise (``bind``).
    Raises RedisPlatformError for a value that Redis would refuse.
    """
    if directive.kind is Kind.OCTAL and isinstance(value, int):
        raise RedisPlatformError(
            f'{directive.name}: write it in quotes, such as "770": YAML reads 0770 as the number 504'
        )
    values = value if isinstance(value, (list, tuple)) else [value]
    texts = [_text_of(item) for item in values]
    if directive.repeatable:
        setting = tuple(_words(directive, text) for text in texts)
    elif isinstance(value, (list, tuple)):
        setting = ((" ".join(texts),) if directive.kind in _ONE_WORD else tuple(texts),)
    else:
        setting = (_words(directive, texts[0]),)
    setting = tuple(words for words in setting if words) or ((),)
    for line in setting:
        meaning(directive, (line,))  # every line has to be good by itself
    return setting


def setting_from_live(directive: Directive, value: str) -> Setting:
    """What CONFIG GET shows, in the shape of redis.conf."""
    return (_words(directive, value),)


def meaning(directive: Directive, setting: Setting) -> t.Hashable:
    """A value that is equal for two settings exactly when Redis would behave the same with both."""
    words = [word for line in setting for word in line]
    try:
        return _MEANINGS[directive.kind](directive, words)
    except (ValueError, KeyError, IndexError) as problem:
        shown = "its value" if directive.secret else repr(" ".join(words))
        raise RedisPlatformError(f"{directive.name}: {shown} is not {_expected(directive)}") from problem


def same(directive: Directive, one: Setting, other: Setting) -> bool:
    return meaning(directive, one) == meaning(directive, other)


def config_set_form(directive: Directive, setting: Setting) -> str:
    """The one string that CONFIG SET takes."""
    words = [word for line in setting for word in line]
    if directive.kind is Kind.OUTPUT_BUFFER_LIMIT:
        # CONFIG SET leaves alone what it is not given; in redis.conf what is not given has its default.
        words = [str(word) for kind, limits in _limits(words).items() for word in (kind, *limits)]
    return " ".join(words)


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _words(directive: Directive, text: str) -> tuple[str, ...]:
    if directive.kind in _ONE_WORD:
        # A path or a password is one word, spaces and quotes included.
        return (text,) if text else ()
    try:
        return tuple(split_words(text))
    except ValueError as problem:
        raise RedisPlatformError(f"{directive.name}: {problem}") from problem


def memory_bytes(text: str) -> int:
    """``512mb`` in bytes. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+)([a-z]*)", text.lower())
    if not found:
        raise ValueError(text)
    return int(found.group(1)) * _UNITS[found.group(2)]


def _one(words: t.Sequence[str]) -> str:
    if len(words) != 1:
        raise ValueError(words)
    return words[0]


def _whole(text: str) -> int:
    if not re.fullmatch(r"0|-?[1-9][0-9]*", text):
        raise ValueError(text)  # int() also takes 1_000 and 010, which Redis does not
    return int(text)


def _bool(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return {"yes": True, "no": False}[_one(words).lower()]


def _enum(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    word = _one(words).lower()
    if word not in directive.choices:
        raise ValueError(word)
    return dict(directive.synonyms).get(word, word)


def _set(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    found = frozenset(word for text in words for word in text.lower().split())
    if directive.choices and found - set(directive.choices):
        raise ValueError(words)
    return found


def _flags(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    found = frozenset(word for text in words for word in text.lower().split())
    if not found or found - set(directive.choices):
        raise ValueError(words)
    return found - {"default"}


def _integer(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return _within(directive, _whole(_one(words)))


def _memory(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return _within(directive, memory_bytes(_one(words)))


def _memory_or_percent(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    word = _one(words)
    if not word.endswith("%"):
        return _within(directive, memory_bytes(word))
    percent = _whole(word[:-1])
    if not 0 <= percent <= 100:
        raise ValueError(word)
    return ("percent", percent) if percent else 0


def _octal(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return _within(directive, int(_one(words), 8))


def _string(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return " ".join(words)


def _directory(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    path = _one(words)
    if not path.startswith("/"):
        raise ValueError(path)  # relative to where the server happens to be started
    return path.rstrip("/") or "/"


def _sequence(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return tuple(word for text in words for word in text.split())


def _integers(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    return tuple(_whole(word) for text in words for word in text.split())


def _percentiles(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    numbers = [float(word) for text in words for word in text.split()]
    if not all(0 <= number <= 100 for number in numbers):
        raise ValueError(words)
    return tuple(round(number, 6) for number in numbers)  # CONFIG GET shows no more digits


def _save(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    if "" in words:  # an empty save line takes back the ones before it
        words = words[len(words) - list(reversed(words)).index("") :]
    numbers = [int(word) for text in words for word in text.split()]
    seconds, changes = numbers[::2], numbers[1::2]
    if len(seconds) != len(changes) or any(number < 1 for number in seconds) or any(number < 0 for number in changes):
        raise ValueError(words)
    return frozenset(zip(seconds, changes))


def _output_buffer_limits(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    if not words:
        raise ValueError(words)
    return frozenset(_limits(words).items())


def _limits(words: t.Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Hard limit, soft limit and seconds of every class of clients."""
    words = [word for text in words for word in text.split()]
    limits = dict(_OUTPUT_BUFFER_DEFAULTS)
    if len(words) % 4:
        raise ValueError(words)
    for kind, hard, soft, seconds in zip(words[::4], words[1::4], words[2::4], words[3::4]):
        kind = "replica" if kind.lower() == "slave" else kind.lower()
        if kind not in limits or int(seconds) < 0:
            raise ValueError(kind)
        limits[kind] = (memory_bytes(hard), memory_bytes(soft), int(seconds))
    return limits


def _keyspace_events(directive: Directive, words: t.Sequence[str]) -> t.Hashable:
    letters = set("".join(words))
    if letters - set(directive.choices):
        raise ValueError(words)
    if "A" in letters:
        letters |= set(ALL_KEYSPACE_EVENTS)
    if letters >= set(ALL_KEYSPACE_EVENTS):
        letters -= {"n", "A"}  # CONFIG GET shows A for all of them, and then no n
    return frozenset(letters)


def _within(directive: Directive, number: int) -> int:
    if directive.minimum is not None and number < directive.minimum:
        raise ValueError(number)
    if directive.maximum is not None and number > directive.maximum:
        raise ValueError(number)
    return number


def _expected(directive: Directive) -> str:
    if directive.choices:
        return f"{'one' if directive.kind is Kind.ENUM else 'made'} of {', '.join(directive.choices)}"
    low, high = directive.minimum, directive.maximum
    bounds = f" between {low} and {high}" if low is not None else ""
    return _SHAPES[directive.kind] + bounds


def _dotted(version: Version) -> str:
    return ".".join(str(number) for number in version)


_MEANINGS: t.Mapping[Kind, t.Callable[[Directive, t.Sequence[str]], t.Hashable]] = {
    Kind.BOOL: _bool,
    Kind.ENUM: _enum,
    Kind.INTEGER: _integer,
    Kind.OCTAL: _octal,
    Kind.MEMORY: _memory,
    Kind.MEMORY_OR_PERCENT: _memory_or_percent,
    Kind.STRING: _string,
    Kind.DIRECTORY: _directory,
    Kind.SET: _set,
    Kind.KEYSPACE_EVENTS: _keyspace_events,
    Kind.WORDS: _sequence,
    Kind.FLAGS: _flags,
    Kind.INTEGERS: _integers,
    Kind.PERCENTILES: _percentiles,
    Kind.SAVE: _save,
    Kind.OUTPUT_BUFFER_LIMIT: _output_buffer_limits,
    Kind.STATEMENT: _sequence,
    Kind.IGNORED: _sequence,
}
_SHAPES: t.Mapping[Kind, str] = {
    Kind.BOOL: "yes or no",
    Kind.INTEGER: "a whole number",
    Kind.OCTAL: "an octal number",
    Kind.MEMORY: "a size such as 512mb",
    Kind.MEMORY_OR_PERCENT: "a size such as 512mb or a share such as 5%",
    Kind.STRING: "one text",
    Kind.DIRECTORY: "one absolute path",
    Kind.WORDS: "a list of words",
    Kind.INTEGERS: "a list of whole numbers",
    Kind.PERCENTILES: "a list of numbers from 0 to 100",
    Kind.SAVE: "pairs of seconds and changes, such as 900 1",
    Kind.OUTPUT_BUFFER_LIMIT: "a client class with hard limit, soft limit and seconds, such as pubsub 32mb 8mb 60",
}
