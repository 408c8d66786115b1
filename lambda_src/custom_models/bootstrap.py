"""Builds the function from its parts, once at startup."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aws_lambda_powertools.logging.exceptions import InvalidLoggerSamplingRateError
from botocore.exceptions import BotoCoreError

from custom_models.adapters.bedrock import BedrockSource
from custom_models.adapters.session import new_session
from custom_models.adapters.signing_keys import SecretKeys, StaticKey
from custom_models.adapters.telemetry import Telemetry
from custom_models.core.cursor import CursorSigner
from custom_models.dispatch import Dispatcher
from custom_models.settings import Settings, SettingsError


def build(environment: Mapping[str, str] = os.environ) -> Dispatcher:
    """Return the Lambda handler.

    Raises:
        SettingsError: a setting in the environment is missing or wrong.
    """
    settings = Settings.read(environment)
    # Both clients share one session, so that botocore reads its data files only once.
    with _settings_error("AWS"):
        session = new_session()
        source = BedrockSource(session, settings.account)
    with _settings_error("POWERTOOLS"):
        telemetry = Telemetry(settings.service)
    keys = (
        StaticKey(settings.cursor_key) if settings.cursor_key else SecretKeys(settings.cursor_secret_id or "", session)
    )
    signer = CursorSigner(keys, settings.cursor_lifetime)
    return Dispatcher(source, signer, telemetry, _document)


@contextmanager
def _settings_error(prefix: str) -> Iterator[None]:
    """Convert a library's errors about its own settings, in the environment or in files, to SettingsError."""
    try:
        yield
    except (BotoCoreError, ValueError, InvalidLoggerSamplingRateError) as error:
        raise SettingsError(f"The {prefix}_ settings in the environment cannot be used: {error}") from None


def _document() -> str:
    # Imported here because no listing needs it.
    from custom_models.adapters.rest_api.openapi import document

    return document()
