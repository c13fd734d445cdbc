"""Stories of the real extension in Chromium, beside the simulated YCLIENTS cabinet with a policy stricter than is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from e2e.workplace.cabinet import JOURNAL, LONG_MS, YCLIENTS, Cabinet, Guest
from server.feed.model import CallMissed, CallRinging

ANNA = "+79161234567"
SHOWN = "+7 916 123-45-67"
Guests = Callable[..., Guest]


def booked(cabinet: Cabinet, *, name: str = "Анна Звонкова", phone: str = ANNA) -> dict[str, Any]:
    return cabinet.stand.make(4564, "staff", name=name, phone=phone)


def connected(guest: Guest, address: str = JOURNAL) -> Page:
    """Paired, in the journal, with a workplace that is connected."""
    guest.pair()
    page = guest.open(address)
    expect(guest.workplace().get_by_text("На связи", exact=True)).to_be_visible(timeout=LONG_MS)
    return page


def dock_box(page: Page) -> dict[str, float]:
    box: dict[str, float] = page.evaluate(
        "(({left, top, right, bottom}) => ({left, top, right, bottom}))(document.querySelector('yclick-dock').getBoundingClientRect())"
    )
    return box


def test_pairing_is_one_press_and_the_log_out_ends_it(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    guest = guests()
    page = guest.log_in()
    page.goto(f"{cabinet.server.base}/screens")
    expect(page.get_by_text("Расширение установлено в этом браузере.")).to_be_visible()
    page.screenshot(path=shots / "screens.png", full_page=True)
    guest.pair()
    expect(page.locator("section", has_text="Подключённые устройства").locator("tbody tr")).to_have_count(1)
    page.screenshot(path=shots / "paired.png", full_page=True)
    assert page.locator("#pairing-code").count() == 0

    journal = guest.context.new_page()
    guest.open_in(journal, JOURNAL)
    expect(guest.workplace(journal).get_by_text("На связи", exact=True)).to_be_visible(timeout=LONG_MS)
    secrets = guest.worker.evaluate("chrome.storage.local.get('secret')")
    assert len(secrets["secret"]) >= 40
    assert secrets["secret"] not in guest.workplace(journal).content()

    page.get_by_role("button", name="Выйти").click()
    expect(guest.workplace(journal).get_by_text("На связи", exact=True)).to_be_hidden(timeout=LONG_MS)
    expect_soon(journal, lambda: guest.worker.evaluate("chrome.storage.local.get('secret')") == {})
    expect_soon(journal, lambda: guest.badge() == "!")
    journal.screenshot(path=shots / "ended.png")
    assert guest.errors_of_ours() == []


def test_call_rings_beside_the_journal_and_is_missed_on_the_icon(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    booked(cabinet)
    guest = guests()
    page = connected(guest)
    cabinet.publish(CallRinging(call_id="701", direction="in", phone=ANNA, name="Анна Звонкова", company_id=4564))
    expect(guest.workplace().get_by_text("Анна Звонкова").first).to_be_visible(timeout=LONG_MS)
    page.screenshot(path=shots / "rings.png")
    assert guest.badge() == ""
    cabinet.publish(CallMissed(call_id="701", direction="in", phone=ANNA, name="Анна Звонкова", company_id=4564))
    expect_soon(page, lambda: guest.badge() == "1")
    assert "Рабочее место: пропущенные — 1" in str(guest.worker.evaluate("chrome.action.getTitle({})"))
    page.goto("about:blank")
    expect_soon(page, lambda: guest.badge() == "")
    assert guest.errors_of_ours() == []


def test_phone_of_the_page_is_called_and_the_page_is_as_it_was(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    booked(cabinet)
    plain = guests(extension=False)
    plain.page.goto(JOURNAL)
    phone = plain.page.get_by_text(SHOWN)
    expect(phone).to_be_visible()
    table = plain.page.locator("table").evaluate("one => one.outerHTML")

    guest = guests(width=1620)
    page = connected(guest)
    expect(page.get_by_text(SHOWN)).to_be_visible()
    expect_soon(page, lambda: page.evaluate("CSS.highlights.get('yclick-phone')?.size") == 1)
    page.get_by_text(SHOWN).hover()
    expect_soon(page, lambda: call_button(page) is not None)
    page.screenshot(path=shots / "phone.png")
    press_call(page)
    # It has no employee of the telephony yet: the workplace says so, and that is how far an order comes here.
    expect(guest.workplace().get_by_text(re.compile("сотрудник|телефони", re.I)).first).to_be_visible(timeout=LONG_MS)
    page.screenshot(path=shots / "ordered.png")
    assert page.locator("table").evaluate("one => one.outerHTML") == table
    assert page.evaluate("window.seen.errors") == []
    assert page.evaluate("window.seen.clientCards") == [], "a press on our button is none on the row"
    assert guest.errors_of_ours() == []


def test_dock_covers_no_button_folds_and_remembers_its_place(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    guest = guests()
    page = connected(guest)
    for name in ("add", "help"):
        page.get_by_test_id(name).click()
    assert page.evaluate("window.seen.presses") == ["add", "help"]
    expect_soon(page, lambda: (dock_box(page)["left"], dock_box(page)["right"]) == (940, 1280))
    full = dock_box(page)
    assert page.locator("header").evaluate("one => one.getBoundingClientRect().right") <= full["left"]
    page.screenshot(path=shots / "full.png")

    guest.shell().get_by_role("button", name="Переставить на другую сторону").click()
    expect_soon(page, lambda: dock_box(page)["left"] == 0)
    at_rest(page)
    guest.workplace().get_by_role("button", name="Свернуть").click()
    expect_soon(page, lambda: dock_box(page)["right"] == 52)
    page.screenshot(path=shots / "strip.png")
    for name in ("add", "help"):
        page.get_by_test_id(name).click()
    page.reload()
    expect_soon(page, lambda: page.locator("yclick-dock").count() == 1 and dock_box(page)["right"] == 52)
    expect(guest.workplace().get_by_role("button", name="Развернуть рабочее место")).to_be_visible(timeout=LONG_MS)

    page.set_viewport_size({"width": 390, "height": 800})
    at_rest(page)
    guest.workplace().get_by_role("button", name="Развернуть рабочее место").click()
    expect_soon(page, lambda: dock_box(page)["right"] == 390)
    page.get_by_test_id("add").click()
    expect_soon(page, lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
    page.screenshot(path=shots / "full-390.png")
    assert guest.errors_of_ours() == []


def test_routes_of_one_page_the_open_card_and_a_client_to_open(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    booked(cabinet)
    guest = guests()
    page = connected(guest)
    page.get_by_role("link", name="Клиенты").click()
    expect(page.get_by_role("heading", name="Клиентская база")).to_be_visible()
    expect_soon(page, lambda: page.evaluate("CSS.highlights.get('yclick-phone')?.size") == 1)
    page.get_by_text("Анна Звонкова").click()
    expect(page.get_by_test_id("card")).to_be_visible()
    expect(guest.workplace().get_by_text("916").first).to_be_visible(timeout=LONG_MS)
    page.screenshot(path=shots / "card.png")
    page.go_back()
    expect(page.get_by_role("heading", name="Журнал записи")).to_be_visible()
    assert page.locator("yclick-dock").count() == 1
    assert guest.errors_of_ours() == []


def test_changed_broken_and_wiping_pages_are_noticed(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    guest = guests()
    guest.pair()
    for mood, address in (("changed", f"{YCLIENTS}/clients/4564/base/"), ("broken", JOURNAL)):
        cabinet.stand.switch(cabinet_page=mood)
        page = guest.open(address)
        expect(guest.workplace().get_by_text("Страница YCLIENTS изменилась")).to_be_visible(timeout=LONG_MS)
        expect(guest.workplace().get_by_text("На связи", exact=True)).to_be_visible(timeout=LONG_MS)
        page.screenshot(path=shots / f"{mood}.png")
    cabinet.stand.switch(cabinet_page="usual")
    page = guest.open()
    expect(guest.workplace().get_by_text("На связи", exact=True)).to_be_visible(timeout=LONG_MS)
    page.wait_for_timeout(7000)
    expect(guest.workplace().get_by_text("Страница YCLIENTS изменилась")).to_be_hidden()
    cabinet.stand.switch(cabinet_page="wiping")
    page.reload()
    page.get_by_test_id("add").click()
    page.wait_for_timeout(3000)
    page.get_by_test_id("add").click()
    assert page.evaluate("window.seen.errors") == []
    assert guest.errors_of_ours() == []


def test_hostile_page_gets_nothing_and_orders_nothing(guests: Guests, cabinet: Cabinet) -> None:
    booked(cabinet)
    cabinet.stand.switch(cabinet_page="hostile", cabinet_csp="none")
    guest = guests()
    page = connected(guest)
    page.get_by_text(SHOWN).hover()
    secret = guest.worker.evaluate("chrome.storage.local.get('secret')")["secret"]
    token = guest.worker.evaluate("chrome.storage.session.get('session')")["session"]["token"]
    pages = len(guest.context.pages)
    page.wait_for_timeout(2500)
    expect(guest.workplace().get_by_text("На связи", exact=True)).to_be_visible()
    heard = json.dumps(page.evaluate("window.seen.heard"))
    for forbidden in (secret, token, "extension_id"):
        assert forbidden not in heard
    assert guest.worker.evaluate("chrome.storage.local.get('secret')")["secret"] == secret, "nobody left"
    assert page.evaluate("document.querySelector('yclick-dock').shadowRoot") is None
    assert cabinet.orders() == 0
    assert len(guest.context.pages) == pages, "no pairing page was opened for it, no client"
    assert guest.errors_of_ours() == []


def test_another_page_cannot_reach_the_extension(guests: Guests, cabinet: Cabinet) -> None:
    guest = guests()
    guest.pair()
    page = guest.page
    page.goto("http://salon.test/")
    assert page.locator("yclick-dock").count() == 0
    refused = page.evaluate(
        """async ([id]) => {
            const frame = document.createElement('iframe')
            frame.src = `chrome-extension://${id}/dock.html`
            document.body.append(frame)
            await new Promise(done => setTimeout(done, 1500))
            return [typeof chrome?.runtime?.sendMessage, await fetch(`chrome-extension://${id}/manifest.json`).then(() => 'read', () => 'refused')]
        }""",
        [guest.worker.url.split("/")[2]],
    )
    assert refused == ["undefined", "refused"]
    assert not any("workplace" in frame.url for frame in page.frames)


def test_all_by_the_keyboard(guests: Guests, cabinet: Cabinet, shots: Path) -> None:
    booked(cabinet)
    booked(cabinet, name="Ольга Минская", phone="+375291234567")
    guest = guests()
    page = connected(guest)
    expect_soon(page, lambda: page.evaluate("CSS.highlights.get('yclick-phone')?.size") == 2)
    page.get_by_test_id("add").focus()
    page.keyboard.press("Alt+Shift+KeyP")
    page.wait_for_timeout(300)
    page.screenshot(path=shots / "list.png")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.testid") == "add"
    page.keyboard.press("Alt+Shift+KeyW")
    expect_soon(page, lambda: dock_box(page)["right"] - dock_box(page)["left"] == 52)
    page.keyboard.press("Alt+Shift+KeyP")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect_soon(page, lambda: dock_box(page)["right"] - dock_box(page)["left"] == 340)
    expect(guest.workplace().get_by_text(re.compile("сотрудник|телефони", re.I)).first).to_be_visible(timeout=LONG_MS)
    assert guest.errors_of_ours() == []


def test_large_page_is_read_in_slices_and_kept_up_with(guests: Guests) -> None:
    guest = guests()
    page = connected(guest, f"{JOURNAL}?rows=3000")
    expect_soon(page, lambda: page.evaluate("CSS.highlights.get('yclick-phone')?.size") == 300)
    page.evaluate("document.querySelectorAll('tbody tr').forEach((row, at) => at % 2 && row.remove())")
    page.evaluate("document.querySelector('tbody td').textContent = 'новый номер 8 (495) 000-00-01'")
    expect_soon(page, lambda: page.evaluate("CSS.highlights.get('yclick-phone')?.size") == 301)
    assert guest.errors_of_ours() == []


def expect_soon(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("did not come true")


def at_rest(page: Page) -> dict[str, float]:
    """The dock's box once it has stopped moving: a press aimed at a frame that still moves lands beside it."""
    seen: list[dict[str, float]] = [dock_box(page)]

    def still() -> bool:
        seen.append(dock_box(page))
        return len(seen) > 5 and all(one == seen[-1] for one in seen[-5:])

    expect_soon(page, still)
    return seen[-1]


def call_button(page: Page) -> list[float] | None:
    """Where the button beside a phone is; its root is closed to the page, so it is found as a person finds it."""
    found: list[float] | None = page.evaluate(
        """() => { const host = document.querySelector('yclick-call'); if (!host) return null
        for (let y = 0; y < innerHeight; y += 6) for (let x = 0; x < innerWidth; x += 12)
            if (document.elementFromPoint(x, y) === host) return [x + 6, y + 6]
        return null }"""
    )
    return found


def press_call(page: Page) -> None:
    at = call_button(page)
    assert at
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.up()
