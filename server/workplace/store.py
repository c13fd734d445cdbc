"""SQL of the workplace: presence, who is answering, commands done, operators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from server.accounts.model import Person, Role
from server.platform.postgres import Conn, Row

PRESENT_FOR = timedelta(seconds=25)
ANSWERING_FOR = timedelta(seconds=15)


async def claim_command(
    conn: Conn, account_id: UUID, command_id: UUID, person_id: UUID, name: str, *, now: datetime
) -> bool:
    """Whether the command is new: it is then noted as under way."""
    done = await conn.execute(
        "insert into workplace_command (account_id, command_id, person_id, name, at) values ($1, $2, $3, $4, $5)"
        " on conflict do nothing",
        account_id, command_id, person_id, name, now,
    )  # fmt: skip
    return done.endswith(" 1")


async def command(conn: Conn, account_id: UUID, command_id: UUID) -> Row | None:
    return await conn.fetchrow(
        "select person_id, name, answer, at from workplace_command where account_id = $1 and command_id = $2",
        account_id, command_id,
    )  # fmt: skip


async def answer_command(conn: Conn, account_id: UUID, command_id: UUID, answer: dict[str, Any]) -> None:
    await conn.execute(
        "update workplace_command set answer = $3 where account_id = $1 and command_id = $2",
        account_id, command_id, answer,
    )  # fmt: skip


async def forget_command(conn: Conn, account_id: UUID, command_id: UUID) -> None:
    """It did nothing: the screen may try it again under the same id."""
    await conn.execute(
        "delete from workplace_command where account_id = $1 and command_id = $2 and answer is null",
        account_id, command_id,
    )  # fmt: skip


# --- presence and locks


async def be_present(conn: Conn, place_id: UUID, people: Sequence[tuple[UUID, UUID]], *, now: datetime) -> None:
    """These people, as (account, person), are at screens of this process."""
    await conn.execute(
        "insert into workplace_presence (account_id, person_id, place_id, seen_at)"
        " select account_id, person_id, $3, $4 from unnest($1::uuid[], $2::uuid[]) as told (account_id, person_id)"
        " order by account_id, person_id"
        " on conflict (account_id, person_id, place_id) do update set seen_at = excluded.seen_at",
        [account for account, _ in people], [person for _, person in people], place_id, now,
    )  # fmt: skip


async def be_gone(conn: Conn, place_id: UUID, account_id: UUID, person_id: UUID) -> None:
    await conn.execute(
        "delete from workplace_presence where account_id = $1 and person_id = $2 and place_id = $3",
        account_id, person_id, place_id,
    )  # fmt: skip


async def forget_absent(conn: Conn, *, now: datetime) -> None:
    """Rows of processes that died."""
    await conn.execute("delete from workplace_presence where seen_at < $1", now - 4 * PRESENT_FOR)


async def leave(conn: Conn, place_id: UUID) -> None:
    await conn.execute("delete from workplace_presence where place_id = $1", place_id)


async def present(conn: Conn, account_ids: Sequence[UUID], *, now: datetime) -> list[Row]:
    return await conn.fetch(
        "select distinct w.account_id, w.person_id, p.name, p.email from workplace_presence w join person p"
        " on p.account_id = w.account_id and p.person_id = w.person_id"
        " where w.account_id = any($1) and w.seen_at > $2 order by w.account_id, p.name, w.person_id",
        list(account_ids), now - PRESENT_FOR,
    )  # fmt: skip


async def locks(conn: Conn, account_ids: Sequence[UUID], *, now: datetime) -> list[Row]:
    return await conn.fetch(
        "select l.account_id, l.subject, l.person_id, l.until, p.name, p.email from workplace_lock l join person p"
        " on p.account_id = l.account_id and p.person_id = l.person_id"
        " where l.account_id = any($1) and l.until > $2 order by l.account_id, l.subject",
        list(account_ids), now,
    )  # fmt: skip


async def lock(conn: Conn, account_id: UUID, subject: str, person_id: UUID, *, now: datetime) -> Row:
    """Who answers now, and until when: this person, unless somebody else was first."""
    row = await conn.fetchrow(
        "insert into workplace_lock as l (account_id, subject, person_id, until) values ($1, $2, $3, $5)"
        " on conflict (account_id, subject) do update set"
        " person_id = case when l.until > $4 then l.person_id else excluded.person_id end,"
        " until = case when l.until > $4 and l.person_id <> excluded.person_id then l.until else excluded.until end"
        " returning person_id, until",
        account_id, subject, person_id, now, now + ANSWERING_FOR,
    )  # fmt: skip
    assert row is not None
    return row


async def unlock(conn: Conn, account_id: UUID, subject: str, person_id: UUID) -> None:
    await conn.execute(
        "delete from workplace_lock where account_id = $1 and subject = $2 and person_id = $3",
        account_id, subject, person_id,
    )  # fmt: skip


async def forget_old_locks(conn: Conn, *, now: datetime) -> None:
    await conn.execute("delete from workplace_lock where until < $1", now - timedelta(minutes=1))


# --- operators


async def person_name(conn: Conn, account_id: UUID, person_id: UUID) -> str:
    """Under which name others see a person."""
    row = await conn.fetchrow(
        "select name, email from person where account_id = $1 and person_id = $2", account_id, person_id
    )
    return shown_name(row) if row else ""


def shown_name(row: Row) -> str:
    name: str = row["name"] or row["email"].partition("@")[0]
    return name


async def operator(conn: Conn, account_id: UUID, person_id: UUID) -> Row | None:
    return await conn.fetchrow(
        "select employee_id, virtual_number from operator where account_id = $1 and person_id = $2",
        account_id, person_id,
    )  # fmt: skip


async def save_operator(
    conn: Conn, account_id: UUID, person_id: UUID, *, employee_id: int | None, virtual_number: str
) -> None:
    await conn.execute(
        "insert into operator (account_id, person_id, employee_id, virtual_number) values ($1, $2, $3, $4)"
        " on conflict (account_id, person_id) do update set employee_id = excluded.employee_id,"
        " virtual_number = excluded.virtual_number",
        account_id, person_id, employee_id, virtual_number,
    )  # fmt: skip


async def operators(conn: Conn, account_id: UUID) -> list[Row]:
    return await conn.fetch(
        "select p.person_id, p.email, p.name, p.role, o.employee_id, coalesce(o.virtual_number, '') as virtual_number"
        " from person p left join operator o on o.account_id = p.account_id and o.person_id = p.person_id"
        " where p.account_id = $1 order by p.created_at, p.person_id",
        account_id,
    )


async def operator_person(conn: Conn, account_id: UUID, person_id: UUID) -> Person | None:
    """Somebody with the role of an operator."""
    row = await conn.fetchrow(
        "select account_id, person_id, email, name, role, locale from person"
        " where account_id = $1 and person_id = $2 and role = 'operator'",
        account_id, person_id,
    )  # fmt: skip
    return Person(row["account_id"], row["person_id"], row["email"], row["name"], Role(row["role"]), row["locale"]) if row else None  # fmt: skip


async def is_person(conn: Conn, account_id: UUID, person_id: UUID) -> bool:
    known: bool = await conn.fetchval(
        "select exists (select 1 from person where account_id = $1 and person_id = $2)", account_id, person_id
    )
    return known


async def delete_person(conn: Conn, account_id: UUID, person_id: UUID) -> None:
    """Their screens and settings go with the row."""
    for table in ("login_session", "login_link", "once_token", "person"):
        await conn.execute(f"delete from {table} where account_id = $1 and person_id = $2", account_id, person_id)
