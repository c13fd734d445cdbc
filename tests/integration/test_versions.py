"""A booking is what was told of it, whatever the order and the doubles; what the API answers heals a wrong state."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server import vendors
from server.accounts.model import Account, Branch
from server.bookings import flow
from server.bookings.model import Notice, Status
from server.delivery.inbox import Letter
from server.platform.ids import new_id
from server.platform.postgres import Conn
from tests.conftest import COMPANY
from tests.factories import stamp

NOON = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
FULL = {
    "date": "2026-11-25 15:00:00", "staff_id": 7, "staff": {"name": "Ольга"}, "attendance": 0, "comment": "",
    "services": [{"id": 11, "title": "Стрижка", "cost": 1500}], "visit_id": 5, "deleted": False, "online": True,
    "is_mobile": 2, "bookform_id": 822081, "record_from": "Форма", "from_url": "", "seance_length": 3600,
    "client": {"id": 3, "name": "Анна", "phone": "+79161234567", "email": ""},
}  # fmt: skip
#: What tells two bookings apart; the times at which we did something do not.
COMPARED = (
    "created_at, created_known, changed_at, change_rank, received_at, starts_at, starts_at_local, online, origin,"
    " origin_facts, origin_fixed, attendance, deleted, client_id, client_name, client_phone, client_phone_raw,"
    " client_email, phone_hash, email_hash, services, amount, staff_id, staff_name, length_s, vendor_visit_id,"
    " activity_id, comment, mark, raw"
)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


@dataclass(frozen=True)
class Telling:
    """A record's or (`client`) its client's; `received`: when it came, or when the API was asked."""

    status: Status
    data: Mapping[str, Any]
    received: float
    client: bool = False


def full(status: Status, second: int, received: float, **fields: Any) -> Telling:
    dated = {"last_change_date": stamp(at(second)), "create_date": stamp(NOON)}
    return Telling(status, {**deepcopy(FULL), **dated, **fields}, received)


def part(status: Status, received: float, second: int | None = None, **fields: Any) -> Telling:
    dated = {} if second is None else {"last_change_date": stamp(at(second))}
    return Telling(status, {**fields, **dated}, received)


def of_client(
    received: float, second: int | None = None, *, client_id: int = 3, status: Status = "update", **fields: Any
) -> Telling:
    dated = {} if second is None else {"last_change_date": stamp(at(second))}
    return Telling(status, {"id": client_id, **fields, **dated}, received, client=True)


class Book:
    """Takes tellings straight into the database of a test, one transaction each."""

    def __init__(self, conn: Conn, account: Account, branch: Branch) -> None:
        self._conn, self._branch = conn, branch
        self._desk = flow.Desk(account, {branch.company_id: branch}, vendors.YCLIENTS)
        self._record = 1000  # one for all: contents that tie are told apart by their fingerprints

    async def tell(self, told: Iterable[Telling]) -> list[str]:
        """Answers what became of each. Every call begins with no booking and no client."""
        await self._conn.execute(
            "delete from booking; delete from booking_history; delete from client; delete from job"
        )
        return [await self._take(one) for one in told]

    async def and_tell(self, *told: Telling) -> list[str]:
        return [await self._take(one) for one in told]

    async def _take(self, one: Telling) -> str:
        async with self._conn.transaction():
            if one.client:
                return await self._take_client(one)
            data = {**one.data, "id": self._record} if one.data else {}
            return await flow.take_booking(
                self._conn, data, self._desk, self._branch, record_id=self._record, status=one.status,
                received_at=at(one.received), inbox_id=None, now=at(one.received),
            )  # fmt: skip

    async def _take_client(self, one: Telling) -> str:
        notice = Notice(self._branch.company_id, "client", one.data["id"], one.status, one.data, 0, b"")
        account_id = self._desk.account.account_id
        letter = Letter(account_id, new_id(), at(one.received), "yclients", b"", 0)
        return str(await flow._take_notice(self._conn, notice, letter, self._desk, at(one.received)))

    async def state(self) -> dict[str, Any]:
        row = await self._conn.fetchrow(f"select {COMPARED} from booking where record_id = $1", self._record)
        return dict(row) if row else {}

    async def history(self) -> int:
        number: int = await self._conn.fetchval(
            "select count(*) from booking_history h join booking b using (account_id, booking_id) where b.record_id = $1",
            self._record,
        )
        return number


@pytest.fixture
async def book(pool: asyncpg.Pool) -> Any:
    account = Account(UUID(int=1), "Salon", "ru", "RU", "RUB", b"k" * 32)
    branch = Branch(account.account_id, UUID(int=2), COMPANY, "", "Europe/Moscow")
    async with pool.acquire() as conn:
        await conn.execute("set synchronous_commit = off")
        await conn.execute(
            "insert into account (account_id, name, hash_key) values ($1, 'Salon', $2)", account.account_id, b"k"
        )
        yield Book(conn, account, branch)


# --- any order, any doubles


def _life(chance: random.Random) -> list[Telling]:
    """Some of all that may be said of a booking, with seconds that meet and with times that contradict each other."""

    def edit() -> dict[str, Any]:
        kinds: list[dict[str, Any]] = [
            {"comment": chance.choice(["", "а", "б"])}, {"attendance": chance.choice([-1, 0, 1, 2])},
            {"client": {"id": chance.choice([3, 4]), "name": chance.choice(["Анна", "Яна"]), "phone": "+79160000001"}},
            {"client": {"id": 3, "name": "Ия", "phone": ""}}, {"client": None}, {"staff_id": chance.randint(1, 3)},
            {"from_url": chance.choice(["", "https://ya.ru/"])}, {"deleted": chance.random() < 0.5}, {"is_mobile": 0},
            {"services": [{"id": 12, "title": "Маникюр", "cost": chance.choice([100, 200])}]},
        ]  # fmt: skip
        return {name: value for kind in chance.sample(kinds, chance.randint(1, 3)) for name, value in kind.items()}

    def one() -> Telling:
        second, received = chance.randint(0, 6), chance.randint(0, 40) / 2
        match chance.randint(0, 9):
            case 0:
                return full("create", 0, received)
            case 1:
                return part("create", received, **(edit() | {"from_url": "https://salon.example/"}))
            case 2 | 3:
                return full("update", second, received, **edit())
            case 4:
                return part("update", received, chance.choice([None, second]), **edit())
            case 5:
                return chance.choice([part("delete", received), full("delete", second, received, deleted=True)])
            case 6:
                return full("read", second, received, **edit())
            case 7:
                return part("read", received, company_id=COMPANY, deleted=True)
            case _:
                contact = {"name": chance.choice(["Анна", "Зоя", ""]), "phone": chance.choice(["+79160000002", ""])}
                return of_client(
                    received, chance.choice([None, second]), client_id=chance.choice([3, 4]),
                    status=chance.choice(["create", "update", "update", "delete"]), **contact,
                )  # fmt: skip

    told = [one() for _ in range(chance.randint(2, 6))]
    told += [one for one in told if chance.random() < 0.3]
    pair = [Telling("update", one.data, one.received, one.client) for one in told if one.status == "create"]
    return told + pair


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_order_and_the_doubles_the_booking_is_the_same(book: Book, seed: int) -> None:
    for number in range(50):
        chance = random.Random(f"{seed}:{number}")
        life = _life(chance)
        if all(one.client for one in life):
            continue
        states = []
        for _ in range(2):
            chance.shuffle(life)
            await book.tell(life)
            states.append(await book.state())
        twice = [*life, *chance.sample(life, len(life))]
        await book.tell(twice)
        states.append(await book.state())
        assert states[0] == states[1], life
        assert states[0] == states[2], life


# --- what the API answers


async def test_a_restoration_by_api_beats_a_deletion_that_bore_no_time(book: Book) -> None:
    """Finding of a review: the deletion had our clock's time, and every real telling came out older."""
    await book.tell([full("create", 0, 1), part("delete", 60)])
    assert (await book.state())["deleted"]
    assert await book.and_tell(full("read", 0, 90)) == ["stored"]
    assert not (await book.state())["deleted"]


