"""An emulator of Secrets Manager's GetSecretValue, over the AWS JSON 1.1 protocol."""

import base64
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace

from emulators.faults import Faults, respond_with
from emulators.server import Request, Response, json_response

NAME = "custom-models/cursor-key"
ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{NAME}-a1B2c3"

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"

_JSON = {"Content-Type": "application/x-amz-json-1.1"}


def error(code: str, status: int = 400, message: str = "") -> Response:
    """Return an error of the AWS JSON protocol."""
    return json_response({"__type": code, "Message": message or code}, status, _JSON)


deny = respond_with(
    error("AccessDeniedException", message="User: … is not authorized to perform: secretsmanager:GetSecretValue")
)
throttle = respond_with(error("ThrottlingException", message="Rate exceeded"))
internal_error = respond_with(error("InternalServiceError", 500))


class SecretsManager(Faults):
    """A secret and its versions.

    Attributes:
        calls: the stage that each request asked for, in order.
        latency: seconds until a correct response is sent.
        after_call: called before a response is sent.
        key: the value of the current version, unless ``put`` or ``delete`` changed it.
    """

    def __init__(self) -> None:
        """Start with a secret that was never rotated."""
        super().__init__()
        self._versions: dict[str, str | bytes] = {}
        self._last_connection = self._last_forgotten = 0
        self.reset()

    def reset(self) -> None:
        """Replace the secret, and reset everything else."""
        self.calls: list[str] = []
        self.latency = 0.0
        self.after_call: Callable[[], object] = lambda: None
        self.delete()
        self.rotate()
        self.misbehave()

    @property
    def reads(self) -> int:
        """How many times the secret was read. Each read requests the current version, then the previous one."""
        return self.calls.count(CURRENT)

    def rotate(self) -> str:
        """Store a new random key as the current version and return it; the current version becomes the previous one."""
        self.key = secrets.token_hex(16)
        self.put(self.key)
        return self.key

    def put(self, value: str | bytes) -> None:
        """Store any value as the current version; the current version becomes the previous one."""
        current = {PREVIOUS: self._versions[CURRENT]} if self._versions else {}
        self._versions = {**current, CURRENT: value}

    def delete(self) -> None:
        """Delete the secret."""
        self._versions = {}

    def forget_connections(self) -> None:
        """Close each connection used so far as soon as a request arrives on it, without a response."""
        self._last_forgotten = self._last_connection

    def respond(self, request: Request) -> Response:
        """Return the response to an HTTP request."""
        if request.connection <= self._last_forgotten:
            return Response(disconnect=True)
        self._last_connection = max(self._last_connection, request.connection)
        if "Authorization" not in request.headers:
            return error("MissingAuthenticationTokenException")
        if request.headers["X-Amz-Target"] != "secretsmanager.GetSecretValue":
            return error("UnknownOperationException")
        parameters = {"VersionStage": CURRENT, **json.loads(request.body)}
        self.calls.append(parameters["VersionStage"])
        response = self.inject(self._secret_value(parameters["SecretId"], parameters["VersionStage"]), parameters)
        self.after_call()
        return response

    def _secret_value(self, secret_id: str, stage: str) -> Response:
        versions = self._versions
        if secret_id not in (NAME, ARN) or stage not in versions:
            return error("ResourceNotFoundException", message="Secrets Manager can't find the specified secret.")
        value = versions[stage]
        secret = (
            {"SecretString": value} if isinstance(value, str) else {"SecretBinary": base64.b64encode(value).decode()}
        )
        content = {
            "ARN": ARN,
            "CreatedDate": 1764000000.123,
            "Name": NAME,
            "VersionId": str(uuid.uuid4()),
            "VersionStages": [stage],
            **secret,
        }
        return replace(json_response(content, headers=_JSON), delay=self.latency)
