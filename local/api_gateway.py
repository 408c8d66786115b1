"""A stand-in for an API Gateway REST API: HTTP in, proxy events to the handler, its proxy responses out.

The events are as AWS makes them for ``ANY`` on the root and on ``{proxy+}`` behind IAM
authorization, and what AWS would not pass on is not passed on. Each invocation gets a context with
the function's time limit. Requests are served side by side.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

STAGE = "local"
FUNCTION_TIMEOUT = 27.0
"""Seconds, as deployed: what the gateway's 29 leave after a cold start."""

_ACCOUNT = "123456789012"
_MAX_REQUEST = 10_240
"""Bytes of request line and headers."""

_MAX_BODY = 10 * 1024 * 1024

_OWN_NAME = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What makes one header, which no client can read as two (RFC 9110, section 5)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the function uses of Lambda's context object."""

    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    timeout: float = FUNCTION_TIMEOUT
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        return max(0, int((self.started + self.timeout - time.monotonic()) * 1000))


Handler: TypeAlias = Callable[[Any, Context], dict[str, Any]]
Headers: TypeAlias = list[tuple[str, str]]


def proxy_event(
    method: str, target: str, headers: Headers, body: bytes = b"", source_ip: str = "127.0.0.1"
) -> dict[str, Any]:
    """Return the event for a request; ``target`` is its path and query as on the request line."""
    path, _, query_string = re.sub(r"^https?://[^/?]*", "", target).partition("?")
    path = path or "/"  # not decoded: API Gateway passes it on as it came
    resource, proxy = ("/{proxy+}", {"proxy": path.strip("/")}) if path.strip("/") else ("/", None)
    request_id, now = str(uuid.uuid4()), datetime.now(UTC)
    query = parse_qsl(query_string, keep_blank_values=True)
    user_agent = next((value for name, value in headers if name.lower() == "user-agent"), None)
    text, is_base64 = _body(body)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": _single(headers) or None,
        "multiValueHeaders": _multi(headers) or None,
        "queryStringParameters": _single(query) or None,
        "multiValueQueryStringParameters": _multi(query) or None,
        "pathParameters": proxy,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "local",
            "resourcePath": resource,
            "httpMethod": method,
            "extendedRequestId": request_id,
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "path": f"/{STAGE}{path}",
            "accountId": _ACCOUNT,
            "protocol": "HTTP/1.1",
            "stage": STAGE,
            "domainPrefix": "localhost",
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "requestId": request_id,
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": _ACCOUNT,
                "cognitoIdentityId": None,
                "caller": "AIDALOCAL",
                "sourceIp": source_ip,
                "principalOrgId": None,
                "accessKey": "AKIALOCAL",
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": f"arn:aws:iam::{_ACCOUNT}:user/local",
                "userAgent": user_agent,
                "user": "AIDALOCAL",
            },
            "domainName": "localhost",
            "apiId": "local",
        },
        "body": text,
        "isBase64Encoded": is_base64,
    }


def _single(pairs: Headers) -> dict[str, str]:
    return dict(pairs)


def _multi(pairs: Headers) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _body(content: bytes) -> tuple[str | None, bool]:
    try:
        return content.decode() or None, False
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), True


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Headers
    body: bytes


def gateway_response(kind: str, status: int, title: str, detail: str, request_id: str) -> Response:
    """Return what the gateway itself says, as it is set up on AWS too: problem details."""
    problem = {
        "type": f"urn:problem-type:custom-models:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "requestId": request_id,
    }
    headers = [("Content-Type", "application/problem+json"), ("X-Request-Id", request_id)]
    return Response(status, headers, json.dumps(problem).encode())


def _too_large(request_id: str) -> Response:
    detail = "Request line and headers may have 10,240 bytes."
    return gateway_response("request-too-large", 413, "Request too large", detail, request_id)


