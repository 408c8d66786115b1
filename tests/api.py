"""The deployed API as the tests call it: the real handler, with events as AWS sends them."""

import io
import json
import logging
import os
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from emulators.models import ACCOUNT
from local.api_gateway import Context, Handler, proxy_event

NOWHERE = "http://127.0.0.1:9"
"""Port 9 is discard: connections are refused, so a client that a test forgot to redirect reaches nothing."""

KEY = "a signing key that only the tests use"


def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove this machine's settings from the environment and point AWS clients to `NOWHERE`."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CURSOR_", "INVENTORY", "POWERTOOLS_"))]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("OWN_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@dataclass(frozen=True)
class Response:
    """An HTTP response of the function behind API Gateway."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def kind(self) -> str:
        """The problem type, without its prefix; fails if the response is not a problem."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(self.body["type"]).removeprefix("urn:problem-type:custom-models:")

    @property
    def arns(self) -> list[str]:
        return [model["modelArn"] for model in self.body["modelSummaries"]]


class Api:
    """Calls a handler with events as API Gateway and Lambda send them."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        log_to_current_stdout()

    def get(self, query: Any = "", path: str = "/v1/custom-models", **headers: str) -> Response:
        """GET a path; the query is text as sent on the wire, or parameters to encode."""
        return self.request("GET", path, query, **headers)

    def request(self, method: str, path: str, query: Any = "", **headers: str) -> Response:
        text = query if isinstance(query, str) else urlencode(query)
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        response = self.handler(proxy_event(method, f"{path}?{text}" if text else path, pairs), Context())
        return Response(response["statusCode"], response["headers"], response["body"])

    def invoke(self, event: Any, timeout: float = 27.0) -> Any:
        """Invoke the function directly with ``timeout`` seconds left."""
        return self.handler(event, Context(timeout=timeout))


def log_to_current_stdout() -> None:
    """Let the log, which all functions of this process share, follow ``sys.stdout``."""
    for log_handler in logging.getLogger("custom-models").handlers:
        assert isinstance(log_handler, logging.StreamHandler)
        log_handler.stream = _CurrentStdout()


class _CurrentStdout(io.TextIOBase):
    """Writes to whatever ``sys.stdout`` is at that moment: pytest replaces it for each phase of a test."""

    def write(self, text: str, /) -> int:
        return sys.stdout.write(text)
