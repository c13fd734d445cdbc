"""How one message becomes bytes for many screens: built once, written into each connection.

A WebSocket frame of a server is not masked, a chunk of an event stream is no one's own either: the same bytes do for all.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Literal

Kind = Literal["socket", "stream"]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def as_text(message: dict[str, Any]) -> str:
    return _encode(message)


def socket_frame(text: str) -> bytes:
    """One whole text frame (RFC 6455, 5.2)."""
    data = text.encode()
    size = len(data)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + data
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + data
    return struct.pack("!BBQ", 0x81, 127, size) + data


def stream_chunk(text: str, *, seq: int | None = None) -> bytes:
    """One server-sent event as a chunk of a chunked answer; `seq` becomes its id."""
    event = (f"id: {seq}\n" if seq is not None else "") + f"data: {text}\n\n"
    data = event.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


class Built:
    """A message and its bytes, each built when first wanted."""

    def __init__(self, message: dict[str, Any]) -> None:
        self._message = message
        self._bytes: dict[Kind, bytes] = {}

    def bytes_for(self, kind: Kind) -> bytes:
        built = self._bytes.get(kind)
        if built is None:
            text, seq = as_text(self._message), self._message.get("seq")
            numbered = seq if self._message["type"] in ("event", "reset") else None
            built = socket_frame(text) if kind == "socket" else stream_chunk(text, seq=numbered)
            self._bytes[kind] = built
        return built
