"""What webhooks missed is found, and past months come in: once each, newest state, from where it was interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from e2e.stand.app import RunningStand
from server.accounts.model import Branch
from server.bookings import backfill, reconcile
from server.bookings import catching_up_store as store
from server.bookings.source import SourcePage, SourceRefused
from server.platform.clock import utc_now
from server.settings import Settings
from tests.conftest import Salon, eventually
from tests.factories import MOSCOW, stamp, webhook


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update={"reconcile_period_s": getattr(request, "param", 0.5)})


#: A comparison twice a second would take the whole budget, and leave a backfill of many pages what falls off.
SELDOM = pytest.mark.parametrize("settings", [600.0], indirect=True)


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


async def _start(pool: asyncpg.Pool, salon: Salon, days: int) -> None:
    account = salon.made.account.account_id
    async with pool.acquire() as conn:
        await backfill.start(conn, account, salon.made.branches, since=utc_now() - timedelta(days=days), now=utc_now())


async def _state(pool: asyncpg.Pool, salon: Salon) -> store.Backfill:
    async with pool.acquire() as conn:
        return (await store.backfills(conn, salon.made.account.account_id))[0]


@SELDOM
async def test_past_months_come_in_once_each(connected: Salon, stand: RunningStand, pool: asyncpg.Pool) -> None:
    made = [_made(stand, timedelta(days=number % 58, hours=1)) for number in range(430)]
    await _start(pool, connected, 60)

    async def done() -> bool:
        return (await _state(pool, connected)).state == "done"

    await eventually(done, within_s=120)
    found = await _bookings(connected)
    assert sorted(item["record_id"] for item in found) == sorted(item["id"] for item in made)
    state = await _state(pool, connected)
    assert (state.share, state.read) == (1.0, 430)


async def test_a_page_that_is_read_twice_changes_nothing(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    """As after a crash between the page and its place."""
    for _ in range(3):
        _made(stand, timedelta(days=3))
    await _start(pool, connected, 5)

    async def done() -> bool:
        return (await _state(pool, connected)).state == "done"

    await eventually(done, within_s=60)
    await pool.execute("update backfill set slice = 0, page = 1, state = 'running', next_at = now()")
    await eventually(done, within_s=60)
    assert (await _state(pool, connected)).read == 6
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

    await eventually(done, within_s=60)
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


# --- a record that cannot be read


def _made_unreadable(stand: RunningStand, ago: timedelta) -> None:
    """A record with an id that no column holds, before one that is as usual."""
    number = 10**30
    stand.stand.records[number] = {**_made(stand, ago), "id": number}


async def test_a_record_that_cannot_be_read_stops_no_other_and_is_counted_once(
    connected: Salon, stand: RunningStand, pool: asyncpg.Pool
) -> None:
    _made_unreadable(stand, timedelta(minutes=10))
    _made(stand, timedelta(minutes=10))
    await eventually(lambda: _has(connected, 2))

    async def looked() -> bool:
        return bool(await pool.fetchval("select looks >= 2 from reconcile"))

    await eventually(looked)
    assert await pool.fetchval("select unreadable from reconcile") == [str(10**30)]
    await _start(pool, connected, 5)

    async def done() -> bool:
        return (await _state(pool, connected)).state == "done"

    await eventually(done, within_s=25)
    state = await _state(pool, connected)
    assert (state.read, state.unreadable) == (3, 1)


class Pages:
    """A source of one booking a page. `meanwhile` happens while the vendor is being asked."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]] | None = None, *, last: bool = False) -> None:
        self.meanwhile, self.last = meanwhile, last
        self.asked: list[tuple[int, date, date]] = []

    async def changed(self, branch: Branch, since: datetime, page: int) -> SourcePage:
        return await self._page(page)

    async def created(self, branch: Branch, first: date, last: date, page: int) -> SourcePage:
        self.asked.append((branch.company_id, first, last))
        return await self._page(page)

    async def _page(self, number: int) -> SourcePage:
        if self.meanwhile:
            await self.meanwhile()
        return SourcePage([webhook(number)["data"]], self.last)


class Taken:
    """What was taken, for tests of the order alone; the first of `fails` tries fails as a bad record does."""

    def __init__(self, fails: int = 0) -> None:
        self.fails, self.ids = fails, list[int]()

    async def __call__(self, conn: Any, branch: Branch, item: Mapping[str, Any], now: datetime) -> str:
        if self.fails:
            self.fails -= 1
            raise ValueError(item)
        self.ids.append(item["id"])
        return "duplicate"


