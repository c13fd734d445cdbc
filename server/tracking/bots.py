"""What a user agent says: a bot or not, a phone or not, which family of browser. Marked, never dropped."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import crawleruseragents

Device = Literal["mobile", "desktop", "tablet", "unknown"]

#: Names in the crawler list that ordinary automated browsers carry as well: a test of a salon's own site is no
#: crawler. Behaviour decides about them, not the name.
_EXTRA_ALLOWED = ("HeadlessChrome",)


@lru_cache(maxsize=1)
def _crawlers() -> re.Pattern[str]:
    """One expression of all patterns: one search instead of 1,500."""
    patterns = [
        item["pattern"]
        for item in crawleruseragents.CRAWLER_USER_AGENTS_DATA
        if not any(name in item["pattern"] for name in _EXTRA_ALLOWED)
    ]
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


@lru_cache(maxsize=10_000)
def is_bot(user_agent: str) -> bool:
    """A crawler by name; a missing agent is one as well, for every browser sends it."""
    return not user_agent.strip() or bool(_crawlers().search(user_agent[:512]))


@lru_cache(maxsize=10_000)
def device_of(user_agent: str) -> Device:
    if not user_agent:
        return "unknown"
    if re.search(r"iPad|Tablet|PlayBook|Silk(?!.*Mobile)", user_agent):
        return "tablet"
    if "Android" in user_agent and "Mobile" not in user_agent:
        return "tablet"
    if re.search(r"Mobi|iPhone|iPod|Android|BlackBerry|Opera Mini|IEMobile", user_agent):
        return "mobile"
    return "desktop" if re.search(r"Windows|Macintosh|X11|Linux|CrOS", user_agent) else "unknown"


#: Order matters: most browsers also call themselves Chrome and Safari.
_FAMILIES = (
    ("Yandex", r"YaBrowser|YaApp"), ("Edge", r"Edg(?:e|A|iOS)?/"), ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser"), ("Vivaldi", r"Vivaldi"), ("UC Browser", r"UCBrowser"),
    ("MIUI", r"MiuiBrowser"), ("Instagram", r"Instagram"), ("VK", r"VKAndroidApp|VKiOSApp|vkclient"),
    ("Telegram", r"Telegram"), ("Facebook", r"FBAN|FBAV"), ("Firefox", r"Firefox|FxiOS"),
    ("Chrome", r"Chrome|CriOS|HeadlessChrome"), ("Safari", r"Safari"),
)  # fmt: skip


@lru_cache(maxsize=10_000)
def browser_family(user_agent: str) -> str:
    """A short family name: the full agent is not stored, it singles people out."""
    return next((name for name, pattern in _FAMILIES if re.search(pattern, user_agent)), "")
