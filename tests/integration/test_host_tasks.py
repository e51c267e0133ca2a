# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What role redis_server asks of firewall, SELinux and logrotate, by the arguments of its tasks.

The modules and programs are stand-ins, so that no firewall and no SELinux is needed; the role's files and filters are real.
"""

from __future__ import annotations

import os
import typing as t
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from playbook_runs import Ansible, Result, Task
from stand_ins import Answer, Call, StandIns, calls_in

ROLE = Path(__file__).parents[2] / "roles/redis_server"
MODULES = [
    "ansible.posix.firewalld",
    "community.general.ufw",
    "community.general.seport",
    "community.general.sefcontext",
]
PROGRAMS = ["firewall-cmd", "ufw", "semanage", "restorecon", "logrotate"]
NEXT = "the next case"

INSTANCES = [
    {"name": "cache", "port": 6379},
    {"name": "node", "port": 7000, "directives": {"cluster-enabled": True}},
]
SOURCES = ["192.0.2.0/24", "2001:DB8::/32"]
HOST = {"installed": "/usr/bin/redis-server", "redis_py": True, "selinux": True, "firewall": None}

writes_files_of_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files that belong to root")


@dataclass(frozen=True)
class Case:
    """One part of the role, and the host as it finds it."""

    part: str
    variables: t.Mapping[str, t.Any] = field(default_factory=dict)
    answers: t.Mapping[str, Answer] = field(default_factory=dict)
    files: t.Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What it called, what became of its tasks, and the directory where it was to write."""

    calls: list[Call]
    results: list[Result]
    directory: Path

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if result["failed"]]

    @property
    def service(self) -> Path:
        return self.directory / "redis-instances.xml"

    @property
    def logrotate(self) -> Path:
        return self.directory / "redis-instances"


@dataclass
class Role:
    """Plays cases in one playbook, each in a directory of its own."""

    ansible: Ansible
    stand_ins: StandIns
    directory: Path

    def play(self, *cases: Case, check: bool = False) -> list[Outcome]:
        directories = [self.directory / str(number) for number in range(len(cases))]
        tasks: list[Task] = []
        for case, directory in zip(cases, directories, strict=True):
            directory.mkdir()
            for name, text in case.files.items():
                (directory / name).write_text(text)
            tasks += [{"ansible.builtin.debug": {"msg": NEXT}}, self._task(case, directory)]
        real = self.ansible.environment
        self.ansible.environment = self.stand_ins.environment(real)
        run = self.ansible.run(*tasks, arguments=["--check"] if check else [])
        self.ansible.environment = real
        results: list[list[Result]] = []
        for result in run.results:
            if result.get("msg") == NEXT:
                results.append([])
            else:
                results[-1].append(result)
        assert len(results) == len(cases), run.output
        return [
            Outcome(calls_in(directory / "calls"), of_case, directory)
            for of_case, directory in zip(results, directories, strict=True)
        ]

    def succeed(self, *cases: Case, check: bool = False) -> list[Outcome]:
        outcomes = self.play(*cases, check=check)
        assert [outcome.failures for outcome in outcomes] == [[]] * len(cases)
        return outcomes

    def calls(self, *cases: Case, check: bool = False) -> list[list[Call]]:
        return [outcome.calls for outcome in self.succeed(*cases, check=check)]

    def _task(self, case: Case, directory: Path) -> Task:
        variables = {
            "redis_server_instances": INSTANCES,
            "redis_server_admin_password": "unused",
            "__redis_server_firewalld_service_file": str(directory / "redis-instances.xml"),
            "__redis_server_logrotate_file": str(directory / "redis-instances"),
            "__redis_server_logrotate_program": str(self.stand_ins.directory / "bin/logrotate"),
            "__redis_server_semanage_program": str(self.stand_ins.directory / "bin/semanage"),
            **case.variables,
        }
        apply = {
            "environment": self.stand_ins.answering(directory / "calls", case.answers),
            "ignore_errors": case.part != "main",  # of which the rest would bring up instances
        }
        role = {"name": "microservices.redis.redis_server", "tasks_from": case.part, "apply": apply}
        return {"ansible.builtin.include_role": role, "vars": variables}


