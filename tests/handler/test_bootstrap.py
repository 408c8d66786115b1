"""Wrong settings in the environment are reported at startup, in one sentence and without a traceback of a library."""

import logging
import uuid

import pytest

from custom_models.bootstrap import build
from custom_models.settings import SettingsError
from tests.api import KEY


@pytest.fixture(autouse=True)
def _own_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log under another name than all other tests: Powertools configures a logger once per name and process."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", str(uuid.uuid4()))
    package = logging.getLogger("custom_models")
    monkeypatch.setattr(package, "handlers", list(package.handlers))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("POWERTOOLS_LOG_LEVEL", "trace", "POWERTOOLS_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("LOG_LEVEL", "verbose", "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("OWN_ACCOUNT_ID", "12345", "OWN_ACCOUNT_ID must be the function's account id, 12 digits."),
        ("CURSOR_LIFETIME_SECONDS", "day", "CURSOR_LIFETIME_SECONDS must be a whole number from 60 to 604800."),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "often", "The POWERTOOLS_ settings in the environment cannot be used: "),
        ("POWERTOOLS_DEV", "perhaps", "The POWERTOOLS_ settings in the environment cannot be used: "),
        ("AWS_PROFILE", "nope", "The AWS_ settings in the environment cannot be used: "),
        ("AWS_ENDPOINT_URL_BEDROCK", "not a url", "The AWS_ settings in the environment cannot be used: "),
        ("AWS_DEFAULT_REGION", "not a region", "The AWS_ settings in the environment cannot be used: "),
        ("AWS_DEFAULTS_MODE", "fast", "The AWS_ settings in the environment cannot be used: "),
        ("AWS_METADATA_SERVICE_TIMEOUT", "soon", "The AWS_ settings in the environment cannot be used: "),
        ("AWS_SECRET_ACCESS_KEY", "", "The AWS_ settings in the environment cannot be used: "),
    ],
)
def test_a_wrong_setting_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv("CURSOR_KEY", KEY)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        build()
    text = str(caught.value)
    assert text.startswith(sentence)
    assert "\n" not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning", ""])
def test_a_log_level_may_be_in_lower_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("CURSOR_KEY", KEY)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", level)
    assert build()
