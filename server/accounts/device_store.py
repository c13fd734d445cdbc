"""SQL of the screens. `account_id` comes first in every query but the look-ups that find the account itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.accounts.model import Device, Person, Role
from server.platform.postgres import Conn, Row


@dataclass(frozen=True, slots=True)
class Once:
    person: Person
    device_id: UUID | None
    opened_by: bytes | None


_PERSON = "p.account_id, p.person_id, p.email, p.name, p.role, p.locale"
_OF_DEVICE = "join person p on p.account_id = d.account_id and p.person_id = d.person_id"


def _person(row: Row) -> Person:
    return Person(row["account_id"], row["person_id"], row["email"], row["name"], Role(row["role"]), row["locale"])


def _device(row: Row) -> Device:
    return Device(_person(row), row["device_id"], row["kind"])


async def insert_once(
    conn: Conn,
    person: Person,
    token_hash: bytes,
    kind: str,
    *,
    device_id: UUID | None,
    opened_by: bytes | None,
    expires_at: datetime,
) -> None:
    await conn.execute(
        "insert into once_token (account_id, token_hash, kind, person_id, device_id, opened_by, expires_at)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        person.account_id, token_hash, kind, person.person_id, device_id, opened_by, expires_at,
    )  # fmt: skip


async def forget_pairings(conn: Conn, account_id: UUID, person_id: UUID) -> None:
    await conn.execute(
        "delete from once_token where account_id = $1 and person_id = $2 and kind = 'pairing'", account_id, person_id
    )


async def use_once(conn: Conn, token_hash: bytes, kind: str, *, now: datetime) -> Once | None:
    """What the token stood for; it is spent by the same statement."""
    row = await conn.fetchrow(
        "delete from once_token o using person p where o.token_hash = $1 and o.kind = $2 and o.expires_at > $3"
        " and p.account_id = o.account_id and p.person_id = o.person_id"
        f" returning {_PERSON}, o.device_id, o.opened_by",
        token_hash, kind, now,
    )  # fmt: skip
    return Once(_person(row), row["device_id"], row["opened_by"]) if row else None


async def hold_session(conn: Conn, account_id: UUID, session_hash: bytes | None, *, now: datetime) -> bool:
    """Whether a session lasts; it cannot end before this transaction does."""
    return bool(
        await conn.fetchval(
            "select 1 from login_session where account_id = $1 and session_hash = $2 and expires_at > $3 for share",
            account_id, session_hash, now,
        )
    )  # fmt: skip


async def insert(
    conn: Conn, device: Device, *, name: str, secret_hash: bytes, opened_by: bytes | None, now: datetime,
    expires_at: datetime,
) -> None:  # fmt: skip
    await conn.execute(
        "insert into device (account_id, device_id, person_id, kind, name, secret_hash, renewed_at, opened_by, created_at,"
        " last_seen_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $7, $7, $9)",
        device.person.account_id, device.device_id, device.person.person_id, device.kind, name, secret_hash, now, opened_by,
        expires_at,
    )  # fmt: skip


async def by_secret(conn: Conn, secret_hash: bytes, *, now: datetime) -> tuple[Device, bool, datetime] | None:
    """The screen, whether this is its former secret, and when it got the one it has; its row is locked."""
    row = await conn.fetchrow(
        f"select {_PERSON}, d.device_id, d.kind, d.secret_hash <> $1 as is_former, d.renewed_at from device d {_OF_DEVICE}"
        " where (d.secret_hash = $1 or d.former_hash = $1) and d.expires_at > $2 for update of d",
        secret_hash, now,
    )  # fmt: skip
    return (_device(row), row["is_former"], row["renewed_at"]) if row else None


async def change_secret(conn: Conn, device: Device, secret_hash: bytes, *, former: bytes, now: datetime) -> None:
    await conn.execute(
        "update device set secret_hash = $3, former_hash = $4, renewed_at = $5, last_seen_at = $5"
        " where account_id = $1 and device_id = $2",
        device.person.account_id, device.device_id, secret_hash, former, now,
    )  # fmt: skip


async def insert_bearer(conn: Conn, device: Device, token_hash: bytes, *, expires_at: datetime, now: datetime) -> None:
    account_id = device.person.account_id
    await conn.execute("update device set last_seen_at = $3 where account_id = $1 and device_id = $2", account_id, device.device_id, now)  # fmt: skip
    await conn.execute(
        "delete from device_token where account_id = $1 and device_id = $2 and expires_at <= $3",
        account_id, device.device_id, now,
    )  # fmt: skip
    await conn.execute(
        "insert into device_token (account_id, token_hash, device_id, expires_at) values ($1, $2, $3, $4)",
        account_id, token_hash, device.device_id, expires_at,
    )  # fmt: skip


async def by_bearer(conn: Conn, token_hash: bytes, *, now: datetime) -> Device | None:
    row = await conn.fetchrow(
        f"select {_PERSON}, d.device_id, d.kind from device_token t join device d on d.account_id = t.account_id"
        f" and d.device_id = t.device_id {_OF_DEVICE} where t.token_hash = $1 and t.expires_at > $2 and d.expires_at > $2",
        token_hash, now,
    )  # fmt: skip
    return _device(row) if row else None


async def by_id(conn: Conn, account_id: UUID, device_id: UUID, *, now: datetime) -> Device | None:
    row = await conn.fetchrow(
        f"select {_PERSON}, d.device_id, d.kind from device d {_OF_DEVICE}"
        " where d.account_id = $1 and d.device_id = $2 and d.expires_at > $3",
        account_id, device_id, now,
    )  # fmt: skip
    return _device(row) if row else None


async def still_open(conn: Conn, device_ids: Sequence[UUID], *, now: datetime) -> dict[UUID, Person]:
    """Which of these screens, of whatever account, may go on, and whose they are now."""
    rows = await conn.fetch(
        f"select {_PERSON}, d.device_id from device d {_OF_DEVICE} where d.device_id = any($1) and d.expires_at > $2",
        list(device_ids), now,
    )  # fmt: skip
    return {row["device_id"]: _person(row) for row in rows}


async def of_person(conn: Conn, account_id: UUID, person_id: UUID, *, now: datetime) -> list[Row]:
    return await conn.fetch(
        "select device_id, kind, name, created_at, last_seen_at from device where account_id = $1 and person_id = $2"
        " and expires_at > $3 and kind <> 'tab' order by created_at desc",
        account_id, person_id, now,
    )  # fmt: skip


async def delete(conn: Conn, account_id: UUID, device_id: UUID, *, of: UUID | None = None) -> bool:
    """Ends a screen; `of`: only if it is this person's."""
    done = await conn.execute(
        "delete from device where account_id = $1 and device_id = $2 and ($3::uuid is null or person_id = $3)",
        account_id, device_id, of,
    )  # fmt: skip
    return done.endswith(" 1")
