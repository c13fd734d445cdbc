"""Links to our proxy of recordings: signed, for one call of one account, until a moment. The vendor's link stays here."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

from server.accounts.model import Account

#: A link that is played at once, and one that stands in the booking system's history.
PLAYER_LIFE = timedelta(minutes=15)
HISTORY_LIFE = timedelta(days=365)
_MAC = 16
_LENGTH = 16 + 16 + 5 + _MAC


def link(base_url: str, account: Account, call_id: UUID, *, until: datetime) -> str:
    return f"{base_url}/recordings/{sign(account, call_id, until=until)}"


def sign(account: Account, call_id: UUID, *, until: datetime) -> str:
    named = account.account_id.bytes + call_id.bytes + int(until.timestamp()).to_bytes(5, "big")
    return base64.urlsafe_b64encode(named + _mac(account.hash_key, named)).decode().rstrip("=")


def account_named(signed: str) -> UUID | None:
    """Whose link this says it is; nothing is proven yet."""
    raw = _raw(signed)
    return UUID(bytes=raw[:16]) if raw else None


def call_named(signed: str, account: Account, *, now: datetime) -> UUID | None:
    """The call of a link that we signed for this account and that has not ended; None for any other."""
    raw = _raw(signed)
    if raw is None or not hmac.compare_digest(raw[-_MAC:], _mac(account.hash_key, raw[:-_MAC])):
        return None
    until = datetime.fromtimestamp(int.from_bytes(raw[32:37], "big"), UTC)
    return UUID(bytes=raw[16:32]) if raw[:16] == account.account_id.bytes and now <= until else None


def _raw(signed: str) -> bytes | None:
    if len(signed) > 100:
        return None
    try:
        raw = base64.b64decode(signed + "=" * (-len(signed) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return raw if len(raw) == _LENGTH else None


def _mac(key: bytes, named: bytes) -> bytes:
    return hmac.new(key, b"recording:" + named, hashlib.sha256).digest()[:_MAC]
