"""Settings: what the operator may say, what wins, and what is never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from server.settings import PREFIX, Settings, UnknownSetting, env_example, load_settings, masked

ROOT = Path(__file__).parents[3]
SECRETS = (
    "database_url", "redis_url", "master_key", "master_key_old", "yclients_partner_token", "yclients_application_token",
    "smtp_password",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _read(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_example_file_is_the_generated_one() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == env_example()


def test_the_example_names_every_setting_once_each_with_its_meaning() -> None:
    text = env_example()
    assert list(_read(text)) == [PREFIX + name.upper() for name in Settings.model_fields]
    for field in Settings.model_fields.values():
        assert f"# {field.description}\n" in text


def test_the_example_read_back_gives_the_defaults() -> None:
    assert load_settings(_read(env_example())) == load_settings({})


@pytest.mark.parametrize("name", ["YCLICK_PROT", "YCLICK_", "yclick_prot", "Yclick_Port_", "YCLICK_YCLIENTS_API_URLS"])
def test_an_unknown_setting_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnknownSetting, match=name):
        load_settings({name: "1", "PATH": "/bin"})


def test_every_unknown_setting_is_named_and_no_value_is() -> None:
    with pytest.raises(UnknownSetting) as refusal:
        load_settings({"YCLICK_B": "hunter2", "YCLICK_A": "hunter3", "YCLICK_PORT": "81"})
    assert "YCLICK_A, YCLICK_B;" in str(refusal.value)
    assert "hunter" not in str(refusal.value)
    assert "YCLICK_PORT" not in str(refusal.value)


def test_variables_of_other_programs_are_nobodys_business() -> None:
    assert load_settings({"PORT": "1", "MYYCLICK_PORT": "2", "LOG_LEVEL": "loud"}) == load_settings({})


def test_the_environment_of_the_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YCLICK_PORT", "81")
    assert load_settings().port == 81


def test_an_unknown_setting_of_the_process_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YCLICK_PROT", "81")
    with pytest.raises(UnknownSetting, match="YCLICK_PROT"):
        load_settings()


def test_a_given_environment_stands_in_for_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YCLICK_PORT", "81")
    assert load_settings({}).port == 8080
    assert load_settings({"YCLICK_PORT": "82"}).port == 82


def test_a_dotenv_file_in_the_folder_is_no_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("YCLICK_PORT=81\nYCLICK_PROT=82\n")
    assert load_settings({}).port == 8080
    assert load_settings({"YCLICK_PORT": "83"}).port == 83


def test_a_call_may_override_the_environment() -> None:
    assert load_settings({"YCLICK_PORT": "81"}, port=82).port == 82


def test_an_empty_variable_means_the_default() -> None:
    assert load_settings({PREFIX + name.upper(): "" for name in Settings.model_fields}) == load_settings({})


def test_an_empty_variable_of_the_process_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `YCLICK_PORT: ${PORT:-}` of a compose file leaves it."""
    defaults = load_settings({})
    for name in Settings.model_fields:
        monkeypatch.setenv(PREFIX + name.upper(), "")
    assert load_settings() == defaults


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("MATCH_GRACE_S", "-1"),
        ("MATCH_GRACE_S", "nan"),
        ("RECONCILE_PERIOD_S", "0"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("ALLOW_PRIVATE_EGRESS", "perhaps"),
        ("RETRY_SCHEDULE_S", "5,soon"),
        ("RETRY_SCHEDULE_S", "5,nan"),
        ("RETRY_SCHEDULE_S", "5,-30"),
    ],
)
def test_a_value_out_of_sense_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        load_settings({PREFIX + name: value})


@pytest.mark.parametrize("text", ["1,2.5, 60", "[1, 2.5, 60]", "(1,2.5,60,)"])
def test_a_schedule_is_numbers_between_commas(text: str) -> None:
    assert load_settings({"YCLICK_RETRY_SCHEDULE_S": text}).retry_schedule_s == (1.0, 2.5, 60.0)


def test_proxies_are_names_between_commas() -> None:
    settings = load_settings({"YCLICK_TRUSTED_PROXIES": " 10.0.0.0/8, ::1,, "})
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize("field", ["public_url", "yclients_api_url"])
def test_an_address_loses_its_last_slash(field: str) -> None:
    assert getattr(load_settings({PREFIX + field.upper(): "https://a.ru/x/"}), field) == "https://a.ru/x"


@pytest.mark.parametrize(
    ("host", "public", "expected"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:81"),
        ("0.0.0.0", "", "http://localhost:81"),
        ("::", "", "http://localhost:81"),
        ("127.0.0.1", "https://yclick.ru/", "https://yclick.ru"),
    ],
)
def test_links_go_to_the_public_address_or_to_where_we_listen(host: str, public: str, expected: str) -> None:
    settings = load_settings({"YCLICK_HOST": host, "YCLICK_PORT": "81", "YCLICK_PUBLIC_URL": public})
    assert settings.base_url == expected


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).port = 5  # type: ignore[misc]


def test_the_secrets_are_those_we_think_of() -> None:
    assert {name for name in Settings.model_fields if isinstance(getattr(load_settings({}), name), SecretStr)} == {
        *SECRETS
    }


def test_masked_settings_tell_whether_a_secret_is_set_and_never_what_it_is() -> None:
    values = {PREFIX + name.upper(): f"hunter-{name}" for name in SECRETS}
    settings = load_settings(values)
    shown = masked(settings)
    assert {shown[name] for name in SECRETS} == {"(set)"}
    assert "hunter" not in f"{shown}{settings!r}{settings}"
    assert {masked(load_settings({}))[name] for name in SECRETS} == {"(empty)"}


def test_masked_settings_show_all_the_rest_as_it_would_be_written() -> None:
    shown = masked(load_settings({"YCLICK_PORT": "81", "YCLICK_TRUSTED_PROXIES": "10.0.0.1,::1"}))
    assert list(shown) == list(Settings.model_fields)
    assert (shown["port"], shown["trusted_proxies"]) == ("81", "10.0.0.1,::1")
    assert shown["retry_schedule_s"].startswith("5,30,120,")


def test_a_refused_value_does_not_spill_the_secrets_beside_it() -> None:
    with pytest.raises(ValidationError) as refusal:
        load_settings({"YCLICK_PORT": "http", "YCLICK_MASTER_KEY": "hunter2"})
    assert "hunter2" not in str(refusal.value)
