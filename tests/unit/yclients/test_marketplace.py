"""What the marketplace's redirect and events say, and what they cannot be made to say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.yclients.marketplace import SALONS_MOST, BadRedirect, Redirect, read_event, read_redirect

TOKEN = "yasdfkjah2328aj"
USER = json.dumps({"id": 1, "name": "Иван Тестовый", "phone": "79000000001", "salon_name": "Салон"}).encode()


def sign(message: bytes, token: str = TOKEN) -> str:
    return hmac.new(token.encode(), message, hashlib.sha256).hexdigest()


def signed(plain: bytes = USER, *, over: bytes | None = None, token: str = TOKEN) -> list[tuple[str, str]]:
    return [
        ("user_data", base64.b64encode(plain).decode()),
        ("user_data_sign", sign(plain if over is None else over, token)),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([("salon_id", "4564")], (4564,)),
        ([("salon_ids[0]", "4564"), ("salon_ids[1]", "4565")], (4564, 4565)),
        ([("salon_ids", "4564,4565")], (4564, 4565)),
        ([("salon_ids", "4564, 4565"), ("salon_id", "4564")], (4564, 4565)),
        ([("salon_ids[]", "4564"), ("utm_source", "x"), ("salon_ids[7]", "9")], (4564, 9)),
    ],
)
def test_branches_are_read_in_every_form_and_each_once(query: list[tuple[str, str]], found: tuple[int, ...]) -> None:
    assert read_redirect(query, TOKEN) == Redirect(found)


@pytest.mark.parametrize(
    "query",
    [
        [], [("salon_id", "")], [("salon_id", "0")], [("salon_id", "-4564")], [("salon_id", "4564;4565")],
        [("salon_id", "٤٥٦٤")], [("salon_ids", "4564,,4565")], [("salon_id", "1" * 19)],
        [("salon_id", "4564"), ("salon_ids[0]", "all")], [("salon_id[0][1]", "4564")], [("SALON_ID", "4564")],
        [("salon_ids[x]", "4564")], [("salon_id", "4564.0")], [("salon_id", "0x11d4")],
    ],
)  # fmt: skip
def test_what_names_no_branch_connects_none(query: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRedirect, match="no_branch"):
        read_redirect(query, TOKEN)


def test_more_branches_than_anybody_connects_are_refused() -> None:
    with pytest.raises(BadRedirect, match="too_many"):
        read_redirect([("salon_ids", ",".join(map(str, range(1, SALONS_MOST + 2))))], TOKEN)


def test_the_signature_is_over_the_decoded_bytes() -> None:
    asked = read_redirect([("salon_id", "4564"), *signed()], TOKEN)
    assert asked == Redirect((4564,), "Иван Тестовый", "Салон")


def test_a_plus_that_came_as_a_space_is_still_base64() -> None:
    plain = b'{"name": "\xc2\xbb\xc2\xbe\xc3\xbb\xc3\xbe>>>???"}'
    query = [("salon_id", "1"), *((name, value.replace("+", " ")) for name, value in signed(plain))]
    assert read_redirect(query, TOKEN).salon_ids == (1,)


@pytest.mark.parametrize(
    "told",
    [
        signed(over=base64.b64encode(USER)),  # as the vendor's text has it
        signed(token="another"),
        signed(token=""),
        signed()[:1],
        signed()[1:],
        [*signed(), *signed()],
        [("user_data", base64.b64encode(USER + b" ").decode()), signed()[1]],
        [("user_data", "%%%"), signed()[1]],
        [signed()[0], ("user_data_sign", "")],
        [signed()[0], ("user_data_sign", "ф" * 64)],
        [signed()[0], ("user_data_sign", signed()[1][1][:-1])],
        signed(b"x" * 20_000),
    ],
)
def test_a_wrong_signature_stops_everything(told: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRedirect, match="signature"):
        read_redirect([("salon_id", "4564"), *told], TOKEN)


def test_without_a_partner_token_nothing_can_be_signed() -> None:
    with pytest.raises(BadRedirect, match="signature"):
        read_redirect([("salon_id", "4564"), *signed(token="")], "")


@pytest.mark.parametrize("plain", [b"[]", b"torn", b"[" * 5000, b'{"name": 5, "salon_name": ["a"]}', b"null"])
def test_signed_nonsense_names_nobody(plain: bytes) -> None:
    assert read_redirect([("salon_id", "1"), *signed(plain)], TOKEN) == Redirect((1,))


@given(
    st.lists(
        st.tuples(st.sampled_from(["salon_id", "salon_ids", "salon_ids[0]", "user_data", "user_data_sign"]), st.text())
    )
)
def test_any_query_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    try:
        asked = read_redirect(query, TOKEN)
    except BadRedirect:
        return
    assert asked.salon_ids
    assert all(0 < number < 10**18 for number in asked.salon_ids)


# --- lifecycle events

EVENT = {"salon_id": 123, "application_id": 123, "event": "freeze", "partner_token": TOKEN}


@pytest.mark.parametrize("name", ["freeze", "uninstall"])
def test_the_vendors_own_examples_are_read_and_their_token_is_not_kept(name: str) -> None:
    event = read_event(json.dumps({**EVENT, "event": name}).encode(), TOKEN)
    assert event is not None
    assert (event.salon_id, event.application_id, event.event) == (123, 123, name)
    assert TOKEN.encode() not in event.body
    assert json.loads(event.body) == {"salon_id": 123, "application_id": 123, "event": name}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000,
        *(
            json.dumps({**EVENT, **changed}).encode()
            for changed in (
                {"partner_token": "wrong"}, {"partner_token": ""}, {"partner_token": None}, {"partner_token": [TOKEN]},
                {"partner_token": TOKEN + "x"}, {"salon_id": 0}, {"salon_id": None}, {"salon_id": [123]},
                {"salon_id": -1}, {"salon_id": True}, {"salon_id": 10**18},
            )
        ),
    ],
)  # fmt: skip
def test_whoever_lacks_the_token_or_a_branch_says_nothing(body: bytes) -> None:
    assert read_event(body, TOKEN) is None


def test_an_empty_partner_token_is_no_password() -> None:
    assert read_event(json.dumps({**EVENT, "partner_token": ""}).encode(), "") is None
