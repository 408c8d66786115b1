"""What a listing is made of: model summaries, pages of them, and where the pages come from."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, Protocol, TypedDict

from custom_models.core.budget import Budget
from custom_models.core.query import Filters


class ModelSummary(TypedDict):
    """One custom model in Bedrock's own names, ready for JSON.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CustomModelSummary.html
    """

    modelArn: str
    modelName: str
    creationTime: str
    """RFC 3339 in UTC (``Z``), with all the precision that Bedrock gave."""
    baseModelArn: str
    baseModelName: str
    customizationType: NotRequired[str]
    ownerAccountId: NotRequired[str]
    modelStatus: NotRequired[str]


class Page(NamedTuple):
    """What one upstream call gave: models, and the token of the next page if there is one."""

    models: Sequence[ModelSummary]
    next_token: str | None


class PageSource(Protocol):
    """Something that gives one page of custom models at a time, such as Bedrock in one region."""

    max_attempt_seconds: float
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
