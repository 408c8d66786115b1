"""Checks that a response and its log follow the contract. Written from the contract, not from the code."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from custom_models.core import errors
from local.api_gateway import Context, Handler, http_response

PROBLEMS = {
    "invalid-query": 400,
    "invalid-cursor": 400,
    "expired-cursor": 400,
    "cursor-mismatch": 400,
    "not-found": 404,
    "method-not-allowed": 405,
}
"""The problems that a client causes. Bedrock works normally here, so no other problem may occur."""

CLIENT_ERRORS = (errors.InvalidQuery, errors.InvalidCursor, errors.ExpiredCursor, errors.CursorMismatch)
"""The same problems by direct invocation."""

MAX_SECONDS = 1.0
"""CPU time of the function's thread. Not wall-clock time, because the machine may be busy."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MESSAGE = re.compile(
    r"must (be|have|not be) .*|is not a parameter of this API( \(did you mean \w+\?\))?|and \d+ more are not .*"
    r"|has an element .*|has [a-z0-9-]+( and \d+ more)?, not in the inventory of this API|has no region that .*"
    r"|orders the models of one source, .*"
)
_DETAILS_WITHOUT_PARAMETER = (
    "The query string does not have the form that API Gateway sends.",
    "This path accepts no parameters.",
)

_DOCUMENT = (Path(__file__).parents[2] / "docs" / "openapi.json").read_text()
_REGISTRY = Registry().with_resource("urn:api", DRAFT202012.create_resource(json.loads(_DOCUMENT)))
_SCHEMAS = {
    name: Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=_REGISTRY)
    for name in ("Listing", "Problem")
}


class Attack:
    """Sends events to a handler and checks that each result and its log follow the contract."""

    def __init__(self, handler: Handler, read_output: Callable[[], tuple[str, str]]) -> None:
        """Take the handler, and a function that returns its standard output and error since the last call."""
        self._handler = handler
        self._read_output = read_output
        self.line: dict[str, Any] = {}
        self.text = ""

    def __call__(self, event: Any) -> Any:
        """Return the response, or the error that a direct invocation raised. The log is in ``line`` and ``text``."""
        self._read_output()
        start = time.thread_time()
        try:
            result: Any = self._handler(event, Context())
        except errors.CustomModelsError as error:
            result = error
        seconds = time.thread_time() - start
        self.read_log()
        if _is_http(event):
            _require_response(result, event["requestContext"]["httpMethod"])
        elif isinstance(result, errors.CustomModelsError):
            _require_client_error(result)
        else:
            _SCHEMAS["Listing"].validate(result)
        assert seconds < MAX_SECONDS
        return result

    def read_log(self) -> None:
        """Check that the log is exactly one request line and one line of metrics."""
        self.text, on_error = self._read_output()
        assert on_error == ""
        lines = self.text.removesuffix("\n").split("\n")
        assert self.text.endswith("\n")
        assert not any(_CONTROL.search(line) for line in lines)
        request, metrics = (json.loads(line, parse_constant=_reject_constant) for line in lines)
        assert request["message"] == "request"
        assert request["level"] == "INFO"
        assert "_aws" in metrics
        self.line = request


def _is_http(event: object) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and "httpMethod" in context


def _require_response(response: Any, method: object) -> None:
    assert isinstance(response, dict)
    http_response(response)  # raises if it is not a valid proxy response, such as one with a line break in a header
    status, headers, body = response["statusCode"], response["headers"], response["body"]
    assert headers["X-Request-Id"].isprintable()
    if method == "HEAD" or status == 304:
        assert body == ""
    elif status == 200:
        assert headers["Content-Type"] == "application/json"
        content = _json(body)
        if {**content, "servers": None} != {**json.loads(_DOCUMENT), "servers": None}:
            _SCHEMAS["Listing"].validate(content)
    else:
        _require_problem(status, headers, _json(body))
    assert status in (200, 304, *PROBLEMS.values())


def _require_problem(status: int, headers: dict[str, str], problem: Any) -> None:
    assert headers["Content-Type"] == "application/problem+json"
    _SCHEMAS["Problem"].validate(problem)
    kind = problem["type"].removeprefix("urn:problem-type:custom-models:")
    assert (status, status) == (PROBLEMS[kind], problem["status"])
    assert problem["requestId"] == headers["X-Request-Id"]
    if "errors" in problem:
        assert kind == "invalid-query"
        assert all(_MESSAGE.fullmatch(error["message"]) for error in problem["errors"])
        detail = "; ".join(f"{error['parameter']} {error['message']}" for error in problem["errors"])
        assert problem["detail"] == f"{detail}."
    elif kind == "invalid-query":
        assert problem["detail"] in _DETAILS_WITHOUT_PARAMETER
    assert problem["detail"].isprintable()


def _require_client_error(error: errors.CustomModelsError) -> None:
    assert isinstance(error, CLIENT_ERRORS)
    assert str(error).isprintable()
    # The runtime reports the cause and context of an exception too; there must be none.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    if isinstance(error, errors.InvalidQuery):
        assert all(_MESSAGE.fullmatch(message) for _, message in error.errors)


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_reject_constant)


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
