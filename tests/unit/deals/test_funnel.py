"""A funnel that can be made, and every one that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from server.bookings.model import BookingStatus
from server.deals.funnel import FunnelRefused, make_funnel

STAGE_OF = {
    BookingStatus.WAITING: "new", BookingStatus.CONFIRMED: "sure", BookingStatus.CAME: "won",
    BookingStatus.NO_SHOW: "lost", BookingStatus.DELETED: "lost",
}  # fmt: skip


def made(**told: Any):
    usual: dict[str, Any] = {
        "in_process": [("new", "Новая"), ("sure", "Точно")],
        "success": ("won", "Пришёл"),
        "failed": ("lost", "Нет"),
        "stage_of": STAGE_OF,
    }
    return make_funnel("f", "Записи", **{**usual, **told})


def test_stages_stand_in_their_order_with_room_between_the_closed_ones_last() -> None:
    stages = made().stages
    assert [(stage.key, stage.kind, stage.order, stage.closed) for stage in stages] == [
        ("new", "in_process", 10, False),
        ("sure", "in_process", 20, False),
        ("won", "success", 30, True),
        ("lost", "failed", 40, True),
    ]


@pytest.mark.parametrize("status", list(BookingStatus))
def test_every_status_of_a_booking_has_its_stage(status: BookingStatus) -> None:
    assert made().stage(status).key == STAGE_OF[status]


@pytest.mark.parametrize(
    ("told", "reason", "name"),
    [
        ({"in_process": []}, "no_stage_in_process", "Записи"),
        ({"in_process": [(f"s{place}", "S") for place in range(101)]}, "too_many_stages", "Записи"),
        ({"failed": ("won", "Нет")}, "stage_twice", "won"),
        ({"in_process": [("new", "A"), ("new", "B")]}, "stage_twice", "new"),
        ({"stage_of": {**STAGE_OF, BookingStatus.NO_SHOW: "gone"}}, "status_without_stage", "gone"),
        ({"stage_of": {BookingStatus.WAITING: "new"}}, "status_without_stage", "confirmed"),
    ],
)
def test_a_funnel_that_cannot_be_made_is_refused(told: dict[str, Any], reason: str, name: str) -> None:
    with pytest.raises(FunnelRefused) as refused:
        made(**told)
    assert (refused.value.reason, refused.value.name) == (reason, name)


def test_a_hundred_stages_in_process_are_allowed() -> None:
    told = [(f"s{place}", "S") for place in range(98)] + [("new", "A"), ("sure", "B")]
    assert made(in_process=told).stages[-1].order <= 10_000
