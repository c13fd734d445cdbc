"""Online bookings reach the owner's UIS account: each once, with its session or by the settings, whatever UIS answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.accounts import flow
from server.accounts import store as accounts
from server.app import build
from server.delivery import relay
from server.leads import store as leads
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import Salon, eventually, make_salon
from tests.factories import MOSCOW, Browser, ident, webhook

KEY = "stand-key-0123456789"
SITE, CAMPAIGN, APP_SITE = 43525, 268176, 43526
STAFF: dict[str, Any] = {"online": False, "bookform_id": 0, "is_mobile": 0, "record_from": "", "created_user_id": 12}
APP: dict[str, Any] = {"online": True, "bookform_id": 0, "is_mobile": 0, "record_from": "YPLACES"}


@dataclass
class Desk:
    salon: Salon
    uis: RunningUis
    pool: asyncpg.Pool

    async def switch(self, **changes: Any) -> None:
        settings = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": SITE}} | changes
        path = "/api/v1/integrations/leads"
        async with self.salon.http.put(path, json=settings, headers=self.salon.token) as answer:
            assert answer.status == 200, await answer.text()

    async def booked(self, record_id: int, *, session: int | None = None, **fields: Any) -> None:
        """A booking from a tracked visit, with the visitor's session of UIS where there is one."""
        browser, mark = Browser("https://salon.example/?utm_source=yandex&utm_medium=cpc&utm_campaign=spring"), ident()
        events = [browser.hit(), browser.open(mark), browser.form(mark), browser.record(mark, record_id)]
        if session:
            events.append(browser.event("uis", session_id=str(session), visitor_id="1"))
        await self.salon.collect(browser.batch(*events))
        await self.salon.webhook(webhook(record_id, **fields))

    async def mended(self) -> None:
        """What was wrong with the connection is mended, as `account connect uis` does it."""
        async with self.pool.acquire() as conn, conn.transaction():
            account_id = self.salon.made.account.account_id
            await accounts.mark_connection(conn, account_id, "uis", "active", "")
            await relay.release_all(conn, account_id, "uis", now=utc_now())

    async def delivery(self, record_id: int) -> dict[str, Any]:
        found = (await self.salon.get("/leads", record_id=record_id))["data"]
        return found[0]["delivery"] if found else {}

    async def until(self, record_id: int, state: str, *, within_s: float = 15) -> dict[str, Any]:
        async def there() -> Any:
            delivery = await self.delivery(record_id)
            return delivery if delivery.get("state") == state else None

        found: dict[str, Any] = await eventually(there, within_s=within_s)
        return found

    def rows(self) -> list[dict[str, Any]]:
        return sorted(self.uis.uis.messages.values(), key=lambda row: row["id"])


@pytest.fixture
def schedule(request: pytest.FixtureRequest) -> tuple[float, ...]:
    found: tuple[float, ...] = getattr(request, "param", (0.05, 0.05, 0.05, 0.1))
    return found


@pytest.fixture
async def desk(
    dsn: str, pool: asyncpg.Pool, uis: RunningUis, settings: Settings, schedule: tuple[float, ...]
) -> AsyncIterator[Desk]:
    own = settings.model_copy(
        update={
            "uis_data_api_url": f"{uis.url}/v2.0",
            "retry_schedule_s": schedule,
            "match_grace_s": 0.3,
        }
    )
    async with TestClient(TestServer(build(own, dsn))) as client:
        salon = await make_salon(client, pool, own)
        vault = load_vault("", own.data_dir)
        async with pool.acquire() as conn:
            secret = {"access_token": KEY}
            await flow.connect(conn, vault, salon.made.account.account_id, "uis", "test", secret)
        yield Desk(salon, uis, pool)


async def test_a_booking_with_a_session_is_a_request_of_that_session(desk: Desk) -> None:
    await desk.switch()
    session = desk.uis.uis.visit(at=utc_now() - timedelta(minutes=1))
    await desk.booked(701, session=session)
    delivery = await desk.until(701, "delivered")
    (row,) = desk.rows()
    assert row["visitor_session_id"] == session
    assert delivery["uis_id"] == str(row["id"])
    (told,) = (await desk.salon.get("/deliveries"))["data"]
    assert (told["state"], told["record_id"], [item["outcome"] for item in told["history"]]) == (
        "delivered", 701, ["delivered"],
    )  # fmt: skip


async def test_without_a_session_the_owners_choice_counts(desk: Desk) -> None:
    await desk.switch()
    await desk.salon.webhook(webhook(702))
    await desk.until(702, "delivered")
    await desk.switch(default={"entity": "campaign", "campaign_id": CAMPAIGN})
    await desk.salon.webhook(webhook(703))
    await desk.until(703, "delivered")
    first, second = desk.rows()
    assert (first["source_id"], first["site_id"]) == (8, SITE)
    assert second["campaign_id"] == CAMPAIGN


