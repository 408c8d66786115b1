"""An emulator of Bedrock's ListCustomModels over HTTP, which can be told to misbehave.

What a request may hold, and what the errors are, it reads from botocore's service model, so that
it and the API's own validation cannot share a mistake.
"""

import base64
import binascii
import functools
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

import botocore.loaders
from botocore.model import ServiceModel, Shape

from emulators.models import ACCOUNT, Model

DEFAULT_MAX_RESULTS = 100
"""What Bedrock does when it is not told how many is not documented."""

Parameters: TypeAlias = Mapping[str, str]
Bound: TypeAlias = tuple[tuple[str, str], ...]
"""What a listing and its tokens are bound to: all parameters but where to start and how many."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; the emulator sends ``body`` as it is, or as JSON."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    step: int = 0
    """How many bytes of the body are sent at once; 0 sends all."""
    pace: float = 0.0
    """Seconds after each step."""

    def content(self) -> bytes:
        """Return the bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Fault: TypeAlias = Callable[["Answer", Parameters], Answer | float | None]
"""Turns the right answer to a request into a wrong one; a number of seconds hangs first, None cuts the connection."""


def error(code: str, status: int, message: str = "") -> Answer:
    """Return an error as the rest-json protocol has it."""
    return Answer(status, {"message": message or code}, {"x-amzn-ErrorType": code})


def throttle(_: Answer, __: Parameters) -> Answer:
    """Refuse as Bedrock does when there are too many requests."""
    return error("ThrottlingException", 429, "Too many requests, please wait before trying again.")


def internal_error(_: Answer, __: Parameters) -> Answer:
    """Fail as Bedrock does."""
    return error("InternalServerException", 500, "The system encountered an unexpected error.")


def unavailable(_: Answer, __: Parameters) -> Answer:
    """Fail as a load balancer in front of it does."""
    return Answer(503, b"<html><body><b>Http/1.1 Service Unavailable</b></body> </html>", {"Content-Type": "text/html"})


def deny(_: Answer, __: Parameters) -> Answer:
    """Refuse a role without the right."""
    return error("AccessDeniedException", 403, "User: … is not authorized to perform: bedrock:ListCustomModels")


def unknown_operation(_: Answer, __: Parameters) -> Answer:
    """Refuse as in a region without the operation."""
    return error("ValidationException", 400, "Unknown operation")


def disconnect(_: Answer, __: Parameters) -> None:
    """Close the connection without an answer."""


def drip(pace: float) -> Fault:
    """Return a fault that gives the right answer byte by byte, so many seconds apart."""
    return lambda right, _: replace(right, step=1, pace=pace)


