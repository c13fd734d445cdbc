"""Bookings, tellings and settings to make deals of, and the other system as strict as its documents."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from server.deals.funnel import Funnel
from server.deals.history import Telling
from server.deals.model import Booking, Client, Deal, DealSettings, Lead, Line, Person, deal_of
from server.deals.sending import Batch, Parcel
from server.deals.settings import DealsIntegration

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def integration(**told: Any) -> DealsIntegration:
    return _integration(json.dumps(told, sort_keys=True))


@cache
def _integration(told: str) -> DealsIntegration:
    return DealsIntegration.model_validate_json(told)


def settings(**told: Any) -> DealSettings:
    return integration(**told).settings()


def funnel(**told: Any) -> Funnel:
    return integration(funnel=told).funnel_of(4564, "Центр")


def booking(**told: Any) -> Booking:
    usual = Booking(
        branch=4564, number=123, branch_name="Центр", changed_at=NOON, created_at=NOON, deleted=False, attendance=0,
        currency="RUB", timezone=ZoneInfo("Europe/Moscow"), starts_at=at(86_400),
        lines=(Line("service", "Стрижка", Decimal("1500.00"), "Волосы"), Line("good", "Шампунь", Decimal("499.90"))),
        client=Client(77, "Анна", "+79000000001", "anna@example.com"), staff=Person(9, "Мария"),
        creator=Person(1001), online=True, origin="widget_mobile",
    )  # fmt: skip
    return replace(usual, **told)


def deal(told: Booking | None = None, *tellings: Telling, lead: Lead | None = None, **set_: Any) -> Deal:
    chosen = integration(**set_)
    told = told or booking()
    return deal_of(
        told, tellings, lead=lead, funnel=chosen.funnel_of(told.branch, told.branch_name), settings=chosen.settings()
    )


# --- a life of a booking, told in any order

_AMOUNTS = st.one_of(st.none(), st.decimals("0", "99999.99", places=2))
TELLINGS = st.builds(
    Telling,
    changed_at=st.integers(0, 12).map(lambda half: at(half / 2)),
    rank=st.sampled_from([0, 1, 2, 3]),
    deleted=st.booleans(),
    attendance=st.sampled_from([None, -1, 0, 1, 2]),
    amount=_AMOUNTS,
)
LIVES = st.lists(TELLINGS, min_size=1, max_size=10)
VENDOR_RULES = st.fixed_dictionaries(
    {
        "backward": st.sampled_from(["send", "closed_stays", "forward_only"]),
        "skipped": st.sampled_from(["generated", "filled"]),
        "content": st.sampled_from(["change_time", "stage_time"]),
        "empty_fields": st.sampled_from(["omit", "send"]),
    }
)


def stored(tellings: list[Telling], **told: Any) -> Booking:
    """The booking as it stands after these tellings: the newest has the last word."""
    newest = max(tellings, key=lambda telling: (telling.changed_at, telling.rank, str(telling)))
    lines = (Line("service", "Стрижка", newest.amount),) if newest.amount is not None else None
    return booking(
        **{"changed_at": newest.changed_at, "deleted": newest.deleted, "attendance": newest.attendance,
           "lines": lines, "created_at": NOON, **told}
    )  # fmt: skip


# --- the other system


@dataclass
class OtherSystem:
    """Takes a request whole or not at all. A deal's stage times never go back; what it holds is what came last."""

    bad: frozenset[str] = frozenset()
    held: dict[str, list[tuple[str, datetime, str]]] = field(default_factory=dict)
    requests: int = 0

    def takes(self, batch: Batch) -> bool:
        self.requests += 1
        if not all(self._good(parcel) for parcel in batch):
            return False
        for parcel in batch:
            rows = [(entry.step.stage.key, entry.step.at, parcel.deal.content) for entry in parcel.entries]
            self.held.setdefault(parcel.key, []).extend(rows)
        return True

    def _good(self, parcel: Parcel) -> bool:
        if parcel.key in self.bad:
            return False
        times = [moment for _, moment, _ in self.held.get(parcel.key, [])]
        for entry in parcel.entries:
            if entry.step.at < max((parcel.deal.created_at, *times)):
                return False
            if entry.closed_at is not None and entry.closed_at < parcel.deal.created_at:
                return False
            times.append(entry.step.at)
        return True
