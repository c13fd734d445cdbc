"""Chats and site forms of the simulated account: how a chat goes from new to its end, when its visitor names a phone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from e2e.stand.uis.chat_hooks import chat_document, message_document
from e2e.stand.uis.marks import put_tag, tag_of
from e2e.stand.uis.state import Communication, Uis


@dataclass
class Chat:
    id: int
    communication_id: int
    visitor_id: int
    site_id: int
    campaign_id: int
    session_id: int | None
    at: datetime
    initiator: str = "visitor"
    channel: str = "comagic"
    channel_id: int = 1
    status: str = "new"  # new, active, succeed, lost, refused
    employee: dict[str, Any] | None = None
    release_cause: str | None = None
    ended: datetime | None = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)

    def variables(self, uis: Uis) -> dict[str, Any]:
        visitor = uis.visitors[self.visitor_id]
        return {
            **_web(uis, self.site_id, self.campaign_id, self.session_id), "communication_id": self.communication_id,
            "communication_type": "chat", "chat_id": self.id, "tag_ids": [one["tag_id"] for one in self.tags],
            "tag_names": [one["tag_name"] for one in self.tags], "messages": _transcript(uis, self), "status": self.status,
            "employee_id": self.employee["id"] if self.employee else None,
            "employee_full_name": self.employee["full_name"] if self.employee else None,
            "visitor_name": visitor["name"], "visitor_id": self.visitor_id,
            "contact_phone_number": visitor["phones"][0] if visitor["phones"] else None,
        }  # fmt: skip


def _web(uis: Uis, site_id: int | None, campaign_id: int | None, session_id: int | None) -> dict[str, Any]:
    now = uis.clock()
    site = next((one for one in uis.sites if one["id"] == site_id), {})
    campaign = next((one for one in uis.campaigns if one["id"] == campaign_id), {})
    session = uis.sessions.get(session_id or 0)
    marks = session.marks if session else {}
    return {
        "notification_time": uis.wall(now), "notification_timestamp": int(now.timestamp()), "app_id": 1103,
        "site_id": site_id, "site_domain_name": site.get("domain_name"), "campaign_id": campaign_id, "campaign_name": campaign.get("name"),
        "session_id": session_id, "search_engine": marks.get("search_engine"), "search_query": marks.get("search_query"),
        "ua_client_id": None,
        **{name: marks.get(name) for name in ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")},
    }  # fmt: skip


def _transcript(uis: Uis, chat: Chat) -> Any:
    """As text or as a list: nobody has written it down."""
    if uis.switches.notice_messages == "array":
        return [{"source": one["source"], "text": one["text"], "date_time": one["date_time"]} for one in chat.messages]
    return "\n".join(f"{one['source']}: {one['text']}" for one in chat.messages)


def message_variables(uis: Uis, row: dict[str, Any]) -> dict[str, Any]:
    """What a notification says of a request, one we have loaded ourselves included."""
    phone = row["visitor_phone_number"]
    return {
        **_web(uis, row["site_id"], row["campaign_id"], row["visitor_session_id"]), "offline_message_id": row["id"],
        "communication_id": row["communication_id"], "communication_type": "offline_message", "form_name": row["form_name"],
        "form_type": row["form_type"], "ext_id": row["ext_id"], "visitor_name": row["visitor_name"],
        "visitor_phone_number": str(phone) if phone else None, "visitor_email": row["visitor_email"], "visitor_message": row["text"],
        "visitor_id": row.get("visitor_id"), "contact_phone_number": str(phone) if phone else None,
    }  # fmt: skip


ENDS = {
    "finished": ("succeed", "closed_by_operator"), "lost": ("lost", "closed_by_timeout"),
    "refused": ("refused", "visitor_disconnected"), "open": ("active", None),
}  # fmt: skip
CONTACTS_AT = ("start", "middle", "end", "after", "never")


class Talks:
    """Plays chats; what is being played stops with it."""

    def __init__(self, uis: Uis) -> None:
        self._uis = uis
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def chat(
        self,
        *,
        scenario: str = "finished",
        name: str = "Ольга",
        phone: str = "79165550101",
        email: str = "",
        contacts_at: str = "middle",
        messages: list[str] | None = None,
        site_id: int = 43525,
        campaign_id: int = 268176,
        session_id: int | None = None,
        channel: str = "comagic",
        initiator: str = "visitor",
        visitor_id: int | None = None,
        tag: int | str | None = None,
        scale: float = 1.0,
        until_end: bool = False,
    ) -> Chat:
        """Starts a chat and answers it; with `until_end` only when it is over. Raises `KeyError` for what is not known."""
        uis = self._uis
        ends, mark = ENDS[scenario], tag_of(uis, tag)["tag_id"] if tag is not None else None
        if contacts_at not in CONTACTS_AT:
            raise KeyError(contacts_at)
        number = visitor_id or uis.new_id()
        uis.visitors.setdefault(number, {"id": number, "name": "", "phones": [], "emails": [], "usernames": []})
        chat = Chat(
            uis.new_id(), uis.new_id(), number, site_id, campaign_id, session_id, uis.clock(), initiator, channel
        )
        uis.chats[chat.id] = chat
        for account_id in uis.accounts_of(chat.channel_id):
            uis.tell_adapters("/chat", chat_document(uis, chat, account_id), account_id=account_id)
        said = messages if messages is not None else ["Здравствуйте! Есть время на субботу?", "Спасибо, подойдёт 12:00"]
        contacts = {"name": name, "phone": phone, "email": email}
        task = asyncio.create_task(self._play(chat, ends, contacts, contacts_at, said, mark, scale))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if until_end:
            await task
        return chat

    async def _play(
        self,
        chat: Chat,
        ends: tuple[str, str | None],
        contacts: dict[str, str],
        contacts_at: str,
        said: list[str],
        mark: int | None,
        scale: float,
    ) -> None:
        uis, (status, cause) = self._uis, ends

        async def at(moment: str) -> None:
            await asyncio.sleep(2 * scale)
            if contacts_at == moment:
                introduce(uis, chat.visitor_id, **contacts)
                _card(uis, chat)

        say(uis, chat, "system", "Чат начат")
        if contacts_at == "start":
            introduce(uis, chat.visitor_id, **contacts)
            _card(uis, chat)
        if status != "refused" and said:
            say(uis, chat, "visitor", said[0])
        if status in ("succeed", "active"):
            await asyncio.sleep(2 * scale)
            chat.employee, chat.status = uis.staff[0], "active"
            say(uis, chat, "operator", "Добрый день! Чем помочь?")
        await at("middle")
        if mark is not None:
            put_tag(uis, "chat", chat.tags, lambda: chat.variables(uis), mark)
        for text in said[1:] if status in ("succeed", "active") else []:
            await asyncio.sleep(scale)
            say(uis, chat, "visitor", text)
        await at("end")
        if status != "active":
            close(uis, chat, status, cause)
        await at("after")


def introduce(uis: Uis, visitor_id: int, *, name: str = "", phone: str = "", email: str = "") -> None:
    """The visitor says who they are: the name is written over, phones and addresses are added."""
    visitor = uis.visitors[visitor_id]
    visitor["name"] = name or visitor["name"]
    for kind, value in (("phones", phone), ("emails", email)):
        if value and value not in visitor[kind]:
            visitor[kind].append(value)


def _card(uis: Uis, chat: Chat) -> None:
    visitor = uis.visitors[chat.visitor_id]
    card = {
        "name": visitor["name"],
        "company": "",
        "comment": "",
        "phones": visitor["phones"],
        "emails": visitor["emails"],
    }
    for account_id in uis.accounts_of(chat.channel_id):
        told = {
            "context": {},
            "account_id": account_id,
            "channel_id": chat.channel_id,
            "visitor_id": chat.visitor_id,
            "visitor_card": card,
        }
        uis.tell_adapters("/visitor/card", told, account_id=account_id)


def say(uis: Uis, chat: Chat, source: str, text: str, *, told: bool = True) -> dict[str, Any]:
    made = {
        "id": uis.new_id(), "chat_id": chat.id, "channel_id": chat.channel_id, "channel_type": chat.channel, "date_time": uis.wall(uis.clock()),
        "is_group_chat": False, "visitor_id": chat.visitor_id, "text": text, "source": source, "resource": None,
        "employee_id": chat.employee["id"] if source == "operator" and chat.employee else None,
        "employee_full_name": chat.employee["full_name"] if source == "operator" and chat.employee else None,
    }  # fmt: skip
    chat.messages.append(made)
    for account_id in uis.accounts_of(chat.channel_id) if told else ():
        uis.tell_adapters("/message", message_document(uis, chat, made, account_id), account_id=account_id)
    return made


def close(uis: Uis, chat: Chat, status: str, cause: str | None) -> None:
    chat.status, chat.release_cause, chat.ended = status, cause, uis.clock()
    visitor = uis.visitors[chat.visitor_id]
    uis.communications.append(
        Communication(
            chat.communication_id, "chat", chat.at, frozenset(visitor["phones"]), frozenset(visitor["emails"])
        )
    )
    for account_id in uis.accounts_of(chat.channel_id):
        ended: dict[str, Any] = {
            "context": {}, "account_id": account_id, "channel_id": chat.channel_id, "chat_id": chat.id,
            "operator_id": chat.employee["id"] if chat.employee else None, "reason": cause,
        }  # fmt: skip
        uis.tell_adapters("/chat/close", ended, account_id=account_id)
    uis.tell("lost_chat" if status == "lost" else "chat_finished", chat.variables(uis))


def form(
    uis: Uis,
    *,
    name: str = "Ольга",
    phone: str = "79165550101",
    email: str = "",
    text: str = "Перезвоните мне",
    site_id: int = 43525,
    campaign_id: int = 268176,
    session_id: int | None = None,
    form_name: str = "Обратный звонок",
    form_type: str = "Пользовательская",
) -> dict[str, Any]:
    """A form of the site is sent: a request stands in the account and is told of."""
    digits = phone.lstrip("+")
    shown = int(digits) if uis.switches.phone_as_number and digits.isdigit() else phone
    row: dict[str, Any] = {
        "id": uis.new_id(), "date_time": uis.wall(uis.clock()), "text": text, "communication_id": uis.new_id(),
        "communication_type": "offline_message", "status": "not_processed", "form_type": form_type, "form_name": form_name,
        "ext_id": None, "visitor_name": name or None, "visitor_phone_number": shown if phone else None, "visitor_email": email or None,
        "visitor_session_id": session_id, "site_id": site_id, "campaign_id": campaign_id, "source_id": None, "user_fields": [],
        "visitor_id": uis.new_id(), "_shown_from": uis.clock(), "_phone": phone,
    }  # fmt: skip
    uis.messages[row["id"]] = row
    phones, emails = frozenset({digits} if phone else ()), frozenset({email} if email else ())
    uis.communications.append(Communication(row["communication_id"], "offline_message", uis.clock(), phones, emails))
    told = message_variables(uis, row)
    uis.tell("offline_message", {**told, "visitor_phone_number": phone or None, "contact_phone_number": phone or None})
    return row
