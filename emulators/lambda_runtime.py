"""An emulator of Lambda's Runtime API, and the function behind it: the bundle run by ``awslambdaric``.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import importlib.util
import json
import math
import os
import queue
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulators.server import Request, Response, json_response, serve

_RUNTIME_CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
"""What Lambda provides. Lambda's own boto3 is left out because the function must not need it."""

_VERSION = "/2018-06-01/runtime"
_MAX_WAIT = 60.0
"""Seconds to wait for a report of the function before the call fails."""


def runtime_client_in(folder: Path) -> Path:
    """Link the runtime client, and nothing else, into a folder, created if necessary, and return the folder."""
    folder.mkdir(exist_ok=True)
    for name in _RUNTIME_CLIENT:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations is not None else origin
        (folder / source.name).symlink_to(source)
    return folder


def lambda_environment(task_root: Path, **extra: str) -> dict[str, str]:
    """Return the whole environment of a function's process: what Lambda sets for a bundle in ``task_root``.

    It has the account's id, as the stack sets it, and no credentials. ``extra`` adds or replaces variables.
    """
    lambdas = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": "custom-models",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/custom-models",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[1]0123456789abcdef0123456789abcdef",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(task_root),
        "LANG": "en_US.UTF-8",
        "OWN_ACCOUNT_ID": "123456789012",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }
    # Lambda does not set this. A Python that was built on another machine needs it to find its library.
    library = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {**library, **lambdas, **extra}


@dataclass(frozen=True)
class Report:
    """What the function reported: the ``response`` or ``error`` of an invocation, or an ``init-error``."""

    kind: str
    request_id: str
    content: bytes
    at: float = field(default_factory=time.time)
    deadline: float = math.inf

    @property
    def left(self) -> float:
        """The seconds that were left until the deadline."""
        return self.deadline - self.at

    @property
    def body(self) -> Any:
        return json.loads(self.content)


class Function:
    """A container: the bundle in its own process, with only the runtime client on its path."""

    def __init__(self, bundle: Path, runtime_client: Path, environment: Mapping[str, str], log: Path) -> None:
        """Start the process, which writes to ``log``; ``environment`` is added to ``lambda_environment``."""
        self._log = log
        self._invocations: queue.SimpleQueue[Response] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._stack = ExitStack()
        variables = {
            "_HANDLER": "handler.handler",
            "AWS_LAMBDA_RUNTIME_API": urlsplit(self._stack.enter_context(serve(self._respond))).netloc,
            "AWS_SESSION_TOKEN": "test",
            "LAMBDA_RUNTIME_DIR": str(runtime_client),
            "PYTHONPATH": str(runtime_client),
            **environment,
        }
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                # -S excludes this environment's packages. -m puts the bundle first on the path.
                [sys.executable, "-S", "-m", "awslambdaric", "handler.handler"],
                cwd=bundle,
                env=lambda_environment(bundle, **variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    def invoke(self, event: object, seconds: float = 27.0) -> Report:
        """Invoke it with this much time left, and return its report.

        Raises:
            AssertionError: the process ended, or did not report within a minute.
        """
        request_id = str(uuid.uuid4())
        deadline_ms = int((time.time() + seconds) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:custom-models:live",
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        }
        self._invocations.put(json_response(event, headers=headers))
        report = self._report()
        assert report.request_id == request_id, report.content
        return replace(report, deadline=deadline_ms / 1000)

    def result(self, event: object) -> Any:
        """Invoke it, and return the body of its response."""
        report = self.invoke(event)
        assert report.kind == "response", report.content
        return report.body

    def error(self, event: object) -> dict[str, Any]:
        """Invoke it, and return the error that it reported."""
        report = self.invoke(event)
        assert report.kind == "error", report.content
        assert isinstance(report.body, dict)
        return report.body

    def init_error(self) -> tuple[dict[str, Any], int]:
        """Return the error that it reported instead of starting, and its exit code."""
        report = self._report()
        assert report.kind == "init-error", report.content
        return report.body, self._process.wait(_MAX_WAIT)

    def lines(self) -> list[str]:
        """Return the lines that it has written so far."""
        return self._log.read_text().splitlines()

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines that it has written so far, parsed as JSON."""
        return [json.loads(line) for line in self.lines()]

    def close(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._invocations.put(Response(disconnect=True))
        self._stack.close()

    def _respond(self, request: Request) -> Response:
        match request.path.removeprefix(f"{_VERSION}/").split("/"):
            case ["invocation", "next"]:
                return self._invocations.get()
            case ["invocation", request_id, "response" | "error" as kind]:
                self._reports.put(Report(kind, request_id, request.body))
            case ["init", "error"]:
                self._reports.put(Report("init-error", "", request.body))
            case _:
                return json_response({}, 404)
        return json_response({"status": "OK"}, 202)

    def _report(self) -> Report:
        end = time.monotonic() + _MAX_WAIT
        while time.monotonic() < end:
            exited = self._process.poll() is not None
            try:
                return self._reports.get(timeout=0.2)
            except queue.Empty:
                assert not exited, f"the function ended:\n{self._log.read_text()}"
        raise AssertionError(f"the function did not report:\n{self._log.read_text()}")
