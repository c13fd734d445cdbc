"""Decides, for each booking, which visit brought it; again when late evidence comes; every change is logged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from server.bookings import store as bookings
from server.bookings.flow import CHANGED_JOB
from server.bookings.model import Vendor
from server.delivery import outbox
from server.matching import store
from server.matching.creation import chosen
from server.matching.model import (
    ENGINE_VERSION,
    BookingFacts,
    Claim,
    Evidence,
    Level,
    Match,
    Method,
    Origin,
    better,
    decide,
    grace_until,
)
from server.platform import metrics
from server.platform.postgres import Conn, Row
from server.tracking import store as tracking

IMPROVEMENT_WINDOW = timedelta(hours=24)
_BEFORE, _AFTER = timedelta(minutes=60), timedelta(minutes=2)
_EXACT = frozenset({Level.L0, Level.L1})
CONTACT_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Decision:
    """What stands in the journal after a decision. `waits_until`: it may still improve by itself until then."""

    match: Mapping[str, Any]
    changed: bool
    waits_until: datetime | None


async def match_booking(
    conn: Conn, account_id: UUID, booking_id: UUID, vendor: Vendor, *, now: datetime, grace_s: float, cause: str
) -> Decision | None:
    """Decides about one booking and keeps the decision if it is better. None: there is no such booking.

    Called inside a transaction; the booking's row is locked, so that two decisions never cross.
    """
    await conn.fetchval(
        "select 1 from booking where account_id = $1 and booking_id = $2 for update", account_id, booking_id
    )
    row = await bookings.by_id(conn, account_id, booking_id)
    if row is None:
        return None
    facts = booking_facts(row, await chosen(conn, account_id, row, vendor))
    evidence = await _gather(conn, account_id, row, facts)
    claims = [
        Claim(
            visit_id=claim["visit_id"],
            record_id=claim["record_id"],
            company_id=claim["company_id"],
            at=claim["created_at"],
        )
        for claim in await store.claims(conn, account_id, sorted({item.visit_id for item in evidence}), but=booking_id)
    ]
    match = decide(facts, evidence, claims)
    waits_until = grace_until(facts, match, grace_s=grace_s)
    if waits_until is not None and waits_until <= now:
        waits_until = None
    stored = await store.current(conn, account_id, booking_id)
    shown = as_json(_waiting(match, waits_until) if waits_until else match)
    if stored is not None and not _replaces(stored, match, shown, facts, now):
        return Decision(dict(stored), False, stored["waits_until"])
    await store.save(conn, account_id, booking_id, shown, now=now, waits_until=waits_until)
    if stored is None or _gist(stored) != _gist(shown):
        await store.log_change(
            conn,
            account_id,
            booking_id,
            cause=cause,
            before=_gist(stored) if stored else None,
            after=_gist(shown),
            now=now,
        )
        metrics.MATCHES.labels(shown["level"]).inc()
    claimed = {match["visit_id"] for match in (stored, shown) if match and match["level"] in _EXACT}
    if stored is None or len(claimed) > 1 or (stored["level"] in _EXACT) != (shown["level"] in _EXACT):
        await _tell_others(conn, account_id, claimed, facts, now)
    return Decision(shown, True, waits_until)


async def _tell_others(
    conn: Conn, account_id: UUID, visits: Collection[str], facts: BookingFacts, now: datetime
) -> None:
    """What a visit did is explained, or no longer: bookings that it was weighed for are looked at again.

    Otherwise an answer would depend on which of two bookings was decided first.
    """
    if visits:
        found = await store.weighed_near(
            conn, account_id, list(visits), facts.created_at, reach=_BEFORE, since=now - IMPROVEMENT_WINDOW,
            but=UUID(facts.booking_id),
        )  # fmt: skip
        await _look_again(conn, account_id, found, CHANGED_JOB, cause="claim", now=now)


def _replaces(stored: Row, match: Match, shown: Mapping[str, Any], facts: BookingFacts, now: datetime) -> bool:
    if stored["reason_code"] == "waiting" or stored["waits_until"] is not None or stored["gone"]:
        return True  # no decision yet, or none any more: whatever is known now stands in its place
    if _gist(stored) == _gist(shown):
        return False
    return better(
        from_row(stored), match, booking=facts, now=now, improvement_window_s=IMPROVEMENT_WINDOW.total_seconds()
    )


def _waiting(match: Match, until: datetime) -> Match:
    """Undecided while the browser's report may still come; what speaks for whom is shown already."""
    return Match(
        level=Level.NONE, method=Method.NONE, probability=0.0, visit_id=None, reason_code="waiting",
        reason_params={"until": until.isoformat()}, evidence=match.evidence, alternatives=match.alternatives,
        margin_bits=None, engine_version=match.engine_version,
    )  # fmt: skip


def _gist(match: Mapping[str, Any] | Row) -> dict[str, Any]:
    return {
        "level": match["level"], "method": match["method"], "visit_id": match["visit_id"],
        "probability": round(match["probability"], 4), "reason_code": match["reason_code"],
    }  # fmt: skip


