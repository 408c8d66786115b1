"""Credentials of emulated accounts: STS issues them, and the services recognize the account in them.

Signatures are not verified, but a session token counts only with its own access key.
"""

import base64
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from emulators.server import Request

_SCOPE = re.compile(
    "AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/[0-9]{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,.*"
)
_ISSUED = re.compile("ASIA([0-9]{12}).{4}")


class Credentials(NamedTuple):
    """Temporary credentials."""

    access_key: str
    secret_key: str
    session_token: str
    expiration: datetime


class Caller(NamedTuple):
    """Who signed a request, and for which region."""

    access_key: str
    account: str | None
    """None if the access key was not issued here."""
    region: str


class AuthenticationError(Exception):
    """The request was not signed correctly.

    Attributes:
        code: the error code of the JSON protocols.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def issue(account: str, lifetime: float = 3600) -> Credentials:
    """Return new credentials of a role in an account; ``lifetime`` is in seconds."""
    access_key = f"ASIA{account}{secrets.token_hex(2).upper()}"
    expiration = datetime.now(UTC) + timedelta(seconds=lifetime)
    return Credentials(access_key, secrets.token_urlsafe(30), _token(access_key, expiration), expiration)


def authenticate(request: Request, service: str) -> Caller:
    """Return who signed a request for a service.

    Raises:
        AuthenticationError: it has no signature, or one for another service, or credentials that are not valid now.
    """
    header = request.headers.get("Authorization")
    if header is None:
        raise AuthenticationError("MissingAuthenticationTokenException", "Missing Authentication Token")
    if (scope := _SCOPE.fullmatch(header)) is None:
        raise AuthenticationError("IncompleteSignatureException", f"'{header}' is not a valid Authorization header.")
    if scope["service"] != service:
        raise AuthenticationError(
            "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'."
        )
    issued = _ISSUED.fullmatch(scope["key"])
    if issued:
        _require_valid(scope["key"], request.headers.get("X-Amz-Security-Token", ""))
    return Caller(scope["key"], issued and issued[1], scope["region"])


def _token(access_key: str, expiration: datetime) -> str:
    return base64.b64encode(f"{access_key} {expiration.isoformat()}".encode()).decode()


def _require_valid(access_key: str, token: str) -> None:
    key = expiration = ""
    with suppress(ValueError):
        key, _, expiration = base64.b64decode(token, validate=True).decode().partition(" ")
    if key != access_key:
        raise AuthenticationError(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    if datetime.fromisoformat(expiration) <= datetime.now(UTC):
        raise AuthenticationError("ExpiredTokenException", "The security token included in the request is expired")
