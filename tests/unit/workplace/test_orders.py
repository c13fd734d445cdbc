"""What becomes of an order that a vendor did not answer: told apart by whether it can have been done."""

from __future__ import annotations

from uuid import uuid4

import pytest

from server.platform.egress import (
    Forbidden,
    ForbiddenAddress,
    NotSent,
    Rejected,
    Unauthorized,
    Unavailable,
    VendorError,
)
from server.uis.call_api import CallApi
from server.vendors.workplace import OutsideOfVendors
from server.workplace.outside import OutsideRefused


class Failing(CallApi):
    def __init__(self, error: VendorError) -> None:
        self._error = error

    async def start_employee_call(self, **_: object) -> int:
        raise self._error


async def refused_by(error: VendorError) -> OutsideRefused:
    async def failing(_: object) -> CallApi:
        return Failing(error)

    async def none(*_: object) -> None:
        return None

    with pytest.raises(OutsideRefused) as refused:
        await OutsideOfVendors(failing, none, none).start_call(
            uuid4(), employee_id=1, phone="+79161234567", virtual_number="74950000001", external_id="x"
        )
    return refused.value


async def test_order_that_never_left_is_not_uncertain() -> None:
    told = [await refused_by(error) for error in (NotSent("closed"), ForbiddenAddress("local"), Unavailable("late"))]
    assert [(one.code, one.sent) for one in told] == [
        ("unavailable", False),
        ("unavailable", False),
        ("unavailable", True),
    ]
    assert {one.detail for one in told} == {("", "")}, "the screen has words of its own, in both languages"


@pytest.mark.parametrize(
    ("error", "code"),
    [(Unauthorized("x"), "no_right"), (Forbidden("x"), "no_right"), (Rejected("http_400", "x"), "refused")],
)
async def test_refusal_without_a_reason_is_told_in_russian_too(error: VendorError, code: str) -> None:
    told = await refused_by(error)
    assert (told.code, told.detail[0][:3], told.detail[1]) == (code, "UIS", str(error))
