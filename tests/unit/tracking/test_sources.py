"""Where a visit came from: exclusions, then marks, then click ids, then the referrer, then direct."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.cabinet.words import TEXTS
from server.tracking.addresses import clean_address
from server.tracking.sources import Source, classify, rules

PAGE = "https://salon.ru/"
OWN = ("salon.ru", "салон.рф")


def _seen(query: str = "", referrer: str = "", **changes: Any) -> Source:
    return classify(PAGE + query, referrer, **({"own_hosts": OWN, "form_hosts": ()} | changes))


def _said(source: Source) -> tuple[str, str | None]:
    return source.channel, source.source


def _advised(source: Source) -> set[str]:
    return {item.code for item in source.advice}


def _openstat(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- marks

MARKED: dict[str, tuple[str, str, str | None]] = {
    "paid by medium": ("?utm_source=yandex&utm_medium=cpc", "ad", "yandex"),
    "names in upper case": ("?UTM_SOURCE=Yandex&Utm_Medium=CPC", "ad", "yandex"),
    "values with spaces": ("?utm_source=%20Yandex+&utm_medium=+cpc%20", "ad", "yandex"),
    "windows-1251": ("?utm_source=%FF%ED%E4%E5%EA%F1&utm_medium=cpc", "ad", "yandex"),
    "UTF-8": ("?utm_source=%D1%8F%D0%BD%D0%B4%D0%B5%D0%BA%D1%81&utm_medium=cpc", "ad", "yandex"),
    "letters as they are": ("?utm_source=яндекс&utm_medium=cpc", "ad", "yandex"),
    "paid with a tail": ("?utm_source=vk&utm_medium=cpc_stories", "ad", "vk"),
    "paid in two words": ("?utm_source=vk_ads&utm_medium=paid%20social", "ad", "vk"),
    "retargeting": ("?utm_source=vkontakte&utm_medium=retargeting", "ad", "vk"),
    "no cpc inside another word": ("?utm_source=x&utm_medium=cpanel", "undefined", "x"),
    "social, not paid": ("?utm_source=vk&utm_medium=social", "social", "vk"),
    "social by name": ("?utm_source=instagram", "social", "instagram"),
    "messenger by name": ("?utm_source=tg", "messenger", "telegram"),
    "newsletter": ("?utm_source=unisender&utm_medium=email", "email", "unisender"),
    "code on paper": ("?utm_source=flyer&utm_medium=qr", "qrcode", "flyer"),
    "organic said so": ("?utm_source=google&utm_medium=organic", "organic", "google"),
    "map said so": ("?utm_source=2gis&utm_medium=referral", "referral", "2gis"),
    "recommendations": ("?utm_source=dzen&utm_medium=recommend", "recommend", "dzen"),
    "a medium nobody knows": ("?utm_source=foo&utm_medium=bar", "undefined", "foo"),
    "a source nobody knows": ("?utm_source=foo", "undefined", "foo"),
    "medium alone": ("?utm_medium=cpc", "ad", None),
    "in the fragment": ("#utm_source=vk&utm_medium=social", "social", "vk"),
    "in both places": ("?utm_source=vk&utm_medium=cpc#utm_source=ok&utm_medium=social", "ad", "vk"),
    "in the fragment of an app": ("#/book?utm_source=vk&utm_medium=social", "social", "vk"),
    "in the fragment of an old app": ("#!/book?utm_source=vk&utm_medium=social", "social", "vk"),
    "the first of two that is not blank": ("?utm_source=&utm_source=vk&utm_source=ok&utm_medium=cpc", "ad", "vk"),
    "other parameters about": ("?a=1&utm_source=vk&b=&utm_medium=cpc&c", "ad", "vk"),
    "names that only end like ours": ("?xutm_source=vk&utm_medium_=cpc&my_yclid=1", "direct", None),
    "openstat of Direct": (f"?_openstat={_openstat('direct.yandex.ru;123;456;yandex.ru:premium')}", "ad", "yandex"),
    "openstat of a stranger": (f"?_openstat={_openstat('begun.ru;1;2;3')}", "ad", "begun.ru"),
    "openstat of three parts": (f"?_openstat={_openstat('begun.ru;1;2')}", "direct", None),
    "openstat that is garbage": ("?_openstat=%FF%FE!!", "direct", None),
    "utm before openstat": (f"?utm_source=vk&utm_medium=social&_openstat={_openstat('a;b;c;d')}", "social", "vk"),
}


@pytest.mark.parametrize(("query", "channel", "source"), MARKED.values(), ids=MARKED)
def test_marks_tell_the_channel_and_the_source(query: str, channel: str, source: str | None) -> None:
    assert _said(_seen(query)) == (channel, source)


@pytest.mark.parametrize(
    "referrer", ["", "https://vk.com/", "https://yandex.ru/search/", "https://salon.ru/", "https://yookassa.ru/"]
)
def test_marks_go_before_any_referrer(referrer: str) -> None:
    assert _said(_seen("?utm_source=google&utm_medium=cpc", referrer)) == ("ad", "google")


def test_raw_values_are_kept_beside_the_names() -> None:
    found = _seen(
        "?utm_source=VK_Ads&utm_medium=CPC&utm_campaign=%EB%E5%F2%EE+2026&utm_term=%D0%B5%CC%88&utm_content=a%2Bb"
    )
    assert dict(found.utm) == {
        "source": "VK_Ads", "medium": "CPC", "campaign": "лето 2026", "term": "ё", "content": "a+b",
    }  # fmt: skip
    assert (found.source, found.medium, found.campaign) == ("vk", "cpc", "лето 2026")


def test_a_value_is_decoded_once() -> None:
    assert _seen("?utm_campaign=50%2525").campaign == "50%25"


def test_a_value_is_cleaned_and_bounded() -> None:
    assert _seen("?utm_campaign=a%00%0D%0Ab%7F").campaign == "ab"
    assert _seen("?utm_campaign=" + "ю" * 900).campaign == "ю" * 256


def test_a_semicolon_inside_a_value_does_not_end_it() -> None:
    assert _seen("?utm_source=vk&utm_medium=cpc&utm_campaign=sale;summer").campaign == "sale;summer"


def test_blank_marks_are_no_marks() -> None:
    assert _said(_seen("?utm_source=&utm_medium=%20&utm_campaign=+", "https://vk.com/")) == ("social", "vk")
    assert dict(_seen("?utm_source=&utm_medium=%20").utm) == {}


def test_the_owners_names_go_before_ours() -> None:
    assert _seen("?utm_source=VK&utm_medium=cpc", synonyms={"vk": "наш паблик"}).source == "наш паблик"


# --- macros that the advertising system left unfilled


@pytest.mark.parametrize(
    "value",
    [
        "{campaign_id}",
        "{{campaign.name}}",
        "__CAMPAIGN_NAME__",
        "%7Bcampaign_id%7D",
        "%257Bcampaign_id%257D",
        "[campaign_id]",
        "{campaign_name_lat}",
        "sale_{campaign_id}",
        "{campaign_name}_{campaign_id}",
    ],
)
def test_a_macro_left_unfilled_is_advised_and_keeps_the_channel(value: str) -> None:
    found = _seen(f"?utm_source=yandex&utm_medium=cpc&utm_campaign={value}")
    assert _said(found) == ("ad", "yandex")
    assert _advised(found) == {"macro"}


@pytest.mark.parametrize("value", ["{campaign_id}", "{{campaign.name}}", "__CAMPAIGN_NAME__"])
def test_a_macro_left_unfilled_is_no_name_of_a_campaign(value: str) -> None:
    found = _seen(f"?utm_source=yandex&utm_medium=cpc&utm_campaign={value}")
    assert found.campaign is None
    assert found.utm["campaign"] == value


def test_marks_that_are_all_macros_leave_the_word_to_the_referrer() -> None:
    found = _seen("?utm_source={source}&utm_campaign={campaign_id}", "https://vk.com/")
    assert _said(found) == ("social", "vk")
    assert _advised(found) == {"macro"}


@pytest.mark.parametrize("value", ["summer_2026", "a{b", "скидка [50%]", "__init", "{}", "100%"])
def test_a_name_with_odd_signs_is_a_name(value: str) -> None:
    found = _seen(f"?utm_source=vk&utm_medium=cpc&utm_campaign={value}")
    assert (found.campaign, _advised(found)) == (value, set())


@pytest.mark.parametrize("query", [query for query, _, _ in MARKED.values()], ids=MARKED)
def test_what_is_stored_of_an_address_tells_the_same(query: str) -> None:
    """The collector stores and classifies the cleaned address."""
    stored = clean_address(PAGE + query)
    assert classify(stored, "", own_hosts=OWN, form_hosts=()) == _seen(query)


@pytest.mark.parametrize("letters", [10, 66, 67, 100, 200, 256])
def test_a_long_russian_name_of_a_campaign_survives_storing(letters: int) -> None:
    name = "ы" * letters
    stored = clean_address(f"{PAGE}?utm_source=vk&utm_medium=cpc&utm_campaign={quote(name)}")
    assert classify(stored, "", own_hosts=OWN, form_hosts=()).campaign == name


# --- click ids

CLICKED = {
    "yclid": ("?yclid=1", "ad", "yandex"), "YCLID": ("?YCLID=1", "ad", "yandex"), "gclid": ("?gclid=1", "ad", "google"),
    "gbraid": ("?gbraid=1", "ad", "google"), "wbraid": ("?wbraid=1", "ad", "google"), "msclkid": ("?msclkid=1", "ad", "bing"),
    "rb_clickid": ("?rb_clickid=1", "ad", "vk"), "ymclid": ("?ymclid=1", "ad", "yandex-market"), "ttclid": ("?ttclid=1", "ad", "tiktok"),
    "fbclid says the place only": ("?fbclid=1", "social", "facebook"), "ysclid is of organic results": ("?ysclid=1", "organic", "yandex"),
    "blank yclid": ("?yclid=", "direct", None), "not quite yclid": ("?xyclid=1&yclid2=1", "direct", None),
    "yclid beats fbclid": ("?fbclid=1&yclid=2", "ad", "yandex"), "yclid beats ysclid": ("?ysclid=1&yclid=2", "ad", "yandex"),
}  # fmt: skip


@pytest.mark.parametrize(("query", "channel", "source"), CLICKED.values(), ids=CLICKED)
def test_a_click_id_without_marks_tells_who_was_paid(query: str, channel: str, source: str | None) -> None:
    assert _said(_seen(query)) == (channel, source)


@pytest.mark.parametrize(
    "referrer",
    ["https://vk.com/", "https://salon.ru/", "https://yandex.ru/search", "android-app://com.google.android.gm"],
)
def test_a_click_id_goes_before_any_referrer(referrer: str) -> None:
    assert _said(_seen("?yclid=1", referrer)) == ("ad", "yandex")


@pytest.mark.parametrize(
    ("query", "channel", "source"),
    [
        ("?gclid=1&utm_source=yandex&utm_medium=cpc", "ad", "yandex"),
        ("?gclid=1&utm_source=yandex", "ad", "yandex"),
        ("?yclid=1&utm_source=google&utm_medium=cpc", "ad", "google"),
        ("?yclid=1&utm_source=google&utm_medium=organic", "ad", "google"),
        ("?yclid=1&utm_medium=organic", "ad", "yandex"),
        ("?yclid=1&gclid=2&utm_source=yandex&utm_medium=cpc", "ad", "yandex"),
        ("?yclid=1&gclid=2&utm_source=google&utm_medium=cpc", "ad", "google"),
    ],
)
def test_marks_and_click_ids_that_contradict_are_kept_and_advised(query: str, channel: str, source: str) -> None:
    found = _seen(query)
    assert _said(found) == (channel, source)
    assert "conflict" in _advised(found)


def test_click_ids_of_two_advertisers_are_both_kept_and_advised_whatever_their_order() -> None:
    one, other = _seen("?yclid=1&gclid=2"), _seen("?gclid=2&yclid=1")
    assert one == other
    assert one.channel == "ad"
    assert dict(one.click_ids) == {"yclid": "1", "gclid": "2"}
    assert "conflict" in _advised(one)


@pytest.mark.parametrize(
    "query",
    [
        "?yclid=1&utm_source=yandex&utm_medium=cpc",
        "?yclid=1&utm_source=yandex_direct&utm_medium=cpc",
        "?gclid=1&gbraid=2&utm_source=google&utm_medium=cpc",
        "?gclid=1&utm_source=youtube&utm_medium=cpc",
        "?rb_clickid=1&utm_source=vk_ads&utm_medium=cpc",
        "?fbclid=1&utm_source=instagram&utm_medium=cpc",
        "?ysclid=1&utm_source=vk&utm_medium=cpc",
        f"?yclid=1&_openstat={_openstat('direct.yandex.ru;1;2;3')}",
        "?yclid=1&utm_source={source}",
    ],
)
def test_marks_that_agree_bring_no_word_of_conflict(query: str) -> None:
    assert "conflict" not in _advised(_seen(query))


# --- referrers

REFERRED: dict[str, tuple[str, str, str | None, str | None]] = {
    "Yandex": ("https://yandex.ru/", "organic", "yandex", None),
    "ya.ru": ("https://ya.ru/", "organic", "yandex", None),
    "a search": ("https://yandex.ru/search/?text=1", "organic", "yandex", None),
    "a search on a phone": ("https://yandex.ru/search/touch/?text=1", "organic", "yandex", None),
    "Yandex of Kazakhstan": ("https://yandex.kz/", "organic", "yandex", None),
    "Google": ("https://www.google.com/", "organic", "google", None),
    "Google of Britain": ("https://www.google.co.uk/", "organic", "google", None),
    "Bing": ("https://www.bing.com/search?q=x", "organic", "bing", None),
    "Mail search": ("https://go.mail.ru/search?q=1", "organic", "mail.ru", None),
    "Yandex Maps": ("https://yandex.ru/maps/org/salon/1", "referral", "yandex-maps", "map"),
    "Yandex Maps bare": ("https://yandex.ru/maps", "referral", "yandex-maps", "map"),
    "Yandex Maps old": ("https://maps.yandex.ru/", "referral", "yandex-maps", "map"),
    "Yandex Maps of Kazakhstan": ("https://yandex.kz/maps/", "referral", "yandex-maps", "map"),
    "Yandex Maps of Turkey": ("https://yandex.com.tr/maps/", "referral", "yandex-maps", "map"),
    "not the maps": ("https://yandex.ru/mapsomething", "referral", "yandex.ru", None),
    "Yandex news is no search": ("https://yandex.ru/news/story", "referral", "yandex.ru", None),
    "Google Maps": ("https://www.google.com/maps/place/x", "referral", "google-maps", "map"),
    "Google Maps host": ("https://maps.google.com/", "referral", "google-maps", "map"),
    "Google Maps of Germany": ("https://maps.google.de/", "referral", "google-maps", "map"),
    "2GIS": ("https://2gis.ru/moscow/firm/1", "referral", "2gis", "map"),
    "2GIS on a phone": ("https://m.2gis.ru/", "referral", "2gis", "map"),
    "2GIS by a link": ("https://link.2gis.ru/1.2/x", "referral", "2gis", "map"),
    "VK": ("https://vk.com/salon", "social", "vk", None),
    "VK on a phone": ("https://m.vk.com/", "social", "vk", None),
    "VK on the way out": ("https://away.vk.com/away.php?to=x", "social", "vk", None),
    "not VK": ("https://notvk.com/", "referral", "notvk.com", None),
    "VK as somebody's label": ("https://vk.com.evil.ru/", "referral", "evil.ru", None),
    "Instagram on the way out": ("https://l.instagram.com/", "social", "instagram", None),
    "X is not every x": ("https://netflix.com/", "referral", "netflix.com", None),
    "t.co is not t.com": ("https://t.com/", "referral", "t.com", None),
    "Telegram": ("https://t.me/salon", "messenger", "telegram", None),
    "Telegram on the web": ("https://web.telegram.org/", "messenger", "telegram", None),
    "WhatsApp": ("https://wa.me/79", "messenger", "whatsapp", None),
    "MAX": ("https://max.ru/", "messenger", "max", None),
    "Dzen": ("https://dzen.ru/a/x", "recommend", "dzen", None),
    "Gmail": ("https://mail.google.com/", "email", "gmail", None),
    "Mail.ru mail": ("https://e.mail.ru/inbox", "email", "mail.ru", None),
    "Yandex mail": ("https://mail.yandex.ru/", "email", "yandex-mail", None),
    "Outlook": ("https://outlook.live.com/", "email", "outlook", None),
    "an advert's hop": ("https://yabs.yandex.ru/count/x", "ad", "yandex", None),
    "an advert's hop of Google": ("https://googleads.g.doubleclick.net/", "ad", "google", None),
    "a directory": ("https://zoon.ru/msk/x", "referral", "zoon", "directory"),
    "ChatGPT": ("https://chatgpt.com/", "referral", "chatgpt", "ai_assistant"),
    "Perplexity": ("https://www.perplexity.ai/", "referral", "perplexity", "ai_assistant"),
    "Gemini": ("https://gemini.google.com/app", "referral", "gemini", "ai_assistant"),
    "Copilot": ("https://copilot.microsoft.com/", "referral", "copilot", "ai_assistant"),
    "Alice": ("https://alice.yandex.ru/", "referral", "yandex-alice", "ai_assistant"),
    "Claude": ("https://claude.ai/", "referral", "claude", "ai_assistant"),
    "Gmail's app": ("android-app://com.google.android.gm/", "email", "gmail", None),
    "Telegram's app": ("android-app://org.telegram.messenger/", "messenger", "telegram", None),
    "Instagram's app": ("android-app://com.instagram.android", "social", "instagram", None),
    "VK's app": ("android-app://com.vkontakte.android/", "social", "vk", None),
    "Google's app": ("android-app://com.google.android.googlequicksearchbox/", "organic", "google", None),
    "Yandex's app": ("android-app://ru.yandex.searchplugin/", "organic", "yandex", None),
    "2GIS's app": ("android-app://ru.dublgis.dgismobile/", "referral", "2gis", "map"),
    "another site": ("https://blog.example.ru/x", "referral", "example.ru", None),
    "a site under two labels": ("https://shop.salon.co.uk/", "referral", "salon.co.uk", None),
    "a Russian name": ("https://www.цветы.рф/", "referral", "xn--b1ag3bn2a.xn--p1ai", None),
    "a Russian name in punycode": ("https://xn--b1ag3bn2a.xn--p1ai/", "referral", "xn--b1ag3bn2a.xn--p1ai", None),
    "upper case, port, dot, user": ("https://Anna:pw@M.VK.COM.:443/", "social", "vk", None),
    "localhost": ("http://localhost:3000/", "undefined", "localhost", "technical"),
    "an address": ("http://192.168.1.5/", "undefined", "192.168.1.5", "technical"),
    "an open address": ("http://93.158.134.3:8080/", "undefined", "93.158.134.3", "technical"),
    "an address of six": ("http://[2001:db8::5]/", "undefined", "2001:db8::5", "technical"),
    "loopback of six": ("http://[::1]:3000/", "undefined", "::1", "technical"),
    "a name without a dot": ("http://crm/", "undefined", "crm", "technical"),
}  # fmt: skip


@pytest.mark.parametrize(("referrer", "channel", "source", "kind"), REFERRED.values(), ids=REFERRED)
def test_a_referrer_tells_the_channel_the_source_and_the_kind(
    referrer: str, channel: str, source: str | None, kind: str | None
) -> None:
    found = _seen("", referrer)
    assert (found.channel, found.source, found.kind) == (channel, source, kind)


def test_an_app_nobody_knows_keeps_its_own_name() -> None:
    found = _seen("", "android-app://com.unknown.app/")
    assert (found.channel, found.source, found.referrer_host) == ("referral", "com.unknown.app", "com.unknown.app")


@pytest.mark.parametrize(
    "referrer", ["", "about:blank", "javascript:1", "tg://resolve", "http://[bad/", "http://a:99999/", "no address", "http://"]
)  # fmt: skip
def test_no_referrer_or_none_of_a_page_is_direct(referrer: str) -> None:
    found = _seen("", referrer)
    assert (_said(found), found.referrer_host) == (("direct", None), None)


@pytest.mark.parametrize("landing", ["file:///C:/Users/anna/salon.html", "file:///sdcard/Download/salon.mht"])
def test_a_saved_page_is_told_as_such(landing: str) -> None:
    assert classify(landing, "", own_hosts=OWN, form_hosts=()).channel == "saved"


# --- own exclusions


@pytest.mark.parametrize(
    "referrer",
    [
        "https://salon.ru/price", "http://www.salon.ru/", "https://shop.salon.ru/", "https://SALON.RU.:8443/",
        "https://салон.рф/", "https://xn--80awgdm.xn--p1ai/", "https://n781.yclients.com/company/1", "https://b12.alteg.io/",
    ],
)  # fmt: skip
def test_our_own_pages_and_forms_are_internal(referrer: str) -> None:
    assert _seen("", referrer).channel == "internal"


def test_an_own_domain_of_the_form_is_internal_in_either_spelling() -> None:
    for referrer in ("https://zapis.пример.рф/", "https://zapis.xn--e1afmkfd.xn--p1ai/"):
        assert _seen("", referrer, form_hosts=["Zapis.Пример.рф"]).channel == "internal"
        assert _seen("", referrer).channel == "referral"


@pytest.mark.parametrize(
    "referrer",
    [
        "https://notsalon.ru/",
        "https://salon.ru.evil.com/",
        "https://yclients.com/",
        "https://x781.yclients.com.evil.ru/",
    ],
)
def test_others_with_a_likely_name_are_not_internal(referrer: str) -> None:
    assert _seen("", referrer).channel == "referral"


def test_the_site_that_a_page_lies_on_is_its_own_even_when_not_listed() -> None:
    assert _seen("", "https://www.salon.ru/a", own_hosts=()).channel == "internal"


@pytest.mark.parametrize("own", ["", " ", ".", "www."])
def test_a_blank_own_host_makes_nobody_internal(own: str) -> None:
    assert _seen("", "https://other.ru/", own_hosts=[own], form_hosts=[own]).channel == "referral"
    assert _seen("", "https://other.ru/", excluded_referrers=[own]).channel == "referral"


@pytest.mark.parametrize(
    "referrer",
    [
        "https://yookassa.ru/checkout",
        "https://3ds.sberbank.ru/",
        "https://oauth.yandex.ru/",
        "https://id.vk.com/auth",
        "https://accounts.google.com/",
        "https://esia.gosuslugi.ru/",
    ],
)
def test_payment_and_login_are_no_source(referrer: str) -> None:
    assert _said(_seen("", referrer)) == ("direct", None)


def test_what_the_owner_excludes_is_no_source_in_either_spelling() -> None:
    for referrer in ("https://pay.оплата.рф/", "https://xn--80aa5alfu.xn--p1ai/"):
        assert _seen("", referrer, excluded_referrers=["Оплата.рф"]).channel == "direct"
    assert _seen("", "https://vk.com/", excluded_referrers=["vk.com"]).channel == "direct"
    assert _seen("?utm_source=vk&utm_medium=cpc", "https://vk.com/", excluded_referrers=["vk.com"]).channel == "ad"


# --- as a whole

CHANNELS = {
    "ad",
    "email",
    "messenger",
    "social",
    "recommend",
    "organic",
    "qrcode",
    "referral",
    "internal",
    "saved",
    "undefined",
    "direct",
}


def test_every_channel_of_the_rules_is_one_of_the_twelve_and_has_a_name() -> None:
    known = rules()
    told = {channel for _, channel in known.click_ids.values()} | set(known.mediums.values())
    told |= {place.channel for table in (known.places, known.brands) for places in table.values() for place in places}
    assert told <= CHANNELS
    assert {f"ch_{channel}" for channel in CHANNELS} <= set(TEXTS)


def test_every_visit_has_the_version_of_the_rules() -> None:
    assert _seen().rules_version == rules().version != ""


_HOSTS = st.sampled_from(
    ["vk.com", "yandex.ru", "салон.рф", "[::1]", "localhost", "", ".", "xn--", "a" * 300, "..ru", "яндекс", "1.2.3.4"]
)
_ADDRESSES = st.text(max_size=80) | st.builds(
    "{}://{}{}{}{}".format, st.sampled_from(["https", "http", "android-app", "HTTPS", "file", ""]), _HOSTS | st.text(max_size=20),
    st.sampled_from(["", ":80", ":x", ":99999", "."]), st.sampled_from(["", "/", "/maps", "//", "/%ff"]),
    st.text("?#utm_sorcedi=&;%7B{}f+ D0Fя\0\ud800", max_size=60),
)  # fmt: skip


@given(_ADDRESSES, _ADDRESSES, st.lists(_HOSTS | st.text(max_size=10), max_size=2))
@example("https://xn--/", "https://xn--a/", ["xn--"])
@example("https://salon.ru/?utm_source=\ud800", "https://\ud800.ru/", ["\ud800"])
@example("https://\u2100/", "https://a\u2100b.ru/", [])
def test_any_addresses_get_an_answer_that_can_be_stored(landing: str, referrer: str, own: list[str]) -> None:
    found = classify(landing, referrer, own_hosts=own, form_hosts=own, excluded_referrers=own)
    assert found.channel in CHANNELS
    texts = [found.source, found.medium, found.campaign, found.term, found.content, found.kind, found.referrer_host]
    texts += [*found.utm.values(), *found.click_ids.values(), *(item.detail for item in found.advice)]
    for text in texts:
        if text is not None:
            text.encode()
            assert "\0" not in text
            assert len(text) <= 256


@given(st.sampled_from(list(REFERRED.values())), st.sampled_from(list(MARKED.values())))
def test_the_same_visit_is_always_told_the_same(referred: tuple[str, ...], marked: tuple[str, ...]) -> None:
    assert _seen(marked[0], referred[0]) == _seen(marked[0], referred[0])
    if marked[1] != "direct":
        assert _said(_seen(marked[0], referred[0])) == _said(_seen(marked[0]))
