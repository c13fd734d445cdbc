"""The relay: what is to stand in another system, tried until it does, with every attempt kept.

Promises: a thing is wanted in the transaction that decided about it; before each try it is noted that one is under
way, so that after a crash the other system is asked first and nothing is loaded twice; a failure ends as `failed`
with its reason, as `held` where a person must act, or is tried again by the schedule with jitter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Literal
from uuid import UUID

from server.delivery import outbox
from server.platform import metrics
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool, Row

Kind = Literal["lead", "deal", "client", "call"]
State = Literal["waiting", "delivered", "retrying", "failed", "held", "off"]
Vendor = Literal["uis", "yclients"]
#: Job of the outbox: deliver what is due of this kind for one account.
JOBS: Mapping[Kind, str] = {
    "lead": "leads.deliver",
    "deal": "deals.deliver",
    "client": "clients.deliver",
    "call": "calls.deliver",
}
#: The connection over which a kind goes.
OVER: Mapping[Kind, Vendor] = {"lead": "uis", "deal": "uis", "client": "yclients", "call": "yclients"}
_ONE_KEY = "all"
#: Code of what is held because its branch is frozen: a reason of its own, which no mended connection ends.
BRANCH_FROZEN = "app_frozen"
_chance = SystemRandom()


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing on its way.

    `uncertain`: its last try ended without an answer, or may have. `tried` is the wish of that try, None when several
    differing ones may have arrived.
    """

    delivery_id: UUID
    subject_id: UUID
    attempts: int
    uncertain: bool
    wanted: Mapping[str, Any]
    tried: Mapping[str, Any] | None
    sent: Mapping[str, Any] | None
    corrections: int


# --- what became of a try


@dataclass(frozen=True, slots=True)
class Delivered:
    vendor_id: str | None
    sent: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TryAgain:
    """No answer, or a pause was asked for. `sent`: whether the other system may have taken it all the same."""

    code: str
    detail: str
    after_s: float | None = None
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """This thing will never be taken as it is."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing can be delivered before a person acts; does not spend the attempts. `scope`: nothing at all over this
    connection, or nothing of this kind. `sent` as in `TryAgain`."""

    code: str
    detail: str
    scope: Literal["connection", "kind"] = "connection"
    sent: bool = False


Result = Delivered | TryAgain | Refused | Held


@dataclass(frozen=True, slots=True)
class Next:
    """The state a try leads to. Pure, so that a schedule can be looked at without a clock."""

    state: State
    at: datetime | None
    outcome: str


def decide(result: Result, attempts: int, schedule_s: Sequence[float], *, now: datetime, chance: float = 1.0) -> Next:
    """`attempts` counts this one. A pause is between half and all of the schedule's step, or what was asked for.

    Where no answer came it is never shorter than what may have arrived is left alone.
    """
    match result:
        case Delivered():
            return Next("delivered", None, "delivered")
        case Refused():
            return Next("failed", None, "refused")
        case Held():
            return Next("held", None, "held")
        case TryAgain(after_s=after_s, sent=sent):
            outcome = "uncertain" if sent else "retry"
            if attempts > len(schedule_s):
                return Next("failed", None, outcome)
            pause = timedelta(seconds=max(schedule_s[attempts - 1] * (0.5 + chance / 2), after_s or 0.0))
            return Next("retrying", now + (max(pause, _quiet(schedule_s)) if sent else pause), outcome)


def _quiet(schedule_s: Sequence[float]) -> timedelta:
    """How long what has arrived, or may have, is left alone: it shows in the other system only after a while, and
    what does not show can be neither found nor taken away."""
    return timedelta(seconds=schedule_s[min(1, len(schedule_s) - 1)] if schedule_s else 0.0)


#: When a row is due. $1 is the account, $2 the kind, $3 how long it is left alone.
_DUE_AT = (
    "greatest(next_attempt_at, case when in_flight then tried_at + $3::interval end,"
    " case when kind = 'lead' then sent_at + $3::interval end)"
)

#: A person holds up nothing of this kind. $1 is the account, $2 the kind.
_NOT_PAUSED = (
    "not exists (select 1 from delivery_way w where w.account_id = $1 and w.kind = $2 and w.paused_at is not null)"
)


# --- wanting


