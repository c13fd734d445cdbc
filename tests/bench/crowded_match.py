"""One booking with 10,000 visits that had the form open in its branch within the hour before it.

Measured twice: the pure decision, and the whole with the database (`match_booking`: evidence read, decided, kept).
Baseline of both: one plain scan in Python over the same evidence, the least a decision can do that looks at all of it.
Floor 10 ms, goal 2 ms. Checked: the visit whose form told of the booking is the one that is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from server.matching import flow
from server.matching.model import BookingFacts, Evidence, Level, Origin, decide
from server.platform.ids import new_id
from server.vendors import YCLIENTS
from tests.bench.report import Figure, Target, median
from tests.bench.scale import Scale
from tests.bench.servers import yclick

_COMPANY, _FORM = 4564, 822081
_MUST, _GOAL = Target("<=", 10, "ours"), Target("<=", 2, "ours")


def bench(scale: Scale) -> list[Figure]:
    visits, rounds = (500, 3) if scale.quick else (10_000, 15)
    now = datetime.now(UTC).replace(microsecond=0)
    pure_ms, scan_ms = _pure(visits, rounds, now)
    with yclick("--role", "web") as service:
        account_id = UUID(service.account["account_id"])

        async def work(conn: asyncpg.Connection[asyncpg.Record]) -> tuple[float, float]:
            await _fill(conn, account_id, visits, now)
            return await _whole(conn, account_id, rounds, now, marked=False), await _whole(
                conn, account_id, rounds, now, marked=True
            )

        probable_ms, exact_ms = service.database(work)
    crowd = f"{visits} open visits"
    return [
        Figure("crowded_match", f"decision alone, {crowd}", "ms", pure_ms, scan_ms, "one scan", _MUST, _GOAL),
        Figure("crowded_match", f"match with database, {crowd}", "ms", probable_ms, scan_ms, "one scan", _MUST, _GOAL),
        Figure("crowded_match", f"match by mark with database, {crowd}", "ms", exact_ms, scan_ms, "one scan", _MUST, _GOAL),
    ]  # fmt: skip


def _pure(visits: int, rounds: int, now: datetime) -> tuple[float, float]:
    booking = BookingFacts(
        booking_id="b", company_id=_COMPANY, record_id=1, created_at=now, received_at=now, online=True,
        origin=Origin.WIDGET_DESKTOP, bookform_id=_FORM, is_mobile=2, service_ids=frozenset({11}), staff_id=7,
    )  # fmt: skip
    evidence = [
        Evidence(
            kind="open", event_id=f"e{number}", visit_id=f"v{number}", at=now - timedelta(seconds=120 + number % 3400),
            form_id=_FORM, is_mobile=bool(number % 2), site_host="salon.test",
        )
        for number in range(visits)
    ]  # fmt: skip
    evidence.append(
        Evidence(
            kind="booked", event_id="told", visit_id="v0", at=now, company_id=_COMPANY, form_id=_FORM,
            service_ids=frozenset({11}), staff_id=7, is_mobile=False,
        )
    )  # fmt: skip

    def decided() -> None:
        match = decide(booking, evidence)
        best = match.visit_id or match.alternatives[0].visit_id
        assert best == "v0", f"{best} was found"

    def scanned() -> None:
        nearest = min(evidence, key=lambda item: abs(booking.created_at - item.at))
        assert nearest.visit_id == "v0"

    return _timed(decided, rounds), _timed(scanned, rounds)


def _timed(work: Callable[[], None], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times) * 1e3


async def _fill(conn: asyncpg.Connection[asyncpg.Record], account_id: UUID, visits: int, now: datetime) -> None:
    """Visits with an open form each; the first one's form also told of a booking, without its number."""
    site_id = await conn.fetchval("select site_id from site where account_id = $1", account_id)
    await conn.execute(
        "insert into visit (account_id, visit_id, site_id, visitor_id, started_at, last_seen_at, described, channel,"
        " rules_version, device, hits, place) select $1, 'visit-' || n, $2, 'visitor-' || n, $3, $3, true, 'direct', '1',"
        " case n % 2 when 0 then 'desktop' else 'mobile' end, 1, 'site' from generate_series(0, $4::int - 1) n",
        account_id, site_id, now - timedelta(hours=1), visits,
    )  # fmt: skip
    await conn.execute(
        "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, form_host, form_id, facts)"
        " select $1, 'event-' || n, 'open', $2::timestamptz - (120 + n % 3400) * interval '1 second', 'visit-' || n,"
        " 'n822081.yclients.com', $3, '{\"how\": \"click\"}' from generate_series(0, $4::int - 1) n",
        account_id, now, _FORM, visits,
    )  # fmt: skip
    told: dict[str, Any] = {"appointments": [{"services": [11], "staff_id": 7, "datetime": None}]}
    await conn.execute(
        "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, form_id, company_id, facts)"
        " values ($1, 'told', 'booked', $2, 'visit-0', $3, $4, $5)",
        account_id, now, _FORM, _COMPANY, told,
    )  # fmt: skip
    await conn.execute("analyze visit, form_event")


async def _whole(
    conn: asyncpg.Connection[asyncpg.Record], account_id: UUID, rounds: int, now: datetime, *, marked: bool
) -> float:
    branch_id = await conn.fetchval("select branch_id from branch where account_id = $1", account_id)
    times = []
    for number in range(rounds):
        record_id = 900_000 + 1_000 * marked + number
        booking_id = await _booking(conn, account_id, branch_id, record_id, now)
        if marked:
            await conn.execute(
                "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, company_id, record_id)"
                " values ($1, $2, 'record', $3, 'visit-1', $4, $5)",
                account_id, f"record-{record_id}", now, _COMPANY, record_id,
            )  # fmt: skip
        began = time.perf_counter()
        async with conn.transaction():
            decision = await flow.match_booking(
                conn, account_id, booking_id, YCLIENTS, now=now + timedelta(minutes=5), grace_s=90, cause="booking"
            )
        times.append(time.perf_counter() - began)
        assert decision
        found = decision.match["visit_id"] or decision.match["alternatives"][0]["visit_id"]
        assert found == ("visit-1" if marked else "visit-0"), f"{found} was found"
        assert (decision.match["level"] == Level.L0) == marked
        # Its own mark must not explain the visit's activity to the bookings that follow.
        await conn.execute("delete from booking_match where account_id = $1", account_id)
        await conn.execute("delete from form_event where account_id = $1 and kind = 'record'", account_id)
    return median(times) * 1e3


async def _booking(
    conn: asyncpg.Connection[asyncpg.Record], account_id: UUID, branch_id: UUID, record_id: int, now: datetime
) -> UUID:
    booking_id = new_id()
    await conn.execute(
        "insert into booking (account_id, booking_id, branch_id, company_id, record_id, created_at, changed_at,"
        " change_rank, created_known, received_at, updated_at, online, origin, origin_facts, services, staff_id, currency,"
        " content_hash, raw) values ($1, $2, $3, $4, $5, $6, $6, 0, true, $6, $6, true, 'widget_desktop', $7, $8, 7,"
        " 'RUB', '', '{}')",
        account_id, booking_id, branch_id, _COMPANY, record_id, now, {"bookform_id": _FORM, "is_mobile": 2},
        [{"id": 11, "title": "Nails", "cost": "1000.00"}],
    )  # fmt: skip
    return booking_id
