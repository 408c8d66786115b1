"""An emulator of Bedrock's ListCustomModels: of one source, or of all sources of an organization.

It validates requests with botocore's service model, so that it and the API's own validation cannot share a mistake.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from botocore.model import Shape

from emulators.credentials import AuthenticationError, authenticate
from emulators.faults import Fault, Faults, Parameters, respond_with
from emulators.models import ACCOUNT, Model, newest_first
from emulators.server import Request, Response, json_response
from emulators.validation import ValidationError, input_shape, parse

DEFAULT_MAX_RESULTS = 100
"""Bedrock does not document its default."""

Criteria: TypeAlias = tuple[tuple[str, Any], ...]
"""The parameters that a token is bound to: all except the page size and the token itself."""


def error(code: str, status: int, message: str = "") -> Response:
    """Return an error of the rest-json protocol."""
    return json_response({"message": message or code}, status, {"x-amzn-ErrorType": code})


throttle = respond_with(error("ThrottlingException", 429, "Too many requests, please wait before trying again."))
internal_error = respond_with(error("InternalServerException", 500, "The system encountered an unexpected error."))
deny = respond_with(
    error("AccessDeniedException", 403, "User: … is not authorized to perform: bedrock:ListCustomModels")
)
unknown_operation = respond_with(error("ValidationException", 400, "Unknown operation"))
"""The response of a region without the operation."""


def fields(**changed: object) -> Fault:
    """Return a fault that replaces fields of the correct body, such as ``nextToken``; None removes a field."""

    def change(correct: Response, _: Parameters) -> Response:
        content = {**json.loads(correct.body), **changed}
        return json_response({name: value for name, value in content.items() if value is not None})

    return change


class Emulator(Faults):
    """The custom models of one account in one region.

    Attributes:
        calls: the parameters of each request, in order.
        connections: the number of the TCP connection of each request.
        page_sizes: returns the size of a page for the requested one, so that pages can be short or empty.
        ignored: filters that have no effect, as happened on AWS (aws/aws-cli#8929).
    """

    def __init__(self, models: Sequence[Model], account: str = ACCOUNT) -> None:
        """Start with these models, in any order; ``account`` is the caller's."""
        super().__init__()
        self._shapes: Mapping[str, Shape] = input_shape("bedrock", "ListCustomModels").members
        self._filters: Mapping[str, Callable[[Model, Any], bool]] = {
            "creationTimeBefore": lambda model, instant: model.created < instant,
            "creationTimeAfter": lambda model, instant: model.created > instant,
            "nameContains": lambda model, text: text in model.name,
            "baseModelArnEquals": lambda model, arn: model.base_arn == arn,
            "foundationModelArnEquals": lambda model, arn: model.foundation_arn == arn,
            "isOwned": lambda model, owned: (model.account == account) == owned,
            "modelStatus": lambda model, status: model.status == status,
        }
        self.load(models)

    def load(self, models: Sequence[Model]) -> None:
        """Replace the models, and reset everything else."""
        self._newest_first = newest_first(models)
        # Cached, so that every page of a large account takes the same time.
        self._listing = functools.lru_cache(maxsize=8)(self._find)
        self.calls: list[Parameters] = []
        self.connections: list[int] = []
        self.page_sizes: Callable[[int], int] = lambda requested: requested
        self.ignored: Collection[str] = ()
        self.misbehave()

    def respond(self, request: Request) -> Response:
        """Return the response to an HTTP request."""
        if "Authorization" not in request.headers:
            return error("MissingAuthenticationTokenException", 403)
        if (request.method, request.path) != ("GET", "/custom-models"):
            return error("UnknownOperationException", 404)
        self.connections.append(request.connection)
        return self.list_custom_models(request.query)

    def list_custom_models(self, query: str) -> Response:
        """Return the response to a query string, with the next fault."""
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        self.calls.append(parameters)
        try:
            correct = json_response(self._page({n: v for n, v in parameters.items() if n not in self.ignored}))
        except ValidationError as invalid:
            correct = error("ValidationException", 400, str(invalid))
        return self.inject(correct, parameters)

    def _page(self, parameters: Parameters) -> dict[str, object]:
        values = {name: parse(name, value, self._shapes.get(name)) for name, value in parameters.items()}
        size: int = values.pop("maxResults", DEFAULT_MAX_RESULTS)
        token: str | None = values.pop("nextToken", None)
        criteria = tuple(sorted(values.items()))
        models, positions = self._listing(criteria)
        start = 0 if token is None else _position(token, criteria, positions)
        end = start + min(size, self.page_sizes(size))
        page: dict[str, object] = {"modelSummaries": [model.summary() for model in models[start:end]]}
        if end < len(models):
            page["nextToken"] = _token(criteria, models[end], token if start == end else None)
        return page

    def _find(self, criteria: Criteria) -> tuple[Sequence[Model], Mapping[str, int]]:
        """Return the models of a listing in its order, and the position of each by its ARN."""
        values = dict(criteria)
        filters = [(passes, values[name]) for name, passes in self._filters.items() if name in values]
        ordered = self._newest_first[::-1] if values.get("sortOrder") == "Ascending" else self._newest_first
        models = [model for model in ordered if all(passes(model, value) for passes, value in filters)]
        return models, {model.arn: position for position, model in enumerate(models)}


class Call(NamedTuple):
    """A signed request, to any source."""

    source: str
    access_key: str


class Organization:
    """Bedrock in several accounts and regions: each source has its own emulator.

    The account is taken from the credentials, and the region from the scope of the signature.

    Attributes:
        sources: the emulators, such as ``sources["111122223333/us-east-1"].misbehave(throttle)``.
        calls: the requests to all sources in order, retries and requests to unknown sources included.
    """

    def __init__(self, models: Mapping[str, Sequence[Model]], account: str = ACCOUNT) -> None:
        """Start with the models of each source; ``account`` is that of callers without credentials of STS."""
        self._account = account
        self.load(models)

    def load(self, models: Mapping[str, Sequence[Model]]) -> None:
        """Replace the sources, and reset everything else."""
        self.sources = {source: Emulator(own, source.partition("/")[0]) for source, own in models.items()}
        self.calls: list[Call] = []

    def respond(self, request: Request) -> Response:
        """Return the response to an HTTP request."""
        try:
            caller = authenticate(request, "bedrock")
        except AuthenticationError as invalid:
            return error(invalid.code, 403, str(invalid))
        source = f"{caller.account or self._account}/{caller.region}"
        self.calls.append(Call(source, caller.access_key))
        if source not in self.sources:
            # The same as for a region that the account has not enabled.
            return error("UnrecognizedClientException", 403, "The security token included in the request is invalid.")
        return self.sources[source].respond(request)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


def _token(criteria: Criteria, model: Model, previous: str | None) -> str:
    """Return the token of a page that starts with a model; ``previous`` is the token of an empty page, if any."""
    # Includes the previous token: the position after an empty page is the same, but no token may occur twice.
    return base64.b64encode(f"{_digest(criteria)} {_digest(previous)} {model.arn}".encode()).decode()


def _position(token: str, criteria: Criteria, positions: Mapping[str, int]) -> int:
    with suppress(ValueError, KeyError):
        digest, _, arn = base64.b64decode(token, validate=True).decode().split()
        if digest == _digest(criteria):
            return positions[arn]
    raise ValidationError("The provided next token is not valid.")