async def test_a_visit_with_utm_that_uis_did_not_see_becomes_its_session(desk: Desk) -> None:
    await desk.switch(utm_sessions={"enabled": True, "site_id": SITE})
    await desk.booked(711)

    async def in_a_session() -> Any:  # a slow machine may have sent it by default first, and then puts it right
        return next((row for row in desk.rows() if row["visitor_session_id"]), None)

    row = await eventually(in_a_session, within_s=20)
    session = desk.uis.uis.sessions[row["visitor_session_id"]]
    assert (session.site_id, session.marks["utm_source"], session.marks["utm_campaign"]) == (SITE, "yandex", "spring")
    assert session.at < datetime.fromisoformat(f"{row['date_time']}+03:00")
    await desk.booked(712, session=desk.uis.uis.visit(at=utc_now() - timedelta(minutes=1)))
    await desk.until(712, "delivered")
    assert [one.ext_id for one in desk.uis.uis.sessions.values() if one.ext_id] == [session.ext_id]


@pytest.mark.parametrize(
    "trouble",
    ["uis.components.discard('upload_sessions')", "uis.sites[:] = [one for one in uis.sites if one['id'] == 43525]"],
)
async def test_where_a_session_cannot_be_loaded_the_lead_goes_by_default_and_the_page_says_so(
    desk: Desk, trouble: str
) -> None:
    await desk.switch(utm_sessions={"enabled": True, "site_id": APP_SITE})
    exec(trouble, {"uis": desk.uis.uis})
    await desk.booked(713)
    await desk.until(713, "delivered")
    (row,) = desk.rows()
    assert (row["source_id"], row["site_id"], row["visitor_session_id"]) == (8, SITE, None)
    async with desk.pool.acquire() as conn:
        assert await leads.session_refused(conn, desk.salon.made.account.account_id)


async def test_sessions_by_utm_need_their_site(desk: Desk) -> None:
    settings = {
        "enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": SITE},
        "utm_sessions": {"enabled": True},
    }  # fmt: skip
    path = "/api/v1/integrations/leads"
    async with desk.salon.http.put(path, json=settings, headers=desk.salon.token) as answer:
        assert answer.status == 422


async def test_a_booking_of_the_app_goes_where_it_was_told_and_one_of_staff_nowhere(desk: Desk) -> None:
    await desk.switch(mobile_app={"entity": "source", "source_id": 8, "site_id": APP_SITE})
    await desk.salon.webhook(webhook(705, **STAFF))
    await desk.salon.webhook(webhook(704, **APP))
    await desk.until(704, "delivered")
    assert [row["site_id"] for row in desk.rows()] == [APP_SITE]
    assert (await desk.until(705, "off"))["attempts"] == 0


async def test_what_was_booked_before_the_switch_is_not_sent(desk: Desk) -> None:
    await desk.salon.webhook(webhook(706, created=datetime.now(MOSCOW) - timedelta(hours=1)))
    await desk.switch()
    await desk.salon.webhook(webhook(707))
    await desk.until(707, "delivered")
    assert (await desk.delivery(706))["state"] == "off"
    assert len(desk.rows()) == 1


@pytest.mark.parametrize("fault", ["lost_answer", "torn", "http_502", "internal_error", "empty", "wrong_id"])
async def test_a_fault_costs_a_moment_and_never_a_double(desk: Desk, fault: str) -> None:
    """Also where UIS did the work and lost its answer: it is asked before anything is loaded again."""
    await desk.switch()
    desk.uis.uis.cue(fault, method="upload.offline_messages", times=2)
    await desk.salon.webhook(webhook(708))
    await desk.until(708, "delivered")
    assert len(desk.rows()) == 1


async def test_one_that_uis_refuses_fails_alone_with_its_reason(desk: Desk) -> None:
    await desk.switch()
    nobody: dict[str, Any] = {"client": {"id": 5, "name": "Аноним", "phone": "", "email": ""}}
    await desk.salon.webhook(webhook(709, **nobody))
    await desk.salon.webhook(webhook(710))
    await desk.until(710, "delivered")
    failed = await desk.until(709, "failed")
    assert "ни телефона, ни почты" in failed["last_error"]


@pytest.mark.parametrize(
    ("break_it", "mend", "said"),
    [
        ("uis.keys['stand-key-0123456789'] = 'expired'", "uis.keys['stand-key-0123456789'] = 'ok'", "Срок ключа UIS"),
        ("uis.listed.clear()", "uis.listed.append('127.0.0.1')", "не пускает наш адрес"),
        (
            "uis.components.discard('upload_offline_messages')", "uis.components.add('upload_offline_messages')",
            "выключен компонент",
        ),
    ],
)  # fmt: skip
async def test_what_a_person_must_mend_holds_everything_and_then_lets_it_go(
    desk: Desk, break_it: str, mend: str, said: str
) -> None:
    uis = desk.uis.uis
    exec(break_it, {"uis": uis})
    await desk.switch()
    for record_id in (711, 712):
        await desk.salon.webhook(webhook(record_id))
        held = await desk.until(record_id, "held")
        assert said in (held["last_error"] or "") or record_id == 712
    exec(mend, {"uis": uis})
    await desk.mended()
    for record_id in (711, 712):
        await desk.until(record_id, "delivered")
    assert len(desk.rows()) == 2


