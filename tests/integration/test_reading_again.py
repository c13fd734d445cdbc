"""A webhook says "look": with a token the booking is read by API, coalesced, and the API wins a tie."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand
from server.accounts import flow
from server.app import build
from server.bookings.flow import next_read
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import Salon, eventually, make_salon
from tests.factories import MOSCOW, webhook


async def _comment(salon: Salon, record_id: int) -> Any:
    found = (await salon.get("/bookings", record_id=record_id))["data"]
    return found[0]["comment"] if found else None


async def test_the_api_decides_what_a_webhook_left_open(connected: Salon, stand: RunningStand) -> None:
    record = stand.stand.make(4564, "staff", comment="как в журнале")
    told = webhook(
        record["id"],
        changed=datetime.strptime(record["last_change_date"], "%Y-%m-%dT%H:%M:%S%z"),
        comment="как в вебхуке",
    )
    await connected.webhook(told)

    async def settled() -> bool:
        return await _comment(connected, record["id"]) == "как в журнале"

    await eventually(settled)


async def test_record_the_api_no_longer_has_is_deleted(connected: Salon) -> None:
    await connected.webhook(webhook(55))

    async def gone() -> bool:
        found = (await connected.get("/bookings", record_id=55))["data"]
        return bool(found) and found[0]["deleted"]

    await eventually(gone)


async def test_refused_token_is_shown_and_stops_the_calls(connected: Salon, stand: RunningStand) -> None:
    stand.stand.switches.rest_fault = "401"
    await connected.webhook(webhook(56))

    async def shown() -> bool:
        troubles = (await connected.get("/health"))["troubles"]
        return any(trouble["code"] == "yclients_refused" for trouble in troubles)

    await eventually(shown)
    assert (await connected.get("/bookings", record_id=56))["data"]


async def test_a_refusal_of_the_former_login_does_not_end_the_one_entered_meanwhile(
    dsn: str, pool: asyncpg.Pool, settings: Settings
) -> None:
    asked, go_on, tokens = asyncio.Event(), asyncio.Event(), list[str]()

    async def record(request: web.Request) -> web.Response:
        tokens.append(request.headers["Authorization"].rpartition(" ")[2])
        if tokens[-1] == "former":
            asked.set()
            await go_on.wait()
            return web.json_response({"success": False, "meta": {"message": "no"}}, status=401)
        return web.json_response({"id": 58, "company_id": 4564, "deleted": True})

    vendor = web.Application()
    vendor.router.add_get("/api/v1/record/4564/58", record)
    async with TestServer(vendor) as server:
        own = settings.model_copy(update={"yclients_api_url": f"http://127.0.0.1:{server.port}"})
        async with TestClient(TestServer(build(own, dsn))) as client:
            salon, vault = await make_salon(client, pool, own), load_vault("", own.data_dir)
            account_id = salon.made.account.account_id
            async with pool.acquire() as conn:
                await flow.connect(
                    conn, vault, account_id, "yclients", "test", {"partner_token": "p", "user_token": "former"}
                )
            await salon.webhook(webhook(58))
            await asyncio.wait_for(asked.wait(), 25)
            async with pool.acquire() as conn:
                await flow.connect(
                    conn, vault, account_id, "yclients", "test", {"partner_token": "p", "user_token": "new"}
                )
            go_on.set()
            await eventually(lambda: pool.fetchval("select deleted from booking where record_id = 58"), within_s=25)
    assert tokens[0] == "former"
    assert tokens[-1] == "new"
    assert await pool.fetchval("select state from connection") == "active"


@pytest.mark.parametrize("fault", ["429", "html", "500"])
async def test_a_vendor_in_a_bad_mood_loses_nothing(
    connected: Salon, stand: RunningStand, fault: str, pool: asyncpg.Pool
) -> None:
    stand.stand.switches.rest_fault = fault
    record = stand.stand.make(4564, "staff")
    await connected.webhook(webhook(record["id"]))

    async def waits() -> Any:
        return await pool.fetchval("select last_error from job where kind = 'booking.read' and last_error <> ''")

    error = await eventually(waits, within_s=20)
    assert "canary" not in error
    assert (await connected.get("/bookings", record_id=record["id"]))["data"]


async def test_credentials_are_sealed(connected: Salon, pool: asyncpg.Pool) -> None:
    row = await pool.fetchrow("select * from connection")
    assert row is not None
    assert b"canary" not in bytes(row["sealed"])
    assert "canary" not in json.dumps({key: str(value) for key, value in row.items()})


def test_fifteen_edits_in_a_minute_are_at_most_two_reads() -> None:
    from datetime import timedelta

    now = datetime.now(MOSCOW)
    last: datetime | None = None
    due: datetime | None = None
    reads = 0
    for second in range(60):
        at = now + timedelta(seconds=second)
        if due and at >= due:
            reads, last, due = reads + 1, at, None
        if second % 4 == 0:
            wanted = next_read(last, at)
            due = min(due, wanted) if due else wanted
    assert reads <= 2
