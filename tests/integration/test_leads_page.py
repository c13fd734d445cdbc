"""The page «Передача заявок»: a key is proved at once, lists come from UIS, what is wrong is said where one looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.app import build
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import MOSCOW, webhook
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"


@pytest.fixture
async def owner(dsn: str, pool: Any, uis: RunningUis, settings: Settings) -> AsyncIterator[Owner]:
    own = settings.model_copy(update={"uis_data_api_url": uis.url, "retry_schedule_s": (0.05, 0.05)})
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        yield one
        await one.session.close()


async def test_owner_connects_chooses_and_sees_the_lead_arrive(owner: Owner, uis: RunningUis) -> None:
    assert "Не подключён" in await owner.page("/integrations/leads")
    page = await owner.send("/integrations/uis", access_token=KEY)
    for text in ("UIS подключён", "Сайт салона", "Яндекс.Директ", "Карты"):
        assert text in page
    assert "Старая" not in page  # a campaign that is off cannot be chosen
    saved = await owner.send(
        "/integrations/leads", enabled="1", correct="1", default_entity="source", default_source_id="8",
        default_site_id="43525", app_entity="campaign", app_campaign_id="268177",
    )  # fmt: skip
    assert "Сохранено" in saved
    assert "/s/" in saved
    await owner.salon.webhook(webhook(901))

    async def arrived() -> bool:
        return "Отправлено</span>" in await owner.page("/deliveries?state=delivered") and len(uis.uis.messages) == 1

    await eventually(arrived)
    assert "901" in await owner.page("/deliveries")


@pytest.mark.parametrize(
    ("key", "said"), [("stand-key-wrong-000000", "не знает этот ключ"), ("", "Введите ключ или логин")]
)
async def test_a_wrong_key_is_told_at_once(owner: Owner, key: str, said: str) -> None:
    assert said in await owner.send("/integrations/uis", status=422, access_token=key)


async def test_an_address_that_is_not_listed_is_told_with_the_place_to_mend_it(owner: Owner, uis: RunningUis) -> None:
    uis.uis.listed.clear()
    assert "Правила и настройки безопасности" in await owner.send("/integrations/uis", status=422, access_token=KEY)
    uis.uis.listed.append("127.0.0.1")
    assert "UIS отвечает" in await owner.send("/integrations/uis/check")


async def test_a_uis_that_does_not_answer_says_nothing_about_a_key_that_works(owner: Owner, uis: RunningUis) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    uis.uis.switch(fault_rate=1.0, fault_kinds=["http_502"])
    assert "UIS сейчас не отвечает" in await owner.send("/integrations/uis/check", status=422)
    uis.uis.switch(fault_rate=0.0)
    page = await owner.page("/integrations/leads")
    assert "UIS подключён" in page or "badge exact" in page
    assert "сейчас не отвечает" not in page


async def test_switching_on_without_a_choice_says_what_is_missing(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    assert "выберите рекламную кампанию" in await owner.send(
        "/integrations/leads", status=422, enabled="1", default_entity="source"
    )


async def test_a_mistyped_key_does_not_replace_one_that_works(owner: Owner, uis: RunningUis) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    await owner.send("/integrations/uis", status=422, access_token="stand-key-wrong-000000")
    assert "Подключён" in await owner.page("/integrations/leads")


async def test_a_source_needs_its_site_and_the_choice_is_kept_on_the_page(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    page = await owner.send(
        "/integrations/leads", status=422, enabled="1", default_entity="source", default_source_id="-2"
    )
    assert "нужен и сайт" in page
    assert '<option value="-2" selected>' in page
    saved = await owner.send(
        "/integrations/leads", enabled="1", default_entity="source", default_source_id="-2", default_site_id="43525"
    )
    assert "Сохранено" in saved


async def test_a_change_of_settings_leaves_what_was_sent_alone(owner: Owner, uis: RunningUis) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    choice: dict[str, Any] = {"enabled": "1", "correct": "1", "default_entity": "source", "default_site_id": "43525"}
    await owner.send("/integrations/leads", **choice, default_source_id="8")
    await owner.salon.webhook(webhook(902))

    async def arrived() -> bool:
        return len(uis.uis.messages) == 1

    await eventually(arrived)
    first = set(uis.uis.messages)
    await owner.send("/integrations/leads", **choice, default_source_id="-2")
    await owner.salon.webhook(webhook(902, status="update", attendance=1, changed=datetime.now(MOSCOW)))

    async def changed() -> bool:
        return (await owner.salon.get("/bookings", record_id="902"))["data"][0]["attendance"] == 1

    await eventually(changed)
    assert set(uis.uis.messages) == first


async def test_what_does_not_reach_uis_is_said_on_every_page(owner: Owner, uis: RunningUis) -> None:
    assert "Пока ничего не приходило" in await owner.page("/leads")
    await owner.send("/integrations/uis", access_token=KEY)
    await owner.send(
        "/integrations/leads", enabled="1", default_entity="source", default_source_id="8", default_site_id="43525"
    )
    uis.uis.keys[KEY] = "expired"
    await owner.salon.webhook(webhook(903))

    async def said() -> bool:
        return "не отправлено: 1" in await owner.page("/bookings")

    await eventually(said)
    assert "Срок ключа UIS" in await owner.page("/deliveries")
    health = await owner.salon.get("/health")
    assert {"uis_refused", "deliveries_held"} <= {one["code"] for one in health["troubles"]}
    await owner.salon.webhook(webhook(904))

    async def reason_for_the_next() -> bool:
        return (await owner.page("/deliveries")).count("Срок ключа UIS") >= 2

    await eventually(reason_for_the_next)


async def test_the_key_is_on_no_page(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    for path in ("/integrations/leads", "/deliveries", "/install", "/access", "/intake"):
        assert KEY not in await owner.page(path)


@pytest.mark.parametrize("typed", ["²", "--5", "9" * 5000])
async def test_what_is_no_number_is_told_and_breaks_nothing(owner: Owner, typed: str) -> None:
    await owner.send(
        "/integrations/leads", status=422, enabled="1", default_entity="source", default_source_id=typed,
        default_site_id="43525",
    )  # fmt: skip
