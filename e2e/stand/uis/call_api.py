"""The Call API of the simulated account: click-to-call, the calls that go on, and what may be done with them.

Its door is that of the Data API: keys, addresses, envelope, refusals; its points are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from e2e.stand.uis import shapes
from e2e.stand.uis.marks import put_tag, tag_of
from e2e.stand.uis.shapes import COMMON, FLAG, NUMBER, NUMBER_R, TEXT, TEXT_R, Par
from e2e.stand.uis.state import Refused, Uis
from e2e.stand.uis.telephone import Call, Leg, Player, variables

#: Mnemonics of the Call API alone. Of the codes only −32007 and −32002 are written down.
ERRORS: dict[str, tuple[int, str]] = {
    "call_session_not_found": (-32602, "Call session not found"),
    "virtual_phone_number_not_found": (-32007, "Virtual phone number not found"),
    "employee_not_found": (-32602, "Employee not found"),
    "no_active_phone_number": (-32602, "Employee has no active phone number"),
    "own_virtual_phone_number_not_allowed": (-32602, "Own virtual phone number is not allowed"),
    "contact_in_blacklist": (-32002, "Contact is in the blacklist"),
    "tag_not_found": (-32602, "Tag not found"),
    "duplicate_tag": (-32602, "Duplicate tag"),
    "component_disabled": (-32008, "Component is disabled"),
}

Handler = Callable[[Uis, Player, dict[str, Any]], Any]


@dataclass(frozen=True)
class Method:
    shape: dict[str, Par]
    handler: Handler


_MESSAGE = Par("object", of={"type": Par("string", required=True, choices=("media", "tts")), "value": TEXT_R})
_SIDE = Par("string", choices=("in", "out"))
_LINE = {
    "virtual_phone_number": TEXT_R, "virtual_phone_usage_rule": TEXT, "contact": TEXT_R, "external_id": TEXT, "dtmf_string": TEXT,
    "direction": _SIDE, "switch_at_once": FLAG, "early_switching": FLAG, "show_virtual_phone_number": FLAG, "media_file_id": NUMBER,
    "contact_message": _MESSAGE,
}  # fmt: skip
_FIRST = Par("string", required=True, choices=("contact", "employee"))
_EMPLOYEE = Par("object", required=True, of={"id": NUMBER_R, "phone_number": TEXT})
_ONE = {"call_session_id": NUMBER_R}


def _start_employee(uis: Uis, player: Player, params: dict[str, Any]) -> Any:
    person = next((one for one in uis.staff if one["id"] == params["employee"]["id"]), None)
    if person is None:
        raise Refused("employee_not_found", field="employee.id", value=params["employee"]["id"])
    asked = params["employee"].get("phone_number")
    if not person["phone"] or (asked is not None and asked not in (person["phone"], person["extension"])):
        raise Refused("no_active_phone_number", field="employee.phone_number", value=asked)
    return _start(uis, player, params, employee_id=person["id"], call_source="callapi_management_call")


def _start_simple(uis: Uis, player: Player, params: dict[str, Any]) -> Any:
    return _start(uis, player, params, call_source="callapi")


def _start_scenario(uis: Uis, player: Player, params: dict[str, Any]) -> Any:
    if all(one["id"] != params["scenario_id"] for one in uis.scenarios):
        raise Refused("entity_not_found", field="scenario_id", value=params["scenario_id"])
    return _start(uis, player, params, scenario_id=params["scenario_id"], call_source="callapi_scenario_call")


def _start(uis: Uis, player: Player, params: dict[str, Any], **more: Any) -> Any:
    lines = {one["virtual_phone_number"] for one in uis.numbers}
    if params["virtual_phone_number"] not in lines:
        raise Refused(
            "virtual_phone_number_not_found", field="virtual_phone_number", value=params["virtual_phone_number"]
        )
    contact = params["contact"].lstrip("+")
    if contact in lines:
        raise Refused("own_virtual_phone_number_not_allowed", field="contact", value=params["contact"])
    if contact in uis.blocked:
        raise Refused("contact_in_blacklist", field="contact", value=params["contact"])
    scenario = uis.switches.clicked_call if params.get("direction", "out") == "out" else "answered"
    call = player.start(
        scenario=scenario, caller=contact, number=params["virtual_phone_number"], external_id=params.get("external_id"),
        scale=uis.switches.clicked_call_scale, **more,
    )  # fmt: skip
    return {"call_session_id": call.id}


def _going(uis: Uis, number: int) -> Call:
    call: Call | None = uis.calls.get(number)
    if call is None or call.ended:
        raise Refused("call_session_not_found", field="call_session_id", value=number)
    return call


def _release(uis: Uis, player: Player, params: dict[str, Any]) -> Any:
    player.release(_going(uis, params["call_session_id"]))
    return {"success": "true"}


def _tag(uis: Uis, _: Player, params: dict[str, Any]) -> Any:
    call = _going(uis, params["call_session_id"])
    if all(one["id"] != params["tag_id"] for one in uis.tags):
        raise Refused("tag_not_found", field="tag_id", value=params["tag_id"])
    if any(one["tag_id"] == tag_of(uis, params["tag_id"])["tag_id"] for one in call.tags):
        raise Refused("duplicate_tag", field="tag_id", value=params["tag_id"])
    put_tag(uis, "call", call.tags, lambda: variables(uis, call), params["tag_id"])
    return {"success": "true"}


def _hold(uis: Uis, _: Player, params: dict[str, Any]) -> Any:
    return _legs_are(_going(uis, params["call_session_id"]), "На удержании")


def _unhold(uis: Uis, _: Player, params: dict[str, Any]) -> Any:
    return _legs_are(_going(uis, params["call_session_id"]), "Разговор")


def _legs_are(call: Call, state: str) -> Any:
    for leg in call.legs:
        if not leg.ended:
            leg.state = state
    return {"success": "true"}


def _block(uis: Uis, _: Player, params: dict[str, Any]) -> Any:
    uis.blocked.add(_going(uis, params["call_session_id"]).contact)
    return {"success": "true"}


def _list(uis: Uis, _: Player, params: dict[str, Any]) -> Any:
    return [
        {
            "call_session_id": one.id, "direction": one.direction,
            "start_time": one.at.astimezone(uis.zone).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
            "virtual_phone_number": one.virtual, "contact_phone_number": one.contact, "external_id": one.external_id,
            "tags": [{name: tag[name] for name in ("tag_id", "tag_name")} for tag in one.tags],
            "legs": [_leg(one, leg) for leg in one.legs],
        }
        for one in uis.calls.values()
        if not one.ended
        and params.get("direction", one.direction) == one.direction
        and params.get("virtual_phone_number", one.virtual) == one.virtual
    ]  # fmt: skip


def _leg(call: Call, leg: Leg) -> dict[str, Any]:
    person = leg.employee or {}
    return {
        "leg_id": leg.id, "calling_phone_number": call.contact, "called_phone_number": leg.phone, "is_operator": True,
        "employee_id": person.get("id"), "employee_full_name": person.get("full_name"), "record_call_enabled": True, "state": leg.state,
    }  # fmt: skip


METHODS: dict[str, Method] = {
    "start.employee_call": Method(
        {**_LINE, "first_call": _FIRST, "employee": _EMPLOYEE, "employee_message": _MESSAGE}, _start_employee
    ),
    "start.vnumber_call": Method({**_LINE, "first_call": _FIRST}, _start_simple),
    "start.simple_call": Method(
        {
            **_LINE, "first_call": Par("string", required=True, choices=("contact", "operator")), "operator": TEXT_R,
            "operator_confirmation": TEXT, "operator_message": _MESSAGE,
        },
        _start_simple,
    ),
    "start.scenario_call": Method(
        {**_LINE, "first_call": _FIRST, "scenario_id": NUMBER_R, "employee_message": _MESSAGE}, _start_scenario
    ),
    "release.call": Method(_ONE, _release),
    "list.calls": Method({"direction": _SIDE, "virtual_phone_number": TEXT}, _list),
    "tag.call": Method({**_ONE, "tag_id": NUMBER_R}, _tag),
    "hold.call": Method({**_ONE, "contact_message": Par("object", required=True, of=_MESSAGE.of)}, _hold),
    "unhold.call": Method(_ONE, _unhold),
    "block.contact": Method(_ONE, _block),
}  # fmt: skip


def perform(uis: Uis, player: Player, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """`result` of the method. Raises `Refused`."""
    method = METHODS[name]
    if "callapi" not in uis.components:
        raise Refused("component_disabled")
    if name in uis.switches.forbidden:
        raise Refused("forbidden")
    uis.check_points("call")
    shapes.check(params, {**COMMON, **method.shape}, indexed=uis.switches.field_index)
    return {"data": method.handler(uis, player, {key: value for key, value in params.items() if key not in COMMON})}
