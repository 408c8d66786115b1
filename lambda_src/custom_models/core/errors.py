"""All errors of a request.

The class names are public: Step Functions state machines name them in ``ErrorEquals``. Over HTTP,
the ``kind`` is the last part of a problem's ``type``.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self


class CustomModelsError(Exception):
    """An error that is reported to the caller.

    Its text says what the caller can do. It never contains text from upstream.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    advice: ClassVar[str]
    """The default text of the error. The code that raises the error may pass a more specific text."""

    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may succeed; None if it would fail again."""

    for_operators: ClassVar[bool] = False
    """Whether only the operators of this API can fix it."""

    source: str | None = None
    """The source that failed, ``ACCOUNT/REGION``; None if the error does not come from one source."""

    def __init__(self, detail: str | None = None) -> None:
        """``detail`` is the text for the caller; the default is ``advice``."""
        self.detail = detail or self.advice
        super().__init__(self.detail)

    def at(self, source: object) -> Self:
        """Set the source, and return the error."""
        self.source = str(source)
        return self

    def __str__(self) -> str:
        """Return the message of a direct invocation, which has no field for the source."""
        return self.detail if self.source is None else f"{self.detail} (source {self.source})"


class ParameterError(NamedTuple):
    """An invalid parameter. The message continues a sentence that starts with the parameter's name."""

    parameter: str
    message: str


class InvalidQuery(CustomModelsError):
    """At least one parameter is invalid. ``errors`` names all that are."""

    kind = "invalid-query"
    title = "The request's parameters are not valid"
    advice = "Correct the parameters and send the request again."

    def __init__(self, errors: Sequence[ParameterError] = (), detail: str | None = None) -> None:
        """``errors`` has the invalid parameters; ``detail`` is a sentence for an error that is not in a parameter."""
        self.errors = tuple(errors)
        super().__init__(detail or "; ".join(f"{name} {message}" for name, message in errors) + ".")


class CursorError(CustomModelsError):
    """The cursor cannot be used."""


class InvalidCursor(CursorError):
    """The cursor is malformed, forged, or signed with a key that is no longer known."""

    kind = "invalid-cursor"
    title = "The cursor is not valid"
    advice = "Send nextCursor exactly as an earlier response returned it, or omit the cursor to start again."


class ExpiredCursor(CursorError):
    """The cursor is too old for this API or for Bedrock."""

    kind = "expired-cursor"
    title = "The cursor has expired"
    advice = "Omit the cursor to start the listing again."


class CursorMismatch(CursorError):
    """The cursor belongs to a listing with other filters, another order or other sources."""

    kind = "cursor-mismatch"
    title = "The cursor belongs to another listing"
    advice = (
        "Send the cursor with the same filters, order, accounts and regions as the request that returned it "
        "(maxItems, pageSize and allowPartial may change). If you did, the inventory of this API has changed: "
        "omit the cursor to start again."
    )


class UpstreamError(CustomModelsError):
    """A service that this API depends on did not return a listing."""


class UpstreamThrottled(UpstreamError):
    """Bedrock throttled the call, and its retries too."""

    kind = "upstream-throttled"
    title = "Bedrock is throttling"
    advice = "Bedrock limits the rate of these requests; wait and send the same request again."
    retry_after = 2


class UpstreamUnavailable(UpstreamError):
    """A service that this API depends on failed, timed out or could not be reached."""

    kind = "upstream-unavailable"
    title = "A service that this API depends on is not available"
    advice = "Bedrock did not answer correctly or in time; wait and send the same request again."
    retry_after = 5


class UpstreamDenied(UpstreamError):
    """A call was denied: a role lacks a permission or cannot be assumed, or its credentials are not valid."""

    kind = "upstream-denied"
    title = "Bedrock denied the listing"
    advice = "The role of this API cannot list custom models; ask its operators to grant bedrock:ListCustomModels."
    for_operators = True


class UpstreamRejected(UpstreamError):
    """Bedrock rejected the request as not valid, or none of the selected regions has the operation."""

    kind = "upstream-rejected"
    title = "Bedrock rejected the request"
    advice = "Bedrock does not accept this request; custom models may not be available in this region."


class OperationNotOffered(Exception):
    """The region does not have the operation, so it has no custom models. Not a failure: ``coverage`` names it."""


class UpstreamInvalid(UpstreamError):
    """Bedrock's response breaks its own contract, so it cannot be trusted as a listing."""

    kind = "upstream-invalid"
    title = "Bedrock's response is not valid"
    advice = "Bedrock's response broke its own contract and was not used; report this to the operators of this API."
    for_operators = True


class Internal(CustomModelsError):
    """An internal error: a bug in this API, or a wrong deployment of it."""

    kind = "internal"
    title = "Internal error"
    advice = "This is an error in the API; report it to its operators with the request id."
    for_operators = True
