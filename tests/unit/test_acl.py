# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.microservices.redis.plugins.module_utils._acl import (
    AclStep,
    CurrentAcl,
    DeleteUser,
    Description,
    DesiredAcl,
    SetFileAccess,
    SetUser,
    User,
    UserState,
    WriteAclFile,
    acl_file_line,
    description_from_reply,
    desired_users,
    join_selectors,
    parse_acl_file,
    plan_acl,
    set_user_words,
    state_from_reply,
    user_from_options,
)
from ansible_collections.microservices.redis.plugins.module_utils._files import Access
from ansible_collections.microservices.redis.plugins.module_utils._plan import RedisPlatformError

VERSION = (7, 0)
PATH = "/etc/redis/a.acl"
PRIVATE = Access(None, None, 0o640)


def options(name: str, **given_options: object) -> dict[str, object]:
    defaults = {"preset": None, "rules": None, "passwords": None, "password_hashes": None, "enabled": True}
    return {"name": name, **defaults, **given_options}


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def described(user: User) -> UserState:
    """Stands for the server: any description will do, as long as the same rules have the same one."""
    return UserState(Description(" ".join(user.all_rules(VERSION)), "", ""), user.hashes, user.enabled)


# Reading what is wanted


def test_passwords_are_kept_as_hashes_only() -> None:
    user = user_from_options(
        options("app", passwords=["one"], password_hashes=[digest("two").upper()], rules=["~a:* +get"])
    )
    assert user == User("app", ("~a:*", "+get"), None, frozenset({digest("one"), digest("two")}), True)


def test_a_selector_is_one_rule() -> None:
    assert join_selectors(["~a", "(~b", "+get)", "+@read", "(+set)"]) == ["~a", "(~b +get)", "+@read", "(+set)"]


def test_the_default_user_is_off_unless_somebody_asks_for_it() -> None:
    assert desired_users([options("app", enabled=False)])[0] == User("default", enabled=False)
    assert [user.name for user in desired_users([options("default", passwords=["x"])])] == ["default"]


@pytest.mark.parametrize(
    ("given_options", "complaint"),
    [
        ({"rules": ["+get >s3cret"]}, "rule >... does not belong into rules: use passwords"),
        ({"rules": ["#" + "a" * 64]}, "rule #... does not belong into rules"),
        ({"rules": ["NOPASS"]}, "rule NOPASS does not belong into rules"),
        ({"rules": ["on"]}, "use passwords, password_hashes or enabled"),
        ({"rules": ['"~two words"']}, "has a space, which an aclfile cannot hold"),
        ({"rules": ['""']}, "is empty"),
        ({"rules": ['>s3cret"']}, "cannot be split into words: unbalanced quotes"),
        ({"password_hashes": ["s3cret"]}, "64 hexadecimal digits"),
        ({"passwords": [""]}, "a password is empty"),
        ({}, "has no password: give passwords or password_hashes, or enabled: false"),
    ],
)
def test_what_would_weaken_or_break_a_user_is_refused(given_options: dict[str, object], complaint: str) -> None:
    with pytest.raises(RedisPlatformError, match=r"^user app: ") as problem:
        user_from_options(options("app", **given_options))
    assert complaint in str(problem.value)
    assert "s3cret" not in str(problem.value)


