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
from botocore.exceptions import ConnectionClosedError

from custom_models.adapters.bedrock import deadline
from custom_models.adapters.bedrock.errors import code_and_status, is_throttle
from custom_models.core.budget import Limits, Usage


class Call:
    """A call in progress.

    ``status`` is that of the last attempt's response, 0 if there is none yet. ``content`` is the JSON
    content of a response with status 200, None if there is none, or it is not JSON.
    """

    def __init__(self, limits: Limits, usage: Usage) -> None:
        """Take the limits of the request, and what it used so far."""
        self.limits = limits
        self.usage = usage
        self.status = 0
        self.content: object = None


# botocore passes no context to its event handlers, so they find their call in this variable.
_current: ContextVar[Call] = ContextVar("call")


@contextmanager
def call_in_progress(limits: Limits, usage: Usage) -> Iterator[Call]:
    """Start a call and make it the current one of this thread. Add it and its time to ``usage``."""
    usage.calls += 1
    call = Call(limits, usage)
    reset = _current.set(call)
    start = time.monotonic()
    try:
        yield call
    finally:
        usage.seconds += time.monotonic() - start
        _current.reset(reset)


def register(events: Any) -> None:
    """Register the handlers with a client's event emitter."""
    events.register("before-send.bedrock.ListCustomModels", _on_before_send)
    events.register("before-parse.bedrock.ListCustomModels", _on_before_parse)
    events.register("needs-retry.bedrock.ListCustomModels", _on_needs_retry)


def _on_before_send(**_: object) -> None:
    call = _current.get()
    call.usage.attempts += 1
    call.status = 0
    call.content = None


def _on_before_parse(*, response_dict: dict[str, Any], **_: object) -> None:
    """Read a listing as JSON, and leave botocore's parser nothing to parse.

    This is faster and stricter than botocore's parser, which returns an empty list for many invalid
    bodies (docs/adr/0009-parsing.md). botocore still parses errors.
    """
    call = _current.get()
    call.status = response_dict["status_code"]
    if call.status == 200:
        body, response_dict["body"] = response_dict["body"], b"{}"
        with suppress(ValueError, RecursionError):
            call.content = json.loads(body.decode())


def _on_needs_retry(*, response: tuple[AWSResponse, Any] | None, **_: object) -> bool | None:
    """Return False (no retry) if a retry could end after the deadline; else None, so that botocore decides."""
    call = _current.get()
    if response is not None:
        http, parsed = response
        _require_whole(http)
        if is_throttle(*code_and_status(parsed)):
            call.usage.throttles += 1
    return False if call.limits.remaining < deadline.MAX_BACKOFF + deadline.MAX_ATTEMPT_SECONDS else None


def _require_whole(http: AWSResponse) -> None:
    """Raise ConnectionClosedError for a truncated body. botocore would parse the part that arrived."""
    length = str(http.headers.get("Content-Length", ""))
    if length.isdecimal() and len(length) < 16 and len(http.content) < int(length):
        raise ConnectionClosedError(endpoint_url="")