SELINUX = {"__redis_server_host": HOST}
OTHER_DIRECTORIES = {"redis_server_data_directory": "/srv/redis", "redis_server_log_directory": "/srv/redis/log"}
PORTS: Call = (
    "community.general.seport",
    {"ports": ["6379", "7000", "17000"], "proto": "tcp", "setype": "redis_port_t"},
)


def packaged(family: str, file: Path) -> dict[str, t.Any]:
    """What the family's package rotates, with its logrotate file somewhere else."""
    variables = yaml.safe_load((ROLE / f"vars/{family}.yml").read_text())
    return {"__redis_server_packaged_logrotate": variables["__redis_server_packaged_logrotate"] | {"file": str(file)}}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> StandIns:
    return StandIns.make(tmp_path_factory.mktemp("stand-ins"), MODULES, PROGRAMS, environment)


@pytest.fixture
def role(ansible: Ansible, stand_ins: StandIns, tmp_path: Path) -> Role:
    return Role(ansible, stand_ins, tmp_path)


# firewalld

FIREWALLD = {"__redis_server_host": HOST | {"firewall": "firewalld"}}
ASKED: Call = ("firewall-cmd --info-service=redis-instances", {})
READ: Call = ("firewall-cmd --reload", {})
LISTED: list[Call] = [("firewall-cmd --list-all-zones", {}), ("firewall-cmd --list-all-zones --permanent", {})]
OLD, NEWER = "198.51.100.0/24", "198.51.100.7"  # sources that are not wanted any more


def rich_rule(source: str) -> str:
    family = "ipv6" if ":" in source else "ipv4"
    return f'rule family="{family}" source address="{source}" service name="redis-instances" accept'


def enabled(source: str) -> Call:
    options = {"rich_rule": rich_rule(source), "state": "enabled", "permanent": True, "immediate": True}
    return "ansible.posix.firewalld", options


def disabled(source: str, zone: str = "public") -> Call:
    return "ansible.posix.firewalld", {**enabled(source)[1], "state": "disabled", "zone": zone}


def firewall_cmd(ports: str | None, public: t.Sequence[str], work: t.Sequence[str] = ()) -> dict[str, Answer]:
    """A firewalld that knows our service with these ports, and has rules for these sources."""
    service = (101, "") if ports is None else (0, f"redis-instances\n  ports: {ports}\n  protocols: \n  includes: ")
    foreign = 'rule family="ipv4" source address="198.51.100.0/24" service name="ssh" accept'
    zones = {"public (active)": [foreign, *map(rich_rule, public)], "work": [foreign, *map(rich_rule, work)]}
    lines = [
        line for name, rules in zones.items() for line in (name, "  rich rules: ", *(f"\t{rule}" for rule in rules))
    ]
    return {ASKED[0]: service, "firewall-cmd --list-all-zones": (0, "\n".join(lines))}


@writes_files_of_root
def test_firewalld_lets_the_sources_through_to_the_ports(role: Role) -> None:
    wanted = FIREWALLD | {"redis_server_firewall_sources": SOURCES}
    first, again, one_port_more = role.succeed(
        Case("firewall", wanted, firewall_cmd(None, [OLD], [NEWER])),
        Case("firewall", wanted, firewall_cmd("7000/tcp 6379/tcp 17000/tcp", ["192.0.2.0/24", "2001:db8::/32"])),
        Case("firewall", wanted, firewall_cmd("6379/tcp 7000/tcp 17000/tcp 6380/tcp", [])),
    )
    rules = [enabled("192.0.2.0/24"), enabled("2001:db8::/32")]
    assert first.calls == [ASKED, READ, *LISTED, *rules, disabled(OLD), disabled(NEWER, "work")]
    assert again.calls == [ASKED, *LISTED, *rules]
    assert one_port_more.calls == [ASKED, READ, *LISTED, *rules]

    ports = [port.attrib for port in ElementTree.parse(first.service).getroot().iter("port")]
    assert ports == [{"protocol": "tcp", "port": port} for port in ("6379", "7000", "17000")]
    assert first.service.stat().st_mode & 0o777 == 0o644


