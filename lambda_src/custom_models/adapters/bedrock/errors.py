"""Translates botocore's exceptions to the core's errors."""

import re
from typing import Any

from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from custom_models.core.errors import (
    ExpiredCursor,
    OperationNotOffered,
    UpstreamDenied,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)

_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
    }
)
_TIMED_OUT = frozenset({"RequestTimeout", "RequestTimeoutException"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "NotAuthorized",
        "OptInRequired",
    }
)
_EXPIRED = "The credentials of this API have expired; ask its operators to renew them."
_SIGNATURE = (
    "Bedrock did not accept the signature of this API; the API's clock or secret key may be wrong, "
    "or a proxy may change its requests. Ask its operators."
)
_UNKNOWN = (
    "Bedrock does not recognize the credentials of this API; they may be wrong, or the region may not be enabled "
    "in their account. Ask its operators."
)
_DENIED_DETAILS = {
    "AuthFailure": _UNKNOWN,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IncompleteSignature": _SIGNATURE,
    "IncompleteSignatureException": _SIGNATURE,
    "InvalidClientTokenId": _UNKNOWN,
    "InvalidSignatureException": _SIGNATURE,
    "MissingAuthenticationToken": _SIGNATURE,
    "MissingAuthenticationTokenException": _SIGNATURE,
    "RequestExpired": _SIGNATURE,
    "RequestTimeTooSkewed": _SIGNATURE,
    "SignatureDoesNotMatch": _SIGNATURE,
    "UnrecognizedClientException": _UNKNOWN,
}
"""Denials whose cause is not a missing permission
(https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html)."""

UNKNOWN_CREDENTIALS = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
"""Errors of credentials that are no longer valid, for example because a member role was created again."""

_NO_RESPONSE = (HTTPClientError, BotocoreConnectionError, ResponseStreamingError, TimeoutError)
"""No complete response arrived in time. ``deadline`` raises TimeoutError, which botocore does not always convert."""

_PARSER_ERRORS = (
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What botocore's parser raises for an error response with an unexpected shape."""


def translate(error: Exception, status: int, token: str | None) -> Exception:
    """Return the core's error for an exception of a call, or the exception itself if it is a bug.

    Args:
        error: what the call raised.
        status: the status of the last response; 0 if there was none.
        token: the token that the call sent.
    """
    if isinstance(error, ClientError) and token is None and _is_not_offered(error.response):
        return OperationNotOffered()
    return _known_error(error, status, token) or error


def translate_credentials(error: Exception) -> Exception:
    """Return the core's error for an exception of a credential provider. Operators must fix it; it is not a bug."""
    if isinstance(error, ClientError):
        known = _error_for(*code_and_status(error.response), None)
        if isinstance(known, UpstreamThrottled | UpstreamUnavailable):
            return known
    if isinstance(error, _NO_RESPONSE):
        return UpstreamUnavailable("The credentials of this API could not be renewed in time; send the request again.")
    return UpstreamDenied("The credentials of this API cannot be loaded or renewed; ask its operators to fix them.")


def translate_role(error: Exception, status: int) -> UpstreamError:
    """Return the core's error for an exception of AssumeRole. If a retry cannot help, it is a denial.

    ``status`` is the status of the last response; 0 if there was none.
    """
    known = _known_error(error, status, None)
    if isinstance(known, UpstreamThrottled):
        return UpstreamThrottled("STS limits the rate of these requests; wait and send the same request again.")
    if isinstance(known, UpstreamUnavailable):
        return UpstreamUnavailable("STS did not answer correctly or in time; wait and send the same request again.")
    if isinstance(known, UpstreamInvalid):
        return UpstreamInvalid("STS returned a response that is not valid.")
    return UpstreamDenied(
        "The role in this account cannot be assumed; ask the operators of this API to check that it exists, that it "
        "trusts the role of this API, and that the external id is the same."
    )


def loggable_code(error: Exception, status: int, token: str | None) -> str:
    """Return the code or class of an error for the log, but never text that could hold a URL or the token."""
    code = code_and_status(error.response)[0] if isinstance(error, ClientError) else type(error).__name__
    safe = re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", code) is not None and code != token
    return code if safe else f"unreadable, status {status}"


def is_throttle(code: str, status: int) -> bool:
    """Return whether an error response means that Bedrock throttled the attempt."""
    return status == 429 or code in _THROTTLED


def code_and_status(parsed: Any) -> tuple[str, int]:
    """Return the error code (empty if there is none) and the HTTP status of a response as botocore parsed it."""
    code = parsed.get("Error", {}).get("Code", "")
    return code if isinstance(code, str) else "", parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _is_not_offered(parsed: Any) -> bool:
    """Return whether an error response means that the region does not have the operation.

    Any other ValidationException is a failure: it must not look like an account without models.
    https://github.com/cartography-cncf/cartography/pull/2225
    """
    code, status = code_and_status(parsed)
    if status not in (400, 404):
        # A code alone does not prove it: with another status, the region may have models.
        return False
    message = parsed.get("Error", {}).get("Message")
    unknown = isinstance(message, str) and "unknown operation" in message.lower()
    return code in ("UnknownOperationException", "UnknownOperation") or (code == "ValidationException" and unknown)


def _known_error(error: Exception, status: int, token: str | None) -> Exception | None:
    """Return the core's error for an exception of a call to AWS; None if only a bug explains it."""
    if isinstance(error, ClientError):
        return _error_for(*code_and_status(error.response), token)
    if isinstance(error, _NO_RESPONSE):
        return UpstreamUnavailable()
    if isinstance(error, _PARSER_ERRORS) and status:
        # Without a response, the same exceptions are bugs, here or in a credential provider.
        return UpstreamInvalid() if status < 300 else _error_for("", status, token)
    return None


def _error_for(code: str, status: int, token: str | None) -> Exception:
    if is_throttle(code, status):
        return UpstreamThrottled()
    if status >= 500 or status == 408 or code in _TIMED_OUT:
        return UpstreamUnavailable()
    if status in (401, 403) or code in _DENIED or code in _DENIED_DETAILS:
        return UpstreamDenied(_DENIED_DETAILS.get(code))
    if code == "ValidationException" and token is not None:
        # Bedrock accepted the same filters when it returned the token, so it rejects the token.
        return ExpiredCursor()
    return UpstreamRejected() if status >= 400 else UpstreamInvalid()
