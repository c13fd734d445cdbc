"""Chats and site forms of UIS become clients in the simulated cabinet of YCLIENTS, and the journal says what was done."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from e2e.conftest import ARGS, CHROMIUM, StandThread, World, fits
from e2e.stand.state import StandConfig
from tests.server_process import ServerProcess

LONG_MS = 30_000
EVENTS = ("chat_finished", "lost_chat", "offline_message", "set_mark")


@pytest.fixture
def talking() -> Iterator[World]:
    """A server whose account is connected to both vendors, which are one stand; UIS tells it of chats and forms."""
    thread = StandThread(StandConfig(domain="yclients.com", salon_host="salon.test"))
    address = f"http://127.0.0.1:{thread.running.port}"
    server = ServerProcess(
        YCLICK_YCLIENTS_API_URL=address, YCLICK_UIS_DATA_API_URL=f"{address}/uis", YCLICK_RECONCILE_PERIOD_S="2",
        YCLICK_RETRY_SCHEDULE_S="0.2,0.5,1",
    )  # fmt: skip
    server.start()
    world = World(server, thread, server.account())
    secrets = {
        "yclients": {"partner_token": "stand", "user_token": "stand"},
        "uis": {"access_token": "stand-key-0123456789"},
    }
    for vendor, secret in secrets.items():
        done = server.command("account", "connect", vendor, world.account["account_id"], given=json.dumps(secret))
        assert done.returncode == 0, done.stderr
    by_hand(world, "PUT", "notifications", {"notifications": [told(world, event) for event in EVENTS]})
    yield world
    server.clean()
    thread.stop()


@pytest.fixture
def chromium_of_talking(playwright: Playwright, talking: World) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*ARGS, f"--host-resolver-rules={talking.rules()}"]
    )
    yield browser
    browser.close()


def told(world: World, event: str) -> dict[str, str]:
    """As the owner enters it: with the vendor's body, but of a tag, which has to name its chat."""
    names = ("notification_time", "communication_id", "communication_type", "tag_id", "tag_name")
    body = f'{{"event": "{event}", ' + ", ".join(f'"{name}": {{{{{name}}}}}' for name in names) + "}"
    return {"event": event, "url": world.account["webhooks"]["uis"], "body": body if event == "set_mark" else ""}


def by_hand(world: World, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What happens in the account of UIS."""
    asked = urllib.request.Request(
        f"http://127.0.0.1:{world.stand_thread.running.port}/uis/_stand/{path}", method=method,
        data=json.dumps(body).encode(), headers={"Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(asked, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def choose(owner: Page, world: World, event: str) -> None:
    owner.goto(f"{world.server.base}/integrations/texts")
    for part in ("forms", "chats"):
        owner.locator(f"[name={part}_enabled]").check()
        owner.locator(f"[name={part}_default_company_id]").select_option("4564")
    owner.locator(f"[name=create_on][value={event}]").check()
    owner.get_by_label("Активировать интеграцию").check()
    owner.get_by_role("button", name="Сохранить").click()
    expect(owner.get_by_role("status")).to_have_text("Сохранено.")


def client(cabinet: Page, phone: str) -> Locator:
    return cabinet.locator(f"[data-testid=client][data-phone='{phone}']")


def test_a_chat_makes_the_client_on_each_of_three_events_and_so_does_a_form(
    chromium_of_talking: Browser, talking: World, shots: Any
) -> None:
    context = chromium_of_talking.new_context(locale="ru-RU")
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    owner, cabinet = context.new_page(), context.new_page()
    owner.goto(talking.server.command("account", "login", talking.account["account_id"]).stdout.strip())
    cabinet.goto(f"http://127.0.0.1:{talking.stand_thread.running.port}/cabinet/4564")
    cabinet.get_by_test_id("tab-clients").click()

    # Its beginning: the client is there while the chat goes on; what was said comes with its end.
    choose(owner, talking, "start")
    chat = by_hand(talking, "POST", "chat", {
        "scenario": "open", "name": "Ольга Первая", "phone": "79165550101", "contacts_at": "start", "scale": 0.0,
    })  # fmt: skip
    expect(client(cabinet, "79165550101")).to_contain_text("Ольга Первая", timeout=LONG_MS)
    expect(client(cabinet, "79165550101").get_by_test_id("comment")).to_have_count(0)
    by_hand(talking, "PATCH", f"chats/{chat['chat_id']}", {"close": "succeed"})
    expect(client(cabinet, "79165550101").get_by_test_id("comment")).to_contain_text(
        "Клиент: Здравствуйте! Есть время на субботу?", timeout=LONG_MS
    )

    # Its end; the name is hostile, and stays text.
    choose(owner, talking, "end")
    by_hand(talking, "POST", "chat", {
        "name": "Пётр <img src=x onerror=alert(1)>", "phone": "79165550102", "scale": 0.01, "channel": "whatsapp",
    })  # fmt: skip
    expect(client(cabinet, "79165550102").get_by_test_id("comment")).to_contain_text("Клиент: Спасибо", timeout=LONG_MS)
    expect(client(cabinet, "79165550102")).to_contain_text("Пётр <img")

    # A tag: without it nobody is made, and the journal says what is waited for.
    choose(owner, talking, "tag")
    chat = by_hand(talking, "POST", "chat", {"name": "Мария", "phone": "79165550103", "scale": 0.01})
    owner.goto(f"{talking.server.base}/chats")
    expect(owner.locator("tr", has_text="Мария")).to_contain_text("тег", timeout=LONG_MS)
    assert client(cabinet, "79165550103").count() == 0
    by_hand(talking, "POST", "tag", {
        "communication_type": "chat", "communication_id": chat["communication_id"], "tag": 515116,
    })  # fmt: skip
    expect(client(cabinet, "79165550103").get_by_test_id("comment")).to_contain_text("Клиент: ", timeout=LONG_MS)

    by_hand(talking, "POST", "form", {"name": "Анна", "phone": "8 (916) 555-01-04", "text": "Перезвоните после шести"})
    expect(client(cabinet, "79165550104").get_by_test_id("comment")).to_contain_text(
        "Перезвоните после шести", timeout=LONG_MS
    )
    by_hand(talking, "POST", "form", {"name": "Без телефона", "phone": "", "text": "Напишите мне"})

    owner.goto(f"{talking.server.base}/chats")
    for name in ("Ольга Первая", "Пётр <img", "Мария", "Анна"):
        expect(owner.locator("tr", has_text=name)).to_contain_text("Клиент создан", timeout=LONG_MS)
        expect(owner.locator("tr", has_text=name)).to_contain_text("омментарий", timeout=LONG_MS)
    expect(owner.locator("tr", has_text="Без телефона")).to_contain_text("елефон", timeout=LONG_MS)
    fits(owner, shots / "journal")
    owner.locator("tr", has_text="Мария").get_by_role("link").first.click()
    expect(owner.get_by_role("heading", name=re.compile("Что сделано"))).to_be_visible()
    expect(owner.locator(".talk")).to_contain_text("Здравствуйте! Есть время на субботу?")
    fits(owner, shots / "chat")
    fits(cabinet, shots / "cabinet", widths=(1280,))
    owner.goto(f"{talking.server.base}/integrations/texts")
    fits(owner, shots / "settings")
    assert not errors
    context.close()
