"""Pages of the journal over a million bookings: the cabinet's «Обращения и цели» and `GET /api/v1/leads`.

Asked one after another by one client: the newest page, a page deep in the past, one record, a filter by level, a
search by name. Baseline: the same requests of an account with 1,000 bookings in the same database. Promise: p95
≤ 200 ms for the page, goal 50 ms. Checked: each answer holds what was asked for.
"""

from __future__ import annotations

import http.cookiejar
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg

from server.platform.paging import write_cursor
from tests.bench.report import Figure, Target, alternate, percentile, thousands
from tests.bench.salon import fill_bookings
from tests.bench.scale import Scale
from tests.bench.servers import Service, yclick

_SMALL = 1_000
_LETTERS = str.maketrans("0123456789", "abcdefghij")  # as in the names that `fill_bookings` gives
_MUST, _GOAL = Target("<=", 200, "ours"), Target("<=", 50, "ours")


def bench(scale: Scale) -> list[Figure]:
    rows = scale.rows
    with yclick() as service:
        small = service.process.command(
            "account", "create", "--name", "Small", "--site", "small.test", "--branch", "4564", "--json"
        )
        accounts = {"ours": (service.account, rows), "small": (json.loads(small.stdout), _SMALL)}

        async def fill(conn: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
            deep = {}
            for name, (account, number) in accounts.items():
                account_id = UUID(account["account_id"])
                await fill_bookings(conn, account_id, number)
                row = await conn.fetchrow(
                    "select created_at, booking_id from booking where account_id = $1 and record_id = $2",
                    account_id, number // 2,
                )  # fmt: skip
                assert row
                deep[name] = write_cursor(row["created_at"], row["booking_id"])
            return deep

        deep = service.database(fill)
        clients = {name: _Client(service, account, number, deep[name]) for name, (account, number) in accounts.items()}
        figures = []
        for title, ask in _QUESTIONS.items():
            taken = alternate(scale.rounds, {name: _asked(ask, client, scale) for name, client in clients.items()})
            promised = title not in _UNPROMISED
            figures.append(
                Figure(
                    "journal", f"{title}, p95, {thousands(rows)} bookings", "ms", taken["ours"]["p95_ms"],
                    taken["small"]["p95_ms"], "1 000 bookings", _MUST if promised else None, _GOAL if promised else None,
                )
            )  # fmt: skip
        return figures


def _asked(ask: Callable[[_Client], None], client: _Client, scale: Scale) -> Callable[[], dict[str, float]]:
    def run() -> dict[str, float]:
        times: list[float] = []
        until = time.perf_counter() + scale.seconds
        while len(times) < 20 and (time.perf_counter() < until or len(times) < 3):
            began = time.perf_counter()
            ask(client)
            times.append(time.perf_counter() - began)
        return {"p95_ms": percentile(times, 0.95) * 1e3}

    return run


class _Client:
    """The owner in a browser, and a program with the API's token."""

    def __init__(self, service: Service, account: dict[str, Any], rows: int, deep: str) -> None:
        self._service, self._account = service, account
        self.rows, self.deep = rows, deep
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        link = service.process.command("account", "login", account["account_id"]).stdout
        address = next(word for word in link.split() if "/login/" in word)
        with self._browser.open(address, timeout=30) as answer:
            assert answer.status == 200

    def page(self, path: str) -> str:
        with self._browser.open(self._service.process.base + path, timeout=120) as answer:
            assert answer.url.endswith(path), f"sent on to {answer.url}"
            return str(answer.read().decode())

    def api(self, **query: Any) -> list[Any]:
        asked = urllib.request.Request(
            f"{self._service.process.base}/api/v1/leads?{urllib.parse.urlencode(query)}",
            headers={"Authorization": f"Bearer {self._account['api_token']}"},
        )
        with urllib.request.urlopen(asked, timeout=120) as answer:
            found: list[Any] = json.load(answer)["data"]
        return found


def _newest(client: _Client) -> None:
    assert len(client.api(limit=50)) == 50


def _deep(client: _Client) -> None:
    found = client.api(limit=50, cursor=client.deep)
    assert found[0]["booking"]["record_id"] == client.rows // 2 + 1


def _one(client: _Client) -> None:
    assert len(client.api(record_id=client.rows - 7)) == 1


def _unmatched(client: _Client) -> None:
    found = client.api(level="none", limit=50)
    assert {lead["match"]["level"] for lead in found} == {"none"}


def _search(client: _Client) -> None:
    # A rare name, in letters alone: digits would also be looked for in phones, and found at once.
    name = str(min(client.rows // 2, 12_345)).translate(_LETTERS)
    assert client.api(q=f"Client {name}", limit=50)


def _cabinet(client: _Client) -> None:
    assert "Client h" in client.page("/leads")


_QUESTIONS: dict[str, Callable[[_Client], None]] = {
    "journal page of the cabinet": _cabinet,
    "GET /leads, newest page": _newest,
    "GET /leads, deep page": _deep,
    "GET /leads, one record": _one,
    "GET /leads, without a match": _unmatched,
    "GET /leads, search by name": _search,
}
_UNPROMISED: frozenset[str] = frozenset()
