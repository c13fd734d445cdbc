"""The page «YCLIENTS»: authorisation with and without a code, past months with progress, what was missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from e2e.stand.app import RunningStand
from server.accounts import flow
from server.app import build
from server.clients.flow import want
from server.clients.model import Wanted
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY, eventually, make_salon
from tests.factories import MOSCOW, stamp
from tests.integration.test_cabinet import Owner, browser

PAGE = "/integrations/yclients"


@pytest.fixture
def settings(settings: Settings, stand: RunningStand) -> Settings:
    return settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "yclients_partner_token": SecretStr("stand-partner"),
            "reconcile_period_s": 1.0,
        }
    )  # fmt: skip


@pytest.fixture
async def owner(dsn: str, pool: Any, settings: Settings) -> AsyncIterator[Owner]:
    async with TestClient(TestServer(build(settings, dsn))) as client:
        one = browser(await make_salon(client, pool, settings))
        await one.log_in_by_link(pool)
        yield one
        await one.session.close()


async def _kept(owner: Owner, pool: Any, settings: Settings, state: str = "active") -> dict[str, str] | None:
    async with pool.acquire() as conn:
        account_id = owner.salon.made.account.account_id
        return await flow.credentials(conn, load_vault("", settings.data_dir), account_id, "yclients", state=state)


async def test_login_and_password_become_a_token_and_are_not_kept(owner: Owner, pool: Any, settings: Settings) -> None:
    page = await owner.send(PAGE, name="Основная", login="olga@salon.example", password="right one")
    assert "YCLIENTS подключён" in page
    assert "Основная" in page
    assert await _kept(owner, pool, settings) == {"user_token": "stand-user-token", "login": "olga@salon.example"}


async def test_a_two_factor_login_asks_for_the_code_and_forgets_the_password(
    owner: Owner, pool: Any, settings: Settings
) -> None:
    page = await owner.send(PAGE, login="2fa@salon.example", password="right one")
    assert "own***@salon.example" in page
    assert await _kept(owner, pool, settings) is None
    assert "YCLIENTS подключён" in await owner.send(f"{PAGE}/code", code="1234")
    assert "password" not in (await _kept(owner, pool, settings) or {})
    await owner.send(f"{PAGE}/code", status=404, code="1234")


async def test_a_connection_goes_on_working_while_another_login_waits_for_its_code(
    owner: Owner, pool: Any, settings: Settings
) -> None:
    await owner.send(PAGE, login="olga@salon.example", password="right one")
    page = await owner.send(PAGE, login="2fa@salon.example", password="right one")
    assert "Подключён<" in page
    assert "own***@salon.example" in page
    assert (await _kept(owner, pool, settings) or {})["login"] == "olga@salon.example"
    assert "YCLIENTS подключён" in await owner.send(f"{PAGE}/code", code="1234")
    assert (await _kept(owner, pool, settings) or {})["login"] == "2fa@salon.example"
    assert "own***" not in await owner.page(PAGE)


async def test_what_a_refused_login_held_goes_on_when_it_is_entered_anew(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    await owner.send(PAGE, login="olga@salon.example", password="right one")
    stand.stand.switch(rest_fault="401")
    account_id = owner.salon.made.account.account_id
    async with pool.acquire() as conn, conn.transaction():
        await want(conn, account_id, Wanted(COMPANY, "+79161234567", "chat", "chat:1", comment="Раз"), now=utc_now())
    await eventually(lambda: pool.fetchval("select state = 'held' from delivery where kind = 'client'"), within_s=25)
    stand.stand.switch(rest_fault="")
    await owner.send(PAGE, login="olga@salon.example", password="right one")
    await eventually(
        lambda: pool.fetchval("select state = 'delivered' from delivery where kind = 'client'"), within_s=25
    )


async def test_a_password_waits_for_its_code_for_a_quarter_of_an_hour(owner: Owner, pool: Any) -> None:
    await owner.send(PAGE, login="2fa@salon.example", password="right one")
    left = await pool.fetchval("select until - now() from waiting_login")
    assert timedelta(minutes=10) < left <= timedelta(minutes=15)
    await pool.execute("update waiting_login set until = now()")
    await owner.send(f"{PAGE}/code", status=404, code="1234")
    assert await pool.fetchval("select count(*) from waiting_login") == 0
    assert "own***" not in await owner.page(PAGE)


async def test_what_is_wrong_is_told_where_one_looks(owner: Owner, stand: RunningStand) -> None:
    assert "не принимает логин" in await owner.send(PAGE, status=422, login="a@b.ru", password="wrong")
    assert "Введите логин и пароль" in await owner.send(PAGE, status=422, login="", password="")
    stand.stand.switches.rest_fault = "html"
    assert "не отвечает" in await owner.send(PAGE, status=422, login="a@b.ru", password="right")


async def test_past_months_are_read_with_progress_and_end(owner: Owner, stand: RunningStand) -> None:
    at = stamp(datetime.now(MOSCOW) - timedelta(days=40))
    made = [stand.stand.make(4564, "staff", create_date=at, last_change_date=at)["id"] for _ in range(5)]
    await owner.send(PAGE, login="olga@salon.example", password="right one")
    assert "Загрузка началась" in await owner.send(f"{PAGE}/backfill", months="3")

    async def done() -> bool:
        return "Загружено" in await owner.page(f"{PAGE}/live")

    await eventually(done, within_s=25)
    found = (await owner.salon.get("/bookings"))["data"]
    assert {item["record_id"] for item in found} == set(made)


async def test_a_backfill_is_paused_resumed_and_cancelled_by_its_owner_alone(owner: Owner, pool: Any) -> None:
    await owner.send(f"{PAGE}/backfill", months="6")  # not connected: it waits
    assert "уже идёт" in await owner.send(f"{PAGE}/backfill", status=409, months="6")
    fill = await pool.fetchval("select backfill_id from backfill")
    for _ in range(2):  # a double click
        assert "Приостановлено" in await owner.send(f"{PAGE}/backfill/{fill}/pause")
    assert "Загружаем" in await owner.send(f"{PAGE}/backfill/{fill}/resume")
    assert "Отменено" in await owner.send(f"{PAGE}/backfill/{fill}/cancel")
    ended_at = await pool.fetchval("select ended_at from backfill")
    assert "Отменено" in await owner.send(f"{PAGE}/backfill/{fill}/cancel")
    assert await pool.fetchval("select ended_at from backfill") == ended_at
    await owner.send(f"{PAGE}/backfill/{fill}/resume", status=404)


@pytest.mark.parametrize("months", ["0", "37", "abc", "", "²", "99999999999"])
async def test_months_out_of_sense_are_refused(owner: Owner, months: str) -> None:
    assert "от 1 до 36" in await owner.send(f"{PAGE}/backfill", status=422, months=months)


async def test_what_no_webhook_told_of_is_shown(owner: Owner, stand: RunningStand) -> None:
    at = stamp(datetime.now(MOSCOW) - timedelta(minutes=10))
    stand.stand.make(4564, "staff", create_date=at, last_change_date=at)
    await owner.send(PAGE, login="olga@salon.example", password="right one")

    async def told() -> bool:
        page = await owner.page(f"{PAGE}/live")
        return 'data-name="Вебхук не сообщил">1<' in page

    await eventually(told, within_s=15)


async def test_records_that_could_not_be_read_are_shown(owner: Owner, stand: RunningStand) -> None:
    at = stamp(datetime.now(MOSCOW) - timedelta(minutes=10))
    number = 10**30
    stand.stand.records[number] = {**stand.stand.make(4564, "staff", create_date=at, last_change_date=at), "id": number}
    await owner.send(PAGE, login="olga@salon.example", password="right one")

    async def told() -> bool:
        return "1 запись не удалось прочитать" in await owner.page(f"{PAGE}/live")

    await eventually(told, within_s=15)
    await owner.send(f"{PAGE}/backfill", months="1")

    async def told_twice() -> bool:
        return (await owner.page(f"{PAGE}/live")).count("1 запись не удалось прочитать") == 2

    await eventually(told_twice, within_s=25)
