"""Model summaries, pages of them, and the interface that pages come from."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, Protocol, TypedDict

from custom_models.core.budget import Limits, Usage
from custom_models.core.parameters import Filters


class ModelSummary(TypedDict):
    """One custom model, with Bedrock's field names and values that JSON can hold.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CustomModelSummary.html
    """

    modelArn: str
    modelName: str
    creationTime: str
    """RFC 3339 in UTC (``Z``), with every fraction digit that Bedrock returned."""
    baseModelArn: str
    baseModelName: str
    customizationType: NotRequired[str]
    ownerAccountId: NotRequired[str]
    modelStatus: NotRequired[str]


class Page(NamedTuple):
    """The result of one upstream call: some models, and the token of the next page if there is one."""

    models: Sequence[ModelSummary]
    next_token: str | None


class PageSource(Protocol):
    """A source of custom models that returns one page at a time, such as Bedrock in one region."""

    account: str | None
    """The account whose models are listed, which ``isOwned`` refers to; None if it is not known."""

    max_attempt_seconds: float
    """The longest time in seconds that one attempt of a call can take."""

    def fetch(self, filters: Filters, page_size: int, token: str | None, limits: Limits, usage: Usage) -> Page:
        """Return the page at ``token`` (None: the first page), with at most ``page_size`` models.

        Adds the call to ``usage``. Does not retry when a retry could end after the deadline.

        Raises:
            UpstreamThrottled, UpstreamUnavailable: the same call may succeed later.
            ExpiredCursor: ``token`` is no longer accepted; the listing must start again.
            UpstreamDenied, UpstreamRejected, UpstreamInvalid: the same call would fail again.
        """
        ...
