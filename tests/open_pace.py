"""`python -m tests.open_pace serve …`: the server as it is, but for the pace at which it may call vendors (OPEN_PACE).

At the vendors' own pace thousands of bookings take half an hour, most of it spent waiting. What the pace itself has to
hold is shown elsewhere (`tests/integration/test_shared_budget.py`, `tests/bench/pace.py`).
"""

from __future__ import annotations

import os
from typing import cast

from server.__main__ import main
from server.platform.budget import PLANS, Plan, Window


def open_up() -> None:
    plans = cast(dict[str, Plan], PLANS)
    for vendor in os.environ.get("OPEN_PACE", "yclients,uis").split(","):
        plans[vendor] = Plan((Window(1.0, 200),), by_account=plans[vendor].by_account)


if __name__ == "__main__":
    open_up()
    main()