async def want(
    conn: Conn,
    account_id: UUID,
    kind: Kind,
    subject_id: UUID,
    wanted: Mapping[str, Any],
    *,
    now: datetime,
    held: str,
    why: str = "",
) -> bool:
    """A thing should stand there like this; answers whether anything is to be done.

    Asked again with the same wish nothing changes. A wish that differs from what was sent starts anew. `held`: a code
    when nothing may be sent now (the integration is off, the connection is refused), else ""; `why` is its sentence.
    """
    state = "held" if held and held != "off" else "off" if held else "waiting"
    row = await conn.fetchrow(
        "insert into delivery as d (account_id, delivery_id, kind, subject_id, state, wanted, code, error, next_attempt_at,"
        " created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, nullif($9, ''), $8, $8, $8)"
        " on conflict (account_id, kind, subject_id) do update set wanted = excluded.wanted, state = excluded.state,"
        " code = excluded.code, error = excluded.error, attempts = 0, next_attempt_at = excluded.next_attempt_at,"
        " updated_at = excluded.updated_at"
        " where d.wanted is distinct from excluded.wanted or (d.state in ('off', 'held') and excluded.state = 'waiting')"
        " returning d.state",
        account_id, new_id(), kind, subject_id, state, dict(wanted), held, now, why[:500],
    )  # fmt: skip
    if row is None or row["state"] != "waiting":
        return False
    await outbox.enqueue(conn, account_id, JOBS[kind], _ONE_KEY, run_at=now)
    return True


async def release(conn: Conn, account_id: UUID, kind: Kind, *, now: datetime, but: Sequence[str] = ()) -> int:
    """What was held or off goes on: the integration was switched on, or the connection mended. `but`: codes that stay."""
    await conn.execute(
        "insert into delivery_way (account_id, kind, released_at) values ($1, $2, $3)"
        " on conflict (account_id, kind) do update set released_at = excluded.released_at",
        account_id, kind, now,
    )  # fmt: skip
    done = await conn.execute(
        "update delivery set state = 'waiting', code = '', error = null, attempts = 0, next_attempt_at = $3,"
        " updated_at = $3 where account_id = $1 and kind = $2 and state in ('held', 'off') and code <> all($4)",
        account_id, kind, now, [*but, BRANCH_FROZEN],
    )  # fmt: skip
    number = int(done.split()[-1])
    if number:
        await outbox.enqueue(conn, account_id, JOBS[kind], _ONE_KEY, run_at=now)
    return number


async def wake(conn: Conn, account_id: UUID, kind: Kind, *, now: datetime) -> None:
    """Something of this kind may be due."""
    await outbox.enqueue(conn, account_id, JOBS[kind], _ONE_KEY, run_at=now)


async def release_all(conn: Conn, account_id: UUID, vendor: Vendor, *, now: datetime) -> int:
    """The connection was mended: whatever of it was held goes on, or is held again by what still keeps it."""
    return sum([await release(conn, account_id, kind, now=now) for kind, over in OVER.items() if over == vendor])


async def hold_all(conn: Conn, account_id: UUID, kind: Kind, code: str, error: str, *, now: datetime) -> None:
    """Nothing of this kind is tried until `release`: one reason for all, told once."""
    await conn.execute(
        "update delivery set state = 'held', code = $3, error = $4, next_attempt_at = null, updated_at = $5"
        " where account_id = $1 and kind = $2 and state in ('waiting', 'retrying')",
        account_id, kind, code, error[:500], now,
    )  # fmt: skip


async def hold_if_unmended(
    conn: Conn, account_id: UUID, kind: Kind, code: str, error: str, *, tried_at: datetime, now: datetime
) -> bool:
    """As `hold_all`, for what a try begun at `tried_at` met; False: the kind was let go since, and nothing is held."""
    async with conn.transaction():
        # The row is locked, so that a release comes wholly before or wholly after.
        released_at = await conn.fetchval(
            "insert into delivery_way as w (account_id, kind) values ($1, $2)"
            " on conflict (account_id, kind) do update set released_at = w.released_at returning released_at",
            account_id, kind,
        )  # fmt: skip
        if released_at is not None and released_at > tried_at:
            return False
        await hold_all(conn, account_id, kind, code, error, now=now)
    return True


