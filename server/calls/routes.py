"""`GET /recordings/{signed}`: a recording of a call, streamed from the telephony; its own link never leaves us."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from aiohttp import web

from server.accounts.model import Account
from server.calls import flow, recordings, store
from server.keys import LOOKUP, POOL, RECORDINGS, VAULT
from server.platform.clock import utc_now
from server.platform.web import Problem

routes = web.RouteTableDef()
#: A link in the history may be opened before its recording is there: it is waited for so long.
_WAIT_S = 20.0
_LOOK_EVERY_S = 1.0
_RANGE = re.compile(r"bytes=(\d{0,15}-\d{0,15})")
_TYPES = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/ogg": "ogg"}
_NOT_FOUND = Problem(404, "not_found", "There is nothing at this address.")


@dataclass(frozen=True, slots=True)
class Recording:
    """What came: an answer of HTTP with what of its headers matters."""

    status: int
    content_type: str
    length: str
    range: str
    chunks: AsyncIterator[bytes]


class RecordingAway(Exception):
    """It cannot be had now, or must not be asked for."""


class OpenRecording(Protocol):
    """Opens a link to a recording. Raises `RecordingAway`, also while it is read."""

    def __call__(self, link: str, byte_range: str) -> AbstractAsyncContextManager[Recording]: ...


@routes.get("/recordings/{signed}")
async def play(request: web.Request) -> web.StreamResponse:
    account, call_id = await _named(request)
    link = await _link(request, account, call_id)
    asked = request.headers.get("Range", "")
    byte_range = asked if _RANGE.fullmatch(asked) else ""
    response: web.StreamResponse | None = None
    try:
        async with request.app[RECORDINGS](link, byte_range) as recording:
            if recording.status not in (200, 206, 416):
                raise Problem(404, "recording_gone", "The telephony has this recording no more.")
            response = web.StreamResponse(status=recording.status, headers=_headers(recording, call_id))
            await response.prepare(request)
            async for chunk in recording.chunks:
                await response.write(chunk)
            await response.write_eof()
            return response
    except RecordingAway:
        if response is None:
            raise Problem(502, "recording_away", "The telephony does not give the recording now.") from None
        response.force_close()  # broken off: the listener must see that it is not whole
        if request.transport:
            request.transport.close()
        return response


async def _named(request: web.Request) -> tuple[Account, UUID]:
    """A wrong link is the same as none at all."""
    signed = request.match_info["signed"]
    account_id = recordings.account_named(signed)
    known = await request.app[LOOKUP].known(account_id) if account_id else None
    call_id = recordings.call_named(signed, known.account, now=utc_now()) if known else None
    if known is None or call_id is None:
        raise _NOT_FOUND
    return known.account, call_id


async def _link(request: web.Request, account: Account, call_id: UUID) -> str:
    pool, deadline = request.app[POOL], asyncio.get_running_loop().time() + _WAIT_S
    while True:
        async with pool.acquire() as conn:
            found = await store.recording(conn, account.account_id, call_id)
        if found is None:
            raise _NOT_FOUND
        sealed, _ = found
        if sealed is not None:
            return flow.open_link(request.app[VAULT], account.account_id, call_id, sealed)
        if asyncio.get_running_loop().time() >= deadline:
            raise Problem(404, "no_recording", "There is no recording of this call yet.")
        await asyncio.sleep(_LOOK_EVERY_S)


def _headers(recording: Recording, call_id: UUID) -> dict[str, str]:
    """The type is one of sound, whatever the other side says; nothing of it can run as a page."""
    kind = recording.content_type if recording.content_type in _TYPES else "audio/mpeg"
    headers = {
        "Content-Type": kind, "Cache-Control": "private, no-store", "Accept-Ranges": "bytes",
        "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "cross-origin",
        "Content-Disposition": f'inline; filename="call-{call_id}.{_TYPES[kind]}"',
    }  # fmt: skip
    if recording.length.isascii() and recording.length.isdigit():
        headers["Content-Length"] = recording.length
    if recording.status in (206, 416) and re.fullmatch(r"bytes [0-9*/-]{1,60}", recording.range):
        headers["Content-Range"] = recording.range
    return headers
