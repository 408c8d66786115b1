"""The HTTP server of the emulators, seen from a client's socket."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest

from emulators.server import Request, Respond, Response, serve

Connect: TypeAlias = Callable[[Respond], HTTPConnection]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Serve a function until the test ends; return a connection to it."""
    with ExitStack() as stack:

        def connect(respond: Respond) -> HTTPConnection:
            netloc = urlsplit(stack.enter_context(serve(respond))).netloc
            connection = HTTPConnection(netloc, timeout=10)
            stack.callback(connection.close)
            return connection

        yield connect


def get(connection: HTTPConnection, target: str = "/") -> HTTPResponse:
    connection.request("GET", target)
    return connection.getresponse()


def rest(connection: HTTPConnection) -> bytes:
    """Return all bytes up to the end of the connection."""
    return b"".join(iter(lambda: connection.sock.recv(65_536), b""))


def keep(requests: list[Request]) -> Respond:
    def respond(request: Request) -> Response:
        requests.append(request)
        return Response()

    return respond


class TestRequests:
    def test_any_method_with_its_path_query_headers_and_body(self, connect: Connect) -> None:
        requests: list[Request] = []
        connection = connect(keep(requests))
        for method in ("GET", "POST", "PURGE"):
            connection.request(method, "/a%20b/c?x=%2F&y", b"body", {"X-Name": "value"})
            connection.getresponse().read()
        assert [request.method for request in requests] == ["GET", "POST", "PURGE"]
        for request in requests:
            assert (request.path, request.query, request.body) == ("/a b/c", "x=%2F&y", b"body")
            assert request.headers["x-name"] == request.headers.get("X-NAME") == "value"
            assert "Authorization" not in request.headers

    def test_a_connection_keeps_its_number(self, connect: Connect) -> None:
        requests: list[Request] = []
        connection = connect(keep(requests))
        for _ in range(2):
            get(connection).read()
        connection.close()
        get(connection).read()
        assert [request.connection for request in requests] == [1, 1, 2]

    def test_requests_are_served_in_parallel(self, connect: Connect) -> None:
        both = threading.Barrier(2, timeout=10)

        def respond(_: Request) -> Response:
            both.wait()
            return Response()

        first = connect(respond)
        second = HTTPConnection(first.host, first.port, timeout=10)
        first.request("GET", "/")
        assert get(second).status == 200
        second.close()
        assert first.getresponse().status == 200


class TestResponses:
    def test_status_headers_and_body(self, connect: Connect) -> None:
        response = get(connect(lambda _: Response(429, b"body", {"X-Name": "value"})))
        assert (response.status, response.reason, response.read()) == (429, "Too Many Requests", b"body")
        assert set(response.headers) == {"Date", "Connection", "Content-Length", "X-Name"}
        assert (response.headers["Content-Length"], response.headers["Connection"]) == ("4", "keep-alive")

    def test_an_unknown_status_and_an_empty_body(self, connect: Connect) -> None:
        response = get(connect(lambda _: Response(599)))
        assert (response.status, response.reason, response.read()) == (599, "", b"")

    def test_head_has_no_body(self, connect: Connect) -> None:
        connection = connect(lambda _: Response(body=b"body"))
        connection.request("HEAD", "/")
        response = connection.getresponse()
        assert (response.headers["Content-Length"], response.read()) == ("4", b"")
        assert get(connection).read() == b"body"

    def test_the_connection_closes_if_the_client_asks_for_it(self, connect: Connect) -> None:
        connection = connect(lambda _: Response(body=b"body"))
        connection.request("GET", "/", headers={"Connection": "close"})
        content = rest(connection)
        assert b"Connection: close\r\n" in content
        assert content.endswith(b"\r\n\r\nbody")

    def test_headers_replace_those_of_the_server(self, connect: Connect) -> None:
        headers = {"Content-Length": "8", "Connection": "close"}
        response = get(connect(lambda _: Response(body=b"half", headers=headers)))
        with pytest.raises(IncompleteRead) as caught:
            response.read()
        assert caught.value.partial == b"half"


class TestFaults:
    def test_a_delay(self, connect: Connect) -> None:
        connection = connect(lambda _: Response(delay=0.2))
        start = time.monotonic()
        assert get(connection).status == 200
        assert time.monotonic() - start >= 0.2

    @pytest.mark.parametrize("delay", [0, 0.2])
    def test_a_disconnect(self, connect: Connect, delay: float) -> None:
        connection = connect(lambda _: Response(delay=delay, disconnect=True))
        start = time.monotonic()
        with pytest.raises(RemoteDisconnected):
            get(connection)
        assert time.monotonic() - start >= delay

    def test_chunks_at_a_pace(self, connect: Connect) -> None:
        connection = connect(lambda _: Response(body=b"abcdef", chunk_size=2, pace=0.1))
        connection.request("GET", "/")
        response = connection.getresponse()
        start = time.monotonic()
        assert response.read() == b"abcdef"
        assert time.monotonic() - start >= 0.15
        # The connection stays usable.
        assert get(connection).read() == b"abcdef"


class TestClosing:
    @pytest.mark.parametrize("response", [Response(delay=60), Response(body=b"ab", chunk_size=1, pace=60)])
    def test_responses_under_way_end_when_the_server_closes(self, response: Response) -> None:
        arrived = threading.Event()

        def respond(_: Request) -> Response:
            arrived.set()
            return response

        with serve(respond) as url:
            connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
            connection.request("GET", "/")
            assert arrived.wait(10)
        content = rest(connection)
        connection.close()
        assert not content.endswith(b"b")

    def test_an_idle_connection_is_not_served_after_the_server_closed(self) -> None:
        with serve(lambda _: Response()) as url:
            connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
            get(connection).read()
        with pytest.raises(RemoteDisconnected):
            get(connection)
        connection.close()

    def test_the_port_is_free_again(self) -> None:
        with serve(lambda _: Response()) as url:
            port = urlsplit(url).port
            assert port is not None
            with pytest.raises(OSError, match="in use"), serve(lambda _: Response(), port=port):
                pass
        with serve(lambda _: Response(), port=port) as again:
            assert again == url

    @pytest.mark.parametrize(
        "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"]
    )
    def test_a_client_that_goes_away_causes_no_traceback(
        self, connect: Connect, capfd: pytest.CaptureFixture[str], sent: bytes
    ) -> None:
        connection = connect(lambda request: Response(body=b"x" * 1_000_000, delay=0.05 if request.path == "/" else 0))
        for reset in (True, False):
            client = socket.create_connection((connection.host, connection.port))
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            with suppress(ConnectionError):
                client.sendall(sent)
            client.close()
        time.sleep(0.15)
        assert get(connection, "/after").status == 200
        assert capfd.readouterr().err == ""
