"""Who called or wrote from a session of the telephony, and then is booked, came by the visit of that session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from server.matching import store
from tests.conftest import Salon, eventually
from tests.factories import Browser, webhook

STAFF: dict[str, Any] = {"online": False, "bookform_id": 0, "is_mobile": 0, "record_from": "", "created_user_id": 12}
PHONE = "+79161112233"


async def visited(salon: Salon, session: int) -> Browser:
    browser = Browser("https://salon.example/?utm_source=vk&utm_medium=cpc&utm_campaign=autumn")
    await salon.collect(browser.batch(browser.hit(), browser.event("uis", session_id=str(session), visitor_id="1")))
    return browser


async def told(salon: Salon, event: str, **facts: Any) -> None:
    body = {"event": event, "notification_time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", **facts}
    path = salon.made.hook_tokens["uis"]
    async with salon.http.post(f"/hooks/uis/{path}", json=body) as answer:
        assert answer.status == 200


async def worked(pool: asyncpg.Pool) -> None:
    """All that came so far has been worked on."""

    async def done() -> bool:
        waits: bool = await pool.fetchval(
            "select exists (select 1 from inbox where state = 'waiting') or exists (select 1 from hit_batch)"
            " or exists (select 1 from job where state <> 'dead' and run_at < now() + interval '5 seconds')"
        )
        return not waits

    await eventually(done)


async def booked(salon: Salon, record_id: int, phone: str, **fields: Any) -> None:
    client = {"id": 7, "name": "Анна", "phone": phone, "email": ""}
    await salon.webhook(webhook(record_id, client=client, **fields))


async def matched(salon: Salon, record_id: int, visit: str | None) -> dict[str, Any]:
    async def there() -> Any:
        found = (await salon.get("/bookings", record_id=record_id))["data"]
        match = found[0]["match"] if found else None
        at = found[0]["visit"]["id"] if found and found[0]["visit"] else None
        return match if match and match["reason"] and at == visit else None

    found: dict[str, Any] = await eventually(there)
    return found


@pytest.mark.parametrize(
    ("event", "facts", "level"),
    [
        ("in_call_session", {"call_session_id": 501, "contact_phone_number": "79161112233"}, "L3"),
        ("chat_finished", {"chat_id": 502, "visitor_phone_number": "8 916 111-22-33"}, "L2"),
    ],
)
async def test_staff_write_down_who_called_or_wrote(
    salon: Salon, pool: asyncpg.Pool, event: str, facts: dict[str, Any], level: str
) -> None:
    browser = await visited(salon, 9001)
    await told(salon, event, session_id=9001, **facts)
    await booked(salon, 801, PHONE, **STAFF)
    match = await matched(salon, 801, browser.visit)
    assert match["level"] == level
    await booked(salon, 802, "+79169998877", **STAFF)
    await worked(pool)
    assert (await matched(salon, 802, None))["level"] == "none"


async def test_a_call_or_its_session_that_is_known_late_improves_the_answer(salon: Salon, pool: asyncpg.Pool) -> None:
    await booked(salon, 803, PHONE, **STAFF)
    await worked(pool)
    await matched(salon, 803, None)
    await told(salon, "call_session_finished", session_id=9002, call_session_id=503, contact_phone_number="79161112233")
    await worked(pool)
    browser = await visited(salon, 9002)
    assert (await matched(salon, 803, browser.visit))["level"] == "L3"


async def test_outgoing_calls_and_forms_are_no_evidence(salon: Salon, pool: asyncpg.Pool) -> None:
    await visited(salon, 9003)
    await told(salon, "call_session_finished", session_id=9003, call_session_id=504, contact_phone_number="79161112233",
               direction="out")  # fmt: skip
    await told(salon, "offline_message", session_id=9003, offline_message_id=505, visitor_phone_number="79161112233")
    await worked(pool)
    await booked(salon, 804, PHONE, **STAFF)
    await worked(pool)
    assert (await matched(salon, 804, None))["level"] == "none"


@pytest.mark.parametrize("first", [0, 1])
async def test_a_call_came_when_it_began_whatever_was_told_of_it_first(
    salon: Salon, pool: asyncpg.Pool, first: int
) -> None:
    """Of one call the ringing and the end are told: the answer does not depend on which of them came first."""
    begun = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    moments = (begun, begun + timedelta(minutes=9))
    async with pool.acquire() as conn:
        for at in (moments[first], moments[1 - first], moments[1]):
            await store.note_contact(
                conn, salon.made.account.account_id, key="call:1", kind="call", at=at, session_id="9", phone_hash=b"1"
            )
    assert await pool.fetchval("select at from session_contact") == begun
