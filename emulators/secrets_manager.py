"""An emulator of Secrets Manager's GetSecretValue over HTTP (AWS JSON 1.1), which can be told to misbehave."""

import base64
import json
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "custom-models/cursor-key"
ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-a1B2c3"

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, sent after so many seconds; one without a status cuts the connection instead."""

    status: int | None
    body: bytes = b""
    delay: float = 0.0


def error(code: str, status: int = 400, message: str = "") -> Answer:
    """Return an error as the protocol has it."""
    return Answer(status, json.dumps({"__type": code, "Message": message or code}).encode())


DENIED = error("AccessDeniedException", message="User: … is not authorized to perform: secretsmanager:GetSecretValue")
THROTTLED = error("ThrottlingException", message="Rate exceeded")
FAILED = error("InternalServiceError", 500)
UNAVAILABLE = Answer(503, b"<html><body><b>Http/1.1 Service Unavailable</b></body> </html>")
DISCONNECT = Answer(None)


def hang(seconds: float) -> Answer:
    """Return an answer that never comes: after so many seconds the connection ends."""
    return Answer(None, delay=seconds)


class SecretsManager:
    """One secret and its versions.

    ``calls`` holds the stage that each request asked for, in order; ``misbehave`` says what goes
    wrong; ``latency`` makes right answers slow; ``after_call`` is called before an answer leaves.
    """

    def __init__(self) -> None:
        """Make a secret that was never rotated."""
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Make another secret, and forget calls and misbehaviour."""
        self.calls: list[str] = []
        self.latency = 0.0
        self.after_call: Callable[[], object] = lambda: None
        self.epoch = 0
        self.delete()
        self.rotate()
        self.misbehave()

    @property
    def reads(self) -> int:
        """How often the secret was read: the previous version is asked for after the current one."""
        return self.calls.count(CURRENT)

    def rotate(self) -> str:
        """Make and return a new key; the current one becomes the previous one."""
        self.key = secrets.token_hex(16)
        self.put(self.key)
        return self.key

    def put(self, value: str | bytes) -> None:
        """Store a new current version, whatever it is."""
        with self._lock:
            if CURRENT in self.versions:
                self.versions[PREVIOUS] = self.versions[CURRENT]
            self.versions[CURRENT] = value

    def delete(self) -> None:
        """Let there be no secret of this name."""
        self.versions: dict[str, str | bytes] = {}

    def misbehave(self, *answers: Answer | None, always: Answer | None = None) -> None:
        """Give the next requests these answers (None: the right one), and ``always`` to all after them."""
        with self._lock:
            self._answers = list(answers)
            self._always = always

    def forget_connections(self) -> None:
        """Cut each connection that is open now, without a word before something is sent on it."""
        self.epoch += 1

    def answer(self, target: str | None, request: Mapping[str, str]) -> Answer:
        """Return the answer to a request."""
        if target != "secretsmanager.GetSecretValue":
            return error("UnknownOperationException")
        stage = request.get("VersionStage", CURRENT)
        with self._lock:
            self.calls.append(stage)
            wrong = self._answers.pop(0) if self._answers else self._always
            answer = wrong or self._right(request["SecretId"], stage)
        self.after_call()
        return answer

    def _right(self, secret_id: str, stage: str) -> Answer:
        if secret_id not in (NAME, ARN) or stage not in self.versions:
            return error("ResourceNotFoundException", message="Secrets Manager can't find the specified secret.")
        value = self.versions[stage]
        content: dict[str, object] = {
            "ARN": ARN,
            "CreatedDate": 1764000000.123,
            "Name": NAME,
            "VersionId": str(uuid.uuid4()),
            "VersionStages": [stage],
        }
        if isinstance(value, str):
            content["SecretString"] = value
        else:
            content["SecretBinary"] = base64.b64encode(value).decode()
        return Answer(200, json.dumps(content).encode(), self.latency)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, emulator: SecretsManager) -> None:
        self.emulator = emulator
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.epoch = self.server.emulator.epoch

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.epoch != self.server.emulator.epoch:
            self.close_connection = True
            return
        if "Authorization" not in self.headers:
            answer = error("MissingAuthenticationTokenException")
        else:
            answer = self.server.emulator.answer(self.headers["X-Amz-Target"], json.loads(body))
        self.server.stopping.wait(answer.delay)
        if answer.status is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(emulator: SecretsManager) -> Iterator[str]:
    """Serve an emulator on a free port of 127.0.0.1, and yield its URL."""
    server = _Server(emulator)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
