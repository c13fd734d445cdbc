"""From what was told of a booking, in any order and doubled, to the stages its deal passed. Pure; no I/O, no clock.

Promises: the same stages for any order and doubling of tellings; the last stage is that of the booking as it stands;
times of stages strictly increase, in whole seconds, and none lies before the deal's creation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from server.bookings.model import BookingStatus, booking_status
from server.deals.funnel import Funnel, Stage

SECOND = timedelta(seconds=1)
Backward = Literal["send", "closed_stays", "forward_only"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How the other system behaves where its documents are silent. Defaults are the plainest reading of them.

    `backward`: a stage that goes back is sent like any other; or a closed deal is never opened again; or no stage of
    a lower order is ever sent. `skipped`: stages left out are generated there, or filled in here.
    `content`: a change of anything but the stage shifts the time of change only, or the time of the stage, too.
    `empty_fields`: an additional field without a value is left out, or sent empty.
    """

    backward: Backward = "send"
    skipped: Literal["generated", "filled"] = "generated"
    content: Literal["change_time", "stage_time"] = "change_time"
    empty_fields: Literal["omit", "send"] = "omit"
    text_limit: int = 255


@dataclass(frozen=True, slots=True)
class Telling:
    """One state of a booking as it was told. None: this telling did not speak of it."""

    changed_at: datetime
    rank: int  # within one time of change: bookings.model.RANK
    deleted: bool = False
    attendance: int | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A deal came into a stage."""

    stage: Stage
    status: BookingStatus
    at: datetime
    amount: Decimal | None
    filled: bool = False  # passed over by the booking, put in by `Rules.skipped`


@dataclass(frozen=True, slots=True)
class Withheld:
    """A move of the booking that its deal does not make, to be shown with its reason."""

    stage: Stage
    status: BookingStatus
    at: datetime
    reason: Literal["closed_stays", "forward_only"]


@dataclass(frozen=True, slots=True)
class History:
    created_at: datetime
    steps: tuple[Step, ...]  # never empty
    withheld: tuple[Withheld, ...]
    status: BookingStatus  # the booking's own, also where its deal was held back from following it


def stage_history(
    tellings: Iterable[Telling], now_stands: Telling, *, created_at: datetime | None, funnel: Funnel, rules: Rules
) -> History:
    """The stages passed up to `now_stands`, which has the last word: what is told of a later time is left aside.

    `created_at` None: not known, the deal begins with the first telling. Known and earlier than the first telling,
    the booking waited from its creation on.
    """
    moves = _moves(tellings, now_stands, funnel)
    created = whole_second(created_at if created_at is not None else moves[0].at)
    if created_at is not None and whole_second(moves[0].at) > created:
        waiting = funnel.stage(BookingStatus.WAITING)
        if moves[0].stage == waiting:
            moves[0] = replace(moves[0], at=created)
        else:
            moves.insert(0, Step(waiting, BookingStatus.WAITING, created, None))
    latest = moves[-1]
    kept, withheld = _allowed(moves, rules.backward)
    kept[-1] = replace(kept[-1], amount=latest.amount)
    if rules.skipped == "filled":
        kept = _filled(kept, funnel, created)
    return History(created, tuple(_spaced(kept, created)), tuple(withheld), latest.status)


def _moves(tellings: Iterable[Telling], now_stands: Telling, funnel: Funnel) -> list[Step]:
    """The changes of stage in the order of their time; each with the amount known when it happened."""
    earlier = sorted((told for told in tellings if told.changed_at <= now_stands.changed_at), key=_place)
    moves: list[Step] = []
    attendance, amount = None, None
    for told in (*earlier, now_stands):
        attendance = told.attendance if told.attendance is not None else attendance
        amount = told.amount if told.amount is not None else amount
        status = booking_status(attendance, told.deleted)
        stage = funnel.stage(status)
        if not moves or moves[-1].stage != stage:
            moves.append(Step(stage, status, told.changed_at, amount))
        elif moves[-1].status != status:
            moves[-1] = replace(moves[-1], status=status)
    moves[-1] = replace(moves[-1], amount=amount)
    return moves


def _place(told: Telling) -> tuple[datetime, int, bool, int, Decimal]:
    """One order for any set of tellings, those of equal time and kind, too."""
    known = -9 if told.attendance is None else told.attendance
    return told.changed_at, told.rank, told.deleted, known, Decimal(-1) if told.amount is None else told.amount


def _allowed(moves: Sequence[Step], backward: Backward) -> tuple[list[Step], list[Withheld]]:
    kept: list[Step] = []
    withheld: list[Withheld] = []
    for move in moves:
        if kept and _goes_back(kept[-1].stage, move.stage, backward):
            assert backward != "send"
            withheld.append(Withheld(move.stage, move.status, move.at, backward))
        elif kept and kept[-1].stage == move.stage:
            kept[-1] = replace(kept[-1], amount=move.amount, status=move.status)  # back where it never left from
        else:
            kept.append(move)
    return kept, withheld


def _goes_back(held: Stage, wanted: Stage, backward: Backward) -> bool:
    if backward == "closed_stays":
        return held.closed and not wanted.closed
    if backward == "forward_only":  # between the two closed stages there is no forward and no back
        return wanted.order < held.order and not (held.closed and wanted.closed)
    return False


def _filled(moves: Sequence[Step], funnel: Funnel, created: datetime) -> list[Step]:
    """With the stages in process passed over on the way forward; a failure passes over nothing."""
    full: list[Step] = []
    for move in moves:
        if move.stage.kind != "failed":
            before = full[-1].stage if full else Stage("", "", "in_process", -1)
            at = full[-1].at if full else created
            full += [
                Step(stage, move.status, at, move.amount, filled=True) for stage in funnel.between(before, move.stage)
            ]
        full.append(move)
    return full


def _spaced(moves: Sequence[Step], created: datetime) -> list[Step]:
    """In whole seconds, each at least one after the one before: changes within one second keep their order."""
    spaced: list[Step] = []
    earliest = created
    for move in moves:
        at = max(whole_second(move.at), earliest)
        spaced.append(replace(move, at=at))
        earliest = at + SECOND
    return spaced


def whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
