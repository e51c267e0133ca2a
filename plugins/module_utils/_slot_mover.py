# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Moves hash slots with their keys from primary to primary, while clients go on.

The order of commands is the one of https://redis.io/docs/latest/commands/cluster-setslot/, for many slots at once. Cut off
anywhere, it is finished by doing it again.
"""

from __future__ import annotations

import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ._cluster_nodes import parse_cluster_nodes, show_slots
from ._cluster_slots import Transfer
from ._plan import NotReady, RedisPlatformError
from ._redis_client import AccessDenied, CommandFailed, Reply, Server
from ._slot_batches import (
    COMMANDS_AT_ONCE,
    Load,
    Pace,
    Patience,
    choose_listing,
    choose_samples,
    cut_batches,
    cut_phases,
    cut_round,
    may_pass,
    weigh,
)

_SOURCES_AT_ONCE = 32
_COMMANDS_AT_ONCE = 500  # short ones, in one round trip

# Seconds without progress after which MIGRATE gives up; the source serves nobody meanwhile. The long limit is redis-cli's
# and lets the target take in a key of some GB; it holds for one MIGRATE at a time, the short one for several in a row.
_SHORT_LIMIT = 10
_LONG_LIMIT = 60
_MUCH = 1000  # units for which the short limit is too short
_REPLY_LIMIT = 180.0  # seconds: connecting and the answer of the target have _LONG_LIMIT each, and we wait longer
_PAUSE = 0.2  # seconds before the next try

_ONLY_PRIMARIES = "use SETSLOT only with masters"
_NOT_OWNER = ("not the owner of hash slot", _ONLY_PRIMARIES)
_ALREADY_OWNER = "already the owner of hash slot"
_TARGET_HAS_KEY = "BUSYKEY"

Command = t.Sequence[t.Union[str, int]]


@dataclass(frozen=True)
class Endpoint:
    """A primary with so many ``slots``: ``server`` is how we reach it, ``host`` and ``port`` are where the other nodes do."""

    name: str
    id: str
    server: Server
    host: str
    port: int
    slots: int = 0


@dataclass
class Progress:
    """How much has moved."""

    slots: int = 0
    keys: int = 0


class SlotMover:
    """``ends`` are all primaries of the cluster by name; ``user`` and ``password`` log a source in at its target."""

    def __init__(self, ends: t.Mapping[str, Endpoint], user: str | None, password: str | None) -> None:
        self._ends = ends
        self._login: tuple[str, ...] = ()
        if password:
            self._login = ("AUTH2", user, password) if user else ("AUTH", password)

    def move(self, transfers: t.Sequence[Transfer], deadline: float | None) -> Progress:
        """Move until done, or until the first batch after ``deadline``, a time of ``time.monotonic()``.

        All sources work at the same time. No slot stays open unless there is trouble. Raises RedisPlatformError.
        """
        stop = _Stop(deadline)
        progress = Progress()
        for phase in cut_phases(transfers):
            by_source: dict[str, list[Transfer]] = {}
            for transfer in phase:
                by_source.setdefault(transfer.source, []).append(transfer)
            done: list[Transfer] = []
            for moved, transferred in self._at_once(by_source, stop):
                progress.slots += moved.slots
                progress.keys += moved.keys
                done += transferred
            self._announce(done)
        return progress

    def bring(self, source: str, target: str, slot: int) -> int:
        """Move the keys of a slot that ``target`` owns from a primary that does not; returns how many there were.

        What ``target`` has already it keeps, and the copy of ``source`` is removed: clients have been sent to the owner.
        Raises RedisPlatformError.
        """
        with _Passage(self._ends[source], self._ends[target], self._login) as passage:
            return passage.bring(slot)

    def _at_once(
        self, by_source: t.Mapping[str, t.Sequence[Transfer]], stop: _Stop
    ) -> list[tuple[Progress, list[Transfer]]]:
        with ThreadPoolExecutor(min(_SOURCES_AT_ONCE, len(by_source))) as pool:
            working = [pool.submit(self._empty, source, todo, stop) for source, todo in by_source.items()]
            try:
                return [work.result() for work in working]
            except BaseException:
                stop.now()  # leaving the pool waits for all
                raise

    def _empty(self, source: str, transfers: t.Iterable[Transfer], stop: _Stop) -> tuple[Progress, list[Transfer]]:
        """All transfers of one source, one after the other."""
        progress, done = Progress(), []
        try:
            for transfer in transfers:
                with _Passage(self._ends[source], self._ends[transfer.target], self._login) as passage:
                    moved = passage.carry(transfer.slots, stop, progress)
                done.append(Transfer(source, transfer.target, frozenset(moved)))
        except BaseException:
            stop.now()
            raise
        return progress, done

    def _announce(self, done: t.Sequence[Transfer]) -> None:
        """Tell the primaries that gossip has not reached yet. It will, so nobody's absence matters."""
        for end in self._ends.values():
            try:
                seen = {peer.id: peer.slots for peer in parse_cluster_nodes(end.server.call("CLUSTER", "NODES"))}
                commands: list[Command] = []
                for one in done:
                    target = self._ends[one.target].id
                    unheard = one.slots - seen.get(target, frozenset())
                    commands += [("CLUSTER", "SETSLOT", slot, "NODE", target) for slot in sorted(unheard)]
                _ask(end.server, commands)
            except RedisPlatformError:
                continue


