"""The plain sentences about a match, in Russian and English, for an owner who is no technician.

Every code of the engine has its words here. A code that this version does not know (written by a newer one) is shown
as it is; nothing here raises on what was once stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from server.matching.facts import Alternative, DetailCode, Match, NoteCode, ReasonCode, Weighed

#: (Russian, English)
_Text = tuple[str, str]

#: `{time}` is the moment in `at` or `until` by the branch's clock; `{visits}` a number of visits in words.
REASONS: Mapping[ReasonCode, _Text] = {
    "record": (
        "Отметка записи: форма сообщила номер записи {record_id} сразу после оформления ({time}) — совпадение точное.",
        "Booking mark: the form named booking {record_id} right after it was made ({time}) — an exact match.",
    ),
    "record_contested": (
        "Отметка записи: номер {record_id} назвали два визита; взят тот, что назвал его первым ({time}).",
        "Booking mark: two visits named booking {record_id}; the one that named it first ({time}) is taken.",
    ),
    "mark": (
        "Отметка посетителя: в записи стоит метка, выданная этому визиту {time}, — совпадение точное.",
        "Visitor mark: the booking carries the mark given to this visit on {time} — an exact match.",
    ),
    "mark_contested": (
        "Отметка посетителя: метку из записи показали два визита; взят тот, кому она выдана первым ({time}).",
        "Visitor mark: two visits showed the booking's mark; the one it was first given to ({time}) is taken.",
    ),
    "phone": (
        "Тот же телефон: посетитель оставил его на сайте {time}.",
        "The same phone: the visitor left it on the site on {time}.",
    ),
    "phone_shared": (
        "Тот же телефон, но его оставляли на сайте разные посетители; взят ближайший к записи визит ({time}).",
        "The same phone, but different visitors left it on the site; the visit nearest to the booking ({time}) is taken.",
    ),
    "chat": (
        "Тот же телефон: посетитель назвал его в чате {time}.",
        "The same phone: the visitor gave it in the chat on {time}.",
    ),
    "chat_shared": (
        "Тот же телефон, но его называли в чате разные посетители; взят ближайший к записи визит ({time}).",
        "The same phone, but different visitors gave it in the chat; the visit nearest to the booking ({time}) is taken.",
    ),
    "call": (
        "Клиент звонил с этого телефона во время визита на сайт {time}.",
        "The client called from this phone during a visit to the site on {time}.",
    ),
    "call_shared": (
        "С этого телефона звонили во время визитов разных посетителей; взят ближайший к записи визит ({time}).",
        "This phone called during visits of different visitors; the visit nearest to the booking ({time}) is taken.",
    ),
    "email": (
        "Та же почта: посетитель оставил её на сайте {time}.",
        "The same e-mail: the visitor left it on the site on {time}.",
    ),
    "email_shared": (
        "Та же почта, но её оставляли на сайте разные посетители; взят ближайший к записи визит ({time}).",
        "The same e-mail, but different visitors left it on the site; the visit nearest to the booking ({time}) is taken.",
    ),
    "probable_booked": (
        "Вероятно ({percent} %): форма в этом визите сообщила о записи, и по времени и содержанию подходит только он.",
        "Probable ({percent}%): the form reported a booking in this visit, and no other fits in time and content.",
    ),
    "probable": (
        "Вероятно ({percent} %): этот посетитель открыл форму незадолго до записи, и других подходящих визитов нет.",
        "Probable ({percent}%): this visitor opened the form shortly before the booking, and no other visit fits.",
    ),
    "probable_best": (
        "Вероятно ({percent} %): этот визит подходит к записи намного лучше остальных.",
        "Probable ({percent}%): this visit fits the booking far better than the others.",
    ),
    "possible": (
        "Источник неизвестен: есть возможный визит ({percent} %), но для уверенного ответа этого мало.",
        "Source unknown: there is a possible visit ({percent}%), but that is too little for a sure answer.",
    ),
    "equal": (
        "Источник неизвестен: {visits} подходят почти одинаково, а гадать мы не стали.",
        "Source unknown: {visits} fit almost equally well, and we do not guess.",
    ),
    "too_weak": (
        "Источник неизвестен: визиты рядом по времени слишком мало похожи на эту запись.",
        "Source unknown: the visits near in time have too little in common with this booking.",
    ),
    "spent": (
        "Источник неизвестен: посетители, открывавшие форму в это время, оформили другие записи.",
        "Source unknown: the visitors who had the form open about that time made other bookings.",
    ),
    "nobody": (
        "Источник неизвестен: мы не видели, чтобы кто-то из посетителей сайта открывал форму в это время.",
        "Source unknown: we saw no visitor of the site open the form about that time.",
    ),
    "staff": (
        "Записал сотрудник: визит на сайт не ищем.",
        "Made by staff: no visit to the site is looked for.",
    ),
    "api": (
        "Запись создала другая программа: визит на сайт не ищем.",
        "Made by another program: no visit to the site is looked for.",
    ),
    "import": (
        "Старая или перенесённая запись: визит на сайт не ищем.",
        "An old or imported booking: no visit to the site is looked for.",
    ),
    "not_online": (
        "Запись сделана не онлайн: визит на сайт не ищем.",
        "Not made online: no visit to the site is looked for.",
    ),
    "mobile_app": (
        "Запись из мобильного приложения или с площадки: сайт в ней не участвовал.",
        "Made in the mobile app or on a marketplace: the site took no part in it.",
    ),
    "waiting": ("Ждём отчёт браузера до {time}.", "Waiting for the browser's report until {time}."),
    "pending": (
        "Запись только что пришла, ищем её визит.",
        "The booking has just come; its visit is being looked for.",
    ),
}

#: The second sentence, when there is something to add.
NOTES: Mapping[NoteCode, _Text] = {
    "record_absurd": (
        "Номер этой записи называли ещё и в неподходящее время — это не учтено.",
        "This booking's number was also named at an impossible time; that is not counted.",
    ),
    "mark_stranger": (
        "В записи есть метка, но с ней пришёл другой посетитель (например, по пересланной ссылке) — она не учтена.",
        "The booking has a mark, but another visitor came with it (a forwarded link, say); it is not counted.",
    ),
    "mark_expired": (
        "В записи есть метка, но её срок вышел — она не учтена.",
        "The booking has a mark, but it had expired; it is not counted.",
    ),
    "tie": (
        "Одно и то же одновременно сообщили разные визиты — это не учтено.",
        "Different visits said the same at the same moment; that is not counted.",
    ),
    "contradicted": (
        "Есть доводы и за другой визит, но они слабее; они показаны ниже.",
        "There is also evidence for another visit, but it is weaker; it is shown below.",
    ),
}

#: `{gap}` is the time between the event and the booking's creation.
DETAILS: Mapping[DetailCode, _Text] = {
    "record": ("форма сообщила номер записи {record_id}", "the form named booking {record_id}"),
    "record_later": (
        "номер записи {record_id} назван позже, чем в другом визите",
        "booking {record_id} was named later than in another visit",
    ),
    "record_absurd": (
        "номер записи {record_id} назван в неподходящее время, не учтён",
        "booking {record_id} was named at an impossible time, not counted",
    ),
    "mark": ("метка этого визита стоит в записи", "this visit's mark stands in the booking"),
    "mark_other": (
        "метка записи раньше выдана другому визиту",
        "the booking's mark was given to another visit earlier",
    ),
    "mark_stranger": ("с меткой записи пришёл другой посетитель", "another visitor came with the booking's mark"),
    "mark_expired": ("метка записи уже не действовала", "the booking's mark had expired"),
    "phone": ("тот же телефон оставлен на сайте", "the same phone left on the site"),
    "phone_earlier": (
        "тот же телефон оставлен на сайте и в этом визите, дальше от записи",
        "the same phone left on the site in this visit too, further from the booking",
    ),
    "chat": ("тот же телефон назван в чате", "the same phone given in the chat"),
    "chat_earlier": (
        "тот же телефон назван в чате и в этом визите, дальше от записи",
        "the same phone given in the chat in this visit too, further from the booking",
    ),
    "call": ("звонок с того же телефона", "a call from the same phone"),
    "call_earlier": (
        "звонок с того же телефона и в этом визите, дальше от записи",
        "a call from the same phone in this visit too, further from the booking",
    ),
    "email": ("та же почта оставлена на сайте", "the same e-mail left on the site"),
    "email_earlier": (
        "та же почта оставлена на сайте и в этом визите, дальше от записи",
        "the same e-mail left on the site in this visit too, further from the booking",
    ),
    "booked_gap": (
        "форма сообщила об оформленной записи {gap}",
        "the form reported a finished booking {gap}",
    ),
    "activity_gap": ("последнее действие в форме {gap}", "the last action in the form {gap}"),
    "services_same": ("те же услуги", "the same services"),
    "services_other": ("другие услуги", "other services"),
    "master_same": ("тот же мастер", "the same master"),
    "master_other": ("другой мастер", "another master"),
    "slot_same": ("те же день и час", "the same day and hour"),
    "slot_other": ("другие день и час", "another day or hour"),
    "form_same": ("та же форма записи", "the same booking form"),
    "form_other": ("другая форма записи", "another booking form"),
    "branch_same": ("тот же филиал", "the same branch"),
    "device_same": ("такое же устройство (телефон или компьютер)", "the same kind of device (phone or computer)"),
    "device_other": ("другое устройство (телефон или компьютер)", "another kind of device (phone or computer)"),
    "from_site_same": ("запись пришла с этого же сайта", "the booking came from the same site"),
    "step_chosen": ("в форме выбирали услугу или мастера", "a service or a master was being chosen in the form"),
    "step_time": ("в форме выбирали время", "a time was being chosen in the form"),
    "step_contacts": ("в форме дошли до имени и телефона", "name and phone were reached in the form"),
    "spent": (
        "этот визит точно привёл другую запись, {record_id}",
        "this visit brought another booking for certain, {record_id}",
    ),
    "crowd": ("всего в это время форму открывали: {visits}", "visits with the form open about that time: {count}"),
    "booked_elsewhere": (
        "в этом визите записались в другой филиал",
        "in this visit a booking was made in another branch",
    ),
}

_NBSP = "\u00a0"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def reason(match: Match, locale: str, zone: tzinfo = UTC) -> str:
    """Why this answer, in one plain sentence; a second one when there is something to beware of."""
    return reason_text(match.reason_code, match.reason_params, locale, zone)


def detail(weighed: Weighed, locale: str, zone: tzinfo = UTC) -> str:
    """One piece of evidence, to stand in a list: no capital, no full stop."""
    return detail_text(weighed.detail_code, weighed.detail_params, locale, zone)


def waiting(until: datetime, locale: str, zone: tzinfo = UTC) -> str:
    return reason_text("waiting", {"until": until.isoformat()}, locale, zone)


def alternative(other: Alternative, locale: str) -> str:
    """How likely a visit was that was not chosen."""
    percent = f"{other.probability * 100:.0f}"
    if other.probability < 0.01:
        return _choose(("другой визит, вероятность меньше 1 %", "another visit, probability under 1%"), locale)
    return _choose(
        (f"другой визит, вероятность {percent} %", f"another visit, probability {percent}%"),
        locale,
    )


def reason_text(code: str, params: Mapping[str, str], locale: str, zone: tzinfo) -> str:
    """The same from what is stored of a match."""
    sentence = _text(REASONS, code, params, locale, zone)
    note = params.get("note")
    return f"{sentence} {_text(NOTES, note, params, locale, zone)}" if note else sentence


def detail_text(code: str, params: Mapping[str, str], locale: str, zone: tzinfo) -> str:
    return _text(DETAILS, code, params, locale, zone)


class _Blanks(dict[str, str]):
    """What is not known is left out, rather than the sentence."""

    def __missing__(self, key: str) -> str:
        return "…"


def _text(table: Mapping[Any, _Text], code: str, params: Mapping[str, str], locale: str, zone: tzinfo) -> str:
    text = table.get(code)
    if text is None:
        return code
    shown = _Blanks(params)
    if "until" in params:
        shown["time"] = _clock_until(datetime.fromisoformat(params["until"]).astimezone(zone))
    elif "at" in params:
        shown["time"] = _moment(datetime.fromisoformat(params["at"]).astimezone(zone), locale)
    if "seconds" in params:
        shown["gap"] = _gap(int(params["seconds"]), locale)
    if "count" in params:
        shown["visits"] = _visits(int(params["count"]), locale)
    return _choose(text, locale).format_map(shown)


def _choose(text: _Text, locale: str) -> str:
    return text[1] if locale == "en" else text[0]


def _moment(moment: datetime, locale: str) -> str:
    if locale == "en":
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year} at {moment:%H:%M}"
    return f"{moment:%d.%m.%Y} в {moment:%H:%M}"


def _clock_until(moment: datetime) -> str:
    """Rounded up to the minute: a time that has passed is not promised."""
    whole = moment.replace(second=0, microsecond=0)
    return f"{whole if whole == moment else whole + timedelta(minutes=1):%H:%M}"


def _gap(seconds: int, locale: str) -> str:
    """How long before the booking was made, or after it."""
    minutes, rest = divmod(abs(seconds), 60)
    units = (("мин", "min"), ("с", "s"))
    parts = [f"{count} {_choose(unit, locale)}" for count, unit in zip((minutes, rest), units, strict=True) if count]
    if not parts:
        return _choose(("в ту же секунду, что создана запись", "in the second the booking was made"), locale)
    length = " ".join(parts)
    if seconds > 0:
        return _choose((f"за {length} до создания записи", f"{length} before the booking was made"), locale)
    return _choose((f"через {length} после создания записи", f"{length} after the booking was made"), locale)


def _visits(count: int, locale: str) -> str:
    if locale == "en":
        return f"{_grouped(count, ',')} visit{'s' if count != 1 else ''}"
    last, last_two = count % 10, count % 100
    form = (
        "one"
        if last == 1 and last_two != 11
        else "few"
        if last in (2, 3, 4) and last_two not in (12, 13, 14)
        else "many"
    )
    word = {"one": "визит", "few": "визита", "many": "визитов"}[form]
    return f"{_grouped(count, _NBSP)} {word}"


def _grouped(count: int, separator: str) -> str:
    return f"{count:,}".replace(",", separator)
