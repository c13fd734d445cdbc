"""Pages that break what a script stands on: no exception and no console error of ours, and the page goes on working."""

from __future__ import annotations

import pytest

from e2e.scripts.conftest import Guest, mark_of
from e2e.scripts.lab import FORM, FORM_TAG, PLAIN_SITE_TAG, Lab

#: What the page does before us, and whether the visit can still be told.
PAGES: dict[str, tuple[str, bool]] = {
    "frozen prototypes": (
        "for (const one of [Array, Object, String, Function, Promise, RegExp, EventTarget, History]) Object.freeze(one.prototype)", True),
    "toJSON everywhere": (
        "for (const one of [Array, Object, String, Number, Boolean, Date]) one.prototype.toJSON = () => 'hostile'", True),
    "names on every object": ("Object.prototype.hostile = 1; Array.prototype.hostile = function () {}; Function.prototype.extra = 1", True),
    "JSON replaced": ("window.JSON = {parse() { throw 1 }, stringify() { throw 1 }}", True),
    "JSON gone": ("delete window.JSON", True),
    "crypto gone": ("Object.defineProperty(window, 'crypto', {value: undefined})", False),
    "fetch answers nothing": ("window.fetch = () => undefined", False),
    "fetch throws": ("window.fetch = () => { throw new Error('theirs') }", False),
    "fetch gone": ("window.fetch = undefined", False),
    "fetch never ends": ("window.fetch = () => new Promise(() => 0)", False),
    "fetch answers rubbish": ("window.fetch = () => Promise.resolve(null)", False),
    "sendBeacon throws": ("navigator.sendBeacon = () => { throw new Error('theirs') }", True),
    "sendBeacon gone": ("Object.defineProperty(Navigator.prototype, 'sendBeacon', {value: undefined})", True),
    "Promise replaced": ("window.Promise = function () { throw new Error('theirs') }", True),
    "addEventListener replaced": ("EventTarget.prototype.addEventListener = function () { throw new Error('theirs') }", False),
    "setTimeout throws": ("window.setTimeout = () => { throw new Error('theirs') }", False),
    "MutationObserver gone": ("delete window.MutationObserver", True),
    "array methods replaced": ("for (const name of ['push', 'indexOf', 'forEach']) Array.prototype[name] = () => { throw 1 }", True),
    "iteration broken": ("Array.prototype[Symbol.iterator] = function () { throw new Error('theirs') }", False),
    "regular expressions broken": ("RegExp.prototype.exec = RegExp.prototype.test = () => { throw new Error('theirs') }", False),
    "composedPath gone": ("delete Event.prototype.composedPath", True),
    "yWidget cannot be redefined": ("Object.defineProperty(window, 'yWidget', {value: Object.freeze({show() {}})})", True),
    "yWidget throws": ("window.yWidget = {get show() { throw new Error('theirs') }}", True),
    "a yclick of its own": ("window.yclick = {mine: 1}", True),
    "a frozen yclick": ("Object.defineProperty(window, 'yclick', {value: function () { return 'mine' }})", True),
    "a broken queue": ("window.yclick = {q: 5}", True),
    "history frozen": ("Object.freeze(history); Object.freeze(History.prototype)", True),
    "getters of location": ("Object.defineProperty(document, 'referrer', {get() { throw new Error('theirs') }})", False),
    "performance gone": ("Object.defineProperty(window, 'performance', {value: undefined})", True),
}  # fmt: skip
BODY = (
    f"""<button id=b onclick="this.textContent = 'pressed'">-</button><a id=a href="{FORM}" target=_blank>запись</a>"""
)
#: Many of these pages break the driver's own tools, so the page tries itself and says what came of it.
TRY = f"""<button id=b onclick="this.textContent = 'pressed'">-</button><a id=a href="{FORM}end">запись</a><script>onload = () => {{
b.click(); const told = new Image(); told.onload = told.onerror = () => a.click(); told.src = 'http://other.test/' + b.textContent }}
</script>"""


def assert_works(guest: Guest, lab: Lab) -> None:
    lab.until(lambda: "http://other.test/pressed" in lab.asked("other.test"), what="the button")
    guest.page.wait_for_url(FORM + "end**")
    assert guest.exceptions == []
    assert guest.console == []


@pytest.mark.parametrize("hostile", PAGES)
def test_page_works_and_no_error_is_ours(guest: Guest, lab: Lab, hostile: str) -> None:
    script, told = PAGES[hostile]
    guest.page.goto(lab.page("/", TRY, head=f"<script>{script}</script>{PLAIN_SITE_TAG}"))
    if told:
        lab.wait("hit")
    assert_works(guest, lab)


@pytest.mark.parametrize("hostile", PAGES)
def test_form_works_and_no_error_is_ours(guest: Guest, lab: Lab, hostile: str) -> None:
    script, told = PAGES[hostile]
    lab.form_page = f"<!doctype html><title>f</title><script>{script}</script>{FORM_TAG}{TRY}"
    guest.page.goto("http://n1.yclients.com/company/4564/success-order/777/abc")
    if told:
        (record,) = lab.wait("record")
        assert (record["record_id"], record["company_id"], record["record_hash"]) == (777, 4564, "abc")
    assert_works(guest, lab)


def test_page_keeps_a_yclick_of_its_own(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", head=f"<script>window.yclick = {{mine: 1}}</script>{PLAIN_SITE_TAG}"))
    assert page.evaluate("window.yclick") == {"mine": 1}


def test_two_copies_of_the_script_are_one(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", BODY + PLAIN_SITE_TAG, head=PLAIN_SITE_TAG + PLAIN_SITE_TAG))
    with guest.context.expect_page():
        page.locator("#a").click()
    guest.all_told()
    assert len(lab.events("open")) == 1
    assert len(lab.events("hit")) == 2


def test_both_scripts_on_one_page(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/", BODY, head=PLAIN_SITE_TAG + FORM_TAG))
    with guest.context.expect_page() as popup:
        page.locator("#a").click()
    (opened,) = lab.wait("open")
    popup.value.wait_for_url("http://n822081.yclients.com/**")
    assert any(mark_of(url) == opened["mark"] for url in lab.asked("n822081.yclients.com"))
    assert guest.exceptions == []


@pytest.mark.parametrize("policy", ["connect-src 'self'", "script-src 'unsafe-inline'"])
def test_policy_that_forbids_us_leaves_the_page_alone(guest: Guest, lab: Lab, policy: str) -> None:
    page = guest.page
    page.goto(lab.page("/", BODY, headers={"Content-Security-Policy": policy}))
    page.locator("#b").click()
    assert page.locator("#b").text_content() == "pressed"
    with guest.context.expect_page() as popup:
        page.locator("#a").click()
    popup.value.wait_for_url("http://n822081.yclients.com/**")
    assert guest.exceptions == []
    assert lab.events() == []


def test_page_sees_its_own_functions_answers(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/"))
    assert (
        page.evaluate(
            "(() => { const b = document.createElement('button'); let n = 0; b.onclick = () => n++; return b.click() === undefined && n })()"
        )
        == 1
    )
    assert (
        page.evaluate(
            "(() => { try { history.pushState({}, '', 'http://other.test/') } catch (e) { return e.name } })()"
        )
        == "SecurityError"
    )
    assert (
        page.evaluate("(() => { try { HTMLElement.prototype.click.call({}) } catch (e) { return e.name } })()")
        == "TypeError"
    )
