"""A reception for browser stories: the server as a process over a database that a story can write what happened into."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from playwright.sync_api import Browser, BrowserContext, Page

from e2e.conftest import StandThread
from e2e.stand.state import StandConfig
from e2e.stand.uis.state import Uis
from server.accounts import devices, flow, store
from server.accounts.model import LoginSession, Person, Role
from server.feed.flow import publish
from server.feed.model import Event
from server.platform.clock import utc_now
from server.platform.ids import digest, new_id, random_text
from server.platform.postgres import open_pool
from server.platform.vault import load_vault
from server.workplace import people
from tests.factories import MOSCOW, webhook
from tests.server_process import Database, ServerProcess, post

T = TypeVar("T")


class Reception:
    """A server between both simulated vendors; each story has an account of its own there (`open`)."""

    def __init__(self) -> None:
        self.world = StandThread(StandConfig())
        self.database = Database()
        stand = f"http://127.0.0.1:{self.world.running.port}"
        self.server = ServerProcess(
            YCLICK_DATABASE_URL=self.database.dsn, YCLICK_YCLIENTS_API_URL=stand,
            YCLICK_UIS_DATA_API_URL=f"{stand}/uis/v2.0", YCLICK_UIS_CALL_API_URL=f"{stand}/uis/v4.0",
            YCLICK_UIS_CHAT_API_URL=f"{stand}/uis",
        )  # fmt: skip
        self.server.start()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.pool: asyncpg.Pool = self.run(open_pool(self.database.dsn, min_size=1, max_size=4))
        self.account_id: UUID
        self.account: dict[str, Any]

    def open(self) -> None:
        """Another salon: nothing has happened there yet."""
        self.account = self.server.account()
        self.account_id = UUID(self.account["account_id"])

    @property
    def uis(self) -> Uis:
        return self.world.stand.uis

    @property
    def base(self) -> str:
        return self.server.base

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """In a thread with a loop of its own: Playwright keeps the main one."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def happens(self, *events: Event) -> None:
        async def put() -> None:
            async with self.pool.acquire() as conn, conn.transaction():
                for event in events:
                    await publish(conn, self.account_id, event, now=utc_now())

        self.run(put())

    def join(self, vendor: str, **secret: str) -> None:
        """Connects a vendor, as the cabinet does."""

        async def put() -> None:
            vault = load_vault("", self.server.folder / "data")
            async with self.pool.acquire() as conn:
                await flow.connect(conn, vault, self.account_id, vendor, "test", secret)

        self.run(put())

    def booked(self, phone: str, name: str, *visits: tuple[int, int, int]) -> None:
        """Bookings of a client as webhooks tell of them: days from now, attendance, paid in full."""
        now = datetime.now(MOSCOW).replace(microsecond=0)
        person = {"id": 71, "name": name, "phone": phone, "email": ""}
        for number, (days, attendance, paid) in enumerate(visits, 1):
            at = now + timedelta(days=days)
            told = webhook(
                number, client=person, attendance=attendance, visit_attendance=attendance, paid_full=paid,
                date=at.strftime("%Y-%m-%d %H:%M:%S"), datetime=at.isoformat(), staff={"id": 1, "name": "Ирина"},
            )  # fmt: skip
            address = urlsplit(self.account["webhooks"]["yclients"])
            assert post(f"{self.base}{address.path}", json.dumps(told).encode()) == 200

    def is_employee(self, person: Person, employee: str, number: str) -> None:
        async def put() -> None:
            async with self.pool.acquire() as conn:
                await people.save(conn, self.account_id, person.person_id, employee=employee, number=number)

        self.run(put())

    def person(self, name: str, *, role: Role = Role.OPERATOR, locale: Literal["ru", "en"] | None = "ru") -> Person:
        async def make() -> Person:
            person = Person(self.account_id, new_id(), f"{random_text(8).lower()}@salon.example", name, role, locale)
            async with self.pool.acquire() as conn:
                await store.insert_person(conn, person, None)
                if locale:
                    await store.save_locale(conn, self.account_id, person.person_id, locale)
            return person

        return self.run(make())

    def login(self, person: Person) -> tuple[LoginSession, str]:
        """The person logged in at the cabinet: the session, and what stands in the cookie."""

        async def make() -> tuple[LoginSession, str]:
            now, token = utc_now(), random_text(43)
            async with self.pool.acquire() as conn:
                await store.insert_session(
                    conn, person, digest(token), now=now, expires_at=now.replace(year=now.year + 1), user_agent="test"
                )
                found = await store.session_by_hash(conn, digest(token), now)
            assert found
            return found, token

        return self.run(make())

    def code(self, person: Person) -> str:
        """A pairing code, as the cabinet shows it to who is logged in."""
        session, _ = self.login(person)

        async def make() -> str:
            async with self.pool.acquire() as conn:
                return await devices.new_pairing(conn, session, now=utc_now())

        return self.run(make())

    def close(self) -> None:
        self.server.clean()
        self.run(self.pool.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.database.clean()
        self.world.stop()


class Operator:
    """A person at the workplace in a browser of their own. What the page complains of and prints is kept."""

    def __init__(self, browser: Browser, reception: Reception, person: Person, **options: Any) -> None:
        self.reception, self.person = reception, person
        self.context: BrowserContext = browser.new_context(
            **{"viewport": {"width": 390, "height": 800}, "locale": "ru-RU", **options}
        )
        self.errors: list[str] = []
        self.printed: list[str] = []
        self.requested: list[str] = []
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("console", lambda message: self.printed.append(message.text))
        page.on("request", lambda request: self.requested.append(request.url))
        return page

    def comes_in(self, page: Page | None = None) -> Page:
        """Opens the workplace in a browser that is logged in at the cabinet."""
        page = page or self.page
        if not self.context.cookies(self.reception.base):
            cookie = {"name": "yclick_session", "value": self.reception.login(self.person)[1]}
            self.context.add_cookies([{**cookie, "url": self.reception.base}])  # type: ignore[typeddict-item]
        page.goto(f"{self.reception.base}/workplace")
        page.get_by_text(re.compile("^(На связи|Connected)$")).wait_for()
        return page

    def shot(self, path: Path, page: Page | None = None) -> None:
        (page or self.page).screenshot(path=path)
