"""Programs that call the API with clients that others made."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.api_gateway import Context, Handler
from tests.installed import ROOT, environment

BIN = ROOT / ".venv-clients" / "bin"
DOCUMENT = ROOT / "docs" / "openapi.json"
CREDENTIALS = Credentials("test", "test")
"""Those in the environment of the tests."""

Pages: TypeAlias = list[Any]
"""What a program printed for each response of one listing."""


class Program:
    """A program that lists models. It starts with the first call, and serves all calls until it is closed."""

    def __init__(self, *command: str, **variables: str) -> None:
        self.variables = variables
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, url: str, *listings: dict[str, Any]) -> list[Pages]:
        """Request the listings with these arguments from the API at the URL."""
        if self._process is None:
            pipe, variables = subprocess.PIPE, environment(**self.variables)
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, env=variables, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"url": url, "listings": listings}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program ended; see stderr"
        found: list[Pages] = json.loads(line)
        assert len(found) == len(listings)
        return found

    def close(self) -> None:
        """End the program."""
        if self._process is not None:
            with self._process as process:
                process.communicate(timeout=20)


def in_python(name: str, path: Path) -> Program:
    """Return a program of this folder that imports the generated package in another folder. Warnings are errors."""
    return Program(str(BIN / "python"), "-W", "error", str(Path(__file__).with_name(name)), PYTHONPATH=str(path))


def only_signed(handler: Handler, credentials: Credentials = CREDENTIALS) -> Handler:
    """Reject requests that are not signed with the credentials for us-east-1, as API Gateway does."""

    def check(event: Any, context: Context) -> dict[str, Any]:
        if _is_signed(event, credentials):
            return handler(event, context)
        detail = "Sign the request."
        problem = {"type": "urn:problem-type:custom-models:forbidden", "title": "", "detail": detail, "requestId": ""}
        headers = {"Content-Type": "application/problem+json"}
        return {"statusCode": 403, "headers": headers, "body": json.dumps(problem)}

    return check


def _is_signed(event: Any, credentials: Credentials) -> bool:
    headers = {name.lower(): value for name, value in event["headers"].items()}
    credential = f"Credential={credentials.access_key}/[0-9]{{8}}/us-east-1/execute-api/aws4_request"
    found = re.fullmatch(
        f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{{64}})",
        headers.get("authorization", ""),
    )
    if found is None:
        return False
    names, signature = found.groups()
    request = AWSRequest(
        event["httpMethod"],
        f"http://{headers['host']}{event['path']}",
        headers={name: headers[name] for name in names.split(";")},
        params=event["queryStringParameters"],  # the API rejects repeated ones anyway
    )
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(credentials, "execute-api", "us-east-1")
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return bool(signature == expected and headers.get("x-amz-security-token") == credentials.token)
