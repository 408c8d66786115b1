"""``make smoke``: what it finds at the API on this machine, which differs from a deployed one only at the gateway."""

import base64
import gzip
import json
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.api_gateway import Handler, serve
from tests.api import NOWHERE, Api
from tools import smoke

pytestmark = pytest.mark.slow  # twenty requests in each test

Findings = dict[str, tuple[str, str]]

NO_URL = "URL must be the output Url of a deployment, such as https://…/prod/,"
NO_REGION = "set AWS_REGION to the API's region"
SIGNED = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "a-secret-that-no-output-may-contain"}
OF_THE_GATEWAY = {
    *("an unsigned request", "an unsigned request on another path", "an unknown access key", "a wrong signature"),
    *("Accept-Encoding: gzip", "the server in the OpenAPI document"),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        """Return the exit status, and what was printed to both streams."""
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["smoke", *arguments])
        capsys.readouterr()
        status = smoke.main()
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def check(run: Callable[..., tuple[int, str, str]]) -> Callable[[Handler], tuple[int, Findings]]:
    def check(handler: Handler) -> tuple[int, Findings]:
        """Return the exit status, and the verdict and the finding of each check by its name."""
        with serve(handler) as url:
            status, printed, progress = run(f"{url}/", **SIGNED)
        assert SIGNED["AWS_SECRET_ACCESS_KEY"] not in printed + progress
        rows = [line for line in printed.splitlines() if line.startswith("| ")][2:]
        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
        differing = [name for verdict, name, *_ in cells if verdict == "DIFFERS"]
        conclusion = f"{len(differing)} of {len(cells)} checks differ: {', '.join(differing)}."
        assert (conclusion if differing else "As expected.") in progress.splitlines()
        return status, {name: (verdict, found) for verdict, name, _, found in cells}

    return check


def test_only_the_checks_of_the_gateway_differ_here(api: Api, check: Callable[[Handler], tuple[int, Findings]]) -> None:
    status, found = check(api.handler)
    assert {name for name, (verdict, _) in found.items() if verdict == "DIFFERS"} == OF_THE_GATEWAY
    assert status == 1
    assert found["the whole inventory"] == ("ok", "each model once, complete")
    assert found["the second page"] == ("ok", "200, 0 models of the first page")
    assert found["the default order"] == ("info", "newest first")
    assert found["the bounds of creationTime"] == ("info", "After excludes its time, Before excludes its time")


MODEL = {"modelArn": "arn", "creationTime": "2026-01-31T00:00:00Z", "source": "123456789012/us-east-1"}
COMPLETE = {"sources": 1, "listed": 1, "notOffered": [], "unreachable": [], "complete": True}