def test_firewalld_forgets_what_is_ours_and_is_else_left_alone_when_nobody_is_wanted(role: Role) -> None:
    no_port = FIREWALLD | {"redis_server_instances": [], "redis_server_firewall_sources": SOURCES}
    ours = firewall_cmd("6379/tcp", [OLD])
    nobody, nothing_to_reach, virgin, not_allowed = role.succeed(
        Case("firewall", FIREWALLD, ours),
        Case("firewall", no_port, ours),
        Case("firewall", FIREWALLD, firewall_cmd(None, [])),
        Case("firewall", FIREWALLD, {ASKED[0]: (253, "")}),
    )
    for outcome in (nobody, nothing_to_reach):
        assert outcome.calls == [ASKED, *LISTED, disabled(OLD)]
        assert not outcome.service.exists()
    assert virgin.calls == not_allowed.calls == [ASKED]


# ufw

UFW = {"__redis_server_host": HOST | {"firewall": "ufw"}}
SHOWN: Call = ("ufw show added", {})


def ufw(source: str, ports: str, **more: bool) -> Call:
    options = {"rule": "allow", "proto": "tcp", "from_ip": source, "to_port": ports, "comment": "redis-instances"}
    return "community.general.ufw", {**options, **more}


def ufw_shows(*rules: tuple[str, str]) -> dict[str, Answer]:
    """As ufw shows rules that were made with the options above."""
    lines = [
        f"ufw allow from {source} to any port {ports} proto tcp comment 'redis-instances'" for source, ports in rules
    ]
    return {
        SHOWN[0]: (
            0,
            "\n".join(["Added user rules (see 'ufw status' for running firewall):", "ufw allow 22/tcp", *lines]),
        )
    }


def test_ufw_lets_the_sources_through_to_the_ports(role: Role) -> None:
    wanted = UFW | {"redis_server_firewall_sources": SOURCES}
    ports = "6379,7000,17000"
    first, again, nobody, not_allowed = role.calls(
        Case("firewall", wanted, ufw_shows(("192.0.2.0/24", "6379"), (OLD, ports))),
        Case("firewall", wanted, ufw_shows(("192.0.2.0/24", ports), ("2001:db8::/32", ports))),
        Case("firewall", UFW, ufw_shows((OLD, ports))),
        Case("firewall", UFW, {SHOWN[0]: (1, "You need to be root")}),
    )
    assert first == [
        SHOWN,
        ufw("192.0.2.0/24", ports),
        ufw("2001:db8::/32", ports),
        ufw("192.0.2.0/24", "6379", delete=True),
        ufw(OLD, ports, delete=True),
    ]
    assert again == not_allowed == [SHOWN]
    assert nobody == [SHOWN, ufw(OLD, ports, delete=True)]


# Refusals and check mode


def test_a_firewall_that_does_not_answer_is_an_error_where_sources_are_wanted(role: Role) -> None:
    wanted = {"redis_server_firewall_sources": SOURCES}
    firewalld, ufw = role.play(
        Case("firewall", FIREWALLD | wanted, {ASKED[0]: (252, "FirewallD is not running")}),
        Case("firewall", UFW | wanted, {SHOWN[0]: (1, "You need to be root")}),
    )
    assert firewalld.failures[0]["stdout"] == "FirewallD is not running"
    assert ufw.failures[0]["stdout"] == "You need to be root"


def test_a_source_that_is_no_network_is_refused_before_anything_is_done(role: Role) -> None:
    directories = {f"redis_server_{one}_directory": str(role.directory / one) for one in ("config", "data", "log")}
    own = {"redis_server_service_manager": "process", "redis_server_user": "", "redis_server_group": "", **directories}
    [outcome] = role.play(Case("main", own | {"redis_server_firewall_sources": ["192.0.2.5/24"]}), check=True)
    assert outcome.failures == outcome.results[-1:]
    assert "192.0.2.5/24 is neither a network nor a host: write 192.0.2.0/24" in outcome.failures[0]["msg"]
    assert [result for result in outcome.results if result.get("changed")] == []


