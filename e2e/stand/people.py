"""Clients of the branches and what is written about them: one phone once per branch, search as the vendor has it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from e2e.stand.telephony import digits

SEARCH_FIELDS = (
    "id", "name", "phone", "email", "discount", "first_visit_date", "last_visit_date", "sold_amount", "visits_count",
    "passteam_card_id",
)  # fmt: skip
_TITLES = ("Без класса важности", "Бронза", "Серебро", "Золото")
_SEXES = ("Неизвестно", "Мужской", "Женский")
#: What may be written beside name and phone, and what it is when nothing is said.
_EXTRA: dict[str, Any] = {
    "surname": "", "patronymic": "", "email": "", "sex_id": 0, "importance_id": 0, "discount": 0, "card": "",
    "birth_date": "", "comment": "", "spent": 0, "balance": 0, "sms_check": 0, "sms_not": 0, "custom_fields": [],
}  # fmt: skip


class NotAllowed(Exception):
    """A refusal with the vendor's words; `kind` tells a phone that is taken from the rest."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.message, self.kind = message, kind


class People:
    """Works on the clients of the stand: rows in the shape of webhooks, with what REST adds kept beside them."""

    def __init__(self, clients: dict[int, dict[str, Any]], number: Callable[[], int]) -> None:
        self.clients, self._number = clients, number
        self.extra: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.labels: dict[int, list[dict[str, Any]]] = {}
        self._born: dict[int, float] = {}
        self._last = 1000

    def of(self, company_id: int) -> list[dict[str, Any]]:
        return [one for one in self.clients.values() if one["company_id"] == company_id]

    def by_phone(self, company_id: int, phone: Any) -> dict[str, Any] | None:
        wanted = digits(phone)
        return next((one for one in self.of(company_id) if wanted and digits(one["phone"]) == wanted), None)

    def create(self, company_id: int, body: dict[str, Any]) -> dict[str, Any]:
        self._check(company_id, body, None)
        client_id = self._number()
        row: dict[str, Any] = {
            "id": client_id, "name": "", "surname": "", "patronymic": "", "display_name": "", "comment": "", "phone": "", "card": "",
            "email": "", "success_visits_count": 0, "fail_visits_count": 0, "discount": 0, "custom_fields": [], "sex": 0,
            "birthday": "", "client_tags": [], "company_id": company_id,
        }  # fmt: skip
        self.clients[client_id] = row
        self.extra[client_id] = {**_EXTRA, "categories": []}
        self._born[client_id] = time.monotonic()
        self._write(row, body, body.get("categories"))
        return row

    def change(self, row: dict[str, Any], body: dict[str, Any], *, replace: bool) -> None:
        """What a PUT leaves out is emptied or kept: nobody has written down which."""
        self._check(row["company_id"], body, row)
        kept = {} if replace else {name: self._extra(row)[name] for name in _EXTRA}
        labels = body.get("labels", [] if replace else [one["id"] for one in self._extra(row)["categories"]])
        self._write(row, {**_EXTRA, **kept, **body}, labels)

    def delete(self, row: dict[str, Any]) -> None:
        del self.clients[row["id"]]

    def _check(self, company_id: int, body: dict[str, Any], row: dict[str, Any] | None) -> None:
        if not str(body.get("name") or "").strip():
            raise NotAllowed("Не указано имя клиента")
        phone = digits(body.get("phone"))
        if not phone:
            raise NotAllowed("Номер телефона клиента не может быть пустым")
        if not 9 <= len(phone) <= 15:
            raise NotAllowed("Телефон должен содержать от 9 до 15 цифр")
        known = self.by_phone(company_id, phone)
        if known is not None and known is not row:
            raise NotAllowed("Клиент с указанным телефоном уже существует в базе", "taken")

    def _write(self, row: dict[str, Any], body: dict[str, Any], labels: list[int] | None) -> None:
        extra = self._extra(row)
        extra.update({name: body[name] for name in _EXTRA if name in body})
        known = {one["id"]: one for one in self.labels.get(row["company_id"], [])}
        extra["categories"] = [known[number] for number in labels or [] if number in known]
        name = str(body["name"]).strip()
        row.update({name: extra[name] for name in ("surname", "patronymic", "email", "comment", "card", "discount")})
        row.update(
            name=name, display_name=name, phone=f"+{digits(body['phone'])}", sex=extra["sex_id"], birthday=extra["birth_date"],
            client_tags=extra["categories"], last_change_date=_now(),
        )  # fmt: skip

    def _extra(self, row: dict[str, Any]) -> dict[str, Any]:
        """Of a client that a booking made there is none yet."""
        made = {**_EXTRA, "categories": [], **{name: row[name] for name in ("email", "comment") if row.get(name)}}
        return self.extra.setdefault(row["id"], made)

    # --- how they show

    def shown(self, row: dict[str, Any], phone_as: str) -> dict[str, Any]:
        extra = self._extra(row)
        return {
            "id": row["id"], "name": row["name"], "phone": phone_of(row, phone_as), **extra,
            "sex": _SEXES[extra["sex_id"]], "importance": _TITLES[extra["importance_id"]], "sms_bot": extra["sms_not"], "paid": 0,
            "visits": row["success_visits_count"], "last_change_date": row["last_change_date"],
        }  # fmt: skip

    def search(self, company_id: int, body: dict[str, Any], *, phone_as: str, delay_s: float) -> tuple[list[Any], int]:
        """The page that was asked for and how many there are. Raises `ValueError` for what no search knows."""
        wanted, order = body.get("fields") or ["id"], body.get("order_by", "id")
        size, page, filters = body.get("page_size", 25), body.get("page", 1), body.get("filters") or []
        if not set(wanted) <= set(SEARCH_FIELDS) or not 1 <= int(size) <= 200 or int(page) < 1:
            raise ValueError("fields")
        every = any if body.get("operation", "AND").upper() == "OR" and filters else all
        since = time.monotonic() - delay_s
        found = [
            row
            for row in self.of(company_id)
            if self._born.get(row["id"], 0) <= since and every(self._fits(row, one) for one in filters)
        ]
        found.sort(key=lambda row: str(row.get(order, "")) if order != "id" else row["id"])
        if str(body.get("order_by_direction", "DESC")).upper() == "DESC":
            found.reverse()
        shown = [{name: self._field(row, name, phone_as) for name in wanted} for row in found]
        return shown[(page - 1) * size : page * size], len(found)

    def _field(self, row: dict[str, Any], name: str, phone_as: str) -> Any:
        if name == "phone":
            return phone_of(row, phone_as)
        return row.get(name, {"sold_amount": 0, "visits_count": row["success_visits_count"]}.get(name))

    def _fits(self, row: dict[str, Any], one: dict[str, Any]) -> bool:
        kind, state = one.get("type"), one.get("state")
        if not isinstance(state, dict):
            raise ValueError("state")
        if kind == "id":
            return row["id"] in state.get("value", [])
        if kind == "quick_search":
            # In names and in phones, as a piece of either; an empty one fits everybody.
            value = str(state.get("value") or "").strip().lower()
            names = " ".join((row["name"], row["surname"], row["patronymic"], row["email"])).lower()
            return value in names or value in digits(row["phone"])
        if kind in ("importance", "category", "gender"):
            extra = self._extra(row)
            has = {
                "importance": {extra["importance_id"]}, "gender": {extra["sex_id"]},
                "category": {item["id"] for item in extra["categories"]},
            }[kind]  # fmt: skip
            return bool(has & set(state.get("value", [])))
        raise ValueError("type")

    # --- comments and labels

    def comment(self, client_id: int, text: str) -> dict[str, Any]:
        if not text.strip():
            raise NotAllowed("Недопустимый формат запроса")
        self._last += 1
        made = {
            "id": self._last, "create_date": _now(), "update_date": _now(), "type": "default", "text": text, "files": [],
            "user": {"id": 777, "name": "Приложение", "avatar": ""},
        }  # fmt: skip
        self.comments.setdefault(client_id, []).append(made)
        return made

    def label(self, company_id: int, title: str, color: str) -> dict[str, Any]:
        known = self.labels.setdefault(company_id, [])
        if any(one["title"] == title for one in known):
            raise NotAllowed("Категория с таким названием уже существует.")
        self._last += 1
        known.append({"id": self._last, "title": title, "color": color})
        return known[-1]


def phone_of(row: dict[str, Any], phone_as: str) -> Any:
    number = digits(row["phone"])
    if phone_as == "hidden":
        return re.sub(r"\d(?=\d{2})", "*", number)
    return {"number": int(number or 0), "plus": f"+{number}"}.get(phone_as, number)


def _now() -> str:
    return datetime.now(ZoneInfo("Europe/Moscow")).strftime("%Y-%m-%dT%H:%M:%S%z")
