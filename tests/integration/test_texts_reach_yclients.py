"""Chats and site forms of UIS become clients of the right branch, once, on the event the owner chose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand
from e2e.stand.uis.app import RunningUis
from e2e.stand.uis.notices import Notice
from e2e.stand.uis.talks import close, form, introduce
from server.accounts import flow as accounts
from server.accounts import store as account_store
from server.accounts.model import Branch
from server.app import build
from server.chats import store
from server.chats.flow import READ_JOB, READ_PAUSES_S
from server.delivery import outbox
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY, Salon, eventually, make_salon
from tests.factories import Browser, webhook

KEY = "stand-key-0123456789"
OTHER, SITE, OTHER_SITE = 4565, 43525, 43526
EVENTS = ("chat_finished", "lost_chat", "offline_message")
TAG_BODY = (
    '{"event": "set_mark", "notification_time": {{notification_time}}, "communication_id": {{communication_id}},'
    ' "communication_type": {{communication_type}}, "tag_id": {{tag_id}}, "tag_name": {{tag_name}}}'
)


@dataclass
class Desk:
    salon: Salon
    stand: RunningStand
    uis: RunningUis
    pool: asyncpg.Pool

    async def switch(self, *, ago: timedelta = timedelta(minutes=5), **parts: Any) -> None:
        """Texts are on, since a while ago."""
        chats = {"enabled": True, "default_company_id": COMPANY} | parts.get("chats", {})
        forms = {"enabled": True, "default_company_id": COMPANY} | parts.get("forms", {})
        async with self.pool.acquire() as conn:
            await account_store.save_integration(
                conn, self.salon.made.account.account_id, "texts", {"enabled": True, "chats": chats, "forms": forms},
                now=utc_now() - ago,
            )  # fmt: skip

    async def unwatched(self) -> None:
        """Nothing is compared: what is not told is not known."""
        await self.pool.execute(
            "insert into text_watch (account_id, next_look_at, period_s) values ($1, now() + interval '1 hour', 60)",
            self.salon.made.account.account_id,
        )

    def tell(self, *events: str) -> None:
        """These events of UIS are told to us from now on."""
        url = str(self.salon.http.make_url(f"/hooks/uis/{self.salon.made.hook_tokens['uis']}"))
        self.uis.uis.notices = [
            Notice(event, url, body=TAG_BODY if event == "set_mark" else "")
            for event in events or (*EVENTS, "set_mark")
        ]

    @property
    def clients(self) -> list[dict[str, Any]]:
        return list(self.stand.stand.clients.values())

    def said(self, client: dict[str, Any]) -> list[str]:
        return [comment["text"] for comment in self.stand.stand.people.comments.get(client["id"], [])]

    async def texts(self) -> list[asyncpg.Record]:
        async with self.pool.acquire() as conn:
            return await store.texts(conn, self.salon.made.account.account_id, limit=500)

    async def until(self, *reasons: str, number: int = 1) -> list[asyncpg.Record]:
        """Waits until so many chats and forms are here, each with such a reason, and their clients delivered."""

        async def settled() -> Any:
            rows = await self.texts()
            there = len(rows) == number and all(row["reason"] in reasons for row in rows)
            return rows if there and all(row["delivery_state"] in (None, "delivered") for row in rows) else None

        found: list[asyncpg.Record] = await eventually(settled)
        return found


@pytest.fixture
async def desk(
    dsn: str, pool: asyncpg.Pool, stand: RunningStand, uis: RunningUis, settings: Settings
) -> AsyncIterator[Desk]:
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "uis_data_api_url": f"{uis.url}/v2.0",
            "retry_schedule_s": (0.05, 0.05, 0.1, 0.2), "reconcile_period_s": 600.0,
        }
    )  # fmt: skip
    async with TestClient(TestServer(build(own, dsn))) as client:
        salon = await make_salon(client, pool, own)
        vault, account_id = load_vault("", own.data_dir), salon.made.account.account_id
        async with pool.acquire() as conn:
            secret = {"partner_token": "partner", "user_token": "user"}
            await accounts.connect(conn, vault, account_id, "yclients", "test", secret)
            await accounts.connect(conn, vault, account_id, "uis", "test", {"access_token": KEY})
        yield Desk(salon, stand, uis, pool)


async def test_the_end_of_a_chat_makes_a_client_with_the_conversation(desk: Desk) -> None:
    await desk.switch()
    desk.tell()
    await desk.uis.talks.chat(phone="79165550101", name="Ольга", email="o@example.com", scale=0.05, until_end=True)
    (row,) = await desk.until("")
    (client,) = desk.clients
    assert (client["name"], client["phone"], client["email"]) == ("Ольга", "+79165550101", "o@example.com")
    (said,) = desk.said(client)
    assert "Клиент: Здравствуйте! Есть время на субботу?\nОператор Анна Соколова: Добрый день! Чем помочь?" in said
    assert (row["state"], row["status"], row["client_how"], row["comment_state"]) == (
        "done",
        "ended",
        "made",
        "written",
    )


async def test_the_start_of_a_chat_makes_the_client_while_it_goes_on(desk: Desk) -> None:
    """Without any notification: nothing tells of a start. The contact comes later in the chat."""
    await desk.switch(chats={"create_on": "start"})
    chat = await desk.uis.talks.chat(scenario="open", contacts_at="never", scale=0.0, until_end=True)

    async def hurry(*reasons: str) -> None:
        async def there() -> bool:
            await desk.pool.execute("update text_watch set next_look_at = now() where lease_until is null")
            return [row["reason"] for row in await desk.texts()] in [[reason] for reason in reasons]

        await eventually(there)

    await hurry("waits_contact")
    assert desk.clients == []
    introduce(desk.uis.uis, chat.visitor_id, name="Ольга", phone="79165550101")
    await hurry("waits_end")

    async def made() -> bool:
        return [client["name"] for client in desk.clients] == ["Ольга"]

    await eventually(made)
    assert desk.said(desk.clients[0]) == []


async def test_a_tag_makes_the_client(desk: Desk) -> None:
    await desk.switch(chats={"create_on": "tag", "tags": [{"id": 515116}]})
    desk.tell()
    await desk.uis.talks.chat(phone="79165550101", tag=515115, scale=0.02, until_end=True)
    (row,) = await desk.until("waits_tag")
    assert (row["state"], desk.clients) == ("waiting", [])
    await desk.uis.talks.chat(phone="79165550102", tag="Записать", scale=0.02, until_end=True)
    await desk.until("waits_tag", "", number=2)
    (client,) = desk.clients
    assert client["phone"] == "+79165550102"

    async def said_once() -> bool:
        return len(desk.said(client)) == 1

    await eventually(said_once)


async def test_a_tag_on_a_chat_nobody_told_of_is_looked_up(desk: Desk) -> None:
    await desk.unwatched()
    await desk.switch(chats={"create_on": "tag"})
    desk.tell("set_mark")
    await desk.uis.talks.chat(phone="79165550101", tag=515116, scale=0.02, until_end=True)

    async def made() -> bool:
        return [client["phone"] for client in desk.clients] == ["+79165550101"]

    await eventually(made)


async def test_a_form_makes_the_client_of_its_sites_branch(desk: Desk) -> None:
    await desk.switch(forms={"branches": [{"site": {"id": OTHER_SITE}, "company_id": OTHER}]})
    async with desk.pool.acquire() as conn:
        await account_store.insert_branch(
            conn,
            Branch(desk.salon.made.account.account_id, desk.salon.made.site.site_id, OTHER, "Мира", "Europe/Moscow"),
        )
    desk.tell()
    form(desk.uis.uis, name="Ольга", phone="79165550101", text="Перезвоните")
    form(desk.uis.uis, name="Пётр", phone="79165550102", text="И мне", site_id=OTHER_SITE)
    await desk.until("", number=2)
    assert sorted((client["name"], client["company_id"]) for client in desk.clients) == [
        ("Ольга", COMPANY),
        ("Пётр", OTHER),
    ]
    by_name = {client["name"]: desk.said(client) for client in desk.clients}
    assert by_name["Ольга"][0].endswith("Перезвоните")
    assert by_name["Пётр"][0].endswith("И мне")


@pytest.mark.parametrize(
    ("forms", "reason"),
    [
        ({"filter": {"types": ["Стандартная"]}}, "type"), ({"filter": {"sites": [{"id": OTHER_SITE}]}}, "site"),
        ({"enabled": False}, "forms_off"), ({"default_company_id": None}, "no_branch"),
    ],
)  # fmt: skip
async def test_what_the_owner_filters_out_is_kept_with_why(desk: Desk, forms: dict[str, Any], reason: str) -> None:
    await desk.switch(forms=forms)
    desk.tell()
    form(desk.uis.uis)
    await desk.until(reason)
    assert desk.clients == []


async def test_our_own_leads_never_come_back_as_new(desk: Desk) -> None:
    """UIS tells of the lead we loaded as of any form: by notification and in its report."""
    await desk.switch()
    settings = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": SITE}}
    async with desk.salon.http.put("/api/v1/integrations/leads", json=settings, headers=desk.salon.token) as answer:
        assert answer.status == 200
    desk.tell()
    await desk.salon.webhook(webhook(701))
    (row,) = await desk.until("own_lead")
    assert (row["state"], row["kind"], desk.clients) == ("skipped", "form", [])


async def test_what_notifications_missed_is_found_by_comparing(desk: Desk) -> None:
    """Each once, also where it was told as well; what was before the integration is left alone."""
    form(desk.uis.uis, name="Давно", phone="79165550100")
    desk.uis.uis.messages[next(iter(desk.uis.uis.messages))]["date_time"] = desk.uis.uis.wall(
        utc_now() - timedelta(hours=3)
    )
    form(desk.uis.uis, name="Ольга", phone="79165550101")
    await desk.uis.talks.chat(name="Пётр", phone="79165550102", scale=0.0, until_end=True)
    await desk.switch()

    async def made() -> bool:
        return sorted(client["name"] for client in desk.clients) == ["Ольга", "Пётр"]

    await eventually(made)
    async with desk.pool.acquire() as conn:
        watch = await store.watch_of(conn, desk.salon.made.account.account_id)
        assert watch is not None
        assert watch["missed"] == 2
        now = utc_now()
        await store.ask(conn, desk.salon.made.account.account_id, now - timedelta(days=1), now, now=now)

    async def asked() -> bool:
        return sorted(client["name"] for client in desk.clients) == ["Давно", "Ольга", "Пётр"]

    await eventually(asked)


async def test_notifications_told_twice_and_out_of_order_say_it_once(desk: Desk) -> None:
    await desk.switch()
    desk.tell()
    desk.uis.uis.switch(notice_duplicates=2, notice_reorder=True, notice_messages="array")
    await desk.uis.talks.chat(phone="79165550101", tag=515116, scale=0.02, until_end=True)
    form(desk.uis.uis, phone="+7 (916) 555-01-01", text="Ещё и форма")
    await desk.until("", number=2)
    (client,) = desk.clients

    async def said() -> bool:
        return len(desk.said(client)) == 2

    await eventually(said)


async def test_a_chat_nobody_answered_and_one_without_a_word(desk: Desk) -> None:
    await desk.switch()
    desk.tell()
    await desk.uis.talks.chat(scenario="lost", phone="79165550101", contacts_at="start", scale=0.0, until_end=True)
    await desk.uis.talks.chat(scenario="refused", phone="79165550102", contacts_at="start", scale=0.0, until_end=True)
    await desk.until("", "refused", number=2)
    (client,) = desk.clients
    assert client["phone"] == "+79165550101"


async def test_a_chat_of_many_days_is_read_when_it_ends(desk: Desk) -> None:
    """In a messenger a chat goes on for weeks: the report has it on the day it began."""
    await desk.unwatched()
    await desk.switch(ago=timedelta(days=30))
    desk.tell()
    chat = await desk.uis.talks.chat(scenario="open", phone="79165550101", scale=0.0, until_end=True)
    chat.at -= timedelta(days=9)
    close(desk.uis.uis, chat, "succeed", "closed_by_operator")
    await desk.until("")
    (client,) = desk.clients
    assert "Клиент: Здравствуйте! Есть время на субботу?" in desk.said(client)[0]


async def test_the_end_of_a_long_chat_is_found_though_nobody_tells_of_it(desk: Desk) -> None:
    """It went on when it was last heard of, and began before the time that is compared."""
    await desk.switch(ago=timedelta(days=30))
    chat = await desk.uis.talks.chat(scenario="open", phone="79165550101", scale=0.0, until_end=True)
    chat.at -= timedelta(days=9)
    await desk.until("waits_end")
    account_id = desk.salon.made.account.account_id
    for _ in range(len(READ_PAUSES_S) + 1):  # looks at a chat that goes on wear nothing out
        async with desk.pool.acquire() as conn, conn.transaction():
            await conn.execute("update text_communication set next_read_at = now()")
            await outbox.enqueue(conn, account_id, READ_JOB, "all", run_at=utc_now())

        async def looked() -> bool:
            due = await desk.pool.fetchval("select count(*) from text_communication where next_read_at is not null")
            return due == 0

        await eventually(looked)
    close(desk.uis.uis, chat, "succeed", "closed_by_operator")
    await desk.pool.execute(
        "update text_watch set next_look_at = now(), compared_at = now() - interval '1 hour', lease_until = null"
    )
    await desk.until("")
    (client,) = desk.clients
    assert "Клиент: Здравствуйте! Есть время на субботу?" in desk.said(client)[0]


async def past(desk: Desk, days: int) -> tuple[int, dict[str, Any]]:
    url, asked = "/api/v1/integrations/texts/past", {"days": days}
    async with desk.salon.http.post(url, json=asked, headers=desk.salon.token) as answer:
        return answer.status, await answer.json()


async def test_past_days_are_read_by_the_api(desk: Desk) -> None:
    status, refused = await past(desk, 30)
    assert (status, refused["code"]) == (409, "not_possible")
    row = form(desk.uis.uis, name="Давно", phone="79165550100")
    desk.uis.uis.messages[row["id"]]["date_time"] = desk.uis.uis.wall(utc_now() - timedelta(days=20))
    await desk.switch()
    await desk.unwatched()
    assert (await past(desk, 0))[0] == 422
    status, told = await past(desk, 30)
    assert (status, told["running"], told["found"]) == (202, True, 0)

    async def read() -> Any:
        async with desk.salon.http.get("/api/v1/integrations/texts/past", headers=desk.salon.token) as answer:
            told = await answer.json()
        return told if not told["running"] else None

    assert (await eventually(read))["found"] == 1
    await desk.until("")
    assert [client["name"] for client in desk.clients] == ["Давно"]
    async with desk.pool.acquire() as conn:
        now, account_id = utc_now(), desk.salon.made.account.account_id
        await conn.execute("update text_watch set next_look_at = now() + interval '1 hour', lease_until = null")
        assert await store.ask(conn, account_id, now - timedelta(days=60), now, now=now + timedelta(hours=1))
        assert not await store.ask(conn, account_id, now - timedelta(days=1), now, now=now)
    assert (await past(desk, 1))[0] == 409


async def test_a_chat_of_a_report_is_evidence_for_the_booking_of_its_phone(desk: Desk) -> None:
    """No notification told of it; who wrote from a session is who was then booked."""
    browser = Browser("https://salon.example/?utm_source=vk&utm_campaign=autumn")
    told = browser.event("uis", session_id="9001", visitor_id="1")
    await desk.salon.collect(browser.batch(browser.hit(), told))
    await desk.uis.talks.chat(phone="8 916 555-01-01", session_id=9001, scale=0.0, until_end=True)
    form(desk.uis.uis, phone="79165550102", session_id=9001)  # as our own leads come back: no evidence
    await desk.switch()
    await desk.until("", number=2)
    staff: dict[str, Any] = {
        "online": False,
        "bookform_id": 0,
        "is_mobile": 0,
        "record_from": "",
        "created_user_id": 12,
    }
    for record_id, phone in ((801, "+79165550101"), (802, "+79165550102")):
        person = {"id": record_id, "name": "Анна", "phone": phone, "email": ""}
        await desk.salon.webhook(webhook(record_id, client=person, **staff))

    async def matched(record_id: int) -> Any:
        found = (await desk.salon.get("/bookings", record_id=record_id))["data"]
        return found[0]["match"] if found and found[0]["match"] and found[0]["match"]["reason"] else None

    async def seen() -> bool:
        match = await matched(801)
        return bool(match) and match["level"] == "L2"

    await eventually(seen)
    assert (await eventually(lambda: matched(802)))["level"] == "none"


async def test_a_branch_whose_licence_has_ended_holds_nobody_else(desk: Desk) -> None:
    async with desk.pool.acquire() as conn:
        made = desk.salon.made
        await account_store.insert_branch(
            conn, Branch(made.account.account_id, made.site.site_id, OTHER, "Мира", "Europe/Moscow")
        )
    await desk.switch(forms={"branches": [{"site": {"id": OTHER_SITE}, "company_id": OTHER}]})
    desk.tell()
    desk.stand.stand.switch(licence_ended=[OTHER])
    for number in range(3):
        form(desk.uis.uis, name="Пётр", phone=f"7916555020{number}", site_id=OTHER_SITE)
        form(desk.uis.uis, name="Ольга", phone=f"7916555010{number}")

    async def one_goes_on() -> bool:
        rows = await desk.texts()
        states = {(row["company_id"], row["delivery_state"], row["delivery_code"]) for row in rows}
        return len(rows) == 6 and states == {(COMPANY, "delivered", ""), (OTHER, "held", "licence")}

    await eventually(one_goes_on)
    form(desk.uis.uis, name="Ольга", phone="79165550109")

    async def later_ones_too() -> bool:
        return len(desk.clients) == 4

    await eventually(later_ones_too)
    assert {client["company_id"] for client in desk.clients} == {COMPANY}
    desk.stand.stand.switch(licence_ended=[])
    # Looked at again after an hour, and whatever gets through lets the others of its branch go.
    await desk.pool.execute("update delivery set updated_at = now() - interval '2 hours' where state = 'held'")
    form(desk.uis.uis, name="Пётр", phone="79165550209", site_id=OTHER_SITE)
    await desk.until("", number=8)
    assert sorted(client["company_id"] for client in desk.clients) == [COMPANY] * 4 + [OTHER] * 4
