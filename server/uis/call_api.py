"""The Call API of UIS: ordering a call between an employee and a client.

Promises: an order is never repeated by itself. When no answer came, what became of it is unknown (`Unavailable`): the
telephone may ring all the same, and the notifications of that call carry our `external_id`.
"""

from __future__ import annotations

from server.platform.budget import Priority
from server.platform.egress import Egress, Unavailable
from server.uis.model import Access
from server.uis.rpc import Memory, Rpc


class CallApi:
    """One account. `memory` outlives the client; it is not that of the Data API: points are counted apart."""

    def __init__(self, egress: Egress, *, base_url: str, access: Access, account: str, memory: Memory) -> None:
        self._rpc = Rpc(
            egress, base_url=base_url.rstrip("/").removesuffix("/v4.0"), access=access, account=account, memory=memory,
            version="v4.0",
        )  # fmt: skip

    async def start_employee_call(
        self, *, employee_id: int, contact: str, virtual_number: str, external_id: str
    ) -> int:
        """Rings the employee first, then the contact; answers the id of the call. Numbers are digits without a plus."""
        result = await self._rpc.call(
            "start.employee_call",
            {
                "first_call": "employee", "switch_at_once": True, "direction": "out", "external_id": external_id,
                "virtual_phone_number": virtual_number.lstrip("+"), "contact": contact.lstrip("+"),
                "show_virtual_phone_number": False, "employee": {"id": employee_id},
            },
            priority=Priority.OPERATOR,
        )  # fmt: skip
        data = result.get("data")
        call_id = data.get("call_session_id") if isinstance(data, dict) else None
        if isinstance(call_id, bool) or not isinstance(call_id, int) or not 0 < call_id < 1 << 63:
            raise Unavailable("the answer to the order of a call has no number")
        return call_id
