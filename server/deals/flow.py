"""Keeps one deal per booking, and brings it to the other system: stage by stage, each once, in the order it lived.

Promises: a deal is wanted in the transaction that changed its booking; what the other system holds is noted with every
accepted request, and asked for where no answer came, so that no stage is sent twice; one bad deal costs the others
nothing; what a person must mend holds all with one sentence, and what is mended goes on by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import store as accounts
from server.bookings.model import RANK
from server.deals import store
from server.deals.funnel import Funnel
from server.deals.history import Telling
from server.deals.model import Booking, Client, Deal, Lead, Line, Person, deal_key, deal_of, fingerprint
from server.deals.sending import Parcel, Sending, Sent, what_to_send
from server.deals.settings import DealsIntegration, Locale, read_settings
from server.delivery import relay, rounds
from server.delivery.relay import Delivered, Refused, Result, TryAgain
from server.platform.postgres import Conn, Pool, Row

#: Look-ups take fifty at once and the loading a thousand: larger groups save few calls, and lose more with each failure.
GROUP = 200
_CLOCKS = timedelta(minutes=1)
#: How often a lead is looked for before its deal goes without it: what was loaded shows with a delay.
_LOOKS_FOR_LEAD = 3
_LEAD_PAUSE_S = 2.0
_NEWER_LEADS = timedelta(minutes=10)
#: Code of a deal that was refused because its lead no longer stands there.
LEAD_GONE = "lead_gone"


# --- what the vendors' modules hand over (declared here, satisfied there)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the record tells beyond what a booking keeps. `lines` None: it told of no services."""

    lines: tuple[Line, ...] | None = None
    paid_full: bool | None = None
    paid: Decimal | None = None
    labels: tuple[str, ...] = ()
    custom: Mapping[str, str] = field(default_factory=dict)
    creator: int | None = None


class Records(Protocol):
    """How a record, as it was told, is read."""

    def parts(self, raw: Mapping[str, Any]) -> Parts: ...
    def telling(self, raw: Mapping[str, Any], *, status: str, timezone: ZoneInfo) -> Telling:
        """Its time and rank are the caller's to set."""
        ...


@dataclass(frozen=True, slots=True)
class LeadRef:
    """A lead that was delivered: how it is found there, and about when it came."""

    booking_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """One deal on its way, with its funnel."""

    funnel: Funnel
    parcel: Parcel


FieldsMade = Sequence[tuple[str, str, str]]  # key, name, kind


class DealDesk(Protocol):
    """The other system. Answers what became of each; a trouble of all is answered for each, and raised nowhere."""

    async def load(self, loads: Sequence[Load], fields: FieldsMade) -> list[Result]: ...
    async def shown(self, keys: Sequence[str]) -> Mapping[str, Sent] | Result:
        """What it holds of deals of which no answer came; those it does not hold are missing."""
        ...

    async def communications(self, leads: Sequence[LeadRef]) -> Mapping[UUID, int] | Result: ...


# --- wanting


async def refresh(conn: Conn, account_id: UUID, booking_id: UUID, records: Records, *, now: datetime) -> bool:
    """Makes or updates the deal of a booking, in the transaction that changed it; answers whether anything is to be sent.

    Every booking that was told of since the integration was switched on, whoever made it; from then on it is followed.
    """
    stored = await accounts.integration_settings(conn, account_id, "deals")
    if not stored or not stored.get("enabled"):
        return False
    integration, enabled_at = read_settings(stored), await accounts.integration_enabled_at(conn, account_id, "deals")
    if enabled_at is None:
        return False
    row = (await store.bookings(conn, account_id, [booking_id])).get(booking_id)
    if row is None:
        return False
    known = await relay.one(conn, account_id, "deal", booking_id)
    if known is None and row["updated_at"] < enabled_at - _CLOCKS:
        return False
    told = (await store.tellings(conn, account_id, [booking_id])).get(booking_id, [])
    deal, funnel = build(row, told, records, integration, communication=None)
    await store.save(conn, account_id, booking_id, _kept(deal, funnel, integration, row["locale"]), now=now)
    held, why = await accounts.why_held(conn, account_id, "uis")
    wanted = wish(deal, row["lead_vendor_id"])
    return await relay.want(conn, account_id, "deal", booking_id, wanted, now=now, held=held, why=why)


