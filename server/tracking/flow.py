"""Works stored events into visits, marks and form events; each event has its effect once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from server.accounts.model import Account, Branch, Site
from server.delivery import ledger, outbox
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Conn, Pool, Row
from server.platform.vault import keyed_hash
from server.tracking import store
from server.tracking.addresses import form_id_of
from server.tracking.model import VisitDescription
from server.tracking.sources import Source, classify
from server.tracking.store import FormEvent, VisitUpdate

_log = logger(__name__)

#: Job for matching: form events of this account came between two moments.
EVIDENCE_JOB = "matching.evidence"
#: Job: visits whose session in the other system became known.
SESSION_JOB = "matching.session"
TRIES = 5
#: How long after the click the form may first open with a mark.
MARK_LIFE = timedelta(minutes=30)
_FORM_KINDS = frozenset({"open", "form", "step", "booked", "record", "contact"})

NormalPhone = Callable[[str, str], str | None]  # (as typed, region) -> E.164


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What working on one account's events needs to know."""

    account: Account
    sites: tuple[Site, ...]
    branches: tuple[Branch, ...]
    normal_phone: NormalPhone


FindSurroundings = Callable[[Conn, UUID], Any]  # awaitable of Surroundings | None


def stored_visit(
    visit: VisitDescription, *, received_at: datetime, sent_at_ms: int, client: dict[str, str]
) -> dict[str, Any]:
    """A visit's description as it stands beside its first event: the start by our clock."""
    age_ms = min(max(0, sent_at_ms - visit.started_at_ms), 30 * 86_400_000)
    return {
        "visitor": visit.visitor_id,
        "started_at": (received_at - timedelta(milliseconds=age_ms)).isoformat(),
        "landing": visit.landing,
        "referrer": visit.referrer,
        **client,
    }


async def work_batches(pool: Pool, surroundings: FindSurroundings, *, now: datetime, limit: int = 50) -> int:
    """Works on due batches, each in a transaction of its own; answers how many."""
    for done in range(limit):
        async with pool.acquire() as conn:
            claimed: Row | None = None
            try:
                async with conn.transaction():
                    claimed = await store.claim_batch(conn, now)
                    if claimed is None:
                        return done
                    await _work(conn, claimed, await surroundings(conn, claimed["account_id"]), now)
            except DATABASE_AWAY:
                raise
            except Exception:
                if claimed is None:
                    raise
                _log.exception("tracking.batch_failed", batch_id=str(claimed["batch_id"]))
                await _put_off(conn, claimed, now)
    return limit


async def _put_off(conn: Conn, batch: Row, now: datetime) -> None:
    """A batch that fails is tried again, then set aside as quarantined events: it never blocks the others."""
    account_id, batch_id = batch["account_id"], batch["batch_id"]
    async with conn.transaction():
        if batch["attempts"] + 1 < TRIES:
            await store.postpone_batch(conn, account_id, batch_id, now + timedelta(seconds=2 ** batch["attempts"]))
            return
        await store.end_batch(conn, account_id, batch_id)
        await ledger.count(conn, account_id, "collector", "quarantined", batch["received_at"], batch["events"])
        await ledger.refuse(conn, account_id, "collector", "handler_failed", at=now, number=batch["events"])


async def _work(conn: Conn, batch: Row, around: Surroundings | None, now: datetime) -> None:
    account_id, batch_id, received_at = batch["account_id"], batch["batch_id"], batch["received_at"]
    rows = await store.hits_of_batch(conn, account_id, batch_id, received_at)
    unseen = await store.first_seen(conn, account_id, sorted({row["event_id"] for row in rows}), now)
    fresh = []
    for row in rows:
        if row["event_id"] in unseen:
            unseen.discard(row["event_id"])  # the same id twice in one batch counts once
            fresh.append(row)
    if around is not None and fresh:
        await store.merge_visits(conn, account_id, _visit_updates(fresh, around, received_at))
        await _work_form_events(conn, account_id, fresh, around, now)
        await _tell_of_sessions(conn, account_id, batch_id, fresh, now)
    await store.end_batch(conn, account_id, batch_id)
    if fresh:
        await ledger.count(conn, account_id, "collector", "stored", received_at, len(fresh))
    if len(rows) > len(fresh):
        await ledger.count(conn, account_id, "collector", "duplicate", received_at, len(rows) - len(fresh))


