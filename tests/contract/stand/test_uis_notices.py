"""Notifications of the simulated UIS: bodies from templates, conditions, what happens on the way, and the calls they tell of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp import web

from e2e.stand.uis.app import RunningUis, start_uis
from e2e.stand.uis.notices import TEMPLATES, Notice, fits, render
from e2e.stand.uis.state import Uis

CALL_EVENTS = [
    "in_call_session", "in_call", "call_proceeding", "call_connected", "talk_started", "talk_finished", "call_disconnected",
    "call_session_finished", "talk_record_file",
]  # fmt: skip


class Receiver:
    """Somebody's address for notifications: keeps what came."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str, str]] = []  # method, content type, body or query
        self.status = 200
        self.url = ""
        self.pause_s = 0.0
        self.at_once = self.most_at_once = 0
        self.together = 1  # so many are waited for before any is answered

    async def hear(self, request: web.Request) -> web.Response:
        text = request.query_string if request.method == "GET" else await request.text()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.pause_s)
        for _ in range(2000):
            if self.most_at_once >= self.together:
                break
            await asyncio.sleep(0.01)
        self.at_once -= 1
        self.came.append((request.method, request.headers.get("Content-Type", ""), text))
        return web.Response(status=self.status)

    async def count(self, number: int) -> list[tuple[str, str, str]]:
        for _ in range(1000):
            if len(self.came) >= number:
                return self.came
            await asyncio.sleep(0.02)
        raise AssertionError(f"only {len(self.came)} of {number} came")

    async def bodies(self, number: int) -> list[Any]:
        return [json.loads(text) for _, _, text in await self.count(number)]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made, app = Receiver(), web.Application()
    app.router.add_route("*", "/hook", made.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


@pytest.fixture
async def running() -> AsyncIterator[RunningUis]:
    started = await start_uis()
    started.uis.switch(notice_delay_s=0.0)
    yield started
    await started.stop()


@pytest.fixture
def uis(running: RunningUis) -> Uis:
    return running.uis


def enter(uis: Uis, receiver: Receiver, *events: str, **more: Any) -> None:
    body = '{"event": "%s", "secret": "s", "call": {{call_session_id}}, "id": {{communication_id}}, "employee": {{employee_id}}}'
    uis.notices = [Notice(one, receiver.url, **{"body": body % one, **more}) for one in events]


async def test_the_vendors_own_bodies_are_valid_json_for_every_event_of_a_call(
    running: RunningUis, receiver: Receiver
) -> None:
    running.uis.notices = [Notice(one, receiver.url) for one in CALL_EVENTS]
    await running.telephone.call(scale=0, until_end=True)
    bodies = await receiver.bodies(len(CALL_EVENTS))
    assert [one["notification_name"] for one in bodies] == [TEMPLATES[event]["name"] for event in CALL_EVENTS]
    finished = bodies[CALL_EVENTS.index("call_session_finished")]
    assert finished["call_info"] | {"call_session_id": 0} == {
        "call_source": "call_tracking", "direction": "in", "call_session_id": 0, "scenario_name": "Основной", "talk_time_duration": 20,
        "total_time_duration": 23, "wait_time_duration": 3, "tag_names": [],
    }  # fmt: skip
    assert finished["external_id"] is None
    assert finished["contact_info"]["contact_phone_number"] == "79165550101"


@pytest.mark.parametrize(
    ("scenario", "events"),
    [
        ("answered", CALL_EVENTS),
        ("no_recording", CALL_EVENTS[:-1]),
        ("lost", [*CALL_EVENTS[:3], "call_disconnected", "lost_call_session", "call_session_finished"]),
        ("voicemail", [*CALL_EVENTS[:3], "call_disconnected", "lost_call_session", "call_session_finished", "voice_message"]),
        ("outgoing", ["out_call_session", "out_call", *CALL_EVENTS[2:]]),
        ("outgoing_lost", ["out_call_session", "out_call", "call_proceeding", "call_disconnected", "call_session_finished"]),
        (
            "transfer",
            [*CALL_EVENTS[:6], "call_disconnected", "in_call", "call_proceeding", "call_connected", "talk_started", *CALL_EVENTS[5:]],
        ),
        ("no_end", CALL_EVENTS[:5]),
        ("no_end_lost", CALL_EVENTS[:3]),
    ],
)  # fmt: skip
async def test_each_scenario_tells_its_events_in_their_order(
    running: RunningUis, receiver: Receiver, scenario: str, events: list[str]
) -> None:
    enter(running.uis, receiver, *TEMPLATES)
    await running.telephone.call(scenario=scenario, scale=0, until_end=True)
    assert [one["event"] for one in await receiver.bodies(len(events))] == events


async def test_events_of_one_call_wait_for_each_other_and_those_of_two_do_not(
    running: RunningUis, receiver: Receiver
) -> None:
    enter(running.uis, receiver, *CALL_EVENTS)
    receiver.pause_s = 0.05
    await running.telephone.call(scale=0, until_end=True)
    await receiver.count(len(CALL_EVENTS))
    assert receiver.most_at_once == 1
    receiver.together = 2
    for _ in range(2):
        await running.telephone.call(scale=0, until_end=True)
    await receiver.count(len(CALL_EVENTS) + 2)
    assert receiver.most_at_once == 2


async def test_a_transfer_names_first_one_person_and_then_the_other(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, "call_proceeding")
    call = await running.telephone.call(scenario="transfer", scale=0, until_end=True)
    assert [one["employee"] for one in await receiver.bodies(2)] == [391018, 391019]
    assert call.transfer
    assert sum(leg.talk_s for leg in call.legs) == 20


async def test_an_internal_call_goes_between_extensions(running: RunningUis, receiver: Receiver) -> None:
    body = '{"internal": {{is_internal}}, "contact": {{contact_phone_number}}}'
    enter(running.uis, receiver, "call_session_finished", body=body)
    await running.telephone.call(scenario="internal", scale=0, until_end=True)
    assert await receiver.bodies(1) == [{"internal": True, "contact": "102"}]


async def test_a_query_has_its_values_bare(running: RunningUis, receiver: Receiver) -> None:
    body = "name={{notification_name}}&phone={{contact_phone_number}}&tags={{tag_names}}&who={{contact_full_name}}&a=1"
    enter(running.uis, receiver, "call_session_finished", method="GET", body=body)
    await running.telephone.call(scale=0, tags=["Целевой"], caller="+7 916", until_end=True)
    [(method, _, query)] = await receiver.count(1)
    assert method == "GET"
    assert dict(parse_qsl(query, keep_blank_values=True)) == {
        "name": "Завершение звонка", "phone": "+7 916", "tags": '["Целевой"]', "who": "", "a": "1",
    }  # fmt: skip


async def test_a_form_is_sent_as_a_form(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, "in_call_session", body="phone={{contact_phone_number}}&secret=s",
          content_type="application/x-www-form-urlencoded")  # fmt: skip
    await running.telephone.call(scale=0, until_end=True)
    assert (await receiver.count(1))[0] == ("POST", "application/x-www-form-urlencoded", "phone=79165550101&secret=s")


@pytest.mark.parametrize(
    ("how", "body"), [("null", '{"a": null}'), ("empty", '{"a": }'), ("as_is", '{"a": {{nothing}}}')]
)
def test_a_variable_the_event_does_not_have_is_a_switch(how: str, body: str) -> None:
    assert render('{"a": {{nothing}}}', {}, query=False, unknown=how) == body


@pytest.mark.parametrize(
    ("conditions", "right"),
    [
        ([], True),
        ([[{"param": "site_id", "operator": "=", "value": 1}]], True),
        ([[{"param": "site_id", "operator": "=", "value": 2}]], False),
        ([[{"param": "site_id", "operator": "=", "value": 1, "is_negative": True}]], False),
        ([[{"param": "site_id", "operator": "=", "value": 2}], [{"param": "name", "operator": "in", "value": "сно"}]], True),
        ([[{"param": "site_id", "operator": "=", "value": 1}, {"param": "talk", "operator": ">", "value": 30}]], False),
        ([[{"param": "name", "operator": "starts_with", "value": "Осн"}, {"param": "name", "operator": "ends_with", "value": "й"}]], True),
        ([[{"param": "tags", "operator": "intersect", "value": ["Спам"]}]], False),
        ([[{"param": "tags", "operator": "sub", "value": ["Целевой", "Спам"]}]], True),
        ([[{"param": "nobody", "operator": "is_null"}, {"param": "name", "operator": "is_not_null"}]], True),
    ],
)  # fmt: skip
def test_conditions_choose_what_is_told(conditions: list[Any], right: bool) -> None:
    assert fits({"site_id": 1, "name": "Основной", "talk": 20, "tags": ["Целевой"]}, conditions) is right


async def test_a_condition_holds_a_notification_back(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, "call_session_finished",
          conditions=[[{"param": "virtual_phone_number", "operator": "=", "value": "74950000002"}]])  # fmt: skip
    await running.telephone.call(scale=0, until_end=True)
    other = await running.telephone.call(number="74950000002", scale=0, until_end=True)
    assert [one["call"] for one in await receiver.bodies(1)] == [other.id]


async def test_copies_silence_and_a_missing_secret(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, "in_call_session", "call_session_finished")
    running.uis.switch(notice_duplicates=1, notice_silent=["call_session_finished"], notice_secret=False)
    await running.telephone.call(scale=0, until_end=True)
    bodies = await receiver.bodies(2)
    assert [one["event"] for one in bodies] == ["in_call_session"] * 2
    assert all("secret" not in one for one in bodies)
    assert [one["outcome"] for one in running.uis.sent if one["event"] == "call_session_finished"] == ["silent"]


async def test_the_share_that_is_lost_is_the_same_for_the_same_seed(
    uis: Uis, running: RunningUis, receiver: Receiver
) -> None:
    enter(uis, receiver, *CALL_EVENTS)
    lost = []
    for _ in range(2):
        uis.switch(notice_loss=0.5, seed=7)
        uis.sent.clear()
        receiver.came.clear()
        await running.telephone.call(scale=0, until_end=True)
        gone = [one["event"] for one in uis.sent if one["outcome"] == "lost"]
        await receiver.count(len(CALL_EVENTS) - len(gone))
        lost.append(gone)
    assert lost[0] == lost[1]
    assert 0 < len(lost[0]) < len(CALL_EVENTS)


async def test_what_is_held_goes_when_released_in_order_or_not(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, *CALL_EVENTS)
    running.uis.switch(notice_hold=True)
    await running.telephone.call(scale=0, until_end=True)
    assert receiver.came == []
    async with aiohttp.ClientSession() as session, session.post(f"{running.url}/_stand/release") as answer:
        assert (await answer.json())["released"] == len(CALL_EVENTS)
    assert [one["event"] for one in await receiver.bodies(len(CALL_EVENTS))] == CALL_EVENTS


async def test_a_refused_notification_is_sent_again_as_often_as_it_is_set(
    running: RunningUis, receiver: Receiver
) -> None:
    enter(running.uis, receiver, "in_call_session")
    running.uis.switch(notice_retries=2, notice_retry_s=0.0)
    receiver.status = 503
    await running.telephone.call(scale=0, until_end=True)
    await receiver.count(3)
    for _ in range(500):
        if len(running.uis.sent) == 3:
            break
        await asyncio.sleep(0.02)
    assert [one["outcome"] for one in running.uis.sent] == ["503"] * 3


async def test_a_chat_its_late_contacts_and_its_tag(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, "chat_finished", "lost_chat", "set_mark",
          body='{"n": {{notification_mnemonic}}, "type": {{communication_type}}, "id": {{communication_id}}, "m": {{messages}},'
               ' "name": {{visitor_name}}, "tag": {{tag_name}}, "call": {{call_session_id}}}')  # fmt: skip
    chat = await running.talks.chat(contacts_at="after", tag="Записать", scale=0, until_end=True)
    mark, ended = await receiver.bodies(2)
    assert (mark["n"], mark["type"], mark["id"], mark["tag"], mark["call"]) == (
        "set_mark",
        "chat",
        chat.communication_id,
        "Записать",
        None,
    )
    assert (ended["n"], ended["name"]) == ("chat_finished", "")
    assert "visitor: Здравствуйте" in ended["m"]
    assert running.uis.visitors[chat.visitor_id]["phones"] == ["79165550101"]
    running.uis.switch(notice_messages="array")
    await running.talks.chat(scenario="lost", scale=0, until_end=True)
    assert (await receiver.bodies(3))[2]["m"][0]["source"] == "system"


async def test_a_form_and_a_loaded_request_are_told_of_alike(running: RunningUis, receiver: Receiver) -> None:
    enter(running.uis, receiver, "offline_message",
          body='{"id": {{offline_message_id}}, "phone": {{visitor_phone_number}}, "form": {{form_name}}}')  # fmt: skip
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{running.url}/_stand/form", json={"phone": "8 (916) 555-01-01"}) as answer:
            made = await answer.json()
        assert await receiver.bodies(1) == [
            {"id": made["offline_message_id"], "phone": "8 (916) 555-01-01", "form": "Обратный звонок"}
        ]
        item = {
            "date_time": "2026-03-01 10:00:00",
            "phone": "79165550101",
            "site_id": 43525,
            "form_name": "YCLIENTS",
            "ext_id": "y-1",
        }
        call = {"jsonrpc": "2.0", "id": 1, "method": "upload.offline_messages",
                "params": {"access_token": "stand-key-0123456789", "offline_messages": [item]}}  # fmt: skip
        async with session.post(f"{running.url}/v2.0", json=call) as answer:
            [loaded] = (await answer.json())["result"]["data"]
        assert (await receiver.bodies(2))[1] == {"id": loaded["id"], "phone": "79165550101", "form": "YCLIENTS"}
        running.uis.switch(uploads_told=False)
        async with session.post(f"{running.url}/v2.0", json=call) as answer:
            assert answer.status == 200
        async with session.post(f"{running.url}/_stand/form", json={}) as answer:
            assert answer.status == 201
    assert [one["form"] for one in await receiver.bodies(3)] == ["Обратный звонок", "YCLIENTS", "Обратный звонок"]


async def test_recordings_are_behind_their_links(running: RunningUis, receiver: Receiver) -> None:
    uis = running.uis
    enter(uis, receiver, "talk_record_file", body='{"link": {{file_link}}, "s": {{file_duration}}}')
    await running.telephone.call(scale=0, talk_s=10, until_end=True)
    [told] = await receiver.bodies(1)
    assert told["s"] == 10
    async with aiohttp.ClientSession() as session:
        async with session.get(told["link"]) as answer:
            whole = await answer.read()
            assert (answer.status, answer.content_type, whole[:2]) == (200, "audio/mpeg", b"\xff\xfb")
        async with session.get(told["link"], headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, whole[10:20])
            assert answer.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
        async with session.get(told["link"], headers={"Range": f"bytes={len(whole)}-"}) as answer:
            assert answer.status == 416
        async with session.get(told["link"][:-3] + "00/") as answer:
            assert answer.status == 404
        for switches, status in (
            ({"media_ranges": False}, 200), ({"media_redirect": "http://169.254.0.1/"}, 302), ({"media_gone": True}, 404),
        ):  # fmt: skip
            uis.switch(**switches)
            async with session.get(told["link"], headers={"Range": "bytes=0-1"}, allow_redirects=False) as answer:
                assert answer.status == status
        uis.switch(media_gone=False, media_redirect="", media_type="audio/wav", media_bytes=100_000)
        async with session.get(told["link"]) as answer:
            assert (answer.content_type, len(await answer.read())) == ("audio/wav", 100_000)


async def test_the_hand_on_it_refuses_what_it_does_not_know(running: RunningUis) -> None:
    async with aiohttp.ClientSession() as session:
        for path, body in (
            ("call", {"scenario": "telepathy"}), ("chat", {"contacts_at": "never ever"}), ("form", {"shoe": 1}),
            ("tag", {"communication_type": "chat", "communication_id": 1, "tag": "Спам"}), ("call", {"tag": "nothing"}),
        ):  # fmt: skip
            async with session.post(f"{running.url}/_stand/{path}", json=body) as answer:
                assert answer.status == 400, path
        async with session.put(
            f"{running.url}/_stand/notifications", json={"notifications": [{"event": "x", "url": ""}]}
        ) as answer:
            assert answer.status == 400
        async with session.put(f"{running.url}/_stand/notifications", json={"url": "http://127.0.0.1:9/"}) as answer:
            assert (await answer.json())["notifications"] == len(TEMPLATES)
