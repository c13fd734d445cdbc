"""Reads a webhook body: an object, or an array of objects, into events. Total: any bytes give an answer.

The envelope is `{company_id, resource, resource_id, status, data}`; it carries no event id, no time and no
signature (facts of the vendor's own text and of captures; ids arrive as numbers or as digits).
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import Any, Literal, cast

Status = Literal["create", "update", "delete"]
_STATUSES = ("create", "update", "delete")
_ITEMS_LIMIT = 500
_DEPTH_LIMIT = 40
_ID_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that is no event. `reason` is a code; `detail` holds nothing of the payload."""

    reason: str
    detail: str = ""
    raw: Any = None


@dataclass(frozen=True, slots=True)
class Event:
    company_id: int
    resource: str
    resource_id: int
    status: Status
    data: dict[str, Any] | None
    raw: Any


def parse_body(body: bytes) -> list[Event | Unreadable]:
    """The events of a body, in order; what cannot be read is `Unreadable` with its reason."""
    if not body.strip(b" \t\r\n\0"):
        return [Unreadable("empty")]
    try:
        text = _decoded(body)
    except UnicodeDecodeError:
        return [Unreadable("encoding", "neither UTF-8 nor UTF-16")]
    if _too_deep(text):
        return [Unreadable("too_deep", f"more than {_DEPTH_LIMIT} levels")]
    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_int=_number)
    except (ValueError, RecursionError):
        return [Unreadable("not_json")]
    document = storable(document)
    if isinstance(document, dict):
        return [_event(document)]
    if isinstance(document, list) and document:
        if len(document) > _ITEMS_LIMIT:
            return [Unreadable("too_many_items", f"more than {_ITEMS_LIMIT}")]
        return [_event(item) for item in document]
    return [Unreadable("not_an_event", "neither an object nor an array of objects")]


def _decoded(body: bytes) -> str:
    """UTF-8 with or without a byte-order mark, or UTF-16 with one. Nothing else is guessed: no mojibake is stored."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16")
    return body.decode("utf-8-sig")


def _too_deep(text: str) -> bool:
    """One pass over the signs that matter: a square of a megabyte would stand still for minutes."""
    depth, in_text = 0, False
    for found in re.finditer(r'\\.|["\[\]{}]', text, re.S):
        sign = found[0]
        if sign == '"':
            in_text = not in_text
        elif in_text:
            continue
        elif sign in "[{":
            depth += 1
            if depth > _DEPTH_LIMIT:
                return True
        elif sign in "]}":
            depth -= 1
    return False


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _number(digits: str) -> int | float:
    """A number of a thousand digits is no id; as a float it costs nothing and is refused later."""
    return int(digits) if len(digits) < 20 else float(digits[:300])


def storable(value: Any) -> Any:
    """The value without what PostgreSQL's jsonb refuses: NUL, lone surrogates, infinities."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if abs(value) < 1e308 else None
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value


def _event(item: Any) -> Event | Unreadable:
    if not isinstance(item, dict):
        return Unreadable("not_an_event", "an item is not an object", item)
    company_id, resource_id = whole_id(item.get("company_id")), whole_id(item.get("resource_id"))
    resource, status, data = item.get("resource"), item.get("status"), item.get("data")
    if company_id is None:
        reason = "bad_id" if "company_id" in item else "missing_company"
        return Unreadable(reason, "company_id", item)
    if not isinstance(resource, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,60}", resource, re.ASCII):
        return Unreadable("missing_resource", "resource", item)
    if resource_id is None:
        return Unreadable("bad_id", "resource_id", item)
    if status not in _STATUSES:
        return Unreadable("bad_status", "status", item)
    if isinstance(data, dict):
        for name in ("id", "company_id"):
            told = whole_id(data.get(name))
            if told is not None and told != (resource_id if name == "id" else company_id):
                return Unreadable("contradiction", f"data.{name} differs from the envelope", item)
    elif data is not None and data != []:
        return Unreadable("not_an_event", "data is not an object", item)
    if not isinstance(data, dict) and resource in ("record", "client") and status != "delete":
        return Unreadable("no_data", "data is empty", item)
    return Event(
        company_id, resource, resource_id, cast(Status, status), data if isinstance(data, dict) else None, item
    )


def whole_id(value: Any) -> int | None:
    """A positive 63-bit id, as a number or as digits; anything else (a bool, a fraction, 2^63) is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer() and 0 < value < 1 << 53:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,19}\s*", value, re.ASCII):
        value = int(value)
    return value if isinstance(value, int) and 0 < value < _ID_LIMIT else None