async def _due(pool: asyncpg.Pool, salon: Salon, at: datetime) -> store.Due:
    await pool.execute("update connection set state = 'off'")  # the server's own worker stays away
    await pool.execute("delete from reconcile")
    account, branch = salon.made.account.account_id, salon.made.branches[0].branch_id
    await pool.execute(
        "insert into reconcile (account_id, branch_id, next_at, period_s) values ($1, $2, $3, 600)"
        " on conflict (account_id, branch_id) do update set next_at = $3, period_s = 600",  # the worker was quicker
        account, branch, at,
    )  # fmt: skip
    lease_until = at + reconcile.LEASE
    await pool.execute("update reconcile set lease_until = $1", lease_until)
    return store.Due(account, branch, None, 600, [], lease_until)


async def test_what_can_be_read_at_last_is_no_longer_counted(connected: Salon, pool: asyncpg.Pool) -> None:
    now = utc_now()
    due, branch = await _due(pool, connected, now), connected.made.branches[0]
    for fails, unreadable in ((1, ["1"]), (0, [])):
        due.unreadable = await pool.fetchval("select unreadable from reconcile")
        found = await reconcile.reconcile_branch(
            pool, Pages(last=True), Taken(fails), branch, due, now=now, period_s=600
        )
        assert found is not None
        assert await pool.fetchval("select unreadable from reconcile") == unreadable
        due.lease_until = now + reconcile.LEASE
        await pool.execute("update reconcile set lease_until = $1", due.lease_until)


async def test_a_database_that_is_away_is_no_bad_record(connected: Salon, pool: asyncpg.Pool) -> None:
    now = utc_now()
    due, branch = await _due(pool, connected, now), connected.made.branches[0]

    async def take(*_: Any) -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await reconcile.reconcile_branch(pool, Pages(last=True), take, branch, due, now=now, period_s=600)
    assert await pool.fetchval("select looked_until from reconcile") is None


# --- a worker that comes back after another has taken over


async def test_a_look_that_lost_its_lease_writes_nothing(connected: Salon, pool: asyncpg.Pool) -> None:
    now = utc_now()
    due, branch = await _due(pool, connected, now), connected.made.branches[0]
    other = now + timedelta(hours=1)

    async def taken_over() -> None:
        await pool.execute("update reconcile set lease_until = $1", other)

    taken = Taken()
    found = await reconcile.reconcile_branch(
        pool, Pages(taken_over, last=True), taken, branch, due, now=now, period_s=600
    )
    assert (found, taken.ids) == (None, [])
    row = await pool.fetchrow("select lease_until, looks, looked_until from reconcile")
    assert tuple(row or ()) == (other, 0, None)
    await store.failed(pool, due, next_at=now, error="late")
    assert await pool.fetchval("select lease_until from reconcile") == other


async def _claimed(pool: asyncpg.Pool, at: datetime) -> store.Backfill:
    job = await store.claim_backfill(pool, now=at, lease_until=at + backfill.LEASE)
    assert job is not None
    return job


async def _far(pool: asyncpg.Pool, salon: Salon, days: int, *more: Branch) -> datetime:
    """A backfill that is due in two days only: the server's own worker stays away. Answers when it is due."""
    at = utc_now() + timedelta(days=2)
    async with pool.acquire() as conn, conn.transaction():
        account, until = salon.made.account.account_id, utc_now()
        branches = (*salon.made.branches, *more)
        await backfill.start(conn, account, branches, since=until - timedelta(days=days), now=until)
        await conn.execute("update backfill set next_at = $1", at)
    return at


async def test_a_step_that_lost_its_lease_keeps_no_place(salon: Salon, pool: asyncpg.Pool) -> None:
    at, branches, taken = await _far(pool, salon, 30), salon.made.branches, Taken()
    later = at + backfill.LEASE + timedelta(seconds=1)

    async def overtaken() -> None:
        for _ in range(3):
            job = await _claimed(pool, later)
            assert await backfill.step(pool, Pages(), taken, branches, job, now=later, clock=lambda: later)
        await _claimed(pool, later)

    job = await _claimed(pool, at)
    assert await backfill.step(pool, Pages(overtaken), taken, branches, job, now=at, clock=lambda: at) is None
    state = await _state(pool, salon)
    assert (state.page, state.read, state.lease_until) == (4, 3, later + backfill.LEASE)
    assert taken.ids == [1, 2, 3]
    assert await store.put_off(pool, job, next_at=at, error="late") is None
    assert (await _state(pool, salon)).lease_until == later + backfill.LEASE