async def test_attempts_end_and_one_button_starts_them_again(desk: Desk) -> None:
    await desk.switch()
    desk.uis.uis.switch(fault_rate=1.0, fault_kinds=["internal_error"])
    await desk.salon.webhook(webhook(713))
    await desk.until(713, "failed")
    desk.uis.uis.switch(fault_rate=0.0)
    (told,) = (await desk.salon.get("/deliveries", state="failed"))["data"]
    assert len(told["history"]) == 5
    path = f"/api/v1/deliveries/{told['id']}/replay"
    async with desk.salon.http.post(path, headers=desk.salon.token) as answer:
        assert answer.status == 200
    await desk.until(713, "delivered")
    async with desk.salon.http.post(path, headers=desk.salon.token) as answer:
        assert answer.status == 404  # it is no failed one any more
    assert len(desk.rows()) == 1


async def test_a_pause_that_uis_asks_for_costs_no_attempt(desk: Desk) -> None:
    await desk.switch()
    desk.uis.uis.switch(minute_s=1)
    desk.uis.uis.cue("limit_minute", times=6)  # more often than there are attempts
    await desk.salon.webhook(webhook(790))
    await desk.until(790, "delivered")
    (told,) = (await desk.salon.get("/deliveries", state="delivered"))["data"]
    assert [one["outcome"] for one in told["history"]] == ["delivered"]


async def test_a_visit_found_after_delivery_puts_the_request_right_once(desk: Desk) -> None:
    await desk.switch()
    session = desk.uis.uis.visit(at=utc_now() - timedelta(minutes=1))
    await desk.salon.webhook(webhook(714))
    await desk.until(714, "delivered")
    assert desk.rows()[0]["source_id"] == 8
    browser, mark = Browser("https://salon.example/?utm_source=vk"), ident()
    await desk.salon.collect(
        browser.batch(
            browser.hit(), browser.event("uis", session_id=str(session), visitor_id="1"), browser.open(mark),
            browser.form(mark), browser.record(mark, 714),
        )
    )  # fmt: skip

    async def corrected() -> bool:
        return [row.get("visitor_session_id") for row in desk.rows()] == [session]

    await eventually(corrected)
    await desk.until(714, "delivered")


async def test_a_session_known_late_reaches_the_request(desk: Desk) -> None:
    await desk.switch()
    session = desk.uis.uis.visit(at=utc_now() - timedelta(minutes=1))
    browser, mark = Browser("https://salon.example/?utm_source=vk"), ident()
    await desk.salon.collect(
        browser.batch(browser.hit(), browser.open(mark), browser.form(mark), browser.record(mark, 715))
    )
    await desk.salon.webhook(webhook(715))
    await desk.until(715, "delivered")
    await desk.salon.collect(browser.batch(browser.event("uis", session_id=str(session), visitor_id="1")))

    async def corrected() -> bool:
        return [row.get("visitor_session_id") for row in desk.rows()] == [session]

    await eventually(corrected)


async def test_a_lost_answer_is_not_forgotten_while_a_person_mends_what_keeps_us_from_asking(desk: Desk) -> None:
    """It was loaded and the answer lost; then UIS refuses us. What stands there is found when it lets us in again."""
    await desk.switch()
    desk.uis.uis.cue("lost_answer", method="upload.offline_messages")
    desk.uis.uis.switch(forbidden=["get.offline_messages_report"])
    await desk.salon.webhook(webhook(716))
    await desk.until(716, "held")
    assert len(desk.rows()) == 1
    desk.uis.uis.switch(forbidden=[])
    await desk.mended()
    await desk.until(716, "delivered")
    assert len(desk.rows()) == 1


async def test_what_may_have_arrived_is_taken_away_when_something_else_is_wished_meanwhile(desk: Desk) -> None:
    await desk.switch()
    session = desk.uis.uis.visit(at=utc_now() - timedelta(minutes=1))
    desk.uis.uis.cue("lost_answer", method="upload.offline_messages")
    desk.uis.uis.switch(forbidden=["get.offline_messages_report"])
    await desk.salon.webhook(webhook(717))
    await desk.until(717, "held")
    await desk.booked(717, session=session)

    async def wished() -> bool:
        return "session_id" in await desk.pool.fetchval("select wanted from delivery")

    await eventually(wished)
    desk.uis.uis.switch(forbidden=[])
    await desk.mended()
    await desk.until(717, "delivered")
    assert [row["visitor_session_id"] for row in desk.rows()] == [session]


