"""Phones as people and vendors write them → E.164, or nothing. Never a guess: a masked or short number is none."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers

_LONGEST = 60


def phone_e164(raw: str | int | None, *, region: str = "RU") -> str | None:
    """The first valid number in `raw` as `+79161234567`; `region` is where a number without a country code is dialled."""
    if raw is None or isinstance(raw, bool):
        return None
    # NFKC turns full-width digits into ASCII; other decimal digits (Arabic, …) are translated by their value.
    text = "".join(
        str(unicodedata.digit(sign)) if sign.isdigit() and not sign.isascii() else sign
        for sign in unicodedata.normalize("NFKC", str(raw))[: _LONGEST * 3]
    )
    for part in re.split(r"[,;/|\n]", text)[:4]:
        number = _one(part.strip()[:_LONGEST], region)
        if number:
            return number
    return None


def _one(text: str, region: str) -> str | None:
    if re.search(r"[*xX•…#?]\s*[*xX•…#?]", text):
        return None  # masked: the user of the API may not see phones
    if text.startswith("00"):
        text = "+" + text[2:]
    digits = re.sub(r"\D", "", text)
    if region == "RU" and text.startswith("+8") and len(digits) == 11:
        text = digits  # "+8 916 …": the prefix of calls at home, with a plus in front
    if not 9 <= len(digits) <= 20:
        return None
    written = max(
        re.findall(r"[+(\d][\d\s()+.\u2010-\u2015-]*", text), key=len
    )  # without "(мама)" and the like about it
    candidates = [(text, region), (written, region)]
    if not text.startswith("+") and len(digits) >= 11:
        candidates.append(("+" + digits, region))  # vendors send 79161234567 without a plus
    for candidate, where in candidates:
        try:
            parsed = phonenumbers.parse(candidate, where)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return None
