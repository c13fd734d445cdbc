"""What goes to UIS and what comes back, as plain data: no vendor field name outside this package.

Moments are aware; the vendor's wall-clock time of the account is made from them in `mapping`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

# Limits of the vendor (Data API v2.0, pages of the methods), the same for every account.
SESSION_AGE_DAYS = 180  # a request may name a visitor session no older than this
CONTACT_AGE_DAYS = 30  # a deal is joined with communications of its contacts no older than this
REQUESTS_MOST = 50
SESSIONS_MOST = 50
SESSIONS_BYTES_MOST = 512 * 1024
CONTACTS_MOST = 1000
DEALS_MOST = 1000
STAGES_MOST = 100
STAGE_ORDER_MOST = 10_000
# Components of the account that this product needs, by the vendor's ids (`Plan.has`).
LOADS_REQUESTS = "upload_offline_messages"
LOADS_SESSIONS = "upload_sessions"
HOLDS_DEALS = "sales_funnel"

NO_CAMPAIGN = -1  # "Посетители без рекламной кампании"

DataType = Literal["numeric", "string"]
CommunicationType = Literal["chat", "request", "call", "goal", "email"]
Owner = Literal["deal", "request"]  # what a field of the account belongs to


@dataclass(frozen=True, slots=True)
class Key:
    """A key made for a user in the vendor's cabinet."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """Login and password; a session of one hour is made of them."""

    login: str = field(repr=False)
    password: str = field(repr=False)


Access = Key | Login


@dataclass(frozen=True, slots=True)
class Options:
    """What the vendor's papers leave open. A default is what their examples show, or what breaks nothing."""

    phone_with_plus: bool = False  # the table says E.164, every example has digits without "+"
    send_no_campaign: bool = False  # campaign -1: allowed by one page, refused by another; the site alone says the same
    small_group: int = REQUESTS_MOST  # requests in one upload: each costs a point, however many it carries
    look_around_days: int = 2  # how far around its own time a request is looked for in the report


@dataclass(frozen=True, slots=True)
class Points:
    """What the account may still spend; resets are seconds from when the answer came."""

    day_limit: int | None
    day_remaining: int | None
    day_reset_s: int | None
    minute_limit: int | None
    minute_remaining: int | None
    minute_reset_s: int | None


# --- lists for the settings


@dataclass(frozen=True, slots=True)
class Account:
    id: int | None
    name: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the account has switched on: `components` holds the vendor's ids, as `LOADS_REQUESTS`."""

    customer_id: int | None
    user_id: int | None
    tariff: str
    active: bool
    timezone: str
    components: frozenset[str]

    def has(self, component: str) -> bool:
        return component in self.components


@dataclass(frozen=True, slots=True)
class Site:
    id: int
    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Campaign:
    id: int
    name: str
    active: bool
    site_id: int | None


@dataclass(frozen=True, slots=True)
class Source:
    id: int  # system sources have negative ids
    name: str
    channel: str
    usable: bool  # neither off nor removed


@dataclass(frozen=True, slots=True)
class Named:
    """A virtual number (its name is the number), a scenario or a tag."""

    id: int
    name: str
    usable: bool = True


# --- requests and sessions


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    ext_id: str
    name: str
    data_type: DataType = "string"


@dataclass(frozen=True, slots=True)
class FieldValue:
    ext_id: str
    value: str


@dataclass(frozen=True, slots=True)
class InSession:
    """The visitor's own session: campaign, source and site are the vendor's to tell."""

    session_id: int


@dataclass(frozen=True, slots=True)
class ByDefault:
    """No session: the campaign, or the source and the site, that the owner chose."""

    campaign_id: int | None = None
    source_id: int | None = None
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class OfflineRequest:
    """An online booking as the vendor's offline request. Needs a phone or an e-mail."""

    ext_id: str
    at: datetime
    origin: InSession | ByDefault
    name: str = ""
    phone: str = ""  # E.164
    email: str = ""
    message: str = ""
    form_name: str = ""
    fields: tuple[FieldValue, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedRequest:
    """A row of the vendor's report of offline requests."""

    id: int
    ext_id: str
    at: datetime | None
    communication_id: int | None
    session_id: int | None
    campaign_id: int | None
    site_id: int | None
    source_id: int | None
    by_api: bool  # loaded by the Data API: only such a row can be deleted
    form_name: str = ""


@dataclass(frozen=True, slots=True)
class SessionUpload:
    """A visit the vendor's script did not see. `marks` are names the vendor knows (`MARKS`); others are left out."""

    ext_id: str
    site_id: int
    at: datetime
    visitor_is_new: bool
    visitor_ip: str
    marks: tuple[tuple[str, str], ...] = ()
    referrer: str = ""
    entrance_url: str = ""
    entrance_title: str = ""
    device: Literal["", "desktop", "mobile", "tablet", "other"] = ""
    duration_s: int | None = None
    campaign_id: int | None = None
    visitor_id: int | None = None


MARKS = frozenset({
    "utm_source", "utm_medium", "utm_term", "utm_content", "utm_campaign", "utm_referrer", "utm_expid",
    "openstat_ad", "openstat_campaign", "openstat_service", "openstat_source",
    "gclid", "yclid", "ymclid", "ef_id", "tag_from", "cm_id", "ua_client_id", "ym_client_id",
    "search_engine", "search_query",
})  # fmt: skip


# --- deals


@dataclass(frozen=True, slots=True)
class Stage:
    ext_id: str
    name: str
    order: int = 0  # 1…10,000 for a stage on the way; the vendor gives the last two their own
    status: Literal["in_process", "success", "failed"] = "in_process"


@dataclass(frozen=True, slots=True)
class Funnel:
    """Stages on the way (1…100, better numbered 10, 20, 30…), then exactly one success and one failure."""

    ext_id: str
    name: str
    on_the_way: tuple[Stage, ...]
    success: Stage
    failed: Stage


@dataclass(frozen=True, slots=True)
class Contact:
    ext_id: str
    name: str
    created_at: datetime | None = None
    phones: tuple[str, ...] = ()  # E.164
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Employee:
    ext_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Communication:
    """A call, chat, request… of the account; named in a deal it wins over the deal's contacts."""

    id: int
    type: CommunicationType


@dataclass(frozen=True, slots=True)
class Tag:
    ext_id: str
    name: str


@dataclass(frozen=True, slots=True)
class DealStep:
    """A deal in one stage. The first step makes the deal, each later one adds to its history.

    `stage_at` is neither before `created_at` nor before the last step that was loaded. Contacts or the
    communication change only together with a later `changed_at` or `stage_at`.
    """

    ext_id: str
    name: str
    created_at: datetime
    stage_at: datetime
    funnel: str
    stage: str
    changed_at: datetime | None = None
    closed_at: datetime | None = None
    contacts: tuple[str, ...] = ()
    main_contact: str = ""
    revenue: Decimal | None = None
    employee: str = ""
    comments: str = ""
    source: str = ""
    communication: Communication | None = None
    fields: tuple[FieldValue, ...] = ()
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedStep:
    """A row of a deal's history at the vendor."""

    ext_id: str
    name: str
    created_at: datetime | None
    stage_at: datetime | None
    closed_at: datetime | None
    funnel: str
    stage: str
    revenue: Decimal | None
    generated: bool  # a skipped stage that the vendor filled in
    communication: Communication | None
    contacts: tuple[str, ...] = ()
    employee: str = ""
