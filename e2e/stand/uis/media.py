"""Recordings behind their links: the hash is the only key. Silence as MP3, or a tone as WAV; ranges, expiry, a redirect."""

from __future__ import annotations

import io
import math
import struct
import time
import wave
from functools import lru_cache

from aiohttp import web

from e2e.stand.uis.keys import UIS
from e2e.stand.uis.state import Uis

routes = web.RouteTableDef()
#: One silent frame of MPEG-1 Layer III, 32 kbit/s, 44.1 kHz, mono: 1152 samples in 104 bytes.
_FRAME = bytes((0xFF, 0xFB, 0x10, 0xC4)) + bytes(100)
_FRAMES_A_SECOND = 44_100 / 1152
_RATE = 8000


@lru_cache(maxsize=32)
def sound(kind: str, seconds: int) -> bytes:
    if kind != "audio/wav":
        return _FRAME * math.ceil(seconds * _FRAMES_A_SECOND)
    kept = io.BytesIO()
    with wave.open(kept, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        second = [int(4000 * math.sin(2 * math.pi * 440 * at / _RATE) * (at < _RATE // 2)) for at in range(_RATE)]
        file.writeframes(struct.pack(f"<{_RATE}h", *second) * seconds)
    return kept.getvalue()


@routes.get("/system/media/{kind}/{communication_id}/{mark}/")
@routes.get("/system/media/{kind}/{communication_id}/{mark}")
@routes.get("/media/{communication_id}/{mark}")
async def recording(request: web.Request) -> web.StreamResponse:
    """Open to whoever has the link. Nothing is known of expiry, ranges or types: switches."""
    uis, switches = request.app[UIS], request.app[UIS].switches
    seconds = _length(uis, request.match_info)
    if seconds is None or switches.media_gone:
        raise web.HTTPNotFound
    if switches.media_redirect:
        return web.Response(status=302, headers={"Location": switches.media_redirect})
    type_ = "audio/wav" if request.match_info.get("kind") == "wav" else switches.media_type
    data = sound("audio/wav" if type_ == "audio/wav" else "audio/mpeg", max(1, seconds))
    if switches.media_bytes:
        data = (data * (switches.media_bytes // len(data) + 1))[: switches.media_bytes]
    return await _send(request, data, type_, ranges=switches.media_ranges, length=switches.media_length)


def _length(uis: Uis, named: dict[str, str] | web.UrlMappingMatchInfo) -> int | None:
    number = named["communication_id"]
    call = uis.calls.get(int(number)) if number.isdigit() else None
    if call is None or named["mark"] not in (call.voice_mails if named.get("kind") == "voice_mail" else call.records):
        return None
    told = uis.told_at.get(named["mark"], 0.0)
    if time.monotonic() - told < uis.switches.media_delay_s:
        return None
    return int(call.talk_s) or 12


async def _send(request: web.Request, data: bytes, type_: str, *, ranges: bool, length: bool) -> web.StreamResponse:
    headers = {"Accept-Ranges": "bytes"} if ranges else {}
    if ranges and request.headers.get("Range"):
        try:
            asked = request.http_range
        except ValueError:
            asked = slice(len(data), None)
        first, last, _ = asked.indices(len(data))
        if first >= len(data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(data)}"
        return web.Response(status=206, body=data[first:last], content_type=type_, headers=headers)
    if length:
        return web.Response(body=data, content_type=type_, headers=headers)
    answer = web.StreamResponse(headers={**headers, "Content-Type": type_})
    await answer.prepare(request)
    await answer.write(data)
    await answer.write_eof()
    return answer