def stall(seconds: float) -> Fault:
    """Return a fault that stops for so many seconds in the middle of the right answer."""
    return lambda right, _: replace(right, step=len(right.content()) // 2 + 1, pace=seconds)


def cut(right: Answer, _: Parameters) -> Answer:
    """Close the connection in the middle of the right answer."""
    content = right.content()
    headers = {**right.headers, "Content-Length": str(len(content)), "Connection": "close"}
    return replace(right, body=content[: len(content) // 2], headers=headers)


def not_json(_: Answer, __: Parameters) -> Answer:
    """Answer 200 with a page of a proxy."""
    return Answer(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})


def hang(seconds: float) -> Fault:
    """Return a fault that answers, after so many seconds, with nothing."""
    return lambda _, __: seconds


def body(content: object) -> Fault:
    """Return a fault that answers 200 with this, as JSON or, if it is bytes, as it is."""
    return lambda _, __: Answer(200, content)


def members(**changed: object) -> Fault:
    """Return a fault that changes members of the right answer, such as its nextToken; None takes one away."""

    def change(right: Answer, _: Parameters) -> Answer:
        content = {**cast("dict[str, object]", right.body), **changed}
        return replace(right, body={name: value for name, value in content.items() if value is not None})

    return change


class ValidationError(Exception):
    """The request is not valid; the text is Bedrock's message."""


class _Found(NamedTuple):
    """The models of one listing in their order, and the place of each by its ARN."""

    models: Sequence[Model]
    places: Mapping[str, int]


class Emulator:
    """The custom models of one account in one region.

    ``calls`` holds the parameters of every request, in order, ``connections`` the client's port of
    each. ``misbehave`` says what goes wrong; ``page_sizes`` makes pages shorter than asked for;
    the filters in ``ignored`` do not filter, as AWS has had it (aws/aws-cli#8929).
    """

    def __init__(self, models: Sequence[Model], account: str = ACCOUNT) -> None:
        """Take the models, in any order."""
        self._account = account
        self._lock = threading.Lock()
        self.load(models)
        loader = botocore.loaders.create_loader()
        service: Any = ServiceModel(loader.load_service_model("bedrock", "service-2"))
        self._shapes: Mapping[str, Shape] = service.operation_model("ListCustomModels").input_shape.members

    def load(self, models: Sequence[Model]) -> None:
        """Take other models, and forget calls and misbehaviour."""
        self._oldest_first = sorted(models, key=lambda model: (model.created, model.arn))
        # So that a page costs the same wherever it is in a large account.
        self._found = functools.lru_cache(maxsize=8)(self._find)
        self.calls: list[Parameters] = []
        self.connections: list[int] = []
        self.page_sizes: Callable[[int], int] = lambda asked: asked
        self.ignored: Collection[str] = ()
        self.misbehave()

    def misbehave(self, *faults: Fault | None, always: Fault | None = None) -> None:
        """Let the next requests go wrong, one fault each (None: that one goes well), and ``always`` all after them."""
        with self._lock:
            self._faults = list(faults)
            self._always = always

    def answer(self, query: str) -> Answer | float | None:
        """Return the answer to a query string; see Fault for what is none."""
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        with self._lock:
            self.calls.append(parameters)
            fault = self._faults.pop(0) if self._faults else self._always
        try:
            right = Answer(200, self._list({n: value for n, value in parameters.items() if n not in self.ignored}))
        except ValidationError as refused:
            right = error("ValidationException", 400, str(refused))
        return fault(right, parameters) if fault is not None else right

    def _list(self, parameters: Parameters) -> dict[str, object]:
        for name, value in parameters.items():
            shape = self._shapes.get(name)
            if shape is not None:
                _validate(name, value, shape)
        bound = _bound(parameters)
        found = self._found(bound)
        asked = int(parameters.get("maxResults", DEFAULT_MAX_RESULTS))
        start = _position(parameters["nextToken"], bound, found) if "nextToken" in parameters else 0
        end = start + min(asked, self.page_sizes(asked))
        answer: dict[str, object] = {"modelSummaries": [model.summary() for model in found.models[start:end]]}
        if end < len(found.models):
            after_nothing = parameters.get("nextToken") if start == end else None
            answer["nextToken"] = _token(bound, found.models[end], after_nothing)
        return answer

    def _find(self, bound: Bound) -> _Found:
        parameters = dict(bound)
        ascending = parameters.get("sortOrder") == "Ascending"
        in_order = self._oldest_first if ascending else self._oldest_first[::-1]
        models = list(filter(self._filter(parameters), in_order))
        return _Found(models, {model.arn: place for place, model in enumerate(models)})

    def _filter(self, given: Parameters) -> Callable[[Model], bool]:
        tests: list[Callable[[Model], bool]] = []
        if "creationTimeBefore" in given:
            before = _instant(given["creationTimeBefore"])
            tests.append(lambda model: model.created < before)
        if "creationTimeAfter" in given:
            after = _instant(given["creationTimeAfter"])
            tests.append(lambda model: model.created > after)
        if "nameContains" in given:
            tests.append(lambda model: given["nameContains"] in model.name)
        if "baseModelArnEquals" in given:
            tests.append(lambda model: model.base_arn == given["baseModelArnEquals"])
        if "foundationModelArnEquals" in given:
            tests.append(lambda model: model.foundation_arn == given["foundationModelArnEquals"])
        if "isOwned" in given:
            tests.append(lambda model: (model.account == self._account) == (given["isOwned"] == "true"))
        if "modelStatus" in given:
            tests.append(lambda model: model.status == given["modelStatus"])
        return lambda model: all(test(model) for test in tests)


def _validate(name: str, value: str, shape: Shape) -> None:
    """Hold a parameter against botocore's service model, in the words of AWS."""

    def require(holds: bool, constraint: str) -> None:
        if not holds:
            raise ValidationError(
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
                f"Member must {constraint}"
            )

    rules: Mapping[str, Any] = shape.metadata
    if shape.type_name == "integer":
        require(re.fullmatch(r"-?[0-9]+", value) is not None, "be an integer")
        require(int(value) >= rules["min"], f"have value greater than or equal to {rules['min']}")
        require(int(value) <= rules["max"], f"have value less than or equal to {rules['max']}")
    elif shape.type_name == "boolean":
        require(value in ("true", "false"), "be a boolean")
    elif shape.type_name == "timestamp":
        try:
            _instant(value)
        except ValueError:
            require(False, "be a timestamp")
    else:
        if "enum" in rules:
            require(value in rules["enum"], f"satisfy enum value set: [{', '.join(rules['enum'])}]")
        require(len(value) >= rules.get("min", 0), f"have length greater than or equal to {rules.get('min')}")
        require(len(value) <= rules.get("max", len(value)), f"have length less than or equal to {rules.get('max')}")
        pattern = rules.get("pattern")
        require(
            pattern is None or re.fullmatch(pattern, value) is not None,
            f"satisfy regular expression pattern: {pattern}",
        )


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ" if "." in text else "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _bound(parameters: Parameters) -> Bound:
    return tuple(sorted(item for item in parameters.items() if item[0] not in ("nextToken", "maxResults")))


def _digest(bound: Bound) -> str:
    return hashlib.sha256(json.dumps(bound).encode()).hexdigest()[:8]


def _token(bound: Bound, model: Model, after_nothing: str | None) -> str:
    content = {"b": _digest(bound), "next": model.arn}
    if after_nothing is not None:
        # After an empty page the place is the same, and still no token comes twice.
        content["after"] = hashlib.sha256(after_nothing.encode()).hexdigest()[:8]
    return base64.b64encode(json.dumps(content).encode()).decode()


def _position(token: str, bound: Bound, found: _Found) -> int:
    try:
        content = json.loads(base64.b64decode(token, validate=True))
        if content["b"] == _digest(bound):
            return found.places[content["next"]]
    except (binascii.Error, ValueError, LookupError, TypeError):
        pass
    raise ValidationError("The provided next token is not valid.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, emulator: Emulator, port: int) -> None:
        self.emulator = emulator
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if "Authorization" not in self.headers:
            answer: Answer | float | None = error("MissingAuthenticationTokenException", 403)
        elif url.path != "/custom-models":
            answer = error("UnknownOperationException", 404)
        else:
            self.server.emulator.connections.append(self.client_address[1])
            answer = self.server.emulator.answer(url.query)
        if isinstance(answer, (int, float)):
            self.server.stopping.wait(answer)
            answer = None
        if answer is None:
            self.close_connection = True
            return
        try:
            self._send(answer)
        except ConnectionError:
            # The client did not wait for all of it.
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        content = answer.content()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "x-amzn-RequestId": str(uuid.uuid4()),
            **answer.headers,
        }
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        step = answer.step or max(1, len(content))
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            if self.server.stopping.wait(answer.pace):
                return

    def log_message(self, *_: object) -> None:
        """Say nothing: the function's own log tells of its calls."""


@contextmanager
def serve(emulator: Emulator, port: int = 0) -> Iterator[str]:
    """Serve an emulator on 127.0.0.1, on a free port if none is given, and yield its URL."""
    server = _Server(emulator, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
