"""Identifiers: time-ordered UUIDs for rows, random text for keys and tokens.

Time-ordered ids keep new rows at one end of an index, so that inserts cost the same in a large table.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import time
import uuid

_ALPHABET = string.ascii_letters + string.digits


def new_id() -> uuid.UUID:
    """A UUID of version 7: 48 bits of milliseconds, then randomness (RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def random_text(length: int) -> str:
    """Random letters and digits; 22 of them carry 130 bits."""
    text = ""
    while len(text) < length:
        # Bytes that would make some letters likelier than others are left out.
        text += "".join(_ALPHABET[byte % 62] for byte in secrets.token_bytes(length + 8) if byte < 248)
    return text[:length]


def digest(token: str) -> bytes:
    """SHA-256 under which a bearer secret is stored and looked up; the secret itself is never stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