async def follow_leads(conn: Conn, account_id: UUID, records: Records, *, now: datetime) -> bool:
    """Deals whose lead was delivered (anew) meanwhile are linked with it; answers whether there was one."""
    found = await store.with_newer_lead(conn, account_id, since=now - _NEWER_LEADS)
    linked = [await refresh(conn, account_id, booking_id, records, now=now) for booking_id in found]
    return any(linked)


def wish(deal: Deal, lead: str | None) -> dict[str, str]:
    """Differs whenever something of the deal is to be sent."""
    steps = [(step.stage.key, step.at) for step in deal.steps]
    wanted = {"deal": fingerprint(deal.content, deal.funnel_key, steps)}
    return {**wanted, "lead": lead} if lead else wanted


def build(
    row: Row, told: Sequence[Row], records: Records, integration: DealsIntegration, *, communication: int | None
) -> tuple[Deal, Funnel]:
    zone = ZoneInfo(row["timezone"])
    funnel = integration.funnel_of(row["company_id"], _branch_name(row))
    tellings = [
        replace(
            records.telling(item["raw"], status=item["status"], timezone=zone),
            changed_at=item["changed_at"], rank=RANK.get(item["status"], 1),
        )
        for item in told
    ]  # fmt: skip
    lead = Lead(communication, row["created_at"]) if communication is not None else None
    deal = deal_of(
        _booking(row, records.parts(row["raw"]), zone), tellings, lead=lead, funnel=funnel,
        settings=integration.settings(row["locale"]),
    )  # fmt: skip
    return deal, funnel


def _booking(row: Row, parts: Parts, zone: ZoneInfo) -> Booking:
    known = (row["client_id"], row["client_name"], row["client_phone"], row["client_email"])
    return Booking(
        branch=row["company_id"], number=row["record_id"], branch_name=_branch_name(row), changed_at=row["changed_at"],
        created_at=row["created_at"] if row["created_known"] else None, deleted=row["deleted"],
        attendance=row["attendance"], currency=row["currency"], timezone=zone, starts_at=row["starts_at"],
        lines=parts.lines if parts.lines is not None else _kept_lines(row["services"]), paid_full=parts.paid_full,
        paid=parts.paid, client=Client(*known) if any(known) else None,
        staff=Person(row["staff_id"], row["staff_name"]) if row["staff_id"] else None,
        creator=Person(parts.creator) if parts.creator else None, online=row["online"], origin=row["origin"],
        labels=parts.labels, custom=parts.custom,
    )  # fmt: skip


def _branch_name(row: Row) -> str:
    return row["branch_title"] or f"Филиал {row['company_id']}"


def _kept_lines(services: Sequence[Mapping[str, Any]] | None) -> tuple[Line, ...] | None:
    if services is None:
        return None
    return tuple(Line("service", line["title"] or "", Decimal(line["cost"])) for line in services)


def _kept(deal: Deal, funnel: Funnel, integration: DealsIntegration, locale: Locale) -> dict[str, Any]:
    """The deal as the journal shows it."""
    last = deal.steps[-1]
    names = {key: name for key, name, _ in integration.fields.made(locale)}
    return {
        "created_at": deal.created_at, "title": deal.title, "funnel_key": funnel.key, "funnel_name": funnel.name,
        "stage_key": last.stage.key, "stage_name": last.stage.name, "stage_kind": last.stage.kind, "stage_at": last.at,
        "amount": deal.amount, "currency": deal.currency,
        "facts": {
            "key": deal.key,
            "responsible": deal.responsible.name if deal.responsible else None,
            "paid_share": str(deal.paid_share) if deal.paid_share is not None else None,
            "fields": [{"key": key, "name": names.get(key, key), "value": value} for key, value in deal.fields],
            "link": deal.link.by,
            "stages": [
                {"key": step.stage.key, "name": step.stage.name, "at": step.at.isoformat()} for step in deal.steps
            ],
            "withheld": [
                {"key": move.stage.key, "name": move.stage.name, "at": move.at.isoformat(), "reason": move.reason}
                for move in deal.withheld
            ],
        },
    }  # fmt: skip


