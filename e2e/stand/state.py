"""State of the simulated vendor: a branch with services, masters and bookings, and the switches of its behaviour.

What the fact sheets mark as inferred or unknown is a switch here, never a silent choice.
"""

from __future__ import annotations

import json
import secrets
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from e2e.stand.people import People
from e2e.stand.telephony import Telephony
from e2e.stand.uis.state import Uis

_RECORD: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "record.json").read_text("utf-8"))
CLIENTS_USER = 12795431  # the administrator of the salon


@dataclass(frozen=True)
class StandConfig:
    """Names under which the stand is reached; `domain` follows `n123.` and `w123.`."""

    domain: str = "yclients.localhost:8081"
    salon_host: str = "salon.localhost:8081"
    own_form_host: str = "zapis.salon.localhost:8081"  # a custom domain of the same form
    scheme: str = "http"
    site_script_url: str = ""
    form_script_url: str = ""
    # our application in the marketplace, as its card in the developer's cabinet says
    partner_token: str = "stand"
    application_id: int = 777
    app_connect_url: str = ""  # where «Подключить» leads
    app_hook_url: str = ""  # where uninstall and freeze are told
    app_panel_url: str = ""  # `chat_url` of the panel in the journal
    app_settings_url: str = ""  # the tab in the card of the application (`is_iframe`)


@dataclass
class Switches:
    """How the vendor behaves. Defaults are what the facts call usual."""

    form_script: bool = True  # injection granted
    messages: bool = True  # postMessage to the host page
    array_message: bool = False  # the second channel on success (sender not seen by us)
    api_objects: list[str] = field(default_factory=lambda: ["yclientsApi", "widgetApi"])
    analytics: bool = True  # CustomEvent onSendAnalytics
    transport: str = "xhr"  # xhr, fetch
    bare_response: bool = True  # the form's own call answers a bare array
    legacy_routes: bool = False  # /company:4564
    superbutton: bool = False
    uis_script: bool = True  # the salon's site carries the code of UIS, too
    from_url: str = "origin"  # origin, empty, extrafields
    app_record_from: str = "YPLACES"
    # webhooks
    hook_mode: str = "yclients"  # yclients: one attempt, any answer; altegio: 2 retries on network, 429, 5xx
    hook_delay_s: float = 0.2
    hook_retry_s: float = 0.2
    hook_duplicates: int = 0
    hook_loss: float = 0.0
    hook_reorder: bool = False
    hook_pair: bool = False  # create and update for one new booking
    hook_hold: bool = False
    hook_client: bool = True
    # REST
    rest_fault: str = ""  # 429, html, hang, 500, 401; 402, 403: the licence has ended
    licence_ended: list[int] = field(default_factory=list)  # branches whose licence has ended, and no others
    rest_unseen: int = 0  # the branch that the login has no right to
    rest_limit: bool = False
    changed_after_zone: str = "branch"  # branch, utc
    retry_after: str = ""
    rest_lost_answers: int = 0  # the next writes that are done and whose answer is lost
    hook_self: bool = False  # our own changes come back as webhooks, too
    # clients
    client_twice: str = "422"  # a phone that is taken: 422, 400, 409, 200 (refused in the body)
    client_put: str = "replace"  # what a PUT leaves out: replace (emptied), merge (kept)
    client_phone_as: str = "digits"  # digits, number, plus, hidden
    search_delay_s: float = 0.0  # until a new client is found by search
    # telephony
    voip_unknown_token: int = 202  # 202, 401, 404
    voip_invalid: int = 422  # a command that lacks something: 202, 400, 422
    voip_call_twice: str = "insert"  # the same call_id again: insert, upsert, ignore
    voip_match: str = "exact"  # how numbers are compared with the routing: exact, digits
    # the marketplace
    app_ids: str = "indexed"  # how several branches are named: indexed (salon_ids[0]=…), csv (salon_ids=…)
    app_user_data: bool = True  # the application is passed who connects it
    app_sign: str = "decoded"  # what is signed: decoded (the JSON), base64 (as the vendor's text says)
    app_callback: str = ""  # a fault: html, html_done (an HTML page, and installed all the same), 400, 403, 500, hang
    app_status: str = ""  # a fault of the status: html, 500, 401
    # the cabinet's pages; what the vendor really sends is not known
    cabinet_csp: str = "strict"  # strict, none
    cabinet_page: str = "usual"  # usual, changed (another root), broken (nothing comes), wiping, hostile


@dataclass
class Service:
    id: int
    title: str
    cost: int
    minutes: int


@dataclass
class Master:
    id: int
    name: str
    specialization: str


@dataclass
class Company:
    id: int
    title: str
    timezone: str
    form_id: int
    services: list[Service]
    masters: list[Master]
    activities: dict[int, str]


