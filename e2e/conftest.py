"""A whole small world for browser stories: the server as a process, the stand with real host names, Debian's Chromium.

The names of the vendor and the salon lead to the stand by the browser's host rules; everything else leads nowhere.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, Playwright, expect

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import Stand, StandConfig
from e2e.stand.uis.state import Uis
from tests.server_process import ServerProcess

CHROMIUM = shutil.which("chromium") or "chromium"
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
AD = "?utm_source=yandex&utm_medium=cpc&utm_campaign=spring&yclid=1"
PHONE_AGENT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Mobile Safari/537.36"
)

#: What comes true late on a busy machine is true all the same.
expect.set_options(timeout=20_000)


class StandThread:
    """The stand in a thread with a loop of its own: Playwright's synchronous API keeps the main one."""

    def __init__(self, config: StandConfig, uis: Uis | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.stand = Stand(config)
        if uis is not None:
            self.stand.uis = uis
        self.running: RunningStand = asyncio.run_coroutine_threadsafe(
            start_stand(config, stand=self.stand), self.loop
        ).result(10)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.running.stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


@dataclass
class World:
    """What a story needs: where things are, who the account is, and short ways to do what people do."""

    server: ServerProcess
    stand_thread: StandThread
    account: dict[str, Any]

    @property
    def stand(self) -> Stand:
        return self.stand_thread.stand

    @property
    def site(self) -> str:
        return "http://salon.test"

    def refresh(self) -> None:
        self.stand.reset()
        self.stand.hooks = {4564: [self.account["webhooks"]["yclients"]]}
        self.stand.switches.hook_delay_s = 0.05

    def rules(self) -> str:
        port = self.stand_thread.running.port
        names = ("salon.test", "*.salon.test", "*.yclients.com", "yclients.com", "*.alteg.io")
        return ", ".join([*(f"MAP {name} 127.0.0.1:{port}" for name in names), "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        wanted = urllib.request.Request(
            f"http://127.0.0.1:{self.stand_thread.running.port}/_stand/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(wanted, timeout=10) as answer:
            return json.load(answer)

    def leads(self) -> list[dict[str, Any]]:
        return list(self.server.get("/api/v1/leads?limit=200", self.account["api_token"])["data"])

    def last_record(self) -> int:
        return max(self.stand.records)

    def lead(
        self, record_id: int, *, level: str | None = None, settled: bool = False, within_s: float = 12
    ) -> dict[str, Any]:
        """The lead of a record, once it is there (with this level, or decided for good)."""
        deadline = time.monotonic() + within_s
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            found = [item for item in self.leads() if item["booking"]["record_id"] == record_id]
            right = found and (level is None or found[0]["match"]["level"] == level)
            if right and not (settled and re.search(r"Ждём|только что", found[0]["match"]["reason"])):
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no such lead of {record_id}: {found}\n{self.server.log()[-2000:]}")

    def until(self, look: Callable[[], Any], right: Callable[[Any], bool], *, within_s: float = 12) -> Any:
        """What `look` answers, once it is right."""
        deadline = time.monotonic() + within_s
        found: Any = None
        while time.monotonic() < deadline:
            found = look()
            if right(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"did not come true: {found}\n{self.server.log()[-2000:]}")


@pytest.fixture(scope="session")
def _uis() -> Iterator[RunningStand]:
    """The UIS of all worlds: the server is told its address when it starts. Each world has a salon of its own there."""
    first = StandThread(StandConfig())
    yield first.running
    first.stop()


@pytest.fixture(scope="session")
def _server(_uis: RunningStand) -> Iterator[ServerProcess]:
    server = ServerProcess(
        YCLICK_MATCH_GRACE_S="1.5", YCLICK_UIS_DATA_API_URL=f"http://127.0.0.1:{_uis.port}/uis",
        YCLICK_RETRY_SCHEDULE_S="0.2,0.5,1",
    )  # fmt: skip
    server.start()
    yield server
    server.clean()


@pytest.fixture(scope="session")
def _world(_server: ServerProcess, _uis: RunningStand) -> Iterator[World]:
    world = make_world(_server, uis=_uis.stand.uis)
    yield world
    world.stand_thread.stop()


def make_world(server: ServerProcess, *, domain: str = "yclients.com", uis: Uis | None = None) -> World:
    """A new account, and a vendor (of either brand) and a salon of its own, on the running server."""
    account = server.account("--form-host", "zapis.salon.test")
    config = StandConfig(
        domain=domain, salon_host="salon.test", own_form_host="zapis.salon.test",
        site_script_url=account["site"]["script_url"], form_script_url=account["form"]["script_url"],
    )  # fmt: skip
    world = World(server, StandThread(config, uis), account)
    world.refresh()
    return world


@pytest.fixture
def quiet_world(
    _server: ServerProcess, playwright: Playwright, request: pytest.FixtureRequest
) -> Iterator[tuple[World, Any]]:
    """A world nobody has visited yet, and a maker of its visitors: for stories that look at who else was there."""
    world = make_world(_server, domain=getattr(request, "param", "yclients.com"))
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*ARGS, f"--host-resolver-rules={world.rules()}"]
    )
    yield world, lambda: Visitor(browser.new_context(), world)
    browser.close()
    world.stand_thread.stop()


@pytest.fixture
def world(_world: World) -> World:
    """The world with an untouched vendor; the account's journal goes on."""
    _world.refresh()
    return _world


@pytest.fixture(scope="session")
def chromium(playwright: Playwright, _world: World) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*ARGS, f"--host-resolver-rules={_world.rules()}"]
    )
    yield browser
    browser.close()