async def reconsider(conn: Conn, account_id: UUID, payload: Mapping[str, Any], job_kind: str, *, now: datetime) -> int:
    """Late evidence came: asks for new decisions about the bookings it may concern; answers how many."""
    records = [(int(company), int(record)) for company, record in (item.split(":") for item in payload["records"])]
    found = await store.undecided(
        conn, account_id, records=records, marks=payload.get("marks", ()),
        first=datetime.fromisoformat(payload["first"]), last=datetime.fromisoformat(payload["last"]),
        since=now - IMPROVEMENT_WINDOW,
    )  # fmt: skip
    await _look_again(conn, account_id, found, job_kind, cause="evidence", now=now)
    return len(found)


async def session_known(conn: Conn, account_id: UUID, visits: Sequence[str], job_kind: str, *, now: datetime) -> int:
    """Bookings of visits that became known elsewhere are looked at again: their leads may say more."""
    found = await store.bookings_of_visits(conn, account_id, visits, since=now - IMPROVEMENT_WINDOW)
    await _look_again(conn, account_id, found, job_kind, cause="session", now=now)
    return len(found)


async def note_contact(
    conn: Conn, account_id: UUID, *, key: str, kind: Literal["call", "chat"], at: datetime, session_id: str,
    phone_hash: bytes, now: datetime,
) -> None:  # fmt: skip
    """A call or a chat came from a session of the telephony: bookings of that phone are looked at again."""
    if await store.note_contact(
        conn, account_id, key=key, kind=kind, at=at, session_id=session_id, phone_hash=phone_hash
    ):
        found = await store.bookings_of_phone(conn, account_id, phone_hash, since=now - IMPROVEMENT_WINDOW)
        await _look_again(conn, account_id, found, CHANGED_JOB, cause="evidence", now=now)


async def _look_again(
    conn: Conn, account_id: UUID, booking_ids: Iterable[UUID], job_kind: str, *, cause: str, now: datetime
) -> None:
    for booking_id in sorted(booking_ids):  # in one order, so that two workers cannot wait for each other
        await outbox.enqueue(conn, account_id, job_kind, str(booking_id), run_at=now, payload={"cause": cause})


# --- facts


def booking_facts(row: Row, chosen: Mapping[str, Any]) -> BookingFacts:
    """The facts of the creation; contact and deletion as they stand now."""
    raw: Mapping[str, Any] = row["origin_facts"]
    return BookingFacts(
        booking_id=str(row["booking_id"]),
        company_id=row["company_id"],
        record_id=row["record_id"],
        created_at=row["created_at"],
        received_at=row["received_at"],
        origin=Origin(row["origin"]),
        online=bool(row["online"]),
        bookform_id=raw.get("bookform_id") or None,
        is_mobile=raw.get("is_mobile"),
        from_host=_host(raw.get("from_url")),
        service_ids=frozenset(line["id"] for line in chosen["services"] or () if line.get("id")),
        staff_id=chosen["staff_id"],
        starts_at_local=chosen["starts_at_local"],
        phone_hash=row["phone_hash"],
        email_hash=row["email_hash"],
        mark=row["mark"],
        deleted=row["deleted"],
    )


def _host(url: Any) -> str | None:
    try:
        return urlsplit(url).hostname if isinstance(url, str) and url else None
    except ValueError:
        return None


async def _gather(conn: Conn, account_id: UUID, row: Row, facts: BookingFacts) -> list[Evidence]:
    rows = {
        event["event_id"]: event
        for events in (
            await store.events_of_record(conn, account_id, facts.company_id, facts.record_id),
            await store.events_around(conn, account_id, facts.created_at, before=_BEFORE, after=_AFTER)
            if facts.online
            else [],
        )
        for event in events
    }
    evidence = [item for event in rows.values() for item in _evidence(event)]
    found = await store.contacts(
        conn, account_id, phone_hash=row["phone_hash"], email_hash=row["email_hash"],
        since=facts.created_at - CONTACT_WINDOW, until=facts.created_at + _AFTER,
    )  # fmt: skip
    evidence += [item for event in found for item in _contact_evidence(event)]
    if row["phone_hash"]:
        called = await store.session_contacts(
            conn, account_id, row["phone_hash"], since=facts.created_at - CONTACT_WINDOW,
            until=facts.created_at + _AFTER,
        )  # fmt: skip
        evidence += [_session_evidence(contact, row["phone_hash"]) for contact in called]
    if facts.mark:
        evidence += await _mark_evidence(conn, account_id, facts)
    return evidence


def _evidence(row: Row) -> Iterable[Evidence]:
    facts: Mapping[str, Any] | None = row["facts"]
    if facts and row["kind"] == "booked" and facts.get("appointments"):
        for number, appointment in enumerate(facts["appointments"]):
            yield _told(row, f"{row['event_id']}#{number}", _appointment(appointment))
        return
    params = facts.get("params") if facts else None
    yield _told(row, row["event_id"], _step_params(params) if isinstance(params, dict) else _NO_CONTENT)


