"""REST of the simulated vendor, as far as the product and the form call it. Shapes come from the samples."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from e2e.stand.hooks import HookSender
from e2e.stand.state import Company, Refused, Stand

STAND: web.AppKey[Stand] = web.AppKey("stand", Stand)
HOOKS: web.AppKey[HookSender] = web.AppKey("hooks", HookSender)
routes = web.RouteTableDef()
API = "/api/v1"


def answer(request: web.Request, data: Any, *, status: int = 200, meta: Any = None) -> web.Response:
    """v2 wraps in an envelope; without the v2 media type `data` comes bare."""
    if "v2+json" in request.headers.get("Accept", ""):
        return web.json_response({"success": True, "data": data, "meta": [] if meta is None else meta}, status=status)
    return web.json_response(data, status=status)


def refused_answer(request: web.Request, refused: Refused) -> web.Response:
    if "/book_record/" in request.path:
        return web.json_response(
            {"errors": {"code": refused.code, "message": refused.message}, "meta": {"message": refused.message}},
            status=refused.status,
        )
    body = {"success": False, "data": None, "meta": {"message": refused.message}}
    return web.json_response(body, status=refused.status)


@web.middleware
async def vendor_moods(request: web.Request, handler: Any) -> web.StreamResponse:
    """Faults on cue, the limit, and who may ask."""
    if not request.path.startswith(API):
        passed: web.StreamResponse = await handler(request)
        return passed
    switches = request.app[STAND].switches
    from_form = "Authorization" not in request.headers
    if not from_form:
        request.app[STAND].arrivals.append(time.monotonic())
        if switches.rest_fault == "429" or (switches.rest_limit and request.app[STAND].over_limit()):
            headers = {"Retry-After": switches.retry_after} if switches.retry_after else {}
            return web.Response(status=429, text="", headers=headers)
        if switches.rest_fault == "html":
            return web.Response(status=403, text="<html><title>Just a moment…</title></html>", content_type="text/html")
        if switches.rest_fault == "500":
            return web.Response(status=500, text="")
        if switches.rest_fault == "hang":
            await asyncio.sleep(30)
        branch = request.match_info.get("c", "4564")
        ended = switches.rest_fault if switches.rest_fault in ("402", "403") else ""
        if ended or branch in map(str, switches.licence_ended):
            words, code = f"Необходимо продлить лицензию в филиале с id: {branch}", int(ended or 402)
            return refused_answer(request, Refused(code, code, words))
        if switches.rest_fault == "401" or not request.headers["Authorization"].startswith("Bearer "):
            return refused_answer(request, Refused(401, 401, "Необходима авторизация"))
    try:
        given: web.StreamResponse = await handler(request)
    except Refused as refused:
        return refused_answer(request, refused)
    if not from_form and switches.rest_lost_answers > 0 and request.method != "GET":
        switches.rest_lost_answers -= 1
        if request.transport is not None:
            request.transport.close()
    return given


def company_of(request: web.Request) -> Company:
    company = request.app[STAND].companies.get(int(request.match_info["c"]))
    if company is None:
        raise Refused(404, 404, "Филиал не найден.")
    return company


def needs_user(request: web.Request) -> None:
    if ", User " not in request.headers.get("Authorization", ""):
        raise Refused(401, 401, "Необходима авторизация")


# --- login


@routes.post(API + "/auth")
async def auth(request: web.Request) -> web.Response:
    body = await request.json()
    if body.get("password") == "wrong":
        raise Refused(401, 401, "Неправильный логин или пароль")
    if str(body.get("login", "")).startswith("2fa") and not body.get("2fa"):
        data: dict[str, Any] = {
            "uuid": "5d2c7e1e-0000-4000-8000-000000000001", "flow": "login",
            "transport": {"type": "email", "recipient": "own***@salon.example"}, "refresh_ttl_sec": 60, "attempts_left": 3,
        }  # fmt: skip
        return answer(request, data)
    return answer(request, {"id": 12795431, "user_token": "stand-user-token", "name": "Администратор"}, status=201)


# --- records


@routes.get(API + "/record/{c}/{id}")
async def get_record(request: web.Request) -> web.Response:
    needs_user(request)
    record = request.app[STAND].records.get(int(request.match_info["id"]))
    if record is None or record["company_id"] != company_of(request).id:
        return web.json_response(
            {"errors": {"code": 404, "message": "Не найдено"}, "meta": {"message": "Не найдено"}}, status=404
        )
    return answer(request, record)


@routes.get(API + "/records/{c}")
async def list_records(request: web.Request) -> web.Response:
    needs_user(request)
    company, query = company_of(request), request.query
    if request.app[STAND].switches.rest_unseen == company.id:
        raise Refused(403, 403, "Нет прав на управление компанией")
    found = [record for record in request.app[STAND].records.values() if record["company_id"] == company.id]
    if query.get("with_deleted") != "1":
        found = [record for record in found if not record["deleted"]]
    if after := query.get("changed_after"):
        # By which clock the vendor reads this time is not stated: a switch.
        zone = company.timezone if request.app[STAND].switches.changed_after_zone == "branch" else "UTC"
        moment = datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone))
        found = [
            record for record in found if datetime.strptime(record["last_change_date"], "%Y-%m-%dT%H:%M:%S%z") >= moment
        ]
    for name, keeps in (("c_start_date", str.__ge__), ("c_end_date", str.__le__)):
        if day := query.get(name):
            found = [record for record in found if keeps(record["create_date"][:10], day)]
    page, count = int(query.get("page", 1)), int(query.get("count", 50))
    return answer(request, found[(page - 1) * count : page * count], meta={"page": page, "total_count": len(found)})


@routes.delete(API + "/record/{c}/{id}")
async def delete_record(request: web.Request) -> web.Response:
    needs_user(request)
    record = request.app[STAND].change(int(request.match_info["id"]), deleted=True)
    request.app[HOOKS].record(record, "delete")
    return web.Response(status=204)


# --- hooks


@routes.get(API + "/hooks_settings/{c}")
async def get_hooks(request: web.Request) -> web.Response:
    company = company_of(request)
    urls = request.app[STAND].hooks.get(company.id, [])
    return answer(
        request,
        {"urls": urls, "active": int(bool(urls)), "record": int(bool(urls)), "client": int(bool(urls)), "good": 0},
    )


@routes.post(API + "/hooks_settings/{c}")
async def set_hooks(request: web.Request) -> web.Response:
    """Replaces everything for the branch, foreign addresses too."""
    body = await request.json()
    request.app[STAND].hooks[company_of(request).id] = list(body["urls"])
    return answer(request, body, status=201)


# --- the form's own calls


@routes.get(API + "/bookform/{form}")
@routes.get(API + "/bookform/{form}/")
async def bookform(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    company = stand.company_of_form(int(request.match_info["form"]))
    if company is None:
        raise Refused(404, 404, "Не найдено")
    script = stand.config.form_script_url
    content = f'<script async src="{script}"></script>' if script and stand.switches.form_script else ""
    return answer(
        request,
        {
            "company_id": company.id, "title": company.title, "group_id": 0, "lang": "ru-RU", "phone_confirmation": False,
            "injection": {"content": content, "is_adapted": True, "is_editable_for_user": True},
            "stand": {
                "messages": stand.switches.messages, "array_message": stand.switches.array_message,
                "api_objects": stand.switches.api_objects, "analytics": stand.switches.analytics,
                "transport": stand.switches.transport, "legacy_routes": stand.switches.legacy_routes,
            },
        },
    )  # fmt: skip


@routes.get(API + "/book_services/{c}")
async def book_services(request: web.Request) -> web.Response:
    services = [
        {
            "id": item.id,
            "title": item.title,
            "price_min": item.cost,
            "price_max": item.cost,
            "seance_length": item.minutes * 60,
        }
        for item in company_of(request).services
    ]
    return answer(request, {"events": [], "services": services, "category": []})


@routes.get(API + "/book_staff/{c}")
async def book_staff(request: web.Request) -> web.Response:
    return answer(
        request,
        [
            {"id": item.id, "name": item.name, "bookable": True, "specialization": item.specialization}
            for item in company_of(request).masters
        ],
    )


@routes.get(API + "/book_times/{c}/{staff}/{date}")
async def book_times(request: web.Request) -> web.Response:
    company, day = company_of(request), request.match_info["date"]
    busy = {record["date"] for record in request.app[STAND].records.values() if not record["deleted"]}
    slots = [f"{hour:02d}:{minute:02d}" for hour in range(10, 20) for minute in (0, 30)]
    free = [slot for slot in slots if f"{day} {slot}:00" not in busy]
    return answer(
        request,
        [
            {"time": slot, "seance_length": 3600, "datetime": f"{day}T{slot}:00", "zone": company.timezone}
            for slot in free
        ],
    )


@routes.get(API + "/book_dates/{c}")
async def book_dates(request: web.Request) -> web.Response:
    today = datetime.now(ZoneInfo(company_of(request).timezone)).date()
    return answer(request, {"booking_dates": [str(today + timedelta(days=number)) for number in range(1, 11)]})


@routes.post(API + "/book_record/{c}")
async def book_record(request: web.Request) -> web.Response:
    stand, company = request.app[STAND], company_of(request)
    made = stand.book(company.id, await request.json())
    for record in made:
        request.app[HOOKS].record(record, "create")
    data = [
        {
            "id": number,
            "record_id": record["id"],
            "record_hash": stand.hashes[record["id"]],
            "record": {"id": record["id"]},
        }
        for number, record in enumerate(made)
    ]
    if stand.switches.bare_response and "v2+json" not in request.headers.get("Accept", ""):
        return web.json_response(data, status=201)
    return web.json_response({"success": True, "data": data, "meta": []}, status=201)


@routes.post(API + "/activity/{c}/{activity}/book")
async def book_activity(request: web.Request) -> web.Response:
    stand, company = request.app[STAND], company_of(request)
    record = stand.book_activity(company.id, int(request.match_info["activity"]), await request.json())
    request.app[HOOKS].record(record, "create")
    return web.json_response({"id": record["id"], "hash": stand.hashes[record["id"]]}, status=201)


@routes.get(API + "/company/{c}")
@routes.get(API + "/company/{c}/")
async def company(request: web.Request) -> web.Response:
    item = company_of(request)
    shown: dict[str, Any] = {"id": item.id, "title": item.title, "timezone_name": item.timezone, "active": 1}
    network = request.app[STAND].telephony.of_company(item.id)
    if network is not None:
        group = {"id": network.id, "title": network.title}
        shown |= {"main_group_id": network.id, "main_group": group, "groups": {str(network.id): group}}
    return answer(request, shown)


@routes.get(API + "/companies")
async def companies(request: web.Request) -> web.Response:
    needs_user(request)
    found = request.app[STAND].companies.values()
    return answer(
        request, [{"id": item.id, "title": item.title, "timezone_name": item.timezone, "active": 1} for item in found]
    )
