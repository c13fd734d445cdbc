"""Reads a notification of UIS: POST JSON, a form, or the query of a GET, into one typed notification. Total.

Facts: the body is a template the owner may edit; `{{var}}` is rendered as a JSON literal, or bare in a query; there is
no signature and no id of the event. So values are looked up by name at any depth, a number may come as text and text
in quotes, and a variable UIS does not fill is nothing. An event that is not named is told from the name of the
notification or from the shape of its default template; one that cannot be told is kept under no name.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

#: Every event UIS tells of, under its Russian name in the cabinet: the name of a notification made from its template.
EVENTS: Mapping[str, str] = {
    "in_call_session": "Входящий звонок на виртуальный номер",
    "call_proceeding": "Ожидание ответа",
    "in_call": "Входящее плечо",
    "out_call": "Исходящее плечо",
    "call_connected": "Поднятие трубки",
    "talk_started": "Начало разговора",
    "talk_finished": "Окончание разговора",
    "call_disconnected": "Завершение плеча",
    "call_session_finished": "Завершение звонка",
    "lost_call_session": "Потерянный звонок",
    "out_call_session": "Исходящий звонок",
    "talk_record_file": "Записанный разговор",
    "voice_message": "Голосовое сообщение",
    "fax_receive_finished": "Принятый факс",
    "set_mark": "Проставление тега",
    "unset_mark": "Снятие тега",
    "offline_message": "Офлайн заявка",
    "chat_finished": "Завершение чата",
    "lost_chat": "Потерянный чат",
    "event": "Событие",
    "call_hold_control": "Удержание вызова",
    "talk_record_control": "Управление записью разговора",
    "sip_line_unregister": "Потеря регистрации SIP-линии",
    "unanswered_chats": "Неотвеченное сообщение",
}
_BY_NAME = {name.lower(): event for event, name in EVENTS.items()} | {
    "входящий звонок": "in_call_session",
    "потеряный чат": "lost_chat",
    "офлайн-заявка": "offline_message",
}
_DEPTH_LIMIT = 12
_FIELDS_LIMIT = 200
_TEXT_LIMIT = 64 * 1024
_CLOCKS_S = 20 * 60.0
_NOTHING = ("", "null", "none", "undefined", "[]", "{}")

Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body that is no notification. `reason` is a code; `detail` holds nothing of the payload."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One event. What the template did not name, or UIS did not fill, is None. Phones are as they came."""

    event: str
    at: datetime
    key: str  # equal for repeated tellings of one event
    secret: str | None = field(repr=False)
    call_id: str | None = None
    chat_id: str | None = None
    offline_message_id: str | None = None
    communication_id: str | None = None
    communication_type: str | None = None
    contact_phone: str | None = field(default=None, repr=False)
    virtual_phone: str | None = None
    direction: str | None = None
    internal: bool | None = None
    source: str | None = None
    leg_id: str | None = None
    employee_id: int | None = None
    employee_name: str | None = None
    employee_phone: str | None = None
    scenario: str | None = None
    site: str | None = None
    campaign: str | None = None
    talk_s: int | None = None
    total_s: int | None = None
    wait_s: int | None = None
    file_link: str | None = field(default=None, repr=False)
    file_s: int | None = None
    tag_id: int | None = None
    tag_name: str | None = None
    tag_ids: tuple[int, ...] | None = None
    tag_names: tuple[str, ...] | None = None
    visitor_id: str | None = None
    session_id: str | None = None
    visitor_name: str | None = field(default=None, repr=False)
    visitor_phone: str | None = field(default=None, repr=False)
    visitor_email: str | None = field(default=None, repr=False)
    message: str | None = field(default=None, repr=False)
    messages: str | None = field(default=None, repr=False)
    status: str | None = None
    lost_reason: str | None = None
    facts: Mapping[str, Value] = field(default_factory=dict, repr=False)  # all that came, by name


