"""The page «Передача сделок» and the journal «Сделки»: what is set there reaches UIS, what is wrong is said there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.app import build
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"
FORM: dict[str, Any] = {
    "enabled": "1", "funnel_name": "Записи", "funnels": "one", "stage_waiting": "Ждёт", "stage_confirmed": "Подтвердил",
    "stage_success": "Пришёл", "stage_failed": "Потеряна", "of_waiting": "waiting", "of_confirmed": "confirmed",
    "of_came": "success", "of_no_show": "failed", "of_deleted": "failed", "title": "Запись {number}: {client}",
    "responsible_by": "staff", "field_services": "1", "field_status": "1",
}  # fmt: skip


@pytest.fixture
async def owner(dsn: str, pool: Any, uis: RunningUis, settings: Settings) -> AsyncIterator[Owner]:
    own = settings.model_copy(update={"uis_data_api_url": uis.url, "retry_schedule_s": (0.05, 0.05)})
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        await one.send("/integrations/uis", access_token=KEY)
        yield one
        await one.session.close()


async def _settings(owner: Owner) -> dict[str, Any]:
    found: dict[str, Any] = await owner.salon.get("/integrations/deals")
    return found


async def test_owner_switches_on_names_stages_and_sees_the_deal_arrive(owner: Owner, uis: RunningUis) -> None:
    page = await owner.page("/integrations/deals")
    for text in (
        "Yclients передача сделок",
        "Авторизация в Yclients",
        "/hooks/yclients/",
        "Ожидает",
        "{services} — {client}",
    ):
        assert text in page
    assert "Сделок пока нет" in await owner.page("/deals")
    assert "Сохранено." in await owner.send("/integrations/deals", **FORM)
    await owner.salon.webhook(webhook(901, attendance=2))

    async def arrived() -> bool:
        return "Отправлено</span>" in await owner.page("/deals?state=delivered")

    await eventually(arrived)
    journal = await owner.page("/deals")
    for text in ("Запись 901: Клиент Тестовый", "Подтвердил", "Сотрудник Тестовый", "Стрижка детская"):
        assert text in journal
    (funnel,) = uis.uis.funnels.values()
    assert [stage["stage_name"] for stage in funnel["stages"]] == ["Ждёт", "Подтвердил", "Пришёл", "Потеряна"]
    assert set(uis.uis.user_fields["deal"]) == {"yclick_services", "yclick_status"}
    assert "Запись 901" not in await owner.page("/deals?stage=failed")


async def test_a_stage_is_added_used_and_left_out_again(owner: Owner) -> None:
    await owner.send("/integrations/deals", **FORM, new_stage="Напомнили")
    stages = (await _settings(owner))["funnel"]["in_process"]
    assert stages[-1] == {"key": "stage_1", "name": "Напомнили"}
    await owner.send("/integrations/deals", **FORM | {"stage_stage_1": "Напомнили", "of_confirmed": "stage_1"})
    assert (await _settings(owner))["funnel"]["stage_of"]["confirmed"] == "stage_1"
    refused = await owner.send(
        "/integrations/deals", status=422, **FORM | {"stage_stage_1": "", "of_confirmed": "stage_1"}
    )
    assert "у каждого статуса — свой этап" in refused
    await owner.send("/integrations/deals", **FORM | {"stage_stage_1": ""})
    assert len((await _settings(owner))["funnel"]["in_process"]) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"title": "{nobody}"}, "подстановка, которой нет в списке"),
        ({"title": ""}, "подстановка, которой нет в списке"),
        ({"funnel_name": ""}, "у воронки должно быть название"),
        ({"stage_waiting": "", "stage_confirmed": ""}, "хотя бы один этап"),
        ({"custom_code": "кто", "custom_name": "Кто"}, "код латиницей"),
    ],
)
async def test_what_cannot_be_used_is_told_and_not_kept(owner: Owner, changed: dict[str, str], said: str) -> None:
    before = await _settings(owner)
    assert said in await owner.send("/integrations/deals", status=422, **FORM | changed)
    assert await _settings(owner) == before


async def test_what_only_the_api_can_set_outlives_the_page(owner: Owner) -> None:
    person = {"id": 2835418, "name": "Анна", "key": "anna"}
    settings = {"responsible": {"staff": [person]}, "vendor_rules": {"backward": "closed_stays"}}
    async with owner.salon.http.put("/api/v1/integrations/deals", json=settings, headers=owner.salon.token) as answer:
        assert answer.status == 200
    await owner.send(
        "/integrations/deals", **FORM, custom_code="source", custom_name="Откуда", fallback="Администратор"
    )
    kept = await _settings(owner)
    assert kept["responsible"]["staff"] == [person]
    assert kept["responsible"]["fallback"]["name"] == "Администратор"
    assert kept["vendor_rules"]["backward"] == "closed_stays"
    assert kept["fields"]["custom"] == [{"code": "source", "name": "Откуда"}]
    assert (kept["fields"]["services"], kept["fields"]["branch"]) == (True, False)


async def test_a_component_that_is_off_is_told_here_and_mended_by_one_button(owner: Owner, uis: RunningUis) -> None:
    uis.uis.components.discard("sales_funnel")
    await owner.send("/integrations/deals", **FORM)
    await owner.salon.webhook(webhook(902))

    async def told() -> bool:
        return "выключен компонент" in await owner.page("/integrations/deals")

    await eventually(told)
    assert "выключен компонент" in await owner.page("/deals")
    uis.uis.components.add("sales_funnel")
    assert "отправляется снова" in await owner.send("/integrations/deals/release")

    async def arrived() -> bool:
        return "Отправлено</span>" in await owner.page("/deals")

    await eventually(arrived)
    assert "выключен компонент" not in await owner.page("/integrations/deals")


async def test_the_button_proves_the_connection_before_it_lets_anything_go(owner: Owner, uis: RunningUis) -> None:
    await owner.send("/integrations/deals", **FORM)
    uis.uis.keys[KEY] = "expired"
    await owner.salon.webhook(webhook(904))

    async def told() -> bool:
        return "Срок ключа UIS" in await owner.page("/integrations/deals")

    await eventually(told)
    assert "Срок ключа UIS" in await owner.send("/integrations/deals/release", status=422)
    health = await owner.salon.get("/health")
    assert "uis_refused" in {one["code"] for one in health["troubles"]}, (
        "a key that is not let in is not called working"
    )
    uis.uis.keys[KEY] = "ok"
    assert "отправляется снова" in await owner.send("/integrations/deals/release")
    await eventually(lambda: _arrived(uis))


async def _arrived(uis: RunningUis) -> bool:
    return len(uis.uis.deals) == 1


async def test_both_pages_are_whole_in_english_and_linked(owner: Owner) -> None:
    await owner.send("/integrations/deals", **FORM)
    await owner.salon.webhook(webhook(903))
    await owner.send("/language", locale="en", next="/deals")
    assert 'href="/integrations/deals"' in await owner.page("/integrations/leads")
    assert "Sales funnel and its stages" in await owner.page("/integrations/deals")

    async def shown() -> bool:
        return "Delivered</span>" in await owner.page("/deals")

    await eventually(shown)
    assert KEY not in await owner.page("/integrations/deals")
