"""Every way a hand or a program takes a link into a form: the form gets a mark, the server hears of it, the link stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.scripts.conftest import Guest, mark_of, without_mark
from e2e.scripts.lab import FORM, Lab

FORM_HOST = "n822081.yclients.com"


def link(address: str = FORM, attributes: str = "", text: str = "Записаться") -> str:
    return f'<p><a id="a" href="{address}" {attributes}>{text}</a></p>'


def make_anchor(then: str, address: str = FORM) -> str:
    return f"(() => {{ const a = document.createElement('a'); a.href = '{address}'; a.textContent = 'x'; {then} }})()"


def press_enter(page: Page) -> None:
    page.locator("#a").focus()
    page.keyboard.press("Enter")


CLICK: Callable[[Page], Any] = lambda page: page.locator("#a").click()  # noqa: E731
SHADOW = (
    "<div id=host></div><script>host.attachShadow({mode:'open'}).innerHTML = '<a id=a href=\""
    + FORM
    + "\">x</a>'</script>"
)
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
AREA = f'<img src="{PIXEL}" width=80 height=80 usemap=#m id=a><map name=m><area shape=rect coords=0,0,80,80 href="{FORM}"></map>'

#: name → page, what is done, the address without its mark, `how`
WAYS: dict[str, tuple[str, Callable[[Page], Any], str, str]] = {
    "left": (link(), CLICK, FORM, "click"),
    "blank": (link(attributes='target="_blank"'), CLICK, FORM, "click"),
    "blank noopener": (link(attributes='target="_blank" rel="noopener noreferrer"'), CLICK, FORM, "click"),
    "middle": (link(), lambda page: page.locator("#a").click(button="middle"), FORM, "click"),
    "control": (link(), lambda page: page.locator("#a").click(modifiers=["Control"]), FORM, "click"),
    "keyboard": (link(), press_enter, FORM, "click"),
    "touch": (link(), lambda page: page.locator("#a").tap(), FORM, "click"),
    "a child of the link": (link(text="<b id=b><i>Записаться</i></b>"), lambda page: page.locator("#b").click(), FORM, "click"),
    "click()": (link(), lambda page: page.evaluate("document.getElementById('a').click()"), FORM, "click"),
    "click() of a detached link": ("", lambda page: page.evaluate(make_anchor("a.click()")), FORM, "program"),
    "click() of a detached link, new tab": (
        "", lambda page: page.evaluate(make_anchor("a.target = '_blank'; a.click()")), FORM, "program"),
    "window.open": ("", lambda page: page.evaluate(f"void window.open('{FORM}?o=m1')"), FORM + "?o=m1", "program"),
    "window.open of a URL": ("", lambda page: page.evaluate(f"void window.open(new URL('{FORM}'), '_self')"), FORM, "program"),
    "added later": ("", lambda page: page.evaluate(make_anchor("document.body.append(a); a.click()")), FORM, "click"),
    "query and fragment": (link(FORM + "company/1/menu?o=m1s2&amp;x=%2F+y#top"), CLICK, FORM + "company/1/menu?o=m1s2&x=%2F+y", "click"),
    "open shadow": (SHADOW, CLICK, FORM, "click"),
    "area": (AREA, CLICK, FORM, "click"),
    "own domain of the settings": (link("http://zapis.salon.test/a"), CLICK, "http://zapis.salon.test/a", "click"),
    "its subdomain": (link("http://m.zapis.salon.test/"), CLICK, "http://m.zapis.salon.test/", "click"),
    "b host": (link("http://b1.yclients.com/"), CLICK, "http://b1.yclients.com/", "click"),
    "ru": (link("http://n1.yclients.ru/"), CLICK, "http://n1.yclients.ru/", "click"),
    "altegio": (link("http://n958200.alteg.io/"), CLICK, "http://n958200.alteg.io/", "click"),
    "sales form": (link("http://o77.yclients.com/"), CLICK, "http://o77.yclients.com/", "click"),
    "protocol-relative": (link("//n822081.yclients.com/x"), CLICK, FORM + "x", "click"),
    "yclick to another domain": (link("http://elsewhere.test/book?a=1#b", "class='big yclick'"), CLICK, "http://elsewhere.test/book?a=1", "click"),
    "page's own handler opens this.href": (
        link(attributes="onclick=\"event.preventDefault(); window.open(this.href)\""), CLICK, FORM, "click"),
    "page's own handler goes to this.href": (
        link(attributes="onclick=\"event.preventDefault(); location.href = this.href\""), CLICK, FORM, "click"),
    "page stops the click": (link(attributes="onclick=\"event.stopImmediatePropagation()\""), CLICK, FORM, "click"),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_way_carries_a_mark_that_was_announced(guests: Any, lab: Lab, way: str) -> None:
    body, act, address, how = WAYS[way]
    guest: Guest = guests(has_touch=True)
    host = address.split("/")[2]
    act(guest.visit(lab.page("/", body)))
    lab.until(lambda: lab.asked(host), what=f"a request to {host}")
    (opened,) = lab.wait("open")
    (asked,) = lab.asked(host)
    assert without_mark(asked) == address
    assert opened["mark"] == mark_of(asked)
    assert (opened["form_host"], opened["how"]) == (host, how)
    assert opened["visit"]["id"] == lab.events("hit")[0]["visit"]["id"]
    assert guest.exceptions == []
    assert guest.console == []


def test_link_is_as_it_was_after_the_way_in_was_taken(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", link(FORM + "?a=1#b", "target=_blank")))
    with guest.context.expect_page():
        page.locator("#a").click()
    assert page.locator("#a").get_attribute("href") != FORM + "?a=1#b"
    expect(page.locator("#a")).to_have_attribute("href", FORM + "?a=1#b")
    with guest.context.expect_page():
        page.locator("#a").click()
    marks = [event["mark"] for event in lab.wait("open", 2)]
    assert marks == [mark_of(url) for url in lab.asked(FORM_HOST)]
    assert len(set(marks)) == 2


def test_context_menu_finds_a_marked_address(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", link()))
    page.locator("#a").click(button="right")
    (opened,) = lab.wait("open", how="context")
    assert opened["mark"] == mark_of(page.locator("#a").get_attribute("href") or "")


def touches(page: Page) -> Callable[[str, int], None]:
    """A finger on the link."""
    session = page.context.new_cdp_session(page)
    box = page.locator("#a").bounding_box()
    assert box

    def touch(kind: str, y: int = 0) -> None:
        points = [] if kind in ("touchEnd", "touchCancel") else [{"x": box["x"] + 5, "y": box["y"] + 5 + y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def test_held_touch_marks_the_link_before_the_menu_of_a_phone(guests: Any, lab: Lab) -> None:
    guest: Guest = guests(has_touch=True)
    page = guest.visit(lab.page("/", link()))
    touches(page)("touchStart", 0)
    (opened,) = lab.wait("open", how="touch")
    assert opened["mark"]
    assert mark_of(page.locator("#a").get_attribute("href") or "")


@pytest.mark.parametrize("ends", ["touchMove", "touchEnd", "touchCancel"])
def test_scroll_and_short_touch_open_nothing(guests: Any, lab: Lab, ends: str) -> None:
    guest: Guest = guests(has_touch=True)
    page = guest.visit(lab.page("/", link(attributes='onclick="event.preventDefault()"') + "<p style='height:5000px'>"))
    page.evaluate(
        "void (window.after = new Promise(done => addEventListener('touchstart', () => setTimeout(done, 600))))"
    )
    touch = touches(page)
    touch("touchStart", 0)
    touch(ends, -40)
    page.evaluate("window.after")
    guest.all_told()
    assert lab.events("open", how="touch") == []


REFUTED = [
    "http://other.test/",
    "/price",
    "#",
    "#order",
    "mailto:a@b.ru",
    "tel:+74950000000",
    "javascript:void(0)",
    "http://n1.yclients.com.evil.test/",
    "http://evil-yclients.test/",
    "http://xzapis.salon.test/",
    "http://salon.test/?next=http://n1.yclients.com/",
    "http://n1.yclients.com:notaport/",
]


def test_other_links_are_not_touched(guest: Guest, lab: Lab) -> None:
    body = "".join(f'<p><a href="{address}">{address}</a></p>' for address in REFUTED)
    body += '<p><a class="yclick" href="tel:+74950000000">tel</a></p><p><a>без адреса</a></p><p><a class="yclick" href="#x">якорь</a></p>'
    page = guest.visit(lab.page("/", body + "<script>addEventListener('click', e => e.preventDefault())</script>"))
    before = page.locator("main, body").inner_html()
    for one in page.locator("a").all():
        one.click()
        one.click(button="right")
    page.evaluate("const w = window.open('about:blank'); w && w.close()")
    guest.all_told()
    assert page.locator("main, body").inner_html() == before
    assert lab.events("open") == []
    assert guest.exceptions == []


def test_window_open_keeps_its_answer_and_its_arguments(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/"))
    with guest.context.expect_page() as popup:
        assert page.evaluate("(window.w = window.open()) !== null && w.location.href") == "about:blank"
    popup.value.close()
    assert page.evaluate("(window.w = window.open('', 'named')) !== null && w.name") == "named"
    with guest.context.expect_page() as popup:
        page.evaluate("void window.open('/price', '_blank')")
    popup.value.wait_for_url("http://salon.test/price")
    guest.all_told()
    assert lab.events("open") == []


def test_stale_mark_in_the_page_is_replaced(guest: Guest, lab: Lab) -> None:
    stale = "z" * 22
    page = guest.visit(lab.page("/", link(f"{FORM}?yextrafield_yclick={stale}&x=1", "target=_blank")))
    with guest.context.expect_page():
        page.locator("#a").click()
    (opened,) = lab.wait("open")
    (asked,) = lab.asked(FORM_HOST)
    assert mark_of(asked) == opened["mark"] != stale
    assert without_mark(asked) == FORM + "?x=1"
    assert stale not in opened["url"]
    expect(page.locator("#a")).to_have_attribute("href", FORM + "?x=1")
