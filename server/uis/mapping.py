"""Our data → the vendor's parameters, and its rows → our data. Vendor words end here. Pure.

A row that is not what the papers say gives what of it is sound, or nothing: never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from server.uis.model import (
    MARKS,
    NO_CAMPAIGN,
    Account,
    Campaign,
    Communication,
    CommunicationType,
    Contact,
    DealStep,
    Employee,
    FieldDefinition,
    FieldValue,
    Funnel,
    InSession,
    LoadedRequest,
    LoadedStep,
    Named,
    OfflineRequest,
    Options,
    Owner,
    Plan,
    SessionUpload,
    Site,
    Source,
    Stage,
)

REQUEST_COLUMNS = (
    "id", "date_time", "ext_id", "communication_id", "visitor_session_id", "campaign_id", "site_id", "source_id",
    "form_type", "form_name",
)  # fmt: skip
SITE_COLUMNS = ("id", "name", "domain_name")
CAMPAIGN_COLUMNS = ("id", "name", "status", "site_id")
SOURCE_COLUMNS = ("id", "name", "channel_name", "state")
NUMBER_COLUMNS = ("id", "virtual_phone_number", "status")
SCENARIO_COLUMNS = ("id", "name")
TAG_COLUMNS = ("id", "name", "state")


_THEIR_TYPES: dict[CommunicationType, str] = {
    "chat": "chat", "request": "offline_message", "call": "call", "goal": "goal", "email": "email",
}  # fmt: skip
OWNERS: dict[Owner, str] = {"deal": "deal", "request": "offline_message"}


# --- what we send


def request_params(request: OfflineRequest, zone: ZoneInfo, options: Options) -> dict[str, Any]:
    origin: dict[str, Any]
    if isinstance(request.origin, InSession):
        origin = {"visitor_session_id": request.origin.session_id}
    else:
        campaign = request.origin.campaign_id
        if campaign == NO_CAMPAIGN and not options.send_no_campaign:
            campaign = None
        origin = {"campaign_id": campaign, "source_id": request.origin.source_id, "site_id": request.origin.site_id}
    return _filled({
        "date_time": wall_time(request.at, zone), "name": _clean(request.name),
        "phone": _phone(request.phone, options), "email": _clean(request.email), "message": _clean(request.message),
        **origin, "form_name": _clean(request.form_name), "ext_id": request.ext_id,
        "user_fields": _fields(request.fields),
    })  # fmt: skip


def session_params(session: SessionUpload, zone: ZoneInfo) -> dict[str, Any]:
    marks = {name: _clean(value) for name, value in session.marks if name in MARKS}
    return _filled({
        "ext_id": session.ext_id, "site_id": session.site_id, "date_time": wall_time(session.at, zone),
        "is_visitor_new": session.visitor_is_new, "visitor_ip_address": session.visitor_ip,
        "visitor_id": session.visitor_id, "duration": session.duration_s, "campaign_id": session.campaign_id,
        "visitor_device": session.device, "referrer": _clean(session.referrer),
        "entrance_page_url": _clean(session.entrance_url), "entrance_page_title": _clean(session.entrance_title), **marks,
    })  # fmt: skip


def funnel_params(funnel: Funnel) -> dict[str, Any]:
    return {
        "ext_id": funnel.ext_id, "name": _clean(funnel.name),
        "stages": {
            "success": {"ext_id": funnel.success.ext_id, "name": _clean(funnel.success.name)},
            "failed": {"ext_id": funnel.failed.ext_id, "name": _clean(funnel.failed.name)},
            "in_process": [
                {"ext_id": stage.ext_id, "name": _clean(stage.name), "order": stage.order} for stage in funnel.on_the_way
            ],
        },
    }  # fmt: skip


def contact_params(contact: Contact, zone: ZoneInfo, options: Options, *, whole: bool = False) -> dict[str, Any]:
    """`whole` sends empty lists too: an update replaces a list as a whole."""
    params = _filled({
        "ext_id": contact.ext_id, "name": _clean(contact.name),
        "created_date_time": wall_time(contact.created_at, zone) if contact.created_at else None,
        "phone_numbers": _unique(_phone(phone, options) for phone in contact.phones),
        "emails": _unique(_clean(email) for email in contact.emails),
    })  # fmt: skip
    return {"phone_numbers": [], "emails": [], **params} if whole else params


def deal_params(step: DealStep, zone: ZoneInfo) -> dict[str, Any]:
    named = step.communication
    return _filled({
        "ext_id": step.ext_id, "name": _clean(step.name), "created_date_time": wall_time(step.created_at, zone),
        "modified_date_time": wall_time(step.changed_at, zone) if step.changed_at else None,
        "modified_stage_date_time": wall_time(step.stage_at, zone),
        "closed_date_time": wall_time(step.closed_at, zone) if step.closed_at else None,
        "contact_ext_ids": list(step.contacts), "main_contact_ext_id": step.main_contact,
        "employee_ext_id": step.employee, "revenue": None if step.revenue is None else _number(step.revenue),
        "sales_funnel_ext_id": step.funnel, "stage_ext_id": step.stage, "comments": _clean(step.comments),
        "source": _clean(step.source), "communication_id": named.id if named else None,
        "communication_type": _THEIR_TYPES[named.type] if named else None, "user_fields": _fields(step.fields),
        "tags": [{"ext_id": tag.ext_id, "name": _clean(tag.name)} for tag in step.tags],
    })  # fmt: skip


def wall_time(moment: datetime, zone: ZoneInfo) -> str:
    """`YYYY-MM-DD hh:mm:ss` on the clock of the account; the fraction falls away, so "now" is never the future."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def any_of(field: str, values: Sequence[str | int]) -> dict[str, Any]:
    """A filter for any of the values. A tree of "=" works in every method; `in` does not everywhere."""
    leaves = [{"field": field, "operator": "=", "value": value} for value in values]
    return leaves[0] if len(leaves) == 1 else {"filters": leaves, "condition": "or"}


