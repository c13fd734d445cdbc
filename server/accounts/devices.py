"""Screens of the workplace a person is logged in at: paired by a code used once, ended by the log-out they came from.

A screen holds a *bearer* in memory (minutes) and a *secret* that makes new ones: an extension keeps it and gets another
with each use, a frame has it in a cookie that no script reads. All are stored as digests.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from server.accounts import device_store as store
from server.accounts.model import Device, LoginSession, Person
from server.platform.ids import digest, new_id, random_text
from server.platform.postgres import Conn

Kind = Literal["extension", "frame", "tab"]
PAIRING_LIFE = timedelta(minutes=2)
BEARER_LIFE = timedelta(minutes=15)
TICKET_LIFE = timedelta(seconds=30)
DEVICE_LIFE = timedelta(days=180)
#: An answer with a new secret may get lost; so long the one before it is still good.
_GRACE = timedelta(seconds=60)
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no 0 and O, no 1 and I: people may have to type it


@dataclass(frozen=True, slots=True)
class Entered:
    """A screen that was let in. `secret` is empty where the screen goes on with the one it has."""

    device: Device
    bearer: str = field(repr=False)
    until: datetime
    secret: str = field(default="", repr=False)


async def new_pairing(conn: Conn, session: LoginSession, *, now: datetime) -> str:
    """A code for one screen, good for two minutes, as `ABCD-EFGH-JKLM`; the person's older ones are void."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    person = session.person
    await store.forget_pairings(conn, person.account_id, person.person_id)
    await store.insert_once(
        conn, person, digest(f"pairing:{code}"), "pairing", device_id=None, opened_by=session.session_hash,
        expires_at=now + PAIRING_LIFE,
    )  # fmt: skip
    return "-".join(code[first : first + 4] for first in (0, 4, 8))


async def pair(conn: Conn, code: str, kind: Kind, *, name: str, now: datetime) -> Entered | None:
    """A new screen for the person of the code; None: unknown, spent, too old, or of a session that has ended."""
    typed = "".join(sign for sign in code.upper() if sign.isalnum())
    spent = await store.use_once(conn, digest(f"pairing:{typed}"), "pairing", now=now) if len(typed) == 12 else None
    if spent is None or not await store.hold_session(conn, spent.person.account_id, spent.opened_by, now=now):
        return None
    return await _open(conn, spent.person, kind, name=name, opened_by=spent.opened_by, now=now)


async def open_tab(conn: Conn, session: LoginSession, *, name: str, now: datetime) -> Entered | None:
    """A screen beside the cabinet, for who is logged in there; None: the session has ended meanwhile."""
    if not await store.hold_session(conn, session.person.account_id, session.session_hash, now=now):
        return None
    return await _open(conn, session.person, "tab", name=name, opened_by=session.session_hash, now=now)


async def _open(
    conn: Conn, person: Person, kind: Kind, *, name: str, opened_by: bytes | None, now: datetime
) -> Entered:
    secret, device = random_text(43), Device(person, new_id(), kind)
    await store.insert(
        conn, device, name=name[:256], secret_hash=digest(secret), opened_by=opened_by, now=now,
        expires_at=now + (timedelta(days=1) if kind == "tab" else DEVICE_LIFE),
    )  # fmt: skip
    bearer, until = await _new_bearer(conn, device, now=now)
    return Entered(device, bearer, until, secret)


async def renew(conn: Conn, secret: str, *, now: datetime) -> Entered | None:
    """A new bearer and a new secret for the old one. A secret used twice ends the screen: one of the two is a thief."""
    found = await store.by_secret(conn, digest(secret), now=now)
    if found is None:
        return None
    device, is_former, renewed_at = found
    if is_former and now - renewed_at > _GRACE:
        await store.delete(conn, device.person.account_id, device.device_id)
        return None
    fresh = random_text(43)
    await store.change_secret(conn, device, digest(fresh), former=digest(secret), now=now)
    bearer, until = await _new_bearer(conn, device, now=now)
    return Entered(device, bearer, until, fresh)


async def renew_by_cookie(conn: Conn, secret: str, *, now: datetime) -> Entered | None:
    """A new bearer for a frame; several of its tabs hold one cookie, so its secret stays."""
    found = await store.by_secret(conn, digest(secret), now=now)
    if found is None or found[1] or found[0].kind != "frame":
        return None
    bearer, until = await _new_bearer(conn, found[0], now=now)
    return Entered(found[0], bearer, until)


async def _new_bearer(conn: Conn, device: Device, *, now: datetime) -> tuple[str, datetime]:
    bearer, until = random_text(43), now + BEARER_LIFE
    await store.insert_bearer(conn, device, digest(bearer), expires_at=until, now=now)
    return bearer, until


async def by_bearer(conn: Conn, bearer: str, *, now: datetime) -> Device | None:
    return await store.by_bearer(conn, digest(bearer), now=now) if 20 <= len(bearer) <= 100 else None


async def new_ticket(conn: Conn, device: Device, *, now: datetime) -> str:
    """Opens one socket within thirty seconds, for this screen and person alone."""
    ticket = random_text(32)
    await store.insert_once(
        conn, device.person, digest(f"ticket:{ticket}"), "ticket", device_id=device.device_id, opened_by=None,
        expires_at=now + TICKET_LIFE,
    )  # fmt: skip
    return ticket


async def use_ticket(conn: Conn, ticket: str, *, now: datetime) -> Device | None:
    spent = await store.use_once(conn, digest(f"ticket:{ticket}"), "ticket", now=now) if len(ticket) == 32 else None
    if spent is None or spent.device_id is None:
        return None
    return await store.by_id(conn, spent.person.account_id, spent.device_id, now=now)
