"""Concurrent requests do not share state."""

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulators.bedrock import Emulator, deny
from emulators.faults import Parameters
from emulators.models import plausible_models
from emulators.server import Response
from tests.api import Api

pytestmark = pytest.mark.slow  # many requests at a time


def test_concurrent_walks_each_find_their_own_models(
    api: Api, emulator: Emulator, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    models = plausible_models(300)

    def walk(number: int) -> tuple[str, int]:
        """Follow a listing with its own filter to its end: over HTTP if the number is odd, else by invocation."""
        name = f"v{number}"
        found: list[str] = []
        parameters: dict[str, Any] = {"nameContains": name, "maxItems": 1 + number % 3}
        while True:
            over_http = number % 2 == 1
            page = api.get(parameters, X_Correlation_Id=f"walk-{number}").body if over_http else api.invoke(parameters)
            found += [model["modelName"] for model in page["modelSummaries"]]
            if "nextCursor" not in page:
                break
            parameters["cursor"] = page["nextCursor"]
        assert sorted(found) == sorted(model.name for model in models if name in model.name)
        return name, len(found)

    with ThreadPoolExecutor(16) as pool:
        counts = dict(pool.map(walk, range(1, 25)))
    logged = lines()
    requests = [line for line in logged if line.get("message") == "request"]
    assert sum(line["items"] for line in requests) == sum(counts.values())
    assert all(line["upstream_pages"] == 1 for line in requests)
    assert all(line["correlation_id"].startswith("walk-") == (line["route"] != "direct") for line in requests)
    assert len([line for line in logged if "Requests" in line]) == len(requests)


def test_lines_of_concurrent_requests_are_not_mixed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowOutput(io.StringIO):
        def write(self, text: str, /) -> int:
            time.sleep(0.0002)
            return super().write(text)

    output = SlowOutput()
    monkeypatch.setattr("sys.stdout", output)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.get("maxItems=1"), range(40)))
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert len(lines) == 2 * 40


def test_a_failure_does_not_affect_concurrent_requests(new_api: Callable[[], Api], emulator: Emulator) -> None:
    def deny_owned(correct: Response, parameters: Parameters) -> Response:
        return deny(correct, parameters) if parameters.get("isOwned") == "true" else correct

    emulator.misbehave(always=deny_owned)
    api = new_api()
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda n: api.get("isOwned=true" if n % 2 else "isOwned=false"), range(60)))
    assert [response.status for response in responses] == [200, 500] * 30
