"""Fixtures of the scripts' own tests: the lab, a browser of its own, and a visitor whose page must show no error."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from e2e.conftest import ARGS, CHROMIUM
from e2e.scripts.lab import Lab

MARK = re.compile(r"[?&]yextrafield_yclick=(\w{22})(?=[&#]|$)")
_numbers = itertools.count(1)


def mark_of(address: str) -> str:
    found = MARK.search(address)
    assert found, f"no mark in {address}"
    return found[1]


def without_mark(address: str) -> str:
    """What the address was before it got its mark as the last parameter."""
    return re.sub(r"[?&]yextrafield_yclick=\w{22}", "", address, count=1)


class Guest:
    """A browser context with the lab around it."""

    def __init__(self, context: BrowserContext, lab: Lab) -> None:
        self.context, self.lab = context, lab
        self.exceptions: list[str] = []
        self.console: list[str] = []
        context.on("weberror", lambda error: self.exceptions.append(str(error.error)))
        context.on(
            "console",
            lambda message: self.console.append(message.text) if message.type in ("error", "warning") else None,
        )
        self.page = context.new_page()

    def visit(self, address: str) -> Page:
        """Goes to a page of the site and waits until its first hit is known to the lab."""
        before = len(self.lab.events("hit"))
        self.page.goto(address)
        self.lab.wait("hit", before + 1)
        return self.page

    def all_told(self, page: Page | None = None) -> None:
        """Returns when everything the page has told so far has arrived: a route of its own comes after it in the queue."""
        path = f"/told-{next(_numbers)}"
        (page or self.page).evaluate("path => history.pushState({}, '', path)", path)
        self.lab.until(lambda: any(event["url"].endswith(path) for event in self.lab.events("hit")), what=path)

    def stored(self, page: Page | None = None) -> list[str]:
        """Names of ours that are kept on the device."""
        found: list[str] = (page or self.page).evaluate(
            "[...Object.keys(localStorage), ...Object.keys(sessionStorage)].filter(key => key.startsWith('yclick'))"
        )
        return found


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.stop()


@pytest.fixture(scope="session")
def lab_browser(playwright: Playwright, _lab: Lab) -> Iterator[Browser]:
    names = ("*.test", "*.yclients.com", "*.yclients.ru", "*.alteg.io")
    rules = ", ".join(
        [*(f"MAP {name} 127.0.0.1:{_lab.port}" for name in names), "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"]
    )
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGS, f"--host-resolver-rules={rules}"])
    yield browser
    browser.close()


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    _lab.reset()
    return _lab


@pytest.fixture
def guests(lab_browser: Browser, lab: Lab) -> Iterator[Any]:
    made: list[Guest] = []

    def make(**options: Any) -> Guest:
        guest = Guest(lab_browser.new_context(**options), lab)
        made.append(guest)
        return guest

    yield make
    for guest in made:
        guest.context.close()


@pytest.fixture
def guest(guests: Any) -> Guest:
    made: Guest = guests()
    return made
