# Copyright (c) 2026 the microservices.redis authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection; may change without notice.

"""Which keys an ASCII-armored OpenPGP key file holds (RFC 4880, sections 4.2, 6.2 and 12.2). Pure.

apt trusts every key of the file it is pointed to, so all of them have to be known before the file gets there. gpg(1)
could tell, but small installations of the distributions come without it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t

_ARMOR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+: [^\r\n]*\r?\n)*\r?\n(.+?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_PUBLIC_KEY = 6  # packet tag of a primary key; its subkeys stand on its signatures


def fingerprints(armored: str) -> list[str]:
    """Fingerprints of the primary keys, in upper-case hexadecimal. Raises ValueError for what is not a key file."""
    blocks = _ARMOR.findall(armored)
    if not blocks or armored.count("-----BEGIN PGP ") != len(blocks):
        raise ValueError("it does not hold ASCII-armored OpenPGP public keys and nothing else")
    found = [_fingerprint(body) for block in blocks for tag, body in _packets(_binary(block)) if tag == _PUBLIC_KEY]
    if not found:
        raise ValueError("it holds no OpenPGP primary key")
    return found


def _binary(block: str) -> bytes:
    lines = [line.strip() for line in block.splitlines()]
    text = "".join(line for line in lines if not line.startswith("="))  # that would be the checksum
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise ValueError(f"its ASCII armor is broken: {problem}") from problem


def _packets(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        tag, start, length = _header(data, position)
        position = start + length
        if position > len(data):
            raise ValueError("its last OpenPGP packet is cut off")
        yield tag, data[start:position]


def _header(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag of the packet, and where its body starts and how long it is."""
    try:
        first, second = data[position], data[position + 1]
        if not first & 0x80:
            raise ValueError("what its armor holds are no OpenPGP packets")
        if not first & 0x40:  # the old format: the two last bits tell the size of the length
            size = 1 << (first & 3)
            if size == 8:
                raise ValueError("it has an OpenPGP packet of unknown length")
            return first >> 2 & 15, position + 1 + size, int.from_bytes(data[position + 1 : position + 1 + size], "big")
        if second < 192:
            return first & 63, position + 2, second
        if second < 224:
            return first & 63, position + 3, ((second - 192) << 8) + data[position + 2] + 192
        if second == 255:
            return first & 63, position + 6, int.from_bytes(data[position + 2 : position + 6], "big")
    except IndexError:
        raise ValueError("its last OpenPGP packet is cut off") from None
    raise ValueError("it has an OpenPGP packet of unknown length")


def _fingerprint(body: bytes) -> str:
    if body[:1] != b"\x04":
        raise ValueError("it holds an OpenPGP key of another version than 4")
    # SHA-1 is what RFC 4880 defines; it names the key here, and signs nothing.
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
    return digest.hexdigest().upper()