class _Stop:
    """When to begin no further batch: past the deadline, or when another source is in trouble."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._trouble = threading.Event()

    def now(self) -> None:
        self._trouble.set()

    def is_due(self) -> bool:
        return self._trouble.is_set() or (self._deadline is not None and time.monotonic() >= self._deadline)


class _Passage:
    """The way from one primary to another. Its connections are its own, for it runs in a thread."""

    def __init__(self, source: Endpoint, target: Endpoint, login: tuple[str, ...]) -> None:
        self._from, self._to = source, target
        self._source, self._target = Server(source.server.settings), Server(target.server.settings)
        self._login = login
        self._pace = Pace()
        self._patience = Patience()
        self._weighing = True

    def __enter__(self) -> _Passage:
        return self

    def __exit__(self, *exception: object) -> None:
        self._source.close()
        self._target.close()

    def carry(self, slots: t.Iterable[int], stop: _Stop, progress: Progress) -> list[int]:
        """Move slots in batches until ``stop`` is due; returns those that have moved and adds them to ``progress``.

        Raises RedisPlatformError, as NotReady when another attempt after a fresh look at the cluster can succeed.
        """
        moved: list[int] = []
        batch: t.Mapping[int, int] = {}
        emptied: list[int] = []
        ordered = sorted(slots)
        try:
            for batch in cut_batches(dict(zip(ordered, self._count(ordered))), self._to.slots):
                if stop.is_due():
                    break
                staying, loads = self._turn(emptied, batch)
                progress.keys += self._empty(staying, loads)
                emptied = list(batch)
                moved += batch
            self._turn(emptied, {})
        except RedisPlatformError as problem:
            raise self._explained(batch or ordered, problem) from problem
        progress.slots += len(moved)
        return moved

    def bring(self, slot: int) -> int:
        """See SlotMover.bring."""
        try:
            # A node that neither owns nor imports a slot does not let its keys go.
            self._source.call("CLUSTER", "SETSLOT", slot, "IMPORTING", self._to.id)
            keys = 0
            while True:
                names = self._source.call("CLUSTER", "GETKEYSINSLOT", slot, COMMANDS_AT_ONCE)
                if not names:
                    break
                keys += self._give_up(slot, names)
            self._source.call("CLUSTER", "SETSLOT", slot, "STABLE")
        except RedisPlatformError as problem:
            raise self._explained([slot], problem) from problem
        return keys

    def _turn(self, emptied: t.Sequence[int], batch: t.Mapping[int, int]) -> tuple[list[int], list[Load]]:
        """Hand over the slots of one batch and open the next, with its numbers of keys.

        Returns those of the next that the source still owns, and their keys. The others have arrived already. Raises
        NotReady when one is neither's.
        """
        # The target first: until the source hears of it, it still sends clients there.
        handed = [("CLUSTER", "SETSLOT", slot, "NODE", self._to.id) for slot in emptied]
        importing = [("CLUSTER", "SETSLOT", slot, "IMPORTING", self._from.id) for slot in batch]
        claims = self._claims(emptied)
        there = self._target.pipeline(*claims, *importing)
        _accept_all(there[: len(claims)])
        migrating = [("CLUSTER", "SETSLOT", slot, "MIGRATING", self._to.id) for slot in batch]
        asked = choose_listing(batch)
        here = self._source.pipeline(*handed, *migrating, *_listing(asked))
        for reply in here[: len(handed)]:
            if not _says(reply, _ONLY_PRIMARIES):  # it was its last slot, and it follows the new owner already
                _accept(reply)
        staying = self._staying(batch, there[len(claims) :], here[len(handed) :])
        keys = dict(zip(asked, here[len(handed) + len(batch) :]))
        return staying, self._loads({slot: _accept(keys[slot]) for slot in staying if slot in keys})

    def _claims(self, slots: t.Sequence[int]) -> list[Command]:
        """What makes the target the owner of slots that it imports.

        Each SETSLOT NODE of an importing slot gives the target the newest config epoch and tells all nodes, which is most
        of the work of moving slots with few keys. The first has to, the last is enough to tell about all, and nobody sees
        the others closed in between.
        """
        claims: list[Command] = []
        for slot in slots:
            if slot not in (slots[0], slots[-1]):
                claims.append(("CLUSTER", "SETSLOT", slot, "STABLE"))
            claims.append(("CLUSTER", "SETSLOT", slot, "NODE", self._to.id))
        return [("MULTI",), *claims, ("EXEC",)] if claims else []

    def _staying(self, slots: t.Iterable[int], importing: t.Iterable[Reply], migrating: t.Iterable[Reply]) -> list[int]:
        staying = []
        for slot, there, here in zip(slots, importing, migrating):
            arrived = _says(there, _ALREADY_OWNER)
            gone = _says(here, *_NOT_OWNER)
            if gone and not arrived:
                raise NotReady(f"slot {slot} is no longer {self._from.name}'s to give")
            if not arrived:
                _accept(there)
            if not gone:
                _accept(here)
                staying.append(slot)
        return staying

    def _empty(self, slots: t.Sequence[int], loads: t.Sequence[Load]) -> int:
        """Send the keys of open slots until there are none; returns how many. Clients create no new ones there."""
        keys = 0
        stuck = Patience()
        while True:
            sent = self._send_all(loads)
            keys += sent
            left = {slot: count for slot, count in zip(slots, self._count(slots)) if count}
            if not left:
                return keys
            stuck = Patience() if sent else stuck.after_failure(time.monotonic())
            if stuck.exhausted(time.monotonic()):
                raise RedisPlatformError(f"{sum(left.values())} keys do not leave slots {show_slots(left)}")
            asked = choose_listing(left)
            replies = self._source.pipeline(*_listing(asked))
            loads = self._loads({slot: _accept(reply) for slot, reply in zip(asked, replies)})

    def _count(self, slots: t.Sequence[int]) -> list[int]:
        replies = _ask(self._source, [("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in slots])
        return [int(_accept(reply)) for reply in replies]

    def _loads(self, keys: t.Mapping[int, t.Sequence[str]]) -> list[Load]:
        weights = self._weigh(keys) if self._weighing else {}
        return [Load(slot, tuple(names), weights.get(slot, 1)) for slot, names in keys.items() if names]

    def _weigh(self, keys: t.Mapping[int, t.Sequence[str]]) -> dict[int, int]:
        samples = [(slot, key) for slot, names in keys.items() for key in choose_samples(names)]
        replies = _ask(self._source, [("MEMORY", "USAGE", key) for dummy, key in samples])
        sizes: dict[int, list[int]] = {}
        for (slot, dummy), size in zip(samples, replies):
            if isinstance(size, AccessDenied):
                self._weighing = False  # the time that round trips take has to do then
            elif isinstance(size, int):
                sizes.setdefault(slot, []).append(size)
        return {slot: weigh(found) for slot, found in sizes.items()}

    def _send_all(self, loads: t.Sequence[Load]) -> int:
        sent = 0
        while loads:
            now, loads = cut_round(loads, self._pace.units)
            sent += self._send(now)
        return sent

    def _send(self, loads: t.Sequence[Load]) -> int:
        """In one round trip; after a failure one by one. Returns how many keys have left."""
        if self._patience.failures:
            return sum(self._migrate([load], _LONG_LIMIT) for load in loads)
        much = sum(load.units for load in loads) >= _MUCH
        return self._migrate(loads, _LONG_LIMIT if much else _SHORT_LIMIT)

    def _migrate(self, loads: t.Sequence[Load], limit: int) -> int:
        """One round trip; returns how many keys have left. What did not, for a reason that may pass, stays for later."""
        began = time.monotonic()
        replies = self._pipeline([self._command(load.keys, limit, "REPLACE") for load in loads])
        self._pace = self._pace.after(sum(load.units for load in loads), time.monotonic() - began)
        self._judge([(load.slot, len(load.keys), reply) for load, reply in zip(loads, replies)])
        return sum(len(load.keys) for load, reply in zip(loads, replies) if reply == "OK")

    def _give_up(self, slot: int, keys: t.Sequence[str]) -> int:
        """Move keys of a slot that the target owns, or remove them where it has them; returns how many are gone."""
        replies = self._pipeline([self._command([key], _LONG_LIMIT) for key in keys])
        known = [_says(reply, _TARGET_HAS_KEY) for reply in replies]
        self._judge([(slot, 1, reply) for reply, is_known in zip(replies, known) if not is_known])
        outdated = [key for key, is_known in zip(keys, known) if is_known]
        for reply in _ask(self._source, [command for key in outdated for command in (("ASKING",), ("UNLINK", key))]):
            _accept(reply)
        return replies.count("OK") + len(outdated)

    def _judge(self, replies: t.Iterable[tuple[int, int, Reply]]) -> None:
        """Slot, number of keys and reply of MIGRATEs: raises what will not pass, and waits for what may."""
        failed = [one for one in replies if isinstance(one[2], Exception)]
        if not failed:
            self._patience = Patience()
            return
        now = time.monotonic()
        self._patience = self._patience.after_failure(now)
        for slot, keys, problem in failed:
            passing = isinstance(problem, CommandFailed) and may_pass(problem.reply)
            if not passing or self._patience.exhausted(now):
                raise RedisPlatformError(f"{keys} keys of slot {slot} do not leave: {problem}") from problem
        time.sleep(_PAUSE)

    def _pipeline(self, commands: t.Sequence[Command]) -> list[Reply]:
        return self._source.pipeline(*commands, timeout=_REPLY_LIMIT)

    def _command(self, keys: t.Sequence[str], limit: int, *options: str) -> Command:
        return (
            *("MIGRATE", self._to.host, self._to.port, "", 0, limit * 1000),
            *(*options, *self._login, "KEYS", *keys),
        )

    def _explained(self, slots: t.Iterable[int], problem: RedisPlatformError) -> RedisPlatformError:
        kind = NotReady if isinstance(problem, NotReady) else RedisPlatformError
        return kind(f"moving slots {show_slots(slots)} from {self._from.name} to {self._to.name}: {problem}")


def _ask(server: Server, commands: t.Sequence[Command]) -> list[Reply]:
    replies: list[Reply] = []
    for first in range(0, len(commands), _COMMANDS_AT_ONCE):
        replies += server.pipeline(*commands[first : first + _COMMANDS_AT_ONCE])
    return replies


def _listing(asked: t.Mapping[int, int]) -> list[Command]:
    return [("CLUSTER", "GETKEYSINSLOT", slot, count) for slot, count in asked.items()]


def _accept(reply: Reply) -> Reply:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _accept_all(replies: t.Iterable[Reply]) -> None:
    for reply in replies:
        _accept(reply)
        if isinstance(reply, list):
            _accept_all(reply)


def _says(reply: Reply, *texts: str) -> bool:
    return isinstance(reply, CommandFailed) and any(text in reply.reply for text in texts)
