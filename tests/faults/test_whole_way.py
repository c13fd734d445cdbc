"""The whole way under faults: webhooks lost, doubled and out of order, both vendors failing. Afterwards UIS holds each
online booking once, and the ledger has no difference."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig
from server.accounts import flow
from server.app import build
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY, Salon, eventually, make_salon

ONLINE, STAFF = 60, 20


@dataclass
class Way:
    salon: Salon
    stand: RunningStand


@pytest.fixture
async def way(dsn: str, pool: asyncpg.Pool, settings: Settings) -> AsyncIterator[Way]:
    stand = await start_stand(StandConfig())
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "uis_data_api_url": f"http://127.0.0.1:{stand.port}/uis",
            "retry_schedule_s": (0.1, 0.2, 0.5, 1, 2, 2, 2, 2), "match_grace_s": 0.5, "reconcile_period_s": 2.0,
        }
    )  # fmt: skip
    server = TestServer(build(own, dsn))
    async with TestClient(server) as client:
        salon = await make_salon(client, pool, own)
        vault = load_vault("", own.data_dir)
        async with pool.acquire() as conn:
            account_id = salon.made.account.account_id
            await flow.connect(conn, vault, account_id, "uis", "t", {"access_token": "stand-key-0123456789"})
            await flow.connect(conn, vault, account_id, "yclients", "t", {"partner_token": "p", "user_token": "u"})
        wanted = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": 43525}}
        async with client.put("/api/v1/integrations/leads", json=wanted, headers=salon.token) as answer:
            assert answer.status == 200
        stand.stand.hooks = {COMPANY: [str(server.make_url(salon.hook))]}
        yield Way(salon, stand)
    await stand.stop()


async def test_each_online_booking_stands_in_uis_once_whatever_was_lost_on_the_way(
    way: Way, pool: asyncpg.Pool
) -> None:
    stand, chance = way.stand.stand, random.Random(7)
    stand.switch(hook_loss=0.1, hook_reorder=True, hook_pair=True, hook_delay_s=0.05)
    stand.uis.switch(fault_rate=0.4, fault_kinds=["lost_answer", "torn", "http_502"])
    online = set()
    for number in range(ONLINE + STAFF):
        stand.switch(hook_duplicates=int(chance.random() < 0.1))
        kind = "staff" if number % 4 == 3 else "mobile_app"
        body = {"kind": kind, "phone": f"+7916{number:07d}", "name": f"Гость {number}"}
        async with way.salon.http.session.post(
            f"http://127.0.0.1:{way.stand.port}/_stand/records", json=body
        ) as answer:
            record = await answer.json()
        if kind != "staff":
            online.add(record["id"])
    assert any(one["outcome"] == "lost" for one in stand.deliveries)

    async def all_known() -> Any:
        return await pool.fetchval("select count(*) from booking") == ONLINE + STAFF

    await eventually(all_known, within_s=60)

    async def all_there() -> Any:
        rows = await pool.fetch("select state from delivery")
        return len(rows) == len(online) and all(row["state"] == "delivered" for row in rows)

    await eventually(all_there, within_s=90)
    heard = [row["ext_id"] for row in stand.uis.messages.values()]
    assert len(heard) == len(set(heard)) == len(online)
    told = {row["text"].rsplit("запись ", 1)[1] for row in stand.uis.messages.values()}
    assert told == {str(record_id) for record_id in online}
    ledger = await way.salon.get("/ledger")
    assert ledger["total"]["difference"] == 0
