"""What is told of calls to the booking system: a network is connected, a call rings, a call stands in the history.

Promises: a pop-up is tried once, and one for a call that has ended is dropped and shown as dropped; an entry of the
history whose try had no answer is looked for before it is sent again, and where nobody can look it is not sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import store as accounts
from server.accounts.lookup import Known
from server.calls import flow, networks, recordings, store
from server.calls.model import Call, Entry, call_of, entry_of, phone_digits
from server.calls.settings import read_settings
from server.delivery import outbox, relay, rounds
from server.delivery.relay import Delivered, Held, Parcel, Refused, Result, TryAgain
from server.platform.budget import NoLongerWanted, Wanted
from server.platform.postgres import Conn, Pool, Row
from server.platform.vault import Vault

GROUP = 40
_AT_ONCE = 8
#: Holds the calls of one network and no other, until its token works again.
NETWORK_CODES = ("network_refused",)
_LOOK_BACK = timedelta(days=3)
_SHOWS_AFTER = timedelta(minutes=2)


class Away(Exception):
    """No answer, or a pause was asked for. `sent`: it may have arrived all the same."""

    def __init__(
        self, detail: str, *, code: str = "unavailable", after_s: float | None = None, sent: bool = False
    ) -> None:
        super().__init__(detail)
        self.code, self.after_s, self.sent = code, after_s, sent


class TokenRefused(Exception):
    """The network's token, or our own, is not accepted."""


class Rejected(Exception):
    """What was told will never be taken as it is."""


class TelephonyDesk(Protocol):
    """The booking system's telephony. Each call may raise `Away`, `TokenRefused` or `Rejected`."""

    async def setup(self, token: str, *, on: bool) -> None: ...
    async def ring(self, token: str, *, phone: str, number: str, wanted: Wanted) -> None:
        """May raise `NoLongerWanted`."""

    async def record(self, token: str, entry: Entry, *, urgent: bool) -> None: ...
    async def stands(self, company_id: int, timezone: str, entry: Entry) -> bool | None:
        """Whether the branch's list shows this call; None where it cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What telling needs. `base_url` is where links to our own recordings lead."""

    pool: Pool
    vault: Vault
    known: Known
    base_url: str
    schedule_s: Sequence[float] = field(default=())

    @property
    def account_id(self) -> UUID:
        return self.known.account.account_id


# --- a network


async def setup(around: Surroundings, desk: TelephonyDesk, network_id: UUID, *, now: datetime) -> None:
    """Job `networks.SETUP_JOB`: the booking system is told whether telephony is on. `Away` ends as another try.

    A refusal may have been an error of the other side's: it is asked again now and then, while telephony is wanted.
    """
    async with around.pool.acquire() as conn:
        on = await networks.wanted(conn, around.account_id, network_id)
        token = await networks.token(conn, around.vault, around.account_id, network_id)
    if on is None or token is None:
        return
    state: networks.State = "on" if on else "off"
    note = ""
    try:
        await desk.setup(token, on=on)
    except (TokenRefused, Rejected) as refusal:
        state, note = "refused", str(refusal)
    except Away as away:
        if away.after_s is None:
            raise
        raise outbox.Later(now + timedelta(seconds=away.after_s), str(away)) from None
    async with around.pool.acquire() as conn, conn.transaction():
        await networks.mark(conn, around.account_id, network_id, state, note, now=now)
        if state == "on":
            await relay.release(conn, around.account_id, "call", now=now)
    if state == "refused" and on:
        raise outbox.Later(now + networks.ASK_AGAIN, note)


async def no_token(around: Surroundings, network_id: UUID, *, now: datetime) -> None:
    async with around.pool.acquire() as conn:
        why = "у сервера нет партнёрского токена YCLIENTS (YCLICK_YCLIENTS_PARTNER_TOKEN)"
        await networks.mark(conn, around.account_id, network_id, "refused", why, now=now)


# --- a pop-up


async def popup(
    around: Surroundings, desk: TelephonyDesk | None, call_id: UUID, *, now: Callable[[], datetime]
) -> None:
    """Job `flow.POPUP_JOB`. One try: what may have been shown is not shown again."""
    pool, account_id = around.pool, around.account_id
    async with pool.acquire() as conn:
        row = (await store.calls(conn, account_id, [call_id])).get(call_id)
        token = await _token(conn, around, row["network_id"]) if row else None
    if row is None or row["popup"] != "wanted":
        return
    end = partial(store.settle_popup, pool, account_id, call_id)
    if row["popup_at"] is not None:  # a try was cut off: nobody knows whether it was shown
        await end("shown", "unsure", "", now=now())
        return
    if row["state"] == "over":
        await end("dropped", "ended", "", now=now())
        return
    if desk is None or token is None:
        await end("failed", "not_connected", "", now=now())
        return
    await store.begin_popup(pool, account_id, call_id, now())
    wanted = partial(store.still_rings, pool, account_id, call_id)
    try:
        await desk.ring(token, phone=phone_digits(row["contact"]), number=row["number"], wanted=wanted)
    except NoLongerWanted:
        await end("dropped", "ended", "", now=now())
    except Away as away:
        if away.sent or away.after_s is None:
            await end("failed", away.code, str(away), now=now())
            return
        await store.begin_popup(pool, account_id, call_id, None)
        raise outbox.Later(now() + timedelta(seconds=away.after_s), str(away)) from None
    except (TokenRefused, Rejected) as refusal:
        await end("failed", "refused", str(refusal), now=now())
    else:
        await end("shown", "", "", now=now())


async def _token(conn: Conn, around: Surroundings, network_id: UUID | None) -> str | None:
    return await networks.token(conn, around.vault, around.account_id, network_id) if network_id else None