@pytest.mark.parametrize("name", ["", "two words", "a\tb", "a\n", "nul\x00"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(RedisPlatformError, match="a name is one word"):
        user_from_options(options(name, enabled=False))


def test_a_user_given_twice_is_refused() -> None:
    with pytest.raises(RedisPlatformError, match="given more than once: app"):
        desired_users([options("app", enabled=False), options("app", passwords=["x"])])


# Files and replies


def test_a_user_starts_from_nothing_in_the_file_and_live() -> None:
    user = User("app", ("~a:*", "+get"), None, frozenset({"b" * 64, "a" * 64}))
    line = f"user app on #{'a' * 64} #{'b' * 64} resetkeys resetchannels -@all ~a:* +get"
    assert acl_file_line(user, VERSION) == line
    words = ["reset", f"#{'a' * 64}", f"#{'b' * 64}", "resetkeys", "resetchannels", "-@all", "~a:*", "+get", "on"]
    assert set_user_words(user, VERSION) == words


def test_a_file_of_acl_save_is_understood() -> None:
    app = f"user app on #{digest('x')} (~b +get) -@all"
    text = f"user default off nopass sanitize-payload ~* &* +@all\n{app}\n\nuser old on >x\r\n"
    assert parse_acl_file(text) == {
        "default": (False, frozenset(), ("nopass", "sanitize-payload", "~*", "&*", "+@all")),
        "app": (True, frozenset({digest("x")}), ("(~b +get)", "-@all")),
        "old": (True, frozenset({digest("x")}), ()),
    }


def test_a_line_that_is_no_user_is_named() -> None:
    with pytest.raises(RedisPlatformError, match="line 2 of the aclfile"):
        parse_acl_file("user default off\n# a comment\n")


REPLY: list[t.Any] = [
    "flags",
    ["on"],
    "passwords",
    [digest("x")],
    "commands",
    "-@all +get",
    "keys",
    "~a",
    "channels",
    "",
    "selectors",
    [],
]


def test_versions_that_print_the_default_flag_and_those_that_do_not_agree() -> None:
    newer = [*REPLY]
    newer[1] = ["on", "sanitize-payload"]
    assert state_from_reply(newer) == state_from_reply(REPLY)
    assert state_from_reply(REPLY) == UserState(Description("-@all +get", "~a", ""), frozenset({digest("x")}), True)


def test_what_lets_everybody_in_is_no_small_difference() -> None:
    open_to_all = [*REPLY]
    open_to_all[1] = ["on", "nopass"]
    open_to_all[-1] = [["commands", "+set", "keys", "~b", "channels", ""]]
    state = state_from_reply(open_to_all)
    assert state.description != description_from_reply(REPLY)
    assert state.shown() == "on, 1 password: nopass -@all +get ~a (+set ~b)"


NAMES = st.text("abcdefgh-_:é", min_size=1, max_size=8).filter(lambda name: name != "default")
RULES = st.lists(st.sampled_from(["~a:*", "%R~b:*", "&c:*", "+@read", "-@dangerous", "(~x +get)"]), max_size=3).map(
    tuple
)
HASHES = st.frozensets(st.sampled_from([digest(letter) for letter in "abc"]), min_size=1)
USERS = st.builds(User, NAMES, RULES, st.none(), HASHES, st.booleans())


@given(USERS)
def test_a_user_reads_back_from_the_file_as_written(user: User) -> None:
    [(name, (enabled, hashes, rules))] = parse_acl_file(acl_file_line(user, VERSION)).items()
    assert (name, enabled, hashes) == (user.name, user.enabled, user.hashes)
    assert rules == ("resetkeys", "resetchannels", "-@all", *user.rules)


# Planning

DEFAULT = User("default", enabled=False)
APP = User("app", ("~a:*", "+get"), hashes=frozenset({digest("new")}))


def test_the_file_is_written_first_and_only_users_that_differ_are_touched() -> None:
    other = replace(APP, name="other")
    desired = DesiredAcl("a", PATH, (DEFAULT, APP, other))
    wanted = {user.name: described(user) for user in desired.users}
    before = {**wanted, "app": replace(wanted["app"], hashes=frozenset({digest("old")}))}
    plan = plan_acl(CurrentAcl(VERSION, wanted, before, before, PRIVATE), desired)
    assert plan.steps == (WriteAclFile(PATH, desired.users, (), PRIVATE), SetUser(APP))
    assert plan.diff() == {
        "before": {"user app": "on, 1 password: ~a:* +get"},
        "after": {"user app": "on, 1 password: ~a:* +get (password changed)"},
    }


def test_users_nobody_named_stay_unless_purged() -> None:
    wanted = {user.name: described(user) for user in (DEFAULT, APP)}
    found = {**wanted, "old": described(replace(APP, name="old"))}
    current = CurrentAcl(VERSION, {**wanted, "app": UserState(Description("+get", "", ""))}, found, found, PRIVATE)
    keeping = plan_acl(current, DesiredAcl("a", PATH, (DEFAULT, APP)))
    assert [step.kept for step in keeping.steps if isinstance(step, WriteAclFile)] == [("old",)]
    purging = plan_acl(replace(current, wanted=wanted), DesiredAcl("a", PATH, (DEFAULT, APP), purge=True))
    assert purging.describe() == [f"write {PATH}", "ACL DELUSER old"]
    assert purging.diff() == {"before": {"user old": "on, 1 password: ~a:* +get"}, "after": {}}


def test_a_file_that_others_can_read_is_closed_without_writing() -> None:
    wanted = {"default": described(DEFAULT)}
    current = CurrentAcl(VERSION, wanted, wanted, None, Access(None, None, 0o644))
    assert plan_acl(current, DesiredAcl("a", PATH, (DEFAULT,))).steps == (SetFileAccess(PATH, PRIVATE),)


def after(current: CurrentAcl, step: AclStep) -> CurrentAcl:
    if isinstance(step, WriteAclFile):
        kept = {name: state for name, state in (current.filed or {}).items() if name in step.kept}
        written = {user.name: current.wanted[user.name] for user in step.users}
        return replace(current, filed={**kept, **written}, access=step.access)
    if isinstance(step, SetFileAccess):
        return replace(current, access=step.access)
    live = dict(current.live or {})
    if isinstance(step, DeleteUser):
        del live[step.name]
    else:
        live[step.user.name] = current.wanted[step.user.name]
    return replace(current, live=live)


STATES = st.dictionaries(NAMES | st.just("default"), USERS.map(described), max_size=4)


@st.composite
def situations(draw: st.DrawFn) -> tuple[CurrentAcl, DesiredAcl]:
    users = draw(st.lists(USERS, max_size=4, unique_by=lambda user: user.name).map(lambda users: (DEFAULT, *users)))
    wanted = {user.name: described(user) for user in users}
    nearly = STATES.map(lambda states: {**wanted, **states})
    filed, live = draw(st.none() | STATES | nearly), draw(st.none() | STATES | nearly)
    access = draw(st.sampled_from([PRIVATE, Access(None, None, 0o644)])) if filed is not None else None
    return CurrentAcl(VERSION, wanted, filed, live, access), DesiredAcl("a", PATH, users, purge=draw(st.booleans()))


@given(situations(), st.lists(st.integers(0, 3), max_size=3))
def test_a_run_cut_off_anywhere_goes_on_until_nothing_is_left(
    situation: tuple[CurrentAcl, DesiredAcl], cuts: list[int]
) -> None:
    current, desired = situation
    others = {name for name in (current.live or {}) if name not in current.wanted}
    for length in [*cuts, None]:
        for step in plan_acl(current, desired).steps[:length]:
            current = after(current, step)
    assert plan_acl(current, desired).describe() == []
    for states in (current.filed or {}, current.live if current.live is not None else current.wanted):
        assert states.items() >= current.wanted.items()
    assert desired.purge is False or set(current.live or {}) <= set(current.wanted)
    assert desired.purge or current.live is None or others <= set(current.live)


@given(st.text("0123456789abcdef", min_size=16), st.text("0123456789abcdef", min_size=16))
def test_neither_passwords_nor_hashes_are_in_a_plan(old: str, new: str) -> None:
    users = desired_users([options("app", passwords=[new], rules=["+get"])])
    desired = DesiredAcl("a", PATH, users)
    wanted = {user.name: described(user) for user in users}
    found = {"app": replace(wanted["app"], hashes=frozenset({digest(old)}))}
    current = CurrentAcl(VERSION, wanted, found, found)
    plan = plan_acl(current, desired)
    shown = f"{plan!r} {plan.diff()} {plan.describe()} {desired!r} {current!r}"
    secrets: t.Iterable[str] = (old, new, digest(old), digest(new))
    assert not [secret for secret in secrets if secret in shown]


def test_own_patterns_take_the_place_of_the_presets() -> None:
    own_keys = User("shop", ("~cart:*",), preset="app_cache").all_rules((7, 0))
    own_channels = User("shop", ("&cart:*",), preset="app_cache").all_rules((7, 0))
    assert [rule for rule in own_keys if rule[0] in "~&"] == ["&*", "~cart:*"]
    assert [rule for rule in own_channels if rule[0] in "~&"] == ["~*", "&cart:*"]
