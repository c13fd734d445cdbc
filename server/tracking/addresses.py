"""Addresses of pages: total parsing, what of them may be stored, which hosts hold booking forms.

Only the parameters that attribution needs are stored; a phone or an e-mail that a page put in its address is not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit

import idna

_LONGEST_URL = 1024
_LONGEST_VALUE = 256
_FORM_HOST = re.compile(r"[nbwyo](\d{1,12})\.(?:yclients\.com|yclients\.ru|alteg\.io)", re.ASCII)
_FORM_LABEL = re.compile(r"[nbwyo](\d{1,12})\.", re.ASCII)
_EMAIL = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,64}\.[\w.-]{2,64}", re.I)
_PHONE = re.compile(r"(?<![\w])(?:\+|%2B)?[78][\s\-()]{0,2}\d{3}[\s\-()]{0,2}\d{3}[\s-]?\d{2}[\s-]?\d{2}(?![\w])", re.I)

#: Parameters that are kept with an address; everything else of a query is dropped before storing.
KEPT = frozenset(
    {
        "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id", "utm_referrer", "yclid",
        "ymclid", "gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "twclid", "ttclid", "li_fat_id",
        "rb_clickid", "vkclid", "ysclid", "_openstat", "roistat",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) address in parts; `host` in ASCII, lower case, without port, user and trailing dot."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    fragment: str


def parse_address(text: str) -> Address | None:
    """The parts, or None when this is no address of a page. Never raises (the standard parser does)."""
    text = text.strip()[:8192]
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https", "android-app") or not host:
        return None
    return Address(scheme, plain_host(host), port, parts.path, parts.query, parts.fragment)


@lru_cache(maxsize=20_000)
def plain_host(host: str) -> str:
    """One spelling of a host: lower case, punycode, no trailing dot, no port."""
    host = re.sub(r":\d+$", "", host.strip().lower()).rstrip(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            host = host.encode("ascii", "ignore").decode()
    return host[:253]


def within(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or lies under it, by whole labels."""
    return host == domain or host.endswith("." + domain)


def within_any(host: str, domains: Iterable[str]) -> bool:
    return any(within(host, plain_host(domain)) for domain in domains if domain)


def parameters(query: str) -> dict[str, str]:
    """Parameters with lower-case names; of a doubled one the first that is not blank. At most 100 are read."""
    found: dict[str, str] = {}
    for pair in query.lstrip("?").replace(";", "&").split("&", 100)[:100]:
        name, _, raw = pair.partition("=")
        name = readable(name).lower()
        if name and not found.get(name):
            found[name] = readable(raw)
    return found


def readable(raw: str) -> str:
    """A value as text: decoded once, UTF-8 or else windows-1251, NFC, no control characters, ≤ 256 characters."""
    data = unquote_to_bytes(raw[:4096].replace("+", " "))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("windows-1251", "replace") if _looks_russian(data) else data.decode("utf-8", "replace")
    return storable(text)


def storable(text: str) -> str:
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("Cc", "Cs", "Co", "Cn")).strip()[
        :_LONGEST_VALUE
    ]


def _looks_russian(data: bytes) -> bool:
    high = sum(byte >= 0x80 for byte in data)
    return high > 0 and sum(byte >= 0xC0 or byte in (0xA8, 0xB8) for byte in data) >= high * 0.8


def clean_address(url: str) -> str:
    """The address as it may be stored, or "" when it is none of a page."""
    if not url:
        return ""
    return _clean_address(url[:2048])


@lru_cache(maxsize=5_000)
def _clean_address(url: str) -> str:
    parts = parse_address(url)
    if parts is None:
        return ""
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    port = f":{parts.port}" if parts.port and (parts.scheme, parts.port) not in (("http", 80), ("https", 443)) else ""
    kept = [
        f"{pair.partition('=')[0].lower()}={_masked(pair.partition('=')[2])[:400]}"
        for pair in parts.query.split("&")[:100]
        if pair.partition("=")[0].lower() in KEPT
    ]
    marks_in_fragment = [
        pair for pair in parts.fragment.lstrip("?/").split("&")[:50] if pair.lower().startswith("utm_")
    ]
    text = f"{parts.scheme}://{host}{port}{_masked(parts.path)[:500]}"
    if kept:
        text += "?" + "&".join(kept)
    if marks_in_fragment:
        text += "#" + "&".join(_masked(pair)[:400] for pair in marks_in_fragment)
    return storable_url(text)


def storable_url(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return "".join(sign for sign in text if sign >= " " and sign != "\x7f")[:_LONGEST_URL]


def _masked(text: str) -> str:
    return _PHONE.sub("[phone]", _EMAIL.sub("[e-mail]", text))


def form_id_of(host: str) -> int | None:
    """The form's number in its host: `n822081.yclients.com` → 822081 (the form's id, not the company's)."""
    found = _FORM_LABEL.match(plain_host(host))
    return int(found[1]) if found else None


def is_form_host(host: str, custom_hosts: Iterable[str] = ()) -> bool:
    plain = plain_host(host)
    return bool(_FORM_HOST.fullmatch(plain)) or within_any(plain, custom_hosts)
