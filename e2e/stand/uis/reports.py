"""Rows of the reports and directories about calls, chats and those who talk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from e2e.stand.uis.marks import put_tag, tag_of
from e2e.stand.uis.state import Refused, Uis
from e2e.stand.uis.talks import Chat
from e2e.stand.uis.telephone import Call, Leg, record_time
from e2e.stand.uis.things import tagged


def calls(uis: Uis, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Ended calls, and those that go on where they are asked for."""
    late = uis.clock() - timedelta(seconds=uis.switches.calls_delay_s)
    ongoing = params.get("include_ongoing_calls", False)
    return [_call(uis, one) for one in uis.calls.values() if (one.ended <= late if one.ended else ongoing)]


def _call(uis: Uis, one: Call) -> dict[str, Any]:
    answered = [leg for leg in one.legs if leg.connected and leg.employee]
    whole = f"{uis.switches.media_origin or uis.origin}/media/{one.id}/{one.records[0]}" if one.records else None
    return {
        "id": one.id, "start_time": uis.wall(one.at), "finish_time": uis.wall(record_time(one)) if one.ended else None,
        "finish_reason": one.finish_reason, "direction": one.direction, "source": one.source, "is_lost": one.lost,
        "communication_id": one.id, "communication_type": "call", "communication_number": one.number,
        "contact_phone_number": one.contact, "virtual_phone_number": one.virtual, "wait_duration": one.wait_s,
        "total_wait_duration": one.wait_s, "talk_duration": one.talk_s, "clean_talk_duration": one.talk_s,
        "total_duration": one.total_s, "postprocess_duration": 0, "call_records": list(one.records),
        "wav_call_records": list(one.records), "full_record_file_link": whole, "voice_mail_records": list(one.voice_mails),
        "is_transfer": one.transfer, "tags": list(one.tags), "scenario_id": one.scenario["id"], "scenario_name": one.scenario["name"],
        "call_api_external_id": one.external_id, "source_id": one.source_id, "visitor_session_id": one.session_id,
        "employees": [_employee(leg) for leg in one.legs if leg.employee], "attributes": ["lost"] if one.lost else [],
        **_person("first_answered", answered[:1]), **_person("last_answered", answered[-1:]),
        **_person("first_talked", one.talked[:1]), **_person("last_talked", one.talked[-1:]), **_web(uis, one.site_id, one.campaign_id),
    }  # fmt: skip


def _employee(leg: Leg) -> dict[str, Any]:
    assert leg.employee is not None
    return {
        "employee_id": leg.employee["id"], "employee_full_name": leg.employee["full_name"], "is_answered": leg.connected is not None,
        "is_talked": leg.talk_s > 0,
    }  # fmt: skip


def _person(which: str, legs: list[Leg]) -> dict[str, Any]:
    person = (legs[0].employee if legs else None) or {}
    return {f"{which}_employee_id": person.get("id"), f"{which}_employee_full_name": person.get("full_name")}


def _web(uis: Uis, site_id: int | None, campaign_id: int | None) -> dict[str, Any]:
    site = next((one for one in uis.sites if one["id"] == site_id), {})
    campaign = next((one for one in uis.campaigns if one["id"] == campaign_id), {})
    return {
        "site_id": site_id, "site_domain_name": site.get("domain_name"), "campaign_id": campaign_id, "campaign_name": campaign.get("name"),
    }  # fmt: skip


def legs(uis: Uis, _: dict[str, Any]) -> list[dict[str, Any]]:
    return [_leg(uis, call, leg) for call in uis.calls.values() for leg in call.legs if leg.ended]


def _leg(uis: Uis, call: Call, leg: Leg) -> dict[str, Any]:
    person = leg.employee or {}
    return {
        "id": leg.id, "call_session_id": call.id, "call_records": list(call.records) if leg.talk_s else [],
        "wav_call_records": list(call.records) if leg.talk_s else [], "start_time": uis.wall(leg.at), "connect_time": uis.wall(leg.connected),
        "duration": leg.talk_s, "total_duration": leg.talk_s, "finish_reason": call.finish_reason, "virtual_phone_number": call.virtual,
        "calling_phone_number": call.contact if call.direction == "in" else leg.phone,
        "called_phone_number": leg.phone if call.direction == "in" else call.contact, "direction": call.direction,
        "is_transfered": call.transfer, "is_operator": True, "employee_id": person.get("id"), "employee_full_name": person.get("full_name"),
        "employee_phone_number": person.get("phone"), "scenario_id": call.scenario["id"], "scenario_name": call.scenario["name"],
        "is_coach": False, "is_failed": leg.connected is None, "is_talked": leg.talk_s > 0, "contact_phone_number": call.contact,
    }  # fmt: skip