#: The second step is how long what was sent is left alone; UIS shows it sooner than that, and later than at once.
SLOW = pytest.mark.parametrize("schedule", [(0.05, 2.0, 0.1, 0.1)], indirect=True)


@SLOW
async def test_what_uis_does_not_show_yet_is_not_doubled_by_a_correction(desk: Desk) -> None:
    await desk.switch()
    desk.uis.uis.switch(report_delay_s=1.0)
    session = desk.uis.uis.visit(at=utc_now() - timedelta(minutes=1))
    await desk.salon.webhook(webhook(722))
    await desk.until(722, "delivered")
    await desk.booked(722, session=session)

    async def corrected() -> bool:
        return bool(await desk.pool.fetchval("select corrections = 1 from delivery"))

    await eventually(corrected)
    assert [row["visitor_session_id"] for row in desk.rows()] == [session]


@SLOW
@pytest.mark.parametrize("released", [False, True])
async def test_what_uis_does_not_show_yet_is_not_sent_again(desk: Desk, released: bool) -> None:
    await desk.switch()
    desk.uis.uis.switch(report_delay_s=1.0)
    desk.uis.uis.cue("lost_answer", method="upload.offline_messages")
    await desk.salon.webhook(webhook(723))
    await desk.until(723, "retrying")
    if released:  # whatever lets held ones go must not hurry what is in doubt
        await desk.switch(enabled=False)
        await desk.switch()
    await desk.until(723, "delivered")
    assert len(desk.rows()) == 1


async def test_a_session_that_uis_does_not_know_costs_no_lead(desk: Desk) -> None:
    await desk.switch()
    await desk.booked(718, session=987654321)
    await desk.until(718, "delivered")
    (row,) = desk.rows()
    assert (row["source_id"], row["visitor_session_id"]) == (8, None)
    attempts = (await desk.salon.get("/deliveries"))["data"][0]["history"]
    await desk.salon.webhook(webhook(718, status="update", changed=datetime.now(MOSCOW) + timedelta(seconds=2)))
    await desk.salon.webhook(webhook(719))
    await desk.until(719, "delivered")
    told = {one["record_id"]: one for one in (await desk.salon.get("/deliveries"))["data"]}
    assert told[718]["history"] == attempts, "a refused session is no reason to put right what stands"
    assert len(desk.rows()) == 2


async def test_a_correction_that_uis_refuses_leaves_the_lead_where_it_was(desk: Desk) -> None:
    await desk.switch()
    await desk.salon.webhook(webhook(720))
    await desk.until(720, "delivered")
    await desk.booked(720, session=987654321)

    async def tried() -> bool:
        return bool(await desk.pool.fetchval("select corrections = 1 from delivery"))

    await eventually(tried)
    await desk.until(720, "delivered")
    assert [(row["source_id"], row["visitor_session_id"]) for row in desk.rows()] == [(8, None)]


async def test_what_is_off_stays_off_when_the_connection_is_mended(desk: Desk) -> None:
    await desk.switch()
    desk.uis.uis.keys[KEY] = "expired"
    await desk.salon.webhook(webhook(721))
    await desk.until(721, "held")
    await desk.switch(enabled=False)
    desk.uis.uis.keys[KEY] = "ok"
    await desk.mended()

    async def off() -> bool:
        return bool(await desk.pool.fetchval("select state = 'held' and code = 'integration_off' from delivery"))

    await eventually(off)
    assert desk.rows() == []
    await desk.switch()
    await desk.until(721, "delivered")


async def test_forty_bookings_among_faults_arrive_once_each(desk: Desk) -> None:
    await desk.switch()
    desk.uis.uis.switch(fault_rate=0.2)
    for record_id in range(800, 840):
        await desk.salon.webhook(webhook(record_id))
        await desk.salon.webhook(webhook(record_id))

    async def settled() -> bool:
        rows = await desk.pool.fetch("select state from delivery")
        return len(rows) == 40 and all(row["state"] in ("delivered", "failed") for row in rows)

    await eventually(settled, within_s=60)
    desk.uis.uis.switch(fault_rate=0.0)
    for told in (await desk.salon.get("/deliveries", state="failed", limit=200))["data"]:
        path = f"/api/v1/deliveries/{told['id']}/replay"
        async with desk.salon.http.post(path, headers=desk.salon.token) as answer:
            assert answer.status == 200

    async def all_there() -> bool:
        return bool(await desk.pool.fetchval("select count(*) = 40 from delivery where state = 'delivered'"))

    await eventually(all_there, within_s=30)
    assert len(desk.rows()) == len({row["ext_id"] for row in desk.rows()}) == 40
