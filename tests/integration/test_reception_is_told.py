"""What is told of calls, chats and forms stands in the feed of the operators' screens, with the visit it came from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from e2e.stand.app import RunningStand
from server.settings import Settings
from tests.conftest import eventually
from tests.factories import Browser
from tests.integration.phone_calls import CALLER, FIRST, Line, connected_line, new_call


@pytest.fixture
async def line(dsn: str, pool: asyncpg.Pool, stand: RunningStand, settings: Settings) -> AsyncIterator[Line]:
    own = settings.model_copy(update={"yclients_api_url": f"http://127.0.0.1:{stand.port}"})
    async with connected_line(dsn, pool, stand, own) as one:
        yield one


async def item(line: Line, subject: str, **wanted: Any) -> dict[str, Any]:
    async def there() -> Any:
        payload = await line.pool.fetchval(
            "select payload from feed where subject = $1 order by seq desc limit 1", subject
        )
        shown = payload["item"] if payload else None
        return shown if shown and {name: shown.get(name) for name in wanted} == wanted else None

    found: dict[str, Any] = await eventually(there)
    return found


async def kinds(line: Line, subject: str) -> list[str]:
    rows = await line.pool.fetch("select kind from feed where subject = $1 order by seq", subject)
    return [row["kind"] for row in rows]


async def test_a_call_rings_is_answered_and_ends_on_every_screen_with_its_campaign(line: Line) -> None:
    browser = Browser("https://salon.example/nails?utm_source=vk&utm_medium=cpc&utm_campaign=autumn")
    await line.salon.collect(browser.batch(browser.hit(), browser.event("uis", session_id="77", visitor_id="1")))

    async def known() -> Any:
        return await line.pool.fetchval("select 1 from visit where uis_session_id = '77'")

    await eventually(known)
    call = new_call()
    await line.tell("in_call_session", call, session_id=77, scenario_name="Основной", external_id="order-1")
    ringing = await item(line, f"call:{call}", state="ringing")
    assert (ringing["phone"], ringing["virtual_number"], ringing["company_id"]) == (f"+{CALLER}", FIRST, 4564)
    assert (ringing["advert"]["campaign"], ringing["advert"]["page"]) == ("autumn", "https://salon.example/nails")
    assert ringing["external_id"] == "order-1"
    await line.tell("talk_started", call, employee_id=7, employee_full_name="Анна", direction="in", leg_ids=[1])
    talking = await item(line, f"call:{call}", state="talking")
    assert talking["answered_by"] == {"employee_id": 7, "name": "Анна"}
    await line.tell("call_session_finished", call, direction="in", talk_time_duration=12, total_time_duration=15)
    await line.tell("call_session_finished", call, direction="in", talk_time_duration=12, total_time_duration=15)
    assert (await item(line, f"call:{call}", state="ended"))["talk_s"] == 12
    assert await kinds(line, f"call:{call}") == ["call.ringing", "call.answered", "call.ended"]


async def test_a_call_nobody_took_is_one_to_return(line: Line) -> None:
    call = new_call()
    await line.tell("in_call_session", call)
    await line.tell("lost_call_session", call)
    await item(line, f"call:{call}", state="missed", phone=f"+{CALLER}")


async def test_chats_and_forms_are_told_of_and_our_own_leads_are_not(line: Line) -> None:
    await line.tell("chat_finished", 0, chat_id=901, visitor_phone_number="8 916 555-01-01", visitor_name="Анна")
    await item(line, "chat:901", state="ended", phone="+79165550101", name="Анна")
    await line.tell("offline_message", 0, offline_message_id=902, visitor_phone_number="79165550101",
                    visitor_message="Перезвоните", form_name="Запись")  # fmt: skip
    await item(line, "form:902", state="sent", text="Перезвоните")
    await line.pool.execute(
        "insert into delivery (account_id, delivery_id, kind, subject_id, state, wanted, code, vendor_id, created_at,"
        " updated_at) values ($1, $2, 'lead', $2, 'delivered', '{}', '', '903', now(), now())",
        line.account_id, uuid4(),
    )  # fmt: skip
    await line.tell("offline_message", 0, offline_message_id=903, visitor_phone_number="79165550101")
    await line.tell("offline_message", 0, offline_message_id=904, visitor_phone_number="79165550101")
    await item(line, "form:904", state="sent")
    assert await kinds(line, "form:903") == []
