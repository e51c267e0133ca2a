# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run other programs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class BuildError(Exception):
    """Something outside these scripts failed; the message is for people."""


def output(*command: str | Path, timeout: float = 900) -> str:
    """Run a command; its output, or a BuildError with what it said."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=True
        )
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{command[0]} took longer than {timeout:.0f} s.") from error
    except subprocess.CalledProcessError as error:
        said = "\n".join((error.stdout + error.stderr).splitlines()[-25:])
        raise BuildError(f"{' '.join(map(str, command))}\n{said}") from error
    return done.stdout


def succeeds(*command: str | Path, timeout: float = 900) -> bool:
    with contextlib.suppress(BuildError):
        output(*command, timeout=timeout)
        return True
    return False


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Say that something takes a while, and how long it took. Not on stdout, which may be for other programs."""
    print(f"{what} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
