"""Keeps one lead per booking: attributed to its visit, or to where the owner's settings send the rest."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from server.accounts import store as accounts
from server.bookings import store as bookings
from server.leads import store
from server.leads.model import attribute
from server.leads.settings import read_settings
from server.platform.postgres import Conn


async def refresh(conn: Conn, account_id: UUID, booking_id: UUID, *, visit_id: str | None, now: datetime) -> None:
    """Makes or updates the lead of a booking, in the transaction that decided about it."""
    booking = await bookings.by_id(conn, account_id, booking_id)
    if booking is None:
        return
    settings = read_settings(await accounts.integration_settings(conn, account_id, "leads")).settings()
    attribution = attribute(has_visit=visit_id is not None, origin=booking["origin"], settings=settings)
    await store.save(conn, account_id, booking_id, attribution, created_at=booking["created_at"], now=now)
