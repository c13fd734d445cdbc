"""A reception for the workplace's stories, and its operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Playwright

from e2e.conftest import ARGS, CHROMIUM
from e2e.workplace.cabinet import Cabinet, Guest, guest
from e2e.workplace.reception import Operator, Reception
from server.accounts.model import Role


@pytest.fixture(scope="session")
def _reception() -> Iterator[Reception]:
    reception = Reception()
    yield reception
    reception.close()


@pytest.fixture
def reception(_reception: Reception) -> Reception:
    """A salon of this story's own."""
    _reception.open()
    return _reception


@pytest.fixture(scope="session")
def desk_browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*ARGS, "--autoplay-policy=no-user-gesture-required"]
    )
    yield browser
    browser.close()


@pytest.fixture
def operator(desk_browser: Browser, reception: Reception) -> Iterator[Callable[..., Operator]]:
    """Makes operators: `operator("Ольга")`, `operator("Ира", role=Role.MARKETER)`. No page of theirs may have an error."""
    made: list[Operator] = []

    def make(
        name: str = "Ольга", *, role: Role = Role.OPERATOR, locale: Literal["ru", "en"] = "ru", **options: Any
    ) -> Operator:
        one = Operator(desk_browser, reception, reception.person(name, role=role, locale=locale), **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.context.close()
    assert [one.errors for one in made] == [[] for _ in made]


@pytest.fixture(scope="session")
def _cabinet() -> Iterator[Cabinet]:
    made = Cabinet()
    yield made
    made.stop()


@pytest.fixture
def cabinet(_cabinet: Cabinet) -> Cabinet:
    """The simulated cabinet of a salon of this story's own."""
    _cabinet.refresh()
    return _cabinet


@pytest.fixture
def guests(playwright: Playwright, cabinet: Cabinet) -> Iterator[Callable[..., Guest]]:
    """Makes people with browsers of their own: `guests()`, `guests(extension=False)`, `guests(width=390)`."""
    with ExitStack() as browsers:
        yield lambda **options: browsers.enter_context(guest(playwright, cabinet, **options))
