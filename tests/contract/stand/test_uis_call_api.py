"""The Call API of the simulated UIS: a call by a click, what goes on, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from e2e.stand.uis.app import RunningUis, start_uis

CLICK = {
    "first_call": "employee", "virtual_phone_number": "74950000001", "contact": "79165550101", "employee": {"id": 391018},
    "external_id": "client-7",
}  # fmt: skip


class Phone:
    """Calls the Call API with the key of the stand."""

    def __init__(self, running: RunningUis, session: aiohttp.ClientSession) -> None:
        self.running, self._session = running, session

    async def answer(self, method: str, **params: Any) -> Any:
        asked = {"access_token": "stand-key-0123456789", **params}
        document = {"jsonrpc": "2.0", "id": 1, "method": method, "params": asked}
        async with self._session.post(f"{self.running.url}/v4.0", json=document) as answer:
            return await answer.json()

    async def data(self, method: str, **params: Any) -> Any:
        answer = await self.answer(method, **params)
        assert "result" in answer, answer["error"]
        return answer["result"]["data"]

    async def refusal(self, method: str, **params: Any) -> tuple[int, str, str]:
        error = (await self.answer(method, **params))["error"]
        return error["code"], error["data"]["mnemonic"], error["data"].get("field", "")


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    running = await start_uis()
    async with aiohttp.ClientSession() as session:
        yield Phone(running, session)
    await running.stop()


async def test_a_click_starts_a_call_that_is_listed_tagged_and_released(phone: Phone) -> None:
    uis = phone.running.uis
    uis.switch(clicked_call_scale=1000.0)
    number = (await phone.data("start.employee_call", **CLICK))["call_session_id"]
    [row] = await phone.data("list.calls", virtual_phone_number="74950000001")
    assert (row["call_session_id"], row["direction"], row["external_id"]) == (number, "out", "client-7")
    assert [(leg["employee_id"], leg["state"]) for leg in row["legs"]] == [(391018, "Дозвон")]
    assert await phone.data("list.calls", direction="in") == []
    assert await phone.data("tag.call", call_session_id=number, tag_id=515114) == {"success": "true"}
    assert (await phone.refusal("tag.call", call_session_id=number, tag_id=515114))[1] == "duplicate_tag"
    assert await phone.data("release.call", call_session_id=number) == {"success": "true"}
    for _ in range(1000):
        if uis.calls[number].ended:
            break
        await asyncio.sleep(0.02)
    assert await phone.data("list.calls") == []
    assert (uis.calls[number].talk_s, uis.calls[number].source) == (0, "callapi_management_call")
    assert (await phone.refusal("release.call", call_session_id=number))[1] == "call_session_not_found"


async def test_a_clicked_call_goes_as_it_is_set(phone: Phone) -> None:
    phone.running.uis.switch(clicked_call="outgoing_lost", clicked_call_scale=0.0)
    number = (await phone.data("start.employee_call", **CLICK))["call_session_id"]
    for _ in range(1000):
        if phone.running.uis.calls[number].ended:
            break
        await asyncio.sleep(0.02)
    assert phone.running.uis.calls[number].finish_reason == "timeout"


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"virtual_phone_number": "74950009999"}, (-32007, "virtual_phone_number_not_found", "virtual_phone_number")),
        ({"employee": {"id": 1}}, (-32602, "employee_not_found", "employee.id")),
        ({"employee": {"id": 391018, "phone_number": "7000"}}, (-32602, "no_active_phone_number", "employee.phone_number")),
        ({"contact": "74950000002"}, (-32602, "own_virtual_phone_number_not_allowed", "contact")),
        ({"contact": "79990000000"}, (-32002, "contact_in_blacklist", "contact")),
        ({"first_call": "nobody"}, (-32602, "invalid_parameter_value", "first_call")),
        ({"employee": None}, (-32602, "required_parameter_missed", "employee")),
        ({"shoe": 1}, (-32602, "unexpected_parameters", "shoe")),
    ],
)  # fmt: skip
async def test_what_cannot_be_called_is_refused_by_its_mnemonic(phone: Phone, wrong: Any, refusal: Any) -> None:
    phone.running.uis.blocked.add("79990000000")
    assert await phone.refusal("start.employee_call", **{**CLICK, **wrong}) == refusal
    assert phone.running.uis.calls == {}


async def test_its_door_is_that_of_the_data_api_and_its_points_are_its_own(phone: Phone) -> None:
    assert (await phone.refusal("get.sites"))[1] == "method_not_found"
    assert (await phone.refusal("list.calls", access_token="x"))[1] == "access_token_invalid"
    phone.running.uis.switch(call_minute_limit=1)
    assert await phone.data("list.calls") == []
    assert (await phone.refusal("list.calls"))[1] == "limit_exceeded"
    assert phone.running.uis.limits()["minute_remaining"] == 200
    phone.running.uis.switch(call_minute_limit=100)
    phone.running.uis.components.discard("callapi")
    assert (await phone.refusal("list.calls"))[1] == "component_disabled"


async def test_other_ways_to_start_a_call(phone: Phone) -> None:
    line = {name: CLICK[name] for name in ("virtual_phone_number", "contact")}
    await phone.data("start.vnumber_call", **line, first_call="contact")
    await phone.data("start.simple_call", **line, first_call="operator", operator="79160000101")
    await phone.data("start.scenario_call", **line, first_call="employee", scenario_id=902)
    assert (await phone.refusal("start.scenario_call", **line, first_call="employee", scenario_id=1))[
        1
    ] == "entity_not_found"
    rows = await phone.data("list.calls")
    assert len(rows) == 3
    assert await phone.data(
        "hold.call", call_session_id=rows[0]["call_session_id"], contact_message={"type": "tts", "value": "Минуту"}
    )
    assert {leg["state"] for leg in (await phone.data("list.calls"))[0]["legs"]} == {"На удержании"}
    assert await phone.data("unhold.call", call_session_id=rows[0]["call_session_id"])
    assert await phone.data("block.contact", call_session_id=rows[0]["call_session_id"])
    assert (await phone.refusal("start.vnumber_call", **line, first_call="contact"))[1] == "contact_in_blacklist"