def answers(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """Return a function that has one response for every request. Bytes are sent as they are, and the rest as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    fields = {"Content-Type": "application/json", **(headers or {})}

    def handler(event: Any, context: Any) -> Any:
        encoded = base64.b64encode(body).decode()
        return {"statusCode": status, "headers": fields, "body": encoded, "isBase64Encoded": True}

    return handler


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        (
            {
                "modelSummaries": [MODEL],
                "coverage": {**COMPLETE, "unreachable": [{"source": "1/b", "problem": "upstream-denied"}]},
            },
            ("DIFFERS", "each model once, without 1/b (upstream-denied)"),
        ),
        ({"modelSummaries": [MODEL] * 3, "coverage": COMPLETE}, ("DIFFERS", "2 models listed again, complete")),
        (
            {"modelSummaries": [], "coverage": {**COMPLETE, "complete": False}},
            ("DIFFERS", "each model once, not complete"),
        ),
        ({"modelSummaries": [], "coverage": COMPLETE}, ("ok", "each model once, complete")),
        ({"message": "Forbidden"}, ("DIFFERS", "the response is not valid")),
        ({"modelSummaries": [{}], "coverage": COMPLETE}, ("DIFFERS", "the response is not valid")),
        ({"modelSummaries": [], "coverage": {**COMPLETE, "unreachable": {}}}, ("DIFFERS", "the response is not valid")),
        (
            {"modelSummaries": [], "coverage": {**COMPLETE, "complete": "false"}},
            ("DIFFERS", "each model once, not complete"),
        ),
        (
            {"modelSummaries": [], "coverage": COMPLETE, "nextCursor": None},
            ("ok", "each model once, complete"),
        ),
    ],
)
def test_an_inventory_with_gaps_differs(
    listing: object, found: tuple[str, str], check: Callable[[Handler], tuple[int, Findings]]
) -> None:
    assert check(answers(listing))[1]["the whole inventory"] == found


def test_an_account_without_models_is_as_expected(check: Callable[[Handler], tuple[int, Findings]]) -> None:
    _, found = check(answers({"modelSummaries": [], "coverage": COMPLETE}))
    assert found["the second page"] == ("info", "skipped: the listing has one page")
    assert found["the default order"] == ("info", "skipped: fewer than two models")
    assert found["the bounds of creationTime"] == ("info", "skipped: no models")


def test_a_server_that_does_not_answer_is_one_line(run: Callable[..., tuple[int, str, str]]) -> None:
    status, printed, error = run(NOWHERE, **SIGNED)
    assert (status, printed) == (2, "")
    assert error.startswith(f"smoke: no response from {NOWHERE}: ")
    assert error.endswith("Connection refused\n")
    assert error.count("\n") == 1


def test_an_api_that_is_open_to_everyone_is_named(api: Api, run: Callable[..., tuple[int, str, str]]) -> None:
    with serve(api.handler) as url:
        assert run(url, **SIGNED)[2].endswith(
            "This API answers unsigned requests. That of `make run` does; a deployed one must not.\n"
        )
    with serve(answers({"message": "Forbidden"}, 403)) as url:
        assert "unsigned requests." not in run(url, **SIGNED)[2]


@pytest.mark.parametrize(
    ("url", "environment", "message"),
    [
        ("", SIGNED, f"{NO_URL} not ''."),
        ("example.com", SIGNED, NO_URL),
        ("https://example.com/?a=b", SIGNED, NO_URL),
        ("https://[", SIGNED, NO_URL),
        ("https://example.com/dev/", {}, "there are no AWS credentials; set AWS_PROFILE, or log in."),
        (
            "https://example.com/dev/",
            {"AWS_PROFILE": "nope"},
            "the AWS credentials could not be read (ProfileNotFound): The config profile (nope) could not be found",
        ),
        (f"{NOWHERE}0000/", SIGNED, NO_URL),
        (f"https://{'a' * 64}.example.com/", SIGNED, NO_URL),
        ("https://example..com/", SIGNED, NO_URL),
        ("https://[::1", SIGNED, NO_URL),
        ("https://example.com/", {**SIGNED, "AWS_REGION": " "}, NO_REGION),
        ("https://example.com/", {**SIGNED, "AWS_DEFAULT_REGION": ""}, NO_REGION),
        (
            "https://example.com/",
            {**SIGNED, "AWS_SESSION_TOKEN": "TOKEN\r"},
            "the AWS credentials contain a space or a control character,",
        ),
    ],
)
def test_wrong_arguments_are_one_line(
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    environment: dict[str, str],
    message: str,
) -> None:
    for name in SIGNED:
        monkeypatch.delenv(name, raising=False)
    status, printed, error = run(url, **environment)
    assert (status, printed) == (2, "")
    assert error.startswith(f"smoke: {message}")
    assert "TOKEN" not in error
    assert error.count("\n") == 1


def test_a_custom_domain_needs_a_region(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert run("https://models.example.com/", **SIGNED)[2].startswith(f"smoke: {NO_REGION}")


NOT_VALID = ("DIFFERS", "the response is not valid")
GZIP = {"Content-Encoding": "gzip"}
FORBIDDEN = {"type": "urn:problem-type:custom-models:forbidden", "requestId": "r1"}


def listing(**fields: Any) -> dict[str, Any]:
    """Return a page with one model that has other fields."""
    return {"modelSummaries": [{**MODEL, **fields}], "coverage": COMPLETE}


@pytest.mark.parametrize(
    ("name", "content", "headers"),
    [
        ("a listing", {}, {}),
        ("a listing", {"modelSummaries": [1], "coverage": COMPLETE}, {}),
        ("the second page", b"<html>", {}),
        ("the second page", {}, {}),
        ("the whole inventory", listing(source=1), {}),
        ("the whole inventory", listing(source=None), {}),
        ("the whole inventory", {**listing(), "nextCursor": "same"}, {}),
        ("the whole inventory", {**listing(), "nextCursor": ""}, {}),
        ("the whole inventory", {**listing(), "nextCursor": [1]}, {}),
        ("the whole inventory", {**listing(), "nextCursor": {}}, {}),
        ("the second page", {**listing(), "nextCursor": "\ud800"}, {}),
        ("the bounds of creationTime", listing(creationTime="9999-12-31T23:59:59Z"), {}),
        ("the bounds of creationTime", listing(creationTime="0001-01-01T00:00:00Z"), {}),
        ("the bounds of creationTime", listing(creationTime=1), {}),
        ("the server in the OpenAPI document", {"servers": ["x"]}, {}),
        ("the server in the OpenAPI document", {"servers": None}, {}),
        ("the default order", b"[" * 100_000, {}),
        ("Accept-Encoding: gzip", b"garbage", GZIP),
        ("Accept-Encoding: gzip", gzip.compress(b'{"openapi": "3.1.0"}', mtime=0)[:-9], GZIP),
        ("Accept-Encoding: gzip", gzip.compress(b'{"openapi": "3.1.0"}'.ljust(smoke.MAX_BODY + 1), mtime=0), GZIP),
    ],
)
def test_an_invalid_response_differs(
    name: str,
    content: object,
    headers: Mapping[str, str],
    check: Callable[[Handler], tuple[int, Findings]],
) -> None:
    status, found = check(answers(content, headers=headers))
    assert (status, len(found)) == (1, len(smoke.CHECKS))
    assert found[name] == NOT_VALID


@pytest.mark.parametrize("content", [b"<html>", {}, {"modelSummaries": {}}, {"modelSummaries": [2]}])
def test_a_second_page_that_is_not_a_listing_differs(
    content: object, check: Callable[[Handler], tuple[int, Findings]]
) -> None:
    def handler(event: Any, context: Any) -> Any:
        has_cursor = "cursor" in (event["queryStringParameters"] or {})
        return answers(content if has_cursor else {**listing(), "nextCursor": "next"})(event, context)

    assert check(handler)[1]["the second page"] == NOT_VALID


def test_deep_json_is_not_a_problem(check: Callable[[Handler], tuple[int, Findings]]) -> None:
    found = check(answers(b"[" * 100_000, 403))[1]
    assert found["an unsigned request"] == ("DIFFERS", "403, application/json, not a problem")


def test_a_compressed_document_is_as_expected(check: Callable[[Handler], tuple[int, Findings]]) -> None:
    compressed = gzip.compress(json.dumps({"openapi": "3.1.0"}).encode())
    assert check(answers(compressed, headers=GZIP))[1]["Accept-Encoding: gzip"] == ("ok", "200, gzip")


@pytest.mark.parametrize(
    ("problem", "content_type", "found"),
    [
        (FORBIDDEN, "application/problem+json", ("ok", smoke.FORBIDDEN)),
        (FORBIDDEN, "problem+json", ("DIFFERS", "403 forbidden, problem+json, same request id")),
        (
            {**FORBIDDEN, "type": "forbidden"},
            "application/problem+json",
            ("DIFFERS", "403 'forbidden', application/problem+json, same request id"),
        ),
        (
            {**FORBIDDEN, "type": "urn:others:forbidden"},
            "application/problem+json",
            ("DIFFERS", "403 'urn:others:forbidden', application/problem+json, same request id"),
        ),
        (
            {**FORBIDDEN, "requestId": "r2"},
            "application/problem+json",
            ("DIFFERS", "403 forbidden, application/problem+json, another request id"),
        ),
    ],
)
def test_only_the_expected_problem_is_ok(
    problem: object, content_type: str, found: tuple[str, str], check: Callable[[Handler], tuple[int, Findings]]
) -> None:
    handler = answers(problem, 403, {"Content-Type": content_type, "X-Request-Id": "r1"})
    assert check(handler)[1]["an unsigned request"] == found


@pytest.mark.parametrize("errors", ["ab", {"a": 1, "b": 2}, None])
def test_errors_that_are_not_a_list_differ(errors: object, check: Callable[[Handler], tuple[int, Findings]]) -> None:
    problem = {"type": "urn:problem-type:custom-models:invalid-query", "requestId": "r1", "errors": errors}
    handler = answers(problem, 400, {"Content-Type": "application/problem+json", "X-Request-Id": "r1"})
    verdict, found = check(handler)[1]["two invalid parameters"]
    assert (verdict, found.rpartition(", ")[2]) == ("DIFFERS", "no list of errors")


@pytest.mark.parametrize("url", ["skipped: x", "the URL of this API"])
def test_a_response_cannot_choose_its_verdict(url: str, check: Callable[[Handler], tuple[int, Findings]]) -> None:
    found = check(answers({"servers": [{"url": url}]}))[1]
    assert found["the server in the OpenAPI document"] == ("DIFFERS", f"'{url}'")


def test_a_response_cannot_forge_the_table(check: Callable[[Handler], tuple[int, Findings]]) -> None:
    failed = {"source": "1/b |\n| ok | a forged row | x | \x1b[2J\ud800\u202eé", "problem": "p" * 5000}
    found = check(answers({"modelSummaries": [], "coverage": {**COMPLETE, "unreachable": [failed]}}))[1]
    assert list(found) == [it.name for it in smoke.CHECKS]
    forged = r"1/b \x7c\n\x7c ok \x7c a forged row \x7c x \x7c \x1b[2J\ud800\u202e\xe9 (pp"
    assert found["the whole inventory"][1].startswith(f"each model once, without {forged}")
    assert len(found["the whole inventory"][1]) < 2000


def test_a_listing_without_an_end_differs(
    check: Callable[[Handler], tuple[int, Findings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def handler(event: Any, context: Any) -> Any:
        return answers({**listing(), "nextCursor": event["requestContext"]["requestId"]})(event, context)

    monkeypatch.setattr(smoke, "MAX_PAGES", 5)
    assert check(handler)[1]["the whole inventory"] == NOT_VALID


@contextmanager
def serve_bytes(head: bytes, body: bytes, times: int, pause: float) -> Iterator[str]:
    """Serve one response, of which the body is sent several times, with pauses."""

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            try:
                self.wfile.write(head)
                for _ in range(times):
                    self.wfile.write(body)
                    time.sleep(pause)
            except ConnectionError:
                pass  # the client has read enough

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("head", "body", "times", "pause", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b" ", 15, 0.2, "timed out"),
        (b"HTTP/1.1 200 OK\r\nX-Endless: ", b" ", 15, 0.2, "timed out"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 1_000_000, 400, 0, "the body has more than 10,000,000 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n",
            *(b" " * 1_000_000, 400, 0, "the body has more than 10,000,000 bytes"),
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"{}", 1, 0, "IncompleteRead(2 bytes read, 7 more"),
        (b"\x1b[2J\r\n", b"", 0, 0, r"\x1b[2J"),
    ],
)
def test_a_slow_large_or_broken_response_is_one_line(
    head: bytes,
    body: bytes,
    times: int,
    pause: float,
    message: str,
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smoke, "TIMEOUT", 1)
    with serve_bytes(head, body, times, pause) as url:
        status, printed, error = run(url, **SIGNED)
    assert (status, printed) == (2, "")
    assert error.startswith(f"smoke: no response from {url}: {message}")
    assert error.count("\n") == 1


@pytest.mark.parametrize("url", ["HTTP://LOCALHOST:9/Prod/", "http://[::1]:9/", "http://localhost.:9/"])
def test_other_ways_to_write_a_host_are_valid(url: str, run: Callable[..., tuple[int, str, str]]) -> None:
    assert run(url, **SIGNED)[2].startswith(f"smoke: no response from {url}: ")


def test_the_case_of_a_host_does_not_matter(run: Callable[..., tuple[int, str, str]]) -> None:
    def handler(event: Any, context: Any) -> Any:
        return answers({"servers": [{"url": f"http://{event['headers']['Host'].lower()}/v1"}]})(event, context)

    with serve(handler) as url:
        printed = run(url.replace("127.0.0.1", "LocalHost"), **SIGNED)[1]
    assert "| ok      | the server in the OpenAPI document" in printed


@pytest.fixture
def profile(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    def profile(*lines: str, **environment: str) -> tuple[int, str, str]:
        """Run with a profile that has these settings, and without credentials in the environment."""
        (tmp_path / "config").write_text("\n".join(["[profile me]", *lines, ""]))
        for name in SIGNED:
            monkeypatch.delenv(name)
        return run(f"{NOWHERE}/", AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_PROFILE="me", **environment)

    return profile


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("raise SystemExit('two\\nlines')", "CredentialRetrievalError"),
        ("print('[]')", "AttributeError"),
        ("print('{\"Version\": 1}')", "CredentialRetrievalError"),
        ("print('not JSON')", "JSONDecodeError"),
    ],
)
def test_a_credential_process_that_fails_is_one_line(
    output: str, error: str, profile: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "process.py").write_text(output)
    status, printed, message = profile(f"credential_process = {sys.executable} {tmp_path / 'process.py'}")
    assert (status, printed, message.count("\n")) == (2, "", 1)
    assert message.startswith(f"smoke: the AWS credentials could not be read ({error}): ")


@pytest.mark.parametrize(
    "lines",
    [
        ["credential_process = /nowhere/process"],
        ["role_arn = arn:aws:iam::123456789012:role/r", "web_identity_token_file = /nowhere/token"],
    ],
)
def test_a_missing_file_is_not_a_missing_response(
    lines: list[str], profile: Callable[..., tuple[int, str, str]]
) -> None:
    status, _, message = profile(*lines)
    assert status == 2
    assert message.startswith("smoke: the AWS credentials could not be read (FileNotFoundError): ")


def test_a_role_is_assumed_in_the_region_of_the_api(profile: Callable[..., tuple[int, str, str]]) -> None:
    scopes = []

    def denies(event: Any, context: Any) -> Any:
        headers = {name.lower(): value for name, value in event["headers"].items()}
        scopes.append(headers["authorization"].partition("Credential=")[2].split("/")[2])
        return {"statusCode": 403, "body": "<E><Error><Code>AccessDenied</Code></Error></E>"}

    with serve(denies) as sts:
        status, _, message = profile(
            *("role_arn = arn:aws:iam::123456789012:role/r", "source_profile = me"),
            *("aws_access_key_id = AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key = x"),
            AWS_REGION="eu-west-1",
            AWS_ENDPOINT_URL=sts,
        )
    assert status == 2
    assert message.startswith("smoke: the AWS credentials could not be read (ClientError): ")
    assert scopes == ["eu-west-1"]
