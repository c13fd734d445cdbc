"""What the simulated UIS account remembers, and the switches of its behaviour.

What the fact sheets mark as unknown or inferred is a switch here, never a silent choice.
"""

from __future__ import annotations

import random
import secrets
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

FAULTS = (
    "limit_minute", "limit_day", "internal_error", "http_429", "http_500", "http_502", "html", "torn", "hang", "reset",
    "lost_answer", "late_hang", "wrong_id", "both", "no_version", "empty",
)  # fmt: skip
#: These do the work and lose the answer: to the caller the outcome is unknown.
DONE_BUT_UNSAID = frozenset({"torn", "lost_answer", "late_hang", "wrong_id", "empty", "no_version"})
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Switches:
    """How the vendor behaves. Defaults are what the facts call documented or likeliest."""

    # envelope
    error_status: int = 200  # HTTP status of answers with an error
    error_id: bool = True  # errors carry the id of the request
    login_expiry: str = "expire_at"  # expire_at, expire
    account_as: str = "list"  # list, object
    field_index: bool = False  # `field` of an error carries the number of the item
    limits_shown: bool = True  # metadata.limits in every answer
    day_limit: int = 3500
    minute_limit: int = 200
    minute_s: int = 60  # how long its "minute" is: shorter, and a test waits less for the points of the next
    # requests and sessions
    one_bad_row: str = (
        "all"  # all: nothing is loaded; partial: the good ones are, and the error answered; skip: fewer ids
    )
    ext_id_twice: str = "accept"  # accept: a second row; refuse: duplicate_entity; same: the id of the first
    no_campaign: str = "accept"  # campaign -1: accept, refuse
    inconsistent: str = "invalid_parameters_combination"  # or invalid_parameter_value
    answer_order: str = "request"  # request, reversed
    report_delay_s: float = 0.0  # until a loaded row shows in the report
    phone_form: str = "both"  # both, digits, plus
    phone_as_number: bool = True  # in reports
    session_twice: str = "same"  # same: the known session_id; dropped: no entry in the answer
    session_delay_s: float = 0.0  # until an uploaded session shows in its report
    # deals
    contact_twice: str = "refuse"  # refuse: duplicate_entity; ignore
    contacts_partial: bool = False  # one bad contact fails the others or not
    reopen: str = "accept"  # a deal going back from success or failure: accept, refuse
    deals_busy_s: float = 0.0  # until loaded deals are worked off
    # notifications about events
    notice_delay_s: float = 0.05
    notice_duplicates: int = 0  # further copies of each
    notice_loss: float = 0.0  # share that is lost, 0 … 1
    notice_reorder: bool = False
    notice_hold: bool = False  # kept back until `release`
    notice_silent: list[str] = field(default_factory=list)  # events that are never told
    notice_retries: int = 0  # after a network error or an answer that is not 2xx
    notice_retry_s: float = 0.2
    notice_timeout_s: float = 10.0
    notice_secret: bool = True  # False: the key `secret` is not in the bodies
    notice_content_type: str = "application/json"  # of a POST; none: no such header
    notice_query: str = "plain"  # values in a query: plain, literal
    notice_unknown: str = "null"  # a variable the event does not have: null, empty, as_is
    notice_messages: str = "string"  # the variable `messages`: string, array
    uploads_told: bool = True  # a loaded request is told of as one of a form is
    lost_call_ends: bool = True  # a lost call has the event of the end, too
    # recordings
    media_origin: str = ""  # where links of recordings lead instead of here
    media_type: str = "audio/mpeg"  # audio/mpeg (silence), audio/wav (a tone)
    media_ranges: bool = True
    media_length: bool = True  # the length is told beforehand
    media_bytes: int = 0  # a file as long as this instead of the call's
    media_redirect: str = ""  # where a link leads on to
    media_gone: bool = False  # links have expired
    media_delay_s: float = 0.0  # until a link that was told of gives a file
    # reports
    calls_delay_s: float = 0.0  # until an ended call shows in its report
    # Call API
    clicked_call: str = "outgoing"  # how a call goes that was started by it
    clicked_call_scale: float = 1.0
    call_day_limit: int = 3500
    call_minute_limit: int = 200
    seed: int = 1  # of everything that happens by chance
    # access
    forbidden: list[str] = field(default_factory=list)  # methods the user of the key may not call
    active: bool = True
    tariff_refuses: list[str] = field(default_factory=list)
    # faults at random; for one on cue see `Uis.cue`
    fault_rate: float = 0.0
    fault_kinds: list[str] = field(
        default_factory=lambda: ["limit_minute", "internal_error", "http_502", "lost_answer"]
    )
    hang_s: float = 30.0


