"""The stand-in for API Gateway: the events it creates, and the responses it returns."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.api_gateway import FUNCTION_TIMEOUT, Context, Handler, proxy_event, serve


class TestEvent:
    def test_it_has_every_field_of_a_proxy_event(self) -> None:
        headers = [("Host", "localhost"), ("User-Agent", "curl/8"), ("X-Twice", "1"), ("X-Twice", "2")]
        event = proxy_event("GET", "/v1/custom-models?isOwned=true", headers, source_ip="127.0.0.7")
        context = event["requestContext"]
        request_id, at, epoch = context.pop("requestId"), context.pop("requestTime"), context.pop("requestTimeEpoch")
        assert context.pop("extendedRequestId")
        assert request_id != proxy_event("GET", "/", [])["requestContext"]["requestId"]
        time_of_request = datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z")
        assert time_of_request == datetime.fromtimestamp(epoch / 1000, UTC).replace(microsecond=0)
        assert abs((datetime.now(UTC) - time_of_request).total_seconds()) < 60
        assert event == {
            "resource": "/{proxy+}",
            "path": "/v1/custom-models",
            "httpMethod": "GET",
            "headers": {"Host": "localhost", "User-Agent": "curl/8", "X-Twice": "2"},
            "multiValueHeaders": {"Host": ["localhost"], "User-Agent": ["curl/8"], "X-Twice": ["1", "2"]},
            "queryStringParameters": {"isOwned": "true"},
            "multiValueQueryStringParameters": {"isOwned": ["true"]},
            "pathParameters": {"proxy": "v1/custom-models"},
            "stageVariables": None,
            "requestContext": {
                "resourceId": "local",
                "resourcePath": "/{proxy+}",
                "httpMethod": "GET",
                "path": "/local/v1/custom-models",
                "accountId": "123456789012",
                "protocol": "HTTP/1.1",
                "stage": "local",
                "domainPrefix": "localhost",
                "domainName": "localhost",
                "apiId": "local",
                "identity": {
                    "cognitoIdentityPoolId": None,
                    "accountId": "123456789012",
                    "cognitoIdentityId": None,
                    "caller": "AIDALOCAL",
                    "sourceIp": "127.0.0.7",
                    "principalOrgId": None,
                    "accessKey": "AKIALOCAL",
                    "cognitoAuthenticationType": None,
                    "cognitoAuthenticationProvider": None,
                    "userArn": "arn:aws:iam::123456789012:user/local",
                    "userAgent": "curl/8",
                    "user": "AIDALOCAL",
                },
            },
            "body": None,
            "isBase64Encoded": False,
        }

    def test_empty_fields_are_null(self) -> None:
        event = proxy_event("GET", "/?", [])
        for name in (
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
            "body",
        ):
            assert event[name] is None, name
        assert event["requestContext"]["identity"]["userAgent"] is None

    @pytest.mark.parametrize("target", ["/", "/?a=1", "//", "http://127.0.0.1:8000"])
    def test_the_root_is_a_separate_resource(self, target: str) -> None:
        event = proxy_event("GET", target, [])
        assert (event["resource"], event["requestContext"]["resourcePath"]) == ("/", "/")
        assert event["pathParameters"] is None

    @pytest.mark.parametrize(
        ("target", "path"),
        [
            ("/v1/custom-models?a=/x", "/v1/custom-models"),
            ("/v1//custom-models", "/v1//custom-models"),
            # Recorded from AWS, which decodes only the query.
            ("/a%2Fb%2B/c+d/%C3%A9", "/a%2Fb%2B/c+d/%C3%A9"),
            ("http://localhost:8000/v1/custom-models?a=b", "/v1/custom-models"),
            ("http://[", "/"),
        ],
    )
    def test_the_path_is_not_decoded(self, target: str, path: str) -> None:
        event = proxy_event("GET", target, [])
        assert event["path"] == path
        assert event["requestContext"]["path"] == f"/local{path}"
        assert path == "/" or event["pathParameters"] == {"proxy": path.removeprefix("/")}

    @pytest.mark.parametrize(
        ("query", "values"),
        [
            ("a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
            ("a=2026-01-01T00:00:00+02:00", {"a": ["2026-01-01T00:00:00 02:00"]}),
            ("a=2026-01-01T00:00:00%2B02:00", {"a": ["2026-01-01T00:00:00+02:00"]}),
            ("a=%252B", {"a": ["%2B"]}),
            ("%61%3D=%C3%A9%26", {"a=": ["é&"]}),
            ("a&b=", {"a": [""], "b": [""]}),
            ("a=1;b=2", {"a": ["1;b=2"]}),
            ("a=b=c", {"a": ["b=c"]}),
            ("a=http://x/?y", {"a": ["http://x/?y"]}),
        ],
    )
    def test_the_query_is_decoded_once(self, query: str, values: dict[str, list[str]]) -> None:
        event = proxy_event("GET", f"/v1/custom-models?{query}", [])
        assert event["multiValueQueryStringParameters"] == values
        assert event["queryStringParameters"] == {name: value[-1] for name, value in values.items()}

    @given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
    @example([("a", "1"), ("b", "2"), ("a", "")])
    def test_parameters_keep_their_values_and_order(self, pairs: list[tuple[str, str]]) -> None:
        event = proxy_event("GET", f"/?{urlencode(pairs)}", [])
        multi = event["multiValueQueryStringParameters"]
        assert multi == {name: [value for other, value in pairs if other == name] for name, _ in pairs}
        assert event["queryStringParameters"] == dict(pairs)

    @pytest.mark.parametrize(
        ("body", "text", "is_base64"), [("é{}".encode(), "é{}", False), (b"\xff\x00", "/wA=", True), (b"", None, False)]
    )
    def test_the_body_is_text_or_base64(self, body: bytes, text: str | None, is_base64: bool) -> None:
        event = proxy_event("POST", "/", [], body)
        assert (event["body"], event["isBase64Encoded"]) == (text, is_base64)

    def test_the_user_agent_is_found_in_any_case(self) -> None:
        assert proxy_event("GET", "/", [("user-agent", "x")])["requestContext"]["identity"]["userAgent"] == "x"


class TestContext:
    def test_its_remaining_time_decreases_to_zero(self) -> None:
        now = time.monotonic()
        assert 0 < Context(timeout=60, started=now - 20).get_remaining_time_in_millis() <= 40_000
        assert Context(timeout=60, started=now - 61).get_remaining_time_in_millis() == 0
        context = Context()
        before = context.get_remaining_time_in_millis()
        time.sleep(0.01)
        assert before - 10 >= context.get_remaining_time_in_millis() > 0

    def test_each_request_has_a_new_context(self, gateway: "Gateway") -> None:
        seen: list[Context] = []

        def note(_: Any, context: Context) -> dict[str, Any]:
            seen.append(context)
            return {"statusCode": 200}

        gateway.handler = note
        gateway.request("GET", "/")
        gateway.request("GET", "/")
        assert seen[0].aws_request_id != seen[1].aws_request_id
        assert seen[0].started < seen[1].started
        assert [context.timeout for context in seen] == [FUNCTION_TIMEOUT] * 2


def echo(event: Any, _: Context) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


class Gateway:
    """A running stand-in, whose handler a test can replace, and one connection to it."""

    def __init__(self) -> None:
        self.handler: Handler = echo

    def __call__(self, event: Any, context: Context) -> dict[str, Any]:
        return self.handler(event, context)

    @contextmanager
    def connected(self, url: str) -> Iterator["Gateway"]:
        self.url = url
        self.connection = connect(url)
        try:
            yield self
        finally:
            self.connection.close()

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes]:
        return exchange(self.connection, method, target, body, headers)

    def require_alive(self, kept: object) -> None:
        """Check that the connection is still open and in step: the next response is the one to the next request."""
        self.handler = lambda *_: {"statusCode": 200, "body": "next"}
        response, content = self.request("GET", "/")
        assert (response.status, content) == (200, b"next")
        assert self.connection.sock is kept


def connect(url: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(url).netloc, timeout=10)


def exchange(
    connection: HTTPConnection,
    method: str,
    target: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection.request(method, target, body, headers or {})
    response = connection.getresponse()
    return response, response.read()


@pytest.fixture(scope="module")
def _serving() -> Iterator[tuple[Gateway, str]]:
    gateway = Gateway()
    with serve(gateway) as url:
        yield gateway, url


@pytest.fixture
def gateway(_serving: tuple[Gateway, str]) -> Iterator[Gateway]:
    gateway, url = _serving
    gateway.handler = echo
    with gateway.connected(url):
        yield gateway


def require_problem(response: HTTPResponse, content: bytes, kind: str, status: int) -> None:
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(content)
    assert problem.keys() == {"type", "title", "status", "detail", "requestId"}
    assert problem["type"] == f"urn:problem-type:custom-models:{kind}"
    assert problem["status"] == status
    assert problem["requestId"] == response.headers["X-Request-Id"]


class TestRequest:
    def test_it_reaches_the_handler(self, gateway: Gateway) -> None:
        _, content = gateway.request("POST", "/v1/x?a=%2B", b"\xff", {"X-Correlation-Id": "me"})
        event = json.loads(content)
        assert (event["httpMethod"], event["path"]) == ("POST", "/v1/x")
        assert event["queryStringParameters"] == {"a": "+"}
        assert event["headers"]["X-Correlation-Id"] == "me"
        assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
        assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "get"])
    def test_every_method_reaches_the_handler(self, gateway: Gateway, method: str) -> None:
        event = json.loads(gateway.request(method, "/")[1])
        assert event["httpMethod"] == event["requestContext"]["httpMethod"] == method

    def test_a_connection_serves_several_requests(self, gateway: Gateway) -> None:
        gateway.request("POST", "/", b"a body, which is read to its end")
        kept = gateway.connection.sock
        assert kept is not None
        gateway.require_alive(kept)

    def test_requests_are_served_concurrently(self, gateway: Gateway) -> None:
        both = threading.Barrier(2, timeout=10)

        def meet(*_: object) -> dict[str, Any]:
            both.wait()
            return {"statusCode": 200}

        def get() -> int:
            connection = connect(gateway.url)
            try:
                return exchange(connection, "GET", "/")[0].status
            finally:
                connection.close()

        gateway.handler = meet
        with ThreadPoolExecutor(2) as pool:
            assert [waiting.result() for waiting in (pool.submit(get), pool.submit(get))] == [200, 200]

    @pytest.mark.parametrize(("target", "header"), [("/?{}", "x"), ("/", "{}")])
    def test_a_request_line_or_header_that_is_too_long_is_rejected(
        self, gateway: Gateway, target: str, header: str
    ) -> None:
        def send(size: int) -> tuple[HTTPResponse, bytes]:
            padding = "x" * (size - len(f"GET {target} HTTP/1.1\r\nX: {header}\r\n".replace("{}", "")))
            connection = gateway.connection
            connection.putrequest("GET", target.format(padding), skip_host=True, skip_accept_encoding=True)
            connection.putheader("X", header.format(padding))
            connection.endheaders()
            response = connection.getresponse()
            return response, response.read()

        assert send(10_240)[0].status == 200
        require_problem(*send(10_241), "request-too-large", 413)
        assert send(10_240)[0].status == 200

    def test_a_body_of_unknown_length_closes_the_connection(self, gateway: Gateway) -> None:
        for headers in ({"Transfer-Encoding": "chunked"}, {"Content-Length": "-1"}, {"Content-Length": "9" * 20}):
            response, content = gateway.request("POST", "/", b"5\r\nGET /\r\n0\r\n\r\n", headers)
            assert json.loads(content)["httpMethod"] == "POST"
            assert response.will_close


class TestResponse:
    def test_it_has_the_status_headers_and_body_of_the_handler(self, gateway: Gateway) -> None:
        gateway.handler = lambda *_: {
            "statusCode": 418,
            "headers": {"X-One": "1", "X-Empty": ""},
            "multiValueHeaders": {"X-Two": ["a", "b é"]},
            "body": "short and stout é",
        }
        response, content = gateway.request("BREW", "/")
        assert (response.status, content.decode()) == (418, "short and stout é")
        assert (response.headers["X-One"], response.headers["X-Empty"]) == ("1", "")
        assert response.headers.get_all("X-Two") == ["a", "b é"]
        assert response.headers.get_all("Content-Length") == [str(len(content))]

    def test_a_base64_body_is_decoded(self, gateway: Gateway) -> None:
        gateway.handler = lambda *_: {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}
        assert gateway.request("GET", "/")[1] == b"\xff\x00"

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("HEAD", 404), ("GET", 304), ("GET", 204)])
    def test_a_head_request_and_some_statuses_have_no_body(self, gateway: Gateway, method: str, status: int) -> None:
        gateway.handler = lambda *_: {"statusCode": status, "headers": {"ETag": 'W/"1"'}, "body": "not to be sent"}
        # http.client knows that there is no body, and would not read one.
        with socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port or 0), timeout=10) as connection:
            connection.sendall(f"{method} / HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
            with connection.makefile("rb") as file:
                head, _, content = file.read().partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert b'\r\nETag: W/"1"' in head
        assert content == b""
        assert (b"Content-Length: 14" in head) == (method == "HEAD")

    def test_an_exception_of_the_handler_is_a_502_without_details(
        self, gateway: Gateway, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*_: object) -> dict[str, Any]:
            raise RuntimeError("the inside")

        gateway.handler = fail
        response, content = gateway.request("GET", "/")
        require_problem(response, content, "gateway-error", 502)
        assert b"inside" not in content
        assert b"Traceback" not in content
        gateway.require_alive(gateway.connection.sock)
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize(
        "invalid",
        [
            None,
            "text",
            [],
            {},
            {"body": "no status"},
            {"statusCode": "200"},
            {"statusCode": 100},
            {"statusCode": 600},
            {"statusCode": 200, "body": {}},
            {"statusCode": 200, "body": "\ud800"},
            {"statusCode": 200, "body": "*", "isBase64Encoded": True},
            {"statusCode": 200, "errorMessage": "Lambda's result of an exception"},
            {"statusCode": 200, "headers": ["X"]},
            {"statusCode": 200, "headers": {"X": 1}},
            {"statusCode": 200, "multiValueHeaders": {"X": "text"}},
            {"statusCode": 200, "multiValueHeaders": {"X": [None]}},
            {"statusCode": 200, "headers": {"X": "…"}},
            {"statusCode": 200, "body": "x" * (10 * 1024 * 1024 + 1)},
        ],
        ids=lambda invalid: repr(invalid)[:60],
    )
    def test_an_invalid_proxy_response_is_a_502(self, gateway: Gateway, invalid: Any) -> None:
        gateway.handler = lambda *_: invalid
        require_problem(*gateway.request("GET", "/"), "gateway-error", 502)

    @pytest.mark.parametrize("name", ["X", "X-Injected: 1\r\nX", "X Y", "", "X:"])
    @pytest.mark.parametrize("value", ["1", "1\r\nX-Injected: 1", "1\nX-Injected: 1", "1\rX", "1\0"])
    def test_a_header_cannot_inject_another(self, gateway: Gateway, name: str, value: str) -> None:
        for headers in ({"headers": {name: value}}, {"multiValueHeaders": {name: [value]}}):
            gateway.handler = lambda *_, headers=headers: {"statusCode": 200, **headers}
            response, content = gateway.request("GET", "/")
            assert "X-Injected" not in response.headers
            if (name, value) == ("X", "1"):
                assert (response.status, response.headers["X"]) == (200, "1")
            else:
                require_problem(response, content, "gateway-error", 502)


class TestServing:
    def test_a_port_in_use_is_an_error(self, gateway: Gateway) -> None:
        port = urlsplit(gateway.url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"), serve(echo, port):
            pass

    def test_it_stops_listening_at_the_end(self) -> None:
        with serve(echo) as url:
            connection = connect(url)
            assert exchange(connection, "GET", "/")[0].status == 200
            connection.close()
        with pytest.raises(ConnectionRefusedError):
            exchange(connect(url), "GET", "/")
