# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images by mmdebstrap, from a distribution's packages."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from commands import BuildError, output, succeeds
from machine import mirrors

SUITES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("suites.toml").read_text())
REPOSITORY = "microservices-redis-base"


def bootstrap(suite: str) -> str:
    """Make a base image from the suite's packages; its name."""
    require_mmdebstrap()
    image, recipe = f"{REPOSITORY}:{suite}", SUITES[suite]
    with tempfile.TemporaryDirectory(prefix=f"{REPOSITORY}-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # apt's own user reads the keyring
        keyring = Path(recipe["keyring"])
        if not keyring.exists():
            keyring = fetch_keyring(suite, directory)
        output(
            "mmdebstrap",
            "--variant=apt",
            f"--components={','.join(recipe['components'])}",
            *(f"--include={package}" for package in recipe["include"]),
            f"--keyring={keyring}",
            "--dpkgopt=force-unsafe-io",
            suite,
            directory / "base.tar",
            *mirrors(recipe["origin"], suite, recipe["components"]),
        )
        output("docker", "import", directory / "base.tar", image)
    return image


def require_mmdebstrap() -> None:
    # distro-info-data tells mmdebstrap which distribution a suite belongs to.
    needed = {"mmdebstrap": "/usr/bin/mmdebstrap", "gpg": "/usr/bin/gpg", "distro-info-data": "/usr/share/distro-info"}
    missing = [package for package, path in needed.items() if not Path(path).exists()]
    if not missing:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.environ.get("MICROSERVICES_REDIS_NO_DOCKER") or os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BuildError(f"No image registry answers, and without one this needs: {' '.join(install)}")
    print(f"Installing {', '.join(missing)} with apt-get, to make base images.", file=sys.stderr)
    if not succeeds(*install):
        output("apt-get", "update")
        output(*install)


def fetch_keyring(suite: str, directory: Path) -> Path:
    """The archive's keyring from the archive itself, reduced to the keys whose fingerprints are known."""
    recipe = SUITES[suite]
    unpacked, home, keyring = directory / "keyring", directory / "gnupg", directory / "archive.gpg"
    output(
        "mmdebstrap",
        "--variant=extract",
        f"--include={recipe['keyring_package']}",
        '--aptopt=Acquire::AllowInsecureRepositories "true"',
        '--aptopt=APT::Get::AllowUnauthenticated "true"',
        suite,
        unpacked,
        *mirrors(recipe["origin"], suite, recipe["components"]),
    )
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--no-autostart")
    output(*gpg, "--import", unpacked / recipe["keyring"].lstrip("/"))
    output(*gpg, "--output", keyring, "--export", *recipe["fingerprints"])
    if not keyring.exists():
        raise BuildError(f"{recipe['keyring_package']} does not hold the key {recipe['fingerprints']}.")
    return keyring
