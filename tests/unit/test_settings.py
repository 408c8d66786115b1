import os
from dataclasses import FrozenInstanceError

import pytest

from custom_models.bootstrap import build
from custom_models.settings import Settings, SettingsError

KEY = "k" * 32
SECRET_ID = "arn:aws:secretsmanager:us-east-1:123456789012:secret:cursor-key-a1B2c3"


def lifetime(text: str) -> int:
    return Settings.read({"CURSOR_KEY": KEY, "CURSOR_LIFETIME_SECONDS": text}).cursor_lifetime


def test_a_key_alone_is_enough() -> None:
    settings = Settings.read({"CURSOR_KEY": KEY})
    assert (settings.cursor_key, settings.cursor_secret_id, settings.cursor_lifetime) == (KEY, None, 86_400)


def test_a_secret_alone_is_enough() -> None:
    settings = Settings.read({"CURSOR_SECRET_ID": SECRET_ID})
    assert (settings.cursor_key, settings.cursor_secret_id, settings.cursor_lifetime) == (None, SECRET_ID, 86_400)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"CURSOR_KEY": ""},
        {"CURSOR_SECRET_ID": ""},
        {"CURSOR_KEY": "", "CURSOR_SECRET_ID": ""},
        {"CURSOR_KEY": KEY, "CURSOR_SECRET_ID": SECRET_ID},
    ],
)
def test_none_of_the_two_or_both_is_an_error_that_names_both(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"either CURSOR_SECRET_ID .* or CURSOR_KEY"):
        Settings.read(environment)


def test_an_empty_one_is_none() -> None:
    assert Settings.read({"CURSOR_KEY": KEY, "CURSOR_SECRET_ID": ""}).cursor_secret_id is None
    assert Settings.read({"CURSOR_KEY": "", "CURSOR_SECRET_ID": SECRET_ID}).cursor_key is None


@pytest.mark.parametrize("length", [1, 31])
def test_a_short_key_is_an_error_that_says_how_long_it_must_be_and_not_what_it_is(length: int) -> None:
    with pytest.raises(SettingsError, match=r"CURSOR_KEY .*\b32 characters") as refused:
        Settings.read({"CURSOR_KEY": "ß" * length})
    assert "ß" not in str(refused.value)


@pytest.mark.parametrize("text", ["60", "3600", "604800", "086400"])
def test_a_lifetime_from_a_minute_to_a_week(text: str) -> None:
    assert lifetime(text) == int(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "59", "604801", "9" * 5000, "-60", "+60", " 60", "60\n", "60.0", "1e3", "1_000", "60s", "٦٠", "6²"],
    ids=lambda text: ascii(text[:9]),
)
def test_any_other_lifetime_is_an_error_that_names_it_and_its_range(text: str) -> None:
    with pytest.raises(SettingsError, match=r"CURSOR_LIFETIME_SECONDS .*\b60 to 604800\b"):
        lifetime(text)


def test_the_lifetime_is_checked_with_a_secret_too() -> None:
    with pytest.raises(SettingsError, match="CURSOR_LIFETIME_SECONDS"):
        Settings.read({"CURSOR_SECRET_ID": SECRET_ID, "CURSOR_LIFETIME_SECONDS": "day"})


def test_only_what_was_given_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "CURSOR_KEY", KEY)
    monkeypatch.setitem(os.environ, "CURSOR_LIFETIME_SECONDS", "day")
    with pytest.raises(SettingsError, match="CURSOR_SECRET_ID"):
        Settings.read({"PATH": "/bin", "cursor_key": KEY})
    assert Settings.read({"CURSOR_SECRET_ID": SECRET_ID}).cursor_lifetime == 86_400


def test_the_key_is_not_shown() -> None:
    settings = Settings.read({"CURSOR_KEY": KEY})
    assert KEY not in f"{settings!r} {settings}"


def test_settings_stay_as_they_are() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.read({"CURSOR_KEY": KEY}).cursor_lifetime = 1  # type: ignore[misc]


def test_wrong_settings_stop_the_function_before_its_first_request() -> None:
    with pytest.raises(SettingsError, match="CURSOR_SECRET_ID"):
        build({})
