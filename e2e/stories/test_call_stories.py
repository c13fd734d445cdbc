"""Calls in the browser: the pop-up while it rings, the history with a recording that plays, and what was done about each."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from e2e.conftest import ARGS, CHROMIUM, StandThread, World
from e2e.stand.state import StandConfig
from e2e.stand.telephony import CRM_TOKEN
from e2e.stand.uis.notices import Notice
from tests.server_process import ServerProcess

FIRST, NOT_IN_TABLE = "74950000001", "74950000003"
CALLER, OTHER = "79165550101", "79165550202"
LONG_MS = 30_000


@pytest.fixture(scope="module")
def phones() -> Iterator[World]:
    """A server whose YCLIENTS and UIS are one stand."""
    thread = StandThread(StandConfig(domain="yclients.com", salon_host="salon.test"))
    at = f"http://127.0.0.1:{thread.running.port}"
    server = ServerProcess(
        YCLICK_YCLIENTS_API_URL=at, YCLICK_YCLIENTS_PARTNER_TOKEN="stand", YCLICK_UIS_DATA_API_URL=f"{at}/uis",
        YCLICK_UIS_MEDIA_URL=f"{at}/uis", YCLICK_RECORDING_HOSTS="127.0.0.1",
    )  # fmt: skip
    server.start()
    thread.stand.uis.switch(media_type="audio/wav")
    yield World(server, thread, server.account("--branch", "4565"))
    server.clean()
    thread.stop()


@pytest.fixture
def browser(playwright: Playwright, phones: World) -> Iterator[Browser]:
    one = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[*ARGS, f"--host-resolver-rules={phones.rules()}", "--autoplay-policy=no-user-gesture-required"],
    )
    yield one
    one.close()


def call(world: World, **asked: Any) -> None:
    wanted = urllib.request.Request(
        f"http://127.0.0.1:{world.stand_thread.running.port}/uis/_stand/call", method="POST",
        data=json.dumps(asked).encode(), headers={"Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(wanted, timeout=10) as answer:
        assert answer.status == 201


def connect(world: World, owner: Page) -> None:
    """Telephony as the help page says it, and the bodies of notifications copied into UIS."""
    owner.goto(world.server.command("account", "login", world.account["account_id"]).stdout.strip())
    owner.goto(f"{world.server.base}/integrations/telephony")
    form = owner.locator("form[action='/integrations/telephony/credentials']")
    form.get_by_label("Название").fill("Сеть «Лён»")
    form.get_by_label("Авторизация (User token)").fill(CRM_TOKEN)
    form.get_by_role("button", name="Добавить учетные данные").click()
    owner.get_by_label("Yclients подключение телефонии").check()
    row = owner.locator(".rows .row:not(.head)").last
    row.get_by_label("Виртуальный номер").fill("8 (495) 000-00-01")
    row.get_by_label("Филиал").select_option("4564")
    owner.locator("[name=default_company_id]").select_option("4565")
    owner.get_by_role("button", name="Сохранить").click()
    expect(owner.get_by_role("status")).to_have_text("Сохранено.")

    owner.goto(f"{world.server.base}/integrations/notifications")
    url = owner.locator("#n-url").text_content() or ""
    address = world.server.base + url[url.index("/hooks/") :]
    bodies = owner.locator("pre[id^='b-']").evaluate_all("all => all.map(one => [one.id.slice(2), one.textContent])")
    assert {"in_call_session", "call_session_finished", "lost_call_session", "talk_record_file"} <= {
        one[0] for one in bodies
    }
    world.stand.uis.notices = [Notice(event, address, body=body) for event, body in bodies]


def test_a_call_pops_up_stands_in_the_history_and_plays_and_the_journal_says_what_became_of_each(
    browser: Browser, phones: World, shots: Path
) -> None:
    owner = browser.new_context().new_page()
    connect(phones, owner)
    at = f"http://127.0.0.1:{phones.stand_thread.running.port}"
    reception = browser.new_context().new_page()
    reception.goto(f"{at}/cabinet/4564")
    expect(reception.get_by_test_id("telephony-state")).to_contain_text("Интеграция подключена", timeout=LONG_MS)

    # It rings, somebody talks, the recording comes.
    call(phones, scenario="answered", number=FIRST, caller=CALLER, wait_s=4, talk_s=2, record_s=1)
    popup = reception.locator(f"[data-testid=popup][data-phone='{CALLER}']")
    expect(popup).to_be_visible(timeout=LONG_MS)
    reception.screenshot(path=shots / "popup.png")
    entry = reception.locator(f"[data-testid=call][data-phone='{CALLER}']")
    expect(entry).to_have_count(1, timeout=LONG_MS)
    expect(entry).to_have_attribute("data-status", "success")
    player = entry.get_by_test_id("recording")
    player.evaluate("one => one.play()")
    reception.wait_for_function(
        "one => one.duration > 0 && one.currentTime > 0 && !one.error", arg=player.element_handle(), timeout=LONG_MS
    )

    # Nobody took it: by the button of the page of UIS.
    telephony = browser.new_context().new_page()
    telephony.goto(f"{at}/uis/")
    telephony.get_by_test_id("number").select_option(FIRST)
    telephony.get_by_test_id("caller").fill(OTHER)
    telephony.get_by_test_id("scenario-lost").click()
    lost = reception.locator(f"[data-testid=call][data-phone='{OTHER}']")
    expect(lost).to_have_attribute("data-status", "missed", timeout=LONG_MS)
    expect(lost.get_by_test_id("recording")).to_have_count(0)
    reception.screenshot(path=shots / "history.png")

    # A number that stands in no table is the default branch's.
    call(phones, scenario="lost", number=NOT_IN_TABLE, caller="79165550303", wait_s=1)

    token = phones.account["api_token"]
    calls = {
        row["phone"]: row
        for row in phones.until(
            lambda: phones.server.get("/api/v1/calls", token)["data"],
            lambda rows: len(rows) == 3 and all(row["history"]["state"] == "delivered" for row in rows), within_s=30,
        )
    }  # fmt: skip
    owner.goto(f"{phones.server.base}/calls")
    rows = {phone: owner.locator(f"#call-{row['id']}") for phone, row in calls.items()}
    for phone, words in (
        (CALLER, ("Принят", "Окно показано", "В истории", "Слушать")), (OTHER, ("Пропущен",)), ("79165550303", ("Пропущен", NOT_IN_TABLE)),
    ):  # fmt: skip
        for word in words:
            expect(rows[phone]).to_contain_text(word, timeout=LONG_MS)
    owner.screenshot(path=shots / "journal.png", full_page=True)
    assert (calls["79165550303"]["company_id"], calls[CALLER]["company_id"]) == (4565, 4564)
    assert [calls[phone]["popup"]["state"] for phone in (CALLER, OTHER)] == ["shown", "shown"]

    rows[CALLER].get_by_role("link", name="Слушать").click()
    own = owner.locator("#recording audio")
    own.evaluate("one => one.play()")
    owner.wait_for_function("one => one.currentTime > 0 && !one.error", arg=own.element_handle(), timeout=LONG_MS)
    owner.screenshot(path=shots / "call.png", full_page=True)


def test_a_number_that_stands_otherwise_in_the_routing_is_found(browser: Browser, phones: World, shots: Path) -> None:
    """After the story above: calls of this number come, but YCLIENTS compares numbers as text."""
    owner = browser.new_context().new_page()
    owner.goto(phones.server.command("account", "login", phones.account["account_id"]).stdout.strip())
    owner.goto(f"{phones.server.base}/integrations/telephony")
    owner.get_by_label("Номера в маршрутизации YCLIENTS").fill("+7 (495) 000-00-01\n74950000009")
    owner.get_by_role("button", name="Проверить номера").click()
    expect(owner.get_by_text("в YCLIENTS должно быть 74950000001")).to_be_visible()
    expect(owner.locator(".verdicts li")).to_have_count(2)
    owner.locator("#numbers").screenshot(path=shots / "numbers.png")
    owner.get_by_label("Номера в маршрутизации YCLIENTS").fill(FIRST)
    owner.get_by_role("button", name="Проверить номера").click()
    expect(owner.get_by_text("Все номера совпадают")).to_be_visible()
