"""Events outlive a server that is away, a page that goes, and a browser that refuses to keep anything."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from e2e.scripts.conftest import Guest
from e2e.scripts.lab import FORM, PLAIN_SITE_TAG, Lab


def assert_each_taken_once(lab: Lab) -> None:
    assert set(collections.Counter(event["id"] for event in lab.deliveries()).values()) == {1}


@pytest.mark.parametrize("mood", ["down", "503"])
@pytest.mark.parametrize("reload", [False, True])
def test_server_away_and_back(guest: Guest, lab: Lab, mood: str, reload: bool) -> None:
    root = lab.page("/", f'<a id="a" target="_blank" href="{FORM}">x</a>')
    lab.mood = mood
    guest.page.goto(root)
    lab.until(lambda: lab.batches(answered=False))
    guest.page.locator("#a").click()
    guest.page.evaluate("history.pushState({}, '', '/second')")
    lab.until(lambda: any("/second" in one.body for one in lab.batches(answered=False)))
    if reload:
        lab.page("/second")
        guest.page.reload()
        guest.page.wait_for_function("window.__yclickSite === 1")
    assert lab.events() == []
    lab.mood = "ok"
    lab.wait("open")
    lab.wait("hit", 2 + reload)
    guest.all_told()
    assert [event["url"] for event in lab.events("hit")][:2] == [root, root + "second"]
    assert len({event["visit"]["id"] for event in lab.events()}) == 1
    assert_each_taken_once(lab)
    assert [name for name in guest.stored() if name.startswith("yclick.q")] == []
    assert guest.exceptions == []


def test_final_refusal_drops_the_batch(guest: Guest, lab: Lab) -> None:
    lab.mood = "404"
    guest.page.goto(lab.page("/"))
    guest.page.wait_for_function("window.__yclickSite === 1")
    lab.until(lambda: lab.batches(answered=False))
    guest.page.wait_for_function("!Object.keys(localStorage).some(key => key.startsWith('yclick.q'))")
    lab.mood = "ok"
    guest.all_told()
    assert len(lab.events()) == 1


def test_last_word_of_a_page_leaves_by_a_beacon(guest: Guest, lab: Lab) -> None:
    guest.visit(lab.page("/"))
    lab.page("/silent", head="")
    guest.page.evaluate("history.pushState({}, '', '/last'), setTimeout(() => { location.href = '/silent' }, 50)")
    guest.page.wait_for_url("**/silent")
    last = lab.wait("hit", 2)[1]
    assert last["url"].endswith("/last")


def test_hidden_page_tells_what_it_holds(guest: Guest, lab: Lab) -> None:
    page = guest.visit(lab.page("/"))
    page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true})
        history.pushState({}, '', '/hidden'); setTimeout(() => document.dispatchEvent(new Event('visibilitychange')), 20) }"""
    )
    lab.wait("hit", 2)


def test_server_that_never_answers_does_not_silence_the_page(guest: Guest, lab: Lab) -> None:
    guest.page.clock.install()
    lab.mood = "hang"
    guest.page.goto(lab.page("/"))
    guest.page.wait_for_function("window.__yclickSite === 1")
    guest.page.clock.run_for(2000)
    lab.until(lambda: lab.batches(answered=False))
    lab.mood = "ok"
    guest.page.clock.fast_forward(30_000)
    guest.page.evaluate("history.pushState({}, '', '/later')")
    guest.page.clock.run_for(2000)
    lab.wait("hit", 2)
    assert guest.exceptions == []


def test_answer_that_is_rubbish_is_an_answer(guest: Guest, lab: Lab) -> None:
    lab.mood = "rubbish"
    guest.visit(lab.page("/"))
    guest.all_told()
    assert_each_taken_once(lab)
    assert guest.exceptions == []
    assert guest.console == []


def test_many_events_go_in_batches_the_server_takes(guest: Guest, lab: Lab) -> None:
    guest.visit(lab.page("/"))
    lab.mood = "down"
    guest.page.evaluate(
        "for (let i = 0; i < 230; i++) history.pushState({}, '', '/' + 'я'.repeat(30) + i); document.title = '\\ud83d\\ude00'.repeat(2500)"
    )
    lab.until(lambda: any("%D1" in one.body for one in lab.batches(answered=False)))
    lab.mood = "ok"
    guest.page.evaluate("for (let i = 0; i < 230; i++) history.pushState({}, '', '/' + 'b'.repeat(3000) + i)")
    guest.all_told()
    batches = lab.batches()
    assert all(len(one.body.encode()) <= 65536 for one in batches)
    assert all(one.body.count('"kind":') <= 50 for one in batches)
    assert all(len(event["url"]) <= 2000 and len(event["title"]) <= 2000 for event in lab.events("hit"))
    assert all(one.headers["Content-Type"].startswith("text/plain") for one in batches)


def test_old_events_are_let_go_after_three_days(guest: Guest, lab: Lab) -> None:
    root = lab.page("/")
    lab.mood = "down"
    guest.page.goto(root)
    lab.until(lambda: lab.batches(answered=False))
    guest.page.evaluate(
        """() => { for (const key of Object.keys(localStorage)) if (key.startsWith('yclick.q')) {
        const value = localStorage[key]; delete localStorage[key]
        const at = +key.slice(8, 21); localStorage['yclick.q' + (at - 4 * 86400000) + key.slice(21)] = value } }"""
    )
    lab.mood = "ok"
    guest.page.goto(root + "?again")
    lab.wait("hit")
    guest.all_told()
    assert "?again" in lab.events("hit")[0]["url"]
    assert [name for name in guest.stored() if name.startswith("yclick.q")] == []


@pytest.mark.parametrize(
    "storage",
    [
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})",
        "Object.defineProperty(window, 'localStorage', {value: null})",
        "Object.defineProperty(window, 'localStorage', {value: new Proxy({}, {set() { throw new DOMException('full', 'QuotaExceededError') }})})",
        "Storage.prototype.setItem = Storage.prototype.getItem = Storage.prototype.removeItem = () => { throw new Error('theirs') }",
        "localStorage['yclick.v'] = 'broken'; localStorage['yclick.q1'] = '{torn'; localStorage['yclick.q'] = 'null'",
    ],
)
def test_storage_that_is_refused_full_or_broken(guest: Guest, lab: Lab, storage: Any) -> None:
    page = guest.visit(
        lab.page(
            "/", f'<a id="a" target="_blank" href="{FORM}">x</a>', head=f"<script>{storage}</script>{PLAIN_SITE_TAG}"
        )
    )
    page.locator("#a").click()
    lab.wait("open")
    guest.all_told()
    assert len({event["visit"]["id"] for event in lab.events()}) == 1
    assert guest.exceptions == []
    assert guest.console == []
