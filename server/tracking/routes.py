"""HTTP of the scripts and the collector: parse, call, answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from server.accounts.model import ScriptKey
from server.keys import ADDRESS, COLLECTOR, LOOKUP, SCRIPTS
from server.platform import metrics
from server.platform.clock import utc_now
from server.platform.limits import Limiter
from server.platform.postgres import DATABASE_AWAY
from server.platform.web import Problem, accepts_encoding, network_of, problem_response, read_body, unavailable
from server.tracking import bots
from server.tracking.addresses import clean_address
from server.tracking.collector import Full, NewHit
from server.tracking.flow import stored_visit
from server.tracking.model import BODY_LIMIT, BadBody, Batch, Event, VisitDescription, occurred_at, parse_batch
from server.tracking.scripts import EMPTY

routes = web.RouteTableDef()

_CORS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
_SCRIPT_HEADERS = {
    "Cache-Control": "public, max-age=300, stale-while-revalidate=86400",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}
#: Requests of one key from one address in ten seconds; a visitor's browser sends a few.
_limiter = Limiter(limit=300, window_s=10)
_accepted = metrics.EVENTS.labels("accepted")


# --- the scripts


@routes.get("/s/{key}.js")
async def site_script(request: web.Request) -> web.Response:
    return await _script(request, "site")


@routes.get("/f/{key}.js")
async def form_script(request: web.Request) -> web.Response:
    return await _script(request, "form")


async def _script(request: web.Request, place: str) -> web.Response:
    key = await request.app[LOOKUP].script_key(request.match_info["key"])
    known = await request.app[LOOKUP].known(key.site.account_id) if key and key.place == place else None
    if key is None or known is None:
        # A page that carries an unknown key must not break: it gets a script that does nothing.
        return web.Response(
            body=EMPTY, status=404, content_type="application/javascript", charset="utf-8",
            headers={**_SCRIPT_HEADERS, "Cache-Control": "public, max-age=60"},
        )  # fmt: skip
    rendered = await request.app[SCRIPTS].render(key, known.account)
    headers = {**_SCRIPT_HEADERS, "ETag": rendered.etag}
    if rendered.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    accepted = request.headers.get("Accept-Encoding", "")
    body = rendered.plain
    for name in ("br", "gzip"):
        if accepts_encoding(accepted, name):
            body = rendered.brotli if name == "br" else rendered.gzip
            headers["Content-Encoding"] = name
            break
    return web.Response(body=body, content_type="application/javascript", charset="utf-8", headers=headers)


# --- the collector


@routes.options("/c")
async def preflight(_: web.Request) -> web.Response:
    """The scripts send text/plain and need no preflight; a page's own sender with JSON does."""
    headers = {
        **_CORS, "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": "86400",
    }  # fmt: skip
    return web.Response(status=204, headers=headers)


@routes.post("/c")
async def collect(request: web.Request) -> web.Response:
    try:
        return await _collect(request)
    except Problem as problem:
        response = _refusal(problem)
        if request.content.exception() is not None:
            response.force_close()  # where the next request begins, nobody knows
        return response
    except (Full, *DATABASE_AWAY):
        metrics.EVENTS.labels("unavailable").inc()
        return _refusal(unavailable())


def _refusal(problem: Problem) -> web.Response:
    problem.headers.update(_CORS)
    return problem_response(problem)


async def _collect(request: web.Request) -> web.Response:
    key = await request.app[LOOKUP].script_key(request.query.get("k", ""))
    if key is None:
        raise Problem(404, "unknown_key", "No account has this key; copy the script from the cabinet again.")
    received_at = utc_now()
    address = request.app[ADDRESS].of(request)
    retry_after_s = _limiter.retry_after(f"{key.site.site_id}/{address}", address)
    if retry_after_s:
        await _refused(request, key, {("rate_limit", ""): 1}, received_at)
        raise Problem(
            429, "rate_limit", "Too many requests from this address.", headers={"Retry-After": str(retry_after_s)}
        )
    try:
        body = await read_body(request, BODY_LIMIT)
    except web.RequestPayloadError:
        request.content.feed_eof()  # the rest is passed over
        await _refused(request, key, {("not_json", "not what its Content-Encoding says"): 1}, received_at)
        raise Problem(400, "not_json", "The body is not what its Content-Encoding says.") from None
    if body is None:
        await _refused(request, key, {("too_large", f"more than {BODY_LIMIT} bytes"): 1}, received_at)
        raise Problem(413, "too_large", f"A body may hold {BODY_LIMIT} bytes.")
    try:
        batch = parse_batch(body)
    except BadBody as bad:
        await _refused(request, key, {(bad.reason, bad.detail): 1}, received_at)
        if bad.reason == "too_large":
            raise Problem(413, "too_large", bad.detail or "The body is too large.") from None
        raise Problem(400, bad.reason, bad.detail or "The body is not JSON.") from None
    if batch.refused:
        await _refused(request, key, Counter(batch.refused), received_at)
    if batch.events:
        await request.app[COLLECTOR].store(
            _hits(batch, key, request.headers.get("User-Agent", "")[:512], address, received_at)
        )
        _accepted.inc(len(batch.events))
    return web.Response(status=204, headers=_CORS)


async def _refused(request: web.Request, key: ScriptKey, told: Mapping[tuple[str, str], int], at: datetime) -> None:
    """The owner sees what was turned away and why: how many of each (reason, detail)."""
    await request.app[COLLECTOR].refusals.add(key.site.account_id, told, at)


def _hits(batch: Batch, key: ScriptKey, agent: str, address: str, received_at: datetime) -> list[NewHit]:
    bot = bots.is_bot(agent)
    described: set[str] = set()
    hits = []
    for event in batch.events:
        visit = None
        if event.visit_id and event.visit_id not in described and event.visit_id in batch.visits:
            described.add(event.visit_id)
            visit = stored_visit(
                _clean(batch.visits[event.visit_id]), received_at=received_at, sent_at_ms=batch.sent_at_ms,
                client={
                    "device": bots.device_of(agent), "browser": bots.browser_family(agent),
                    "network": network_of(address),
                },
            )  # fmt: skip
        hits.append(
            NewHit(
                account_id=key.site.account_id,
                event_id=event.event_id,
                kind=event.kind,
                occurred_at=occurred_at(event, received_at),
                visit_id=event.visit_id,
                site_id=key.site.site_id,
                place=key.place,
                bot=bot,
                visit=visit,
                payload=_clean_payload(event, agent),
            )
        )
    return hits


def _clean(visit: VisitDescription) -> VisitDescription:
    """Addresses are cut to what attribution needs before they are stored: no phones or e-mails of query strings."""
    return VisitDescription(
        visit.visitor_id, visit.started_at_ms, clean_address(visit.landing), clean_address(visit.referrer)
    )


#: Steps at which the form knows the client: what it says of them may hold a name and a phone.
_STEPS_WITH_CONTACTS = frozenset(
    {"send_contacts", "phone_approved", "group_personal_data_filled", "group_sms_code_confirmed"}
)


def _clean_payload(event: Event, agent: str) -> dict[str, Any]:
    payload = event.payload
    for name in ("url", "referrer"):
        if payload.get(name):
            payload[name] = clean_address(payload[name])
    if event.kind == "step" and payload["name"] in _STEPS_WITH_CONTACTS:
        payload["params"] = None
    if event.kind in ("form", "record", "booked"):
        payload["mobile"] = bots.device_of(agent) in ("mobile", "tablet")
    return payload
