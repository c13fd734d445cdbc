"""What of a deal is still to be sent, and how a refused batch is taken apart. Pure; no I/O, no clock.

Promises: sending what was accepted before sends nothing; whatever order the tellings came in, the times sent for one
deal strictly increase and the last stage sent is the one the deal stands in; one bad deal costs the others nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from server.deals.history import SECOND, Rules, Step, whole_second
from server.deals.model import Deal

#: Rows of one request; every stage of every deal is a row.
BATCH_LIMIT = 1000


class Sending(StrEnum):
    NOTHING = "nothing"
    FULL = "full"  # a deal not sent before, with all its stages
    STAGES = "stages"  # only the stages since
    CONTENT = "content"  # the stage it stands in once more: something else changed


@dataclass(frozen=True, slots=True)
class Sent:
    """What the other system is known to hold of a deal, to be stored when it has accepted a parcel.

    Where the outcome of a request is not known, it is made of what the other system shows of the deal, with the time
    of the stage for that of the change and an empty content: then what it holds is sent once more, and no stage twice.
    """

    funnel_key: str
    stage_key: str
    stage_at: datetime
    changed_at: datetime
    content: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the request: the deal in one stage, with everything else as it is now."""

    step: Step
    changed_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be sent of one deal in one request, and what is known to be held once it is accepted."""

    kind: Sending
    deal: Deal
    entries: tuple[Entry, ...]
    then: Sent | None  # None: nothing is to be sent

    @property
    def key(self) -> str:
        return self.deal.key

    @property
    def ready_at(self) -> datetime:
        """Not to be sent sooner: stages within one second were moved apart, and no time may lie in the future."""
        times = [time for entry in self.entries for time in (entry.step.at, entry.changed_at)]
        return max((self.deal.created_at, *times))


def what_to_send(deal: Deal, sent: Sent | None, rules: Rules) -> Parcel:
    if sent is None:
        return _parcel(Sending.FULL, deal, [(step, step.at) for step in deal.steps])
    steps = _since(deal, sent)
    if steps:
        return _parcel(Sending.STAGES, deal, [(step, max(step.at, sent.changed_at)) for step in steps])
    if deal.content == sent.content:
        return Parcel(Sending.NOTHING, deal, (), None)
    changed_at = max(whole_second(deal.changed_at), sent.changed_at + SECOND)
    stage_at = changed_at if rules.content == "stage_time" else sent.stage_at
    return _parcel(Sending.CONTENT, deal, [(replace(deal.steps[-1], at=stage_at), changed_at)])


def _since(deal: Deal, sent: Sent) -> list[Step]:
    """The stages after the one that is held. If none is later and the deal still stands elsewhere (a telling came
    late, or two fell into one second), its last stage alone, moved behind the one that is held."""
    steps = [step for step in deal.steps if step.at > sent.stage_at]
    if steps and _held(deal, steps[0], sent):
        steps = steps[1:]
    if not steps and not _held(deal, deal.steps[-1], sent):
        steps = [replace(deal.steps[-1], at=sent.stage_at + SECOND)]
    return steps


def _held(deal: Deal, step: Step, sent: Sent) -> bool:
    return (deal.funnel_key, step.stage.key) == (sent.funnel_key, sent.stage_key)


def _parcel(kind: Sending, deal: Deal, rows: Sequence[tuple[Step, datetime]]) -> Parcel:
    """Closed is a stage since it was entered; the last one when it truly was, wherever its time had to move."""
    entries = [Entry(step, changed_at, step.at if step.stage.closed else None) for step, changed_at in rows]
    last = entries[-1] = replace(entries[-1], closed_at=deal.closed_at)
    then = Sent(deal.funnel_key, last.step.stage.key, last.step.at, last.changed_at, deal.content)
    return Parcel(kind, deal, tuple(entries), then)


# --- batches

Batch = tuple[Parcel, ...]


def batches(parcels: Iterable[Parcel], *, limit: int = BATCH_LIMIT) -> list[Batch]:
    """Requests of at most `limit` rows; the rows of one deal stay together, in order. A parcel of more rows than
    that travels alone."""
    made: list[Batch] = []
    batch: list[Parcel] = []
    rows = 0
    for parcel in parcels:
        if parcel.kind is Sending.NOTHING:
            continue
        if batch and rows + len(parcel.entries) > limit:
            made.append(tuple(batch))
            batch, rows = [], 0
        batch.append(parcel)
        rows += len(parcel.entries)
    return [*made, tuple(batch)] if batch else made


@dataclass(frozen=True, slots=True)
class Split:
    """A refused batch taken apart: what to send again, in this order, or the one parcel that was at fault."""

    again: tuple[Batch, ...] = ()
    bad: Parcel | None = None


def split(refused: Batch, *, named: Collection[str] = ()) -> Split:
    """For a refusal of content, where nothing of the batch was taken; not for one of access, rate or funnel.

    A parcel alone is at fault itself. Those whose keys the refusal `named` are sent alone, after the others; a refusal
    that names none, or all, is halved. Each piece is smaller than the batch, so this ends.
    """
    if len(refused) <= 1:
        return Split(bad=refused[0] if refused else None)
    suspects = tuple(parcel for parcel in refused if parcel.key in named)
    if 0 < len(suspects) < len(refused):
        others = tuple(parcel for parcel in refused if parcel.key not in named)
        return Split((others, *((parcel,) for parcel in suspects)))
    middle = len(refused) // 2
    return Split((refused[:middle], refused[middle:]))


def parcel_of_row(batch: Batch, row: int) -> Parcel | None:
    """The parcel that a refusal names by the place of its row, from 0; None: no such row."""
    for parcel in batch:
        if 0 <= row < len(parcel.entries):
            return parcel
        row -= len(parcel.entries)
    return None