def chats(uis: Uis, _: dict[str, Any]) -> list[dict[str, Any]]:
    return [_chat(uis, one) for one in uis.chats.values()]


def _chat(uis: Uis, one: Chat) -> dict[str, Any]:
    phones = uis.visitors[one.visitor_id]["phones"]
    lasted = int(((one.ended or uis.clock()) - one.at).total_seconds())
    phone = phones[0].lstrip("+") if phones else None
    return {
        "id": one.id, "status": one.status, "initiator": one.initiator, "date_time": uis.wall(one.at), "duration": str(lasted),
        "answer_time": 2 if one.employee else None, "communication_id": one.communication_id, "communication_type": "chat",
        "chat_ad_url": None, "chat_channel_id": one.channel_id, "chat_channel_type": one.channel,
        "messages_count": len(one.messages), "is_group_chat": False, "is_transfer": False, "release_cause": one.release_cause,
        "employee_id": one.employee["id"] if one.employee else None,
        "employee_full_name": one.employee["full_name"] if one.employee else None, "tags": list(one.tags),
        "visitor_phone_number": int(phone) if phone and phone.isdigit() and uis.switches.phone_as_number else phone,
        "visitor_id": one.visitor_id, "visitor_ids": [one.visitor_id], "visitor_session_id": one.session_id,
        **_web(uis, one.site_id, one.campaign_id),
    }  # fmt: skip


def messages(uis: Uis, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Of one chat, of some, or of a time no longer than 30 days. Raises `Refused`."""
    since, till, wanted = params.get("date_from"), params.get("date_till"), params.get("chat_ids")
    if params.get("chat_id") is not None:
        wanted = [params["chat_id"]]
    if wanted is None and (since is None or till is None):
        raise Refused("required_parameter_missed", field="chat_id" if since is None and till is None else "date_till")
    if since is not None and till is not None and uis.moment(till) - uis.moment(since) > timedelta(days=30):
        raise Refused("date_interval_limit_reached", field="date_till")
    found = [one for chat in uis.chats.values() if wanted is None or chat.id in wanted for one in chat.messages]
    return [one for one in found if (since or "") <= one["date_time"] <= (till or "9999")]


def visitors(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    return {"data": [uis.visitors[number] for number in params["ids"] if number in uis.visitors]}


def employees(uis: Uis) -> list[dict[str, Any]]:
    return [
        {
            "id": one["id"], "full_name": one["full_name"], "last_name": one["full_name"].split()[-1], "first_name": one["full_name"].split()[0],
            "email": one["email"], "status": "available", "calls_available": True, "call_recording": "all", "groups": [],
            "phone_numbers": [{"phone_id": one["id"] + 1, "phone_number": one["phone"], "channels_count": 1, "dial_time": 60, "status": "active"}],
            "extension": {"extension_phone_number": one["extension"]}, "operator": {},
        }
        for one in uis.staff
    ]  # fmt: skip


def scenarios(uis: Uis) -> list[dict[str, Any]]:
    return [
        {
            **one, "sites": [], "campaigns": [],
            "virtual_phone_numbers": [
                line["virtual_phone_number"] for line in uis.numbers if any(item["scenario_id"] == one["id"] for item in line["scenarios"])
            ],
        }
        for one in uis.scenarios
    ]  # fmt: skip


def channels(_: Uis) -> list[dict[str, Any]]:
    return [{"id": 1, "name": "Чат на сайте", "type": "comagic", "status": "active"}]


# --- tags and comments


def create_tag(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    """The id stands in `result` itself, as nowhere else."""
    if any(one["name"] == params["name"] for one in uis.tags):
        raise Refused("duplicate_entity", field="name", value=params["name"])
    made = {
        "id": uis.new_id(),
        "name": params["name"],
        "is_system": False,
        "is_auto": False,
        "state": "enabled",
        "rating": 0,
        "color": "#EBEBEB",
    }
    uis.tags.append(made)
    return {"id": made["id"]}


def mark(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    _mark(uis, params, unset=False)
    return {}


def unmark(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    _mark(uis, params, unset=True)
    return {}


def mark_many(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    for item in params["items"]:
        _mark(uis, item, unset=False)
    return {"success": "true"}


def _mark(uis: Uis, params: dict[str, Any], *, unset: bool) -> None:
    number = params.get("communication_id")
    if number is None:
        raise Refused("required_parameter_missed", field="communication_id")
    try:
        tag_of(uis, params["tag_id"])
    except KeyError:
        raise Refused("entity_not_found", field="tag_id", value=params["tag_id"]) from None
    tags, about = tagged(uis, params["communication_type"], number)
    put_tag(uis, params["communication_type"], tags, about, params["tag_id"], unset=unset)


def comment(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    uis.comments.append(dict(params))
    return {"success": "true"}
