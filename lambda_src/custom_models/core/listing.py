"""The listing: from a query to models and a cursor, page by page."""

from collections.abc import Sequence
from typing import NamedTuple

from custom_models.core.budget import Limits, Usage
from custom_models.core.cursor import TOKEN_REPEATED, CursorSigner, Position
from custom_models.core.errors import UpstreamInvalid, UpstreamThrottled, UpstreamUnavailable
from custom_models.core.models import ModelSummary, Page, PageSource
from custom_models.core.query import Query


class Listing(NamedTuple):
    """The models of one response, and the cursor to continue with; None at the end of the listing."""

    models: Sequence[ModelSummary]
    cursor: str | None
    stop_reason: str
    """Why it stops here: ``complete``, ``max-items``, ``budget``, or the kind of the error that stopped it."""

    def body(self) -> dict[str, object]:
        """Return the body of the response, which is the same over HTTP and by direct invocation."""
        body: dict[str, object] = {"modelSummaries": self.models}
        if self.cursor is not None:
            body["nextCursor"] = self.cursor
        return body


def list_models(query: Query, source: PageSource, signer: CursorSigner, limits: Limits, usage: Usage) -> Listing:
    """Return the models of a query, starting at its cursor.

    Following the cursor to the end returns each model once and in order, even if ``max_items`` and
    ``page_size`` change between requests: each call requests only the models that are still missing,
    so an upstream page is never cut. If a later call is throttled or fails temporarily, the listing
    stops early. It then has the models found so far, and a cursor.

    Raises:
        InvalidCursor, CursorMismatch: before any upstream call.
        ExpiredCursor: before any upstream call, or when upstream no longer accepts the cursor's token.
        UpstreamThrottled, UpstreamUnavailable: at the first call; later they stop the listing early.
        UpstreamDenied, UpstreamRejected, UpstreamInvalid: at any call.
    """
    start = signer.verify(query.cursor, query.fingerprint) if query.cursor is not None else None
    models, position, stop_reason = _Walk(query, source, limits, usage).run(start)
    cursor = signer.sign(position, query.fingerprint) if position is not None else None
    return Listing(models, cursor, stop_reason)


class _Walk:
    """Reads the pages of one request."""

    def __init__(self, query: Query, source: PageSource, limits: Limits, usage: Usage) -> None:
        self._query = query
        self._source = source
        self._limits = limits
        self._usage = usage

    def run(self, position: Position | None) -> tuple[list[ModelSummary], Position | None, str]:
        """Return the models after a position, the position after them (None at the end), and the stop reason."""
        if not self._may_call():
            raise UpstreamUnavailable("There was too little time left to call Bedrock; send the same request again.")
        seen = {position.token} if position is not None else set()
        max_items = self._query.max_items
        page = self._fetch(position, max_items)
        models: list[ModelSummary] = []
        while True:
            models += page.models
            position = _after(page, position, seen)
            if position is None:
                return models, None, "complete"
            if len(models) == max_items:
                return models, position, "max-items"
            if not self._may_call():
                return models, position, "budget"
            try:
                page = self._fetch(position, max_items - len(models))
            except (UpstreamThrottled, UpstreamUnavailable) as error:
                return models, position, error.kind

    def _may_call(self) -> bool:
        return self._limits.allow_call(self._usage.calls, self._source.max_attempt_seconds)

    def _fetch(self, position: Position | None, missing: int) -> Page:
        size = min(self._query.page_size, missing)
        token = position.token if position is not None else None
        page = self._source.fetch(self._query.filters, size, token, self._limits, self._usage)
        if len(page.models) > size:
            raise UpstreamInvalid("Bedrock returned more models than were requested.")
        if self._query.filters:
            # Imported here because a request without filters does not need it.
            from custom_models.core.filters import require_filtered

            require_filtered(page.models, self._query.filters, self._source.account)
        return page


def _after(page: Page, position: Position | None, seen: set[str]) -> Position | None:
    """Return the position after a page; None at the end of the listing."""
    if page.next_token is None:
        return None
    if page.next_token in seen:
        raise UpstreamInvalid(TOKEN_REPEATED)
    seen.add(page.next_token)
    return position.advance(page.next_token) if position is not None else Position.start(page.next_token)