# --- visits


def _visit_updates(rows: Iterable[Row], around: Surroundings, received_at: datetime) -> list[VisitUpdate]:
    """One update per visit, in the order of their ids so that two workers cannot deadlock."""
    found: dict[str, VisitUpdate] = {}
    for row in rows:
        visit_id = row["visit_id"]
        if visit_id is None:
            continue
        visit = found.get(visit_id)
        if visit is None:
            visit = found[visit_id] = VisitUpdate(
                visit_id, row["site_id"], row["place"], "", row["occurred_at"], row["occurred_at"], False, row["bot"]
            )
        visit.started_at = min(visit.started_at, row["occurred_at"])
        visit.last_seen_at = max(visit.last_seen_at, row["occurred_at"])
        visit.hits += row["kind"] == "hit"
        if row["kind"] == "uis":
            visit.uis_session_id = row["payload"]["session_id"] or None
            visit.uis_visitor_id = row["payload"]["visitor_id"] or None
        if row["visit"] and not visit.described:
            _describe(visit, row["visit"], around, received_at)
    return [found[visit_id] for visit_id in sorted(found)]


def _describe(visit: VisitUpdate, description: dict[str, Any], around: Surroundings, received_at: datetime) -> None:
    source = source_of_visit(description["landing"], description["referrer"], around)
    visit.described = True
    visit.visitor_id = description["visitor"]
    visit.started_at = min(visit.started_at, datetime.fromisoformat(description["started_at"]), received_at)
    visit.landing_page, visit.referrer = description["landing"], description["referrer"]
    visit.device, visit.browser = description.get("device", "unknown"), description.get("browser", "")
    visit.channel, visit.source, visit.medium = source.channel, source.source, source.medium
    visit.campaign, visit.referral_kind = source.campaign, source.kind
    visit.utm, visit.click_ids = dict(source.utm), dict(source.click_ids)
    visit.advice = [{"code": advice.code, "detail": advice.detail} for advice in source.advice]
    visit.rules_version = source.rules_version


def source_of_visit(landing: str, referrer: str, around: Surroundings) -> Source:
    script = around.account.script
    return _classified(
        landing, referrer, tuple(site.domain for site in around.sites), tuple(script.form_hosts),
        tuple(script.excluded_referrers),
    )  # fmt: skip


@lru_cache(maxsize=5_000)  # every event of a visit describes it anew
def _classified(
    landing: str, referrer: str, own: tuple[str, ...], forms: tuple[str, ...], excluded: tuple[str, ...]
) -> Source:
    return classify(landing, referrer, own_hosts=own, form_hosts=forms, excluded_referrers=excluded)


# --- form events: the evidence of matching


async def _work_form_events(conn: Conn, account_id: UUID, rows: list[Row], around: Surroundings, now: datetime) -> None:
    told = [(row, _form_event(row, around)) for row in rows if row["kind"] in _FORM_KINDS]
    if not told:
        return
    # Announcements first, then in time: the earliest browser to use a mark owns it.
    told.sort(key=lambda pair: (pair[1].kind != "open", pair[1].occurred_at, pair[1].event_id))
    events = [await _with_visit(conn, account_id, row, event, around) for row, event in told]
    await store.insert_form_events(conn, account_id, events)
    times = [event.occurred_at for event in events]
    # A key of its own per batch: wishes of two batches must not swallow each other's records.
    await outbox.enqueue(
        conn, account_id, EVIDENCE_JOB, f"{min(times).isoformat()}/{events[0].event_id}", run_at=now,
        payload={
            "records": sorted({f"{event.company_id}:{event.record_id}" for event in events if event.record_id}),
            "first": min(times).isoformat(), "last": max(times).isoformat(),
        },
    )  # fmt: skip


