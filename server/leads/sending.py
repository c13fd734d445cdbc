"""Brings leads to the owner's analytics: each online booking once, with the visitor's session or where the settings say.

Which campaign a lead belongs to is decided here; the words of the other system are its adapter's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import store as accounts
from server.delivery import relay, rounds
from server.delivery.relay import Parcel, Refused, Result
from server.leads import store
from server.leads.model import Attribution, Fallback, may_correct, session_of
from server.leads.settings import LeadsIntegration, read_settings
from server.platform.postgres import Conn, Pool, Row

#: A session older than this is no longer known to the other system.
SESSION_LIFE = timedelta(days=180)
GROUP = 50
_CLOCKS = timedelta(minutes=1)  # the vendor's clock shows whole seconds, and not ours


@dataclass(frozen=True, slots=True)
class OutgoingVisit:
    """A visit that the other system did not see and is to know as a session. `marks`: UTM and click ids by their names."""

    ext_id: str
    site_id: int
    at: datetime
    visitor_is_new: bool
    network: str
    marks: Mapping[str, str]
    referrer: str
    landing_page: str
    device: str


@dataclass(frozen=True, slots=True)
class OutgoingLead:
    """One lead as it leaves: in a session, in that of a visit which is loaded first, or where the other three say.
    `wanted` is kept as what stands there.
    """

    ext_id: str
    at: datetime
    name: str
    phone: str
    email: str
    message: str
    session_id: int | None
    visit: OutgoingVisit | None
    campaign_id: int | None
    source_id: int | None
    site_id: int | None
    wanted: Mapping[str, Any]


class LeadDesk(Protocol):
    """The other system. `uncertain` names those whose last try had no answer: they are looked up first.

    A visit that cannot become a session is a lead refused: it goes where the settings say instead.
    """

    async def load(self, leads: Sequence[OutgoingLead], *, uncertain: frozenset[str]) -> list[Result]: ...
    async def remove(self, lead: OutgoingLead) -> Result | None: ...


# --- wanting


async def want(
    conn: Conn,
    account_id: UUID,
    booking: Row,
    visit: Row | None,
    attribution: Attribution,
    settings: LeadsIntegration,
    *,
    now: datetime,
) -> bool:
    """Says what should stand in the other system for this booking; answers whether something is to be sent.

    Only online bookings made since the integration was switched on; what is decided anew after it was sent is
    corrected once within a day, if the owner allows.
    """
    enabled_at = await accounts.integration_enabled_at(conn, account_id, "leads")
    if not settings.enabled or not booking["online"] or enabled_at is None:
        return False
    if booking["created_at"] < enabled_at - _CLOCKS:
        return False
    wanted = wish(visit, attribution, settings, created_at=booking["created_at"])
    known = await relay.one(conn, account_id, "lead", booking["booking_id"])
    if known and known["sent"] is not None and not may_correct(
        known["sent"], wanted, corrections=known["corrections"], sent_at=known["sent_at"], allowed=settings.correct,
        now=now,
    ):  # fmt: skip
        return False
    held, why = await accounts.why_held(conn, account_id, "uis")
    return await relay.want(conn, account_id, "lead", booking["booking_id"], wanted, now=now, held=held, why=why)


def wish(
    visit: Row | None, attribution: Attribution, settings: LeadsIntegration, *, created_at: datetime
) -> dict[str, Any]:
    """The visitor's session where the other system still knows it, else the visit as a session of its own where the
    owner wants that, else campaign, or source and site.

    A session says under `or` where the lead goes should the other system not take it.
    """
    to = attribution.to if attribution.to != Fallback() else settings.default.fallback()
    named = {"campaign_id": to.campaign_id, "source_id": to.source_id, "site_id": to.site_id}
    chosen = {name: value for name, value in named.items() if value is not None}
    otherwise = {"or": chosen} if chosen else {}
    if visit is None or created_at - visit["started_at"] > SESSION_LIFE:
        return chosen
    if re.fullmatch("[0-9]{1,18}", visit["uis_session_id"] or ""):
        return {"session_id": int(visit["uis_session_id"]), **otherwise}
    sessions = settings.utm_sessions
    if sessions.enabled and visit["network"] and (visit["utm"] or visit["click_ids"]):
        return {"visit_id": visit["visit_id"], "visit_site_id": sessions.site_id, **otherwise}
    return chosen


# --- sending


async def deliver(
    pool: Pool, desk: LeadDesk | None, account_id: UUID, schedule_s: Sequence[float], *, now: datetime
) -> datetime | None:
    """Sends what is due, in one small group; answers when something is due next. `now` is before `desk` was opened."""
    async with pool.acquire() as conn:
        enabled = read_settings(await accounts.integration_settings(conn, account_id, "leads")).enabled

    async def send(open_desk: LeadDesk, parcels: Sequence[Parcel]) -> rounds.Told:
        async with pool.acquire() as conn:
            rows = await store.leads_to_send(conn, account_id, [parcel.subject_id for parcel in parcels])
        return rounds.Told(await _send(open_desk, parcels, {row["booking_id"]: row for row in rows}, now=now))

    return await rounds.deliver(
        pool, rounds.Round("lead", schedule_s, GROUP), account_id, accounts,
        partial(send, desk) if desk else None, enabled=enabled, now=now,
    )  # fmt: skip


async def _send(
    desk: LeadDesk, parcels: Sequence[Parcel], rows: Mapping[UUID, Row], *, now: datetime
) -> list[tuple[Parcel, Result]]:
    results: list[tuple[Parcel, Result]] = []
    ready: list[tuple[Parcel, OutgoingLead]] = []
    for parcel in parcels:
        row = rows.get(parcel.subject_id)
        lead = outgoing(row, parcel.wanted, now=now) if row else Refused("gone", "the booking is no longer here")
        if isinstance(lead, Refused):
            results.append((parcel, lead))
        elif _something_else_may_stand(parcel) and (trouble := await desk.remove(lead)):
            results.append((parcel, trouble))
        else:
            ready.append((parcel, lead))
    told = await _load(desk, ready)
    refused = [
        (parcel, instead)
        for (parcel, lead), (_, result) in zip(ready, told, strict=True)
        if isinstance(result, Refused) and (instead := _instead(lead, parcel.sent))
    ]
    again = dict(zip((parcel.delivery_id for parcel, _ in refused), await _load(desk, refused), strict=True))
    return results + [again.get(parcel.delivery_id, (parcel, result)) for parcel, result in told]


async def _load(desk: LeadDesk, ready: Sequence[tuple[Parcel, OutgoingLead]]) -> list[tuple[Parcel, Result]]:
    if not ready:
        return []
    uncertain = frozenset(lead.ext_id for parcel, lead in ready if parcel.uncertain)
    told = await desk.load([lead for _, lead in ready], uncertain=uncertain)
    return [(parcel, result) for (parcel, _), result in zip(ready, told, strict=True)]


def _something_else_may_stand(parcel: Parcel) -> bool:
    """What was delivered, or what may have been, differs from what is wished now: it is taken away first."""
    delivered = parcel.sent is not None and parcel.sent != parcel.wanted
    return delivered or (parcel.uncertain and parcel.tried != parcel.wanted)


def _instead(lead: OutgoingLead, sent: Mapping[str, Any] | None) -> OutgoingLead | None:
    """A refused session costs no lead: it goes where the settings say, or back to where it stood."""
    to = lead.wanted.get("or") or sent
    refused = session_of(lead.wanted)
    if refused is None or not to or session_of(to) == refused:
        return None
    return replace(
        lead, wanted={**to, "refused": refused}, session_id=to.get("session_id"), visit=None,
        campaign_id=to.get("campaign_id"), source_id=to.get("source_id"), site_id=to.get("site_id"),
    )  # fmt: skip


def lead_key(booking_id: UUID) -> str:
    """What the lead of a booking is called in the other system."""
    return f"yclick-{booking_id}"


def outgoing(row: Row, wanted: Mapping[str, Any], *, now: datetime) -> OutgoingLead | Refused:
    phone, email = row["client_phone"] or "", row["client_email"] or ""
    if not phone and not email:
        return Refused("no_contact", "у записи нет ни телефона, ни почты: загрузить обращение нельзя")
    return OutgoingLead(
        ext_id=lead_key(row["booking_id"]), at=_moment(row, now), name=row["client_name"] or "", phone=phone,
        email=email, message=_message(row), session_id=wanted.get("session_id"), visit=_visit(row, wanted, before=_moment(row, now)),
        campaign_id=wanted.get("campaign_id"), source_id=wanted.get("source_id"), site_id=wanted.get("site_id"),
        wanted=dict(wanted),
    )  # fmt: skip


def _visit(row: Row, wanted: Mapping[str, Any], *, before: datetime) -> OutgoingVisit | None:
    """The visit that is to become a session, as long as it is the booking's. A session is older than its lead, by whole
    seconds."""
    if wanted.get("visit_id") is None or wanted["visit_id"] != row["visit_id"]:
        return None
    marks = {f"utm_{name}": value for name, value in row["utm"].items() if value}
    return OutgoingVisit(
        ext_id=f"yclick-{row['visit_id']}", site_id=wanted["visit_site_id"], at=min(row["visit_started_at"], before - timedelta(seconds=1)),
        visitor_is_new=row["visitor_is_new"], network=row["network"], marks={**marks, **row["click_ids"]},
        referrer=row["referrer"], landing_page=row["landing_page"], device=row["device"],
    )  # fmt: skip


def _moment(row: Row, now: datetime) -> datetime:
    """When the lead came: after its visit began (clocks differ) and not in the future."""
    at: datetime = row["created_at"]
    if row["visit_started_at"]:
        at = max(at, row["visit_started_at"] + timedelta(seconds=1))
    return min(at, now)


def _message(row: Row) -> str:
    """What was booked, for the eye: services, when, where."""
    parts = [", ".join(line["title"] for line in row["services"] or () if line.get("title"))]
    if row["starts_at"]:
        parts.append(f"{row['starts_at'].astimezone(ZoneInfo(row['timezone'])):%d.%m.%Y %H:%M}")
    parts += [row["branch_title"] or f"филиал {row['company_id']}", f"запись {row['record_id']}"]
    return ", ".join(part for part in parts if part)
