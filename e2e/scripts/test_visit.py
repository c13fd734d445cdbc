"""The visit, hits, consent, and the session of UIS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from e2e.scripts.conftest import Guest
from e2e.scripts.lab import FORM, PLAIN_SITE_TAG, Lab

AD = "?utm_source=yandex&utm_campaign=spring&yclid=1"


def test_hit_tells_the_page_and_the_visit(guest: Guest, lab: Lab) -> None:
    lab.page("/price")
    guest.visit(lab.page("/", '<a id="a" href="/price">цены</a>') + AD)
    (hit,) = lab.events("hit")
    assert (hit["url"], hit["title"], hit["referrer"]) == (f"http://salon.test/{AD}", "Салон", "")
    assert hit["visit"]["landing"] == f"http://salon.test/{AD}"
    guest.page.locator("#a").click()
    second = lab.wait("hit", 2)[1]
    assert (second["url"], second["referrer"]) == ("http://salon.test/price", f"http://salon.test/{AD}")
    assert second["visit"] == hit["visit"]


def test_routes_of_a_single_page_site(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/"))
    page.evaluate("history.pushState({}, '', '/about'), document.title = 'О нас'")
    about = lab.wait("hit", 2)[1]
    assert (about["url"], about["title"], about["referrer"]) == ("http://salon.test/about", "О нас", "")
    page.evaluate("history.replaceState({}, '', '/about?tab=2')")
    lab.wait("hit", 3)
    page.evaluate("history.pushState({}, '', '/about?tab=2')")  # the same address is no new hit
    page.evaluate("location.hash = '#top'")
    page.evaluate("location.hash = '#!/route'")
    lab.wait("hit", 4)
    page.evaluate("history.go(-4)")
    lab.wait("hit", 5)
    assert [event["url"].removeprefix("http://salon.test") for event in lab.events("hit")] == [
        "/", "/about", "/about?tab=2", "/about?tab=2#!/route", "/",
    ]  # fmt: skip
    assert page.evaluate("history.pushState.call(history, {a: 1}, '', '/x') === undefined && history.state.a === 1")


def test_page_out_of_the_back_forward_cache_is_a_hit(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/"))
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: false}))")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    lab.wait("hit", 2)
    guest.all_told()
    assert len(lab.events("hit")) == 3


def test_half_an_hour_of_silence_ends_the_visit(guest: Guest, lab: Lab) -> None:
    guest.page.clock.install(time=datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
    page = guest.visit(lab.page("/"))
    page.clock.fast_forward("29:00")
    page.evaluate("history.pushState({}, '', '/a')")
    page.clock.fast_forward("00:30")
    page.clock.resume()
    one, two = lab.wait("hit", 2)
    assert one["visit"]["id"] == two["visit"]["id"]
    page.clock.fast_forward("31:00")
    page.evaluate("history.pushState({}, '', '/b')")
    three = lab.wait("hit", 3)[2]
    assert three["visit"]["id"] != one["visit"]["id"]
    assert three["visit"]["visitor"] == one["visit"]["visitor"]
    assert three["visit"]["landing"] == "http://salon.test/b"


def test_campaigns_and_visits(guest: Guest, lab: Lab) -> None:
    root = lab.page("/")
    for tail in (AD, "", AD, "?utm_source=vk", "?page=2"):
        guest.visit(root + tail)
    first, plain, same, other, after = (event["visit"]["id"] for event in lab.events("hit"))
    assert first == plain == same != other == after


def test_tabs_share_the_visit_and_browsers_do_not(guest: Guest, guests: Any, lab: Lab) -> None:
    root = lab.page("/")
    guest.visit(root)
    guest.context.new_page().goto(root)
    lab.wait("hit", 2)
    guests().visit(root)
    one, two, three = (event["visit"] for event in lab.events("hit"))
    assert one == two
    assert three["visitor"] != one["visitor"]


# --- consent

OPENERS = f'<a id="a" class="yclick" target="_blank" href="{FORM}">x</a><iframe src="{FORM}"></iframe>'
DO_EVERYTHING = f"""history.pushState({{}}, '', '/quiet'); document.getElementById('a').click(); window.open('{FORM}');
    window.yWidget = {{show: url => {{ window.shown = url }}}}; yWidget.show('{FORM}')"""


def grant(guest: Guest, lab: Lab) -> None:
    """The choice is what lets the lab see that nothing came before it."""
    assert guest.stored() in ([], ["yclick.c"])
    guest.page.evaluate("yclick('consent', 'granted')")
    lab.wait("hit")


@pytest.mark.parametrize("why", ["required", "privacy control"])
def test_nothing_is_kept_or_sent_before_consent(guest: Guest, lab: Lab, why: str) -> None:
    if why == "required":
        lab.config["consent"] = "required"
    else:
        guest.context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    guest.page.goto(lab.page("/", OPENERS))
    guest.page.wait_for_function("window.__yclickSite === 1")
    guest.page.evaluate(DO_EVERYTHING)
    lab.until(lambda: len(lab.asked("n822081.yclients.com")) >= 3)
    assert all("yclick" not in url for url in lab.asked("n822081.yclients.com"))
    grant(guest, lab)
    assert lab.events("hit")[0]["url"].endswith("/quiet")
    assert guest.page.evaluate("shown") == FORM
    assert guest.exceptions == []


def test_choice_is_remembered(guest: Guest, lab: Lab) -> None:
    lab.config["consent"] = "required"
    root = lab.page("/")
    guest.page.goto(root)
    guest.page.wait_for_function("window.__yclickSite === 1")
    grant(guest, lab)
    guest.visit(root)
    assert len(lab.events("hit")) == 2


def test_choice_made_before_the_script_came(guest: Guest, lab: Lab) -> None:
    lab.config["consent"] = "required"
    early = "<script>window.yclick = window.yclick || function(){(yclick.q = yclick.q || []).push(arguments)}; yclick('consent', 'granted')</script>"
    guest.visit(lab.page("/", head=early + PLAIN_SITE_TAG))


def test_denial_empties_the_device_and_holds(guest: Guest, lab: Lab) -> None:
    root = lab.page("/", OPENERS)
    guest.visit(root)
    lab.wait("open")
    lab.mood = "down"
    guest.page.evaluate("history.pushState({}, '', '/kept')")
    lab.until(lambda: any("/kept" in one.body for one in lab.batches(answered=False)))
    guest.page.evaluate("yclick('consent', 'denied')")
    assert guest.stored() == ["yclick.c"]
    lab.mood = "ok"
    seen = len(lab.events())
    guest.page.evaluate("document.cookie = '_comagic_idAbCdE=1.2.3'")
    guest.page.evaluate(DO_EVERYTHING)
    lab.until(lambda: len([url for url in lab.asked("n822081.yclients.com") if "yclick" not in url]) >= 3)
    assert guest.stored() == ["yclick.c"]
    guest.page.goto(root)
    guest.page.wait_for_function("window.__yclickSite === 1")
    assert guest.stored() == ["yclick.c"]
    assert len(lab.events()) == seen
    guest.page.evaluate("yclick('consent', 'granted')")
    lab.until(lambda: len(lab.events("hit")) == 2)
    assert lab.events("hit")[0]["visit"]["visitor"] != lab.events("hit")[1]["visit"]["visitor"]
    assert not any("/kept" in event["url"] for event in lab.events("hit"))


def test_privacy_control_may_be_ignored_by_the_settings(guest: Guest, lab: Lab) -> None:
    lab.config["gpc"] = "ignore"
    guest.context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    guest.visit(lab.page("/"))


# --- UIS


def test_session_of_uis_known_late(guest: Guest, lab: Lab) -> None:
    late = "<script>setTimeout(() => { window.Comagic = {getSessionId: () => 3117192853, getVisitorId: () => 2032047566} }, 2000)</script>"
    root = lab.page("/", late)
    guest.visit(root)
    (uis,) = lab.wait("uis")
    assert (uis["session_id"], uis["visitor_id"]) == ("3117192853", "2032047566")
    assert uis["visit"] == lab.events("hit")[0]["visit"]
    lab.page("/", late.replace("2000", "0"))
    guest.visit(root)
    lab.wait("hit", 2)
    guest.page.wait_for_function("window.Comagic && performance.now() > 1500")
    guest.all_told()
    assert len(lab.events("uis")) == 1


@pytest.mark.parametrize(
    "comagic",
    ["", "window.Comagic = {getSessionId: () => null}", "window.Comagic = {getSessionId() { throw new Error('theirs') }}", "window.Comagic = 5"],
)  # fmt: skip
def test_session_of_uis_from_its_cookie(guest: Guest, lab: Lab, comagic: str) -> None:
    cookie = (
        "document.cookie = 'x_comagic_id=9.9.9'; document.cookie = '_comagic_idAbCdE=2032047566.3117192853.1555675484';"
    )
    guest.visit(lab.page("/", head=f"<script>{cookie}{comagic}</script>{PLAIN_SITE_TAG}"))
    (uis,) = lab.wait("uis")
    assert (uis["session_id"], uis["visitor_id"]) == ("3117192853", "2032047566")
    assert guest.exceptions == []
