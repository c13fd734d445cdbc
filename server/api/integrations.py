"""`/api/v1/integrations`: what the owner sets for each of the four; the same models draw the schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.accounts import store as accounts
from server.accounts.lookup import Known
from server.api.authorized import authorized
from server.calls import networks
from server.calls.settings import TelephonyIntegration
from server.chats import flow as chats
from server.chats import store as chat_store
from server.chats.settings import TextsIntegration
from server.deals.settings import DealsIntegration
from server.delivery import relay
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL, VAULT
from server.leads.settings import LeadsIntegration
from server.marketplace import store as marketplace
from server.marketplace.model import link_json
from server.platform.clock import utc_now
from server.platform.postgres import Conn, Row
from server.platform.web import Problem

routes = web.RouteTableDef()
Model = TypeVar("Model", bound=BaseModel)


class NewNetwork(BaseModel):
    """A network's User token; kept sealed, never told again."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=100)
    token: str = Field(pattern=r"^[0-9A-Za-z_.:-]{8,200}$")


INTEGRATIONS: dict[str, type[BaseModel]] = {
    "leads": LeadsIntegration,
    "deals": DealsIntegration,
    "telephony": TelephonyIntegration,
    "texts": TextsIntegration,
}
#: What of an integration is on its way to UIS.
DELIVERED: dict[str, relay.Kind] = {"leads": "lead", "deals": "deal"}


@routes.get("/api/v1/integrations/{name:leads|deals|telephony|texts}")
@authorized
async def show_integration(request: web.Request, known: Known) -> web.Response:
    name = request.match_info["name"]
    async with request.app[POOL].acquire() as conn:
        stored = await accounts.integration_settings(conn, known.account.account_id, name)
    return web.json_response(INTEGRATIONS[name].model_validate(stored or {}).model_dump(mode="json"))


@routes.put("/api/v1/integrations/{name:leads|deals|telephony|texts}")
@authorized
async def save_integration(request: web.Request, known: Known) -> web.Response:
    name, account_id, now = request.match_info["name"], known.account.account_id, utc_now()
    wanted = await _read(request, INTEGRATIONS[name])
    async with request.app[POOL].acquire() as conn, conn.transaction():
        if isinstance(wanted, TelephonyIntegration):
            await _known_networks(conn, account_id, wanted)
            await networks.keep_settings(conn, account_id, wanted, now=now)
        elif isinstance(wanted, TextsIntegration):
            await chats.save(conn, account_id, wanted, now=now)
        else:
            await accounts.save_integration(conn, account_id, name, wanted.model_dump(mode="json"), now=now)
        if isinstance(wanted, (LeadsIntegration, DealsIntegration)):
            kind = DELIVERED[name]
            await (
                relay.release(conn, account_id, kind, now=now)
                if wanted.enabled
                else relay.hold_all(conn, account_id, kind, "integration_off", "", now=now)
            )
    await request.app[BUS].publish(JOBS_TOPIC)
    return web.json_response(wanted.model_dump(mode="json"))


async def _read(request: web.Request, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        errors = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
        raise Problem(422, "bad_settings", "Some settings cannot be used.", errors=errors) from None


# --- past time of texts


class PastTime(BaseModel):
    """How far back is to be read."""

    model_config = ConfigDict(extra="forbid")
    days: int = Field(ge=1, le=366)


@routes.get("/api/v1/integrations/texts/past")
@authorized
async def show_past_texts(request: web.Request, known: Known) -> web.Response:
    async with request.app[POOL].acquire() as conn:
        return web.json_response(await _past_json(conn, known))


@routes.post("/api/v1/integrations/texts/past")
@authorized
async def ask_past_texts(request: web.Request, known: Known) -> web.Response:
    """Chats and forms of past days are read as if they were told now."""
    told, account_id, now = await _read(request, PastTime), known.account.account_id, utc_now()
    async with request.app[POOL].acquire() as conn:
        if why := await chats.why_no_past(conn, account_id):
            raise Problem(409, "not_possible", f"Nothing can be read: {why}.")
        if not await chat_store.ask(conn, account_id, now - timedelta(days=told.days), now, now=now):
            raise Problem(409, "already_running", "A past time is being read; ask again when that has ended.")
        document = await _past_json(conn, known)
    await request.app[BUS].publish("texts")
    return web.json_response(document, status=202)


async def _past_json(conn: Conn, known: Known) -> dict[str, Any]:
    row = await chat_store.watch_of(conn, known.account.account_id)
    if row is None or row["asked_done"] is None:
        return {"since": None, "until": None, "done": None, "found": 0, "running": False, "last_error": None}
    at = {
        name: row[f"asked_{column}"].astimezone(known.zone).isoformat()
        for name, column in (("since", "from"), ("until", "till"), ("done", "done"))
    }
    running = row["asked_done"] < row["asked_till"]
    return {**at, "found": row["asked_found"], "running": running, "last_error": row["last_error"] or None}


# --- networks of telephony


async def _known_networks(conn: Conn, account_id: UUID, wanted: TelephonyIntegration) -> None:
    known = {row["network_id"] for row in await networks.rows(conn, account_id)}
    errors = [
        {
            "field": f"networks.{place}.network_id",
            "message": "there are no credentials of this network; POST them first",
        }
        for place, one in enumerate(wanted.networks)
        if one.network_id not in known
    ]
    if errors:
        raise Problem(422, "bad_settings", "Some settings cannot be used.", errors=errors)


@routes.get("/api/v1/integrations/telephony/networks")
@authorized
async def list_networks(request: web.Request, known: Known) -> web.Response:
    async with request.app[POOL].acquire() as conn:
        rows = await networks.rows(conn, known.account.account_id)
    return web.json_response({"data": [_network_json(row) for row in rows], "next_cursor": None})


@routes.post("/api/v1/integrations/telephony/networks")
@authorized
async def add_network(request: web.Request, known: Known) -> web.Response:
    account_id, told = known.account.account_id, await _read(request, NewNetwork)
    async with request.app[POOL].acquire() as conn, conn.transaction():
        network_id = await networks.add(
            conn, request.app[VAULT], account_id, name=told.name, token=told.token, now=utc_now()
        )
        row = next(row for row in await networks.rows(conn, account_id) if row["network_id"] == network_id)
    return web.json_response(_network_json(row), status=201)


def _network_json(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["network_id"]), "name": row["name"], "wanted": row["wanted"], "state": row["state"],
        "note": row["state_note"],
    }  # fmt: skip


# --- branches that joined by the marketplace


@routes.get("/api/v1/integrations/marketplace")
@authorized
async def list_links(request: web.Request, known: Known) -> web.Response:
    async with request.app[POOL].acquire() as conn:
        links = await marketplace.links(conn, known.account.account_id)
    return web.json_response({"data": [link_json(link) for link in links], "next_cursor": None})
