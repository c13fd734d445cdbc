"""Offline requests and sessions as they are loaded: the rules of the vendor's two pages, row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from e2e.stand.uis.state import Communication, Refused, Session, Uis, days
from e2e.stand.uis.talks import message_variables

_PHONE = {"both": r"\+?[1-9]\d{7,14}", "digits": r"[1-9]\d{7,14}", "plus": r"\+[1-9]\d{7,14}"}


def upload_messages(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    """One bad row of many: what becomes of the others is a switch."""
    mode, loaded, first = uis.switches.one_bad_row, [], None
    found: list[tuple[dict[str, Any], Session | None]] = []
    for number, item in enumerate(params["offline_messages"]):
        try:
            found.append((item, _check_message(uis, item, _path(uis, "offline_messages", number))))
        except Refused as refused:
            if mode == "all":
                raise
            first = first or refused
    for item, session in found:
        loaded.append({"id": _load(uis, item, session)})
    if first is not None and (mode == "partial" or not loaded):
        raise first
    return {"data": loaded[::-1] if uis.switches.answer_order == "reversed" else loaded}


def delete_message(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    row = uis.messages.get(params["id"])
    if row is None:
        raise Refused("entity_not_found", field="id", value=params["id"])
    if row["form_type"] != "DataAPI":
        raise Refused("forbidden", field="id", code=-32602)
    del uis.messages[params["id"]]
    uis.communications = [one for one in uis.communications if one.id != row["communication_id"]]
    return {"success": "true"}


def upload_sessions(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    for number, item in enumerate(params["sessions"]):
        _check_session(uis, item, _path(uis, "sessions", number))
    answer = []
    for item in params["sessions"]:
        known = next((one for one in uis.sessions.values() if one.ext_id == item["ext_id"]), None)
        if known is None:
            known = Session(
                uis.new_id(), item["site_id"], uis.moment(item["date_time"]), item.get("campaign_id", -1), item["ext_id"],
                uis.clock() + timedelta(seconds=uis.switches.session_delay_s), None,
                {name: value for name, value in item.items() if name.startswith(("utm_", "openstat_")) or name in _MARKS},
            )  # fmt: skip
            uis.sessions[known.id] = known
        elif uis.switches.session_twice == "dropped":
            continue
        answer.append({"ext_id": known.ext_id, "session_id": known.id})
    return {"data": answer}


def session_rows(uis: Uis) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id, "date_time": uis.wall(one.at), "campaign_id": one.campaign_id, "site_id": one.site_id,
            "ext_id": one.ext_id or None, "source_id": one.source_id, **one.marks,
        }
        for one in uis.sessions.values()
        if one.shown_from <= uis.clock()
    ]  # fmt: skip


_MARKS = ("gclid", "yclid", "ymclid", "ef_id", "cm_id", "referrer", "search_engine", "search_query")


def check_fields(uis: Uis, owner: str, given: list[dict[str, Any]], path: str) -> None:
    for one in given:
        known = uis.user_fields[owner].get(one["ext_id"])
        if known is None:
            raise Refused("entity_not_found", field=f"{path}user_fields.ext_id", value=one["ext_id"])
        if known["data_type"] == "numeric" and not re.fullmatch(r"-?\d+(\.\d+)?", str(one["value"]), re.ASCII):
            raise Refused("data_type_error", field=f"{path}user_fields.value", value=one["value"])


def _path(uis: Uis, name: str, number: int) -> str:
    return f"{name}.{number}." if uis.switches.field_index else f"{name}."


def _check_message(uis: Uis, item: dict[str, Any], path: str) -> Session | None:
    """The session it names, if any. Raises `Refused`."""
    phone, email, at = item.get("phone"), item.get("email"), uis.moment(item["date_time"])
    if not phone and not email:
        raise Refused("required_parameter_missed", field=f"{path}phone")
    if phone and not re.fullmatch(_PHONE[uis.switches.phone_form], phone, re.ASCII):
        raise Refused("invalid_parameter_value", field=f"{path}phone", value=phone)
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise Refused("invalid_parameter_value", field=f"{path}email", value=email)
    if at > uis.whole_now():
        raise Refused("invalid_date_time", field=f"{path}date_time", value=item["date_time"])
    if all(item.get(name) is None for name in ("visitor_session_id", "campaign_id", "site_id")):
        raise Refused("required_parameter_missed", field=f"{path}visitor_session_id")
    session = _check_its_session(uis, item, path)
    campaign = _check_campaign(uis, item, path)
    _check_agreement(uis, item, session, campaign, path)
    source = next((one for one in uis.sources if one["id"] == item.get("source_id")), None)
    if item.get("source_id") is not None and (source is None or source["state"] == "removed"):
        raise Refused("entity_not_found", field=f"{path}source_id", value=item["source_id"])
    check_fields(uis, "offline_message", item.get("user_fields") or [], path)
    if item.get("ext_id") and uis.switches.ext_id_twice == "refuse" and _by_ext_id(uis, item["ext_id"]):
        raise Refused("duplicate_entity", field=f"{path}ext_id", value=item["ext_id"])
    return session


def _check_its_session(uis: Uis, item: dict[str, Any], path: str) -> Session | None:
    number = item.get("visitor_session_id")
    if number is None:
        return None
    session = uis.sessions.get(number)
    if session is None:
        raise Refused("entity_not_found", field=f"{path}visitor_session_id", value=number)
    at = uis.moment(item["date_time"])
    # "Later than the session's", in whole seconds; not more than 180 days after it.
    if at <= session.at.replace(microsecond=0) or at - session.at > days(180):
        raise Refused("invalid_date_time", field=f"{path}date_time", value=item["date_time"])
    return session


def _check_campaign(uis: Uis, item: dict[str, Any], path: str) -> dict[str, Any] | None:
    number = item.get("campaign_id")
    if number is None:
        return None
    if number == -1 and uis.switches.no_campaign == "refuse":
        raise Refused("invalid_parameter_value", field=f"{path}campaign_id", value=-1)
    campaign = next((one for one in uis.campaigns if one["id"] == number), None)
    if campaign is None:
        raise Refused("entity_not_found", field=f"{path}campaign_id", value=number)
    if campaign["status"] != "active":
        raise Refused("campaign_is_inactive", field=f"{path}campaign_id", value=number)
    if number == -1 and item.get("site_id") is None and item.get("visitor_session_id") is None:
        raise Refused("required_parameter_missed", field=f"{path}site_id")
    return campaign


def _check_agreement(
    uis: Uis, item: dict[str, Any], session: Session | None, campaign: dict[str, Any] | None, path: str
) -> None:
    site = item.get("site_id")
    if site is not None and all(one["id"] != site for one in uis.sites):
        raise Refused("entity_not_found", field=f"{path}site_id", value=site)
    sites = {site, session.site_id if session else None, campaign["site_id"] if campaign else None} - {None}
    other_campaign = session is not None and campaign is not None and session.campaign_id != campaign["id"]
    if len(sites) > 1 or other_campaign:
        raise Refused(uis.switches.inconsistent, field=f"{path}site_id")


def _by_ext_id(uis: Uis, ext_id: str) -> dict[str, Any] | None:
    return next((row for row in uis.messages.values() if row["ext_id"] == ext_id), None)


def _load(uis: Uis, item: dict[str, Any], session: Session | None) -> int:
    known = _by_ext_id(uis, item["ext_id"]) if item.get("ext_id") else None
    if known is not None and uis.switches.ext_id_twice == "same":
        return int(known["id"])
    campaign = next((one for one in uis.campaigns if one["id"] == item.get("campaign_id")), None)
    digits = (item.get("phone") or "").lstrip("+")
    row = {
        "id": uis.new_id(), "date_time": item["date_time"], "text": item.get("message"), "communication_id": uis.new_id(),
        "communication_type": "offline_message", "status": "not_processed", "form_type": "DataAPI",
        "form_name": item.get("form_name"), "ext_id": item.get("ext_id"), "visitor_name": item.get("name"),
        "visitor_phone_number": (int(digits) if uis.switches.phone_as_number else digits) if digits else None,
        "visitor_email": item.get("email"), "visitor_session_id": session.id if session else None,
        "site_id": session.site_id if session else item.get("site_id") or (campaign or {}).get("site_id"),
        "campaign_id": session.campaign_id if session else item.get("campaign_id", -1),
        "source_id": session.source_id if session else item.get("source_id"),
        "user_fields": item.get("user_fields") or [], **(session.marks if session else {}),
        "_shown_from": uis.clock() + timedelta(seconds=uis.switches.report_delay_s),
    }  # fmt: skip
    uis.messages[row["id"]] = row
    emails = frozenset({item["email"]} if item.get("email") else ())
    uis.communications.append(
        Communication(
            row["communication_id"], "offline_message", uis.moment(item["date_time"]),
            frozenset({digits} if digits else ()), emails,
        )
    )  # fmt: skip
    if uis.switches.uploads_told:
        uis.tell("offline_message", message_variables(uis, row))
    return int(row["id"])


def _check_session(uis: Uis, item: dict[str, Any], path: str) -> None:
    at = uis.moment(item["date_time"])
    if at > uis.whole_now() or at.year < 2011:
        raise Refused("invalid_date_time", field=f"{path}date_time", value=item["date_time"])
    if all(one["id"] != item["site_id"] for one in uis.sites):
        raise Refused("entity_not_found", field=f"{path}site_id", value=item["site_id"])
    if item.get("duration") is not None and (at + timedelta(seconds=item["duration"])).date() != at.date():
        raise Refused("invalid_parameter_value", field=f"{path}duration", value=item["duration"])
    if item.get("campaign_id") is not None and all(one["id"] != item["campaign_id"] for one in uis.campaigns):
        raise Refused("entity_not_found", field=f"{path}campaign_id", value=item["campaign_id"])
    _check(lambda: ip_address(item["visitor_ip_address"]), f"{path}visitor_ip_address", item["visitor_ip_address"])


def _check(parse: Callable[[], object], field: str, value: Any) -> None:
    try:
        parse()
    except ValueError:
        raise Refused("invalid_parameter_value", field=field, value=value) from None
