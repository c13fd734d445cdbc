"""Takes what is told of calls, and says what is to be done: a pop-up while it rings, history once, a client.

Everything is worked out of the set of a call's signals in the transaction that stored the last one; what has been
asked for is not asked for again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import store as accounts
from server.accounts.lookup import Known
from server.calls import model, networks, store, telling
from server.calls.model import RINGS_MOST, TALKS_MOST, Call, Rules, Signal, call_of
from server.calls.settings import read_settings
from server.clients import flow as clients
from server.clients.model import Wanted
from server.clients.templates import fill_template
from server.delivery import outbox, relay
from server.feed import flow as feed
from server.matching import store as matching
from server.platform.postgres import Conn, Row
from server.platform.vault import Vault

#: Tell the other system that a call rings; key: the call.
POPUP_JOB = "calls.popup"
#: Look at a call again when its time is over; key: the call.
SETTLE_JOB = "calls.settle"
_SOON = timedelta(seconds=20)
#: An older call, found by a report, is nothing that reception would act on now.
_FRESH = timedelta(hours=24)
_MESSAGE_WAIT = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Told:
    """A signal, and the link to a recording it spoke of."""

    signal: Signal
    link: str | None = field(default=None, repr=False)


def record_mark(link: str) -> str:
    """Stands for a link without being it."""
    return hashlib.sha256(link.encode()).hexdigest()[:16]


def seal_link(vault: Vault, account_id: UUID, call_id: UUID, link: str) -> bytes:
    return vault.seal(link.encode(), account_id=account_id, field=f"call.record:{call_id}")


def open_link(vault: Vault, account_id: UUID, call_id: UUID, sealed: bytes) -> str:
    return vault.open(sealed, account_id=account_id, field=f"call.record:{call_id}").decode()


async def take(
    conn: Conn, vault: Vault, known: Known, session_id: str, told: Sequence[Told], *, received_at: datetime,
    now: datetime, asked: bool = False,
) -> str:  # fmt: skip
    """Keeps what is new of these and acts on it; answers `stored`, or `duplicate` where nothing was new."""
    account_id = known.account.account_id
    row = await store.ensure(
        conn, account_id, session_id, at=min(one.signal.at for one in told), asked=asked, now=now
    )  # fmt: skip
    new = False
    for one in told:
        link = one.link
        signal = replace(one.signal, record=record_mark(link)) if link else one.signal
        sealed = seal_link(vault, account_id, row["call_id"], link) if link else None
        new |= await store.add_event(conn, account_id, row["call_id"], signal, sealed, received_at=received_at)
    if not new:
        return "duplicate"
    await _refresh(conn, known, row, now=now)
    return "stored"


async def settle(conn: Conn, known: Known, call_id: UUID, *, now: datetime) -> None:
    """Job `SETTLE_JOB`: a call of which nothing more is heard is over, and what was waited for long enough goes on."""
    account_id = known.account.account_id
    row = await store.locked(conn, account_id, call_id)
    if row is None:
        return
    call = call_of(await store.signals(conn, account_id, call_id))
    if call.state != "over" and now >= call.heard_at + _patience(call):
        silence = Signal("silence", "silence", now, phase=call.phase)
        await store.add_event(conn, account_id, call_id, silence, None, received_at=now)
    await _refresh(conn, known, row, now=now)


def _patience(call: Call) -> timedelta:
    return RINGS_MOST if call.state == "ringing" else TALKS_MOST


async def _refresh(conn: Conn, known: Known, row: Row, *, now: datetime) -> None:
    account_id, call_id = row["account_id"], row["call_id"]
    call = call_of(await store.signals(conn, account_id, call_id))
    rules = await rules_of(conn, account_id, call)
    done = store.Done(
        rules.network.network_id if rules.network else None,
        rules.network.branch_of(call.number) if rules.network else None,
        row["popup"], row["popup_why"], row["history"], row["history_why"], row["history_at"], row["client"],
        row["client_why"],
    )  # fmt: skip
    done = await _popup(conn, account_id, call_id, call, rules, done, now=now)
    if call.state == "over":
        done = await _history(conn, known, row, call, rules, done, now=now)
    record = row["record"]
    if call.record:
        record = await store.record_of(conn, account_id, call_id, call.record) or record
    await store.save(conn, account_id, call_id, call, done, record, now=now)
    again = call.heard_at + _patience(call) if call.state != "over" else done.history_at
    if again is not None:
        await outbox.enqueue(conn, account_id, SETTLE_JOB, str(call_id), run_at=max(again, now))
    if not row["asked"] and now - call.started_at <= _FRESH:
        visit = await matching.visit_of_contact(conn, account_id, f"call:{row['session_id']}")
        for event in telling.events(row["session_id"], call, done.company_id, visit):
            await feed.publish(conn, account_id, event, now=now)


async def rules_of(conn: Conn, account_id: UUID, call: Call) -> Rules:
    settings = read_settings(await accounts.integration_settings(conn, account_id, "telephony"))
    enabled_at = await accounts.integration_enabled_at(conn, account_id, "telephony") if settings.enabled else None
    network = settings.network_of(call.number) if call.number else None
    state = await networks.state(conn, account_id, network.network_id) if network else None
    return Rules(settings, enabled_at, network, connected=state not in (None, "refused"))


async def _popup(
    conn: Conn, account_id: UUID, call_id: UUID, call: Call, rules: Rules, done: store.Done, *, now: datetime
) -> store.Done:
    if done.popup not in ("", "skipped"):
        return done
    why = model.why_no_popup(call, rules)
    if why == "ended" and done.popup_why:
        why = done.popup_why  # type: ignore[assignment]  # while it rang
    if why:
        return replace(done, popup="skipped" if call.state == "over" else "", popup_why=why)
    await outbox.enqueue(conn, account_id, POPUP_JOB, str(call_id), run_at=now)
    return replace(done, popup="wanted", popup_why="")


async def _history(
    conn: Conn, known: Known, row: Row, call: Call, rules: Rules, done: store.Done, *, now: datetime
) -> store.Done:
    """One entry, once. Waits for the report where only that can tell, then for the recording."""
    if done.history == "wanted":
        return replace(done, history_at=None)
    account_id, ended_at = known.account.account_id, call.ended_at or now
    why = model.why_nothing(call, rules, asked=row["asked"])
    if why in ("", "no_number") and model.needs_report(call, rules) and now < ended_at + model.REPORT_WAIT:
        await store.read_soon(conn, account_id, at=now + _SOON)
        return replace(done, history="held", history_why="report", history_at=ended_at + model.REPORT_WAIT)
    why = model.why_no_history(call, rules, asked=row["asked"])
    if why and why != "not_connected":
        return replace(done, history="skipped", history_why=why, history_at=None, client="skipped", client_why=why)
    if done.client != "wanted":
        done = await _client(conn, known, row, call, rules, done, now=now)
    grace = timedelta(seconds=rules.settings.recording_grace_s)
    if call.outcome == "answered" and not call.record and now < ended_at + grace:
        return replace(done, history="held", history_why="record", history_at=ended_at + grace)
    # Where callers leave messages, one may still come: a short while, for a lost call is to be seen soon.
    lost = call.outcome == "missed" and call.direction == "in" and now < ended_at + _MESSAGE_WAIT
    if lost and await store.messages_come(conn, account_id):
        return replace(done, history="held", history_why="record", history_at=ended_at + _MESSAGE_WAIT)
    held = "not_connected" if why else ""
    await relay.want(conn, account_id, "call", row["call_id"], {"company_id": done.company_id}, now=now, held=held)
    return replace(done, history="wanted", history_why="", history_at=None)


async def _client(
    conn: Conn, known: Known, row: Row, call: Call, rules: Rules, done: store.Done, *, now: datetime
) -> store.Done:
    network = rules.network
    if network is None or done.company_id is None or not network.create_client or call.direction == "internal":
        return replace(done, client="skipped", client_why="not_wanted")
    card = rules.settings.card
    branch = next((one for one in known.branches if one.company_id == done.company_id), None)
    zone = ZoneInfo(branch.timezone) if branch else known.zone
    at = call.started_at.astimezone(zone)
    phone = model.phone_digits(call.contact)
    values = {
        "phone": f"+{phone}" if len(phone) > 9 else phone, "date": f"{at:%d.%m.%Y}", "time": f"{at:%H:%M}",
        "branch": branch.title if branch else "", "site": call.site[1], "source": call.source[1],
        "number": call.number, "scenario": call.scenario[1], "employee": call.employee[1],
        "kind": {"answered": "звонок", "missed": "пропущенный звонок", "voice_mail": "голосовое сообщение"}.get(call.outcome),
    }  # fmt: skip
    asked = await clients.want(
        conn, known.account.account_id,
        Wanted(
            company_id=done.company_id, phone=call.contact, source="call", comment_key=f"call:{row['session_id']}",
            comment=fill_template(card.comment, values), card_name=fill_template(card.name, values), label=card.source,
            fill_empty=card.fill_empty,
        ),
        now=now,
    )  # fmt: skip
    if isinstance(asked, str):
        return replace(done, client="skipped", client_why=asked)
    return replace(done, client="wanted", client_why="")
