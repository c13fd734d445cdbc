"""Pages of a list: opaque cursors, limits, dates in queries; refused with a sentence when malformed."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from server.platform.web import Problem

LIMIT_MOST = 200
LIMIT_USUAL = 50
_YEARS = (1970, 9000)  # no row is older or later; near the ends of time a change of zone overflows


def read_limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "")
    if not text:
        return LIMIT_USUAL
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or not 1 <= int(text) <= LIMIT_MOST:
        raise Problem(400, "bad_limit", f"limit is a number from 1 to {LIMIT_MOST}.")
    return int(text)


def write_cursor(at: datetime, row_id: object) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), str(row_id)]).encode()).decode().rstrip("=")


def read_cursor(query: Mapping[str, str]) -> tuple[datetime, str] | None:
    """The place a page ended at. It names no account: whose rows are read is decided by the token alone."""
    text = query.get("cursor", "")
    if not text:
        return None
    try:
        at, row_id = json.loads(base64.urlsafe_b64decode(text[:500] + "=" * (-len(text[:500]) % 4)))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not _YEARS[0] <= moment.year <= _YEARS[1] or "\0" in row_id:
            raise ValueError
        row_id.encode()
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise Problem(400, "bad_cursor", "cursor is not one this list gave out.") from None
    return moment, row_id


def read_uuid_cursor(query: Mapping[str, str]) -> tuple[datetime, UUID] | None:
    cursor = read_cursor(query)
    if cursor is None:
        return None
    return cursor[0], read_uuid(cursor[1], "bad_cursor", "cursor is not one this list gave out.")


def read_uuid(text: str, code: str = "not_found", detail: str = "There is nothing at this address.") -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(404 if code == "not_found" else 400, code, detail) from None


def read_time(query: Mapping[str, str], name: str) -> datetime | None:
    """ISO 8601; a date or a time without offset is taken as UTC."""
    text = query.get(name, "").strip().replace(" ", "+")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(400, "bad_time", f"{name} is not an ISO 8601 time.") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise Problem(400, "bad_time", f"{name} lies too far away.")
    return moment


def read_bool(query: Mapping[str, str], name: str) -> bool | None:
    text = query.get(name, "").lower()
    if not text:
        return None
    if text not in ("true", "false", "1", "0"):
        raise Problem(400, "bad_flag", f"{name} is true or false.")
    return text in ("true", "1")


def read_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Problem(400, "bad_number", f"{name} is a whole number.")
    return int(text)


def read_text(query: Mapping[str, str], name: str, limit: int = 200) -> str | None:
    text = query.get(name, "").replace("\0", "").strip()[:limit]
    return text.encode("utf-8", "replace").decode() or None


def page(rows: list[dict[str, Any]], next_cursor: str | None) -> dict[str, Any]:
    return {"data": rows, "next_cursor": next_cursor}
