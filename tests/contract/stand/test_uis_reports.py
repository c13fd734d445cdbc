"""Reports and directories of the simulated UIS about calls and chats, as strict as the rest of its Data API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from e2e.stand.uis.app import RunningUis, start_uis
from e2e.stand.uis.notices import Notice
from e2e.stand.uis.query import COLUMNS

ALWAYS = {"date_from": "2026-01-01 00:00:00", "date_till": "2026-03-31 23:59:59"}


@pytest.fixture
async def running() -> AsyncIterator[RunningUis]:
    started = await start_uis()
    yield started
    await started.stop()


class Account:
    """Calls the Data API with the key of the stand."""

    def __init__(self, running: RunningUis, session: aiohttp.ClientSession) -> None:
        self.running, self._session = running, session

    async def result(self, method: str, **params: Any) -> Any:
        answer = await self.answer(method, **params)
        assert "result" in answer, answer["error"]
        return answer["result"]

    async def refusal(self, method: str, **params: Any) -> tuple[str, str]:
        data = (await self.answer(method, **params))["error"]["data"]
        return data["mnemonic"], data.get("field", "")

    async def answer(self, method: str, **params: Any) -> Any:
        asked = {"access_token": "stand-key-0123456789", **params}
        document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": asked}
        async with self._session.post(f"{self.running.url}/v2.0", json=document) as answer:
            return await answer.json()

    def today(self) -> dict[str, str]:
        uis = self.running.uis
        around = (uis.clock() - timedelta(days=1), uis.clock() + timedelta(days=1))
        return dict(zip(("date_from", "date_till"), (str(uis.wall(one)) for one in around), strict=True))


@pytest.fixture
async def account(running: RunningUis) -> AsyncIterator[Account]:
    async with aiohttp.ClientSession() as session:
        yield Account(running, session)


async def test_a_call_stands_in_its_report_with_lengths_recording_and_people(account: Account) -> None:
    call = await account.running.telephone.call(
        scenario="transfer", talk_s=41, tags=["Целевой"], scale=0, until_end=True
    )
    fields = list(COLUMNS["get.calls_report"])
    [row] = (await account.result("get.calls_report", **account.today(), fields=fields))["data"]
    expected = {
        "id": call.id, "communication_id": call.id, "direction": "in", "is_lost": False, "is_transfer": True, "talk_duration": 41,
        "wait_duration": 3, "total_duration": 44, "call_records": call.records, "contact_phone_number": "79165550101",
        "virtual_phone_number": "74950000001", "site_id": 43525, "campaign_name": "Яндекс.Директ", "scenario_name": "Основной",
        "first_talked_employee_id": 391018, "last_talked_employee_id": 391019, "source": "call_tracking",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert [one["tag_name"] for one in row["tags"]] == ["Целевой"]
    legs = (await account.result("get.call_legs_report", **account.today()))["data"]
    assert [(one["call_session_id"], one["employee_id"]) for one in legs] == [(call.id, 391018), (call.id, 391019)]


async def test_a_call_whose_end_nobody_told_of_stands_in_the_report(account: Account) -> None:
    await account.running.telephone.call(scenario="no_end_lost", scale=0, until_end=True)
    [row] = (await account.result("get.calls_report", **account.today()))["data"]
    assert (row["is_lost"], row["talk_duration"]) == (True, 0)


async def test_a_call_that_goes_on_shows_only_when_asked_for(account: Account) -> None:
    await account.running.telephone.call(scale=1000)
    assert (await account.result("get.calls_report", **account.today()))["data"] == []
    [row] = (await account.result("get.calls_report", **account.today(), include_ongoing_calls=True))["data"]
    assert row["finish_time"] is None


async def test_an_ended_call_may_show_late(account: Account) -> None:
    await account.running.telephone.call(scale=0, until_end=True)
    account.running.uis.switch(calls_delay_s=3600.0)
    assert (await account.result("get.calls_report", **account.today()))["data"] == []


async def test_chats_show_their_state_and_what_the_visitor_told_of_themselves(account: Account) -> None:
    talks = account.running.talks
    ended = await talks.chat(scale=0, until_end=True)
    fresh = await talks.chat(scenario="open", contacts_at="never", scale=0, until_end=True)
    by_state = {"field": "status", "operator": "in", "value": ["new", "active"]}
    rows = (await account.result("get.chats_report", **account.today(), sort=[{"field": "date_time"}]))["data"]
    assert [(one["id"], one["status"], one["visitor_phone_number"]) for one in rows] == [
        (ended.id, "succeed", 79165550101), (fresh.id, "active", None),
    ]  # fmt: skip
    [row] = (await account.result("get.chats_report", **account.today(), filter=by_state))["data"]
    assert row["id"] == fresh.id
    visitors = (await account.result("get.visitors", ids=[ended.visitor_id, 1]))["data"]
    assert visitors == [
        {"id": ended.visitor_id, "name": "Ольга", "phones": ["79165550101"], "emails": [], "usernames": []}
    ]
    said = (await account.result("get.chat_messages_report", chat_id=ended.id))["data"]
    assert [one["source"] for one in said] == ["system", "visitor", "operator", "visitor"]
    both = await account.result("get.chat_messages_report", chat_ids=[ended.id, fresh.id])
    assert both["metadata"]["total_items"] == 8


@pytest.mark.parametrize(
    "method", ["get.calls_report", "get.call_legs_report", "get.chats_report", "get.offline_messages_report"]
)
async def test_reports_are_as_strict_as_the_vendor(account: Account, method: str) -> None:
    assert await account.refusal(method) == ("required_parameter_missed", "date_from")
    far = {"date_from": "2026-01-01 00:00:00", "date_till": "2026-05-01 00:00:00"}
    assert await account.refusal(method, **far) == ("date_interval_limit_reached", "date_till")
    assert await account.refusal(method, **ALWAYS, fields=["shoe"]) == ("unexpected_parameters", "fields.shoe")
    assert await account.refusal(method, **ALWAYS, shoe=1) == ("unexpected_parameters", "shoe")
    assert await account.refusal(method, **ALWAYS, limit=10_001) == ("invalid_parameter_value", "limit")
    closed = next(name for name, (_, flags) in COLUMNS[method].items() if "F" not in flags)
    leaf = {"field": closed, "operator": "=", "value": 1}
    assert await account.refusal(method, **ALWAYS, filter=leaf) == ("filter_prohibited", closed)


async def test_messages_need_a_chat_or_a_time_of_thirty_days(account: Account) -> None:
    method = "get.chat_messages_report"
    assert await account.refusal(method) == ("required_parameter_missed", "chat_id")
    assert await account.refusal(method, **ALWAYS) == ("date_interval_limit_reached", "date_till")
    assert (await account.result(method, date_from="2026-03-01 00:00:00", date_till="2026-03-31 00:00:00"))[
        "data"
    ] == []


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("get.virtual_numbers", {"virtual_phone_number": "74950000001", "status": "active"}),
        ("get.scenarios", {"id": 901, "name": "Основной"}), ("get.employees", {"id": 391018, "full_name": "Анна Соколова"}),
        ("get.tags", {"id": 515114, "name": "Целевой"}), ("get.chat_channels", {"type": "comagic"}),
    ],
)  # fmt: skip
async def test_directories_for_the_settings(account: Account, method: str, first: dict[str, Any]) -> None:
    rows = (await account.result(method, fields=list(first)))["data"]
    assert rows[0] == first


async def test_tags_are_made_set_and_taken_away_and_told_of_once(account: Account) -> None:
    uis = account.running.uis
    uis.notices = [Notice(event, "http://127.0.0.1:9/") for event in ("set_mark", "unset_mark")]
    uis.switch(notice_silent=["set_mark", "unset_mark"])
    made = await account.result("create.tags", name="Перезвонить")
    assert set(made) == {"id"}
    assert await account.refusal("create.tags", name="Перезвонить") == ("duplicate_entity", "name")
    call = await account.running.telephone.call(scale=0, until_end=True)
    about = {"communication_id": call.id, "communication_type": "call", "tag_id": made["id"]}
    assert await account.result("set.tag_communications", **about) == {}
    assert await account.result("set.communications_tags", items=[about]) == {"success": "true"}
    assert [one["tag_name"] for one in call.tags] == ["Перезвонить"]
    assert await account.result("unset.tag_communications", **about) == {}
    assert call.tags == []
    assert [one["event"] for one in uis.sent] == ["set_mark", "unset_mark"]
    assert await account.refusal("set.tag_communications", **{**about, "tag_id": 1}) == ("entity_not_found", "tag_id")
    gone = {**about, "communication_id": 1}
    assert await account.refusal("set.tag_communications", **gone) == ("entity_not_found", "communication_id")


async def test_without_the_component_a_report_is_refused(account: Account) -> None:
    account.running.uis.components -= {"consultant"}
    assert (await account.refusal("get.chats_report", **ALWAYS))[0] == "method_component_disabled"