class Visitor:
    """A person with a browser of their own. Errors of the page are collected: there must be none."""

    def __init__(self, context: BrowserContext, world: World) -> None:
        self.context, self.world = context, world
        self.errors: list[str] = []
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        return page

    def visit(self, path: str = "/" + AD) -> Page:
        self.page.goto(self.world.site + path)
        self.wait_for_script()
        return self.page

    def wait_for_script(self) -> None:
        self.page.wait_for_function("window.__yclickSite === 1")

    def panel(self, page: Page | None = None) -> FrameLocator:
        """The booking form in the widget's frame."""
        return (page or self.page).frame_locator("iframe.yWidgetIFrame")

    def close(self) -> None:
        self.context.close()


def book(
    form: Page | FrameLocator, *, name: str = "Мария Иванова", phone: str = "8 916 123-45-67",
    services: tuple[int, ...] = (5034676,), slot: int = 0,
) -> None:  # fmt: skip
    """Walks the form to its success page."""
    form.locator("[data-locator=menu_services]").click()
    for service in services:
        form.locator(f"[data-locator=service_item_{service}]").click()
    form.locator("[data-locator=services_next]").click()
    form.locator("[data-locator=master_2835418]").click()
    form.locator(".time-interval").nth(slot).click()
    form.locator("[name=fullname]").fill(name)
    form.locator("[name=phone]").fill(phone)
    form.locator("[data-locator=book]").click()
    form.locator("[data-locator=success_icon]").wait_for()


@pytest.fixture
def visitors(chromium: Browser, world: World) -> Iterator[Any]:
    """Makes visitors, each in a context of their own: `visitors()`, `visitors(phone=True)`."""
    made: list[Visitor] = []

    def make(*, phone: bool = False, **options: Any) -> Visitor:
        if phone:
            options |= {
                "viewport": {"width": 390, "height": 800},
                "user_agent": PHONE_AGENT,
                "has_touch": True,
                "is_mobile": True,
            }
        visitor = Visitor(chromium.new_context(**options), world)
        made.append(visitor)
        return visitor

    yield make
    for visitor in made:
        visitor.close()


@pytest.fixture
def visitor(visitors: Any) -> Visitor:
    made: Visitor = visitors()
    return made


def fits(page: Page, path: Path, widths: tuple[int, ...] = (1280, 390)) -> None:
    """A picture at each width; nothing is wider than the window."""
    for width in widths:
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path.name} at {width}"
        page.screenshot(path=path.with_name(f"{path.name}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": 1280, "height": 860})


@pytest.fixture
def shots(request: pytest.FixtureRequest) -> Path:
    """Where a story leaves its pictures (test-results/, not committed)."""
    folder = Path("test-results") / re.sub(r"\W+", "_", request.node.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
