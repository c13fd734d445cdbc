"""A recording is played through a signed link, from the telephony's hosts alone, whatever somebody told of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from e2e.stand.app import RunningStand
from e2e.stand.uis.app import RunningUis
from server.calls import flow, recordings
from server.platform.clock import utc_now
from server.platform.egress import Egress, ForbiddenAddress, Unavailable
from server.settings import Settings
from tests.conftest import eventually
from tests.integration.phone_calls import Line, connected_line, new_call


@pytest.fixture
async def line(
    dsn: str, pool: asyncpg.Pool, stand: RunningStand, uis: RunningUis, settings: Settings
) -> AsyncIterator[Line]:
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "uis_media_url": uis.url, "recording_hosts": ("127.0.0.1",),
        }
    )  # fmt: skip
    async with connected_line(dsn, pool, stand, own) as one:
        yield one


async def recorded(line: Line, link: str, *, told: bool = True) -> str:
    """The path of our own link to a call with this recording. `told` by a notification; else it stands so in the table."""
    call = new_call()
    await line.tell("call_session_finished", call, direction="in", talk_time_duration=3)
    row = await line.until(call, state="over")
    if told:
        await line.tell("talk_record_file", call, file_link=link, file_duration=3)
    else:
        sealed = flow.seal_link(line.vault, line.account_id, row["call_id"], link)
        await line.pool.execute("update call set record = $2 where call_id = $1", row["call_id"], sealed)

    async def there() -> Any:
        return (await line.call(call))["record"]

    await eventually(there)
    signed = recordings.sign(line.salon.made.account, row["call_id"], until=utc_now() + recordings.PLAYER_LIFE)
    return f"/recordings/{signed}"


async def read(egress: Egress, link: str, *, most: int) -> bytes:
    async with egress.stream(link, hosts=["127.0.0.1"], headers={}, most=most) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


async def link_of(uis: RunningUis) -> str:
    call = await uis.telephone.call(scenario="answered", scale=0.0, talk_s=2, until_end=True)
    return str(uis.uis.media_link("talk", call.id, call.records[0]))


async def test_a_recording_is_played_whole_and_in_parts(line: Line, uis: RunningUis) -> None:
    path = await recorded(line, await link_of(uis))
    async with line.salon.http.get(path) as answer:
        whole = await answer.read()
        assert (answer.status, answer.content_type, len(whole) > 1000) == (200, "audio/mpeg", True)
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    async with line.salon.http.get(path, headers={"Range": "bytes=10-19"}) as answer:
        assert (answer.status, await answer.read()) == (206, whole[10:20])
        assert answer.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
    uis.uis.switches.media_type = "text/html"
    async with line.salon.http.get(path) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/mpeg")


async def test_a_link_is_for_one_call_of_one_account_and_ends(line: Line, uis: RunningUis) -> None:
    path = await recorded(line, await link_of(uis))
    signed = path.rsplit("/", 1)[1]
    account, row = line.salon.made.account, await line.pool.fetchrow("select call_id from call")
    assert row is not None
    late = recordings.sign(account, row["call_id"], until=utc_now() - timedelta(seconds=2))
    for wrong in (signed[:-2] + "AA", "x", signed + "A", late, signed[4:], "é"):
        async with line.salon.http.get(f"/recordings/{wrong}") as answer:
            assert answer.status == 404, wrong


async def test_whatever_is_not_the_telephonys_is_not_asked_for(line: Line, uis: RunningUis) -> None:
    link = await link_of(uis)
    port = link.split(":")[2].split("/")[0]
    uis.uis.switches.media_redirect = f"http://127.0.0.1:{port}/_stand/notifications"
    for bad in (
        link, f"http://localhost:{port}/_stand/notifications", "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd", f"http://127.0.0.1@10.0.0.1:{port}/", "http://[::1]/", "gopher://127.0.0.1/",
    ):  # fmt: skip
        path = await recorded(line, bad, told=False)
        async with line.salon.http.get(path) as answer:
            assert answer.status == 502, bad
            assert "meta-data" not in await answer.text()


async def test_a_recording_that_is_gone_or_grows_without_end_is_no_recording(line: Line, uis: RunningUis) -> None:
    path = await recorded(line, await link_of(uis))
    uis.uis.switches.media_gone = True
    async with line.salon.http.get(path) as answer:
        assert answer.status == 404
    egress = Egress(allow_private=True)
    uis.uis.switches.media_gone = False
    for told in (True, False):
        uis.uis.switches.media_bytes, uis.uis.switches.media_length = 200_000, told
        with pytest.raises(Unavailable, match="too large"):
            await read(egress, await link_of(uis), most=100_000)
    await egress.close()


@pytest.mark.parametrize("inner", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
async def test_a_name_of_the_telephony_that_leads_inside_is_refused(
    inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only one of its addresses does, and where it did not a moment ago."""
    answers = [["93.158.134.3", inner], [inner]]

    async def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in answers.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    egress = Egress()
    for _ in range(2):
        with pytest.raises(ForbiddenAddress):
            async with egress.stream("https://app.uiscom.ru/x/", hosts=["app.uiscom.ru"], headers={}):
                pass
    for other in ("https://app.uiscom.ru.evil.example/", "https://evil.example/app.uiscom.ru", "http://app.uiscom.ru/"):
        with pytest.raises(ForbiddenAddress):
            async with egress.stream(other, hosts=["app.uiscom.ru"], headers={}):
                pass
    assert answers == []
    await egress.close()


async def test_the_address_that_was_looked_at_is_the_one_that_is_called(
    uis: RunningUis, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = (await link_of(uis)).replace("127.0.0.1", "app.uiscom.ru")
    asked: list[str] = []
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def once(host: Any, port: Any, **named: Any) -> Any:
        if host != "app.uiscom.ru":
            return await resolve(host, port, **named)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.9.9.9", port))]

    monkeypatch.setattr(loop, "getaddrinfo", once)
    egress = Egress(allow_private=True)
    async with egress.stream(link, hosts=["app.uiscom.ru"], headers={}) as answer:
        assert answer.status == 200
    assert asked == ["app.uiscom.ru"]
    await egress.close()
