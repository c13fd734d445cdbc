"""The report of calls of UIS. Vendor words end here.

Facts: a recording is told as a hash, its address is made of it and of the call's id; calls that go on are left out;
whether a call of employees among themselves shows at all is not stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from server.platform.budget import Priority
from server.uis import mapping
from server.uis.data_api import DataApi
from server.uis.groups import groups
from server.uis.texts import line, whole

_COLUMNS = (
    "id", "start_time", "finish_time", "direction", "source", "is_lost", "is_transfer", "wait_duration", "talk_duration",
    "contact_phone_number", "virtual_phone_number", "communication_id", "call_records", "full_record_file_link",
    "voice_mail_records", "tags", "employees", "last_answered_employee_id", "last_answered_employee_full_name",
    "scenario_id", "scenario_name", "site_id", "site_domain_name", "campaign_name", "source_id", "source_name",
    "visitor_session_id",
)  # fmt: skip
_AT_ONCE = 50
Named = tuple[int | None, str | None]


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as the report has it. `record` is a whole address, a secret."""

    id: str
    started_at: datetime | None
    ended_at: datetime | None
    direction: Literal["in", "out"] | None
    internal: bool
    lost: bool
    transferred: bool
    talk_s: int | None
    wait_s: int | None
    contact: str | None = field(repr=False)
    number: str | None
    record: str | None = field(repr=False)
    voice_mail: bool
    employee: Named
    scenario_id: int | None
    scenario: str | None
    site_id: int | None
    site: str | None
    source_id: int | None
    source: str | None
    tags: tuple[Named, ...]
    session_id: int | None = None


class CallsApi:
    """Reads; `media_url` is where recordings lie."""

    def __init__(self, api: DataApi, *, media_url: str, priority: Priority) -> None:
        self._api, self._media_url, self._priority = api, media_url.rstrip("/"), priority

    async def begun(self, since: datetime, till: datetime) -> list[CallRow]:
        """Those that began in this time and have ended."""
        return await self._read({}, since, till)

    async def by_ids(self, ids: Sequence[str], since: datetime, till: datetime) -> list[CallRow]:
        found: list[CallRow] = []
        for part in groups(dict.fromkeys(int(one) for one in ids if one.isascii() and one.isdigit()), _AT_ONCE):
            found += await self._read({"filter": mapping.any_of("id", part)}, since, till)
        return found

    async def _read(self, params: dict[str, Any], since: datetime, till: datetime) -> list[CallRow]:
        params = {"fields": list(_COLUMNS), **params}
        rows, zone = await self._api.report("get.calls_report", params, since=since, till=till, priority=self._priority)
        return [call for row in rows if (call := call_of(row, zone, self._media_url))]


def call_of(row: Mapping[str, Any], zone: ZoneInfo, media_url: str) -> CallRow | None:
    number = whole(row.get("id"))
    if number is None:
        return None
    told = row.get("direction")
    voice = _hashes(row.get("voice_mail_records"))
    return CallRow(
        str(number), mapping.moment_of(row.get("start_time"), zone), mapping.moment_of(row.get("finish_time"), zone),
        told if told in ("in", "out") else None, told == "internal", row.get("is_lost") is True,
        row.get("is_transfer") is True, whole(row.get("talk_duration")), whole(row.get("wait_duration")),
        line(row.get("contact_phone_number")) or None, line(row.get("virtual_phone_number")) or None,
        _record(row, number, media_url), bool(voice),
        (whole(row.get("last_answered_employee_id")), line(row.get("last_answered_employee_full_name")) or None),
        whole(row.get("scenario_id")), line(row.get("scenario_name")) or None, whole(row.get("site_id")),
        line(row.get("site_domain_name")) or None, whole(row.get("source_id")), line(row.get("source_name")) or None,
        _tags(row.get("tags")), whole(row.get("visitor_session_id")),
    )  # fmt: skip


def _record(row: Mapping[str, Any], number: int, media_url: str) -> str | None:
    """The whole call in one file, else the first talk, else what was left on the machine."""
    whole_file = line(row.get("full_record_file_link"))
    if whole_file.startswith("https://") or (whole_file and whole_file.startswith(media_url)):
        return whole_file
    talk_id = whole(row.get("communication_id")) or number
    for kind, name in (("talk", "call_records"), ("voice_mail", "voice_mail_records")):
        for one in _hashes(row.get(name)):
            return f"{media_url}/system/media/{kind}/{talk_id}/{one}/"
    return None


def _hashes(value: Any) -> list[str]:
    """Nothing but what can stand in an address."""
    return (
        [one for one in value if isinstance(one, str) and one.isascii() and one.isalnum()]
        if isinstance(value, list)
        else []
    )


def _tags(value: Any) -> tuple[Named, ...]:
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    return tuple((whole(row.get("tag_id")), line(row.get("tag_name")) or None) for row in rows)
