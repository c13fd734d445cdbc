"""Many chats and forms from few people, each phone written in eight ways, told twice, out of order or not at all, while
YCLIENTS loses answers: one client a phone, and each conversation in the card of whom it was with, once.

The size is `tests/faults/size.py`; two workers share the work. The vendors' pace is lifted: what it has to hold is shown
elsewhere.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import start_stand
from e2e.stand.state import StandConfig
from e2e.stand.uis.notices import Notice
from e2e.stand.uis.talks import Talks, form
from server.accounts import flow as accounts
from server.app import build
from server.platform.budget import PLANS, Plan, Window
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY, eventually, make_salon
from tests.faults.size import SIZE

KEY = "stand-key-0123456789"
NAMES = ("Анна", "Иван", "Мария", "Пётр", "Ольга", "Сергей", "Елена")
SHARED = 10  # every such phone is a family's


def written(number: int, way: int) -> str:
    """The phone of a person, as one may write it."""
    code, last = "916", f"{number:07d}"
    a, b, c = last[:3], last[3:5], last[5:]
    return (
        f"+7{code}{last}", f"7{code}{last}", f"8{code}{last}", f"{code}{last}", f"8 ({code}) {a}-{b}-{c}",
        f"+7 {code} {a} {b} {c}", f"8-{code}-{a}-{b}-{c}", f"+7({code}){a}{b}{c} доб. 12",
    )[way]  # fmt: skip


async def test_one_client_a_phone_and_each_conversation_once(
    dsn: str, pool: asyncpg.Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vendor in ("yclients", "uis"):
        monkeypatch.setitem(PLANS, vendor, Plan((Window(1.0, 1000),), by_account=vendor == "uis"))
    stand = await start_stand(StandConfig())
    uis, talks = stand.stand.uis, Talks(stand.stand.uis)
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "uis_data_api_url": f"http://127.0.0.1:{stand.port}/uis",
            "retry_schedule_s": (0.1, 0.2, 0.2, 0.5, 0.5, 1.0, 1.0, 1.0), "reconcile_period_s": 3.0,
        }
    )  # fmt: skip
    async with TestClient(TestServer(build(own, dsn))) as http, TestClient(TestServer(build(own, dsn))):
        salon = await make_salon(http, pool, own)
        account_id, vault = salon.made.account.account_id, load_vault("", own.data_dir)
        async with pool.acquire() as conn:
            secret = {"partner_token": "partner", "user_token": "user"}
            await accounts.connect(conn, vault, account_id, "yclients", "test", secret)
            await accounts.connect(conn, vault, account_id, "uis", "test", {"access_token": KEY})
        part = {"enabled": True, "default_company_id": COMPANY}
        wanted = {"enabled": True, "forms": part, "chats": part | {"create_on": "end"}}
        async with http.put("/api/v1/integrations/texts", json=wanted, headers=salon.token) as answer:
            assert answer.status == 200, await answer.text()
        url = str(http.make_url(f"/hooks/uis/{salon.made.hook_tokens['uis']}"))
        uis.notices = [Notice(event, url) for event in ("chat_finished", "lost_chat", "offline_message")]
        uis.switch(
            notice_duplicates=1, notice_reorder=True, notice_loss=0.05, notice_delay_s=0.2, minute_limit=1_000_000,
            day_limit=1_000_000, seed=7,
        )  # fmt: skip
        stand.stand.switch(rest_lost_answers=5)
        known = stand.stand.people.create(COMPANY, {"name": "Давняя", "phone": written(0, 2)})

        told = await _everybody_writes(uis, talks)

        async def settled() -> Any:
            rows = await pool.fetch("select reason, count(*) from text_communication group by reason")
            open_ = await pool.fetchval("select count(*) from delivery where kind = 'client' and state <> 'delivered'")
            there = {row["reason"]: row["count"] for row in rows}
            return there == {"": SIZE.texts, "no_phone": 1, "service_phone": 1} and open_ == 0

        await eventually(settled, within_s=SIZE.within_s)
    await talks.stop()
    people, comments = stand.stand.people.of(COMPANY), stand.stand.people.comments
    await stand.stop()
    assert sorted(person["phone"][-7:] for person in people) == [f"{number:07d}" for number in sorted(told)]
    assert (known["name"], known["phone"]) == ("Давняя", "+8" + written(0, 0)[2:])
    for person in people:
        texts = told[int(person["phone"][-7:])]
        said = [comment["text"] for comment in comments.get(person["id"], [])]
        of = [next(text for text in texts if f"№{text}." in line) for line in said]
        assert sorted(of) == sorted(texts), "each conversation once"
        for text, line in zip(of, said, strict=True):
            named = f"(а): {texts[text]}\n" in line
            assert named == (texts[text] != person["name"]), "who else it was is named"


async def _everybody_writes(uis: Any, talks: Talks) -> dict[int, dict[int, str]]:
    """Chats and forms in turn, at random; answers who of which phone wrote what."""
    chance = random.Random(5)
    told: dict[int, dict[int, str]] = {}
    going: list[asyncio.Task[Any]] = []
    for text in range(SIZE.texts):
        number = text % SIZE.people
        names = 2 if number % SHARED == 0 else 1
        name = NAMES[(number + chance.randrange(names)) % len(NAMES)]
        phone = written(number, (text // SIZE.people + number) % 8)
        told.setdefault(number, {})[text] = name
        if text % 2:
            form(uis, name=name, phone=phone, text=f"Заявка №{text}. Перезвоните")
        else:
            going.append(
                asyncio.create_task(
                    talks.chat(
                        name=name, phone=phone, contacts_at="start", messages=[f"Чат №{text}. Здравствуйте", "Спасибо"],
                        scale=0.01, until_end=True,
                    )
                )
            )  # fmt: skip
        if text % 20 == 0:
            await asyncio.sleep(0.05)
    form(uis, name="Никто", phone="")
    form(uis, name="Служба", phone="88005553535")
    await asyncio.gather(*going)
    return told
