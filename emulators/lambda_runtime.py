"""A stand-in for Lambda's Runtime API, and the function behind it: the bundle run by ``awslambdaric``.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import importlib.util
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_RUNTIME_CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
"""What Lambda brings along; of its own boto3 the function must need nothing."""

_VERSION = "/2018-06-01/runtime"
_PATIENCE = 60.0
"""Seconds after which a function that has not reported is taken for dead."""


def runtime_client_in(folder: Path) -> Path:
    """Put the runtime client, and nothing else, into a folder, made if need be, and return it."""
    folder.mkdir(exist_ok=True)
    for name in _RUNTIME_CLIENT:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations is not None else origin
        (folder / source.name).symlink_to(source)
    return folder


@dataclass(frozen=True)
class Report:
    """What the function reported: of an invocation its ``response`` or an ``error``, or an ``init-error``."""

    kind: str
    request_id: str
    content: bytes
    at: float = field(default_factory=time.time)
    deadline: float = math.inf

    @property
    def left(self) -> float:
        """The seconds that were left to the deadline."""
        return self.deadline - self.at

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class _Invocation:
    request_id: str
    event: bytes
    deadline_ms: int


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.invocations: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        invocation = self.server.invocations.get() if self.path == f"{_VERSION}/invocation/next" else None
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:custom-models:live",
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
            "Content-Type": "application/json",
        }
        self._send(200, invocation.event, headers)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path.removeprefix(f"{_VERSION}/").split("/"):
            case ["invocation", request_id, "response" | "error" as kind]:
                report = Report(kind, request_id, content)
            case ["init", "error"]:
                report = Report("init-error", "", content)
            case _:
                self._send(404, b"{}", {})
                return
        self._send(202, b'{"status": "OK"}', {"Content-Type": "application/json"})
        self.server.reports.put(report)

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Function:
    """One container: the bundle in a process of its own, with nothing on its path but the runtime client."""

    def __init__(self, bundle: Path, runtime_client: Path, environment: Mapping[str, str], log: Path) -> None:
        """Start it; ``environment`` is added to Lambda's own, and ``log`` takes what it writes."""
        self._log = log
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        lambdas = {
            "_HANDLER": "handler.handler",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": "custom-models",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/custom-models",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[1]0123456789abcdef0123456789abcdef",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_REGION": "us-east-1",
            "AWS_SESSION_TOKEN": "test",
            "LAMBDA_RUNTIME_DIR": str(runtime_client),
            "LAMBDA_TASK_ROOT": str(bundle),
            "LANG": "en_US.UTF-8",
            "PYTHONPATH": str(runtime_client),
            "TZ": ":UTC",
        }
        # Of this machine: where a Python that was built elsewhere finds its own library.
        own = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        self.started = time.monotonic()
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                # Without site, so without this environment's packages; -m puts the bundle first.
                [sys.executable, "-S", "-m", "awslambdaric", "handler.handler"],
                cwd=bundle,
                env={**own, **lambdas, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def invoke(self, event: object, seconds: float = 27.0) -> Report:
        """Invoke it with so much time left, and return what it reports."""
        request_id = str(uuid.uuid4())
        deadline_ms = int((time.time() + seconds) * 1000)
        self._server.invocations.put(_Invocation(request_id, json.dumps(event).encode(), deadline_ms))
        report = self._report()
        assert report.request_id == request_id, report.content
        return replace(report, deadline=deadline_ms / 1000)

    def result(self, event: object) -> Any:
        """Invoke it, and return the body of its response."""
        report = self.invoke(event)
        assert report.kind == "response", report.content
        return report.body

    def error(self, event: object) -> dict[str, Any]:
        """Invoke it, and return the error that it reports."""
        report = self.invoke(event)
        assert report.kind == "error", report.content
        assert isinstance(report.body, dict)
        return report.body

    def init_error(self) -> tuple[dict[str, Any], int]:
        """Return the error that it did not start for, and its exit code."""
        report = self._report()
        assert report.kind == "init-error", report.content
        return report.body, self._process.wait(_PATIENCE)

    def lines(self) -> list[str]:
        """Return what it wrote so far."""
        return self._log.read_text().splitlines()

    def logged(self) -> list[dict[str, Any]]:
        """Return what it wrote, each line as JSON."""
        return [json.loads(line) for line in self.lines()]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._server.invocations.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _report(self) -> Report:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            exited = self._process.poll() is not None
            try:
                return self._server.reports.get(timeout=0.2)
            except queue.Empty:
                assert not exited, f"the function ended:\n{self._log.read_text()}"
        raise AssertionError(f"the function did not report:\n{self._log.read_text()}")
