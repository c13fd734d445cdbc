"""Marks travel in addresses, and addresses are passed on: whose a booking is depends on when things happened."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.accounts import flow as accounts
from server.accounts.lookup import Lookup
from server.bookings import flow as bookings
from server.delivery import outbox
from server.matching import flow as matching
from server.platform.bus import MemoryBus
from server.platform.ids import new_id
from server.platform.postgres import Conn
from server.platform.vault import load_vault
from server.tracking import flow as tracking
from server.tracking import store
from server.tracking.collector import Collector, NewHit
from server.vendors import YCLIENTS
from tests.conftest import COMPANY, Salon
from tests.factories import MOSCOW, Browser, ident, webhook
from tests.integration.test_moved_bookings import at_rest

AD = "https://salon.example/?utm_source=yandex&utm_medium=cpc&utm_campaign=spring&yclid=1"
MINUTE, HOUR = 60, 3600
_START_S = 3 * HOUR  # the stories begin so long ago


def batch(browser: Browser, *told: tuple[float, dict[str, Any]]) -> dict[str, Any]:
    """What happened so many seconds after the story began, sent now."""
    events = [{**event, "at": browser.now + int(after * 1000)} for after, event in told]
    return browser.batch(*events, age_ms=_START_S * 1000)


def booked_at(record_id: int, after: float, **fields: Any) -> dict[str, Any]:
    return webhook(record_id, created=datetime.now(MOSCOW) + timedelta(seconds=after - _START_S), **fields)


async def match_of(salon: Salon, record_id: int) -> tuple[str, str | None]:
    (lead,) = (await salon.get("/leads", record_id=record_id))["data"]
    return lead["match"]["level"], lead["visit"]["id"] if lead["visit"] else None


@pytest.mark.parametrize("booked_first", [True, False])
async def test_a_stranger_who_reports_first_does_not_become_the_owner(
    salon: Salon, pool: asyncpg.Pool, booked_first: bool
) -> None:
    """The owner's report is held up; the stranger opened the same link two minutes after and reports at once."""
    owner, stranger, mark = Browser(AD), ident(), ident()
    tellings = [booked_at(7501, 200), booked_at(7502, 400)]
    await salon.collect(batch(owner, (0, owner.hit()), (1, owner.open(mark))))
    if booked_first:
        for body in tellings:
            await salon.webhook(body)
    told = batch(owner, (120, owner.form(mark, stranger)), (401, owner.record(mark, 7502, stranger)))
    await salon.collect(told, "form")
    await at_rest(pool)
    await salon.collect(batch(owner, (5, owner.form(mark)), (201, owner.record(mark, 7501))), "form")
    if not booked_first:
        for body in tellings:
            await salon.webhook(body)
    await at_rest(pool)
    assert await match_of(salon, 7501) == ("L0", owner.visit)
    level, visit_id = await match_of(salon, 7502)
    assert (level, str(visit_id)[:5]) == ("L0", "form-")


@pytest.mark.parametrize("opened_late", [True, False])
@pytest.mark.parametrize(("form_after", "hers"), [(5, True), (29 * MINUTE, True), (2 * HOUR, False)])
async def test_a_form_opened_long_after_the_click_is_not_the_clickers(
    salon: Salon, pool: asyncpg.Pool, opened_late: bool, form_after: float, hers: bool
) -> None:
    browser, mark = Browser(AD), ident()
    site = batch(browser, (0, browser.hit()), (1, browser.open(mark)))
    form = batch(
        browser, (form_after, browser.form(mark)), (form_after + 60, browser.record(mark, 7503))
    )  # fmt: skip
    for told in (form, site) if opened_late else (site, form):
        await salon.collect(told)
        await at_rest(pool)
    await salon.webhook(booked_at(7503, form_after + 59))
    await at_rest(pool)
    level, visit_id = await match_of(salon, 7503)
    assert level == "L0"
    assert (visit_id == browser.visit) is hers
    visits = {visit["id"]: visit for visit in (await salon.get("/visits"))["data"]}
    assert len(visits) == (1 if hers else 2)
    assert visits[visit_id]["hits"] == 1


