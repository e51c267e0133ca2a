"""For the testinfra tests of all scenarios."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import pytest
from testinfra.host import Host


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the host's journal to what is shown of a failed test."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host is not None:
        report.sections.append(("journal", host.run("journalctl --no-pager --no-hostname --lines=40").stdout))
    return report


class Redis:
    """redis-cli on a host. In these scenarios the password of user x is secret-of-x."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def ask(self, where: str, command: str, user: str = "admin", password: str | None = None) -> str:
        """What the server says, errors included. ``where`` is how redis-cli finds it, such as ``-p 6379``."""
        login = f"REDISCLI_AUTH={password or f'secret-of-{user}'}"
        return self._host.run(f"{login} redis-cli --user {user} {where} {command} 2>&1").stdout.strip()

    def info(self, where: str, section: str) -> dict[str, str]:
        lines = self.ask(where, f"info {section}").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


@pytest.fixture
def redis(host: Host) -> Redis:
    return Redis(host)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, for 20 seconds at most."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, "not within 20 seconds"
            time.sleep(0.2)

    return wait
