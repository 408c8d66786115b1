"""A stand-in for Lambda's Invoke API in front of the function: real clients invoke the real bundle.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import threading
import uuid
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from emulators.lambda_runtime import Function
from local.api_gateway import serving

ALIAS = "arn:aws:lambda:us-east-1:123456789012:function:custom-models:live"


class InvokeApi:
    """The function under its alias's name, invoked one event after another.

    ``events`` holds every event that reached it, in order; the Lambda service fails with each of ``failures``
    first, a status and an error's name.
    """

    def __init__(self, function: Function) -> None:
        """Take the function."""
        self._function = function
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget events and failures."""
        self.events: list[Any] = []
        self.failures: list[tuple[int, str]] = []

    def answer(self, path: str, content: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a request."""
        with self._lock:
            if path != f"/2015-03-31/functions/{ALIAS}/invocations":
                return _failure(404, "ResourceNotFoundException")
            if self.failures:
                return _failure(*self.failures.pop(0))
            event = json.loads(content)
            self.events.append(event)
            report = self._function.invoke(event)
        error = {} if report.kind == "response" else {"X-Amz-Function-Error": "Unhandled"}
        return 200, {"X-Amz-Executed-Version": "1", **error}, report.content


def _failure(status: int, name: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"x-amzn-ErrorType": name}, json.dumps({"Message": f"This is {name}."}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: InvokeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.server.api.answer(unquote(urlsplit(self.path).path), content)
        self.send_response(status)
        always = {"Content-Type": "application/json", "Content-Length": str(len(body)), "x-amzn-RequestId": _id()}
        for name, value in {**always, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _id() -> str:
    return str(uuid.uuid4())


def serve(api: InvokeApi) -> AbstractContextManager[str]:
    """Serve it on 127.0.0.1, on a free port, and yield its URL."""
    return serving(_Server(api))