# --- the history


async def deliver(around: Surroundings, desk: TelephonyDesk | None, *, now: datetime) -> datetime | None:
    """Brings what is due to the history, one group; answers when something is due next."""
    async with around.pool.acquire() as conn:
        settings = read_settings(await accounts.integration_settings(conn, around.account_id, "telephony"))
    send = partial(_send, around, desk, now) if desk else None
    return await rounds.deliver(
        around.pool, rounds.Round("call", around.schedule_s, GROUP, own=NETWORK_CODES), around.account_id, accounts, send,
        enabled=settings.enabled, now=now,
    )  # fmt: skip


async def _send(around: Surroundings, desk: TelephonyDesk, now: datetime, parcels: Sequence[Parcel]) -> rounds.Told:
    gate = asyncio.Semaphore(_AT_ONCE)
    async with around.pool.acquire() as conn:
        rows = await store.calls(conn, around.account_id, [parcel.subject_id for parcel in parcels])
        records_come = await store.records_come(conn, around.account_id)

    async def one(parcel: Parcel) -> tuple[Parcel, Result]:
        row = rows.get(parcel.subject_id)
        if row is None:
            return parcel, Refused("gone", "the call is no longer here")
        async with gate:
            return parcel, await _tell(around, desk, parcel, row, records_come, now=now)

    return rounds.Told(list(await asyncio.gather(*(one(parcel) for parcel in parcels))))


async def _tell(
    around: Surroundings, desk: TelephonyDesk, parcel: Parcel, row: Row, records_come: bool, *, now: datetime
) -> Result:
    async with around.pool.acquire() as conn:
        token = await _token(conn, around, row["network_id"])
        state = await networks.state(conn, around.account_id, row["network_id"]) if row["network_id"] else None
        call = call_of(await store.signals(conn, around.account_id, row["call_id"]))
    if token is None or state == "refused":
        return Held(NETWORK_CODES[0], "токен сети не принят в YCLIENTS или удалён: введите его заново", scope="kind")
    entry = entry_of(row["session_id"], call, _link(around, row, call, records_come))
    # By the branch's own clock: right also for one who reads the time and passes over its zone.
    entry = replace(entry, at=entry.at.astimezone(ZoneInfo(_zone(around.known, row["company_id"]))))
    sent = {**parcel.wanted, "duration_s": entry.duration_s, "missed": entry.missed, "link": bool(entry.link)}
    try:
        if parcel.uncertain:
            verdict = await _look(around, desk, row, entry)
            if verdict == "stands":
                return Delivered(None, sent)
            if verdict == "unknown":
                return TryAgain("uncertain", "ответа не было, и проверить, появился ли звонок, нельзя", sent=True)
        await desk.record(token, entry, urgent=not row["asked"])
    except Away as away:
        return TryAgain(away.code, str(away), after_s=away.after_s, sent=away.sent)
    except TokenRefused as refusal:
        async with around.pool.acquire() as conn, conn.transaction():
            await networks.refuse(conn, around.account_id, row["network_id"], str(refusal), now=now)
        return Held(NETWORK_CODES[0], str(refusal), scope="kind")
    except Rejected as refusal:
        return Refused("refused", str(refusal))
    return Delivered(None, sent)


def _link(around: Surroundings, row: Row, call: Call, records_come: bool) -> str:
    """The recording's own link; for one that may still come a link to our proxy, which waits for it."""
    if row["record"] is not None:
        return flow.open_link(around.vault, around.account_id, row["call_id"], row["record"])
    if call.outcome != "answered" or not records_come:
        return ""
    return recordings.link(
        around.base_url, around.known.account, row["call_id"], until=call.started_at + recordings.HISTORY_LIFE
    )


async def _look(
    around: Surroundings, desk: TelephonyDesk, row: Row, entry: Entry
) -> Literal["stands", "absent", "unknown"]:
    """Absent only where other calls of this number do show in the branch: else the list says nothing."""
    zone = _zone(around.known, row["company_id"])
    shown = await desk.stands(row["company_id"], zone, entry)
    if shown is None:
        return "unknown"
    if shown:
        return "stands"
    return (
        "absent" if (await _shown(around, desk, now=entry.at, number=row["number"])).get(row["number"]) else "unknown"
    )


def _zone(known: Known, company_id: int) -> str:
    return next((one.timezone for one in known.branches if one.company_id == company_id), known.zone.key)


async def check_numbers(around: Surroundings, desk: TelephonyDesk | None, *, now: datetime) -> dict[str, bool]:
    """Of each number with calls delivered lately whether they show in the list there; one that cannot be told is left out."""
    return await _shown(around, desk, now=now) if desk else {}


async def _shown(
    around: Surroundings, desk: TelephonyDesk, *, now: datetime, number: str | None = None
) -> dict[str, bool]:
    """Of each number with calls delivered lately: whether any of them stands in its branch's list."""
    async with around.pool.acquire() as conn:
        rows = await store.delivered_of_numbers(
            conn, around.account_id, since=now - _LOOK_BACK, until=now + _LOOK_BACK, before=_SHOWS_AFTER
        )
        entries = []
        for row in rows:
            if number in (None, row["number"]) and row["company_id"] is not None:
                call = call_of(await store.signals(conn, around.account_id, row["call_id"]))
                entries.append((row, entry_of(row["session_id"], call, "")))
    found: dict[str, bool] = {}
    for row, entry in entries:
        if found.get(row["number"]):
            continue
        told = await desk.stands(row["company_id"], _zone(around.known, row["company_id"]), entry)
        if told is not None:
            found[row["number"]] = told
    return found
