"""Loading many at once where one wrong item fails all: smaller groups until the wrong ones stand alone.

Never raises: each item gets an outcome, so that good ones are not sent again because of a bad one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from server.platform.egress import Unavailable, VendorError
from server.uis.errors import RequestRefused

Item = TypeVar("Item")
State = Literal["accepted", "refused", "unknown", "not_sent"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item.

    `unknown`: it was sent and no usable answer came; look it up before sending it again. `not_sent`: the vendor has
    certainly not taken it. `doubles` are further rows the vendor holds under the same `ext_id`.
    """

    ext_id: str
    state: State
    vendor_id: int | None = None
    communication_id: int | None = None
    error: VendorError | None = None
    doubles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled(Generic[Item]):
    unit: tuple[Item, ...]
    state: State
    error: VendorError | None = None


async def settle(
    units: list[tuple[Item, ...]], send: Callable[[list[Item]], Awaitable[None]], *, calls_most: int = 200
) -> list[Settled[Item]]:
    """Sends all units together; a refusal halves the group, or sets the named item apart, until units stand alone.

    A unit is never split. An error that is no refusal of content ends the work: what was in that call is unknown
    (no answer) or not sent, and the rest is not sent. So is what is left after `calls_most` calls.
    """
    done: list[Settled[Item]] = []
    waiting, calls, told_true = [units] if units else [], 0, True
    stop: VendorError | None = None
    while waiting:
        group = waiting.pop()
        if stop is not None or calls >= calls_most:
            done += [Settled(unit, "not_sent", stop) for unit in group]
            continue
        calls += 1
        try:
            await send([item for unit in group for item in unit])
        except RequestRefused as refused:
            if len(group) == 1:
                done.append(Settled(group[0], "refused", refused))
                continue
            named = _named(group, refused.index) if told_true else None
            if named is None:
                waiting += [group[len(group) // 2 :], group[: len(group) // 2]]
            else:
                # The vendor's numbering is not documented: the named unit is tried alone, and believed if refused.
                alone = await _alone(group[named], send)
                calls, told_true = calls + 1, alone.state == "refused"
                done.append(alone)
                waiting.append(group[:named] + group[named + 1 :])
                stop = alone.error if alone.state in ("unknown", "not_sent") else None
        except VendorError as error:
            stop = error
            done += [Settled(unit, _unanswered(error), error) for unit in group]
        else:
            done += [Settled(unit, "accepted") for unit in group]
    return done


async def _alone(unit: tuple[Item, ...], send: Callable[[list[Item]], Awaitable[None]]) -> Settled[Item]:
    try:
        await send(list(unit))
    except RequestRefused as refused:
        return Settled(unit, "refused", refused)
    except VendorError as error:
        return Settled(unit, _unanswered(error), error)
    return Settled(unit, "accepted")


def _unanswered(error: VendorError) -> State:
    return "unknown" if isinstance(error, Unavailable) else "not_sent"


def _named(group: list[tuple[Item, ...]], index: int | None) -> int | None:
    """Which unit holds the item of that number, counted over the whole group."""
    if index is None:
        return None
    for number, unit in enumerate(group):
        if index < len(unit):
            return number
        index -= len(unit)
    return None


def groups(
    items: Iterable[Item], most: int, *, bytes_most: int = 0, weigh: Callable[[Item], Any] | None = None
) -> list[list[Item]]:
    """Groups of at most `most`, and of at most `bytes_most` of JSON of what `weigh` gives."""
    found: list[list[Item]] = []
    weight = 0
    for item in items:
        size = len(json.dumps(weigh(item), ensure_ascii=False).encode()) + 1 if weigh else 0
        if not found or len(found[-1]) >= most or (bytes_most and weight + size > bytes_most):
            found.append([])
            weight = 0
        found[-1].append(item)
        weight += size
    return found
