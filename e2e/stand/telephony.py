"""Telephony of a network, as the simulated YCLIENTS keeps it: the connection, routes, pop-ups and the history of calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

CRM_TOKEN = "7cf262d6-1656-43f9-86ac-2826bdc125d2"
OTHER_CRM_TOKEN = "0b9c1f4e-2d55-4a6b-9a3e-5f1f8f6a7c10"
TYPES = ("incoming", "outgoing", "internal")
STATUSES = ("success", "missed", "cancel", "busy", "notallowed", "notavailable", "notfound")


@dataclass
class Route:
    """Where calls go: `history` says who keeps them; pop-ups show in the branches that are told."""

    id: int
    title: str
    history: str = "network"  # network: no branch is told; all: every branch; notified: `company_ids`
    company_ids: list[int] = field(default_factory=list)


@dataclass
class Network:
    id: int
    title: str
    crm_token: str
    company_ids: list[int]
    enabled: bool = False
    routes: dict[int, Route] = field(default_factory=dict)
    routing: dict[str, int] = field(default_factory=dict)  # a number or a user → a route
    popups: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)  # every command with what became of it

    def told(self, route: Route) -> list[int]:
        return {"all": list(self.company_ids), "notified": list(route.company_ids)}.get(route.history, [])


def first_networks() -> dict[int, Network]:
    """Two branches in one network, a number for each; a third number is in no route. And a network of somebody else."""
    everybody = Route(1, "Маршрут для всех пользователей")
    own = Network(
        312, "Сеть «Лён»", CRM_TOKEN, [4564, 4565],
        routes={1: everybody, 2: Route(2, "Покровка", "notified", [4564]), 3: Route(3, "Мира", "notified", [4565])},
        routing={"74950000001": 2, "74950000002": 3},
    )  # fmt: skip
    other = Network(313, "Другая сеть", OTHER_CRM_TOKEN, [], routes={1: Route(1, "Маршрут для всех пользователей")})
    return {own.id: own, other.id: other}


class Invalid(ValueError):
    """A command that lacks something or says what no command can."""


class Telephony:
    """The one address of the integration: `setup`, `event` and `history` of every network."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As at the start; what is connected stays connected, as addresses of webhooks do."""
        enabled = {one.crm_token for one in getattr(self, "networks", {}).values() if one.enabled}
        self.networks = first_networks()
        for one in self.networks.values():
            one.enabled = one.crm_token in enabled
        self._next = 66_795_000

    def by_token(self, crm_token: Any) -> Network | None:
        return next((one for one in self.networks.values() if one.crm_token == crm_token), None)

    def of_company(self, company_id: int) -> Network | None:
        return next((one for one in self.networks.values() if company_id in one.company_ids), None)

    def command(self, network: Network, body: dict[str, Any], *, twice: str, match: str) -> str:
        """Does the command and says what became of it. Raises `Invalid`."""
        outcome = self._do(network, body, twice, match)
        network.log.append({"at": time.time(), "outcome": outcome, **{key: body.get(key) for key in _LOGGED}})
        return outcome

    def _do(self, network: Network, body: dict[str, Any], twice: str, match: str) -> str:
        if body.get("command") == "setup":
            if body.get("type") not in ("enable", "disable"):
                raise Invalid("type")
            network.enabled = body["type"] == "enable"
            return "enabled" if network.enabled else "disabled"
        check(body)
        if not network.enabled:
            return "dropped"
        route = self.route(network, body.get("user"), body["diversion"], match=match)
        if body["command"] == "event":
            return self._popup(network, route, body)
        return self._keep(network, route, body, twice)

    def route(self, network: Network, user: Any, diversion: str, *, match: str) -> Route:
        """A route of the user wins over the number's; without either it is the one for everybody."""
        routing = network.routing
        if match == "digits":
            routing, diversion = {digits(key) or key: value for key, value in routing.items()}, digits(diversion)
        for key in (str(user or ""), diversion):
            if key and routing.get(key) in network.routes:
                return network.routes[routing[key]]
        return network.routes[min(network.routes)]

    def _popup(self, network: Network, route: Route, body: dict[str, Any]) -> str:
        told = network.told(route)
        if body["type"] != "incoming" or not told:
            return "no popup"
        network.popups.append({
            "id": self._number(), "at": time.time(), "company_ids": told, "phone": str(body["phone"]),
            "diversion": body["diversion"], "user": str(body.get("user") or ""), "closed": False,
        })  # fmt: skip
        return "popup"

    def _keep(self, network: Network, route: Route, body: dict[str, Any], twice: str) -> str:
        row = {
            "call_id": body.get("call_id"), "type": body["type"], "phone": str(body["phone"]), "diversion": body["diversion"],
            "user": str(body.get("user") or ""), "status": body.get("status") or "success",
            "duration": int(body.get("duration") or 0), "link": str(body.get("link") or ""), "date": _moment(body.get("date")).isoformat(),
            "company_ids": network.told(route), "kept_at": time.time(),
        }  # fmt: skip
        known = next((one for one in network.history if row["call_id"] and one["call_id"] == row["call_id"]), None)
        if known is not None and twice != "insert":
            if twice == "upsert":
                known.update(row)
            return "replaced" if twice == "upsert" else "ignored"
        network.history.append({"id": self._number(), **row})
        return "kept"

    def _number(self) -> int:
        self._next += 1
        return self._next

    def snapshot(self) -> list[dict[str, Any]]:
        return [asdict(one) for one in self.networks.values()]


_LOGGED = ("command", "type", "phone", "diversion", "user", "call_id", "status", "duration", "link", "date")


def check(body: dict[str, Any]) -> None:
    """What the vendor's pages ask of `event` and `history`. Raises `Invalid`."""
    if body.get("command") not in ("event", "history"):
        raise Invalid("command")
    for name in ("type", "phone", "diversion"):
        if not str(body.get(name) or "").strip():
            raise Invalid(name)
    duration = body.get("duration")
    if body["type"] not in TYPES or not isinstance(body["diversion"], str) or isinstance(body["phone"], (dict, list)):
        raise Invalid("type")
    if body["command"] == "history" and body.get("status") not in (None, "success", "missed"):
        raise Invalid("status")
    if duration is not None and (isinstance(duration, bool) or not isinstance(duration, (int, float)) or duration < 0):
        raise Invalid("duration")
    _moment(body.get("date"))


def _moment(text: Any) -> datetime:
    if not text:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise Invalid("date") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def digits(text: Any) -> str:
    return "".join(sign for sign in str(text or "") if sign.isdigit())


def listed(
    network: Network,
    company_id: int,
    *,
    wall: Callable[[datetime], datetime],
    client_of: Callable[[str], int],
    since: str,
    till: str,
    phone: str = "",
    types: Iterable[str] = (),
    statuses: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Calls of one branch between two days of its own clock, newest first."""
    rows = []
    for one in network.history:
        at = wall(datetime.fromisoformat(one["date"]))
        wanted = (not types or one["type"] in types) and (not statuses or one["status"] in statuses)
        if company_id not in one["company_ids"] or not wanted or not since <= at.strftime("%Y-%m-%d") <= till:
            continue
        if phone and digits(phone) not in digits(one["phone"]):
            continue
        rows.append({
            "id": one["id"], "client_id": client_of(one["phone"]), "caller_phone": digits(one["phone"]),
            "record_link": one["link"], "duration": one["duration"], "status": one["status"], "type": one["type"],
            "call_date": at.strftime("%Y-%m-%d %H:%M:%S"),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["call_date"], row["id"]), reverse=True)
