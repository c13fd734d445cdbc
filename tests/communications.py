"""Calls, chats and forms as they stand after their notifications were worked on: rows for what only looks at them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from server.delivery import relay, replays
from server.platform.clock import utc_now
from server.platform.ids import new_id

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
RING = {"scenario": [None, "Основной"], "site": [43525, "salon.example"]}


async def _insert(conn: Any, table: str, values: dict[str, Any]) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await conn.execute(f"insert into {table} ({', '.join(values)}) values ({places})", *values.values())


async def client_of_branch(
    pool: asyncpg.Pool, account_id: UUID, key: str, *, phone: str, comment: str, how: str = "made", company: int = 4564
) -> UUID:
    """A client of the branch with one comment in the card."""
    client = new_id()
    async with pool.acquire() as conn:
        await _insert(
            conn,
            "branch_client",
            {
                "account_id": account_id,
                "branch_client_id": client,
                "company_id": company,
                "phone": phone,
                "make": True,
                "client_id": 77001,
                "how": how,
                "card_name": "Анна",
                "created_at": NOW,
                "updated_at": NOW,
            },
        )
        await _insert(
            conn,
            "client_comment",
            {
                "account_id": account_id,
                "comment_id": new_id(),
                "branch_client_id": client,
                "key": key,
                "source": "call",
                "text": comment,
                "state": "written",
                "created_at": NOW,
                "written_at": NOW,
            },
        )
    return client  # fmt: skip


async def call(pool: asyncpg.Pool, account_id: UUID, session: str, **told: Any) -> UUID:
    """An incoming call of a minute that stands in the history; `told` changes it."""
    call_id, at = new_id(), told.pop("started_at", NOW)
    values = {
        "account_id": account_id, "call_id": call_id, "session_id": session, "direction": "in", "state": "over",
        "outcome": "answered", "told": True, "started_at": at, "ended_at": at + timedelta(minutes=1), "contact": "79000000001",
        "number": "74950000001", "employee": "Ольга", "talk_s": 60, "wait_s": 5, "facts": RING, "company_id": 4564,
        "record": b"sealed", "popup": "shown", "popup_at": at, "history": "wanted", "client": "wanted", "created_at": at,
        "updated_at": at, **told,
    }  # fmt: skip
    async with pool.acquire() as conn:
        await _insert(conn, "call", values)
        for place, event in enumerate(("ring", "answer", "over", "record")):
            await _insert(
                conn,
                "call_event",
                {
                    "account_id": account_id,
                    "call_id": call_id,
                    "key": event,
                    "event": event,
                    "at": at + timedelta(seconds=place * 20),
                    "received_at": at,
                    "facts": {"employee": [1, "Ольга"]},
                },
            )
        if values["history"] == "wanted":
            delivery = new_id()
            await _insert(
                conn,
                "delivery",
                {
                    "account_id": account_id,
                    "delivery_id": delivery,
                    "kind": "call",
                    "subject_id": call_id,
                    "state": "delivered",
                    "wanted": {},
                    "attempts": 1,
                    "created_at": at,
                    "updated_at": at,
                },
            )
            await _insert(
                conn,
                "delivery_attempt",
                {
                    "account_id": account_id,
                    "attempt_id": new_id(),
                    "delivery_id": delivery,
                    "at": at,
                    "outcome": "delivered",
                },
            )
    return call_id  # fmt: skip


async def text(pool: asyncpg.Pool, account_id: UUID, vendor_id: int, **told: Any) -> UUID:
    """A chat that ended, with what was said in it; `told` changes it, `facts` are added to its own."""
    text_id, at = new_id(), told.pop("started_at", NOW)
    facts = {
        "name": "Анна", "phone": "+79000000002", "email": "anna@example.com", "site": "salon.example", "type": "whatsapp",
        "campaign": "Яндекс.Директ", "employee": "Ольга", "tags": [[5, "Целевой"]], "message": "",
        "transcript": "Клиент: Можно записаться?\nОператор Ольга: Конечно!", **told.pop("facts", {}),
    }  # fmt: skip
    values = {
        "account_id": account_id, "text_id": text_id, "kind": "chat", "vendor_id": vendor_id, "communication_id": vendor_id,
        "status": "ended", "started_at": at, "ended_at": at + timedelta(minutes=5), "facts": facts, "has_phone": True,
        "company_id": 4564, "state": "done", "created_at": at, "updated_at": at, **told,
    }  # fmt: skip
    async with pool.acquire() as conn:
        await _insert(conn, "text_communication", values)
        for event, source in (("end", "notification"), ("tag", "notification"), ("talk", "report")):
            await _insert(
                conn,
                "text_event",
                {
                    "account_id": account_id,
                    "text_id": text_id,
                    "event_id": new_id(),
                    "key": event,
                    "event": event,
                    "source": source,
                    "at": at,
                    "told_at": at,
                    "facts": {"tags": [[5, "Целевой"]]} if event == "tag" else {},
                },
            )
    return text_id  # fmt: skip


async def replayed(pool: asyncpg.Pool, account_id: UUID) -> UUID:
    """A delivery that failed, and a replay that was asked for and is over; answers the replay's id."""
    subject = new_id()
    async with pool.acquire() as conn, conn.transaction():
        await relay.want(conn, account_id, "lead", subject, {}, now=utc_now(), held="off")
        await conn.execute("update delivery set state = 'failed' where subject_id = $1", subject)
        replay_id = await replays.start(conn, account_id, replays.Wanted(), now=utc_now())
        assert replay_id
        await replays.cancel(conn, account_id, replay_id, now=utc_now())
    return replay_id
