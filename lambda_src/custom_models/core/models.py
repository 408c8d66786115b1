"""Sources, their models, pages of models, and the interface that pages come from."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, Protocol, TypedDict

from custom_models.core.budget import CallUsage, Limits
from custom_models.core.parameters import Filters


class Source(NamedTuple):
    """One account in one region."""

    account: str
    region: str

    def __str__(self) -> str:
        """Return its name in requests, responses and logs, such as ``111122223333/us-east-1``."""
        return f"{self.account}/{self.region}"


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


class SourcedModel(ModelSummary):
    """A model of a listing: a summary, and the source that it was listed in."""

    source: str
    """``ACCOUNT/REGION``."""


class Page(NamedTuple):
    """The result of one upstream call: some models, and the token of the next page if there is one."""

    models: Sequence[ModelSummary]
    next_token: str | None


class PageRequest(NamedTuple):
    """One upstream call: a request for a page of a source."""

    source: Source
    filters: Filters
    page_size: int
    token: str | None
    """The token of the page; None for the first page."""


class Call(Protocol):
    """An upstream call for one page."""

    request: PageRequest
    usage: CallUsage
    """What the call has used so far."""

    def cancel(self) -> bool:
        """Prevent the call from starting. Return False if it has already started."""
        ...

    def result(self) -> Page:
        """Return the page, with at most ``page_size`` models. Make the call, or wait for it if it has started.

        The call is retried. It ends before the deadline of the request.

        Raises:
            UpstreamThrottled, UpstreamUnavailable: the same call may succeed later.
            ExpiredCursor: the token is no longer accepted; the listing must start again.
            OperationNotOffered: the region does not have the operation. Only for a first page.
            UpstreamDenied, UpstreamRejected, UpstreamInvalid: the same call would fail again.
        """
        ...


class Calls(Protocol):
    """The calls of one request."""

    max_attempt_seconds: float
    """The longest time in seconds that one attempt of a call can take."""

    def call(self, request: PageRequest) -> Call:
        """Return a call that ``result`` makes in the calling thread."""
        ...

    def start(self, request: PageRequest) -> Call:
        """Return a call that is made in the background, at once or when fewer calls are running there."""
        ...

    def prepare(self, sources: Sequence[Source]) -> None:
        """Load in the background what calls of these sources will need, such as credentials."""
        ...

    def close(self) -> None:
        """Abandon the calls that are still running. They change nothing that a later request uses."""
        ...


class PageSource(Protocol):
    """A service that lists custom models page by page, such as Bedrock."""

    def open(self, limits: Limits) -> Calls:
        """Return the calls of one request with these limits."""
        ...
