"""The vendors' loaders, whichever came first, and forms that stand in frames of the page's own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.scripts.conftest import MARK, Guest, mark_of, without_mark
from e2e.scripts.lab import FORM, FORM_TAG, PLAIN_SITE_TAG, SITE_TAG, Lab

LOADER = '<script src="http://w822081.yclients.com/widgetJS?{}" charset="UTF-8"></script>'
WAYS = (
    '<a class="ms_booking" id="ms_booking" href="#">1</a>'
    f'<a class="ms-button" id="ms-button" href="#" data-url="{FORM}company/4564/personal/menu">2</a>'
    '<button id="program" onclick="yWidget.show(yWidget.href)">3</button>'
)
FRAME = "iframe.yWidgetIFrame"


def widget_page(lab: Lab, year: str, order: str, head: str = "") -> str:
    loader = LOADER.format(year)
    if order == "script first":
        return lab.page("/", WAYS + loader, head=head + PLAIN_SITE_TAG)
    return lab.page("/", WAYS + loader + SITE_TAG, head=head)


def frame_address(page: Page) -> str:
    """Where the widget's frame went in the end: the first, bare load is none of ours."""
    expect(page.locator(FRAME)).to_have_attribute("src", MARK)
    return page.locator(FRAME).get_attribute("src") or ""


@pytest.mark.parametrize("order", ["script first", "loader first"])
@pytest.mark.parametrize("year", ["2018", "2023"])
@pytest.mark.parametrize("way", ["ms_booking", "ms-button", "yButton", "program"])
def test_loaders_open_a_marked_form(guest: Guest, lab: Lab, year: str, order: str, way: str) -> None:
    page = guest.visit(widget_page(lab, year, order))
    page.locator("a.yButton").wait_for()
    page.locator("a.yButton" if way == "yButton" else f"#{way}").click()
    address = frame_address(page)
    (opened,) = lab.wait("open")
    assert (opened["how"], opened["form_host"]) == ("show", "n822081.yclients.com")
    assert opened["mark"] == mark_of(address)
    assert without_mark(address) == FORM + ("company/4564/personal/menu" if way == "ms-button" else "")
    assert guest.exceptions == []


def test_reopened_form_keeps_its_mark_and_its_state(guest: Guest, lab: Lab) -> None:
    page = guest.visit(widget_page(lab, "2018", "script first"))
    page.locator("#program").click()
    first = frame_address(page)
    page.frame_locator(FRAME).locator("h1").wait_for()
    page.evaluate("yWidget.hide()")
    page.locator("#program").click(force=True)
    expect(page.locator("div.yWidgetBlock")).to_have_class("yWidgetBlock right yWidgetShow")
    guest.all_told()
    assert page.locator(FRAME).get_attribute("src") == first
    assert len(lab.events("open")) == 1


def test_form_that_is_loaded_anew_has_a_new_mark(guest: Guest, lab: Lab) -> None:
    """Where a frame may keep nothing, each load of it is another browser: with its old mark it would be a stranger."""
    buttons = "".join(
        f"""<button id="b{n}" onclick="yWidget.show('{FORM}company/1/menu?o=s{n}')">{n}</button>""" for n in (1, 2)
    )
    page = guest.visit(lab.page("/", buttons + LOADER.format("2018"), head=PLAIN_SITE_TAG))
    marks = []
    for n in (1, 2, 1, 1):
        page.locator(f"#b{n}").dispatch_event("click")
        expect(page.locator(FRAME)).to_have_attribute("src", re.compile(rf"o=s{n}&yextrafield_yclick="))
        marks.append(mark_of(frame_address(page)))
    assert marks == [event["mark"] for event in lab.wait("open", 3)] + marks[2:3]
    assert len(set(marks)) == 3
    guest.all_told()
    assert len(lab.events("open")) == 3


def test_page_query_goes_along_with_the_mark(guest: Guest, lab: Lab) -> None:
    page = guest.visit(widget_page(lab, "2018", "script first") + "?utm_source=ya&yclid=1")
    page.locator("#ms_booking").click()
    assert without_mark(frame_address(page)) == FORM + "?utm_source=ya&yclid=1"


def test_phone_leaves_the_page_with_a_mark(guests: Any, lab: Lab) -> None:
    guest: Guest = guests(viewport={"width": 390, "height": 800}, has_touch=True)
    page = guest.visit(widget_page(lab, "2018", "script first"))
    page.locator("#program").tap()
    page.wait_for_url("http://n822081.yclients.com/**")
    (opened,) = lab.wait("open")
    assert opened["mark"] == mark_of(page.url)


