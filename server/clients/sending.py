"""Brings the clients that are wanted to the branch: found by phone, made where allowed, each thing said once.

One try looks at one client: finds or makes the card, then says what is still to be said, in order. What came of each
step is kept at once, so that the next try goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

from server.accounts import store as accounts
from server.clients import store
from server.clients.model import remark, same_person, same_text
from server.delivery import rounds
from server.delivery.relay import Delivered, Held, Parcel, Refused, Result, TryAgain
from server.platform.clock import utc_now
from server.platform.postgres import Pool, Row

GROUP = 20
_AT_ONCE = 4
#: What keeps one branch and no other; looked at again after a while.
BRANCH_CODES = ("licence", "no_right", "phones_hidden", "no_branch")
_LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Card:
    client_id: int
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Said:
    comment_id: int | None
    text: str


class Stopped(Exception):
    """The booking system did not do what was asked; `result` says what that means for the client on its way."""

    def __init__(self, result: TryAgain | Refused | Held) -> None:
        super().__init__(result.code)
        self.result = result


class Taken(Exception):
    """The branch has a client with this phone, though it was not found."""


class Gone(Exception):
    """There is no such client any more."""


class ClientDesk(Protocol):
    """The booking system. Each call may raise `Stopped`."""

    async def find(self, company_id: int, phone: str) -> Sequence[Card]: ...
    async def make(self, company_id: int, *, name: str, phone: str, email: str, label: str) -> int:
        """Raises `Taken`."""

    async def fill_email(self, company_id: int, client_id: int, email: str) -> bool: ...
    async def said(self, company_id: int, client_id: int) -> Sequence[Said] | None:
        """None: there is no such client any more."""

    async def say(self, company_id: int, client_id: int, text: str) -> int | None:
        """Raises `Gone`."""


async def deliver(
    pool: Pool, desk: ClientDesk | None, account_id: UUID, schedule_s: Sequence[float], *, now: datetime
) -> datetime | None:
    """Brings what is due, one group; answers when something is due next. `now` is before `desk` was opened."""
    async with pool.acquire() as conn:
        await store.release_branches(conn, account_id, BRANCH_CODES, held_before=now - _LOOK_AGAIN, now=now)
    told = rounds.Told()
    branches: dict[UUID, int] = {}

    async def send(open_desk: ClientDesk, parcels: Sequence[Parcel]) -> rounds.Told:
        async with pool.acquire() as conn:
            rows = await store.clients(conn, account_id, [parcel.subject_id for parcel in parcels])
        branches.update({key: row["company_id"] for key, row in rows.items()})
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(parcel: Parcel) -> tuple[Parcel, Result]:
            row = rows.get(parcel.subject_id)
            if row is None:
                return parcel, Refused("gone", "the client is no longer wanted")
            async with gate:
                return parcel, await _Way(pool, open_desk, account_id, row, now).go(parcel)

        told.results += await asyncio.gather(*(one(parcel) for parcel in parcels))
        return told

    due_at = await rounds.deliver(
        pool, rounds.Round("client", schedule_s, GROUP, own=BRANCH_CODES), account_id, accounts,
        partial(send, desk) if desk else None, enabled=True, now=now,
    )  # fmt: skip
    async with pool.acquire() as conn:
        passed = [branches[one.subject_id] for one, result in told.results if isinstance(result, Delivered)]
        if passed:
            due_at = await store.release_branches(conn, account_id, BRANCH_CODES, companies=passed, now=now) or due_at
        for parcel, result in told.results:
            if isinstance(result, Held) and result.code in BRANCH_CODES:
                company_id = branches[parcel.subject_id]
                await store.hold_branch(conn, account_id, company_id, result.code, result.detail, now=utc_now())
        held_at = await store.held_since(conn, account_id, BRANCH_CODES)
    times = [at for at in (due_at, held_at + _LOOK_AGAIN if held_at else None) if at]
    return min(times, default=None)


class _Way:
    """One client on the way."""

    def __init__(self, pool: Pool, desk: ClientDesk, account_id: UUID, row: Row, now: datetime) -> None:
        self._pool, self._desk, self._account_id, self._row, self._now = pool, desk, account_id, row, now

    async def go(self, parcel: Parcel) -> Result:
        row = self._row
        client_id, card_name = row["client_id"], row["card_name"]
        try:
            for _ in range(2):  # a card that is gone is looked for once more
                if client_id is None:
                    client_id, card_name = await self._card()
                if client_id is None:
                    return Delivered(None, parcel.wanted)
                try:
                    await self._say_all(client_id, card_name)
                except Gone:
                    client_id = None
                    await self._keep(None, "", "")
                else:
                    return Delivered(str(client_id), parcel.wanted)
        except Stopped as stopped:
            return stopped.result
        return TryAgain("gone", "клиент в YCLIENTS то находится, то пропадает")

    async def _card(self) -> tuple[int | None, str]:
        row = self._row
        card = _best(await self._desk.find(row["company_id"], row["phone"]), row["name"])
        if card is None and not row["make"]:
            async with self._pool.acquire() as conn, conn.transaction():
                await store.leave_absent(conn, self._account_id, row["branch_client_id"], now=self._now)
            return None, ""
        if card is None:
            name = row["name"] or row["card_name"] or row["phone"]
            try:
                client_id = await self._desk.make(
                    row["company_id"], name=name, phone=row["phone"], email=row["email"], label=row["label"]
                )
            except Taken:
                raise Stopped(
                    TryAgain("phone_taken", "в филиале есть клиент с этим телефоном, но поиск его пока не показывает")
                ) from None
            await self._keep(client_id, "made", name)
            return client_id, name
        await self._keep(card.client_id, "found", card.name)
        if row["fill_empty"] and row["email"] and not card.email and same_person(row["name"], card.name):
            await self._desk.fill_email(row["company_id"], card.client_id, row["email"])
        return card.client_id, card.name

    async def _say_all(self, client_id: int, card_name: str) -> None:
        row = self._row
        async with self._pool.acquire() as conn:
            waiting = await store.waiting_comments(conn, self._account_id, row["branch_client_id"])
            ours = await store.written_ids(conn, self._account_id, row["branch_client_id"])
        there: list[Said] | None = None
        for comment in waiting:
            text = remark(comment["text"], comment["name"], card_name, comment["source"])
            if not text:
                await self._settle(comment, "needless", None)
                continue
            if comment["tried"]:
                if there is None:
                    shown = await self._desk.said(row["company_id"], client_id)
                    if shown is None:
                        raise Gone
                    there = [said for said in shown if said.comment_id not in ours]
                found = next((said for said in there if same_text(said.text, text)), None)
                if found:
                    there.remove(found)
                    await self._settle(comment, "written", found.comment_id)
                    continue
            now = await self._mark(comment, tried=True) or comment
            text = remark(now["text"], now["name"], card_name, now["source"]) or text
            try:
                comment_id = await self._desk.say(row["company_id"], client_id, text)
            except Gone:
                await self._mark(comment, tried=False)
                raise
            except Stopped as stopped:
                if not _perhaps_there(stopped.result):
                    await self._mark(comment, tried=False)
                raise
            await self._settle(comment, "written", comment_id)

    async def _keep(self, client_id: int | None, how: str, card_name: str) -> None:
        async with self._pool.acquire() as conn:
            await store.keep_card(
                conn, self._account_id, self._row["branch_client_id"], client_id, how, card_name, now=self._now
            )

    async def _settle(self, comment: Row, state: str, vendor_comment_id: int | None) -> None:
        async with self._pool.acquire() as conn:
            await store.settle_comment(
                conn, self._account_id, comment["comment_id"], state, vendor_comment_id, now=self._now
            )

    async def _mark(self, comment: Row, *, tried: bool) -> Row | None:
        """Before a try it is noted that the comment may stand there; after a refusal that it does not."""
        async with self._pool.acquire() as conn:
            return await store.mark_tried(conn, self._account_id, comment["comment_id"], tried=tried)


def _best(cards: Sequence[Card], name: str) -> Card | None:
    """A branch holds a phone once; where it does not, the card of the same name, else the oldest."""
    return next((card for card in cards if name and same_person(name, card.name)), cards[0] if cards else None)


def _perhaps_there(result: Result) -> bool:
    return isinstance(result, (TryAgain, Held)) and result.sent
