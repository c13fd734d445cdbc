"""The worker: loops that take what is due. Woken by the bus, and by themselves every half second.

Composition as `app.py` is: the only other place that knows everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

from server import vendors
from server.accounts import flow as accounts
from server.accounts.authorize import CodeWanted, Entered
from server.accounts.lookup import Lookup
from server.accounts.store import account_of_hook, owners
from server.bookings import backfill, reconcile
from server.bookings import catching_up_store as catching_up
from server.bookings import flow as bookings
from server.bookings.source import passing_over
from server.cabinet.notices import letter
from server.calls import flow as calls
from server.calls import networks
from server.calls.routes import Recording
from server.chats import flow as texts
from server.chats import reading as text_reading
from server.chats import store as text_store
from server.chats.source import TextSource
from server.clients import sending as client_sending
from server.deals import flow as deals
from server.delivery import inbox, notices, outbox, relay, replays, retention
from server.delivery.inbox import Handle
from server.delivery.outbox import JOBS_TOPIC
from server.delivery.routes import INBOX_TOPIC
from server.delivery.spool import Spool
from server.feed import flow as feed
from server.feed.flow import FEED_TOPIC
from server.leads import flow as leads
from server.leads import sending as lead_sending
from server.leads.directory import Directory
from server.marketplace import flow as marketplace
from server.marketplace.model import AppEvent, Asked
from server.marketplace.store import account_of_company, uninstalled
from server.matching import flow as matching
from server.platform.budget import Priority
from server.platform.bus import Bus, Subscription
from server.platform.clock import utc_now
from server.platform.egress import RateLimited, Unauthorized
from server.platform.log import logger
from server.platform.mail import MailRefused, MailServer, send_mail
from server.platform.phones import phone_e164
from server.platform.postgres import DATABASE_AWAY, Conn, Pool
from server.platform.vault import Vault
from server.settings import Settings
from server.tracking import flow as tracking
from server.tracking.collector import HITS_TOPIC
from server.vendors import uis_calls, uis_contacts, uis_notifications, uis_texts
from server.vendors.calls import Calls
from server.workplace.frames import FrameAsked
from server.workplace.outside import Outside

_log = logger(__name__)
LEADS_TOPIC = "leads"
BACKFILL_TOPIC = "backfill"
TEXTS_TOPIC = "texts"
NOT_CONNECTED = "the account is not connected; run `yclick account connect yclients ACCOUNT`"
_LOOK_EVERY_S = 0.5
#: How many jobs of a family run at once. Decisions ask the database alone; the others wait for a vendor most of the time.
_PLACES = {"popups": 16, "decisions": 8, "reads": 4, "deliveries": 6, "marketplace": 2, "letters": 1}
_TEXT_LOOKS = 3
_ALIVE_LOCK = 0x79636C6976650  # "yclive": held by every living worker


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loops work with."""

    settings: Settings
    pool: Pool
    bus: Bus
    vault: Vault
    lookup: Lookup
    spool: Spool


