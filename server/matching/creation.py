"""What a booking was when it was made: that is what its visitor chose, wherever the salon has moved it since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.bookings.model import Vendor, told_fields
from server.matching import store
from server.platform.postgres import Conn, Row

#: Fields of a booking that a visitor chooses in the form and the salon may change afterwards.
CHOSEN = ("services", "staff_id", "starts_at_local")


async def chosen(conn: Conn, account_id: UUID, row: Row, vendor: Vendor) -> dict[str, Any]:
    """The chosen fields as first told; one that the history does not speak of is as the booking has it now.

    Tellings come late, doubled and in any order, and each is kept: the earliest by the vendor's own count decides.
    """
    now = {field: row[field] for field in CHOSEN}
    if not row["online"]:
        return now  # nobody chose it in a form
    booking_id: UUID = row["booking_id"]
    tellings = [
        vendor.booking(
            telling["raw"], company_id=row["company_id"], record_id=row["record_id"], status=telling["status"],
            timezone=ZoneInfo(telling["timezone"]),
        )
        for telling in await store.first_tellings(conn, account_id, booking_id)
    ]  # fmt: skip
    return now | first_told(told_fields(telling) for telling in tellings)


def first_told(tellings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each chosen field the first value that says something; `tellings` in order, each may lack fields."""
    found: dict[str, Any] = {}
    for told in tellings:
        for field in CHOSEN:
            if told.get(field):
                found.setdefault(field, told[field])
    return found