def http_response(answer: object) -> Response:
    """Return the HTTP response for what a handler returned.

    Raises:
        ValueError: it is not a proxy response; the gateway answers 502 then.
    """
    if not isinstance(answer, dict):
        raise ValueError("not an object")
    unknown = answer.keys() - {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
    status, body = answer.get("statusCode"), answer.get("body", "")
    if unknown or not isinstance(status, int) or not 200 <= status <= 599 or not isinstance(body, str):
        raise ValueError("not a proxy response")
    pairs = [(name, value) for name, value in (answer.get("headers") or {}).items()]
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        if not isinstance(values, list):
            raise ValueError("not headers")
        pairs += [(name, value) for value in values]
    for name, value in pairs:
        if not (isinstance(value, str) and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
            raise ValueError("not headers")
    content = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    if len(content) > _MAX_BODY:
        raise ValueError("too large")
    return Response(status, pairs, content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, handler: Handler, port: int, pages: Mapping[str, Response]) -> None:
        self.handler = handler
        self.pages = pages
        super().__init__(("127.0.0.1", port), _RequestHandler)


class _RequestHandler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds without a byte from the client
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Serve any method: the gateway has ANY on everything, so the function decides."""
        try:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline:
                self.close_connection = True
            elif len(self.raw_requestline) > 65_536:
                self.requestline = self.request_version = self.command = ""
                self.send_error(414)
            elif self.parse_request():
                self._respond(self._answer())
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _answer(self) -> Response:
        headers = list(self.headers.items())
        body = self._read_body()
        size = len(self.raw_requestline) + sum(len(name) + len(value) + 4 for name, value in headers)
        event = proxy_event(self.command, self.path, headers, body, self.client_address[0])
        request_id = event["requestContext"]["requestId"]
        if size > _MAX_REQUEST:
            return _too_large(request_id)
        if self._is_from_elsewhere():
            detail = "This server answers to 127.0.0.1 and localhost alone, and to no page of another site."
            return gateway_response("forbidden", 403, "Forbidden", detail, request_id)
        if (page := self.server.pages.get(event["path"])) and self.command in ("GET", "HEAD"):
            return page
        try:
            return http_response(self.server.handler(event, Context()))
        except Exception:
            # What the function did not turn into an answer: API Gateway shows nothing of it.
            return gateway_response("gateway-error", 502, "Gateway error", "The function gave no answer.", request_id)

    def _is_from_elsewhere(self) -> bool:
        """Whether it is for a name that was made to lead here (DNS rebinding), or a page of another site sends it.

        With one's own credentials behind this server, the first could read an account and the second use up its rate.
        """
        if not all(_OWN_NAME.fullmatch(host) for host in self.headers.get_all("Host", [])):
            return True
        is_link = self.headers.get("Sec-Fetch-Mode") == "navigate"
        return self.headers.get("Sec-Fetch-Site") == "cross-site" and not is_link

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if (
            length.isdecimal()
            and len(length) < 12
            and int(length) <= _MAX_BODY
            and "Transfer-Encoding" not in self.headers
        ):
            return self.rfile.read(int(length))
        # Where this body ends is not known, so neither is where a next request would start.
        self.close_connection = True
        return b""

    def _respond(self, response: Response) -> None:
        has_body = response.status not in (204, 304)
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what is no HTTP, or too much of it, as the gateway does: with a problem."""
        self.close_connection = True
        # Whatever version was asked for, or none: there is a status line.
        self.request_version = self.protocol_version
        request_id = str(uuid.uuid4())
        if code in (414, 431):
            self._respond(_too_large(request_id))
        else:
            self._respond(gateway_response("bad-request", 400, "Bad request", "Send valid HTTP.", request_id))

    def version_string(self) -> str:
        return "local"

    def log_message(self, *_: object) -> None:
        """Say nothing: the function's own log tells of each request."""


def create_server(handler: Handler, port: int, pages: Mapping[str, Response] | None = None) -> ThreadingHTTPServer:
    """Return a server on 127.0.0.1, bound and not yet serving; port 0 takes a free one.

    It answers to 127.0.0.1 and localhost as hosts alone. ``pages`` are given out as they are, by their paths, before
    the handler is asked: AWS has none.

    Raises:
        OSError: the port is in use.
    """
    return _Server(handler, port, pages or {})


def serve(handler: Handler, port: int = 0, pages: Mapping[str, Response] | None = None) -> AbstractContextManager[str]:
    """Serve a handler from a thread, and yield the API's URL; see ``create_server``."""
    return serving(create_server(handler, port, pages))


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Let a server on 127.0.0.1 serve from a thread, yield its URL, and close it in the end."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