def secret_of(hash_key: bytes) -> str:
    """The word the bodies of one account carry, so that who learns the address alone tells nothing false."""
    return hmac.new(hash_key, b"uis notifications", hashlib.sha256).hexdigest()[:32]


def right_secret(notification: Notification, hash_key: bytes) -> bool:
    """A body without the word came by an address that is a secret itself; one with another word is not ours."""
    return notification.secret is None or hmac.compare_digest(
        notification.secret.encode("utf-8", "replace"), secret_of(hash_key).encode()
    )


def parse_notification(body: bytes, *, received_at: datetime, zone: ZoneInfo) -> Notification | Unreadable:
    """`zone` is the clock of times that tell none."""
    document = _document(body)
    if isinstance(document, Unreadable):
        return document
    facts = document
    event = _event(facts)
    return Notification(
        event=event, at=_moment(facts, received_at, zone), key=_key(event, facts), secret=_text(facts, "secret"),
        call_id=_id(facts, "call_session_id"), chat_id=_id(facts, "chat_id"),
        offline_message_id=_id(facts, "offline_message_id"), communication_id=_id(facts, "communication_id"),
        communication_type=_text(facts, "communication_type"), contact_phone=_text(facts, "contact_phone_number"),
        virtual_phone=_text(facts, "virtual_phone_number"), direction=_direction(facts),
        internal=_flag(facts, "is_internal"), source=_text(facts, "call_source"), leg_id=_id(facts, "leg_id", "leg_ids"),
        employee_id=_whole(facts, "employee_id"), employee_name=_text(facts, "employee_full_name"),
        employee_phone=_text(facts, "extension_phone_number", "employee_phone_number"),
        scenario=_text(facts, "scenario_name"), site=_text(facts, "site_domain_name"),
        campaign=_text(facts, "campaign_name"), talk_s=_seconds(facts, "talk_time_duration"),
        total_s=_seconds(facts, "total_time_duration"), wait_s=_seconds(facts, "wait_time_duration"),
        file_link=_text(facts, "file_link"), file_s=_seconds(facts, "file_duration", "call_record_duration"),
        tag_id=_whole(facts, "tag_id"), tag_name=_text(facts, "tag_name"), tag_ids=_wholes(facts, "tag_ids"),
        tag_names=_texts(facts, "tag_names"), visitor_id=_id(facts, "visitor_id"), session_id=_id(facts, "session_id"),
        visitor_name=_text(facts, "visitor_name"), visitor_phone=_text(facts, "visitor_phone_number"),
        visitor_email=_text(facts, "visitor_email"), message=_text(facts, "visitor_message"),
        messages=_text(facts, "messages"), status=_text(facts, "status"),
        lost_reason=_text(facts, "lost_reason"), facts=facts,
    )  # fmt: skip


# --- from bytes to named values


def _document(body: bytes) -> dict[str, Value] | Unreadable:
    if not body.strip(b" \t\r\n\0"):
        return Unreadable("empty")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Unreadable("encoding", "not UTF-8")
    text = text.strip().replace("\0", "")
    if text[:1] in "{[":
        return _of_json(text)
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=None)
    if len(pairs) > _FIELDS_LIMIT:
        return Unreadable("too_many_items", f"more than {_FIELDS_LIMIT}")
    if not pairs:
        return Unreadable("not_json")
    facts: dict[str, Value] = {}
    for name, raw in pairs:
        # The whole template, under one name or none, is how some send JSON as a form.
        inner = _of_json(raw.strip()) if raw.strip()[:1] == "{" else None
        if isinstance(inner, dict):
            facts = inner | facts
        elif (value := _value(raw)) is not None:
            facts.setdefault(name.replace("\0", "")[:100], value)
    return facts or Unreadable("empty")


def _of_json(text: str) -> dict[str, Value] | Unreadable:
    for attempt in (text, _mended(text)):
        try:
            document = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, list) and len(document) == 1:
            document = document[0]
        if not isinstance(document, dict):
            return Unreadable("no_object")
        facts: dict[str, Value] = {}
        _flatten(document, facts, 0)
        return facts or Unreadable("empty")
    return Unreadable("not_json")


