"""OpenAPI 3.1 of the public surface, built beside the routes and tested against them, and a page to read it."""

from __future__ import annotations

import html
from functools import lru_cache
from typing import Any, get_args

from aiohttp import web
from pydantic import BaseModel

from server.api import deliveries
from server.api.deliveries import KindsAsked, ReplayAsked
from server.api.integrations import NewNetwork, PastTime
from server.calls import views as calls
from server.calls.settings import TelephonyIntegration
from server.chats import views as chats
from server.chats.settings import TextsIntegration
from server.deals.settings import DealsIntegration
from server.delivery import replays
from server.leads.settings import LeadsIntegration
from server.marketplace.model import State as LinkState
from server.tracking.model import BODY_LIMIT, EVENTS_LIMIT, KINDS

routes = web.RouteTableDef()
_TEXT = {"type": "string"}
_NULL_TEXT = {"type": ["string", "null"]}
_NULL_NUMBER = {"type": ["integer", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_NULL_TIME = {"type": ["string", "null"], "format": "date-time"}
_MONEY = {"type": ["string", "null"], "pattern": r"^-?\d+\.\d\d$"}


def _object(properties: dict[str, Any], *, closed: bool = False, required: list[str] | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": "object", "properties": properties, "required": list(properties) if required is None else required,
    }  # fmt: skip
    return {**document, "additionalProperties": False} if closed else document


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> dict[str, Any]:
    return _object({"data": {"type": "array", "items": _ref(name)}, "next_cursor": _NULL_TEXT})


def _schemas() -> dict[str, Any]:
    contact = _object({"name": _NULL_TEXT, "phone": _NULL_TEXT, "email": _NULL_TEXT})
    service = _object({"title": _TEXT, "cost": _MONEY})
    booking_part = {
        "id": _TEXT, "company_id": {"type": "integer"}, "record_id": {"type": "integer"}, "online": {"type": "boolean"},
        "origin": {"enum": ["widget_desktop", "widget_mobile", "mobile_app", "staff", "api", "import", "unknown"]},
        "starts_at": _NULL_TIME, "services": {"type": "array", "items": service}, "amount": _MONEY, "currency": _TEXT,
    }  # fmt: skip
    match = _object(
        {
            "level": {"enum": ["L0", "L1", "L2", "L3", "L4", "L5", "none"]},
            "method": {"enum": ["record", "mark", "phone", "call", "email", "probable", "none"]},
            "probability": {"type": "number", "minimum": 0, "maximum": 1},
            "reason": {"type": "string", "description": "one sentence, in the asked language"},
            "evidence": {
                "type": "array",
                "items": _object(
                    {"kind": _TEXT, "at": _TIME, "weight_bits": {"type": "number"}, "detail": _TEXT, "visit_id": _TEXT}
                ),
            },
            "alternatives": {"type": "array", "items": _object({"visit_id": _TEXT, "probability": {"type": "number"}})},
        }
    )
    lead_visit = _object(
        {
            "id": _TEXT, "started_at": _TIME,
            "channel": {
                "enum": ["ad", "email", "messenger", "social", "recommend", "organic", "qrcode", "referral", "internal",
                         "saved", "undefined", "direct"],
            },
            "source": _NULL_TEXT, "medium": _NULL_TEXT, "campaign": _NULL_TEXT,
            "utm": _object(dict.fromkeys(("source", "medium", "campaign", "term", "content"), _NULL_TEXT)),
            "click_ids": {"type": "object", "additionalProperties": _TEXT}, "referrer": _NULL_TEXT,
            "landing_page": _NULL_TEXT, "uis_session_id": _NULL_TEXT,
        }
    )  # fmt: skip
    visit = _object(
        {
            **lead_visit["properties"], "visitor_id": _NULL_TEXT, "last_seen_at": _TIME, "hits": {"type": "integer"},
            "device": {"enum": ["mobile", "desktop", "tablet", "unknown"]}, "browser": _TEXT, "bot": {"type": "boolean"},
            "place": {"enum": ["site", "form"]}, "referral_kind": _NULL_TEXT,
            "advice": {
                "type": "array", "items": _object({"code": _TEXT, "detail": _TEXT}),
                "description": "what the owner may want to mend in the marks of the adverts",
            },
            "rules_version": _TEXT,
        }
    )  # fmt: skip
    visit_or_null = {"oneOf": [_ref("LeadVisit"), {"type": "null"}]}
    return {
        "Problem": _object(
            {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "code": _TEXT, "detail": _TEXT}
        ),
        "LeadVisit": lead_visit,
        "Visit": visit,
        "Match": match,
        "Lead": _object(
            {
                "id": _TEXT, "created_at": _TIME, "contact": contact, "booking": _object(booking_part),
                "match": _ref("Match"), "visit": visit_or_null,
                "attribution": _object(
                    {"kind": {"enum": ["visit", "default", "app"]}, "campaign_id": _NULL_NUMBER,
                     "source_id": _NULL_NUMBER, "site_id": _NULL_NUMBER}
                ),
                "delivery": _object(
                    {"state": {"enum": ["waiting", "delivered", "retrying", "failed", "held", "off"]},
                     "uis_id": _NULL_TEXT, "attempts": {"type": "integer"}, "last_error": _NULL_TEXT,
                     "next_attempt_at": _NULL_TIME}
                ),
            }
        ),
        "Booking": _object(
            {
                **booking_part, "created_at": _TIME, "changed_at": _TIME, "received_at": _TIME,
                "status": {"enum": ["waiting", "confirmed", "came", "no_show", "deleted"]}, "attendance": _NULL_NUMBER,
                "deleted": {"type": "boolean"}, "contact": contact, "staff": _NULL_TEXT, "comment": _NULL_TEXT,
                "origin_facts": {"type": "object"}, "lead_id": _NULL_TEXT, "match": _ref("Match"), "visit": visit_or_null,
            }
        ),
        "Quarantined": _object(
            {
                "id": _TEXT, "received_at": _TIME, "source": _TEXT, "reason": _TEXT, "detail": _TEXT,
                "company_id": _NULL_NUMBER, "state": {"enum": ["open", "replayed", "dismissed"]},
                "replayed_at": _NULL_TIME, "body": _TEXT, "body_base64": _TEXT,
                "body_size": {"type": "integer", "description": "bytes of the body that are kept"},
                "body_cut": {"type": "boolean", "description": "only its beginning stands here; `quarantine/{id}` has the whole"},
            }
        ),
        "JourneyFact": _object({"at": _TIME, "kind": _TEXT, "facts": {"type": "object"}}),
        "Anything": {"type": "object"},
        "Notice": _object({
            "id": _TEXT, "sort": {"enum": ["failing", "exhausted", "recovered"]},
            "topic": {"type": "string", "pattern": "^(uis|yclients|lead|deal|client|call|frozen:[0-9]+)$"},
            "at": _TEXT, "code": _TEXT, "detail": _TEXT,
        }),
        "Delivery": _object({
            "id": _TEXT, "kind": {"enum": list(deliveries.KINDS)},
            "subject_id": {"type": "string", "description": "the booking, the call, or the client of a branch"},
            "booking_id": _NULL_TEXT, "company_id": _NULL_NUMBER,
            "record_id": _NULL_NUMBER, "state": {"enum": ["waiting", "delivered", "retrying", "failed", "held", "off"]},
            "code": _NULL_TEXT, "uis_id": _NULL_TEXT, "attempts": {"type": "integer"}, "last_error": _NULL_TEXT,
            "next_attempt_at": _NULL_TIME, "delivered_at": _NULL_TIME, "created_at": _TIME,
            "history": {
                "type": "array",
                "items": _object({"at": _TIME, "outcome": _TEXT, "code": _NULL_TEXT, "detail": _NULL_TEXT}),
            },
        }),
        "Link": _object({
            "company_id": {"type": "integer"}, "title": _NULL_TEXT, "state": {"enum": list(get_args(LinkState))},
            "code": {**_NULL_TEXT, "description": "why it is so, where the state alone does not say"},
            "asked_at": _TIME, "active_since": _NULL_TIME, "checked_at": _NULL_TIME,
        }),
        "Replay": _object({
            "id": _TEXT, "run": {"enum": ["running", "done", "cancelled"]},
            "wanted": _object({
                "state": {"enum": list(replays.AGAIN)}, "kind": {"enum": [*deliveries.KINDS, None]}, "code": _NULL_TEXT,
                "since": _NULL_TIME, "until": _NULL_TIME,
            }),
            "total": {"type": "integer", "description": "counted when it began"},
            "tried": {"type": "integer", "description": "how many of them had their turn"},
            **{name: {"type": "integer"} for name in ("delivered", "retrying", "failed", "held")},
            "created_at": _TIME, "ended_at": _NULL_TIME,
        }),
        "Way": _object({
            "kind": {"enum": list(deliveries.KINDS)},
            "paused_at": {**_NULL_TIME, "description": "since when nothing of this kind leaves; null: it is not paused"},
            "waiting": {"type": "integer", "description": "how many wait to be sent"},
        }),
        "Deal": _deal(contact),
        **_models(
            LeadsIntegration, DealsIntegration, TelephonyIntegration, TextsIntegration, NewNetwork, PastTime, ReplayAsked,
            KindsAsked,
        ),
        **_communications(contact),
        "PastReading": _object({
            "since": _NULL_TIME, "until": _NULL_TIME, "done": {**_NULL_TIME, "description": "read so far"},
            "found": {"type": "integer", "description": "that were not known"}, "running": {"type": "boolean"},
            "last_error": _NULL_TEXT,
        }),
        "Network": _object({
            "id": _TEXT, "name": _TEXT, "wanted": {"type": "boolean", "description": "telephony is to be on in YCLIENTS"},
            "state": {"enum": ["new", "on", "off", "refused"]}, "note": _TEXT,
        }),
        "Batch": _batch(),
    }  # fmt: skip


def _communications(contact: dict[str, Any]) -> dict[str, Any]:
    texts, seconds = {"type": "array", "items": _TEXT}, {"type": "integer", "minimum": 0}
    client = {"id": _NULL_NUMBER, "how": {"enum": ["found", "made", "absent", None]}}
    call = {
        "id": _TEXT, "uis_id": _TEXT, "direction": {"enum": list(calls.DIRECTIONS)},
        "state": {"enum": ["ringing", "talking", "over"]}, "outcome": {"enum": ["answered", "missed", "voice_mail", None]},
        "started_at": _TIME, "ended_at": _NULL_TIME, "phone": _NULL_TEXT, "number": _NULL_TEXT, "employee": _NULL_TEXT,
        "transferred": {"type": "boolean"}, "talk_s": seconds, "wait_s": seconds, "site": _NULL_TEXT, "source": _NULL_TEXT,
        "scenario": _NULL_TEXT, "tags": texts, "company_id": _NULL_NUMBER, "network_id": _NULL_TEXT,
        "has_recording": {"type": "boolean"},
        "popup": _object({
            "state": {"enum": ["wanted", "shown", "dropped", "failed", "skipped", None]}, "why": _NULL_TEXT, "at": _NULL_TIME,
        }),
        "history": _object({
            "state": {"enum": [*calls.HISTORY, None]}, "why": _NULL_TEXT, "last_error": _NULL_TEXT, "next_attempt_at": _NULL_TIME,
        }),
        "client": _object({"state": {"enum": ["wanted", "skipped", None]}, "why": _NULL_TEXT, **client}),
    }  # fmt: skip
    chat = {
        "id": _TEXT, "kind": {"enum": list(chats.KINDS)}, "uis_id": {"type": "integer"}, "communication_id": _NULL_NUMBER,
        "status": {"enum": ["going_on", "ended", "lost", "refused", "sent"]}, "started_at": _TIME, "ended_at": _NULL_TIME,
        "contact": contact, "site": _NULL_TEXT, "campaign": _NULL_TEXT, "type": _NULL_TEXT, "employee": _NULL_TEXT,
        "tags": texts, "company_id": _NULL_NUMBER, "state": {"enum": list(chats.STATES)}, "reason": _NULL_TEXT,
        "client": {"oneOf": [_object(client), {"type": "null"}]},
        "comment": {"enum": ["waiting", "written", "needless", None]},
        "delivery": {
            "oneOf": [_object({"state": _TEXT, "code": _NULL_TEXT, "last_error": _NULL_TEXT}), {"type": "null"}]
        },
    }  # fmt: skip
    event, facts = {"event": _TEXT, "at": _TIME}, {"facts": {"type": "object"}}
    return {
        "Call": _object(call),
        "WholeCall": _object({
            **call, "recording": {**_NULL_TEXT, "description": "plays it for some minutes"}, "comment_text": _NULL_TEXT,
            "events": {"type": "array", "items": _object({**event, "received_at": _TIME, **facts})},
        }),
        "Chat": _object(chat),
        "WholeChat": _object({
            **chat, "message": _NULL_TEXT, "transcript": _NULL_TEXT, "comment_text": _NULL_TEXT,
            "events": {
                "type": "array",
                "items": _object({**event, "source": {"enum": ["notification", "report"]}, "told_at": _TIME, **facts}),
            },
        }),
    }  # fmt: skip


def _models(*models: type[BaseModel]) -> dict[str, Any]:
    """The schemas of settings, each part under its own name."""
    schemas: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    return schemas


def _deal(contact: dict[str, Any]) -> dict[str, Any]:
    moves = {"key": _TEXT, "name": _TEXT, "at": _TIME}
    return _object({
        "id": _TEXT, "key": {"type": "string", "description": "of the deal in UIS, for ever"}, "created_at": _TIME,
        "updated_at": _TIME,
        "booking": _object({
            "id": _TEXT, "company_id": {"type": "integer"}, "record_id": {"type": "integer"},
            "online": {"type": "boolean"}, "starts_at": _NULL_TIME,
        }),
        "title": _TEXT, "funnel": _object({"key": _TEXT, "name": _TEXT}),
        "stage": _object({**moves, "kind": {"enum": ["in_process", "success", "failed"]}}),
        "stages": {"type": "array", "items": _object(moves), "description": "passed up to now"},
        "withheld": {
            "type": "array", "items": _object({**moves, "reason": {"enum": ["closed_stays", "forward_only"]}}),
            "description": "moves of the booking that its deal does not make",
        },
        "sum": {"type": ["string", "null"], "description": "what is to be paid for services and goods"}, "currency": _TEXT,
        "paid_share": {"type": ["string", "null"], "description": "from 0 to 1; null: not known"}, "contact": contact,
        "responsible": _NULL_TEXT,
        "fields": {"type": "array", "items": _object({"key": _TEXT, "name": _TEXT, "value": _TEXT})},
        "link": _object({"by": {"enum": ["lead", "contact", "none"]}, "communication_id": _NULL_NUMBER}),
        "delivery": _object({
            "state": {"enum": ["waiting", "delivered", "retrying", "failed", "held", "off"]}, "uis_id": _NULL_TEXT,
            "attempts": {"type": "integer"}, "last_error": _NULL_TEXT, "next_attempt_at": _NULL_TIME,
        }),
    })  # fmt: skip


def _batch() -> dict[str, Any]:
    identifier = {"type": "string", "pattern": "^[0-9A-Za-z_-]{16,64}$"}
    milliseconds = {"type": "integer", "minimum": 0, "description": "milliseconds since 1970 by the sender's clock"}
    visit = {"visitor": identifier, "started_at": milliseconds, "landing": _TEXT, "referrer": _TEXT}
    described = _object({"id": identifier, **visit}, required=["id", "visitor", "started_at"])
    return {
        "type": "object",
        "required": ["v", "sent_at", "events"],
        "description": f"≤ {BODY_LIMIT} bytes. Times count by their differences only; an event has its effect once per id.",
        "properties": {
            "v": {"const": 1},
            "script": _TEXT,
            "sent_at": milliseconds,
            "visits": {
                "type": ["object", "null"],
                "maxProperties": EVENTS_LIMIT,
                "propertyNames": identifier,
                "additionalProperties": _object(visit, required=["visitor", "started_at"]),
            },
            "events": {
                "type": "array",
                "maxItems": EVENTS_LIMIT,
                "items": {
                    "type": "object",
                    "required": ["id", "kind", "at"],
                    "properties": {
                        "id": identifier,
                        "kind": {"enum": list(KINDS)},
                        "at": milliseconds,
                        "visit": {"oneOf": [identifier, described, {"type": "null"}]},
                        **_event_fields(identifier),
                    },
                    "allOf": [
                        {"if": {"properties": {"kind": {"const": kind}}}, "then": {"required": fields}}
                        for kind, fields in (("open", ["visit", "mark"]), ("record", ["company_id", "record_id"]))
                    ],
                },
            },
        },
    }


def _event_fields(identifier: dict[str, Any]) -> dict[str, Any]:
    """What an event may carry beside its id, kind, time and visit; a field of another kind is dropped."""
    number = {"type": ["integer", "string", "null"], "minimum": 0, "pattern": "^[0-9]{1,18}$"}
    text = {"type": ["string", "null"], "description": "cut to 2,048 characters"}
    short = {"type": ["string", "null"], "description": "cut to 64 characters"}
    appointment = _object(
        {"services": {"type": "array", "items": number}, "staff_id": number, "datetime": _NULL_TEXT}, required=[]
    )
    return {
        "url": {**text, "description": "hit, open, form"},
        "title": {**text, "description": "hit"},
        "referrer": {**text, "description": "hit, form"},
        "mark": {
            "type": ["string", "null"], "pattern": "^[0-9A-Za-z]{22}$",
            "description": "open; form, step, booked and record need it when they name no visit",
        },
        "form_host": {**text, "description": "open, form, step, booked, record: the host of the booking form"},
        "how": {**short, "description": "open: show, click, link, iframe, touch, key, context, program"},
        "client": {
            "oneOf": [identifier, {"type": "null"}], "description": "form, step, booked, record: this browser on the form's origin",
        },
        "framed": {"type": ["boolean", "null"], "description": "form: it stands in a frame"},
        "name": {**short, "description": "step: its name"},
        "params": {"description": "step: what the form said of it, ≤ 2 KB"},
        "company_id": {**number, "description": "booked, record: the branch"},
        "appointments": {"type": ["array", "null"], "items": appointment, "description": "booked"},
        "group": {"type": ["boolean", "null"], "description": "booked: a group event"},
        "record_id": {**number, "description": "record: the number of the new record"},
        "record_hash": {**short, "description": "record"},
        "via": {**short, "description": "record: api, analytics, network, route"},
        "session_id": {**short, "description": "uis: the visitor session of UIS"},
        "visitor_id": {**short, "description": "uis"},
        "phone": {**short, "description": "contact: only its keyed hash is kept"},
        "email": {**text, "description": "contact: only its keyed hash is kept"},
        "state": {**short, "description": "consent: granted or denied"},
    }  # fmt: skip


_PAGING = [
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}},
    {"name": "cursor", "in": "query", "schema": _TEXT, "description": "`next_cursor` of the page before"},
]
_PERIOD = [
    {"name": "since", "in": "query", "schema": _TIME},
    {"name": "until", "in": "query", "schema": _TIME},
]
_BOOKING_FILTERS = [
    *_PERIOD,
    {"name": "q", "in": "query", "schema": _TEXT, "description": "name, phone digits, e-mail, record number, campaign"},
    {"name": "origin", "in": "query", "schema": _TEXT},
    {"name": "company_id", "in": "query", "schema": {"type": "integer"}},
    {"name": "record_id", "in": "query", "schema": {"type": "integer"}},
    {"name": "online", "in": "query", "schema": {"type": "boolean"}},
]


