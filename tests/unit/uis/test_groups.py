"""Groups that are refused as a whole: the bad ones are found, the good ones go through once."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.platform.egress import RateLimited, Unavailable, VendorError
from server.uis.errors import RequestRefused
from server.uis.groups import Settled, groups, settle

Units = list[tuple[str, ...]]


class Vendor:
    """Takes all or nothing; says which item is wrong when it can, perhaps falsely."""

    def __init__(self, bad: set[str], *, index: int | None = None, tells: bool = False) -> None:
        self.bad, self.tells, self.index = bad, tells, index
        self.taken: list[str] = []
        self.calls = 0
        self.breaks: dict[int, VendorError] = {}

    async def __call__(self, items: list[str]) -> None:
        self.calls += 1
        if self.calls in self.breaks:
            raise self.breaks[self.calls]
        wrong = [number for number, item in enumerate(items) if item in self.bad]
        if wrong:
            raise RequestRefused("error", "x", index=wrong[0] if self.tells else self.index)
        self.taken += items


def run(vendor: Vendor, units: Units, **limits: int) -> list[Settled[str]]:
    return asyncio.run(settle(units, vendor, **limits))


@given(
    st.lists(st.integers(1, 3), max_size=40), st.sets(st.integers(0, 39), max_size=12), st.booleans(),
    st.none() | st.integers(0, 60),
)  # fmt: skip
def test_exactly_the_bad_units_are_refused(sizes: list[int], bad: set[int], tells: bool, index: int | None) -> None:
    units = [tuple(f"{number}.{part}" for part in range(size)) for number, size in enumerate(sizes)]
    bad_items = {units[number][-1] for number in bad if number < len(units)}
    vendor = Vendor(bad_items, tells=tells, index=index)
    told = run(vendor, units)
    assert sorted(one.unit for one in told) == sorted(units)
    assert {one.unit for one in told if one.state == "refused"} == {unit for unit in units if bad_items & set(unit)}
    good = [item for unit in units for item in unit if not bad_items & set(unit)]
    assert sorted(vendor.taken) == sorted(good)


@pytest.mark.parametrize(("tells", "most"), [(False, 21), (True, 3)])
def test_one_bad_of_a_thousand_costs_few_calls(tells: bool, most: int) -> None:
    vendor = Vendor({"617"}, tells=tells)
    run(vendor, [(str(number),) for number in range(1000)])
    assert vendor.calls <= most


def test_a_false_number_is_believed_once() -> None:
    vendor = Vendor({"40", "50"}, index=0)
    told = run(vendor, [(str(number),) for number in range(64)])
    assert [one.unit for one in told if one.state == "refused"] == [("40",), ("50",)]
    assert vendor.calls <= 30


@pytest.mark.parametrize(("error", "state"), [(Unavailable("x"), "unknown"), (RateLimited(5), "not_sent")])
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("tells", [False, True])
def test_a_failure_ends_the_work_and_every_unit_is_told(error: VendorError, state: str, call: int, tells: bool) -> None:
    units: Units = [(str(number),) for number in range(8)]
    vendor = Vendor({"1", "6"}, tells=tells)
    vendor.breaks[call] = error
    told = run(vendor, units)
    assert sorted(one.unit for one in told) == units
    assert vendor.calls == call
    assert {one.state for one in told if one.error is error} <= {state, "not_sent"}
    assert [one.unit[0] for one in told if one.state == "accepted"] == vendor.taken
    assert any(one.state == state for one in told)


def test_the_number_of_calls_is_bounded() -> None:
    units: Units = [(str(number),) for number in range(300)]
    vendor = Vendor({str(number) for number in range(300)})
    told = run(vendor, units, calls_most=50)
    assert vendor.calls == 50
    assert len(told) == 300
    assert {one.state for one in told} == {"refused", "not_sent"}


@given(st.lists(st.text(max_size=30), max_size=30), st.integers(1, 7), st.integers(40, 200))
def test_groups_keep_all_in_order_and_hold_their_limits(items: list[str], most: int, size: int) -> None:
    found = groups(items, most, bytes_most=size, weigh=lambda item: item)
    assert [item for group in found for item in group] == items
    for group in found:
        assert len(group) <= most
        assert len(group) == 1 or len(json.dumps(group, ensure_ascii=False, separators=(",", ":")).encode()) <= size + 1
