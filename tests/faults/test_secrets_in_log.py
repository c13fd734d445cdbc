"""A whole story at the most talkative level, with everything going wrong in it: no secret and no person in any log."""

from __future__ import annotations

import json

from tests.factories import Browser, ident, webhook
from tests.server_process import Database, ServerProcess, ask, post, wait_for


def test_no_phone_mail_name_or_token_is_written_anywhere() -> None:
    database = Database()
    server = ServerProcess(
        YCLICK_DATABASE_URL=database.dsn, YCLICK_LOG_LEVEL="debug", YCLICK_YCLIENTS_PARTNER_TOKEN="canary-partner",
        YCLICK_YCLIENTS_API_URL="http://127.0.0.1:9",
    )  # fmt: skip
    try:
        server.start()
        account = server.account()
        given = json.dumps({"user_token": "canary-user-token", "password": "canary-password"})
        assert server.command("account", "connect", "yclients", "Salon", given=given).returncode == 0
        login = server.command("account", "login", "Salon").stdout.strip()
        url, token = account["webhooks"]["yclients"], account["api_token"]
        person = {"id": 5, "name": "Канарейкина", "phone": "+79161234567", "email": "canary@mail.example"}
        whole = json.dumps(webhook(1, client=person)).encode()
        browser, mark = Browser("https://salon.test/?phone=79161234567&email=canary@mail.example"), ident()
        form = f"{server.base}/c?k={account['form']['key']}"
        told = [
            browser.form(mark), browser.event("contact", mark=mark, client=browser.client, phone="+79161234567",
            email="canary@mail.example", form_host="n822081.yclients.com"), browser.record(mark, 1),
        ]  # fmt: skip
        assert post(form, json.dumps(browser.batch(*told)).encode()) == 204
        assert post(url, whole) == 200
        assert post(url, whole[:-40]) == 200  # torn: its text stands in the quarantine, and only there
        assert post(url, json.dumps(webhook(2, client={"phone": {"canary": "+79161234567"}})).encode()) == 200
        assert post(url, json.dumps(webhook(3, date="\u0000 +79161234567", client=person)).encode()) == 200
        for path in ("/api/v1/leads", f"/api/v1/leads?q=%2B79161234567&cursor={token}", "/api/v1/leads?limit=x"):
            ask(server.base + path, Authorization=f"Bearer {token}")
        ask(f"{server.base}/login", b"email=canary@mail.example&password=canary-password")
        ask(login.replace("http://localhost:", "http://127.0.0.1:"))
        ask(f"{url}x")
        wait_for(lambda: server.all("/api/v1/leads", token))
        database.stop()
        assert post(url, json.dumps(webhook(4, client=person)).encode()) == 200
        ask(f"{server.base}/api/v1/leads", Authorization=f"Bearer {token}")
        database.back()
        wait_for(lambda: len(server.all("/api/v1/bookings", token)) >= 2, within_s=60)
        assert server.stop() == 0
        log = server.log()
        assert "server.stopped" in log  # the log is there, and long enough to have told
        secrets = [
            "9161234567", "canary", "Канарейкина", token, login.rsplit("/", 1)[1], account["webhooks"]["uis"].rsplit("/", 1)[1],
            url.rsplit("/", 1)[1],
        ]  # fmt: skip
        assert [secret for secret in secrets if secret in log] == []
    finally:
        server.clean()
        database.clean()
