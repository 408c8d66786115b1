"""What one request did."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from custom_models.core.budget import Budget
from custom_models.core.errors import CustomModelsError
from custom_models.core.listing import Listing
from custom_models.core.query import Query


@dataclass(eq=False, repr=False)
class RequestLog:
    """Filled in on a request's way, told to the log at its end. It never holds a cursor, a token or a key."""

    request_id: str
    budget: Budget
    route: str = "direct"
    correlation_id: str = ""
    caller: str | None = None
    outcome: str = "internal"
    """``ok``, ``not-modified``, or the kind of the error that the caller was told."""
    status: int | None = None
    """The HTTP status; None for a direct invocation."""
    fault: BaseException | None = None
    """What nobody expected: told to the log with its stack trace, and to nobody else."""
    filters: Sequence[str] = ()
    started: float = field(default_factory=time.monotonic)
    cursor_in: bool = False
    cursor_out: bool = False
    items: int = 0
    end: str | None = None

    def asked(self, query: Query) -> None:
        """Note what was asked for: which filters, not their values."""
        self.filters = sorted(query.filters)
        self.cursor_in = query.cursor is not None

    def listed(self, listing: Listing) -> None:
        """Note what came of it."""
        self.items = len(listing.models)
        self.cursor_out = listing.cursor is not None
        self.end = listing.end

    def failed(self, error: Exception) -> None:
        """Note what went wrong. What is not one of our own errors is a fault, and so is what caused one."""
        if isinstance(error, CustomModelsError):
            self.outcome = error.kind
            if error.kind.startswith("upstream-"):
                self.budget.failure = self.budget.failure or error.detail
            self.fault = error.__cause__
        else:
            self.fault = error


ListModels: TypeAlias = Callable[[Query, RequestLog], Listing]
"""What both kinds of invocation call: a listing for a query, told to its record."""
