"""The facts about one request that are logged."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from custom_models.core.budget import Limits, Usage
from custom_models.core.errors import CustomModelsError, UpstreamError
from custom_models.core.listing import Listing
from custom_models.core.query import Query


@dataclass(eq=False, repr=False)
class RequestLog:
    """Collects facts about a request; logged once when it ends. It never holds a cursor, a token or a key."""

    request_id: str
    limits: Limits
    usage: Usage = field(default_factory=Usage)
    route: str = "direct"
    correlation_id: str = ""
    caller: str | None = None
    outcome: str = "internal"
    """``ok``, ``not-modified``, or the kind of the error that was reported to the caller."""
    status: int | None = None
    """The HTTP status; None for a direct invocation."""
    error: CustomModelsError | None = None
    """The error that was reported to the caller."""
    internal_error: BaseException | None = None
    """An unexpected exception. It is logged with its stack trace, and never reported to the caller."""
    filters: Sequence[str] = ()
    accounts: Sequence[str] | None = None
    """The accounts that the request selects; None for all."""
    regions: Sequence[str] | None = None
    """The regions that the request selects; None for all."""
    sources: int = 0
    """The number of selected sources."""
    sources_listed: int = 0
    """How many of them the walk has listed to their end so far."""
    started: float = field(default_factory=time.monotonic)
    cursor_in: bool = False
    cursor_out: bool = False
    items: int = 0
    stop_reason: str | None = None

    def add_query(self, query: Query) -> None:
        """Record which filters are used, but not their values."""
        self.filters = sorted(query.filters)
        self.accounts, self.regions, self.sources = query.accounts, query.regions, len(query.sources)
        self.cursor_in = query.cursor is not None

    def add_listing(self, listing: Listing) -> None:
        """Record the result."""
        self.items = len(listing.models)
        self.cursor_out = listing.cursor is not None
        self.stop_reason = listing.stop_reason
        self.sources_listed = listing.coverage.listed

    def add_error(self, error: Exception) -> None:
        """Record an error. An exception that the API does not define, or a cause, is an internal error."""
        if not isinstance(error, CustomModelsError):
            self.internal_error = error
            return
        self.error = error
        self.outcome = error.kind
        self.internal_error = error.__cause__
        if isinstance(error, UpstreamError):
            self.usage.last_error = self.usage.last_error or error.detail


ListModels: TypeAlias = Callable[[Query, RequestLog], Listing]
"""Returns the listing of a query and records it in the request's log."""
