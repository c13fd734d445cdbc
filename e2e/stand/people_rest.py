"""Clients over REST: search, cards, comments, labels, and the network they are in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from e2e.stand.people import NotAllowed
from e2e.stand.rest import API, HOOKS, STAND, answer, company_of, needs_user
from e2e.stand.state import Refused
from e2e.stand.telephony import digits

routes = web.RouteTableDef()


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(422, 422, "Недопустимый формат запроса")
    return body


def _client(request: web.Request) -> dict[str, Any]:
    needs_user(request)
    row = request.app[STAND].clients.get(int(request.match_info["id"]))
    if row is None or row["company_id"] != company_of(request).id:
        raise Refused(404, 404, "Клиент не найден")
    return row


def _not_allowed(request: web.Request, refused: NotAllowed) -> web.Response:
    """How a phone that is taken is refused was never captured: a switch."""
    how = request.app[STAND].switches.client_twice if refused.kind == "taken" else "422"
    body = {"success": False, "data": None, "meta": {"message": refused.message}}
    return web.json_response(body, status=200 if how == "200" else int(how))


def _echo(request: web.Request, row: dict[str, Any], status: str) -> None:
    """Our own changes come back as webhooks only where the branch has asked for that."""
    if request.app[STAND].switches.hook_self:
        request.app[HOOKS].event(row["company_id"], "client", row["id"], status, row)


@routes.post(API + "/company/{c}/clients/search")
async def search(request: web.Request) -> web.Response:
    needs_user(request)
    stand, company, body = request.app[STAND], company_of(request), await _body(request)
    try:
        found, total = stand.people.search(
            company.id, body, phone_as=stand.switches.client_phone_as, delay_s=stand.switches.search_delay_s
        )
    except (ValueError, TypeError, AttributeError):
        meta = {
            "message": "Недопустимое значение фильтра",
            "errors": {"filters": ["Недопустимое значение состояния фильтра"]},
        }
        return web.json_response({"success": False, "meta": meta}, status=400)
    return answer(request, found, meta={"total_count": total})


@routes.get(API + "/clients/{c}")
async def list_clients(request: web.Request) -> web.Response:
    """The old list: the only one that knows what has changed since."""
    needs_user(request)
    stand, company, query = request.app[STAND], company_of(request), request.query
    found = stand.people.of(company.id)
    for name in ("email", "card"):
        found = [row for row in found if query.get(name, row[name]) == row[name]]
    found = [row for row in found if query.get("fullname", "").lower() in row["name"].lower()]
    found = [row for row in found if digits(query.get("phone")) in digits(row["phone"])]
    if ids := {int(number) for number in query.getall("id[]", [])}:
        found = [row for row in found if row["id"] in ids]
    for name, keeps in (("changed_after", datetime.__ge__), ("changed_before", datetime.__le__)):
        if text := query.get(name):
            zone = company.timezone if stand.switches.changed_after_zone == "branch" else "UTC"
            moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
            found = [row for row in found if keeps(_changed(row), moment)]
    page, count = int(query.get("page", 1)), min(200, int(query.get("count", 25)))
    shown = [
        stand.people.shown(row, stand.switches.client_phone_as) for row in found[(page - 1) * count : page * count]
    ]
    return answer(request, shown, meta={"page": page, "total_count": len(found)})


def _changed(row: dict[str, Any]) -> datetime:
    return datetime.strptime(row["last_change_date"], "%Y-%m-%dT%H:%M:%S%z")


@routes.post(API + "/clients/{c}")
async def create(request: web.Request) -> web.Response:
    needs_user(request)
    stand, company, body = request.app[STAND], company_of(request), await _body(request)
    try:
        row = stand.people.create(company.id, body)
    except NotAllowed as refused:
        return _not_allowed(request, refused)
    _echo(request, row, "create")
    return answer(request, stand.people.shown(row, stand.switches.client_phone_as), status=201)


@routes.get(API + "/client/{c}/{id}")
async def get_client(request: web.Request) -> web.Response:
    row, stand = _client(request), request.app[STAND]
    return answer(request, stand.people.shown(row, stand.switches.client_phone_as))


@routes.put(API + "/client/{c}/{id}")
async def put_client(request: web.Request) -> web.Response:
    row, stand, body = _client(request), request.app[STAND], await _body(request)
    try:
        stand.people.change(row, body, replace=stand.switches.client_put == "replace")
    except NotAllowed as refused:
        return _not_allowed(request, refused)
    _echo(request, row, "update")
    return answer(request, stand.people.shown(row, stand.switches.client_phone_as))


@routes.delete(API + "/client/{c}/{id}")
async def delete_client(request: web.Request) -> web.Response:
    request.app[STAND].people.delete(_client(request))
    return web.Response(status=204)


# --- comments


@routes.get(API + "/company/{c}/clients/{id}/comments")
async def comments(request: web.Request) -> web.Response:
    return answer(request, request.app[STAND].people.comments.get(_client(request)["id"], []))


@routes.post(API + "/company/{c}/clients/{id}/comments")
async def add_comment(request: web.Request) -> web.Response:
    row, body = _client(request), await _body(request)
    try:
        made = request.app[STAND].people.comment(row["id"], str(body.get("text") or ""))
    except NotAllowed as refused:
        return _not_allowed(request, refused)
    return answer(request, made, status=201)


@routes.delete(API + "/company/{c}/clients/{id}/comments/{comment}")
async def delete_comment(request: web.Request) -> web.Response:
    row, kept = _client(request), request.app[STAND].people.comments
    rest = [one for one in kept.get(row["id"], []) if one["id"] != int(request.match_info["comment"])]
    if len(rest) == len(kept.get(row["id"], [])):
        raise Refused(404, 404, "Не найдено")
    kept[row["id"]] = rest
    return web.Response(status=204)


# --- labels


@routes.get(API + "/labels/{c}/clients")
async def client_labels(request: web.Request) -> web.Response:
    needs_user(request)
    return answer(request, request.app[STAND].people.labels.get(company_of(request).id, []))


@routes.get(API + r"/labels/{c}/{entity:[012]}")
async def labels(request: web.Request) -> web.Response:
    """A bare array with every value a string, as the vendor's page shows it."""
    needs_user(request)
    company, entity = company_of(request), request.match_info["entity"]
    known = request.app[STAND].people.labels.get(company.id, []) if entity == "1" else []
    return web.json_response([
        {
            "id": str(one["id"]), "salon_id": str(company.id), "title": one["title"], "color": one["color"], "icon": "", "entity": entity,
            "deleted": "0", "not_editable": "0",
        }
        for one in known
    ])  # fmt: skip


