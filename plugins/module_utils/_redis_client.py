# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Talks to one redis-server. The only import of redis-py.

Commands go over one connection as given and replies come back as plain strings, integers and lists, so that
redis-py 4.3 to 8.x behave alike: RESP2 always, no reply callbacks, no retries, every wait bounded.
"""

from __future__ import annotations

import inspect
import traceback
import typing as t
from dataclasses import dataclass, field, replace

from ._info import parse_info
from ._plan import NotReady, RedisPlatformError

try:
    import redis
    import redis.connection

    REDIS_IMPORT_ERROR = None
except ImportError:
    REDIS_IMPORT_ERROR = traceback.format_exc()

Reply = t.Any  # str | int | None | list of Reply: typing it further would only add casts


class Unreachable(RedisPlatformError):
    """Nothing answers at the address, or not within the time limit."""


class Absent(Unreachable):
    """Nothing listens at the address."""


class AccessDenied(RedisPlatformError):
    """The server answers, but refuses the user, the password or the command."""


class Loading(NotReady):
    """The server is up and reads its data from disk."""


class CommandFailed(RedisPlatformError):
    """The server answered with an error reply, kept in ``reply``."""

    def __init__(self, message: str, reply: str) -> None:
        super().__init__(message)
        self.reply = reply


@dataclass(frozen=True)
class Tls:
    ca_certs: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    validate_certs: bool = True


@dataclass(frozen=True)
class Settings:
    """How to reach one server. Times are seconds."""

    host: str = "127.0.0.1"
    port: int = 6379
    unix_socket: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    connect_timeout: float = 5.0
    command_timeout: float = 10.0

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Settings:
        """From the options of doc fragment ``redis``."""
        tls = None
        if params["tls"]:
            tls = Tls(
                ca_certs=params["ca_certs"],
                client_cert_file=params["client_cert_file"],
                client_key_file=params["client_key_file"],
                validate_certs=params["validate_certs"],
            )
        return cls(
            host=params["login_host"],
            port=params["login_port"],
            unix_socket=params["login_unix_socket"],
            user=params["login_user"],
            password=params["login_password"],
            tls=tls,
            connect_timeout=params["connect_timeout"],
            command_timeout=params["command_timeout"],
        )

    def at(self, host: str, port: int) -> Settings:
        """The same user, password and TLS at another address."""
        return replace(self, host=host, port=port, unix_socket=None)

    @property
    def address(self) -> str:
        if self.unix_socket:
            return self.unix_socket
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Server:
    """One connection, opened at the first command. Use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._connection: t.Any = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def call(self, *command: str | int, timeout: float | None = None) -> Reply:
        """Send one command and return its reply.

        ``timeout`` in seconds replaces the settings' command timeout for this command.
        Raises Unreachable, AccessDenied or CommandFailed.
        """
        return self._guarded(_name(command), lambda: self._send(command, timeout))

    def pipeline(self, *commands: t.Sequence[str | int], timeout: float | None = None) -> list[Reply]:
        """Send all commands at once and return their replies; an error reply is returned in its place, not raised.

        Those are CommandFailed or AccessDenied. ``timeout`` in seconds is for each reply. Raises AccessDenied when the
        login is refused, and Unreachable when the connection breaks: which commands were carried out is unknown then.
        """

        def send() -> list[Reply]:
            connection = self._connected()
            self._limit_waits(timeout)  # a server that is busy does not read either
            connection.send_packed_command([b"".join(_packed(command) for command in commands)])
            return [self._reply(command) for command in commands]

        return t.cast("list[Reply]", self._guarded(_name(commands[0]), send)) if commands else []

    def transaction(self, *commands: t.Sequence[str | int]) -> list[Reply]:
        """Send the commands in MULTI/EXEC; the first error reply is raised."""

        def send() -> list[Reply]:
            self._send(("MULTI",), None)
            for command in commands:
                self._send(command, None)
            return t.cast("list[Reply]", self._send(("EXEC",), None))

        try:
            replies = self._guarded("EXEC", send)
        except CommandFailed:
            self.close()  # leaves no half-queued transaction behind
            raise
        for command, reply in zip(commands, replies):
            if isinstance(reply, Exception):
                raise self._meaning(str(command[0]), reply)
        return t.cast("list[Reply]", replies)

    def info(self, section: str = "default") -> dict[str, str]:
        return parse_info(self.call("INFO", section))

    def is_up(self) -> bool:
        """Whether a server answers here, even if it lets nobody in or is still loading.

        Raises Unreachable when something is there and gives no answer: that is no server that has been stopped.
        """
        try:
            self.call("PING")
        except Absent:
            return False
        except Unreachable:
            raise
        except RedisPlatformError:
            pass
        return True

    def listen(self, channel: str) -> Reply:
        """Subscribe to one channel; the connection can only receive from then on."""
        return self.call("SUBSCRIBE", channel)

    def receive(self, timeout: float) -> Reply:
        """The next message pushed on a listening connection, waiting at most ``timeout`` seconds."""
        return self._guarded("SUBSCRIBE", lambda: _plain(self._read(timeout)))

    def _send(self, command: t.Sequence[str | int], timeout: float | None) -> Reply:
        self._connected().send_command(*_packable(command))
        return _plain(self._read(timeout))

    def _connected(self) -> t.Any:
        if self._connection is None:
            connection = _connection(self.settings)
            connection.connect()
            self._connection = connection
        return self._connection

    def _reply(self, command: t.Sequence[str | int]) -> Reply:
        try:
            return _plain(self._connection.read_response())
        except redis.ResponseError as problem:
            return self._meaning(_name(command), problem)

    def _read(self, timeout: float | None) -> Reply:
        self._limit_waits(timeout)
        return self._connection.read_response()

    def _limit_waits(self, timeout: float | None) -> None:
        # redis-py takes a timeout per read only in newer versions; the socket itself always does.
        socket = self._connection._sock
        socket.settimeout(timeout if timeout is not None else self.settings.command_timeout)

    def _guarded(self, name: str, action: t.Callable[[], Reply]) -> Reply:
        try:
            return action()
        except (redis.RedisError, OSError) as problem:
            if not isinstance(problem, redis.ResponseError):
                self.close()  # what the server still sends would answer the wrong command
            raise self._meaning(name, problem) from problem

    def _meaning(self, name: str, problem: Exception) -> RedisPlatformError:
        """Which of our errors redis-py's exception is; it strips the codes it knows from the text."""
        address, text = self.settings.address, str(problem)
        denied = (redis.AuthenticationError, redis.exceptions.NoPermissionError)
        if isinstance(problem, denied) or text.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
            user = self.settings.user or "default"
            return AccessDenied(
                f"{address} does not let user {user!r} run {name}: {text}. "
                "Check login_user, login_password and the user's ACL rules."
            )
        if isinstance(problem, redis.BusyLoadingError):
            return Loading(f"{address} is still loading its data")
        if isinstance(problem, redis.TimeoutError):
            return Unreachable(f"{address} does not answer {name} in time: {text}")
        if isinstance(problem, redis.ResponseError):
            return CommandFailed(f"{address} refused {name}: {text}", text)
        nobody = isinstance(problem.__context__, (ConnectionRefusedError, FileNotFoundError))
        return (Absent if nobody else Unreachable)(f"cannot connect to {address}: {text}")


