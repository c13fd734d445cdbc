"""What a visitor chose, out of tellings that may be partial and may speak of later moves."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.matching.creation import CHOSEN, first_told

_VALUES: dict[str, list[Any]] = {
    "services": [[], [{"id": 11}], [{"id": 12}]],
    "staff_id": [None, 7, 8],
    "starts_at_local": [None, "a", "b"],
}
tellings = st.lists(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in _VALUES.items()}), max_size=6
)


def test_the_first_telling_decides_and_later_ones_fill_what_it_lacks() -> None:
    told: list[dict[str, Any]] = [
        {"staff_id": 7, "services": []},
        {"staff_id": 8, "services": [{"id": 11}]},
        {"starts_at_local": "a"},
    ]
    assert first_told(told) == {"staff_id": 7, "services": [{"id": 11}], "starts_at_local": "a"}


@given(tellings, tellings)
def test_no_later_telling_changes_what_is_known(earlier, later) -> None:
    found = first_told(earlier)
    assert found.items() <= first_told([*earlier, *later]).items()


@given(tellings)
def test_a_telling_repeated_changes_nothing_and_emptiness_is_no_choice(told) -> None:
    found = first_told(told)
    assert first_told([one for one in told for _ in range(2)]) == found
    assert found.keys() <= set(CHOSEN)
    assert all(found.values())
