"""An outage is told of once of each sort, however many things it holds up; on every page, in a list, by mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.app import build
from server.delivery import notices, relay
from server.platform.clock import utc_now
from server.platform.ids import new_id
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"
LEADS: dict[str, Any] = {
    "enabled": "1", "default_entity": "source", "default_source_id": "8", "default_site_id": "43525",
}  # fmt: skip


class Letters:
    """A mail server that takes whatever comes; `letters` are what it was given."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                text = b""
                while (part := await reader.readline()) != b".\r\n":
                    text += part
                self.letters.append(message_from_bytes(text, policy=policy.default))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                break
        writer.close()

    def subjects(self) -> list[str]:
        return [letter["Subject"].rpartition(": ")[2] for letter in self.letters]


@pytest.fixture
async def letters() -> AsyncIterator[Letters]:
    one = Letters()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def owner(
    dsn: str, pool: asyncpg.Pool, uis: RunningUis, settings: Settings, letters: Letters
) -> AsyncIterator[Owner]:
    own = settings.model_copy(
        update={
            "uis_data_api_url": uis.url, "retry_schedule_s": (0.05, 0.05, 0.05, 0.1), "match_grace_s": 0.1,
            "smtp_host": "127.0.0.1", "smtp_port": letters.port, "smtp_tls": "none",
        }
    )  # fmt: skip
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        await one.send("/integrations/uis", access_token=KEY)
        await one.send("/integrations/leads", **LEADS)
        yield one
        await one.session.close()


async def _sorts(owner: Owner) -> list[str]:
    return [one["sort"] for one in reversed((await owner.salon.get("/notices"))["data"])]


async def test_an_outage_of_fifty_leads_is_told_of_once_of_each_sort(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool, letters: Letters
) -> None:
    uis.uis.switch(fault_rate=1.0, fault_kinds=["internal_error"])
    for record_id in range(2001, 2051):
        await owner.salon.webhook(webhook(record_id))
    await eventually(lambda: pool.fetchval("select count(*) = 50 from delivery where state = 'failed'"), within_s=60)
    assert await _sorts(owner) == ["failing", "exhausted"]
    page = await owner.page("/bookings")
    assert "UIS: для части данных попытки закончились" in page
    assert 'href="/deliveries?state=failed"' in page

    uis.uis.switch(fault_rate=0.0)

    async def sent_again() -> bool:
        for one in (await owner.salon.get("/deliveries", state="failed", limit=100))["data"]:
            path = f"/api/v1/deliveries/{one['id']}/replay"
            async with owner.salon.http.post(path, headers=owner.salon.token) as answer:
                assert answer.status in (200, 404)
        await asyncio.sleep(0.5)
        done: bool = await pool.fetchval("select count(*) = 50 from delivery where state = 'delivered'")
        return done

    await eventually(sent_again, within_s=60)
    assert await _sorts(owner) == ["failing", "exhausted", "recovered"]
    assert "попытки закончились" not in await owner.page("/bookings")
    listed = await owner.page("/notices")
    assert listed.count("снова работает") == 1
    assert "передача не удаётся" in listed

    async def mailed() -> bool:
        return len(letters.letters) >= 3

    await eventually(mailed, within_s=30)
    assert sorted(letters.subjects()) == ["Восстановлено", "Не удаётся", "Остановлено"]
    assert "/deliveries?state=failed" in "".join(letter.get_content() for letter in letters.letters)


async def test_a_moments_failure_is_not_told(owner: Owner, uis: RunningUis, pool: asyncpg.Pool) -> None:
    uis.uis.cue("http_502", method="upload.offline_messages", times=2)
    await owner.salon.webhook(webhook(2100))
    await eventually(lambda: pool.fetchval("select state = 'delivered' from delivery"), within_s=30)
    assert await _sorts(owner) == []
    assert await pool.fetchval("select count(*) from outage where ended_at is null") == 0


