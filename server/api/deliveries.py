"""`/api/v1/deliveries`: what is on its way to another system, with every attempt; once more for one or for many; pauses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from server.accounts.lookup import Known
from server.api.authorized import authorized, not_found
from server.bookings import store as bookings
from server.delivery import relay, replays
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL
from server.leads.views import local
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.postgres import Row
from server.platform.web import Problem

routes = web.RouteTableDef()
KINDS = tuple(relay.JOBS)
Asked = TypeVar("Asked", bound=BaseModel)
STATES = ("waiting", "delivered", "retrying", "failed", "held", "off")


class ReplayAsked(BaseModel):
    """Which deliveries are sent again. All that is given must fit."""

    model_config = ConfigDict(extra="forbid")

    state: replays.Again = "failed"
    kind: relay.Kind | None = None
    code: str | None = Field(None, max_length=100, description="the `code` of the deliveries")
    since: AwareDatetime | None = Field(None, description="made at this moment or later")
    until: AwareDatetime | None = Field(None, description="made before this moment")
    dry_run: bool = Field(False, description="only count")


class KindsAsked(BaseModel):
    """Which kinds; none named: all."""

    model_config = ConfigDict(extra="forbid")

    kinds: list[relay.Kind] = Field(default_factory=list)


@routes.get("/api/v1/deliveries")
@authorized
async def list_deliveries(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    account_id, zone = known.account.account_id, known.zone
    async with request.app[POOL].acquire() as conn:
        rows = await relay.deliveries(
            conn, account_id, kind=_choice(query.get("kind"), "kind", KINDS),
            state=_choice(query.get("state"), "state", STATES), before=paging.read_uuid_cursor(query), limit=limit + 1,
        )  # fmt: skip
        more, rows = len(rows) > limit, rows[:limit]
        attempts = await relay.attempts_of(conn, account_id, [row["delivery_id"] for row in rows])
        heads = await bookings.heads(conn, account_id, [row["subject_id"] for row in rows])
    cursor = paging.write_cursor(rows[-1]["created_at"], rows[-1]["delivery_id"]) if more else None
    shown = [
        delivery_json(row, attempts.get(row["delivery_id"], []), heads.get(row["subject_id"]), zone) for row in rows
    ]
    return web.json_response(paging.page(shown, cursor))


def _choice(value: str | None, name: str, known: tuple[str, ...]) -> str | None:
    if value and value not in known:
        raise Problem(400, f"bad_{name}", f"{name} is one of: {', '.join(known)}.")
    return value or None


def delivery_json(row: Row, attempts: list[Row], booking: Row | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": str(row["delivery_id"]),
        "kind": row["kind"],
        "subject_id": str(row["subject_id"]),
        "booking_id": str(row["subject_id"]) if row["kind"] in ("lead", "deal") else None,
        "company_id": booking["company_id"] if booking else None,
        "record_id": booking["record_id"] if booking else None,
        "state": row["state"],
        "code": row["code"] or None,
        "uis_id": row["vendor_id"],
        "attempts": row["attempts"],
        "last_error": row["error"],
        "next_attempt_at": local(row["next_attempt_at"], zone),
        "delivered_at": local(row["sent_at"], zone),
        "created_at": local(row["created_at"], zone),
        "history": [
            {
                "at": local(item["at"], zone), "outcome": item["outcome"], "code": item["code"] or None,
                "detail": item["detail"] or None,
            }
            for item in attempts
        ],
    }  # fmt: skip


@routes.post("/api/v1/deliveries/{id}/replay")
@authorized
async def replay(request: web.Request, known: Known) -> web.Response:
    """One more round for a delivery that failed. What may have arrived is looked up first: nothing is doubled."""
    delivery_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn, conn.transaction():
        kind = await relay.replay(conn, known.account.account_id, delivery_id, now=utc_now())
    if kind is None:
        raise not_found()
    await request.app[BUS].publish(JOBS_TOPIC)
    return web.json_response({"state": "waiting", "kind": kind})


# --- many at once


@routes.post("/api/v1/deliveries/replay")
@authorized
async def replay_many(request: web.Request, known: Known) -> web.Response:
    """Counts, or begins: the server lets them go a portion at a time."""
    asked = await _read(request, ReplayAsked)
    account_id, now = known.account.account_id, utc_now()
    wanted = replays.Wanted(asked.state, asked.kind, asked.code, _moment(asked.since), _moment(asked.until))
    async with request.app[POOL].acquire() as conn:
        if asked.dry_run:
            return web.json_response({"dry_run": True, "count": await replays.count(conn, account_id, wanted)})
        try:
            async with conn.transaction():
                replay_id = await replays.start(conn, account_id, wanted, now=now)
        except replays.AlreadyRunning:
            raise Problem(409, "replay_running", "A replay of this account has not ended yet.") from None
        begun = await replays.one(conn, account_id, replay_id) if replay_id else None
    if begun is None:
        return web.json_response({"dry_run": False, "count": 0})
    await request.app[BUS].publish(JOBS_TOPIC)
    return web.json_response(
        {"dry_run": False, "count": begun.total, "replay": replay_json(begun, known.zone)}, status=202
    )


def _moment(at: datetime | None) -> datetime | None:
    if at is not None and not 1970 <= at.year <= 9000:
        raise Problem(422, "bad_request", "A moment lies too far away.")
    return at.astimezone(UTC) if at else None


@routes.get("/api/v1/deliveries/replays")
@authorized
async def list_replays(request: web.Request, known: Known) -> web.Response:
    async with request.app[POOL].acquire() as conn:
        found = await replays.latest(conn, known.account.account_id, limit=20)
    return web.json_response(paging.page([replay_json(one, known.zone) for one in found], None))


@routes.get("/api/v1/deliveries/replays/{id}")
@authorized
async def show_replay(request: web.Request, known: Known) -> web.Response:
    replay_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        found = await replays.one(conn, known.account.account_id, replay_id)
    if found is None:
        raise not_found()
    return web.json_response(replay_json(found, known.zone))


@routes.post("/api/v1/deliveries/replays/{id}/cancel")
@authorized
async def cancel_replay(request: web.Request, known: Known) -> web.Response:
    replay_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        done = await replays.cancel(conn, known.account.account_id, replay_id, now=utc_now())
        found = await replays.one(conn, known.account.account_id, replay_id)
    if not done or found is None:
        raise not_found()
    return web.json_response(replay_json(found, known.zone))


def replay_json(one: replays.Replay, zone: ZoneInfo) -> dict[str, Any]:
    wanted = one.wanted
    return {
        "id": str(one.replay_id), "run": one.run,
        "wanted": {
            "state": wanted.state, "kind": wanted.kind, "code": wanted.code, "since": local(wanted.since, zone),
            "until": local(wanted.until, zone),
        },
        "total": one.total, "tried": one.tried, "delivered": one.delivered, "retrying": one.retrying,
        "failed": one.failed, "held": one.held, "created_at": local(one.created_at, zone),
        "ended_at": local(one.ended_at, zone),
    }  # fmt: skip


# --- a pause


@routes.get("/api/v1/deliveries/ways")
@authorized
async def list_ways(request: web.Request, known: Known) -> web.Response:
    return await _ways(request, known)


@routes.post("/api/v1/deliveries/{act:pause|resume}")
@authorized
async def change_ways(request: web.Request, known: Known) -> web.Response:
    """Nothing of these kinds leaves, and all that comes is kept; or it goes on."""
    asked, now = await _read(request, KindsAsked), utc_now()
    act = relay.hold_up if request.match_info["act"] == "pause" else relay.let_go
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await act(conn, known.account.account_id, asked.kinds or KINDS, now=now)
    await request.app[BUS].publish(JOBS_TOPIC)
    return await _ways(request, known)


async def _ways(request: web.Request, known: Known) -> web.Response:
    async with request.app[POOL].acquire() as conn:
        ways = await relay.ways(conn, known.account.account_id)
    shown = [{"kind": one.kind, "paused_at": local(one.paused_at, known.zone), "waiting": one.waiting} for one in ways]
    return web.json_response(paging.page(shown, None))


async def _read(request: web.Request, model: type[Asked]) -> Asked:
    """An empty body asks for what is usual."""
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        errors = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
        raise Problem(422, "bad_request", "What is asked for cannot be understood.", errors=errors) from None
