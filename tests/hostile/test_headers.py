"""Injection: headers, names and values that would add a header or a log line if they were copied as they are."""

import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.api_gateway import Handler, proxy_event, serve
from tests.api import Api
from tests.hostile.contract import Attack

EMPTY = "/v1/custom-models?nameContains=nothing-like-it"
"""A complete listing, because only that has an ETag."""

MARK = "hostile-mark"
"""Part of every hostile text. It must not appear in the log."""

TEXTS = [
    f"{MARK}\r\nX-Evil: 1",
    f"{MARK}\nX-Evil: 1",
    f"{MARK}\rX-Evil: 1",
    f"{MARK}\r\n\r\n<html>",
    f"{MARK}\0",
    f'{MARK}"}}\n{{"message":"request","outcome":"ok"}}',
    f'{{"{MARK}": 1}}',
    f'"{MARK}"',
    f"'{MARK}'",
    f"{MARK}\\",
    f"{MARK}\\n",
    f"\x1b[31m{MARK}\x1b[2J\x07",
    f"{MARK}\u2028\u2029\x85",
    f"{MARK}\u202e\u200b",
    f"{MARK}é",
    f"{MARK}\ud800",
    f"{MARK} ",
    f"{MARK};",
    f"{MARK}${{jndi:ldap://localhost/x}}",
    f"<script>{MARK}</script>",
    f"%0d%0a{MARK}",
    MARK + "x" * 256,
    MARK * 90_000,
]
KNOWN_HEADERS = {
    *("content-type", "content-length", "cache-control", "etag", "link", "x-request-id", "allow", "retry-after"),
    *("server", "date", "connection"),
}


class TestHandler:
    @pytest.mark.parametrize("text", TEXTS)
    @pytest.mark.parametrize(
        "name", ["X-Correlation-Id", "x-correlation-id", "If-None-Match", "User-Agent", "Host", "X-Forwarded-For"]
    )
    def test_a_header_is_not_repeated_in_response_or_log(self, attack: Attack, name: str, text: str) -> None:
        response = attack(proxy_event("GET", EMPTY, [(name, text)]))
        assert response["statusCode"] == 200
        assert {header.lower() for header in response["headers"]} <= KNOWN_HEADERS
        assert MARK not in json.dumps(response)
        assert MARK not in attack.text
        assert attack.line["correlation_id"] == attack.line["request_id"]

    @pytest.mark.parametrize("text", TEXTS)
    def test_names_values_and_paths_are_not_repeated_in_headers_or_log(self, attack: Attack, text: str) -> None:
        escaped = quote(text, errors="surrogatepass")
        for target, status in (
            (f"/v1/custom-models?{escaped}=1", 400),
            (f"/v1/custom-models?nameContains={escaped}", 400),
            (f"/v1/custom-models?cursor={escaped}&maxItems=5", 400),
            (f"/v1/openapi.json?{escaped}", 400),
            (f"/v1/{text}", 404),
        ):
            response = attack(proxy_event("GET", target.replace("?", "", target.count("?") - 1), []))
            assert response["statusCode"] == status
            assert {header.lower() for header in response["headers"]} <= KNOWN_HEADERS
            assert MARK not in json.dumps(response["headers"])
            assert MARK not in attack.text

    @pytest.mark.parametrize("text", TEXTS)
    def test_the_request_context_is_not_repeated_in_response_or_log(self, attack: Attack, text: str) -> None:
        event = proxy_event(text, EMPTY, [])
        event["requestContext"] |= {"requestId": text, "stage": text, "extendedRequestId": text}
        event["requestContext"]["identity"] |= {"userArn": text, "accountId": text, "caller": text}
        response = attack(event)
        assert response["statusCode"] == 405
        assert MARK not in json.dumps(response)
        assert MARK not in attack.text

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_direct_event_is_not_repeated_in_the_log(self, attack: Attack, text: str) -> None:
        attack({text: text, "nameContains": text, "correlationId": text, "headers": {"X-Correlation-Id": text}})
        assert MARK not in attack.text

    @given(st.text(st.characters(), max_size=40) | st.from_regex(r"[\w:/=+,.@-]{1,300}", fullmatch=True))
    @example("a" * 256)
    @example("a" * 257)
    @example("a\n")
    @example("٣")
    def test_a_correlation_id_is_used_unchanged_or_not_at_all(self, attack: Attack, text: str) -> None:
        attack(proxy_event("GET", EMPTY, [("X-Correlation-Id", text)]))
        valid = 1 <= len(text) <= 256 and all(c.isascii() and (c.isalnum() or c in "_:/=+,.@-") for c in text)
        assert attack.line["correlation_id"] == (text if valid else attack.line["request_id"])


tags = st.from_regex(r'(W/)?"[\x21\x23-\x7e\x80-\xff]{0,12}"', fullmatch=True)


