"""The emulators of Bedrock and STS in their own process, so that they do not count in a measurement.

``python -m tools.upstream [tls]`` is that process. It writes its URLs as a line of JSON. Each line of its standard
input says what it must emulate from now on, or is ``null``: the same as before. For each, it writes the counts since
the previous line.
"""

import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

from emulators import bedrock, faults
from emulators.bedrock import Emulator
from emulators.credentials import authenticate
from emulators.faults import Fault, Parameters
from emulators.models import ACCOUNT, Model, newest_first, plausible_models
from emulators.server import Request, Response, serve
from emulators.sts import Sts
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
    return [model.arn for model in newest_first(plausible_models(models))[:count]]


@dataclass(frozen=True)
class Trouble:
    """Failure rate, plus a burst of consecutive failures every N calls. Pages are of random lengths too."""

    failure_rate: float = 0.0
    burst: int = 0
    every: int = 1000


_ROLE = "custom-models-reader"


@dataclass(frozen=True)
class Organization:
    """Every account times every region: sources that have the same number of models each."""

    accounts: int
    """The first one is the function's own."""
    regions: Sequence[str]
    models: int
    latency: float
    """Seconds until each response of Bedrock and of STS is sent."""

    def variables(self) -> Variables:
        """Return the environment variables of a function that lists it."""
        sources = [{"accounts": self._accounts(), "regions": self.regions}]
        return {"INVENTORY": json.dumps({"sources": sources, "memberRoleName": _ROLE})}

    def listing(self) -> Mapping[str, Sequence[Model]]:
        """Return the models of each source, in the order of a listing of the inventory."""
        return {
            f"{account}/{region}": newest_first(plausible_models(self.models, account=account, region=region))
            for account in self._accounts()
            for region in self.regions
        }

    def arns(self) -> list[str]:
        """Return the ARNs of all models in the order of a listing."""
        return [model.arn for models in self.listing().values() for model in models]

    def _accounts(self) -> Sequence[str]:
        return [ACCOUNT, *(f"{200_000_000_000 + number}" for number in range(1, self.accounts))]


@dataclass
class Counts:
    """The calls that Bedrock received, those of them that it failed, and those that were not valid."""

    calls: int = 0
    faults: int = 0
    invalid: int = 0
    roles: int = 0
    """The calls of AssumeRole."""
    cpu: float = 0.0
    """The CPU seconds of the emulators."""


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
        self.http = _endpoints(self._urls["http"])
        """The environment variables of a client over plain HTTP."""

    def over_tls(self, roots: Path) -> Variables:
        """Return the variables of a client that trusts these root certificates, as on AWS, and the one used here."""
        trusted = Path(self._folder.name) / f"{roots.parent.name}-{roots.name}"
        trusted.write_text(roots.read_text("utf-8") + self._urls["authority"], "utf-8")
        return {**_endpoints(self._urls["https"]), "AWS_CA_BUNDLE": str(trusted)}

    def load(self, models: int, seed: int = 0, trouble: Trouble | None = None) -> Counts:
        """Replace the models with this many models of this seed, and return the counts since the last call.

        If ``trouble`` is None, responses are cached, so that measurements do not wait for them.
        """
        return self._send([models, seed, trouble and asdict(trouble)])

    def load_organization(self, organization: Organization) -> Counts:
        """Replace the models with those of an organization, with cached responses; return the counts as ``load``."""
        return self._send(asdict(organization))

    def counts(self) -> Counts:
        """Return the counts since the last call of this or of another method."""
        return self._send(None)

    def _send(self, content: object) -> Counts:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(content) + "\n")
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


def _endpoints(url: str) -> Variables:
    return {"AWS_ENDPOINT_URL_BEDROCK": url, "AWS_ENDPOINT_URL_STS": url}


class _Organization:
    """The emulators of an organization, with cached responses of Bedrock."""

    def __init__(self, organization: Organization) -> None:
        self.counts = Counts()
        self._latency = organization.latency
        listing = organization.listing()
        self._bedrock = bedrock.Organization(listing)
        accounts = {source.partition("/")[0] for source in listing}
        self._sts = Sts({f"arn:aws:iam::{account}:role/{_ROLE}": None for account in accounts})
        self._kept: dict[tuple[str | None, str, str], Response] = {}
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Response:
        if request.method == "POST":
            with self._lock:
                self.counts.roles += 1
            return replace(self._sts.respond(request), delay=self._latency)
        with self._lock:
            self.counts.calls += 1
        caller = authenticate(request, "bedrock")
        key = caller.account, caller.region, request.query
        if key not in self._kept:
            self._kept[key] = replace(self._bedrock.respond(request), delay=self._latency)
        return self._kept[key]


class _Bedrock:
    """The emulator of one source, with cached responses or with faults."""

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


def _emulate(content: Any) -> _Bedrock | _Organization | None:
    match content:
        case [models, seed, trouble]:
            return _Bedrock(models, seed, trouble and Trouble(**trouble))
        case dict():
            return _Organization(Organization(**content))
    return None


def main(*, tls: bool) -> None:
    """Serve until standard input ends."""
    served: _Bedrock | _Organization = _Bedrock(0, 0, None)
    started = time.process_time()

    def respond(request: Request) -> Response:
        return served.respond(request)

    with ExitStack() as stack:
        urls = {"http": stack.enter_context(serve(respond))}
        if tls:
            context, urls["authority"] = _tls_context()
            urls["https"] = stack.enter_context(serve(respond, tls=context))
        print(json.dumps(urls), flush=True)
        for line in sys.stdin:
            counts = replace(served.counts, cpu=time.process_time() - started)
            served.counts = Counts()
            served = _emulate(json.loads(line)) or served
            started = time.process_time()
            print(json.dumps(asdict(counts)), flush=True)
        # Do not wait for clients that are still connected.
        os._exit(0)


if __name__ == "__main__":
    main(tls="tls" in sys.argv[1:])
