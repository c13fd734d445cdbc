"""One small web server for the scripts' fixtures: pages of a site, forms, and a collector with moods.

Every name ending in `.test` and every host of the vendors leads here by the browser's host rules. Nothing is faked in
the browser: what was asked for and sent is read from what arrived.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jinja2

ROOT = Path(__file__).parents[2]
_keys = itertools.count(1)
FORM = "http://n822081.yclients.com/"
SITE_TAG = '<script async src="http://collector.test/s.js"></script>'
PLAIN_SITE_TAG = '<script src="http://collector.test/s.js"></script>'
FORM_TAG = '<script src="http://collector.test/f.js"></script>'


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    host: str
    path: str
    body: str
    answered: bool
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.host}{self.path}"


class Lab:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._release = threading.Event()
        environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT / "templates"), autoescape=True)
        self._template = environment.get_template("snippet.js.j2")
        self.reset()
        lab = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                lab.answer(self)

            do_POST = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a browser that left in the middle

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self._release.set()
        self._release = threading.Event()
        self.mood = "ok"  # ok, down, 503, 404, hang, rubbish
        # A key of its own for each test: what a page of the last one says on its way out is not ours.
        self.key = f"/c?k={next(_keys)}."
        self.config: dict[str, Any] = {
            "endpoint": f"http://collector.test{self.key}", "form_hosts": ["zapis.salon.test"], "consent": "granted",
            "gpc": "respect", "visit_timeout_s": 1800, "debug": False,
        }  # fmt: skip
        self.pages: dict[str, tuple[str, dict[str, str]]] = {}
        self.form_page = "<!doctype html><title>form</title><h1>Форма</h1>"
        with self._lock:
            self.seen: list[Seen] = []

    def stop(self) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    def page(self, path: str, body: str = "", *, head: str = SITE_TAG, headers: dict[str, str] | None = None) -> str:
        """Puts a page on the salon's site; returns its address."""
        text = f'<!doctype html><html lang="ru"><head><meta charset="utf-8"><title>Салон</title>{head}</head><body>{body}</body></html>'
        self.pages[path] = (text, headers or {})
        return "http://salon.test" + path

    # --- answering

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length).decode("utf-8", "replace")
        host, path = request.headers.get("Host", ""), request.path
        collect = host == "collector.test" and path.startswith("/c?")
        with self._lock:
            answered = not collect or self.mood in ("ok", "rubbish")
            self.seen.append(Seen(request.command, host, path, body, answered, dict(request.headers)))
        if collect:
            self._collect(request)
        elif host == "collector.test":
            place = "form" if path.startswith("/f") else "site"
            core = (ROOT / "snippets" / "dist" / f"{place}.js").read_text("utf-8")
            text = self._template.render(core=core, config=self.config, version="1.0.0", place=place)
            self._send(request, 200, text, "application/javascript; charset=utf-8")
        elif path == "/favicon.ico":
            self._send(request, 204, "", "image/x-icon")
        elif host.startswith("w"):
            self._send(request, 200, self._loader(path), "application/javascript; charset=utf-8")
        elif path.startswith(("/js-sdk/", "/css/")):
            self._send(request, 200, "", "text/css" if "/css/" in path else "application/javascript")
        elif "/api/" in path:
            self._api(request, path)
        elif path.startswith("/end"):
            self._send(request, 200, "<!doctype html><title>end</title>", "text/html; charset=utf-8")
        elif host == "salon.test":
            text, headers = self.pages.get(path.split("?")[0], ("<!doctype html><title>-</title>нет", {}))
            self._send(request, 200, text, "text/html; charset=utf-8", headers)
        else:
            self._send(request, 200, self.form_page, "text/html; charset=utf-8")

    def _collect(self, request: BaseHTTPRequestHandler) -> None:
        cors = {"Access-Control-Allow-Origin": "*"}
        if self.mood == "down":
            request.connection.close()
        elif self.mood == "hang":
            self._release.wait(60)
        elif self.mood == "503":
            self._send(request, 503, "", "text/plain", {**cors, "Retry-After": "1"})
        elif self.mood == "404":
            self._send(request, 404, '{"title": "no such key"}', "application/problem+json", cors)
        elif self.mood == "rubbish":
            self._send(request, 200, "<html>\x00 {torn", "application/json", cors)
        else:
            self._send(request, 204, "", "text/plain", cors)

    def _api(self, request: BaseHTTPRequestHandler, path: str) -> None:
        """What the vendor answers to the calls a form page makes; `?status=` chooses the status."""
        status = int(path.partition("status=")[2] or 201)
        answer: Any = [{"id": 0, "record_id": 777001, "record_hash": "abc", "record": {"id": 777001}}]
        if "/activity/" in path:
            answer = {"id": 777002, "hash": "def"}
        if "wrapped" in path:
            answer = {"success": True, "data": answer, "meta": []}
        self._send(request, status, json.dumps(answer), "application/json")

    def _loader(self, path: str) -> str:
        text = (ROOT / "e2e" / "stand" / "static" / "loader.js").read_text("utf-8")
        year = "2023" if "2023" in path else "2018"
        for mark, value in (
            ("__LOADER__", year), ("__FORM__", "822081"), ("__ORIGIN_N__", FORM[:-1]), ("__ORIGIN_W__", "http://w822081.yclients.com"),
        ):  # fmt: skip
            text = text.replace(mark, value)
        return text

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, status: int, text: str, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        body = text.encode()
        request.send_response(status)
        for name, value in {"Content-Type": kind, "Cache-Control": "no-cache", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    # --- what arrived

    def batches(self, *, answered: bool = True) -> list[Seen]:
        with self._lock:
            return [
                one
                for one in self.seen
                if one.host == "collector.test" and one.path == self.key and one.answered >= answered
            ]

    def deliveries(self, kind: str | None = None, **wanted: Any) -> list[dict[str, Any]]:
        """Every event as often as it was taken."""
        found = [event for one in self.batches() for event in json.loads(one.body)["events"]]
        return [
            event
            for event in found
            if (kind is None or event["kind"] == kind) and all(event.get(k) == v for k, v in wanted.items())
        ]

    def events(self, kind: str | None = None, **wanted: Any) -> list[dict[str, Any]]:
        """Every event once."""
        return list({event["id"]: event for event in self.deliveries(kind, **wanted)}.values())

    def wait(self, kind: str, count: int = 1, *, within_s: float = 15, **wanted: Any) -> list[dict[str, Any]]:
        self.until(lambda: len(self.events(kind, **wanted)) >= count, within_s, f"{count} of {kind} {wanted}")
        return self.events(kind, **wanted)

    def until(self, true: Any, within_s: float = 15, what: str = "it") -> None:
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, f"never: {what}; events {self.events()}"
            time.sleep(0.02)

    def asked(self, host: str) -> list[str]:
        """Addresses of one host that were asked for, but for its small change."""
        with self._lock:
            return [
                one.url
                for one in self.seen
                if one.host == host and "/api/" not in one.path and "favicon" not in one.path
            ]
