"""The live connection of a screen: a WebSocket, or a stream of server-sent events with commands by POST.

A socket says who it is in its first message, by a ticket used once: nothing secret stands in its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from server.accounts import device_store, devices
from server.accounts.model import Device
from server.keys import DRAINING, HUB, LOOKUP, OUTSIDE, POOL, SETTINGS
from server.platform.clock import utc_now
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY
from server.platform.web import Problem
from server.workplace.commands import Desk, run
from server.workplace.entering import device_of, json_body
from server.workplace.hub import GOING_AWAY, OVER, SLOW
from server.workplace.model import MESSAGE_MOST, Refused, read_command, read_message
from server.workplace.screens import Screen
from server.workplace.wire import as_text

_log = logger(__name__)
routes = web.RouteTableDef()
HELLO_S = 10.0
#: Screens of one device at once: tabs of one browser.
SCREENS_MOST = 10
BAD, NO_TICKET, FLOOD = 4400, 4409, 4429
_FLOOD_BURST, _FLOOD_PER_S = 60.0, 20.0


class _Pace:
    """How many messages a screen may send: a burst, then a steady rate."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left, self._at = _FLOOD_BURST, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(_FLOOD_BURST, self._left + (now - self._at) * _FLOOD_PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class _Turns:
    """What a screen says is done in the order in which it was said: of two notes the later one stays. Messages wait for
    messages alone, and what asks another system for long (a call, a card) for nobody."""

    __slots__ = ("_messages", "_quick")

    def __init__(self) -> None:
        self._quick, self._messages = asyncio.Lock(), asyncio.Lock()

    def of(self, name: Any) -> contextlib.AbstractAsyncContextManager[None]:
        if name in ("call_back", "card"):
            return contextlib.nullcontext()
        return self._messages if name == "send_message" else self._quick


# --- the socket


@routes.get("/workplace/ws")
async def socket(request: web.Request) -> web.StreamResponse:
    _refuse_foreign(request)
    if request.app[DRAINING].is_set():
        raise Problem(503, "unavailable", "The server is going away; try again.", headers={"Retry-After": "1"})
    ws = web.WebSocketResponse(timeout=2.0, compress=False, max_msg_size=MESSAGE_MOST, autoping=True)
    await ws.prepare(request)
    transport = request.transport
    assert transport is not None
    try:
        device, after = await _hello(request, ws)
    except Refused as refused:
        with contextlib.suppress(ConnectionError):
            await ws.close(code=refused.facts["close"], message=refused.code.encode())
        return ws
    screen = Screen(device, "socket", transport)
    closing: list[asyncio.Task[bool]] = []
    screen.on_end = lambda: closing.append(asyncio.create_task(ws.close(code=screen.code)))
    hub = request.app[HUB]
    try:
        await hub.enter(screen, after=after)
        await _converse(request, ws, screen)
    except DATABASE_AWAY:
        screen.end(GOING_AWAY)
    finally:
        await hub.leave(screen)
        await asyncio.gather(*closing, return_exceptions=True)
        if transport.get_write_buffer_size():
            transport.abort()  # who does not read would keep what waits for it in our memory
    return ws


def _refuse_foreign(request: web.Request) -> None:
    """A browser says whose page opens a socket; another site's may not, and who does not say is no browser of ours."""
    origin = request.headers.get("Origin", "")
    settings = request.app[SETTINGS]
    if origin in (_origin(settings.base_url), *settings.workplace_origins):
        return
    with contextlib.suppress(ValueError):  # an origin that is none
        if origin and urlsplit(origin).netloc == request.host:
            return
    raise Problem(403, "foreign_origin", "This socket is for our own pages.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def _hello(request: web.Request, ws: web.WebSocketResponse) -> tuple[Device, int | None]:
    """`{"type": "hello", "ticket": …, "after": N|null}`. Raises `Refused` with the code to close with."""
    try:
        async with asyncio.timeout(HELLO_S):
            first = await ws.receive()
    except TimeoutError:
        raise Refused("no_hello", "nothing came", close=NO_TICKET) from None
    if first.type is not WSMsgType.TEXT:
        raise Refused("no_hello", "the first message is a hello", close=BAD)
    try:
        told = read_message(first.data)
    except Refused as refused:
        raise Refused(refused.code, refused.detail, close=BAD) from None
    ticket, after = told.get("ticket"), told.get("after")
    if told["type"] != "hello" or not isinstance(ticket, str) or not _is_number(after):
        raise Refused("bad_hello", "a hello has a ticket and a number", close=BAD)
    try:
        async with request.app[POOL].acquire(timeout=5) as conn:
            device = await devices.use_ticket(conn, ticket, now=utc_now())
    except DATABASE_AWAY:
        raise Refused("unavailable", "try again", close=GOING_AWAY) from None
    if device is None:
        raise Refused("bad_ticket", "the ticket is unknown, spent or too old", close=NO_TICKET)
    if request.app[HUB].count(device.device_id) >= SCREENS_MOST:
        raise Refused("too_many", "too many screens of this device", close=FLOOD)
    return device, after


def _is_number(after: Any) -> bool:
    return after is None or (isinstance(after, int) and not isinstance(after, bool) and 0 <= after < 1 << 53)


async def _converse(request: web.Request, ws: web.WebSocketResponse, screen: Screen) -> None:
    pace, running, turns = _Pace(), asyncio.Semaphore(8), _Turns()
    tasks: set[asyncio.Task[None]] = set()
    try:
        while not screen.code:
            message = await ws.receive()
            if message.type is WSMsgType.TEXT:
                screen.heard_at = time.monotonic()
                if not pace.take():
                    screen.end(FLOOD)
                    break
                await running.acquire()
                task = asyncio.create_task(_take(request, screen, message.data, turns))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: running.release())
            elif message.type is WSMsgType.BINARY:
                screen.end(BAD)
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                break
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)  # an order to another system is not broken off


