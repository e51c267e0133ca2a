#!/usr/bin/env bash
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: scripts/sanity.sh [ansible-test sanity arguments, e.g. --test validate-modules]
#
# ansible-test sanity, on this machine's Pythons, over a copy of those files of git's that users get.
# It leaves the user's home alone: ansible-test's virtual environments go to .build/home, made once.

set -euo pipefail
cd "$(dirname "$0")/.."
readonly root=$PWD home=$PWD/.build/home pythons=$PWD/.build/pythons log=$PWD/.build/sanity.log
readonly copy=.build/sanity/ansible_collections/microservices/redis

# A name that ansible-test finds may be a pyenv shim that does not run. These links do.
find_pythons() {
    rm -rf "$pythons"
    mkdir -p "$pythons"
    local version candidate
    for version in 3.9 3.10 3.11 3.12 3.13 3.14; do
        for candidate in $(type -aP "python$version") "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version"; do
            if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                ln -s "$("$candidate" -c 'import sys; print(sys._base_executable)')" "$pythons/python$version"
                break
            fi
        done
    done
}

make_home() {
    mkdir -p "$home/.ansible/test/cache" "$home/.config/pip"
    # ansible-test drops the environment, and this is not the user's home: tell pip what it was told outside.
    (umask 077 && {
        printf '%s\n' '[global]' 'quiet = 1'
        python -m pip config list | sed -n "s/^[^=]*\.\([a-z-]*\)='\(.*\)'$/\1 = \2/p" | awk '!seen[$1]++'
    } > "$home/.config/pip/pip.conf")
    # ansible-test looks for the script by the version of pip that its release fixes.
    local version
    version=$(python -c 'from ansible_test._internal.python_requirements import get_venv_packages
from ansible_test._internal.host_configs import VirtualPythonConfig
print(get_venv_packages(VirtualPythonConfig(version="3.11"))["pip"])')
    cp scripts/get_pip.py "$home/.ansible/test/cache/get_pip_${version//./_}.py"
}

copy_tree() {
    rm -rf "$copy"
    mkdir -p "$copy"
    # safe.directory: the clone may belong to somebody else, as it does on some CI machines.
    git -c safe.directory="$root" ls-files -z --cached --others --exclude-standard -- \
        galaxy.yml README.md docs inventories meta playbooks plugins roles tests/config.yml tests/sanity |
        while IFS= read -rd '' file; do [[ ! -e $file && ! -L $file ]] || printf '%s\0' "$file"; done |
        tar --create --null --files-from=- | tar --extract --directory "$copy"
    # ansible-test asks git for the files; without a repository of its own it would ask this one's.
    git -C "$copy" init --quiet
    git -C "$copy" add --all
}

# One line in pytest's form, which `make test` adds up, and the Pythons that this machine does not have.
summarise() {
    local ran failed skipped
    ran=$(grep --count '^Running sanity test' "$log")
    failed=$(sed -n 's/^FATAL: The \([0-9]*\) sanity test(s) listed below.*/\1/p' "$log")
    skipped=$(sed -n 's/^WARNING: Skipping sanity test .* on \(Python .*\) because it could not be found./\1/p' "$log" | sort -uV)
    echo "$((ran - ${failed:-0})) passed, ${failed:-0} failed, $(grep --count . <<< "$skipped") skipped in $SECONDS.0s"
    [[ -z $skipped ]] || echo "sanity on ${skipped//$'\n'/, }: not on this machine" | tee "${SKIPPED:-/dev/null}"
}

find_pythons
make_home
copy_tree
cd "$copy"
export HOME=$home PATH=$pythons:$root/.venv/bin:/usr/local/bin:/usr/bin:/bin
status=0
ansible-test sanity --color no "$@" 2>&1 | tee "$log" || status=$?
summarise || true
exit "$status"
