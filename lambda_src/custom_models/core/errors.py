"""Every way in which a listing can fail.

The class names are public: a Step Functions state machine names them in ``ErrorEquals``. The
``kind`` is the same thing for HTTP, as the last part of a problem's ``type``.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class CustomModelsError(Exception):
    """A failure that the caller is told about; its text says what the caller can do.

    Neither the text nor anything else in it comes from upstream.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    advice: ClassVar[str]
    """The text where the place that raises has nothing more exact to say."""

    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may succeed; None when it would fail again."""

    def __init__(self, detail: str | None = None) -> None:
        """Take what to tell the caller; without it, the class's own advice."""
        self.detail = detail or self.advice
        super().__init__(self.detail)


class ParameterError(NamedTuple):
    """What is wrong with one parameter; the message follows the parameter's name in a sentence."""

    parameter: str
    message: str


class InvalidQuery(CustomModelsError):
    """The parameters are not a query; every bad one is in ``errors``."""

    kind = "invalid-query"
    title = "The request's parameters are not valid"
    advice = "Correct the parameters and send the request again."

    def __init__(self, errors: Sequence[ParameterError] = (), detail: str | None = None) -> None:
        """Take the bad parameters, or, where no parameter is to blame, the whole sentence."""
        self.errors = tuple(errors)
        super().__init__(detail or "; ".join(f"{name} {message}" for name, message in errors) + ".")


class InvalidCursor(CustomModelsError):
    """The cursor is none of ours: malformed, forged, or signed with a key that is gone."""

    kind = "invalid-cursor"
    title = "The cursor is not valid"
    advice = "Send a nextCursor exactly as an earlier response gave it, or leave out the cursor to start again."


class ExpiredCursor(CustomModelsError):
    """The cursor is ours, and too old for us or for Bedrock."""

    kind = "expired-cursor"
    title = "The cursor has expired"
    advice = "Leave out the cursor to start the listing again."


class CursorMismatch(CustomModelsError):
    """The cursor belongs to a listing with other filters or another order."""

    kind = "cursor-mismatch"
    title = "The cursor belongs to another listing"
    advice = (
        "Send the cursor with the filters and the order of the request that it came from "
        "(maxItems and pageSize may change), or leave it out to start again."
    )


class UpstreamThrottled(CustomModelsError):
    """Bedrock refused for now, after our own retries."""

    kind = "upstream-throttled"
    title = "Bedrock is throttling"
    advice = "Bedrock is limiting the rate of these requests; wait and send the same request again."
    retry_after = 2


class UpstreamUnavailable(CustomModelsError):
    """A service behind us failed, did not answer in time, or could not be reached."""

    kind = "upstream-unavailable"
    title = "A service behind this API is not available"
    advice = "Bedrock did not answer properly or in time; wait and send the same request again."
    retry_after = 5


class UpstreamDenied(CustomModelsError):
    """Our own role lacks the right to list; nothing that the caller can change."""

    kind = "upstream-denied"
    title = "Bedrock denied the listing"
    advice = "This API's own role may not list custom models; ask its operators to grant bedrock:ListCustomModels."


class UpstreamRejected(CustomModelsError):
    """Bedrock found the request itself not valid, as in a region that does not have the operation."""

    kind = "upstream-rejected"
    title = "Bedrock rejected the request"
    advice = "Bedrock does not accept this request; it may not offer custom models in this region."


class UpstreamInvalid(CustomModelsError):
    """Bedrock's answer breaks its own contract, so it cannot be trusted as a listing."""

    kind = "upstream-invalid"
    title = "Bedrock's answer is not valid"
    advice = "Bedrock's answer broke its own contract, so no listing was made of it; tell this API's operators."


class Internal(CustomModelsError):
    """Anything else: a fault of ours."""

    kind = "internal"
    title = "Internal error"
    advice = "This is a fault of the API; tell its operators, with the request id."
