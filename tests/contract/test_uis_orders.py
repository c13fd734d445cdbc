"""Orders over the Call API and the Chat API of the simulated UIS: each failure is typed, none is repeated by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from e2e.stand.uis.app import RunningUis, start_uis
from server.platform.egress import Egress, Rejected, Unauthorized, Unavailable
from server.platform.ids import new_id
from server.uis.call_api import CallApi
from server.uis.chat_api import Adapter, ChatApi, Outgoing, Session
from server.uis.errors import PointsSpent, RequestRefused
from server.uis.model import Key
from server.uis.rpc import Memory

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
KEY = "stand-key-0123456789"


@pytest.fixture
async def uis() -> AsyncIterator[RunningUis]:
    running = await start_uis()
    yield running
    await running.stop()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    made = Egress(allow_private=True)
    yield made
    await made.close()


def call_api(uis: RunningUis, egress: Egress, key: str = KEY) -> CallApi:
    return CallApi(egress, base_url=f"{uis.url}/v4.0", access=Key(key), account=str(new_id()), memory=Memory())


async def order(api: CallApi, employee_id: int = 391018, number: str = "74950000001") -> int:
    return await api.start_employee_call(
        employee_id=employee_id, contact="+79165550101", virtual_number=number, external_id="order-1"
    )


async def test_call_is_started_with_our_own_id(uis: RunningUis, egress: Egress) -> None:
    number = await order(call_api(uis, egress))
    [call] = uis.uis.calls.values()
    assert (call.id, call.external_id, call.virtual, call.contact) == (number, "order-1", "74950000001", "79165550101")


async def test_refusals_are_typed(uis: RunningUis, egress: Egress) -> None:
    with pytest.raises(RequestRefused):
        await order(call_api(uis, egress), employee_id=999)
    with pytest.raises(Rejected):
        await order(call_api(uis, egress), number="70000000000")
    with pytest.raises(Unauthorized) as refused:
        await order(call_api(uis, egress, "canary-wrong-key"))
    assert "canary" not in str(refused.value)
    assert uis.uis.calls == {}


@pytest.mark.parametrize("fault", ["torn", "wrong_id", "empty", "no_version", "lost_answer"])
async def test_answer_that_does_not_fit_is_no_answer_and_nothing_is_repeated(
    uis: RunningUis, egress: Egress, fault: str
) -> None:
    uis.uis.cue(fault, method="start.employee_call")
    with pytest.raises(Unavailable):
        await order(call_api(uis, egress))
    assert len(uis.uis.calls) == 1, "the telephone rang all the same, once"


async def test_points_that_are_spent_stop_further_orders(uis: RunningUis, egress: Egress) -> None:
    api = call_api(uis, egress)
    uis.uis.cue("limit_minute", method="start.employee_call")
    for _ in range(2):  # the second one does not even ask
        with pytest.raises(PointsSpent):
            await order(api)
    assert uis.uis.calls == {}


# --- chats


@pytest.fixture
async def chat(uis: RunningUis) -> int:
    uis.uis.adapters[5] = {"id": 5, "login": "desk", "password": "desk-password", "webhook_url": ""}
    uis.uis.chat_accounts[286] = {"id": 286, "adapter_id": 5, "channels": []}
    opened = await uis.talks.chat(scenario="open", scale=0, until_end=True)
    return int(opened.id)


def chat_api(uis: RunningUis, egress: Egress, session: Session, password: str = "desk-password") -> ChatApi:
    adapter = Adapter("desk", password)
    return ChatApi(egress, base_url=uis.url, adapter=adapter, account=str(new_id()), session=session)


async def test_message_is_sent_and_a_session_that_ended_is_opened_again(
    uis: RunningUis, egress: Egress, chat: int
) -> None:
    session = Session()
    api = chat_api(uis, egress, session)
    said = Outgoing(286, 1, chat, "Ждём вас", 391019, NOW)
    first = await api.send(said)
    uis.uis.chat_tokens.clear()
    second = await api.send(said)
    texts = [(one["id"], one["text"]) for one in uis.uis.chats[chat].messages]
    assert texts[-2:] == [(first, "Ждём вас"), (second, "Ждём вас")]


async def test_wrong_login_and_unknown_chat_are_refused(uis: RunningUis, egress: Egress, chat: int) -> None:
    with pytest.raises(Unauthorized) as refused:
        await chat_api(uis, egress, Session(), "canary-wrong").send(Outgoing(286, 1, chat, "x", None, NOW))
    assert "canary" not in str(refused.value)
    with pytest.raises(Rejected):
        await chat_api(uis, egress, Session()).send(Outgoing(286, 1, 404, "x", None, NOW))
