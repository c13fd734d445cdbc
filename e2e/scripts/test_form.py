"""The form script: whose visit this is, and the number of the record, once, from whatever the form offers."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from e2e.scripts.conftest import Guest
from e2e.scripts.lab import FORM, FORM_TAG, SITE_TAG, Lab

MARK = "a1b2c3d4e5f6g7h8i9j0kl"
MARKED = f"{FORM}company/4564/personal/menu?o=m1%2C2&yextrafield_yclick={MARK}&utm_source=ya+ru&x=#top"
CLEAN = f"{FORM}company/4564/personal/menu?o=m1%2C2&utm_source=ya+ru&x=#top"
API = "window.callbacks = []; window.{0} = {{onRecordSuccess: callback => callbacks.push(callback)}}"


def form(lab: Lab, script: str = "", after: str = "") -> None:
    lab.form_page = f"<!doctype html><title>Форма</title><script>{script}</script>{FORM_TAG}<script>{after}</script>"


def told(lab: Lab, page: Page) -> None:
    """Everything of the form is told at once; a last step comes after all of it."""
    page.evaluate("dispatchEvent(new CustomEvent('onSendAnalytics', {detail: {target: 'told', params: {}}}))")
    lab.wait("step", name="told")


def test_mark_is_told_and_leaves_the_address_bar(guest: Guest, lab: Lab) -> None:
    form(lab, after="window.early = location.href")
    guest.page.goto(MARKED)
    (event,) = lab.wait("form")
    assert (event["mark"], event["visit"], event["framed"]) == (MARK, None, False)
    assert event["form_host"] == "n822081.yclients.com"
    assert guest.page.evaluate("early") == MARKED  # the form itself may read it at its start
    guest.page.wait_for_function("clean => location.href === clean", arg=CLEAN)
    assert lab.events("hit") == []


def test_mark_that_the_router_carries_on_is_taken_out_again(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(MARKED)
    guest.page.evaluate("history.replaceState({router: 1}, '', location.pathname + '/next' + location.search)")
    guest.page.wait_for_function("!location.href.includes('yextrafield')")
    assert "menu/next?o=m1%2C2&utm_source=ya+ru&x=" in guest.page.url
    assert guest.page.evaluate("history.state") == {"router": 1}


def test_mark_lives_through_a_reload_of_the_clean_address(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(MARKED)
    guest.page.wait_for_function("!location.href.includes('yextrafield')")
    guest.page.reload()
    first, second = lab.wait("form", 2)
    assert first["mark"] == second["mark"] == MARK
    assert first["client"] == second["client"]


def test_double_load_in_a_frame(guest: Guest, lab: Lab) -> None:
    """The loader's habit: a bare address first, and 250 ms later the real one."""
    form(lab)
    loader = f"<iframe id=f src='{FORM}'></iframe><script>setTimeout(() => {{ f.src = '{MARKED}' }}, 250)</script>"
    guest.page.goto(lab.page("/", loader, head=""))
    (event,) = lab.wait("form")
    assert (event["mark"], event["framed"]) == (MARK, True)
    frame = guest.page.frames[1]
    frame.evaluate("dispatchEvent(new CustomEvent('onSendAnalytics', {detail: {target: 'told', params: {}}}))")
    lab.wait("step", name="told")
    assert len(lab.events("form")) == 1
    assert lab.events("hit") == []


