"""examples/list.sh, with the real function over HTTP."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulators import server
from emulators.bedrock import Emulator, throttle, unknown_operation
from local.api_gateway import Context, Handler
from tests.api import Api
from tests.examples.function import ARNS, MODELS, Run, Serve

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "list.sh"

pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")
        for program in ("bash", "curl", "jq")
    ),
]


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


@pytest.mark.parametrize("max_items", [130, 150, 1000])
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
    done = run(f"{url}/", "nameContains=churn", "isOwned=true", after, "maxItems=10")
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


KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "SECRET",
    "AWS_SESSION_TOKEN": "TOKEN",
    "AWS_REGION": "us-east-1",
}


class TestCredentials:
    def test_they_are_not_in_the_arguments_of_curl(self, serve: Serve, run: Run, tmp_path: Path) -> None:
        (tmp_path / "curl").write_text(
            f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\nexec {shutil.which("curl")} "$@"\n'
        )
        (tmp_path / "curl").chmod(0o755)
        pages = [{"modelSummaries": [], "nextCursor": "1"}, {"modelSummaries": []}]
        events: list[Any] = []
        url = serve(recording(events, lambda *_: {"statusCode": 200, "body": json.dumps(pages.pop(0))}))
        done = run(url, **KEYS, PATH=f"{tmp_path}:{os.environ['PATH']}")
        assert done.returncode == 0
        arguments = (tmp_path / "arguments").read_text()
        assert arguments.count("--aws-sigv4") == 2
        assert not [value for value in ("AKIA", "SECRET", "TOKEN") if value in arguments]
        for _, event in events:
            headers = {name.lower(): value for name, value in event["headers"].items()}
            assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA/")
            assert headers["x-amz-security-token"] == "TOKEN"

    @pytest.mark.parametrize("name", KEYS)
    @pytest.mark.parametrize("bad", ["SECRET\r", "SECRET\nX-Other: 1", "SEC RET", 'SECRET"', "SECRET\\n"])
    def test_they_cannot_add_to_a_header(self, run: Run, name: str, bad: str) -> None:
        done = run("http://127.0.0.1:9", **{**KEYS, name: bad})
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "list.sh: the AWS credentials or the region have a space, a control character, a quote or a backslash\n"
        )

    def test_the_secret_key_is_needed_too(self, run: Run) -> None:
        done = run("http://127.0.0.1:9", AWS_ACCESS_KEY_ID="AKIA", AWS_REGION="us-east-1")
        assert (done.returncode, done.stderr) == (1, "list.sh: set AWS_SECRET_ACCESS_KEY too\n")

    @pytest.mark.parametrize("url", ["https://models.example.com/dev/", "http://localhost.example.com", "http://[::2]"])
    def test_without_them_nothing_is_sent_elsewhere(self, run: Run, url: str) -> None:
        done = run(url, AWS_PROFILE="example", http_proxy="http://127.0.0.1:9")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "list.sh: there are no AWS credentials: unsigned requests are sent to this machine only "
            '(127.0.0.1, localhost, [::1]); run: eval "$(aws configure export-credentials --format env)"\n'
        )

    @pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]:9"])
    def test_the_names_of_this_machine(self, run: Run, host: str) -> None:
        done = run(f"http://{host}", http_proxy="http://models.example.com")
        assert (done.returncode, done.stdout) == (1, "")
        assert "connect to" in done.stderr

    @pytest.mark.parametrize(
        "url",
        [
            "file://localhost/etc",
            "localhost:8000",
            "http://127.0.0.1@127.0.0.2:9",
            "http://127.0.0.1:x@127.0.0.2:9",
            "http://127.0.0.2\\@127.0.0.1:9",
            "http://127.0.0.{1,2}:9",
            "http://127.0.0.1:abc",
            "-L",
        ],
    )
    def test_the_url_has_http_and_a_host(self, run: Run, url: str) -> None:
        done = run(url, **KEYS)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "list.sh: the URL must start with http:// or https:// and the name of a host\n"


class TestNetwork:
    def test_a_redirect_is_an_error(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / ".curlrc").write_text("location-trusted\n")
        elsewhere: list[server.Request] = []

        def respond(request: server.Request) -> server.Response:
            elsewhere.append(request)
            return server.Response()

        with server.serve(respond) as other:
            redirect = server.Response(302, b'{"modelSummaries": []}', headers={"Location": f"{other}/v1"})
            with server.serve(lambda _: redirect) as url:
                done = run(url, **KEYS, HOME=str(tmp_path))
        assert (done.returncode, done.stdout, elsewhere) == (1, "", [])
        assert done.stderr == f"list.sh: redirects are not followed: {other}/v1\n"

    def test_requests_to_this_machine_do_not_use_a_proxy(self, url: str, run: Run) -> None:
        assert arns(run(url, http_proxy="http://127.0.0.1:9")) == ARNS

    def test_braces_in_the_url_are_text(self, run: Run) -> None:
        paths: list[str] = []

        def respond(request: server.Request) -> server.Response:
            paths.append(request.path)
            return server.Response(body=b'{"modelSummaries": []}')

        with server.serve(respond) as url:
            run(f"{url}/{{a,b}}[1-2]")
        assert paths == ["/{a,b}[1-2]/v1/custom-models"]

    @pytest.mark.parametrize("body", [b"<html>Denied</html>", b'{"message": "Denied"}', b'{"detail": "cut'])
    def test_an_error_that_is_not_a_problem_is_shown(self, run: Run, body: bytes) -> None:
        with server.serve(lambda _: server.Response(403, body=body)) as url:
            done = run(url)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[1:] == [f"list.sh: {body.decode()}"]

    @pytest.mark.parametrize("status", [200, 403])
    def test_curl_reports_a_truncated_response(self, run: Run, status: int) -> None:
        headers = {"Content-Length": "100", "Connection": "close"}
        with server.serve(lambda _: server.Response(status, body=b'{"modelSummaries": []}', headers=headers)) as url:
            done = run(url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("curl: (")


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