class Refused(Exception):
    """A refusal of the vendor: HTTP status and its own code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _company(company_id: int, title: str, form_id: int) -> Company:
    return Company(
        company_id, title, "Europe/Moscow", form_id,
        services=[
            Service(5034676, "Женская стрижка", 2500, 60), Service(5034677, "Окрашивание корней", 4200, 120),
            Service(5034678, "Маникюр с покрытием", 1900, 90), Service(5034679, "Укладка", 1500, 45),
        ],
        masters=[Master(2835418, "Анна Соколова", "Стилист"), Master(2835419, "Мария Ким", "Мастер маникюра")],
        activities={9001: "Мастер-класс «Укладка за 15 минут»"},
    )  # fmt: skip


class Stand:
    """Everything the simulated vendor remembers."""

    def __init__(self, config: StandConfig) -> None:
        self.config = config
        self.uis = Uis()
        self.telephony = Telephony()
        self.reset()

    def reset(self) -> None:
        self.switches = Switches()
        self.uis.reset()
        self.companies = {
            4564: _company(4564, "Студия «Лён»", 822081),
            4565: _company(4565, "Студия «Лён» на Мира", 822082),
        }
        self.records: dict[int, dict[str, Any]] = {}
        self.hashes: dict[int, str] = {}
        self.clients: dict[int, dict[str, Any]] = {}
        self.people = People(self.clients, self.new_client_id)
        self.telephony.reset()
        self.hooks: dict[int, list[str]] = getattr(self, "hooks", {})
        self.deliveries: list[dict[str, Any]] = []
        self.calls: list[tuple[float, str]] = []
        self.arrivals: list[float] = []  # when each call of the API came, by the monotonic clock
        self.installations: dict[int, dict[str, Any]] = {}
        self.app_calls: list[tuple[str, int]] = []
        self._next = 1_900_000_000 + secrets.randbelow(40_000_000)
        self._next_client = 100_000_000 + secrets.randbelow(400_000_000)

    def switch(self, **changes: Any) -> dict[str, Any]:
        known = {item.name for item in fields(Switches)}
        for name, value in changes.items():
            if name not in known:
                raise KeyError(name)
            setattr(self.switches, name, value)
        return asdict(self.switches)

    def company_of_form(self, form_id: int) -> Company | None:
        return next((company for company in self.companies.values() if company.form_id == form_id), None)

    # --- bookings

    def book(self, company_id: int, body: dict[str, Any]) -> list[dict[str, Any]]:
        """`book_record` as the form posts it: one record an appointment. Raises `Refused` with the codes 422…437."""
        company = self.companies[company_id]
        appointments = body.get("appointments") or []
        if not appointments or not appointments[0].get("services"):
            raise Refused(422, 422, "Не указаны услуги")
        if not str(body.get("fullname") or "").strip():
            raise Refused(422, 435, "Не указано имя клиента")
        digits = "".join(sign for sign in str(body.get("phone") or "") if sign.isdigit())
        if not 9 <= len(digits) <= 15:
            raise Refused(422, 431, "Неправильный формат номера телефона")
        if digits.endswith("0000434"):
            raise Refused(403, 434, "Телефон в чёрном списке")
        client = self._client(company_id, str(body["fullname"]).strip(), f"+{digits}", str(body.get("email") or ""))
        made = []
        for appointment in appointments:
            slot = str(appointment.get("datetime") or "")[:19].replace("T", " ")
            master = self._master(company, int(appointment.get("staff_id") or 0))
            if any(
                one["date"] == slot and one["staff_id"] == master.id and not one["deleted"]
                for one in self.records.values()
            ):
                raise Refused(422, 433, "Это время уже занято")
            record = self._new(company, slot, master, [int(item) for item in appointment["services"]], client)
            record |= {
                "online": True, "bookform_id": int(body.get("bookform_id") or 0), "record_from": "Основная форма",
                "from_url": self._from_url(body), "is_mobile": 1 if body.get("isMobile") else 2,
                "comment": str(body.get("comment") or ""), "api_id": str(body.get("api_id") or ""),
            }  # fmt: skip
            made.append(self._store(record))
        return made

    def _from_url(self, body: dict[str, Any]) -> str:
        """What the vendor keeps as `from_url` is unproved: a switch."""
        told = str(body.get("referrer") or "")
        if self.switches.from_url == "empty":
            return ""
        if self.switches.from_url == "extrafields":
            return told
        try:
            return f"https://{json.loads(told)['referrer']}/" if told.startswith("{") else told
        except (ValueError, KeyError):
            return told

    def make(self, company_id: int, kind: str, **changes: Any) -> dict[str, Any]:
        """A booking not made in the form: by `staff`, in the `mobile_app`, by `api`."""
        company = self.companies[company_id]
        day = datetime.now(ZoneInfo(company.timezone)) + timedelta(days=2, minutes=len(self.records) * 15)
        client = self._client(
            company_id, changes.pop("name", "Ольга Петрова"), changes.pop("phone", "+79165550101"), ""
        )
        record = self._new(
            company, day.strftime("%Y-%m-%d %H:00:00"), company.masters[0], [company.services[0].id], client
        )
        if kind == "mobile_app":
            record |= {"online": True, "record_from": self.switches.app_record_from}
        elif kind == "api":
            record |= {"api_id": secrets.token_hex(8), "created_user_id": 777}
        else:
            record |= {"created_user_id": CLIENTS_USER}
        return self._store({**record, **changes})

    def book_activity(self, company_id: int, activity_id: int, body: dict[str, Any]) -> dict[str, Any]:
        company = self.companies[company_id]
        day = datetime.now(ZoneInfo(company.timezone)) + timedelta(days=3)
        client = self._client(
            company_id, str(body.get("fullname") or "Гость"), "+" + str(body.get("phone") or "79160000000"), ""
        )
        record = self._new(
            company, day.strftime("%Y-%m-%d 19:00:00"), company.masters[0], [company.services[3].id], client
        )
        record |= {
            "online": True, "activity_id": activity_id, "bookform_id": company.form_id, "record_from": "Основная форма",
            "is_mobile": 1 if body.get("isMobile") else 2, "from_url": self._from_url(body),
        }  # fmt: skip
        return self._store(record)

    def change(self, record_id: int, **changes: Any) -> dict[str, Any]:
        record = self.records[record_id]
        record.update(changes)
        previous = datetime.strptime(record["last_change_date"], "%Y-%m-%dT%H:%M:%S%z")
        now = datetime.now(ZoneInfo(self.companies[record["company_id"]].timezone)).replace(microsecond=0)
        record["last_change_date"] = max(now, previous).strftime("%Y-%m-%dT%H:%M:%S%z")
        if "attendance" in changes:
            record["visit_attendance"] = changes["attendance"]
        return record

    def _new(
        self, company: Company, slot: str, master: Master, service_ids: list[int], client: dict[str, Any]
    ) -> dict[str, Any]:
        zone = ZoneInfo(company.timezone)
        now = datetime.now(zone)
        starts = datetime.strptime(slot, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
        chosen = [service for service in company.services if service.id in service_ids]
        record_id, self._next = self._next, self._next + 1 + secrets.randbelow(9)
        return {
            "id": record_id, "company_id": company.id, "staff_id": master.id,
            **deepcopy(_RECORD),
            "services": [
                {
                    "id": item.id, "title": item.title, "cost": item.cost, "cost_to_pay": item.cost, "manual_cost": item.cost,
                    "cost_per_unit": item.cost, "discount": 0, "first_cost": item.cost, "amount": 1,
                }
                for item in chosen
            ],
            "staff": {"id": master.id, "api_id": None, "name": master.name, "specialization": master.specialization, "position": []},
            "client": client, "visit_id": record_id - 1_000_000_000, "date": slot, "datetime": starts.isoformat(),
            "create_date": now.strftime("%Y-%m-%dT%H:%M:%S%z"), "last_change_date": now.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }  # fmt: skip

    def _store(self, record: dict[str, Any]) -> dict[str, Any]:
        self.records[record["id"]] = record
        self.hashes[record["id"]] = secrets.token_hex(16)
        return record

    def _master(self, company: Company, master_id: int) -> Master:
        return next((master for master in company.masters if master.id == master_id), company.masters[0])

    def _client(self, company_id: int, name: str, phone: str, email: str) -> dict[str, Any]:
        for client in self.clients.values():
            if client["company_id"] == company_id and client["phone"] == phone:
                return {key: value for key, value in client.items() if key not in ("company_id", "last_change_date")}
        client_id = self.new_client_id()
        client = {
            "id": client_id, "name": name, "surname": "", "patronymic": "", "display_name": name, "comment": "", "phone": phone,
            "card": "", "email": email, "success_visits_count": 0, "fail_visits_count": 0, "discount": 0, "custom_fields": [],
            "sex": 0, "birthday": "", "client_tags": [],
        }  # fmt: skip
        self.clients[client_id] = {
            **client, "company_id": company_id, "last_change_date": datetime.now(ZoneInfo("Europe/Moscow")).strftime("%Y-%m-%dT%H:%M:%S%z"),
        }  # fmt: skip
        return client

    def new_client_id(self) -> int:
        self._next_client += 1
        return self._next_client

    # --- the vendor's limit: 200 a minute, 5 a second

    def over_limit(self) -> bool:
        now = time.monotonic()
        self.calls = [call for call in self.calls if call[0] > now - 60]
        self.calls.append((now, ""))
        return len(self.calls) > 200 or sum(call[0] > now - 1 for call in self.calls) > 5
