"""The settings: which environments are valid, and what the errors say."""

import json
import os
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from custom_models.bootstrap import build
from custom_models.settings import Settings, SettingsError

KEY = "k" * 32
SECRET_ID = "arn:aws:secretsmanager:us-east-1:123456789012:secret:cursor-key-a1B2c3"


def read(environment: dict[str, str]) -> Settings:
    return Settings.read({"OWN_ACCOUNT_ID": "123456789012", **environment})


def test_a_key_is_enough() -> None:
    settings = read({"CURSOR_KEY": KEY})
    assert (settings.cursor_key, settings.cursor_secret_id, settings.cursor_lifetime) == (KEY, None, 86_400)


def test_a_secret_id_is_enough() -> None:
    settings = read({"CURSOR_SECRET_ID": SECRET_ID})
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
def test_exactly_one_of_secret_id_and_key_must_be_set(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"either CURSOR_SECRET_ID .* or CURSOR_KEY"):
        read(environment)


def test_an_empty_setting_counts_as_not_set() -> None:
    assert read({"CURSOR_KEY": KEY, "CURSOR_SECRET_ID": ""}).cursor_secret_id is None
    assert read({"CURSOR_KEY": "", "CURSOR_SECRET_ID": SECRET_ID}).cursor_key is None


@pytest.mark.parametrize("length", [1, 31])
def test_the_error_about_a_short_key_states_the_minimum_length_and_not_the_key(length: int) -> None:
    with pytest.raises(SettingsError, match=r"CURSOR_KEY .*\b32 characters") as caught:
        read({"CURSOR_KEY": "ß" * length})
    assert "ß" not in str(caught.value)


def lifetime(text: str) -> int:
    return read({"CURSOR_KEY": KEY, "CURSOR_LIFETIME_SECONDS": text}).cursor_lifetime


@pytest.mark.parametrize("text", ["60", "3600", "604800", "086400"])
def test_a_lifetime_may_be_a_minute_to_a_week(text: str) -> None:
    assert lifetime(text) == int(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "0", "59", "604801", "9" * 5000, "-60", "+60", " 60", "60\n", "60.0", "1e3", "1_000", "60s", "٦٠", "6²"],
    ids=lambda text: ascii(text[:9]),
)
def test_the_error_about_any_other_lifetime_states_the_setting_and_its_range(text: str) -> None:
    with pytest.raises(SettingsError, match=r"CURSOR_LIFETIME_SECONDS .*\b60 to 604800\b"):
        lifetime(text)


def test_the_lifetime_is_also_checked_when_the_key_is_in_a_secret() -> None:
    with pytest.raises(SettingsError, match="CURSOR_LIFETIME_SECONDS"):
        read({"CURSOR_SECRET_ID": SECRET_ID, "CURSOR_LIFETIME_SECONDS": "day"})


def test_only_the_given_environment_is_read_and_names_are_case_sensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "CURSOR_KEY", KEY)
    monkeypatch.setitem(os.environ, "CURSOR_LIFETIME_SECONDS", "day")
    with pytest.raises(SettingsError, match="CURSOR_SECRET_ID"):
        read({"PATH": "/bin", "cursor_key": KEY})
    assert read({"CURSOR_SECRET_ID": SECRET_ID}).cursor_lifetime == 86_400


@pytest.mark.parametrize("name", [" ", " x", ":x", "caf\u00e9", "a\nb", "x" * 256])
def test_a_service_name_that_cloudwatch_would_not_accept_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match="POWERTOOLS_SERVICE_NAME must be"):
        read({"CURSOR_KEY": KEY, "POWERTOOLS_SERVICE_NAME": name})


def test_the_inventory_may_be_a_file_beside_the_functions_code(tmp_path: Path) -> None:
    content = {"sources": [{"accounts": ["123456789012"], "regions": ["us-east-1", "eu-west-1"]}]}
    (tmp_path / "inventory.json").write_text(json.dumps(content), encoding="utf-8")
    environment = {"CURSOR_KEY": KEY, "LAMBDA_TASK_ROOT": str(tmp_path)}
    inventory = read({**environment, "INVENTORY": "inventory.json"}).inventory
    assert inventory is not None
    assert [str(source) for source in inventory.sources] == ["123456789012/us-east-1", "123456789012/eu-west-1"]
    assert read({"CURSOR_KEY": KEY, "INVENTORY": str(tmp_path / "inventory.json")}).inventory == inventory


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"], ids=["missing", "empty", "no sources", "not UTF-8"])
def test_a_file_that_is_not_an_inventory_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "inventory.json").write_bytes(content)
    with pytest.raises(SettingsError, match=r"^INVENTORY cannot be used: "):
        read({"CURSOR_KEY": KEY, "LAMBDA_TASK_ROOT": str(tmp_path), "INVENTORY": "inventory.json"})


def test_the_key_is_not_in_the_text_of_the_settings() -> None:
    settings = read({"CURSOR_KEY": KEY})
    assert KEY not in f"{settings!r} {settings}"


def test_settings_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        read({"CURSOR_KEY": KEY}).cursor_lifetime = 1  # type: ignore[misc]


def test_wrong_settings_stop_the_function_at_startup() -> None:
    with pytest.raises(SettingsError, match="CURSOR_SECRET_ID"):
        build({})
