"""The listing: from a query to models and a cursor, source by source and page by page."""

import time
from collections.abc import Sequence
from typing import NamedTuple, cast

from custom_models.core.budget import CallUsage, Limits, Usage
from custom_models.core.coverage import LISTED, NOT_OFFERED, Coverage, outcome_of
from custom_models.core.cursor import TOKEN_REPEATED, CursorSigner, Position
from custom_models.core.errors import (
    CursorError,
    OperationNotOffered,
    UpstreamError,
    UpstreamInvalid,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from custom_models.core.models import Call, Calls, Page, PageRequest, PageSource, SourcedModel
from custom_models.core.query import Query

MAX_AHEAD = 16
"""The maximum number of sources that are fetched at the same time, the current one included."""

_EXPECTED_MODELS = 25
"""The number of models that a source is expected to have before any is known."""

_MAX_WASTE = 5
"""No source is fetched ahead while more than one call was wasted for this many finished sources."""

COMPLETE = "complete"
MAX_ITEMS = "max-items"
BUDGET = "budget"


class Listing(NamedTuple):
    """The models of one response, and the cursor to continue with; None at the end of the listing."""

    models: Sequence[SourcedModel]
    cursor: str | None
    coverage: Coverage
    stop_reason: str
    """Why it stops here: ``complete``, ``max-items``, ``budget``, or the kind of the error that stopped it."""

    def body(self) -> dict[str, object]:
        """Return the body of the response, which is the same over HTTP and by direct invocation."""
        body: dict[str, object] = {"modelSummaries": self.models}
        if self.cursor is not None:
            body["nextCursor"] = self.cursor
        body["coverage"] = self.coverage.body()
        return body


def list_models(query: Query, source: PageSource, signer: CursorSigner, limits: Limits, usage: Usage) -> Listing:
    """Return the models of a query, starting at its cursor.

    Following the cursor to the end returns each model of each selected source once and in order, even if
    ``max_items`` and ``page_size`` change between requests: each call requests only the models that are still
    missing, so an upstream page is never cut.

    If a source fails temporarily after a page of this request, the listing stops early: it has the models
    so far, and a cursor. With ``query.allow_partial``, a source that fails is left out and reported in
    ``coverage``, except that a source that has given a page must fail in two requests.

    Raises:
        InvalidCursor, CursorMismatch: before any upstream call.
        ExpiredCursor: before any upstream call, or when upstream no longer accepts the cursor's token.
        UpstreamThrottled, UpstreamUnavailable: before the first page of this request.
        UpstreamDenied, UpstreamRejected, UpstreamInvalid: at any call.
        UpstreamError: with ``allow_partial``, at the end of a walk in which every source failed.
    """
    start = signer.verify(query.cursor, query.fingerprint) if query.cursor is not None else Position()
    calls = source.open(limits)
    walk = _Walk(query, calls, limits, usage, start)
    try:
        stop_reason = walk.run()
    finally:
        walk.discard()
        calls.close()
    cursor = signer.sign(walk.position, query.fingerprint) if stop_reason != COMPLETE else None
    return Listing(walk.models, cursor, Coverage(query.sources, walk.position.outcomes), stop_reason)


class _Walk:
    """Reads the pages of one request, source by source, starting at a position."""

    def __init__(self, query: Query, calls: Calls, limits: Limits, usage: Usage, start: Position) -> None:
        self.models: list[SourcedModel] = []
        self.position = start
        self._query = query
        self._calls = calls
        self._limits = limits
        self._usage = usage
        self._start = start
        self._ahead: dict[int, Call] = {}
        self._seen = {start.current.token} if start.current else set()
        self._later_pages = 0
        self._has_page = False
        self._errors: dict[str | None, UpstreamError] = {}

    def run(self) -> str:
        """Collect models, and return the stop reason. Raises what ``list_models`` raises."""
        sources = self._query.sources
        while (index := len(self.position.outcomes)) < len(sources):
            if self._missing == 0:
                return MAX_ITEMS
            if len(sources) > 1:
                self._look_ahead(index)
            if (stop_reason := self._read_page(index)) is not None:
                return stop_reason
        if (failure := Coverage(sources, self.position.outcomes).failure()) is not None:
            # An error that happened in this request has a more specific text.
            raise self._errors.get(failure.source, failure)
        return COMPLETE

    def discard(self) -> None:
        """Count the calls that were made ahead and are not used."""
        for call in self._ahead.values():
            if not call.cancel():
                self._usage.add(call.usage)
                # If the time is over, too many calls ahead were not the reason.
                if self._has_time():
                    self._waste()

    @property
    def _missing(self) -> int:
        return self._query.max_items - len(self.models)

    def _look_ahead(self, index: int) -> None:
        """Start calls for the next sources, as many as are expected to fill the response.

        More would waste calls, and fewer would cost time (docs/adr/0012-look-ahead.md).
        """
        position = self.position
        if position.current is not None or position.wasted * _MAX_WASTE > index or not self._has_time():
            return
        expected = (position.given + _EXPECTED_MODELS) / (index + 1)
        count = min(int(self._missing / expected), MAX_AHEAD, len(self._query.sources) - index)
        if count > 1:
            self._calls.prepare(self._query.sources[index + 1 : index + 2 * count])
        for ahead in range(index + 1, index + count):
            if ahead not in self._ahead:
                self._ahead[ahead] = self._calls.start(self._request(ahead, None))

    def _read_page(self, index: int) -> str | None:
        """Read the next page of the current source; return the reason to stop, or None to go on."""
        current = self.position.current
        call = self._ahead.pop(index, None)
        if call is None or call.cancel():
            if not self._has_time() or (current and self._later_pages == self._limits.max_later_pages):
                return self._out_of_budget()
            if current is not None:
                self._later_pages += 1
            call = self._calls.call(self._request(index, current.token if current else None))
        try:
            page = self._page(call)
            position = self._after(page)
        except OperationNotOffered:
            self.position = self.position.finish(NOT_OFFERED)
        except CursorError as error:
            raise error.at(call.request.source) from None
        except UpstreamError as error:
            return self._fail(error.at(call.request.source), call.usage)
        else:
            if len(page.models) > self._missing:
                # A page is never cut, so the next response starts with this source.
                self._waste()
                return MAX_ITEMS
            self._has_page = True
            self._add(page, str(call.request.source))
            self.position = position
        return None

    def _has_time(self) -> bool:
        return self._limits.remaining >= self._calls.max_attempt_seconds

    def _out_of_budget(self) -> str:
        if self.position == self._start:
            raise UpstreamUnavailable("There was too little time left to call Bedrock; send the same request again.")
        return BUDGET

    def _request(self, index: int, token: str | None) -> PageRequest:
        size = min(self._query.page_size, self._missing)
        return PageRequest(self._query.sources[index], self._query.filters, size, token)

    def _page(self, call: Call) -> Page:
        """Return the page of a call, checked; add the call to the usage of the request."""
        started = time.monotonic()
        try:
            page = call.result()
        finally:
            self._usage.seconds += time.monotonic() - started
            self._usage.add(call.usage)
        if len(page.models) > call.request.page_size:
            raise UpstreamInvalid("Bedrock returned more models than were requested.")
        if self._query.filters:
            # Imported here because a request without filters does not need it.
            from custom_models.core.filters import require_filtered

            require_filtered(page.models, self._query.filters, call.request.source)
        return page

    def _after(self, page: Page) -> Position:
        """Return the position after a page of the current source."""
        if page.next_token is None:
            return self.position.finish(LISTED, len(page.models))
        if self.position.current is None:
            self._seen.clear()
        position = self.position.advance(len(page.models), page.next_token)
        if page.next_token in self._seen:
            raise UpstreamInvalid(TOKEN_REPEATED)
        self._seen.add(page.next_token)
        return position

    def _add(self, page: Page, source: str) -> None:
        for model in (models := cast("Sequence[SourcedModel]", page.models)):
            model["source"] = source
        self.models += models

    def _waste(self) -> None:
        self.position = self.position._replace(wasted=self.position.wasted + 1)

    def _fail(self, error: UpstreamError, call: CallUsage) -> str | None:
        """Handle the failure of the current source; return the reason to stop, or None to go on without it.

        Raises:
            UpstreamError: this error.
        """
        self._usage.add_failure(str(error.source), call.error or error.detail)
        current = self.position.current
        temporary = isinstance(error, UpstreamThrottled | UpstreamUnavailable)
        # A call that started too late proves nothing about its source. The first call always had enough time.
        is_late = call.late and self.position != self._start
        if not self._query.allow_partial:
            if not temporary or not self._has_page:
                raise error
            stop = True
        else:
            # A source that has given a page must fail in two requests.
            stop = temporary and (is_late or (current is not None and not current.failed))
        if stop:
            self.position = self.position if is_late else self.position.fail()
            return error.kind
        self._errors[error.source] = error
        self._usage.unreachable += 1
        self.position = self.position.finish(outcome_of(error, gave_page=current is not None))
        return None
