"""Two routes, and what HTTP asks of their answers.

Routing is a table: an event handler's class-wide current event is shared by all requests of a
process, and it costs a tenth of a cold start (docs/adr/0002-two-routes.md).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlencode

from custom_models.adapters.rest_api.problem import MEDIA_TYPE, STATUS, MethodNotAllowed, NotFound, problem
from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery
from custom_models.core.query import CURSOR, Query
from custom_models.request_log import ListModels, RequestLog

Parameters: TypeAlias = Mapping[str, Sequence[str]]
Response: TypeAlias = dict[str, Any]

MODELS = "/v1/custom-models"
DOCUMENT = "/v1/openapi.json"

NO_PARAMETERS = "The OpenAPI document takes no parameters."

_METHODS = ("GET", "HEAD")
_CACHE_CONTROL = "private, no-cache"
_MAX_LINK = 8000
"""API Gateway takes 10,240 bytes of response headers; the body has the cursor all the same."""


def is_http(event: object) -> bool:
    """Tell whether an event comes from an API Gateway REST API: only those have ``requestContext.httpMethod``."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and "httpMethod" in context


class RestApi:
    """Answers API Gateway."""

    def __init__(self, list_models: ListModels, document: Callable[[], str]) -> None:
        """Take what makes a listing of a query, and what makes the OpenAPI document (JSON text)."""
        self._list_models = list_models
        self._document = document
        self._routes = {MODELS: self._get_models, DOCUMENT: self._get_document}

    def handle(self, event: Mapping[str, Any], record: RequestLog) -> Response:
        """Return the proxy response to a proxy event; whatever happens, it is one.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
        """
        _identify(event, record)
        method = event["requestContext"]["httpMethod"]
        try:
            response = self._answer(event, method, record)
        except CustomModelsError as error:
            record.failed(error)
            response = _refusal(error, record)
        except Exception as fault:
            record.failed(fault)
            response = _refusal(Internal(), record)
        record.status = response["statusCode"]
        response["headers"]["X-Request-Id"] = record.request_id
        if method == "HEAD":
            response["body"] = ""
        return response

    def _answer(self, event: Mapping[str, Any], method: object, record: RequestLog) -> Response:
        path = _path(event)
        if path not in self._routes:
            raise NotFound
        record.route = path
        if method not in _METHODS:
            raise MethodNotAllowed
        response = self._routes[path](_parameters(event), record)
        record.outcome = "ok"
        if _matches(response["headers"].get("ETag"), _header(event, "if-none-match")):
            record.outcome = "not-modified"
            del response["headers"]["Content-Type"]
            response |= {"statusCode": 304, "body": ""}
        return response

    def _get_models(self, parameters: Parameters, record: RequestLog) -> Response:
        listing = self._list_models(Query.from_text(parameters), record)
        text = json.dumps(listing.body(), separators=(",", ":"))
        if listing.cursor is None:
            return _ok(text, {"ETag": _etag(text)})
        # No ETag: a 304 would revive a cursor that may have expired since.
        link = f'<?{urlencode({**parameters, CURSOR.name: listing.cursor}, doseq=True)}>; rel="next"'
        return _ok(text, {"Link": link} if len(link) <= _MAX_LINK else {})

    def _get_document(self, parameters: Parameters, _: RequestLog) -> Response:
        if parameters:
            raise InvalidQuery(detail=NO_PARAMETERS)
        text = self._document()
        return _ok(text, {"ETag": _etag(text)})


def _ok(text: str, headers: Mapping[str, str]) -> Response:
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": _CACHE_CONTROL, **headers},
        "body": text,
        "isBase64Encoded": False,
    }


def _refusal(error: CustomModelsError, record: RequestLog) -> Response:
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(_METHODS)
    body = json.dumps(problem(error, record.request_id), separators=(",", ":"))
    return {"statusCode": STATUS[type(error)], "headers": headers, "body": body, "isBase64Encoded": False}


def _identify(event: Mapping[str, Any], record: RequestLog) -> None:
    """Note who asks, as far as it can be believed to be a name and not an attack on the log."""
    record.route = "unknown"
    context = event["requestContext"]
    record.request_id = _sane(context.get("requestId")) or record.request_id
    record.correlation_id = _sane(_header(event, "x-correlation-id")) or record.request_id
    identity = context.get("identity")
    if isinstance(identity, dict):
        record.caller = _sane(identity.get("userArn")) or _sane(identity.get("accountId"))


def _sane(text: object) -> str | None:
    return text if isinstance(text, str) and re.fullmatch(r"[\w:/=+,.@-]{1,256}", text, re.ASCII) else None


def _path(event: Mapping[str, Any]) -> str:
    # What {proxy+} matched, and not the event's own path: a custom domain puts its base path there.
    matched = event.get("pathParameters")
    if isinstance(matched, dict) and isinstance(matched.get("proxy"), str):
        return "/" + str(matched["proxy"])
    path = event.get("path")
    return path if isinstance(path, str) else ""


def _parameters(event: Mapping[str, Any]) -> Parameters:
    single = event.get("queryStringParameters") or {}
    multi = event.get("multiValueQueryStringParameters") or {}
    if not isinstance(single, dict) or not isinstance(multi, dict):
        raise InvalidQuery(detail=_NOT_AN_EVENT)
    given = {**{name: [value] for name, value in single.items()}, **multi}
    for name, values in given.items():
        if not isinstance(name, str) or not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise InvalidQuery(detail=_NOT_AN_EVENT)
        if name in single and not (isinstance(single[name], str) and single[name] in values):
            raise InvalidQuery(detail=_NOT_AN_EVENT)
    return given


_NOT_AN_EVENT = "The query string is not as API Gateway passes it on."


def _header(event: Mapping[str, Any], name: str) -> str | None:
    """Return the value of a header, several joined as RFC 9110 has it (section 5.3)."""
    for headers in (event.get("multiValueHeaders"), event.get("headers")):
        for key, value in headers.items() if isinstance(headers, dict) else ():
            if isinstance(key, str) and key.lower() == name:
                values = value if isinstance(value, list) else [value]
                return ", ".join(v for v in values if isinstance(v, str))
    return None


def _etag(text: str) -> str:
    # Weak: API Gateway may compress the bytes on their way.
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _matches(etag: str | None, if_none_match: str | None) -> bool:
    """Compare weakly, as RFC 9110 asks for If-None-Match (section 13.1.2)."""
    if etag is None or if_none_match is None:
        return False
    # Not split at commas: a tag may hold some of its own, and a star.
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in re.findall('"[^"]*"', if_none_match)
