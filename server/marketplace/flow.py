"""Joining by the marketplace application: asked for by a redirect, agreed to by a person here, confirmed at the vendor.

Promises: a redirect alone attaches nothing; a branch of one account is never given to another; the vendor is asked how
the application stands before anything is confirmed (again); while the vendor is away the wish waits; a freeze stops
reads and deliveries and loses nothing; an end of the installation takes the access away and leaves the data.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from server.accounts import flow as accounts
from server.accounts import store as account_store
from server.accounts.model import Branch
from server.delivery import notices, outbox, relay
from server.delivery.inbox import Letter, Outcome, Rejected
from server.delivery.relay import BRANCH_FROZEN
from server.marketplace import store
from server.marketplace.model import AppDesk, Away, Described, Link, Refusal, Standing, State, look_again
from server.platform.ids import new_id
from server.platform.log import logger
from server.platform.postgres import Conn, Pool

_log = logger(__name__)
#: Job: look how a branch stands at the vendor, and do what follows. Its key is the company id.
LINK_JOB = "marketplace.link"
#: The door of the inbox by which events of the application come.
DOOR = "yclients-app"
_TITLES_MOST, _PATIENCE_S = 5, 3.0
_USUAL_ZONE = "Europe/Moscow"
#: Refusals that concern whoever runs the server: they end by themselves for the branch, and no connection ends by them.
_OF_THE_SERVER = ("partner", "off")
FROZEN_SENTENCES = {
    "ru": "Приложение в этом филиале заморожено в YCLIENTS: передача ждёт, пока доступ не возобновят.",
    "en": "The application is frozen in YCLIENTS for this branch: passing waits until access is restored.",
}


class Taken(Exception):
    """These branches belong to another account."""

    def __init__(self, company_ids: Sequence[int]) -> None:
        super().__init__("taken")
        self.company_ids = tuple(company_ids)


async def ask(pool: Pool, account_id: UUID, company_ids: Sequence[int], *, by: UUID, now: datetime) -> None:
    """A person of the account agreed to connect these branches: all or none. Raises `Taken`."""
    async with pool.acquire() as conn, conn.transaction():
        for company_id in sorted(company_ids):  # in one order, so that two who ask at once cannot wait for each other
            await store.lock_company(conn, company_id)
        if taken := await store.taken_by_others(conn, account_id, company_ids):
            raise Taken(sorted(taken))
        for company_id in company_ids:
            await store.ask(conn, account_id, company_id, by=by, now=now)
            await outbox.enqueue(conn, account_id, LINK_JOB, str(company_id), run_at=now)


async def look_now(conn: Conn, account_id: UUID, company_id: int, *, by: UUID, now: datetime) -> bool:
    """The owner's button: the vendor is asked at once. False: there is no such link, or it was uninstalled."""
    link = await store.link(conn, account_id, company_id, lock=True)
    if link is None or link.state == "uninstalled":
        return False
    if link.state == "refused":
        await store.ask(conn, account_id, company_id, by=by, now=now)
    await outbox.enqueue(conn, account_id, LINK_JOB, str(company_id), run_at=now)
    return True


async def doubt(conn: Conn, account_id: UUID, company_id: int, note: str, *, now: datetime) -> None:
    """A read was refused: the vendor is asked whether the application still stands."""
    if await store.doubt(conn, account_id, company_id, note):
        await outbox.enqueue(conn, account_id, LINK_JOB, str(company_id), run_at=now)


async def titles(desk: AppDesk | None, company_ids: Sequence[int]) -> dict[int, str]:
    """What the first of these branches are called, as far as the vendor says so within `_PATIENCE_S`."""
    if desk is None or not company_ids:
        return {}
    asked = {
        company_id: asyncio.ensure_future(_described(desk, company_id)) for company_id in company_ids[:_TITLES_MOST]
    }
    _, late = await asyncio.wait(asked.values(), timeout=_PATIENCE_S)
    for one in late:
        one.cancel()
    await asyncio.gather(*asked.values(), return_exceptions=True)
    return {number: one.result().title for number, one in asked.items() if not one.cancelled() and one.result().title}


