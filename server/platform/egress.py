"""Every outgoing call: limits, SSRF rules, time limits, a shared budget per vendor, typed errors, redaction.

Promises: a call ends within its total time, whatever the other side does; no redirect is followed; the address
that was checked is the address that is called; no error text carries a token or a phone.
"""

from __future__ import annotations

import asyncio
import email.utils
import ipaddress
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx2 as httpx

from server.platform import metrics
from server.platform.budget import PLANS, Budgets, LongPause, Priority, Wanted
from server.platform.log import redact


class VendorError(Exception):
    """A vendor did not do what was asked. The text is for people and holds no secret."""


class Unavailable(VendorError):
    """No usable answer: broken connection, time over, 5xx, an HTML page instead of JSON, breaker open.

    `sent`: whether the other side may have taken it all the same.
    """

    sent = True


class NotSent(Unavailable):
    """As `Unavailable`, and nothing was taken: no connection, or the vendor said that it is closed for now."""

    sent = False


class RateLimited(VendorError):
    """The vendor asks for a pause of `retry_after_s` seconds, never under one."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"asked to wait {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class Rejected(VendorError):
    """The vendor understood and refused: `code` is its own, `human` its words."""

    def __init__(self, code: str, human: str) -> None:
        super().__init__(redact(f"{code}: {human}"))
        self.code, self.human = code, redact(human)


class Unauthorized(VendorError):
    """The credentials are not accepted."""


class Forbidden(VendorError):
    """The credentials are accepted but lack a right."""


class ForbiddenAddress(VendorError):
    """An address we never call: not http(s), or not public."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still to be read, never more than `STREAM_MOST` bytes of it."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


#: A body that is passed on while it is read: how large it may be, and how long one part of it may take.
STREAM_MOST = 256 * 1024 * 1024
_PART_S = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    connect_s: float = 5.0
    total_s: float = 15.0
    body_bytes: int = 16 * 1024 * 1024


class Breaker:
    """Stops calling a host that keeps failing; after a pause one call tries whether it is back."""

    def __init__(self, *, failures: int = 8, pause_s: float = 20.0, now: Callable[[], float] = time.monotonic) -> None:
        self._failures, self._pause_s, self._now = failures, pause_s, now
        self._in_row, self._closed_until, self._trying = 0, 0.0, False

    def enter(self) -> None:
        if self._in_row < self._failures:
            return
        if self._now() < self._closed_until or self._trying:
            raise NotSent("the vendor keeps failing; calls are paused for a moment")
        self._trying = True

    def leave(self, *, failed: bool) -> None:
        self._trying = False
        self._in_row = self._in_row + 1 if failed else 0
        if self._in_row >= self._failures:
            self._closed_until = self._now() + self._pause_s


# --- the client


