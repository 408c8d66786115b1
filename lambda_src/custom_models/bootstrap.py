"""Builds the function from its parts, once at startup."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from aws_lambda_powertools.logging.exceptions import InvalidLoggerSamplingRateError
from botocore.credentials import create_credential_resolver
from botocore.exceptions import BotoCoreError, NoRegionError

from custom_models.adapters.bedrock import AccountCredentials, Bedrock, MemberRole
from custom_models.adapters.session import new_session
from custom_models.adapters.signing_keys import SecretKeys, StaticKey
from custom_models.adapters.telemetry import Telemetry
from custom_models.core.cursor import CursorSigner, SigningKeys
from custom_models.core.models import Source
from custom_models.dispatch import Dispatcher
from custom_models.inventory import Inventory
from custom_models.settings import Settings, SettingsError


def build(environment: Mapping[str, str] = os.environ) -> Dispatcher:
    """Return the Lambda handler.

    Raises:
        SettingsError: a setting in the environment is missing or wrong.
    """
    settings = Settings.read(environment)
    with _settings_error("AWS"):
        sources, bedrock = _bedrock(settings)
    with _settings_error("POWERTOOLS"):
        telemetry = Telemetry(settings.service)
    if settings.cursor_key:
        keys: SigningKeys = StaticKey(settings.cursor_key)
    else:
        # Another session, because the one for Bedrock signs with the credentials of members.
        keys = SecretKeys(settings.cursor_secret_id or "", new_session)
    return Dispatcher(sources, bedrock, CursorSigner(keys, settings.cursor_lifetime), telemetry, _document)


def _bedrock(settings: Settings) -> tuple[Sequence[Source], Bedrock]:
    """Return the sources of the inventory, and the page source that reads them."""
    session = new_session()
    region = session.get_config_variable("region")
    if region is None:
        raise NoRegionError
    sources, role_name, external_id = settings.inventory or Inventory((Source(settings.account, region),))
    role = MemberRole(role_name, external_id, settings.service)
    own = create_credential_resolver(session).load_credentials()
    credentials = AccountCredentials(settings.account, own, role, new_session)
    return sources, Bedrock(session, {source.region for source in sources}, credentials)


@contextmanager
def _settings_error(prefix: str) -> Iterator[None]:
    """Convert a library's errors about its own settings, in the environment or in files, to SettingsError."""
    try:
        yield
    except (BotoCoreError, ValueError, InvalidLoggerSamplingRateError) as error:
        raise SettingsError(f"The {prefix}_ settings in the environment cannot be used: {error}") from None


def _document(url: str) -> str:
    # Imported here because no listing needs it.
    from custom_models.adapters.rest_api.openapi import document

    return document(url)