@pytest.mark.parametrize("form_last", [True, False])
@pytest.mark.parametrize(("form_after", "level"), [(5, "L1"), (2 * HOUR, "none")])
async def test_a_mark_in_the_booking_lives_as_long_as_a_mark_in_the_form(
    salon: Salon, pool: asyncpg.Pool, form_last: bool, form_after: float, level: str
) -> None:
    browser, mark = Browser(AD), ident()
    address = f"https://n822081.yclients.com/?yextrafield_yclick={mark}"
    steps = [
        ("webhook", booked_at(7504, form_after + 30 * MINUTE, from_url=address)),
        ("collect", batch(browser, (form_after, browser.form(mark)))),
    ]
    await salon.collect(batch(browser, (0, browser.hit()), (1, browser.open(mark))))
    for kind, body in steps if form_last else reversed(steps):
        await (salon.webhook(body) if kind == "webhook" else salon.collect(body))
        await at_rest(pool)
    found, visit_id = await match_of(salon, 7504)
    assert (found if found == "L1" else "none") == level
    assert (visit_id == browser.visit) is (level == "L1")


@pytest.mark.parametrize("form_last", [True, False])
async def test_a_mark_in_the_booking_of_a_stranger_says_nothing_of_the_clicker(
    salon: Salon, pool: asyncpg.Pool, form_last: bool
) -> None:
    owner, stranger, mark = Browser(AD), ident(), ident()
    address = f"https://n822081.yclients.com/?yextrafield_yclick={mark}"
    told = batch(owner, (5, owner.form(mark)), (HOUR, owner.form(mark, stranger)))
    await salon.collect(batch(owner, (0, owner.hit()), (1, owner.open(mark))))
    for kind in ("webhook", "form") if form_last else ("form", "webhook"):
        if kind == "form":
            await salon.collect(told, "form")
        else:
            await salon.webhook(booked_at(7505, 10 * MINUTE, from_url=address))
            await salon.webhook(booked_at(7506, HOUR + 10 * MINUTE, from_url=address))
        await at_rest(pool)
    assert await match_of(salon, 7505) == ("L1", owner.visit)
    level, visit_id = await match_of(salon, 7506)
    assert level != "L1"
    assert visit_id != owner.visit


# --- any order, any doubling


@dataclass(frozen=True)
class Told:
    """One thing that comes in: an event of a browser, or the telling of a booking."""

    hit: NewHit | None = None
    record_id: int = 0
    data: Any = None


