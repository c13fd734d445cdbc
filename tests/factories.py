"""Webhooks and batches as the vendor and the scripts send them, with the fields a test cares about."""

from __future__ import annotations

import json
import secrets
import string
import time
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

_RECORD = json.loads((Path(__file__).parent / "contract" / "samples" / "record-online-widget.json").read_text("utf-8"))
MOSCOW = timezone(timedelta(hours=3))


def ident() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(22))


def stamp(moment: datetime) -> str:
    return moment.astimezone(MOSCOW).strftime("%Y-%m-%dT%H:%M:%S%z")


def webhook(
    record_id: int, *, status: str = "create", company_id: int = 4564, created: datetime | None = None,
    changed: datetime | None = None, **fields: Any,
) -> dict[str, Any]:  # fmt: skip
    """A record webhook; `fields` are put into `data`."""
    created = created or datetime.now(MOSCOW)
    data = deepcopy(_RECORD["data"])
    data |= {
        "id": record_id, "company_id": company_id, "create_date": stamp(created),
        "last_change_date": stamp(changed or created), "from_url": "", **fields,
    }  # fmt: skip
    return {"company_id": company_id, "resource": "record", "resource_id": record_id, "status": status, "data": data}


class Browser:
    """A visitor's browser, reduced to what the scripts send."""

    def __init__(self, landing: str = "https://salon.example/", referrer: str = "") -> None:
        self.visit, self.visitor, self.client = ident(), ident(), ident()
        self.landing, self.referrer = landing, referrer
        self.now = int(time.time() * 1000)

    def batch(self, *events: dict[str, Any], age_ms: int = 0) -> dict[str, Any]:
        about = {"visitor": self.visitor, "started_at": self.now, "landing": self.landing, "referrer": self.referrer}
        return {
            "v": 1,
            "script": "test",
            "sent_at": self.now + age_ms,
            "visits": {self.visit: about},
            "events": list(events),
        }

    def event(self, kind: str, *, at: int | None = None, **fields: Any) -> dict[str, Any]:
        return {"id": ident(), "kind": kind, "at": self.now if at is None else at, "visit": self.visit, **fields}

    def hit(self) -> dict[str, Any]:
        return self.event("hit", url=self.landing, title="", referrer=self.referrer)

    def open(self, mark: str) -> dict[str, Any]:
        return self.event(
            "open", mark=mark, form_host="n822081.yclients.com", url="https://n822081.yclients.com/", how="click"
        )

    def form(self, mark: str, client: str | None = None) -> dict[str, Any]:
        return self.event(
            "form", mark=mark, client=client or self.client, form_host="n822081.yclients.com", visit=None,
            url="https://n822081.yclients.com/company/4564/menu", referrer="",
        )  # fmt: skip

    def record(self, mark: str, record_id: int, client: str | None = None, company_id: int = 4564) -> dict[str, Any]:
        return self.event(
            "record", mark=mark, client=client or self.client, form_host="n822081.yclients.com", visit=None,
            company_id=company_id, record_id=record_id, record_hash="h", via="api",
        )  # fmt: skip