async def test_what_waits_for_a_person_says_so_on_every_page_until_it_works(
    owner: Owner, uis: RunningUis, pool: asyncpg.Pool
) -> None:
    uis.uis.keys[KEY] = "expired"
    for record_id in (2201, 2202, 2203):
        await owner.salon.webhook(webhook(record_id))
    await eventually(lambda: pool.fetchval("select count(*) = 3 from delivery where state = 'held'"), within_s=30)
    await eventually(lambda: _count(owner, 1))
    page = await owner.page("/visits")
    assert "передача остановлена и ждёт вас" in page
    assert "Срок ключа UIS" in page
    await owner.send("/language", locale="en", next="/visits")
    assert "stopped, waiting for you" in await owner.page("/visits")
    uis.uis.keys[KEY] = "ok"
    await owner.send("/integrations/uis/check")
    await eventually(lambda: pool.fetchval("select count(*) = 3 from delivery where state = 'delivered'"), within_s=30)
    await eventually(lambda: _count(owner, 2))
    assert await _sorts(owner) == ["exhausted", "recovered"]
    assert "stopped, waiting for you" not in await owner.page("/visits")


async def _count(owner: Owner, number: int) -> bool:
    return len(await _sorts(owner)) == number


async def test_what_comes_and_goes_is_told_of_once_an_hour_and_then_if_it_lasts(
    owner: Owner, pool: asyncpg.Pool, letters: Letters
) -> None:
    account_id = owner.salon.made.account.account_id
    begun = utc_now()
    async with pool.acquire() as conn:
        for minute in range(50):
            now = begun + timedelta(minutes=minute)
            await notices.exhausted(conn, account_id, "uis", "connection_refused", "Ключ не подходит.", now=now)
            await notices.exhausted(conn, account_id, "deal", "component_off", "", now=now)  # another topic, at once
            if minute < 49:
                await notices.recovered(conn, account_id, "uis", now=now + timedelta(seconds=30))
        assert await _topics(pool) == [("deal", "exhausted"), ("uis", "exhausted"), ("uis", "recovered")]
        assert "UIS: передача остановлена и ждёт вас" in await owner.page("/bookings")  # told of in no letter, and true
        (lasting,) = await pool.fetch("select outage_id from outage where topic = 'uis' and ended_at is null")
        due = await pool.fetchval("select run_at from job where key = $1", str(lasting["outage_id"]))
        assert due == begun + notices.COOL_DOWN
        await pool.execute("update job set run_at = now() where kind = $1", notices.TELL_JOB)

    async def told() -> bool:
        return len(await _topics(pool)) == 4

    await eventually(told, within_s=30)
    assert (await _topics(pool)).count(("uis", "exhausted")) == 2
    await eventually(lambda: _mailed(letters, 4), within_s=30)
    async with pool.acquire() as conn:
        await notices.recovered(conn, account_id, "uis", now=begun + timedelta(hours=3))
    assert (await _topics(pool)).count(("uis", "recovered")) == 2


async def _topics(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    return [
        (row["topic"], row["sort"]) for row in await pool.fetch("select topic, sort from notice order by topic, sort")
    ]


async def _mailed(letters: Letters, number: int) -> bool:
    return len(letters.letters) == number


async def test_rounds_in_which_something_got_through_are_no_outage(owner: Owner, pool: asyncpg.Pool) -> None:
    """A few of many fail and are tried again: the owner is told of nothing, until one of them is given up."""
    account_id, schedule = owner.salon.made.account.account_id, (1.0,) * 9

    async def round_of(attempts: int) -> None:
        one = relay.Parcel(new_id(), new_id(), attempts, False, {}, None, None, 0)
        told: list[tuple[relay.Parcel, relay.Result]] = [
            (one, relay.Delivered("1", {})), (one, relay.TryAgain("unavailable", "")),
        ]  # fmt: skip
        async with pool.acquire() as conn, conn.transaction():
            await notices.note(conn, account_id, "lead", told, schedule, (), now=utc_now())

    for _ in range(2 * notices.TRIES_IN_A_ROW):
        await round_of(1)
    assert await _sorts(owner) == []
    await round_of(len(schedule) + 1)
    assert await _sorts(owner) == ["exhausted"]


async def test_nobody_waits_for_what_is_switched_off(owner: Owner, pool: asyncpg.Pool) -> None:
    account_id = owner.salon.made.account.account_id
    async with pool.acquire() as conn, conn.transaction():
        for topic in ("deal", "lead"):
            await notices.exhausted(conn, account_id, topic, "component", "нет компонента\nno component", now=utc_now())
    path = "/api/v1/integrations/deals"
    async with owner.salon.http.put(path, json={"enabled": False}, headers=owner.salon.token) as answer:
        assert answer.status == 200
    async with pool.acquire() as conn:
        assert [row["topic"] for row in await notices.lasting(conn, account_id)] == ["lead"]
