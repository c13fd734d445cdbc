"""A funnel and its stages, and which stage a booking stands in. Pure; no I/O, no clock, no vendor words.

A funnel that cannot be made is refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from server.bookings.model import BookingStatus

StageKind = Literal["in_process", "success", "failed"]
#: The other system takes 1 to 100 stages in process, and orders up to 10,000.
STAGES_IN_PROCESS = 100
#: Between two stages there is room for another.
ORDER_STEP = 10
_LOST = frozenset({BookingStatus.NO_SHOW, BookingStatus.DELETED})


class FunnelRefused(ValueError):
    """A funnel the other system would not take, or that leaves a booking without a stage."""

    def __init__(
        self,
        reason: Literal["no_stage_in_process", "too_many_stages", "stage_twice", "status_without_stage"],
        name: str,
    ) -> None:
        self.reason, self.name = reason, name
        super().__init__(
            {
                "no_stage_in_process": "a funnel needs a stage in process",
                "too_many_stages": f"a funnel takes at most {STAGES_IN_PROCESS} stages in process",
                "stage_twice": f"two stages have the key «{name}»",
                "status_without_stage": f"there is no stage «{name}» in this funnel",
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
