"""The browser's extension, packed for one server: its addresses stand in the manifest, and nowhere else in it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: Follows from the public key in the manifest: the same on every computer and for every server.
EXTENSION_ID = "hnbodjjcppgpflhfmnafpogmkmofmeaf"
ORIGIN = f"chrome-extension://{EXTENSION_ID}"
FILE_NAME = "yclick-extension.zip"
#: What the built manifest says in place of addresses.
_SERVER, _CABINET = "https://server.invalid", "https://yclients.invalid/*"
_MOMENT = (2026, 1, 1, 0, 0, 0)  # of every file: the same source packs to the same bytes


def pack(folder: Path, *, server: str, cabinets: Iterable[str]) -> bytes:
    """A zip of the built extension in `folder` for the server's origin and the cabinets' origins (`*.` allowed).

    Raises FileNotFoundError where nothing was built.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in sorted(files(folder, server=server, cabinets=cabinets).items()):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, body)
    return packed.getvalue()


def files(folder: Path, *, server: str, cabinets: Iterable[str]) -> dict[str, bytes]:
    """The extension's files by their paths, as they are unpacked."""
    found = {
        str(path.relative_to(folder).as_posix()): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip
    if "manifest.json" not in found:
        raise FileNotFoundError(folder / "manifest.json")
    manifest = _filled(json.loads(found["manifest.json"]), server, _patterns(cabinets))
    found["manifest.json"] = (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()
    return found


def _patterns(cabinets: Iterable[str]) -> list[str]:
    """Pages of the web alone, and each once: `https://*.yclients.com` already means `https://yclients.com`, too."""
    origins = [origin.lower() for origin in cabinets if origin.startswith(("http://", "https://"))]
    wide = {origin.replace("://*.", "://") for origin in origins if "://*." in origin}
    return [f"{origin}/*" for origin in dict.fromkeys(origins) if origin not in wide]


def _filled(value: Any, server: str, cabinets: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(item, server, cabinets) for name, item in value.items()}
    if isinstance(value, list):
        return cabinets if value == [_CABINET] else [_filled(item, server, cabinets) for item in value]
    return value.replace(_SERVER, server) if isinstance(value, str) else value
