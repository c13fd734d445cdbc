"""The lead as the contract shows it: one row of the journal → JSON of `GET /api/v1/leads`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from server.matching.words import detail_text, reason_text
from server.platform.postgres import Row

_UTM = ("source", "medium", "campaign", "term", "content")


def lead_json(row: Row, *, locale: str) -> dict[str, Any]:
    zone = ZoneInfo(row["timezone"])
    return {
        "id": str(row["lead_id"]),
        "created_at": local(row["created_at"], zone),
        "contact": contact_json(row),
        "booking": booking_part(row, zone),
        "match": match_json(row, locale=locale, zone=zone),
        "visit": visit_json(row, zone) if row["visit_id"] else None,
        "attribution": {
            "kind": row["attribution_kind"],
            "campaign_id": row["to_campaign_id"],
            "source_id": row["to_source_id"],
            "site_id": row["to_site_id"],
        },
        "delivery": {
            "state": row["delivery_state"],
            "uis_id": row["uis_id"],
            "attempts": row["delivery_attempts"],
            "last_error": row["last_error"],
            "next_attempt_at": local(row["next_attempt_at"], zone),
        },
    }


def local(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return moment.astimezone(zone).isoformat() if moment else None


def money(amount: Decimal | None) -> str | None:
    return f"{amount:.2f}" if amount is not None else None


def contact_json(row: Row) -> dict[str, Any]:
    return {
        "name": row["client_name"] or None,
        "phone": row["client_phone"] or row["client_phone_raw"] or None,
        "email": row["client_email"] or None,
    }


def services_json(row: Row) -> list[dict[str, Any]]:
    return [{"title": line["title"], "cost": line["cost"]} for line in row["services"] or ()]


def booking_part(row: Row, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": str(row["booking_id"]),
        "company_id": row["company_id"],
        "record_id": row["record_id"],
        "online": bool(row["online"]),
        "origin": row["origin"],
        "starts_at": local(row["starts_at"], zone),
        "services": services_json(row),
        "amount": money(row["amount"]),
        "currency": row["currency"],
    }


def match_json(row: Row, *, locale: str, zone: ZoneInfo) -> dict[str, Any]:
    if row["level"] is None:
        return {
            "level": "none", "method": "none", "probability": 0.0, "reason": reason_text("pending", {}, locale, zone),
            "evidence": [], "alternatives": [],
        }  # fmt: skip
    return {
        "level": row["level"],
        "method": row["method"],
        "probability": row["probability"],
        "reason": reason_text(row["reason_code"], row["reason_params"], locale, zone),
        "evidence": [evidence_json(item, locale, zone) for item in row["evidence"]],
        "alternatives": [
            {"visit_id": item["visit_id"], "probability": item["probability"]} for item in row["alternatives"]
        ],
    }


def evidence_json(item: Mapping[str, Any], locale: str, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "kind": item["kind"],
        "at": local(datetime.fromisoformat(item["at"]), zone),
        "weight_bits": item["weight_bits"],
        "detail": detail_text(item["detail_code"], item["detail_params"], locale, zone),
        "visit_id": item["visit_id"],
    }


def visit_json(row: Row, zone: ZoneInfo) -> dict[str, Any]:
    utm = row["utm"] or {}
    return {
        "id": row["visit_id"],
        "started_at": local(row["started_at"], zone),
        "channel": row["channel"],
        "source": row["source"],
        "medium": row["medium"],
        "campaign": row["campaign"],
        "utm": {name: utm.get(name) for name in _UTM},
        "click_ids": row["click_ids"] or {},
        "referrer": row["referrer"] or None,
        "landing_page": row["landing_page"] or None,
        "uis_session_id": row["uis_session_id"],
    }
