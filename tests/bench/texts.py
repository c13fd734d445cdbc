"""Site forms and chats of UIS become clients of YCLIENTS: how long it takes, and how many a second we carry.

From the request arriving in UIS to its client standing at YCLIENTS; both vendors are the stand, without limits. The
baseline is the smallest relay: the notification is written to a file with fdatasync and posted on as a new client, asking
nobody anything. Ours waits a second before it asks the report of UIS, for that shows late; then it looks for the phone,
makes the client and writes the comment. Checked: one client a phone, and one comment a text.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Coroutine
from typing import Any

from e2e.stand.app import RunningStand
from e2e.stand.uis.notices import Notice
from e2e.stand.uis.talks import Talks, form
from tests.bench.calls import relay
from tests.bench.report import Figure, alternate, percentile, thousands
from tests.bench.scale import Scale
from tests.bench.servers import Service, yclick
from tests.bench.stands import running_stand

_COMPANY, _RATE = 4564, 3
_BODY = (
    '{"event": "offline_message", "notification_time": {{notification_time}}, "offline_message_id": {{offline_message_id}},'
    ' "visitor_phone_number": {{visitor_phone_number}}, "name": {{visitor_name}}, "phone": {{visitor_phone_number}}}'
)


def bench(scale: Scale) -> list[Figure]:
    texts, people = (60, 15) if scale.quick else (2_000, 500)
    with running_stand() as stand:
        base = f"http://127.0.0.1:{stand.port}"
        stand.stand.uis.switch(minute_limit=1_000_000, day_limit=1_000_000, notice_delay_s=0.0)
        with (
            yclick(
                module="tests.open_pace", OPEN_PACE="uis,yclients", YCLICK_YCLIENTS_API_URL=base,
                YCLICK_UIS_DATA_API_URL=f"{base}/uis", YCLICK_RECONCILE_PERIOD_S="86400",
            ) as service,
            relay(f"{base}/api/v1/clients/{_COMPANY}") as bare,
        ):  # fmt: skip
            _connect(service)
            hook = str(service.account["webhooks"]["uis"])
            number = max(2, int(_RATE * scale.seconds * 2))
            one_by_one = alternate(
                scale.rounds,
                {"ours": lambda: _each(stand, hook, number), "relay": lambda: _each(stand, bare, number)},
            )
            carried = _many(stand, hook, texts, people)
    return [
        Figure(
            "texts", f"form → client at YCLIENTS, {_RATE} a second, p95", "ms", one_by_one["ours"]["p95_ms"],
            one_by_one["relay"]["p95_ms"], "relay", None, None, "1 s of it is the pause before the report is asked",
        ),
        Figure(
            "texts", f"{thousands(texts)} chats and forms of {people} people, told at once: carried a second", "/s",
            texts / carried, None, "", None, None, f"the last comment after {carried:.0f} s",
        ),
    ]  # fmt: skip


def _connect(service: Service) -> None:
    for vendor, secret in (
        ("uis", {"access_token": "stand-key-0123456789"}), ("yclients", {"partner_token": "p", "user_token": "u"}),
    ):  # fmt: skip
        done = service.process.command("account", "connect", vendor, "Salon", given=json.dumps(secret))
        assert done.returncode == 0, done.stderr
    part = {"enabled": True, "default_company_id": _COMPANY}
    wanted = urllib.request.Request(
        f"{service.process.base}/api/v1/integrations/texts",
        json.dumps({"enabled": True, "forms": part, "chats": part}).encode(), method="PUT",
        headers={"Authorization": f"Bearer {service.account['api_token']}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(wanted, timeout=20) as answer:
        assert answer.status == 200


def _in_stand(stand: RunningStand, work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, stand.loop).result(600)


def _each(stand: RunningStand, url: str, number: int) -> dict[str, float]:
    """Forms at an even pace, each of somebody new."""
    stand.stand.uis.notices = [Notice("offline_message", url, body=_BODY)]

    async def work() -> list[float]:
        async def one(place: int) -> float:
            await asyncio.sleep(place / _RATE)
            phone, began = f"7916{time.monotonic_ns() % 10_000_000:07d}", time.monotonic()
            form(stand.stand.uis, name="Анна", phone=phone, text="Перезвоните")
            while stand.stand.people.by_phone(_COMPANY, phone) is None:
                assert time.monotonic() - began < 60, "no client is made"
                await asyncio.sleep(0.005)
            return (time.monotonic() - began) * 1000

        return await asyncio.gather(*(one(place) for place in range(number)))

    waits: list[float] = _in_stand(stand, work())
    return {"p95_ms": percentile(waits, 0.95)}


def _many(stand: RunningStand, url: str, texts: int, people: int) -> float:
    """Seconds from the first of them to the last comment."""
    world, talks = stand.stand, Talks(stand.stand.uis)
    world.uis.notices = [Notice(event, url) for event in ("offline_message", "chat_finished")]
    world.clients.clear()
    world.people.comments.clear()

    async def work() -> float:
        began = time.monotonic()
        for text in range(texts):
            phone = f"7926{text % people:07d}"
            if text % 2:
                form(world.uis, name="Анна", phone=phone, text=f"Заявка {text}")
            else:
                await talks.chat(
                    name="Анна", phone=phone, contacts_at="start", messages=[f"Чат {text}"], scale=0.0, until_end=True
                )
        while sum(map(len, world.people.comments.values())) < texts:
            assert time.monotonic() - began < 900, "not all is said"
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    took: float = _in_stand(stand, work())
    assert len(world.people.of(_COMPANY)) == people, "one client a phone"
    assert sum(map(len, world.people.comments.values())) == texts, "one comment a text"
    return took
