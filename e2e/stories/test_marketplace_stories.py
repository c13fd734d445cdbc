"""Story of the marketplace: two branches of one salon join by one press of «Подключить», one is frozen and comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from e2e.conftest import ARGS, CHROMIUM, StandThread, World, fits
from e2e.stand.state import StandConfig
from tests.factories import webhook
from tests.server_process import ServerProcess, post, wait_for

BRANCHES = (4564, 4565)
LONG_MS = 30_000


@pytest.fixture(scope="module")
def market() -> Iterator[World]:
    """A server with an application in the marketplace; its account knows no branch but the first."""
    thread = StandThread(StandConfig(domain="yclients.com", salon_host="salon.test"))
    server = ServerProcess(
        YCLICK_YCLIENTS_API_URL=f"http://127.0.0.1:{thread.running.port}", YCLICK_YCLIENTS_PARTNER_TOKEN="stand",
        YCLICK_YCLIENTS_APPLICATION_ID="777", YCLICK_YCLIENTS_APPLICATION_TOKEN="stand-application",
    )  # fmt: skip
    server.start()
    own = StandConfig(
        domain="yclients.com", salon_host="salon.test", app_connect_url=f"{server.base}/marketplace/connect",
        app_hook_url=f"{server.base}/hooks/yclients-app",
    )  # fmt: skip
    thread.stand.config = own
    yield World(server, thread, server.account())
    server.clean()
    thread.stop()


@pytest.fixture
def chromium_of_market(playwright: Playwright, market: World) -> Iterator[Browser]:
    rules = f"{market.rules()}, EXCLUDE localhost"
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, f"--host-resolver-rules={rules}"])
    yield browser
    browser.close()


def with_password(world: World, page: Page) -> None:
    """The owner has a password, and is logged out again."""
    page.goto(world.server.command("account", "login", world.account["account_id"]).stdout.strip())
    page.goto(f"{world.server.base}/access")
    page.locator("[name=email]").fill("olga@salon.example")
    page.locator("[name=password]").fill("волос 10 к 1")
    page.locator("main form").first.get_by_role("button").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.get_by_role("button", name="Выйти").click()
    expect(page).to_have_url(re.compile(r"/login$"))


def test_two_branches_join_by_one_press_and_one_is_frozen(
    chromium_of_market: Browser, market: World, shots: Path
) -> None:
    context = chromium_of_market.new_context()
    page = context.new_page()
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    with_password(market, page)

    page.goto("http://yclients.com/")
    page.get_by_role("button", name=re.compile("подключить приложение")).click()
    expect(page.get_by_label("Почта")).to_be_visible()  # not logged in: nothing is asked yet
    assert "user_data" not in page.url
    page.get_by_label("Почта").fill("olga@salon.example")
    page.get_by_label("Пароль").fill("волос 10 к 1")
    page.get_by_role("button", name="Войти").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Подключение из маркетплейса YCLIENTS")
    main = page.locator("main")
    for text in ("Иван Тестовый", "Студия «Лён»", "Студия «Лён» на Мира", "4565"):
        expect(main).to_contain_text(text)
    fits(page, shots / "confirm")
    assert not any(one["status"] == "active" for one in market.stand.installations.values())
    page.get_by_role("button", name="Подключить", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("Подключаем филиалы")
    links = page.locator("#links")
    expect(links.get_by_text("Подключён", exact=True)).to_have_count(2, timeout=LONG_MS)
    fits(page, shots / "connected")
    assert all(market.stand.hooks[one] == [market.account["webhooks"]["yclients"]] for one in BRANCHES)

    assert _happens(market, 4565, "freeze") == 200
    frozen = links.locator("tr", has_text="4565")
    expect(frozen).to_contain_text("Заморожен", timeout=LONG_MS)
    expect(frozen).to_contain_text("ничего не потеряно")
    fits(page, shots / "frozen")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#links tr", has_text="4565")).to_contain_text("Restore access in YCLIENTS")
    fits(page, shots / "frozen-en")
    page.get_by_role("button", name="Русский").click()

    _happens(market, 4565, "unfreeze")
    frozen.get_by_role("button", name="Проверить сейчас").click()
    expect(links.get_by_text("Подключён", exact=True)).to_have_count(2, timeout=LONG_MS)
    assert _happens(market, 4564, "uninstall") == 200
    expect(links.locator("tr", has_text="4564")).to_contain_text("Приложение удалено", timeout=LONG_MS)
    fits(page, shots / "uninstalled")
    assert errors == []
    context.close()


def test_another_accounts_branch_is_told_before_anything_is_pressed(
    chromium_of_market: Browser, market: World, shots: Path
) -> None:
    assert post(market.account["webhooks"]["yclients"], json.dumps(webhook(9100)).encode()) == 200
    wait_for(lambda: market.server.get("/api/v1/bookings?record_id=9100", market.account["api_token"])["data"])
    other = market.server.account(name="Другой салон")
    context = chromium_of_market.new_context()
    page = context.new_page()
    page.goto(market.server.command("account", "login", other["account_id"]).stdout.strip())
    address = market.control("POST", "marketplace/connect", {"salon_ids": [4564]})["url"]
    page.goto(address)
    expect(page.get_by_role("button", name="Подключить", exact=True)).to_be_disabled()
    expect(page.locator("main")).to_contain_text("Филиал уже подключён к другому аккаунту")
    fits(page, shots / "taken")
    page.goto(address.replace("user_data_sign=", "user_data_sign=0"))
    expect(page.locator("main")).to_contain_text("Подпись YCLIENTS не сходится")
    fits(page, shots / "forged")
    context.close()


def _happens(market: World, company_id: int, event: str) -> Any:
    return market.control("POST", f"marketplace/{company_id}", {"event": event})["status"]