def _name(command: t.Sequence[str | int]) -> str:
    """How messages call the command: without its arguments, which may be secret."""
    return " ".join(str(word) for word in command[: 2 if _has_subcommand(command[0]) else 1])


def _has_subcommand(command: str | int) -> bool:
    return str(command).upper() in ("ACL", "CLIENT", "CLUSTER", "CONFIG", "SCRIPT", "SENTINEL", "MODULE")


def _packable(command: t.Sequence[str | int]) -> list[bytes | int]:
    """Names of keys may be any bytes; see _plain for how they become text."""
    return [word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word for word in command]


def _packed(command: t.Sequence[str | int]) -> bytes:
    """As on the wire; redis-py takes three times as long, which shows where there are many keys."""
    words = [b"%d" % word if isinstance(word, int) else word for word in _packable(command)]
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))


def _plain(reply: Reply) -> Reply:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "surrogateescape")
    if isinstance(reply, list):
        return [_plain(item) for item in reply]
    return reply


def _connection(settings: Settings) -> t.Any:
    options: dict[str, t.Any] = {
        "username": settings.user,
        "password": settings.password,
        "socket_timeout": settings.command_timeout,
        "socket_connect_timeout": settings.connect_timeout,
    }
    known = _connection_options()
    connections: t.Any = redis.connection  # redis-py's own annotations differ from version to version
    if "protocol" in known:
        options["protocol"] = 2
    # CLIENT SETINFO would only fill the ACL LOG of least-privilege users.
    for name in ("driver_info",) if "driver_info" in known else ("lib_name", "lib_version"):
        if name in known:
            options[name] = None
    if settings.unix_socket:
        # Its signature has no connect timeout before redis-py 5; a local socket does not need one.
        options.pop("socket_connect_timeout")
        return connections.UnixDomainSocketConnection(path=settings.unix_socket, **options)
    options.update(host=settings.host, port=settings.port)
    if settings.tls is None:
        return connections.Connection(**options)
    return connections.SSLConnection(
        ssl_ca_certs=settings.tls.ca_certs,
        ssl_certfile=settings.tls.client_cert_file,
        ssl_keyfile=settings.tls.client_key_file,
        ssl_cert_reqs="required" if settings.tls.validate_certs else "none",
        ssl_check_hostname=settings.tls.validate_certs,
        **options,
    )


def _connection_options() -> t.AbstractSet[str]:
    """What this redis-py version accepts: protocol came with 5.0, driver_info replaced lib_name later."""
    base = getattr(redis.connection, "AbstractConnection", redis.connection.Connection)
    return inspect.signature(base.__init__).parameters.keys()
