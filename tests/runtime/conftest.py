"""The built bundle, and functions that run it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.lambda_runtime import Function, runtime_client_in
from infra.bundling import bundle
from tests.api import KEY
from tests.runtime.function import Start


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as it is deployed."""
    target = tmp_path_factory.mktemp("bundle")
    bundle(target)
    return target


@pytest.fixture(scope="session")
def runtime_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with only the runtime client."""
    if sys.platform != "linux":
        pytest.skip("awslambdaric is for Linux only")
    return runtime_client_in(tmp_path_factory.mktemp("runtime-client"))


@pytest.fixture
def start(bundled: Path, runtime_client: Path, tmp_path: Path) -> Iterator[Start]:
    """Start functions that end with the test. Keyword arguments are environment variables; None removes one."""
    started: list[Function] = []

    def start(bundle: Path = bundled, **environment: str | None) -> Function:
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        variables = {**aws, "CURSOR_KEY": KEY, **environment}
        present = {name: value for name, value in variables.items() if value is not None}
        function = Function(bundle, runtime_client, present, tmp_path / f"{len(started)}.log")
        started.append(function)
        return function

    yield start
    for function in started:
        function.close()
