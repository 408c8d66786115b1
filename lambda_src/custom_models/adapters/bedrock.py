"""Bedrock as a page source: boto3's own paginator, one page at a time.

One ``paginate()`` per upstream call, of which one page is taken: within one, botocore keeps
``maxResults`` and cuts pages to ``MaxItems`` in a way that repeats models when the page size
changes on resume (docs/adr/0003-paging.md). botocore's words for these things stay in this module.

botocore hands the JSON of a listing over, and this module checks it as it came: faster than
botocore's parser, and stricter (docs/adr/0009-parsing.md).
"""

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from botocore.parsers import ResponseParserError

from custom_models.core.budget import Budget
from custom_models.core.errors import (
    ExpiredCursor,
    UpstreamDenied,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from custom_models.core.models import ModelSummary, Page
from custom_models.core.query import Filters

# An attempt ends within 7 s, a call within two hanging attempts or three quick ones; the deadline
# that these fit under is the budget's (docs/adr/0005-time.md).
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 5
MAX_ATTEMPTS = 3
MAX_BACKOFF = 7
"""Seconds that botocore waits at most before a second or third attempt: 2 of its own, 5 at Bedrock's wish."""

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
_DENIED = frozenset({"AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException"})
_TOKEN = re.compile(r"[^\s\ud800-\udfff]{0,2048}")
"""Bedrock's own pattern and length, less what no URL can carry. An empty one is none, as botocore has it."""

_MAX_TEXT = 2048
_MEMBERS = tuple(ModelSummary.__annotations__)
_REQUIRED = ModelSummary.__required_keys__
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


class BedrockSource:
    """The custom models of one account in one region."""

    def __init__(self, session: boto3.Session) -> None:
        """Create the client from the session: region, credentials, ``AWS_ENDPOINT_URL_BEDROCK``.

        Raises:
            BotoCoreError: no region is set, or an endpoint is not a URL.
        """
        self.max_attempt_seconds: float = CONNECT_TIMEOUT + READ_TIMEOUT
        client = session.client(
            "bedrock",
            config=Config(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
                # botocore puts its own together twice for each request, a tenth of a small one's time.
                user_agent=f"custom-models-api Boto3/{boto3.__version__}",
                # Query has done it, and refuses more.
                parameter_validation=False,
            ),
        )
        events: Any = client.meta.events
        events.register("before-send.bedrock.ListCustomModels", _on_before_send)
        events.register("before-parse.bedrock.ListCustomModels", _on_before_parse)
        events.register("needs-retry.bedrock.ListCustomModels", _on_needs_retry)
        self._client = client
        self._paginator = client.get_paginator("list_custom_models")

    def fetch(self, filters: Filters, page_size: int, token: str | None, budget: Budget) -> Page:
        """Return one page; see PageSource."""
        arguments: dict[str, Any] = dict(filters)
        if token is not None:
            # Not through StartingToken, which takes a token apart when it happens to decode as JSON.
            arguments["nextToken"] = token
        try:
            with _call(budget) as call, _interrupted(budget.remaining):
                pages = self._paginator.paginate(**arguments, PaginationConfig={"PageSize": page_size})
                answer = _translated(lambda: next(iter(pages)), call, token)
            return _page(answer)
        except UpstreamInvalid:
            # The rest of a broken answer must not be read as the answer to another request.
            self._client.close()
            raise
        except TimeoutError:
            # Between two steps, where nobody waited that would have made a timeout of its own of it.
            self._client.close()
            budget.failure = TimeoutError.__name__
            raise UpstreamUnavailable from None


@dataclass(eq=False)
class _Call:
    """One call under way."""

    budget: Budget
    status: int = 0
    """Of the answer to the last attempt; 0 before there is one."""


# The call under way in this thread: botocore's events know no other way to it.
_current: ContextVar[_Call] = ContextVar("call")


@contextmanager
def _call(budget: Budget) -> Iterator[_Call]:
    budget.calls += 1
    call = _Call(budget)
    reset = _current.set(call)
    start = time.monotonic()
    try:
        yield call
    finally:
        budget.seconds += time.monotonic() - start
        _current.reset(reset)


@contextmanager
def _interrupted(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, whatever waits then: as a socket does, so that all take it for that.

    botocore's timeouts are for one address, and between two bytes: an answer that drips passes them all.
    Only the main thread can be interrupted so, in which Lambda calls the handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(*_: object) -> None:
        raise TimeoutError

    handler = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


def _on_before_send(**_: object) -> None:
    call = _current.get()
    call.budget.attempts += 1
    call.status = 0


def _on_before_parse(
    *, response_dict: dict[str, Any], customized_response_dict: dict[str, Any] | None = None, **_: object
) -> None:
    """Take a listing out of an answer before botocore parses it, and leave it nothing to parse.

    What is not a JSON object stays for botocore to judge.
    """
    status = _current.get().status = response_dict["status_code"]
    if status != 200 or customized_response_dict is None:
        return
    try:
        listing = json.loads(response_dict["body"].decode())
    except ValueError:
        return
    if isinstance(listing, dict):
        members = ("modelSummaries", "nextToken")
        customized_response_dict.update({name: listing[name] for name in members if listing.get(name) is not None})
        response_dict["body"] = b"{}"


def _on_needs_retry(*, response: tuple[AWSResponse, Any] | None, **_: object) -> bool | None:
    """Look at what an attempt gave, when botocore asks whether to retry.

    The answer is no (False) if a retry could end after the deadline; else botocore decides (None).
    """
    budget = _current.get().budget
    if response is not None:
        http, parsed = response
        _require_whole(http)
        if _is_throttle(*_code_and_status(parsed)):
            budget.throttles += 1
        if parsed.get("modelSummaries") == [] and not _is_empty_list(http.content):
            # Of an object or a string in its place botocore makes an empty list too.
            del parsed["modelSummaries"]
    return False if budget.remaining < MAX_BACKOFF + CONNECT_TIMEOUT + READ_TIMEOUT else None


def _require_whole(http: AWSResponse) -> None:
    """Raise ConnectionClosedError for a body that was cut off, which botocore parses as far as it came."""
    length = str(http.headers.get("Content-Length", ""))
    if length.isdecimal() and len(length) < 16 and len(http.content) < int(length):
        raise ConnectionClosedError(endpoint_url="")


def _is_empty_list(content: bytes) -> bool:
    return bool(json.loads(content)["modelSummaries"] == [])


def _translated(ask: Callable[[], Any], call: _Call, token: str | None) -> Any:
    """Ask, and turn botocore's exceptions into ours; what they say stays here, since it may hold a URL and a token."""
    try:
        return ask()
    except Exception as error:
        code = _code_and_status(error.response)[0] if isinstance(error, ClientError) else type(error).__name__
        safe = re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", code) is not None and code != token
        call.budget.failure = code if safe else f"unreadable, status {call.status}"
        raise _translation(error, call, token) from None


def _translation(error: Exception, call: _Call, token: str | None) -> Exception:
    match error:
        case ClientError():
            return _refusal(*_code_and_status(error.response), token)
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            return UpstreamDenied()
        case HTTPClientError() | NoConnection() | ResponseStreamingError():
            return UpstreamUnavailable()
        case (
            ResponseParserError()
            | ArithmeticError()
            | AttributeError()
            | LookupError()
            | RuntimeError()
            | TypeError()
            | ValueError()
        ) if call.status:
            # botocore's parser trusts the shape of an answer: another one makes it fail in any of these ways.
            # Before there is an answer, they are faults of ours, or of what gives the credentials.
            return UpstreamInvalid() if call.status < 300 else _refusal("", call.status, token)
        case _:
            return error


def _refusal(code: str, status: int, token: str | None) -> Exception:
    if _is_throttle(code, status):
        return UpstreamThrottled()
    if status >= 500 or status == 408 or code in _TIMED_OUT:
        return UpstreamUnavailable()
    if status in (401, 403) or code in _DENIED:
        return UpstreamDenied()
    if code == "ValidationException" and token is not None:
        # The filters are those that the token was given for, so what Bedrock rejects is the token.
        return ExpiredCursor()
    return UpstreamRejected() if status >= 400 else UpstreamInvalid()


def _is_throttle(code: str, status: int) -> bool:
    return status == 429 or code in _THROTTLED


def _code_and_status(answer: Any) -> tuple[str, int]:
    code = answer.get("Error", {}).get("Code", "")
    return code if isinstance(code, str) else "", answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _page(answer: Mapping[str, object]) -> Page:
    """Check an answer and return it as a page: what is not a listing must never look like an empty one."""
    models = answer.get("modelSummaries")
    if _code_and_status(answer)[1] != 200 or not isinstance(models, list):
        raise UpstreamInvalid(_NO_LISTING)
    try:
        summaries = [_summary(model) for model in models]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UpstreamInvalid(_NO_LISTING) from None
    token = answer.get("nextToken", "")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise UpstreamInvalid("Bedrock gave a page token that is none.")
    return Page(summaries, token or None)


_NO_LISTING = "Bedrock's answer is not a list of models."


def _summary(given: Any) -> ModelSummary:
    """Return what is known of a model's members, each checked, with its time in UTC.

    Raises:
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: it is no summary of a model.
    """
    model = {name: value for name in _MEMBERS if (value := given.get(name)) is not None}
    model["creationTime"] = rfc3339(model["creationTime"])
    # All at once, which is three times as fast: join takes nothing but text.
    text = "".join(model.values())
    if not text.isprintable() or (len(text) > _MAX_TEXT and max(map(len, model.values())) > _MAX_TEXT):
        raise ValueError("a member that cannot be shown")
    if not model["modelArn"] or not model.keys() >= _REQUIRED:
        raise ValueError("a model without a name")
    return cast("ModelSummary", model)


def rfc3339(value: object) -> str:
    """Return a timestamp of an AWS answer, text or epoch seconds, as RFC 3339 in UTC.

    Text keeps every digit of its fraction, which a datetime would not.

    Raises:
        ArithmeticError, ValueError: it is neither.
    """
    if isinstance(value, str) and (match := _TIMESTAMP.fullmatch(value)):
        seconds, fraction, offset = match.groups()
        instant = datetime.fromisoformat(seconds if offset == "Z" else seconds + offset)
        if offset == "Z":
            return value
        return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + (fraction or "") + "Z"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = datetime.fromtimestamp(value, UTC)
    # A datetime is what botocore made of it, where it parsed it after all.
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("not a timestamp")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
