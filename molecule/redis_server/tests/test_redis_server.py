"""What the redis_server role leaves on a host: a cache, a session store and an event bus."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from testinfra.host import Host

PORTS = {"cache": 6379, "sessions": 6380, "events": 6381}
SOURCE = "198.51.100.62"  # who may come through the firewall
each_instance = pytest.mark.parametrize("name", PORTS)


class Family(NamedTuple):
    """What differs between the families of distributions."""

    packaged_service: str
    runtime: str
    log_group: str
    confined: bool


FAMILIES = {
    "debian": Family("redis-server", "/run/redis-instance", "adm", confined=True),  # adm is the package's choice
    # NoNewPrivileges, and all that implies it, would keep Redis out of its SELinux domain.
    "redhat": Family("redis", "/run/redis", "redis", confined=False),
}


@pytest.fixture
def family(host: Host) -> Family:
    return FAMILIES["redhat" if host.exists("dnf") else "debian"]


def at(name: str) -> str:
    return f"-p {PORTS[name]}"


def pid_of(host: Host, name: str) -> int:
    return int(host.check_output(f"systemctl show --property=MainPID --value redis-instance@{name}"))


# The service


@each_instance
def test_unit_runs_now_and_after_a_reboot(host: Host, name: str) -> None:
    unit = host.service(f"redis-instance@{name}")
    assert unit.is_running
    assert unit.is_enabled
    assert host.process.get(pid=pid_of(host, name)).user == "redis"


def test_packaged_service_neither_runs_nor_starts_at_boot(host: Host, family: Family) -> None:
    assert host.run(f"systemctl is-enabled {family.packaged_service}").stdout.strip() == "masked"
    assert host.run("ls /etc/rc?.d/S*redis*").stdout == ""
    assert len(host.process.filter(comm="redis-server")) == len(PORTS)
    assert not host.file("/usr/sbin/policy-rc.d").exists


def test_unit_is_one_that_systemd_understands(host: Host) -> None:
    said = host.run("systemd-analyze verify redis-instance@cache.service")
    assert (said.rc, said.stdout, said.stderr) == (0, "", "")


@each_instance
def test_process_is_confined(host: Host, family: Family, name: str) -> None:
    pid = pid_of(host, name)
    status = dict(line.split(":\t", 1) for line in host.file(f"/proc/{pid}/status").content_string.splitlines())
    assert (int(status["CapBnd"], 16) == 0) == family.confined
    assert (status["NoNewPrivs"], status["Seccomp"]) == (("1", "2") if family.confined else ("0", "0"))

    def writable(directory: str) -> bool:
        probe = f"/proc/{pid}/root{directory}/written-by-the-test"  # as the process sees it
        return host.run(f"touch {probe} && rm {probe}").succeeded

    own = ["/etc/redis", f"/var/lib/redis/{name}", "/var/log/redis", f"{family.runtime}/{name}", "/tmp"]
    assert [
        directory for directory in [*own, "/etc", "/usr/bin", "/var/lib", "/srv", "/root"] if writable(directory)
    ] == own


def test_crashed_server_comes_back(host: Host, eventually: Callable[[Callable[[], bool]], None]) -> None:
    killed = pid_of(host, "cache")
    host.check_output(f"kill -KILL {killed}")
    eventually(lambda: pid_of(host, "cache") not in (0, killed) and host.service("redis-instance@cache").is_running)


def test_instance_that_does_not_start_leaves_the_others_alone(host: Host, family: Family, redis: Any) -> None:
    others = [name for name in PORTS if name != "events"]
    before = [pid_of(host, name) for name in others]
    host.check_output(
        "cp --preserve /etc/redis/events.conf /root/events.conf; echo port none >> /etc/redis/events.conf"
    )
    try:
        assert host.run("systemctl restart redis-instance@events").failed
        assert [pid_of(host, name) for name in others] == before
        assert [redis.ask(at(name), "ping") for name in others] == ["PONG", "PONG"]
        assert host.file(f"{family.runtime}/cache").is_directory
    finally:
        host.run("cp --preserve /root/events.conf /etc/redis/; rm /root/events.conf")
        host.check_output("systemctl reset-failed redis-instance@events; systemctl start redis-instance@events")


# Network and files


def test_instances_listen_only_where_they_were_told(host: Host) -> None:
    own = host.ansible.get_variables()["address"]
    sockets = re.findall(
        r'(\S+) +\S+ +users:\(\("redis-server"',
        host.check_output("ss --listening --tcp --numeric --processes --no-header"),
    )
    wanted = {"127.0.0.1:6379", "127.0.0.1:6380", "127.0.0.1:6381", f"{own}:6381"}
    # The default has an optional ::1.
    assert set(sockets) - {"[::1]:6379", "[::1]:6380"} == wanted


def test_only_the_sources_get_through_the_firewall(host: Host) -> None:
    ports = sorted(map(str, PORTS.values()))
    if host.exists("ufw"):
        wanted = f"-A ufw-user-input -s {SOURCE}/32 -p tcp -m multiport --dports {','.join(ports)} -j ACCEPT"
        assert [line for line in host.check_output("iptables -S ufw-user-input").splitlines() if "-j" in line] == [
            wanted
        ]
    elif host.exists("firewall-cmd"):
        rules = [
            f'rule family="{family}" source address="{source}" service name="redis-instances" accept'
            for family, source in (("ipv4", SOURCE), ("ipv6", "2001:db8::/32"))
        ]
        for kept in ("", "--permanent "):
            assert sorted(host.check_output(f"firewall-cmd {kept}--list-rich-rules").splitlines()) == rules
        opened = re.search(r"ports: (.*)", host.check_output("firewall-cmd --info-service=redis-instances"))
        assert opened
        assert opened[1].split() == [f"{port}/tcp" for port in ports]
    else:
        pytest.skip("these hosts have no firewall")


def test_unix_socket_is_for_the_group(host: Host, family: Family, redis: Any) -> None:
    path = f"{family.runtime}/events/redis.sock"
    assert redis.ask(f"-s {path}", "ping") == "PONG"
    assert (host.file(path).user, host.file(path).group, host.file(path).mode) == ("redis", "redis", 0o770)
    assert host.file(f"{family.runtime}/events").mode == 0o750


@each_instance
def test_files_are_not_for_everyone(host: Host, family: Family, name: str) -> None:
    wanted = {
        f"/etc/redis/{name}.conf": ("redis", "redis", 0o640),
        f"/etc/redis/{name}.acl": ("redis", "redis", 0o640),
        f"/var/lib/redis/{name}": ("redis", "redis", 0o750),
        f"/var/log/redis/redis-server-{name}.log": ("redis", family.log_group, 0o640),
    }
    files = {path: host.file(path) for path in wanted}
    assert {path: (file.user, file.group, file.mode) for path, file in files.items()} == wanted


def test_server_that_rewrites_its_files_keeps_them_so(host: Host, redis: Any) -> None:
    assert redis.ask(at("events"), "config rewrite") == "OK"
    assert redis.ask(at("events"), "acl save") == "OK"
    assert "supervised systemd" in host.file("/etc/redis/events.conf").content_string
    for path in ("/etc/redis/events.conf", "/etc/redis/events.acl"):
        assert (host.file(path).user, host.file(path).mode) == ("redis", 0o640)


def test_kernel_settings_of_somebody_else_are_left_alone(host: Host) -> None:
    assert not host.file("/etc/sysctl.d/60-redis.conf").exists


# Users


@each_instance
def test_nobody_comes_in_without_a_name(redis: Any, name: str) -> None:
    assert redis.ask(at(name), "acl getuser default").splitlines()[:2] == ["flags", "off"]
    assert "WRONGPASS" in redis.ask(at(name), "ping", user="default", password="secret-of-admin")
    assert "WRONGPASS" in redis.ask(at(name), "ping", password="wrong")


def test_no_login_no_service(host: Host) -> None:
    assert host.run("redis-cli ping").stdout.startswith("NOAUTH")


@pytest.mark.parametrize(
    ("user", "name", "command", "answer"),
    [
        ("shop", "cache", "set product:1 tea", "OK"),
        ("shop", "cache", "flushall", "NOPERM"),
        ("shop", "cache", "config get maxmemory", "NOPERM"),
        ("shop", "sessions", "set session:1 ann", "OK"),
        ("shop", "sessions", "acl list", "NOPERM"),
        ("shop", "events", "ping", "AUTH failed: WRONGPASS"),
        ("reader", "events", "get event:1", ""),
        ("reader", "events", "get other", "NOPERM"),
        ("reader", "events", "set event:1 x", "NOPERM"),
        ("replication", "cache", "ping", "PONG"),
        ("replication", "cache", "get product:1", "NOPERM"),
        ("health", "cache", "info server", "# Server"),
        ("health", "cache", "get product:1", "NOPERM"),
        ("admin", "cache", "acl whoami", "admin"),
    ],
)
def test_each_user_may_do_its_work_and_no_more(redis: Any, user: str, name: str, command: str, answer: str) -> None:
    said = redis.ask(at(name), command, user)
    assert said.startswith(answer) if answer else said == ""


def test_secrets_stay_where_they_belong(host: Host) -> None:
    """Only their hashes are in the aclfiles; masterauth has to be in redis.conf, which is not for everyone."""
    recent = "find / /run /tmp /dev/shm -xdev -type f -newermt '-2 hours'"
    holders = host.run(f"{recent} -exec grep -l secret-of {{}} +").stdout.split()
    assert sorted(holders) == [f"/etc/redis/{name}.conf" for name in sorted(PORTS)]
    assert "Invoked with" in host.check_output("journalctl --no-pager")
    assert "secret-of" not in host.check_output("journalctl --no-pager")


@each_instance
def test_log_is_rotated_and_goes_on(
    host: Host, family: Family, redis: Any, name: str, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    log = f"/var/log/redis/redis-server-{name}.log"
    assert "duplicate" not in host.run("logrotate --debug /etc/logrotate.conf").stderr
    # The package's file covers them, where it has one.
    files = [f"/etc/logrotate.d/{name}" for name in (family.packaged_service, "redis-instances")]
    present = [file for file in files if host.file(file).exists]
    assert len(present) == 1
    host.check_output(f"logrotate --force --state /root/logrotate.state {present[0]}")
    redis.ask(at(name), "bgsave")
    eventually(lambda: host.file(log).exists and host.file(log).size > 0)
    assert host.file(f"{log}.1").exists or host.file(f"{log}.1.gz").exists
    assert host.file(log).mode == 0o640


# Settings and data


@pytest.mark.parametrize(
    ("name", "directive", "value"),
    [
        ("cache", "maxmemory", "67108864"),
        ("cache", "maxmemory-policy", "allkeys-lru"),
        ("cache", "save", ""),
        ("sessions", "maxmemory-policy", "noeviction"),
        ("sessions", "appendonly", "yes"),
        ("events", "save", "900 1 300 10"),
        ("events", "notify-keyspace-events", "xE"),
        ("events", "masteruser", "replication"),
        ("events", "masterauth", "secret-of-replication"),
        (
            "events",
            "client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 67108864 16777216 60",
        ),
    ],
)
def test_setting_is_in_force(redis: Any, name: str, directive: str, value: str) -> None:
    assert redis.ask(at(name), f"config get {directive}").split("\n")[1:] == ([value] if value else [])


@each_instance
def test_server_is_the_wanted_one(redis: Any, name: str) -> None:
    server = redis.info(at(name), "server")
    assert server["redis_version"].startswith(f"{os.environ.get('MOLECULE_REDIS') or 7}.")
    assert server["config_file"] == f"/etc/redis/{name}.conf"
    assert server["process_supervised"] == "systemd"


def test_sessions_survive_a_restart(host: Host, redis: Any) -> None:
    assert redis.ask(at("sessions"), "set session:2 bob", user="shop") == "OK"
    host.check_output("systemctl restart redis-instance@sessions")
    assert redis.ask(at("sessions"), "get session:2", user="shop") == "bob"


@each_instance
def test_server_can_fork_to_save(redis: Any, name: str, eventually: Callable[[Callable[[], bool]], None]) -> None:
    """The unit's confinement would show here."""
    redis.ask(at(name), "bgsave")
    eventually(lambda: redis.info(at(name), "persistence")["rdb_bgsave_in_progress"] == "0")
    assert redis.info(at(name), "persistence")["rdb_last_bgsave_status"] == "ok"
