"""The built bundle, and functions that run it."""

import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from emulators.bedrock import Emulator
from emulators.lambda_runtime import Function, runtime_client_in
from infra.bundling import bundle
from tests.api import KEY, isolate
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


def started(bundle: Path, runtime_client: Path, log: Path, **environment: str | None) -> Function:
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    variables = {**aws, "CURSOR_KEY": KEY, **environment}
    return Function(bundle, runtime_client, {name: it for name, it in variables.items() if it is not None}, log)


@pytest.fixture
def start(bundled: Path, runtime_client: Path, tmp_path: Path) -> Iterator[Start]:
    """Start functions that end with the test. Keyword arguments are environment variables; None removes one."""
    with ExitStack() as stack:
        logs = (tmp_path / f"{number}.log" for number in itertools.count())

        def start(bundle: Path = bundled, **environment: str | None) -> Function:
            return stack.enter_context(closing(started(bundle, runtime_client, next(logs), **environment)))

        yield start


@pytest.fixture(scope="session")
def shared_function(
    bundled: Path,
    runtime_client: Path,
    shared_emulator: tuple[Emulator, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Function]:
    """One container for all tests that do not need a new one."""
    log = tmp_path_factory.mktemp("shared-function") / "log"
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        function = started(bundled, runtime_client, log, AWS_ENDPOINT_URL_BEDROCK=shared_emulator[1])
    with closing(function):
        yield function
