# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for modules and programs that change a host, so that a role's tasks can run here: they only write down how they
were called. A module's stand-in takes the options that the real one documents, and no others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

Call = tuple[str, dict[str, t.Any]]
Answer = tuple[int, str]  # exit status, and what is printed

MODULE = """
import json, os
from ansible.module_utils.basic import AnsibleModule

def main():
    spec = json.loads({spec!r})
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given = {{name: value for name, value in module.params.items() if value not in (None, spec[name].get("default"))}}
    with open(os.environ["STAND_INS_CALLS"], "a") as calls:
        print(json.dumps([{name!r}, given]), file=calls)
    module.exit_json(changed=True)

if __name__ == "__main__":
    main()
"""

PROGRAM = """#!{python}
import json, os, sys

command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
with open(os.environ["STAND_INS_CALLS"], "a") as calls:
    print(json.dumps([command, {{}}]), file=calls)
answers = json.loads(os.environ["STAND_INS_ANSWERS"])
status, said = next((answer for start, answer in answers.items() if command.startswith(start)), (0, ""))
print(said)
sys.exit(status)
"""

_KEPT = ("type", "elements", "required", "default", "choices", "aliases")


@dataclass(frozen=True)
class StandIns:
    """A tree of collections and a directory of programs, to be found before the real ones."""

    directory: Path

    @classmethod
    def make(
        cls, directory: Path, modules: t.Sequence[str], programs: t.Sequence[str], environment: dict[str, str]
    ) -> StandIns:
        for name, options in _documented(modules, environment).items():
            namespace, collection, module = name.split(".")
            file = directory / f"ansible_collections/{namespace}/{collection}/plugins/modules/{module}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(MODULE.format(spec=json.dumps(options), name=name))
        (directory / "bin").mkdir()
        for program in programs:
            file = directory / "bin" / program
            file.write_text(PROGRAM.format(python=sys.executable))
            file.chmod(0o755)
        return cls(directory)

    def environment(self, real: t.Mapping[str, str]) -> dict[str, str]:
        """What makes Ansible find them."""
        return {
            **real,
            "ANSIBLE_COLLECTIONS_PATH": f"{self.directory}:{real['ANSIBLE_COLLECTIONS_PATH']}",
            "PATH": f"{self.directory}/bin:{real['PATH']}",
        }

    def answering(self, calls: Path, answers: t.Mapping[str, Answer]) -> dict[str, str]:
        """A task's environment: where they write, and what they answer to a command that begins so."""
        return {"STAND_INS_CALLS": str(calls), "STAND_INS_ANSWERS": json.dumps(answers)}


def calls_in(file: Path) -> list[Call]:
    """The calls, in order: a module's full name and its options, or a command line."""
    return (
        [(name, options) for name, options in map(json.loads, file.read_text().splitlines())] if file.exists() else []
    )


def _documented(modules: t.Sequence[str], environment: dict[str, str]) -> dict[str, dict[str, t.Any]]:
    command = [sys.executable, "-m", "ansible", "doc", "--json", "--type", "module", *modules]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    found = {name: one["doc"]["options"] for name, one in json.loads(said).items()}
    assert sorted(found) == sorted(modules)
    return {
        name: {option: {key: facts[key] for key in _KEPT if key in facts} for option, facts in options.items()}
        for name, options in found.items()
    }
