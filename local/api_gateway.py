"""A stand-in for an API Gateway REST API: it calls a Lambda handler for each HTTP request.

The events are the same as on AWS, for the method ``ANY`` on the root and on ``{proxy+}`` with IAM
authorization. Responses that AWS would reject are rejected. The context of each invocation has the
function's time limit. Requests are served concurrently.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

STAGE = "local"
FUNCTION_TIMEOUT = 27.0
"""Seconds, as deployed: API Gateway's limit of 29, minus a cold start."""

_ACCOUNT = "123456789012"
_NULL_IDENTITY = (
    *("cognitoIdentityPoolId", "cognitoIdentityId", "cognitoAuthenticationType", "cognitoAuthenticationProvider"),
    "principalOrgId",
)
_MAX_REQUEST = 10_240
"""Bytes of the request line and the headers together."""

_MAX_BODY = 10 * 1024 * 1024
_LOCAL_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""RFC 9110, section 5. A name and a value that match cannot inject another header."""


@dataclass(frozen=True, slots=True)
class Context:
    """The part of Lambda's context object that the function uses."""

    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    timeout: float = FUNCTION_TIMEOUT
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time in milliseconds."""
        return max(0, int((self.started + self.timeout - time.monotonic()) * 1000))


Handler: TypeAlias = Callable[[Any, Context], dict[str, Any]]
Headers: TypeAlias = list[tuple[str, str]]


def proxy_event(
    method: str, target: str, headers: Headers, body: bytes = b"", source_ip: str = "127.0.0.1"
) -> dict[str, Any]:
    """Return the event for a request. ``target`` is the path and query as in the request line."""
    path, _, query_string = re.sub(r"^https?://[^/?]*", "", target).partition("?")
    path = path or "/"  # API Gateway does not decode it
    resource, proxy = ("/{proxy+}", {"proxy": path.strip("/")}) if path.strip("/") else ("/", None)
    query = parse_qsl(query_string, keep_blank_values=True)
    user_agent = next((value for name, value in headers if name.lower() == "user-agent"), None)
    try:
        text, is_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, is_base64 = base64.b64encode(body).decode(), True
    return {
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _multi(headers) or None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _multi(query) or None,
        "pathParameters": proxy,
        "stageVariables": None,
        "requestContext": _request_context(method, path, resource, user_agent, source_ip),
        "body": text or None,
        "isBase64Encoded": is_base64,
    }


def _request_context(method: str, path: str, resource: str, user_agent: str | None, source_ip: str) -> dict[str, Any]:
    request_id, now = str(uuid.uuid4()), datetime.now(UTC)
    return {
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
            **dict.fromkeys(_NULL_IDENTITY),
            "accountId": _ACCOUNT,
            "caller": "AIDALOCAL",
            "sourceIp": source_ip,
            "accessKey": "AKIALOCAL",
            "userArn": f"arn:aws:iam::{_ACCOUNT}:user/local",
            "userAgent": user_agent,
            "user": "AIDALOCAL",
        },
        "domainName": "localhost",
        "apiId": "local",
    }


def _multi(pairs: Headers) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    headers: Headers
    body: bytes


def _problem(request_id: str, status: int, kind: str, title: str, detail: str) -> Response:
    """Return a response of the gateway itself: problem details, as infra/rest_api.py configures them on AWS."""
    problem = {
        "type": f"urn:problem-type:custom-models:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "requestId": request_id,
    }
    headers = [("Content-Type", "application/problem+json"), ("X-Request-Id", request_id)]
    return Response(status, headers, json.dumps(problem).encode())


_TOO_LARGE = (413, "request-too-large", "Request too large", "The URL and the headers are limited to 10,240 bytes.")
_BAD_REQUEST = (400, "bad-request", "Bad request", "Send valid HTTP.")
_FORBIDDEN = (403, "forbidden", "Forbidden", "Use the host 127.0.0.1 or localhost, not a page of another site.")
_GATEWAY_ERROR = (502, "gateway-error", "Gateway error", "The function did not return a valid response.")


def http_response(returned: object) -> Response:
    """Return the HTTP response for the return value of a handler.

    Raises:
        ValueError: it is not a proxy response. API Gateway responds to it with a 502.
    """
    if not isinstance(returned, dict):
        raise ValueError("not an object")
    unknown = returned.keys() - {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
    status, body = returned.get("statusCode"), returned.get("body", "")
    if unknown or not isinstance(status, int) or not 200 <= status <= 599 or not isinstance(body, str):
        raise ValueError("not a proxy response")
    pairs = [(name, value) for name, value in (returned.get("headers") or {}).items()]
    for name, values in (returned.get("multiValueHeaders") or {}).items():
        if not isinstance(values, list):
            raise ValueError("not a list of values")
        pairs += [(name, value) for value in values]
    for name, value in pairs:
        if not (isinstance(value, str) and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
            raise ValueError("not a header")
    content = base64.b64decode(body, validate=True) if returned.get("isBase64Encoded") else body.encode()
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
        """Accept any method, as ``ANY`` does. The base class would need a function for each method."""
        try:
            self.raw_requestline = self.rfile.readline(65_537)
            if not self.raw_requestline:
                self.close_connection = True
            elif len(self.raw_requestline) > 65_536:
                self.requestline = self.request_version = self.command = ""
                self.send_error(414)
            elif self.parse_request():
                self._send(self._response())
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _response(self) -> Response:
        headers = list(self.headers.items())
        size = len(self.raw_requestline) + sum(len(name) + len(value) + 4 for name, value in headers)
        event = proxy_event(self.command, self.path, headers, self._read_body(), self.client_address[0])
        request_id = event["requestContext"]["requestId"]
        if size > _MAX_REQUEST:
            return _problem(request_id, *_TOO_LARGE)
        if self._is_foreign():
            return _problem(request_id, *_FORBIDDEN)
        if (page := self.server.pages.get(event["path"])) and self.command in ("GET", "HEAD"):
            return page
        try:
            return http_response(self.server.handler(event, Context()))
        except Exception:
            # API Gateway does not show the exception either.
            return _problem(request_id, *_GATEWAY_ERROR)

    def _is_foreign(self) -> bool:
        """Return whether the request was sent to another host name (DNS rebinding), or by a page of another site.

        With ``BEDROCK=aws``, the first could list the user's models, and the second could use up the request rate.
        """
        if not all(_LOCAL_HOST.fullmatch(host) for host in self.headers.get_all("Host", [])):
            return True
        is_link = self.headers.get("Sec-Fetch-Mode") == "navigate"
        return self.headers.get("Sec-Fetch-Site") == "cross-site" and not is_link

    def _read_body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        is_number = length.isdecimal() and len(length) < 12
        if is_number and int(length) <= _MAX_BODY and "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(length))
        # It is unknown where this body ends and the next request starts.
        self.close_connection = True
        return b""

    def _send(self, response: Response) -> None:
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
        """Respond to invalid HTTP, or to headers that are too large, with a problem, as API Gateway does."""
        self.close_connection = True
        # Without this, an HTTP/0.9 request would get a response without a status line.
        self.request_version = self.protocol_version
        self._send(_problem(str(uuid.uuid4()), *(_TOO_LARGE if code in (414, 431) else _BAD_REQUEST)))

    def version_string(self) -> str:
        return "local"

    def log_message(self, *_: object) -> None:
        """Do nothing: the function logs each request."""


@contextmanager
def serve(handler: Handler, port: int = 0, pages: Mapping[str, Response] | None = None) -> Iterator[str]:
    """Serve a handler on 127.0.0.1 from a thread, and yield the URL of the API.

    Args:
        handler: the Lambda handler; it is called concurrently.
        port: 0 selects a free port.
        pages: responses by path, which are returned without calling the handler. AWS has no such pages.

    Raises:
        OSError: the port is in use.
    """
    server = _Server(handler, port, pages or {})
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
