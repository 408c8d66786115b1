"""Builds the function out of its parts, once."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from custom_models.adapters.bedrock import BedrockSource
from custom_models.adapters.direct_invocation import Direct
from custom_models.adapters.rest_api import RestApi, is_http
from custom_models.adapters.session import new_session
from custom_models.adapters.signing_keys import MAX_READ_SECONDS, SecretKeys, StaticKey
from custom_models.adapters.telemetry import Telemetry
from custom_models.core.budget import Budget
from custom_models.core.cursor import CursorSigner
from custom_models.core.listing import Listing, list_models
from custom_models.core.query import Query
from custom_models.request_log import RequestLog
from custom_models.settings import Settings

RESERVE = MAX_READ_SECONDS + 1.0
"""Seconds kept back of the invocation's time: to read the key of a cursor, to write the answer and the log."""


class Context(Protocol):
    """What is used of the context object that Lambda passes."""

    @property
    def aws_request_id(self) -> str:
        """Return the id of the invocation."""
        ...

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""
        ...


Handler: TypeAlias = Callable[[Any, Context], dict[str, Any]]


def build(environment: Mapping[str, str] = os.environ) -> Handler:
    """Return the Lambda handler; see README for its two kinds of event.

    Raises:
        SettingsError: the environment is wrong.
    """
    settings = Settings.read(environment)
    # One for both clients: what botocore reads to make the first is there for the second.
    session = new_session()
    keys = (
        StaticKey(settings.cursor_key) if settings.cursor_key else SecretKeys(settings.cursor_secret_id or "", session)
    )
    cursors = CursorSigner(keys, settings.cursor_lifetime)
    source = BedrockSource(session)
    telemetry = Telemetry(settings.service)

    def listing(query: Query, record: RequestLog) -> Listing:
        record.asked(query)
        found = list_models(query, source, cursors, record.budget)
        record.listed(found)
        return found

    http, direct = RestApi(listing, _document), Direct(listing)

    def handler(event: Any, context: Context) -> dict[str, Any]:
        budget = Budget.of(context.get_remaining_time_in_millis() / 1000 - RESERVE)
        record = RequestLog(context.aws_request_id, budget)
        try:
            return (http if is_http(event) else direct).handle(event, record)
        finally:
            telemetry.emit(record, context.aws_request_id)

    return handler


def _document() -> str:
    # Imported here: no listing needs it.
    from custom_models.adapters.rest_api.openapi import document

    return document()
