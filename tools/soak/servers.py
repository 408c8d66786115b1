"""Two ways to run the function in child processes: the local server, and the built bundle in containers."""

import itertools
import json
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import urllib3

from emulators.lambda_runtime import Function, lambda_environment, runtime_client_in
from local.api_gateway import proxy_event
from tools.processes import ROOT, function_settings, resident_memory
from tools.upstream import Variables

Parameters: TypeAlias = Mapping[str, str | bool | int]

_PATH = "/v1/custom-models"


@dataclass(frozen=True)
class Result:
    """The outcome of a request (``ok`` or the kind of a problem), the ARNs of the models, and the cursor."""

    outcome: str
    arns: Sequence[str] = ()
    cursor: str | None = None

    @classmethod
    def of(cls, body: Any) -> "Result":
        """Return the result in the body of a listing or of a problem."""
        if "type" in body:
            return cls(str(body["type"]).removeprefix("urn:problem-type:custom-models:"))
        return cls("ok", [model["modelArn"] for model in body["modelSummaries"]], body.get("nextCursor"))


Send: TypeAlias = Callable[[Parameters], Result]


@dataclass(frozen=True)
class Server:
    """A running function.

    Several threads may call ``send``. ``unexpected`` returns lines of standard error that should not be there.
    """

    send: Send
    pids: Sequence[int]
    logs: Sequence[Path]
    unexpected: Callable[[], Sequence[str]] = list

    def memory(self) -> float:
        """Return the resident memory of all its processes in MB."""
        return sum(map(resident_memory, self.pids))

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield the log line of each request."""
        for log in self.logs:
            with log.open() as lines:
                for line in lines:
                    # Metrics are lines of their own; Lambda's runtime client writes lines that are not JSON.
                    if line.startswith("{") and '"_aws"' not in line:
                        record = json.loads(line)
                        if record["message"] == "request":
                            yield record


def query_string(parameters: Parameters) -> str:
    """Return parameters as a query string."""
    return urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()}
    )


@contextmanager
def local_server(upstream: Variables, folder: Path) -> Iterator[Server]:
    """Run ``python -m local serve`` with this Bedrock; its logs are written to the folder."""
    out, err = folder / "out.log", folder / "err.log"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "serve", "--port", "0"],
            cwd=ROOT,
            env=lambda_environment(ROOT, **function_settings(upstream)),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        greeting = _greeting(process, err)
        url = re.findall(r"http://\S+", greeting)[0]
        unexpected = lambda: err.read_text()[len(greeting) :].strip().splitlines()  # noqa: E731
        yield Server(_http_client(url), [process.pid], [out], unexpected)
    finally:
        process.kill()
        process.wait()


def _greeting(process: "subprocess.Popen[bytes]", err: Path) -> str:
    """Return what the server writes to standard error when it starts."""
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        if "http://" in (text := err.read_text()):
            return text
        time.sleep(0.05)
    raise RuntimeError(f"The local server did not start:\n{err.read_text()}")


def _http_client(url: str) -> Send:
    pool = urllib3.PoolManager(maxsize=1000, retries=False, timeout=60)

    def send(parameters: Parameters) -> Result:
        try:
            return Result.of(pool.request("GET", f"{url}{_PATH}?{query_string(parameters)}").json())
        except urllib3.exceptions.HTTPError as error:
            return Result(f"no response ({type(error).__name__})")

    return send


@contextmanager
def containers(bundle: Path, count: int, upstream: Variables, folder: Path) -> Iterator[Server]:
    """Run the bundle under Lambda's runtime client, in processes that each serve one request at a time."""
    client = runtime_client_in(folder / "runtime-client")
    settings = function_settings(upstream)
    logs = [folder / f"{number}.log" for number in range(count)]
    with ExitStack() as stack:
        functions = [stack.enter_context(closing(Function(bundle, client, settings, log))) for log in logs]
        yield Server(_container_client(functions), [function.pid for function in functions], logs)


def _container_client(functions: Sequence[Function]) -> Send:
    idle: queue.SimpleQueue[Function] = queue.SimpleQueue()
    for function in functions:
        idle.put(function)
    turns = itertools.count()

    def send(parameters: Parameters) -> Result:
        # Alternate, so that a walk and its cursors use both kinds of event.
        direct = next(turns) % 2 == 0
        function = idle.get()
        try:
            target = f"{_PATH}?{query_string(parameters)}"
            report = function.invoke(parameters if direct else proxy_event("GET", target, []))
        finally:
            idle.put(function)
        if report.kind == "response":
            return Result.of(report.body if direct else json.loads(report.body["body"]))
        # The error UpstreamThrottled is the problem upstream-throttled.
        return Result(re.sub(r"\B(?=[A-Z])", "-", report.body["errorType"]).lower())

    return send
