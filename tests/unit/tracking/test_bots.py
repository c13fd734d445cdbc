# ruff: noqa: E501 - agents are as long as they are
"""What a user agent says, with agents as browsers and crawlers really send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tracking.bots import browser_family, device_of, is_bot

BOTS = {
    "nothing": "",
    "a blank": "   ",
    "Google": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Google on a phone": "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Yandex": "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Yandex Metrica": "Mozilla/5.0 (compatible; YandexMetrika/2.0; +http://yandex.com/bots yabs01)",
    "Yandex Direct": "Mozilla/5.0 (compatible; YandexDirect/3.0; +http://yandex.com/bots)",
    "Mail.ru": "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +https://help.mail.ru/webmaster/indexing/robots)",
    "Telegram's preview": "TelegramBot (like TwitterBot)",
    "WhatsApp's preview": "WhatsApp/2.23.20.0",
    "VK's preview": "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Facebook's preview": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "OpenAI": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "curl": "curl/8.5.0",
    "Python": "python-requests/2.31.0",
    "Ahrefs": "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
}  # fmt: skip

_KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
PEOPLE: dict[str, tuple[str, str, str]] = {
    "Chrome on Windows": (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/126.0.0.0 Safari/537.36", "desktop", "Chrome"),
    "Yandex on Windows": (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/124.0.0.0 YaBrowser/24.6.0.0 Safari/537.36", "desktop", "Yandex"),
    "Edge": (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0", "desktop", "Edge"),
    "Opera": (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/125.0.0.0 Safari/537.36 OPR/111.0.0.0", "desktop", "Opera"),
    "Firefox on Linux": ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "desktop", "Firefox"),
    "Safari on a Mac": ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", "desktop", "Safari"),
    "Safari on an iPhone": ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "mobile", "Safari"),
    "Chrome on an iPhone": ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1", "mobile", "Chrome"),
    "an iPad": ("Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1", "tablet", "Safari"),
    "Chrome on Android": (f"Mozilla/5.0 (Linux; Android 10; K) {_KIT} Chrome/126.0.0.0 Mobile Safari/537.36", "mobile", "Chrome"),
    "a tablet with Android": (f"Mozilla/5.0 (Linux; Android 13; SM-X200) {_KIT} Chrome/126.0.0.0 Safari/537.36", "tablet", "Chrome"),
    "Yandex on Android": (f"Mozilla/5.0 (Linux; arm_64; Android 12; CUBOT X50) {_KIT} Chrome/124.0.0.0 YaBrowser/24.6.0.0 SA/3 Mobile Safari/537.36", "mobile", "Yandex"),
    "Samsung": (f"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-A525F) {_KIT} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36", "mobile", "Samsung Internet"),
    "Instagram": ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 336.0.0.22.89", "mobile", "Instagram"),
    "VK's app": (f"Mozilla/5.0 (Linux; Android 12; RMX3151; wv) {_KIT} Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36 VKAndroidApp/8.50", "mobile", "VK"),
    "Firefox on Android": ("Mozilla/5.0 (Android 13; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0", "mobile", "Firefox"),
    "Chrome OS": (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_KIT} Chrome/126.0.0.0 Safari/537.36", "desktop", "Chrome"),
    "a test of the salon's own": (f"Mozilla/5.0 (X11; Linux x86_64) {_KIT} HeadlessChrome/126.0.0.0 Safari/537.36", "desktop", "Chrome"),
}  # fmt: skip


@pytest.mark.parametrize("agent", BOTS.values(), ids=BOTS)
def test_a_crawler_is_a_bot(agent: str) -> None:
    assert is_bot(agent)


@pytest.mark.parametrize(("agent", "device", "family"), PEOPLE.values(), ids=PEOPLE)
def test_a_browser_is_a_person_on_a_device(agent: str, device: str, family: str) -> None:
    assert not is_bot(agent)
    assert (device_of(agent), browser_family(agent)) == (device, family)


def test_nothing_is_known_of_a_stranger() -> None:
    assert (device_of(""), browser_family("")) == ("unknown", "")
    assert (device_of("SomeThing/1.0"), browser_family("SomeThing/1.0")) == ("unknown", "")


@given(st.text(max_size=2000))
def test_any_agent_gets_an_answer(agent: str) -> None:
    assert is_bot(agent) in (True, False)
    assert device_of(agent) in ("mobile", "desktop", "tablet", "unknown")
    assert len(browser_family(agent)) <= 20
