# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpgp_keys import ED25519, ED25519_FINGERPRINT, OTHER, OTHER_FINGERPRINT, RSA, RSA_FINGERPRINT

from ansible_collections.microservices.redis.plugins.module_utils._openpgp import fingerprints


def test_keys_are_known_by_the_fingerprints_that_gpg_tells() -> None:
    assert fingerprints(ED25519) == [ED25519_FINGERPRINT]
    assert fingerprints(RSA) == [RSA_FINGERPRINT]


def test_every_key_of_a_file_is_told() -> None:
    assert fingerprints(ED25519 + "\n" + OTHER) == [ED25519_FINGERPRINT, OTHER_FINGERPRINT]


def test_headers_and_line_ends_do_not_matter() -> None:
    begin = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    with_header = ED25519.replace(begin, f"{begin}Comment: of the mirror\n").replace("\n", "\r\n")
    assert fingerprints(with_header) == [ED25519_FINGERPRINT]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not hold"),
        ("<html>404</html>", "does not hold"),
        (ED25519.replace("PUBLIC", "PRIVATE"), "does not hold"),
        (ED25519 + OTHER[: len(OTHER) // 2], "does not hold"),
        (ED25519.replace("mDMEawP2", "mDME*wP2"), "armor is broken"),
        (ED25519.replace("mDMEawP2", "mDMFawP2"), "another version"),
        (ED25519.replace("mDMEawP2", "AAAAawP2"), "no OpenPGP packets"),
        (ED25519.replace("mDMEawP2", "uDMEawP2"), "no OpenPGP primary key"),
        (ED25519.replace("mDMEawP2", "m/8EawP2"), "unknown length"),
    ],
)
def test_what_is_no_key_file_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        fingerprints(text)


@given(cut=st.integers(0, len(RSA) - 1))
def test_a_key_that_is_cut_off_is_refused_or_still_itself(cut: int) -> None:
    try:
        found = fingerprints(RSA[:cut] + "\n-----END PGP PUBLIC KEY BLOCK-----\n")
    except ValueError:
        return
    assert found == [RSA_FINGERPRINT]
