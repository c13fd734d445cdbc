"""A record of YCLIENTS as deals see it: `deals.flow.Records`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from server.deals.flow import Parts, Records
from server.deals.history import Telling
from server.deals.model import Line
from server.yclients.deal_facts import deal_facts, told_of

_WHENEVER = datetime(1970, 1, 1, tzinfo=UTC)


class _RecordsOfYclients:
    def parts(self, raw: Mapping[str, Any]) -> Parts:
        facts = deal_facts(raw)
        lines = None
        if facts.lines is not None:
            lines = tuple(Line(line.kind, line.title, line.to_pay, line.category) for line in facts.lines)
        return Parts(lines, facts.paid_full, facts.paid, facts.labels, facts.custom, facts.creator)

    def telling(self, raw: Mapping[str, Any], *, status: str, timezone: ZoneInfo) -> Telling:
        told = told_of(raw, status=status, timezone=timezone)
        return Telling(_WHENEVER, 0, told.deleted, told.attendance, told.amount)


RECORDS: Records = _RecordsOfYclients()
