"""What every test stands on: no way out of this machine, an emulator of Bedrock, and the real function before it."""

import functools
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import botocore.loaders
import pytest
from hypothesis import HealthCheck, settings

from custom_models.bootstrap import build
from emulators.bedrock import Emulator
from emulators.models import plausible_models
from emulators.server import serve
from local.api_gateway import Context, Handler, proxy_event

# The machine's load decides how long an example takes, and no test may depend on that.
settings.register_profile(
    "everyday",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", settings.get_profile("everyday"), max_examples=150)
settings.load_profile("everyday")


def pytest_xdist_auto_num_workers() -> int:
    """Take one more than there are processors: the tests wait for much, servers and timeouts among it."""
    return (os.cpu_count() or 1) + 1


NOWHERE = "http://127.0.0.1:9"
"""Port 9 is discard: nothing answers, so that a client which a test forgot cannot reach anything."""

KEY = "a key of the tests, which no one else has"


def seal_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no setting of this machine and no way out of it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CURSOR_", "POWERTOOLS_"))]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture(autouse=True)
def _sealed_off(monkeypatch: pytest.MonkeyPatch) -> None:
    seal_off(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def _parsed_once() -> Iterator[None]:
    """Have botocore parse its service models once, and not for each client again: a tenth of a second each."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("botocore.session.create_loader", functools.cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(scope="session")
def _emulator() -> Iterator[tuple[Emulator, str]]:
    emulator = Emulator([])
    with serve(emulator.respond) as url:
        yield emulator, url


@pytest.fixture
def emulator(_emulator: tuple[Emulator, str], monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """A Bedrock with three hundred models, where this test's clients find it."""
    emulator, url = _emulator
    emulator.load(plausible_models(300))
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url)
    return emulator


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the function, behind API Gateway."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def kind(self) -> str:
        """The kind of the problem that this is."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(self.body["type"]).removeprefix("urn:problem-type:custom-models:")

    @property
    def arns(self) -> list[str]:
        return [model["modelArn"] for model in self.body["modelSummaries"]]


class Api:
    """The real handler, called with events as AWS makes them."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def get(self, query: Any = "", path: str = "/v1/custom-models", **headers: str) -> Answer:
        """GET a path; the query is text as on the wire, or parameters to encode."""
        return self.request("GET", path, query, **headers)

    def request(self, method: str, path: str, query: Any = "", **headers: str) -> Answer:
        text = query if isinstance(query, str) else urlencode(query)
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        response = self.handler(proxy_event(method, f"{path}?{text}" if text else path, pairs), Context())
        return Answer(response["statusCode"], response["headers"], response["body"])

    def invoke(self, event: Any, timeout: float = 27.0) -> Any:
        """Invoke directly."""
        return self.handler(event, Context(timeout=timeout))


@pytest.fixture(scope="session")
def _handler(_emulator: tuple[Emulator, str]) -> Handler:
    with pytest.MonkeyPatch.context() as monkeypatch:
        seal_off(monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", _emulator[1])
        monkeypatch.setenv("CURSOR_KEY", KEY)
        return build()


@pytest.fixture
def api(emulator: Emulator, _handler: Handler) -> Api:
    """The function before the emulator: one for all tests, as a container serves many requests."""
    return _api(_handler)


@pytest.fixture
def new_api(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Api]:
    """Build a function of this test's own: other settings, all of botocore's retries still to spend."""
    monkeypatch.setenv("CURSOR_KEY", KEY)
    # botocore's pause before a retry, up to two seconds of it, is not what is tested.
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return lambda: _api(build())


class _CurrentStdout(io.TextIOBase):
    """Standard output as it is at the time of writing: pytest puts another there for each phase of a test."""

    def write(self, text: str, /) -> int:
        return sys.stdout.write(text)


def _api(handler: Handler) -> Api:
    for log_handler in logging.getLogger("custom-models").handlers:
        assert isinstance(log_handler, logging.StreamHandler)
        log_handler.stream = _CurrentStdout()
    return Api(handler)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What was logged since the last look: one dict a line, the metrics among them."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def logged(lines: Callable[[], list[dict[str, Any]]]) -> Callable[[], dict[str, Any]]:
    """The one canonical line that was logged since the last look."""

    def logged() -> dict[str, Any]:
        (line,) = [line for line in lines() if line.get("message") == "request"]
        return line

    return logged
