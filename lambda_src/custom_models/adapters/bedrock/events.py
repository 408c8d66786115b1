"""Handlers of botocore's events: they count attempts, read listings and decide about retries.

Each handler is named after its event. botocore documents these events only in part
(https://docs.aws.amazon.com/botocore/latest/topics/events.html); botocore is pinned, and the tests
fail if an upgrade changes what the handlers use.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ConnectionClosedError
from botocore.retries import standard

from custom_models.adapters.bedrock import deadline
from custom_models.adapters.bedrock.errors import code_and_status, is_throttle
from custom_models.core.budget import CallUsage


class Exchange:
    """What botocore does for one call, in the thread of the call."""

    def __init__(self, usage: CallUsage, ends: float) -> None:
        """``ends`` is when the call must end, on the clock of ``time.monotonic()``."""
        self.usage = usage
        self.ends = ends
        self.credentials: ReadOnlyCredentials | None = None
        """The credentials that sign every attempt."""
        self.connection: Any = None
        """The connection of the last attempt."""
        self.status = 0
        """The status of the last attempt's response; 0 if there is none yet."""
        self.content: object = None
        """The JSON content of a response with status 200; None if there is none, or it is not JSON."""

    def begin(self) -> None:
        """Start the time of the call. It ends before the deadline of its request, and after ``MAX_CALL_SECONDS``."""
        self.ends = min(self.ends, time.monotonic() + deadline.MAX_CALL_SECONDS)

    @property
    def remaining(self) -> float:
        """Seconds until the call must end."""
        return self.ends - time.monotonic()


# botocore passes no context to its event handlers, so they find their exchange in this variable.
_current: ContextVar[Exchange] = ContextVar("exchange")

current = _current.get


@contextmanager
def in_progress(exchange: Exchange) -> Iterator[None]:
    """Make an exchange the current one of this thread."""
    reset = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(reset)


def register(events: Any) -> None:
    """Register the handlers with the event emitter of a client of Bedrock."""
    events.register("before-send.bedrock.ListCustomModels", _on_before_send)
    events.register("before-parse.bedrock.ListCustomModels", _on_before_parse)
    events.register("needs-retry.bedrock.ListCustomModels", _on_needs_retry)


def register_role(events: Any) -> None:
    """Register the handlers with the event emitter of the client of STS."""
    events.register("before-parse.sts.AssumeRole", _on_before_parse_role)
    events.register("needs-retry.sts.AssumeRole", _on_needs_retry_role)


def _on_before_send(**_: object) -> None:
    exchange = _current.get()
    exchange.usage.attempts += 1
    exchange.status = 0
    exchange.content = None


def _on_before_parse(*, response_dict: dict[str, Any], **_: object) -> None:
    """Read a listing as JSON, and leave botocore's parser nothing to parse.

    This is faster and stricter than botocore's parser, which returns an empty list for many invalid
    bodies (docs/adr/0009-parsing.md). botocore still parses errors.
    """
    exchange = _current.get()
    exchange.status = response_dict["status_code"]
    if exchange.status == 200:
        body, response_dict["body"] = response_dict["body"], b"{}"
        with suppress(ValueError, RecursionError):
            exchange.content = json.loads(body.decode())


def _on_before_parse_role(*, response_dict: dict[str, Any], **_: object) -> None:
    _current.get().status = response_dict["status_code"]
    _require_whole(response_dict["headers"], response_dict["body"])


_retries = standard.RetryEventAdapter()
_policy = standard.RetryPolicy(
    standard.StandardRetryConditions(deadline.MAX_ATTEMPTS),
    standard.ExponentialBackoff(throttling_detector=standard.ThrottlingErrorDetector(_retries)),
)


def _on_needs_retry(*, response: tuple[AWSResponse, Any] | None, **event: Any) -> float | bool | None:
    """Return the delay in seconds before the next attempt; False if there is none; None if none is needed."""
    exchange = _current.get()
    if response is not None:
        http, parsed = response
        _require_whole(http.headers, http.content)
        if exchange.status == 200:
            return None
        if is_throttle(*code_and_status(parsed)):
            exchange.usage.throttles += 1
    return _retry_delay(response=response, **event)


def _on_needs_retry_role(**event: Any) -> float | bool:
    return _retry_delay(**event)


def _retry_delay(**event: Any) -> float | bool:
    """Return the delay in seconds before the next attempt; False if there is none.

    The policy is botocore's standard mode, without its quota: all accounts share a client, so one account
    that fails would use up the retries of the others. No attempt starts that could end after the call must.
    """
    context = _retries.create_retry_context(**event)
    if not _policy.should_retry(context):
        return False
    delay: float = _policy.compute_retry_delay(context)
    return delay if _current.get().remaining >= delay + deadline.READ_TIMEOUT else False


def _require_whole(headers: Any, content: bytes) -> None:
    """Raise ConnectionClosedError for a truncated body. botocore would parse the part that arrived."""
    length = str(headers.get("Content-Length", ""))
    if length.isdecimal() and len(length) < 16 and len(content) < int(length):
        raise ConnectionClosedError(endpoint_url="")
