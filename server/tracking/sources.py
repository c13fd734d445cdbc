"""Where a visit came from: marks, click ids, referrer → channel and source, by rules with a version.

Order: own exclusions, then marks, then click ids, then the referrer's host and path, then direct. An explicit paid
medium stays paid; what contradicts it is kept as advice. Pure, total on all input, linear in its length.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from publicsuffixlist import PublicSuffixList

from server.tracking.addresses import (
    Address,
    fragment_marks,
    is_form_host,
    parameters,
    parse_address,
    plain_host,
    storable,
    within,
    within_any,
)

UTM = ("source", "medium", "campaign", "term", "content")
#: What an advertising system was to fill in and did not: in braces anywhere, `__X__` and `[x]` as a whole value only.
_MACRO = re.compile(r"\{\{?[^{}]{1,60}\}?\}|%7B[^%]{1,60}%7D|^__[A-Za-z0-9_]{1,60}__$|^\[[a-z_]{1,60}\]$", re.I)


@dataclass(frozen=True, slots=True)
class Advice:
    """Something the owner may want to mend: `conflict`, `macro`, `encoding`."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Source:
    """`utm` and `click_ids` hold raw values; `source`, `medium`, `campaign` are the names used in reports."""

    channel: str
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    term: str | None = None
    content: str | None = None
    kind: str | None = None
    utm: Mapping[str, str] = field(default_factory=dict)
    click_ids: Mapping[str, str] = field(default_factory=dict)
    referrer_host: str | None = None
    advice: tuple[Advice, ...] = ()
    rules_version: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    channel: str
    source: str
    kind: str | None
    paths: tuple[str, ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Rules:
    version: str
    click_ids: Mapping[str, tuple[str, str]]  # name -> (source, channel)
    mediums: Mapping[str, str]
    synonyms: Mapping[str, str]
    places: Mapping[str, tuple[_Place, ...]]  # by host
    brands: Mapping[str, tuple[_Place, ...]]  # by what stands before the public suffix: google.*
    passing: frozenset[str]


@lru_cache(maxsize=1)
def rules() -> Rules:
    document = tomllib.loads((Path(__file__).parent / "sources.toml").read_text("utf-8"))
    places: dict[str, list[_Place]] = {}
    brands: dict[str, list[_Place]] = {}
    for entry in [*document["place"], *({**entry, "channel": "organic"} for entry in document["search"])]:
        place = _place(entry)
        for host in entry.get("hosts", ()):
            places.setdefault(host, []).append(place)
        if "brand" in entry:
            brands.setdefault(entry["brand"], []).append(place)
    return Rules(
        version=document["version"],
        click_ids={name: (entry["source"], entry["channel"]) for name, entry in document["click_ids"].items()},
        mediums={name: channel for channel, names in document["mediums"].items() for name in names},
        synonyms={spelling: name for name, spellings in document["synonyms"].items() for spelling in spellings},
        places={host: _narrow_first(found) for host, found in places.items()},
        brands={brand: _narrow_first(found) for brand, found in brands.items()},
        passing=frozenset(document["passing"]["hosts"]),
    )


def _place(entry: Mapping[str, Any]) -> _Place:
    return _Place(
        entry["channel"], entry["source"], entry.get("kind"), tuple(entry.get("paths", ())), entry.get("exact", False)
    )


def _narrow_first(found: list[_Place]) -> tuple[_Place, ...]:
    """Places with longer paths first, so that yandex.ru/maps is asked before yandex.ru."""
    return tuple(
        sorted(found, key=lambda place: -max(map(len, place.paths), default=0) if place.channel != "organic" else 1)
    )


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def classify(
    landing: str,
    referrer: str,
    *,
    own_hosts: Collection[str],
    form_hosts: Collection[str],
    excluded_referrers: Collection[str] = (),
    synonyms: Mapping[str, str] | None = None,
) -> Source:
    """The source of a visit from its first address and the referrer it came with."""
    known = rules()
    page, back = parse_address(landing), parse_address(referrer)
    marks = _marks(page)
    utm = {name: marks[f"utm_{name}"] for name in UTM if marks.get(f"utm_{name}")}
    clicks = {name: marks[name] for name in known.click_ids if marks.get(name)}
    advice = [Advice("macro", f"utm_{name}={value}"[:120]) for name, value in utm.items() if _MACRO.search(value)]
    told = {name: value for name, value in utm.items() if not _says_nothing(value)}
    if not told and (openstat := _openstat(marks.get("_openstat", ""))):
        told, utm = openstat, {**openstat, **utm}
    found = _by_marks(told, clicks, known, synonyms or {})
    if found is not None:
        channel, source, conflict = found
        advice += [Advice("conflict", conflict)] if conflict else []
        kind = None
    else:
        channel, source, kind = _by_referrer(back, page, known, own_hosts, form_hosts, excluded_referrers)
    return Source(
        channel=channel,
        source=source,
        medium=_lower(told.get("medium")),
        campaign=told.get("campaign") or None,
        term=told.get("term") or None,
        content=told.get("content") or None,
        kind=kind,
        utm=utm,
        click_ids=clicks,
        referrer_host=back.host or None if back else None,
        advice=tuple(advice),
        rules_version=known.version,
    )


def _says_nothing(value: str) -> bool:
    """Whether nothing is left of a value but macros nobody filled in."""
    rest = _MACRO.sub("", value)
    return rest != value and not any(sign.isalnum() for sign in rest)


def _marks(page: Address | None) -> dict[str, str]:
    """Parameters of the address; those of the fragment where the query has none (some builders put them there)."""
    if page is None:
        return {}
    found = parameters(page.query)
    if "utm_" in page.fragment.lower():
        for name, value in parameters(fragment_marks(page.fragment)).items():
            if name.startswith("utm_") and not found.get(name):
                found[name] = value
    return found


def _openstat(text: str) -> dict[str, str]:
    """`_openstat`: base64 of `source;campaign;ad;place`; garbage is no mark."""
    text = text.strip()[:1000].replace(" ", "+").replace("-", "+").replace("_", "/").replace("*", "=").rstrip("=")
    if not text:
        return {}
    try:
        parts = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8").split(";")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return {}
    if len(parts) != 4 or not parts[0].strip():
        return {}
    source, campaign, content, _ = (storable(part) for part in parts)
    told = {"source": source, "medium": "cpc", "campaign": campaign, "content": content}
    return {name: value for name, value in told.items() if value}


def _by_marks(
    told: Mapping[str, str], clicks: Mapping[str, str], known: Rules, own_synonyms: Mapping[str, str]
) -> tuple[str, str | None, str] | None:
    """(channel, source, conflict) by marks and click ids; None when there are neither."""
    source = _one_name(told.get("source", ""), known, own_synonyms)
    medium = (_lower(told.get("medium")) or "").replace(" ", "_")
    paid = [(name, *known.click_ids[name]) for name in clicks if known.click_ids[name][1] == "ad"]
    soft = [(name, *known.click_ids[name]) for name in clicks if known.click_ids[name][1] != "ad"]
    if not told:
        if not paid and not soft:
            return None
        name, owner, channel_of_click = (paid or soft)[0]
        others = [other for other, of, _ in paid if of != owner]
        return channel_of_click, owner, f"{name} with {', '.join(others)}" if others else ""
    channel = _channel_of_medium(medium, known)
    conflict = ""
    for name, owner, _ in paid:
        if source and owner not in (source, "google" if source == "youtube" else source):
            conflict = f"{name} with utm_source={told['source']}"[:120]
    if channel is None:
        channel = "ad" if paid else _channel_of_source(source, known) or "undefined"
    elif channel != "ad" and paid:
        conflict = conflict or f"{paid[0][0]} with utm_medium={told.get('medium', '')}"[:120]
        channel = "ad"
    return channel, source or (paid[0][1] if paid else None), conflict


def _channel_of_medium(medium: str, known: Rules) -> str | None:
    if medium in known.mediums:
        return known.mediums[medium]
    return "ad" if re.match(r"paid|cp[a-z]\b|cp[a-z][_-]|retarget|remarket", medium) else None


def _channel_of_source(source: str | None, known: Rules) -> str | None:
    """utm_source=telegram without a medium is still a messenger."""
    for places in known.places.values():
        for place in places:
            if place.source == source and place.channel in ("social", "messenger", "email", "recommend"):
                return place.channel
    return None


def _one_name(text: str, known: Rules, own: Mapping[str, str]) -> str | None:
    name = text.strip().lower()
    return own.get(name) or known.synonyms.get(name) or name or None


def _lower(text: str | None) -> str | None:
    return text.strip().lower() or None if text else None


def _by_referrer(
    back: Address | None,
    page: Address | None,
    known: Rules,
    own_hosts: Collection[str],
    form_hosts: Collection[str],
    excluded: Collection[str],
) -> tuple[str, str | None, str | None]:
    if page is not None and page.scheme == "file":
        return "saved", None, None
    if back is None or not back.host:
        return "direct", None, None
    host = back.host
    own = [*map(plain_host, own_hosts), *([page.host] if page else [])]
    if any(_same_site(host, name) for name in own) or is_form_host(host, form_hosts):
        return "internal", host, None
    if within_any(host, excluded) or any(within(host, name) for name in known.passing):
        return "direct", None, None
    if back.scheme == "android-app":
        place = next(iter(known.places.get(host, ())), None)
    elif _is_technical(host):
        return "undefined", host, "technical"
    else:
        place = _place_of(host, back.path, known)
    if place is not None:
        return place.channel, place.source, place.kind
    return "referral", host if back.scheme == "android-app" else _registrable(host), None


def _same_site(host: str, own: str) -> bool:
    """The same site: equal, under it, or it with or without www."""
    own = own.removeprefix("www.")
    return bool(own) and within(host.removeprefix("www."), own)


def _place_of(host: str, path: str, known: Rules) -> _Place | None:
    labels = host.split(".")
    for start in range(len(labels)):
        for place in known.places.get(".".join(labels[start:]), ()):
            if (not place.exact or start == 0 or labels[:start] in (["www"], ["m"], ["ya"])) and _on_path(
                path, place.paths
            ):
                return place
    for place in known.brands.get(_brand(host), ()):
        if _on_path(path, place.paths):
            return place
    return None


def _brand(host: str) -> str:
    """What stands before the public suffix: `www.google.co.uk` → `google`, `maps.google.de` → `maps.google`."""
    suffix = _registrable(host).partition(".")[2]
    return host.removesuffix("." + suffix).removeprefix("www.").removeprefix("m.")


def _on_path(path: str, paths: tuple[str, ...]) -> bool:
    """Whether the path is one of these or lies under it; referrers are often cut to the host: "/" and "" count."""
    if not paths:
        return True
    path = path.rstrip("/") or "/"
    return any(
        path == (wanted or "/") or (len(wanted) > 1 and path.startswith(wanted.rstrip("/") + "/")) for wanted in paths
    )


def _is_technical(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".test")) or "." not in host:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=20_000)
def _registrable(host: str) -> str:
    """The registrable domain by the public suffix list: `shop.salon.co.uk` → `salon.co.uk`."""
    found = _suffixes().privatesuffix(host)
    return found or host