def test_form_that_opens_itself(guest: Guest, lab: Lab) -> None:
    settings = "<script>window.yWidgetSettings = {buttonAutoShow: true}</script>"
    page = guest.visit(widget_page(lab, "2018", "script first", settings))
    (opened,) = lab.wait("open")
    assert opened["mark"] == mark_of(frame_address(page))


def test_form_that_opened_before_we_came_gets_its_mark_by_a_message(guest: Guest, lab: Lab) -> None:
    lab.form_page = f"<!doctype html><title>form</title><h1>Форма</h1>{FORM_TAG}"
    settings = "<script>window.yWidgetSettings = {buttonAutoShow: true}</script>"
    guest.visit(widget_page(lab, "2018", "loader first", settings))
    form = next(event for event in lab.wait("form") if event["mark"])
    assert form["framed"] is True
    assert form["mark"] in {event["mark"] for event in lab.events("open")}
    assert form["visit"] is None


def test_page_that_wraps_show_itself(guest: Guest, lab: Lab) -> None:
    page = guest.visit(widget_page(lab, "2018", "script first"))
    page.evaluate(
        "(() => { const show = yWidget.show; window.calls = 0; yWidget.show = function (url) { calls++; return show.apply(this, arguments) } })()"
    )
    page.locator("#program").click()
    (opened,) = lab.wait("open")
    assert opened["mark"] == mark_of(frame_address(page))
    assert page.evaluate("calls") == 1


def test_widget_without_our_server_opens_all_the_same(guest: Guest, lab: Lab) -> None:
    lab.mood = "hang"
    page = guest.page
    page.goto(widget_page(lab, "2018", "script first"))
    page.locator("#program").click()
    frame_address(page)
    page.frame_locator(FRAME).locator("h1").wait_for()


# --- frames of the page's own


