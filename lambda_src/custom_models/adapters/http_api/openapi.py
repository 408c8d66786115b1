"""The OpenAPI 3.1 document of the HTTP contract, made of the declarations that the code runs on.

``python -m custom_models.adapters.http_api.openapi`` prints it.
"""

import json
import sys
from collections import defaultdict

from custom_models.adapters.http_api.problem import MEDIA_TYPE, STATUS, TYPE_PREFIX, MethodNotAllowed, NotFound
from custom_models.core.errors import CustomModelsError, InvalidQuery
from custom_models.core.page import ModelSummary
from custom_models.core.query import PARAMETERS, Parameter

_MODEL_DESCRIPTIONS = {
    "modelArn": "The ARN of the custom model.",
    "modelName": "The name of the custom model.",
    "creationTime": "When it was created: an RFC 3339 date-time in UTC, with all the precision that Bedrock gave.",
    "baseModelArn": "The ARN of the model that it was made from.",
    "baseModelName": "The name of the model that it was made from.",
    "customizationType": "How it was made, such as FINE_TUNING. Bedrock adds new values.",
    "ownerAccountId": "The account that owns it.",
    "modelStatus": "Its status, such as Active. Bedrock adds new values.",
}


def document() -> str:
    """Return the document as JSON text, indented by two spaces."""
    return json.dumps(_document(), indent=2) + "\n"


def _document() -> dict[str, object]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Custom Models API",
            "version": "1",
            "summary": "An inventory of the custom models of Amazon Bedrock.",
            "description": (
                "Bedrock's ListCustomModels over HTTPS: validated, and paged by a cursor. Following nextCursor to "
                "its end gives every model once. Requests are signed with AWS Signature Version 4."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to this document, so that stages, base paths and custom domains need not be known.
        "servers": [{"url": "../v1"}],
        "security": [{"sigv4": []}],
        "paths": {
            "/custom-models": {"get": _list_operation()},
            "/openapi.json": {"get": _document_operation()},
        },
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4 for the service execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
            "headers": {
                "X-Request-Id": {"description": "Names this request in the logs.", "schema": {"type": "string"}},
                "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}},
            },
            "schemas": {"ModelSummary": _model_schema(), "Listing": _listing_schema(), "Problem": _problem_schema()},
        },
    }


def _list_operation() -> dict[str, object]:
    link = {
        "description": 'The next page, as a reference relative to this request: `<?…>; rel="next"`.',
        "schema": {"type": "string"},
    }
    return {
        "operationId": "listCustomModels",
        "summary": "List custom models",
        "description": (
            "A page may be shorter than maxItems, even empty, and still have a nextCursor: "
            "only its absence ends the listing."
        ),
        "parameters": [_parameter(parameter) for parameter in PARAMETERS],
        "responses": {
            "200": _success("Models.", {"$ref": "#/components/schemas/Listing"}, {"Link": link, "ETag": _ETAG}),
            "304": _NOT_MODIFIED,
            **_problems([error for error in STATUS if error not in (NotFound, MethodNotAllowed)]),
        },
    }


def _document_operation() -> dict[str, object]:
    return {
        "operationId": "getOpenApi",
        "summary": "Get this document",
        "responses": {
            "200": _success("This document.", {"type": "object"}, {"ETag": _ETAG}),
            "304": _NOT_MODIFIED,
            **_problems([InvalidQuery]),
        },
    }


_REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
_ETAG = {"description": "Weak; only where there is no nextCursor.", "schema": {"type": "string"}}
_NOT_MODIFIED = {"description": "What If-None-Match names is still what there is.", "headers": _REQUEST_ID}


def _parameter(parameter: Parameter) -> dict[str, object]:
    schema = parameter.kind.schema()
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "required": False,
        "schema": schema,
    }


def _success(description: str, schema: object, headers: dict[str, object]) -> dict[str, object]:
    return {
        "description": description,
        "headers": {**_REQUEST_ID, **headers},
        "content": {"application/json": {"schema": schema}},
    }


def _problems(errors: list[type[CustomModelsError]]) -> dict[str, object]:
    by_status: dict[int, list[type[CustomModelsError]]] = defaultdict(list)
    for error in errors:
        by_status[STATUS[error]].append(error)
    problems: dict[str, object] = {str(status): _problem(by_status[status]) for status in sorted(by_status)}
    return {**problems, "default": _problem([])}


def _problem(errors: list[type[CustomModelsError]]) -> dict[str, object]:
    headers: dict[str, object] = dict(_REQUEST_ID)
    if any(error.retry_after is not None for error in errors):
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    told = "; ".join(f"`{TYPE_PREFIX}{error.kind}`: {error.title}" for error in errors)
    return {
        "description": f"{told}." if told else "Anything else, the gateway's own refusals (such as 403) among it.",
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _model_schema() -> dict[str, object]:
    properties = {name: {"type": "string", "description": text} for name, text in _MODEL_DESCRIPTIONS.items()}
    properties["creationTime"]["format"] = "date-time"
    return {
        "type": "object",
        "description": "One custom model. Optional fields that Bedrock left out are left out.",
        "properties": properties,
        "required": [name for name in properties if name in ModelSummary.__required_keys__],
    }


def _listing_schema() -> dict[str, object]:
    return {
        "type": "object",
        "properties": {
            "modelSummaries": {"type": "array", "items": {"$ref": "#/components/schemas/ModelSummary"}},
            "nextCursor": {
                "type": "string",
                "description": (
                    "Send it as cursor, with the same filters and order, for what comes next. Absent at the end."
                ),
            },
        },
        "required": ["modelSummaries"],
    }


def _problem_schema() -> dict[str, object]:
    entry = {
        "type": "object",
        "properties": {"parameter": {"type": "string"}, "message": {"type": "string"}},
        "required": ["parameter", "message"],
    }
    return {
        "type": "object",
        "description": "What went wrong and what to do about it (RFC 9457).",
        "properties": {
            "type": {"type": "string", "format": "uri", "description": f"{TYPE_PREFIX}KIND."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What to do about it."},
            "requestId": {"type": "string"},
            "errors": {"type": "array", "description": "Every parameter that is not valid.", "items": entry},
        },
        "required": ["type", "title", "status", "detail", "requestId"],
    }


if __name__ == "__main__":
    sys.stdout.write(document())
