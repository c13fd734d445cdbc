"""What a person must mend is one sentence that says so, in Russian and in English, where the owner looks; and nothing
is lost until then: a wrong password, a wanted code, an ended key, an address not listed, a component that is off, an
ended licence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from e2e.stand.app import RunningStand
from e2e.stand.uis.state import Uis
from server.app import build
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"
YCLIENTS, LEADS = "/integrations/yclients", "/integrations/leads"
LEADS_FORM: dict[str, Any] = {
    "enabled": "1",
    "default_entity": "source",
    "default_source_id": "8",
    "default_site_id": "43525",
}


@dataclass
class Office:
    owner: Owner
    stand: RunningStand

    @property
    def uis(self) -> Uis:
        return self.stand.stand.uis

    async def says(self, page: str, russian: str, english: str) -> None:
        """Both sentences come to stand on the page, each in its language."""
        for locale, sentence, other in (("ru", russian, english), ("en", english, russian)):
            await self.owner.send("/language", locale=locale, next=page)

            async def there(sentence: str = sentence) -> bool:
                return sentence in await self.owner.page(page)

            await eventually(there)
            assert other not in await self.owner.page(page)


@pytest.fixture
async def office(dsn: str, pool: asyncpg.Pool, stand: RunningStand, settings: Settings) -> AsyncIterator[Office]:
    base = f"http://127.0.0.1:{stand.port}"
    own = settings.model_copy(
        update={
            "yclients_api_url": base, "yclients_partner_token": SecretStr("stand-partner"), "reconcile_period_s": 0.5,
            "uis_data_api_url": f"{base}/uis", "retry_schedule_s": (0.05, 0.05, 0.1, 0.1),
        }
    )  # fmt: skip
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        yield Office(one, stand)
        await one.session.close()


async def test_a_wrong_password_of_yclients(office: Office) -> None:
    for locale, sentence in (("ru", "не принимает логин"), ("en", "does not accept")):
        await office.owner.send("/language", locale=locale, next=YCLIENTS)
        assert sentence in await office.owner.send(YCLIENTS, status=422, login="a@b.ru", password="wrong")
    await _is_kept(office, 801)


async def test_a_wanted_code(office: Office) -> None:
    await office.owner.send(YCLIENTS, login="2fa@salon.example", password="right one")
    await _is_kept(office, 802)
    for locale, label in (("ru", "Код"), ("en", "Code")):
        await office.owner.send("/language", locale=locale, next=YCLIENTS)
        page = await office.owner.page(YCLIENTS)
        assert "own***@salon.example" in page
        assert label in page


def _ended(uis: Uis, on: bool) -> None:
    uis.keys[KEY] = "ok" if on else "expired"


def _not_listed(uis: Uis, on: bool) -> None:
    uis.listed[:] = ["127.0.0.1", "::1"] if on else []


def _component(uis: Uis, on: bool) -> None:
    (uis.components.add if on else uis.components.discard)("upload_offline_messages")


@pytest.mark.parametrize(
    ("turn", "russian", "english"),
    [
        (_ended, "Срок ключа UIS истёк: создайте новый", "The UIS key has ended: make a new one"),
        (
            _not_listed,
            "UIS не пускает наш адрес 127.0.0.1: добавьте его",
            "does not let our address 127.0.0.1 in: add it",
        ),
        (_component, "В UIS выключен компонент", "A component is off in UIS"),
    ],
)
async def test_what_uis_refuses_is_held_with_its_sentence_and_arrives_when_mended(
    office: Office, turn: Callable[[Uis, bool], None], russian: str, english: str
) -> None:
    await office.owner.send("/integrations/uis", access_token=KEY)
    await office.owner.send(LEADS, **LEADS_FORM)
    turn(office.uis, False)
    for record_id in (810, 811, 812):
        await _is_kept(office, record_id)
    await office.says(LEADS, russian, english)
    await office.says("/deliveries", russian, english)
    assert office.uis.messages == {}
    turn(office.uis, True)
    await office.owner.send("/integrations/uis/check")

    async def arrived() -> bool:
        return len(office.uis.messages) == 3

    await eventually(arrived)


async def test_a_wrong_password_of_uis(office: Office) -> None:
    for locale, sentence in (("ru", "UIS не принимает логин или пароль"), ("en", "UIS does not accept the login")):
        await office.owner.send("/language", locale=locale, next=LEADS)
        page = await office.owner.send("/integrations/uis", status=422, login="owner@salon.example", password="wrong")
        assert sentence in page


@pytest.mark.parametrize("status", ["402", "403"])
async def test_an_ended_licence_of_yclients(office: Office, pool: asyncpg.Pool, status: str) -> None:
    await office.owner.send(YCLIENTS, login="olga@salon.example", password="right one")
    office.stand.stand.switches.rest_fault = status
    record = office.stand.stand.make(4564, "staff", comment="как в журнале")
    await _is_kept(office, record["id"])
    # The comparison tells it with the branch; the token is as good as before, so nobody has to log in again.
    await pool.execute("update reconcile set next_at = now()")
    await office.says(
        YCLIENTS, "Лицензия YCLIENTS закончилась: продлите её", "The YCLIENTS licence has ended: prolong it"
    )

    async def waits() -> bool:
        return bool(await pool.fetchval("select last_error like '%лиценз%' from job where kind = 'booking.read'"))

    await eventually(waits)
    assert await pool.fetchval("select state from connection where vendor = 'yclients'") == "active"
    office.stand.stand.switches.rest_fault = ""
    await pool.execute("update job set run_at = now()")  # an hour later

    async def read() -> bool:
        found = (await office.owner.salon.get("/bookings", record_id=record["id"]))["data"]
        return bool(found[0]["comment"] == "как в журнале")

    await eventually(read)


async def test_a_login_of_yclients_that_is_no_longer_accepted(office: Office) -> None:
    await office.owner.send(YCLIENTS, login="olga@salon.example", password="right one")
    office.stand.stand.switches.rest_fault = "401"
    await _is_kept(office, 821)
    await office.says(
        YCLIENTS, "больше не принимает этот вход: введите логин", "no longer accepts this login: enter login"
    )

    async def told() -> Any:
        return (await office.owner.salon.get("/notices"))["data"]

    (notice,) = await eventually(told, within_s=30)
    assert (notice["sort"], notice["topic"]) == ("exhausted", "yclients")
    await office.says("/bookings", "YCLIENTS: передача остановлена и ждёт вас", "YCLIENTS: stopped, waiting for you")
    office.stand.stand.switches.rest_fault = ""
    await office.owner.send(YCLIENTS, login="olga@salon.example", password="right one")
    assert [one["sort"] for one in await told()] == ["recovered", "exhausted"]
    assert "waiting for you" not in await office.owner.page("/bookings")


async def _is_kept(office: Office, record_id: int) -> None:
    assert await office.owner.salon.webhook(webhook(record_id)) == 200

    async def there() -> Any:
        return (await office.owner.salon.get("/bookings", record_id=record_id))["data"]

    await eventually(there)
