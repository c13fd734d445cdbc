"""Notifications about events: the vendor's templates with their placeholders, conditions, and the sending with its moods.

A placeholder stands without quotes and becomes a JSON literal; in a query it is bare. Nothing is signed.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp

from e2e.stand.uis.state import Uis

#: Every event with its id, its name in the cabinet, and the default bodies.
TEMPLATES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "templates.json").read_text("utf-8")
)
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_FORM = "application/x-www-form-urlencoded"


@dataclass
class Notice:
    """One notification as the owner has entered it. Any group of conditions is enough; in a group all must hold."""

    event: str
    url: str
    method: str = "POST"
    body: str = ""  # the vendor's default template when empty
    content_type: str = ""  # what the switch says when empty
    conditions: list[list[dict[str, Any]]] = field(default_factory=list)
    active: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        if self.event not in TEMPLATES:
            raise KeyError(self.event)
        if self.method not in ("GET", "POST"):
            raise KeyError(self.method)
        self.body = self.body or TEMPLATES[self.event][self.method]


# --- rendering


def literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def bare(value: Any) -> str:
    """In a query: lists stay JSON, nothing is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else literal(value)


def render(template: str, values: dict[str, Any], *, query: bool, unknown: str, plain: bool = True) -> str:
    """What nobody has written down: a variable the event does not have is `null`, empty, or stays as it is."""

    def one(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values and unknown != "null":
            return found[0] if unknown == "as_is" else ""
        value = values.get(name)
        return quote(bare(value) if plain else literal(value), safe="") if query else literal(value)

    return _PLACE.sub(one, template)


def fits(values: dict[str, Any], conditions: Iterable[Iterable[dict[str, Any]]]) -> bool:
    groups = [list(group) for group in conditions]
    return not groups or any(all(_holds(values, one) for one in group) for group in groups)


def _holds(values: dict[str, Any], one: dict[str, Any]) -> bool:
    has, value = values.get(one["param"]), one.get("value")
    held = bool(_OPERATORS[one["operator"]](has, value))
    return held != bool(one.get("is_negative"))


def _many(value: Any) -> set[Any]:
    return set(value) if isinstance(value, list) else {value}


_OPERATORS: dict[str, Any] = {
    ">": lambda has, value: has is not None and has > value, "<": lambda has, value: has is not None and has < value,
    "starts_with": lambda has, value: str(has or "").startswith(str(value)),
    "ends_with": lambda has, value: str(has or "").endswith(str(value)),
    "is_null": lambda has, _: has in (None, "", []), "is_not_null": lambda has, _: has not in (None, "", []),
    "=": lambda has, value: _many(has) == _many(value),
    "in": lambda has, value: _many(has) >= _many(value) if isinstance(has, list) else str(value) in str(has or ""),
    "intersect": lambda has, value: bool(_many(has) & _many(value)), "sub": lambda has, value: _many(has) <= _many(value),
}  # fmt: skip


# --- sending


class Sender:
    """Hears every event of the account and sends what is entered for it; keeps a log of every attempt.

    Events of one call, chat or request go one after another, as they happened, unless they are to be out of order.
    """

    def __init__(self, uis: Uis) -> None:
        self._uis = uis
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[tuple[str, Any], asyncio.Task[None]] = {}
        self._held: list[tuple[Notice, dict[str, Any], Any]] = []
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._uis.switches.notice_timeout_s))
        self._uis.ears.append(self.hear)

    async def stop(self) -> None:
        self._uis.ears.remove(self.hear)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def hear(self, event: str, values: dict[str, Any]) -> None:
        """May be called from any thread."""
        assert self._loop is not None
        if asyncio._get_running_loop() is self._loop:
            self._take(event, values)
        else:
            self._loop.call_soon_threadsafe(self._take, event, values)

    def _take(self, event: str, values: dict[str, Any]) -> None:
        switches, chance = self._uis.switches, self._uis.chance
        about = values.get("call_session_id") or values.get("communication_id")
        for notice in self._uis.notices:
            if notice.event != event or not notice.active or not fits(values, notice.conditions):
                continue
            told = {"notification_name": notice.name or TEMPLATES[event]["name"], **values}
            if event in switches.notice_silent:
                self._log(notice, "", "silent")
                continue
            for _ in range(1 + switches.notice_duplicates):
                if chance.random() < switches.notice_loss:
                    self._log(notice, "", "lost")
                elif switches.notice_hold:
                    self._held.append((notice, told, about))
                else:
                    self._spawn(notice, told, about)

    def release(self) -> int:
        held, self._held = self._held, []
        if self._uis.switches.notice_reorder:
            held.reverse()
        for notice, told, about in held:
            self._spawn(notice, told, about)
        return len(held)

    def _spawn(self, notice: Notice, told: dict[str, Any], about: Any) -> None:
        switches, key = self._uis.switches, (notice.url, about)
        delay_s = switches.notice_delay_s * (self._uis.chance.random() * 3 if switches.notice_reorder else 1)
        before = None if switches.notice_reorder else self._last.get(key)
        task = asyncio.create_task(self._send(notice, told, time.monotonic() + delay_s, before))
        self._tasks.add(task)
        self._last[key] = task

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            if self._last.get(key) is finished:
                del self._last[key]

        task.add_done_callback(done)

    async def _send(self, notice: Notice, told: dict[str, Any], due: float, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        switches = self._uis.switches
        url, body, headers = self._request(notice, told)
        assert self._session is not None
        for attempt in range(1 + switches.notice_retries):
            try:
                async with self._session.request(notice.method, url, data=body, headers=headers) as answer:
                    self._log(notice, (body or b"").decode() or url.partition("?")[2], str(answer.status))
                    if answer.status < 300:
                        return
            except (aiohttp.ClientError, TimeoutError) as error:
                self._log(notice, (body or b"").decode(), type(error).__name__)
            if attempt < switches.notice_retries:
                await asyncio.sleep(switches.notice_retry_s)

    def _request(self, notice: Notice, told: dict[str, Any]) -> tuple[str, bytes | None, dict[str, str]]:
        switches = self._uis.switches
        content_type = notice.content_type or switches.notice_content_type
        query = notice.method == "GET" or content_type.startswith(_FORM)
        text = render(
            notice.body, told, query=query, unknown=switches.notice_unknown, plain=switches.notice_query == "plain"
        )
        if not switches.notice_secret:
            text = _without_secret(text, query=query)
        if notice.method == "GET":
            return f"{notice.url}{'&' if '?' in notice.url else '?'}{text}", None, {}
        return (
            notice.url,
            text.encode(),
            {"Content-Type": content_type} if content_type != "none" else {"Content-Type": ""},
        )

    def _log(self, notice: Notice, message: str, outcome: str) -> None:
        self._uis.sent.append({
            "at": time.time(), "event": notice.event, "to": notice.url.rsplit("/", 1)[0], "message": message, "outcome": outcome,
        })  # fmt: skip


def _without_secret(text: str, *, query: bool) -> str:
    """A body whose owner left the secret out."""
    if query:
        return urlencode([(name, value) for name, value in parse_qsl(text, keep_blank_values=True) if name != "secret"])
    try:
        return json.dumps({name: value for name, value in json.loads(text).items() if name != "secret"})
    except (ValueError, AttributeError):
        return text