def _problems(*statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {str(status): {"description": "refused; `code` says why", "content": content} for status in statuses}


def _json(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _integration(summary: str, model: str) -> dict[str, Any]:
    return {
        **_get(summary, _ref(model)),
        "put": {
            "summary": "Change them",
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(model)}}},
            "responses": {
                "200": _json("kept", _ref(model)),
                **_problems(401, 413, 422),
            },
        },
    }


def _get(
    summary: str, schema: Any, *, parameters: list[Any] | None = None, found_by_id: bool = False
) -> dict[str, Any]:
    path = [_in_path("id")] if found_by_id else []
    return {
        "get": {
            "summary": summary,
            "parameters": [*path, *(parameters or [])],
            "responses": {
                "200": _json("as asked", schema),
                **_problems(400, 401, *((404,) if found_by_id else ())),
            },
        }
    }


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    api = "/api/v1"
    paths: dict[str, Any] = {
        f"{api}/leads": _get(
            "Journal «Обращения и цели»: bookings with their visits", _list("Lead"),
            parameters=[
                *_PAGING, *_BOOKING_FILTERS, {"name": "source", "in": "query", "schema": _TEXT},
                {"name": "campaign", "in": "query", "schema": _TEXT}, {"name": "level", "in": "query", "schema": _TEXT},
            ],
        ),
        f"{api}/leads/{{id}}": _get("One lead", _ref("Lead"), found_by_id=True),
        f"{api}/bookings": _get("All bookings, current state", _list("Booking"), parameters=[*_PAGING, *_BOOKING_FILTERS]),
        f"{api}/bookings/{{id}}": _get("One booking", _ref("Booking"), found_by_id=True),
        f"{api}/bookings/{{id}}/journey": _get("Everything known of a booking, in time", _list("JourneyFact"), found_by_id=True),
        f"{api}/visits": _get(
            "Visits", _list("Visit"),
            parameters=[
                *_PAGING, *_PERIOD, {"name": "channel", "in": "query", "schema": _TEXT},
                {"name": "source", "in": "query", "schema": _TEXT}, {"name": "visitor_id", "in": "query", "schema": _TEXT},
                {"name": "bots", "in": "query", "schema": {"type": "boolean"}},
            ],
        ),
        f"{api}/visits/{{id}}": _get("One visit", _ref("Visit"), found_by_id=True),
        f"{api}/quarantine": _get(
            "Webhooks that could not be used, with the reason; of each body the first 64 KB", _list("Quarantined"),
            parameters=[*_PAGING, {"name": "state", "in": "query", "schema": {"enum": ["open", "replayed", "dismissed", "all"]}}],
        ),
        f"{api}/quarantine/{{id}}": _get("One of them, whole", _ref("Quarantined"), found_by_id=True),
        f"{api}/quarantine/{{id}}/replay": {
            "post": {
                "summary": "Work on one item again",
                "parameters": [_in_path("id")],
                "responses": {
                    "200": _json("replayed", _object({"state": {"const": "replayed"}, "outcome": _TEXT})),
                    **_problems(401, 404, 409),
                },
            }
        },
        f"{api}/ledger": _get(
            "accepted = stored + kept + duplicate + quarantined + waiting, by door and hour", _ref("Anything"), parameters=_PERIOD
        ),
        f"{api}/health": _get("Well, or what needs attention", _ref("Anything")),
        f"{api}/integrations/leads": _integration(
            "Settings of «Yclients передача заявок c Онлайн-виджета»", "LeadsIntegration"
        ),
        f"{api}/integrations/deals": _integration("Settings of «Yclients передача сделок»", "DealsIntegration"),
        f"{api}/integrations/telephony": _integration("Settings of «Подключение телефонии»", "TelephonyIntegration"),
        f"{api}/integrations/telephony/networks": {
            **_get("Networks of YCLIENTS whose User token is kept", _list("Network")),
            "post": {
                "summary": "Keep a network's User token, sealed; the same token again is the same network",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("NewNetwork")}}},
                "responses": {"201": _json("kept", _ref("Network")), **_problems(401, 413, 422)},
            },
        },
        f"{api}/integrations/texts": _integration(
            "Settings of «Подключение текстовых коммуникаций»", "TextsIntegration"
        ),
        f"{api}/integrations/texts/past": {
            **_get("Past chats and site forms: how far they are read", _ref("PastReading")),
            "post": {
                "summary": "Read chats and site forms of past days, by the settings as they stand",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("PastTime")}}},
                "responses": {"202": _json("it has begun", _ref("PastReading")), **_problems(401, 409, 413, 422)},
            },
        },
        f"{api}/integrations/marketplace": _get("Branches that joined by the YCLIENTS application, and how each stands", _list("Link")),
        f"{api}/deals": _get(
            "Journal «Сделки»: each booking's deal, and what became of it on its way to UIS", _list("Deal"),
            parameters=[
                *_PAGING, *_PERIOD,
                {"name": "q", "in": "query", "schema": _TEXT, "description": "name, phone digits, e-mail, record number, title"},
                {"name": "stage", "in": "query", "schema": _TEXT, "description": "key of a stage"},
                {"name": "company_id", "in": "query", "schema": {"type": "integer"}},
                {"name": "record_id", "in": "query", "schema": {"type": "integer"}},
                {"name": "state", "in": "query", "schema": {"enum": ["waiting", "delivered", "retrying", "failed", "held", "off"]}},
            ],
        ),
        f"{api}/calls": _get(
            "Journal «Звонки»: each call, what was done about it in YCLIENTS, and why not", _list("Call"),
            parameters=[
                *_PAGING, *_PERIOD,
                {"name": "q", "in": "query", "schema": _TEXT, "description": "phone digits, employee, number in UIS"},
                {"name": "direction", "in": "query", "schema": {"enum": list(calls.DIRECTIONS)}},
                {"name": "result", "in": "query", "schema": {"enum": list(calls.RESULTS)}},
                {"name": "history", "in": "query", "schema": {"enum": list(calls.HISTORY)}},
                {"name": "company_id", "in": "query", "schema": {"type": "integer"}},
                {"name": "number", "in": "query", "schema": _TEXT, "description": "virtual number, digits"},
            ],
        ),
        f"{api}/calls/{{id}}": _get("One call with its events and a link that plays its recording", _ref("WholeCall"), found_by_id=True),
        f"{api}/chats": _get(
            "Journal «Чаты»: chats and forms of UIS, what was done about each in YCLIENTS, and why not", _list("Chat"),
            parameters=[
                *_PAGING, *_PERIOD,
                {"name": "q", "in": "query", "schema": _TEXT, "description": "name, phone digits, e-mail, number in UIS"},
                {"name": "kind", "in": "query", "schema": {"enum": list(chats.KINDS)}},
                {"name": "state", "in": "query", "schema": {"enum": list(chats.STATES)}},
                {"name": "company_id", "in": "query", "schema": {"type": "integer"}},
            ],
        ),
        f"{api}/chats/{{id}}": _get("One chat or form with its conversation and all that was told of it", _ref("WholeChat"), found_by_id=True),
        f"{api}/deliveries": _get(
            "What is on its way to UIS and YCLIENTS, with every attempt", _list("Delivery"),
            parameters=[
                {"name": "kind", "in": "query", "schema": {"enum": list(deliveries.KINDS)}},
                {"name": "state", "in": "query", "schema": {"enum": ["waiting", "delivered", "retrying", "failed", "held", "off"]}},
                *_PAGING,
            ],
        ),
        f"{api}/notices": _get(
            "What the owner was told of outages: each of them at most once of each sort", _list("Notice"), parameters=[*_PAGING]
        ),
        f"{api}/deliveries/{{id}}/replay": {
            "post": {
                "summary": "Deliver once more what failed; looked up first, never doubled",
                "parameters": [_in_path("id")],
                "responses": {
                    "200": _json("it waits for its turn", _object({"state": _TEXT, "kind": _TEXT})), **_problems(401, 404),
                },
            }
        },
        f"{api}/deliveries/replay": {
            "post": {
                "summary": "Deliver many once more, chosen by a filter: only counted with `dry_run`, else a portion at a time",
                "requestBody": {"content": {"application/json": {"schema": _ref("ReplayAsked")}}},
                "responses": {
                    "200": _json("how many there are; nothing began", _object({"dry_run": {"type": "boolean"}, "count": {"type": "integer"}})),
                    "202": _json("it has begun", _object({"dry_run": {"type": "boolean"}, "count": {"type": "integer"}, "replay": _ref("Replay")})),
                    **_problems(401, 409, 413, 422),
                },
            }
        },
        f"{api}/deliveries/replays": _get("The latest replays of many, and how far each has come", _list("Replay")),
        f"{api}/deliveries/replays/{{id}}": _get("One of them", _ref("Replay"), found_by_id=True),
        f"{api}/deliveries/replays/{{id}}/cancel": {
            "post": {
                "summary": "No further one is sent again; what was let go already goes on",
                "parameters": [_in_path("id")],
                "responses": {"200": _json("cancelled", _ref("Replay")), **_problems(401, 404)},
            }
        },
        f"{api}/deliveries/ways": _get("Each kind of deliveries: whether it is paused, and how many wait", _list("Way")),
        **{
            f"{api}/deliveries/{act}": {
                "post": {
                    "summary": summary,
                    "requestBody": {"content": {"application/json": {"schema": _ref("KindsAsked")}}},
                    "responses": {"200": _json("how it is now", _list("Way")), **_problems(401, 413, 422)},
                }
            }
            for act, summary in (
                ("pause", "Nothing of these kinds (none named: of any) leaves; what comes is kept and waits"),
                ("resume", "What waited goes on from where it was"),
            )
        },
        f"{api}/reports/{{name}}": {
            "get": {
                "summary": "A report: none in this version", "parameters": [_in_path("name")],
                "responses": _problems(401, 404),
            }
        },
        "/c": {
            "post": {
                "summary": "Collector of the scripts and of server-side senders",
                "security": [],
                "parameters": [{"name": "k", "in": "query", "required": True, "schema": _TEXT, "description": "site or form key"}],
                "requestBody": {
                    "required": True,
                    "content": {name: {"schema": _ref("Batch")} for name in ("text/plain", "application/json")},
                },
                "responses": {"204": {"description": "durable"}, **_problems(400, 404, 413, 429, 503)},
            }
        },
        "/hooks/yclients/{token}": {
            "get": {
                "summary": "Looks whether the address is one: the vendor's cabinet asks before it saves it",
                "security": [], "parameters": [_in_path("token")],
                "responses": {"200": {"description": "it is"}, **_problems(404)},
            },
            "post": {
                "summary": "Webhook of YCLIENTS: an event or an array of events; anything is accepted and kept",
                "security": [],
                "parameters": [_in_path("token")],
                "requestBody": {"content": {"application/json": {"schema": {}}}},
                "responses": {"200": {"description": "the raw body is durable"}, **_problems(404, 503)},
            }
        },
        "/hooks/yclients-app": {
            "post": {
                "summary": "Lifecycle of the marketplace application in a branch; its token is compared and not kept",
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["salon_id", "event", "partner_token"],
                                "properties": {
                                    "salon_id": {"type": "integer"}, "application_id": {"type": "integer"},
                                    "event": {"type": "string", "description": "uninstall, freeze; another is kept and nothing acts on it"},
                                    "partner_token": {"type": "string"},
                                },
                            }
                        }
                    },
                },
                "responses": {"200": {"description": "the event is durable"}, **_problems(404, 503)},
            }
        },
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "yclick",
            "version": "1",
            "description": "Bookings of YCLIENTS with the visits and adverts that brought them.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


@routes.get("/api/v1/openapi.json")
async def openapi_document(_: web.Request) -> web.Response:
    return web.json_response(openapi(), headers={"Access-Control-Allow-Origin": "*"})


@routes.get("/api/docs")
async def page(_: web.Request) -> web.Response:
    """A plain page made from the same document: no script, nothing loaded from elsewhere."""
    parts = []
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            query = ", ".join(item["name"] for item in operation.get("parameters", []))
            parts.append(
                f'<tr><td data-name="Method"><code>{method.upper()}</code></td>'
                f'<td data-name="Path"><code>{html.escape(path)}</code></td>'
                f'<td data-name="What">{html.escape(operation["summary"])}</td>'
                f'<td data-name="Parameters">{html.escape(query)}</td></tr>'
            )
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>yclick API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/static/cabinet.css"></head><body class="page"><main>'
        "<h1>yclick API</h1><p>Send <code>Authorization: Bearer API_TOKEN</code>. The whole description: "
        '<a href="/api/v1/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
        '<table class="cards"><thead><tr><th></th><th>Path</th><th>What</th><th>Parameters</th></tr></thead><tbody>'
        + "".join(parts)
        + "</tbody></table></main></body></html>"
    )
    return web.Response(text=text, content_type="text/html")
