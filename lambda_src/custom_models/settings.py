"""The function's settings, read from its environment and validated."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from custom_models.core.cursor import MIN_KEY_LENGTH
from custom_models.inventory import Inventory

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_SESSION_NAME = r"[\w+=,.@-]{2,64}"
"""STS's own rule; a test compares it with botocore's service model."""

MIN_LIFETIME, MAX_LIFETIME = 60, 7 * 24 * 3600


class SettingsError(ValueError):
    """A setting is missing or wrong. The text names it and says what it must be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The function's settings.

    boto3 reads region, credentials and ``AWS_ENDPOINT_URL_BEDROCK``; Powertools reads
    ``POWERTOOLS_LOG_LEVEL``, which is only checked here.
    """

    cursor_secret_id: str | None
    """``CURSOR_SECRET_ID``: name or ARN of the secret in Secrets Manager that holds the key for cursors."""

    cursor_key: str | None = field(repr=False)
    """``CURSOR_KEY``: the key itself, for use without Secrets Manager; at least 32 characters."""

    service: str
    """``POWERTOOLS_SERVICE_NAME``: the name in the log and the metrics; default ``custom-models``."""

    cursor_lifetime: int
    """``CURSOR_LIFETIME_SECONDS``: seconds until a cursor expires; default 86,400 (a day)."""

    account: str
    """``OWN_ACCOUNT_ID``: the account that the function's own credentials belong to."""

    inventory: Inventory | None
    """``INVENTORY``: the sources, as a JSON object or the name of a JSON file with it in ``LAMBDA_TASK_ROOT``.

    By default there is one source, the own account in the function's region. ``LAMBDA_TASK_ROOT`` is the folder with
    the function's code; Lambda sets it.
    """

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the environment.

        Raises:
            SettingsError: a setting is missing or wrong.
        """
        secret_id = environment.get("CURSOR_SECRET_ID") or None
        key = environment.get("CURSOR_KEY") or None
        if (secret_id is None) == (key is None):
            raise SettingsError("Set either CURSOR_SECRET_ID (on AWS) or CURSOR_KEY (elsewhere) to sign cursors.")
        if key is not None and len(key) < MIN_KEY_LENGTH:
            raise SettingsError(f"CURSOR_KEY must have at least {MIN_KEY_LENGTH} characters.")
        lifetime = environment.get("CURSOR_LIFETIME_SECONDS", "86400")
        if not (re.fullmatch("[0-9]{1,9}", lifetime) and MIN_LIFETIME <= int(lifetime) <= MAX_LIFETIME):
            raise SettingsError(
                f"CURSOR_LIFETIME_SECONDS must be a whole number from {MIN_LIFETIME} to {MAX_LIFETIME}."
            )
        service = environment.get("POWERTOOLS_SERVICE_NAME") or "custom-models"
        if not re.fullmatch("(?!:)[!-~][ -~]{0,254}", service):
            # CloudWatch accepts no other value of a dimension, and Powertools would omit it.
            raise SettingsError(
                "POWERTOOLS_SERVICE_NAME must be 1 to 255 printable ASCII characters, not starting with a space or :."
            )
        for name in ("POWERTOOLS_LOG_LEVEL", "LOG_LEVEL"):
            if environment.get(name, "").upper() not in ("", *LOG_LEVELS):
                raise SettingsError(f"{name} must be one of {', '.join(LOG_LEVELS)}.")
        account = environment.get("OWN_ACCOUNT_ID", "")
        if not re.fullmatch("[0-9]{12}", account):
            raise SettingsError("OWN_ACCOUNT_ID must be the function's account id, 12 digits.")
        folder = Path(environment.get("LAMBDA_TASK_ROOT", ""))
        inventory = _inventory(environment.get("INVENTORY"), folder, account, service)
        return cls(secret_id, key, service, int(lifetime), account, inventory)


def _inventory(text: str | None, folder: Path, own_account: str, service: str) -> Inventory | None:
    if not text:
        return None
    try:
        if text.endswith(".json"):  # a JSON object ends with }
            text = (folder / text).read_text("utf-8")
        inventory = Inventory.from_json(json.loads(text))
        inventory.require_role(own_account)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"INVENTORY cannot be used: {error}.") from None
    if inventory.member_role_name is not None and not re.fullmatch(_SESSION_NAME, service, re.ASCII):
        raise SettingsError(
            "POWERTOOLS_SERVICE_NAME must be 2 to 64 letters, digits and _+=,.@- because it is the session name "
            "of memberRoleName."
        )
    return inventory
