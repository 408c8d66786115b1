"""A small HTTP server for the emulators: a function returns the response to each request.

A response can be late, slow or cut, so that an emulator can misbehave as a real service does.
"""

import itertools
import json
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    query: str
    """As it was sent, without the question mark."""
    headers: Message
    """Looked up case-insensitively, such as ``headers.get("authorization")``."""
    body: bytes
    connection: int
    """The number of the TCP connection. Connections are numbered from 1 as they are opened."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response. The server adds ``Date``, ``Connection`` and ``Content-Length`` unless ``headers`` has them."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds until it is sent."""
    chunk_size: int = 0
    """Bytes of the body per write; 0 writes head and body at once."""
    pace: float = 0.0
    """Seconds after each write."""
    disconnect: bool = False
    """Close the connection after ``delay`` and send nothing."""


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response as AWS's JSON protocols define it; ``content`` is the body as bytes, or what to serialize."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    aws = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}
    return Response(status, body, {**aws, **(headers or {})})


Respond: TypeAlias = Callable[[Request], Response]
"""Called in the thread of the connection, so it may block, and must be safe to call from several threads."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, respond: Respond, port: int, tls: ssl.SSLContext | None) -> None:
        self.respond = respond
        self.connections = itertools.count(1)
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)
        if tls is not None:
            # The thread of the connection does the handshake, so that a slow client does not block the others.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self._number = next(self.server.connections)
        # The client closed the connection, or rejected the certificate.
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def handle_one_request(self) -> None:
        """Serve a request of any method."""
        self.raw_requestline = self.rfile.readline(65_536)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            response = self.server.respond(self._request())
            if self.server.stopping.wait(response.delay) or response.disconnect:
                self.close_connection = True
            else:
                self._send(response)

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("The client closed the connection in the middle of a body.")
        return Request(self.command, unquote(path), query, self.headers, body, self._number)

    def _send(self, response: Response) -> None:
        headers = {
            "Date": self.date_time_string(),
            "Connection": "close" if self.close_connection else "keep-alive",
            "Content-Length": str(len(response.body)),
            **response.headers,
        }
        self.close_connection = headers["Connection"] == "close"
        reason, _ = self.responses.get(response.status, ("", ""))
        lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body = b"" if self.command == "HEAD" else response.body
        size = response.chunk_size or len(body) or 1
        for start in range(0, len(body) or 1, size):
            chunk = body[start : start + size]
            self.wfile.write(chunk if start else head + chunk)
            if self.server.stopping.wait(response.pace):
                self.close_connection = True
                return

    def log_message(self, *_: object) -> None:
        """Log nothing: the emulators record the calls."""


@contextmanager
def serve(respond: Respond, *, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve on 127.0.0.1 from a thread and yield the URL; on exit, end the responses that are still being sent.

    Port 0 selects a free port. The certificate of ``tls`` must be valid for localhost.

    Raises:
        OSError: the port is in use.
    """
    server = _Server(respond, port, tls)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}" if tls is None else f"https://localhost:{server.server_port}"
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