def _mended(text: str) -> str:
    """A template with quotes about its variables, or with one that was left empty, as its author meant it."""
    text = re.sub(r':\s*""((?:[^"\\]|\\.)+)""', r':"\1"', text)
    text = re.sub(r':\s*"\{\{\s*\w+\s*\}\}"|:\s*\{\{\s*\w+\s*\}\}', ":null", text)
    return re.sub(r":\s*(?=[,}])", ":null", text)


def _flatten(document: Mapping[str, Any], facts: dict[str, Value], depth: int) -> None:
    """Names are told apart by themselves: the groups about them are the template's own. The outer one wins."""
    inner = []
    for name, raw in document.items():
        if isinstance(raw, dict):
            inner.append(raw)
        elif len(facts) < _FIELDS_LIMIT and (value := _value(raw)) is not None:
            facts.setdefault(name.replace("\0", "")[:100], value)
    if depth < _DEPTH_LIMIT:
        for group in inner:
            _flatten(group, facts, depth + 1)


def _value(raw: Any) -> Value | None:
    """A literal in text is read as what it stands for; what stands for nothing is None."""
    if isinstance(raw, str):
        text = _storable(raw.strip())[:_TEXT_LIMIT]
        if text.lower() in _NOTHING or re.fullmatch(r"\{\{.*\}\}", text):
            return None
        if len(text) > 1 and (text[0] == text[-1] == '"' or text[0] == "["):
            try:
                inner = json.loads(text)
            except (ValueError, RecursionError):
                return text
            return _value(inner) if isinstance(inner, (str, list)) else text
        return text
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() and abs(raw) < 1 << 53 else str(raw)
    if isinstance(raw, (bool, int)):
        return raw if abs(raw) < 1 << 63 else str(raw)
    if isinstance(raw, list):
        items = [_value(item) for item in raw[:_FIELDS_LIMIT] if not isinstance(item, (dict, list))]
        told = tuple(str(item) for item in items if item is not None)
        # A conversation may come as a list of objects: kept as it is, for whoever reads it.
        return told or (json.dumps(raw, ensure_ascii=False)[:_TEXT_LIMIT] if raw else None)
    return None


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


# --- from named values to fields


def _text(facts: Mapping[str, Value], *names: str) -> str | None:
    for name in names:
        value = facts.get(name)
        if isinstance(value, tuple):
            value = ", ".join(value)
        if value is not None and not isinstance(value, bool):
            return str(value)
    return None


def _id(facts: Mapping[str, Value], *names: str) -> str | None:
    """Digits, or what else stands for one thing; of several legs the whole list."""
    text = _text(facts, *names)
    return text[:100] if text else None


def _whole(facts: Mapping[str, Value], *names: str) -> int | None:
    text = _text(facts, *names)
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _seconds(facts: Mapping[str, Value], *names: str) -> int | None:
    text = _text(facts, *names)
    found = re.fullmatch(r"([0-9]{1,8})(?:[.,][0-9]+)?", text) if text else None
    if found:
        return int(found[1])
    clock = re.fullmatch(r"(?:([0-9]{1,3}):)?([0-9]{1,2}):([0-9]{2})", text) if text else None
    return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + int(clock[3]) if clock else None


def _flag(facts: Mapping[str, Value], name: str) -> bool | None:
    value = facts.get(name)
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    return bool(value) if isinstance(value, (bool, int)) else None


def _texts(facts: Mapping[str, Value], name: str) -> tuple[str, ...] | None:
    value = facts.get(name)
    if isinstance(value, tuple):
        return value
    if value is None or isinstance(value, bool):
        return None
    return tuple(part.strip() for part in str(value).split(",") if part.strip())