def test_frame_without_a_mark_and_without_our_site_script_is_a_visit_of_its_own(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(lab.page("/", f"<iframe src='{FORM}?utm_source=2gis'></iframe>", head=""))
    (event,) = lab.wait("form")
    (hit,) = lab.wait("hit")
    assert event["mark"] is None
    assert event["visit"] == hit["visit"]
    assert hit["visit"]["landing"] == f"{FORM}?utm_source=2gis"
    assert hit["visit"]["referrer"] == "http://salon.test/"


def test_landing_of_its_own_goes_on_until_another_advertisement(guest: Guest, lab: Lab) -> None:
    form(lab)
    for tail in ("?utm_source=2gis", "company/4564/personal/menu?o=", "?utm_source=vk"):
        guest.page.goto(FORM + tail)
    lab.wait("hit", 3)
    first, same, other = (event["visit"] for event in lab.events("hit"))
    assert first["id"] == same["id"] != other["id"]
    assert first["visitor"] == same["visitor"] == other["visitor"]


def test_marked_form_of_a_site_with_consent_needs_no_other(guest: Guest, lab: Lab) -> None:
    lab.config["consent"] = "required"
    form(lab)
    guest.page.goto(FORM + "company/4564/success-order/5/x")
    guest.page.wait_for_function("window.__yclickForm === 1")
    assert guest.stored() == []
    guest.page.goto(MARKED)
    (event,) = lab.wait("form")
    assert event["mark"] == MARK
    assert lab.events("record") == lab.events("hit") == []


def test_page_around_a_form_cannot_agree_for_the_visitor(guest: Guest, lab: Lab) -> None:
    lab.config["consent"] = "required"
    form(lab, after="window.heard = 0; addEventListener('message', () => heard++)")
    guest.page.goto(lab.page("/", f"<iframe src='{FORM}'></iframe>", head=""))
    guest.page.evaluate(f"frames[0].postMessage({{yclick: '{MARK}'}}, '*')")
    frame = guest.page.frames[1]
    frame.wait_for_function("window.heard === 1")
    frame.evaluate("yclick('consent', 'granted')")
    (event,) = lab.wait("form")  # the first word of this form, and it asked the page around it in vain
    assert (event["mark"], event["framed"]) == (None, True)


def test_denial_in_a_form_holds_against_its_mark(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(MARKED)
    lab.wait("form")
    guest.page.wait_for_function("!location.href.includes('yextrafield')")
    guest.page.evaluate("yclick('consent', 'denied')")
    assert guest.stored() == ["yclick.c"]
    for again in (guest.page.reload, lambda: guest.page.goto(MARKED)):
        again()
        guest.page.wait_for_function("window.__yclickForm === 1")
        assert guest.stored() == ["yclick.c"]
    guest.page.evaluate("yclick('consent', 'granted')")
    lab.wait("form", 2)
    told(lab, guest.page)
    assert len(lab.events("form")) == 2


def test_denial_leaves_no_mark_where_only_the_tab_remembers(guest: Guest, lab: Lab) -> None:
    lab.config["consent"] = "required"
    form(lab, "Object.defineProperty(window, 'localStorage', {value: null})")
    guest.page.goto(MARKED)
    lab.wait("form")
    guest.page.wait_for_function("!location.href.includes('yextrafield')")
    guest.page.evaluate("yclick('consent', 'denied')")
    guest.page.reload()
    guest.page.wait_for_function("window.__yclickForm === 1")
    assert guest.page.evaluate("Object.keys(sessionStorage)") == []
    guest.page.evaluate("yclick('consent', 'granted')")
    assert lab.wait("form", 2)[1]["mark"] is None


def test_strangers_cannot_hand_a_mark_to_a_form(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(FORM)
    guest.page.evaluate(f"postMessage({{yclick: '{MARK}'}}, '*')")
    guest.page.evaluate("for (const odd of [null, 5, 'x', {}, {yclick: 5}]) postMessage(odd, '*')")
    told(lab, guest.page)
    assert all(event["mark"] is None for event in lab.events("form"))
    assert guest.exceptions == []


# --- the record

XHR = "(() => {{ const x = new XMLHttpRequest(); x.open('{}', '{}'); {}; x.send('{{}}') }})()"
CALLS = {
    "xhr": XHR.format("POST", "/api/v1/book_record/4564", ""),
    "xhr, json": XHR.format("post", "/api/v1/book_record/4564?wrapped", "x.responseType = 'json'"),
    "fetch": "void fetch('/api/v1/book_record/4564', {method: 'POST', body: '{}'})",
    "fetch of a Request": "void fetch(new Request('/api/v1/book_record/4564?wrapped', {method: 'POST', body: '{}'}))",
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_record_from_the_network(guest: Guest, lab: Lab, call: str) -> None:
    form(lab)
    guest.page.goto(MARKED)
    guest.page.evaluate(CALLS[call])
    (record,) = lab.wait("record")
    assert (record["record_id"], record["company_id"], record["record_hash"]) == (777001, 4564, "abc")
    assert (record["via"], record["mark"]) == ("network", MARK)


def test_group_record_from_the_network(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(MARKED)
    guest.page.evaluate("void fetch('/api/v1/activity/4564/9001/book', {method: 'POST', body: '{}'})")
    (record,) = lab.wait("record")
    assert (record["record_id"], record["company_id"], record["record_hash"]) == (777002, 4564, "def")


@pytest.mark.parametrize("name", ["yclientsApi", "widgetApi", "altegioApi"])
@pytest.mark.parametrize("late", [False, True])
def test_record_from_the_forms_own_object(guest: Guest, lab: Lab, name: str, late: bool) -> None:
    script = API.format(name)
    form(lab, "" if late else script, f"setTimeout(() => {{ {script} }}, 700)" if late else "")
    guest.page.goto(MARKED)
    guest.page.wait_for_function("window.callbacks && callbacks.length")
    typed = "{fullname: 'Мария Иванова', phone: '79161234567', email: 'm@example.ru', record_id: 31, record_hash: 'h'}"
    guest.page.evaluate(f"callbacks.forEach(callback => callback([{typed}]))")
    (record,) = lab.wait("record")
    assert (record["record_id"], record["company_id"], record["via"]) == (31, 4564, "api")
    assert "79161234567" not in str(lab.events())
    assert "Мария" not in str(lab.events())


@pytest.mark.parametrize("path", ["company/4564/success-order/777/abc", "company:4564/success-order/777/abc"])
def test_record_from_the_route(guest: Guest, lab: Lab, path: str) -> None:
    form(lab)
    guest.page.goto(MARKED)
    guest.page.evaluate(f"history.pushState({{}}, '', '/{path}')")
    (record,) = lab.wait("record")
    assert (record["record_id"], record["company_id"], record["record_hash"], record["via"]) == (
        777,
        4564,
        "abc",
        "route",
    )


def test_booking_from_the_forms_own_event(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(MARKED)
    params = """{companyId: 4564, companyName: 'Лён', record_id: 55, record_hash: 'z', appointments: [{services: [5], staff_id: 6,
      datetime: '2026-11-25T10:00:00', custom_fields: {name: 'Мария'}, chargeStatus: ''}]}"""
    guest.page.evaluate(
        f"dispatchEvent(new CustomEvent('onSendAnalytics', {{detail: {{target: 'booked', params: {params}}}}}))"
    )
    (booked,) = lab.wait("booked")
    assert (booked["company_id"], booked["group"], booked["mark"]) == (4564, False, MARK)
    assert booked["appointments"] == [{"services": [5], "staff_id": 6, "datetime": "2026-11-25T10:00:00"}]
    (record,) = lab.wait("record")
    assert (record["record_id"], record["via"]) == (55, "analytics")
    guest.page.evaluate(
        "dispatchEvent(new CustomEvent('onSendAnalytics', {detail: {target: 'group_record_created', params: {companyId: 4564}}}))"
    )
    assert lab.wait("booked", 2)[1]["group"] is True
    for odd in ("null", "5", "{}", "{target: 'x', params: null}"):
        guest.page.evaluate(f"dispatchEvent(new CustomEvent('onSendAnalytics', {{detail: {odd}}}))")
    told(lab, guest.page)
    assert guest.exceptions == []


def test_record_is_told_once_from_all_sources_and_through_a_reload(guest: Guest, lab: Lab) -> None:
    form(lab, API.format("yclientsApi") + "; window.widgetApi = yclientsApi")
    guest.page.goto(MARKED)
    guest.page.evaluate(CALLS["xhr"])
    guest.page.evaluate(CALLS["fetch"])
    lab.wait("record")
    guest.page.evaluate("callbacks.forEach(callback => callback([{record_id: 777001, record_hash: 'abc'}]))")
    guest.page.evaluate("history.pushState({}, '', '/company/4564/success-order/777001/abc')")
    guest.page.reload()
    lab.wait("form", 2)
    told(lab, guest.page)
    assert len(lab.events("record")) == 1


@pytest.mark.parametrize(
    "call",
    [
        "fetch('/api/v1/book_record/4564?status=422', {method: 'POST', body: '{}'}).then(a => a.json())",
        "fetch('/api/v1/book_services/4564').then(a => a.json())",
        "fetch('/api/v1/book_record/4564').then(a => a.json())",
        "new Promise(done => "
        + XHR.format("POST", "/api/v1/book_record/4564?status=422", "x.onload = () => done(0)")
        + ")",
        "fetch('http://nowhere.invalid/api/v1/book_record/4564', {method: 'POST'}).catch(() => 0)",
    ],
)
def test_refused_and_other_calls_are_no_record(guest: Guest, lab: Lab, call: str) -> None:
    form(lab)
    guest.page.goto(MARKED)
    guest.page.evaluate(call)
    told(lab, guest.page)
    assert lab.events("record") == []
    assert guest.exceptions == []


def test_page_reads_the_answer_that_we_read_too(guest: Guest, lab: Lab) -> None:
    form(lab)
    guest.page.goto(MARKED)
    answer = guest.page.evaluate("fetch('/api/v1/book_record/4564', {method: 'POST', body: '{}'}).then(a => a.json())")
    assert answer[0]["record_id"] == 777001
    assert (
        guest.page.evaluate("(async () => { try { await fetch() } catch (error) { return error.name } })()")
        == "TypeError"
    )


def test_script_pasted_twice_is_one(guest: Guest, lab: Lab) -> None:
    form(lab)
    lab.form_page += FORM_TAG
    guest.page.goto(MARKED)
    guest.page.evaluate(CALLS["xhr"])
    lab.wait("record")
    told(lab, guest.page)
    assert len(lab.events("form")) == 1
    assert len(lab.events("record")) == 1, lab.events("record")


STORAGE = "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, {})"


@pytest.mark.parametrize(
    "storage",
    ["{get() { throw new DOMException('no', 'SecurityError') }}", "{value: null}", "{value: Object.freeze({})}"],
)
def test_blocked_storage(guest: Guest, lab: Lab, storage: str) -> None:
    form(lab, STORAGE.format(storage))
    guest.page.goto(MARKED)
    guest.page.evaluate(CALLS["xhr"])
    (record,) = lab.wait("record")
    (event,) = lab.wait("form")
    assert record["mark"] == event["mark"] == MARK
    assert record["client"] == event["client"] != ""
    assert guest.exceptions == []


def test_site_and_form_walk_together(guest: Guest, lab: Lab) -> None:
    form(lab)
    page = guest.visit(lab.page("/", f'<iframe id="f" src="{FORM}company/4564/personal/menu"></iframe>', head=SITE_TAG))
    event: dict[str, Any] = next(one for one in lab.wait("form") if one["mark"])
    (opened,) = (one for one in lab.events("open") if one["mark"] == event["mark"])
    page.frames[1].evaluate(CALLS["xhr"])
    (record,) = lab.wait("record")
    assert record["mark"] == opened["mark"]
    assert opened["visit"]["id"] == lab.events("hit")[0]["visit"]["id"]
