"""The plain sentences about a match, in Russian and English, for an owner who is no technician."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

#: code -> (Russian, English). `{time}` is the moment in `at` or `until`, by the branch's clock.
REASONS: Mapping[str, tuple[str, str]] = {
    "record": (
        "Отметка записи: форма сама сообщила номер записи {record_id} в {time}, сразу после оформления, — совпадение точное.",
        "Booking mark: the form itself named booking {record_id} at {time}, right after it was made — an exact match.",
    ),
    "record_contested": (
        "Отметка записи: номер {record_id} первым сообщил этот визит в {time}; другой визит назвал тот же номер позже.",
        "Booking mark: this visit was the first to name booking {record_id}, at {time}; another visit named it later.",
    ),
    "mark": (
        "Отметка посетителя: внутри записи стоит метка, выданная этому визиту в {time}, — совпадение точное.",
        "Visitor mark: the booking carries the mark given to this visit at {time} — an exact match.",
    ),
    "phone": (
        "Тот же телефон, что посетитель оставил на сайте {time}.",
        "The same phone the visitor left on the site on {time}.",
    ),
    "call": (
        "Звонок с этого телефона из визита {time}.",
        "A call from this phone during the visit on {time}.",
    ),
    "email": (
        "Та же почта, что посетитель оставил на сайте {time}.",
        "The same e-mail the visitor left on the site on {time}.",
    ),
    "probable_booked": (
        "Вероятно, {percent} %: форма на сайте сообщила о записи в то же время с теми же услугой, мастером и сеансом.",
        "Probable, {percent} %: the form on the site reported a booking at that time with the same service, master and slot.",
    ),
    "probable": (
        "Вероятно, {percent} %: этот посетитель открыл форму записи незадолго до неё, и другого подходящего визита нет.",
        "Probable, {percent} %: this visitor opened the booking form shortly before, and no other visit fits.",
    ),
    "possible": (
        "Источник неизвестен: есть возможный визит ({percent} %), но этого мало для уверенного ответа.",
        "Source unknown: there is a possible visit ({percent} %), but that is too little for a sure answer.",
    ),
    "too_weak": (
        "Источник неизвестен: визиты рядом по времени слишком мало похожи на эту запись.",
        "Source unknown: the visits near in time have too little in common with this booking.",
    ),
    "equal": (
        "Источник неизвестен: подходят {count} визита с почти равными доводами, выбирать наугад мы не стали.",
        "Source unknown: {count} visits fit almost equally well, and we do not guess.",
    ),
    "nobody": (
        "Источник неизвестен: никто из посетителей сайта не открывал форму в это время (или браузер закрыл нам обзор).",
        "Source unknown: no visitor of the site opened the form about that time (or their browser kept it from us).",
    ),
    "staff": (
        "Запись внёс сотрудник: визит на сайт не ищем.",
        "Made by staff: no visit to the site is looked for.",
    ),
    "api": (
        "Запись создала другая программа через API: визит на сайт не ищем.",
        "Made by another program through the API: no visit to the site is looked for.",
    ),
    "import": (
        "Старая или перенесённая запись: визит на сайт не ищем.",
        "An old or imported booking: no visit to the site is looked for.",
    ),
    "not_online": (
        "Запись сделана не онлайн: визит на сайт не ищем.",
        "Not an online booking: no visit to the site is looked for.",
    ),
    "mobile_app": (
        "Запись из мобильного приложения или с площадки: сайт в ней не участвовал.",
        "Made in the mobile app or on a marketplace: the site took no part in it.",
    ),
    "waiting": (
        "Ждём отчёт браузера до {time}.",
        "Waiting for the browser's report until {time}.",
    ),
    "pending": (
        "Запись только что пришла, ищем её визит.",
        "The booking has just come; its visit is being looked for.",
    ),
}

DETAILS: Mapping[str, tuple[str, str]] = {
    "record": ("форма сообщила номер записи {record_id}", "the form named booking {record_id}"),
    "record_absurd": (
        "номер записи {record_id} назван не в своё время, не учтён",
        "booking {record_id} was named at an impossible time, not counted",
    ),
    "mark": ("метка визита внутри записи", "the visit's mark inside the booking"),
    "phone": ("тот же телефон", "the same phone"),
    "call": ("звонок с того же телефона", "a call from the same phone"),
    "email": ("та же почта", "the same e-mail"),
    "booked_gap": (
        "форма сообщила о записи, разница с её созданием {seconds} с",
        "the form reported a booking, {seconds} s from its creation",
    ),
    "activity_gap": (
        "последнее действие в форме за {seconds} с до создания записи",
        "the last action in the form, {seconds} s before the booking was made",
    ),
    "services_same": ("те же услуги", "the same services"),
    "services_other": ("другие услуги", "other services"),
    "master_same": ("тот же мастер", "the same master"),
    "master_other": ("другой мастер", "another master"),
    "slot_same": ("тот же сеанс", "the same slot"),
    "slot_other": ("другой сеанс", "another slot"),
    "form_same": ("та же форма записи", "the same booking form"),
    "form_other": ("другая форма записи", "another booking form"),
    "device_same": ("то же устройство (телефон или компьютер)", "the same kind of device"),
    "device_other": ("другое устройство (телефон или компьютер)", "another kind of device"),
    "from_site_same": ("запись пришла с этого сайта", "the booking came from this site"),
    "spent": (
        "этот визит уже точно объясняет запись {record_id}",
        "this visit already explains booking {record_id} exactly",
    ),
}


def reason_text(code: str, params: Mapping[str, str], locale: str, zone: ZoneInfo) -> str:
    return _text(REASONS, code, params, locale, zone)


def detail_text(code: str, params: Mapping[str, str], locale: str, zone: ZoneInfo) -> str:
    return _text(DETAILS, code, params, locale, zone)


def _text(
    table: Mapping[str, tuple[str, str]], code: str, params: Mapping[str, str], locale: str, zone: ZoneInfo
) -> str:
    russian, english = table.get(code, (code, code))
    moment = params.get("at") or params.get("until")
    shown = {**params, "time": _time(moment, locale, zone, clock_only="until" in params) if moment else ""}
    return (english if locale == "en" else russian).format(**shown)


def _time(text: str, locale: str, zone: ZoneInfo, *, clock_only: bool) -> str:
    moment = datetime.fromisoformat(text).astimezone(zone)
    if clock_only:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%d %b %Y, %H:%M}" if locale == "en" else f"{moment:%d.%m.%Y %H:%M}"