def _filled(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None and value not in ("", [])}


def _clean(text: str) -> str:
    """Without what JSON or the vendor's database cannot hold: NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _phone(phone: str, options: Options) -> str:
    digits = "".join(sign for sign in phone if sign.isascii() and sign.isdigit())
    return f"+{digits}" if digits and options.phone_with_plus else digits


def _unique(values: Any) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _fields(fields: tuple[FieldValue, ...]) -> list[dict[str, str]]:
    return [{"ext_id": one.ext_id, "value": _clean(one.value)} for one in fields if _clean(one.value)]


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(round(value, 2))


# --- what comes back


def account_of(row: Mapping[str, Any]) -> Account:
    return Account(_int(row.get("app_id")), _str(row.get("name")), _str(row.get("timezone")))


def plan_of(row: Mapping[str, Any]) -> Plan:
    components = row.get("components")
    return Plan(
        _int(row.get("customer_id")), _int(row.get("user_id")), _str(row.get("tp_name")), row.get("app_state") == "active",
        _str(row.get("timezone")), frozenset(filter(None, map(_str, components if isinstance(components, list) else []))),
    )  # fmt: skip


def site_of(row: Mapping[str, Any]) -> Site | None:
    number = _int(row.get("id"))
    if number is None:
        return None
    domain = _str(row.get("domain_name"))
    return Site(number, _str(row.get("name")) or domain, domain)


def campaign_of(row: Mapping[str, Any]) -> Campaign | None:
    number = _int(row.get("id"))
    if number is None:
        return None
    return Campaign(number, _str(row.get("name")), row.get("status") == "active", _int(row.get("site_id")))


def source_of(row: Mapping[str, Any]) -> Source | None:
    number = _int(row.get("id"))
    if number is None:
        return None
    return Source(
        number, _str(row.get("name")), _str(row.get("channel_name")), row.get("state") in (None, "", "active")
    )


def number_of(row: Mapping[str, Any]) -> Named | None:
    return _named(row, row.get("virtual_phone_number"), row.get("status"))


def named_of(row: Mapping[str, Any]) -> Named | None:
    """A scenario or a tag."""
    return _named(row, row.get("name"), row.get("state"))


def _named(row: Mapping[str, Any], name: Any, state: Any) -> Named | None:
    number, shown = _int(row.get("id")), _str(name)
    return Named(number, shown, state in (None, "", "active", "enabled")) if number is not None and shown else None


def loaded_request_of(row: Mapping[str, Any], zone: ZoneInfo) -> LoadedRequest | None:
    number = _int(row.get("id"))
    if number is None:
        return None
    return LoadedRequest(
        number, _str(row.get("ext_id")), moment_of(row.get("date_time"), zone), _int(row.get("communication_id")),
        _int(row.get("visitor_session_id")), _int(row.get("campaign_id")), _int(row.get("site_id")),
        _int(row.get("source_id")), _str(row.get("form_type")).lower() == "dataapi", _str(row.get("form_name")),
    )  # fmt: skip


def field_of(row: Mapping[str, Any]) -> FieldDefinition | None:
    ext_id = _str(row.get("ext_id"))
    kind = row.get("data_type")
    return (
        FieldDefinition(ext_id, _str(row.get("name")), "numeric" if kind == "numeric" else "string") if ext_id else None
    )


def funnel_of(row: Mapping[str, Any]) -> Funnel | None:
    """None when a success or a failure is missing: such a funnel cannot hold deals."""
    ext_id, rows = _str(row.get("ext_id")), row.get("stages")
    stages = [stage for one in (rows if isinstance(rows, list) else []) if (stage := _stage(one))]
    success = next((stage for stage in stages if stage.status == "success"), None)
    failed = next((stage for stage in stages if stage.status == "failed"), None)
    if not ext_id or success is None or failed is None:
        return None
    way = sorted((stage for stage in stages if stage.status == "in_process"), key=lambda stage: stage.order)
    return Funnel(ext_id, _str(row.get("name")), tuple(way), success, failed)


def _stage(row: Any) -> Stage | None:
    if not isinstance(row, Mapping) or not _str(row.get("stage_ext_id")):
        return None
    status = row.get("stage_status")
    if status not in ("in_process", "success", "failed"):
        return None
    return Stage(_str(row.get("stage_ext_id")), _str(row.get("stage_name")), _int(row.get("stage_order")) or 0, status)


def contact_of(row: Mapping[str, Any], zone: ZoneInfo) -> Contact | None:
    ext_id = _str(row.get("ext_id"))
    if not ext_id:
        return None
    phones = tuple("+" + phone.lstrip("+") for phone in _strings(row.get("phone_numbers")))
    created_at = moment_of(row.get("created_date_time"), zone)
    return Contact(ext_id, _str(row.get("name")), created_at, phones, _strings(row.get("emails")))


def employee_of(row: Mapping[str, Any]) -> Employee | None:
    ext_id = _str(row.get("ext_id"))
    return Employee(ext_id, _str(row.get("name"))) if ext_id else None


def loaded_step_of(row: Mapping[str, Any], zone: ZoneInfo) -> LoadedStep | None:
    ext_id = _str(row.get("ext_id"))
    if not ext_id:
        return None
    return LoadedStep(
        ext_id, _str(row.get("name")), moment_of(row.get("created_date_time"), zone),
        moment_of(row.get("modified_stage_date_time"), zone), moment_of(row.get("closed_date_time"), zone),
        _str(row.get("sales_funnel_ext_id")), _str(row.get("stage_ext_id")), _decimal(row.get("revenue")),
        row.get("is_generated") is True, _communication(row), _strings(row.get("contact_ext_ids")),
        _str(row.get("employee_ext_id")),
    )  # fmt: skip


def moment_of(value: Any, zone: ZoneInfo) -> datetime | None:
    """A wall-clock time of the account; a text with its own offset keeps it (`2022-10-19T23:12:09+03:00` is seen)."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip()[:40])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _communication(row: Mapping[str, Any]) -> Communication | None:
    number, kind = _int(row.get("communication_id")), row.get("communication_type")
    known = next((ours for ours, theirs in _THEIR_TYPES.items() if theirs == kind), None)
    return Communication(number, known) if number is not None and known else None


def _int(value: Any) -> int | None:
    """A whole number, negative ones too (system sources, campaign -1); digits in a text count."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1 << 53 else None
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        value = int(value) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    return value if isinstance(value, int) and abs(value) < 1 << 63 else None


def _str(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    return _clean(value) if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(filter(None, map(_str, value))) if isinstance(value, list) else ()


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