class Egress:
    """One pool of connections for all outgoing calls of a process."""

    def __init__(
        self, *, allow_private: bool = False, limits: Limits | None = None, budgets: Budgets | None = None
    ) -> None:
        self._allow_private = allow_private
        self._limits = limits or Limits()
        self._client = httpx.AsyncClient(
            follow_redirects=False, trust_env=False, timeout=httpx.Timeout(self._limits.total_s, connect=self._limits.connect_s),
            limits=httpx.Limits(max_connections=40, max_keepalive_connections=20),
        )  # fmt: skip
        self._budgets = budgets or Budgets(None)
        self._breakers: dict[tuple[str, str], Breaker] = {}

        # Apart, so that many who listen at once never keep a call of the API waiting.
        self._streams = httpx.AsyncClient(
            follow_redirects=False, trust_env=False, timeout=httpx.Timeout(_PART_S, connect=self._limits.connect_s),
            limits=httpx.Limits(max_connections=24, max_keepalive_connections=4),
        )  # fmt: skip

    async def close(self) -> None:
        await self._client.aclose()
        await self._streams.aclose()

    @asynccontextmanager
    async def stream(
        self, url: str, *, hosts: Collection[str], headers: Mapping[str, str], most: int = STREAM_MOST
    ) -> AsyncIterator[Stream]:
        """The answer of one of these hosts, read as it is taken; a redirect is not followed, and is no answer.

        Raises `ForbiddenAddress` for any other host, or `Unavailable`, also while it is read, where it breaks off or
        grows beyond `most`.
        """
        name = (_split(url)[0].hostname or "").rstrip(".").lower()
        if name not in {host.lower() for host in hosts}:
            raise ForbiddenAddress("this host is not one of those that may be called")
        target, host = await self._checked(url)
        request = self._streams.build_request(
            "GET", target, headers={**headers, "Host": host, "Accept-Encoding": "identity"},
            extensions={"sni_hostname": host.rsplit(":", 1)[0]},
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._limits.total_s):
                response = await self._streams.send(request, stream=True)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(f"the connection failed ({type(error).__name__})") from None
        try:
            told = response.headers.get("Content-Length", "")
            if response.is_redirect or response.status_code >= 500:
                raise Unavailable(f"the other side answered {response.status_code}")
            if told.isascii() and told.isdigit() and int(told) > most:
                raise Unavailable("the answer is too large")
            kept = {name.lower(): value for name, value in response.headers.items()}
            yield Stream(response.status_code, kept, _bounded(response, most))
        finally:
            await response.aclose()

    async def call(
        self,
        method: str,
        url: str,
        *,
        vendor: str,
        account: str,
        priority: Priority = Priority.WEBHOOK,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        errors_in_json: bool = False,
        wanted: Wanted | None = None,
    ) -> Answer:
        """One call. Raises `Unavailable`, `RateLimited` or `ForbiddenAddress`; any other status is answered.

        `wanted` makes it urgent; should it say no while the call waits for its turn, `NoLongerWanted` is raised.
        `errors_in_json`: a vendor that tells its refusals in JSON may do so under a status of 5xx, too.
        """
        host = _split(url)[0].netloc
        budget = self._budgets.of(vendor, host, account)
        # Where a vendor counts by account, the failures of one are no reason to keep the others waiting.
        breaker = self._breakers.setdefault((host, account if PLANS[vendor].by_account else ""), Breaker())
        attempts = 3 if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                await budget.take(priority, account, wanted)
            except LongPause as pause:
                raise RateLimited(pause.seconds) from None
            breaker.enter()
            try:
                answer = await self._once(method, url, headers or {}, json, form, params)
                _refuse_failed(answer, in_json=errors_in_json)
            except Unavailable:
                breaker.leave(failed=True)
                metrics.VENDOR_CALLS.labels(vendor, "unavailable").inc()
                if attempt == attempts:
                    raise
                await asyncio.sleep(0.2 * attempt)
                continue
            except BaseException:
                breaker.leave(failed=False)
                raise
            breaker.leave(failed=False)
            if answer.status == 429:
                metrics.VENDOR_CALLS.labels(vendor, "rate_limited").inc()
                pause_s = retry_after(answer, now=datetime.now(UTC))
                await budget.pause(pause_s)
                raise RateLimited(pause_s)
            metrics.VENDOR_CALLS.labels(vendor, f"{answer.status // 100}xx").inc()
            return answer
        raise Unavailable("no attempt was made")

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: Any,
        form: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
    ) -> Answer:
        target, host = await self._checked(url)
        try:
            async with asyncio.timeout(self._limits.total_s):
                request = self._client.build_request(
                    method, target, headers={**headers, "Host": host}, json=json, data=form, params=params,
                    extensions={"sni_hostname": host.rsplit(":", 1)[0]},
                )  # fmt: skip
                async with _opened(self._client, request) as response:
                    body = await self._read(response)
        except TimeoutError:
            raise Unavailable(f"no answer within {self._limits.total_s:g} s") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(f"the connection failed ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"the connection failed ({type(error).__name__})") from None
        return Answer(
            response.status_code, response.headers.get("Content-Type", "").split(";")[0].strip().lower(), body,
            {name.lower(): value for name, value in response.headers.items()},
        )  # fmt: skip

    async def _read(self, response: httpx.Response) -> bytes:
        chunks, size = [], 0
        async for chunk in response.aiter_bytes(65536):
            size += len(chunk)
            if size > self._limits.body_bytes:
                raise Unavailable("the answer is too large")
            chunks.append(chunk)
        return b"".join(chunks)

    async def _checked(self, url: str) -> tuple[str, str]:
        """The URL with the checked address in place of the name, and the Host header it stands for."""
        parts, explicit_port = _split(url)
        name = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not name or parts.username is not None or not url.isprintable():
            raise ForbiddenAddress("only plain http and https addresses are called")
        if parts.scheme == "http" and not self._allow_private:
            raise ForbiddenAddress("only https addresses are called")
        # "2130706433", "0x7f.1" and the like are addresses to some resolvers: a name has a letter in its last label.
        if not _looks_like_address(name) and not re.search(r"[a-z]", name.rstrip(".").rsplit(".", 1)[-1], re.I):
            raise ForbiddenAddress("an address in odd notation is not called")
        address = await self._resolve(name, explicit_port or (443 if parts.scheme == "https" else 80))
        shown = f"[{address}]" if ":" in address else address
        port = f":{explicit_port}" if explicit_port else ""
        target = f"{parts.scheme}://{shown}{port}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
        return target, f"{name}{port}"

    async def _resolve(self, name: str, port: int) -> str:
        try:
            found = await asyncio.wait_for(
                asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM), self._limits.connect_s
            )
        except (OSError, TimeoutError, UnicodeError):
            raise NotSent("the name cannot be resolved") from None
        addresses = [str(item[4][0]) for item in found]
        if not addresses or not (self._allow_private or all(is_public(address) for address in addresses)):
            raise ForbiddenAddress("the name leads to an address that is not public")
        return addresses[0]