def test_hand_made_frame(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", f'<iframe id="f" src="{FORM}company/1/menu?o=#x"></iframe>'))
    (opened,) = lab.wait("open", how="iframe")
    expect(page.locator("#f")).to_have_attribute("src", MARK)
    address = page.locator("#f").get_attribute("src") or ""
    assert mark_of(address) == opened["mark"]
    assert without_mark(address) == FORM + "company/1/menu?o=#x"


ADD_SCRIPT = "void (() => { const s = document.createElement('script'); s.src = 'http://collector.test/s.js'; document.head.append(s) })()"


@pytest.mark.parametrize("when", ["with the page", "at its end", "after a click to the page"])
def test_frame_is_asked_for_with_its_mark_while_the_page_loads(guest: Guest, lab: Lab, when: str) -> None:
    head, tail = ("", PLAIN_SITE_TAG) if when == "at its end" else (SITE_TAG, "")
    root = lab.page("/", f'<iframe id="f" src="{FORM}"></iframe>{tail}', head=head)
    pages = 1
    if when == "after a click to the page":
        guest.visit(lab.page("/first", '<a id="a" href="/">запись</a>')).locator("#a").click()
        pages = 2
    else:
        guest.visit(root)
    (opened,) = lab.wait("open")
    lab.until(lambda: any(opened["mark"] in url for url in lab.asked("n822081.yclients.com")), what="the marked form")
    guest.page.frame_locator("#f").locator("h1").wait_for()
    assert guest.page.evaluate("history.length") <= 1 + pages


INPUT = "<!doctype html><title>form</title><input id=name>"
GRANT = """<button id="agree" onclick="yclick('consent', 'granted')">хорошо</button>"""


def type_a_name(page: Page) -> None:
    page.frame_locator("#f").locator("#name").fill("Анна")


def assert_not_reloaded(guest: Guest, lab: Lab) -> None:
    guest.page.evaluate("void document.body.append(document.createElement('p'))")
    guest.all_told()
    assert guest.page.locator("#f").get_attribute("src") == FORM
    assert guest.page.frame_locator("#f").locator("#name").input_value() == "Анна"
    assert lab.asked("n822081.yclients.com") == [FORM]
    assert lab.events("open") == []
    assert guest.exceptions == []


def test_frame_is_left_alone_when_the_script_comes_after_the_page(guest: Guest, lab: Lab) -> None:
    lab.form_page = INPUT
    page = guest.page
    page.goto(lab.page("/", f'<iframe id="f" src="{FORM}"></iframe>', head=""))
    type_a_name(page)
    page.evaluate(ADD_SCRIPT)
    lab.wait("hit")
    assert_not_reloaded(guest, lab)


@pytest.mark.parametrize("hand", ["agrees", "is in the form"])
def test_frame_is_left_alone_in_a_page_that_loads_for_long(guest: Guest, lab: Lab, hand: str) -> None:
    """An image that never comes: the page is still loading when its form has long been used."""
    lab.form_page = INPUT
    lab.mood = "hang"
    lab.config["consent"] = "required" if hand == "agrees" else "granted"
    body = f'<iframe id="f" src="{FORM}"></iframe>{GRANT}<img src="http://collector.test/c?image">'
    page = guest.page
    page.goto(lab.page("/", body, head=SITE_TAG if hand == "agrees" else ""), wait_until="domcontentloaded")
    lab.until(lambda: "http://collector.test/c?image" in lab.asked("collector.test"))
    lab.mood = "ok"
    type_a_name(page)
    if hand == "agrees":
        page.wait_for_function("window.__yclickSite === 1")
        page.locator("#agree").click()
    else:
        page.locator("#f").focus()
        page.evaluate(ADD_SCRIPT)
    lab.wait("hit")
    assert page.evaluate("document.readyState") == "interactive"
    assert_not_reloaded(guest, lab)


def test_frame_is_left_alone_when_consent_comes_late(guest: Guest, lab: Lab) -> None:
    lab.form_page = INPUT
    lab.config["consent"] = "required"
    page = guest.page
    page.goto(lab.page("/", f'<iframe id="f" src="{FORM}"></iframe>'))
    page.wait_for_function("window.__yclickSite === 1")
    type_a_name(page)
    page.evaluate("yclick('consent', 'granted')")
    lab.wait("hit")
    assert_not_reloaded(guest, lab)


def test_frame_is_left_alone_when_consent_comes_again(guest: Guest, lab: Lab) -> None:
    lab.form_page = INPUT
    page = guest.visit(lab.page("/"))
    page.evaluate("yclick('consent', 'denied')")
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', '<iframe id=f src={FORM}>')")
    type_a_name(page)
    page.evaluate("yclick('consent', 'granted')")
    assert_not_reloaded(guest, lab)


def test_form_in_a_frame_left_alone_asks_for_its_mark(guest: Guest, lab: Lab) -> None:
    lab.form_page = f"<!doctype html><title>form</title><h1>Форма</h1>{FORM_TAG}"
    late = f"<script>onload = () => {{ {ADD_SCRIPT} }}</script>"
    page = guest.visit(lab.page("/", f'<iframe id="f" src="{FORM}"></iframe>{late}', head=""))
    (form,) = lab.wait("form")
    (opened,) = lab.wait("open", how="iframe")
    assert form["mark"] == opened["mark"]
    assert form["visit"] is None
    assert page.locator("#f").get_attribute("src") == FORM


STALE = f"{FORM}company/1/menu?yextrafield_yclick={'z' * 22}&x=1"


def test_mark_copied_into_a_frame_is_replaced(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", f'<iframe id="f" src="{STALE}"></iframe>'))
    (opened,) = lab.wait("open", how="iframe")
    expect(page.locator("#f")).to_have_attribute("src", f"{FORM}company/1/menu?x=1&yextrafield_yclick={opened['mark']}")
    assert opened["url"] == f"{FORM}company/1/menu?x=1"


@pytest.mark.parametrize("call", ["yWidget.show", "window.open"])
def test_mark_copied_into_a_call_is_replaced(guest: Guest, lab: Lab, call: str) -> None:
    page = guest.visit(lab.page("/", "<script>window.yWidget = {show(url) { window.open(url) }}</script>"))
    with guest.context.expect_page():
        page.evaluate(f"void {call}('{STALE}')")
    lab.until(lambda: lab.asked("n822081.yclients.com"))
    (asked,) = lab.asked("n822081.yclients.com")
    assert without_mark(asked) == f"{FORM}company/1/menu?x=1"
    guest.all_told()
    (opened,) = lab.events("open")  # the mark made for the widget is not made anew by window.open
    assert opened["mark"] == mark_of(asked)


def test_superbutton_makes_a_frame_later(guest: Guest, lab: Lab) -> None:
    make = f"const f = document.createElement('iframe'); f.id = 'f'; f.src = '{FORM}?superButton=1'"
    button = f'<button id=b onclick="{make}; document.body.append(f); f.focus()">'
    page = guest.visit(lab.page("/", button + "</button>"))
    page.locator("#b").click()
    (opened,) = lab.wait("open", how="iframe")
    expect(page.locator("#f")).to_have_attribute("src", f"{FORM}?superButton=1&yextrafield_yclick={opened['mark']}")


def test_frame_whose_address_comes_later_and_a_page_that_insists(guest: Guest, lab: Lab) -> None:
    insist = f"""<iframe id="f"></iframe><script>window.sets = 0
      new MutationObserver(() => {{ if (f.getAttribute('src') !== '{FORM}' && sets++ < 50) f.src = '{FORM}' }}).observe(f, {{attributes: true}})
    </script>"""
    page = guest.visit(lab.page("/", insist))
    page.evaluate(f"f.src = '{FORM}'")
    lab.wait("open", how="iframe")
    guest.all_told()
    assert page.evaluate("sets") == 1
    assert len(lab.events("open")) == 1


def test_other_frames_are_left_alone(guest: Guest, lab: Lab) -> None:
    addresses = ("http://other.test/", "about:blank", "javascript:0", "http://n1.yclients.com.evil.test/")
    frames = "<iframe></iframe>" + "".join(f'<iframe src="{address}"></iframe>' for address in addresses)
    page = guest.visit(lab.page("/", frames + "<p id=p></p>"))
    before = page.locator("body").inner_html()
    page.evaluate("p.remove()")
    guest.all_told()
    assert page.locator("body").inner_html() == before.replace('<p id="p"></p>', "")
    assert lab.events("open") == []
    assert guest.exceptions == []


# --- what a form tells its page


def framed_form(lab: Lab, script: str) -> str:
    lab.form_page = f"<!doctype html><title>form</title><script>{script}</script>"
    return lab.page("/", f'<iframe src="{FORM}"></iframe>')


def test_messages_of_the_form_become_steps_and_a_booking(guest: Guest, lab: Lab) -> None:
    told = """const say = (action, params) => top.postMessage({action, params}, '*')
      if (location.search) {
        say('service_selected', {services: [5], fullname: 'Мария Иванова', phone: '79161234567'})
        say('booked', {companyId: 4564, appointments: [{services: [5], staff_id: 6, datetime: '2026-11-25T10:00:00', custom_fields: {a: 'Мария'}}]})
        top.postMessage([{record_id: 777, record_hash: 'h', company: {id: 4564}, fullname: 'Мария'}], '*')
        for (const odd of [null, 5, 'text', {}, [], [null], {action: null}, {yclick: {}}]) top.postMessage(odd, '*')
      }"""
    guest.visit(framed_form(lab, told))
    (booked,) = lab.wait("booked")
    (record,) = lab.wait("record")
    (step,) = lab.wait("step")
    assert (booked["company_id"], booked["group"]) == (4564, False)
    assert booked["appointments"] == [{"services": [5], "staff_id": 6, "datetime": "2026-11-25T10:00:00"}]
    assert (record["record_id"], record["company_id"], record["via"]) == (777, 4564, "message")
    assert (step["name"], step["params"]) == ("service_selected", {"services": [5]})
    guest.all_told()
    assert "Мария" not in str(lab.events())
    assert "79161234567" not in str(lab.events())
    assert guest.exceptions == []


def test_messages_of_strangers_are_not_heard(guest: Guest, lab: Lab) -> None:
    page = guest.visit(
        lab.page(
            "/", '<iframe src="http://n1.yclients.com.evil.test/"></iframe><iframe src="http://other.test/"></iframe>'
        )
    )
    for frame in page.frames[1:]:
        frame.evaluate(
            "top.postMessage({action: 'booked', params: {companyId: 1, appointments: []}}, '*'), top.postMessage({yclick: 1}, '*')"
        )
        frame.evaluate("void (window.answers = [], addEventListener('message', e => answers.push(e.data)))")
    page.evaluate("postMessage({action: 'booked', params: {}}, '*')")
    guest.all_told()
    assert lab.events("booked") == lab.events("open") == []
    assert [frame.evaluate("answers") for frame in page.frames[1:]] == [[], []]