_MOBILE = {"mobile": True, "tablet": True, "desktop": False}
_NO_CONTENT: Mapping[str, Any] = {}


def _told(row: Row, event_id: str, content: Mapping[str, Any]) -> Evidence:
    return Evidence(
        kind=row["kind"], event_id=event_id, visit_id=row["visit_id"], at=row["occurred_at"],
        company_id=row["company_id"], record_id=row["record_id"], form_id=row["form_id"], mark=row["mark"],
        is_mobile=_MOBILE.get(row["device"]), site_host=row["domain"], step=row["step"], **content,
    )  # fmt: skip


def _appointment(appointment: Mapping[str, Any]) -> dict[str, Any]:
    slot = appointment.get("datetime")
    return {
        "service_ids": frozenset(appointment.get("services") or ()),
        "staff_id": appointment.get("staff_id") or None,  # 0 is "any master"
        "slot": slot[:16].replace(" ", "T") if slot else None,
    }


def _step_params(params: Mapping[str, Any]) -> dict[str, Any]:
    appointments = params.get("appointments")
    first = appointments[0] if isinstance(appointments, list) and appointments else params
    if not isinstance(first, dict):
        return {}
    services = (
        [item for item in first.get("services") or () if isinstance(item, int)]
        if isinstance(first.get("services"), list)
        else []
    )
    staff, slot = first.get("staff_id"), first.get("datetime")
    return {
        "service_ids": frozenset(services),
        "staff_id": staff if isinstance(staff, int) and staff > 0 else None,
        "slot": slot[:16].replace(" ", "T") if isinstance(slot, str) and len(slot) >= 16 else None,
    }


def _contact_evidence(row: Row) -> Iterable[Evidence]:
    base = {"visit_id": row["visit_id"], "at": row["occurred_at"], "site_host": row["domain"]}
    if row["phone_hash"]:
        phone = bytes(row["phone_hash"])
        yield Evidence(kind="contact_phone", event_id=f"{row['event_id']}#phone", phone_hash=phone, **base)
    if row["email_hash"]:
        email = bytes(row["email_hash"])
        yield Evidence(kind="contact_email", event_id=f"{row['event_id']}#email", email_hash=email, **base)


def _session_evidence(row: Row, phone_hash: bytes) -> Evidence:
    return Evidence(
        kind="call" if row["kind"] == "call" else "chat_phone", event_id=row["key"], visit_id=row["visit_id"], at=row["at"],
        phone_hash=phone_hash, site_host=row["domain"], visitor_id=row["visitor_id"],
    )  # fmt: skip


async def _mark_evidence(conn: Conn, account_id: UUID, facts: BookingFacts) -> list[Evidence]:
    """Which visit was given the booking's mark, and whether the mark still speaks of who used it."""
    assert facts.mark is not None
    mark = await tracking.mark_by_name(conn, account_id, facts.mark)
    if mark is None or mark.opening is None:
        return []
    user = await tracking.user_of_mark(
        conn, account_id, facts.mark, company_id=facts.company_id, record_id=facts.record_id,
        until=facts.created_at + _AFTER,
    )  # fmt: skip
    strange = user is not None and mark.is_stranger(user)
    state = "expired" if mark.expired else "stranger" if strange else "bound"
    return [
        Evidence(
            kind="mark", event_id=f"mark:{facts.mark}", visit_id=mark.opening.visit_id, at=mark.opening.at,
            mark=facts.mark, mark_state=state,
        )
    ]  # fmt: skip


# --- how a decision is kept


def as_json(match: Match) -> dict[str, Any]:
    return {
        "level": match.level.value, "method": match.method.value, "visit_id": match.visit_id,
        "probability": match.probability, "margin_bits": match.margin_bits, "reason_code": match.reason_code,
        "reason_params": dict(match.reason_params), "engine": match.engine_version,
        "evidence": [
            {
                "kind": item.kind, "at": item.at.isoformat(), "weight_bits": round(item.weight_bits, 2),
                "detail_code": item.detail_code, "detail_params": dict(item.detail_params), "visit_id": item.visit_id,
            }
            for item in match.evidence
        ],
        "alternatives": [
            {"visit_id": item.visit_id, "probability": round(item.probability, 4), "bits": round(item.bits, 2)}
            for item in match.alternatives
        ],
    }  # fmt: skip


def from_row(row: Mapping[str, Any] | Row) -> Match:
    """A kept decision without its evidence: enough to say which of two is better."""
    return Match(
        level=Level(row["level"]), method=Method(row["method"]), probability=row["probability"],
        visit_id=row["visit_id"], reason_code=row["reason_code"], reason_params=row["reason_params"], evidence=(),
        alternatives=(), margin_bits=row["margin_bits"], engine_version=row["engine"] or ENGINE_VERSION,
    )  # fmt: skip
