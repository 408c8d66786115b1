"""examples/client.py, with the real function over HTTP."""

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import OpenerDirector, Request

import pytest

from emulators import server
from emulators.bedrock import Emulator, throttle, unknown_operation
from emulators.faults import Fault, unavailable
from emulators.models import ACCOUNT
from emulators.sts import Sts
from examples.client import ApiError, custom_models
from tests.api import Api
from tests.examples.function import ARNS, MODELS, Run, Serve, responding

pytestmark = pytest.mark.slow  # HTTP, and waits before retries

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "client.py"
BUSY: tuple[Fault, ...] = (throttle, throttle, throttle)
"""As many failures as botocore makes attempts, so that the API returns 429."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each sleep; the tests do not really sleep."""
    seconds: list[float] = []
    monkeypatch.setattr("examples.client.sleep", seconds.append)
    return seconds


class Response(io.BytesIO):
    """A listing without models."""

    status = 200
    headers: ClassVar[dict[str, str]] = {}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests; the tests do not really send them."""
    requests: list[Request] = []

    def open_(_: OpenerDirector, request: Request, timeout: float) -> Response:
        requests.append(request)
        return Response(b'{"modelSummaries": []}')

    monkeypatch.setattr(OpenerDirector, "open", open_)
    return requests


def arns(models: Any) -> list[str]:
    return [model["modelArn"] for model in models]


class TestListing:
    @pytest.mark.parametrize("max_items", [7, 100, 150, 300, 1000])
    def test_each_model_once_and_in_order(self, url: str, max_items: int) -> None:
        assert arns(custom_models(url, maxItems=max_items).models) == ARNS

    def test_an_empty_page_is_not_the_end(self, serve: Serve) -> None:
        empty, last = {"modelSummaries": [], "nextCursor": "next"}, {"modelSummaries": [{"modelArn": "arn"}]}
        url = serve(responding([(200, empty), (200, last)]))
        assert arns(custom_models(url).models) == ["arn"]

    def test_filters_are_sent(self, url: str, emulator: Emulator) -> None:
        after = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))
        found = custom_models(url, nameContains="churn", isOwned=True, creationTimeAfter=after.isoformat(), maxItems=3)
        churn = [
            model for model in MODELS if "churn" in model.name and model.owner == ACCOUNT and model.created > after
        ]
        assert len(churn) > 6
        assert arns(found.models) == [model.arn for model in churn]

    def test_a_slash_at_the_end_of_the_url_is_accepted(self, url: str) -> None:
        assert arns(custom_models(f"{url}/", maxItems=1000).models) == ARNS


class TestBusy:
    def test_it_waits_for_retry_after_in_the_middle_of_the_listing(
        self, url: str, emulator: Emulator, slept: list[float]
    ) -> None:
        emulator.misbehave(None, *BUSY, *BUSY, None, unavailable, unavailable, unavailable)
        assert arns(custom_models(url, maxItems=100).models) == ARNS
        assert slept == [2, 2, 5]

    def test_it_waits_a_second_without_retry_after(self, serve: Serve, slept: list[float]) -> None:
        url = serve(responding([(503, {}), (200, {"modelSummaries": []})]))
        assert custom_models(url).models == []
        assert slept == [1]

    @pytest.mark.parametrize("status", [429, 503, 504])
    def test_it_retries_what_may_succeed_later(self, serve: Serve, slept: list[float], status: int) -> None:
        url = serve(responding([(status, {}), (200, {"modelSummaries": []})]))
        assert custom_models(url).models == []
        assert slept == [1]

    @pytest.mark.parametrize("status", [400, 403, 413, 500, 502])
    def test_it_does_not_retry_what_would_fail_again(self, serve: Serve, slept: list[float], status: int) -> None:
        with pytest.raises(ApiError):
            custom_models(serve(responding([(status, {})])))
        assert slept == []

    @pytest.mark.parametrize(
        ("retry_after", "seconds"),
        [
            ("3", 3),
            ("1.5", 1.5),
            ("0", 0),
            ("-5", 0),
            ("86400", 60),
            ("nan", 1),
            ("inf", 1),
            ("soon", 1),
            ("", 1),
            ("Wed, 25 Nov 2020 20:00:00 GMT", 0),
            ("Wed, 25 Nov 2020 20:00:00", 1),  # without a zone it is not an HTTP date
            ("Wed, 25 Nov 2099 20:00:00 GMT", 60),
            ("Wednesday, 25-Nov-20 20:00:00 GMT", 0),
        ],
    )
    def test_retry_after_is_seconds_or_a_date(
        self, serve: Serve, slept: list[float], retry_after: str, seconds: float
    ) -> None:
        responses = iter([(503, {"Retry-After": retry_after}), (200, {})])

        def handler(*_: object) -> dict[str, Any]:
            status, headers = next(responses)
            return {"statusCode": status, "headers": headers, "body": '{"modelSummaries": []}'}

        assert custom_models(serve(handler)).models == []
        assert slept == [seconds]

    def test_it_raises_after_five_attempts(self, url: str, emulator: Emulator, slept: list[float]) -> None:
        emulator.misbehave(None, always=throttle)
        with pytest.raises(ApiError, match="wait and send the same request again") as raised:
            custom_models(url, maxItems=100)
        assert (raised.value.status, raised.value.kind) == (429, "upstream-throttled")
        assert slept == [2, 2, 2, 2]


class TestStartingAgain:
    def test_after_an_expired_cursor_each_model_is_listed_once(self, url: str, emulator: Emulator) -> None:
        emulator.misbehave(None, unknown_operation)
        assert arns(custom_models(url, maxItems=100).models) == ARNS
        assert len(emulator.calls) == 5

    def test_the_third_expired_cursor_is_an_error(self, url: str, emulator: Emulator, slept: list[float]) -> None:
        emulator.misbehave(*[None, unknown_operation] * 3)
        with pytest.raises(ApiError, match="Omit the cursor to start the listing again") as raised:
            custom_models(url, maxItems=100)
        assert raised.value.kind == "expired-cursor"
        assert slept == []


class TestErrors:
    def test_an_unknown_filter_is_reported(self, url: str) -> None:
        with pytest.raises(ApiError) as raised:
            custom_models(url, namecontains="churn", maxItems=0)
        assert (raised.value.status, raised.value.kind) == (400, "invalid-query")
        assert "400 invalid-query: maxItems must be a whole number from 1 to 1000; namecontains" in str(raised.value)
        assert "did you mean nameContains?" in str(raised.value)

    def test_the_message_names_the_source_that_failed(self, serve: Serve) -> None:
        problem = {"type": "urn:problem-type:custom-models:upstream-denied", "detail": "Ask.", "requestId": "r1"}
        url = serve(responding([(500, {**problem, "source": "111122223333/us-east-1"}), (500, problem)]))
        with pytest.raises(
            ApiError, match=r"^500 upstream-denied: Ask\. \(source 111122223333/us-east-1, request r1\)$"
        ):
            custom_models(url)
        with pytest.raises(ApiError, match=r"^500 upstream-denied: Ask\. \(request r1\)$"):
            custom_models(url)

    def test_a_response_that_is_not_a_problem_is_shown(self, serve: Serve) -> None:
        url = serve(lambda *_: {"statusCode": 502, "body": "<html>Bad gateway</html>"})
        with pytest.raises(ApiError, match="502 : <html>Bad gateway</html>"):
            custom_models(url)

    @pytest.mark.parametrize("body", ["<html>Please log in</html>", "", "[]", "{}", '{"modelSummaries": null}', "null"])
    def test_a_response_that_is_not_a_listing_is_an_error(self, serve: Serve, body: str) -> None:
        with pytest.raises(ApiError, match=r"^200 "):
            custom_models(serve(lambda *_: {"statusCode": 200, "body": body}))

    @pytest.mark.parametrize("cursor", [None, ""])
    def test_a_next_cursor_without_a_value_is_the_end(self, serve: Serve, cursor: str | None) -> None:
        pages: list[dict[str, object]] = [{"modelSummaries": [], "nextCursor": cursor}]
        url = serve(lambda *_: {"statusCode": 200, "body": json.dumps(pages.pop())})
        assert custom_models(url).models == []


class TestSignature:
    @pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
    def test_behind_a_custom_domain_the_region_comes_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, sent: list[Request], variable: str
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.setenv(variable, "eu-north-1")
        custom_models("https://models.example.com/")
        assert "/eu-north-1/execute-api/aws4_request" in str(sent[0].headers["Authorization"])

    def test_it_is_an_error_if_no_region_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        with pytest.raises(ValueError, match="set AWS_REGION"):
            custom_models("https://models.example.com/")

    def test_the_local_server_needs_no_region(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        assert arns(custom_models(url).models) == ARNS

    def test_the_region_comes_from_the_url(self, sent: list[Request]) -> None:
        custom_models("https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/", nameContains="churn")
        (request,) = sent
        assert request.full_url.endswith(".com/dev/v1/custom-models?maxItems=1000&nameContains=churn")
        assert "/eu-west-3/execute-api/aws4_request" in str(request.headers["Authorization"])

    def test_each_attempt_and_page_is_signed(self, serve: Serve, slept: list[float]) -> None:
        events: list[Any] = []
        pages = [(503, {}), (200, {"modelSummaries": [], "nextCursor": "a+b"}), (200, {"modelSummaries": []})]
        url = serve(responding(pages, events))
        custom_models(url)
        signatures = [event["headers"]["Authorization"] for event in events]
        assert len(signatures) == 3
        assert all(text.startswith("AWS4-HMAC-SHA256 Credential=test/") for text in signatures)
        assert signatures[1] != signatures[2]
        assert events[2]["queryStringParameters"] == {"cursor": "a+b", "maxItems": "1000"}

    def test_without_credentials_requests_to_this_machine_are_not_signed(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        events: list[Any] = []
        custom_models(serve(responding([(200, {"modelSummaries": []})], events)))
        assert "Authorization" not in events[0]["headers"]

    @pytest.mark.parametrize(
        "url",
        ["https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/", "http://localhost.example.com", "http://[::2]"],
    )
    def test_without_credentials_nothing_is_sent_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, sent: list[Request], url: str
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(ValueError, match=r"no AWS credentials.*this machine only \(127.0.0.1, localhost, ::1\)$"):
            custom_models(url)
        assert sent == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]", "[::1]:8000"])
    def test_the_names_of_this_machine(self, monkeypatch: pytest.MonkeyPatch, sent: list[Request], host: str) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert custom_models(f"http://{host}").models == []
        assert [request.host for request in sent] == [host]

    @pytest.mark.parametrize(
        "url",
        [
            "file://localhost/etc",
            "ftp://localhost",
            "localhost:8000",
            "http://",
            "http://127.0.0.1@example.com",
            "http://localhost:abc",
            "http://[",
        ],
    )
    def test_the_url_has_http_and_a_host(self, sent: list[Request], url: str) -> None:
        with pytest.raises(ValueError, match=r"the URL must|[Pp]ort|IPv6"):
            custom_models(url)
        assert sent == []


class TestCredentials:
    @pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"])
    @pytest.mark.parametrize("bad", ["SECRET\r", "SECRET\nX-Other: 1", "SEC RET", "SECRET\x7f", "SECRET\u00a0"])
    def test_they_cannot_add_to_a_header(
        self, monkeypatch: pytest.MonkeyPatch, sent: list[Request], name: str, bad: str
    ) -> None:
        monkeypatch.setenv(name, bad)
        with pytest.raises(ValueError, match="have a space or a control character") as raised:
            custom_models("http://127.0.0.1")
        assert "SEC" not in str(raised.value)
        assert sent == []

    @pytest.fixture
    def profile(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
        """Use a profile with these settings; there are no other credentials."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

        def write(settings: str) -> None:
            base = "[profile base]\naws_access_key_id = test\naws_secret_access_key = test\n"
            (tmp_path / "config").write_text(f"{base}[profile example]\n{settings}\n")
            monkeypatch.setenv("AWS_PROFILE", "example")

        return write

    @pytest.mark.parametrize(
        "settings",
        [
            "credential_process = echo {}",
            "credential_process = echo []",
            "credential_process = echo 1",
            "credential_process = echo <html>",
            "credential_process = false",
            "credential_process = /nowhere",
            'credential_process = echo \'{"Version": 1, "AccessKeyId": 1, "SecretAccessKey": "a"}\'',
            'credential_process = echo \'{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "a", "Expiration": 1}\'',
            f"role_arn = arn:aws:iam::{ACCOUNT}:role/reader\nweb_identity_token_file = /nowhere",
            f"role_arn = arn:aws:iam::{ACCOUNT}:role/denied\nsource_profile = base",
            f"role_arn = arn:aws:iam::{ACCOUNT}:role/reader\nsource_profile = nobody",
            f"sso_start_url = http://127.0.0.1\nsso_region = us-east-1\nsso_account_id = {ACCOUNT}\nsso_role_name = r",
        ],
    )
    def test_a_profile_that_does_not_work_is_reported_in_one_line(
        self,
        monkeypatch: pytest.MonkeyPatch,
        profile: Callable[[str], None],
        sent: list[Request],
        settings: str,
    ) -> None:
        profile(settings)
        with server.serve(Sts({}).respond) as sts_url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
            with pytest.raises(ValueError, match=r"^boto3 cannot load the AWS credentials: \w+: .+$") as raised:
                custom_models("http://127.0.0.1")
        assert "\n" not in str(raised.value)
        assert sent == []

    def test_a_role_is_assumed_in_the_region_of_the_api(
        self, monkeypatch: pytest.MonkeyPatch, profile: Callable[[str], None], sent: list[Request]
    ) -> None:
        role = f"arn:aws:iam::{ACCOUNT}:role/reader"
        profile(f"role_arn = {role}\nsource_profile = base")
        sts = Sts({role: None})
        scopes: list[str] = []

        def respond(request: server.Request) -> server.Response:
            scopes.append(request.headers["Authorization"])
            return sts.respond(request)

        with server.serve(respond) as sts_url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
            custom_models("https://a1b2c3.execute-api.eu-west-3.amazonaws.com/dev/")
        assert len(scopes) == 1
        assert "/eu-west-3/sts/aws4_request" in scopes[0]
        assert "/eu-west-3/execute-api/aws4_request" in str(sent[0].headers["Authorization"])