async def _take(request: web.Request, screen: Screen, text: str, turns: _Turns) -> None:
    """One message of a screen; what is wrong with it is told, and the connection goes on."""
    told: dict[str, Any] = {}
    try:
        told = read_message(text)
        match told["type"]:
            case "beat":
                return
            case "after" if _is_number(told.get("seq")) and told.get("seq") is not None:
                screen.seq = told["seq"]
                request.app[HUB].catch_up(screen)
                return
            case "snapshot":
                request.app[HUB].start_over(screen)
                return
            case "command":
                async with turns.of(told.get("name")):
                    screen.tell(await _answer(request, await _still(request, screen), told))
                return
        raise Refused("unknown_type", "there is no such message")
    except Refused as refused:
        screen.tell({"type": "error", "error": refused.as_json()})
    except Problem:
        screen.end(OVER)
    except DATABASE_AWAY:
        screen.tell({"type": "result", "id": _id_of(told), "ok": False, "error": _away()})
    except Exception:
        _log.exception("workplace.message_failed")
        screen.tell({"type": "result", "id": _id_of(told), "ok": False, "error": {"code": "internal", "detail": ""}})


async def _still(request: web.Request, screen: Screen) -> Device:
    """The session and the role as they are now: rights are looked at for each command."""
    async with request.app[POOL].acquire(timeout=5) as conn:
        device = await device_store.by_id(conn, screen.account_id, screen.device.device_id, now=utc_now())
    if device is None:
        raise Problem(401, "not_paired", "The session is over.")
    screen.device = device
    return device


def _id_of(told: Mapping[str, Any]) -> str | None:
    """The id of a command as it can be said back: JSON lets in what no answer may hold (NaN, half a character)."""
    told_id = told.get("id")
    return told_id if isinstance(told_id, str) and told_id.isascii() else None


def _away() -> dict[str, Any]:
    return {"code": "unavailable", "detail": "the server cannot store anything right now"}


async def _answer(request: web.Request, device: Device, told: Mapping[str, Any]) -> dict[str, Any]:
    """`{"type": "result", "id": …, "ok": true, "result": {…}}`, or `"ok": false` and an `error`."""
    app, account_id = request.app, device.person.account_id
    known = await app[LOOKUP].known(account_id)
    if known is None:
        raise Problem(401, "not_paired", "The session is over.")
    try:
        command = read_command(told)
        result = await run(Desk(app[POOL], known.account, device.person, app[OUTSIDE]), command, now=utc_now())
    except Refused as refused:
        return {"type": "result", "id": _id_of(told), "ok": False, "error": refused.as_json()}
    await app[HUB].told()
    if command.name == "answering":
        await app[HUB].changed()
    return {"type": "result", "id": str(command.command_id), "ok": True, "result": result}


# --- the stream, for where sockets do not pass


@routes.get("/workplace/events")
async def stream(request: web.Request) -> web.StreamResponse:
    """The same messages as server-sent events; `Last-Event-ID` says after which number. By bearer: not `EventSource`."""
    device = await device_of(request)
    if request.app[DRAINING].is_set():
        raise Problem(503, "unavailable", "The server is going away; try again.", headers={"Retry-After": "1"})
    if request.app[HUB].count(device.device_id) >= SCREENS_MOST:
        raise Problem(429, "too_many", "Too many screens of this device.", headers={"Retry-After": "5"})
    number = request.headers.get("Last-Event-ID", "")
    after = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else None
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store, no-transform",
            "X-Accel-Buffering": "no",
        }
    )
    response.enable_chunked_encoding()
    await response.prepare(request)
    transport = request.transport
    assert transport is not None
    ended = asyncio.Event()
    screen = Screen(device, "stream", transport, on_end=ended.set)
    hub = request.app[HUB]
    try:
        await hub.enter(screen, after=after)
        await ended.wait()
        if screen.code and not transport.is_closing():
            with contextlib.suppress(ConnectionError):
                await response.write(f'data: {{"type":"closed","code":{screen.code}}}\n\n'.encode())
    except DATABASE_AWAY:
        pass
    finally:
        await hub.leave(screen)
        if screen.code == SLOW:
            transport.abort()
    return response


@routes.post("/workplace/commands")
async def commands(request: web.Request) -> web.Response:
    """One command, for a screen with a stream; the answer is that of the socket."""
    device = await device_of(request)
    told = await json_body(request)
    answer = await _answer(request, device, told)
    return web.json_response(
        answer, headers={"Cache-Control": "no-store"}, dumps=as_text, status=200 if answer["ok"] else 422
    )