async def test_a_record_the_api_did_not_have_and_has_again(book: Book) -> None:
    await book.tell([full("create", 0, 1), part("read", 60, company_id=COMPANY, deleted=True)])
    assert (await book.state())["deleted"]
    await book.and_tell(full("read", 30, 120))
    assert not (await book.state())["deleted"]
    await book.and_tell(part("read", 180, company_id=COMPANY, deleted=True))
    assert (await book.state())["deleted"]
    await book.and_tell(full("read", 30, 240))
    assert not (await book.state())["deleted"]


async def test_a_dated_telling_that_comes_after_an_undated_one_stands_unless_it_is_clearly_older(book: Book) -> None:
    await book.tell([full("create", 0, 1), part("delete", 60), full("update", 55, 61, comment="вернули")])
    assert not (await book.state())["deleted"]
    await book.tell([full("create", 0, 1), part("delete", 60), full("update", 30, 61, comment="опоздало")])
    assert (await book.state())["deleted"]


async def test_a_creation_that_is_late_does_not_bring_back_what_was_deleted(book: Book) -> None:
    await book.tell([part("delete", 3), full("create", 2, 4)])
    state = await book.state()
    assert (state["deleted"], state["comment"], state["staff_id"]) == (True, "", 7)


async def test_a_part_that_says_nothing_of_the_deletion_brings_nothing_back(book: Book) -> None:
    await book.tell([full("create", 0, 1), full("delete", 5, 6, deleted=True), part("update", 8, comment="после")])
    state = await book.state()
    assert (state["deleted"], state["comment"]) == (True, "после")


