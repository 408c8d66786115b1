"""Builds the function from its parts, once at startup."""

import os
from collections.abc import Mapping

from custom_models.adapters.bedrock import BedrockSource
from custom_models.adapters.session import new_session
from custom_models.adapters.signing_keys import SecretKeys, StaticKey
from custom_models.adapters.telemetry import Telemetry
from custom_models.core.cursor import CursorSigner
from custom_models.dispatch import Dispatcher
from custom_models.settings import Settings


def build(environment: Mapping[str, str] = os.environ) -> Dispatcher:
    """Return the Lambda handler.

    Raises:
        SettingsError: the environment is wrong.
        BotoCoreError: region or endpoint are missing or wrong.
    """
    settings = Settings.read(environment)
    # Both clients share one session, so that what botocore reads for the first is there for the second.
    session = new_session()
    keys = (
        StaticKey(settings.cursor_key) if settings.cursor_key else SecretKeys(settings.cursor_secret_id or "", session)
    )
    signer = CursorSigner(keys, settings.cursor_lifetime)
    return Dispatcher(BedrockSource(session), signer, Telemetry(settings.service), _document)


def _document() -> str:
    # Imported here because no listing needs it.
    from custom_models.adapters.rest_api.openapi import document

    return document()
