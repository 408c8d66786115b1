"""The two ways to the function: the local server, and the built bundle in containers; each in processes of its own."""

import itertools
import json
import os
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlencode, urlsplit

from emulators.lambda_runtime import Function, runtime_client_in
from local.api_gateway import proxy_event
from tools.soak.upstream import ROOT

Parameters: TypeAlias = Mapping[str, str | bool | int]

_PATH = "/v1/custom-models"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "soak",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SECRET_ACCESS_KEY": "soak",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "CURSOR_KEY": "a key of the soak, which no one else has",
}
_GREETING = 5
"""Lines that the local server writes on standard error when it starts; none must follow."""


@dataclass(frozen=True)
class Answer:
    """What a request was answered: ``ok`` or the kind of a problem, the ARNs of the models, and the cursor."""

    kind: str
    arns: list[str]
    cursor: str | None = None

    @classmethod
    def of(cls, body: Any) -> "Answer":
        """Return what the body of a listing or of a problem says."""
        if "type" in body:
            return cls(str(body["type"]).removeprefix("urn:problem-type:custom-models:"), [])
        return cls("ok", [model["modelArn"] for model in body["modelSummaries"]], body.get("nextCursor"))


Ask: TypeAlias = Callable[[Parameters], Answer]


class Server(Protocol):
    """One way to the function."""

    def connect(self) -> AbstractContextManager[Ask]:
        """Return what one thread's client asks by."""
        ...

    def memory(self) -> float:
        """Return the resident memory of all its processes in MB."""
        ...

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield the canonical line of each request, as it was logged."""
        ...

    def complaints(self) -> Sequence[str]:
        """Return what was written that should not have been."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def as_text(parameters: Parameters) -> str:
    """Return parameters as a query string."""
    return urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()}
    )


def _resident(pid: int) -> float:
    match = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024 / 1e6


def _canonical(log: Path) -> Iterator[dict[str, Any]]:
    with log.open() as lines:
        for line in lines:
            if line.startswith("{") and '"_aws"' not in line:
                record = json.loads(line)
                if record["message"] == "request":
                    yield record


class LocalServer:
    """``python -m local serve``."""

    def __init__(self, upstream: str, folder: Path) -> None:
        """Start it before the Bedrock at this URL; what it writes goes into the folder."""
        self._out, self._err = folder / "out.log", folder / "err.log"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local", "serve", "--port", "0"],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **_ENVIRONMENT, "AWS_ENDPOINT_URL_BEDROCK": upstream},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._host = self._where()

    def _where(self) -> str:
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            lines = self._err.read_text().splitlines()
            if len(lines) >= _GREETING:
                return urlsplit(lines[0].split()[-1]).netloc
            time.sleep(0.05)
        self.close()
        raise RuntimeError(f"The local server did not start:\n{self._err.read_text()}")

    @contextmanager
    def connect(self) -> Iterator[Ask]:
        connection = HTTPConnection(self._host, timeout=60)

        def ask(parameters: Parameters) -> Answer:
            try:
                connection.request("GET", f"{_PATH}?{as_text(parameters)}")
                return Answer.of(json.loads(connection.getresponse().read()))
            except (OSError, HTTPException) as error:
                connection.close()
                return Answer(f"no-answer ({type(error).__name__})", [])

        try:
            yield ask
        finally:
            connection.close()

    def memory(self) -> float:
        return _resident(self._process.pid)

    def requests(self) -> Iterator[dict[str, Any]]:
        return _canonical(self._out)

    def complaints(self) -> Sequence[str]:
        return self._err.read_text().splitlines()[_GREETING:]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Containers:
    """The bundle under Lambda's runtime client, some processes of it, each of which answers one request at a time."""

    def __init__(self, bundle: Path, upstream: str, folder: Path, count: int) -> None:
        """Start them before the Bedrock at this URL; what they need and write goes into the folder."""
        self._logs = [folder / f"{number}.log" for number in range(count)]
        environment = {**_ENVIRONMENT, "AWS_ENDPOINT_URL_BEDROCK": upstream}
        client = runtime_client_in(folder / "runtime-client")
        self._functions = [Function(bundle, client, environment, log) for log in self._logs]
        self._idle: queue.SimpleQueue[Function] = queue.SimpleQueue()
        for function in self._functions:
            self._idle.put(function)
        self._turns = itertools.count()

    @contextmanager
    def connect(self) -> Iterator[Ask]:
        yield self._ask

    def _ask(self, parameters: Parameters) -> Answer:
        # By turns, so that a walk and its cursor go both ways.
        direct = next(self._turns) % 2 == 0
        function = self._idle.get()
        try:
            report = function.invoke(parameters if direct else proxy_event("GET", f"{_PATH}?{as_text(parameters)}", []))
        finally:
            self._idle.put(function)
        if report.kind == "response":
            return Answer.of(report.body if direct else json.loads(report.body["body"]))
        # UpstreamThrottled is what HTTP calls upstream-throttled.
        return Answer(re.sub(r"\B(?=[A-Z])", "-", report.body["errorType"]).lower(), [])

    def memory(self) -> float:
        return sum(_resident(function.pid) for function in self._functions)

    def requests(self) -> Iterator[dict[str, Any]]:
        return itertools.chain.from_iterable(map(_canonical, self._logs))

    def complaints(self) -> Sequence[str]:
        return []

    def close(self) -> None:
        for function in self._functions:
            function.close()
