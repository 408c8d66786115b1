"""The built bundle, and functions made of it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from infra.bundling import bundle
from tests.conftest import KEY
from tests.runtime.runtime_api import Function

Start: TypeAlias = Callable[..., Function]

_RUNTIME_CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
"""What Lambda brings along; of its own boto3 the function must need nothing."""


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, as it is deployed."""
    target = tmp_path_factory.mktemp("bundle")
    bundle(target)
    return target


@pytest.fixture(scope="session")
def runtime_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runtime client alone."""
    if sys.platform != "linux":
        pytest.skip("awslambdaric is for Linux only")
    folder = tmp_path_factory.mktemp("runtime-client")
    for name in _RUNTIME_CLIENT:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        if spec.submodule_search_locations is None:
            shutil.copy(origin, folder)
        else:
            shutil.copytree(origin.parent, folder / name)
    return folder


@pytest.fixture
def start(bundled: Path, runtime_client: Path, tmp_path: Path) -> Iterator[Start]:
    """Start functions, which end with the test; what they are given is their environment, None what they are not."""
    started: list[Function] = []

    def start(bundle: Path = bundled, **environment: str | None) -> Function:
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        variables = {**aws, "CURSOR_KEY": KEY, **environment}
        given = {name: value for name, value in variables.items() if value is not None}
        function = Function(bundle, runtime_client, given, tmp_path / f"{len(started)}.log")
        started.append(function)
        return function

    yield start
    for function in started:
        function.close()