class TestNetwork:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_an_error(self, status: int) -> None:
        elsewhere: list[server.Request] = []

        def respond(request: server.Request) -> server.Response:
            elsewhere.append(request)
            return server.Response()

        with server.serve(respond) as other:
            redirect = server.Response(status, headers={"Location": f"{other}/v1/custom-models"})
            with (
                server.serve(lambda _: redirect) as url,
                pytest.raises(ApiError, match=f"^{status} : redirects are not followed: {other}/v1/custom-models$"),
            ):
                custom_models(url)
        assert elsewhere == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_requests_to_this_machine_do_not_use_a_proxy(
        self, url: str, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert arns(custom_models(url.replace("127.0.0.1", host)).models) == ARNS

    def test_other_requests_use_the_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hosts: list[str] = []

        def respond(request: server.Request) -> server.Response:
            hosts.append(request.headers["Host"])
            return server.Response(body=b'{"modelSummaries": []}')

        with server.serve(respond) as proxy:
            monkeypatch.setenv("http_proxy", proxy)
            custom_models("http://models.example.com")
        assert hosts == ["models.example.com"]

    @pytest.mark.parametrize(
        "response",
        [
            server.Response(disconnect=True),
            server.Response(body=b'{"modelSummaries": [', headers={"Content-Length": "100", "Connection": "close"}),
            server.Response(403, body=b"<html>", headers={"Content-Length": "100", "Connection": "close"}),
        ],
    )
    def test_an_incomplete_response_is_an_error(self, response: server.Response) -> None:
        with server.serve(lambda _: response) as url, pytest.raises(OSError, match="there is no complete response: "):
            custom_models(url)

    def test_a_response_that_is_not_http_is_an_error(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def respond() -> None:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(10000)
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

            thread = threading.Thread(target=respond)
            thread.start()
            with pytest.raises(OSError, match="there is no complete response: BadStatusLine"):
                custom_models(f"http://127.0.0.1:{listening.getsockname()[1]}")
            thread.join()

    @pytest.mark.parametrize("status", [200, 403])
    def test_deeply_nested_json_is_an_error(self, serve: Serve, status: int) -> None:
        with pytest.raises(ApiError, match=rf"^{status} : \[\["):
            custom_models(serve(lambda *_: {"statusCode": status, "body": "[" * 200000}))


class TestCommandLine:
    """test_coverage.py has more tests of it."""

    @pytest.fixture
    def run(self, new_api: Callable[[], Api], serve: Serve) -> Run:
        """Start a process with the URL of the real function."""
        command = [sys.executable, str(SCRIPT), serve(new_api().handler)]
        return lambda *filters: subprocess.run([*command, *filters], check=False, text=True, capture_output=True)

    def test_it_prints_one_line_of_json_per_model(self, run: Run) -> None:
        done = run("nameContains=churn", "maxItems=10")
        assert (done.returncode, done.stderr) == (0, "")
        found = arns(json.loads(line) for line in done.stdout.splitlines())
        assert found == [model.arn for model in MODELS if "churn" in model.name]

    def test_an_error_response(self, run: Run) -> None:
        done = run("maxItems")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("client: 400 invalid-query: maxItems ")

    @pytest.mark.parametrize(
        ("url", "token"),
        [("http://localhost:abc", ""), ("file://localhost/etc", ""), ("http://127.0.0.1:9", "TOKEN\r")],
    )
    def test_an_error_without_a_response_is_one_line(
        self, client_main: Run, monkeypatch: pytest.MonkeyPatch, url: str, token: str
    ) -> None:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        done = client_main(url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("client: ")
        assert "TOKEN" not in done.stderr

    def test_only_the_url_is_required(self, client_main: Run) -> None:
        done = client_main()
        assert done.returncode == 2
        assert done.stderr.endswith("the following arguments are required: URL\n")

    def test_usage_errors(self, client_main: Run) -> None:
        done = client_main("http://127.0.0.1:9", "maxItems=1", "maxItems=2")
        assert done.returncode == 2
        assert "a parameter is given twice" in done.stderr

    def test_help(self, client_main: Run) -> None:
        done = client_main("--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert "NAME=VALUE" in done.stdout
