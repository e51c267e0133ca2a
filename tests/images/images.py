# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker images with labels that say what they are and what they were made from."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

from commands import BuildError, announced, output, succeeds

LABEL = "microservices.redis."
INPUTS = "inputs"  # the label with the hash of everything an image is made from
HERE = Path(__file__).resolve().parent


def hash_of(context: Path, *others: object) -> str:
    """Of all that ``docker build`` is given, and how bases are made."""
    digest = hashlib.sha256((HERE / "bootstrap.py").read_bytes())
    digest.update(json.dumps(others, sort_keys=True).encode())
    for path in sorted(path for path in context.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(context)}\0{path.stat().st_mode:o}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def labels_of(image: str) -> dict[str, str]:
    """The labels given here, without their prefix; none when there is no such image."""
    try:
        labels = json.loads(output("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image)) or {}
    except BuildError:
        return {}
    return {key.removeprefix(LABEL): value for key, value in labels.items() if key.startswith(LABEL)}


def id_of(image: str) -> str:
    return output("docker", "image", "inspect", "--format", "{{.Id}}", image).strip()


def docker_build(image: str, context: Path, arguments: dict[str, str], labels: dict[str, str]) -> None:
    with announced(f"Building {image}"):
        output(
            "docker",
            "build",
            "--quiet",
            f"--tag={image}",
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *(f"--label={LABEL}{key}={value}" for key, value in labels.items()),
            context,
        )
    # What the image before this one has left behind, and stages of this one.
    succeeds("docker", "image", "prune", "--force", f"--filter=label={LABEL}{INPUTS}")


def copy_out(image: str, path: str, destination: Path) -> None:
    """Copy a file or directory out of an image that need not hold a program to run."""
    container = f"microservices-redis-{uuid.uuid4().hex}"
    output("docker", "create", f"--name={container}", image, "none")
    try:
        output("docker", "cp", f"{container}:{path}", destination)
    finally:
        succeeds("docker", "rm", container)
