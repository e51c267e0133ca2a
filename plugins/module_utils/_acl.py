# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What to do so that an instance's users are as wanted, in its aclfile and in the running server. Pure.

A user's rules have many spellings and each Redis version prints its own, so rules are compared only in the form a
server of that version gives back (``Description``); the gateway asks one. Passwords are compared as SHA-256 hashes,
the form in which Redis keeps them (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass, field

from ._acl_presets import preset_rules
from ._files import Access
from ._info import Version
from ._plan import Change, Plan, RedisPlatformError
from ._redis_conf import split_words

DEFAULT_USER = "default"
_HASH = re.compile(r"[0-9a-f]{64}")
_PASSWORD_RULES = ("on", "off", "nopass", "resetpass", "reset")


@dataclass(frozen=True)
class User:
    """One wanted user. ``rules`` are ACL rules without passwords, ``on`` or ``off``."""

    name: str
    rules: tuple[str, ...] = ()
    preset: str | None = None
    hashes: frozenset[str] = field(default=frozenset(), repr=False)
    enabled: bool = True

    def all_rules(self, version: Version) -> tuple[str, ...]:
        """The preset's rules and then its own. Own patterns take the place of the preset's all keys or all channels."""
        preset = preset_rules(self.preset, version) if self.preset else ()
        replaced = {"~*"} if any(rule.startswith(("~", "%")) for rule in self.rules) else set()
        replaced |= {"&*"} if any(rule.startswith("&") for rule in self.rules) else set()
        return (*(rule for rule in preset if rule not in replaced), *self.rules)


@dataclass(frozen=True)
class DesiredAcl:
    name: str
    path: str
    users: tuple[User, ...]
    purge: bool = False
    access: Access = Access(None, None, 0o640)

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> DesiredAcl:
        return cls(
            name=params["name"] or params["path"],
            path=params["path"],
            users=desired_users(params["users"]),
            purge=params["purge"],
            access=Access.parse(params["owner"], params["group"], params["mode"]),
        )


@dataclass(frozen=True)
class Description:
    """A user as the server describes it: ACL GETUSER without the password hashes and on or off."""

    commands: str
    keys: str
    channels: str
    selectors: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()

    def __str__(self) -> str:
        selectors = [f"({selector})" for selector in self.selectors]
        parts = (*sorted(self.flags), self.commands, self.keys, self.channels, *selectors)
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class UserState:
    description: Description
    hashes: frozenset[str] = field(default=frozenset(), repr=False)
    enabled: bool = False

    def shown(self) -> str:
        passwords = {0: "no password", 1: "1 password"}.get(len(self.hashes), f"{len(self.hashes)} passwords")
        return f"{'on' if self.enabled else 'off'}, {passwords}: {self.description}"


@dataclass(frozen=True)
class CurrentAcl:
    """``wanted`` are the desired users as this server describes them; ``live`` is None when no server runs."""

    version: Version
    wanted: t.Mapping[str, UserState]
    filed: t.Mapping[str, UserState] | None
    live: t.Mapping[str, UserState] | None
    access: Access | None = None


@dataclass(frozen=True)
class SetUser:
    user: User
    changes: bool = True

    def describe(self) -> str:
        return f"ACL SETUSER {self.user.name}"


@dataclass(frozen=True)
class DeleteUser:
    name: str
    changes: bool = True

    def describe(self) -> str:
        return f"ACL DELUSER {self.name}"


@dataclass(frozen=True)
class WriteAclFile:
    path: str
    users: tuple[User, ...]
    kept: tuple[str, ...]
    access: Access
    changes: bool = True

    def describe(self) -> str:
        return f"write {self.path}"


@dataclass(frozen=True)
class SetFileAccess:
    path: str
    access: Access
    changes: bool = True

    def describe(self) -> str:
        return f"set owner, group and mode of {self.path} to {self.access}"


AclStep = t.Union[SetUser, DeleteUser, WriteAclFile, SetFileAccess]


def plan_acl(current: CurrentAcl, desired: DesiredAcl) -> Plan[AclStep]:
    """The file first: a server that restarts in between must not come up with fewer locks than it had.

    In the running server only users that differ are touched, so nobody else's connection is dropped.
    """
    steps: list[AclStep] = []
    differences: dict[str, Change] = {}
    users = desired.users
    if current.filed is None or _differing(current.filed, current, desired) or _surplus(current.filed, desired):
        kept = () if desired.purge or current.filed is None else tuple(_others(current.filed, desired))
        steps.append(WriteAclFile(desired.path, users, kept, desired.access))
        _note(differences, current.filed or {}, current, desired)
    elif current.access != desired.access:
        steps.append(SetFileAccess(desired.path, desired.access))
        differences[desired.path] = Change(desired.path, str(current.access), str(desired.access))
    if current.live is not None:
        changed = _differing(current.live, current, desired)
        steps += [SetUser(user) for user in users if user.name in changed]
        steps += [DeleteUser(name) for name in _surplus(current.live, desired)]
        _note(differences, current.live, current, desired)
    return Plan(tuple(steps), tuple(differences.values()))


def user_from_options(options: t.Mapping[str, t.Any]) -> User:
    """One entry of option ``users``. Raises RedisPlatformError, naming the user and the fix."""
    name = str(options["name"])
    problem = f"user {name}: "
    if not name or re.search(r"[\s\x00]", name):
        raise RedisPlatformError(f"user {name!r}: a name is one word, without spaces")
    rules = tuple(word for rule in options["rules"] or () for word in _split(problem, str(rule)))
    for rule in rules:
        if rule.lower() in _PASSWORD_RULES or rule.startswith((">", "<", "#", "!")):
            shown = rule if rule.lower() in _PASSWORD_RULES else rule[0] + "..."
            raise RedisPlatformError(
                f"{problem}rule {shown} does not belong into rules: use passwords, password_hashes or enabled"
            )
        if not rule or (re.search(r"\s", rule) and not rule.startswith("(")):
            raise RedisPlatformError(f"{problem}rule {rule!r} is empty or has a space, which an aclfile cannot hold")
    hashes = {hashlib.sha256(str(word).encode()).hexdigest() for word in options["passwords"] or ()}
    for text in options["password_hashes"] or ():
        if not _HASH.fullmatch(str(text).lower()):
            raise RedisPlatformError(f"{problem}a password hash is the SHA-256 of the password, 64 hexadecimal digits")
        hashes.add(str(text).lower())
    if "" in map(str, options["passwords"] or ()):
        raise RedisPlatformError(f"{problem}a password is empty")
    enabled = options["enabled"] is not False
    if enabled and not hashes:
        raise RedisPlatformError(f"{problem}has no password: give passwords or password_hashes, or enabled: false")
    return User(name, rules, options["preset"], frozenset(hashes), enabled)


def desired_users(entries: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[User, ...]:
    """All wanted users, ``default`` among them: left out, Redis would let everybody in without a password."""
    users = [user_from_options(entry) for entry in entries]
    names = [user.name for user in users]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RedisPlatformError(f"given more than once: {', '.join(twice)}")
    if DEFAULT_USER not in names:
        users.insert(0, User(DEFAULT_USER, enabled=False))
    return tuple(users)


def acl_file_line(user: User, version: Version) -> str:
    """The user's line in an aclfile; comments are not allowed there."""
    switch = "on" if user.enabled else "off"
    hashes = [f"#{digest}" for digest in sorted(user.hashes)]
    return " ".join(["user", user.name, switch, *hashes, *base_rules(user.all_rules(version))])


def set_user_words(user: User, version: Version) -> list[str]:
    """ACL SETUSER's arguments after the name: everything at once, so there is no moment with fewer locks."""
    hashes = [f"#{digest}" for digest in sorted(user.hashes)]
    switch = "on" if user.enabled else "off"
    return ["reset", *hashes, *base_rules(user.all_rules(version)), switch]


def base_rules(rules: t.Sequence[str]) -> list[str]:
    """A user may do nothing unless a rule says so; Redis' own starting point depends on acl-pubsub-default."""
    return ["resetkeys", "resetchannels", "-@all", *rules]


def parse_acl_file(text: str) -> dict[str, tuple[bool, frozenset[str], tuple[str, ...]]]:
    """Name to (enabled, password hashes, other rules), for a file written by us or by ACL SAVE."""
    users = {}
    for number, line in enumerate(text.split("\n"), start=1):
        words = [word for word in line.strip(" \t\r").split(" ") if word]
        if not words:
            continue
        if words[0] != "user" or len(words) < 2:
            raise RedisPlatformError(f"line {number} of the aclfile does not begin with 'user NAME'")
        rules = join_selectors(words[2:])
        hashes = {word[1:] for word in rules if word.startswith("#")}
        hashes |= {hashlib.sha256(word[1:].encode()).hexdigest() for word in rules if word.startswith(">")}
        others = tuple(word for word in rules if word[0] not in "#>" and word not in ("on", "off"))
        users[words[1]] = ("on" in rules, frozenset(hashes), others)
    return users


def join_selectors(words: t.Sequence[str]) -> list[str]:
    """A selector ``(~x +get)`` is one rule, spaces and all."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("(") and not joined[-1].endswith(")"):
            joined[-1] += " " + word
        else:
            joined.append(word)
    return joined


def description_from_reply(reply: t.Sequence[t.Any]) -> Description:
    """From ACL GETUSER (https://redis.io/docs/latest/commands/acl-getuser/), RESP2 form of 7.0 and later."""
    fields = dict(zip(reply[::2], reply[1::2]))
    selectors = (dict(zip(item[::2], item[1::2])) for item in fields["selectors"])
    # sanitize-payload is the default and printed only by newer versions.
    flags = frozenset(str(flag) for flag in fields["flags"]) - {"on", "off", "sanitize-payload"}
    return Description(
        commands=_in_order(fields["commands"]),
        keys=fields["keys"],
        channels=fields["channels"],
        selectors=tuple(
            " ".join(filter(None, (_in_order(selector["commands"]), selector["keys"], selector["channels"])))
            for selector in selectors
        ),
        flags=flags,
    )


def _in_order(commands: str) -> str:
    """Single commands by name: 7.0 lists them in an order that differs from server to server."""
    words = commands.split()
    last = max((number for number, word in enumerate(words) if word[1:2] == "@"), default=-1) + 1
    return " ".join([*words[:last], *sorted(words[last:], key=lambda word: word[1:])])


def state_from_reply(reply: t.Sequence[t.Any]) -> UserState:
    fields = dict(zip(reply[::2], reply[1::2]))
    return UserState(description_from_reply(reply), frozenset(fields["passwords"]), "on" in fields["flags"])


def _split(problem: str, text: str) -> list[str]:
    try:
        return join_selectors(split_words(text))
    except ValueError as error:
        # Not the text: somebody may have put a password there.
        raise RedisPlatformError(f"{problem}a rule cannot be split into words: {error}") from error


def _differing(found: t.Mapping[str, UserState], current: CurrentAcl, desired: DesiredAcl) -> set[str]:
    return {user.name for user in desired.users if found.get(user.name) != current.wanted[user.name]}


def _others(found: t.Mapping[str, UserState], desired: DesiredAcl) -> list[str]:
    return sorted(found.keys() - {user.name for user in desired.users})


def _surplus(found: t.Mapping[str, UserState], desired: DesiredAcl) -> list[str]:
    return _others(found, desired) if desired.purge else []


def _note(
    differences: dict[str, Change], found: t.Mapping[str, UserState], current: CurrentAcl, desired: DesiredAcl
) -> None:
    for name in sorted(_differing(found, current, desired)):
        before, after = found.get(name), current.wanted[name]
        text = after.shown()
        if before and before.shown() == text:
            text += " (password changed)"
        differences[f"user {name}"] = Change(f"user {name}", before.shown() if before else None, text)
    for name in _surplus(found, desired):
        differences[f"user {name}"] = Change(f"user {name}", found[name].shown())
