"""Calls at work: the jobs of `calls` over both vendors, and the reading of reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from server.accounts.lookup import Known, Lookup
from server.calls import flow, jobs, reading, store
from server.delivery import outbox
from server.delivery.outbox import JOBS_TOPIC
from server.platform.budget import Priority
from server.platform.bus import Bus
from server.platform.clock import utc_now
from server.platform.postgres import Conn, Pool
from server.platform.vault import Vault
from server.settings import Settings

if TYPE_CHECKING:
    from server.vendors import Vendors

_LOOK_FOR_ACCOUNTS = timedelta(seconds=20)


class Calls:
    def __init__(
        self, settings: Settings, pool: Pool, bus: Bus, vault: Vault, lookup: Lookup, vendors: Vendors
    ) -> None:
        self._settings, self._pool, self._bus, self._vault = settings, pool, bus, vault
        self._lookup, self._vendors = lookup, vendors
        self._accounts_looked_at = utc_now() - _LOOK_FOR_ACCOUNTS

    async def popup(self, job: outbox.Job) -> None:
        around = await self.around(job.account_id)
        if around:
            desk = await self._vendors.telephony(self._pool, job.account_id)
            await jobs.popup(around, desk, UUID(job.key), now=utc_now)

    async def settle(self, job: outbox.Job) -> None:
        known = await self._lookup.known(job.account_id)
        if known is None:
            return
        async with self._pool.acquire() as conn, conn.transaction():
            await flow.settle(conn, known, UUID(job.key), now=utc_now())
        await self._bus.publish(JOBS_TOPIC)

    async def deliver(self, job: outbox.Job) -> None:
        """Sends a group of what is due for the account, and comes back while there is more."""
        around, now = await self.around(job.account_id), utc_now()
        if around is None:
            return
        due = await jobs.deliver(around, await self._vendors.telephony(self._pool, job.account_id), now=now)
        if due is not None:
            raise outbox.Later(due)

    async def setup(self, job: outbox.Job) -> None:
        around = await self.around(job.account_id)
        desk = await self._vendors.telephony(self._pool, job.account_id)
        if around and desk:
            await jobs.setup(around, desk, UUID(job.key), now=utc_now())
        elif around:
            await jobs.no_token(around, UUID(job.key), now=utc_now())

    async def check_numbers(self, account_id: UUID) -> dict[str, bool]:
        """Of each number of the settings whether its calls show in YCLIENTS. May raise `jobs.Away`."""
        around = await self.around(account_id)
        if around is None:
            return {}
        return await jobs.check_numbers(around, await self._vendors.telephony(self._pool, account_id), now=utc_now())

    async def read_report(self) -> int:
        """One part of the reading that is due; answers whether there was one."""
        now = utc_now()
        if now - self._accounts_looked_at >= _LOOK_FOR_ACCOUNTS:
            await store.ensure_readings(self._pool, now=now)
            self._accounts_looked_at = now
        due = await store.claim_reading(self._pool, now=now, lease_until=now + reading.LEASE)
        return await self._read(due) if due else 0

    async def read_past(self, account_id: UUID) -> int:
        """As `read_report`, of one account's past months alone."""
        now = utc_now()
        due = await store.claim_reading(self._pool, now=now, lease_until=now + reading.LEASE, past_of=account_id)
        return await self._read(due) if due else 0

    async def count_past(self, account_id: UUID, *, since: datetime) -> int | None:
        """How many calls there are to read; None: UIS is not connected. Raises `reading.SourceAway`."""
        source = await self._vendors.call_source(self._pool, account_id, Priority.BACKFILL)
        return await reading.count(source, since=since, now=utc_now()) if source else None

    async def _read(self, due: store.Reading) -> int:
        known, now = await self._lookup.known(due.account_id), utc_now()
        if known is None:
            return 0
        priority = Priority.BACKFILL if due.what == "past" else Priority.RECONCILE
        source = await self._vendors.call_source(self._pool, due.account_id, priority, known)
        if await reading.step(self._pool, source, due, self._taker(known), now=now):
            await self._bus.publish(JOBS_TOPIC)
        return 1

    def _taker(self, known: Known) -> reading.Take:
        async def take(conn: Conn, row: reading.Reported, asked: bool) -> str:
            now = utc_now()
            return await flow.take(
                conn, self._vault, known, row.session_id, row.told, received_at=now, now=now, asked=asked
            )

        return take

    async def around(self, account_id: UUID) -> jobs.Surroundings | None:
        known = await self._lookup.known(account_id)
        if known is None:
            return None
        return jobs.Surroundings(
            self._pool, self._vault, known, self._settings.base_url, self._settings.retry_schedule_s
        )
