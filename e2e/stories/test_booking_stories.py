"""Stories of a booking: however the visitor gets into the form, the lead stands in the journal with the visit."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, expect

from e2e.conftest import AD, ARGS, CHROMIUM, Visitor, World, book

MARK = re.compile(r"[?&]yextrafield_yclick=(\w{22})(?=[&#]|$)")


def assert_spring(lead: dict[str, Any]) -> None:
    assert lead["visit"]["campaign"] == "spring", lead["match"]
    assert (lead["visit"]["source"], lead["visit"]["channel"]) == ("yandex", "ad")
    assert lead["visit"]["click_ids"] == {"yclid": "1"}


@pytest.mark.parametrize("loader", ["2018", "2023"])
def test_desktop_iframe_of_both_loaders(visitor: Visitor, world: World, loader: str) -> None:
    page = visitor.visit(f"/{AD}&loader={loader}")
    page.get_by_test_id("hero").click()
    started = time.monotonic()
    book(visitor.panel())
    lead = world.lead(world.last_record(), level="L0")
    assert_spring(lead)
    assert lead["contact"]["name"] == "Мария Иванова"
    assert time.monotonic() - started < 60
    assert visitor.errors == []


def test_phone_opens_the_form_in_the_same_tab(visitors: Any, world: World) -> None:
    visitor = visitors(phone=True)
    visitor.visit("/" + AD)
    visitor.page.get_by_test_id("hero").tap()
    visitor.page.wait_for_url(re.compile(r"n822081"))
    book(visitor.page)
    lead = world.lead(world.last_record(), level="L0")
    assert_spring(lead)
    assert lead["booking"]["origin"] == "widget_mobile"


WAYS = {
    "ms-booking-link": "panel", "ms-booking-button": "panel", "ms-button": "panel", "program": "panel",
    "yclick": "tab", "yclick-query": "same", "plain": "tab", "window-open": "tab", "program-click": "tab",
}  # fmt: skip


@pytest.mark.parametrize("way", sorted(WAYS))
def test_each_way_into_the_form_carries_the_visit(visitor: Visitor, world: World, way: str) -> None:
    visitor.visit("/" + AD)
    visitor.visit("/ways")
    opened: list[str] = []
    visitor.context.on(
        "request", lambda request: opened.append(request.url) if request.is_navigation_request() else None
    )
    if WAYS[way] == "tab":
        with visitor.context.expect_page() as popup:
            visitor.page.get_by_test_id(way).click()
        form: Any = popup.value
    else:
        visitor.page.get_by_test_id(way).click()
        form = visitor.panel() if WAYS[way] == "panel" else visitor.page
    if way == "yclick-query":
        address = next(url for url in opened if "n822081" in url)
        assert "from=ways&yextrafield_yclick=" in address
        assert "/company/4564/personal/menu?o=" in address
    book(form)
    assert_spring(world.lead(world.last_record(), level="L0"))


@pytest.mark.parametrize("how", ["middle", "keyboard", "context", "added", "touch"])
def test_yclick_link_by_every_hand(visitors: Any, world: World, how: str) -> None:
    visitor = visitors(has_touch=True)
    visitor.visit("/" + AD)
    page = visitor.visit("/ways")
    link = page.get_by_test_id("yclick")
    if how == "added":
        page.get_by_test_id("add-link").click()
        link = page.get_by_test_id("added")
    if how == "context":
        # The browser's own menu cannot be pressed from here: what it would open is the link's address at that moment.
        link.click(button="right")
        address = link.get_attribute("href") or ""
        assert MARK.search(address)
        form = visitor.new_page()
        form.goto(address)
    else:
        with visitor.context.expect_page() as popup:
            if how == "middle":
                link.click(button="middle")
            elif how == "keyboard":
                link.focus()
                page.keyboard.press("Enter")
            elif how == "touch":
                link.tap()
            else:
                link.click()
        form = popup.value
    book(form)
    assert_spring(world.lead(world.last_record(), level="L0"))


def test_link_is_as_it_was_a_moment_after_the_click(visitor: Visitor) -> None:
    page = visitor.visit("/ways")
    link = page.get_by_test_id("yclick")
    with visitor.context.expect_page():
        link.click()
    expect(link).to_have_attribute("href", "http://n822081.yclients.com/")
    assert page.get_by_test_id("foreign").get_attribute("href") == "https://example.com/"


@pytest.mark.parametrize("path", ["/iframe", "/superbutton", "/auto"])
def test_frames_and_self_opening_widgets(visitor: Visitor, world: World, path: str) -> None:
    visitor.visit("/" + AD)
    page = visitor.visit(path)
    if path == "/superbutton":
        page.get_by_test_id("superbutton").click()
    selector = {"/iframe": "iframe.hand", "/superbutton": "iframe.superbutton-frame", "/auto": "iframe.yWidgetIFrame"}[
        path
    ]
    book(page.frame_locator(selector))
    assert_spring(world.lead(world.last_record(), level="L0"))


def test_own_domain_of_the_form(visitor: Visitor, world: World) -> None:
    visitor.visit("/" + AD)
    page = visitor.visit("/own-domain")
    page.get_by_test_id("own-domain").click()
    book(page)
    assert_spring(world.lead(world.last_record(), level="L0"))


def test_mark_leaves_the_address_bar(visitors: Any) -> None:
    visitor = visitors(phone=True)
    visitor.visit("/" + AD)
    visitor.page.get_by_test_id("hero").tap()
    visitor.page.wait_for_url(re.compile("n822081"))
    visitor.page.wait_for_function("!location.search.includes('yclick')")
    assert "utm_campaign=spring" in visitor.page.url


def test_new_design_without_form_script_has_the_booked_message_only(visitor: Visitor, world: World) -> None:
    world.stand.switches.form_script = False
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    book(visitor.panel(), slot=3)
    lead = world.lead(world.last_record(), level="L5")
    assert_spring(lead)
    assert lead["match"]["probability"] > 0.99
    assert any(item["kind"] == "booked" for item in lead["match"]["evidence"])


def test_no_script_in_the_form_and_no_message_is_probable(quiet_world: tuple[World, Any]) -> None:
    world, visitors = quiet_world
    world.stand.switches.form_script = False
    world.stand.switches.messages = False
    person = visitors()
    person.visit("/" + AD).get_by_test_id("hero").click()
    book(person.panel())
    lead = world.lead(world.last_record(), level="L5")
    assert_spring(lead)
    assert 0.9 <= lead["match"]["probability"] < 1
    # A second visitor opens the form, and the next booking could be either's: no guess.
    other = visitors()
    other.visit("/?utm_source=vk").get_by_test_id("hero").click()
    other.panel().locator("[data-locator=menu_services]").wait_for()
    person.visit("/price").get_by_test_id("hero").click()
    book(person.panel(), slot=1)
    lead = world.lead(world.last_record(), settled=True)
    assert lead["visit"] is None
    assert len(lead["match"]["alternatives"]) == 2


def test_mark_that_the_vendor_keeps_in_the_record_is_exact(visitors: Any, world: World) -> None:
    """Same tab: the form keeps what came in its address in its own storage, which a frame may be refused."""
    visitor = visitors(phone=True)
    world.stand.switches.form_script = False
    world.stand.switches.messages = False
    world.stand.switches.from_url = "extrafields"
    visitor.visit("/" + AD)
    visitor.page.get_by_test_id("hero").tap()
    book(visitor.page, slot=9)
    lead = world.lead(world.last_record(), level="L1")
    assert_spring(lead)
    assert (lead["match"]["method"], lead["match"]["probability"]) == ("mark", 1.0)


@pytest.mark.parametrize("quiet_world", ["alteg.io"], indirect=True)
def test_the_other_brand_with_its_hosts_retries_and_pairs_of_events(quiet_world: tuple[World, Any]) -> None:
    world, visitors = quiet_world
    switches = world.stand.switches
    switches.hook_mode, switches.hook_pair, switches.hook_duplicates = "altegio", True, 1
    switches.api_objects = ["altegioApi"]
    person = visitors()
    person.visit("/" + AD).get_by_test_id("hero").click()
    book(person.panel())
    record = world.last_record()
    assert_spring(world.lead(record, level="L0"))
    assert [item["booking"]["record_id"] for item in world.leads()] == [record]


def test_form_script_pasted_twice_tells_once(visitor: Visitor, world: World) -> None:
    told: list[str] = []
    visitor.context.on(
        "request", lambda request: told.append(request.post_data or "") if "/c?k=" in request.url else None
    )
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    visitor.panel().locator("[data-locator=menu_services]").wait_for()
    frame = next(frame for frame in visitor.page.frames if "n822081" in frame.url)
    frame.evaluate(
        "async url => { const tag = document.createElement('script'); tag.src = url;"
        " const done = new Promise(resolve => { tag.onload = resolve }); document.head.append(tag); await done }",
        world.account["form"]["script_url"],
    )
    book(visitor.panel())
    record = world.last_record()
    assert_spring(world.lead(record, level="L0"))
    events = {event["id"]: event for body in told for event in json.loads(body)["events"]}
    assert [event["record_id"] for event in events.values() if event["kind"] == "record"] == [record]


def test_no_referrer_host_still_matches_by_the_mark(visitor: Visitor, world: World) -> None:
    visitor.visit("/" + AD)
    visitor.visit("/no-referrer").get_by_test_id("hero").click()
    book(visitor.panel())
    assert_spring(world.lead(world.last_record(), level="L0"))


def test_blocked_sdk_leaves_the_links_working(visitor: Visitor, world: World) -> None:
    visitor.context.route("**/js-sdk/**", lambda route: route.abort())
    visitor.visit(f"/{AD}")
    page = visitor.visit("/ways?loader=2023")
    with visitor.context.expect_page() as popup:
        page.get_by_test_id("yclick").click()
    book(popup.value)
    assert_spring(world.lead(world.last_record(), level="L0"))


def test_group_booking(visitor: Visitor, world: World) -> None:
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    form = visitor.panel()
    form.locator("[data-locator=menu_activities]").click()
    form.locator("[data-locator=activity_9001]").click()
    form.locator("[name=fullname]").fill("Гость")
    form.locator("[name=phone]").fill("79161112233")
    form.locator("[data-locator=book]").click()
    form.locator("[data-locator=success_icon]").wait_for()
    assert_spring(world.lead(world.last_record(), level="L0"))


def test_several_services_in_one_booking(visitor: Visitor, world: World) -> None:
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    book(visitor.panel(), services=(5034676, 5034679))
    lead = world.lead(world.last_record(), level="L0")
    assert [item["title"] for item in lead["booking"]["services"]] == ["Женская стрижка", "Укладка"]
    assert lead["booking"]["amount"] == "4000.00"


def test_two_visitors_at_once_keep_their_own_campaigns(visitors: Any, world: World) -> None:
    first, second = visitors(), visitors()
    first.visit("/" + AD).get_by_test_id("hero").click()
    second.visit("/?utm_source=vk&utm_medium=cpc&utm_campaign=autumn").get_by_test_id("hero").click()
    book(first.panel(), name="Первая", slot=5)
    one = world.last_record()
    book(second.panel(), name="Вторая", slot=6)
    two = world.last_record()
    assert world.lead(one, level="L0")["visit"]["campaign"] == "spring"
    assert world.lead(two, level="L0")["visit"]["campaign"] == "autumn"


def test_returning_visitor_with_a_second_campaign_starts_a_second_visit(visitor: Visitor, world: World) -> None:
    visitor.visit("/" + AD)
    visitor.visit("/price")
    visitor.visit("/?utm_source=vk&utm_medium=cpc&utm_campaign=autumn").get_by_test_id("hero").click()
    book(visitor.panel())
    lead = world.lead(world.last_record(), level="L0")
    assert lead["visit"]["campaign"] == "autumn"
    visitor_id = world.server.get(f"/api/v1/visits/{lead['visit']['id']}", world.account["api_token"])["visitor_id"]
    visits = world.server.get(f"/api/v1/visits?visitor_id={visitor_id}", world.account["api_token"])["data"]
    assert [visit["campaign"] for visit in visits] == ["autumn", "spring"]
    assert [visit["hits"] for visit in visits] == [1, 2]


def test_shared_link_opened_by_a_stranger_is_the_strangers_own_visit(visitors: Any, world: World) -> None:
    owner, stranger = visitors(), visitors()
    opened: list[str] = []
    owner.context.on(
        "request", lambda request: opened.append(request.url) if "yextrafield_yclick" in request.url else None
    )
    owner.visit("/" + AD).get_by_test_id("hero").click()
    book(owner.panel(), name="Хозяйка ссылки", slot=7)
    assert_spring(world.lead(world.last_record(), level="L0"))
    stranger.page.goto(
        next(url for url in opened if MARK.search(url))
        .replace("&utm_source=yandex", "")
        .replace("?utm_source=yandex&", "?")
    )
    book(stranger.page, name="Чужая", slot=8)
    lead = world.lead(world.last_record(), level="L0")
    owners = world.lead(min(world.stand.records), level="L0")
    assert lead["visit"]["id"] != owners["visit"]["id"]


def test_booking_on_the_landing_without_a_site_visit_is_a_visit_of_its_own(visitor: Visitor, world: World) -> None:
    visitor.page.goto("http://n822081.yclients.com/?utm_source=2gis&utm_medium=maps&utm_campaign=card")
    book(visitor.page)
    lead = world.lead(world.last_record(), level="L0")
    assert (lead["visit"]["source"], lead["visit"]["campaign"]) == ("2gis", "card")


def test_webhook_before_the_browsers_report_and_after_it(visitor: Visitor, world: World) -> None:
    world.stand.switches.hook_hold = True
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    book(visitor.panel())
    record = world.last_record()
    assert all(item["booking"]["record_id"] != record for item in world.leads())
    world.control("POST", "release")
    assert_spring(world.lead(record, level="L0"))


def test_our_server_down_during_the_visit_and_back_before_the_booking(visitor: Visitor, world: World) -> None:
    visitor.visit("/price")
    world.server.stop()
    visitor.page.goto(world.site + "/" + AD.replace("spring", "winter"))
    # The page lives without us: the widget opens, nothing hangs; the script is there from the browser's cache.
    visitor.page.get_by_test_id("hero").click()
    visitor.panel().locator("[data-locator=menu_services]").wait_for()
    world.server.start()
    visitor.page.goto(world.site + "/" + AD.replace("spring", "winter"))
    visitor.wait_for_script()
    visitor.page.get_by_test_id("hero").click()
    book(visitor.panel())
    assert world.lead(world.last_record(), level="L0")["visit"]["campaign"] == "winter"


@pytest.mark.parametrize("kind", ["mobile_app", "staff"])
def test_app_and_staff_bookings_fall_on_no_visit(visitor: Visitor, world: World, kind: str) -> None:
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    visitor.panel().locator("[data-locator=menu_services]").wait_for()
    record = world.control("POST", "records", {"kind": kind})
    lead = world.lead(record["id"], settled=True)
    assert lead["visit"] is None
    assert lead["booking"]["origin"] == kind


@pytest.mark.parametrize("names", [["yclientsApi"], ["altegioApi", "widgetApi"], []])
def test_success_is_told_once_whatever_the_form_offers(visitor: Visitor, world: World, names: list[str]) -> None:
    world.stand.switches.api_objects = names
    world.stand.switches.transport = "fetch" if not names else "xhr"
    world.stand.switches.bare_response = bool(names)
    told: list[str] = []
    visitor.context.on(
        "request", lambda request: told.append(request.post_data or "") if "/c?k=" in request.url else None
    )
    visitor.visit("/" + AD).get_by_test_id("hero").click()
    book(visitor.panel())
    record = world.last_record()
    assert_spring(world.lead(record, level="L0"))
    visitor.page.wait_for_timeout(400)
    events = [event for body in told for event in json.loads(body)["events"] if event["kind"] == "record"]
    assert {event["record_id"] for event in events} == {record}
    assert len({event["id"] for event in events}) == 1
    assert "9161234567" not in "".join(told)
    assert "Мария" not in "".join(told)


@pytest.mark.parametrize("storage", ["blocked", "shared", "partitioned"])
def test_three_kinds_of_third_party_storage(playwright: Playwright, world: World, tmp_path: Path, storage: str) -> None:
    """Refused, shared as the driver's own switches make it, and partitioned as real browsers do."""
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    blocked = storage == "blocked"
    preferences = {"profile": {"block_third_party_cookies": blocked, "cookie_controls_mode": 1 if blocked else 0}}
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    options: dict[str, Any] = {}
    if storage == "partitioned":
        options["ignore_default_args"] = _default_features(playwright)
    context = playwright.chromium.launch_persistent_context(
        str(profile),
        executable_path=CHROMIUM,
        headless=True,
        args=[*ARGS, f"--host-resolver-rules={world.rules()}"],
        **options,
    )
    try:
        visitor = Visitor(context, world)
        visitor.visit("/" + AD).get_by_test_id("hero").click()
        book(visitor.panel())
        frame = next(frame for frame in visitor.page.frames if "n822081" in frame.url)
        seen = frame.evaluate(
            "() => { try { localStorage.setItem('probe', '1'); return 'works' } catch (e) { return e.name } }"
        )
        assert seen == ("SecurityError" if blocked else "works")
        assert_spring(world.lead(world.last_record(), level="L0"))
        assert visitor.errors == []
    finally:
        context.close()


def _default_features(playwright: Playwright) -> list[str]:
    """The driver's switch that turns partitioning off, to be left out: found by starting a browser and reading its command."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
    try:
        session = browser.new_browser_cdp_session()
        command = session.send("SystemInfo.getInfo")["commandLine"].split(" ")
    finally:
        browser.close()
    found = [switch for switch in command if switch.startswith("--disable-features=")]
    assert any("ThirdPartyStoragePartitioning" in switch for switch in found), command
    return found
