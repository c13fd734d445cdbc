"""Bodies of notifications, ready to be pasted into UIS: what each event should tell us, and what it needs there. Pure.

A variable stands without quotes: UIS renders it as a JSON literal. Only variables of the event's own default template
are named, for the whole list is not published; a tag names the chat or the request it was set on besides, as the
vendor's integrators do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from server.uis.notifications import EVENTS, secret_of

Use = Literal["calls", "texts"]


@dataclass(frozen=True, slots=True)
class NotificationBody:
    """One event. `options`: mnemonics of what must be on in UIS, any one of a group; `needed`: we cannot do without."""

    event: str
    name: str  # as the list of events in UIS has it
    uses: tuple[Use, ...]
    needed: bool
    options: tuple[tuple[str, ...], ...]
    body: str


_SITES = ("consultant", "lead", "call_tracking")
_CONTACT = ("contact_phone_number", "communication_number", "contact_id", "contact_full_name")
_EMPLOYEE = ("employee_full_name", "employee_id")
_WEB = ("site_domain_name", "campaign_id", "campaign_name", "communication_id", "session_id")
_TAG = ("virtual_phone_number", "external_id", "contact_phone_number", "communication_number", "call_source",
    "call_session_id", "direction", "tag_id", "tag_name", "communication_id", "communication_type")  # fmt: skip

#: event, what it is for, whether it is needed, which options (any of a group), its variables.
_EVENTS: tuple[tuple[str, tuple[Use, ...], bool, tuple[tuple[str, ...], ...], tuple[str, ...]], ...] = (
    ("in_call_session", ("calls",), True, (), ("virtual_phone_number", "scenario_name", "call_session_id", *_CONTACT)),
    (
        "call_proceeding", ("calls",), False, (),
        ("call_session_id", "leg_id", "direction", "call_source", "external_id", "contact_phone_number", "contact_id",
         *_EMPLOYEE),
    ),
    (
        "out_call_session", ("calls",), False, (),
        ("virtual_phone_number", "call_session_id", "contact_phone_number", "contact_id", "contact_full_name",
         *_EMPLOYEE, "employee_phone_number"),
    ),
    (
        "call_session_finished", ("calls",), True, (),
        ("virtual_phone_number", "call_session_id", "direction", "call_source", "scenario_name", "external_id",
         "contact_phone_number", "communication_number", *_EMPLOYEE, "talk_time_duration", "total_time_duration",
         "wait_time_duration", "tag_names"),
    ),
    (
        "lost_call_session", ("calls",), True, (),
        ("virtual_phone_number", "call_session_id", "scenario_name", *_CONTACT, "wait_time_duration", "employee_ids"),
    ),
    (
        "talk_record_file", ("calls",), True, (("recording",),),
        ("virtual_phone_number", "call_session_id", "scenario_name", *_CONTACT, *_EMPLOYEE, "file_link", "file_duration",
         "tag_ids", "tag_names"),
    ),
    (
        "voice_message", ("calls",), False, (("va",),),
        ("virtual_phone_number", "call_session_id", "scenario_name", *_CONTACT, "file_link", "file_duration"),
    ),
    ("set_mark", ("calls", "texts"), False, (), _TAG),
    ("unset_mark", ("calls",), False, (), _TAG),
    (
        "offline_message", ("texts",), True, ((*_SITES, "upload_offline_messages"),),
        ("offline_message_id", *_WEB, "visitor_name", "visitor_phone_number", "visitor_email", "visitor_message",
         "visitor_id"),
    ),
    (
        "chat_finished", ("texts",), True, (("consultant", "upload_chats"),),
        ("chat_id", *_WEB, "visitor_name", "visitor_id", "employee_full_name", "tag_ids", "status", "messages"),
    ),
    (
        "lost_chat", ("texts",), True, (("consultant", "upload_chats"),),
        ("chat_id", *_WEB, "visitor_name", "visitor_id", "employee_full_name", "tag_ids", "messages"),
    ),
)  # fmt: skip


def notification_bodies(hash_key: bytes) -> tuple[NotificationBody, ...]:
    """All events we act on, in the order they come; the bodies carry the account's secret."""
    secret = secret_of(hash_key)
    return tuple(
        NotificationBody(event, EVENTS[event], uses, needed, options, "\n".join(_lines(event, secret, names)))
        for event, uses, needed, options, names in _EVENTS
    )


def _lines(event: str, secret: str, names: tuple[str, ...]) -> Iterator[str]:
    yield "{"
    yield f'  "event": {json.dumps(event)},'
    yield f'  "secret": {json.dumps(secret)},'
    told = ("notification_name", "notification_time", *names)
    for place, name in enumerate(told, 1):
        yield f'  "{name}": {{{{{name}}}}}' + ("," if place < len(told) else "")
    yield "}"