# --- delivering


async def deliver(
    pool: Pool, desk: DealDesk | None, account_id: UUID, records: Records, schedule_s: Sequence[float], *, now: datetime
) -> datetime | None:
    """Sends what is due, in one small group; answers when something is due next. `now` is before `desk` was opened."""
    async with pool.acquire() as conn:
        integration = read_settings(await accounts.integration_settings(conn, account_id, "deals"))

    async def send(open_desk: DealDesk, due: Sequence[relay.Parcel]) -> rounds.Told:
        async with pool.acquire() as conn:
            subjects = [one.subject_id for one in due]
            rows = await store.bookings(conn, account_id, subjects)
            told = await store.tellings(conn, account_id, subjects)
        group = _Group(open_desk, records, integration, rows, told, now)
        await group.send(due)
        return rounds.Told(group.results, group.later)

    return await rounds.deliver(
        pool, rounds.Round("deal", schedule_s, GROUP), account_id, accounts,
        partial(send, desk) if desk else None, enabled=integration.enabled, now=now,
    )  # fmt: skip


class _Group:
    """One group of deals on its way; `results` and `later` hold each of them once in the end."""

    def __init__(
        self, desk: DealDesk, records: Records, integration: DealsIntegration, rows: Mapping[UUID, Row],
        told: Mapping[UUID, Sequence[Row]], now: datetime,
    ) -> None:  # fmt: skip
        self._desk, self._records, self._integration, self._now = desk, records, integration, now
        self._rows, self._told = rows, told
        self.results: list[tuple[relay.Parcel, Result]] = []
        self.later: list[tuple[relay.Parcel, datetime]] = []

    async def send(self, due: Sequence[relay.Parcel]) -> None:
        here = [one for one in due if one.subject_id in self._rows]
        gone = Refused("gone", "the booking is no longer here")
        self.results += [(one, gone) for one in due if one.subject_id not in self._rows]
        communications = await self._communications(here)
        held = await self._held(here)
        settled = {one.delivery_id for one, _ in self.results}
        left = [(one, communications.get(one.subject_id)) for one in here if one.delivery_id not in settled]
        without = await self._load(self._ready(left, held))
        await self._load(self._ready([(one, None) for one in without], held))

    def _ready(
        self, left: Sequence[tuple[relay.Parcel, int | None]], held: Mapping[UUID, Sent]
    ) -> list[tuple[relay.Parcel, Load, int | None]]:
        """What is to be loaded now; the rest is settled, or put off."""
        ready: list[tuple[relay.Parcel, Load, int | None]] = []
        for one, communication in left:
            row, told = self._rows[one.subject_id], self._told.get(one.subject_id, ())
            deal, funnel = build(row, told, self._records, self._integration, communication=communication)
            parcel = what_to_send(deal, held.get(one.delivery_id), self._integration.settings(row["locale"]).rules)
            if parcel.kind is Sending.NOTHING:
                self.results.append((one, Delivered(None, one.sent or {})))
            elif parcel.ready_at > self._now:
                self.later.append((one, parcel.ready_at))
            else:
                ready.append((one, Load(funnel, parcel), communication))
        return ready

    async def _load(self, ready: Sequence[tuple[relay.Parcel, Load, int | None]]) -> list[relay.Parcel]:
        """Answers those whose lead was taken out meanwhile: they go without it."""
        if not ready:
            return []
        locale: Locale = self._rows[ready[0][0].subject_id]["locale"]
        results = await self._desk.load([load for _, load, _ in ready], self._integration.fields.made(locale))
        without: list[relay.Parcel] = []
        for (one, load, communication), result in zip(ready, results, strict=True):
            if isinstance(result, Delivered):
                assert load.parcel.then is not None
                sent = _written(load.parcel.then) | _link_of(one, communication)
                result = Delivered(load.parcel.key, sent)  # noqa: PLW2901
            elif isinstance(result, Refused) and result.code == LEAD_GONE and communication is not None:
                without.append(one)
                continue
            elif isinstance(result, Refused) and result.code == "out_of_step" and not one.uncertain:
                # It holds something else than we noted: what it shows is the ground of the next try.
                result = TryAgain(result.code, result.detail, sent=True)  # noqa: PLW2901
            self.results.append((one, result))
        return without

    async def _communications(self, due: Sequence[relay.Parcel]) -> dict[UUID, int]:
        """The communication of each deal's lead: as noted, else looked up. Not shown yet: the deal waits a little."""
        found: dict[UUID, int] = {}
        asked: list[relay.Parcel] = []
        for one in due:
            if not one.wanted.get("lead"):
                continue
            if one.sent and one.sent.get("lead") == one.wanted["lead"] and one.sent.get("communication"):
                found[one.subject_id] = one.sent["communication"]
            else:
                asked.append(one)
        if not asked:
            return found
        shown = await self._desk.communications(
            [LeadRef(one.subject_id, self._rows[one.subject_id]["created_at"]) for one in asked]
        )
        for one in asked:
            if not isinstance(shown, Mapping):
                self.results.append((one, _keeping(one, shown)))
            elif one.subject_id in shown:
                found[one.subject_id] = shown[one.subject_id]
            elif one.attempts <= _LOOKS_FOR_LEAD:
                waits = TryAgain("lead_not_shown", "the lead does not show in UIS yet", _LEAD_PAUSE_S)
                self.results.append((one, _keeping(one, waits)))
        return found

    async def _held(self, due: Sequence[relay.Parcel]) -> dict[UUID, Sent]:
        """What the other system is known to hold of each: as noted, or asked where the last answer did not come."""
        known = {one.delivery_id: _read(one.sent) for one in due if one.sent}
        settled = {one.delivery_id for one, _ in self.results}
        unsure = [one for one in due if one.uncertain and one.delivery_id not in settled]
        if not unsure:
            return known
        keys = {one.delivery_id: _key(self._rows[one.subject_id]) for one in unsure}
        shown = await self._desk.shown(list(keys.values()))
        for one in unsure:
            if not isinstance(shown, Mapping):
                self.results.append((one, _keeping(one, shown)))
                continue
            there, noted = shown.get(keys[one.delivery_id]), known.pop(one.delivery_id, None)
            if there is not None:
                changed_at = max(there.changed_at, noted.changed_at) if noted else there.changed_at
                known[one.delivery_id] = replace(there, changed_at=changed_at)
        return known


def _key(row: Row) -> str:
    return deal_key(row["company_id"], row["record_id"])


def _keeping(one: relay.Parcel, result: Result) -> Result:
    """A try that sent nothing leaves it as uncertain as it was."""
    return replace(result, sent=True) if isinstance(result, TryAgain) and one.uncertain else result


def _link_of(one: relay.Parcel, communication: int | None) -> dict[str, Any]:
    return {"lead": one.wanted["lead"], "communication": communication} if communication is not None else {}


def _written(sent: Sent) -> dict[str, Any]:
    return {
        "funnel": sent.funnel_key, "stage": sent.stage_key, "stage_at": sent.stage_at.isoformat(),
        "changed_at": sent.changed_at.isoformat(), "content": sent.content,
    }  # fmt: skip


def _read(sent: Mapping[str, Any]) -> Sent:
    return Sent(
        sent["funnel"], sent["stage"], datetime.fromisoformat(sent["stage_at"]),
        datetime.fromisoformat(sent["changed_at"]), sent["content"],
    )  # fmt: skip
