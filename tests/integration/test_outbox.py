"""Jobs: nobody waits for another's slow vendor, a lost lease settles nothing, no wish is lost between two runs."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand
from server.app import build
from server.delivery import outbox
from server.delivery.outbox import Crew, Job, Later
from server.platform.bus import Subscription
from server.platform.clock import utc_now
from server.settings import Settings
from tests.conftest import COMPANY, Salon, eventually, make_salon
from tests.factories import Browser, ident, webhook
from tests.integration.test_main_job import lead_of

ACCOUNT = UUID(int=7)
SCHEDULE = (0.0, 0.0)


async def put(pool: asyncpg.Pool, kind: str, key: str = "k", *, at: datetime | None = None, **payload: Any) -> None:
    async with pool.acquire() as conn:
        await outbox.enqueue(conn, ACCOUNT, kind, key, run_at=at or utc_now(), payload=payload)


async def claim(pool: asyncpg.Pool, *kinds: str, limit: int = 10) -> list[Job]:
    return await outbox.claim(pool, kinds, now=utc_now(), limit=limit)


async def states(pool: asyncpg.Pool) -> list[tuple[str, int]]:
    rows = await pool.fetch("select state, attempts from job order by state, attempts")
    return [(row["state"], row["attempts"]) for row in rows]


async def nothing(_: Job) -> None:
    return


# --- a slow vendor


async def matched_with_its_mark(salon: Salon, record_id: int, company_id: int = COMPANY) -> None:
    browser, mark = Browser("https://salon.example/?utm_source=yandex&utm_medium=cpc"), ident()
    await salon.collect(browser.batch(browser.hit(), browser.open(mark), browser.form(mark)))
    await salon.webhook(webhook(record_id, company_id=company_id))
    await salon.collect(browser.batch(browser.record(mark, record_id, company_id=company_id)))
    await lead_of(salon, record_id, level="L0")


@pytest.mark.parametrize("fault", ["hang", "429"])
async def test_matches_of_other_accounts_do_not_wait_for_a_vendor_that_hangs_or_asks_for_an_hour(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool, settings: Settings, fault: str
) -> None:
    stand.stand.switches.rest_fault = fault
    stand.stand.switches.retry_after = "3600"
    for number in range(30):
        await connected.webhook(webhook(500 + number))

    async def reading() -> Any:
        return await pool.fetchval(
            "select count(*) from job where kind = 'booking.read' and (state = 'running' or last_error <> '')"
        )

    await eventually(reading)
    other = await make_salon(connected.http, pool, settings, name="Other", company=99)
    await matched_with_its_mark(other, 900, company_id=99)
    await matched_with_its_mark(connected, 901)


async def test_a_pause_the_vendor_asked_for_is_waited_for_outside_the_job(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    stand.stand.switches.rest_fault = "429"
    stand.stand.switches.retry_after = "3600"
    await connected.webhook(webhook(1))
    await connected.webhook(webhook(2))

    async def put_off() -> Any:
        found = await pool.fetch(
            "select run_at, attempts from job where kind = 'booking.read' and state = 'waiting' and last_error <> ''"
        )
        return len(found) == 2 and found

    for row in await eventually(put_off, within_s=15):
        assert row["attempts"] == 0
        assert row["run_at"] > utc_now() + timedelta(minutes=50)


async def test_one_slow_job_of_a_crew_holds_its_own_place_only(dsn: str, pool: asyncpg.Pool) -> None:
    release, done = asyncio.Event(), list[str]()

    async def work(job: Job) -> None:
        if job.key == "slow":
            await release.wait()
        done.append(job.key)

    crew = Crew(pool, {"a": work}, SCHEDULE, places=2)
    await put(pool, "a", "slow")
    for number in range(9):
        await put(pool, "a", str(number), at=utc_now())
    signal = Subscription()

    async def loop() -> None:
        while True:
            if not await crew.step(now=utc_now):
                await crew.pause(signal, 60)

    running = asyncio.create_task(loop())

    async def others() -> bool:
        return len(done) == 9

    await eventually(others)
    assert "slow" not in done
    # A wish of the key that runs waits for its turn, and its turn comes without a signal.
    await put(pool, "a", "slow")
    signal.deliver("")
    await put(pool, "a", "last")
    signal.deliver("")

    async def last() -> bool:
        return "last" in done

    await eventually(last)
    assert "slow" not in done
    release.set()

    async def twice() -> bool:
        return done.count("slow") == 2

    await eventually(twice)
    assert await states(pool) == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await crew.stop()


async def test_a_crew_takes_its_own_kinds_and_the_oldest_first(dsn: str, pool: asyncpg.Pool) -> None:
    now = utc_now()
    for number in range(20):
        await put(pool, "heap", str(number), at=now - timedelta(hours=1))
    for number in range(6):
        await put(pool, "ab"[number % 2], str(number), at=now - timedelta(seconds=number))
    await put(pool, "a", "later", at=now + timedelta(hours=1))
    first = await claim(pool, "a", "b", limit=4)
    assert sorted(job.key for job in first) == ["2", "3", "4", "5"]
    assert sorted(job.key for job in await claim(pool, "a", "b")) == ["0", "1"]
    assert await claim(pool, "a", "b") == []
    assert len(await claim(pool, "heap", limit=50)) == 20


async def test_workers_that_claim_at_once_never_hold_the_same_job(dsn: str, pool: asyncpg.Pool) -> None:
    for number in range(60):
        await put(pool, "ab"[number % 2], str(number))
    taken = await asyncio.gather(*(claim(pool, "a", "b", limit=7) for _ in range(30)))
    keys = [job.job_id for jobs in taken for job in jobs]
    assert len(keys) == len(set(keys))
    rest = await claim(pool, "a", "b", limit=100)
    assert len(keys) + len(rest) == 60


# --- a lease that was lost


async def lost(pool: asyncpg.Pool, job: Job) -> None:
    """As if its worker had stood still for longer than the lease, while others lived."""
    await pool.execute("update job set lease_until = now() - interval '1 second' where job_id = $1", job.job_id)
    await outbox.reap(pool, now=utc_now())


@pytest.mark.parametrize("end", ["done", "failed", "dead", "later"])
async def test_a_run_that_outlived_its_lease_leaves_the_newer_wish_alone(
    dsn: str, pool: asyncpg.Pool, end: str
) -> None:
    await put(pool, "a", wish="first")
    (first,) = await claim(pool, "a")

    async def slow(job: Job) -> None:
        await lost(pool, job)
        await put(pool, "a", wish="newer")
        if end == "later":
            raise Later(utc_now() + timedelta(hours=1))
        if end != "done":
            raise RuntimeError(end)

    await outbox.run(pool, first, slow, () if end == "dead" else SCHEDULE, now=utc_now)
    assert await states(pool) == [("waiting", 1)]
    (second,) = await claim(pool, "a")
    assert second.payload == {"wish": "newer"}
    await outbox.run(pool, second, nothing, SCHEDULE, now=utc_now)
    assert await states(pool) == []


@pytest.mark.parametrize("end", ["done", "failed", "dead", "later"])
async def test_a_run_that_outlived_its_lease_does_not_end_the_run_of_another(
    dsn: str, pool: asyncpg.Pool, end: str
) -> None:
    await put(pool, "a")
    (first,) = await claim(pool, "a")

    async def slow(job: Job) -> None:
        await lost(pool, job)
        (second,) = await claim(pool, "a")
        assert (second.job_id, second.attempts) == (first.job_id, 2)
        if end == "later":
            raise Later(utc_now())
        if end != "done":
            raise RuntimeError(end)

    await outbox.run(pool, first, slow, () if end == "dead" else SCHEDULE, now=utc_now)
    assert await states(pool) == [("running", 2)]
    assert await claim(pool, "a") == []


async def test_a_long_run_keeps_its_lease(dsn: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_LEASE_S", 1.0)
    monkeypatch.setattr(outbox, "_RENEW_S", 0.05)
    monkeypatch.setattr(outbox, "_MARGIN_S", 0.1)
    await put(pool, "a")
    (job,) = await claim(pool, "a")
    claimed_until = await pool.fetchval("select lease_until from job")

    async def long(_: Job) -> None:
        async def renewed() -> bool:
            until: datetime = await pool.fetchval("select lease_until from job")
            return until > claimed_until + timedelta(seconds=1)

        await eventually(renewed)
        assert await outbox.reap(pool, now=utc_now()) == 0

    await outbox.run(pool, job, long, SCHEDULE, now=utc_now)
    assert await states(pool) == []


@pytest.mark.parametrize("how", ["taken", "silent"])
async def test_who_lost_the_lease_stops_working(
    dsn: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Taken by another, or not to be renewed because the database does not answer."""
    monkeypatch.setattr(outbox, "_LEASE_S", 0.6)
    monkeypatch.setattr(outbox, "_RENEW_S", 0.05)
    monkeypatch.setattr(outbox, "_MARGIN_S", 0.1)
    await put(pool, "a")
    (job,) = await claim(pool, "a")
    stopped = asyncio.Event()
    other = await asyncpg.connect(dsn)
    held = other.transaction()

    async def long(_: Job) -> None:
        if how == "taken":
            await lost(pool, job)
        else:
            await held.start()
            await other.execute("lock table job")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    running = asyncio.create_task(outbox.run(pool, job, long, SCHEDULE, now=utc_now))
    await asyncio.wait_for(stopped.wait(), 10)
    if how == "silent":
        await held.rollback()
    await running
    await other.close()
    assert await states(pool) == [("waiting" if how == "taken" else "running", 1)]


