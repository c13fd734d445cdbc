"""Works stored events into visits, marks and form events; each event has its effect once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from server.tracking.marks import Mark, Opening, Use, stranger_visit_id, visit_of
from server.tracking.model import VisitDescription
from server.tracking.sources import Source, classify
from server.tracking.store import FormEvent, VisitUpdate

_log = logger(__name__)

#: Job for matching: form events of this account came between two moments.
EVIDENCE_JOB = "matching.evidence"
#: Job: visits whose session in the other system became known.
SESSION_JOB = "matching.session"
TRIES = 5
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
    visit.network = description.get("network", "")
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
    events = [_form_event(row, around) for row in rows if row["kind"] in _FORM_KINDS]
    if not events:
        return
    claims = _claims(events)
    known = await store.lock_marks(conn, account_id, list(claims), now=now) if claims else {}
    marks = {name: known[name].joined(claim) for name, claim in claims.items()}
    await store.save_marks(conn, account_id, {name: mark for name, mark in marks.items() if mark != known[name]})
    await store.insert_form_events(conn, account_id, events)
    users = {(event.mark, event.client_id or "") for event in events if event.mark and event.by_mark}
    for name, mark in marks.items():
        if mark != known[name]:  # only the owner's events depend on it: whoever is not the owner is a stranger anyway
            users |= {(name, one.use.client_id) for one in (mark, known[name]) if one.use}
    moved = await _settle(conn, account_id, marks, users, around) if users else []
    times = [event.occurred_at for event in events] + [row["occurred_at"] for row in moved]
    told = {(event.company_id, event.record_id) for event in events} | {
        (row["company_id"], row["record_id"]) for row in moved
    }
    # A key of its own per batch: wishes of two batches must not swallow each other's records.
    await outbox.enqueue(
        conn, account_id, EVIDENCE_JOB, f"{min(times).isoformat()}/{events[0].event_id}", run_at=now,
        payload={
            "records": sorted(f"{company_id}:{record_id}" for company_id, record_id in told if record_id),
            "marks": sorted(marks), "first": min(times).isoformat(), "last": max(times).isoformat(),
        },
    )  # fmt: skip


def _claims(events: Iterable[FormEvent]) -> dict[str, Mark]:
    """What these events say of each mark."""
    claims: dict[str, Mark] = {}
    for event in events:
        if event.mark is None:
            continue
        if event.kind == "open" and event.visit_id:
            claim = Mark(opening=Opening(event.occurred_at, event.visit_id, event.form_host))
        elif event.by_mark:
            claim = Mark(use=Use(event.occurred_at, event.client_id or ""))
        else:
            continue
        claims[event.mark] = claims.get(event.mark, Mark()).joined(claim)
    return claims


async def _settle(
    conn: Conn, account_id: UUID, marks: Mapping[str, Mark], users: Collection[tuple[str, str]], around: Surroundings
) -> list[Row]:
    """Gives all that these browsers did with these marks the visit it belongs to; answers the events that moved.

    A stranger's visit is told anew from all its events, so that it is the same whatever was thought before.
    """
    uses = await store.uses_of_marks(conn, account_id, users)
    right = {row["event_id"]: visit_of(row["mark"], marks[row["mark"]], row["client_id"]) for row in uses}
    moved = [row for row in uses if row["visit_id"] != right[row["event_id"]]]
    if not moved:
        return []
    await store.move_events(conn, account_id, {row["event_id"]: right[row["event_id"]] for row in moved})
    touched = {(row["mark"], row["client_id"]) for row in moved}
    strangers: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(uses, key=lambda row: (row["occurred_at"], row["event_id"])):
        user = row["mark"], row["client_id"]
        if user in touched and marks[user[0]].is_stranger(user[1]):
            strangers.setdefault(user, []).append(row)
    told = await store.hits_without_visit(
        conn, account_id, [row["event_id"] for rows in strangers.values() for row in rows]
    )
    visits = [_stranger_visit(*user, rows, told, around) for user, rows in sorted(strangers.items())]
    await store.replace_visits(conn, account_id, [stranger_visit_id(*user) for user in sorted(touched)], visits)
    return moved


def _stranger_visit(
    name: str, client_id: str, uses: Sequence[Row], told: Mapping[str, Row], around: Surroundings
) -> VisitUpdate:
    """`uses`: all that the stranger did with the mark, in time."""
    hits = [told[row["event_id"]] for row in uses if row["event_id"] in told]
    visit = VisitUpdate(
        stranger_visit_id(name, client_id), hits[0]["site_id"] if hits else around.sites[0].site_id, "form", client_id,
        uses[0]["occurred_at"], uses[-1]["occurred_at"], False, any(hit["bot"] for hit in hits),
        hits=sum(row["kind"] == "form" for row in uses),
    )  # fmt: skip
    form = next((row for row in uses if row["kind"] == "form" and row["event_id"] in told), None)
    if form is not None:
        payload = told[form["event_id"]]["payload"]
        description = {
            "visitor": client_id, "started_at": form["occurred_at"].isoformat(),
            "landing": payload.get("url", ""), "referrer": payload.get("referrer", ""),
        }  # fmt: skip
        _describe(visit, description, around, form["occurred_at"])
    return visit


async def _tell_of_sessions(conn: Conn, account_id: UUID, batch_id: UUID, rows: list[Row], now: datetime) -> None:
    """The other system's number of a visit may come after its booking: what was decided by then is looked at again."""
    visits = sorted({row["visit_id"] for row in rows if row["kind"] == "uis" and row["visit_id"]})
    if visits:
        await outbox.enqueue(conn, account_id, SESSION_JOB, str(batch_id), run_at=now, payload={"visits": visits})


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
