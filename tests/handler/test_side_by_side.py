"""Two requests at once never see each other's state."""

import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulators.bedrock import Emulator
from emulators.faults import Parameters
from emulators.models import plausible_models
from emulators.server import Response, json_response
from tests.api import Api


def test_many_walks_at_once(api: Api, emulator: Emulator, lines: Callable[[], list[dict[str, Any]]]) -> None:
    models = plausible_models(300)

    def walk(number: int) -> tuple[str, int]:
        """Follow one listing to its end, half of them over HTTP; every one has a filter of its own."""
        name = f"v{number}"
        found: list[str] = []
        parameters: dict[str, Any] = {"nameContains": name, "maxItems": 1 + number % 3}
        while True:
            correlation = f"walk-{number}"
            answer = api.get(parameters, X_Correlation_Id=correlation).body if number % 2 else api.invoke(parameters)
            found += [model["modelName"] for model in answer["modelSummaries"]]
            if "nextCursor" not in answer:
                break
            parameters["cursor"] = answer["nextCursor"]
        assert sorted(found) == sorted(model.name for model in models if name in model.name)
        return name, len(found)

    with ThreadPoolExecutor(16) as pool:
        found = dict(pool.map(walk, range(1, 25)))
    told = lines()
    requests = [line for line in told if line.get("message") == "request"]
    assert sum(line["items"] for line in requests) == sum(found.values())
    assert all(line["upstream_pages"] == 1 for line in requests)
    assert all(line["correlation_id"].startswith("walk-") == (line["route"] != "direct") for line in requests)
    assert len([line for line in told if "Requests" in line]) == len(requests)


def test_lines_do_not_tear_each_other(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.StringIO):
        def write(self, text: str, /) -> int:
            time.sleep(0.0002)
            return super().write(text)

    output = Slow()
    monkeypatch.setattr("sys.stdout", output)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.get("maxItems=1"), range(40)))
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert len(lines) == 2 * 40


def test_a_failure_beside_a_success(new_api: Callable[[], Api], emulator: Emulator) -> None:
    def deny_the_owned(right: Response, parameters: Parameters) -> Response:
        refused = json_response({"message": "no"}, 403, {"x-amzn-ErrorType": "AccessDeniedException"})
        return refused if parameters.get("isOwned") == "true" else right

    emulator.misbehave(always=deny_the_owned)
    api = new_api()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: api.get("isOwned=true" if n % 2 else "isOwned=false"), range(60)))
    assert [answer.status for answer in answers] == [200, 500] * 30