async def _with_visit(conn: Conn, account_id: UUID, row: Row, event: FormEvent, around: Surroundings) -> FormEvent:
    """The event with the visit its mark stands for; a stranger with a copied mark gets a visit of their own."""
    if event.mark is None:
        return event
    if event.kind == "open":
        if event.visit_id:
            await store.announce_mark(
                conn, account_id, event.mark, visit_id=event.visit_id, form_host=event.form_host,
                opened_at=event.occurred_at,
            )  # fmt: skip
        return event
    if event.visit_id or not event.client_id:
        return event
    mark = await store.bind_mark(conn, account_id, event.mark, client_id=event.client_id, at=event.occurred_at)
    if not is_stranger(event, mark["client_id"], mark["opened_at"], mark["first_form_at"]):
        return replace(event, visit_id=mark["visit_id"])
    visit = _stranger_visit(row, event, around)
    await store.merge_visits(conn, account_id, [visit])
    return replace(event, visit_id=visit.visit_id)


async def _tell_of_sessions(conn: Conn, account_id: UUID, batch_id: UUID, rows: list[Row], now: datetime) -> None:
    """The other system's number of a visit may come after its booking: what was decided by then is looked at again."""
    visits = sorted({row["visit_id"] for row in rows if row["kind"] == "uis" and row["visit_id"]})
    if visits:
        await outbox.enqueue(conn, account_id, SESSION_JOB, str(batch_id), run_at=now, payload={"visits": visits})


def is_stranger(
    event: FormEvent, owner: str | None, opened_at: datetime | None, first_form_at: datetime | None
) -> bool:
    """Whether a mark in a form's address says nothing of who opened it: another browser, or too late."""
    if owner is not None and event.client_id != owner:
        return True
    return opened_at is not None and first_form_at is not None and first_form_at - opened_at > MARK_LIFE


def _stranger_visit(row: Row, event: FormEvent, around: Surroundings) -> VisitUpdate:
    client_id = event.client_id or ""
    visit = VisitUpdate(
        f"form-{hashlib.sha256(f'{event.mark}/{client_id}'.encode()).hexdigest()[:32]}",
        row["site_id"], "form", client_id, event.occurred_at, event.occurred_at, False, row["bot"],
        hits=int(event.kind == "form"),
    )  # fmt: skip
    description = {
        "visitor": client_id, "started_at": event.occurred_at.isoformat(),
        "landing": row["payload"].get("url", ""), "referrer": row["payload"].get("referrer", ""),
    }  # fmt: skip
    if event.kind == "form":
        _describe(visit, description, around, event.occurred_at)
    return visit


def _form_event(row: Row, around: Surroundings) -> FormEvent:
    payload = row["payload"]
    host = payload.get("form_host", "")
    form_id = form_id_of(host)
    phone = around.normal_phone(payload.get("phone") or "", around.account.phone_region)
    email = (payload.get("email") or "").strip().lower()
    key = around.account.hash_key
    return FormEvent(
        event_id=row["event_id"],
        kind=row["kind"],
        occurred_at=row["occurred_at"],
        visit_id=row["visit_id"],
        mark=payload.get("mark"),
        client_id=payload.get("client"),
        form_host=host,
        form_id=form_id,
        company_id=payload.get("company_id"),
        record_id=payload.get("record_id"),
        mobile=payload.get("mobile"),
        step=payload.get("name") if row["kind"] == "step" else None,
        facts={
            name: payload[name]
            for name in ("appointments", "params", "via", "how", "framed", "url")
            if payload.get(name)
        },
        phone_hash=keyed_hash(key, f"phone:{phone}") if phone else None,
        email_hash=keyed_hash(key, f"email:{email}") if email and "@" in email else None,
    )
