"""Stories of the owner: the first login, the journal that fills by itself, the answer to "why", what went wrong."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from e2e.conftest import AD, Visitor, World, book
from tests.server_process import post


@pytest.fixture
def cabinet(visitors: Any, world: World) -> Page:
    """The owner, logged in by the one-time link."""
    link = world.server.command("account", "login", world.account["account_id"]).stdout.strip()
    owner = visitors()
    owner.page.goto(link)
    expect(owner.page).to_have_url(re.compile(r"/leads$"))
    page: Page = owner.page
    return page


def test_booking_appears_on_the_open_page_within_five_seconds(
    cabinet: Page, visitors: Any, world: World, shots: Path
) -> None:
    person = visitors()
    person.visit("/" + AD).get_by_test_id("hero").click()
    book(person.panel(), name="Появится Сама", phone="8 916 765-43-21")
    row = cabinet.locator("tr", has_text="Появится Сама")
    expect(row).to_be_visible(timeout=5000)
    expect(row).to_contain_text("yandex")
    expect(row).to_contain_text("spring")
    expect(row).to_contain_text("Отметка записи, 100 %")
    cabinet.screenshot(path=shots / "leads.png", full_page=True)
    row.get_by_role("link").click()
    expect(cabinet.locator(".sentence")).to_contain_text("совпадение точное")
    expect(cabinet.locator("main")).to_contain_text("utm_campaign=spring")
    expect(cabinet.locator("main")).to_contain_text("+7 916 765-43-21")
    cabinet.screenshot(path=shots / "lead.png", full_page=True)


def test_login_link_works_once(cabinet: Page, visitors: Any, world: World) -> None:
    link = world.server.command("account", "login", world.account["account_id"]).stdout.strip()
    first, second = visitors(), visitors()
    first.page.goto(link)
    expect(first.page).to_have_url(re.compile("/leads$"))
    second.page.goto(link)
    expect(second.page.get_by_role("alert")).to_contain_text("уже использована")


def test_every_page_in_both_languages_and_at_phone_width(cabinet: Page, world: World, shots: Path) -> None:
    for width in (1280, 390):
        cabinet.set_viewport_size({"width": width, "height": 860})
        for language, title in (("en", "Leads and goals"), ("ru", "Обращения и цели")):
            cabinet.goto(f"{world.server.base}/leads")
            button = cabinet.get_by_role("button", name="English" if language == "en" else "Русский")
            if button.count():
                button.click()
            expect(cabinet.get_by_role("heading", level=1)).to_contain_text(title)
            for name in ("leads", "bookings", "visits", "intake", "install"):
                cabinet.goto(f"{world.server.base}/{name}")
                assert cabinet.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                    f"{name} is wider than {width}"
                )
                assert "r_" not in cabinet.locator("main").inner_text()
                cabinet.screenshot(path=shots / f"{name}-{language}-{width}.png", full_page=True)


def test_bad_input_is_shown_to_the_owner_with_its_reason(cabinet: Page, world: World, shots: Path) -> None:
    hook, collector = world.account["webhooks"]["yclients"], f"{world.server.base}/c?k={world.account['site']['key']}"
    assert post(hook, b'{"torn": ') == 200
    assert (
        post(
            hook,
            b'{"company_id": 31337, "resource": "record", "resource_id": 1, "status": "create", "data": {"id": 1}}',
        )
        == 200
    )
    assert post(collector, b"{torn") == 400
    assert post(collector, b"x" * 70_000) == 413
    assert post(f"{world.server.base}/c?k=nosuchkey000", b"{}") == 404
    assert post(hook[:-1] + "0", b"{}") == 404
    main = cabinet.locator("main")
    for text in ("оборванными или повреждёнными", "Филиал 31337", "65536"):
        # The page shows one moment; a webhook may still be in work in the first of them.
        deadline = time.monotonic() + 10
        cabinet.goto(f"{world.server.base}/intake")
        while text not in main.inner_text():
            assert time.monotonic() < deadline, f"{text!r} never came"
            cabinet.goto(f"{world.server.base}/intake")
    cabinet.screenshot(path=shots / "intake.png", full_page=True)
    cabinet.locator("article", has_text="31337").get_by_role("button", name="Убрать").click()
    expect(main).not_to_contain_text("Филиал 31337")


def test_hostile_values_are_text_on_every_page(cabinet: Page, visitors: Any, world: World) -> None:
    evil = '"><img src=x onerror=alert(1)>'
    dialogs: list[str] = []

    def seen(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    cabinet.on("dialog", seen)
    person: Visitor = visitors()
    person.visit(f"/?utm_source={evil}&utm_medium=cpc&utm_campaign=<script>alert(2)</script>").get_by_test_id(
        "hero"
    ).click()
    book(person.panel(), name="</td><script>alert(3)</script>")
    lead = world.lead(world.last_record(), level="L0")
    for path in ("leads", f"leads/{lead['id']}", "visits", f"visits/{lead['visit']['id']}", "bookings"):
        cabinet.goto(f"{world.server.base}/{path}")
        assert cabinet.locator("main img").count() == 0
        assert cabinet.locator("main script").count() == 0
    expect(cabinet.locator("main")).to_contain_text("<script>alert(3)</script>")
    assert dialogs == []


def test_keyboard_reaches_the_journal_and_its_rows(cabinet: Page, world: World) -> None:
    cabinet.goto(f"{world.server.base}/leads")
    cabinet.keyboard.press("Tab")
    expect(cabinet.locator(":focus")).to_have_text("К содержанию")
    cabinet.keyboard.press("Enter")
    for _ in range(30):
        cabinet.keyboard.press("Tab")
        if "/leads/" in (cabinet.locator(":focus").get_attribute("href") or ""):
            break
    cabinet.keyboard.press("Enter")
    expect(cabinet.get_by_text("Почему такой источник")).to_be_visible()


def test_menu_is_walked_by_keyboard_and_works_on_a_phone_without_scripts(
    cabinet: Page, world: World, chromium: Browser, shots: Path
) -> None:
    cabinet.goto(f"{world.server.base}/leads")
    group = cabinet.locator("summary", has_text="Сырые данные")
    group.press("Enter")
    cabinet.keyboard.press("Tab")
    cabinet.keyboard.press("Tab")
    expect(cabinet.locator(":focus")).to_have_text("Сделки")
    cabinet.keyboard.press("Escape")
    expect(group).to_be_focused()
    expect(cabinet.get_by_role("link", name="Сделки", exact=True)).to_be_hidden()
    group.press("Enter")
    cabinet.get_by_role("link", name="Сделки", exact=True).click()
    expect(cabinet).to_have_url(re.compile("/deals$"))
    assert cabinet.locator("header").evaluate("node => node.offsetHeight") < 70  # one row at 1280

    phone = chromium.new_context(
        java_script_enabled=False, viewport={"width": 390, "height": 860}, storage_state=cabinet.context.storage_state()
    )
    page = phone.new_page()
    page.goto(f"{world.server.base}/leads")
    page.get_by_text("Меню", exact=True).click()
    page.screenshot(path=shots / "menu-390.png")
    page.get_by_role("link", name="Подключение телефонии").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Подключение телефонии")
    expect(page.locator("#standing")).to_be_visible()
    phone.close()


def test_long_words_never_make_a_page_wider_than_the_window(
    cabinet: Page, visitors: Any, world: World, shots: Path
) -> None:
    campaign, name = "осенняя_распродажа_" * 16, "Константинопольская-Преображенская" + "Ы" * 60
    person = visitors()
    person.visit(f"/?utm_source={'источник' * 12}&utm_medium=cpc&utm_campaign={campaign}").get_by_test_id(
        "hero"
    ).click()
    book(person.panel(), name=name)
    lead = world.lead(world.last_record(), level="L0")
    assert post(world.account["webhooks"]["yclients"], b'{"torn": ') == 200
    pages = (
        "leads", f"leads/{lead['id']}", "visits", f"visits/{lead['visit']['id']}", "bookings", "intake", "install",
        "access", "deals", "deliveries", "integrations/yclients", "integrations/leads", "integrations/deals", "api/docs",
        "no/such/page",
    )  # fmt: skip
    for width in (1280, 800, 768, 390, 320):
        cabinet.set_viewport_size({"width": width, "height": 860})
        for path in pages:
            cabinet.goto(f"{world.server.base}/{path}")
            if path in ("leads", "bookings", "visits"):
                expect(cabinet.locator("tbody tr").first).to_contain_text("осенняя_распродажа_осенняя")
            found = cabinet.evaluate("document.documentElement.scrollWidth")
            cabinet.screenshot(path=shots / f"{path.replace('/', '-')[:30]}-{width}.png", full_page=True)
            assert found <= width, f"{path} is {found} wide in a window of {width}"
    cabinet.set_viewport_size({"width": 1280, "height": 860})
    cabinet.goto(f"{world.server.base}/visits")
    address = cabinet.locator("tbody tr").first.locator("td").nth(2).locator("div")
    assert address.evaluate("node => node.clientWidth") > 150
