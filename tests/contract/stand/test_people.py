"""Clients of the simulated branches: one phone once, search as the vendor describes it, comments, labels, the network."""

from __future__ import annotations

import time
from typing import Any

import aiohttp
import pytest

from tests.contract.stand.conftest import Caller

OLGA = {"name": "Ольга", "phone": "79165550101"}


async def made(caller: Caller, **more: Any) -> dict[str, Any]:
    status, answer = await caller.rest("POST", "/clients/4564", {**OLGA, **more})
    assert status == 201
    return dict(answer["data"])


async def search(caller: Caller, value: str, **more: Any) -> list[Any]:
    body = {"fields": ["id", "name", "phone"], "filters": [{"type": "quick_search", "state": {"value": value}}], **more}
    status, answer = await caller.rest("POST", "/company/4564/clients/search", body)
    assert status == 200
    return list(answer["data"])


async def test_a_client_is_made_read_and_changed(caller: Caller) -> None:
    label = (await caller.rest("POST", "/labels/4564/clients/create", {"title": "UIS", "color": "#ff0000"}))[1]["data"]
    client = await made(caller, email="o@example.com", comment="с сайта", categories=[label["id"]])
    assert (client["phone"], client["email"], client["comment"]) == ("79165550101", "o@example.com", "с сайта")
    assert client["categories"] == [label]
    assert (await caller.rest("GET", f"/client/4564/{client['id']}"))[1]["data"] == client
    status, answer = await caller.rest(
        "PUT", f"/client/4564/{client['id']}", {**OLGA, "name": "Ольга П.", "labels": [label["id"]]}
    )
    assert (status, answer["data"]["name"], answer["data"]["categories"]) == (200, "Ольга П.", [label])
    assert (await caller.rest("GET", f"/client/4565/{client['id']}"))[0] == 404, "it is of another branch"
    assert (await caller.rest("DELETE", f"/client/4564/{client['id']}"))[0] == 204
    assert (await caller.rest("GET", f"/client/4564/{client['id']}"))[0] == 404


@pytest.mark.parametrize(("how", "email"), [("replace", ""), ("merge", "o@example.com")])
async def test_what_a_put_leaves_out_is_a_switch(caller: Caller, how: str, email: str) -> None:
    caller.stand.switch(client_put=how)
    client = await made(caller, email="o@example.com")
    answer = (await caller.rest("PUT", f"/client/4564/{client['id']}", OLGA))[1]
    assert answer["data"]["email"] == email


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"phone": "79165550101"}, "Не указано имя клиента"),
        ({"name": "Ольга", "phone": "123"}, "Телефон должен содержать от 9 до 15 цифр"),
        ({"name": "Ольга"}, "Номер телефона клиента не может быть пустым"),
    ],
)
async def test_a_client_without_name_or_phone_is_refused(caller: Caller, body: dict[str, Any], message: str) -> None:
    status, answer = await caller.rest("POST", "/clients/4564", body)
    assert (status, answer["meta"]["message"]) == (422, message)


@pytest.mark.parametrize("how", ["422", "400", "409", "200"])
async def test_a_phone_is_there_once_in_a_branch_however_it_is_written(caller: Caller, how: str) -> None:
    caller.stand.switch(client_twice=how)
    await made(caller)
    status, answer = await caller.rest("POST", "/clients/4564", {"name": "Муж", "phone": "+7 (916) 555-01-01"})
    assert (status, answer["success"]) == (int(how), False)
    assert answer["meta"]["message"] == "Клиент с указанным телефоном уже существует в базе"
    assert len(caller.stand.people.of(4564)) == 1
    assert (await caller.rest("POST", "/clients/4565", OLGA))[0] == 201, "another branch has clients of its own"


async def test_search_gives_ids_alone_unless_asked_and_says_how_many(caller: Caller) -> None:
    client = await made(caller)
    status, answer = await caller.rest("POST", "/company/4564/clients/search", {})
    assert (status, answer["data"], answer["meta"]) == (200, [{"id": client["id"]}], {"total_count": 1})


async def test_quick_search_finds_pieces_of_phones_and_names(caller: Caller) -> None:
    await made(caller)
    await made(caller, name="Пётр 79165550101", phone="79990000000")
    await made(caller, name="Ира", phone="791655501012")
    assert {row["name"] for row in await search(caller, "79165550101")} == {"Ольга", "Пётр 79165550101", "Ира"}
    assert [row["name"] for row in await search(caller, "ольга")] == ["Ольга"]
    assert await search(caller, "89165550101") == [], "a number is looked for as it stands"
    assert len(await search(caller, "")) == 3, "nothing asked fits everybody"
    assert len(await search(caller, "", page_size=2, page=2)) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"fields": ["passport"]}, {"page_size": 201}, {"filters": [{"type": "shoe_size", "state": {}}]},
     {"filters": [{"type": "quick_search"}]}],
)  # fmt: skip
async def test_a_search_asked_wrongly_is_refused(caller: Caller, wrong: dict[str, Any]) -> None:
    await made(caller)
    status, answer = await caller.rest("POST", "/company/4564/clients/search", wrong)
    assert (status, answer["meta"]["message"]) == (400, "Недопустимое значение фильтра")


