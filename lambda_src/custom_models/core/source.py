"""Where pages come from."""

from typing import Protocol

from custom_models.core.budget import Budget
from custom_models.core.page import Page
from custom_models.core.query import Filters


class PageSource(Protocol):
    """Something that gives one page of custom models at a time, such as Bedrock in one region."""

    longest_attempt: float
    """Seconds that one attempt at a call may last at most."""

    def fetch(self, filters: Filters, page_size: int, token: str | None, budget: Budget) -> Page:
        """Return the page at ``token`` (None for the first), of at most ``page_size`` models.

        Accounts for the call in ``budget`` and does not retry beyond its deadline.

        Raises:
            UpstreamThrottled, UpstreamUnavailable: the same call may succeed later.
            ExpiredCursor: ``token`` is not taken any more; the listing must start again.
            UpstreamDenied, UpstreamRejected, UpstreamInvalid: it would not.
        """
        ...
