"""Who called or wrote from which session: what notifications and reports of UIS tell matching."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from server.accounts.lookup import Known
from server.matching import flow as matching
from server.platform.clock import utc_now
from server.platform.phones import phone_e164
from server.platform.postgres import Conn, Pool
from server.platform.vault import keyed_hash
from server.uis.notifications import Notification
from server.vendors.uis_notifications import TakeNotification

#: Events that name session and phone. Forms are none of them: leads that we loaded ourselves come back as such.
_CALLS = ("in_call_session", "lost_call_session", "call_session_finished")
_CHATS = ("chat_finished", "lost_chat")


@dataclass(frozen=True, slots=True)
class Contact:
    """A call that came in, or a chat; `phone` as it came."""

    kind: Literal["call", "chat"]
    id: str
    at: datetime
    session_id: int | str
    phone: str = field(repr=False)


#: Told of those of a report that was read.
Note = Callable[[Sequence[Contact]], Awaitable[None]]


async def note(conn: Conn, known: Known, contact: Contact, *, now: datetime) -> None:
    phone = phone_e164(contact.phone, region=known.account.phone_region)
    if phone is None:
        return
    await matching.note_contact(
        conn, known.account.account_id, key=f"{contact.kind}:{contact.id}", kind=contact.kind, at=contact.at,
        session_id=str(contact.session_id), phone_hash=keyed_hash(known.account.hash_key, f"phone:{phone}"), now=now,
    )  # fmt: skip


def of_reports(pool: Pool, known: Known | None) -> Note | None:
    """Notes what notifications did not tell. What is older than any booking looks back is passed over."""
    if known is None:
        return None

    async def told(contacts: Sequence[Contact]) -> None:
        now = utc_now()
        for contact in contacts:
            if contact.at > now - matching.CONTACT_WINDOW - timedelta(days=1):
                async with pool.acquire() as conn, conn.transaction():
                    await note(conn, known, contact, now=now)

    return told


async def _take(conn: Conn, known: Known, told: Notification, now: datetime) -> str:
    call = told.event in _CALLS
    subject = told.call_id if call else told.chat_id
    phone = told.contact_phone if call else told.visitor_phone
    if subject is None or told.session_id is None or not phone or (call and told.direction == "out"):
        return "kept"
    await note(conn, known, Contact("call" if call else "chat", subject, told.at, told.session_id, phone), now=now)
    return "kept"


#: Part of `uis_notifications.table`.
HANDLERS: dict[str, TakeNotification] = dict.fromkeys((*_CALLS, *_CHATS), _take)
