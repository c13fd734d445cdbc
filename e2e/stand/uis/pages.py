"""The page of the account for people: play a call, a chat or a form, and see what was told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from e2e.stand.uis.keys import UIS
from e2e.stand.uis.state import Uis

routes = web.RouteTableDef()
_PAGE = Path(__file__).parent / "static" / "uis.html"


@routes.get("/")
async def page(_: web.Request) -> web.Response:
    return web.Response(text=_PAGE.read_text("utf-8"), content_type="text/html", headers={"Cache-Control": "no-store"})


@routes.get("/_stand/page")
async def state(request: web.Request) -> web.Response:
    """All that the page shows, newest first."""
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden
    return web.json_response(_shown(request.app[UIS]))


def _shown(uis: Uis) -> dict[str, Any]:
    calls = [
        {
            "id": one.id, "kind": "call", "at": uis.wall(one.at), "who": one.contact, "what": one.virtual,
            "state": "идёт" if not one.ended else "потерян" if one.lost else "завершён", "open": not one.ended,
            "record": uis.media_link("talk", one.id, one.records[0]) if one.records else "",
            "tags": [tag["tag_name"] for tag in one.tags],
        }
        for one in list(uis.calls.values())[-30:]
    ]  # fmt: skip
    chats = [
        {
            "id": one.id, "communication_id": one.communication_id, "kind": "chat", "at": uis.wall(one.at),
            "who": ", ".join(filter(None, (uis.visitors[one.visitor_id]["name"], *uis.visitors[one.visitor_id]["phones"]))),
            "what": one.messages[-1]["text"] if one.messages else "", "state": _STATES[one.status],
            "open": one.status in ("new", "active"), "record": "", "tags": [tag["tag_name"] for tag in one.tags],
        }
        for one in list(uis.chats.values())[-30:]
    ]  # fmt: skip
    forms = [
        {
            "id": row["id"], "kind": "form", "at": row["date_time"], "who": f"{row['visitor_name'] or ''} {row['visitor_phone_number'] or ''}",
            "what": row["text"] or row["form_name"], "state": row["form_type"], "open": False, "record": "",
            "tags": [tag["tag_name"] for tag in row.get("tags", [])],
        }
        for row in list(uis.messages.values())[-30:]
    ]  # fmt: skip
    told = [{name: one[name] for name in ("event", "outcome")} for one in uis.sent[-40:]]
    return {
        "happened": sorted(calls + chats + forms, key=lambda one: (one["at"], one["id"]), reverse=True)[:40], "told": told[::-1],
        "notifications": len(uis.notices), "numbers": [
            {"number": one["virtual_phone_number"], "name": one["name"]} for one in uis.numbers
        ],
        "tags": [one["name"] for one in uis.tags],
    }  # fmt: skip


_STATES = {"new": "новый", "active": "идёт", "succeed": "состоялся", "lost": "потерян", "refused": "без сообщений"}
