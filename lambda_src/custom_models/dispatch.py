"""Handles an invocation: passes the event to the adapter for its kind, sets the deadline, and logs the request."""

from collections.abc import Sequence
from typing import Any, Protocol

from custom_models.adapters.direct_invocation import DirectInvocation
from custom_models.adapters.rest_api import Document, RestApi, is_http
from custom_models.adapters.signing_keys import MAX_READ_SECONDS
from custom_models.adapters.telemetry import Telemetry
from custom_models.core.budget import Limits
from custom_models.core.cursor import CursorSigner
from custom_models.core.listing import Listing, list_models
from custom_models.core.models import PageSource, Source
from custom_models.core.query import Query
from custom_models.request_log import RequestLog

RESERVED_SECONDS = MAX_READ_SECONDS + 1.0
"""Seconds of the invocation that a listing cannot use: to read the key, and to write the response and the log."""


class Context(Protocol):
    """The parts of Lambda's context object that are used."""

    @property
    def aws_request_id(self) -> str:
        """Return the id of the invocation."""
        ...

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""
        ...


class Dispatcher:
    """The Lambda handler."""

    def __init__(
        self,
        inventory: Sequence[Source],
        source: PageSource,
        signer: CursorSigner,
        telemetry: Telemetry,
        document: Document,
    ) -> None:
        """``inventory`` has the sources that a request can select."""
        self._source = source
        self._signer = signer
        self._telemetry = telemetry
        self._rest_api = RestApi(inventory, self._list_models, document)
        self._direct_invocation = DirectInvocation(inventory, self._list_models)

    def __call__(self, event: Any, context: Context) -> dict[str, Any]:
        """Return the proxy response to an HTTP event, or the result of a direct invocation.

        Raises:
            CustomModelsError: a direct invocation failed.
        """
        limits = Limits.from_now(context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS)
        log = RequestLog(context.aws_request_id, limits)
        try:
            return (self._rest_api if is_http(event) else self._direct_invocation).handle(event, log)
        finally:
            self._telemetry.emit(log, context.aws_request_id)

    def _list_models(self, query: Query, log: RequestLog) -> Listing:
        log.add_query(query)
        listing = list_models(query, self._source, self._signer, log.limits, log.usage)
        log.add_listing(listing)
        return listing
