"""Clients of a branch: who is wanted, whose card it is, what is said in it. Pure; no I/O."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Source = Literal["call", "chat", "form"]
TEXT_MOST = 4000
NAME_MOST = 120
#: What systems write where nobody has a name.
_NOBODY = re.compile(
    r"(посетитель|гость|клиент|аноним\w*|неизвест\w*|без имени|имя не указано|новый контакт|visitor|guest|client"
    r"|anonymous|unknown|no name|user)?[\s№#:_-]*\d*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person who called or wrote is to be a client of a branch, and this is to be said in the card.

    `phone` as it came. `comment` is written once by `comment_key`; without a comment the key only tells one event from
    another. `make`: whether a client is made where the branch has none with this phone. `card_name` (where nobody gave
    a name) and `label` (title of a category that exists in the branch) are for a card that is made; `fill_empty`: an
    existing card may get an e-mail where it has none. Nothing else in an existing card changes. `quiet`: nothing is said
    now, not even who else it was: that comes with a later comment.
    """

    company_id: int
    phone: str
    source: Source
    comment_key: str
    name: str = ""
    email: str = ""
    comment: str = ""
    card_name: str = ""
    label: str = ""
    make: bool = True
    fill_empty: bool = False
    quiet: bool = False


#: Why nobody is wanted: no phone at all, a hidden or broken one, or the number of a service.
NoClient = Literal["no_phone", "bad_phone", "service_phone"]


_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def tidy(text: str, most: int) -> str:
    """Text that is safe to show and to store: no control signs, no odd directions, no more than `most` signs."""
    kept = "".join(
        sign
        for sign in unicodedata.normalize("NFC", text)
        if sign in "\n\t" or unicodedata.category(sign) not in _UNSHOWN
    )
    kept = re.sub(r"[ \t]+", " ", re.sub(r"\n\s*\n\s*\n+", "\n\n", kept)).strip()
    return kept if len(kept) <= most else kept[: most - 1].rstrip() + "…"


def person_name(raw: str) -> str:
    """A name somebody gave, on one line; empty for what systems write in its place, a phone or an address."""
    name = tidy(re.sub(r"\s+", " ", raw), NAME_MOST)
    if "@" in name or "://" in name or _NOBODY.fullmatch(name) or not re.search(r"[^\W\d_]", name):
        return ""
    return name


def email_address(raw: str) -> str:
    """An address as one can be written to; empty for what is none: the booking system may refuse the whole card for it."""
    email = tidy(raw, 200)
    return email if re.fullmatch(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+\.[^\s@<>,;\".]{2,}", email) else ""


def same_person(one: str, other: str) -> bool:
    """Whether two names may be one person's: equal words in any order, or one says less than the other.

    A person without a name is nobody else.
    """
    mine, theirs = _words(one), _words(other)
    return not mine or not theirs or mine <= theirs or theirs <= mine


def _words(name: str) -> frozenset[str]:
    folded = unicodedata.normalize("NFKC", person_name(name)).casefold().replace("ё", "е")
    return frozenset(re.findall(r"[^\W\d_]+", folded))


def remark(text: str, name: str, card_name: str, source: Source) -> str:
    """What is written in the card: where somebody else than its owner called or wrote, they are named first."""
    if not name or same_person(name, card_name):
        return text
    line = f"{_BY[source]}: {name}"
    return f"{line}\n{text}" if text else f"{line} (с этого же телефона)"


_BY = {"call": "Звонил(а)", "chat": "Писал(а)", "form": "Заявку оставил(а)"}


def same_text(one: str, other: str) -> bool:
    """Whether two comments say the same, however a system keeps spaces, signs and the end of a long one."""
    mine, theirs = (re.sub(r"[\W_]+", "", text).casefold() for text in (one, other))
    return mine == theirs and bool(mine)
