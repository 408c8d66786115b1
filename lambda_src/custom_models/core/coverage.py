"""Coverage: which of the selected sources a walk has listed, and which it could not.

A walk finishes one source after the other. The outcome of each is one character, so that the outcomes
of 500 sources fit into a cursor.
"""

from collections.abc import Sequence
from typing import NamedTuple

from custom_models.core.errors import (
    UpstreamDenied,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from custom_models.core.models import Source

LISTED = "."
NOT_OFFERED = "-"
_UNREACHABLE: dict[str, type[UpstreamError]] = {
    "t": UpstreamThrottled,
    "u": UpstreamUnavailable,
    "d": UpstreamDenied,
    "r": UpstreamRejected,
    "i": UpstreamInvalid,
}
"""Upper case if the source has given a page before it failed."""


def outcome_of(error: UpstreamError, *, gave_page: bool) -> str:
    """Return the outcome of a source that failed with this error."""
    letter = next(letter for letter, kind in _UNREACHABLE.items() if isinstance(error, kind))
    return letter.upper() if gave_page else letter


class Coverage(NamedTuple):
    """How complete a walk is so far."""

    sources: Sequence[Source]
    """The selected sources, in the order of the walk."""

    outcomes: str
    """The outcome of each source that is finished."""

    def body(self) -> dict[str, object]:
        """Return the ``coverage`` of a response. It is cumulative, and has no text from upstream."""
        listed, finished = self.listed, zip(self.sources, self.outcomes, strict=False)
        return {
            "sources": len(self.sources),
            "listed": listed,
            "notOffered": [str(source) for source, outcome in finished if outcome == NOT_OFFERED],
            "unreachable": [{"source": str(source), "problem": kind} for source, kind in self.unreachable()],
            "complete": listed == len(self.sources),
        }

    def unreachable(self) -> list[tuple[Source, str]]:
        """Return the sources that failed, each with the kind of its problem."""
        return [
            (source, _UNREACHABLE[outcome.lower()].kind)
            for source, outcome in zip(self.sources, self.outcomes, strict=False)
            if outcome not in (LISTED, NOT_OFFERED)
        ]

    @property
    def listed(self) -> int:
        """The number of sources that were listed to their end. Those in ``notOffered`` count: they have no models."""
        return self.outcomes.count(LISTED) + self.outcomes.count(NOT_OFFERED)

    def failure(self) -> UpstreamError | None:
        """Return the error to raise at the end of a walk that listed nothing; None if it listed something.

        It listed nothing if no source that offers the operation was listed, and no other gave a page before it failed.
        """
        if LISTED in self.outcomes or any(outcome.isupper() for outcome in self.outcomes):
            return None
        for source, outcome in zip(self.sources, self.outcomes, strict=True):
            if outcome != NOT_OFFERED:
                return _UNREACHABLE[outcome]().at(source)
        error = UpstreamRejected("None of the selected regions has this operation of Bedrock.")
        return error.at(self.sources[0]) if len(self.sources) == 1 else error
