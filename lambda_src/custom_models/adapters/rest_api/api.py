"""The two routes, and the HTTP rules for their responses.

Routing is a table. Powertools' event handler is not used: it keeps the current event in a class attribute
that all requests of a process share, and it takes 10% of a cold start (docs/adr/0002-two-routes.md).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlencode

from custom_models.adapters.rest_api.problem import MEDIA_TYPE, STATUS, MethodNotAllowed, NotFound, problem
from custom_models.core.errors import CustomModelsError, Internal, InvalidQuery
from custom_models.core.models import Source
from custom_models.core.parameters import CURSOR
from custom_models.core.query import Query
from custom_models.request_log import ListModels, RequestLog

Document: TypeAlias = Callable[[str], str]
"""Returns the OpenAPI document as JSON text, for the URL of the API."""

Parameters: TypeAlias = Mapping[str, Sequence[str]]
Response: TypeAlias = dict[str, Any]

MODELS = "/v1/custom-models"
DOCUMENT = "/v1/openapi.json"

NO_PARAMETERS = "This path accepts no parameters."

_METHODS = ("GET", "HEAD")
_CACHE_CONTROL = "private, no-cache"
_MAX_LINK = 8000
"""Characters; a longer header is omitted. API Gateway allows 10,240 bytes of headers. The body has the cursor too."""


def is_http(event: object) -> bool:
    """Return whether an event comes from an API Gateway REST API: only these have ``requestContext.httpMethod``."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and "httpMethod" in context


class RestApi:
    """Handles requests from API Gateway."""

    def __init__(self, inventory: Sequence[Source], list_models: ListModels, document: Document) -> None:
        """``list_models`` returns the listing of a query."""
        self._inventory = inventory
        self._list_models = list_models
        self._document = document
        self._routes = {MODELS: self._get_models, DOCUMENT: self._get_document}

    def handle(self, event: Mapping[str, Any], log: RequestLog) -> Response:
        """Return the proxy response to a proxy event. It never raises.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
        """
        _identify(event, log)
        method = event["requestContext"]["httpMethod"]
        try:
            response = self._response(event, method, log)
        except CustomModelsError as error:
            log.add_error(error)
            response = _problem_response(error, log)
        except Exception as error:
            log.add_error(error)
            response = _problem_response(Internal(), log)
        log.status = response["statusCode"]
        response["headers"]["X-Request-Id"] = log.request_id
        if method == "HEAD":
            response["body"] = ""
        return response

    def _response(self, event: Mapping[str, Any], method: object, log: RequestLog) -> Response:
        path = _path(event)
        if path not in self._routes:
            raise NotFound
        log.route = path
        if method not in _METHODS:
            raise MethodNotAllowed
        response = self._routes[path](event, log)
        log.outcome = "ok"
        if _matches(response["headers"].get("ETag"), _header(event, "if-none-match")):
            log.outcome = "not-modified"
            del response["headers"]["Content-Type"]
            response |= {"statusCode": 304, "body": ""}
        return response

    def _get_models(self, event: Mapping[str, Any], log: RequestLog) -> Response:
        parameters = _parameters(event)
        listing = self._list_models(Query.from_text(parameters, self._inventory), log)
        text = json.dumps(listing.body(), separators=(",", ":"))
        if listing.cursor is None:
            return _ok(text, {"ETag": _etag(text)})
        # No ETag: a 304 would make the client use a cursor that may have expired.
        link = f'<?{urlencode({**parameters, CURSOR.name: listing.cursor}, doseq=True)}>; rel="next"'
        return _ok(text, {"Link": link} if len(link) <= _MAX_LINK else {})

    def _get_document(self, event: Mapping[str, Any], _: RequestLog) -> Response:
        if _parameters(event):
            raise InvalidQuery(detail=NO_PARAMETERS)
        text = self._document(_url(event["requestContext"]))
        return _ok(text, {"ETag": _etag(text)})


def _ok(text: str, headers: Mapping[str, str]) -> Response:
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": _CACHE_CONTROL, **headers},
        "body": text,
        "isBase64Encoded": False,
    }


def _problem_response(error: CustomModelsError, log: RequestLog) -> Response:
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(_METHODS)
    body = json.dumps(problem(error, log.request_id), separators=(",", ":"))
    return {"statusCode": STATUS[type(error)], "headers": headers, "body": body, "isBase64Encoded": False}


def _identify(event: Mapping[str, Any], log: RequestLog) -> None:
    """Record the ids and the caller of the request. Skip values that could inject text into the log."""
    log.route = "unknown"
    context = event["requestContext"]
    log.request_id = _loggable(context.get("requestId")) or log.request_id
    log.correlation_id = _loggable(_header(event, "x-correlation-id")) or log.request_id
    identity = context.get("identity")
    if isinstance(identity, dict):
        log.caller = _loggable(identity.get("userArn")) or _loggable(identity.get("accountId"))


def _loggable(text: object) -> str | None:
    return text if isinstance(text, str) and re.fullmatch(r"[\w:/=+,.@-]{1,256}", text, re.ASCII) else None


def _path(event: Mapping[str, Any]) -> str:
    # Use the text that {proxy+} matched, because a custom domain adds its base path to the event's path.
    matched = event.get("pathParameters")
    if isinstance(matched, dict) and isinstance(matched.get("proxy"), str):
        return "/" + str(matched["proxy"])
    path = event.get("path")
    return path if isinstance(path, str) else ""


def _url(context: Mapping[str, Any]) -> str:
    """Return the URL of the API. It comes from API Gateway's context, never from a header of the request.

    If the API has no domain, as with ``make run``, the URL is relative to the document.
    """
    domain, path = context.get("domainName"), context.get("path")
    if not isinstance(domain, str) or not re.fullmatch(r"[a-z0-9-]+([.][a-z0-9-]+)+", domain):
        return ".."
    # The path has the stage, or the base path of a custom domain.
    prefix = path.removesuffix(DOCUMENT) if isinstance(path, str) and path.endswith(DOCUMENT) else ""
    return f"https://{domain}{prefix}"


def _parameters(event: Mapping[str, Any]) -> Parameters:
    single = event.get("queryStringParameters") or {}
    multi = event.get("multiValueQueryStringParameters") or {}
    if not isinstance(single, dict) or not isinstance(multi, dict):
        raise InvalidQuery(detail=_INVALID_EVENT)
    given = {**{name: [value] for name, value in single.items()}, **multi}
    for name, values in given.items():
        if not isinstance(name, str) or not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise InvalidQuery(detail=_INVALID_EVENT)
        if name in single and not (isinstance(single[name], str) and single[name] in values):
            raise InvalidQuery(detail=_INVALID_EVENT)
    return given


_INVALID_EVENT = "The query string does not have the form that API Gateway sends."


def _header(event: Mapping[str, Any], name: str) -> str | None:
    """Return the value of a header; several values are joined by commas (RFC 9110, section 5.3)."""
    for headers in (event.get("multiValueHeaders"), event.get("headers")):
        for key, value in headers.items() if isinstance(headers, dict) else ():
            if isinstance(key, str) and key.lower() == name:
                values = value if isinstance(value, list) else [value]
                return ", ".join(v for v in values if isinstance(v, str))
    return None


def _etag(text: str) -> str:
    # Weak, because API Gateway may compress the response.
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _matches(etag: str | None, if_none_match: str | None) -> bool:
    """Return whether If-None-Match lists the ETag, by weak comparison (RFC 9110, section 13.1.2)."""
    if etag is None or if_none_match is None:
        return False
    # Do not split at commas: a tag may contain them.
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in re.findall('"[^"]*"', if_none_match)
