"""Redis carries signals only: without it the server lives, jobs run by polling, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.factories import Browser, ident, webhook
from tests.integration.test_bus import Redis
from tests.server_process import ServerProcess, ask, post, wait_for


@pytest.fixture
def redis() -> Iterator[Redis]:
    own = Redis()
    own.start()
    yield own
    own.clean()


def test_bookings_are_matched_before_during_and_after_a_death_of_redis(redis: Redis) -> None:
    server = ServerProcess(YCLICK_REDIS_URL=redis.url)
    server.start("--processes", "2")
    try:
        account = server.account()

        def book(record_id: int) -> None:
            """The whole main job: visit, mark, booking, match."""
            browser, mark = Browser("https://salon.test/?utm_campaign=spring"), ident()
            site = f"{server.base}/c?k={account['site']['key']}"
            form = f"{server.base}/c?k={account['form']['key']}"
            assert post(site, json.dumps(browser.batch(browser.hit(), browser.open(mark))).encode()) == 204
            told = browser.batch(browser.form(mark), browser.record(mark, record_id))
            assert post(form, json.dumps(told).encode()) == 204
            assert post(account["webhooks"]["yclients"], json.dumps(webhook(record_id)).encode()) == 200

            def matched() -> bool:
                found = server.get(f"/api/v1/leads?record_id={record_id}", account["api_token"])["data"]
                return bool(found) and found[0]["match"]["level"] == "L0" and found[0]["visit"]["id"] == browser.visit

            wait_for(matched)

        book(1)
        redis.kill()
        book(2)
        assert ask(f"{server.base}/readyz")[0] == 200
        redis.start()
        book(3)
        line = server.get("/api/v1/ledger", account["api_token"])["doors"]["yclients"]
        assert (line["accepted"], line["stored"], line["difference"]) == (3, 3, 0)
        assert server.stop() == 0
    finally:
        server.clean()
