"""The Bedrock of the measurements: the project's emulator in a process of its own, over HTTP and over TLS.

``python -m tools.bench.upstream`` is that process: it writes where it is as a line of JSON, answers each
line of its standard input, a number of models to hold from now on, with the number of calls since the
last, and ends with its standard input. Answers are kept, so that a measurement never waits for one.
"""

import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import trustme

from emulators.bedrock import Emulator
from emulators.models import plausible_models


def newest(count: int, models: int) -> list[str]:
    """Return the ARNs of the first models of a listing of so many."""
    ordered = sorted(plausible_models(models), key=lambda model: (model.created, model.arn), reverse=True)
    return [model.arn for model in ordered[:count]]


@dataclass(frozen=True)
class Endpoint:
    """Where a client finds Bedrock, and the file of the certificates that it is to trust; None over plain HTTP."""

    url: str
    trust: Path | None = None


class Upstream:
    """The process, from the other side; it ends with the block, or with this program."""

    def __init__(self) -> None:
        """Start it, without a model."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.upstream"],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        told = json.loads(self._line())
        self._folder = tempfile.TemporaryDirectory()
        self._https, self._authority = told["https"], told["authority"]
        self.http = Endpoint(told["http"])

    def over_tls(self, roots: Path) -> Endpoint:
        """Return where it is for a client that trusts these roots, as on AWS, and the one that it needs here."""
        trust = Path(self._folder.name) / f"{roots.parent.name}-{roots.name}"
        trust.write_text(roots.read_text(encoding="utf-8") + self._authority, encoding="utf-8")
        return Endpoint(self._https, trust)

    def load(self, models: int) -> int:
        """Hold so many models from now on; return how many calls there were since the last time."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{models}\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()
        self._folder.cleanup()


class _Bedrock:
    """Some models, and the answers that were given about them."""

    def __init__(self) -> None:
        self.load(0)

    def load(self, models: int) -> None:
        self._emulator = Emulator(plausible_models(models))
        self._answers: dict[str, bytes] = {}
        self.calls = 0

    def answer(self, query: str) -> bytes:
        self.calls += 1
        if query not in self._answers:
            answer = self._emulator.list_custom_models(query)
            content = answer.body
            head = (
                f"HTTP/1.1 {answer.status} OK\r\nDate: Mon, 23 Nov 2026 20:21:00 GMT\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\nConnection: keep-alive\r\n"
                "x-amzn-RequestId: 8f0c1f0e-5f5b-4b5e-9a53-5d7d3a4c1b1e\r\n\r\n"
            )
            self._answers[query] = head.encode() + content
        return self._answers[query]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bedrock: _Bedrock, tls: ssl.SSLContext | None = None) -> None:
        self.bedrock = bedrock
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            # The handshake belongs in the connection's own thread.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.wfile.write(self.server.bedrock.answer(urlsplit(self.path).query))

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # A measured process ends without taking leave.
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def _main() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    bedrock = _Bedrock()
    plain, encrypted = _Server(bedrock), _Server(bedrock, context)
    where = {
        "http": f"http://127.0.0.1:{plain.server_port}",
        "https": f"https://localhost:{encrypted.server_port}",
        "authority": authority.cert_pem.bytes().decode(),
    }
    print(json.dumps(where), flush=True)
    for line in sys.stdin:
        calls = bedrock.calls
        bedrock.load(int(line))
        print(calls, flush=True)
    os._exit(0)


if __name__ == "__main__":
    _main()
