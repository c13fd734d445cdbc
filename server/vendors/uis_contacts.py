"""Who called or wrote from which session: what notifications of UIS tell matching."""

from __future__ import annotations

from datetime import datetime

from server.accounts.lookup import Known
from server.matching import flow as matching
from server.platform.phones import phone_e164
from server.platform.postgres import Conn
from server.platform.vault import keyed_hash
from server.uis.notifications import Notification
from server.vendors.uis_notifications import TakeNotification

#: Events that name session and phone. Forms are none of them: leads that we loaded ourselves come back as such.
_CALLS = ("in_call_session", "lost_call_session", "call_session_finished")
_CHATS = ("chat_finished", "lost_chat")


async def _take(conn: Conn, known: Known, told: Notification, now: datetime) -> str:
    call = told.event in _CALLS
    subject = told.call_id if call else told.chat_id
    raw = told.contact_phone if call else told.visitor_phone
    phone = phone_e164(raw, region=known.account.phone_region) if raw else None
    if subject is None or told.session_id is None or phone is None or (call and told.direction == "out"):
        return "kept"
    await matching.note_contact(
        conn, known.account.account_id, key=f"call:{subject}" if call else f"chat:{subject}",
        kind="call" if call else "chat", at=told.at, session_id=told.session_id,
        phone_hash=keyed_hash(known.account.hash_key, f"phone:{phone}"), now=now,
    )  # fmt: skip
    return "kept"


#: Part of `uis_notifications.table`.
HANDLERS: dict[str, TakeNotification] = dict.fromkeys((*_CALLS, *_CHATS), _take)
