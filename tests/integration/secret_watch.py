# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records what anybody on a machine could read while something runs, and finds secrets in it afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import threading
import time
import typing as t
from pathlib import Path

LARGEST = 4 << 20  # bytes of a file that is looked into
PAUSE = 0.002  # seconds between two looks at all processes, for the others' sake


class Watch:
    """Keeps every command line of every process, and every file that others could read, for as long as it is open.

    ``trees`` are looked through again and again; what comes and goes in them is kept too.
    """

    def __init__(self, *trees: Path) -> None:
        self.trees = trees
        self.command_lines: set[bytes] = set()
        self.files: dict[Path, set[bytes]] = {}
        self.rounds = 0
        self._seen: set[tuple[int, int, int]] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=[look]) for look in (self._processes, self._files)]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._files()

    def await_round(self) -> None:
        """Until everything that is there now has been looked at."""
        for look in (self._processes, self._files):
            look()

    def hits(self, secrets: t.Mapping[str, str]) -> list[str]:
        """Where which secret was to be seen, without showing it."""
        found = []
        for line in sorted(self.command_lines):
            program = line.decode(errors="replace").partition("\0")[0]
            found += [f"{name} in the arguments of {program}" for name in names_in(line, secrets)]
        for path, texts in sorted(self.files.items()):
            found += [f"{name} in {path}, which others can read" for name in names_in(b"".join(texts), secrets)]
            if path.name.startswith("AnsiballZ_"):
                found.append(f"the options of a module, encoded, in {path}, which others can read")
        return found

    def _watch(self, look: t.Callable[[], None]) -> None:
        while not self._over.is_set():
            look()
            time.sleep(PAUSE)

    def _processes(self) -> None:
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                    self.command_lines.add(file.read())
        self.rounds += 1

    def _files(self) -> None:
        for tree in self.trees:
            for path in readable_by_others(tree):
                with contextlib.suppress(OSError):
                    now = path.stat()
                    version = (now.st_ino, now.st_mtime_ns, now.st_size)
                    if version not in self._seen and now.st_size <= LARGEST:
                        self._seen.add(version)
                        self.files.setdefault(path, set()).add(path.read_bytes())


def readable_by_others(tree: Path, even_behind_doors: bool = False, since: float = 0.0) -> t.Iterator[Path]:
    """The files below a directory that every user can read, changed since a moment.

    ``even_behind_doors`` counts those in closed directories too.
    """
    if not even_behind_doors and not all(_others_may(parent, stat.S_IXOTH) for parent in [tree, *tree.parents]):
        return
    for directory, names, files in os.walk(tree):
        here = Path(directory)
        if not even_behind_doors:
            names[:] = [name for name in names if _others_may(here / name, stat.S_IXOTH)]
        for name in files:
            path = here / name
            with contextlib.suppress(OSError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IROTH and found.st_mtime >= since:
                    yield path


def names_in(text: bytes, secrets: t.Mapping[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret.encode() in text]


def found_in_files(secrets: t.Mapping[str, str], files: t.Iterable[Path]) -> list[str]:
    found = []
    for path in files:
        with contextlib.suppress(OSError):
            if path.stat().st_size <= LARGEST:
                found += [f"{name} in {path}, which others can read" for name in names_in(path.read_bytes(), secrets)]
    return found


def found_in_journal(secrets: t.Mapping[str, str], since: float) -> list[str]:
    """What the system's journal has from then on; nothing where there is none."""
    if not shutil.which("journalctl"):
        return []
    command = ["journalctl", f"--since=@{int(since)}", "--output=cat", "--no-pager", "--quiet"]
    text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return [f"{name} in the journal" for name in names_in(text, secrets)]


def _others_may(path: Path, what: int) -> bool:
    try:
        return bool(path.lstat().st_mode & what)
    except OSError:
        return False