class Refused(Exception):
    """A refusal by mnemonic; code and words follow from it."""

    def __init__(
        self, mnemonic: str, *, field: str = "", value: Any = None, params: dict[str, Any] | None = None, code: int = 0
    ) -> None:
        super().__init__(mnemonic)
        self.mnemonic, self.field, self.value, self.params, self.code = mnemonic, field, value, params or {}, code


@dataclass
class Cue:
    """The next `times` calls of `method` (any, if empty) meet this fault."""

    fault: str
    method: str = ""
    times: int = 1


@dataclass
class Communication:
    id: int
    type: str
    at: datetime
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()


@dataclass
class Session:
    id: int
    site_id: int
    at: datetime
    campaign_id: int
    ext_id: str = ""
    shown_from: datetime = _LONG_AGO
    source_id: int | None = None
    marks: dict[str, Any] = field(default_factory=dict)


@dataclass
class Deal:
    """History in order of loading; `link` is what the analytics join it with."""

    ext_id: str
    history: list[dict[str, Any]] = field(default_factory=list)
    link: tuple[int, str] | None = None
    busy_until: datetime = _LONG_AGO


COMPONENTS = (
    "dataapi", "dataapi_provisioning", "dataapi_reports", "call_tracking", "upload_offline_messages", "upload_sessions",
    "sales_funnel", "va", "recording", "consultant", "callapi", "notification_by_http",
)  # fmt: skip


