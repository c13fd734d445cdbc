"""Ways to come in and to work: pairing, the stream in place of the socket, keyboard alone, any width, readers of screens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from e2e.workplace.reception import Operator, Reception
from server.accounts.model import Role
from server.feed.model import Advert, CallEnded, CallMissed, CallRinging, ChatMessage, ChatStarted, Event, FormSent
from server.platform.clock import utc_now
from tests.server_process import wait_for

PHONE = "+79165550101"
AD = Advert(
    campaign="Очень-длинное-название-кампании-без-пробелов-spring-2026",
    source="Яндекс Директ",
    page="https://s.example/p",
)
WITHIN = 30_000

#: What a reader of screens or a weak eye would stumble over: text too faint on what is behind it, things without a name.
LOOK = """() => {
  const found = []
  const light = ([r, g, b]) => {
    const part = (value) => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4 }
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
  }
  const colour = (text) => { const all = (text.match(/[\\d.]+/g) || []).map(Number); return [...all.slice(0, 3), all[3] ?? 1] }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const got = colour(getComputedStyle(at).backgroundColor)
      if (got[3] === 1) return got
    }
    return [255, 255, 255, 1]
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue
    if (element.closest('.unseen, :disabled, noscript, script, option')) continue
    const style = getComputedStyle(element)
    const [one, other] = [light(colour(style.color)), light(behind(element))].sort((a, b) => b - a)
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700)
    const ratio = (one + 0.05) / (other + 0.05)
    if (ratio < (large ? 3 : 4.5)) found.push(`faint ${ratio.toFixed(2)}: ${walker.currentNode.textContent.trim().slice(0, 40)}`)
  }
  for (const element of document.querySelectorAll('button, a[href], input, textarea, select, [role=option], dialog')) {
    if (!element.checkVisibility()) continue
    const label = element.getAttribute('aria-label') || element.innerText || (element.labels?.[0]?.innerText) || element.querySelector('img')?.alt
    if (!label || !label.trim()) found.push(`nameless: ${element.outerHTML.slice(0, 80)}`)
    const box = element.getBoundingClientRect()
    if (element.tagName === 'BUTTON' && box.height < 24) found.push(`small: ${label} ${box.height}`)
  }
  for (const element of document.querySelectorAll('button button, a button, button a')) found.push(`nested: ${element.outerHTML.slice(0, 60)}`)
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id)
  if (new Set(ids).size !== ids.length) found.push('an id twice')
  if (document.documentElement.scrollWidth > innerWidth) found.push(`wider than the window: ${document.documentElement.scrollWidth}`)
  for (const element of document.querySelectorAll('.pane, .aside, dialog')) {
    if (element.scrollWidth > element.clientWidth + 1) found.push(`cut: ${element.className} ${element.scrollWidth} ${element.clientWidth}`)
  }
  return found
}"""


def day() -> list[Event]:
    now = utc_now()
    return [
        CallMissed(call_id="1", phone="+79031112233", name="Мария-Антуанетта Великолепная", advert=AD, ended_at=now),
        CallMissed(call_id="2", phone="+447911123456", ended_at=now),
        CallEnded(call_id="3", direction="in", phone=PHONE, talk_s=134, ended_at=now),
        ChatStarted(chat_id="11", channel="whatsapp", phone=PHONE, name="Екатерина", channel_id=1, advert=AD),
        ChatMessage(chat_id="11", message_id="a", author="visitor", text="Добрый день! " * 20, sent_at=now),
        ChatMessage(chat_id="11", message_id="b", author="operator", text="Ждём", delivered="read", sent_at=now),
        FormSent(
            form_id="21", phone=PHONE, name="Пётр", email="petr@example.ru", text="Хочу записать дочку", sent_at=now
        ),
    ]


def rings(call_id: str = "7") -> CallRinging:
    return CallRinging(call_id=call_id, direction="in", phone=PHONE, name="Анна", advert=AD, started_at=utc_now())


def test_screen_is_paired_by_a_code_and_comes_back_by_its_cookie(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    olga = operator("Ольга")
    page = olga.page
    page.goto(f"{reception.base}/workplace")
    page.get_by_label("Код из кабинета").fill("AAAA-BBBB-CCCC")
    page.get_by_role("button", name="Подключить").click()
    expect(page.get_by_role("alert")).to_contain_text("Код не подошёл", timeout=WITHIN)
    code = reception.code(olga.person)
    page.get_by_label("Код из кабинета").fill(code.lower().replace("-", " "))
    page.get_by_label("Код из кабинета").press("Enter")
    expect(page.get_by_text("На связи", exact=True)).to_be_visible(timeout=WITHIN)
    reception.happens(rings())
    expect(page.get_by_text("Анна").first).to_be_visible(timeout=WITHIN)
    page.reload()
    expect(page.get_by_text("На связи", exact=True)).to_be_visible(timeout=WITHIN)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])")
    told = json.dumps([olga.requested, olga.printed, kept])
    assert not re.search(r"5550101|Bearer|ticket=|token=", told)
    assert not any(re.search(r"/workplace/\S*\?(?!surface)\S*=", address) for address in olga.requested)


def test_where_sockets_do_not_pass_a_stream_does(reception: Reception, operator: Callable[..., Operator]) -> None:
    olga = operator("Ольга")
    page = olga.page
    page.add_init_script(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 }), 10) } close() {} }"
    )
    olga.comes_in()
    reception.happens(rings(), *day())
    page.get_by_role("button", name="Беру").first.click()
    expect(page.get_by_text("Взято вами").first).to_be_visible(timeout=WITHIN)
    reception.server.kill()
    reception.happens(rings("8"))
    reception.server.start()
    expect(page.locator("article[data-subject='call:8']")).to_be_visible(timeout=WITHIN)
    assert [address for address in olga.requested if address.endswith("/workplace/events")]


def test_a_call_and_a_chat_by_keyboard_alone(reception: Reception, operator: Callable[..., Operator]) -> None:
    page = operator("Ольга").comes_in()
    reception.happens(*day(), rings())
    page.get_by_role("article", name="Входящий звонок: Анна").wait_for()
    press = page.keyboard.press
    press("Alt+KeyY")
    expect(page.get_by_text("Взято вами").first).to_be_visible(timeout=WITHIN)
    press("Alt+KeyC")
    press("Alt+KeyJ")
    expect(page.get_by_role("log")).to_be_visible(timeout=WITHIN)
    press("Alt+KeyN")
    expect(page.get_by_label("Ответ клиенту")).to_be_focused()
    page.keyboard.type("Ждём вас?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press("Enter")
    expect(page.get_by_role("log").get_by_text("Ждём вас?")).to_be_visible(timeout=WITHIN)
    press("Alt+KeyM")
    expect(page.get_by_role("button", name="Пропущенные")).to_have_attribute("aria-current", "page")
    page.locator("body").press("?")
    expect(page.get_by_role("dialog", name="Клавиши")).to_be_visible(timeout=WITHIN)
    page.get_by_role("button", name="Изменить: Взять").press("Enter")
    press("Alt+KeyF")
    expect(page.get_by_text("Это сочетание занято браузером.")).to_be_visible()
    press("Alt+KeyQ")
    expect(page.get_by_role("row", name="Взять")).to_contain_text("Q")
    page.get_by_label("Сочетания клавиш включены").uncheck()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press("Alt+KeyC")
    expect(page.get_by_role("button", name="Пропущенные")).to_have_attribute("aria-current", "page")


def _states(page: Page, narrow: bool) -> list[tuple[str, list[Callable[[], None]]]]:
    """What to press to come from one state to the next."""
    back = page.get_by_role("button", name=re.compile("^(Назад|Закрыть)$")).first.click
    leave: list[Callable[[], None]] = [back] if narrow else []

    def tab(name: str) -> Callable[[], None]:
        return page.get_by_role("navigation").get_by_role("button", name=re.compile(f"^{name}")).click

    def row(subject: str) -> Callable[[], None]:
        return page.locator(f"[data-row='{subject}']").click

    def escape() -> None:
        page.keyboard.press("Escape")

    return [
        ("calls", [tab("Звонки")]),
        ("missed", [tab("Пропущенные")]),
        ("missed-open", [row("call:1")]),
        ("chats", [*leave, tab("Чаты")]),
        ("chat", [row("chat:11")]),
        ("quick", [lambda: page.get_by_label("Ответ клиенту").fill("/")]),
        ("form", [*leave, tab("Заявки"), row("form:21")]),
        ("settings", [page.get_by_role("button", name="Настройки").click]),
        ("keys", [escape, page.get_by_role("button", name="Клавиши").click]),
        ("after", [escape]),
    ]


@pytest.mark.parametrize(("width", "height", "scheme"), [(320, 568, "light"), (390, 800, "dark"), (1280, 800, "light")])
def test_every_state_is_readable_and_whole(
    reception: Reception, operator: Callable[..., Operator], shots: Path, width: int, height: int, scheme: str
) -> None:
    olga = operator("Ольга", viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    page = olga.page
    page.goto(f"{reception.base}/workplace")
    page.get_by_label("Код из кабинета").wait_for()
    found = {"enter": page.evaluate(LOOK)}
    olga.comes_in()
    found["empty"] = page.evaluate(LOOK)
    reception.happens(*day())
    page.locator("[data-row='call:1']").wait_for()
    for name, steps in _states(page, width < 760):
        for step in steps:
            step()
        page.wait_for_timeout(150)
        found[name] = page.evaluate(LOOK)
        olga.shot(shots / f"{name}-{width}.png")
    reception.happens(rings())
    page.get_by_text("Анна").first.wait_for()
    found["ringing over a form"] = page.evaluate(LOOK)
    olga.shot(shots / f"ringing-{width}.png")
    assert {name: trouble for name, trouble in found.items() if trouble} == {}
    assert page.evaluate("document.getAnimations().length") == 0


def test_english_is_a_choice_of_the_person(reception: Reception, operator: Callable[..., Operator]) -> None:
    page = operator("Olga", locale="en", role=Role.OWNER).comes_in()
    reception.happens(*day())
    expect(page.get_by_role("button", name="Missed 2 missed calls")).to_be_visible(timeout=WITHIN)
    assert page.locator("html").get_attribute("lang") == "en"
    assert not re.search("[а-яё]", page.locator("header.top, nav.tabs").first.inner_text())
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Language").select_option("ru")
    expect(page.get_by_role("dialog", name="Настройки")).to_be_visible(timeout=WITHIN)
    page.reload()
    expect(page.get_by_text("На связи", exact=True)).to_be_visible(timeout=WITHIN)


def _heard(page: Page, what: str) -> None:
    """Until the page has said this to the extension."""
    wait_for(lambda: page.evaluate(f"heard.some(told => {what})"))


def test_extension_is_heard_from_this_window_alone(reception: Reception, operator: Callable[..., Operator]) -> None:
    olga = operator("Ольга")
    code = reception.code(olga.person)
    page = olga.page
    page.goto(f"{reception.base}/workplace?surface=extension")
    told = page.evaluate(
        """code => fetch('/workplace/pair', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({code, kind: 'extension'})}).then(answer => answer.json())""",
        code,
    )
    assert told.pop("secret")
    message = json.dumps({"yclick": "extension", "type": "session", "session": told})
    # A frame says the same, of our origin even: it is not this window, so it is not the extension.
    page.evaluate("document.body.appendChild(document.createElement('iframe'))")
    page.frames[-1].evaluate("message => parent.postMessage(JSON.parse(message), '*')", message)
    page.evaluate("document.querySelector('iframe').remove()")
    page.wait_for_timeout(500)
    expect(page.get_by_text("На связи", exact=True)).to_have_count(0)
    page.evaluate(
        """message => { window.heard = []
        addEventListener('message', event => event.data.yclick === 'page' && heard.push(event.data))
        postMessage(JSON.parse(message), location.origin) }""",
        message,
    )
    expect(page.get_by_text("На связи", exact=True)).to_be_visible(timeout=WITHIN)
    reception.happens(*day(), rings())
    _heard(page, "told.type === 'state' && told.missed === 2 && told.ringing === 1")
    page.get_by_role("button", name="Свернуть").click()
    expect(page.get_by_role("button", name="2 пропущенных звонка")).to_be_visible()
    page.get_by_role("button", name="Развернуть рабочее место").click()
    page.evaluate("postMessage({yclick: 'extension', type: 'cabinet', changed: true}, location.origin)")
    expect(page.get_by_text("Страница YCLIENTS изменилась")).to_be_visible()
    page.get_by_role("button", name="Открыть в YCLIENTS").first.click()
    _heard(page, f"told.type === 'open_client' && told.phone === '{PHONE}'")
