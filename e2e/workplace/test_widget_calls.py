"""Calls at the reception: the card, who took it, what is left to do afterwards, missed ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from e2e.workplace.reception import Operator, Reception
from server.accounts.model import Role
from server.feed.model import Advert, CallAnswered, CallEnded, CallMissed, CallRinging, Employee, Event
from server.platform.clock import utc_now

PHONE = "+79165550101"
SHOWN = "+7 916 555-01-01"
AD = Advert(campaign="Весна", source="Яндекс Директ", site="salon.example", page="https://salon.example/price")
WITHIN = 30_000


def ringing(call_id: str = "7", **fields: Any) -> CallRinging:
    told = {"phone": PHONE, "company_id": 4564, "advert": AD, "started_at": utc_now(), **fields}
    return CallRinging(call_id=call_id, direction="in", **told)


def missed(call_id: str, name: str = "") -> Event:
    return CallMissed(
        call_id=call_id, phone=PHONE, name=name, company_id=4564, virtual_number="74950000001", advert=AD, ended_at=utc_now()
    )  # fmt: skip


def test_call_rings_with_the_card_of_who_calls(
    reception: Reception, operator: Callable[..., Operator], shots: Path
) -> None:
    reception.booked(PHONE, "Анна Соколова", (-20, 1, 1), (-10, -1, 0), (-5, 1, 0), (3, 0, 0))
    olga = operator("Ольга")
    page = olga.comes_in()
    page.get_by_text("Звонков за сутки не было").wait_for()
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    reception.happens(ringing(employees=(Employee(name="Ольга"),)))
    card = page.get_by_role("article", name="Входящий звонок: Анна Соколова")
    for said in (
        SHOWN,
        "Яндекс Директ · Весна",
        "salon.example/price",
        "Следующая запись",
        "Ирина",
        "33 %",
        "Звонит у: Ольга",
    ):
        expect(card).to_contain_text(said, timeout=WITHIN)
    expect(card.get_by_text("Не оплачено")).to_be_visible()
    expect(card.locator(".age")).to_contain_text(re.compile("Из памяти"))
    expect(
        page.get_by_role("status").filter(has_text="Звонит Анна Соколова. Источник: Яндекс Директ, Весна.")
    ).to_be_attached()
    assert page.evaluate("document.activeElement === document.body"), "a call took the focus"
    expect(page).to_have_title(re.compile("Звонит 1 клиент|Рабочее место"))
    assert PHONE[2:] not in page.title()
    olga.shot(shots / "ringing.png")


def test_call_answered_by_one_of_two_is_shown_to_the_other(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    olga, ira = operator("Ольга").comes_in(), operator("Ира").comes_in()
    expect(olga.get_by_text("На месте: Ира")).to_be_attached(timeout=WITHIN)
    reception.happens(ringing())
    ira.get_by_role("button", name="Беру").click()
    expect(ira.get_by_text("Взято вами")).to_be_visible(timeout=WITHIN)
    expect(olga.get_by_text("В работе: Ира")).to_be_visible(timeout=WITHIN)
    olga.get_by_role("button", name="Беру").click()
    expect(olga.get_by_role("alert").filter(has_text="Уже в работе: Ира.")).to_be_visible(timeout=WITHIN)
    reception.happens(CallAnswered(call_id="7", answered_by=Employee(name="Ира"), answered_at=utc_now()))
    expect(olga.get_by_text("Разговаривает Ира").first).to_be_visible(timeout=WITHIN)


def test_after_a_call_its_note_result_and_reminder_are_kept(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    olga, ira = operator("Ольга").comes_in(), operator("Ира").comes_in()
    reception.happens(ringing())
    olga.locator("article[data-subject='call:7']").wait_for()
    reception.happens(CallAnswered(call_id="7"), CallEnded(call_id="7", talk_s=65, ended_at=utc_now()))
    card = olga.locator("article[data-subject='call:7']")
    expect(card.get_by_text("Карточка свернётся")).to_be_attached(timeout=WITHIN)
    card.get_by_role("button", name="Перенос").click()
    expect(card.get_by_role("button", name="Перенос")).to_have_attribute("aria-pressed", "true", timeout=WITHIN)
    card.get_by_label("Заметка").fill("<b>на пятницу</b>")
    card.get_by_role("button", name="Сохранить").click()
    expect(card.get_by_label("Заметка, Ольга")).to_have_value("<b>на пятницу</b>", timeout=WITHIN)
    card.get_by_role("button", name="15 мин").click()
    expect(card.get_by_text(re.compile(r"Перезвонить в \d\d:\d\d"))).to_be_visible()
    card.get_by_role("button", name="Убрать карточку").click()
    expect(card).to_have_count(0)
    ira.locator("[data-row='call:7']").click()
    expect(ira.get_by_label("Заметка, Ольга")).to_have_value("<b>на пятницу</b>", timeout=WITHIN)


def test_missed_calls_are_counted_until_somebody_calls_back(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    reception.join("uis", access_token="stand-key-0123456789")
    olga, ira = operator("Ольга"), operator("Ира").comes_in()
    page = olga.comes_in()
    reception.happens(missed("1", "Мария"), missed("2"))
    for screen in (page, ira):
        screen.get_by_role("button", name="Пропущенные 2 пропущенных звонка").click(timeout=WITHIN)
    page.locator("[data-row='call:1']").click()
    page.get_by_role("button", name="Перезвонить").click()
    expect(page.get_by_role("alert")).to_contain_text("какой вы сотрудник телефонии", timeout=WITHIN)
    reception.is_employee(olga.person, "391018", "")
    before = len(reception.uis.calls)
    page.wait_for_timeout(3100)  # the same button again within three seconds is no second call
    page.get_by_role("button", name="Перезвонить").dblclick()
    expect(page.get_by_text("Перезвонили: Ольга").first).to_be_visible(timeout=WITHIN)
    expect(ira.get_by_role("button", name="Пропущенные 1 пропущенный звонок")).to_be_visible(timeout=WITHIN)
    assert len(reception.uis.calls) == before + 1


def test_reconnected_screen_missed_nothing_and_doubled_nothing(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    olga = operator("Ольга")
    page = olga.comes_in()
    reception.happens(missed("1"))
    expect(page.locator("[data-row]")).to_have_count(1, timeout=WITHIN)
    olga.context.set_offline(True)
    reception.server.kill()
    expect(page.get_by_text("Нет связи", exact=True)).to_be_visible(timeout=WITHIN)
    assert "обновите страницу" not in page.content().lower()
    reception.happens(*(missed(str(number)) for number in range(2, 40)))
    reception.server.start()
    olga.context.set_offline(False)
    expect(page.get_by_text("На связи", exact=True)).to_be_visible(timeout=WITHIN)
    expect(page.locator("[data-row]")).to_have_count(39, timeout=WITHIN)
    reception.happens(missed("40"))
    expect(page.locator("[data-row]")).to_have_count(40, timeout=WITHIN)
    rows = page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)")
    assert sorted(rows) == sorted({f"call:{number}" for number in range(1, 41)})


def test_who_may_not_see_phones_sees_none_and_has_no_buttons(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    page = operator("Марк", role=Role.MARKETER).comes_in()
    reception.happens(missed("1", "Мария"))
    page.locator("[data-row='call:1']").click(timeout=WITHIN)
    expect(page.get_by_role("article")).to_contain_text("•• ••• •••-••-01")
    expect(page.get_by_role("button", name=re.compile("Перезвонить|Беру|Копировать"))).to_have_count(0)
    assert "555-01" not in page.content()
    assert "5550101" not in page.content()