# --- a person's pause: nothing leaves, whatever comes is kept as it comes


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of an account: since when a person holds it up, if so, and how many wait to be sent."""

    kind: Kind
    paused_at: datetime | None
    waiting: int


async def hold_up(conn: Conn, account_id: UUID, kinds: Sequence[Kind], *, now: datetime) -> None:
    """Nothing of these kinds leaves until `let_go`. A group that is under way right now ends as it would have."""
    for kind in kinds:
        await conn.execute(
            "insert into delivery_way as w (account_id, kind, paused_at) values ($1, $2, $3)"
            " on conflict (account_id, kind) do update set paused_at = coalesce(w.paused_at, excluded.paused_at)",
            account_id, kind, now,
        )  # fmt: skip


async def let_go(conn: Conn, account_id: UUID, kinds: Sequence[Kind], *, now: datetime) -> None:
    """What waited goes on from where it was; what a frozen branch or a refused key holds stays held."""
    for kind in kinds:
        await conn.execute(
            "update delivery_way set paused_at = null where account_id = $1 and kind = $2", account_id, kind
        )
        await wake(conn, account_id, kind, now=now)


async def ways(conn: Conn, account_id: UUID) -> list[Way]:
    rows = await conn.fetch(
        "select kind, count(*) as number from delivery where account_id = $1 and state in ('waiting', 'retrying')"
        " group by kind",
        account_id,
    )
    waiting = {row["kind"]: row["number"] for row in rows}
    held_up = await paused(conn, account_id)
    return [Way(kind, held_up.get(kind), waiting.get(kind, 0)) for kind in JOBS]


async def paused(conn: Conn, account_id: UUID) -> dict[Kind, datetime]:
    rows = await conn.fetch(
        "select kind, paused_at from delivery_way where account_id = $1 and paused_at is not null", account_id
    )
    return {row["kind"]: row["paused_at"] for row in rows}


# --- once more


async def replay(conn: Conn, account_id: UUID, delivery_id: UUID, *, now: datetime) -> Kind | None:
    """One more round for a thing that failed; None: there is no such failed thing. Looked up first, never doubled."""
    kind: Kind | None = await conn.fetchval(
        "update delivery set state = 'waiting', attempts = 0, code = '', error = null, next_attempt_at = $3,"
        " updated_at = $3, in_flight = true where account_id = $1 and delivery_id = $2 and state = 'failed'"
        " returning kind",
        account_id, delivery_id, now,
    )  # fmt: skip
    if kind is not None:
        await outbox.enqueue(conn, account_id, JOBS[kind], _ONE_KEY, run_at=now)
    return kind


# --- trying


async def take_due(
    pool: Pool, account_id: UUID, kind: Kind, schedule_s: Sequence[float], *, now: datetime, limit: int
) -> list[Parcel]:
    """Due things of an account, oldest first, each noted as under way before it is sent.

    Should this process die, they are due again after a while, and looked for first.
    """
    rows = await pool.fetch(
        "with due as (select account_id, delivery_id, in_flight, tried from delivery where account_id = $1"
        f" and kind = $2 and state in ('waiting', 'retrying') and next_attempt_at <= $4 and {_DUE_AT} <= $4"
        f" and {_NOT_PAUSED}"
        " order by next_attempt_at, delivery_id limit $5 for update)"
        " update delivery d set in_flight = true, attempts = d.attempts + 1, tried_at = $4,"
        " tried = case when not due.in_flight or due.tried = d.wanted then d.wanted end from due"
        " where d.account_id = due.account_id and d.delivery_id = due.delivery_id"
        " returning d.delivery_id, d.subject_id, d.attempts, due.in_flight, d.wanted, due.tried, d.sent, d.corrections",
        account_id, kind, _quiet(schedule_s), now, limit,
    )  # fmt: skip
    return [Parcel(*row.values()) for row in rows]


async def settle(
    conn: Conn, account_id: UUID, parcel: Parcel, result: Result, schedule_s: Sequence[float], *, now: datetime
) -> None:
    """Notes what became of a try, in one transaction with its line in the journal of attempts. `now` is after it.

    A wish that changed meanwhile waits for its own try. What was held meanwhile stays held, unless it has arrived.
    """
    following = decide(result, parcel.attempts, schedule_s, now=now, chance=_chance.random())
    code, detail = ("", "") if isinstance(result, Delivered) else (result.code, result.detail)
    delivered = result if isinstance(result, Delivered) else None
    # Only what is known to stand there ends a doubt: a later try that was refused, or sent nothing, leaves it as it was.
    unanswered = isinstance(result, (TryAgain, Held)) and result.sent
    uncertain = unanswered or (parcel.uncertain and delivered is None)
    async with conn.transaction():
        row = await conn.fetchrow(
            "select state, wanted, code, error from delivery where account_id = $1 and delivery_id = $2 for update",
            account_id, parcel.delivery_id,
        )  # fmt: skip
        if row is None:
            return
        state, at, note = following.state, following.at, (code, detail[:500] or None)
        changed = row["wanted"] != dict(parcel.wanted)
        if row["state"] in ("held", "off") and (changed or delivered is None):
            state, at, note = row["state"], None, (row["code"], row["error"])
        elif changed:
            state, at = "waiting", now
        await conn.execute(
            "update delivery set state = $3, code = $4, error = $5, next_attempt_at = $6, in_flight = $7, tried_at = $10,"
            " vendor_id = coalesce($8, vendor_id), sent = coalesce($9, sent), updated_at = $10,"
            " sent_at = case when $11 then $10 else sent_at end,"
            " corrections = corrections + case when $11 and sent is not null then 1 else 0 end"
            " where account_id = $1 and delivery_id = $2",
            account_id, parcel.delivery_id, state, *note, at, uncertain,
            delivered.vendor_id if delivered else None, dict(delivered.sent) if delivered else None, now,
            delivered is not None,
        )  # fmt: skip
        await conn.execute(
            "insert into delivery_attempt (account_id, delivery_id, attempt_id, at, outcome, code, detail)"
            " values ($1, $2, $3, $4, $5, $6, $7)",
            account_id, parcel.delivery_id, new_id(), now, following.outcome, code, detail[:2000],
        )  # fmt: skip
    metrics.DELIVERIES.labels(following.outcome).inc()


async def put_off(conn: Conn, account_id: UUID, parcel: Parcel, until: datetime) -> None:
    """Not to be sent before a moment: nothing was tried, and nothing counts as an attempt."""
    await conn.execute(
        "update delivery set state = 'waiting', next_attempt_at = $3, attempts = greatest(attempts - 1, 0), in_flight = $4"
        " where account_id = $1 and delivery_id = $2 and state in ('waiting', 'retrying')",
        account_id, parcel.delivery_id, until, parcel.uncertain,
    )  # fmt: skip


async def pause(conn: Conn, account_id: UUID, parcel: Parcel, asked: TryAgain, *, now: datetime) -> None:
    """As `put_off`, because the other system asked for it: told with its reason, for it may last."""
    await put_off(conn, account_id, parcel, now + timedelta(seconds=asked.after_s or 0.0))
    await conn.execute(
        "update delivery set code = $3, error = $4, in_flight = in_flight or $5"
        " where account_id = $1 and delivery_id = $2 and state = 'waiting'",
        account_id, parcel.delivery_id, asked.code, asked.detail[:500], asked.sent,
    )  # fmt: skip
    metrics.DELIVERIES.labels("paused").inc()


async def next_due(conn: Conn, account_id: UUID, kind: Kind, schedule_s: Sequence[float]) -> datetime | None:
    """When something of this kind is due next; None, too, while a person holds the kind up."""
    at: datetime | None = await conn.fetchval(
        f"select min({_DUE_AT}) from delivery where account_id = $1 and kind = $2"
        f" and state in ('waiting', 'retrying') and {_NOT_PAUSED}",
        account_id, kind, _quiet(schedule_s),
    )  # fmt: skip
    return at


# --- looking


async def one(conn: Conn, account_id: UUID, kind: Kind, subject_id: UUID) -> Row | None:
    return await conn.fetchrow(
        "select delivery_id, state, sent, sent_at, corrections from delivery"
        " where account_id = $1 and kind = $2 and subject_id = $3",
        account_id, kind, subject_id,
    )  # fmt: skip


async def deliveries(
    conn: Conn,
    account_id: UUID,
    *,
    kind: str | None,
    state: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    return await conn.fetch(
        "select d.delivery_id, d.kind, d.subject_id, d.state, d.attempts, d.vendor_id, d.code, d.error,"
        " d.next_attempt_at, d.sent_at, d.created_at, d.updated_at from delivery d"
        " where d.account_id = $1 and ($2::text is null or d.kind = $2) and ($3::text is null or d.state = $3)"
        " and ($4::timestamptz is null or (d.created_at, d.delivery_id) < ($4, $5::uuid))"
        " order by d.created_at desc, d.delivery_id desc limit $6",
        account_id, kind, state, before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def attempts_of(conn: Conn, account_id: UUID, delivery_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    rows = await conn.fetch(
        "select delivery_id, at, outcome, code, detail from delivery_attempt"
        " where account_id = $1 and delivery_id = any($2) order by at, attempt_id",
        account_id, list(delivery_ids),
    )  # fmt: skip
    found: dict[UUID, list[Row]] = {}
    for row in rows:
        found.setdefault(row["delivery_id"], []).append(row)
    return found


async def counts(conn: Conn, account_id: UUID, kind: Kind | None = None) -> dict[str, int]:
    """State → how many: `due = delivered + waiting + retrying + held + failed`."""
    rows = await conn.fetch(
        "select state, count(*) as number from delivery where account_id = $1 and ($2::text is null or kind = $2)"
        " group by state",
        account_id, kind,
    )  # fmt: skip
    return {row["state"]: row["number"] for row in rows}


async def last_delivered(conn: Conn, account_id: UUID, kind: Kind) -> datetime | None:
    """When something of this kind last arrived."""
    at: datetime | None = await conn.fetchval(
        "select max(sent_at) from delivery where account_id = $1 and kind = $2 and state = 'delivered'",
        account_id, kind,
    )  # fmt: skip
    return at


async def why_held(conn: Conn, account_id: UUID, kind: Kind) -> str:
    """What a person must mend before this kind goes on; empty where nothing is held for a reason that was told."""
    told: str | None = await conn.fetchval(
        "select error from delivery where account_id = $1 and kind = $2 and state = 'held' and error <> '' limit 1",
        account_id, kind,
    )  # fmt: skip
    return told or ""
