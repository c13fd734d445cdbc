"""Tags: set on and taken from whatever has them, and told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e.stand.uis.state import Uis

#: A tag's notification names these of every communication; only a call fills them.
_OF_CALLS = dict.fromkeys(
    ("virtual_phone_number", "external_id", "communication_number", "call_source", "call_session_id", "direction")
)


def tag_of(uis: Uis, wanted: int | str) -> dict[str, Any]:
    """By id or by name, as reports show it. Raises `KeyError`."""
    found = next((one for one in uis.tags if wanted in (one["id"], one["name"])), None)
    if found is None:
        raise KeyError(wanted)
    return {
        "tag_id": found["id"], "tag_name": found["name"], "tag_type": "manual", "tag_change_time": uis.wall(uis.clock()),
        "tag_user_id": None, "tag_user_login": None, "tag_employee_id": None, "tag_employee_full_name": None,
    }  # fmt: skip


def put_tag(
    uis: Uis,
    kind: str,
    tags: list[dict[str, Any]],
    about: Callable[[], dict[str, Any]],
    tag: int | str,
    *,
    unset: bool = False,
) -> None:
    """Nothing is told of a tag that is there already, or is not there to be taken. Raises `KeyError`."""
    mark = tag_of(uis, tag)
    had = any(one["tag_id"] == mark["tag_id"] for one in tags)
    if had != unset:
        return
    if unset:
        tags[:] = [one for one in tags if one["tag_id"] != mark["tag_id"]]
    else:
        tags.append(mark)
    names = {"tag_id": mark["tag_id"], "tag_name": mark["tag_name"], "communication_type": kind}
    uis.tell("unset_mark" if unset else "set_mark", {**_OF_CALLS, **about(), **names})
