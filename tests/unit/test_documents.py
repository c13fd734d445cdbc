"""The documents stay true: settings, routes, targets, metrics, switches and links named in them exist, and all are named."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from e2e.stand.state import Switches
from server.api.documents import openapi
from server.cabinet import words
from server.platform import metrics
from server.settings import Settings, env_example

ROOT = Path(__file__).resolve().parents[2]
PROMISED_TARGETS = (
    "run",
    "test",
    "setup",
    "dev",
    "fmt",
    "lint",
    "unit",
    "e2e",
    "bench",
    "faults",
    "js",
    "docs",
    "deps",
    "check",
)
PROMISED_ROUTES = (
    "/s/{key}.js", "/f/{key}.js", "/c", "/hooks/yclients/{token}", "/hooks/uis/{token}", "/hooks/yclients-app",
    "/marketplace/connect", "/workplace", "/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/docs",
    "/api/v1/leads", "/api/v1/bookings", "/api/v1/bookings/{id}/journey", "/api/v1/deals", "calls", "chats",
    "/api/v1/visits", "deliveries", "/api/v1/deliveries/{id}/replay", "/api/v1/quarantine", "/api/v1/integrations/leads",
    "telephony", "texts", "/api/v1/health", "/api/v1/ledger", "/api/v1/reports/{name}",
)  # fmt: skip


#: Built, installed, or kept by a tool.
_APART = re.compile(r"(?:^|/)(?:\.[^/]+|node_modules|test-results)/")


def documents() -> list[Path]:
    """Every Markdown file of the project; what is built or installed is none of it."""
    return sorted(path for path in ROOT.rglob("*.md") if not _APART.search(str(path.relative_to(ROOT))))


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def code_of(text: str) -> Iterator[str]:
    """What stands in code: blocks and `spans`."""
    yield from re.findall(r"^```.*?^```", text, re.S | re.M)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


def targets() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+):.*## (.*)$", text_of("Makefile"), re.M))


def test_env_example_is_the_generated_one() -> None:
    assert text_of(".env.example") == env_example(), "run `make docs`"


def test_every_promised_target_is_listed_by_help() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name for name in PROMISED_TARGETS if not re.search(rf"^\s*make {name}\s+\S", shown, re.M)} == set()


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_targets_named_in_documents_exist(path: Path) -> None:
    named = {
        name for code in code_of(path.read_text("utf-8")) for name in re.findall(r"\bmake ([a-z][a-z0-9-]*)\b", code)
    }
    assert named - set(targets()) == set()


def test_operators_guide_has_every_setting_and_no_other() -> None:
    named = set(re.findall(r"`YCLICK_([A-Z_]+)", text_of("docs/operations.md")))
    assert named == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("route", PROMISED_ROUTES)
def test_api_document_speaks_of_every_promised_route(route: str) -> None:
    assert route in text_of("docs/api.md")


def test_api_document_has_every_route_of_openapi() -> None:
    text = text_of("docs/api.md")
    missing = [path for path in openapi()["paths"] if path not in text and path.rsplit("/", 1)[-1] not in text]
    assert missing == []


def test_alert_list_and_dashboard_use_metrics_that_exist() -> None:
    known = {line.split()[2] for line in metrics.exposition().decode().splitlines() if line.startswith("# TYPE")}
    guide = text_of("docs/operations.md")
    assert set(re.findall(r"`(yclick_[a-z_]+)", guide)) <= known
    assert {name for name in known if not name.endswith("_created") and name not in guide} == set()
    panels = json.loads(text_of("deploy/grafana.json"))["panels"]
    used = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"yclick_[a-z_]+", target["expr"])
    }
    assert used <= known


def test_stand_document_has_every_switch() -> None:
    named = set(re.findall(r"`([a-z_]+)`", text_of("docs/stand.md")))
    assert {field.name for field in fields(Switches)} <= named


@pytest.mark.parametrize("guide", ["docs/guide.ru.md", "docs/guide.en.md"])
def test_guides_call_pages_and_matches_as_the_cabinet_does(guide: str) -> None:
    locale, text = guide[-5:-3], text_of(guide)
    codes = (
        "leads",
        "bookings",
        "visits",
        "intake",
        "install",
        "m_record",
        "m_mark",
        "m_phone",
        "m_call",
        "m_email",
        "m_probable",
    )
    assert [words.text(code, locale) for code in codes if words.text(code, locale) not in text] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8"))
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_the_architecture_style_exist(path: Path) -> None:
    """A path in backticks that begins with a folder of ours is a file or folder of ours."""
    found = re.findall(
        r"`((?:server|snippets|widget|templates|tests|e2e|deploy|docs)/[\w./@-]*)`", path.read_text("utf-8")
    )
    built = {"snippets/dist", "widget/dist", "widget/dist/extension"}
    assert [name for name in found if name not in built and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_place_of_one_machine_stands_in_a_document(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"(?:/home|/root|/Users|/work|/tmp)/\S*|https?://(?:127\.0\.0\.1|10\.\d|192\.168)\S*", text) == []
