"""Filters, sorting, columns and pages of every `get.*`, with the vendor's refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from e2e.stand.uis.state import Refused

#: Columns of each method: type and flags (F filterable, S sortable, D shown without `fields`).
COLUMNS: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "data" / "columns.json").read_text("utf-8")
)


def answer(method: str, rows: Iterable[dict[str, Any]], params: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The page of rows that was asked for, with exactly the asked columns, and how many rows there are in all."""
    columns = COLUMNS[method]
    shown = _shown(columns, params.get("fields"))
    given = params.get("filter")
    if given:
        _check_filter(given, columns)
    found = [row for row in rows if not given or _fits(row, given)]
    for order in reversed(params.get("sort") or []):
        _check_sort(order, columns)
        name = order["field"]
        found.sort(
            key=lambda row: (row.get(name) is not None, row.get(name) or 0), reverse=order.get("order") == "desc"
        )
    limit, offset = _page(params)
    page = found[offset : offset + limit]
    return [{name: row.get(name, [] if columns[name][0] == "array" else None) for name in shown} for row in page], len(
        found
    )


def _shown(columns: dict[str, list[str]], wanted: list[str] | None) -> list[str]:
    if wanted is None:
        by_default = [name for name, (_, flags) in columns.items() if "D" in flags]
        return by_default or list(columns)
    for name in wanted:
        if name not in columns:
            raise Refused("unexpected_parameters", field=f"fields.{name}")
    return wanted


def _page(params: dict[str, Any]) -> tuple[int, int]:
    limit, offset = params.get("limit", 1000), params.get("offset", 0)
    if not isinstance(limit, int) or not 1 <= limit <= 10_000:
        raise Refused("invalid_parameter_value", field="limit", value=limit)
    if not isinstance(offset, int) or not 0 <= offset <= 100_000:
        raise Refused("invalid_parameter_value", field="offset", value=offset)
    return limit, offset


def _check_sort(order: Any, columns: dict[str, list[str]]) -> None:
    if not isinstance(order, dict) or not set(order) <= {"field", "order"} or order.get("field") not in columns:
        raise Refused("unexpected_parameters", field="sort")
    if "S" not in columns[order["field"]][1]:
        raise Refused("sort_prohibited", field=order["field"])
    if order.get("order", "asc") not in ("asc", "desc"):
        raise Refused("invalid_parameter_value", field="sort.order")


def _check_filter(given: Any, columns: dict[str, list[str]], depth: int = 1) -> None:
    if not isinstance(given, dict):
        raise Refused("data_type_error", field="filter")
    if "filters" in given:
        if set(given) != {"filters", "condition"} or given["condition"] not in ("and", "or") or not given["filters"]:
            raise Refused("unexpected_parameters", field="filter")
        for one in given["filters"]:
            _check_filter(one, columns, depth + 1)
        return
    if not {"field", "operator"} <= set(given) <= {"field", "operator", "value"} or given["field"] not in columns:
        raise Refused("unexpected_parameters", field="filter")
    if "F" not in columns[given["field"]][1]:
        raise Refused("filter_prohibited", field=given["field"])
    if given["operator"] not in _OPERATORS:
        raise Refused("invalid_parameter_value", field="filter.operator", value=given["operator"])


def _fits(row: dict[str, Any], given: dict[str, Any]) -> bool:
    if "filters" in given:
        every = all if given["condition"] == "and" else any
        return every(_fits(row, one) for one in given["filters"])
    return bool(_OPERATORS[given["operator"]](row.get(given["field"]), given.get("value")))


def _like(has: Any, pattern: Any, flags: int = 0) -> bool:
    parts = (re.escape(part) for part in str(pattern).split("%"))
    return has is not None and bool(re.fullmatch(".*".join(parts), str(has), flags | re.S))


_OPERATORS: dict[str, Any] = {
    "=": lambda has, value: has == value, "!=": lambda has, value: has != value,
    "<": lambda has, value: has is not None and has < value, ">": lambda has, value: has is not None and has > value,
    "<=": lambda has, value: has is not None and has <= value, ">=": lambda has, value: has is not None and has >= value,
    "like": _like, "ilike": lambda has, value: _like(has, value, re.I),
    "not_like": lambda has, value: not _like(has, value), "not_ilike": lambda has, value: not _like(has, value, re.I),
    "regexp": lambda has, value: has is not None and bool(re.search(str(value), str(has))),
    "in": lambda has, value: has in value, "not_in": lambda has, value: has not in value,
    "overlap": lambda has, value: bool(set(has or ()) & set(value)), "not_overlap": lambda has, value: not set(has or ()) & set(value),
    "is_null": lambda has, _: has is None, "is_not_null": lambda has, _: has is not None,
}  # fmt: skip
