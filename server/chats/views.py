"""The journal «Чаты»: chats and forms as they are looked at, in the cabinet and by `GET /api/v1/chats`. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.platform.postgres import Conn, Row

STATES = ("waiting", "done", "skipped")
KINDS = ("chat", "form")


@dataclass(frozen=True, slots=True)
class TextFilter:
    """What the journal is narrowed to; None everywhere means all."""

    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None  # name, phone digits, e-mail, number in UIS
    kind: str | None = None
    state: str | None = None
    company_id: int | None = None


_TEXTS = """
    select t.text_id, t.kind, t.vendor_id, t.communication_id, t.status, t.started_at, t.ended_at, t.facts, t.company_id,
        t.state, t.reason, t.created_at, t.updated_at, t.branch_client_id, c.client_id, coalesce(c.how, '') as client_how,
        c.card_name, c.phone as client_phone, br.title as branch_title, br.timezone,
        d.delivery_id, d.state as delivery_state, d.code as delivery_code, d.error as delivery_error,
        m.state as comment_state, m.text as comment_text, m.written_at as comment_at
    from text_communication t
    left join branch br on br.account_id = t.account_id and br.company_id = t.company_id
    left join branch_client c on c.account_id = t.account_id and c.branch_client_id = t.branch_client_id
    left join delivery d on d.account_id = t.account_id and d.kind = 'client' and d.subject_id = t.branch_client_id
    left join client_comment m on m.account_id = t.account_id and m.branch_client_id = t.branch_client_id
        and m.key = t.kind || ':' || t.vendor_id
    where t.account_id = $1
"""


async def journal(
    conn: Conn, account_id: UUID, wanted: TextFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Newest first; `before` is (started_at, text_id) of the last page's end."""
    search = (wanted.search or "").strip()
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" if search else None
    digits = "".join(sign for sign in search if sign.isdigit() and sign.isascii())
    return await conn.fetch(
        _TEXTS + " and ($2::timestamptz is null or t.started_at >= $2) and ($3::timestamptz is null or t.started_at < $3)"
        " and ($4::text is null or t.facts ->> 'name' ilike $4 or t.facts ->> 'email' ilike $4 or ($5::text <> '' and"
        "  (regexp_replace(t.facts ->> 'phone', '\\D', '', 'g') like '%' || $5 || '%' or t.vendor_id::text = $5)))"
        " and ($6::text is null or t.kind = $6) and ($7::text is null or t.state = $7)"
        " and ($8::bigint is null or t.company_id = $8)"
        " and ($9::timestamptz is null or (t.started_at, t.text_id) < ($9, $10::uuid))"
        " order by t.started_at desc, t.text_id desc limit $11",
        account_id, wanted.since, wanted.until, pattern,
        digits[1:] if len(digits) == 11 and digits[0] in "78" else digits, wanted.kind, wanted.state, wanted.company_id,
        before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def one(conn: Conn, account_id: UUID, text_id: UUID) -> tuple[Row, list[Row]] | None:
    """A chat or form as in the journal, and all that was told of it, oldest first."""
    row = await conn.fetchrow(_TEXTS + " and t.text_id = $2", account_id, text_id)
    if row is None:
        return None
    events = await conn.fetch(
        "select event, source, at, told_at, facts from text_event where account_id = $1 and text_id = $2"
        " order by told_at, event_id",
        account_id, text_id,
    )  # fmt: skip
    return row, events


def text_json(row: Row, zone: ZoneInfo, events: Sequence[Row] | None = None) -> dict[str, Any]:
    """One row for the API; with `events` the whole of one."""
    zone, facts = ZoneInfo(row["timezone"]) if row["timezone"] else zone, row["facts"]
    told: dict[str, Any] = {
        "id": str(row["text_id"]), "kind": row["kind"], "uis_id": row["vendor_id"],
        "communication_id": row["communication_id"], "status": row["status"], "started_at": _local(row["started_at"], zone),
        "ended_at": _local(row["ended_at"], zone),
        "contact": {name: facts.get(name) or None for name in ("name", "phone", "email")},
        "site": facts.get("site") or None, "campaign": facts.get("campaign") or None, "type": facts.get("type") or None,
        "employee": facts.get("employee") or None, "tags": [tag[1] or str(tag[0]) for tag in facts.get("tags") or ()],
        "company_id": row["company_id"], "state": row["state"], "reason": row["reason"] or None,
        "client": {"id": row["client_id"], "how": row["client_how"] or None} if row["branch_client_id"] else None,
        "comment": row["comment_state"],
        "delivery": {
            "state": row["delivery_state"], "code": row["delivery_code"] or None, "last_error": row["delivery_error"],
        } if row["delivery_state"] else None,
    }  # fmt: skip
    if events is None:
        return told
    return {
        **told, "message": facts.get("message") or None, "transcript": facts.get("transcript") or None,
        "comment_text": row["comment_text"] or None,
        "events": [
            {
                "event": item["event"], "source": item["source"], "at": _local(item["at"], zone),
                "told_at": _local(item["told_at"], zone), "facts": item["facts"],
            }
            for item in events
        ],
    }  # fmt: skip


def _local(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return moment.astimezone(zone).isoformat() if moment else None
