"""examples/list.sh, with the real function over HTTP."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from emulators.bedrock import Emulator, throttle, unknown_operation
from local.api_gateway import Context, Handler
from tests.api import Api
from tests.examples.function import ARNS, MODELS, Serve

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "list.sh"

pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")
        for program in ("bash", "curl", "jq")
    ),
]

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        # Without credentials, unless the test passes them.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return subprocess.run(
            [str(SCRIPT), *arguments], check=False, text=True, capture_output=True, env={**inherited, **environment}
        )

    return run


def arns(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [json.loads(line)["modelArn"] for line in done.stdout.splitlines()]


def recording(events: list[Any], handler: Handler) -> Handler:
    """Wrap the handler: append the time and the event of each call to ``events``."""

    def record(event: Any, context: Context) -> dict[str, Any]:
        events.append((time.monotonic(), event))
        return handler(event, context)

    return record


@pytest.mark.parametrize("max_items", [70, 100, 1000])
def test_each_model_once_and_in_order(url: str, run: Run, max_items: int) -> None:
    done = run(url, f"maxItems={max_items}", cursor="from the environment")
    assert (done.returncode, done.stderr) == (0, "")
    assert arns(done) == ARNS


def test_an_empty_page_is_not_the_end(run: Run, serve: Serve) -> None:
    pages = [{"modelSummaries": [], "nextCursor": "next"}, {"modelSummaries": [{"modelArn": "arn"}]}]
    url = serve(lambda *_: {"statusCode": 200, "body": json.dumps(pages.pop(0))})
    assert arns(run(url)) == ["arn"]


def test_filters_are_encoded(url: str, run: Run) -> None:
    after = "creationTimeAfter=2026-01-01T00:00:00+01:00"
    done = run(f"{url}/", "nameContains=churn", "isOwned=true", after, "maxItems=5")
    assert (done.returncode, done.stderr) == (0, "")
    owned = [model for model in MODELS if "churn" in model.name and model.owner == "123456789012"]
    assert arns(done) == [model.arn for model in owned if model.created.isoformat() > "2025-12-31T23"]


def test_an_unknown_filter_is_reported(url: str, run: Run) -> None:
    done = run(url, "namecontains=churn", "maxItems")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean nameContains?" in done.stderr


def test_after_an_expired_cursor_each_model_is_printed_once(url: str, run: Run, emulator: Emulator) -> None:
    emulator.misbehave(None, unknown_operation)
    done = run(url, "maxItems=100")
    assert (done.returncode, arns(done)) == (0, ARNS)
    _, advice, last = done.stderr.splitlines()[:3]
    assert advice.startswith("list.sh: Omit the cursor to start the listing again.")
    assert last == "list.sh: starting again"


def test_the_third_expired_cursor_is_an_error(url: str, run: Run, emulator: Emulator) -> None:
    emulator.misbehave(*[None, unknown_operation] * 3)
    done = run(url, "maxItems=100")
    assert (done.returncode, done.stdout, len(emulator.calls)) == (1, "", 6)
    assert done.stderr.splitlines()[-1].startswith("list.sh: Omit the cursor to start the listing again.")


def test_a_failed_connection_is_an_error(run: Run) -> None:
    done = run("http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Failed to connect" in done.stderr or "Could not connect" in done.stderr
    assert "list.sh" not in done.stderr  # it does not start again


def test_the_largest_page_is_the_default(url: str, run: Run, emulator: Emulator) -> None:
    assert arns(run(url)) == ARNS
    assert [call["maxResults"] for call in emulator.calls] == ["1000"]


@pytest.mark.parametrize("body", ["<html>Please log in</html>", "", "[]", "{}", '{"modelSummaries": null}', "null"])
def test_a_response_that_is_not_a_listing_is_an_error(serve: Serve, run: Run, body: str) -> None:
    done = run(serve(lambda *_: {"statusCode": 200, "body": body}))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"list.sh: the response is not a listing: {body}")


def test_a_retry_after_in_the_past_does_not_hang(serve: Serve, run: Run) -> None:
    # Some versions of curl read it as a very long time, and the others as none.
    busy = {"statusCode": 503, "headers": {"Retry-After": "Wed, 25 Nov 2020 20:00:00 GMT"}, "body": "{}"}
    responses = [busy, {"statusCode": 200, "body": '{"modelSummaries": [{"modelArn": "arn"}]}'}]
    done = run(serve(lambda *_: responses.pop(0)))
    assert (done.returncode, arns(done)) in ((0, ["arn"]), (1, []))


def test_the_region_for_the_signature_may_be_boto3s_own(serve: Serve, run: Run) -> None:
    events: list[Any] = []
    url = serve(recording(events, lambda *_: {"statusCode": 200, "body": '{"modelSummaries": []}'}))
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert run(url, **keys, AWS_DEFAULT_REGION="eu-west-1").returncode == 0
    headers = {name.lower(): value for name, value in events[0][1]["headers"].items()}
    assert "/eu-west-1/execute-api/aws4_request" in headers["authorization"]


def test_usage_errors(run: Run) -> None:
    assert "usage: list.sh URL" in run().stderr
    assert "set AWS_REGION to sign" in run("http://127.0.0.1:9", AWS_ACCESS_KEY_ID="a").stderr


def test_it_signs_requests_if_there_are_credentials(new_api: Callable[[], Api], serve: Serve, run: Run) -> None:
    events: list[Any] = []
    url = serve(recording(events, new_api().handler))
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    done = run(url, "maxItems=200", **keys, AWS_REGION="eu-west-3")
    assert (done.returncode, arns(done)) == (0, ARNS)
    for _, event in events:
        headers = {name.lower(): value for name, value in event["headers"].items()}
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA/")
        assert "/eu-west-3/execute-api/aws4_request" in headers["authorization"]
        assert headers["x-amz-security-token"] == "token"
    assert len(events) == 2
    run(url, "maxItems=1000")
    assert "authorization" not in {name.lower() for name in events[-1][1]["headers"]}


class TestBusy:
    def test_it_waits_for_retry_after_in_the_middle_of_the_listing(
        self, new_api: Callable[[], Api], serve: Serve, run: Run, emulator: Emulator
    ) -> None:
        events: list[Any] = []
        emulator.misbehave(None, *[throttle] * 6)
        done = run(serve(recording(events, new_api().handler)), "maxItems=200")
        assert (done.returncode, arns(done)) == (0, ARNS)
        times = [at for at, _ in events]
        assert len(times) == 4
        # Without Retry-After, curl would wait for one second and then for two.
        assert times[2] - times[1] >= 2
        assert times[3] - times[2] >= 2

    def test_it_fails_after_the_last_attempt(self, url: str, run: Run, emulator: Emulator) -> None:
        emulator.misbehave(None, always=throttle)
        done = run(url, "maxItems=200")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1].startswith(
            "list.sh: Bedrock limits the rate of these requests; wait and send the same request again."
        )