async def test_a_reading_does_not_overwrite_what_is_newer(book: Book) -> None:
    newer = full("update", 50, 51, comment="новое")
    await book.tell([full("create", 0, 1), newer, full("read", 10, 60, comment="старое")])
    assert (await book.state())["comment"] == "новое"
    await book.tell([full("create", 0, 1), full("read", 0, 10), part("update", 11, comment="без времени, но позже")])
    assert (await book.state())["comment"] == "без времени, но позже"


async def test_two_answers_of_one_second_are_told_apart_by_when_the_api_was_asked(book: Book) -> None:
    one, other = full("read", 0, 10, comment="а"), full("read", 0, 20, comment="б")
    for told, wanted in (
        ([one, other], "б"),
        ([other, one], "б"),
        ([one, other, full("read", 0, 30, comment="а")], "а"),
    ):
        await book.tell(told)
        assert (await book.state())["comment"] == wanted


async def test_a_reading_counts_as_stored_only_when_it_changes_the_booking(book: Book) -> None:
    await book.tell([full("create", 0, 1)])
    same = full("read", 0, 10, payment_status=1, success_visits_count=4)
    assert await book.and_tell(same) == ["duplicate"]
    assert await book.and_tell(full("read", 0, 20, comment="иначе")) == ["stored"]
    assert await book.and_tell(full("read", -60, 30, comment="старое")) == ["duplicate"]
    assert await book.tell([full("read", 0, 10)]) == ["stored"]


async def test_the_same_answer_again_keeps_one_line_of_history(book: Book) -> None:
    await book.tell([full("create", 0, 1), full("read", 0, 10), full("read", 0, 20), full("update", 0, 21)])
    assert await book.history() == 1


# --- older tellings


async def test_of_two_late_tellings_the_newer_one_fills_what_the_newest_did_not_say(book: Book) -> None:
    older, newer = full("update", 10, 30, comment="раньше"), full("update", 20, 31, comment="позже")
    for late in ([older, newer], [newer, older]):
        await book.tell([part("update", 29, 25, attendance=1), *late])
        state = await book.state()
        assert (state["comment"], state["attendance"]) == ("позже", 1)


# --- where it came from


async def test_a_partial_update_erases_nothing_of_the_origin(book: Book) -> None:
    told = [full("create", 0, 1), part("update", 3, 2, from_url="https://elsewhere.example/")]
    for order in (told, told[::-1]):
        await book.tell(order)
        state = await book.state()
        assert (state["online"], state["origin"], state["origin_facts"]["from_url"]) == (True, "widget_desktop", None)


async def test_an_origin_told_in_parts_is_put_together(book: Book) -> None:
    told = [
        part("update", 1, 1, online=True),
        part("update", 2, 2, is_mobile=1),
        part("update", 3, 3, from_url="https://ya.ru/"),
    ]
    for order in (told, told[::-1]):
        await book.tell(order)
        state = await book.state()
        assert (state["online"], state["origin"]) == (True, "widget_mobile")
        assert state["origin_facts"] == {"online": True, "is_mobile": 1, "from_url": "https://ya.ru/"}


async def test_a_creation_known_late_still_says_where_it_came_from(book: Book) -> None:
    """The vendor tells one booking by two events of one content."""
    staff = full("update", 5, 6, online=False, is_mobile=0, bookform_id=0, record_from="")
    created = full("create", 0, 1)
    as_update = Telling("update", created.data, 2)
    await book.tell([staff, as_update, created])
    state = await book.state()
    assert (state["origin"], state["origin_fixed"]) == ("widget_desktop", True)
