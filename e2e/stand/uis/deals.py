"""Funnels, contacts and deals: one wrong deal fails all, stage times do not go back, skipped stages are filled in."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from e2e.stand.uis.loading import check_fields
from e2e.stand.uis.state import Deal, Refused, Uis, days

# --- funnels


def create_funnel(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    if params["ext_id"] in uis.funnels:
        raise Refused("duplicate_entity", field="ext_id", value=params["ext_id"])
    stages = params["stages"]
    every = [*stages["in_process"], stages["success"], stages["failed"]]
    if len({stage["ext_id"] for stage in every}) < len(every):
        raise Refused("duplicate_entity", field="stages")
    rows = [_stage(stage, "in_process", _order(stage["order"])) for stage in stages["in_process"]]
    _distinct(rows)
    rows += [_stage(stages["success"], "success", 10_010), _stage(stages["failed"], "failed", 10_020)]
    rows.sort(key=lambda row: row["stage_order"])
    uis.funnels[params["ext_id"]] = {"ext_id": params["ext_id"], "name": params["name"], "stages": rows}
    return {"data": {"ext_id": params["ext_id"]}}


def update_funnel(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    _funnel(uis, params["ext_id"], "ext_id")["name"] = params["name"]
    return {"data": {}}


def delete_funnel(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    _funnel(uis, params["ext_id"], "ext_id")
    if any(row["sales_funnel_ext_id"] == params["ext_id"] for deal in uis.deals.values() for row in deal.history):
        raise Refused("dependency_error", field="ext_id")
    del uis.funnels[params["ext_id"]]
    return {"data": {}}


def create_stage(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    funnel = _funnel(uis, params["sales_funnel_ext_id"], "sales_funnel_ext_id")
    if any(row["stage_ext_id"] == params["ext_id"] for row in funnel["stages"]):
        raise Refused("duplicate_entity", field="ext_id", value=params["ext_id"])
    if sum(row["stage_status"] == "in_process" for row in funnel["stages"]) >= 100:
        raise Refused("data_limit_exceeded", field="ext_id")
    rows = [*funnel["stages"], _stage(params, "in_process", _order(params["order"]))]
    _distinct(rows)
    funnel["stages"] = sorted(rows, key=lambda row: row["stage_order"])
    return {"data": {}}


def update_stage(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    funnel = _funnel(uis, params["sales_funnel_ext_id"], "sales_funnel_ext_id")
    row = next((row for row in funnel["stages"] if row["stage_ext_id"] == params["ext_id"]), None)
    if row is None:
        raise Refused("entity_not_found", field="ext_id", value=params["ext_id"])
    if params.get("order") is not None:
        if row["stage_status"] != "in_process":
            raise Refused("invalid_parameters_combination", field="order")
        row["stage_order"] = _order(params["order"])
    row["stage_name"] = params.get("name") or row["stage_name"]
    funnel["stages"].sort(key=lambda row: row["stage_order"])
    return {"data": {}}


def _funnel(uis: Uis, ext_id: str, field: str) -> dict[str, Any]:
    if ext_id not in uis.funnels:
        raise Refused("entity_not_found", field=field, value=ext_id)
    return uis.funnels[ext_id]


def _stage(given: dict[str, Any], status: str, order: int) -> dict[str, Any]:
    return {"stage_ext_id": given["ext_id"], "stage_name": given["name"], "stage_status": status, "stage_order": order}


def _order(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= 10_000:
        raise Refused("invalid_parameter_value", field="order", value=value)
    return value


def _distinct(rows: list[dict[str, Any]]) -> None:
    if len({row["stage_order"] for row in rows}) < len(rows):
        raise Refused("invalid_parameter_value", field="order")


# --- people


def create_contacts(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, dict[str, Any]] = {}
    first: Refused | None = None
    for number, item in enumerate(params["contacts"]):
        path = f"contacts.{number}." if uis.switches.field_index else "contacts."
        try:
            if item["ext_id"] in good or (item["ext_id"] in uis.contacts and uis.switches.contact_twice == "refuse"):
                raise Refused("duplicate_entity", field=f"{path}ext_id", value=item["ext_id"])
            _check_contact(item, path)
        except Refused as refused:
            if not uis.switches.contacts_partial:
                raise
            first = first or refused
            continue
        if item["ext_id"] not in uis.contacts:
            good[item["ext_id"]] = _contact(uis, item)
    uis.contacts |= good
    if first is not None:
        raise first
    return {"data": {}}


def update_contact(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    """Partial; a list is replaced as a whole."""
    if params["ext_id"] not in uis.contacts:
        raise Refused("entity_not_found", field="ext_id", value=params["ext_id"])
    _check_contact(params, "")
    uis.contacts[params["ext_id"]] |= {name: value for name, value in params.items() if value is not None}
    return {"data": {}}


def _check_contact(item: dict[str, Any], path: str) -> None:
    for phone in item.get("phone_numbers") or []:
        if not re.fullmatch(r"\+?[1-9]\d{7,14}", phone, re.ASCII):
            raise Refused("invalid_parameter_value", field=f"{path}phone_numbers", value=phone)
    emails = item.get("emails") or []
    if len(set(emails)) < len(emails) or any("@" not in email for email in emails):
        raise Refused("invalid_parameter_value", field=f"{path}emails")


def _contact(uis: Uis, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "ext_id": item["ext_id"], "name": item["name"], "phone_numbers": item.get("phone_numbers") or [],
        "created_date_time": item.get("created_date_time") or uis.wall(uis.clock()), "emails": item.get("emails") or [],
        "component": "dataapi",
    }  # fmt: skip


def create_employee(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    if params["ext_id"] in uis.employees:
        raise Refused("duplicate_entity", field="ext_id", value=params["ext_id"])
    uis.employees[params["ext_id"]] = {"ext_id": params["ext_id"], "name": params["name"]}
    return {"data": {"ext_id": params["ext_id"]}}


def update_employee(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    if params["ext_id"] not in uis.employees:
        raise Refused("entity_not_found", field="ext_id", value=params["ext_id"])
    uis.employees[params["ext_id"]]["name"] = params.get("name") or uis.employees[params["ext_id"]]["name"]
    return {"data": {}}


# --- deals


def upload_deals(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    """All or nothing: the histories are written on copies, which take the place of the old when all are right."""
    staged: dict[str, Deal] = {}
    for number, item in enumerate(params["deals"]):
        path = f"deals.{number}." if uis.switches.field_index else "deals."
        known = uis.deals.get(item["ext_id"]) or Deal(item["ext_id"])
        deal = staged.setdefault(item["ext_id"], deepcopy(known))
        _add(uis, deal, item, path)
    busy_until = uis.clock() + timedelta(seconds=uis.switches.deals_busy_s)
    for deal in staged.values():
        deal.busy_until = busy_until
    uis.deals |= staged
    return {"data": {}}


def delete_deal(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    if uis.deals.pop(params["ext_id"], None) is None:
        raise Refused("entity_not_found", field="ext_id", value=params["ext_id"])
    return {"data": {}}


def in_processing(uis: Uis, _: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"count": sum(deal.busy_until > uis.clock() for deal in uis.deals.values())}}


def history_rows(uis: Uis) -> list[dict[str, Any]]:
    return [row for deal in uis.deals.values() if deal.busy_until <= uis.clock() for row in deal.history]


def _add(uis: Uis, deal: Deal, item: dict[str, Any], path: str) -> None:
    stages = _check_deal(uis, deal, item, path)
    last = deal.history[-1] if deal.history else None
    row = {
        "tag_ext_ids": [], "contact_ext_ids": [], "is_generated": False,
        **{name: value for name, value in item.items() if value is not None and name not in ("tags", "user_fields")},
    }  # fmt: skip
    row["tag_ext_ids"] = [tag["ext_id"] for tag in item.get("tags") or []]
    row["modified_date_time"] = item.get("modified_date_time") or uis.wall(uis.clock())
    row["user_fields"] = item.get("user_fields") or []
    for skipped in _skipped(stages, last, row):
        deal.history.append({**row, "stage_ext_id": skipped, "is_generated": True})
    deal.history.append(row)
    if last is None or _moved(last, row):
        deal.link = _link(uis, row)


def _check_deal(uis: Uis, deal: Deal, item: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    funnel = _funnel(uis, item["sales_funnel_ext_id"], f"{path}sales_funnel_ext_id")
    stages = {row["stage_ext_id"]: row for row in funnel["stages"]}
    if item["stage_ext_id"] not in stages:
        raise Refused("entity_not_found", field=f"{path}stage_ext_id", value=item["stage_ext_id"])
    _check_times(uis, deal, item, path)
    _check_people(uis, item, path)
    check_fields(uis, "deal", item.get("user_fields") or [], path)
    last = deal.history[-1] if deal.history else None
    before = stages.get(last["stage_ext_id"]) if last else None
    closed = before is not None and before["stage_status"] != "in_process"
    if uis.switches.reopen == "refuse" and closed and before and before["stage_ext_id"] != item["stage_ext_id"]:
        raise Refused("invalid_parameters_combination", field=f"{path}stage_ext_id")
    return stages


def _check_times(uis: Uis, deal: Deal, item: dict[str, Any], path: str) -> None:
    created, stage = uis.moment(item["created_date_time"]), uis.moment(item["modified_stage_date_time"])
    if created > uis.whole_now():
        raise Refused("invalid_date_time", field=f"{path}created_date_time", value=item["created_date_time"])
    last = uis.moment(deal.history[-1]["modified_stage_date_time"]) if deal.history else created
    if stage < max(created, last):
        raise Refused(
            "invalid_date_time", field=f"{path}modified_stage_date_time", value=item["modified_stage_date_time"]
        )
    closed = item.get("closed_date_time")
    if closed and uis.moment(closed) < created:
        raise Refused("invalid_date_time", field=f"{path}closed_date_time", value=closed)


def _check_people(uis: Uis, item: dict[str, Any], path: str) -> None:
    contacts, main = item.get("contact_ext_ids") or [], item.get("main_contact_ext_id")
    if bool(contacts) != bool(main):
        raise Refused("invalid_parameters_combination", field=f"{path}main_contact_ext_id")
    if main and main not in contacts:
        raise Refused("invalid_parameter_value", field=f"{path}main_contact_ext_id", value=main)
    for contact in contacts:
        if contact not in uis.contacts:
            raise Refused("entity_not_found", field=f"{path}contact_ext_ids", value=contact)
    number, kind = item.get("communication_id"), item.get("communication_type")
    if (number is None) != (kind is None):
        raise Refused("invalid_parameters_combination", field=f"{path}communication_id")
    if number is not None and all((one.id, one.type) != (number, kind) for one in uis.communications):
        raise Refused("entity_not_found", field=f"{path}communication_id", value=number)
    if item.get("employee_ext_id") and item["employee_ext_id"] not in uis.employees:
        raise Refused("entity_not_found", field=f"{path}employee_ext_id", value=item["employee_ext_id"])


def _skipped(stages: dict[str, dict[str, Any]], last: dict[str, Any] | None, row: dict[str, Any]) -> list[str]:
    """Stages between the last and this one. A failure skips nothing: a deal may fail from anywhere (inferred)."""
    target = stages[row["stage_ext_id"]]
    if target["stage_status"] == "failed":
        return []
    known = stages.get(last["stage_ext_id"]) if last else None
    since = known["stage_order"] if known else 0
    return [one["stage_ext_id"] for one in stages.values() if since < one["stage_order"] < target["stage_order"]]


def _moved(last: dict[str, Any], row: dict[str, Any]) -> bool:
    """Contacts and communication of a deal change only with a later time."""
    return any(row[name] > last[name] for name in ("modified_stage_date_time", "modified_date_time"))


def _link(uis: Uis, row: dict[str, Any]) -> tuple[int, str] | None:
    """The explicit communication, else the last one of the contacts; none older than 30 days before the deal."""
    created = uis.moment(row["created_date_time"])
    named = row.get("communication_id")
    if named is not None:
        found = [one for one in uis.communications if one.id == named]
    else:
        contacts = [uis.contacts[ext_id] for ext_id in row["contact_ext_ids"]]
        phones = {phone.lstrip("+") for contact in contacts for phone in contact["phone_numbers"]}
        emails = {email for contact in contacts for email in contact["emails"]}
        found = [one for one in uis.communications if one.phones & phones or one.emails & emails]
    fit = [one for one in found if _within(created, one.at)]
    last = max(fit, key=lambda one: one.at, default=None)
    return (last.id, last.type) if last else None


def _within(created: datetime, at: datetime) -> bool:
    return at <= created + timedelta(seconds=1) and created - at <= days(30)
