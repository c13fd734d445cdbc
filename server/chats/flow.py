"""Chats and forms become clients of a branch, on the event the owner chose, with what was said in them.

Whatever tells of one, a notification or a report, is kept once; what it now is follows from all that was told, what to
do from that and the settings. A notification says little: where UIS can be asked, it is asked before anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import store as accounts
from server.chats import store, telling
from server.chats.model import Decision, Telling, Text, Want, decide, text_of
from server.chats.settings import TextsIntegration, read_settings
from server.clients import flow as clients
from server.clients.model import Wanted
from server.clients.settings import CardSettings
from server.clients.templates import fill_template
from server.delivery import outbox, relay
from server.feed import flow as feed
from server.matching import store as matching
from server.platform.postgres import Conn, Pool, Row

#: Job: ask UIS about what is due of an account.
READ_JOB = "texts.read"
#: Job: what waits is looked at anew, for the settings have changed.
SETTLE_JOB = "texts.settle"
_ONE_KEY = "all"
#: An older one, found by a report, is nothing that reception would act on now.
_FRESH = timedelta(hours=24)
#: Reports show what happened after a moment, and sometimes later; after the last pause what is known must do.
READ_PAUSES_S = (1.0, 5.0, 20.0, 60.0, 240.0)


async def take(conn: Conn, account_id: UUID, told: Telling, *, now: datetime, asked: bool = False) -> str:
    """Keeps what was told and does what follows, in the caller's transaction: `stored`, `new` or `duplicate`.

    `asked`: the owner asked for that time by hand, so that what was before the integration counts as well.
    """
    text_id, new = await store.ensure_text(conn, account_id, told, asked=asked, now=now)
    added = await store.add_event(conn, account_id, text_id, told, now=now)
    if not added and not asked:
        return "duplicate"
    await settle(conn, account_id, text_id, now=now)
    return "new" if new else "stored" if added else "duplicate"


async def take_of_communication(
    conn: Conn, account_id: UUID, communication_id: int, told: Mapping[str, Any], *, now: datetime
) -> str:
    """As `take` for what names only its communication (a tag): a chat nobody told of yet is looked up first."""
    vendor_id = await store.chat_of_communication(conn, account_id, communication_id)
    if vendor_id is not None:
        stored = await take(conn, account_id, _of_chat(told, vendor_id), now=now)
        return "duplicate" if stored == "duplicate" else "stored"
    await store.look_up(conn, account_id, communication_id, told, now=now)
    await outbox.enqueue(conn, account_id, READ_JOB, _ONE_KEY, run_at=now)
    return "stored"


def _of_chat(told: Mapping[str, Any], vendor_id: int) -> Telling:
    return Telling(
        "chat", vendor_id, told["event"], "notification", told["key"], datetime.fromisoformat(told["at"]), told["facts"]
    )


async def settle(conn: Conn, account_id: UUID, text_id: UUID, *, now: datetime) -> None:
    """Works out what a chat or form now is, and does what is to be done about it."""
    row = await store.locked(conn, account_id, text_id)
    if row is None:
        return
    text = text_of(await store.tellings(conn, account_id, text_id, row))
    settings = read_settings(await accounts.integration_settings(conn, account_id, "texts"))
    readable = row["reads"] < len(READ_PAUSES_S)
    decision = decide(
        text, settings, enabled_at=await accounts.integration_enabled_at(conn, account_id, "texts"),
        own=row["kind"] == "form" and await store.loaded_by_us(conn, account_id, row["vendor_id"]),
        asked=row["asked"], readable=readable,
    )  # fmt: skip
    client = row["branch_client_id"]
    if decision.want is not None:
        wanted = await _wanted(conn, account_id, row, text, decision, decision.want, settings)
        answer = await clients.want(conn, account_id, wanted, now=now)
        if isinstance(answer, clients.Asked):
            client = answer.branch_client_id
        else:
            decision = replace(decision, state="skipped", reason=answer)
    read_at = None
    if decision.reason == "unread":
        read_at = row["next_read_at"] or now + timedelta(
            seconds=READ_PAUSES_S[min(row["reads"], len(READ_PAUSES_S) - 1)]
        )
        await outbox.enqueue(conn, account_id, READ_JOB, _ONE_KEY, run_at=read_at)
    # While it goes on a look is no failed one: the end of a chat has all its looks before it.
    reads = 0 if text.kind == "chat" and text.status == "going_on" and text.read else row["reads"]
    await store.keep(
        conn, account_id, text_id, text, decision, branch_client_id=client, reads=reads, next_read_at=read_at, now=now
    )
    if not row["asked"] and decision.reason != "own_lead" and now - text.started_at <= _FRESH:
        visit = await matching.visit_of_contact(conn, account_id, f"{text.kind}:{row['vendor_id']}")
        await feed.publish(
            conn,
            account_id,
            telling.event(
                str(row["vendor_id"]),
                replace(text, phone=await clients.shown_phone(conn, account_id, text.phone)),
                decision.company_id,
                visit,
            ),
            now=now,
        )


async def save(conn: Conn, account_id: UUID, wanted: TextsIntegration, *, now: datetime) -> None:
    """Keeps what the owner set. What waits is looked at anew, and clients that were held go on."""
    await accounts.save_integration(conn, account_id, "texts", wanted.model_dump(mode="json"), now=now)
    await relay.release(conn, account_id, "client", now=now)
    await outbox.enqueue(conn, account_id, SETTLE_JOB, _ONE_KEY, run_at=now)


async def ask_about_long_ones(
    pool: Pool, account_id: UUID, *, before: datetime, after: datetime, now: datetime
) -> None:
    """Chats that went on when they were last heard of, and began too early to be compared: they may have ended."""
    async with pool.acquire() as conn, conn.transaction():
        if await store.ask_about_open(conn, account_id, before=before, after=after, now=now):
            await outbox.enqueue(conn, account_id, READ_JOB, _ONE_KEY, run_at=now)


async def why_no_past(conn: Conn, account_id: UUID) -> str:
    """Why no past time can be asked for; empty where it can."""
    if await accounts.integration_enabled_at(conn, account_id, "texts") is None:
        return "the integration of texts is off"
    return "" if await accounts.connection_row(conn, account_id, "uis") else "UIS is not connected"


async def settle_waiting(pool: Pool, account_id: UUID, *, now: datetime) -> None:
    """The settings changed. What was passed over stays passed over: the owner asks for past time by hand."""
    async with pool.acquire() as conn:
        waiting = await store.waiting(conn, account_id)
    for text_id in waiting:
        async with pool.acquire() as conn, conn.transaction():
            await settle(conn, account_id, text_id, now=now)


async def _wanted(
    conn: Conn, account_id: UUID, row: Row, text: Text, decision: Decision, want: Want, settings: TextsIntegration
) -> Wanted:
    assert decision.company_id is not None
    card = settings.forms.card if text.kind == "form" else settings.chats.card
    values = await _values(conn, account_id, decision.company_id, text)
    key = f"{text.kind}:{row['vendor_id']}"
    return Wanted(
        decision.company_id, text.phone, text.kind, key if want.say else f"{key}:start", name=text.name, email=text.email,
        comment=_comment(card, values) if want.say else "", card_name=fill_template(card.name, values), label=card.source,
        make=want.make, fill_empty=card.fill_empty, quiet=not want.say,
    )  # fmt: skip


def _comment(card: CardSettings, values: Mapping[str, str]) -> str:
    return fill_template(card.comment, values)


async def _values(conn: Conn, account_id: UUID, company_id: int, text: Text) -> dict[str, str]:
    branch = await accounts.branch_of_company(conn, account_id, company_id)
    at = text.started_at.astimezone(ZoneInfo(branch.timezone if branch else "Europe/Moscow"))
    return {
        "phone": text.phone, "name": text.name, "email": text.email, "date": f"{at:%d.%m.%Y}", "time": f"{at:%H:%M}",
        "branch": branch.title if branch else "", "site": text.site, "source": text.traffic_source,
        "campaign": text.campaign, "employee": text.employee, "channel": text.type if text.kind == "chat" else text.form_name,
        "message": text.message, "transcript": text.transcript or "", "kind": "чат" if text.kind == "chat" else "заявка",
        "number": "", "scenario": "",
    }  # fmt: skip