def test_check_mode_on_a_virgin_host_tells_and_does_nothing(role: Role) -> None:
    wanted = {"redis_server_firewall_sources": SOURCES}
    # Not installed by the role here, but as little there as if it were to be.
    no_semanage = {"redis_server_install": False, "__redis_server_semanage_program": "/nonexistent"}
    firewalld, ufw_host, selinux, logrotate = role.succeed(
        Case("firewall", FIREWALLD | wanted, firewall_cmd(None, [OLD])),
        Case("firewall", UFW | wanted, ufw_shows()),
        Case("selinux", SELINUX | OTHER_DIRECTORIES | no_semanage),
        Case("logrotate", packaged("Debian", role.directory / "none")),
        check=True,
    )
    rules = [enabled("192.0.2.0/24"), enabled("2001:db8::/32")]
    assert firewalld.calls == [ASKED, *LISTED, *rules, disabled(OLD)]
    assert ufw_host.calls == [SHOWN, ufw("192.0.2.0/24", "6379,7000,17000"), ufw("2001:db8::/32", "6379,7000,17000")]
    assert selinux.calls == logrotate.calls == []
    assert not firewalld.service.exists()
    assert not logrotate.logrotate.exists()
    assert logrotate.results[-1]["changed"]


# SELinux


def test_selinux_learns_the_ports_and_directories(role: Role) -> None:
    relabelled = {"restorecon": (0, "Relabeled /srv/redis from default_t to redis_var_lib_t")}
    usual, nothing, other, first, again = role.succeed(
        Case("selinux", SELINUX),
        Case("selinux", SELINUX | {"redis_server_instances": []}),
        Case("selinux", SELINUX | OTHER_DIRECTORIES),
        Case("restorecon", SELINUX | OTHER_DIRECTORIES, relabelled),
        Case("restorecon", SELINUX | OTHER_DIRECTORIES),
    )
    assert usual.calls == [PORTS]
    assert nothing.calls == []
    assert other.calls == [
        PORTS,
        ("community.general.sefcontext", {"target": "/srv/redis(/.*)?", "setype": "redis_var_lib_t"}),
        ("community.general.sefcontext", {"target": "/srv/redis/log(/.*)?", "setype": "redis_log_t"}),
    ]
    assert first.calls == again.calls == [("restorecon -R -v -i /srv/redis /srv/redis/log", {})]
    assert [outcome.results[-1]["changed"] for outcome in (first, again)] == [True, False]


# logrotate


@writes_files_of_root
def test_logrotate_covers_every_log_once(role: Role, tmp_path: Path) -> None:
    (tmp_path / "packaged").touch()
    there, gone = tmp_path / "packaged", tmp_path / "none"
    elsewhere = {"redis_server_log_directory": "/srv/my log", "redis_server_user": "", "redis_server_group": ""}
    stale = {"redis-instances": "from before the package had a file"}
    debian, el, own, other = role.succeed(
        Case("logrotate", packaged("Debian", there), files=stale),
        Case("logrotate", packaged("RedHat", there), files=stale),
        Case("logrotate", packaged("Debian", gone)),
        Case("logrotate", packaged("RedHat", there) | elsewhere),
    )
    for outcome in (debian, el):
        assert outcome.calls == []
        assert not outcome.logrotate.exists()

    assert [name.split()[:2] for name, dummy in own.calls] == [["logrotate", "--debug"]]
    text = [line.strip() for line in own.logrotate.read_text().splitlines() if not line.startswith("#")]
    assert text[:3] == [*(f'"/var/log/redis/redis-server-{name}.log"' for name in ("cache", "node")), "{"]
    assert {"su redis redis", "create 0640", "weekly", "compress", "missingok", "notifempty"} <= set(text)
    assert own.logrotate.stat().st_mode & 0o777 == 0o644

    text = [line.strip() for line in other.logrotate.read_text().splitlines()]
    assert {'"/srv/my log/redis-server-cache.log"', "su root root"} <= set(text)


@writes_files_of_root
def test_a_mistake_in_the_logrotate_file_fails_the_run(role: Role, tmp_path: Path) -> None:
    answers: list[Answer] = [
        (1, "error: x:4 bad rotation count 'x'"),
        (0, "error: x:3 unknown option 'wekly' -- ignoring line"),
        (127, "not found"),
    ]
    before = {"redis-instances": "as it was"}
    variables = packaged("Debian", tmp_path / "none")
    cases = [Case("logrotate", variables, {"logrotate --debug": answer}, files=before) for answer in answers]
    for outcome, (dummy, said) in zip(role.play(*cases), answers, strict=True):
        [failure] = outcome.failures
        assert failure["msg"] == "failed to validate"
        assert said in failure["stderr"]
        assert outcome.logrotate.read_text() == "as it was"
