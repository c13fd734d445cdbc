"""The packed extension: its addresses, its fixed id, the same bytes every time, and no more rights than it says."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from server.workplace.extension import EXTENSION_ID, files, pack

SOURCE = Path(__file__).parents[3] / "widget" / "extension"
SERVER, CABINETS = "https://yclick.example", ("https://yclients.com", "https://*.yclients.com")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves, with a script that stands for all of them."""
    folder = tmp_path / "extension"
    (folder / "_locales" / "ru").mkdir(parents=True)
    (folder / "_locales" / "ru" / "messages.json").write_text("{}")
    (folder / "background.js").write_text("'use strict'")
    (folder / "manifest.json").write_text((SOURCE / "manifest.json").read_text())
    return folder


def manifest_of(packed: bytes) -> dict[str, object]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        told: dict[str, object] = json.loads(archive.read("manifest.json"))
    return told


def test_id_is_that_of_the_key_in_the_manifest() -> None:
    key = base64.b64decode(json.loads((SOURCE / "manifest.json").read_text())["key"])
    digits = hashlib.sha256(key).hexdigest()[:32]
    assert "".join(chr(ord("a") + int(digit, 16)) for digit in digits) == EXTENSION_ID


def test_addresses_are_this_servers_and_the_cabinets_alone(built: Path) -> None:
    packed = pack(built, server=SERVER, cabinets=CABINETS)
    manifest = manifest_of(packed)
    assert manifest["host_permissions"] == ["https://yclick.example/*"]
    assert manifest["permissions"] == ["storage"]
    assert "optional_permissions" not in manifest
    scripts = manifest["content_scripts"]
    assert isinstance(scripts, list)
    assert [one["matches"] for one in scripts] == [
        ["https://*.yclients.com/*"], ["https://yclick.example/workplace*"], ["https://yclick.example/screens*"],
    ]  # fmt: skip
    assert "invalid" not in json.dumps(manifest)
    policy = manifest["content_security_policy"]
    assert isinstance(policy, dict)
    assert "script-src 'self';" in policy["extension_pages"]


def test_same_source_packs_to_the_same_bytes(built: Path) -> None:
    first = pack(built, server=SERVER, cabinets=CABINETS)
    (built / "background.js").touch()
    assert pack(built, server=SERVER, cabinets=CABINETS) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == sorted(files(built, server=SERVER, cabinets=CABINETS))
        assert archive.testzip() is None


def test_other_cabinets_are_those_of_the_settings(built: Path) -> None:
    cabinets = ("http://yclients.localhost:8081", "chrome-extension://abc", "https://cabinet.example")
    scripts = manifest_of(pack(built, server="http://localhost:8080", cabinets=cabinets))["content_scripts"]
    assert isinstance(scripts, list)
    assert scripts[0]["matches"] == ["http://yclients.localhost:8081/*", "https://cabinet.example/*"]


def test_without_a_build_there_is_nothing_to_pack(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pack(tmp_path, server=SERVER, cabinets=CABINETS)
