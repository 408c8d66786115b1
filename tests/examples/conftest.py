"""The function as the examples call it: over HTTP, and through Lambda's Invoke API."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from emulators import server
from emulators.bedrock import Emulator
from emulators.lambda_invoke import InvokeApi
from emulators.lambda_runtime import Function, runtime_client_in
from emulators.server import Request, Response, json_response
from examples import client
from infra.bundling import bundle
from local import api_gateway
from tests.api import KEY, Api, isolate
from tests.examples.function import Reply, Run, Serve


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a handler over HTTP until the test ends; return its URL."""
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(api_gateway.serve(handler))


@pytest.fixture
def url(new_api: Callable[[], Api], serve: Serve) -> str:
    """The URL of a new API, with botocore's retry quota unused."""
    return serve(new_api().handler)


@pytest.fixture
def client_main(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run client.py with arguments in this process, which has imported boto3 already. The API must not log here."""

    def main(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(sys, "argv", ["client.py", *arguments])
            monkeypatch.setattr(logging.root, "handlers", [])  # with those of pytest, main would not add its own
            try:
                status = client.main()
            except SystemExit as end:  # its code is a status or a message
                status = end.code if isinstance(end.code, int) else 1
                sys.stderr.write("" if status == end.code else f"{end.code}\n")
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return main


@pytest.fixture(scope="session")
def shared_invoke_api(
    shared_emulator: tuple[Emulator, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[InvokeApi, str]]:
    if sys.platform != "linux":
        pytest.skip("awslambdaric runs on Linux only")
    folder = tmp_path_factory.mktemp("function")
    bundle(folder / "bundle")
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment = {**aws, "CURSOR_KEY": KEY, "AWS_ENDPOINT_URL_BEDROCK": shared_emulator[1]}
    client = runtime_client_in(folder / "runtime-client")
    function = Function(folder / "bundle", client, environment, folder / "function.log")
    try:
        api = InvokeApi(function)
        with server.serve(api.respond) as url:
            yield api, url
    finally:
        function.close()


@pytest.fixture
def invoked(shared_invoke_api: tuple[InvokeApi, str], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> InvokeApi:
    """The function in front of the emulator, set as the endpoint of the test's Lambda clients; shared by all tests."""
    api, url = shared_invoke_api
    api.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
    return api


@pytest.fixture
def reply(invoked: InvokeApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reply]:
    """Replace the function that the Lambda clients invoke: each invocation takes the next of the given results.

    A result that is an exception is raised. The call returns the list of the events. Request this fixture before one
    that creates a client.
    """
    events: list[Any] = []
    remaining: list[Any] = []

    def respond(request: Request) -> Response:
        events.append(json.loads(request.body))
        result = remaining.pop(0)
        if not isinstance(result, Exception):
            return json_response(result)
        content = {"errorType": type(result).__name__, "errorMessage": str(result)}
        return json_response(content, headers={"X-Amz-Function-Error": "Unhandled"})

    def reply(*results: Any) -> list[Any]:
        remaining.extend(results)
        return events

    with server.serve(respond) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        yield reply
