"""Programs that call the API with clients that others made."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Program:
    """A program that lists models."""

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, url: str, *listings: dict[str, Any]) -> list[Pages]:
        """Run the program with the arguments of listings."""
        done = subprocess.run(
            [*self.command, url],
            input="".join(f"{json.dumps(arguments)}\n" for arguments in listings),
            env=environment(**self.variables),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(found) == len(listings)
        return found


def in_python(name: str, path: Path) -> Program:
    """Return a program of this folder that imports the generated package in another folder. Warnings are errors."""
    script = str(Path(__file__).with_name(name))
    return Program((str(BIN / "python"), "-W", "error", script), {"PYTHONPATH": str(path)})


Client: TypeAlias = Callable[..., list[Pages]]


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
