"""An emulator of STS's AssumeRole and GetCallerIdentity, over the AWS query protocol.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

import re
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from emulators.credentials import AuthenticationError, Caller, authenticate, issue
from emulators.faults import Faults, Parameters, respond_with
from emulators.models import ACCOUNT
from emulators.server import Request, Response
from emulators.validation import ValidationError, input_shape, parse

VERSION = "2011-06-15"
_ROLE_ARN = re.compile("arn:aws[a-z-]*:iam::(?P<account>[0-9]{12}):role/(?P<name>.+)")
_MAX_CHAINED = 3600
"""The longest session in seconds if one role assumes another one, as the function's role does."""

_CODES = {"InvalidSignature": "SignatureDoesNotMatch", "UnrecognizedClient": "InvalidClientTokenId"}
"""Authentication errors that have another name in the query protocol than in the JSON protocols."""


def error(code: str, status: int, message: str = "") -> Response:
    """Return an error of the query protocol."""
    kind = "Sender" if status < 500 else "Receiver"
    fields = f"<Type>{kind}</Type><Code>{code}</Code><Message>{escape(message or code)}</Message>"
    return _xml("ErrorResponse", f"<Error>{fields}</Error><RequestId>{uuid.uuid4()}</RequestId>", status)


def _xml(name: str, content: str, status: int) -> Response:
    body = f'<{name} xmlns="https://sts.amazonaws.com/doc/{VERSION}/">{content}</{name}>'
    return Response(status, body.encode(), {"Content-Type": "text/xml"})


throttle = respond_with(error("Throttling", 400, "Rate exceeded"))
internal_error = respond_with(error("InternalFailure", 500))
deny = respond_with(error("AccessDenied", 403, "User: … is not authorized to perform: sts:AssumeRole on resource: …"))
region_disabled = respond_with(error("RegionDisabledException", 403, "STS is not activated in this region."))


class Call(NamedTuple):
    """An AssumeRole request."""

    account: str
    """The account of the role."""
    region: str
    access_key: str
    parameters: Parameters


class Sts:
    """STS, for callers in one account that assume roles in others.

    Attributes:
        trust: the roles that can be assumed, by ARN; each with the external id that it requires, or None.
        lifetime: seconds that credentials are valid, if it is not what the request says.
        calls: the requests for a role, in order, also those that failed.
        faults: the faults of each account's roles, such as ``faults["111122223333"].misbehave(throttle)``.
    """

    def __init__(self, trust: Mapping[str, str | None], account: str = ACCOUNT) -> None:
        """Start with these roles; ``account`` is that of callers whose credentials were not issued here."""
        self._account = account
        self.load(trust)

    def load(self, trust: Mapping[str, str | None]) -> None:
        """Replace the roles, and reset everything else."""
        self.trust = trust
        self.lifetime: float | None = None
        self.calls: list[Call] = []
        self.faults: defaultdict[str, Faults] = defaultdict(Faults)

    def respond(self, request: Request) -> Response:
        """Return the response to an HTTP request."""
        try:
            caller = authenticate(request, "sts")
        except AuthenticationError as invalid:
            name = invalid.code.removesuffix("Exception")
            return error(_CODES.get(name, name), 403, str(invalid))
        parameters = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        operation = parameters.pop("Action", ""), parameters.pop("Version", "")
        if (request.method, request.path) == ("POST", "/"):
            if operation == ("AssumeRole", VERSION):
                return self._assume_role(caller, parameters)
            if operation == ("GetCallerIdentity", VERSION):
                account = caller.account or self._account
                fields = f"<Arn>{_arn(account)}</Arn><UserId>AIDAEMULATED</UserId><Account>{account}</Account>"
                return _success("GetCallerIdentity", fields)
        return error("InvalidAction", 400, f"Could not find operation {operation[0]} for version {operation[1]}")

    def _assume_role(self, caller: Caller, parameters: Parameters) -> Response:
        role = _ROLE_ARN.fullmatch(parameters.get("RoleArn", ""))
        account = role["account"] if role else ""
        self.calls.append(Call(account, caller.region, caller.access_key, parameters))
        try:
            correct = self._session(caller, parameters, role)
        except ValidationError as invalid:
            correct = error("ValidationError", 400, str(invalid))
        return self.faults[account].inject(correct, parameters)

    def _session(self, caller: Caller, parameters: Parameters, role: re.Match[str] | None) -> Response:
        values = _validated(parameters)
        seconds: int = values.get("DurationSeconds", _MAX_CHAINED)
        if role is None:
            raise ValidationError(f"{values['RoleArn']} is invalid")
        if seconds > _MAX_CHAINED:
            limit = "the 1 hour session limit for roles assumed by role chaining"
            raise ValidationError(f"The requested DurationSeconds exceeds {limit}")
        external_id = self.trust.get(role[0])
        is_member = caller.account not in (None, self._account)
        if is_member or role[0] not in self.trust or external_id not in (None, values.get("ExternalId")):
            user = _arn(caller.account or self._account)
            action = f"sts:AssumeRole on resource: {role[0]}"
            return error("AccessDenied", 403, f"User: {user} is not authorized to perform: {action}")
        issued = issue(role["account"], seconds if self.lifetime is None else self.lifetime)
        session, name = values["RoleSessionName"], role["name"].rpartition("/")[2]
        user = f"arn:aws:sts::{role['account']}:assumed-role/{name}/{session}"
        return _success(
            "AssumeRole",
            f"<AssumedRoleUser><AssumedRoleId>AROAEMULATED:{session}</AssumedRoleId><Arn>{user}</Arn></AssumedRoleUser>"
            f"<Credentials><AccessKeyId>{issued.access_key}</AccessKeyId>"
            f"<SecretAccessKey>{issued.secret_key}</SecretAccessKey><SessionToken>{issued.session_token}</SessionToken>"
            f"<Expiration>{issued.expiration.isoformat().replace('+00:00', 'Z')}</Expiration></Credentials>",
        )


def _validated(parameters: Parameters) -> dict[str, Any]:
    """Return the values of the parameters.

    Raises:
        ValidationError: a required one is missing, or one breaks a rule of botocore's service model.
    """
    shape = input_shape("sts", "AssumeRole")
    for name in shape.required_members:
        if name not in parameters:
            failed = (
                f"Value null at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null"
            )
            raise ValidationError(f"1 validation error detected: {failed}")
    # STS writes the names in its messages with a small letter.
    return {
        name: parse(f"{name[0].lower()}{name[1:]}", text, shape.members.get(name)) for name, text in parameters.items()
    }


def _arn(account: str) -> str:
    return f"arn:aws:iam::{account}:user/emulated"


def _success(operation: str, fields: str) -> Response:
    metadata = f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
    return _xml(f"{operation}Response", f"<{operation}Result>{fields}</{operation}Result>{metadata}", 200)
