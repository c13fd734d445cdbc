"""The journal «Звонки»: calls as they are looked at, in the cabinet and by `GET /api/v1/calls`. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.platform.postgres import Conn, Row

DIRECTIONS = ("in", "out", "internal")
#: How a call stands: while it goes on its state, then its outcome.
RESULTS = ("ringing", "talking", "answered", "missed", "voice_mail")
#: How its line of the history stands; the states of a delivery, and what is not on its way.
HISTORY = ("delivered", "waiting", "retrying", "held", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What the journal is narrowed to; None everywhere means all."""

    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None  # phone digits, employee, the call's own number
    direction: str | None = None
    result: str | None = None
    history: str | None = None
    company_id: int | None = None
    number: str | None = None  # the virtual one, digits


_HISTORY = "coalesce(nullif(d.state, 'off'), nullif(c.history, 'wanted'))"
_CALLS = f"""
    select c.call_id, c.session_id, c.direction, c.state, c.outcome, c.told, c.started_at, c.ended_at, c.contact, c.number,
        c.employee, c.transferred, c.talk_s, c.wait_s, c.facts, c.network_id, c.company_id,
        c.record is not null as has_record, c.popup, c.popup_why, c.popup_note, c.popup_at, c.history, c.history_why,
        c.history_at, c.client, c.client_why, c.created_at, c.updated_at, br.title as branch_title, br.timezone,
        n.name as network_name, d.delivery_id, d.state as delivery_state, d.code as delivery_code,
        d.error as delivery_error, d.next_attempt_at, {_HISTORY} as history_state,
        case when c.state = 'over' then c.outcome else c.state end as result,
        bc.client_id, bc.card_name, coalesce(bc.how, '') as client_how, m.text as comment_text, m.state as comment_state
    from call c
    left join branch br on br.account_id = c.account_id and br.company_id = c.company_id
    left join network n on n.account_id = c.account_id and n.network_id = c.network_id
    left join delivery d on d.account_id = c.account_id and d.kind = 'call' and d.subject_id = c.call_id
    left join client_comment m on m.account_id = c.account_id and m.key = 'call:' || c.session_id
    left join branch_client bc on bc.account_id = c.account_id and bc.branch_client_id = m.branch_client_id
    where c.account_id = $1
"""


async def journal(
    conn: Conn, account_id: UUID, wanted: CallFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Newest first; `before` is (started_at, call_id) of the last page's end."""
    search = (wanted.search or "").strip()
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" if search else None
    digits = "".join(sign for sign in search if sign.isdigit() and sign.isascii())
    return await conn.fetch(
        _CALLS + " and ($2::timestamptz is null or c.started_at >= $2) and ($3::timestamptz is null or c.started_at < $3)"
        " and ($4::text is null or c.employee ilike $4 or ($5::text <> '' and (c.session_id = $5"
        "  or regexp_replace(c.contact, '\\D', '', 'g') like '%' || $5 || '%' or c.number like '%' || $5 || '%')))"
        " and ($6::text is null or c.direction = $6)"
        " and ($7::text is null or case when c.state = 'over' then c.outcome else c.state end = $7)"
        f" and ($8::text is null or {_HISTORY} = $8) and ($9::bigint is null or c.company_id = $9)"
        " and ($10::text is null or c.number = $10)"
        " and ($11::timestamptz is null or (c.started_at, c.call_id) < ($11, $12::uuid))"
        " order by c.started_at desc, c.call_id desc limit $13",
        account_id, wanted.since, wanted.until, pattern,
        digits[1:] if len(digits) == 11 and digits[0] in "78" else digits, wanted.direction, wanted.result, wanted.history,
        wanted.company_id, wanted.number, before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def one(conn: Conn, account_id: UUID, call_id: UUID) -> tuple[Row, list[Row]] | None:
    """A call as in the journal, and all that was told of it, oldest first; the recording's link is in neither."""
    row = await conn.fetchrow(_CALLS + " and c.call_id = $2", account_id, call_id)
    if row is None:
        return None
    events = await conn.fetch(
        "select event, at, received_at, facts from call_event where account_id = $1 and call_id = $2 order by at, key",
        account_id, call_id,
    )  # fmt: skip
    return row, events


def call_json(row: Row, zone: ZoneInfo, events: Sequence[Row] | None = None, *, recording: str = "") -> dict[str, Any]:
    """One row for the API; with `events` the whole of one. `recording`: a link that plays it for a while."""
    zone, facts = ZoneInfo(row["timezone"]) if row["timezone"] else zone, row["facts"]
    told: dict[str, Any] = {
        "id": str(row["call_id"]), "uis_id": row["session_id"], "direction": row["direction"], "state": row["state"],
        "outcome": row["outcome"] or None, "started_at": _local(row["started_at"], zone),
        "ended_at": _local(row["ended_at"], zone), "phone": row["contact"] or None, "number": row["number"] or None,
        "employee": row["employee"] or None, "transferred": row["transferred"], "talk_s": row["talk_s"],
        "wait_s": row["wait_s"], **{name: (facts.get(name) or [None, None])[1] for name in ("site", "source", "scenario")},
        "tags": [tag[1] or str(tag[0]) for tag in facts.get("tags") or ()],
        "company_id": row["company_id"], "network_id": str(row["network_id"]) if row["network_id"] else None,
        "has_recording": row["has_record"],
        "popup": {"state": row["popup"] or None, "why": row["popup_why"] or None, "at": _local(row["popup_at"], zone)},
        "history": {
            "state": row["history_state"] or ("waiting" if row["history"] == "wanted" else None),
            "why": row["history_why"] or row["delivery_code"] or None, "last_error": row["delivery_error"],
            "next_attempt_at": _local(row["next_attempt_at"], zone),
        },
        "client": {
            "state": row["client"] or None, "why": row["client_why"] or None, "id": row["client_id"],
            "how": row["client_how"] or None,
        },
    }  # fmt: skip
    if events is None:
        return told
    return {
        **told, "recording": recording or None, "comment_text": row["comment_text"] or None,
        "events": [
            {
                "event": item["event"], "at": _local(item["at"], zone), "received_at": _local(item["received_at"], zone),
                "facts": {name: value for name, value in item["facts"].items() if name != "record"},
            }
            for item in events
        ],
    }  # fmt: skip


def _local(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return moment.astimezone(zone).isoformat() if moment else None