class TestEntityTags:
    @pytest.fixture
    def tag(self, api: Api) -> str:
        return api.get("nameContains=nothing-like-it").headers["ETag"]

    @given(st.lists(tags, max_size=5), st.none() | st.integers(0, 5), st.sampled_from([",", ", ", " ,\t"]))
    @example(['"a,*,b"'], None, ", ")
    @example(['"a', 'b"'], 0, ",")
    def test_only_the_same_etag_gets_304(
        self, attack: Attack, tag: str, others: list[str], place: int | None, comma: str
    ) -> None:
        sent = list(others)
        if place is not None:
            sent.insert(place, tag)
        response = attack(proxy_event("GET", EMPTY, [("If-None-Match", comma.join(sent))]))
        assert response["statusCode"] == (304 if place is not None else 200)

    @pytest.mark.parametrize("header", ["", " ", ",", "W/", '""', '"', 'W/"', "**", '"*"', "W/*", ",*", '"{}"'])
    def test_a_malformed_if_none_match_is_ignored(self, attack: Attack, tag: str, header: str) -> None:
        response = attack(proxy_event("GET", EMPTY, [("If-None-Match", header.format(tag))]))
        assert response["statusCode"] == 200

    @pytest.mark.parametrize("filler", ["x", '"', ",", '",', '"x",', 'W/"x", ', " ", "*", "W/"])
    def test_a_header_of_a_megabyte_is_read(self, attack: Attack, tag: str, filler: str) -> None:
        many = filler * (1_000_000 // len(filler))
        assert attack(proxy_event("GET", EMPTY, [("If-None-Match", many)]))["statusCode"] == 200
        assert attack(proxy_event("GET", EMPTY, [("If-None-Match", f"{tag}, {many}")]))["statusCode"] == 304


Send: TypeAlias = Callable[[bytes], tuple[int, dict[str, str], bytes]]
GET = b"GET /v1/openapi.json HTTP/1.1\r\n"


def received(connection: socket.socket) -> Iterator[bytes]:
    """Yield the data received until the connection ends."""
    with contextlib.suppress(ConnectionError):
        while some := connection.recv(65_536):
            yield some


@pytest.fixture(scope="module")
def url(shared_handler: Handler) -> Iterator[str]:
    """The URL of one server for all tests: starting and stopping it takes longer than the tests."""
    with serve(shared_handler) as url:
        yield url


class TestServer:
    """The same over real HTTP."""

    @pytest.fixture
    def send(self, api: Api, url: str) -> Send:
        """Send bytes; return the status, headers and body of the response, and check that there is only one."""

        def send(request: bytes) -> tuple[int, dict[str, str], bytes]:
            with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as connection:
                with contextlib.suppress(OSError):  # the server may have responded and closed the connection
                    connection.sendall(request)
                    connection.shutdown(socket.SHUT_WR)
                head, _, body = b"".join(received(connection)).partition(b"\r\n\r\n")
            status_line, *lines = head.decode("latin-1").split("\r\n")
            match = re.fullmatch(r"HTTP/1\.1 ([0-9]{3}) [ -~]*", status_line)
            assert match is not None
            pairs = [line.split(": ", 1) for line in lines]
            assert all(re.fullmatch(r"[A-Za-z-]+: [ -~]*", line) for line in lines)
            headers = {name.lower(): value for name, value in pairs}
            assert len(headers) == len(pairs)
            assert headers.keys() <= KNOWN_HEADERS
            assert len(body) == int(headers["content-length"])
            assert MARK not in status_line
            return int(match[1]), headers, body

        return send

    # On the wire, a line break ends the header, and sending two headers is allowed.
    @pytest.mark.parametrize("text", [text for text in TEXTS if len(text) < 1000 and not re.search("[\r\n]", text)])
    @pytest.mark.parametrize("name", ["X-Correlation-Id", "If-None-Match", "User-Agent"])
    def test_a_header_is_not_repeated(self, attack: Attack, send: Send, name: str, text: str) -> None:
        status, headers, body = send(GET + f"{name}: {text}\r\n\r\n".encode(errors="surrogatepass"))
        assert status == 200
        assert MARK.encode() not in body
        attack.read_log()
        assert MARK not in attack.text
        assert attack.line["correlation_id"] == headers["x-request-id"]

    @pytest.mark.parametrize("text", [text for text in TEXTS if len(text) < 1000])
    def test_a_target_is_not_repeated_in_the_log(self, attack: Attack, send: Send, text: str) -> None:
        raw = re.sub("[\r\n ?]|[^\0-\x7f]", "", text)
        for target in (quote(text, errors="surrogatepass"), raw):
            for before, after, expected in (("/v1/custom-models?", "=1", 400), ("/v1/", "", 404)):
                status, headers, _ = send(f"GET {before}{target}{after} HTTP/1.1\r\n\r\n".encode())
                assert (status, headers["content-type"]) == (expected, "application/problem+json")
                attack.read_log()
                assert MARK not in attack.text

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            (GET + b"X-Correlation-Id: " + b"a" * 11_000 + b"\r\n\r\n", 413),
            (GET + b"X-Correlation-Id: " + b"a" * 1_000_000 + b"\r\n\r\n", 413),
            (GET + b"If-None-Match: " + b'"a",' * 250_000 + b"\r\n\r\n", 413),
            (GET + b"X: a\r\n" * 1_000 + b"\r\n", 413),
            (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n", 413),
            (b"GET /hostile-mark x HTTP/1.1\r\n\r\n", 400),
            (b"GET /v1/\x1b[31m\rhostile-mark\t HTTP/1.1 x\r\n\r\n", 400),
            (b"GET / HTTP/hostile-mark\r\n\r\n", 400),
            (b"GET / HTTP/9.9\r\n\r\n", 400),
            (b"GET /v1/\xed\xa0\x80\xc2\x85 HTTP/1.1\r\n\r\n", 400),
            (b"hostile-mark\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
        ],
        ids=lambda value: ascii(value[:50]) if isinstance(value, bytes) else None,
    )
    def test_requests_that_the_gateway_rejects_do_not_reach_the_function(
        self,
        send: Send,
        capsys: pytest.CaptureFixture[str],
        request_: bytes,
        expected: int,
    ) -> None:
        """The response is a problem, and nothing is logged."""
        status, headers, body = send(request_)
        assert (status, headers["content-type"]) == (expected, "application/problem+json")
        problem = json.loads(body)
        assert (problem["status"], problem["requestId"]) == (expected, headers["x-request-id"])
        assert MARK.encode() not in body
        assert capsys.readouterr() == ("", "")
