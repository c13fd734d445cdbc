"""Sealing of secrets at rest: AES-256-GCM, each ciphertext bound to its account and field.

A sealed value starts with the id of the key that made it, so that keys can be changed while old values still open.
Moving a ciphertext to another row or account makes it unreadable.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class VaultError(RuntimeError):
    """A master key is malformed, or a sealed value cannot be opened with the keys we have."""


class Vault:
    """Seals and opens with one current key; `older` keys only open."""

    def __init__(self, master_key: bytes, older: tuple[bytes, ...] = ()) -> None:
        if any(len(key) != 32 for key in (master_key, *older)):
            raise VaultError("YCLICK_MASTER_KEY must be 32 bytes in base64")
        self._keys = {_key_id(key): AESGCM(key) for key in (*older, master_key)}
        self._current = _key_id(master_key)

    @property
    def key_id(self) -> bytes:
        """With what everything sealed from now on begins."""
        return self._current

    def seal(self, plain: bytes, *, account_id: UUID, field: str) -> bytes:
        nonce = secrets.token_bytes(12)
        sealed = self._keys[self._current].encrypt(nonce, plain, _binding(account_id, field))
        return self._current + nonce + sealed

    def open(self, sealed: bytes, *, account_id: UUID, field: str) -> bytes:
        """Raises `VaultError` for a foreign row, a lost key or damaged bytes."""
        key = self._keys.get(bytes(sealed[:4]))
        if key is None:
            raise VaultError("sealed with a key this server does not have")
        try:
            return key.decrypt(bytes(sealed[4:16]), bytes(sealed[16:]), _binding(account_id, field))
        except (InvalidTag, ValueError):  # ValueError: cut off within its nonce or tag
            raise VaultError("a sealed value does not belong to this row or is damaged") from None


def keyed_hash(key: bytes, value: str) -> bytes:
    """HMAC-SHA256 by which equal phones of one account meet, and those of two accounts never do."""
    return hmac.new(key, value.encode(), hashlib.sha256).digest()


def load_vault(master_key: str, data_dir: Path, older: str = "") -> Vault:
    """The vault of this server. Without a key in the settings one is made once, in the data directory.

    `older`: keys that still open, comma-separated. The file may hold such ones, too, on the lines after its first.
    """
    readable = [part.strip() for part in older.split(",") if part.strip()]
    if master_key:
        try:
            return Vault(_decoded(master_key), tuple(_decoded(key) for key in readable))
        except ValueError:
            raise VaultError("YCLICK_MASTER_KEY and YCLICK_MASTER_KEY_OLD must be 32 bytes in base64") from None
    path = data_dir / "master.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make_key(path)
    try:
        first, *rest = path.read_bytes().split()
        return Vault(_decoded(first), (*map(_decoded, rest), *map(_decoded, readable)))
    except (ValueError, VaultError):
        # Never replaced: what was sealed with the key that stood here could not be opened any more.
        raise VaultError(f"{path} holds no key of 32 bytes in base64; put the right one back") from None


def _decoded(text: str | bytes) -> bytes:
    return base64.b64decode(text, validate=True)


def _make_key(path: Path) -> None:
    """The key file is whole or absent, whenever we are killed; of several processes that make it at once one wins."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(32)).decode())
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"yclick key id" + key).digest()[:4]


def _binding(account_id: UUID, field: str) -> bytes:
    return f"{account_id}:{field}".encode()
