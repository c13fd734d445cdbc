"""YCLIENTS as the business folders see it: their Protocols over the vendor's module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from server.accounts.model import Branch
from server.bookings.model import BookingTelling, ClientTelling, Notice, Status, Unread
from server.bookings.source import PAGE_SIZE, SourceAway, SourcePage, SourceRefused
from server.platform.budget import Priority
from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, VendorError
from server.platform.phones import phone_e164
from server.vendors.yclients_refusals import refusal_note
from server.yclients.client import YclientsClient
from server.yclients.records import RecordFacts, classify_origin, client_facts, origin_of, record_facts
from server.yclients.webhooks import Unreadable, parse_body


class _Yclients:
    """`bookings.model.Vendor` for YCLIENTS."""

    def notices(self, body: bytes) -> list[Notice | Unread]:
        items = parse_body(body)
        found: list[Notice | Unread] = []
        for position, item in enumerate(items):
            raw = None if len(items) == 1 else _item_bytes(item.raw)
            if isinstance(item, Unreadable):
                found.append(Unread(item.reason, item.detail, position, raw))
            else:
                found.append(
                    Notice(
                        item.company_id, item.resource, item.resource_id, item.status, item.data, position,
                        _item_bytes(item.raw),
                    )
                )  # fmt: skip
        return found

    def booking(
        self, data: Mapping[str, Any], *, company_id: int, record_id: int, status: Status, timezone: ZoneInfo
    ) -> BookingTelling:
        return record_facts(data, company_id=company_id, record_id=record_id, status=status, timezone=timezone)

    def client(self, data: Mapping[str, Any], *, client_id: int) -> ClientTelling:
        return client_facts(data, client_id=client_id)

    def origin_told(self, telling: BookingTelling) -> dict[str, Any]:
        facts = cast(RecordFacts, telling).origin
        return {name: getattr(facts, name) for name in facts.told}

    def origin(self, facts: Mapping[str, Any]) -> str:
        return classify_origin(origin_of(facts))

    def phone(self, raw: str, region: str) -> str | None:
        return phone_e164(raw, region=region) if raw else None


YCLIENTS = _Yclients()


class BookingsOfYclients:
    """`bookings.source.BookingSource` over the REST clients of one account, by company id."""

    def __init__(self, clients: Mapping[int, YclientsClient], priority: Priority) -> None:
        self._clients, self._priority = clients, priority

    def _client(self, branch: Branch) -> YclientsClient:
        if branch.company_id not in self._clients:
            raise SourceRefused(f"branch {branch.company_id} is not connected, or its application is frozen")
        return self._clients[branch.company_id]

    async def changed(self, branch: Branch, since: datetime, page: int) -> SourcePage:
        # Whether the vendor reads this time by the branch's clock or by UTC is not stated: the earlier of the two.
        local = since.astimezone(ZoneInfo(branch.timezone)).replace(tzinfo=None)
        return await self._page(branch, page, changed_after=min(local, since.astimezone(UTC).replace(tzinfo=None)))

    async def created(self, branch: Branch, first: date, last: date, page: int) -> SourcePage:
        return await self._page(branch, page, created_from=first, created_to=last)

    async def count_created(self, branch: Branch, first: date, last: date) -> int | None:
        """How many bookings were made in these days; None when the vendor does not say."""
        try:
            page = await self._client(branch).list_records(
                branch.company_id, count=1, created_from=first, created_to=last, priority=self._priority
            )
        except VendorError as error:
            raise SourceRefused(str(error)) from None
        return page.total if page.total is not None or page.items else 0

    async def _page(self, branch: Branch, number: int, **wanted: Any) -> SourcePage:
        try:
            page = await self._client(branch).list_records(
                branch.company_id, page=number, count=PAGE_SIZE, priority=self._priority, **wanted
            )
        except RateLimited as limited:
            raise SourceAway(str(limited), limited.retry_after_s) from None
        except (Unauthorized, Forbidden, Rejected) as refusal:
            raise SourceRefused(refusal_note(refusal)) from None
        except VendorError as error:
            raise SourceAway(str(error), 30.0) from None
        # A short page is the last one: the total is not always told, and counts what the page may not show.
        return SourcePage(list(page.items), page.length < PAGE_SIZE)


def _item_bytes(raw: Any) -> bytes:
    return json.dumps(raw, ensure_ascii=False, default=str).encode("utf-8", "replace")