def _wholes(facts: Mapping[str, Value], name: str) -> tuple[int, ...] | None:
    told = _texts(facts, name)
    return None if told is None else tuple(int(one) for one in told if re.fullmatch(r"-?[0-9]{1,18}", one))


def _direction(facts: Mapping[str, Value]) -> str | None:
    told = (_text(facts, "direction") or "").lower()
    return {"in": "in", "out": "out", "incoming": "in", "outgoing": "out", "internal": "internal"}.get(told)


def _moment(facts: Mapping[str, Value], received_at: datetime, zone: ZoneInfo) -> datetime:
    """When it happened, as it says, but never later than it came.

    A clock far from ours shows another zone: then when it came is nearer the truth.
    """
    for at in (_stamp(facts), _wall_clock(facts, zone)):
        if at is not None and abs((at - received_at).total_seconds()) <= _CLOCKS_S:
            return min(at, received_at)
    return min(_stamp(facts) or received_at, received_at)


def _stamp(facts: Mapping[str, Value]) -> datetime | None:
    text = _text(facts, "notification_timestamp")
    found = re.fullmatch(r"([0-9]{10})(?:[0-9]{3})?(?:\.[0-9]+)?", text) if text else None
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None


def _wall_clock(facts: Mapping[str, Value], zone: ZoneInfo) -> datetime | None:
    text = _text(facts, "notification_time", "start_time")
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at.replace(tzinfo=zone) if at and at.tzinfo is None else at


def _event(facts: Mapping[str, Value]) -> str:
    """The mnemonic where it is told, else by the name of the notification, else by shape; "" where nothing tells."""
    for name in ("event", "notification_mnemonic", "event_mnemonic"):
        told = (_text(facts, name) or "").lower()
        if told in EVENTS:
            return told
    by_name = _BY_NAME.get((_text(facts, "notification_name") or "").strip().lower())
    return by_name or _shape(facts)


def _shape(facts: Mapping[str, Value]) -> str:
    """By what only the default template of one event names. Ringing, an answer and the end of a leg look the same."""
    has = facts.keys()
    if "file_link" in has:
        return "talk_record_file" if "call_record_duration" in has or "employee_full_name" in has else "voice_message"
    if "offline_message_id" in has:
        return "offline_message"
    if "chat_id" in has:
        return "chat_finished" if "status" in has else "lost_chat"
    if "event_log_id" in has or "goal_name" in has:
        return "event"
    if "call_session_id" not in has:
        return ""
    if "total_time_duration" in has:
        return "call_session_finished"
    if "wait_time_duration" in has:
        return "lost_call_session"
    if "talk_time_duration" in has:
        return "talk_finished"
    if "employee_phone_number" in has:
        return "out_call_session"
    return "in_call_session" if "scenario_name" in has and "leg_id" not in has and "leg_ids" not in has else ""


def _key(event: str, facts: Mapping[str, Value]) -> str:
    """What one event is told by: its thing, its part of the thing, and for tags, which come and go, its moment."""
    parts = [event or "?"]
    names: Sequence[str] = ("call_session_id", "chat_id", "offline_message_id", "communication_id", "leg_id", "leg_ids")
    named = [f"{name}={_text(facts, name)}" for name in names if _text(facts, name)]
    if event in ("set_mark", "unset_mark"):
        named += [f"{name}={_text(facts, name)}" for name in ("tag_id", "tag_name", "notification_time")]
    if event in ("call_hold_control", "talk_record_control", "event", "sip_line_unregister", "unanswered_chats"):
        named += [f"{name}={_text(facts, name)}" for name in ("notification_time", "event_log_id", "action")]
    link = _text(facts, "file_link")
    if link:
        named.append("file=" + hashlib.sha256(link.encode()).hexdigest()[:16])
    if not named or not event:  # nothing tells it apart: the whole of it does
        told = json.dumps({name: str(facts[name]) for name in sorted(facts)}, ensure_ascii=False)
        named.append(hashlib.sha256(told.encode()).hexdigest()[:32])
    return "|".join([*parts, *named])[:500]
