"""What happens at a salon's reception, as the operators' screens are told of it. Pure; no I/O, no clock.

Each event belongs to a *subject*: `call:ID`, `chat:ID` or `form:ID`. The *item* of a subject is all its events folded
into one plain dict; it stands beside the event in the feed, so that a screen shows the newest item and folds nothing.
Events may come in any order and doubled: a state never goes back, an empty field never wipes out a known one.

Phones are E.164 or empty (hidden). Texts are clipped at `TEXT_MOST`. No event carries a secret: no token, no address of
a recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol
from uuid import UUID

TEXT_MOST = 4000
_NUMBER = 7  # so many digits in a name are a phone
Direction = Literal["in", "out"]
Author = Literal["visitor", "operator", "system"]
Delivered = Literal["sent", "delivered", "read", "failed"]


class Event(Protocol):
    """`state` is what the subject becomes by it, empty when it stays as it is."""

    kind: ClassVar[str]
    state: ClassVar[str]

    @property
    def subject(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """Somebody of the telephony: whose phone rings, who talks."""

    employee_id: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """What brought a call, a chat or a form, as far as known."""

    campaign: str = ""
    source: str = ""
    site: str = ""
    page: str = ""  # address without its query


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    name: str = ""
    url: str = ""
    content_type: str = ""


# --- calls


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging:
    """Somebody's phone rings. Told again with another employee, the item gathers them all."""

    kind: ClassVar[str] = "call.ringing"
    state: ClassVar[str] = "ringing"
    call_id: str
    direction: Direction
    phone: str = ""
    name: str = ""  # of the client, as far as known
    company_id: int | None = None
    client_id: int | None = None  # in the booking system
    virtual_number: str = ""
    scenario: str = ""
    employees: tuple[Employee, ...] = ()
    advert: Advert | None = None
    external_id: str = ""  # of a call that was ordered here: the id of the command
    started_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"call:{self.call_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    """An employee talks with the client."""

    kind: ClassVar[str] = "call.answered"
    state: ClassVar[str] = "talking"
    call_id: str
    direction: Direction | None = None
    phone: str = ""
    company_id: int | None = None
    answered_by: Employee | None = None
    external_id: str = ""
    answered_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"call:{self.call_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """Over for all, after a talk; or an outgoing call that nobody took."""

    kind: ClassVar[str] = "call.ended"
    state: ClassVar[str] = "ended"
    call_id: str
    direction: Direction | None = None
    phone: str = ""
    company_id: int | None = None
    answered_by: Employee | None = None
    talk_s: int | None = None
    wait_s: int | None = None
    external_id: str = ""
    ended_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"call:{self.call_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMissed:
    """A client called and nobody talked: to be called back."""

    kind: ClassVar[str] = "call.missed"
    state: ClassVar[str] = "missed"
    call_id: str
    direction: Direction = "in"
    phone: str = ""
    name: str = ""
    company_id: int | None = None
    client_id: int | None = None
    virtual_number: str = ""
    scenario: str = ""
    advert: Advert | None = None
    wait_s: int | None = None
    ended_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"call:{self.call_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLapsed:
    """It rang for long and nothing more was heard: its pop-up is to close. What is heard later counts all the same."""

    kind: ClassVar[str] = "call.lapsed"
    state: ClassVar[str] = "lapsed"
    call_id: str

    @property
    def subject(self) -> str:
        return f"call:{self.call_id}"


# --- chats and forms


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatStarted:
    kind: ClassVar[str] = "chat.started"
    state: ClassVar[str] = "open"
    chat_id: str
    channel: str = ""  # as the vendor names it: comagic, whatsapp, telegram …
    phone: str = ""
    name: str = ""
    email: str = ""
    company_id: int | None = None
    client_id: int | None = None
    advert: Advert | None = None
    channel_id: int | None = None  # where the vendor tells it: without it no message can be sent from here
    started_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"chat:{self.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message, told once by its id. The item keeps the last one; `messages` of a chat are asked for."""

    kind: ClassVar[str] = "chat.message"
    state: ClassVar[str] = ""
    chat_id: str
    message_id: str
    author: Author
    author_name: str = ""
    text: str = ""
    files: tuple[File, ...] = ()
    delivered: Delivered = "sent"
    command_id: str = ""  # of the command that sent it
    sent_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"chat:{self.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessageStatus:
    """How far a message of an operator came."""

    kind: ClassVar[str] = "chat.message_status"
    state: ClassVar[str] = ""
    chat_id: str
    message_id: str
    delivered: Delivered
    command_id: str = ""
    error: str = ""

    @property
    def subject(self) -> str:
        return f"chat:{self.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEnded:
    kind: ClassVar[str] = "chat.ended"
    state: ClassVar[str] = "ended"
    chat_id: str
    phone: str = ""
    name: str = ""
    company_id: int | None = None
    answered_by: Employee | None = None
    lost: bool = False  # no operator came to it
    ended_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"chat:{self.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSent:
    """A site form: somebody asked for an answer."""

    kind: ClassVar[str] = "form.sent"
    state: ClassVar[str] = "sent"
    form_id: str
    phone: str = ""
    name: str = ""
    email: str = ""
    text: str = ""
    company_id: int | None = None
    client_id: int | None = None
    advert: Advert | None = None
    sent_at: datetime | None = None

    @property
    def subject(self) -> str:
        return f"form:{self.form_id}"