async def test_a_step_holds_its_lease_anew_when_the_vendor_has_answered(salon: Salon, pool: asyncpg.Pool) -> None:
    at, branches = await _far(pool, salon, 30), salon.made.branches
    answered = at + backfill.LEASE / 2
    leases = []

    async def take(*_: Any) -> str:
        leases.append((await _state(pool, salon)).lease_until)
        return "duplicate"

    await backfill.step(pool, Pages(), take, branches, await _claimed(pool, at), now=at, clock=lambda: answered)
    assert leases == [answered + backfill.LEASE]


@pytest.mark.parametrize("settled", [True, False], ids=["settled", "begun by an older release"])
async def test_branches_that_come_and_change_move_no_place(salon: Salon, pool: asyncpg.Pool, settled: bool) -> None:
    at, (branch,) = await _far(pool, salon, 30), salon.made.branches
    if not settled:
        await pool.execute("update backfill set parts = null, slices = 1")
    before = await _state(pool, salon)
    wanted = [
        (part.branch.company_id, part.first, part.last)
        for part in backfill.slices((branch,), before.since, before.until)
    ]
    source = Pages(last=True)
    branches: tuple[Branch, ...] = (branch,)
    for _ in wanted:
        await backfill.step(pool, source, Taken(), branches, await _claimed(pool, at), now=at, clock=lambda: at)
        newcomer = replace(branch, branch_id=salon.made.account.account_id, company_id=1)
        branches = (newcomer, replace(branch, timezone="Asia/Kamchatka"))
    assert source.asked == wanted
    assert (await _state(pool, salon)).state == "done"


async def test_a_branch_that_may_not_be_read_keeps_no_other_waiting(salon: Salon, pool: asyncpg.Pool) -> None:
    """The months of the others come in meanwhile; its own wait, with the reason, and come when a person has mended it."""
    (own,) = salon.made.branches
    other = replace(own, branch_id=salon.made.account.account_id, company_id=1)
    at, branches = await _far(pool, salon, 20, other), (own, other)
    refused = {1}

    class Source(Pages):
        async def created(self, branch: Branch, first: date, last: date, page: int) -> SourcePage:
            if branch.company_id in refused:
                raise SourceRefused("the licence has ended")
            return await super().created(branch, first, last, page)

    source = Source(last=True)
    while (state := await _state(pool, salon)).next_at <= at:
        await backfill.step(pool, source, Taken(), branches, await _claimed(pool, at), now=at, clock=lambda: at)
    assert {company for company, _, _ in source.asked} == {own.company_id}
    assert len(source.asked) == state.slices / 2
    assert (state.state, state.last_error, state.next_at) == (
        "running",
        "the licence has ended",
        at + timedelta(hours=1),
    )
    refused.clear()
    at += timedelta(hours=1)
    while (await _state(pool, salon)).state == "running":
        await backfill.step(pool, source, Taken(), branches, await _claimed(pool, at), now=at, clock=lambda: at)
    assert sorted(source.asked) == sorted(
        (part.branch.company_id, part.first, part.last) for part in backfill.slices(branches, state.since, state.until)
    )


async def test_a_branch_that_is_gone_is_passed_by(salon: Salon, pool: asyncpg.Pool) -> None:
    at, source = await _far(pool, salon, 30), Pages()
    for _ in range((await _state(pool, salon)).slices):
        await backfill.step(pool, source, Taken(), (), await _claimed(pool, at), now=at, clock=lambda: at)
    assert ((await _state(pool, salon)).state, source.asked) == ("done", [])


async def test_a_paused_backfill_that_has_read_all_ends_when_it_goes_on(salon: Salon, pool: asyncpg.Pool) -> None:
    at, account = await _far(pool, salon, 0), salon.made.account.account_id
    job = await _claimed(pool, at)
    async with pool.acquire() as conn:
        assert await store.set_state(conn, account, job.backfill_id, "paused", now=at)
    paused = await backfill.step(pool, Pages(last=True), Taken(), salon.made.branches, job, now=at, clock=lambda: at)
    assert paused is not None
    assert (paused.state, paused.ended_at) == ("paused", None)
    async with pool.acquire() as conn:
        assert await store.set_state(conn, account, job.backfill_id, "running", now=at)
    done = await backfill.step(pool, Pages(), Taken(), salon.made.branches, await _claimed(pool, at), now=at)
    assert done is not None
    assert (done.state, done.ended_at) == ("done", at)
