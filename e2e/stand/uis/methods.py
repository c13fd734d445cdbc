"""The table of methods: what each takes, which component it needs, what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from e2e.stand.uis import deals, loading, reports, shapes
from e2e.stand.uis.query import answer
from e2e.stand.uis.shapes import COMMON, DATES, GET, NAMED, NUMBER_R, TEXT_R, TYPED, Par
from e2e.stand.uis.state import Refused, Uis, days

Handler = Callable[[Uis, dict[str, Any]], dict[str, Any]]
_SITES = ("call_tracking", "consultant", "lead", "sitephone")
_LOADER = ("upload_offline_messages",)
_DEALS = ("sales_funnel",)


@dataclass(frozen=True)
class Method:
    shape: dict[str, Par]
    handler: Handler
    any_of: tuple[str, ...] = ()  # one of these components is needed
    bare: bool = False  # the answer carries no metadata


def _rows(name: str, rows: Callable[[Uis], list[dict[str, Any]]]) -> Handler:
    def handler(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
        data, total = answer(name, rows(uis), params)
        return {"data": data, "metadata": {"total_items": total}}

    return handler


def _report(name: str, rows: Callable[[Uis, dict[str, Any]], list[dict[str, Any]]], time: str = "date_time") -> Handler:
    def handler(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
        since, till = params["date_from"], params["date_till"]
        if till < since:
            raise Refused("invalid_parameter_value", field="date_till", value=till)
        if uis.moment(till) - uis.moment(since) > days(92):
            raise Refused("date_interval_limit_reached", field="date_till")
        data, total = answer(name, [row for row in rows(uis, params) if since <= row[time] <= till], params)
        return {"data": data, "metadata": {"total_items": total}}

    return handler


def _messages(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    data, total = answer("get.chat_messages_report", reports.messages(uis, params), params)
    return {"data": data, "metadata": {"total_items": total}}


def _account(uis: Uis, _: dict[str, Any]) -> dict[str, Any]:
    row = {"app_id": 1103, "name": "Студия «Лён»", "timezone": uis.timezone}
    return {"data": [row] if uis.switches.account_as == "list" else row}


def _account_object(uis: Uis, _: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": {
            "app_id": 1103, "app_name": "Студия «Лён»", "app_state": "active", "customer_id": 183510, "user_id": 2870,
            "user_type": "admin", "user_login": "user1@example.com", "tp_id": 406, "tp_name": "Comagic Enterprise",
            "lang": "ru", "project": "uis", "timezone": uis.timezone, "components": sorted(uis.components),
            "permissions": [], "is_agent": False, "is_agent_app": False, "report_currency": "RUB", "crm_type": None,
        }
    }  # fmt: skip


def _create_field(owner: str) -> Handler:
    def handler(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
        known = uis.user_fields[owner]
        if params["ext_id"] in known:
            raise Refused("duplicate_entity", field="ext_id", value=params["ext_id"])
        known[params["ext_id"]] = {name: params[name] for name in ("ext_id", "name", "data_type")}
        return {"data": {"ext_id": params["ext_id"]}}

    return handler


def _change_field(owner: str, *, delete: bool) -> Handler:
    def handler(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
        known = uis.user_fields[owner]
        if params["ext_id"] not in known:
            raise Refused("entity_not_found", field="ext_id", value=params["ext_id"])
        if delete:
            del known[params["ext_id"]]
        else:
            known[params["ext_id"]]["name"] = params["name"]
        return {"data": {}}

    return handler


def _visible_messages(uis: Uis, _: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in uis.messages.values() if row["_shown_from"] <= uis.clock()]


def _fields(owner: str, components: tuple[str, ...]) -> dict[str, Method]:
    name = f"get.{owner}_user_fields"
    return {
        f"create.{owner}_user_field": Method(TYPED, _create_field(owner), components),
        f"update.{owner}_user_field": Method(NAMED, _change_field(owner, delete=False), components),
        f"delete.{owner}_user_field": Method({"ext_id": TEXT_R}, _change_field(owner, delete=True), components),
        name: Method(GET, _rows(name, lambda uis: list(uis.user_fields[owner].values())), components),
    }


def _list(name: str, rows: Callable[[Uis], list[dict[str, Any]]], components: tuple[str, ...]) -> dict[str, Method]:
    return {name: Method(GET, _rows(name, rows), components)}


_CALLS = ("va", "callapi", "call_tracking", "sip", "lead", "consultant", "sitephone")
_CHATS = ("consultant", "upload_chats")
_TALK = Par("string", required=True, choices=("chat", "call", "goal", "offline_message"))
_TAGGED = {
    "communication_id": shapes.NUMBER, "communication_ext_id": shapes.TEXT, "communication_type": _TALK, "tag_id": NUMBER_R,
}  # fmt: skip
_STAGE_OF = {"sales_funnel_ext_id": TEXT_R, "ext_id": TEXT_R}
_REPORT = {**GET, **DATES}
METHODS: dict[str, Method] = {
    "get.account": Method({}, _account),
    "getobj.account": Method({}, _account_object, ("dataapi_provisioning",)),
    **_list("get.sites", lambda uis: uis.sites, _SITES),
    **_list("get.campaigns", lambda uis: uis.campaigns, _SITES),
    **_list("get.sources", lambda uis: uis.sources, ("dataapi_provisioning",)),
    "upload.offline_messages": Method(
        {"offline_messages": Par("array", required=True, of=shapes.MESSAGE, most=50, least=1)}, loading.upload_messages, _LOADER
    ),
    "delete.offline_messages": Method({"id": NUMBER_R}, loading.delete_message, _LOADER, bare=True),
    "get.offline_messages_report": Method(
        {**_REPORT, "include_tech_offline_messages": shapes.FLAG},
        _report("get.offline_messages_report", _visible_messages), ("consultant", "lead", *_LOADER),
    ),
    "upload.sessions": Method(
        {"sessions": Par("array", required=True, of=shapes.SESSION, most=50, least=1)}, loading.upload_sessions,
        ("upload_sessions",),
    ),
    "get.visitor_sessions_report": Method(
        _REPORT, _report("get.visitor_sessions_report", lambda uis, _: loading.session_rows(uis)), _SITES
    ),
    "get.calls_report": Method(
        {**_REPORT, "include_ongoing_calls": shapes.FLAG}, _report("get.calls_report", reports.calls, "start_time"), _CALLS
    ),
    "get.call_legs_report": Method(_REPORT, _report("get.call_legs_report", reports.legs, "start_time"), _CALLS),
    "get.chats_report": Method(_REPORT, _report("get.chats_report", reports.chats), _CHATS),
    "get.chat_messages_report": Method(
        {
            **GET, "date_from": shapes.TIME, "date_till": shapes.TIME, "chat_id": shapes.NUMBER,
            "chat_ids": Par("array", of="number"),
        },
        _messages, _CHATS,
    ),
    "get.visitors": Method({"ids": Par("array", required=True, of="number")}, reports.visitors, bare=True),
    **_list("get.virtual_numbers", lambda uis: uis.numbers, ()),
    **_list("get.scenarios", reports.scenarios, ()),
    **_list("get.employees", reports.employees, ()),
    **_list("get.chat_channels", reports.channels, _CHATS),
    "get.tags": Method({**GET, "is_include_rating": shapes.FLAG}, _rows("get.tags", lambda uis: uis.tags)),
    "create.tags": Method({"name": TEXT_R}, reports.create_tag, bare=True),
    "set.tag_communications": Method(_TAGGED, reports.mark, bare=True),
    "unset.tag_communications": Method(_TAGGED, reports.unmark, bare=True),
    "set.communications_tags": Method(
        {"items": Par("array", required=True, least=1, of={**_TAGGED, "communication_id": NUMBER_R})}, reports.mark_many, bare=True
    ),
    "create.communication_comment": Method(
        {"communication_id": NUMBER_R, "communication_type": _TALK, "comment": TEXT_R}, reports.comment, bare=True
    ),
    **_fields("offline_message", _LOADER),
    **_fields("deal", _DEALS),
    "create.sales_funnel": Method(shapes.FUNNEL, deals.create_funnel, _DEALS),
    "update.sales_funnel": Method(NAMED, deals.update_funnel, _DEALS),
    "delete.sales_funnel": Method({"ext_id": TEXT_R}, deals.delete_funnel, _DEALS),
    "create.sales_funnel_stages": Method({**_STAGE_OF, "name": TEXT_R, "order": NUMBER_R}, deals.create_stage, _DEALS),
    "update.sales_funnel_stages": Method(
        {**_STAGE_OF, "name": shapes.TEXT, "order": shapes.NUMBER}, deals.update_stage, _DEALS
    ),
    **_list("get.sales_funnel", lambda uis: list(uis.funnels.values()), _DEALS),
    "create.deal_contacts": Method(
        {"contacts": Par("array", required=True, of=shapes.CONTACT, most=1000, least=1)}, deals.create_contacts, _DEALS
    ),
    "update.deal_contacts": Method({**shapes.CONTACT, "name": shapes.TEXT}, deals.update_contact, _DEALS),
    **_list("get.deal_contacts", lambda uis: list(uis.contacts.values()), _DEALS),
    "create.deal_employees": Method(NAMED, deals.create_employee, _DEALS),
    "update.deal_employees": Method({"ext_id": TEXT_R, "name": shapes.TEXT}, deals.update_employee, _DEALS),
    **_list("get.deal_employees", lambda uis: list(uis.employees.values()), _DEALS),
    "upload.deals_history": Method(
        {"deals": Par("array", required=True, of=shapes.DEAL, most=1000, least=1)}, deals.upload_deals, _DEALS
    ),
    "delete.deals": Method({"ext_id": TEXT_R}, deals.delete_deal, _DEALS),
    **_list("get.deals_history", deals.history_rows, _DEALS),
    "get.deals_in_processing": Method({}, deals.in_processing, _DEALS),
}  # fmt: skip


def perform(uis: Uis, name: str, params: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """`result` of the method, and whether metadata belongs to it. Raises `Refused`."""
    method = METHODS[name]
    if method.any_of and not uis.components & set(method.any_of):
        raise Refused("method_component_disabled", params={"components": list(method.any_of)})
    if name in uis.switches.forbidden:
        raise Refused("forbidden")
    if name in uis.switches.tariff_refuses:
        raise Refused("tariff_restrictions")
    uis.check_points()
    shapes.check(params, {**COMMON, **method.shape}, indexed=uis.switches.field_index)
    given = {key: value for key, value in params.items() if key not in COMMON}
    return method.handler(uis, given), not method.bare