async def test_wishes_that_come_while_a_run_is_settled_are_kept(dsn: str, pool: asyncpg.Pool) -> None:
    """A failed run goes back to wait just when a new wish of its key comes: one of both stays, and nothing breaks."""

    async def fails(_: Job) -> None:
        raise Later(utc_now())

    for number in range(40):
        await put(pool, "a", str(number))
        (job,) = await claim(pool, "a")
        await asyncio.gather(
            outbox.run(pool, job, fails, SCHEDULE, now=utc_now), put(pool, "a", str(number), wish="newer")
        )
        (again,) = await claim(pool, "a")
        assert again.payload == {"wish": "newer"}
        await outbox.run(pool, again, nothing, SCHEDULE, now=utc_now)
    assert await states(pool) == []


# --- a worker that cannot stand for its life


async def test_loops_go_on_when_the_lock_of_the_living_cannot_be_taken(
    dsn: str, pool: asyncpg.Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look of a starting worker meets an error that is no broken connection."""

    async def broken(*_: Any, **__: Any) -> int:
        raise asyncpg.InsufficientResourcesError("out of shared memory")

    monkeypatch.setattr("server.delivery.inbox.release_claimed", broken)
    async with TestClient(TestServer(build(settings, dsn))) as http:
        await matched_with_its_mark(await make_salon(http, pool, settings), 77)
