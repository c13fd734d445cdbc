"""Chats and forms of UIS as `chats` sees them: notifications that tell of them, and the reports to read them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from server.accounts.lookup import Known
from server.chats import flow
from server.chats.model import Event, Kind, Line, Telling, transcript_of
from server.chats.source import Sought, SourceAway
from server.platform.clock import utc_now
from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, VendorError
from server.platform.postgres import Conn
from server.uis.notifications import Notification
from server.uis.texts import ChatRow, FormRow, Message, TextsApi, Visitor
from server.vendors.uis_contacts import Contact, Note
from server.vendors.uis_notifications import TakeNotification

# --- notifications

_EVENTS: dict[str, Event] = {
    "chat_finished": "end", "lost_chat": "lost", "set_mark": "tag", "unset_mark": "untag", "offline_message": "sent",
}  # fmt: skip
_WHOLE = 1 << 63


def telling_of(told: Notification) -> Telling | None:
    """None: it tells of no chat and no form by its number."""
    event = _EVENTS.get(told.event)
    kind: Kind = "form" if event == "sent" else "chat"
    number = _number(told.offline_message_id if kind == "form" else told.chat_id)
    if event is None or number is None:
        return None
    return Telling(kind, number, event, "notification", told.key, told.at, _facts(told, event))


def _facts(told: Notification, event: Event) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "communication_id": _number(told.communication_id), "site": told.site, "campaign": told.campaign,
        "visitor_id": _number(told.visitor_id), "session_id": _number(told.session_id), "name": told.visitor_name,
        "phone": told.visitor_phone or told.contact_phone, "email": told.visitor_email, "message": told.message,
        "employee": told.employee_name, "status": told.status,
    }  # fmt: skip
    if event in ("tag", "untag"):
        facts = {"communication_id": facts["communication_id"], "tags": [[told.tag_id, told.tag_name]]}
    elif told.tag_ids:
        facts["tags"] = [[tag_id, None] for tag_id in told.tag_ids]
    return {name: value for name, value in facts.items() if value is not None}


async def _take(conn: Conn, known: Known, told: Notification, now: datetime) -> str:
    telling = telling_of(told)
    if telling is not None:
        return (
            "duplicate"
            if await flow.take(conn, known.account.account_id, telling, now=now) == "duplicate"
            else "stored"
        )
    return "kept"


async def _take_tag(conn: Conn, known: Known, told: Notification, now: datetime) -> str:
    """A tag names the chat, or only its communication; one on a call is not ours."""
    if told.communication_type not in (None, "chat") or told.call_id:
        return "kept"
    if told.chat_id:
        return await _take(conn, known, told, now)
    communication_id = _number(told.communication_id)
    if communication_id is None:
        return "kept"
    event = _EVENTS[told.event]
    what = {"event": event, "key": told.key, "at": told.at.isoformat(), "facts": _facts(told, event)}
    return await flow.take_of_communication(conn, known.account.account_id, communication_id, what, now=now)


#: Part of `uis_notifications.table`.
HANDLERS: dict[str, TakeNotification] = {
    "chat_finished": _take, "lost_chat": _take, "offline_message": _take, "set_mark": _take_tag, "unset_mark": _take_tag,
}  # fmt: skip


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) < _WHOLE else None


# --- reports


class TextsOfUis:
    """`chats.source.TextSource`."""

    def __init__(self, api: TextsApi, note: Note | None = None) -> None:
        self._api, self._note = api, note

    async def going_on(self, since: datetime, till: datetime) -> list[Telling]:
        try:
            return await self._tell(await self._api.chats(since, till, going_on=True))
        except VendorError as error:
            raise _away(error) from None

    async def begun(self, since: datetime, till: datetime) -> list[Telling]:
        try:
            chats, forms = await self._api.chats(since, till), await self._api.forms(since, till)
            return [*await self._tell(chats), *_tell_forms(forms)]
        except VendorError as error:
            raise _away(error) from None

    async def read(self, sought: Sought, since: datetime, till: datetime) -> list[Telling]:
        try:
            chats = await self._api.chats_by("id", sought.chats, since, till) if sought.chats else []
            if sought.communications:
                chats += await self._api.chats_by("communication_id", sought.communications, since, till)
            said = (
                await self._api.messages([chat.id for chat in chats if chat.status not in ("new", "active")])
                if chats
                else {}
            )
            forms = await self._api.forms(since, till, ids=sought.forms) if sought.forms else []
            return [*await self._tell(chats), *_tell_forms(forms), *_tell_talks(chats, said)]
        except VendorError as error:
            raise _away(error) from None

    def may_look_every_s(self) -> float:
        """Half of the day's points may be spent freely; of the rest a quarter, spread over what is left of the day."""
        points = self._api.points
        if points is None or not points.day_limit or points.day_remaining is None:
            return 0.0
        if points.day_remaining * 2 >= points.day_limit:
            return 0.0
        return min(3600.0, (points.day_reset_s or 3600) / max(1.0, points.day_remaining / 4))

    async def _tell(self, chats: Sequence[ChatRow]) -> list[Telling]:
        ids = [chat.visitor_id for chat in chats if chat.visitor_id is not None]
        visitors = await self._api.visitors(ids) if ids else {}
        facts = {chat.id: _chat_facts(chat, visitors.get(chat.visitor_id or -1)) for chat in chats}
        if self._note:
            await self._note(
                [
                    Contact("chat", str(chat.id), chat.at, chat.session_id, facts[chat.id]["phone"])
                    for chat in chats
                    if chat.at and chat.session_id and facts[chat.id]["phone"]
                ]
            )
        return [_told("chat", chat.id, "report", facts[chat.id]) for chat in chats]


