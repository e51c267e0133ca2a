# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""What Redis 7.0, 7.2, 7.4 and 8.0 know of each redis.conf directive, as a table.

Left out: options of modules (their names contain a dot) and ``sentinel`` lines.
tests/integration/test_server_directives.py compares the table with a running server.
"""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass, field, replace
from enum import Enum

Version = tuple[int, ...]


class Kind(Enum):
    """How to read a value, so that two spellings of one meaning compare equal."""

    # One argument in redis.conf: quote it when it contains spaces.
    BOOL = "yes or no"
    ENUM = "one of the choices, in any case"
    INTEGER = "a decimal number"
    OCTAL = "an octal number"
    MEMORY = "bytes, or a number with a unit; shown in bytes"
    MEMORY_OR_PERCENT = "like MEMORY, or a percentage of maxmemory; 0% is shown as 0"
    STRING = "text, compared as it is"
    DIRECTORY = "a path; shown absolute and without symbolic links"
    SET = "words in any order and any case; shown as written"
    KEYSPACE_EVENTS = "letters in any order; A stands for ALL_KEYSPACE_EVENTS and hides n"
    IGNORED = "accepted in redis.conf, without any effect"
    # Several arguments, or all of them quoted as one.
    WORDS = "words whose order matters"
    FLAGS = "choices in any order and any case; 'default' adds nothing to others"
    INTEGERS = "decimal numbers whose order matters"
    PERCENTILES = "numbers from 0 to 100; shown without trailing zeros"
    SAVE = "pairs of seconds and changes"
    OUTPUT_BUFFER_LIMIT = "client class (replica is shown as slave), hard limit, soft limit, seconds; repeated"
    # Several arguments, never quoted as one.
    STATEMENT = "an instruction the server carries out when it reads redis.conf, and cannot show"


@dataclass(frozen=True)
class Directive:
    """One directive as its first version (from 7.0 on) knows it. ``as_of`` adds what changed later."""

    name: str
    kind: Kind
    default: str | None = None  # What CONFIG GET shows without any configuration; None: nothing fixed.
    minimum: int | None = None  # A value outside is refused, or silently replaced by the limit.
    maximum: int | None = None
    choices: tuple[str, ...] = ()  # In lower case, except the letters of KEYSPACE_EVENTS.
    synonyms: tuple[tuple[str, str], ...] = ()  # A choice, and the one that CONFIG GET shows in its place.
    mutable: bool = True  # CONFIG SET accepts it, with enable-protected-configs left at no.
    protected: bool = False  # CONFIG SET accepts it when enable-protected-configs allows it.
    repeatable: bool = False  # Several lines in redis.conf add up; of others the last one counts.
    secret: bool = False
    in_config_get: bool = True
    hidden: bool = False  # CONFIG GET shows it when asked for by its full name, never for a pattern.
    aliases: tuple[str, ...] = ()  # Deprecated. CONFIG GET shows them too, CONFIG REWRITE writes ``name``.
    since: Version = (7, 0)
    changes: t.Mapping[Version, t.Mapping[str, t.Any]] = field(default_factory=dict, hash=False)


# What the letter A of notify-keyspace-events stands for.
ALL_KEYSPACE_EVENTS = "g$lshzxetd"

# Redis states its limits in C types of a 64-bit system.
INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
LONG_MAX, ULONG_MAX = 2**63 - 1, 2**64 - 1

_EVICTION_POLICIES = (
    "volatile-lru volatile-lfu volatile-random volatile-ttl allkeys-lru allkeys-lfu allkeys-random noeviction"
)
_LOG_LEVELS = "debug verbose notice warning"
_OUTPUT_BUFFERS = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
_SHUTDOWN_FLAGS = ("default", "save", "nosave", "now", "force")
_LOADING_INTERVAL = {(8, 0): {"default": "524288"}}
_NOW_IGNORED = {"kind": Kind.IGNORED, "default": None, "in_config_get": False}


def _flag(name: str, default: str, **facts: t.Any) -> Directive:
    return Directive(name, Kind.BOOL, default, **facts)


def _choice(name: str, default: str, choices: str, **facts: t.Any) -> Directive:
    return Directive(name, Kind.ENUM, default, choices=tuple(choices.split()), **facts)


def _integer(name: str, default: str, minimum: int, maximum: int, **facts: t.Any) -> Directive:
    return Directive(name, Kind.INTEGER, default, minimum, maximum, **facts)


def _memory(name: str, default: str, minimum: int, maximum: int, **facts: t.Any) -> Directive:
    return Directive(name, Kind.MEMORY, default, minimum, maximum, **facts)


def _text(name: str, default: str = "", **facts: t.Any) -> Directive:
    return Directive(name, Kind.STRING, default, **facts)


def _cpu_list(name: str) -> Directive:
    renamed = {"name": name.replace("_", "-"), "aliases": (name,)}
    return _text(name, mutable=False, changes={(7, 4): renamed})


def _statement(name: str, **facts: t.Any) -> Directive:
    return Directive(name, Kind.STATEMENT, mutable=False, repeatable=True, in_config_get=False, **facts)


def _ignored(name: str) -> Directive:
    return Directive(name, Kind.IGNORED, mutable=False, in_config_get=False)


DIRECTIVES = (
    # Network
    Directive("bind", Kind.WORDS, "* -::*"),
    _text("bind-source-addr"),
    _integer("port", "6379", 0, 65535),
    _flag("protected-mode", "yes"),
    _integer("socket-mark-id", "0", 0, UINT_MAX, mutable=False),
    _integer("tcp-backlog", "511", 0, INT_MAX, mutable=False),
    _integer("tcp-keepalive", "300", 0, INT_MAX),
    _integer("timeout", "0", 0, INT_MAX),
    _text("unixsocket", mutable=False),
    Directive("unixsocketperm", Kind.OCTAL, "0", minimum=0, maximum=0o777, mutable=False),
    # TLS
    _choice("tls-auth-clients", "yes", "no yes optional"),
    _text("tls-ca-cert-dir"),
    _text("tls-ca-cert-file"),
    _text("tls-cert-file"),
    _text("tls-ciphers"),
    _text("tls-ciphersuites"),
    _text("tls-client-cert-file"),
    _text("tls-client-key-file"),
    _text("tls-client-key-file-pass", secret=True),
    _flag("tls-cluster", "no"),
    _text("tls-dh-params-file"),
    _text("tls-key-file"),
    _text("tls-key-file-pass", secret=True),
    _integer("tls-port", "0", 0, 65535),
    _flag("tls-prefer-server-ciphers", "no"),
    Directive("tls-protocols", Kind.SET, "", choices=("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")),
    _flag("tls-replication", "no"),
    _integer("tls-session-cache-size", "20480", 0, INT_MAX),
    _integer("tls-session-cache-timeout", "300", 0, INT_MAX),
    _flag("tls-session-caching", "yes"),
    # Process, logging
    _flag("always-show-logo", "no", mutable=False),
    _integer("busy-reply-threshold", "5000", 0, LONG_MAX, aliases=("lua-time-limit",)),
    _flag("crash-log-enabled", "yes"),
    _flag("crash-memcheck-enabled", "yes"),
    _flag("daemonize", "no", mutable=False),
    _integer("databases", "16", 1, INT_MAX, mutable=False),
    Directive("dir", Kind.DIRECTORY, mutable=False, protected=True),
    _flag("hide-user-data-from-log", "no", since=(7, 4)),
    Directive("ignore-warnings", Kind.SET, ""),
    _text("locale-collate", since=(7, 2)),
    _text("logfile", mutable=False),
    _choice("loglevel", "notice", _LOG_LEVELS, changes={(7, 2): {"choices": (*_LOG_LEVELS.split(), "nothing")}}),
    _text("pidfile", mutable=False),
    _text("proc-title-template", "{title} {listen-addr} {server-mode}"),
    _flag("set-proc-title", "yes", mutable=False),
    _choice("supervised", "no", "upstart systemd auto no", mutable=False),
    _flag("syslog-enabled", "no", mutable=False),
    _choice("syslog-facility", "local0", "user local0 local1 local2 local3 local4 local5 local6 local7", mutable=False),
    _text("syslog-ident", "redis", mutable=False),
    # Snapshots
    _text("dbfilename", "dump.rdb", mutable=False, protected=True),
    _flag("rdb-del-sync-files", "no"),
    _flag("rdb-save-incremental-fsync", "yes"),
    _flag("rdbchecksum", "yes", mutable=False),
    _flag("rdbcompression", "yes"),
    _choice("sanitize-dump-payload", "no", "no yes clients"),
    Directive("save", Kind.SAVE, "3600 1 300 100 60 10000", repeatable=True),
    _flag("stop-writes-on-bgsave-error", "yes"),
    # Append-only file
    _flag("aof-disable-auto-gc", "no", changes={(7, 2): {"hidden": True}}),
    _flag("aof-load-truncated", "yes"),
    _flag("aof-rewrite-incremental-fsync", "yes"),
    _flag("aof-timestamp-enabled", "no"),
    _flag("aof-use-rdb-preamble", "yes"),
    _text("appenddirname", "appendonlydir", mutable=False),
    _text("appendfilename", "appendonly.aof", mutable=False),
    _choice("appendfsync", "everysec", "everysec always no"),
    _flag("appendonly", "no"),
    _memory("auto-aof-rewrite-min-size", "67108864", 0, LONG_MAX),
    _integer("auto-aof-rewrite-percentage", "100", 0, INT_MAX),
    _flag("no-appendfsync-on-rewrite", "no"),
    # Replication
    _text("masterauth", secret=True),
    _text("masteruser"),
    _integer("min-replicas-max-lag", "10", 0, INT_MAX, aliases=("min-slaves-max-lag",)),
    _integer("min-replicas-to-write", "0", 0, INT_MAX, aliases=("min-slaves-to-write",)),
    _choice("propagation-error-behavior", "ignore", "ignore panic panic-on-replicas"),
    _memory("repl-backlog-size", "1048576", 16384, LONG_MAX),
    _integer("repl-backlog-ttl", "3600", 0, LONG_MAX),
    _flag("repl-disable-tcp-nodelay", "no"),
    _choice("repl-diskless-load", "disabled", "disabled on-empty-db swapdb"),
    _flag("repl-diskless-sync", "yes"),
    _integer("repl-diskless-sync-delay", "5", 0, INT_MAX),
    _integer("repl-diskless-sync-max-replicas", "0", 0, INT_MAX),
    _integer("repl-ping-replica-period", "10", 1, INT_MAX, aliases=("repl-ping-slave-period",)),
    _flag("repl-rdb-channel", "yes", since=(8, 0), hidden=True),
    _integer("repl-timeout", "60", 1, INT_MAX),
    _text("replica-announce-ip", aliases=("slave-announce-ip",)),
    _integer("replica-announce-port", "0", 0, 65535, aliases=("slave-announce-port",)),
    _flag("replica-announced", "yes"),
    _memory("replica-full-sync-buffer-limit", "0", 0, LONG_MAX, since=(8, 0)),
    _flag("replica-ignore-disk-write-errors", "no"),
    _flag("replica-ignore-maxmemory", "yes", aliases=("slave-ignore-maxmemory",)),
    _flag("replica-lazy-flush", "no", aliases=("slave-lazy-flush",)),
    _integer("replica-priority", "100", 0, INT_MAX, aliases=("slave-priority",)),
    _flag("replica-read-only", "yes", aliases=("slave-read-only",)),
    _flag("replica-serve-stale-data", "yes", aliases=("slave-serve-stale-data",)),
    Directive("replicaof", Kind.WORDS, "", aliases=("slaveof",), mutable=False),
    # Access
    _choice("acl-pubsub-default", "resetchannels", "allchannels resetchannels"),
    _text("aclfile", mutable=False),
    _integer("acllog-max-len", "128", 0, LONG_MAX),
    _choice("enable-debug-command", "no", "no yes local", mutable=False),
    _choice("enable-module-command", "no", "no yes local", mutable=False),
    _choice("enable-protected-configs", "no", "no yes local", mutable=False),
    _text("requirepass", secret=True),
    # Clients
    Directive("client-output-buffer-limit", Kind.OUTPUT_BUFFER_LIMIT, _OUTPUT_BUFFERS, repeatable=True),
    _memory("client-query-buffer-limit", "1073741824", 1048576, LONG_MAX),
    _integer("max-new-connections-per-cycle", "10", 1, 1000, since=(7, 4)),
    _integer("max-new-tls-connections-per-cycle", "1", 1, 1000, since=(7, 4)),
    _integer("maxclients", "10000", 1, UINT_MAX),
    Directive("maxmemory-clients", Kind.MEMORY_OR_PERCENT, "0", minimum=0, maximum=LONG_MAX),
    _memory("proto-max-bulk-len", "536870912", 1048576, LONG_MAX),
    _integer("tracking-table-max-keys", "1000000", 0, LONG_MAX),
    # Memory
    _integer("active-defrag-cycle-max", "25", 1, 99),
    _integer("active-defrag-cycle-min", "1", 1, 99),
    _memory("active-defrag-ignore-bytes", "104857600", 1, LONG_MAX),
    _integer("active-defrag-max-scan-fields", "1000", 1, LONG_MAX),
    _integer("active-defrag-threshold-lower", "10", 0, 1000),
    _integer("active-defrag-threshold-upper", "100", 0, 1000),
    _integer("active-expire-effort", "1", 1, 10),
    _flag("activedefrag", "no"),
    _flag("activerehashing", "yes"),
    _flag("jemalloc-bg-thread", "yes"),
    _flag("lazyfree-lazy-eviction", "no"),
    _flag("lazyfree-lazy-expire", "no"),
    _flag("lazyfree-lazy-server-del", "no"),
    _flag("lazyfree-lazy-user-del", "no"),
    _flag("lazyfree-lazy-user-flush", "no"),
    _integer("lfu-decay-time", "1", 0, INT_MAX),
    _integer("lfu-log-factor", "10", 0, INT_MAX),
    _memory("maxmemory", "0", 0, ULONG_MAX),
    _integer("maxmemory-eviction-tenacity", "10", 0, 100),
    _choice("maxmemory-policy", "noeviction", _EVICTION_POLICIES),
    _integer("maxmemory-samples", "5", 1, INT_MAX, changes={(7, 4): {"maximum": 64}}),
    # Threads, kernel
    _cpu_list("aof_rewrite_cpulist"),
    _cpu_list("bgsave_cpulist"),
    _cpu_list("bio_cpulist"),
    _flag("disable-thp", "yes", mutable=False),
    _flag("dynamic-hz", "yes"),
    _integer("hz", "10", 1, 500),
    _integer("io-threads", "1", 1, 128, mutable=False),
    _flag("io-threads-do-reads", "no", mutable=False, changes={(8, 0): _NOW_IGNORED}),
    _choice("oom-score-adj", "no", "no yes relative absolute", synonyms=(("relative", "yes"),)),
    Directive("oom-score-adj-values", Kind.INTEGERS, "0 200 800"),
    _cpu_list("server_cpulist"),
    # Shutdown
    Directive("shutdown-on-sigint", Kind.FLAGS, "default", choices=_SHUTDOWN_FLAGS),
    Directive("shutdown-on-sigterm", Kind.FLAGS, "default", choices=_SHUTDOWN_FLAGS),
    _integer("shutdown-timeout", "10", 0, INT_MAX),
    # Cluster
    _flag("cluster-allow-pubsubshard-when-down", "yes"),
    _flag("cluster-allow-reads-when-down", "no"),
    _flag("cluster-allow-replica-migration", "yes"),
    _integer("cluster-announce-bus-port", "0", 0, 65535),
    _text("cluster-announce-hostname"),
    _text("cluster-announce-human-nodename", since=(7, 2)),
    _text("cluster-announce-ip"),
    _integer("cluster-announce-port", "0", 0, 65535),
    _integer("cluster-announce-tls-port", "0", 0, 65535),
    _integer("cluster-compatibility-sample-ratio", "0", 0, 100, since=(8, 0)),
    _text("cluster-config-file", "nodes.conf", mutable=False),
    _flag("cluster-enabled", "no", mutable=False),
    _memory("cluster-link-sendbuf-limit", "0", 0, ULONG_MAX),
    _integer("cluster-migration-barrier", "1", 0, INT_MAX),
    _integer("cluster-node-timeout", "15000", 0, LONG_MAX),
    _integer("cluster-port", "0", 0, 65535, mutable=False),
    _choice("cluster-preferred-endpoint-type", "ip", "ip hostname unknown-endpoint"),
    _flag("cluster-replica-no-failover", "no", aliases=("cluster-slave-no-failover",)),
    _integer("cluster-replica-validity-factor", "10", 0, INT_MAX, aliases=("cluster-slave-validity-factor",)),
    _flag("cluster-require-full-coverage", "yes"),
    # Observing
    _integer("latency-monitor-threshold", "0", 0, LONG_MAX),
    _flag("latency-tracking", "yes"),
    Directive("latency-tracking-info-percentiles", Kind.PERCENTILES, "50 99 99.9"),
    Directive("notify-keyspace-events", Kind.KEYSPACE_EVENTS, "", choices=tuple("AKEmn" + ALL_KEYSPACE_EVENTS)),
    _integer("slowlog-log-slower-than", "10000", -1, LONG_MAX),
    _integer("slowlog-max-len", "128", 0, LONG_MAX),
    # Encodings
    _integer("hash-max-listpack-entries", "512", 0, LONG_MAX, aliases=("hash-max-ziplist-entries",)),
    _memory("hash-max-listpack-value", "64", 0, LONG_MAX, aliases=("hash-max-ziplist-value",)),
    _memory("hll-sparse-max-bytes", "3000", 0, LONG_MAX),
    _integer("list-compress-depth", "0", 0, INT_MAX),
    _integer("list-max-listpack-size", "-2", INT_MIN, INT_MAX, aliases=("list-max-ziplist-size",)),
    _integer("set-max-intset-entries", "512", 0, LONG_MAX),
    _integer("set-max-listpack-entries", "128", 0, LONG_MAX, since=(7, 2)),
    _integer("set-max-listpack-value", "64", 0, LONG_MAX, since=(7, 2)),
    _memory("stream-node-max-bytes", "4096", 0, LONG_MAX),
    _integer("stream-node-max-entries", "100", 0, LONG_MAX),
    _integer("zset-max-listpack-entries", "128", 0, LONG_MAX, aliases=("zset-max-ziplist-entries",)),
    _memory("zset-max-listpack-value", "64", 0, LONG_MAX, aliases=("zset-max-ziplist-value",)),
    # For debugging Redis itself
    _integer("cluster-ping-interval", "0", 0, LONG_MAX, since=(7, 2), hidden=True),
    _integer("key-load-delay", "0", INT_MIN, INT_MAX, hidden=True),
    _integer("loading-process-events-interval-bytes", "2097152", 1024, INT_MAX, hidden=True, changes=_LOADING_INTERVAL),
    # Not in the first releases of 7.0, 7.2 and 7.4: a security fix of 2025 brought it.
    _flag("lua-enable-deprecated-api", "no", mutable=False, hidden=True),
    _integer("rdb-key-save-delay", "0", INT_MIN, INT_MAX, hidden=True),
    _flag("use-exit-on-panic", "no", hidden=True),
    _integer("watchdog-period", "0", 0, INT_MAX, hidden=True),
    # Statements
    _statement("include"),
    _statement("loadmodule"),
    _statement("rename-command"),
    _statement("user", secret=True),
    # Left from older versions
    _ignored("list-max-ziplist-entries"),
    _ignored("list-max-ziplist-value"),
    _ignored("lua-replicate-commands"),
)

CATALOGUE: t.Mapping[str, Directive] = {directive.name: directive for directive in DIRECTIVES}


def _all_names(directive: Directive) -> set[str]:
    stages = [directive, *(as_of(directive, version) for version in directive.changes)]
    return {name for stage in stages for name in (stage.name, *stage.aliases)}


def find(name: str) -> Directive | None:
    """The directive of this name or alias, in any case, whichever version has it."""
    return _BY_NAME.get(name.lower())


def available(directive: Directive, version: Version) -> bool:
    """Whether a server of this version accepts the directive in redis.conf."""
    return version >= directive.since


def as_of(directive: Directive, version: Version) -> Directive:
    """The directive as this version knows it, under the name to write for this version."""
    changed: dict[str, t.Any] = {}
    for since, facts in sorted(directive.changes.items()):
        if version >= since:
            changed.update(facts)
    return replace(directive, **changed) if changed else directive


def nearest(name: str, version: Version) -> list[str]:
    """What somebody who wrote this name may have meant, best first: names to write for this version."""
    current = [as_of(directive, version) for directive in DIRECTIVES if available(directive, version)]
    offered = [directive for directive in current if directive.kind is not Kind.IGNORED and not directive.hidden]
    preferred = {alias: directive.name for directive in offered for alias in (directive.name, *directive.aliases)}
    return list(dict.fromkeys(preferred[match] for match in difflib.get_close_matches(name.lower(), preferred)))


_BY_NAME = {name: directive for directive in DIRECTIVES for name in _all_names(directive)}