@routes.post(API + "/labels/{c}/clients/create")
async def create_label(request: web.Request) -> web.Response:
    needs_user(request)
    company, body = company_of(request), await _body(request)
    try:
        made = request.app[STAND].people.label(company.id, str(body.get("title") or ""), str(body.get("color") or ""))
    except NotAllowed as refused:
        return _not_allowed(request, refused)
    return answer(request, made, status=201)


# --- the network


@routes.get(API + "/groups")
async def groups(request: web.Request) -> web.Response:
    needs_user(request)
    stand = request.app[STAND]
    return answer(request, [
        {
            "id": one.id, "title": one.title, "access": {},
            "companies": [{"id": number, "title": stand.companies[number].title} for number in one.company_ids],
        }
        for one in stand.telephony.networks.values()
        if one.company_ids
    ])  # fmt: skip


@routes.get(API + "/group/{group}/clients/")
async def group_clients(request: web.Request) -> web.Response:
    needs_user(request)
    stand, phone = request.app[STAND], digits(request.query.get("phone"))
    network = stand.telephony.networks.get(int(request.match_info["group"]))
    if network is None:
        raise Refused(404, 404, "Не найдено")
    found = [row for number in network.company_ids if (row := stand.people.by_phone(number, phone))]
    if not found:
        raise Refused(404, 404, "Клиент не найден")
    shown = [{name: row[name] for name in ("id", "company_id", "name", "email")} for row in found]
    return answer(request, {"salon_group_id": network.id, "phone": phone, "clients": shown})


@routes.get(API + "/validation/validate_phone/{phone}")
async def validate_phone(request: web.Request) -> web.Response:
    return answer(request, {"is_valid": 9 <= len(digits(request.match_info["phone"])) <= 15})
