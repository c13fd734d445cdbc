"""Keeps one lead per booking: attributed to its visit, or to where the owner's settings send the rest."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from server.accounts import store as accounts
from server.bookings import store as bookings
from server.leads import sending, store
from server.leads.model import attribute
from server.leads.settings import read_settings
from server.platform.postgres import Conn
from server.tracking import store as tracking


async def refresh(
    conn: Conn, account_id: UUID, booking_id: UUID, *, visit_id: str | None, decided: bool, now: datetime
) -> bool:
    """Makes or updates the lead of a booking, in the transaction that decided about it.

    Answers whether something is to be sent; nothing is sent before the match is decided (`decided`).
    """
    booking = await bookings.by_id(conn, account_id, booking_id)
    if booking is None:
        return False
    integration = read_settings(await accounts.integration_settings(conn, account_id, "leads"))
    attribution = attribute(has_visit=visit_id is not None, origin=booking["origin"], settings=integration.settings())
    await store.save(conn, account_id, booking_id, attribution, created_at=booking["created_at"], now=now)
    if not decided:
        return False
    visit = await tracking.visit_by_id(conn, account_id, visit_id) if visit_id else None
    return await sending.want(conn, account_id, booking, visit, attribution, integration, now=now)
