"""Whether the numbers in the routing of YCLIENTS are those set here: the usual reason why calls do not come. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from server.calls.settings import clean_or_empty

Verdict = Literal["same", "written", "only_here", "only_there", "unreadable"]
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Compared:
    """One number. `written`: the same number, but the routing compares text, so it must stand as `detail`."""

    number: str
    verdict: Verdict
    detail: str = ""


def compare_numbers(theirs: str, ours: Iterable[str]) -> list[Compared]:
    """`theirs` as it was copied, one number a line or between commas; `ours` as the settings keep them."""
    known = dict.fromkeys(ours)
    seen: set[str] = set()
    told: list[Compared] = []
    for part in [part.strip() for part in re.split(r"[\n,;]", theirs)][:_MOST]:
        if not part:
            continue
        digits = clean_or_empty(part)
        if len(digits) < 7:  # an extension, or a SIP id: routed by the employee, not by the number
            told.append(Compared(part[:40], "unreadable"))
        elif digits not in seen:
            seen.add(digits)
            verdict: Verdict = "only_there" if digits not in known else "same" if part == digits else "written"
            told.append(Compared(part[:40], verdict, digits))
    told += [Compared(number, "only_here", number) for number in known if number not in seen]
    return sorted(told, key=lambda one: one.verdict == "same")
