"""Deliveries held up by a person and let go, and many sent again by a filter: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.app import build
from server.delivery import relay, replays
from server.platform.clock import utc_now
from server.platform.ids import new_id
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser
from tests.integration.test_command_line import CommandLine, make, yclick
from tests.integration.test_notices import KEY, LEADS

__all__ = ["yclick"]
MANY = replays.PORTION + 10


@pytest.fixture
async def own(uis: RunningUis, settings: Settings) -> Settings:
    return settings.model_copy(
        update={"uis_data_api_url": uis.url, "retry_schedule_s": (0.05, 0.05), "match_grace_s": 0.1}
    )


@pytest.fixture
async def owner(dsn: str, pool: asyncpg.Pool, own: Settings) -> AsyncIterator[Owner]:
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        await one.send("/integrations/uis", access_token=KEY)
        await one.send("/integrations/leads", **LEADS)
        yield one
        await one.session.close()


async def _post(owner: Owner, path: str, *, status: int = 200, **body: Any) -> Any:
    async with owner.salon.http.post(f"/api/v1/deliveries{path}", json=body, headers=owner.salon.token) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def _until(pool: asyncpg.Pool, state: str, number: int) -> None:
    await eventually(
        lambda: pool.fetchval("select count(*) = $2 from delivery where state = $1", state, number), within_s=60
    )


async def _quiet(pool: asyncpg.Pool) -> None:
    """Every job that was wanted has run."""
    await eventually(
        lambda: pool.fetchval("select not exists (select 1 from job where kind = 'leads.deliver')"), within_s=30
    )


async def _booked(owner: Owner, first: int, number: int) -> None:
    for record_id in range(first, first + number):
        await owner.salon.webhook(webhook(record_id))


async def _failed(owner: Owner, uis: RunningUis, pool: asyncpg.Pool, number: int, *, first: int = 4001) -> None:
    """So many leads whose attempts have ended, and UIS answers again."""
    uis.uis.switch(fault_rate=1.0, fault_kinds=["internal_error"])
    await _booked(owner, first, number)
    await _until(pool, "failed", number)
    uis.uis.switch(fault_rate=0.0)


async def _ways(owner: Owner) -> dict[str, Any]:
    return {way["kind"]: way for way in (await owner.salon.get("/deliveries/ways"))["data"]}


async def test_what_comes_while_paused_waits_over_a_restart_and_goes_once_let_go(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool, own: Settings, dsn: str
) -> None:
    assert "Передача приостановлена" in await owner.send("/deliveries/pause", kind="lead")
    await _booked(owner, 3001, 3)
    await _until(pool, "waiting", 3)
    async with TestClient(TestServer(build(own, dsn))):  # another server, that knows it from the database alone
        await _booked(owner, 3004, 1)
        await _until(pool, "waiting", 4)
        await _quiet(pool)
    assert not uis.uis.messages
    ways = await _ways(owner)
    assert (ways["lead"]["waiting"], ways["deal"]["paused_at"]) == (4, None)
    assert ways["lead"]["paused_at"]
    page = await owner.page("/bookings")
    assert "Вы приостановили передачу, ждёт: 4" in page
    health = (await owner.salon.get("/health"))["troubles"]
    assert {"code": "deliveries_paused", "count": 4} in health
    await owner.send("/integrations/uis/check")  # mends a connection, and is no end of a pause
    await _quiet(pool)
    assert not uis.uis.messages

    assert (await _post(owner, "/resume", kinds=["lead"]))["data"][0]["paused_at"] is None
    await _until(pool, "delivered", 4)
    assert len(uis.uis.messages) == 4
    assert "приостановили" not in await owner.page("/bookings")


async def test_a_pause_costs_no_attempt_and_a_try_again_waits_for_its_end(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool
) -> None:
    uis.uis.cue("internal_error", method="upload.offline_messages", times=1)
    await _booked(owner, 3101, 1)
    await eventually(lambda: pool.fetchval("select count(*) >= 1 from delivery_attempt"), within_s=30)
    await _post(owner, "/pause")
    await _post(owner, "/resume")
    await _until(pool, "delivered", 1)
    assert len(uis.uis.messages) == 1
    assert {row["outcome"] for row in await pool.fetch("select outcome from delivery_attempt")} <= {
        "retry", "uncertain", "delivered",
    }  # fmt: skip


async def test_many_go_again_by_a_filter_each_once(owner: Owner, uis: RunningUis, pool: asyncpg.Pool) -> None:
    await _failed(owner, uis, pool, MANY)
    count = {"dry_run": True, "count": MANY}
    assert await _post(owner, "/replay", dry_run=True) == count
    assert await _post(owner, "/replay", kind="lead", code="unavailable", dry_run=True) == count
    others: list[dict[str, Any]] = [
        {"kind": "deal"},
        {"code": "other"},
        {"state": "held"},
        {"until": "2020-01-01T00:00:00Z"},
    ]
    for nothing in others:
        assert (await _post(owner, "/replay", **nothing)) == {"dry_run": False, "count": 0}
    assert f"Будет отправлено снова: {MANY}" in await owner.page("/deliveries/again?state=failed&kind=lead")
    assert "ничего нет" in await owner.page("/deliveries/again?state=held")
    await owner.page("/deliveries/again?from=31.12.2026", status=422)
    await _post(owner, "/replay", status=422, kind="letter")

    begun = await _post(owner, "/replay", status=202, kind="lead")
    assert begun["count"] == MANY
    done = await _ended(owner, begun["replay"]["id"])
    assert (done["run"], done["tried"], done["delivered"], done["failed"]) == ("done", MANY, MANY, 0)
    assert len(uis.uis.messages) == MANY
    assert "Отправка снова закончена" in await owner.page("/deliveries")
    assert (await owner.salon.get("/deliveries/replays"))["data"][0]["id"] == begun["replay"]["id"]


async def _ended(owner: Owner, replay_id: str) -> dict[str, Any]:
    async def ended() -> Any:
        one = await owner.salon.get(f"/deliveries/replays/{replay_id}")
        return one if one["run"] != "running" else None

    found: dict[str, Any] = await eventually(ended, within_s=60)
    return found


async def test_a_replay_goes_a_portion_at_a_time_and_ends_where_it_is_cancelled(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool
) -> None:
    await _failed(owner, uis, pool, MANY)
    await owner.send("/deliveries/pause", kind="lead")
    page = await owner.send("/deliveries/again", state="failed", kind="lead")
    assert f"0 из {MANY}" in page
    await _until(pool, "waiting", replays.PORTION)
    await owner.send("/deliveries/again", status=409, state="failed")
    await _post(owner, "/replay", status=409)
    (running,) = (await owner.salon.get("/deliveries/replays"))["data"]
    assert "Отменено" in await owner.send(f"/deliveries/again/{running['id']}/cancel")
    await _post(owner, f"/replays/{running['id']}/cancel", status=404)
    await _post(owner, "/resume")
    await _until(pool, "delivered", replays.PORTION)
    await _quiet(pool)
    assert await pool.fetchval("select count(*) from delivery where state = 'failed'") == MANY - replays.PORTION
    assert len(uis.uis.messages) == replays.PORTION


async def test_whoever_sends_again_at_once_makes_one_sequence_of_attempts(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool
) -> None:
    """FI-25: by hand, by the filter and by the schedule together."""
    await _failed(owner, uis, pool, 5)
    tried = await pool.fetchval("select count(*) from delivery_attempt")
    (first, *_) = (await owner.salon.get("/deliveries"))["data"]
    by_hand = [_by_hand(owner, first["id"]) for _ in range(4)]
    statuses, _ = await asyncio.gather(asyncio.gather(*by_hand), owner.send("/deliveries/again", state="failed"))
    assert sorted(statuses)[1:] == [404, 404, 404]
    await _until(pool, "delivered", 5)
    await _quiet(pool)
    assert len(uis.uis.messages) == 5
    assert await pool.fetchval("select count(*) from delivery_attempt") == tried + 5
    assert await _by_hand(owner, first["id"]) == 404

    # What the schedule still tries is left to it.
    uis.uis.switch(fault_rate=1.0, fault_kinds=["internal_error"])
    await _booked(owner, 4100, 1)
    again = await eventually(
        lambda: pool.fetchval("select delivery_id from delivery where state = 'retrying'"), within_s=30
    )
    await _by_hand(owner, str(again))
    await _until(pool, "failed", 1)
    outcomes = await pool.fetch("select outcome from delivery_attempt where delivery_id = $1", again)
    assert len(outcomes) in (3, 6)  # a whole round of the schedule, and one more if it had ended before the hand came


async def _by_hand(owner: Owner, delivery_id: str) -> int:
    path = f"/api/v1/deliveries/{delivery_id}/replay"
    async with owner.salon.http.post(path, headers=owner.salon.token) as answer:
        return answer.status


async def test_what_is_held_goes_again_but_for_what_a_frozen_branch_holds(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool
) -> None:
    await _booked(owner, 4201, 3)
    await _until(pool, "delivered", 3)
    await pool.execute("update delivery set state = 'held', code = 'component_off', next_attempt_at = null")
    frozen = await pool.fetchval("select delivery_id from delivery limit 1")
    await pool.execute("update delivery set code = 'app_frozen' where delivery_id = $1", frozen)
    assert (await _post(owner, "/replay", state="held", dry_run=True))["count"] == 2
    done = await _ended(owner, (await _post(owner, "/replay", status=202, state="held"))["replay"]["id"])
    assert (done["total"], done["delivered"]) == (2, 2)
    assert await pool.fetchval("select state from delivery where delivery_id = $1", frozen) == "held"


async def test_another_account_sees_and_stops_nothing(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool, own: Settings
) -> None:
    await _failed(owner, uis, pool, 2)
    await _post(owner, "/pause")
    begun = (await _post(owner, "/replay", status=202))["replay"]["id"]
    other = Owner(await make_salon(owner.salon.http, pool, own, name="Other", company=77), owner.session)
    assert (await _post(other, "/replay", dry_run=True))["count"] == 0
    assert (await other.salon.get("/deliveries/replays"))["data"] == []
    assert all(way["paused_at"] is None for way in (await _ways(other)).values())
    await _post(other, f"/replays/{begun}/cancel", status=404)
    await _post(other, "/resume")
    assert all(way["paused_at"] for way in (await _ways(owner)).values())


async def test_the_command_line_pauses_counts_and_sends_again(yclick: CommandLine, pool: asyncpg.Pool) -> None:
    make(yclick)
    done = yclick("pause", "--account", "Salon", "--kind", "deal")
    assert done.returncode == 0, done.stderr
    assert [line.split(" since")[0].split()[:2] for line in done.stdout.splitlines()] == [
        ["lead", "on,"], ["deal", "paused"], ["client", "on,"], ["call", "on,"],
    ]  # fmt: skip
    account_id = await pool.fetchval("select account_id from account")
    async with pool.acquire() as conn:
        for number in range(3):
            await relay.want(conn, account_id, "lead", new_id(), {"n": number}, now=utc_now(), held="")
    await pool.execute("update delivery set state = 'failed', code = 'unavailable'")
    counted = yclick("replay", "--account", "Salon", "--deliveries", "--kind", "lead", "--dry-run")
    assert counted.stdout == "3 deliveries would be sent again\n", counted.stderr
    assert yclick("replay", "--account", "Salon", "--deliveries", "--code", "no_such").stdout == "0 deliveries\n"
    assert (
        yclick("replay", "--account", "Salon", "--kind", "lead").returncode == 1
    )  # without --deliveries it means nothing
    resumed = yclick("resume", "--account", "Salon")
    assert "paused" not in resumed.stdout
    assert "3 waiting" not in resumed.stdout
