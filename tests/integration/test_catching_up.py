"""What webhooks missed is found, and past months come in: once each, newest state, from where it was interrupted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from e2e.stand.app import RunningStand
from server.accounts.lookup import Lookup
from server.bookings import backfill
from server.bookings import catching_up_store as store
from server.delivery.spool import Spool
from server.platform.bus import MemoryBus
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from server.worker import Parts, Worker
from tests.conftest import Salon, eventually
from tests.factories import MOSCOW, stamp, webhook


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"reconcile_period_s": 0.5})


def _made(stand: RunningStand, ago: timedelta, **fields: Any) -> dict[str, Any]:
    """A booking made some time ago, of which no webhook is sent."""
    at = stamp(datetime.now(MOSCOW) - ago)
    return stand.stand.make(4564, "staff", create_date=at, last_change_date=at, **fields)


async def _bookings(salon: Salon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await salon.get("/bookings", limit=200, **({"cursor": cursor} if cursor else {}))
        found += page["data"]
        cursor = page["next_cursor"] or ""
        if not cursor:
            return found


async def _has(salon: Salon, number: int) -> bool:
    return len(await _bookings(salon)) >= number


# --- the reconciler


@pytest.mark.parametrize("zone", ["branch", "utc"])
async def test_a_booking_no_webhook_told_of_is_found_and_counted(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool, zone: str
) -> None:
    stand.stand.switches.changed_after_zone = zone
    record = _made(stand, timedelta(minutes=10))

    async def found() -> bool:
        return [item["record_id"] for item in await _bookings(connected)] == [record["id"]]

    await eventually(found)

    async def counted() -> bool:
        return bool(await pool.fetchval("select sum(missed) from reconcile") == 1)

    await eventually(counted)


async def test_a_lost_deletion_is_found(connected: Salon, stand: RunningStand) -> None:
    record = _made(stand, timedelta(minutes=10))
    await eventually(lambda: _has(connected, 1))
    stand.stand.change(record["id"], deleted=True)

    async def deleted() -> bool:
        return bool((await _bookings(connected))[0]["deleted"])

    await eventually(deleted)


async def test_with_all_webhooks_coming_nothing_is_missed(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    record = stand.stand.make(4564, "staff")
    await connected.webhook(
        {"company_id": 4564, "resource": "record", "resource_id": record["id"], "status": "create", "data": record}
    )

    async def looked() -> bool:
        return bool(await pool.fetchval("select coalesce(sum(looks), 0) >= 2 and sum(last_read) >= 1 from reconcile"))

    await eventually(looked)
    assert await pool.fetchval("select sum(missed) from reconcile") == 0
    assert len(await _bookings(connected)) == 1


async def test_a_refused_token_is_told_and_a_new_one_goes_on_from_the_same_place(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    stand.stand.switches.rest_fault = "401"
    _made(stand, timedelta(minutes=10))

    async def told() -> bool:
        return bool(await pool.fetchval("select last_error from reconcile"))

    await eventually(told)
    assert await _bookings(connected) == []
    stand.stand.switches.rest_fault = ""
    await pool.execute("update reconcile set next_at = now()")
    await eventually(lambda: _has(connected, 1))


# --- the backfill


@pytest.fixture
async def worker(connected: Salon, stand: RunningStand, pool: asyncpg.Pool, settings: Settings) -> Any:
    """A second worker whose loops do not run: a test takes its steps."""
    vault = load_vault("", settings.data_dir)
    own = settings.model_copy(update={"yclients_api_url": f"http://127.0.0.1:{stand.port}"})
    one = Worker(Parts(own, pool, MemoryBus(), vault, Lookup(pool, vault), Spool(settings.data_dir / "spool")))
    yield one
    await one.stop()


async def _start(pool: asyncpg.Pool, salon: Salon, days: int) -> None:
    account = salon.made.account.account_id
    async with pool.acquire() as conn:
        await backfill.start(conn, account, salon.made.branches, since=utc_now() - timedelta(days=days), now=utc_now())


async def _state(pool: asyncpg.Pool, salon: Salon) -> store.Backfill:
    async with pool.acquire() as conn:
        return (await store.backfills(conn, salon.made.account.account_id))[0]


async def test_past_months_come_in_once_each(connected: Salon, stand: RunningStand, pool: asyncpg.Pool) -> None:
    made = [_made(stand, timedelta(days=number % 58, hours=1)) for number in range(430)]
    await _start(pool, connected, 60)

    async def done() -> bool:
        return (await _state(pool, connected)).state == "done"

    await eventually(done, within_s=40)
    found = await _bookings(connected)
    assert sorted(item["record_id"] for item in found) == sorted(item["id"] for item in made)
    state = await _state(pool, connected)
    assert (state.share, state.read) == (1.0, 430)


async def test_a_page_that_is_read_twice_changes_nothing(
    worker: Worker, connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    """As after a crash between the page and its place."""
    for _ in range(3):
        _made(stand, timedelta(days=3))
    await _start(pool, connected, 5)
    now = utc_now()
    job = await store.claim_backfill(pool, now=now, lease_until=now + backfill.LEASE)
    if job is not None:  # else the server's own worker was quicker: it takes the same steps
        await worker.backfill_step(job)
        await worker.backfill_step(job)

    async def done() -> bool:
        return (await _state(pool, connected)).state == "done"

    await eventually(done, within_s=15)
    assert len(await _bookings(connected)) == 3
    assert await pool.fetchval("select count(*) from booking_history") == 3


async def test_a_backfill_never_makes_a_booking_older(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    record = _made(stand, timedelta(days=2), comment="старое")
    newer = webhook(record["id"], status="update", changed=datetime.now(UTC), comment="новое")
    await connected.webhook(newer)
    await eventually(lambda: _has(connected, 1))
    await pool.execute("delete from job where kind = 'booking.read'")
    await _start(pool, connected, 5)

    async def done() -> bool:
        return (await _state(pool, connected)).state == "done"

    await eventually(done, within_s=15)
    assert [item["comment"] for item in await _bookings(connected)] == ["новое"]


async def test_one_backfill_at_a_time_paused_resumed_and_cancelled(connected: Salon, pool: asyncpg.Pool) -> None:
    account = connected.made.account.account_id
    await pool.execute("update connection set state = 'off'")
    await _start(pool, connected, 60)
    with pytest.raises(backfill.AlreadyRunning):
        await _start(pool, connected, 60)
    job = await _state(pool, connected)
    async with pool.acquire() as conn:
        assert await store.set_state(conn, account, job.backfill_id, "paused", now=utc_now())
        assert (await _state(pool, connected)).state == "paused"
        assert await store.set_state(conn, account, job.backfill_id, "running", now=utc_now())
        assert await store.set_state(conn, account, job.backfill_id, "cancelled", now=utc_now())
        assert not await store.set_state(conn, account, job.backfill_id, "running", now=utc_now())
    await _start(pool, connected, 60)


async def test_two_workers_never_read_the_same_page_at_once(pool: asyncpg.Pool, salon: Salon) -> None:
    await _start(pool, salon, 60)
    now = utc_now()
    claims = await asyncio.gather(
        *(store.claim_backfill(pool, now=now, lease_until=now + backfill.LEASE) for _ in range(6))
    )
    assert sum(claim is not None for claim in claims) <= 1


def test_slices_cover_every_day_once_and_the_newest_first(salon_branches: Any) -> None:
    until = datetime(2026, 11, 24, 12, tzinfo=UTC)
    since = until - timedelta(days=90)
    parts = backfill.slices(salon_branches, since, until)
    days = sorted(day for part in parts for day in _days(part.first, part.last))
    assert days == _days(since.astimezone(MOSCOW).date(), until.astimezone(MOSCOW).date())
    assert parts[0].last == until.astimezone(MOSCOW).date()
    assert [part.last for part in parts] == sorted((part.last for part in parts), reverse=True)


@pytest.fixture
def salon_branches(salon: Salon) -> Any:
    return salon.made.branches


def _days(first: Any, last: Any) -> list[Any]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
