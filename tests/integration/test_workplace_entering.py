"""Who gets into the workplace and who does not: codes, bearers, tickets, cookies, log-outs, foreign pages, floods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from server.accounts import devices, store
from server.accounts.model import Person
from server.feed.flow import publish
from server.feed.model import CallRinging
from server.platform.clock import utc_now
from server.workplace.live import SCREENS_MOST
from tests.conftest import Salon
from tests.workplace_client import ScreenClient, make_person, make_session, pairing_code


@pytest.fixture
async def olga(salon: Salon, pool: asyncpg.Pool) -> Person:
    return await make_person(pool, salon.made.account.account_id)


@pytest.fixture
async def caller() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def base_of(salon: Salon) -> str:
    return str(salon.http.make_url("")).rstrip("/")


async def post(salon: Salon, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, (bytes, str)) else json.dumps(body or {})
    kept = {"Content-Type": "application/json", **headers}
    async with salon.http.post(f"/workplace/{path}", data=data, headers=kept) as answer:
        return answer.status, await answer.json() if answer.content_length else {}


async def test_code_pairs_one_screen_and_only_once(salon: Salon, pool: asyncpg.Pool, olga: Person) -> None:
    code = await pairing_code(pool, await make_session(pool, olga))
    assert len(code) == 14
    status, told = await post(salon, "pair", {"code": code.lower().replace("-", " "), "kind": "extension"})
    assert (status, told["person"]["name"], told["rights"]) == (200, "Olga", ["act", "call", "phones", "see", "write"])
    assert told["account"]["branches"][0]["company_id"] == 4564
    status, told = await post(salon, "pair", {"code": code, "kind": "extension"})
    assert (status, told["code"]) == (401, "bad_code")
    stored = await pool.fetch("select * from device")
    assert len(stored) == 1
    assert code not in str(stored)


async def test_new_code_voids_the_one_before_and_old_ones_end(salon: Salon, pool: asyncpg.Pool, olga: Person) -> None:
    session = await make_session(pool, olga)
    first, second = await pairing_code(pool, session), await pairing_code(pool, session)
    assert (await post(salon, "pair", {"code": first, "kind": "frame"}))[0] == 401
    async with pool.acquire() as conn:
        later = utc_now() + timedelta(minutes=3)
        assert await devices.pair(conn, second, "frame", name="", now=later) is None


#: Bodies that are no code, and how they are refused.
NO_CODES: list[tuple[Any, int]] = [
    ({"code": "AAAA-BBBB-CCCC", "kind": "extension"}, 401),
    ({"code": "AAAA-BBBB-CCCC", "kind": "root"}, 400),
    ({"code": 7, "kind": "frame"}, 400),
    ({"code": "A" * 10_000, "kind": "frame"}, 400),
    (b"{not json", 400),
    (b"[]", 400),
    (b"\xff" * 20_000, 413),
    ({}, 400),
]


async def test_pairing_refuses_what_is_no_code(salon: Salon) -> None:
    for body, status in NO_CODES:
        assert (await post(salon, "pair", body))[0] == status, body


async def test_form_of_another_site_cannot_pair_or_enter(salon: Salon) -> None:
    for path in ("pair", "session", "ticket", "commands", "renew", "leave"):
        async with salon.http.post(f"/workplace/{path}", data={"code": "x"}) as answer:
            assert answer.status in (401, 415), path
        status, told = await post(salon, path, {}, Origin="https://evil.example", **{"Sec-Fetch-Site": "cross-site"})
        assert (status, told["code"]) == (403, "cross_site"), path


async def test_extension_renews_and_a_secret_used_again_ends_it(salon: Salon, pool: asyncpg.Pool, olga: Person) -> None:
    code = await pairing_code(pool, await make_session(pool, olga))
    _, first = await post(salon, "pair", {"code": code, "kind": "extension"})
    status, second = await post(salon, "renew", {"secret": first["secret"]})
    assert status == 200
    assert second["secret"] != first["secret"]
    status, again = await post(salon, "renew", {"secret": first["secret"]})  # the answer was lost: within a minute
    assert status == 200
    async with pool.acquire() as conn:
        later = utc_now() + timedelta(minutes=5)
        assert await devices.renew(conn, first["secret"], now=later) is None
        assert await devices.renew(conn, again["secret"], now=later) is None, "a stolen secret ends the screen"
    assert (await post(salon, "ticket", {}, Authorization=f"Bearer {second['token']}"))[0] == 401


async def test_frame_has_a_cookie_and_no_secret_and_comes_back_by_it(
    salon: Salon, pool: asyncpg.Pool, olga: Person, caller: aiohttp.ClientSession
) -> None:
    code = await pairing_code(pool, await make_session(pool, olga))
    base = base_of(salon)
    async with caller.post(f"{base}/workplace/pair", json={"code": code, "kind": "frame"}) as answer:
        assert "secret" not in await answer.json()
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    headers = {"Cookie": cookie.partition(";")[0]}
    for company, status in ((4564, 200), (None, 200), (99, 403), ([4564], 403), ({"id": 4564}, 403)):
        body = {"company_id": company} if company else {}
        async with caller.post(f"{base}/workplace/session", json=body, headers=headers) as answer:
            assert answer.status == status
            assert "Set-Cookie" not in answer.headers


async def test_cookie_of_a_frame_over_https_is_partitioned(dsn: str, pool: asyncpg.Pool, settings: Any) -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from server.app import build
    from tests.conftest import make_salon

    own = settings.model_copy(update={"public_url": "https://yclick.test"})
    async with TestClient(TestServer(build(own, dsn))) as client:
        salon = await make_salon(client, pool, own)
        person = await make_person(pool, salon.made.account.account_id)
        code = await pairing_code(pool, await make_session(pool, person))
        async with client.post("/workplace/pair", json={"code": code, "kind": "frame"}) as answer:
            told = {part.strip() for part in answer.headers["Set-Cookie"].split(";")}
        assert {"Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"} <= told
        assert next(part for part in told if part.startswith("__Host-yclick_workplace="))


async def test_log_out_in_the_cabinet_ends_the_screens_opened_from_it(
    salon: Salon, pool: asyncpg.Pool, olga: Person, caller: aiohttp.ClientSession
) -> None:
    session = await make_session(pool, olga)
    code = await pairing_code(pool, session)
    _, told = await post(salon, "pair", {"code": code, "kind": "extension"})
    screen = ScreenClient(caller, base_of(salon), told["token"])
    await screen.connect()
    await screen.until("reset")
    other = await ScreenClient.paired(caller, base_of(salon), pool, olga)
    async with pool.acquire() as conn:
        await store.delete_session(conn, olga.account_id, session.session_hash)
    assert (await post(salon, "ticket", {}, **screen.bearer))[0] == 401
    assert (await post(salon, "renew", {"secret": told["secret"]}))[0] == 401
    while (message := await screen.next())["type"] != "closed":
        assert message["type"] in ("present", "beat")
    assert message["code"] == 4401
    assert (await post(salon, "ticket", {}, **other.bearer))[0] == 200, "another login's screen lives on"


async def test_tab_that_opens_while_its_session_ends_stays_outside(pool: asyncpg.Pool, olga: Person) -> None:
    session = await make_session(pool, olga)
    async with pool.acquire() as conn:
        await store.delete_session(conn, olga.account_id, session.session_hash)
        assert await devices.open_tab(conn, session, name="", now=utc_now()) is None
    assert await pool.fetchval("select count(*) from device") == 0


async def test_one_address_does_not_use_up_the_tries_of_all(dsn: str, settings: Any) -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from server.app import build

    own = settings.model_copy(update={"trusted_proxies": ("127.0.0.0/8",)})
    async with TestClient(TestServer(build(own, dsn))) as client:

        async def tries(address: str) -> int:
            body, headers = {"code": "AAAA-BBBB-CCCC", "kind": "frame"}, {"X-Forwarded-For": address}
            async with client.post("/workplace/pair", json=body, headers=headers) as answer:
                return answer.status

        answers = [await tries("203.0.113.7") for _ in range(400)]
        assert (answers[0], answers[-1]) == (401, 429)
        assert await tries("203.0.113.8") == 401


@pytest.mark.parametrize("end", ["log out", "end the others"])
async def test_code_of_a_session_that_has_ended_pairs_nothing(
    salon: Salon, pool: asyncpg.Pool, olga: Person, end: str
) -> None:
    session = await make_session(pool, olga)
    code = await pairing_code(pool, session)
    async with pool.acquire() as conn:
        if end == "log out":
            await store.delete_session(conn, olga.account_id, session.session_hash)
        else:
            await store.delete_other_sessions(conn, olga, but=(await make_session(pool, olga)).session_hash)
    status, told = await post(salon, "pair", {"code": code, "kind": "extension"})
    assert (status, told["code"]) == (401, "bad_code")
    assert await pool.fetchval("select count(*) from device") == 0


async def test_screen_leaves_by_itself(salon: Salon, pool: asyncpg.Pool, olga: Person, caller: Any) -> None:
    screen = await ScreenClient.paired(caller, base_of(salon), pool, olga)
    assert (await post(salon, "leave", {}, **screen.bearer))[0] == 204
    assert (await post(salon, "leave", {}, **screen.bearer))[0] == 401


# --- the socket


async def closed_with(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(30):
        while True:
            message = await ws.receive()
            if message.type is not WSMsgType.TEXT:
                return ws.close_code


async def test_page_of_another_site_opens_no_socket(salon: Salon, caller: Any) -> None:
    for origin in ("https://evil.example", "null", "http://yclick.test.evil.example", "http://[", ""):
        with pytest.raises(WSServerHandshakeError) as refused:
            await caller.ws_connect(f"{base_of(salon)}/workplace/ws", headers={"Origin": origin} if origin else {})
        assert refused.value.status == 403


async def test_ticket_opens_one_socket_for_thirty_seconds(
    salon: Salon, pool: asyncpg.Pool, olga: Person, caller: Any
) -> None:
    screen = await ScreenClient.paired(caller, base_of(salon), pool, olga)
    ticket = await screen.ticket()
    codes = []
    for _ in range(2):
        ws = await caller.ws_connect(f"{screen.base}/workplace/ws", headers={"Origin": screen.base})
        await ws.send_str(json.dumps({"type": "hello", "ticket": ticket, "after": None}))
        first = await ws.receive()
        codes.append(json.loads(first.data)["type"] if first.type is WSMsgType.TEXT else ws.close_code)
    assert codes == ["welcome", 4409]
    old = await screen.ticket()
    async with pool.acquire() as conn:
        assert await devices.use_ticket(conn, old, now=utc_now() + timedelta(seconds=31)) is None


#: First messages that let nobody in, and the code the socket is closed with.
NO_HELLOS: list[tuple[str | bytes, int]] = [
    ("{}", 4400),
    ("[1]", 4400),
    ('{"type":"command"}', 4400),
    ('{"type":"hello","ticket":"x","after":-1}', 4400),
    ('{"type":"hello","ticket":"x","after":true}', 4400),
    ('{"type":"hello","ticket":7}', 4400),
    ('{"type":"hello","ticket":"' + "x" * 32 + '","after":0}', 4409),
    (b"binary", 4400),
    ("[" * 10_000, 4400),
]


async def test_socket_without_a_proper_hello_is_closed(salon: Salon, caller: Any) -> None:
    for hello, code in NO_HELLOS:
        ws = await caller.ws_connect(f"{base_of(salon)}/workplace/ws", headers={"Origin": base_of(salon)})
        await (ws.send_str(hello) if isinstance(hello, str) else ws.send_bytes(hello))
        assert await closed_with(ws) == code, hello[:60]


@pytest.fixture
async def screen(salon: Salon, pool: asyncpg.Pool, olga: Person, caller: Any) -> ScreenClient:
    made = await ScreenClient.paired(caller, base_of(salon), pool, olga)
    await made.connect()
    await made.until("reset")
    return made


async def test_wrong_messages_are_told_and_the_connection_goes_on(screen: ScreenClient) -> None:
    assert screen.ws
    for text in ("", "null", "7", "{", '{"type":"root"}', '{"type":"after","seq":"x"}', '{"type":"after"}', "{}"):
        await screen.ws.send_str(text)
        assert (await screen.until("error"))["error"]["code"] in ("bad_message", "unknown_type"), text
    for name, args, code in (
        ("drop", {}, "unknown_command"),
        ("take", {}, "bad_argument"),
        ("take", {"subject": "call:' or 1=1 --"}, "bad_argument"),
        ("take", {"subject": "call:" + "9" * 500}, "bad_argument"),
        ("note", {"subject": "call:1", "note": "x" * 3000}, "bad_argument"),
        ("note", {"subject": "call:1", "note": "\0"}, "bad_argument"),
        ("note", {"subject": "call:1", "note": "\ud83d"}, "bad_argument"),
        ("send_message", {"subject": "chat:1", "text": "half a smile \ud83d"}, "bad_argument"),
        ("card", {"phone": "+7916<script>"}, "bad_argument"),
        ("card", {}, "bad_argument"),
        ("take", {"subject": "call:1"}, "not_found"),
        ("call_back", {"subject": "call:1"}, "not_found"),
    ):
        assert (await screen.command(name, **args))["error"]["code"] == code, (name, args)
    assert (await screen.command("take", command_id="7", subject="call:1"))["error"]["code"] == "bad_argument"
    for strange in ("NaN", '"\\ud83d"', '["x"]'):
        await screen.ws.send_str(f'{{"type":"command","name":"messages","id":{strange}}}')
        answer = await screen.until("result")
        assert (answer["id"], answer["error"]["code"]) == (None, "bad_argument"), strange
    assert (await screen.command("messages", subject="chat:1"))["ok"]


async def test_oversize_message_ends_the_connection(screen: ScreenClient) -> None:
    assert screen.ws
    await screen.ws.send_str(json.dumps({"type": "command", "x": "y" * 20_000}))
    assert await closed_with(screen.ws) == 1009


async def test_flood_ends_the_connection(screen: ScreenClient) -> None:
    assert screen.ws
    for _ in range(500):
        try:
            await screen.ws.send_str('{"type":"beat"}')
        except ConnectionError:
            break
    assert await closed_with(screen.ws) == 4429


async def test_device_has_a_bounded_number_of_screens(screen: ScreenClient) -> None:
    more = [ScreenClient(screen.http, screen.base, screen.token) for _ in range(SCREENS_MOST)]
    for one in more[:-1]:
        await one.connect()
        await one.until("reset")
    await more[-1].connect()
    assert (await more[-1].next())["code"] == 4429


async def test_screen_that_does_not_read_is_let_go_and_others_hear_on(
    salon: Salon, pool: asyncpg.Pool, olga: Person, screen: ScreenClient
) -> None:
    """Its connection fills; nothing is kept for it beyond that."""
    slow = ScreenClient(screen.http, screen.base, screen.token)
    await slow.connect()
    await slow.until("reset")
    assert slow.ws
    transport = slow.ws._response.connection.transport  # type: ignore[union-attr]
    assert transport
    transport.pause_reading()
    text = "я" * 3900
    for number in range(300):
        async with pool.acquire() as conn, conn.transaction():
            for part in range(3):
                event = CallRinging(call_id=f"{number}-{part}", direction="in", name=text)
                await publish(conn, olga.account_id, event, now=utc_now())
        if number % 50 == 0:
            while screen.seq is None or screen.seq < 3 * number:
                await screen.next()
    while screen.seq != 900:
        await screen.next()
    hub_waits = [one.transport.get_write_buffer_size() for one in _screens(salon)]
    assert max(hub_waits) < 2 * 1024 * 1024
    transport.resume_reading()
    while slow.seq != 900:
        message = await slow.next()
        if message["type"] == "closed":
            assert message["code"] == 4490
            await slow.connect()
    assert slow.doubled == 0


def _screens(salon: Salon) -> list[Any]:
    from server.keys import HUB

    assert salon.http.app
    return salon.http.app[HUB].screens()
