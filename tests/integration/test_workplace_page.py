"""The workplace's page: who may frame it, what its entry points believe, how its bundle is served."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from server.app import build, places
from server.keys import READ_FRAME, SETTINGS, WIDGET
from server.platform.web import edge, problem_response, security_headers
from server.settings import Settings
from server.workplace import page
from server.yclients.frames import panel_hash, read_panel, read_settings_tab
from tests.conftest import Salon

TOKEN = "canary-partner-token"
FRAMED = "frame-ancestors 'self' https://yclients.com https://*.yclients.com"


@pytest.fixture
async def widget(tmp_path: Path, settings: Settings) -> AsyncIterator[TestClient]:
    """The page's routes over a bundle of this test's own."""
    (tmp_path / "dist").mkdir()
    app = web.Application(middlewares=[edge(lambda _, problem: _plain(problem))])
    app[SETTINGS] = settings.model_copy(update={"public_url": "https://yclick.test"})
    app[WIDGET] = page.Widget(tmp_path / "dist", places()[1])
    app[READ_FRAME] = lambda *_: None
    app.on_response_prepare.append(security_headers("https://yclick.test"))
    app.add_routes(page.routes)
    async with TestClient(TestServer(app)) as client:
        yield client


async def _plain(problem: object) -> web.StreamResponse:
    return problem_response(problem)  # type: ignore[arg-type]


def built(tmp_path: Path) -> None:
    (tmp_path / "dist" / "app.js").write_text("export const one = 1")
    (tmp_path / "dist" / "app.css").write_text("body{}")


async def test_only_yclients_may_frame_the_page_and_nothing_else_may_be_framed(
    widget: TestClient, tmp_path: Path
) -> None:
    built(tmp_path)
    async with widget.get("/workplace") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert (answer.status, policy.rpartition("; ")[2]) == (200, FRAMED)
        assert "X-Frame-Options" not in answer.headers
        assert "connect-src 'self' wss://yclick.test;" in policy
        assert "unsafe" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    async with widget.get("/workplace/assets/app.js") as answer:
        assert answer.headers["X-Frame-Options"] == "DENY"


async def test_page_that_is_not_built_says_so(widget: TestClient) -> None:
    for language, words in (("ru", "ещё не собрано"), ("en", "not built")):
        async with widget.get(f"/workplace?lang={language}") as answer:
            assert (answer.status, words in await answer.text()) == (503, True)


async def test_bundle_is_kept_for_a_year_by_its_content(widget: TestClient, tmp_path: Path) -> None:
    built(tmp_path)
    async with widget.get("/workplace?lang=en") as answer:
        text = await answer.text()
    address = f"/workplace/assets/app.js?{hashlib.sha256(b'export const one = 1').hexdigest()[:16]}"
    assert f'<script type="module" src="{address}">' in text
    assert 'lang="en"' in text
    async with widget.get(address) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.content_type == "text/javascript"
        tag = answer.headers["ETag"]
    async with widget.get(address, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    async with widget.get("/workplace/assets/app.js?old") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["..%2fapp.js", "%2e%2e", "nothing.js", ".hidden.js", "app.py", "app", "a" * 200 + ".js"]
)
async def test_nothing_but_the_bundle_is_served(widget: TestClient, tmp_path: Path, name: str) -> None:
    built(tmp_path)
    (tmp_path / "app.js").write_text("outside")
    (tmp_path / "dist" / "app.py").write_text("secret")
    (tmp_path / "dist" / ".hidden.js").write_text("secret")
    async with widget.get(f"/workplace/assets/{name}") as answer:
        assert answer.status == 404


# --- the entry points


def signed(user: dict[str, object], token: str = TOKEN) -> dict[str, str]:
    decoded = json.dumps(user).encode()
    sign = hmac.new(token.encode(), decoded, hashlib.sha256).hexdigest()
    return {"user_data": base64.b64encode(decoded).decode(), "user_data_sign": sign}


@pytest.fixture
async def server(dsn: str, settings: Settings) -> AsyncIterator[TestClient]:
    own = settings.model_copy(update={"yclients_partner_token": SecretStr(TOKEN)})
    async with TestClient(TestServer(build(own, dsn))) as client:
        yield client


async def test_panel_and_settings_open_for_what_the_vendor_signed(server: TestClient) -> None:
    fitting = {
        "salon_id": "4564",
        "hash": panel_hash(4564, TOKEN),
        "user_id": "7",
        "lang_id": "1",
        "phone": "79161234567",
    }
    cases = [
        ("panel", fitting, True),
        ("panel", {**fitting, "salon_id": "4565"}, False),
        ("panel", {**fitting, "hash": panel_hash(4564, "other")}, False),
        ("panel", {"salon_id": "4564"}, False),
        ("panel", {}, False),
        ("settings", {"salon_id": "4564", **signed({"id": 1, "name": "Olga"})}, True),
        ("settings", {"salon_id": "4564", **signed({"id": 1}, "other")}, False),
        ("settings", {"salon_id": "4564"}, False),
        ("settings", {"salon_id": "x", **signed({"id": 1})}, False),
    ]
    for surface, query, fits in cases:
        async with server.get(f"/workplace/{surface}", params=query) as answer:
            text = await answer.text()
            assert FRAMED in answer.headers["Content-Security-Policy"]
            assert "X-Frame-Options" not in answer.headers
            assert (answer.status != 403) == fits, (surface, query)
            assert ("data-company" in text) == fits
            assert 'type="module"' not in text or fits


async def test_entry_point_lets_nobody_in_by_itself(server: TestClient) -> None:
    query = {"salon_id": "4564", "hash": panel_hash(4564, TOKEN)}
    async with server.get("/workplace/panel", params=query) as answer:
        assert "Set-Cookie" not in answer.headers
    async with server.post("/workplace/session", json={"company_id": 4564, **query}) as answer:
        assert answer.status == 401


def test_what_the_panel_says_is_read_strictly() -> None:
    right = panel_hash(4564, TOKEN)
    panel = read_panel([("salon_id", "4564"), ("hash", right.upper()), ("phone", "+7 (916) 123-45-67")], TOKEN)
    assert panel
    assert (panel.salon_id, panel.phone) == (4564, "+79161234567")
    odd = read_panel([("salon_id", "4564"), ("hash", right), ("phone", '"><script>')], TOKEN)
    assert odd
    assert odd.phone == ""
    for query in (
        [("salon_id", "4564"), ("salon_id", "1"), ("hash", right)],
        [("salon_id", "04564"), ("hash", right)],
        [("salon_id", "4564"), ("hash", "ÿ" * 40)],
        [("salon_id", "4564"), ("hash", hashlib.sha1(b"4564").hexdigest())],
    ):
        assert read_panel(query, TOKEN) is None
    assert read_panel([("salon_id", "4564"), ("hash", hashlib.sha1(b"4564").hexdigest())], "") is None
    both = [("salon_ids[0]", "1"), ("salon_ids[1]", "2"), *signed({"id": 1}).items()]
    assert read_settings_tab(both, TOKEN) is None


async def test_cabinet_stays_unframed(salon: Salon) -> None:
    async with salon.http.get("/login") as answer:
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