class Worker:
    """All loops of one process; `start` and `stop` once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: list[asyncio.Task[None]] = []
        self._may_claim = asyncio.Event()
        self._vendors = vendors.Vendors(parts.settings, parts.vault, parts.pool)
        self.outside: Outside = self._vendors.outside(parts.pool)
        self.handlers: dict[str, Handle] = {
            "yclients": self._take_yclients, "uis": self._take_uis, marketplace.DOOR: self._take_app_event,
        }  # fmt: skip
        self.calls = Calls(parts.settings, parts.pool, parts.bus, parts.vault, parts.lookup, self._vendors)
        #: Which notification of UIS is acted on, and by whom.
        self.notifications = uis_notifications.table(
            uis_contacts.HANDLERS, uis_calls.handlers(parts.vault, self._vendors.trusts), uis_texts.HANDLERS
        )
        # Families apart, so that nobody's match ever waits for a vendor's answer to somebody else.
        families: dict[str, dict[str, outbox.Run]] = {
            "decisions": {
                bookings.CHANGED_JOB: self._booking_changed,
                tracking.EVIDENCE_JOB: self._evidence,
                tracking.SESSION_JOB: self._session_known,
                texts.SETTLE_JOB: self._settle_texts,
                calls.SETTLE_JOB: self.calls.settle,
                replays.JOB: self._replay_deliveries,
            },
            "popups": {calls.POPUP_JOB: self.calls.popup},
            "letters": {notices.MAIL_JOB: self._mail_notice, notices.TELL_JOB: self._tell_of_outage},
            "reads": {bookings.READ_JOB: self._read_booking, texts.READ_JOB: self._read_texts},
            "marketplace": {marketplace.LINK_JOB: self._look_at_link},
            "deliveries": {
                relay.JOBS["lead"]: self._deliver_leads,
                relay.JOBS["deal"]: self._deliver_deals,
                relay.JOBS["client"]: self._deliver_clients,
                relay.JOBS["call"]: self.calls.deliver,
                networks.SETUP_JOB: self.calls.setup,
            },
        }
        self._crews = {
            name: outbox.Crew(parts.pool, family, parts.settings.retry_schedule_s, places=_PLACES[name])
            for name, family in families.items()
        }

    def start(self) -> None:
        loops = {
            "hits": self._loop(HITS_TOPIC, self._hits),
            "inbox": self._loop(INBOX_TOPIC, self._inbox),
            # Apart: while a phone rings nobody waits behind a storm of bookings.
            "inbox-uis": self._loop(INBOX_TOPIC, self._inbox_uis),
            "reports": self._loop("reports", self.calls.read_report, every_s=1.0),
            **{
                name: self._loop(JOBS_TOPIC, partial(crew.step, now=utc_now), pause=crew.pause)
                for name, crew in self._crews.items()
            },
            "spool": self._loop("spool", self._drain_spool, every_s=1.0),
            "calls without an end": self._loop("lapse", self._lapse, every_s=2.0),
            "reaper": self._loop("reaper", self._reap, every_s=1.0),
            "retention": self._loop("retention", self._retain, every_s=1.0),
            "reconcile": self._loop("reconcile", self._reconcile, every_s=1.0),
            # Several: a look waits for its account's pace, and nobody else's chats begin later for that.
            **{
                f"texts {number}": self._loop(TEXTS_TOPIC, self.look_at_texts, every_s=1.0)
                for number in range(_TEXT_LOOKS)
            },
            "backfill": self._loop(BACKFILL_TOPIC, self._backfill, every_s=2.0),
        }
        self._tasks = [asyncio.create_task(loop, name=f"worker-{name}") for name, loop in loops.items()]
        self._tasks.append(asyncio.create_task(self._stand_for_life(), name="worker-alive"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(crew.stop() for crew in self._crews.values()))
        await self._vendors.close()

    # --- what a dead worker had claimed

    async def _stand_for_life(self) -> None:
        """Holds a lock for as long as this worker lives. Who finds it free takes what the dead had claimed.

        So after a crash of the only worker, or of the database under it, bodies and jobs go on at once. While others
        live, the end of a lease alone shows that its holder is gone.
        """
        while True:
            try:
                await self._stand_connected()
            except DATABASE_AWAY:
                pass
            except Exception:
                _log.exception("worker.alive_failed")  # the loops go on all the same: leases keep the order
            self._may_claim.set()
            await asyncio.sleep(1)

    async def _stand_connected(self) -> None:
        gone = asyncio.Event()
        async with self._parts.pool.acquire() as conn:
            if await conn.fetchval("select pg_try_advisory_lock($1)", _ALIVE_LOCK):
                freed = await inbox.release_claimed(self._parts.pool, now=utc_now())
                # A job of ours may outlive a lost connection: it waits for a vendor. Only a new worker has none.
                if not self._may_claim.is_set():
                    freed += await outbox.reap(self._parts.pool, now=utc_now() + timedelta(days=1))
                    freed += await catching_up.release_claimed(self._parts.pool)
                    freed += await text_store.release_claimed(self._parts.pool)
                if freed:
                    _log.info("worker.took_over", number=freed)
                await conn.execute("select pg_advisory_lock_shared($1)", _ALIVE_LOCK)
                await conn.execute("select pg_advisory_unlock($1)", _ALIVE_LOCK)
            else:
                await conn.execute("select pg_advisory_lock_shared($1)", _ALIVE_LOCK)
            self._may_claim.set()
            conn.add_termination_listener(lambda _: gone.set())
            await gone.wait()

    # --- loops

    async def _loop(
        self,
        topic: str,
        work: Callable[[], Awaitable[int]],
        *,
        every_s: float = _LOOK_EVERY_S,
        pause: Callable[[Subscription, float], Awaitable[None]] | None = None,
    ) -> None:
        pause = pause or _pause
        await self._may_claim.wait()
        async with self._parts.bus.subscribe(topic) as signal:
            while True:
                try:
                    busy = await work()
                except DATABASE_AWAY as error:
                    _log.warning("worker.database_away", loop=topic, error=type(error).__name__)
                    busy = 0
                    await asyncio.sleep(0.5)
                except Exception:
                    _log.exception("worker.loop_failed", loop=topic)
                    busy = 0
                if not busy:
                    await pause(signal, every_s)

    async def _hits(self) -> int:
        done = await tracking.work_batches(self._parts.pool, self._surroundings, now=utc_now())
        if done:
            await self._parts.bus.publish(JOBS_TOPIC)
        return done

    async def _inbox_uis(self) -> int:
        done = await inbox.work_inbox(self._parts.pool, self.handlers, now=utc_now(), limit=8, only="uis")
        if done:
            await self._parts.bus.publish(FEED_TOPIC)
            await self._parts.bus.publish(JOBS_TOPIC)
        return done

    async def _inbox(self) -> int:
        done = await inbox.work_inbox(self._parts.pool, self.handlers, now=utc_now(), only="others")
        if done:
            await self._parts.bus.publish(FEED_TOPIC)
            await self._parts.bus.publish(JOBS_TOPIC)
        return done

    async def _lapse(self) -> int:
        if await feed.lapse(self._parts.pool, now=utc_now()):
            await self._parts.bus.publish(FEED_TOPIC)
        return 0

    async def _drain_spool(self) -> int:
        moved = await inbox.drain_spool(self._parts.pool, self._parts.spool, _account_of_spooled)
        if moved:
            await self._parts.bus.publish(INBOX_TOPIC)
        return 0

    async def _reap(self) -> int:
        if await outbox.reap(self._parts.pool, now=utc_now()):
            await self._parts.bus.publish(JOBS_TOPIC)
        return 0

    async def _retain(self) -> int:
        await retention.keep_up(self._parts.pool, now=utc_now())
        return 0

    def frame_asked(self, surface: str, query: Sequence[tuple[str, str]]) -> FrameAsked | None:
        """`workplace.frames.ReadFrame`."""
        return self._vendors.frame_asked(surface, query)

    async def authorize(self, account: str, login: str, password: str, uuid: str, code: str) -> Entered | CodeWanted:
        """`accounts.authorize.Authorize`."""
        return await self._vendors.authorize(account, login, password, uuid, code)

    async def sees_branch(self, account_id: UUID, company_id: int) -> bool | None:
        """`accounts.authorize.SeesBranch`."""
        return await self._vendors.sees_branch(self._parts.pool, account_id, company_id)

    def open_recording(self, link: str, byte_range: str) -> AbstractAsyncContextManager[Recording]:
        """`calls.routes.OpenRecording`."""
        return self._vendors.recording(link, byte_range)

    async def prove_uis(self, account_id: UUID, secret: Mapping[str, str]) -> None:
        """`leads.directory.ProveUis`."""
        await self._vendors.prove_uis(account_id, secret)

    async def read_directory(self, account_id: UUID, fresh: bool) -> Directory:
        """`leads.directory.ReadDirectory`."""
        return await self._vendors.directory(self._parts.pool, account_id, fresh=fresh)

    def asked_by(self, query: Iterable[tuple[str, str]]) -> Asked:
        """`marketplace.model.ReadRedirect`."""
        return self._vendors.asked_by(query)

    async def describe_branches(self, account_id: UUID, company_ids: Sequence[int]) -> Mapping[int, str]:
        """`marketplace.model.DescribeBranches`."""
        return await marketplace.titles(self._vendors.app_desk(account_id), company_ids)

    def app_event(self, body: bytes) -> AppEvent | None:
        """`marketplace.model.ReadEvent`."""
        return self._vendors.app_event(body)

    # --- handlers of the inbox

    async def _take_yclients(self, conn: Conn, letter: inbox.Letter) -> inbox.Outcome:
        known = await self._parts.lookup.known(letter.account_id, conn)
        if known is None:
            return inbox.Outcome("quarantined", (inbox.Rejected("no_account"),))
        desk = bookings.Desk(
            known.account, {branch.company_id: branch for branch in known.branches}, vendors.YCLIENTS,
            known.readable,
        )  # fmt: skip
        return await bookings.take_letter(conn, letter, desk, now=utc_now())

    async def _take_app_event(self, conn: Conn, letter: inbox.Letter) -> inbox.Outcome:
        outcome = await marketplace.take_letter(conn, letter, now=utc_now())
        self._parts.lookup.forget()
        return outcome

    async def _take_uis(self, conn: Conn, letter: inbox.Letter) -> inbox.Outcome:
        known = await self._parts.lookup.known(letter.account_id, conn)
        if known is None:
            return inbox.Outcome("quarantined", (inbox.Rejected("no_account"),))
        return await uis_notifications.take_notification(conn, letter, known, self.notifications)

    # --- catching up: what webhooks never told, and past months

    async def _reconcile(self) -> int:
        """One due branch; answers whether there was one."""
        now, period_s = utc_now(), self._parts.settings.reconcile_period_s
        due = await catching_up.claim_due(
            self._parts.pool, now=now, lease_until=now + reconcile.LEASE, period_s=period_s
        )
        if due is None:
            return 0
        known = await self._parts.lookup.known(due.account_id)
        branch = next((one for one in known.branches if one.branch_id == due.branch_id), None) if known else None
        source = await self._vendors.booking_source(self._parts.pool, due.account_id, Priority.RECONCILE)
        if known is None or branch is None or source is None:
            return 0
        found = await reconcile.reconcile_branch(
            self._parts.pool, source, self._vendors.taker(known), branch, due, now=now, period_s=period_s
        )
        if found and found.missed:
            await self._parts.bus.publish(JOBS_TOPIC)
        return 1

    async def _backfill(self) -> int:
        """One page of the backfill that waits longest; answers whether there was one."""
        now = utc_now()
        job = await catching_up.claim_backfill(self._parts.pool, now=now, lease_until=now + backfill.LEASE)
        return 0 if job is None else await self.backfill_step(job)

    async def look_at_texts(self, account_id: UUID | None = None) -> int:
        """One account's chats and forms whose turn it is; answers whether there was one."""
        now, period_s = utc_now(), self._parts.settings.reconcile_period_s
        due = await text_store.watch(
            self._parts.pool, now=now, lease_until=now + text_reading.LEASE, period_s=min(period_s, 60.0),
            account_id=account_id,
        )  # fmt: skip
        if due is None:
            return 0
        source = await self._text_source(due["account_id"], Priority.RECONCILE)
        await text_reading.look(self._parts.pool, source, due, now=now, period_s=period_s)
        await self._parts.bus.publish(JOBS_TOPIC)
        return 1

    async def _text_source(self, account_id: UUID, priority: Priority) -> TextSource | None:
        known = await self._parts.lookup.known(account_id)
        return await self._vendors.text_source(self._parts.pool, account_id, priority, known)

    async def count_texts(self, account_id: UUID, *, since: datetime) -> int:
        """How many chats and site forms began since then. Raises `SourceAway` of texts."""
        source = await self._vendors.text_source(self._parts.pool, account_id, Priority.OPERATOR)
        return await text_reading.count(source, since, now=utc_now())

    async def backfill_step(self, job: catching_up.Backfill) -> int:
        known = await self._parts.lookup.known(job.account_id)
        source = await self._vendors.booking_source(self._parts.pool, job.account_id, Priority.BACKFILL)
        if known is None or source is None:
            again = utc_now() + timedelta(minutes=5)
            await catching_up.put_off(self._parts.pool, job, next_at=again, error=NOT_CONNECTED)
            return 0
        async with self._parts.pool.acquire() as conn:
            gone = await uninstalled(conn, job.account_id) - set(known.readable)
        branches = tuple(branch for branch in known.branches if branch.company_id not in gone)
        await backfill.step(self._parts.pool, source, self._vendors.taker(known), branches, job, now=utc_now())
        await self._parts.bus.publish(JOBS_TOPIC)
        return 1

    async def count_created(self, account_id: UUID, *, since: datetime) -> int | None:
        """How many bookings a backfill would read; None when the vendor does not say."""
        known = await self._parts.lookup.known(account_id)
        source = await self._vendors.booking_source(self._parts.pool, account_id, Priority.OPERATOR)
        if known is None or source is None:
            raise Unauthorized(NOT_CONNECTED)
        counts = []
        for branch in backfill.worth_reading(known.branches, known.readable):
            zone = ZoneInfo(branch.timezone)
            first, last = since.astimezone(zone).date(), utc_now().astimezone(zone).date()
            counts.append(await source.count_created(branch, first, last))
        return None if None in counts else sum(number for number in counts if number)

    async def look_now(self, account_id: UUID, *, back: timedelta, dry_run: bool) -> AsyncIterator[tuple[int, bool]]:
        """Reads what changed in the last time at once, for the command line: (company id, whether it was new here)."""
        known = await self._parts.lookup.known(account_id)
        source = await self._vendors.booking_source(self._parts.pool, account_id, Priority.OPERATOR)
        if known is None or source is None:
            raise Unauthorized(NOT_CONNECTED)
        take = self._vendors.taker(known)
        for branch in backfill.worth_reading(known.branches, known.readable):
            number, last = 1, False
            while not last:
                page = await source.changed(branch, utc_now() - back, number)
                for item in page.items:
                    result = ""
                    with passing_over(branch, item, {}):
                        async with self._parts.pool.acquire() as conn:
                            transaction = conn.transaction()
                            await transaction.start()
                            result = await take(conn, branch, item, utc_now())
                            # A dry run does everything and takes it back, so that its count cannot differ.
                            await (transaction.rollback() if dry_run else transaction.commit())
                    yield branch.company_id, result == "stored"
                number, last = number + 1, page.last

    # --- jobs

    async def _booking_changed(self, job: outbox.Job) -> None:
        """A booking is new or changed, or evidence came: decide, keep its lead up to date, come back if undecided."""
        booking_id, now = UUID(job.key), utc_now()
        async with self._parts.pool.acquire() as conn, conn.transaction():
            decision = await matching.match_booking(
                conn, job.account_id, booking_id, vendors.YCLIENTS, now=now, grace_s=self._parts.settings.match_grace_s,
                cause=str(job.payload.get("cause", "booking")),
            )  # fmt: skip
            if decision is None:
                return
            sends = await leads.refresh(
                conn, job.account_id, booking_id, visit_id=decision.match["visit_id"],
                decided=decision.waits_until is None, now=now,
            )  # fmt: skip
            sends |= await deals.refresh(conn, job.account_id, booking_id, vendors.RECORDS, now=now)
            if decision.waits_until is not None:
                await outbox.enqueue(
                    conn, job.account_id, bookings.CHANGED_JOB, job.key, run_at=decision.waits_until,
                    payload={"cause": "grace"},
                )  # fmt: skip
        await self._parts.bus.publish(LEADS_TOPIC, str(job.account_id))
        if sends:
            await self._parts.bus.publish(JOBS_TOPIC)

    async def _deliver_leads(self, job: outbox.Job) -> None:
        """Sends a group of what is due for the account, and comes back while there is more."""
        now, desk = utc_now(), await self._vendors.lead_desk(self._parts.pool, job.account_id)
        async with self._parts.pool.acquire() as conn:
            await marketplace.hold_frozen(conn, job.account_id, "lead", now=now)
        due = await lead_sending.deliver(
            self._parts.pool, desk, job.account_id, self._parts.settings.retry_schedule_s, now=now
        )
        async with self._parts.pool.acquire() as conn, conn.transaction():
            linked = await deals.follow_leads(conn, job.account_id, vendors.RECORDS, now=utc_now())
        if linked:
            await self._parts.bus.publish(JOBS_TOPIC)
        if due is not None:
            raise outbox.Later(due)

    async def _deliver_deals(self, job: outbox.Job) -> None:
        """As leads; a deal never waits for them, it is linked when its lead has arrived."""
        now, desk = utc_now(), await self._vendors.deal_desk(self._parts.pool, job.account_id)
        async with self._parts.pool.acquire() as conn:
            await marketplace.hold_frozen(conn, job.account_id, "deal", now=now)
        due = await deals.deliver(
            self._parts.pool, desk, job.account_id, vendors.RECORDS, self._parts.settings.retry_schedule_s, now=now
        )  # fmt: skip
        if due is not None:
            raise outbox.Later(due)

    async def _deliver_clients(self, job: outbox.Job) -> None:
        """As leads, to YCLIENTS: one account's clients one group after the other, so that a phone is made once."""
        now, desk = utc_now(), await self._vendors.client_desk(self._parts.pool, job.account_id)
        due = await client_sending.deliver(
            self._parts.pool, desk, job.account_id, self._parts.settings.retry_schedule_s, now=now
        )
        if due is not None:
            raise outbox.Later(due)

    async def _replay_deliveries(self, job: outbox.Job) -> None:
        due = await replays.step(self._parts.pool, job.account_id, UUID(job.key), now=utc_now())
        await self._parts.bus.publish(JOBS_TOPIC)
        if due is not None:
            raise outbox.Later(due)

    async def _settle_texts(self, job: outbox.Job) -> None:
        await texts.settle_waiting(self._parts.pool, job.account_id, now=utc_now())
        await self._parts.bus.publish(JOBS_TOPIC)

    async def _read_texts(self, job: outbox.Job) -> None:
        """Asks UIS about the chats and forms that are due, a group at a time."""
        source = await self._text_source(job.account_id, Priority.WEBHOOK)
        due = await text_reading.read_due(self._parts.pool, source, job.account_id, now=utc_now())
        await self._parts.bus.publish(JOBS_TOPIC)
        if due is not None:
            raise outbox.Later(due)

    async def _tell_of_outage(self, job: outbox.Job) -> None:
        async with self._parts.pool.acquire() as conn, conn.transaction():
            await notices.tell_kept(conn, job.account_id, UUID(job.key), now=utc_now())

    async def _mail_notice(self, job: outbox.Job) -> None:
        """One letter to each owner; without a mail server the cabinet alone tells."""
        settings = self._parts.settings
        known = await self._parts.lookup.known(job.account_id)
        if not settings.smtp_host or known is None:
            return
        server = MailServer(
            settings.smtp_host, settings.smtp_port, settings.smtp_tls, settings.smtp_user,
            settings.smtp_password.get_secret_value(), settings.mail_sender,
        )  # fmt: skip
        async with self._parts.pool.acquire() as conn:
            row = await notices.one(conn, job.account_id, UUID(job.key))
            people = await owners(conn, job.account_id)
        if row is None:
            return
        taken, refused = 0, None
        for person in people:
            subject, text = letter(row, known.account.name, settings.base_url, person.locale or known.account.locale)
            try:
                await send_mail(server, person.email, subject, text)
                taken += 1
            except MailRefused as error:
                refused = error
        if refused and not taken:  # nobody gets it twice because another's address is wrong
            raise refused

    async def _evidence(self, job: outbox.Job) -> None:
        async with self._parts.pool.acquire() as conn, conn.transaction():
            found = await matching.reconsider(conn, job.account_id, job.payload, bookings.CHANGED_JOB, now=utc_now())
        if found:
            await self._parts.bus.publish(JOBS_TOPIC)

    async def _session_known(self, job: outbox.Job) -> None:
        async with self._parts.pool.acquire() as conn, conn.transaction():
            found = await matching.session_known(
                conn, job.account_id, job.payload["visits"], bookings.CHANGED_JOB, now=utc_now()
            )
        if found:
            await self._parts.bus.publish(JOBS_TOPIC)

    async def _read_booking(self, job: outbox.Job) -> None:
        try:
            await self._vendors.read_booking(self._parts.pool, self._parts.lookup, job)
        except RateLimited as limited:  # a pause the vendor asked for is no failure of the job
            raise outbox.Later(utc_now() + timedelta(seconds=limited.retry_after_s), str(limited)) from None
        await self._parts.bus.publish(JOBS_TOPIC)

    async def _look_at_link(self, job: outbox.Job) -> None:
        """How a branch of the marketplace's application stands, again and again for as long as it has it."""
        async with self._parts.pool.acquire() as conn:
            hooks = await accounts.hook_urls(conn, self._parts.vault, job.account_id, self._parts.settings.base_url)
        again = await marketplace.work(
            self._parts.pool, self._vendors.app_desk(job.account_id), job.account_id, int(job.key),
            hooks.get("yclients", ""), now=utc_now(),
        )  # fmt: skip
        self._parts.lookup.forget()
        await self._parts.bus.publish(JOBS_TOPIC)
        if again is not None:
            raise outbox.Later(again)

    async def _surroundings(self, conn: Conn, account_id: UUID) -> tracking.Surroundings | None:
        known = await self._parts.lookup.known(account_id, conn)
        if known is None:
            return None
        return tracking.Surroundings(known.account, known.sites, known.branches, _normal_phone)


async def _account_of_spooled(conn: Conn, token_hash: bytes, vendor: str, received_at: datetime) -> UUID | None:
    """Whose a spooled body is: an event of the application names its branch, a webhook its token."""
    if vendor == marketplace.DOOR:
        return await account_of_company(conn, int.from_bytes(token_hash))
    return await account_of_hook(conn, token_hash, vendor, received_at)


def _normal_phone(raw: str, region: str) -> str | None:
    return phone_e164(raw, region=region) if raw else None


async def _pause(signal: Subscription, every_s: float) -> None:
    with contextlib.suppress(asyncio.QueueEmpty):
        await signal.next(every_s)
