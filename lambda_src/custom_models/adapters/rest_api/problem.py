"""Converts errors to problem details (RFC 9457)."""

from custom_models.core.errors import (
    CursorMismatch,
    CustomModelsError,
    ExpiredCursor,
    Internal,
    InvalidCursor,
    InvalidQuery,
    UpstreamDenied,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:custom-models:"


class NotFound(CustomModelsError):
    """The path does not exist."""

    kind = "not-found"
    title = "Not found"
    advice = "This path does not exist; use /v1/custom-models, or /v1/openapi.json for the description of the API."


class MethodNotAllowed(CustomModelsError):
    """The path exists, but not with this method."""

    kind = "method-not-allowed"
    title = "Method not allowed"
    advice = "Use GET or HEAD; this API is read-only."


STATUS: dict[type[CustomModelsError], int] = {
    InvalidQuery: 400,
    InvalidCursor: 400,
    ExpiredCursor: 400,
    CursorMismatch: 400,
    NotFound: 404,
    MethodNotAllowed: 405,
    UpstreamThrottled: 429,
    UpstreamDenied: 500,
    Internal: 500,
    UpstreamRejected: 502,
    UpstreamInvalid: 502,
    UpstreamUnavailable: 503,
}


def problem(error: CustomModelsError, request_id: str) -> dict[str, object]:
    """Return the problem details of an error."""
    details: dict[str, object] = {
        "type": TYPE_PREFIX + error.kind,
        "title": error.title,
        "status": STATUS[type(error)],
        "detail": error.detail,
        "requestId": request_id,
    }
    if error.source is not None:
        details["source"] = error.source
    if isinstance(error, InvalidQuery) and error.errors:
        details["errors"] = [{"parameter": name, "message": message} for name, message in error.errors]
    return details
