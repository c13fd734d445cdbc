"""A funnel that can be made, and every one that cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.bookings.model import BookingStatus
from server.deals.funnel import FunnelChange, FunnelRefused, Stage, funnel_changes, make_funnel

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


# --- the funnel that is held


def _done(changes: tuple[FunnelChange, ...]) -> list[tuple[str, str | None, int | None]]:
    return [
        (change.kind, change.stage.key if change.stage else None, change.stage.order if change.stage else None)
        for change in changes
    ]


def test_a_funnel_is_made_once() -> None:
    wanted = made()
    assert _done(funnel_changes(wanted, None)) == [("make_funnel", None, None)]
    assert funnel_changes(wanted, wanted.name, wanted.stages) == ()


def test_closed_stages_are_held_with_orders_of_their_own() -> None:
    held = [replace(stage, order=10_010) if stage.closed else stage for stage in made().stages]
    assert funnel_changes(made(), "Записи", held) == ()


def test_new_names_are_told_and_nothing_else() -> None:
    wanted = make_funnel(
        "f", "Сделки", in_process=[("new", "Новая"), ("sure", "Подтверждена")], success=("won", "Да"),
        failed=("lost", "Нет"), stage_of=STAGE_OF,
    )  # fmt: skip
    assert _done(funnel_changes(wanted, "Записи", made().stages)) == [
        ("rename_funnel", None, None),
        ("rename_stage", "sure", 20),
        ("rename_stage", "won", 30),
    ]


def test_a_new_stage_takes_its_place_and_the_others_make_room() -> None:
    wanted = made(in_process=[("new", "Новая"), ("paid", "Оплата"), ("sure", "Точно")])
    assert _done(funnel_changes(wanted, "Записи", made().stages)) == [
        ("make_stage", "paid", 20),
        ("move_stage", "sure", 30),
    ]


def test_stages_of_the_owner_stay_where_they_are() -> None:
    theirs = Stage("call", "Звонок", "in_process", 5)
    ours = [replace(stage, order=stage.order + 3) for stage in made().stages]
    assert funnel_changes(made(), "Записи", [theirs, *ours]) == ()


def test_a_stage_no_longer_wanted_is_not_dropped() -> None:
    held = made(in_process=[("new", "Новая"), ("old", "Старая"), ("sure", "Точно")]).stages
    assert funnel_changes(made(), "Записи", held) == ()


@pytest.mark.parametrize("key", ["won", "lost"])
def test_an_existing_funnel_with_other_closed_stages_is_refused(key: str) -> None:
    held = [replace(stage, key="1000") if stage.key == key else stage for stage in made().stages]
    with pytest.raises(FunnelRefused, match=key) as refused:
        funnel_changes(made(), "Записи", held)
    assert refused.value.reason == "other_kind"


def test_a_stage_held_as_another_kind_is_refused() -> None:
    held = [replace(stage, kind="failed") if stage.key == "sure" else stage for stage in made().stages]
    with pytest.raises(FunnelRefused, match="sure"):
        funnel_changes(made(), "Записи", held)
