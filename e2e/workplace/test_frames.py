"""Stories of the frames that YCLIENTS itself opens: the panel beside the journal and the application's settings tab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from e2e.stand.journal import panel_url, settings_url
from e2e.workplace.cabinet import JOURNAL, LONG_MS, YCLIENTS, Cabinet, Guest

ANNA = "+79161234567"
Guests = Callable[..., Guest]


@pytest.fixture
def framed(cabinet: Cabinet) -> Cabinet:
    """Our application is installed: it has its panel and its tab."""
    cabinet.refresh(frames=True)
    cabinet.stand.make(4564, "staff", name="Анна Звонкова", phone=ANNA)
    return cabinet


def code_of(guest: Guest) -> str:
    """A code of «Рабочее место», as a person reads it there in another tab."""
    page = guest.context.new_page()
    page.goto(guest.cabinet.login_link())
    page.goto(f"{guest.cabinet.server.base}/screens")
    page.get_by_role("button", name="Подключить расширение").click()
    code = page.locator("#pairing-code").get_attribute("data-code")
    page.close()
    assert code
    return code


def comes_in(frame: FrameLocator, code: str) -> None:
    frame.get_by_label("Код из кабинета").fill(code)
    frame.get_by_role("button", name="Подключить").click()
    expect(frame.get_by_text("На связи", exact=True)).to_be_visible(timeout=LONG_MS)


def panel(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[data-frame=panel]")


def test_panel_follows_the_open_card_and_ends_with_the_log_out(guests: Guests, framed: Cabinet, shots: Path) -> None:
    guest = guests(extension=False)
    page = guest.page
    code = code_of(guest)
    page.goto(JOURNAL)
    comes_in(panel(page), code)
    assert all("phone" not in frame.url and "hash" not in frame.url for frame in page.frames)
    page.get_by_text("Анна Звонкова").click()
    expect(panel(page).get_by_text("916 123-45-67").first).to_be_visible(timeout=LONG_MS)
    page.screenshot(path=shots / "panel.png")
    said = page.evaluate("window.seen.frameMessages")
    assert all(one["origin"] == framed.server.base for one in said)

    other = guest.context.new_page()
    other.goto(f"{framed.server.base}/screens")
    other.get_by_role("button", name="Выйти").click()
    expect(panel(page).get_by_label("Код из кабинета")).to_be_visible(timeout=LONG_MS)
    assert guest.errors_of_ours() == []


def test_settings_tab_opens_only_with_the_vendors_signature(guests: Guests, framed: Cabinet, shots: Path) -> None:
    guest = guests(extension=False)
    page = guest.page
    code = code_of(guest)
    page.goto(f"{YCLIENTS}/appstore/4564/applications/777")
    frame = page.frame_locator("iframe[data-frame=settings]")
    frame.get_by_label("Код из кабинета").fill(code)
    frame.get_by_role("button", name="Подключить").click()
    expect(frame.get_by_role("heading", name="Настройки")).to_be_visible(timeout=LONG_MS)
    page.screenshot(path=shots / "settings.png")
    for address in (
        settings_url(framed.stand, 4564).replace("user_data_sign=", "user_data_sign=0"),
        panel_url(framed.stand, 4564).replace("hash=", "hash=0"),
        panel_url(framed.stand, 4564).replace("salon_id=4564", "salon_id=4565"),
    ):
        answer = page.request.get(address)
        assert answer.status == 403
        assert "app.js" not in answer.text()


def test_other_pages_may_not_frame_the_workplace(guests: Guests, framed: Cabinet) -> None:
    guest = guests(extension=False)
    page = guest.page
    page.goto("http://salon.test/")
    addresses = [
        panel_url(framed.stand, 4564), f"{framed.server.base}/workplace",
        f"{framed.server.base}/workplace?surface=extension",
    ]  # fmt: skip
    for address in addresses:
        page.evaluate(
            "async address => { const one = document.createElement('iframe'); one.src = address; document.body.append(one);"
            " await new Promise(done => (one.onload = done)) }",
            address,
        )
    shown = [frame for frame in page.frames if frame.url.startswith(framed.server.base)]
    assert shown == []
    assert "chrome-extension://" not in page.request.get(addresses[1]).headers["content-security-policy"]


def test_hostile_messages_to_the_panel_change_nothing(guests: Guests, framed: Cabinet) -> None:
    framed.stand.switch(cabinet_page="hostile")
    guest = guests(extension=False)
    page = guest.page
    code = code_of(guest)
    page.goto(JOURNAL)
    comes_in(panel(page), code)
    page.wait_for_timeout(2000)
    expect(panel(page).get_by_text("На связи", exact=True)).to_be_visible()
    assert framed.orders() == 0
    assert page.evaluate("window.seen.frameMessages.filter(one => JSON.stringify(one).includes('token'))") == []
    assert guest.errors_of_ours() == []
