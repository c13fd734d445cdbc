"""The plain data of matching: what is known of a booking, what a browser reported, and the answer with its grounds.

Pure: types only. Every moment is aware; every list in an answer has one order, whatever the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

ENGINE_VERSION = "1"


class Level(StrEnum):
    """The rungs of the ladder, best first; `NONE` is below all."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    NONE = "none"


class Method(StrEnum):
    RECORD = "record"
    MARK = "mark"
    PHONE = "phone"
    CALL = "call"
    EMAIL = "email"
    PROBABLE = "probable"
    NONE = "none"


class Origin(StrEnum):
    WIDGET_DESKTOP = "widget_desktop"
    WIDGET_MOBILE = "widget_mobile"
    MOBILE_APP = "mobile_app"
    STAFF = "staff"
    API = "api"
    IMPORT = "import"
    UNKNOWN = "unknown"


ReasonCode = Literal[
    "record", "record_contested", "mark", "mark_contested", "phone", "phone_shared", "chat", "chat_shared",
    "call", "call_shared", "email", "email_shared", "probable", "probable_best", "probable_booked",
    "possible", "equal", "too_weak", "spent", "nobody", "staff", "api", "import", "not_online", "mobile_app",
    "waiting", "pending",
]  # fmt: skip

#: A second sentence beside the reason, in `reason_params["note"]`.
NoteCode = Literal["record_absurd", "mark_stranger", "mark_expired", "tie", "contradicted"]

DetailCode = Literal[
    "record", "record_later", "record_absurd", "mark", "mark_other", "mark_stranger", "mark_expired",
    "phone", "phone_earlier", "chat", "chat_earlier", "call", "call_earlier", "email", "email_earlier",
    "booked_gap", "activity_gap", "services_same", "services_other", "master_same", "master_other",
    "slot_same", "slot_other", "form_same", "form_other", "branch_same", "device_same", "device_other",
    "from_site_same", "step_chosen", "step_time", "step_contacts", "spent",
    "booked_elsewhere", "crowd",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class BookingFacts:
    """What is known of a booking, whoever owns it."""

    booking_id: str
    company_id: int
    record_id: int
    created_at: datetime  # by the vendor's clock, whole seconds
    received_at: datetime  # when we first heard of it
    origin: Origin
    online: bool
    bookform_id: int | None = None
    is_mobile: int | None = None  # 1 phone, 2 desktop; 0 and None say nothing
    from_host: str | None = None
    service_ids: frozenset[int] = frozenset()
    staff_id: int | None = None
    starts_at_local: str | None = None  # the branch's wall clock, "YYYY-MM-DDTHH:MM"
    phone_hash: bytes | None = None
    email_hash: bytes | None = None
    mark: str | None = None  # our mark, found inside the booking's own fields
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact about one visit.

    `kind`: `record`, `mark`, `booked`, `open`, `form`, `step`, `contact_phone`, `contact_email`, `chat_phone`, `call`;
    any other kind is passed over. `event_id` is what makes a repeated telling the same telling.
    """

    kind: str
    event_id: str
    visit_id: str
    at: datetime  # corrected to the server's clock
    company_id: int | None = None
    record_id: int | None = None
    form_id: int | None = None
    service_ids: frozenset[int] = frozenset()
    staff_id: int | None = None
    slot: str | None = None  # the branch's wall clock, as `starts_at_local`
    is_mobile: bool | None = None
    phone_hash: bytes | None = None
    email_hash: bytes | None = None
    mark: str | None = None
    mark_state: str | None = None  # bound, stranger, expired; None is as good as bound
    site_host: str | None = None
    step: str | None = None
    visitor_id: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Another booking, exactly matched with this visit: what the visit did with the form about then is spent."""

    visit_id: str
    company_id: int
    record_id: int
    at: datetime  # when that booking was made


@dataclass(frozen=True, slots=True)
class Alternative:
    """A visit that was weighed and not chosen. `bits` is its whole weight, 0 where nothing was weighed."""

    visit_id: str
    probability: float
    bits: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """One piece of evidence as shown: bits above zero speak for its own visit, below zero against it."""

    kind: str
    at: datetime
    weight_bits: float
    detail_code: DetailCode
    detail_params: Mapping[str, str]
    visit_id: str


@dataclass(frozen=True, slots=True)
class Match:
    """The answer. `visit_id` is None exactly when `level` is `NONE`; `probability` is then 0.

    `margin_bits` is the lead over the second candidate of a probable answer; None without one.
    """

    level: Level
    method: Method
    probability: float
    visit_id: str | None
    reason_code: ReasonCode
    reason_params: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Weighed, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    margin_bits: float | None = None
    engine_version: str = ENGINE_VERSION
