"""Builders of bookings and evidence, with one salon and one moment as the usual case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from server.matching.model import BookingFacts, Claim, Evidence, Origin

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BRANCH, FORM, RECORD = 4564, 781, 9001
PHONE, EMAIL = b"phone-of-anna", b"mail-of-anna"
MARK = "k3v9Qw2LmN7xYz0aBcDeFg"
SLOT = "2026-11-25T15:00"


def ago(**length: float) -> datetime:
    """So long before the booking was made."""
    return NOON - timedelta(**length)


def booking(**changes: Any) -> BookingFacts:
    """An online booking of Anna, made at noon on a computer through the salon's form."""
    facts: dict[str, Any] = {
        "booking_id": "b1", "company_id": BRANCH, "record_id": RECORD, "created_at": NOON,
        "received_at": NOON + timedelta(seconds=5), "origin": Origin.WIDGET_DESKTOP, "online": True,
        "bookform_id": FORM, "is_mobile": 2, "service_ids": frozenset({11, 12}), "staff_id": 7,
        "starts_at_local": SLOT, "phone_hash": PHONE, "email_hash": EMAIL,
    }  # fmt: skip
    return BookingFacts(**(facts | changes))


def event(kind: str, visit_id: str, at: datetime, **more: Any) -> Evidence:
    marked = f"{kind}-{visit_id}-{at.timestamp()}"
    fields: dict[str, Any] = {"kind": kind, "event_id": marked, "visit_id": visit_id, "at": at} | more
    return Evidence(**fields)


def record(visit_id: str = "v1", at: datetime = NOON, **more: Any) -> Evidence:
    return event("record", visit_id, at, **({"company_id": BRANCH, "record_id": RECORD} | more))


def mark(visit_id: str = "v1", at: datetime = ago(minutes=5), **more: Any) -> Evidence:
    return event("mark", visit_id, at, **({"mark": MARK, "mark_state": "bound"} | more))


def opened(visit_id: str = "v1", at: datetime = ago(minutes=5), **more: Any) -> Evidence:
    return event("open", visit_id, at, **({"form_id": FORM} | more))


def booked(visit_id: str = "v1", at: datetime = ago(seconds=1), **more: Any) -> Evidence:
    """The form's message of success, naming all that the booking has."""
    content: dict[str, Any] = {
        "company_id": BRANCH, "form_id": FORM, "service_ids": frozenset({11, 12}), "staff_id": 7, "slot": SLOT,
    }  # fmt: skip
    return event("booked", visit_id, at, **(content | more))


def contact(visit_id: str = "v1", at: datetime = ago(hours=1), **more: Any) -> Evidence:
    return event("contact_phone", visit_id, at, **({"phone_hash": PHONE} | more))


def claim(visit_id: str = "v1", at: datetime = NOON, record_id: int = RECORD + 1) -> Claim:
    return Claim(visit_id, BRANCH, record_id, at)
