"""Fixtures for all tests: no access to the network, an emulator of Bedrock, and the real function in front of it."""

import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest
from botocore.compat import accepts_kwargs
from botocore.hooks import EventAliaser, HierarchicalEmitter
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from custom_models.bootstrap import build
from emulators.bedrock import Emulator, Organization
from emulators.models import plausible_models
from emulators.server import serve
from emulators.sts import Sts
from local.api_gateway import Handler
from tests.api import KEY, Api, isolate
from tests.organization import SOURCES, Deployment, inventory, models_of, trust

# As Python does. Otherwise Node.js compiles every program again at each start.
os.environ["NODE_COMPILE_CACHE"] = str(Path(__file__).resolve().parents[1] / ".cache" / "node")

# No deadline: how long an example takes depends on the machine's load.
settings.register_profile(
    "everyday",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.register_profile("thorough", settings.get_profile("everyday"), max_examples=100)
settings.load_profile("everyday")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use more workers than there are processors: tests wait for servers and timeouts, those of `make test` often."""
    return (os.cpu_count() or 1) + (2 if config.getoption("dist") == "loadfile" else 1)


_SHARING = ("tests/browser/", "tests/clients/", "tests/e2e/", "tests/infra/", "tests/runtime/")


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Runs the tests of a file in one worker, and those of these folders, which share what takes long to set up."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in _SHARING if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Distribute the tests of `make test`."""
    return _Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that at the end no worker waits long for the others."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not item.nodeid.startswith(_SHARING), item.path not in slow))


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def _prepared_once() -> Iterator[None]:
    """Do once what botocore does for each session: parse the service models, and check and rename event handlers.

    That is a fourth of the CPU time of tests that build functions.
    """
    aliaser: Any = EventAliaser(HierarchicalEmitter())
    rename = functools.cache(aliaser._alias_event_name)  # noqa: SLF001
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("botocore.session.create_loader", functools.cache(botocore.loaders.create_loader))
        monkeypatch.setattr("botocore.hooks.accepts_kwargs", functools.lru_cache(1000)(accepts_kwargs))
        monkeypatch.setattr(EventAliaser, "_alias_event_name", lambda _, name: rename(name))
        yield


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[tuple[Emulator, str]]:
    """One emulator for all tests, and its URL."""
    emulator = Emulator([])
    with serve(emulator.respond) as url:
        yield emulator, url


_MODELS = plausible_models(300)


@pytest.fixture
def emulator(shared_emulator: tuple[Emulator, str], monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """An emulator of Bedrock with 300 models, set as the endpoint of the test's Bedrock clients."""
    emulator, url = shared_emulator
    emulator.load(_MODELS)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", url)
    return emulator


@pytest.fixture(scope="session")
def shared_handler(shared_emulator: tuple[Emulator, str]) -> Handler:
    """One handler for all tests, as one container of Lambda serves many requests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", shared_emulator[1])
        monkeypatch.setenv("CURSOR_KEY", KEY)
        return build()


@pytest.fixture
def api(emulator: Emulator, shared_handler: Handler) -> Api:
    """The function in front of the emulator, with the shared handler."""
    return Api(shared_handler)


@pytest.fixture
def new_api(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Api]:
    """Build a function for this test alone: with its own settings, and with botocore's retry quota unused."""
    monkeypatch.setenv("CURSOR_KEY", KEY)
    # botocore waits up to two seconds before a retry; the tests do not have to.
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return lambda: Api(build())


@pytest.fixture(scope="session")
def served_organization() -> Iterator[tuple[Organization, str, Sts, str]]:
    """Bedrock and STS of one organization for all tests, and their URLs."""
    organization, sts = Organization({}), Sts({})
    with serve(organization.respond) as bedrock_url, serve(sts.respond) as sts_url:
        yield organization, bedrock_url, sts, sts_url


@pytest.fixture
def deployment(served_organization: tuple[Organization, str, Sts, str], monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """An organization in which every source has four models, and functions that list it."""
    organization, bedrock_url, sts, sts_url = served_organization
    organization.load({source: models_of(source) for source in SOURCES})
    sts.load(trust())
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", bedrock_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
    monkeypatch.setenv("CURSOR_KEY", KEY)
    monkeypatch.setenv("INVENTORY", inventory())
    # botocore waits up to two seconds before a retry; the tests do not have to.
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

    def start(**settings: str) -> Api:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return Api(build())

    return Deployment(organization, sts, start)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """Return the lines logged since the last call, parsed, including metrics."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def logged(lines: Callable[[], list[dict[str, Any]]]) -> Callable[[], dict[str, Any]]:
    """Return the one request log line written since the last call."""

    def logged() -> dict[str, Any]:
        (line,) = [line for line in lines() if line.get("message") == "request"]
        return line

    return logged
