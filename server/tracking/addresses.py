"""Addresses of pages: total parsing, what of them may be stored, which hosts hold booking forms.

Only the parameters that attribution needs are stored; a phone or an e-mail that a page put in its address is not.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

import idna

_LONGEST_URL = 2048  # five marks of Cyrillic, percent-encoded at six characters a letter, need the room
_LONGEST_VALUE = 256
_FORM_HOST = re.compile(r"[nbwyo](\d{1,12})\.(?:yclients\.com|yclients\.ru|alteg\.io)", re.ASCII)
_FORM_LABEL = re.compile(r"[nbwyo](\d{1,12})\.", re.ASCII)
_EMAIL = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]{1,64}\.[\w.-]{2,64}")
#: Russia and Kazakhstan, in any spelling people use; a "+" between digits is a space of a form.
_PHONE = re.compile(
    r"(?<!\d)\+?[78][\s\-().+]{0,3}[34789]\d{2}[\s\-().+]{0,3}\d{3}[\s\-.+]{0,2}\d{2}[\s\-.+]{0,2}\d{2}(?!\d)", re.ASCII
)

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
    """An address in parts; `host` in ASCII, lower case, without port, user and trailing dot.

    Of a page saved to disk only the scheme `file` is told: its path is the visitor's own affair.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    fragment: str


def parse_address(text: str) -> Address | None:
    """The parts, or None when this is no address of a page. Never raises (the standard parser does)."""
    text = text.strip()[:8192].encode("utf-8", "replace").decode()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme == "file":
        return Address("file", "", None, "/", parts.query, parts.fragment)
    host = plain_host(host)
    if parts.scheme not in ("http", "https", "android-app") or not host:
        return None
    return Address(parts.scheme, host, port, parts.path, parts.query, parts.fragment)


@lru_cache(maxsize=20_000)
def plain_host(host: str) -> str:
    """One spelling of a host: lower case, punycode, no trailing dot, no port."""
    host = host.strip().lower()
    host = re.sub(r"^([^:]*):\d+$", r"\1", host)  # with two colons or more it is an address of version 6
    if not host.isascii():
        with contextlib.suppress(idna.IDNAError, UnicodeError):  # what is left in ASCII still tells two hosts apart
            host = idna.encode(host, uts46=True).decode()
    return re.sub(r"[^!-~]", "", host)[:253].rstrip(".")


def within(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or lies under it, by whole labels."""
    return host == domain or host.endswith("." + domain)


def within_any(host: str, domains: Iterable[str]) -> bool:
    return any(within(host, plain_host(domain)) for domain in domains if domain)


def parameters(query: str) -> dict[str, str]:
    """Parameters with lower-case names; of a doubled one the first that is not blank. At most 100 are read."""
    found: dict[str, str] = {}
    for name, raw in _pairs(query):
        if name and not found.get(name):
            found[name] = readable(raw)
    return found


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names in lower case and values as they are written; `&amp;` of a link copied from HTML separates as well."""
    split = (pair.partition("=") for pair in query.lstrip("?").split("&", 100)[:100])
    return [(readable(name).lower().removeprefix("amp;"), raw) for name, _, raw in split]


def fragment_marks(fragment: str) -> str:
    """The part of a fragment that reads as a query: `utm_…=…`, `?utm_…=…`, `/route?utm_…=…`, `!/route?utm_…=…`."""
    route, mark, query = fragment.partition("?")
    return query if mark and "=" not in route else fragment.lstrip("/!#")


def readable(raw: str) -> str:
    """A value as text: decoded once, UTF-8 or else windows-1251, NFC, no control characters, ≤ 256 characters."""
    data = unquote_to_bytes(raw[:4096].replace("+", " ").encode("utf-8", "replace"))
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
    kept = [f"{name}={_masked(raw)}" for name, raw in _pairs(parts.query) if name in KEPT]
    in_fragment = [
        f"{name}={_masked(raw)}" for name, raw in _pairs(fragment_marks(parts.fragment)) if name.startswith("utm_")
    ]
    text = f"{parts.scheme}://{host}{port}{_masked(parts.path)[:500]}"
    if kept:
        text += "?" + "&".join(kept)
    if in_fragment:
        text += "#" + "&".join(in_fragment)
    return storable_url(text)


def storable_url(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    return "".join(sign for sign in text if sign >= " " and sign != "\x7f")[:_LONGEST_URL]


def _masked(text: str) -> str:
    """The text without phones and e-mails; one that holds neither stays exactly as it was written."""
    plain = unquote(text, errors="surrogateescape")
    masked = _PHONE.sub("[phone]", _EMAIL.sub("[e-mail]", plain))
    return text if masked == plain else quote(masked, safe="/[]@:!$'()*,~", errors="surrogateescape")


def form_id_of(host: str) -> int | None:
    """The form's number in its host: `n822081.yclients.com` → 822081 (the form's id, not the company's)."""
    found = _FORM_LABEL.match(plain_host(host))
    return int(found[1]) if found else None


def is_form_host(host: str, custom_hosts: Iterable[str] = ()) -> bool:
    plain = plain_host(host)
    return bool(_FORM_HOST.fullmatch(plain)) or within_any(plain, custom_hosts)
