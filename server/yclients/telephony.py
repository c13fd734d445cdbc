"""Telephony of YCLIENTS: one endpoint with three commands, and the list of calls of a branch.

Facts: the endpoint answers 202 and works later, so an answer proves nothing about routing; a pop-up is shown for
incoming calls alone; where both are given `user` wins over `diversion`, so only the number is told; whether `call_id`
makes an entry idempotent is not documented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from server.platform.budget import Priority, Wanted
from server.platform.egress import Unavailable
from server.yclients.client import YclientsClient

Type = Literal["incoming", "outgoing", "internal"]
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Ringing:
    phone: str = field(repr=False)
    diversion: str


@dataclass(frozen=True, slots=True)
class CallEntry:
    """`at` has a zone. Phones are digits without a plus."""

    type: Type
    phone: str = field(repr=False)
    diversion: str
    call_id: str
    missed: bool
    duration_s: int
    at: datetime
    link: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class ListedCall:
    id: int
    phone: str = field(repr=False)
    type: str
    missed: bool
    duration_s: int
    at: datetime | None


class TelephonyApi:
    """Networks by their `crm_token`; with a user token also the calls of a branch."""

    def __init__(self, client: YclientsClient) -> None:
        self._client = client

    async def setup(self, crm_token: str, *, on: bool) -> None:
        body = {"command": "setup", "type": "enable" if on else "disable", "crm_token": crm_token}
        await self._tell(body, Priority.OPERATOR)

    async def ring(self, crm_token: str, call: Ringing, *, wanted: Wanted | None = None) -> None:
        """Shows the pop-up. Raises `NoLongerWanted` when `wanted` says so while this call waits for its turn."""
        body = {
            "command": "event", "type": "incoming", "crm_token": crm_token, "phone": call.phone,
            "diversion": call.diversion,
        }  # fmt: skip
        await self._tell(body, Priority.OPERATOR, wanted)

    async def record(self, crm_token: str, call: CallEntry, *, priority: Priority = Priority.WEBHOOK) -> None:
        """Adds an entry to the history. Not safe to repeat."""
        body: dict[str, Any] = {
            "command": "history", "type": call.type, "crm_token": crm_token, "phone": call.phone,
            "diversion": call.diversion, "duration": call.duration_s, "call_id": call.call_id,
            "status": "missed" if call.missed else "success", "date": call.at.replace(microsecond=0).isoformat(),
        }  # fmt: skip
        if call.link:
            body["link"] = call.link
        await self._tell(body, priority)

    async def calls(
        self, company_id: int, *, phone: str, first: datetime, last: datetime, zone: ZoneInfo,
        priority: Priority = Priority.WEBHOOK,
    ) -> list[ListedCall]:  # fmt: skip
        """Calls of a phone in a branch, from the day of `first` to the day of `last`, both included."""
        body: dict[str, Any] = {
            "salon_id": company_id, "date_from": first.astimezone(zone).date().isoformat(),
            "date_to": (last.astimezone(zone).date() + timedelta(days=1)).isoformat(), "phone": phone, "page": 1,
            "limit": _PAGE,
        }  # fmt: skip
        data = await self._client.ask("GET", "/voip/integration/calls", body=body, priority=priority)
        if not isinstance(data, list):
            raise Unavailable("the answer has no list")
        return [listed for row in data if isinstance(row, dict) and (listed := _listed(row, zone))]

    async def _tell(self, body: dict[str, Any], priority: Priority, wanted: Wanted | None = None) -> None:
        await self._client.ask("POST", "/voip/integration", body=body, priority=priority, as_user=False, wanted=wanted)


def _listed(row: dict[str, Any], zone: ZoneInfo) -> ListedCall | None:
    try:
        at = datetime.fromisoformat(str(row.get("call_date")))
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at
    except ValueError:
        at = None
    try:
        return ListedCall(
            int(row.get("id") or 0), str(row.get("caller_phone") or "").lstrip("+"), str(row.get("type") or ""),
            row.get("status") != "success", int(row.get("duration") or 0), at,
        )  # fmt: skip
    except (TypeError, ValueError):
        return None
