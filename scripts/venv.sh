#!/usr/bin/env bash
# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: scripts/venv.sh run|test
#
#   ANSIBLE_CORE=2.18   that series of ansible-core instead of the locked one; `newest` is what pip finds
#
# Makes .venv hold what requirements/<set>.txt locks. `test` is a superset of `run`.
# A stamp names the lock file and the place of the venv it was made from. It is removed before
# anything changes and written last, so an interrupted run never leaves a venv that passes for good.

set -euo pipefail
cd -P "$(dirname "$0")/.."

readonly set=$1
readonly asked=${PYTHON:-} core=${ANSIBLE_CORE:-}
# What ansible-core 2.19, the version locked in requirements/, runs on, as does 2.18.
oldest=3.11 newest=3.13
case $core in newest | 2.2?) oldest=3.12 newest=3.14 ;; esac

say() { printf '%s\n' "$*" >&2; }
die() { printf 'make: %s\n' "$@" >&2; exit 1; }

# Prints "<version> <path>" of an interpreter; fails for a name that does not run (a pyenv shim, say).
describe() {
    "$1" -c 'import sys
print("%d.%d" % sys.version_info[:2], getattr(sys, "_base_executable", sys.executable))' 2>/dev/null
}

is_supported() {
    [[ $1 == 3.* ]] && ((${1#3.} >= ${oldest#3.} && ${1#3.} <= ${newest#3.}))
}

find_python() {
    local name version path found=()
    for name in ${asked:-python3 python3.13 python3.12 python3.11}; do
        read -r version path < <(describe "$name") || continue
        if is_supported "$version"; then
            echo "$version $path"
            return
        fi
        found+=("$path ($version)")
    done
    die "this needs Python $oldest to $newest and found ${found[*]:-none that runs}${asked:+ as PYTHON=$asked}." \
        "  Install one, e.g.:  apt-get install python$oldest python$oldest-venv" \
        "  or name one:        make PYTHON=/path/to/python$oldest ..." \
        "Nothing was changed."
}

# Debian packages what `python -m venv` needs apart from Python itself.
ensure_venv_module() {
    local version=$1 python=$2
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    local install=(apt-get install --yes --no-install-recommends "python$version-venv")
    if [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null || [[ $python != /usr/bin/* ]]; then
        die "$python cannot create virtual environments: its ensurepip module is missing." \
            "  On Debian and Ubuntu:  sudo ${install[*]}" \
            "Nothing was changed."
    fi
    say "Installing python$version-venv with apt-get: $python needs it to create virtual environments."
    export DEBIAN_FRONTEND=noninteractive
    # A fresh machine may have no package lists yet, and a run before this one may have been cut off.
    install+=(-qq -o DPkg::Lock::Timeout=300)
    "${install[@]}" >/dev/null 2>&1 ||
        { dpkg --configure --pending || true; apt-get update -qq && "${install[@]}"; } >&2
}

stamp() { echo "$PWD $(sha256sum < "requirements/$1.txt")${core:+ ansible-core $core}"; }

is_current() {
    [[ $(cat ".venv/$set.stamp" 2>/dev/null) == "$(stamp "$set")" ]] || return
    local version
    read -r version _ < <(describe .venv/bin/python) || return
    [[ -z $asked || $(describe "$asked") == "$version "* ]]
}

mkdir -p .build
exec 9>.build/venv.lock
flock 9

is_current && exit

read -r version python < <(find_python) || exit
ensure_venv_module "$version" "$python"
say "Setting up .venv with Python $version from requirements/$set.txt${core:+ and ansible-core $core}"
started=$SECONDS
# Adding to a good venv is quicker than making one. Anything else starts afresh.
if ! compgen -G '.venv/*.stamp' >/dev/null || [[ $(describe .venv/bin/python) != "$version "* ]] ||
    ! grep --quiet --no-messages --fixed-strings "$PWD " .venv/*.stamp; then
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/*.stamp
# -qq: without it pip warns about every mirror that lacks one of the packages.
# Byte code is made afterwards, on all cores and without the `ansible` package's 30,000 other modules.
install=(.venv/bin/python -m pip install -qq --no-input --disable-pip-version-check --no-compile)
"${install[@]}" --require-hashes --requirement "requirements/$set.txt"
# pip says that the locked `ansible` package is not for this one. All that is used of it is collections, which are.
[[ -z $core ]] || "${install[@]}" --upgrade "ansible-core$([[ $core == newest ]] || echo "==$core.*")"
.venv/bin/python -m compileall -q -j 0 -x /ansible_collections/ .venv/lib >/dev/null || true
stamp run > .venv/run.stamp
[[ $set == run ]] || stamp "$set" > ".venv/$set.stamp"
say "Set up .venv in $((SECONDS - started)) s"