async def _bounded(response: httpx.Response, most: int) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in response.aiter_raw(65536):
            size += len(chunk)
            if size > most:
                raise Unavailable("the answer is too large")
            yield chunk
    except httpx.HTTPError as error:
        raise Unavailable(f"the connection failed ({type(error).__name__})") from None


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The parts of an address and its port, which the standard parser reads, and refuses, only when asked."""
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise ForbiddenAddress("this is no address") from None


def _refuse_failed(answer: Answer, *, in_json: bool) -> None:
    """Raises `Unavailable` for an answer that says only that something broke."""
    if answer.status in (500, 502, 503, 504) and not (in_json and "json" in answer.content_type):
        raise (NotSent if answer.status == 503 else Unavailable)(f"the vendor answered {answer.status}")


@asynccontextmanager
async def _opened(client: httpx.AsyncClient, request: httpx.Request):  # type: ignore[no-untyped-def]
    response = await client.send(request, stream=True)
    try:
        yield response
    finally:
        await response.aclose()


def _looks_like_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    return True


#: Networks of version 6 that carry an address of version 4 inside, in one way or another, and old private ones.
_NEVER_CALLED = tuple(
    map(
        ipaddress.IPv6Network,
        ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10"),
    )
)


def is_public(address: str) -> bool:
    """Whether an address may be called: global, and not a tunnel to a private one."""
    try:
        parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return is_public(str(parsed.ipv4_mapped))
        if any(parsed in network for network in _NEVER_CALLED):
            return False
    return parsed.is_global and not parsed.is_multicast


_PROSE = re.compile(r"(\d{1,6})\s*(?:сек|second|sec)", re.I)


def retry_after(answer: Answer, *, now: datetime) -> float:
    """The pause a 429 asks for: the header in either form, else the number in its prose, else five seconds.

    Never under one second, whatever it says ("повторите через 0 секунд" was seen), nor over an hour.
    """
    text = answer.headers.get("retry-after", "").strip()
    seconds: float | None = None
    if text.isascii() and text.isdigit():
        seconds = float(text)
    elif text:
        try:
            seconds = (email.utils.parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            seconds = None
    if seconds is None:
        found = _PROSE.search(answer.body[:4000].decode("utf-8", "replace"))
        seconds = float(found[1]) if found else 5.0
    return min(3600.0, max(1.0, seconds))
