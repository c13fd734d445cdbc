"""How the business folders reach a vendor: adapters between their Protocols and the vendor's module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import flow as accounts
from server.accounts import store as account_store
from server.accounts.lookup import Known, Lookup
from server.accounts.model import Branch
from server.bookings import flow as bookings
from server.bookings import store as booking_store
from server.bookings.model import BookingTelling, ClientTelling, Notice, Status, Unread
from server.bookings.source import PAGE_SIZE, SourceAway, SourcePage, SourceRefused, Take
from server.delivery import outbox
from server.platform.budget import Budgets, Priority
from server.platform.clock import utc_now
from server.platform.egress import Egress, Forbidden, RateLimited, Rejected, Unauthorized, VendorError
from server.platform.log import logger
from server.platform.postgres import Conn, Pool
from server.platform.vault import Vault
from server.settings import Settings
from server.yclients.client import YclientsClient
from server.yclients.phones import phone_e164
from server.yclients.records import RecordFacts, classify_origin, client_facts, record_facts
from server.yclients.webhooks import Unreadable, parse_body, whole_id

_log = logger(__name__)


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

    def origin(self, telling: BookingTelling) -> tuple[str, dict[str, Any]]:
        facts = cast(RecordFacts, telling).origin
        return classify_origin(facts), asdict(facts)

    def phone(self, raw: str, region: str) -> str | None:
        return phone_e164(raw, region=region) if raw else None


YCLIENTS = _Yclients()


class BookingsOfYclients:
    """`bookings.source.BookingSource` over the REST client of one account."""

    def __init__(self, client: YclientsClient, priority: Priority) -> None:
        self._client, self._priority = client, priority

    async def changed(self, branch: Branch, since: datetime, page: int) -> SourcePage:
        # Whether the vendor reads this time by the branch's clock or by UTC is not stated: the earlier of the two.
        local = since.astimezone(ZoneInfo(branch.timezone)).replace(tzinfo=None)
        return await self._page(branch, page, changed_after=min(local, since.astimezone(UTC).replace(tzinfo=None)))

    async def created(self, branch: Branch, first: date, last: date, page: int) -> SourcePage:
        return await self._page(branch, page, created_from=first, created_to=last)

    async def count_created(self, branch: Branch, first: date, last: date) -> int | None:
        """How many bookings were made in these days; None when the vendor does not say."""
        try:
            page = await self._client.list_records(
                branch.company_id, count=1, created_from=first, created_to=last, priority=self._priority
            )
        except VendorError as error:
            raise SourceRefused(str(error)) from None
        return page.total if page.total is not None or page.items else 0

    async def _page(self, branch: Branch, number: int, **wanted: Any) -> SourcePage:
        try:
            page = await self._client.list_records(
                branch.company_id, page=number, count=PAGE_SIZE, priority=self._priority, **wanted
            )
        except RateLimited as limited:
            raise SourceAway(str(limited), limited.retry_after_s) from None
        except (Unauthorized, Forbidden, Rejected) as refusal:
            raise SourceRefused(str(refusal)) from None
        except VendorError as error:
            raise SourceAway(str(error), 30.0) from None
        # A short page is the last one: the total is not always told, and counts what the page may not show.
        return SourcePage([item for item in page.items if whole_id(item.get("id"))], len(page.items) < PAGE_SIZE)


def _item_bytes(raw: Any) -> bytes:
    return json.dumps(raw, ensure_ascii=False, default=str).encode("utf-8", "replace")


class Vendors:
    """Clients of the vendors for one process, over one egress with one shared budget."""

    def __init__(self, settings: Settings, vault: Vault, pool: Pool) -> None:
        self._settings = settings
        self._vault = vault
        self._egress = Egress(allow_private=settings.allow_private_egress, budgets=Budgets(pool))

    async def close(self) -> None:
        await self._egress.close()

    async def yclients(self, pool: Pool, account_id: UUID) -> YclientsClient | None:
        """The client with this account's token; None when it is not connected."""
        async with pool.acquire() as conn:
            secret = await accounts.credentials(conn, self._vault, account_id, "yclients")
        if secret is None:
            return None
        return YclientsClient(
            self._egress, base_url=self._settings.yclients_api_url,
            partner_token=secret.get("partner_token") or self._settings.yclients_partner_token.get_secret_value(),
            user_token=secret.get("user_token", ""), account=str(account_id),
        )  # fmt: skip

    async def booking_source(self, pool: Pool, account_id: UUID, priority: Priority) -> BookingsOfYclients | None:
        """None when the account is not connected."""
        client = await self.yclients(pool, account_id)
        return BookingsOfYclients(client, priority) if client else None

    async def read_booking(self, pool: Pool, lookup: Lookup, job: outbox.Job) -> None:
        """Job `booking.read`: what the API says of a booking is applied like a telling, and wins a tie."""
        client, known = await self.yclients(pool, job.account_id), await lookup.known(job.account_id)
        if client is None or known is None:
            return
        async with pool.acquire() as conn:
            row = await booking_store.by_id(conn, job.account_id, UUID(job.key))
        if row is None:
            return
        try:
            data = await client.get_record(row["company_id"], row["record_id"])
        except (Unauthorized, Forbidden) as error:
            await self._refused(pool, lookup, job.account_id, str(error))
            return
        branch = next(branch for branch in known.branches if branch.company_id == row["company_id"])
        now = utc_now()
        async with pool.acquire() as conn, conn.transaction():
            await booking_store.mark_read(conn, job.account_id, row["booking_id"], now)
            if data is None:
                data = {"id": row["record_id"], "company_id": row["company_id"], "deleted": True}
            await self.take(conn, known, branch, data, now=now)

    async def take(self, conn: Conn, known: Known, branch: Branch, data: Mapping[str, Any], *, now: datetime) -> str:
        """Applies one record read by API; answers `stored` or `duplicate`."""
        desk = bookings.Desk(known.account, {branch.company_id: branch}, YCLIENTS, connected=False)
        return await bookings.take_booking(
            conn, data, desk, branch, record_id=int(data["id"]), status="read", received_at=now, inbox_id=None, now=now
        )

    def taker(self, known: Known) -> Take:
        """How a booking that was read is applied for this account."""

        async def take(conn: Conn, branch: Branch, data: Mapping[str, Any], now: datetime) -> str:
            return await self.take(conn, known, branch, data, now=now)

        return take

    async def _refused(self, pool: Pool, lookup: Lookup, account_id: UUID, note: str) -> None:
        """A refused token stops further calls and is shown to the owner; webhooks go on without re-reading."""
        _log.warning("yclients.refused", account_id=str(account_id))
        async with pool.acquire() as conn:
            await account_store.mark_connection(conn, account_id, "yclients", "refused", note)
        lookup.forget()
