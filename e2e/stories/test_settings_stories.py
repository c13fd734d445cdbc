"""The owner sets telephony and texts by hand, and sees the first notification arrive."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import expect

from e2e.conftest import World

TOKEN = "0f9c1b2a-story-network-token"


def test_owner_connects_telephony_copies_a_body_and_sees_it_arrive(visitors: Any, world: World) -> None:
    owner = visitors().page
    owner.goto(world.server.command("account", "login", world.account["account_id"]).stdout.strip())
    owner.goto(f"{world.server.base}/integrations/telephony")
    form = owner.locator("form[action='/integrations/telephony/credentials']")
    form.get_by_label("Название").fill("Сеть салонов")
    form.get_by_label("Авторизация (User token)").fill(TOKEN)
    form.get_by_role("button", name="Добавить учетные данные").click()
    expect(owner.get_by_role("status")).to_contain_text("Учетные данные добавлены")
    owner.get_by_label("Yclients подключение телефонии").check()
    rows = owner.locator(".rows .row:not(.head)")
    before = rows.count()
    owner.get_by_role("button", name="Добавить строку").click()
    expect(rows).to_have_count(before + 1)
    rows.last.get_by_label("Виртуальный номер").fill("+7 (495) 000-00-01")
    rows.last.get_by_label("Филиал").select_option("4564")
    owner.get_by_role("button", name="Сохранить").click()
    expect(owner.get_by_role("status")).to_have_text("Сохранено.")
    kept = world.server.get("/api/v1/integrations/telephony", world.account["api_token"])
    assert kept["networks"][0]["numbers"] == [{"number": "74950000001", "company_id": 4564}]
    owner.get_by_label("Номера в маршрутизации YCLIENTS").fill("+74950000001")
    owner.get_by_role("button", name="Проверить номера").click()
    expect(owner.get_by_text("в YCLIENTS должно быть 74950000001")).to_be_visible()

    owner.goto(f"{world.server.base}/integrations/notifications")
    url = owner.locator("#n-url").text_content() or ""
    body = owner.locator("#b-in_call_session").text_content() or ""
    owner.get_by_role("button", name="Проверить").click()
    expect(owner.get_by_text("Ждём первое уведомление")).to_be_visible()
    told = {"call_session_id": 3173444634, "contact_phone_number": "79000000001", "virtual_phone_number": "74950000001"}
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: json.dumps(told.get(found[1])), body)
    asked = urllib.request.Request(
        world.server.base + url[url.index("/hooks/") :], data=filled.encode(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 200
    expect(owner.get_by_text("Уведомления приходят.")).to_be_visible(timeout=20_000)
    expect(owner.locator("#rows pre").first).to_contain_text("3173444634")
    assert TOKEN not in owner.content()


def test_owner_sets_texts_and_what_is_off_stays_folded(visitors: Any, world: World) -> None:
    owner = visitors().page
    owner.goto(world.server.command("account", "login", world.account["account_id"]).stdout.strip())
    owner.goto(f"{world.server.base}/integrations/texts")
    chats = owner.locator("#chats")
    expect(chats.get_by_text("Соотношение филиалов")).to_be_hidden()
    chats.get_by_label("Передавать чаты").check()
    expect(chats.get_by_text("Соотношение филиалов")).to_be_visible()
    expect(chats.get_by_text("Какие теги")).to_be_hidden()
    chats.get_by_label("простановка тега").check()
    expect(chats.get_by_text("Какие теги")).to_be_visible()
    chats.get_by_label("Филиал по умолчанию").select_option("4564")
    owner.get_by_label("Активировать интеграцию").check()
    owner.get_by_role("button", name="Сохранить").click()
    expect(owner.get_by_role("status")).to_have_text("Сохранено.")
    kept = world.server.get("/api/v1/integrations/texts", world.account["api_token"])
    assert (kept["enabled"], kept["chats"]["create_on"], kept["chats"]["default_company_id"]) == (True, "tag", 4564)
    expect(chats.get_by_label("простановка тега")).to_be_checked()
