"""A body whose handler always fails ends in quarantine with its reason, in nobody's way, and can be replayed after a fix."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from server import vendors
from server.bookings.flow import CHANGED_JOB
from server.delivery import inbox, outbox
from server.platform.clock import utc_now
from tests.conftest import Salon, eventually
from tests.factories import webhook


async def test_poison_ends_in_quarantine_and_is_replayed_after_the_fix(
    salon: Salon, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = vendors.YCLIENTS.__class__.booking

    def broken(self: Any, data: Any, **where: Any) -> Any:
        if data.get("comment") == "poison":
            raise RuntimeError("always, and it quotes +79161234567")
        return usual(self, data, **where)

    with monkeypatch.context() as patched:
        patched.setattr(vendors.YCLIENTS.__class__, "booking", broken)
        await salon.webhook(webhook(8400, comment="poison"))
        for number in range(20):
            await salon.webhook(webhook(8401 + number))

        async def good() -> bool:
            return len((await salon.get("/bookings", limit=100))["data"]) == 20

        await eventually(good)

        async def held() -> Any:
            # Its pauses grow; the test does not wait for them.
            await pool.execute("update inbox set run_at = now() where state = 'waiting' and note <> ''")
            return (await salon.get("/quarantine"))["data"]

        found = await eventually(held, within_s=20)
        assert [(item["reason"], item["detail"]) for item in found] == [("handler_failed", "RuntimeError")]
        assert await pool.fetchval("select max(attempts) from inbox") == inbox.TRIES
    line = (await salon.get("/ledger"))["doors"]["yclients"]
    assert (line["accepted"], line["stored"], line["quarantined"], line["difference"]) == (21, 20, 1, 0)
    path = f"/api/v1/quarantine/{found[0]['id']}/replay"
    async with salon.http.post(path, headers=salon.token) as answer:
        assert answer.status == 200
    assert len((await salon.get("/bookings", record_id=8400))["data"]) == 1
    async with salon.http.post(path, headers=salon.token) as answer:
        assert answer.status == 404


async def test_bodies_claimed_by_the_dead_are_due_at_once_and_finished_ones_stay(
    dsn: str, pool: asyncpg.Pool, salon: Salon
) -> None:
    await salon.webhook(webhook(1))

    async def stored() -> Any:
        return (await salon.get("/bookings"))["data"]

    await eventually(stored)
    assert await inbox.release_claimed(pool, now=utc_now()) == 0
    await pool.execute("update inbox set state = 'waiting', run_at = now() + interval '1 hour'")
    assert await inbox.release_claimed(pool, now=utc_now()) == 1


async def test_job_of_a_dead_worker_is_taken_again_with_one_effect(dsn: str, pool: asyncpg.Pool, salon: Salon) -> None:
    """Claimed and never settled: once its lease is over it runs again; the lead is there once."""
    await salon.webhook(webhook(5))

    async def lead() -> Any:
        return (await salon.get("/leads"))["data"]

    first = (await eventually(lead))[0]
    await pool.execute(
        "insert into job (account_id, job_id, kind, key, run_at, state, attempts, lease_until)"
        " values ($1, gen_random_uuid(), $2, $3, now(), 'running', 1, now() - interval '1 second')",
        salon.made.account.account_id, CHANGED_JOB, first["booking"]["id"],
    )  # fmt: skip

    async def settled() -> bool:
        return await pool.fetchval("select count(*) from job where kind = $1 and run_at <= now()", CHANGED_JOB) == 0

    await eventually(settled)
    assert [item["id"] for item in await lead()] == [first["id"]]
    assert await outbox.reap(pool, now=utc_now()) == 0
