"""Stories that end in the owner's UIS account."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import expect

from e2e.conftest import AD, World, book


def test_owner_connects_uis_and_the_next_booking_is_there_with_its_session(visitors: Any, world: World) -> None:
    owner = visitors().page
    owner.goto(world.server.command("account", "login", world.account["account_id"]).stdout.strip())
    owner.get_by_text("Интеграции", exact=True).filter(visible=True).click()
    owner.get_by_role("link", name="Передача заявок с Онлайн-виджета").click()
    owner.get_by_label("Ключ Data API").fill("stand-key-0123456789")
    owner.get_by_role("button", name="Подключить и проверить").click()
    expect(owner.get_by_role("status")).to_have_text("UIS подключён.")
    owner.get_by_label("Yclients передача заявок c Онлайн-виджета").check()
    owner.locator("[name=default_source_id]").select_option(label="Карты · Рекомендации")
    owner.locator("[name=default_site_id]").select_option(label="Сайт салона (salon.example)")
    owner.get_by_role("button", name="Сохранить").click()
    expect(owner.get_by_text("Сохранено. Установите код")).to_be_visible()
    expect(owner.locator("#s-site")).to_contain_text(world.account["site"]["script_url"])

    person = visitors()
    person.visit("/" + AD)
    person.page.wait_for_function("window.Comagic")
    person.page.get_by_test_id("hero").click()
    book(person.panel(), name="Дошла До UIS", slot=11)
    record = world.last_record()
    world.lead(record, level="L0")
    lead = world.until(lambda: world.lead(record), lambda lead: lead["delivery"]["state"] == "delivered")
    row = world.until(
        lambda: [row for row in world.stand.uis.messages.values() if str(row["id"]) == lead["delivery"]["uis_id"]],
        lambda rows: bool(rows) and bool(rows[0]["visitor_session_id"]),
    )[0]
    assert row["visitor_session_id"] in world.stand.uis.sessions
    assert (row["visitor_name"], row["visitor_phone_number"]) == ("Дошла До UIS", 79161234567)
    owner.goto(f"{world.server.base}/deliveries")
    expect(owner.locator("tr", has_text="Дошла До UIS")).to_contain_text("Отправлено")
    switched = world.server.command("account", "show", world.account["account_id"], "--json")
    assert not re.search("stand-key", json.dumps(switched.stdout))
