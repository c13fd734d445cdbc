"""The simulated YCLIENTS cabinet in a browser with the real extension in it, and the server both lead to."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from playwright.sync_api import BrowserContext, FrameLocator, Page, Playwright, Worker, expect

from e2e.conftest import ARGS, CHROMIUM, StandThread
from e2e.stand.state import Stand, StandConfig
from server.feed.flow import publish
from server.feed.model import Event
from server.platform.clock import utc_now
from server.workplace.extension import EXTENSION_ID
from tests.server_process import Database, ServerProcess

YCLIENTS = "http://yclients.com"
JOURNAL = f"{YCLIENTS}/timetable/4564"
LONG_MS = 30_000
#: Three switches that keep a page at its pace while its window is not in front.
AWAKE = [
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
]  # fmt: skip


class Cabinet:
    def __init__(self) -> None:
        self.database = Database()
        self.stand_thread = StandThread(StandConfig(domain="yclients.com", salon_host="salon.test"))
        port = self.stand_thread.running.port
        self.server = ServerProcess(
            YCLICK_DATABASE_URL=self.database.dsn, YCLICK_YCLIENTS_FRAME_HOSTS=YCLIENTS,
            YCLICK_YCLIENTS_API_URL=f"http://127.0.0.1:{port}", YCLICK_YCLIENTS_PARTNER_TOKEN="stand",
            YCLICK_YCLIENTS_APPLICATION_ID="777", YCLICK_YCLIENTS_APPLICATION_TOKEN="stand-application",
        )  # fmt: skip
        self.server.start()
        self.account: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="yclick-extension-"))
        done = self.server.command("extension", "--unpacked", "--out", str(self.folder / "unpacked"))
        assert done.returncode == 0, done.stderr

    @property
    def stand(self) -> Stand:
        return self.stand_thread.stand

    @property
    def extension(self) -> Path:
        return self.folder / "unpacked"

    @property
    def rules(self) -> str:
        port = self.stand_thread.running.port
        names = ("yclients.com", "*.yclients.com", "salon.test")
        return ", ".join([*(f"MAP {name} 127.0.0.1:{port}" for name in names), "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"])

    def refresh(self, *, frames: bool = False) -> None:
        """A salon nothing has happened in yet; `frames`: our application has its panel in the journal and its tab."""
        self.account = self.server.account()
        base = self.server.base
        self.stand.config = StandConfig(
            domain="yclients.com", salon_host="salon.test", app_panel_url=f"{base}/workplace/panel" if frames else "",
            app_settings_url=f"{base}/workplace/settings" if frames else "",
        )  # fmt: skip
        self.stand.reset()

    def login_link(self) -> str:
        return self.server.command("account", "login", self.account["account_id"]).stdout.strip()

    def publish(self, *events: Event) -> None:
        """What happens at the cabinet, as the parts that hear of it write it down."""

        async def write() -> None:
            conn = await asyncpg.connect(self.database.dsn)
            try:
                await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
                for event in events:
                    async with conn.transaction():
                        await publish(conn, UUID(self.account["account_id"]), event, now=utc_now())
            finally:
                await conn.close()

        self.run(write())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.stand_thread.loop).result(30)

    def orders(self) -> int:
        """Commands of all screens so far."""

        async def count() -> int:
            conn = await asyncpg.connect(self.database.dsn)
            try:
                return int(await conn.fetchval("select count(*) from workplace_command"))
            finally:
                await conn.close()

        return int(self.run(count()))

    def stop(self) -> None:
        self.server.clean()
        self.stand_thread.stop()
        self.database.clean()
        shutil.rmtree(self.folder, ignore_errors=True)


class Guest:
    """A person with a browser. Whatever goes wrong in any page, frame or script of ours is collected."""

    def __init__(self, cabinet: Cabinet, context: BrowserContext) -> None:
        self.cabinet, self.context = cabinet, context
        self.errors: list[str] = []
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page = context.new_page()

    @property
    def worker(self) -> Worker:
        found = [one for one in self.context.service_workers if EXTENSION_ID in one.url]
        return found[0] if found else self.context.wait_for_event("serviceworker")

    def log_in(self) -> Page:
        self.page.goto(self.cabinet.login_link())
        return self.page

    def pair(self) -> None:
        """As the cabinet's page says: one press."""
        page = self.log_in()
        page.goto(f"{self.cabinet.server.base}/screens")
        page.get_by_role("button", name="Подключить расширение").click()
        expect(page.get_by_text("Расширение подключено. Откройте журнал YCLIENTS.")).to_be_visible(timeout=LONG_MS)

    def open(self, address: str = JOURNAL) -> Page:
        return self.open_in(self.page, address)

    def open_in(self, page: Page, address: str) -> Page:
        page.goto(address)
        page.locator("yclick-dock").wait_for(state="attached", timeout=LONG_MS)
        return page

    def errors_of_ours(self) -> list[str]:
        """All but the browser's own line about an answer that was a refusal we ask for."""
        return [text for text in self.errors if "status of 401" not in text]

    def workplace(self, page: Page | None = None) -> Any:
        """The workplace's own frame, inside the extension's inside the cabinet's page."""
        wanted = f"{self.cabinet.server.base}/workplace?surface=extension"
        return self._frame(page or self.page, wanted)

    def shell(self, page: Page | None = None) -> Any:
        return self._frame(page or self.page, f"chrome-extension://{EXTENSION_ID}/dock.html")

    def _frame(self, page: Page, address: str) -> Any:
        for _ in range(600):
            for frame in page.frames:
                if frame.url.startswith(address):
                    return frame
            page.wait_for_timeout(50)
        raise AssertionError(f"no frame {address}: {[frame.url for frame in page.frames]}")

    def badge(self) -> str:
        return str(self.worker.evaluate("chrome.action.getBadgeText({})"))


@contextmanager
def guest(
    playwright: Playwright, cabinet: Cabinet, *, extension: bool = True, width: int = 1280, height: int = 860
) -> Iterator[Guest]:
    """A browser with a fresh profile, with the extension in it or without."""
    profile = Path(tempfile.mkdtemp(prefix="yclick-profile-"))
    ours = [f"--disable-extensions-except={cabinet.extension}", f"--load-extension={cabinet.extension}"]
    context = playwright.chromium.launch_persistent_context(
        str(profile), executable_path=CHROMIUM, headless=True, locale="ru-RU", viewport={"width": width, "height": height},
        args=[*ARGS, *AWAKE, *(ours if extension else []), f"--host-resolver-rules={cabinet.rules}"],
    )  # fmt: skip
    try:
        yield Guest(cabinet, context)
    finally:
        context.close()
        shutil.rmtree(profile, ignore_errors=True)


def panel_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[data-frame=panel]")