class House:
    """An account, and what it takes to work on what comes in without any server: moments are told, not waited for."""

    def __init__(self, pool: asyncpg.Pool, made: accounts.NewAccount, lookup: Lookup) -> None:
        self.pool, self.account, self.site, self.lookup = pool, made.account, made.site, lookup
        self.now = datetime.now(UTC)

    @property
    def account_id(self) -> UUID:
        return self.account.account_id

    async def take(self, told: Sequence[Told], collector: Collector) -> None:
        hits = [one.hit for one in told if one.hit]
        if hits:
            await collector.store(hits)
        for one in told:
            if one.data is not None:
                await self._take_booking(one.record_id, one.data)

    async def _take_booking(self, record_id: int, data: Any) -> None:
        known = await self.lookup.known(self.account_id)
        assert known is not None
        (branch,) = known.branches
        desk = bookings.Desk(known.account, {branch.company_id: branch}, YCLIENTS)
        async with self.pool.acquire() as conn, conn.transaction():
            await bookings.take_booking(
                conn, data, desk, branch, record_id=record_id, status="create", received_at=self.now,
                inbox_id=new_id(), now=self.now,
            )  # fmt: skip

    async def work(self) -> None:
        """Until nothing is left to do: batches into visits, evidence into decisions."""
        self.now += timedelta(seconds=1)
        await tracking.work_batches(self.pool, self._surroundings, now=datetime.now(UTC) + timedelta(minutes=1))
        kinds = [tracking.EVIDENCE_JOB, bookings.CHANGED_JOB]
        while jobs := await outbox.claim(self.pool, kinds, now=self.now + timedelta(days=1), limit=50):
            for job in jobs:
                await outbox.run(self.pool, job, self._run, (), now=lambda: self.now)

    async def _surroundings(self, conn: Conn, account_id: UUID) -> tracking.Surroundings | None:
        known = await self.lookup.known(account_id, conn)
        if known is None:
            return None
        return tracking.Surroundings(known.account, known.sites, known.branches, lambda raw, _: raw or None)

    async def _run(self, job: outbox.Job) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            if job.kind == tracking.EVIDENCE_JOB:
                await matching.reconsider(conn, job.account_id, job.payload, bookings.CHANGED_JOB, now=self.now)
            else:
                await matching.match_booking(
                    conn, job.account_id, UUID(job.key), YCLIENTS, now=self.now, grace_s=0, cause="booking"
                )

    async def state(self) -> dict[str, list[Any]]:
        """All that stands in the end, without the numbers that are made anew each time."""
        asked = {
            "marks": "select mark, visit_id, form_host, opened_at, client_id, first_form_at from mark",
            "events": "select event_id, visit_id from form_event",
            "visits": "select visit_id, started_at, last_seen_at, landing_page, channel, source, hits, bot, visitor_id"
            " from visit",
            "matches": "select record_id, visit_id, level, round(probability::numeric, 2) as probability"
            " from booking_match join booking using (account_id, booking_id)",
        }
        found = {}
        for name, query in asked.items():
            column = {"marks": "mark", "events": "event_id", "visits": "visit_id", "matches": "record_id"}[name]
            rows = await self.pool.fetch(
                f"select * from ({query} where account_id = $1) t order by {column}", self.account_id
            )
            found[name] = [tuple(row) for row in rows]
        return found


async def house(pool: asyncpg.Pool, folder: Path) -> House:
    vault = load_vault("", folder)
    async with pool.acquire() as conn:
        made = await accounts.create_account(
            conn, vault, name="Salon", domain="salon.example", branches=[(COMPANY, "Europe/Moscow")]
        )
    return House(pool, made, Lookup(pool, vault))


def story(chance: random.Random) -> list[tuple[str, float, dict[str, Any]]]:
    """Two links, three browsers, four bookings: who opened what and when is left to chance."""
    moments = (2, 5, 60, 120, 29 * MINUTE, 31 * MINUTE, 45 * MINUTE, HOUR, 2 * HOUR)
    marks, clients, visits = ("m" * 22, "n" * 22), ("anna", "boris", "vera"), ("visit-1", "visit-2")
    told: list[tuple[str, float, dict[str, Any]]] = [
        ("open", at, {"mark": mark, "visit": visit, "form_host": "n822081.yclients.com"})
        for mark, visit in zip(marks, visits, strict=True)
        for at in chance.sample(moments, chance.choice((1, 1, 2)))
    ]
    for _ in range(chance.randint(3, 8)):
        kind = chance.choice(("form", "form", "step", "record"))
        told.append((kind, chance.choice(moments) + chance.random(), _by_mark(chance, marks, clients)))
    for record_id in range(4):
        address = f"https://salon.example/?yextrafield_yclick={chance.choice(marks)}" if record_id % 2 else ""
        told.append(("booking", chance.choice(moments), {"record_id": 8100 + record_id, "from_url": address}))
    return told


def _by_mark(chance: random.Random, marks: Sequence[str], clients: Sequence[str]) -> dict[str, Any]:
    return {
        "mark": chance.choice(marks), "client": chance.choice(clients), "form_host": "n822081.yclients.com",
        "url": f"https://n822081.yclients.com/?utm_source={chance.choice('ab')}", "company_id": COMPANY,
        "record_id": 8100 + chance.randint(0, 3), "name": "time_selected",
    }  # fmt: skip


