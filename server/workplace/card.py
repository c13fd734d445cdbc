"""The card of a client: what is known of who calls, from our own tables at once, then fresh from the booking system.

A card says when what it says was true (`as_of`) and whether it was asked for just now (`fresh`). Where nothing is
known a field is null; nothing is guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.accounts.model import Account
from server.feed import store as feed
from server.platform.phones import phone_e164
from server.platform.postgres import Pool, Row
from server.platform.vault import keyed_hash
from server.workplace import card_store as store
from server.workplace.outside import FreshClient, Outside, OutsideRefused

FRESH_WITHIN_S = 4.0


async def card(
    pool: Pool, account: Account, *, subject: str = "", phone: str = "", fresh: bool, outside: Outside, now: datetime
) -> dict[str, Any]:
    """The card for a call, chat or form, or for a phone."""
    async with pool.acquire() as conn:
        item = await feed.item(conn, account.account_id, subject) if subject else None
        number = phone_e164(phone or (item or {}).get("phone", ""), region=account.phone_region) or ""
        bookings = await store.bookings_of(conn, account.account_id, _hash(account, number)) if number else []
        source = await store.source_of(conn, account.account_id, [row["booking_id"] for row in bookings[:50]])
    told = _card(item, number, bookings, source, now=now)
    return await _freshened(told, account.account_id, outside, now=now) if fresh and number else told


def _hash(account: Account, phone: str) -> bytes:
    return keyed_hash(account.hash_key, f"phone:{phone}")


def _card(
    item: Mapping[str, Any] | None, phone: str, bookings: Sequence[Row], source: Row | None, *, now: datetime
) -> dict[str, Any]:
    """`bookings` newest start first."""
    item = item or {}
    live = [row for row in bookings if not row["deleted"] and row["starts_at"]]
    past = [row for row in live if row["starts_at"] <= now]
    coming = [row for row in live if row["starts_at"] > now]
    came = sum(row["attendance"] == 1 for row in past)
    missed = sum(row["attendance"] == -1 for row in past)
    unpaid = [row for row in past if row["attendance"] == 1 and row["paid_full"] == "0"]
    newest = bookings[0] if bookings else None
    return {
        "subject": item.get("subject", ""), "phone": phone,
        "name": next((row["client_name"] for row in bookings if row["client_name"]), "") or item.get("name", ""),
        "company_id": newest["company_id"] if newest else item.get("company_id"),
        "client_id": next((row["client_id"] for row in bookings if row["client_id"]), item.get("client_id")),
        "known": bool(bookings),
        "visits": came, "no_shows": missed,
        "no_show_rate": round(missed / (came + missed), 3) if came + missed else None,
        "next_booking": _booking(coming[-1]) if coming else None,
        "last_booking": _booking(past[0]) if past else None,
        "unpaid": [_booking(row) for row in unpaid[:5]],
        "brought_by": _brought_by(item, source),
        "fresh": False, "as_of": max((row["updated_at"] for row in bookings), default=now).isoformat(), "why_not_fresh": "",
    }  # fmt: skip


def _booking(row: Row) -> dict[str, Any]:
    return {
        "booking_id": str(row["booking_id"]), "company_id": row["company_id"], "record_id": row["record_id"],
        "starts_at": row["starts_at"].isoformat(), "master": row["staff_name"] or "",
        "services": [service["title"] for service in row["services"] or [] if service.get("title")],
        "amount": str(row["amount"]) if row["amount"] is not None else None, "currency": row["currency"],
    }  # fmt: skip


def _brought_by(item: Mapping[str, Any], source: Row | None) -> dict[str, Any] | None:
    """The advert of this call or chat; else that of the newest booking whose visit is known."""
    advert = item.get("advert")
    if advert and any(advert.values()):
        return {"by": "event", **advert}
    if source is None:
        return None
    return {
        "by": "booking", "campaign": source["campaign"] or "", "source": source["source"] or "",
        "site": source["domain"] or "", "page": (source["landing_page"] or "").partition("?")[0],
    }  # fmt: skip


async def _freshened(told: dict[str, Any], account_id: UUID, outside: Outside, *, now: datetime) -> dict[str, Any]:
    """The card with what the booking system says now; within bounded time, else the card as it was and why."""
    if told["company_id"] is None:
        return {**told, "why_not_fresh": "no_branch"}
    try:
        async with asyncio.timeout(FRESH_WITHIN_S):
            found = await outside.find_client(account_id, told["company_id"], told["phone"])
    except TimeoutError:
        return {**told, "why_not_fresh": "unavailable"}
    except OutsideRefused as refused:
        return {**told, "why_not_fresh": refused.code}
    return {**told, **(_of_client(found) if found else {}), "fresh": True, "as_of": now.isoformat()}


def _of_client(found: FreshClient) -> dict[str, Any]:
    told = {"name": found.name or None, "client_id": found.client_id, "visits": found.visits, "known": True}
    return {name: value for name, value in told.items() if value is not None}
