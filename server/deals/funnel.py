"""A funnel and its stages, and which stage a booking stands in. Pure; no I/O, no clock, no vendor words.

A funnel that cannot be made is refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from server.bookings.model import BookingStatus

StageKind = Literal["in_process", "success", "failed"]
RefusedFor = Literal["no_stage_in_process", "too_many_stages", "stage_twice", "status_without_stage", "other_kind"]
#: The other system takes 1 to 100 stages in process, and orders up to 10,000.
STAGES_IN_PROCESS = 100
#: Between two stages there is room for another.
ORDER_STEP = 10
_LOST = frozenset({BookingStatus.NO_SHOW, BookingStatus.DELETED})


class FunnelRefused(ValueError):
    """A funnel the other system would not take, or that leaves a booking without a stage."""

    def __init__(self, reason: RefusedFor, name: str) -> None:
        self.reason, self.name = reason, name
        super().__init__(
            {
                "no_stage_in_process": "a funnel needs a stage in process",
                "too_many_stages": f"a funnel takes at most {STAGES_IN_PROCESS} stages in process",
                "stage_twice": f"two stages have the key «{name}»",
                "status_without_stage": f"there is no stage «{name}» in this funnel",
                "other_kind": f"the funnel that exists has no stage «{name}» of that kind, and it cannot be added",
            }[reason]
        )


@dataclass(frozen=True, slots=True)
class Stage:
    key: str
    name: str
    kind: StageKind
    order: int

    @property
    def closed(self) -> bool:
        return self.kind != "in_process"


@dataclass(frozen=True, slots=True)
class Funnel:
    """Stages in their order, the success and the failed one last; and the stage of each status of a booking."""

    key: str
    name: str
    stages: tuple[Stage, ...]
    stage_of: Mapping[BookingStatus, str]

    def stage(self, status: BookingStatus) -> Stage:
        key = self.stage_of[status]
        return next(stage for stage in self.stages if stage.key == key)

    def between(self, earlier: Stage, later: Stage) -> tuple[Stage, ...]:
        """The stages in process that a move forward leaves out; one of lost bookings alone is not passed by others."""
        hopeful = {key for status, key in self.stage_of.items() if status not in _LOST}
        lost = {key for status, key in self.stage_of.items() if status in _LOST} - hopeful
        return tuple(
            stage
            for stage in self.stages
            if not stage.closed and earlier.order < stage.order < later.order and stage.key not in lost
        )


def make_funnel(
    key: str,
    name: str,
    *,
    in_process: Sequence[tuple[str, str]],
    success: tuple[str, str],
    failed: tuple[str, str],
    stage_of: Mapping[BookingStatus, str],
) -> Funnel:
    """A funnel of stages given as (key, name); raises `FunnelRefused`."""
    if not in_process:
        raise FunnelRefused("no_stage_in_process", name)
    if len(in_process) > STAGES_IN_PROCESS:
        raise FunnelRefused("too_many_stages", name)
    working = [Stage(*told, "in_process", place * ORDER_STEP) for place, told in enumerate(in_process, 1)]
    last = (len(working) + 1) * ORDER_STEP
    stages = (*working, Stage(*success, "success", last), Stage(*failed, "failed", last + ORDER_STEP))
    keys = [stage.key for stage in stages]
    for stage_key in keys:
        if keys.count(stage_key) > 1:
            raise FunnelRefused("stage_twice", stage_key)
    for status in BookingStatus:
        if stage_of.get(status) not in keys:
            raise FunnelRefused("status_without_stage", stage_of.get(status, status.value))
    return Funnel(key, name, stages, dict(stage_of))


# --- making the other system's funnel this one


@dataclass(frozen=True, slots=True)
class FunnelChange:
    """One thing to do, in the order given. `stage` as it is to be; none for what concerns the funnel itself."""

    kind: Literal["make_funnel", "rename_funnel", "make_stage", "rename_stage", "move_stage"]
    stage: Stage | None = None


def funnel_changes(
    wanted: Funnel, held_name: str | None, held_stages: Sequence[Stage] = ()
) -> tuple[FunnelChange, ...]:
    """What turns the funnel as it is held (`held_name` None: not made yet) into the wanted one; nothing if it is.

    Stages that are not ours stay where they are, and no stage is ever dropped: old deals stand in it. The two closed
    stages are made with the funnel and can only be renamed: raises `FunnelRefused` where they are others.
    """
    if held_name is None:
        return (FunnelChange("make_funnel"),)
    changes = [FunnelChange("rename_funnel")] if held_name != wanted.name else []
    held = {stage.key: stage for stage in held_stages}
    in_order = _in_order(wanted, held)
    for stage in wanted.stages:
        there = held.get(stage.key)
        if (there is None and stage.closed) or (there is not None and there.kind != stage.kind):
            raise FunnelRefused("other_kind", stage.key)
        if there is None:
            changes.append(FunnelChange("make_stage", stage))
            continue
        if there.name != stage.name:
            changes.append(FunnelChange("rename_stage", stage))
        if not in_order and not stage.closed and there.order != stage.order:
            changes.append(FunnelChange("move_stage", stage))
    return tuple(changes)


def _in_order(wanted: Funnel, held: Mapping[str, Stage]) -> bool:
    """Whether our stages are all there and stand in the wanted order, whatever their numbers and neighbours."""
    keys = [stage.key for stage in wanted.stages if not stage.closed]
    return all(key in held for key in keys) and keys == sorted(keys, key=lambda key: held[key].order)
