"""Bedrock's emulator in its own process, so that its CPU time and memory do not count in a measurement.

``python -m tools.upstream [tls]`` is that process. It writes its URLs as a line of JSON. Each line of its standard
input says which models and faults it must have from now on. For each, it writes the counts since the previous line.
"""

import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from emulators import bedrock, faults
from emulators.bedrock import Emulator
from emulators.faults import Fault, Parameters
from emulators.models import plausible_models
from emulators.server import Request, Response, serve
from tools.processes import ROOT

Variables: TypeAlias = Mapping[str, str]

_FAULTS: Sequence[tuple[str, Fault]] = [
    ("upstream-throttled", bedrock.throttle),
    ("upstream-unavailable", bedrock.internal_error),
    ("upstream-unavailable", faults.unavailable),
    ("upstream-unavailable", faults.disconnect),
    # The function then closes all its connections, which other requests are using.
    ("upstream-invalid", faults.not_json),
]
"""The faults, and the problem that a client sees if no retry helps."""

FAULT_PROBLEMS = frozenset(problem for problem, _ in _FAULTS)


def newest(count: int, models: int) -> list[str]:
    """Return the ARNs of the first ``count`` models in the listing of an account with this many models."""
    ordered = sorted(plausible_models(models), key=lambda model: (model.created, model.arn), reverse=True)
    return [model.arn for model in ordered[:count]]


@dataclass(frozen=True)
class Trouble:
    """Failure rate, plus a burst of consecutive failures every N calls. Pages are of random lengths too."""

    failure_rate: float = 0.0
    burst: int = 0
    every: int = 1000


@dataclass
class Counts:
    """The calls that Bedrock received, those of them that it failed, and those that were not valid."""

    calls: int = 0
    faults: int = 0
    invalid: int = 0


class Upstream:
    """The process, as seen from this one; it ends with the ``with`` block, or with this process."""

    def __init__(self, *, tls: bool = False) -> None:
        """Start it, without a model. TLS needs the package trustme."""
        command = [sys.executable, "-m", "tools.upstream", *(["tls"] if tls else [])]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self._folder = tempfile.TemporaryDirectory()
        self._urls = self._receive()
        self.http = {"AWS_ENDPOINT_URL_BEDROCK": self._urls["http"]}
        """The environment variables of a client over plain HTTP."""

    def over_tls(self, roots: Path) -> Variables:
        """Return the variables of a client that trusts these root certificates, as on AWS, and the one used here."""
        trusted = Path(self._folder.name) / f"{roots.parent.name}-{roots.name}"
        trusted.write_text(roots.read_text("utf-8") + self._urls["authority"], "utf-8")
        return {"AWS_ENDPOINT_URL_BEDROCK": self._urls["https"], "AWS_CA_BUNDLE": str(trusted)}

    def load(self, models: int, seed: int = 0, trouble: Trouble | None = None) -> Counts:
        """Replace the models with this many models of this seed, and return the counts since the last call.

        If ``trouble`` is None, responses are cached, so that measurements do not wait for them.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([models, seed, trouble and asdict(trouble)]) + "\n")
        self._process.stdin.flush()
        return Counts(**self._receive())

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._folder.cleanup()


class _Bedrock:
    """The emulator, with cached responses or with faults."""

    def __init__(self, models: int, seed: int, trouble: Trouble | None) -> None:
        self.counts = Counts()
        self._emulator = Emulator(plausible_models(models, seed))
        self._kept: dict[str, Response] = {}
        self._trouble = trouble
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        if trouble:
            self._emulator.page_sizes = self._page_size
            self._emulator.misbehave(always=self._fail_sometimes)

    def respond(self, request: Request) -> Response:
        if self._trouble:
            return self._emulator.respond(request)
        self.counts.calls += 1
        if request.query not in self._kept:
            self._kept[request.query] = self._emulator.respond(request)
        return self._kept[request.query]

    def _fail_sometimes(self, correct: Response, parameters: Parameters) -> Response:
        assert self._trouble is not None
        with self._lock:
            self.counts.calls += 1
            self.counts.invalid += correct.status != 200
            in_burst = self.counts.calls % self._trouble.every >= self._trouble.every - self._trouble.burst
            if not in_burst and self._random.random() >= self._trouble.failure_rate:
                return correct
            self.counts.faults += 1
            _, fault = self._random.choice(_FAULTS)
        return fault(correct, parameters)

    def _page_size(self, requested: int) -> int:
        with self._lock:
            return requested if self._random.random() < 0.8 else self._random.randint(0, requested)


def _tls_context() -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS context, and the certificate of the authority that signed it."""
    # Imported here: only the benchmark installs it.
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context, authority.cert_pem.bytes().decode()


def main(*, tls: bool) -> None:
    """Serve until standard input ends."""
    bedrock = _Bedrock(0, 0, None)

    def respond(request: Request) -> Response:
        return bedrock.respond(request)

    with ExitStack() as stack:
        urls = {"http": stack.enter_context(serve(respond))}
        if tls:
            context, urls["authority"] = _tls_context()
            urls["https"] = stack.enter_context(serve(respond, tls=context))
        print(json.dumps(urls), flush=True)
        for line in sys.stdin:
            models, seed, trouble = json.loads(line)
            counts, bedrock = bedrock.counts, _Bedrock(models, seed, trouble and Trouble(**trouble))
            print(json.dumps(asdict(counts)), flush=True)
        # Do not wait for clients that are still connected.
        os._exit(0)


if __name__ == "__main__":
    main(tls="tls" in sys.argv[1:])
