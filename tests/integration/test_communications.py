"""The journals «Звонки» and «Чаты»: each event, what was done, and why not; narrowed, paged, and only one's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.platform.clock import utc_now
from server.settings import Settings
from tests.communications import NOW, call, client_of_branch, text
from tests.conftest import Salon, make_salon
from tests.integration.test_cabinet import Owner, browser, owner

__all__ = ["owner"]


@pytest.fixture
def account(owner: Owner) -> Any:
    return owner.salon.made.account.account_id


async def test_a_call_is_shown_with_what_was_done(owner: Owner, pool: Any, account: Any) -> None:
    await client_of_branch(pool, account, "call:3173444634", phone="+79000000001", comment="Звонок 25.11.2026")
    call_id = await call(pool, account, "3173444634")
    page = await owner.page("/calls")
    for said in ("+7 900 000-00-01", "74950000001", "Принят", "1:00", "Окно показано", "В истории", "Сырые данные"):
        assert said in page.replace("79000000001", "+7 900 000-00-01"), said
    one = await owner.page(f"/calls/{call_id}")
    for said in ("Ольга", "Основной", "salon.example", "Клиент создан", "№ 77001", "Звонок 25.11.2026", "/recordings/", "запись готова",
                 "принято YCLIENTS"):  # fmt: skip
        assert said in one, said
    assert "sealed" not in one


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"history": "skipped", "history_why": "filter_source"}, "Не подходит под условия: источник"),
        ({"history": "skipped", "history_why": "no_branch", "company_id": None}, "Не задан филиал"),
        ({"history": "held", "history_why": "record"}, "Ждёт запись разговора"),
        ({"state": "ringing", "outcome": "", "history": "", "popup": "wanted"}, "Звонит"),
        ({"outcome": "missed", "history": "skipped", "history_why": "hidden", "contact": ""}, "Номер скрыт"),
    ],
)
async def test_why_nothing_was_done_stands_beside_the_call(
    owner: Owner, pool: Any, account: Any, told: dict[str, Any], said: str
) -> None:
    call_id = await call(pool, account, "1", **told)
    assert said in await owner.page("/calls")
    assert said in await owner.page(f"/calls/{call_id}")


async def test_calls_are_narrowed_and_found(owner: Owner, pool: Any, account: Any) -> None:
    await call(pool, account, "111", started_at=utc_now())
    await call(
        pool, account, "222", contact="79000000009", number="74950000002", outcome="missed", direction="in", employee="Пётр",
        history="skipped", history_why="filter_type", talk_s=0, started_at=utc_now() - timedelta(days=3),
    )  # fmt: skip
    for query, found, other in (
        ("result=missed", "74950000002", "74950000001"), ("q=8+900+000-00-09", "74950000002", "74950000001"),
        ("q=Пётр", "74950000002", "74950000001"), ("history=delivered", "74950000001", "74950000002"),
        ("period=day", "74950000001", "74950000002"), ("q=111", "74950000001", "74950000002"),
    ):  # fmt: skip
        page = await owner.page(f"/calls?{query}")
        assert found in page, query
        assert other not in page, query
    assert "По этому отбору ничего нет" in await owner.page("/calls?direction=out")


async def test_journals_are_paged_without_a_gap(owner: Owner, pool: Any, account: Any) -> None:
    for number in range(7):
        await call(pool, account, str(number), started_at=NOW + timedelta(minutes=number // 2))
        await text(pool, account, number + 1, started_at=NOW + timedelta(minutes=number // 2))
    for path in ("/calls", "/chats"):
        seen: list[str] = []
        cursor = None
        while True:
            page = await owner.salon.get(path, limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [row["id"] for row in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 7


async def test_a_chat_is_shown_with_its_conversation_client_and_comment(owner: Owner, pool: Any, account: Any) -> None:
    client = await client_of_branch(
        pool, account, "chat:199304420", phone="+79000000002", comment="Чат 25.11.2026", how="found"
    )
    text_id = await text(pool, account, 199304420, branch_client_id=client)
    page = await owner.page("/chats")
    for said in ("Анна", "whatsapp", "Целевой", "Завершён", "Клиент найден", "Комментарий записан"):
        assert said in page, said
    one = await owner.page(f"/chats/{text_id}")
    for said in (
        "Можно записаться?",
        "Конечно!",
        "Чат 25.11.2026",
        "№ 77001",
        "anna@example.com",
        "поставлен тег",
        "отчёт UIS",
    ):
        assert said in one, said


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"state": "skipped", "reason": "own_lead", "kind": "form", "status": "sent"}, "передали мы сами"),
        ({"state": "skipped", "reason": "no_phone"}, "Телефона нет"),
        ({"state": "waiting", "reason": "waits_tag"}, "Ждёт тега"),
    ],
)
async def test_why_nothing_was_done_stands_beside_the_chat(
    owner: Owner, pool: Any, account: Any, told: dict[str, Any], said: str
) -> None:
    text_id = await text(pool, account, 5, **told)
    assert said in await owner.page("/chats")
    assert said in await owner.page(f"/chats/{text_id}")


async def test_chats_are_narrowed_and_found(owner: Owner, pool: Any, account: Any) -> None:
    await text(pool, account, 111)
    await text(pool, account, 222, kind="form", status="sent", state="skipped", reason="site",
        facts={"name": "Борис", "phone": "79000000009", "email": ""})  # fmt: skip
    for query, found, other in (
        ("kind=form", "Борис", "Анна"), ("state=done", "Анна", "Борис"), ("q=борис", "Борис", "Анна"),
        ("q=89000000009", "Борис", "Анна"), ("q=111", "Анна", "Борис"),
    ):  # fmt: skip
        page = await owner.page(f"/chats?{query}")
        assert found in page, query
        assert other not in page, query


async def test_another_accounts_calls_and_chats_do_not_exist(
    owner: Owner, pool: Any, account: Any, settings: Settings
) -> None:
    call_id, text_id = await call(pool, account, "1"), await text(pool, account, 5)
    other: Salon = await make_salon(owner.salon.http, pool, settings, name="Second", company=77)
    stranger = browser(other)
    await stranger.log_in_by_link(pool)
    for path, number in (("calls", call_id), ("chats", text_id)):
        assert str(number) not in await stranger.page(f"/{path}")
        await stranger.page(f"/{path}/{number}", status=404)
        assert (await other.get(f"/{path}"))["data"] == []
        async with other.http.get(f"/api/v1/{path}/{number}", headers=other.token) as answer:
            assert answer.status == 404
    await stranger.session.close()


async def test_hostile_words_are_only_words(owner: Owner, pool: Any, account: Any) -> None:
    evil = "<script>alert(1)</script>"
    text_id = await text(
        pool, account, 5, facts={"name": evil, "transcript": f"Клиент: {evil}", "site": evil, "type": evil}
    )
    call_id = await call(pool, account, "1", employee=evil, facts={"scenario": [None, evil], "tags": [[None, evil]]})
    for path in ("/chats", f"/chats/{text_id}", "/calls", f"/calls/{call_id}"):
        assert "<script>alert" not in await owner.page(path)


async def test_the_journals_are_whole_in_english(owner: Owner, pool: Any, account: Any) -> None:
    await owner.send("/language", locale="en", next="/calls")
    assert "No calls yet" in await owner.page("/calls")
    assert "No chats or requests yet" in await owner.page("/chats")
    call_id, text_id = await call(pool, account, "1"), await text(pool, account, 5)
    assert "Pop-up shown" in await owner.page(f"/calls/{call_id}")
    assert "Conversation" in await owner.page(f"/chats/{text_id}")
