"""A call of UIS reaches YCLIENTS: a pop-up while it rings, history once after its end, a client where wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from e2e.stand.app import RunningStand
from server.calls import networks
from server.settings import Settings
from tests.conftest import eventually
from tests.integration.phone_calls import CALLER, FIRST, SECOND, STRANGE, Line, connected_line, new_call

RECORD = "https://app.uiscom.ru/system/media/talk/1/0123456789abcdef0123456789abcdef/"


@pytest.fixture
async def line(dsn: str, pool: asyncpg.Pool, stand: RunningStand, settings: Settings) -> AsyncIterator[Line]:
    own = settings.model_copy(
        update={"yclients_api_url": f"http://127.0.0.1:{stand.port}", "retry_schedule_s": (0.2, 0.3, 0.5, 0.5, 0.5)}
    )
    async with connected_line(dsn, pool, stand, own) as one:
        yield one


async def test_an_answered_call_shows_while_it_rings_and_stands_once_in_the_history_with_its_recording(
    line: Line,
) -> None:
    await line.set(recording_grace_s=60)
    call = new_call()
    await line.tell("in_call_session", call, scenario_name="Основной")
    row = await line.until(call, popup="shown", state="ringing")
    assert [(one["phone"], one["diversion"], one["company_ids"]) for one in line.network.popups] == [
        (CALLER, FIRST, [4564])
    ]
    await line.tell("talk_started", call, employee_id=7, employee_full_name="Анна", direction="in", leg_ids=[1])
    await line.until(call, state="talking")
    await line.tell("call_session_finished", call, direction="in", talk_time_duration=120, total_time_duration=150)
    row = await line.until(call, state="over", history="held")
    assert (row["history_why"], line.network.history) == ("record", [])
    await line.tell("talk_record_file", call, file_link=RECORD, file_duration=120)
    [entry] = await line.history(call)
    assert {name: entry[name] for name in ("type", "phone", "diversion", "status", "duration", "link", "company_ids")} == {
        "type": "incoming", "phone": CALLER, "diversion": FIRST, "status": "success", "duration": 120, "link": RECORD,
        "company_ids": [4564],
    }  # fmt: skip
    row = await line.until(call, history="wanted", employee="Анна")
    assert b"0123456789abcdef" not in bytes(row["record"])
    kept = await line.pool.fetch("select facts::text from call_event")
    assert not [one for one in kept if "0123456789abcdef" in one["facts"]]
    assert len(line.network.popups) == 1


async def test_a_lost_call_is_missed_and_a_machine_keeps_what_was_said(line: Line) -> None:
    lost, spoken = new_call(), new_call()
    for call in (lost, spoken):
        await line.tell("in_call_session", call)
        await line.until(call, popup="shown")
    await line.tell("voice_message", spoken, file_link=RECORD, file_duration=9)
    await line.until(spoken, state="ringing")
    for call in (lost, spoken):
        await line.tell("lost_call_session", call, wait_time_duration=31, employee_ids=[7])
        await line.tell("call_session_finished", call, direction="in", talk_time_duration=0, total_time_duration=31)
    for call, outcome, link in ((lost, "missed", ""), (spoken, "voice_mail", RECORD)):
        [entry] = await line.history(call)
        assert (entry["status"], entry["duration"], entry["link"]) == ("missed", 0, link)
        assert (await line.until(call, state="over"))["outcome"] == outcome


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/system/media/talk/1/a/", "http://app.uiscom.ru/system/media/talk/1/a/",
        "https://app.uiscom.ru@evil.example/a/", "https://evil.example\\\\@app.uiscom.ru/a/", "https://app.uiscom.ru.evil.example/a/",
        "https://app.uiscom.ru:8443/a/", "http://169.254.169.254/latest/", "javascript:alert(1)//app.uiscom.ru/", "//app.uiscom.ru/a/",
    ],
)  # fmt: skip
async def test_a_link_that_leads_anywhere_but_to_the_telephony_goes_nowhere(line: Line, link: str) -> None:
    call = new_call()
    await line.tell("talk_record_file", call, file_link=link, file_duration=30)
    await line.tell("call_session_finished", call, direction="in", talk_time_duration=30)
    [entry] = await line.history(call)
    assert (entry["status"], entry["duration"], entry["link"]) == ("success", 30, "")
    assert await line.pool.fetchval("select count(*) from call_event where record is not null") == 0
    assert (await line.call(call))["record"] is None


async def test_calls_of_a_network_that_is_not_connected_wait_but_for_those_a_filter_leaves_out(line: Line) -> None:
    await line.set(network={"filter": {"types": ["missed"]}, "create_client": True})
    await line.pool.execute("update network set state = 'refused'")
    taken, missed = new_call(), new_call()
    await line.tell("call_session_finished", taken, direction="in", talk_time_duration=5)
    await line.tell("lost_call_session", missed, contact_phone_number="79165550102")
    row = await line.until(taken, history="skipped")
    assert (row["history_why"], row["client"], row["client_why"]) == ("filter_type", "skipped", "filter_type")
    await line.until(missed, history="wanted", client="wanted")
    assert await line.pool.fetchval("select state from delivery where kind = 'call'") == "held"


async def test_a_token_that_was_refused_is_tried_again_and_what_waited_is_told(line: Line) -> None:
    switches = line.stand.stand.switches
    token, line.network.crm_token = line.network.crm_token, "another"
    switches.voip_unknown_token = 401
    call = new_call()
    await line.tell("lost_call_session", call)

    async def refused() -> Any:
        return await line.pool.fetchval(
            "select state = 'refused' and exists (select 1 from delivery where kind = 'call' and state = 'held') from network"
        )

    await eventually(refused)
    later = await line.pool.fetchval("select run_at - now() from job where kind = $1", networks.SETUP_JOB)
    assert timedelta(minutes=14) < later <= networks.ASK_AGAIN
    line.network.crm_token = token
    await line.pool.execute("update job set run_at = now() where kind = $1", networks.SETUP_JOB)
    assert [row["status"] for row in await line.history(call)] == ["missed"]
    assert await line.pool.fetchval("select state from network") == "on"


async def test_a_call_is_dated_by_the_clock_of_its_branch(line: Line) -> None:
    call = new_call()
    await line.tell("lost_call_session", call)
    [entry] = await line.history(call)
    assert entry["date"].endswith("+03:00")


async def test_a_transferred_call_is_one_call(line: Line) -> None:
    call = new_call()
    await line.tell("in_call_session", call)
    for place, name in enumerate(("Анна", "Мира")):
        talk = {"employee_id": place + 1, "employee_full_name": name, "leg_ids": [place], "direction": "in"}
        await line.tell("talk_started", call, **talk)
        await line.tell("talk_finished", call, talk_time_duration=30, **talk)
    await line.tell(
        "call_session_finished", call, direction="in", talk_time_duration=60, employee_full_name="Мира", employee_id=2
    )
    [entry] = await line.history(call)
    assert (entry["status"], entry["duration"]) == ("success", 60)
    row = await line.until(call, state="over", transferred=True)
    assert row["employee"] == "Мира"


async def test_outgoing_calls_show_no_pop_up_and_internal_ones_stand_only_where_wanted(line: Line) -> None:
    out, inner = new_call(), new_call()
    await line.tell("out_call_session", out, employee_phone_number="101", employee_full_name="Анна")
    await line.tell("call_session_finished", out, direction="out", talk_time_duration=15)
    [entry] = await line.history(out)
    assert (entry["type"], entry["status"], entry["duration"]) == ("outgoing", "success", 15)
    await line.tell("call_session_finished", inner, direction="in", is_internal=True, talk_time_duration=5)
    assert (await line.until(inner, history="skipped"))["history_why"] == "internal"
    await line.set(internal_calls=True)
    inner = new_call()
    await line.tell("call_session_finished", inner, direction="in", is_internal=True, talk_time_duration=5)
    assert [entry["type"] for entry in await line.history(inner)] == ["internal"]
    assert line.network.popups == []
    assert (await line.call(out))["popup_why"] == "not_incoming"


async def test_a_number_leads_to_its_branch_and_one_without_to_the_default_or_nowhere(line: Line) -> None:
    second, strange = new_call(), new_call()
    await line.tell("in_call_session", second, virtual_phone_number="+7 (495) 000-00-02")
    await line.until(second, popup="shown", company_id=4565)
    assert [one["company_ids"] for one in line.network.popups] == [[4565]]
    await line.tell("in_call_session", strange, virtual_phone_number=STRANGE)
    await line.tell("lost_call_session", strange, virtual_phone_number=STRANGE)
    row = await line.until(strange, history="skipped")
    assert (row["history_why"], row["popup"], row["popup_why"]) == ("no_branch", "skipped", "no_branch")
    await line.set(network={"default_company_id": 4564})
    strange = new_call()
    await line.tell("lost_call_session", strange, virtual_phone_number=STRANGE)
    await line.until(strange, history="wanted", company_id=4564)


async def test_a_filtered_call_is_kept_and_says_why(line: Line) -> None:
    await line.set(network={"filter": {"types": ["missed"]}})
    taken, missed = new_call(), new_call()
    for call in (taken, missed):
        await line.tell("in_call_session", call)
    await line.tell("call_session_finished", taken, direction="in", talk_time_duration=5)
    await line.tell("lost_call_session", missed)
    assert (await line.until(taken, history="skipped"))["history_why"] == "filter_type"
    await line.history(missed)
    assert (await line.call(missed))["popup_why"] == "filter_type"
    await line.set(network={"filter": {"types": ["tag"], "tags": [{"name": "Целевой"}]}})
    tagged = new_call()
    await line.tell("lost_call_session", tagged)
    await line.until(tagged, history="skipped", history_why="filter_type")
    await line.tell("set_mark", tagged, tag_id=5, tag_name="целевой", notification_time="2025-01-01 10:00:00")
    await line.history(tagged)


async def test_what_is_told_twice_acts_once_and_any_order_ends_the_same(line: Line) -> None:
    call = new_call()
    for _ in range(2):
        await line.tell("call_session_finished", call, direction="in", talk_time_duration=40)
        await line.tell("talk_started", call, leg_ids=[1], direction="in")
        await line.tell("in_call_session", call)
    [entry] = await line.history(call)
    assert (entry["status"], entry["duration"]) == ("success", 40)

    async def worked() -> bool:
        return await line.pool.fetchval("select count(*) = 3 from inbox where state = 'duplicate'") is True

    await eventually(worked)
    assert (len(await line.history(call)), line.network.popups) == (1, [])
    assert (await line.call(call))["popup_why"] == "ended"


async def test_a_new_caller_is_a_client_of_the_branch_and_a_hidden_one_nobodys(line: Line) -> None:
    await line.set(network={"create_client": True})
    call, hidden = new_call(), new_call()
    await line.tell("lost_call_session", call, virtual_phone_number=SECOND, contact_phone_number="8 (916) 777-00-11")
    await line.tell("lost_call_session", hidden, contact_phone_number="anonymous")
    await line.until(call, client="wanted")
    row = await line.until(hidden, history="skipped")
    assert (row["history_why"], row["client_why"]) == ("hidden", "hidden")

    async def made() -> Any:
        return line.stand.stand.people.by_phone(4565, "79167770011")

    await eventually(made)


async def test_an_entry_without_an_answer_is_looked_for_before_it_is_sent_again(line: Line) -> None:
    first, second = new_call(), new_call()
    await line.tell("lost_call_session", first)
    await line.history(first)
    line.stand.stand.switches.rest_lost_answers = 1
    await line.tell("lost_call_session", second, contact_phone_number="79165550102")
    await line.history(second)

    async def delivered() -> bool:
        states = [row["state"] for row in await line.pool.fetch("select state from delivery where kind = 'call'")]
        return states == ["delivered"] * 2

    await eventually(delivered)
    assert len(await line.history(second)) == 1


async def test_a_pop_up_that_could_not_be_told_before_the_call_ended_is_dropped_and_its_history_comes_later(
    line: Line,
) -> None:
    """The vendor's budget is used up: nothing may be told for some seconds."""
    paused = await line.pool.execute(
        "update vendor_budget set paused_until = extract(epoch from clock_timestamp()) + 3"
    )
    assert paused.endswith(" 1")
    short, long = new_call(), new_call()
    for call in (short, long):
        await line.tell("in_call_session", call)
        await line.until(call, popup="wanted")
    await line.tell("lost_call_session", short)
    row = await line.until(short, popup="dropped")
    assert row["popup_why"] == "ended"
    await line.until(long, popup="shown")
    assert len(line.network.popups) == 1
    assert len(await line.history(short)) == 1