# --- the job


async def work(
    pool: Pool, desk: AppDesk | None, account_id: UUID, company_id: int, hook_url: str, *, now: datetime
) -> datetime | None:
    """Asks how the branch stands and does what follows; answers when to look again."""
    async with pool.acquire() as conn:
        link = await store.link(conn, account_id, company_id)
    if link is None or link.state in ("refused", "uninstalled"):
        return None
    try:
        if desk is None:
            raise Refusal("off", "")
        standing = await _standing(desk, link, hook_url)
        described = await _described(desk, company_id) if standing == "active" and link.active_since is None else None
    except Away as away:
        return await _put_off(pool, account_id, link, away, now=now)
    except Refusal as refusal:
        if refusal.code in _OF_THE_SERVER and link.state in ("active", "frozen"):
            return await _put_off(pool, account_id, link, Away(refusal.note), code=refusal.code, now=now)
        return await _settle(pool, account_id, link, "refused", refusal.code, refusal.note, None, now=now)
    state, code = _outcome(link, standing)
    if state == "active" and (link.state == "connecting" or link.code == "no_hook"):
        code = await _hooked(desk, company_id, hook_url)
    note = link.note if code == "no_rights" else ""
    return await _settle(pool, account_id, link, state, code, note, described, now=now)


async def _standing(desk: AppDesk, link: Link, hook_url: str) -> Standing:
    """How it stands, after what was agreed to here has been confirmed there. An answer that was lost costs one look."""
    standing = await desk.standing(link.company_id)
    if standing != "pending" or link.state != "connecting":
        return standing
    try:
        await desk.confirm(link.company_id, hook_url)
    except Refusal as refusal:
        if refusal.code != "already":
            raise
        standing = await desk.standing(link.company_id)
        if standing == "pending":
            raise  # installed and not: nothing we could do about
        return standing
    return "active"


def _outcome(link: Link, standing: Standing) -> tuple[State, str]:
    """What the vendor's word makes of a link."""
    match standing:
        case "active":
            if link.code == "doubt":
                return "refused", "no_rights"
            return "active", link.code if link.code == "no_hook" else ""
        case "frozen":
            return "frozen", ""
        case "absent" if link.state == "connecting":
            return "refused", "absent"
        case "absent":
            return "uninstalled", ""
        case "pending":  # connected anew there, and not yet agreed to here
            return "refused", "pending"
        case _:
            return "refused", "unknown"


async def _described(desk: AppDesk, company_id: int) -> Described:
    with suppress(Away, Refusal):
        return await desk.describe(company_id)
    return Described("", "")


async def _hooked(desk: AppDesk, company_id: int, hook_url: str) -> str:
    """The confirmation should have entered our address; where it did not, it is entered now. A code when neither did."""
    try:
        await desk.ensure_hook(company_id, hook_url)
    except (Away, Refusal) as error:
        _log.warning("marketplace.no_hook", company_id=company_id, error=str(error))
        return "no_hook"
    return ""


async def _put_off(
    pool: Pool, account_id: UUID, link: Link, away: Away, *, code: str = "", now: datetime
) -> datetime | None:
    attempts = link.attempts + 1
    pause = look_again(link.state, attempts, away.retry_after_s)
    next_at = now + pause if pause else None
    code = code or (link.code if link.state == "active" else "away")
    async with pool.acquire() as conn, conn.transaction():
        if not _same(link, await store.link(conn, account_id, link.company_id, lock=True)):
            return now
        await store.settle(
            conn, account_id, link.company_id, link.state, code=code, note=away.note, attempts=attempts,
            next_at=next_at, now=now,
        )  # fmt: skip
    return next_at


