"""What the owner is told of an outage: that it lasts, that something was given up or waits for a person, that it is over.

Promises: one outage is told of at most once of each sort, however many things it holds up; a moment's failure is not
told at all; each notice comes with the round that caused it, and its mail is a job, so that none is lost or doubled. What
comes and goes is told of once an hour: a new outage that soon after the last one keeps still, and is told of if it lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from server.delivery import outbox, relay
from server.delivery.relay import Delivered, Held, Kind, Parcel, Result, TryAgain
from server.platform.ids import new_id
from server.platform.postgres import Conn, Row

Sort = Literal["failing", "exhausted", "recovered"]
#: Job of the outbox: mail one notice; its key is the notice's id.
MAIL_JOB = "notice.mail"
#: An outage is worth telling of after so many rounds in a row without success, or when it has lasted so long.
TRIES_IN_A_ROW = 5
LASTING = timedelta(minutes=10)
#: After an outage was told of, the next one of its topic keeps still for so long.
COOL_DOWN = timedelta(hours=1)
#: Job of the outbox: tell what an outage kept still about, if it lasts; its key is the outage's id.
TELL_JOB = "notice.tell"
#: Topic of a branch whose marketplace application is frozen: this and its company id.
FROZEN = "frozen:"


async def note(
    conn: Conn,
    account_id: UUID,
    kind: Kind,
    told: Sequence[tuple[Parcel, Result]],
    schedule_s: Sequence[float],
    own: Sequence[str],
    *,
    now: datetime,
) -> None:
    """Draws the consequences of one round. `own`: codes of holds that concern a part of the kind alone."""
    vendor = relay.OVER[kind]
    held = next((result for _, result in told if isinstance(result, Held) and result.code not in own), None)
    arrived = any(isinstance(result, Delivered) for _, result in told)
    # A pause that was asked for, or a wait for something to show, is no failure.
    failed = [(one, result) for one, result in told if isinstance(result, TryAgain) and result.after_s is None]
    if held is not None:
        await exhausted(
            conn, account_id, vendor if held.scope == "connection" else kind, held.code, held.detail, now=now
        )
    elif failed:
        last = failed[-1][1]
        if not arrived:  # else it is not the connection that fails
            await _failed(conn, account_id, vendor, last.code, last.detail, now=now)
        if any(one.attempts > len(schedule_s) for one, _ in failed):
            await exhausted(conn, account_id, vendor, last.code, last.detail, now=now)
    elif arrived:
        for topic in (vendor, kind):
            await recovered(conn, account_id, topic, now=now)


async def _failed(conn: Conn, account_id: UUID, topic: str, code: str, detail: str, *, now: datetime) -> None:
    row = await _open(conn, account_id, topic, tries=1, now=now)
    if row["tries"] >= TRIES_IN_A_ROW or now - row["began_at"] >= LASTING:
        await _tell_in_time(conn, account_id, row, "failing", topic, code, detail, now=now)


async def exhausted(conn: Conn, account_id: UUID, topic: str, code: str, detail: str, *, now: datetime) -> None:
    """Something was given up after all its tries, or nothing goes on before a person acts."""
    row = await _open(conn, account_id, topic, tries=0, now=now)
    await _tell_in_time(conn, account_id, row, "exhausted", topic, code, detail, now=now)


async def recovered(conn: Conn, account_id: UUID, topic: str, *, now: datetime) -> None:
    """Something got through: the outage is over, and is said to be if it was told of."""
    outage_id = await conn.fetchval(
        "update outage set ended_at = $3 where account_id = $1 and topic = $2 and ended_at is null returning outage_id",
        account_id, topic, now,
    )  # fmt: skip
    if outage_id is not None and await conn.fetchval(
        "select exists (select 1 from notice where account_id = $1 and outage_id = $2)", account_id, outage_id
    ):
        await _tell(conn, account_id, outage_id, "recovered", topic, "", "", now=now)


async def over(conn: Conn, account_id: UUID, topic: str, *, now: datetime) -> None:
    """The outage is over because there is nothing left that could work again: nothing is said."""
    await conn.execute(
        "update outage set ended_at = $3 where account_id = $1 and topic = $2 and ended_at is null",
        account_id, topic, now,
    )  # fmt: skip


async def tell_kept(conn: Conn, account_id: UUID, outage_id: UUID, *, now: datetime) -> None:
    """Job `TELL_JOB`: the time to keep still is over; an outage that lasts is told of."""
    row = await conn.fetchrow(
        "update outage o set untold_sort = null from outage was where o.account_id = $1 and o.outage_id = $2"
        " and o.ended_at is null and was.account_id = o.account_id and was.outage_id = o.outage_id"
        " and was.untold_sort is not null"
        " returning o.topic, was.untold_sort as sort, o.untold_code as code, o.untold_detail as detail",
        account_id, outage_id,
    )  # fmt: skip
    if row is not None:
        await _tell(conn, account_id, outage_id, row["sort"], row["topic"], row["code"], row["detail"], now=now)


async def _open(conn: Conn, account_id: UUID, topic: str, *, tries: int, now: datetime) -> Row:
    """The outage of this topic that lasts, begun now if there is none."""
    row = await conn.fetchrow(
        "insert into outage as o (account_id, outage_id, topic, began_at, tries, quiet_until)"
        " values ($1, $2, $3, $4, $5, (select max(at) + $6::interval from notice where account_id = $1 and topic = $3"
        "  and sort <> 'recovered'))"
        " on conflict (account_id, topic) where ended_at is null do update set tries = o.tries + $5"
        " returning outage_id, began_at, tries, quiet_until",
        account_id, new_id(), topic, now, tries, COOL_DOWN,
    )  # fmt: skip
    assert row is not None
    return row


async def _tell_in_time(
    conn: Conn, account_id: UUID, outage: Row, sort: Sort, topic: str, code: str, detail: str, *, now: datetime
) -> None:
    """At once, or, soon after the last outage of this topic, when it is time and this one still lasts."""
    if outage["quiet_until"] is None or outage["quiet_until"] <= now:
        await _tell(conn, account_id, outage["outage_id"], sort, topic, code, detail, now=now)
        return
    await conn.execute(
        "update outage set untold_sort = $3, untold_code = $4, untold_detail = $5 where account_id = $1 and outage_id = $2",
        account_id, outage["outage_id"], sort, code, detail[:500],
    )  # fmt: skip
    await outbox.enqueue(conn, account_id, TELL_JOB, str(outage["outage_id"]), run_at=outage["quiet_until"])


async def _tell(
    conn: Conn, account_id: UUID, outage_id: UUID, sort: Sort, topic: str, code: str, detail: str, *, now: datetime
) -> None:
    notice_id = await conn.fetchval(
        "insert into notice (account_id, notice_id, outage_id, sort, topic, at, code, detail)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (account_id, outage_id, sort) do nothing returning notice_id",
        account_id, new_id(), outage_id, sort, topic, now, code, detail[:500],
    )  # fmt: skip
    if notice_id is not None:
        await outbox.enqueue(conn, account_id, MAIL_JOB, str(notice_id), run_at=now)


# --- looking


async def notices(conn: Conn, account_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int) -> list[Row]:
    return await conn.fetch(
        "select notice_id, sort, topic, at, code, detail from notice where account_id = $1"
        " and ($2::timestamptz is null or (at, notice_id) < ($2, $3::uuid)) order by at desc, notice_id desc limit $4",
        account_id, before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def one(conn: Conn, account_id: UUID, notice_id: UUID) -> Row | None:
    return await conn.fetchrow(
        "select notice_id, sort, topic, at, code, detail from notice where account_id = $1 and notice_id = $2",
        account_id, notice_id,
    )  # fmt: skip


async def lasting(conn: Conn, account_id: UUID) -> list[Row]:
    """The last word of each outage that lasts, told or kept still about: what stands on every page."""
    return await conn.fetch(
        "select distinct on (o.topic) coalesce(o.untold_sort, n.sort) as sort, o.topic, o.began_at,"
        " case when o.untold_sort is null then n.code else o.untold_code end as code,"
        " case when o.untold_sort is null then n.detail else o.untold_detail end as detail"
        " from outage o left join notice n on n.account_id = o.account_id and n.outage_id = o.outage_id"
        " where o.account_id = $1 and o.ended_at is null and (n.sort is not null or o.untold_sort is not null)"
        " order by o.topic, n.at desc, n.sort",
        account_id,
    )  # fmt: skip
