"""What the contract has, held against each answer and each log; written from the contract, not from the code."""

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
"""The problems that are a client's own. Bedrock is well here, so none of the others may come up."""

REFUSALS = (errors.InvalidQuery, errors.InvalidCursor, errors.ExpiredCursor, errors.CursorMismatch)
"""The same by direct invocation."""

SECONDS = 1.0
"""Of processor time in the function's own thread: the machine may be busy with something else."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SAID = re.compile(
    r"must (be|have|not be) .*|is not a parameter of this API( \(did you mean \w+\?\))?|and \d+ more are not .*"
)
_WHOLE_DETAIL = (
    "The query string does not have the form that API Gateway sends.",
    "The OpenAPI document has no parameters.",
)

_DOCUMENT = (Path(__file__).parents[2] / "docs" / "openapi.json").read_text()
_REGISTRY = Registry().with_resource("urn:api", DRAFT202012.create_resource(json.loads(_DOCUMENT)))
_SCHEMAS = {
    name: Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=_REGISTRY)
    for name in ("Listing", "Problem")
}


class Attack:
    """Sends events to a handler, and requires of each what the contract has."""

    def __init__(self, handler: Handler, written: Callable[[], tuple[str, str]]) -> None:
        """Take the handler, and what it has written to standard output and error since the last look."""
        self._handler = handler
        self._written = written
        self.line: dict[str, Any] = {}
        self.text = ""

    def __call__(self, event: Any) -> Any:
        """Return the answer, or the refusal that a direct invocation raised; its log is in ``line`` and ``text``."""
        self._written()
        start = time.thread_time()
        try:
            answer: Any = self._handler(event, Context())
        except errors.CustomModelsError as refusal:
            answer = refusal
        seconds = time.thread_time() - start
        self.read_log()
        if _is_http(event):
            _require_response(answer, event["requestContext"]["httpMethod"])
        elif isinstance(answer, errors.CustomModelsError):
            _require_refusal(answer)
        else:
            _SCHEMAS["Listing"].validate(answer)
        assert seconds < SECONDS
        return answer

    def read_log(self) -> None:
        """Require one canonical line and its metrics, and nothing else."""
        self.text, on_error = self._written()
        assert on_error == ""
        lines = self.text.removesuffix("\n").split("\n")
        assert self.text.endswith("\n")
        assert not any(_CONTROL.search(line) for line in lines)
        canonical, metrics = (json.loads(line, parse_constant=_no_json) for line in lines)
        assert canonical["message"] == "request"
        assert canonical["level"] == "INFO"
        assert "_aws" in metrics
        self.line = canonical


def _is_http(event: object) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and "httpMethod" in context


def _require_response(answer: Any, method: object) -> None:
    assert isinstance(answer, dict)
    http_response(answer)  # raises for what is no proxy response, such as a header that is two
    status, headers, body = answer["statusCode"], answer["headers"], answer["body"]
    assert headers["X-Request-Id"].isprintable()
    if method == "HEAD" or status == 304:
        assert body == ""
    elif status == 200:
        assert headers["Content-Type"] == "application/json"
        if body != _DOCUMENT:
            _SCHEMAS["Listing"].validate(_json(body))
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
        assert all(_SAID.fullmatch(error["message"]) for error in problem["errors"])
        told = "; ".join(f"{error['parameter']} {error['message']}" for error in problem["errors"])
        assert problem["detail"] == f"{told}."
    elif kind == "invalid-query":
        assert problem["detail"] in _WHOLE_DETAIL
    assert problem["detail"].isprintable()


def _require_refusal(refusal: errors.CustomModelsError) -> None:
    assert isinstance(refusal, REFUSALS)
    assert str(refusal).isprintable()
    # As the runtime reports it: nothing of what it was raised from.
    assert refusal.__cause__ is None
    assert refusal.__context__ is None or refusal.__suppress_context__
    if isinstance(refusal, errors.InvalidQuery):
        assert all(_SAID.fullmatch(message) for _, message in refusal.errors)


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_json)


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