def telling(home: House, number: int, kind: str, at: datetime, fields: dict[str, Any]) -> Told:
    if kind == "booking":
        record_id = fields["record_id"]
        body = webhook(record_id, created=at, from_url=fields["from_url"], is_mobile=2, bookform_id=822081)
        return Told(record_id=record_id, data=body["data"])
    visit = None
    if kind == "open":
        visit = {"visitor": "v", "started_at": at.isoformat(), "landing": AD, "referrer": ""}
    elif kind != "record":
        fields = {**fields, "record_id": None}
    payload = {name: value for name, value in fields.items() if name != "visit" and value is not None}
    return Told(
        NewHit(
            home.account_id, f"event-{number}", kind, at, fields.get("visit"), home.site.site_id, "form", False, visit,
            payload,
        )
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_doubling_of_reports_ends_the_same(pool: asyncpg.Pool, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    plot, began = story(chance), datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4)
    ends = []
    for _ in range(4):
        home = await house(pool, tmp_path)
        told = [
            telling(home, number, kind, began + timedelta(seconds=after), fields)
            for number, (kind, after, fields) in enumerate(plot)
        ]
        told += chance.sample(told, 3)
        chance.shuffle(told)
        collector = Collector(pool, MemoryBus())
        collector.start()
        while told:
            number = chance.randint(1, 4)
            await home.take(told[:number], collector)
            del told[:number]
            if chance.random() < 0.7:
                await home.work()
        await home.work()
        await collector.stop()
        ends.append(await home.state())
    for end in ends[1:]:
        assert end == ends[0]
    assert len(ends[0]["matches"]) == 4


# --- what a visit is shown with


async def test_events_of_a_visit_are_found_without_reading_those_of_others(pool: asyncpg.Pool, tmp_path: Path) -> None:
    home = await house(pool, tmp_path)
    async with pool.acquire() as conn:
        await conn.execute(
            "insert into hit (account_id, received_at, batch_id, event_id, kind, occurred_at, visit_id, site_id, place, bot,"
            " payload) select $1, now(), $1, 'event-' || n, 'form', now(), case when n % 2 = 0 then 'visit-' || n % 500 end,"
            " $2, 'site', false, '{}' from generate_series(1, 5000) n",
            home.account_id, home.site.site_id,
        )  # fmt: skip
        await conn.execute(
            "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, mark, by_mark)"
            " select $1, 'event-' || n, 'form', now(), 'visit-' || n % 500 + 1, $2, true"
            " from generate_series(1, 5000, 2) n",
            home.account_id, "m" * 22,
        )  # fmt: skip
        await conn.execute("analyze hit, form_event")
        plan = await conn.fetchval(
            f"explain (analyze, format json) {store.VISIT_EVENTS}", home.account_id, "visit-8", 200
        )
        assert len(await store.visit_events(conn, home.account_id, "visit-8")) == 20
    assert sum(_rows_read(json.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"])) == 20


def _rows_read(node: dict[str, Any]) -> list[int]:
    """How many raw events were looked at, taken or not, under a node of a plan."""
    here = 0
    if str(node.get("Relation Name", "")).startswith("hit"):
        seen = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
        here = seen * node["Actual Loops"]
    return [here, *(number for child in node.get("Plans", ()) for number in _rows_read(child))]


async def test_a_visit_is_shown_with_what_its_mark_brought_once_each(salon: Salon, pool: asyncpg.Pool) -> None:
    browser, mark = Browser(AD), ident()
    site = batch(browser, (0, browser.hit()), (1, browser.open(mark)))
    form = batch(browser, (5, browser.form(mark)), (60, browser.record(mark, 7507)))
    for told in (form, site, form):
        await salon.collect(told)
    await at_rest(pool)
    async with pool.acquire() as conn:
        shown = await store.visit_events(conn, salon.made.account.account_id, browser.visit)
    assert [row["kind"] for row in shown] == ["hit", "open", "form", "record"]