async def _settle(
    pool: Pool,
    account_id: UUID,
    link: Link,
    state: State,
    code: str,
    note: str,
    described: Described | None,
    *,
    now: datetime,
) -> datetime | None:
    pause = look_again(state, 0)
    next_at = now + pause if pause else None
    async with pool.acquire() as conn, conn.transaction():
        await store.lock_company(conn, link.company_id)
        if not _same(link, await store.link(conn, account_id, link.company_id, lock=True)):
            return now  # an event or a person came between: the vendor is asked once more
        # What is confirmed stays so, whatever number anybody else types in or sends webhooks of later.
        taken = link.state == "connecting" and await store.taken_by_others(conn, account_id, [link.company_id])
        if state == "active" and (taken or await store.linked_by_others(conn, account_id, link.company_id)):
            state, code, next_at = "refused", "taken", None
        await store.settle(
            conn, account_id, link.company_id, state, code=code, note=note, next_at=next_at, now=now
        )  # fmt: skip
        if state == "active":
            await _have_branch(conn, account_id, link.company_id, described or Described("", ""))
            if link.state != "active":  # what no connection would take goes by this one
                await relay.release_all(conn, account_id, "yclients", now=now)
        await _follow(conn, account_id, link.company_id, state, now=now)
    return next_at


def _same(link: Link, now_stands: Link | None) -> bool:
    return now_stands is not None and (now_stands.state, now_stands.asked_at) == (link.state, link.asked_at)


async def _have_branch(conn: Conn, account_id: UUID, company_id: int, described: Described) -> None:
    """The branch stands in the account. One that stood there keeps its clock: the owner may have set it."""
    if await account_store.branch_of_company(conn, account_id, company_id) is None:
        zone = _USUAL_ZONE
        with suppress(accounts.BadAccount):
            zone = accounts.check_zone(described.timezone)
        await account_store.insert_branch(conn, Branch(account_id, new_id(), company_id, described.title[:200], zone))
    await store.name_branch(conn, account_id, company_id, described.title)


async def _follow(conn: Conn, account_id: UUID, company_id: int, state: State, *, now: datetime) -> None:
    """What is on its way to another system stops with a freeze, and goes on when it ends; the owner is told of both."""
    topic = f"{notices.FROZEN}{company_id}"
    if state == "frozen":
        await notices.exhausted(conn, account_id, topic, BRANCH_FROZEN, "", now=now)
    elif state == "active":
        await notices.recovered(conn, account_id, topic, now=now)
    else:
        await notices.over(conn, account_id, topic, now=now)
    if state == "frozen":
        for kind in relay.JOBS:
            await hold_frozen(conn, account_id, kind, now=now)
    elif state != "connecting":
        for kind in await store.release_branch(conn, account_id, company_id, now=now):
            await relay.wake(conn, account_id, kind, now=now)


async def hold_frozen(conn: Conn, account_id: UUID, kind: relay.Kind, *, now: datetime) -> None:
    """Called before anything of this kind is sent, too: what came or was asked for meanwhile is held as well."""
    if not await store.has_frozen(conn, account_id):
        return
    row = await account_store.account_row(conn, account_id)
    sentence = FROZEN_SENTENCES[row["locale"] if row else "ru"]
    await store.hold_frozen(conn, account_id, kind, sentence, now=now)


# --- events of the vendor


async def take_letter(conn: Conn, letter: Letter, *, now: datetime) -> Outcome:
    """Handler of the inbox: the sender was known by its token before the event was kept."""
    event = json.loads(letter.body)
    company_id, name = int(event["salon_id"]), event.get("event")
    link = await store.link(conn, letter.account_id, company_id, lock=True)
    if link is None:
        return Outcome("quarantined", (Rejected("unknown_branch", f"company {company_id}", 0, company_id),))
    state: State | None = {"freeze": "frozen", "uninstall": "uninstalled"}.get(name)  # type: ignore[assignment]
    if state is None:
        return Outcome("kept", note="an event nothing acts on")
    if link.state in (state, "uninstalled"):
        return Outcome("duplicate")
    if letter.received_at < link.asked_at:
        return Outcome("duplicate", note="of an earlier connection")
    pause = look_again(state, 0)
    next_at = now + pause if pause else None
    await store.settle(conn, letter.account_id, company_id, state, next_at=next_at, now=now)
    await _follow(conn, letter.account_id, company_id, state, now=now)
    if next_at:
        await outbox.enqueue(conn, letter.account_id, LINK_JOB, str(company_id), run_at=next_at)
    return Outcome("stored")
