"""The simulated telephony of YCLIENTS keeps to the facts: who gets the pop-up, who keeps the call, what is dropped."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tests.contract.stand.conftest import Caller

CALL = {"type": "incoming", "phone": "79165550101", "diversion": "74950000001"}
TODAY = {"date_from": "2000-01-01", "date_to": "2099-01-01"}


async def popups(caller: Caller, company_id: int) -> list[Any]:
    return list((await caller.ask("GET", f"/_stand/cabinet/{company_id}"))[1]["popups"])


async def calls(caller: Caller, company_id: int, **more: Any) -> list[Any]:
    status, answer = await caller.rest("GET", "/voip/integration/calls", {"salon_id": company_id, **TODAY, **more})
    assert status == 200
    return list(answer["data"])


async def test_nothing_is_kept_before_setup_and_after_its_end(caller: Caller) -> None:
    accepted = {"success": True, "data": None, "meta": {"message": "Accepted"}}
    assert await caller.voip(command="event", **CALL) == (202, accepted)
    assert await popups(caller, 4564) == []
    await caller.voip(command="setup", type="enable")
    await caller.voip(command="event", **CALL)
    await caller.voip(command="history", **CALL)
    assert len(await popups(caller, 4564)) == 1
    assert len(await calls(caller, 4564)) == 1
    await caller.voip(command="setup", type="disable")
    await caller.voip(command="event", **CALL)
    await caller.voip(command="history", **CALL)
    assert len(await popups(caller, 4564)) == 1
    assert len(await calls(caller, 4564)) == 1


@pytest.mark.parametrize(
    ("user", "diversion", "branches"),
    [
        ("", "74950000001", [4564]), ("", "74950000002", [4565]), ("", "74950000003", []),
        ("11", "74950000001", [4565]), ("12", "74950000001", [4564]), ("", "+74950000001", []),
    ],
)  # fmt: skip
async def test_a_route_of_the_user_wins_then_the_numbers_then_the_one_for_everybody(
    caller: Caller, user: str, diversion: str, branches: list[int]
) -> None:
    network = caller.stand.telephony.networks[312]
    network.enabled, network.routing["11"] = True, 3
    await caller.voip(command="event", **CALL | {"user": user, "diversion": diversion})
    await caller.voip(command="history", **CALL | {"user": user, "diversion": diversion})
    assert [number for number in (4564, 4565) if await popups(caller, number)] == branches
    assert [number for number in (4564, 4565) if await calls(caller, number)] == branches
    assert len(network.history) == 1, "the network keeps every call"


async def test_a_route_to_every_branch_tells_every_branch(caller: Caller) -> None:
    body = {"enabled": True, "routes": {"1": {"history": "all"}}, "routing": {}}
    await caller.ask("PUT", "/_stand/telephony/312", body)
    await caller.voip(command="event", **CALL)
    assert await popups(caller, 4564)
    assert await popups(caller, 4565)


async def test_numbers_may_be_compared_by_digits(caller: Caller) -> None:
    caller.stand.telephony.networks[312].enabled = True
    caller.stand.switch(voip_match="digits")
    await caller.voip(command="event", **CALL | {"diversion": "+7 495 000-00-01"})
    assert len(await popups(caller, 4564)) == 1


@pytest.mark.parametrize("kind", ["outgoing", "internal"])
async def test_only_incoming_calls_pop_up(caller: Caller, kind: str) -> None:
    caller.stand.telephony.networks[312].enabled = True
    await caller.voip(command="event", **CALL | {"type": kind})
    await caller.voip(command="history", **CALL | {"type": kind})
    assert await popups(caller, 4564) == []
    assert [row["type"] for row in await calls(caller, 4564)] == [kind]


@pytest.mark.parametrize(("how", "rows"), [("insert", [30, 45]), ("upsert", [45]), ("ignore", [30])])
async def test_the_same_call_id_again_is_a_switch(caller: Caller, how: str, rows: list[int]) -> None:
    caller.stand.telephony.networks[312].enabled = True
    caller.stand.switch(voip_call_twice=how)
    for duration in (30, 45):
        await caller.voip(command="history", **CALL, call_id="uis-1", duration=duration, status="success")
    assert sorted(row["duration"] for row in await calls(caller, 4564)) == rows


@pytest.mark.parametrize("status", [202, 401, 404])
async def test_the_answer_to_an_unknown_token_is_a_switch(caller: Caller, status: int) -> None:
    caller.stand.switch(voip_unknown_token=status)
    assert (await caller.voip(command="setup", type="enable", crm_token="nobody"))[0] == status
    assert not any(one.enabled for one in caller.stand.telephony.networks.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"phone": ""}, {"diversion": None}, {"type": "sideways"}, {"command": "ring"}, {"command": "history", "status": "lost"},
        {"command": "history", "duration": -1}, {"command": "history", "date": "yesterday"},
    ],
)  # fmt: skip
async def test_what_lacks_something_is_refused_or_swallowed(caller: Caller, wrong: dict[str, Any]) -> None:
    network = caller.stand.telephony.networks[312]
    network.enabled = True
    assert (await caller.voip(**{"command": "event", **CALL, **wrong}))[0] == 422
    caller.stand.switch(voip_invalid=202)
    assert (await caller.voip(**{"command": "event", **CALL, **wrong}))[0] == 202
    assert network.history == []
    assert network.popups == []


async def test_a_partner_token_is_needed_and_no_user(caller: Caller) -> None:
    setup = {"command": "setup", "type": "enable"}
    assert (await caller.voip(**setup))[0] == 202
    assert (await caller.ask("POST", "/api/v1/voip/integration", setup, headers={"Authorization": "Basic x"}))[0] == 401
    assert (await caller.ask("POST", "/api/v1/voip/integration", setup))[0] == 401


async def test_calls_are_listed_in_the_branchs_own_time_with_its_client(caller: Caller) -> None:
    caller.stand.telephony.networks[312].enabled = True
    made = await caller.rest("POST", "/clients/4564", {"name": "Ольга", "phone": CALL["phone"]})
    at = datetime(2026, 3, 16, 22, 30, 5, tzinfo=UTC).isoformat()
    await caller.voip(
        command="history", **CALL, date=at, duration=90, link="https://records.example/1", status="success"
    )
    await caller.voip(command="history", **CALL | {"phone": "79990000000"}, date=at, status="missed")
    known, unknown = sorted(await calls(caller, 4564), key=lambda row: row["caller_phone"])
    assert known == {
        "id": known["id"], "client_id": made[1]["data"]["id"], "caller_phone": "79165550101", "record_link": "https://records.example/1",
        "duration": 90, "status": "success", "type": "incoming", "call_date": "2026-03-17 01:30:05",
    }  # fmt: skip
    assert (unknown["client_id"], unknown["status"]) == (0, "missed")
    assert len(await calls(caller, 4564, date_from="2026-03-17", date_to="2026-03-17")) == 2
    assert await calls(caller, 4564, date_to="2026-03-16") == []
    assert [row["status"] for row in await calls(caller, 4564, statuses=["missed"])] == ["missed"]
    assert [row["caller_phone"] for row in await calls(caller, 4564, phone="79990000000")] == ["79990000000"]
    assert len(await calls(caller, 4564, limit=1, page=2)) == 1


@pytest.mark.parametrize("wrong", [{"date_from": None}, {"limit": 1001}, {"types": ["lost"]}, {"page": 0}])
async def test_a_list_of_calls_asked_wrongly_is_refused(caller: Caller, wrong: dict[str, Any]) -> None:
    body = {"salon_id": 4564, **TODAY, **wrong}
    assert (await caller.rest("GET", "/voip/integration/calls", body))[0] == 422
    assert (await caller.rest("GET", "/voip/integration/calls", {**body, **TODAY}, user=False))[0] == 401


async def test_the_limit_counts_for_telephony_and_can_be_opened(caller: Caller) -> None:
    caller.stand.switch(rest_limit=True)
    assert (await caller.voip(command="event", **CALL))[0] == 202
    caller.stand.calls += [(time.monotonic(), "")] * 200
    assert (await caller.voip(command="event", **CALL))[0] == 429
    caller.stand.switch(rest_limit=False)
    assert [(await caller.voip(command="event", **CALL))[0] for _ in range(20)] == [202] * 20


async def test_a_lost_answer_is_of_a_command_that_was_done(caller: Caller) -> None:
    network = caller.stand.telephony.networks[312]
    network.enabled = True
    caller.stand.switch(rest_lost_answers=1)
    with pytest.raises(aiohttp.ClientError):
        await caller.voip(command="history", **CALL)
    assert len(network.history) == 1
    assert (await caller.voip(command="history", **CALL))[0] == 202


async def test_a_reset_keeps_what_is_connected_and_forgets_the_rest(caller: Caller) -> None:
    await caller.voip(command="setup", type="enable")
    await caller.voip(command="event", **CALL)
    await caller.ask("POST", "/_stand/reset")
    network = caller.stand.telephony.networks[312]
    assert (network.enabled, network.popups, network.history) == (True, [], [])
