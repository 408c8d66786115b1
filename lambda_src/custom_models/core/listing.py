"""The listing itself: from a query to models and a cursor, page by page."""

from collections.abc import Sequence
from typing import NamedTuple

from custom_models.core.budget import Budget
from custom_models.core.cursor import TOKEN_CAME_BACK, CursorSigner, Position
from custom_models.core.errors import (
    UpstreamInvalid,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from custom_models.core.models import ModelSummary, Page, PageSource
from custom_models.core.query import Filters, Query


class Listing(NamedTuple):
    """Models, and where to go on; without a cursor there is no more."""

    models: Sequence[ModelSummary]
    cursor: str | None
    end: str
    """Why it ends here: ``complete``, ``max-items``, ``budget``, or the kind of the error that came in between."""

    def body(self) -> dict[str, object]:
        """Return what the caller gets, over HTTP as directly."""
        body: dict[str, object] = {"modelSummaries": self.models}
        if self.cursor is not None:
            body["nextCursor"] = self.cursor
        return body


def list_models(query: Query, source: PageSource, cursors: CursorSigner, budget: Budget) -> Listing:
    """Return the models of a query, from its cursor on.

    Following the cursor to the end gives each model once and in order, whatever ``max_items`` and
    ``page_size`` are on the way: upstream is only ever asked for what is still missing, so that no
    page of its is cut. A listing ends early, with a cursor, rather than lose what it has.

    Raises:
        InvalidCursor, ExpiredCursor, CursorMismatch: nothing was asked of upstream, except where an
            expired cursor is one whose token upstream no longer takes.
        UpstreamThrottled, UpstreamUnavailable: at the first page; later ones end the listing early.
        UpstreamDenied, UpstreamRejected, UpstreamInvalid: at any page.
    """
    start = cursors.read(query.cursor, query.fingerprint) if query.cursor is not None else None
    models, position, end = _walk(query, source, start, budget)
    cursor = cursors.write(position, query.fingerprint) if position is not None else None
    return Listing(models, cursor, end)


def _walk(
    query: Query, source: PageSource, position: Position | None, budget: Budget
) -> tuple[list[ModelSummary], Position | None, str]:
    seen = {position.token} if position is not None else set()
    page = _first_page(query, source, position, budget)
    models: list[ModelSummary] = []
    while True:
        models += page.models
        position = _after(page, position, seen)
        if position is None:
            return models, None, "complete"
        if len(models) == query.max_items:
            return models, position, "max-items"
        if not budget.allows_call(source.max_attempt_seconds):
            return models, position, "budget"
        try:
            page = _fetch(query, source, position, query.max_items - len(models), budget)
        except (UpstreamThrottled, UpstreamUnavailable) as error:
            return models, position, error.kind


def _first_page(query: Query, source: PageSource, position: Position | None, budget: Budget) -> Page:
    if not budget.allows_call(source.max_attempt_seconds):
        raise UpstreamUnavailable("There was too little time left to ask Bedrock; send the same request again.")
    return _fetch(query, source, position, query.max_items, budget)


def _fetch(query: Query, source: PageSource, position: Position | None, missing: int, budget: Budget) -> Page:
    size = min(query.page_size, missing)
    page = source.fetch(query.filters, size, position.token if position is not None else None, budget)
    if len(page.models) > size:
        raise UpstreamInvalid("Bedrock gave more models than it was asked for.")
    _require_filtered(page.models, query.filters)
    return page


_SHOWN = {"modelStatus": "modelStatus", "baseModelArnEquals": "baseModelArn"}
"""Filters whose value a model that passes them shows: as which member."""


def _require_filtered(models: Sequence[ModelSummary], filters: Filters) -> None:
    """Raise UpstreamInvalid for a model that a filter should have left out: it is no listing of what was asked for."""
    for name, member in _SHOWN.items():
        wanted = filters.get(name)
        if wanted is not None and any(model.get(member, wanted) != wanted for model in models):
            raise UpstreamInvalid(f"Bedrock gave models that {name} leaves out.")


def _after(page: Page, position: Position | None, seen: set[str]) -> Position | None:
    """Return where the listing stands after a page: None at its end."""
    if page.next_token is None:
        return None
    if page.next_token in seen:
        raise UpstreamInvalid(TOKEN_CAME_BACK)
    seen.add(page.next_token)
    return position.advance(page.next_token) if position is not None else Position.start(page.next_token)