# --- what operators do; told by the workplace alone


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """A person of the account."""

    person_id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Somebody took a call, a chat or a form upon themselves."""

    kind: ClassVar[str] = "item.taken"
    state: ClassVar[str] = ""
    subject: str
    taken_by: By


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    kind: ClassVar[str] = "item.noted"
    state: ClassVar[str] = ""
    subject: str
    note: str
    noted_by: By


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSet:
    kind: ClassVar[str] = "item.result"
    state: ClassVar[str] = ""
    subject: str
    result: str
    result_by: By


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledBack:
    """A call to the client was ordered: a missed call is not missed any more."""

    kind: ClassVar[str] = "item.called_back"
    state: ClassVar[str] = ""
    subject: str
    called_back_by: By
    back_call_id: str


# --- folding

_RANK: Mapping[str, int] = {
    "ringing": 1, "lapsed": 1, "open": 1, "sent": 1, "talking": 2, "ended": 3, "missed": 4,
}  # fmt: skip
#: Fields of an event that say which event it is; they are no part of the item.
_OF_THE_EVENT = frozenset({"call_id", "chat_id", "form_id", "subject", "command_id"})


def plain(event: Event) -> dict[str, Any]:
    """The event as JSON: times ISO 8601, ids as text, texts clipped; every field is there, empty or not."""
    told: dict[str, Any] = _plain(event)
    return told


def once(event: Event) -> str | None:
    """The key by which an event is told once only; None: a repetition is told by the item that stays the same."""
    return f"message:{event.chat_id}:{event.message_id}" if isinstance(event, ChatMessage) else None


def fold(item: Mapping[str, Any] | None, event: Event, *, at: datetime) -> dict[str, Any]:
    """The item after an event; equal to `item` when the event says nothing new."""
    kind, _, name = event.subject.partition(":")
    new = {"subject": event.subject, "kind": kind, "id": name, "state": "", "at": at.isoformat()}
    before: dict[str, Any] = dict(item or new)
    told = {key: value for key, value in plain(event).items() if key not in _OF_THE_EVENT and not _empty(value)}
    if isinstance(event, ChatMessage):
        message = {key: told.get(key, "") for key in ("message_id", "author", "author_name", "text", "delivered")}
        return {**before, "state": before["state"] or "open", "last_message": message}
    if isinstance(event, ChatMessageStatus):
        last = before.get("last_message")
        if last and last["message_id"] == event.message_id:
            before["last_message"] = {**last, "delivered": event.delivered}
        return before
    if "employees" in told:
        told["employees"] = _joined(before.get("employees", []), told["employees"])
    late = bool(event.state) and _RANK[event.state] < _RANK.get(before["state"], 0)
    if late:
        merged = {**told, **before, "employees": told.get("employees", before.get("employees"))}
        return {key: value for key, value in merged.items() if value is not None}
    return {**before, **told, "state": event.state or before["state"]}


def masked(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload for those who may not see phones and e-mails: the last two digits of a phone stay. Many clients are
    saved under their phone: a name that is a number goes as well."""
    return {key: _mask(key, value) for key, value in payload.items()}


def _mask(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_mask(key, one) for one in value]
    if key == "phone" and value:
        return "•" * max(0, len(value) - 2) + value[-2:]
    if key in ("name", "author_name") and value and sum(sign.isdigit() for sign in value) >= _NUMBER:
        return "•••"
    return "•••" if key == "email" and value else value


def _joined(known: list[Any], more: list[Any]) -> list[Any]:
    return [*known, *(one for one in more if one not in known)]


def _empty(value: Any) -> bool:
    return value is None or value is False or value in ("", [])


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value[:TEXT_MOST].replace("\0", "") if isinstance(value, str) else value
