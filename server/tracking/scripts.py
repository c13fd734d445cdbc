"""The scripts as a site loads them: one built core per kind, the account's settings as JSON beside it.

Owners change settings without touching their sites; browsers and caches see one small file with an ETag.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

import brotli
import jinja2

from server.accounts.model import Account, ScriptKey

Place = Literal["site", "form"]
EMPTY = b"/* unknown key */\n"


class ScriptsNotBuilt(RuntimeError):
    """The browser scripts are missing; `make js` builds them."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One account's script in every encoding we serve."""

    etag: str
    plain: bytes
    gzip: bytes
    brotli: bytes


class ScriptRenderer:
    """Renders and compresses; results are cached by what went in, so a change of settings shows at once."""

    def __init__(self, built: Path, templates: Path, *, base_url: str) -> None:
        try:
            self._cores = {place: (built / f"{place}.js").read_text("utf-8") for place in ("site", "form")}
            self.version: str = json.loads((built / "meta.json").read_text("utf-8"))["version"]
        except (OSError, KeyError, ValueError) as error:
            raise ScriptsNotBuilt("the browser scripts are not built; run `make js`") from error
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._template = environment.get_template("snippet.js.j2")
        self._base_url = base_url
        self._cache: dict[tuple[str, str], Rendered] = {}
        self._recent: dict[tuple[str, UUID], tuple[ScriptKey, Account, Rendered]] = {}

    async def render(self, key: ScriptKey, account: Account) -> Rendered:
        # The lookup remembers both for some seconds: while it answers with the same objects, so do we.
        recent = self._recent.get((key.place, key.site.site_id))
        if recent is not None and recent[0] is key and recent[1] is account:
            return recent[2]
        rendered = await self._rendered(key, account)
        if len(self._recent) > 5000:
            self._recent.clear()
        self._recent[key.place, key.site.site_id] = key, account, rendered
        return rendered

    async def _rendered(self, key: ScriptKey, account: Account) -> Rendered:
        config = script_config(key, account, self._base_url)
        cache_key = (key.place, json.dumps(config, sort_keys=True))
        if (found := self._cache.get(cache_key)) is not None:
            return found
        rendered = await asyncio.to_thread(self._render, key.place, config)
        if len(self._cache) > 5000:
            self._cache.clear()
        self._cache[cache_key] = rendered
        return rendered

    def _render(self, place: Place, config: dict[str, object]) -> Rendered:
        text = self._template.render(core=self._cores[place], config=config, version=self.version, place=place).encode()
        return Rendered(
            etag=f'"{hashlib.sha256(text).hexdigest()[:20]}"',
            plain=text,
            gzip=gzip.compress(text, 9, mtime=0),
            brotli=brotli.compress(text, quality=11),
        )


def script_config(key: ScriptKey, account: Account, base_url: str) -> dict[str, object]:
    """The JSON of docs/collector.md «Script configuration»; everything in it is public."""
    public_key = key.site.site_key if key.place == "site" else key.site.form_key
    settings = account.script
    common = {
        "endpoint": f"{base_url}/c?k={public_key}", "consent": settings.consent, "gpc": settings.gpc, "debug": False,
    }  # fmt: skip
    if key.place == "form":
        return common
    return {**common, "form_hosts": list(settings.form_hosts), "visit_timeout_s": settings.visit_timeout_s}
