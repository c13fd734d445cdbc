"""Chats and forms of the Data API: who is talking, what was said, how to reach them. Vendor words end here.

Facts: the report of chats tells a phone and no name; names, phones and e-mails of a visitor come from `get.visitors`;
a message's source says who speaks; the report of forms tells how a form was loaded and under which id of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from server.platform.budget import Priority
from server.uis import mapping
from server.uis.data_api import DataApi
from server.uis.groups import groups
from server.uis.model import Points

_AT_ONCE = 50  # values in one filter
_CHAT_COLUMNS = (
    "id", "status", "initiator", "date_time", "communication_id", "chat_channel_type", "chat_channel_name",
    "site_id", "site_domain_name", "campaign_name", "source_name", "visitor_id", "visitor_phone_number", "visitor_session_id",
    "employee_full_name", "release_cause", "messages_count", "tags",
)  # fmt: skip
_FORM_COLUMNS = (
    "id", "date_time", "communication_id", "text", "form_type", "form_name", "ext_id", "site_id", "site_domain_name",
    "campaign_name", "source_name", "visitor_id", "visitor_name", "visitor_phone_number", "visitor_email",
    "visitor_session_id", "tags",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tag:
    id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class ChatRow:
    id: int
    status: str  # new, active, lost, succeed, refused
    initiator: str
    at: datetime | None
    communication_id: int | None
    channel: str  # its type
    site_id: int | None
    site: str
    campaign: str
    source: str
    visitor_id: int | None
    session_id: int | None
    phone: str = field(repr=False)
    employee: str
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class FormRow:
    id: int
    at: datetime | None
    communication_id: int | None
    form_type: str
    form_name: str
    ext_id: str
    site_id: int | None
    site: str
    campaign: str
    source: str
    visitor_id: int | None
    session_id: int | None
    name: str = field(repr=False)
    phone: str = field(repr=False)
    email: str = field(repr=False)
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    chat_id: int
    at: datetime | None
    source: str  # system, operator, visitor, …
    text: str = field(repr=False)
    employee: str
    file: str  # its name


@dataclass(frozen=True, slots=True)
class Visitor:
    id: int
    name: str = field(repr=False)
    phones: tuple[str, ...] = field(repr=False)
    emails: tuple[str, ...] = field(repr=False)


class TextsApi:
    """Reads; `priority` is that of all its calls."""

    def __init__(self, api: DataApi, priority: Priority) -> None:
        self._api, self._priority = api, priority

    @property
    def points(self) -> Points | None:
        """What is left of the tariff; None before the first answer."""
        return self._api.points

    async def chats(self, since: datetime, till: datetime, *, going_on: bool = False) -> list[ChatRow]:
        """Those begun in this time; `going_on`: only those that have not ended."""
        params: dict[str, Any] = {"fields": list(_CHAT_COLUMNS)}
        if going_on:
            params["filter"] = mapping.any_of("status", ["new", "active"])
        return await self._chats(params, since, till)

    async def chats_by(self, column: str, values: Sequence[int], since: datetime, till: datetime) -> list[ChatRow]:
        """Those of these ids, or of these communications."""
        found: list[ChatRow] = []
        for part in groups(dict.fromkeys(values), _AT_ONCE):
            params = {"fields": list(_CHAT_COLUMNS), "filter": mapping.any_of(column, part)}
            found += await self._chats(params, since, till)
        return found

    async def _chats(self, params: dict[str, Any], since: datetime, till: datetime) -> list[ChatRow]:
        rows, zone = await self._api.report("get.chats_report", params, since=since, till=till, priority=self._priority)
        return [chat for row in rows if (chat := chat_of(row, zone))]

    async def forms(self, since: datetime, till: datetime, *, ids: Sequence[int] = ()) -> list[FormRow]:
        """Those sent in this time; of these ids alone where some are named."""
        found: list[FormRow] = []
        for part in groups(dict.fromkeys(ids), _AT_ONCE) if ids else [[]]:
            params: dict[str, Any] = {"fields": list(_FORM_COLUMNS)}
            if part:
                params["filter"] = mapping.any_of("id", part)
            rows, zone = await self._api.report(
                "get.offline_messages_report", params, since=since, till=till, priority=self._priority
            )
            found += [form for row in rows if (form := form_of(row, zone))]
        return found

    async def messages(self, chat_ids: Sequence[int]) -> dict[int, list[Message]]:
        """The conversation of each chat, oldest first."""
        found: dict[int, list[Message]] = {}
        for part in groups(dict.fromkeys(chat_ids), _AT_ONCE):
            params = {"chat_ids": list(part), "sort": [{"field": "date_time", "order": "asc"}]}
            rows, zone = await self._api.report("get.chat_messages_report", params, priority=self._priority)
            for message in (message_of(row, zone) for row in rows):
                if message and message.chat_id in part:
                    found.setdefault(message.chat_id, []).append(message)
        return found

    async def visitors(self, ids: Sequence[int]) -> dict[int, Visitor]:
        found: dict[int, Visitor] = {}
        for part in groups(dict.fromkeys(ids), _AT_ONCE):
            rows = await self._api.visitors(part, priority=self._priority)
            found |= {visitor.id: visitor for row in rows if (visitor := visitor_of(row))}
        return found


# --- rows → our data. A row that is not what the papers say gives what of it is sound, or nothing.


def chat_of(row: Mapping[str, Any], zone: ZoneInfo) -> ChatRow | None:
    number = whole(row.get("id"))
    if number is None:
        return None
    return ChatRow(
        number, line(row.get("status")), line(row.get("initiator")), mapping.moment_of(row.get("date_time"), zone),
        whole(row.get("communication_id")), line(row.get("chat_channel_type")), whole(row.get("site_id")),
        line(row.get("site_domain_name")), line(row.get("campaign_name")), line(row.get("source_name")),
        whole(row.get("visitor_id")), whole(row.get("visitor_session_id")), line(row.get("visitor_phone_number")),
        line(row.get("employee_full_name")), _tags(row.get("tags")),
    )  # fmt: skip


def form_of(row: Mapping[str, Any], zone: ZoneInfo) -> FormRow | None:
    number = whole(row.get("id"))
    if number is None:
        return None
    return FormRow(
        number, mapping.moment_of(row.get("date_time"), zone), whole(row.get("communication_id")),
        line(row.get("form_type")), line(row.get("form_name")), line(row.get("ext_id")), whole(row.get("site_id")),
        line(row.get("site_domain_name")), line(row.get("campaign_name")), line(row.get("source_name")),
        whole(row.get("visitor_id")), whole(row.get("visitor_session_id")), line(row.get("visitor_name")),
        line(row.get("visitor_phone_number")), line(row.get("visitor_email")), _text(row.get("text")),
    )  # fmt: skip


def message_of(row: Mapping[str, Any], zone: ZoneInfo) -> Message | None:
    chat_id, resource = whole(row.get("chat_id")), row.get("resource")
    if chat_id is None:
        return None
    return Message(
        chat_id, mapping.moment_of(row.get("date_time"), zone), line(row.get("source")), _text(row.get("text")),
        line(row.get("employee_full_name")), line(resource.get("file_name")) if isinstance(resource, dict) else "",
    )  # fmt: skip


def visitor_of(row: Mapping[str, Any]) -> Visitor | None:
    number = whole(row.get("id"))
    if number is None:
        return None
    return Visitor(number, line(row.get("name")), _lines(row.get("phones")), _lines(row.get("emails")))


def _tags(value: Any) -> tuple[Tag, ...]:
    rows = value if isinstance(value, list) else []
    tags = [Tag(whole(row.get("tag_id")), line(row.get("tag_name"))) for row in rows if isinstance(row, dict)]
    return tuple(tag for tag in tags if tag.id is not None or tag.name)


def whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,19}\s*", value):
        value = int(value)
    return value if isinstance(value, int) and abs(value) < 1 << 63 else None


def line(value: Any) -> str:
    """A number as text, too: phones come as either."""
    return " ".join(_text(value).split())


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _lines(value: Any) -> tuple[str, ...]:
    return tuple(text for item in value if (text := line(item))) if isinstance(value, list) else ()
