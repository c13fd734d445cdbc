"""Chats at the reception: replies in two tabs, drafts, quick answers, what strangers write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from e2e.stand.uis.talks import Chat, Talks
from e2e.workplace.reception import Operator, Reception
from server.feed.model import ChatEnded, ChatMessage, ChatMessageStatus, ChatStarted, File, FormSent
from server.platform.clock import utc_now

WITHIN = 30_000


def started(chat_id: str = "11", channel_id: int | None = 1) -> ChatStarted:
    return ChatStarted(
        chat_id=chat_id, channel="whatsapp", phone="+79161234567", name="Екатерина", channel_id=channel_id
    )


def said(number: str, text: str, **fields: Any) -> ChatMessage:
    told = {"author": "visitor", "sent_at": utc_now(), **fields}
    return ChatMessage(chat_id="11", message_id=number, text=text, **told)


def open_chat(page: Page, chat_id: str = "11") -> None:
    page.get_by_role("button", name="Чаты").click()
    page.locator(f"[data-row='chat:{chat_id}']").click(timeout=WITHIN)


def test_reply_goes_out_once_and_stands_in_both_tabs(reception: Reception, operator: Callable[..., Operator]) -> None:
    uis = reception.uis
    uis.adapters[5] = {"id": 5, "login": "desk", "password": "desk-password", "webhook_url": ""}
    uis.chat_accounts[286] = {"id": 286, "adapter_id": 5, "channels": []}
    reception.join("uis_chat", username="desk", password="desk-password", account_id="286", operator_id="391019")
    talks = Talks(uis)
    playing = talks.chat(scenario="open", scale=0, until_end=True)
    chat: Chat = asyncio.run_coroutine_threadsafe(playing, reception.world.loop).result(20)
    before = len(chat.messages)
    subject = str(chat.id)
    hello = ChatMessage(chat_id=subject, message_id="a", author="visitor", text="Можно завтра?", sent_at=utc_now())
    reception.happens(started(subject, chat.channel_id), hello)
    olga = operator("Ольга")
    one, two = olga.comes_in(), olga.comes_in(olga.new_page())
    for page in (one, two):
        open_chat(page, subject)
        expect(page.get_by_role("log")).to_contain_text("Можно завтра?", timeout=WITHIN)
    one.get_by_label("Ответ клиенту").fill("Да, в 12:00")
    expect(two.get_by_text("Отвечает Ольга")).to_have_count(0)  # one's own lock is no warning
    one.get_by_label("Ответ клиенту").press("Enter")
    for page in (one, two):
        expect(page.get_by_role("log").get_by_text("Да, в 12:00")).to_have_count(1, timeout=WITHIN)
        expect(page.get_by_role("log").get_by_text("отправлено")).to_be_visible(timeout=WITHIN)
    assert [message["text"] for message in chat.messages[before:]] == ["Да, в 12:00"]
    told = one.locator(".said.ours")
    expect(told).to_have_count(1)
    reception.happens(
        ChatMessageStatus(chat_id=subject, message_id=str(_last_id(reception, subject)), delivered="read")
    )
    expect(two.get_by_role("log").get_by_text("прочитано")).to_be_visible(timeout=WITHIN)


def _last_id(reception: Reception, chat_id: str) -> str:
    async def look() -> str:
        async with reception.pool.acquire() as conn:
            row = await conn.fetchval(
                "select item -> 'last_message' ->> 'message_id' from feed_item where account_id = $1 and subject = $2",
                reception.account_id,
                f"chat:{chat_id}",
            )
            return str(row)

    return reception.run(look())


def test_failed_message_is_kept_with_a_way_to_send_it_again(
    reception: Reception, operator: Callable[..., Operator]
) -> None:
    reception.happens(started(), said("a", "Здравствуйте"))
    page = operator("Ольга").comes_in()
    open_chat(page)
    page.get_by_label("Ответ клиенту").fill("Добрый день")
    page.get_by_role("button", name="Отправить").click()
    expect(page.get_by_role("log").get_by_text("Чаты UIS не подключены.")).to_be_visible(timeout=WITHIN)
    page.get_by_role("button", name="Повторить").click()
    expect(page.get_by_role("log").get_by_text("Чаты UIS не подключены.")).to_be_visible(timeout=WITHIN)
    page.get_by_role("button", name="Убрать").click()
    expect(page.get_by_role("log").get_by_text("Добрый день")).to_have_count(0)


def test_drafts_are_kept_and_who_answers_is_shown(reception: Reception, operator: Callable[..., Operator]) -> None:
    reception.happens(started(), said("a", "Здравствуйте"), started("12"))
    olga, ira = operator("Ольга"), operator("Ира").comes_in()
    page = olga.comes_in()
    open_chat(page)
    open_chat(ira)
    page.get_by_label("Ответ клиенту").fill("Минуту, ")
    expect(ira.get_by_text("Отвечает Ольга").first).to_be_visible(timeout=WITHIN)
    page.get_by_role("button", name="Назад").click()
    expect(page.locator("[data-row='chat:11']")).to_contain_text("Черновик: Минуту,")
    expect(page.locator("[data-row='chat:11']")).to_be_focused()
    page.reload()
    page.get_by_text("На связи", exact=True).wait_for()
    open_chat(page)
    expect(page.get_by_label("Ответ клиенту")).to_have_value("Минуту, ")
    assert page.evaluate("JSON.stringify(localStorage)").find("Минуту") == -1


def test_quick_answers_by_slash(reception: Reception, operator: Callable[..., Operator]) -> None:
    reception.happens(started(), said("a", "Здравствуйте"))
    page = operator("Ольга").comes_in()
    open_chat(page)
    field = page.get_by_label("Ответ клиенту")
    field.fill("/запис")
    expect(page.get_by_role("option")).to_have_count(1)
    field.press("Enter")
    expect(field).to_have_value("Записали вас. Ждём!")
    field.fill("/")
    field.press("ArrowDown")
    expect(page.get_by_role("option").nth(1)).to_have_attribute("aria-selected", "true")
    field.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(field).to_have_value("/")


def test_what_strangers_write_is_text(reception: Reception, operator: Callable[..., Operator]) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> javascript:alert(1)"
    files = (
        File(name="x.html", url="javascript:document.title='owned'", content_type="image/png"),
        File(name='"><b>', url="https://files.example/a.svg", content_type="image/svg+xml"),
    )
    reception.happens(
        ChatStarted(chat_id="11", name=evil, channel_id=1, channel=evil), said("a", evil, files=files, author_name=evil),
        said("b", "https://good.example/a, https://good.example@evil.example/"),
        FormSent(form_id="1", name=evil, text=evil, email=evil, sent_at=utc_now()),
    )  # fmt: skip
    olga = operator("Ольга")
    page = olga.comes_in()
    open_chat(page)
    log = page.get_by_role("log")
    expect(log).to_contain_text("<script>", timeout=WITHIN)
    links = log.get_by_role("link").evaluate_all("links => links.map(link => [link.href, link.rel])")
    assert links == [
        ["https://files.example/a.svg", "noopener noreferrer nofollow"],
        ["https://good.example/a", "noopener noreferrer nofollow"],
    ]
    assert log.locator("img, script, b").count() == 0
    page.get_by_role("button", name="Назад").click()
    page.get_by_role("button", name="Заявки").click()
    page.locator("[data-row='form:1']").click()
    expect(page.get_by_role("article")).to_contain_text("<script>")
    assert "owned" not in page.title()


def test_chat_that_cannot_be_answered_says_why(reception: Reception, operator: Callable[..., Operator]) -> None:
    reception.happens(started("12", None), started("13"), ChatEnded(chat_id="13", lost=True))
    page = operator("Ольга").comes_in()
    open_chat(page, "12")
    expect(page.get_by_text("Ответить отсюда нельзя")).to_be_visible()
    expect(page.get_by_label("Ответ клиенту")).to_have_count(0)
    page.get_by_role("button", name="Назад").click()
    page.locator("[data-row='chat:13']").click()
    expect(page.get_by_text("Чат завершён без ответа")).to_be_visible()
