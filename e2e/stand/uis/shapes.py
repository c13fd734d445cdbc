"""What each method may be given: types, what is required, how many. Anything else is refused, as the vendor does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from e2e.stand.uis.state import Refused


@dataclass(frozen=True)
class Par:
    type: str  # string, number, boolean, iso8601, array, object
    required: bool = False
    of: dict[str, Par] | str | None = None  # of an array: objects of this shape, or scalars of this type
    choices: tuple[Any, ...] = ()
    most: int = 0
    least: int = 0


TEXT, NUMBER, FLAG, TIME = Par("string"), Par("number"), Par("boolean"), Par("iso8601")
TEXT_R, NUMBER_R, FLAG_R, TIME_R = (Par(one.type, required=True) for one in (TEXT, NUMBER, FLAG, TIME))
COMMON = {"access_token": TEXT_R, "user_id": NUMBER}
GET = {
    "limit": NUMBER,
    "offset": NUMBER,
    "filter": Par("object"),
    "sort": Par("array"),
    "fields": Par("array", of="string"),
}
DATES = {"date_from": TIME_R, "date_till": TIME_R}
NAMED = {"ext_id": TEXT_R, "name": TEXT_R}
TYPED = {**NAMED, "data_type": Par("string", required=True, choices=("numeric", "string"))}
VALUES = Par("array", of={"ext_id": TEXT_R, "value": Par("any", required=True)})

MESSAGE = {
    "date_time": TIME_R, "name": TEXT, "phone": TEXT, "email": TEXT, "message": TEXT, "visitor_session_id": NUMBER,
    "campaign_id": NUMBER, "source_id": NUMBER, "site_id": NUMBER, "form_name": TEXT, "ext_id": TEXT, "user_fields": VALUES,
}  # fmt: skip
SESSION = {
    "ext_id": TEXT_R, "site_id": NUMBER_R, "date_time": TIME_R, "visitor_id": NUMBER, "is_visitor_new": FLAG_R,
    "duration": NUMBER, "visitor_ip_address": TEXT_R, "campaign_id": NUMBER,
    "visitor_device": Par("string", choices=("desktop", "mobile", "tablet", "other")),
    **dict.fromkeys(
        (
            "visitor_browser_name", "visitor_browser_version", "visitor_os_name", "visitor_os_version", "visitor_screen",
            "visitor_language", "search_engine", "search_query", "ua_client_id", "ym_client_id", "referrer", "utm_source",
            "utm_medium", "utm_term", "utm_content", "utm_campaign", "utm_referrer", "utm_expid", "openstat_ad",
            "openstat_campaign", "openstat_service", "openstat_source", "gclid", "yclid", "ymclid", "ef_id", "tag_from",
            "cm_id", "entrance_page_url", "entrance_page_title",
        ),
        TEXT,
    ),
    "adv_system": Par("number", choices=tuple(range(1, 9))),
}  # fmt: skip
STAGE = {"ext_id": TEXT_R, "name": TEXT_R}
FUNNEL = {
    **NAMED,
    "stages": Par("object", required=True, of={
        "success": Par("object", required=True, of=STAGE), "failed": Par("object", required=True, of=STAGE),
        "in_process": Par("array", required=True, of={**STAGE, "order": NUMBER_R}, most=100, least=1),
    }),
}  # fmt: skip
CONTACT = {
    **NAMED, "created_date_time": TIME, "phone_numbers": Par("array", of="string"), "emails": Par("array", of="string"),
}  # fmt: skip
DEAL = {
    **NAMED, "created_date_time": TIME_R, "modified_date_time": TIME, "modified_stage_date_time": TIME_R,
    "closed_date_time": TIME, "contact_ext_ids": Par("array", of="string"), "main_contact_ext_id": TEXT,
    "employee_ext_id": TEXT, "lead_ext_id": TEXT, "company_ext_id": TEXT, "revenue": NUMBER,
    "sales_funnel_ext_id": TEXT_R, "stage_ext_id": TEXT_R, "comments": TEXT, "source": TEXT, "communication_id": NUMBER,
    "communication_type": Par("string", choices=("chat", "offline_message", "call", "goal", "email")),
    "user_fields": VALUES, "tags": Par("array", of=STAGE), "child_customer_id": NUMBER,
}  # fmt: skip


def check(value: dict[str, Any], shape: dict[str, Par], *, indexed: bool, path: str = "") -> None:
    """Raises `Refused` with the dotted field for the first thing that is wrong."""
    for name in value:
        if name not in shape:
            raise Refused("unexpected_parameters", field=f"{path}{name}")
    for name, par in shape.items():
        given = value.get(name)
        if given is None:
            if par.required:
                raise Refused("required_parameter_missed", field=f"{path}{name}")
            continue
        _check_one(given, par, f"{path}{name}", indexed)


def _check_one(given: Any, par: Par, path: str, indexed: bool) -> None:
    if not _TYPES[par.type](given):
        raise Refused("data_type_error", field=path, value=given)
    if par.type == "iso8601":
        _check_time(given, path)
    if par.choices and given not in par.choices:
        raise Refused("invalid_parameter_value", field=path, value=given)
    if par.type == "string" and par.required and not given.strip():
        raise Refused("invalid_parameter_value", field=path, value=given)
    if par.type == "object" and isinstance(par.of, dict):
        check(given, par.of, indexed=indexed, path=f"{path}.")
    if par.type == "array":
        _check_items(given, par, path, indexed)


def _check_items(given: list[Any], par: Par, path: str, indexed: bool) -> None:
    if len(given) < par.least:
        raise Refused("invalid_parameter_value", field=path)
    if par.most and len(given) > par.most:
        raise Refused("data_limit_exceeded", field=path, params={"limit": par.most})
    for number, item in enumerate(given):
        here = f"{path}.{number}" if indexed else path
        if isinstance(par.of, dict):
            if not isinstance(item, dict):
                raise Refused("data_type_error", field=here)
            check(item, par.of, indexed=indexed, path=f"{here}.")
        elif isinstance(par.of, str) and not _TYPES[par.of](item):
            raise Refused("data_type_error", field=here)


def _check_time(given: str, path: str) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", given, re.ASCII):
        raise Refused("invalid_parameter_value", field=path, value=given)
    try:
        datetime.fromisoformat(given)
    except ValueError:
        raise Refused("invalid_date_time", field=path, value=given) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: dict[str, Any] = {
    "string": lambda value: isinstance(value, str), "iso8601": lambda value: isinstance(value, str), "number": _is_number,
    "boolean": lambda value: isinstance(value, bool), "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict), "any": lambda value: isinstance(value, str) or _is_number(value),
}  # fmt: skip