def _chat_facts(chat: ChatRow, visitor: Visitor | None) -> dict[str, Any]:
    phones, emails = (visitor.phones, visitor.emails) if visitor else ((), ())
    return {
        "status": chat.status, "initiator": chat.initiator, "started_at": chat.at.astimezone(UTC).isoformat() if chat.at else None,
        "communication_id": chat.communication_id, "type": chat.channel, "site_id": chat.site_id, "site": chat.site,
        "campaign": chat.campaign, "traffic_source": chat.source, "visitor_id": chat.visitor_id,
        "session_id": chat.session_id, "employee": chat.employee, "name": visitor.name if visitor else "",
        "phone": chat.phone or next(iter(phones), ""), "email": next(iter(emails), ""),
        "tags": [[tag.id, tag.name] for tag in chat.tags],
    }  # fmt: skip


def _tell_forms(forms: Iterable[FormRow]) -> list[Telling]:
    return [
        _told("form", form.id, "report", {
            "started_at": form.at.astimezone(UTC).isoformat() if form.at else None, "communication_id": form.communication_id,
            "type": form.form_type, "form_name": form.form_name, "ext_id": form.ext_id, "site_id": form.site_id,
            "site": form.site, "campaign": form.campaign, "traffic_source": form.source, "visitor_id": form.visitor_id,
            "session_id": form.session_id, "name": form.name, "phone": form.phone, "email": form.email,
            "message": form.message,
        })
        for form in forms
    ]  # fmt: skip


_BY: dict[str, Literal["visitor", "operator", "bot", "system"]] = {
    "visitor": "visitor", "form_text": "visitor", "operator": "operator", "system": "system",
}  # fmt: skip


def _tell_talks(chats: Sequence[ChatRow], said: dict[int, list[Message]]) -> list[Telling]:
    """Of chats that have ended: while one goes on, what was said is not over."""
    return [
        _told("chat", chat.id, "talk", {"transcript": transcript_of([
            Line(_BY.get(one.source, "bot"), one.employee, one.text, one.file) for one in said.get(chat.id, ())
        ])})
        for chat in chats
        if chat.status not in ("new", "active")
    ]  # fmt: skip


def _told(kind: Kind, vendor_id: int, event: Event, facts: dict[str, Any]) -> Telling:
    """The same content read again is the same telling."""
    filled = {
        name: value for name, value in facts.items() if value not in (None, []) and (value != "" or event == "talk")
    }
    content = json.dumps(filled, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")
    return Telling(
        kind, vendor_id, event, "report", f"{event}:{hashlib.sha256(content).hexdigest()[:32]}", utc_now(), filled
    )


def _away(error: VendorError) -> SourceAway:
    if isinstance(error, RateLimited):
        return SourceAway(str(error), after_s=error.retry_after_s)
    return SourceAway(str(error), refused=isinstance(error, (Unauthorized, Forbidden, Rejected)))
