"""The page «Подключение текстовых коммуникаций»: what is set there is kept, what is wrong is said there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.app import build
from server.settings import Settings
from tests.conftest import make_salon
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"
CARD = {"card_name": "Клиент {phone}", "card_comment": "Заявка {date}", "card_source": "UIS"}
FORM: dict[str, Any] = {
    "enabled": "1", "forms_enabled": "1", "forms_default_company_id": "4564", "forms_create_client": "1",
    "chats_enabled": "1", "chats_default_company_id": "4564", "chats_create_client": "1", "create_on": "end",
    **{f"{part}_{name}": value for part in ("forms", "chats") for name, value in CARD.items()},
}  # fmt: skip


@pytest.fixture
async def owner(dsn: str, pool: Any, uis: RunningUis, settings: Settings) -> AsyncIterator[Owner]:
    own = settings.model_copy(update={"uis_data_api_url": uis.url})
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        yield one
        await one.session.close()


async def _settings(owner: Owner) -> dict[str, Any]:
    found: dict[str, Any] = await owner.salon.get("/integrations/texts")
    return found


async def test_every_setting_of_the_help_page_stands_here_in_its_order(owner: Owner) -> None:
    page = await owner.page("/integrations/texts")
    half = (
        "Соотношение филиалов", "Соответствие сайтов с вашими филиалами", "Филиал по умолчанию",
        "Филиал для всех сайтов, не выбранных в настройке выше", "Условия фильтрации", "Сайты", "Типы", "Создавать клиента",
    )  # fmt: skip
    steps = (
        "Подключение текстовых коммуникаций</h1>", "Базовые отраслевые решения", "ОМНИ-Чаты", "Учетные данные",
        "Добавьте название авторизации, а также логин и пароль от Yclients", "Передача заявок</h2>", "Передавать заявки", *half,
        "Передача чатов</h2>", "Передавать чаты", *half, "начало чата", "завершение чата", "простановка тега",
        "Активировать интеграцию", "Сохранить",
    )  # fmt: skip
    at = page.find("<h1>")
    for step in steps:
        found = page.find(step, at)
        assert found >= at, step
        at = found


async def test_both_halves_are_kept(owner: Owner) -> None:
    assert "Сохранено." in await owner.send(
        "/integrations/texts", **FORM, chats_types="whatsapp", forms_types_more="Своя"
    )
    kept = await _settings(owner)
    assert (kept["enabled"], kept["forms"]["enabled"], kept["chats"]["enabled"]) == (True, True, True)
    assert kept["forms"]["filter"]["types"] == ["Своя"]
    assert kept["chats"]["filter"]["types"] == ["whatsapp"]
    assert kept["chats"]["create_on"] == "end"
    assert 'value="Своя" checked' in await owner.page("/integrations/texts")


async def test_sites_of_uis_get_their_branches_and_one_is_written_by_hand(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    page = await owner.page("/integrations/texts")
    sites = re.findall(r'name="forms_site" value="(\d+\|[^"]*)"', page)
    assert sites, "the sites of UIS stand in the table"
    fields = [
        ("forms_site", sites[0]),
        ("forms_company", "4564"),
        ("forms_site", "Новый.salon.ru"),
        ("forms_company", "4564"),
    ]
    async with owner.session.post(
        owner.salon.http.make_url("/integrations/texts"), data=[*FORM.items(), *fields]
    ) as answer:
        assert answer.status == 200
    rows = (await _settings(owner))["forms"]["branches"]
    assert [row["site"]["id"] for row in rows] == [int(sites[0].split("|")[0]), None]
    assert rows[1]["site"]["name"] == "Новый.salon.ru"
    assert "Новый.salon.ru" in await owner.page("/integrations/texts")


async def test_a_client_is_made_on_the_tags_that_were_chosen(owner: Owner) -> None:
    await owner.send("/integrations/texts", **FORM | {"create_on": "tag"}, tags_more="Целевой\nVIP")
    kept = (await _settings(owner))["chats"]
    assert (kept["create_on"], [tag["name"] for tag in kept["tags"]]) == ("tag", ["Целевой", "VIP"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"forms_card_comment": "{secret}"}, "подстановка, которой нет в списке"),
        ({"chats_default_company_id": ""}, "филиал по умолчанию для того, что передаётся"),
    ],
)
async def test_what_cannot_be_used_is_told_shown_again_and_not_kept(
    owner: Owner, changed: dict[str, str], said: str
) -> None:
    before = await _settings(owner)
    page = await owner.send("/integrations/texts", status=422, **FORM | changed)
    assert said in page
    assert 'name="forms_enabled" value="1" checked' in page
    assert await _settings(owner) == before


async def test_the_page_is_whole_in_english_and_works_without_uis(owner: Owner) -> None:
    await owner.send("/language", locale="en", next="/integrations/texts")
    page = await owner.page("/integrations/texts")
    for text in (
        "Pass requests",
        "Pass chats",
        "Branches of sites",
        "On which event the client is made",
        "write the names by hand",
    ):
        assert text in page


async def test_past_chats_and_forms_are_asked_for_once_texts_are_on(owner: Owner, pool: Any) -> None:
    assert 'action="/integrations/texts/past"' in (page := await owner.page("/integrations/texts"))
    assert re.search(r"<button[^>]* disabled[^>]*>Передать", page)
    await owner.send("/integrations/texts", **FORM)
    assert "Чтение началось." in await owner.send("/integrations/texts/past", days="30")
    days = await pool.fetchval("select extract(day from asked_till - asked_from)::int from text_watch")
    assert days == 30
