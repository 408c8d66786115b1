"""examples/client.py, before the real function over HTTP."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from emulators.bedrock import Emulator, throttle, unknown_operation
from emulators.faults import Fault, unavailable
from emulators.models import ACCOUNT
from examples.client import ApiError, custom_models
from local.api_gateway import Context, Handler
from tests.api import Api
from tests.examples.function import ARNS, MODELS, Serve

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "client.py"
BUSY: tuple[Fault, ...] = (throttle, throttle, throttle)
"""What botocore's three attempts do not get past, so that the API answers 429."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client slept, which take none."""
    seconds: list[float] = []
    monkeypatch.setattr("examples.client.sleep", seconds.append)
    return seconds


def arns(models: Any) -> list[str]:
    return [model["modelArn"] for model in models]


class TestAll:
    @pytest.mark.parametrize("max_items", [7, 100, 150, 300, 1000])
    def test_each_model_once_and_in_order(self, url: str, max_items: int) -> None:
        assert arns(custom_models(url, maxItems=max_items)) == ARNS

    def test_an_empty_page_is_not_the_end(self, serve: Serve) -> None:
        empty, last = {"modelSummaries": [], "nextCursor": "next"}, {"modelSummaries": [{"modelArn": "arn"}]}
        url = serve(answering([(200, empty), (200, last)]))
        assert arns(custom_models(url)) == ["arn"]

    def test_the_filters_are_the_apis(self, url: str, emulator: Emulator) -> None:
        after = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))
        found = custom_models(url, nameContains="churn", isOwned=True, creationTimeAfter=after.isoformat(), maxItems=3)
        churn = [
            model for model in MODELS if "churn" in model.name and model.owner == ACCOUNT and model.created > after
        ]
        assert len(churn) > 6
        assert arns(found) == [model.arn for model in churn]

    def test_a_slash_after_the_url_does_no_harm(self, url: str) -> None:
        assert arns(custom_models(f"{url}/", maxItems=1000)) == ARNS


class TestBusy:
    def test_it_waits_as_told_and_goes_on_in_the_middle(self, url: str, emulator: Emulator, slept: list[float]) -> None:
        emulator.misbehave(None, *BUSY, *BUSY, None, unavailable, unavailable, unavailable)
        assert arns(custom_models(url, maxItems=100)) == ARNS
        assert slept == [2, 2, 5]

    def test_a_second_where_it_is_not_told(self, serve: Serve, slept: list[float]) -> None:
        url = serve(answering([(503, {}), (200, {"modelSummaries": []})]))
        assert list(custom_models(url)) == []
        assert slept == [1]

    def test_it_gives_up_after_five_attempts(self, url: str, emulator: Emulator, slept: list[float]) -> None:
        emulator.misbehave(None, always=throttle)
        models = custom_models(url, maxItems=100)
        assert arns(next(models) for _ in range(100)) == ARNS[:100]
        with pytest.raises(ApiError, match="wait and send the same request again") as raised:
            next(models)
        assert (raised.value.status, raised.value.kind) == (429, "upstream-throttled")
        assert slept == [2, 2, 2, 2]


class TestRefusals:
    def test_a_wrong_filter_is_named(self, url: str) -> None:
        with pytest.raises(ApiError) as raised:
            list(custom_models(url, namecontains="churn", maxItems=0))
        assert (raised.value.status, raised.value.kind) == (400, "invalid-query")
        assert "400 invalid-query: maxItems must be a whole number from 1 to 1000; namecontains" in str(raised.value)
        assert "did you mean nameContains?" in str(raised.value)

    def test_an_expired_cursor_ends_the_listing_with_an_error(
        self, url: str, emulator: Emulator, slept: list[float]
    ) -> None:
        emulator.misbehave(None, unknown_operation)
        with pytest.raises(ApiError, match="Omit the cursor to start the listing again") as raised:
            list(custom_models(url))
        assert raised.value.kind == "expired-cursor"
        assert slept == []

    def test_what_is_no_problem_is_shown(self, serve: Serve) -> None:
        url = serve(lambda *_: {"statusCode": 502, "body": "<html>Bad gateway</html>"})
        with pytest.raises(ApiError, match="502 : <html>Bad gateway</html>"):
            list(custom_models(url))


class TestSignature:
    def test_of_the_region_in_the_url(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[Any] = []

        def urlopen(request: Any, timeout: float) -> io.BytesIO:
            sent.append(request)
            return io.BytesIO(b'{"modelSummaries": []}')

        monkeypatch.setattr("examples.client.urlopen", urlopen)
        list(custom_models("https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/", nameContains="churn"))
        (request,) = sent
        assert request.full_url.endswith(".com/dev/v1/custom-models?nameContains=churn")
        assert "/eu-west-3/execute-api/aws4_request" in request.headers["Authorization"]

    def test_of_each_attempt_and_page(self, serve: Serve, slept: list[float]) -> None:
        events: list[Any] = []
        pages = [(503, {}), (200, {"modelSummaries": [], "nextCursor": "a+b"}), (200, {"modelSummaries": []})]
        url = serve(answering(pages, events))
        list(custom_models(url))
        signatures = [event["headers"]["Authorization"] for event in events]
        assert len(signatures) == 3
        assert all(text.startswith("AWS4-HMAC-SHA256 Credential=test/") for text in signatures)
        assert signatures[1] != signatures[2]
        assert events[2]["queryStringParameters"] == {"cursor": "a+b"}

    def test_not_without_credentials(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        events: list[Any] = []
        list(custom_models(serve(answering([(200, {"modelSummaries": []})], events))))
        assert "Authorization" not in events[0]["headers"]


def answering(answers: list[tuple[int, Any]], events: list[Any] | None = None) -> Handler:
    """Return a handler with one answer for each request, in turn, that keeps the events."""
    left = iter(answers)

    def handler(event: Any, _: Context) -> dict[str, Any]:
        if events is not None:
            events.append(event)
        status, body = next(left)
        return {"statusCode": status, "body": json.dumps(body)}

    return handler


class TestCommandLine:
    @pytest.fixture
    def run(self, new_api: Callable[[], Api], serve: Serve) -> Callable[..., subprocess.CompletedProcess[str]]:
        url = serve(new_api().handler)

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, str(SCRIPT), *(argument.replace("URL", url) for argument in arguments)]
            return subprocess.run(command, check=False, text=True, capture_output=True)

        return run

    def test_one_line_of_json_for_each_model(self, run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = run("URL", "nameContains=churn", "maxItems=10")
        assert (done.returncode, done.stderr) == (0, "")
        found = arns(json.loads(line) for line in done.stdout.splitlines())
        assert found == [model.arn for model in MODELS if "churn" in model.name]

    @pytest.mark.slow
    def test_who_reads_it_may_stop(self, new_api: Callable[[], Api], serve: Serve) -> None:
        command = [sys.executable, str(SCRIPT), serve(new_api().handler)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert json.loads(process.stdout.readline())["modelArn"] == ARNS[0]
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0

    @pytest.mark.slow
    def test_a_refusal(self, run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = run("URL", "maxItems")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("client: 400 invalid-query: maxItems ")

    @pytest.mark.slow
    def test_wrong_use(self, run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        done = run("URL", "maxItems=1", "maxItems=2")
        assert done.returncode == 2
        assert "a parameter was given twice" in done.stderr
        assert "NAME=VALUE" in run("--help").stdout
