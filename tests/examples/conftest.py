"""The function as the examples meet it: over HTTP, and behind Lambda's Invoke API."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest

from emulators import server
from emulators.bedrock import Emulator
from emulators.lambda_invoke import InvokeApi
from emulators.lambda_runtime import Function, runtime_client_in
from emulators.models import plausible_models
from infra.bundling import bundle
from local import api_gateway
from local.api_gateway import Handler
from tests.conftest import KEY, Api, seal_off

Serve: TypeAlias = Callable[[Handler], str]

MODELS = sorted(plausible_models(300), key=lambda model: (model.created, model.arn), reverse=True)
ARNS = [model.arn for model in MODELS]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a handler over HTTP until the test ends; return its URL."""
    with ExitStack() as stack:
        yield lambda handler: stack.enter_context(api_gateway.serve(handler))


@pytest.fixture
def url(new_api: Callable[[], Api], serve: Serve) -> str:
    """The API's, with all of botocore's retries still to spend."""
    return serve(new_api().handler)


@pytest.fixture(scope="session")
def _invoke_api(
    _emulator: tuple[Emulator, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[InvokeApi, str]]:
    if sys.platform != "linux":
        pytest.skip("awslambdaric is for Linux only")
    folder = tmp_path_factory.mktemp("function")
    bundle(folder / "bundle")
    with pytest.MonkeyPatch.context() as monkeypatch:
        seal_off(monkeypatch)
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment = {**aws, "CURSOR_KEY": KEY, "AWS_ENDPOINT_URL_BEDROCK": _emulator[1]}
    client = runtime_client_in(folder / "runtime-client")
    function = Function(folder / "bundle", client, environment, folder / "function.log")
    try:
        api = InvokeApi(function)
        with server.serve(api.respond) as url:
            yield api, url
    finally:
        function.close()


@pytest.fixture
def invoked(_invoke_api: tuple[InvokeApi, str], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> InvokeApi:
    """The function before the emulator, where this test's Lambda clients find it; one for all tests."""
    api, url = _invoke_api
    api.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
    return api
