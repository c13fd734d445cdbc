"""`/api/v1/integrations`: what the owner sets for each of the four; the same models draw the schema."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from server.accounts import store as accounts
from server.accounts.lookup import Known
from server.api.authorized import authorized
from server.deals.settings import DealsIntegration
from server.delivery import relay
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL
from server.leads.settings import LeadsIntegration
from server.platform.clock import utc_now
from server.platform.web import Problem

routes = web.RouteTableDef()


class SwitchedOff(BaseModel):
    """Settings of an integration this version does not have yet; it can only be off."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = False


INTEGRATIONS: dict[str, type[BaseModel]] = {
    "leads": LeadsIntegration,
    "deals": DealsIntegration,
    "telephony": SwitchedOff,
    "texts": SwitchedOff,
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
    try:
        wanted = INTEGRATIONS[name].model_validate_json(await request.read())
    except ValidationError as error:
        errors = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
        raise Problem(422, "bad_settings", "Some settings cannot be used.", errors=errors) from None
    if isinstance(wanted, SwitchedOff) and wanted.enabled:
        raise Problem(409, "not_available", f"The integration «{name}» is not part of this version.")
    async with request.app[POOL].acquire() as conn, conn.transaction():
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