async def test_a_new_client_may_be_found_late(caller: Caller) -> None:
    caller.stand.switch(search_delay_s=3600.0)
    client = await made(caller)
    assert await search(caller, OLGA["phone"]) == []
    caller.stand.switch(search_delay_s=0.0)
    assert [row["id"] for row in await search(caller, OLGA["phone"])] == [client["id"]]


@pytest.mark.parametrize(
    ("how", "shown"),
    [("digits", "79165550101"), ("number", 79165550101), ("plus", "+79165550101"), ("hidden", "*********01")],
)
async def test_how_a_phone_shows_is_a_switch(caller: Caller, how: str, shown: Any) -> None:
    caller.stand.switch(client_phone_as=how)
    client = await made(caller)
    assert client["phone"] == shown
    assert (await search(caller, "Ольга"))[0]["phone"] == shown


async def test_the_old_list_knows_what_changed_since(caller: Caller) -> None:
    client = await made(caller, email="o@example.com")
    rows = (await caller.rest("GET", "/clients/4564?changed_after=2020-01-01T00:00:00&phone=5550101"))[1]
    assert ([row["id"] for row in rows["data"]], rows["meta"]) == ([client["id"]], {"page": 1, "total_count": 1})
    assert (await caller.rest("GET", "/clients/4564?changed_after=2099-01-01T00:00:00"))[1]["data"] == []
    assert (await caller.rest("GET", "/clients/4564?email=x@example.com"))[1]["data"] == []


async def test_comments_are_written_listed_and_removed(caller: Caller) -> None:
    client = await made(caller)
    path = f"/company/4564/clients/{client['id']}/comments"
    status, answer = await caller.rest("POST", path, {"text": "Чат с сайта"})
    assert (status, answer["data"]["text"], answer["data"]["type"]) == (201, "Чат с сайта", "default")
    assert (await caller.rest("GET", path))[1]["data"] == [answer["data"]]
    assert (await caller.rest("POST", path, {"text": "  "}))[0] == 422
    assert (await caller.rest("DELETE", f"{path}/{answer['data']['id']}"))[0] == 204
    assert (await caller.rest("GET", path))[1]["data"] == []


async def test_labels_are_unique_by_title(caller: Caller) -> None:
    assert (await caller.rest("POST", "/labels/4564/clients/create", {"title": "UIS"}))[0] == 201
    status, answer = await caller.rest("POST", "/labels/4564/clients/create", {"title": "UIS"})
    assert (status, answer["meta"]["message"]) == (422, "Категория с таким названием уже существует.")
    bare = (await caller.rest("GET", "/labels/4564/1"))[1]
    assert [(row["title"], row["salon_id"]) for row in bare] == [("UIS", "4564")]


async def test_the_network_knows_its_branches_and_finds_a_client_in_any(caller: Caller) -> None:
    groups = (await caller.rest("GET", "/groups"))[1]["data"]
    assert [(one["id"], [item["id"] for item in one["companies"]]) for one in groups] == [(312, [4564, 4565])]
    assert (await caller.rest("GET", "/company/4564/"))[1]["data"]["main_group_id"] == 312
    assert (await caller.rest("GET", "/group/312/clients/?phone=79165550101"))[0] == 404
    client = await made(caller)
    found = (await caller.rest("GET", "/group/312/clients/?phone=79165550101"))[1]["data"]["clients"]
    assert [(row["id"], row["company_id"]) for row in found] == [(client["id"], 4564)]


async def test_a_user_is_needed_and_the_limit_counts(caller: Caller) -> None:
    assert (await caller.rest("POST", "/clients/4564", OLGA, user=False))[0] == 401
    assert (await caller.rest("POST", "/company/4564/clients/search", {}, user=False))[0] == 401
    caller.stand.switch(rest_limit=True)
    caller.stand.calls += [(time.monotonic(), "")] * 200
    assert (await caller.rest("POST", "/clients/4564", OLGA))[0] == 429


async def test_a_client_whose_answer_was_lost_is_there(caller: Caller) -> None:
    caller.stand.switch(rest_lost_answers=1)
    with pytest.raises(aiohttp.ClientError):
        await caller.rest("POST", "/clients/4564", OLGA)
    assert (await caller.rest("POST", "/clients/4564", OLGA))[0] == 422


async def test_somebody_who_booked_is_a_client_of_the_branch(caller: Caller) -> None:
    caller.stand.make(4564, "staff", name="Ирина", phone="+79160000001")
    assert (await caller.rest("POST", "/clients/4564", {"name": "Ирина", "phone": "79160000001"}))[0] == 422
    [row] = await search(caller, "79160000001")
    card = (await caller.rest("GET", f"/client/4564/{row['id']}"))[1]["data"]
    assert (card["name"], card["categories"], card["sex"]) == ("Ирина", [], "Неизвестно")