class Uis:
    """One account at the vendor. `clock` may be replaced; the account's zone is not the server's."""

    timezone = "Asia/Yekaterinburg"

    def __init__(self, *, clock: Callable[[], datetime] | None = None, seed: int = 1) -> None:
        self.clock = clock or (lambda: datetime.now(UTC))
        self._seed = seed
        self.ears: list[Callable[[str, dict[str, Any]], None]] = []  # who hears what happens here
        self.chat_ears: list[Callable[[int, str, dict[str, Any]], None]] = []
        self.notices: list[Any] = []  # notifications as entered; they stay over a reset, as addresses do
        self.origin = ""  # where this account is reached
        self.reset()

    def reset(self) -> None:
        self.switches = Switches(seed=self._seed)
        self.chance = random.Random(self._seed)
        self.cues: deque[Cue] = deque()
        self.random = random.Random(self._seed)
        self.journal: list[dict[str, Any]] = []  # method, parameters without secrets, outcome
        self.spent: dict[str, tuple[int, int]] = {}
        # access
        self.logins = {"owner@salon.example": "stand-password"}
        self.keys: dict[str, str] = {"stand-key-0123456789": "ok"}  # ok, expired, blocked
        self.sessions_of_login: dict[str, datetime] = {}
        self.listed = ["127.0.0.1", "::1"]  # "0.0.0.0/0" lets everybody in
        self.components = set(COMPONENTS)
        # directories
        self.sites = [
            {"id": 43525, "domain_name": "salon.example", "name": "Сайт салона", "state": "active"},
            {"id": 43526, "domain_name": "app.salon.example", "name": "Приложение", "state": "active"},
        ]
        self.campaigns = [
            {"id": -1, "name": "Посетители без рекламной кампании", "status": "active", "type": "system", "site_id": None},
            {"id": 268176, "name": "Яндекс.Директ", "status": "active", "type": "basic", "site_id": 43525},
            {"id": 268177, "name": "Приложение", "status": "active", "type": "basic", "site_id": 43526},
            {"id": 268178, "name": "Старая", "status": "inactive", "type": "basic", "site_id": 43525},
        ]  # fmt: skip
        self.sources = [
            {"id": -2, "name": "Яндекс.Директ", "channel_name": "Контекстная реклама", "is_custom": False, "state": "active"},
            {"id": 8, "name": "Карты", "channel_name": "Рекомендации", "is_custom": True, "state": "active"},
            {"id": 9, "name": "Удалённый", "channel_name": "Рекомендации", "is_custom": True, "state": "removed"},
        ]  # fmt: skip
        self.numbers: list[dict[str, Any]] = [
            {
                "id": number,
                "virtual_phone_number": phone,
                "status": "active",
                "category": "geographic",
                "type": "default",
                "name": name,
                "campaigns": [{"campaign_id": campaign, "site_id": site}] if campaign else [],
                "scenarios": [{"scenario_id": 901, "scenario_name": "Основной", "is_active": True}],
            }
            for number, phone, name, campaign, site in (
                (77001, "74950000001", "Покровка", 268176, 43525),
                (77002, "74950000002", "Мира", None, None),
                (77003, "74950000003", "Запасной", None, None),
            )
        ]
        self.scenarios: list[dict[str, Any]] = [
            {"id": 901, "name": "Основной"},
            {"id": 902, "name": "Вечер"},
            {"id": 903, "name": "Переадресация в CRM"},
        ]
        self.staff: list[dict[str, Any]] = [
            {
                "id": 391018,
                "full_name": "Анна Соколова",
                "phone": "79160000101",
                "extension": "101",
                "email": "anna@salon.example",
            },
            {
                "id": 391019,
                "full_name": "Мария Ким",
                "phone": "79160000102",
                "extension": "102",
                "email": "maria@salon.example",
            },
        ]
        self.tags: list[dict[str, Any]] = [
            {
                "id": number,
                "name": name,
                "is_system": False,
                "is_auto": False,
                "state": "enabled",
                "rating": 0,
                "color": "#EBEBEB",
            }
            for number, name in ((515114, "Целевой"), (515115, "Спам"), (515116, "Записать"))
        ]
        # what people said to us
        self.calls: dict[int, Any] = {}
        self.callers: Counter[str] = Counter()
        self.chats: dict[int, Any] = {}
        self.visitors: dict[int, dict[str, Any]] = {}
        self.comments: list[dict[str, Any]] = []
        # the Chat API
        self.adapters: dict[int, dict[str, Any]] = {}
        self.chat_accounts: dict[int, dict[str, Any]] = {}
        self.chat_tokens: dict[str, tuple[str, float]] = {}  # token → whose it is, until when
        self.chat_sent: list[dict[str, Any]] = []  # every webhook to an adapter
        self.chat_channels: list[dict[str, Any]] = [
            {
                "id": number,
                "channel_id": channel,
                "type": kind,
                "name": name,
                "is_active": True,
                "is_removed": False,
                "status": "active",
                "status_reason": "",
            }
            for number, channel, kind, name in (
                (740804, 1, "comagic", "Чат на сайте"),
                (740805, 2, "whatsapp", "WhatsApp"),
            )
        ]
        self.blocked: set[str] = set()  # contacts that may not be called
        self.told_at: dict[str, float] = {}  # when each recording was there
        self.sent: list[dict[str, Any]] = []  # every attempt of a notification
        # what was loaded
        self.messages: dict[int, dict[str, Any]] = {}
        self.sessions: dict[int, Session] = {}
        self.communications: list[Communication] = []
        self.user_fields: dict[str, dict[str, dict[str, str]]] = {"deal": {}, "offline_message": {}}
        self.funnels: dict[str, dict[str, Any]] = {}
        self.employees: dict[str, dict[str, str]] = {}
        self.contacts: dict[str, dict[str, Any]] = {}
        self.deals: dict[str, Deal] = {}
        self._next = 255_544_000 + secrets.randbelow(100_000)

    # --- the hand on it

    def switch(self, **changes: Any) -> dict[str, Any]:
        known = {item.name for item in fields(Switches)}
        for name, value in changes.items():
            if name not in known:
                raise KeyError(name)
            setattr(self.switches, name, value)
        if "seed" in changes:
            self.random, self.chance = random.Random(changes["seed"]), random.Random(changes["seed"])
        return asdict(self.switches)

    def cue(self, fault: str, *, method: str = "", times: int = 1) -> None:
        if fault not in FAULTS:
            raise KeyError(fault)
        self.cues.append(Cue(fault, method, times))

    def fault_for(self, method: str) -> str:
        for cue in self.cues:
            if cue.method in ("", method):
                cue.times -= 1
                if cue.times <= 0:
                    self.cues.remove(cue)
                return cue.fault
        if self.switches.fault_rate and self.random.random() < self.switches.fault_rate:
            return self.random.choice(self.switches.fault_kinds)
        return ""

    def visit(self, *, at: datetime | None = None, site_id: int = 43525, campaign_id: int = 268176) -> int:
        """A visit of a site page: what `Comagic.getSessionId()` gives there."""
        session = Session(self.new_id(), site_id, at or self.clock(), campaign_id)
        self.sessions[session.id] = session
        return session.id

    def call(self, phone: str, *, at: datetime | None = None) -> int:
        """A call of that phone; answers the communication."""
        found = Communication(self.new_id(), "call", at or self.clock(), frozenset({phone.lstrip("+")}))
        self.communications.append(found)
        return found.id

    def snapshot(self) -> dict[str, Any]:
        """For a look from outside: what the account holds now."""
        return {
            "messages": [{name: value for name, value in row.items() if not name.startswith("_")} for row in self.messages.values()],
            "sessions": [asdict(one) for one in self.sessions.values()],
            "deals": {one.ext_id: {"history": one.history, "link": one.link} for one in self.deals.values()},
            "funnels": list(self.funnels.values()), "contacts": list(self.contacts.values()),
            "employees": list(self.employees.values()), "journal": self.journal,
            "calls": [asdict(one) for one in self.calls.values()], "chats": [asdict(one) for one in self.chats.values()],
            "visitors": list(self.visitors.values()), "comments": self.comments,
        }  # fmt: skip

    def tell(self, event: str, values: dict[str, Any]) -> None:
        """Something happened. One ear is enough: a second server of the same account tells nothing twice."""
        for hear in self.ears[:1]:
            hear(event, {"notification_mnemonic": event, **values})

    def tell_adapters(self, path: str, document: dict[str, Any], *, account_id: int) -> None:
        for hear in self.chat_ears[:1]:
            hear(account_id, path, document)

    def accounts_of(self, channel_id: int) -> list[int]:
        """Accounts of the Chat API that have this channel."""
        numbers = {one["id"] for one in self.chat_channels if one["channel_id"] == channel_id}
        return [one["id"] for one in self.chat_accounts.values() if numbers & set(one["channels"])]

    def media_link(self, kind: str, communication_id: int, mark: str) -> str:
        return f"{self.switches.media_origin or self.origin}/system/media/{kind}/{communication_id}/{mark}/"

    # --- its own needs

    def new_id(self) -> int:
        self._next += 1
        return self._next

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def wall(self, moment: datetime | None) -> str | None:
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S") if moment else None

    def moment(self, text: str) -> datetime:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=self.zone)

    def whole_now(self) -> datetime:
        return self.clock().replace(microsecond=0)

    # --- points

    def limits(self, api: str = "data") -> dict[str, int]:
        shown: dict[str, int] = {}
        stamp = self.clock().timestamp()
        for window, seconds, limit in self._windows(api):
            number, spent = self.spent.get(f"{api} {window}", (-1, 0))
            spent = spent if number == int(stamp // seconds) else 0
            shown |= {
                f"{window}_limit": limit, f"{window}_remaining": max(0, limit - spent),
                f"{window}_reset": max(1, int(seconds - stamp % seconds)),
            }  # fmt: skip
        return shown

    def charge(self, api: str = "data") -> None:
        stamp = self.clock().timestamp()
        for window, seconds, _ in self._windows(api):
            number, spent = self.spent.get(f"{api} {window}", (-1, 0))
            now = int(stamp // seconds)
            self.spent[f"{api} {window}"] = (now, spent + 1 if number == now else 1)

    def check_points(self, api: str = "data") -> None:
        shown = self.limits(api)
        for window, _, limit in self._windows(api):
            if shown[f"{window}_remaining"] <= 0:
                raise limit_exceeded(window, limit)

    def _windows(self, api: str) -> tuple[tuple[str, int, int], ...]:
        day, minute = (
            (self.switches.call_day_limit, self.switches.call_minute_limit)
            if api == "call"
            else (self.switches.day_limit, self.switches.minute_limit)
        )
        return (("day", 86_400, day), ("minute", self.switches.minute_s, minute))


def limit_exceeded(window: str, limit: int) -> Refused:
    return Refused("limit_exceeded", params={"limit_type": window, "limit_max_value": str(limit)})


def days(number: int) -> timedelta:
    return timedelta(days=number)
