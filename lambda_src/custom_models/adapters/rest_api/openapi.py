"""The OpenAPI 3.1 document of the HTTP contract, generated from the declarations that the code uses.

``python -m custom_models.adapters.rest_api.openapi`` prints it.
"""

import json
import sys
from collections import defaultdict

from custom_models.adapters.rest_api.api import NO_PARAMETERS
from custom_models.adapters.rest_api.problem import (
    MEDIA_TYPE,
    STATUS,
    TYPE_PREFIX,
    MethodNotAllowed,
    NotFound,
    problem,
)
from custom_models.core.coverage import Coverage
from custom_models.core.errors import CustomModelsError, InvalidQuery
from custom_models.core.models import Source, SourcedModel
from custom_models.core.parameters import PARAMETERS, DateTime, Enum, Integer, Parameter, String, StringList
from custom_models.core.query import Query

_MODEL_DESCRIPTIONS = {
    "modelArn": "The ARN of the custom model.",
    "modelName": "The name of the custom model.",
    "creationTime": "When the model was created: RFC 3339 in UTC, with every fraction digit that Bedrock returned.",
    "baseModelArn": "The ARN of the model that it was customized from.",
    "baseModelName": "The name of the model that it was customized from.",
    "customizationType": "How the model was customized, such as FINE_TUNING. Bedrock may add values.",
    "ownerAccountId": "The account that owns the model.",
    "modelStatus": "The status of the model, such as Active. Bedrock may add values.",
    "source": "The account and the region that the model was listed in, such as 111122223333/us-east-1.",
}


def document(url: str | None = None) -> str:
    """Return the document as JSON text, indented by two spaces.

    ``url`` is the URL of the API, without a slash at its end. By default, the document has a template of the URL.
    """
    return json.dumps(_document(_SERVER if url is None else {"url": f"{url}/v1"}), indent=2) + "\n"


_SERVER: dict[str, object] = {
    "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}/v1",
    "description": "A deployment. The document that a deployment serves has its own URL here.",
    "variables": {
        "api": {"default": "a1b2c3d4e5", "description": "The id of the REST API."},
        "region": {"default": "us-east-1", "description": "The region that the API is deployed in."},
        "stage": {"default": "dev", "description": "The name of the stage."},
    },
}


def _document(server: dict[str, object]) -> dict[str, object]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Custom Models API",
            "version": "1",
            "summary": "One inventory of the custom models of Amazon Bedrock, across accounts and regions.",
            "description": (
                "Bedrock's ListCustomModels over HTTPS for every account and region of one inventory, with strict "
                "validation and a cursor for paging. If you follow nextCursor until it is absent, you get every model "
                "of every listed source exactly once, and coverage says which sources are missing. A request with an "
                "unknown, repeated, empty or invalid parameter is rejected, and the error names every such parameter. "
                "Every path that accepts GET also accepts HEAD. Requests must be signed with AWS Signature Version 4. "
                "If a request has an X-Correlation-Id, the API logs it."
            ),
            "contact": {"name": "The operators of this deployment"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [server],
        "security": [{"sigv4": []}],
        "tags": [
            {"name": "Custom models", "description": "The inventory of custom models."},
            {"name": "Description", "description": "The description of this API."},
        ],
        "paths": {
            "/custom-models": {"get": _list_operation()},
            "/openapi.json": {"get": _document_operation()},
        },
        "components": {
            "securitySchemes": {"sigv4": _SIGNATURE},
            "headers": _HEADERS,
            "schemas": {
                "Listing": _listing_schema(),
                "ModelSummary": _model_schema(),
                "Coverage": _coverage_schema(),
                "UnreachableSource": _UNREACHABLE_SOURCE,
                "Problem": _problem_schema(),
                "InvalidParameter": _INVALID_PARAMETER,
            },
        },
    }


_SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "AWS Signature Version 4 for the service execute-api.",
    "x-amazon-apigateway-authtype": "awsSigv4",
}
_HEADERS = {
    "X-Request-Id": {"description": "Identifies this request in the logs.", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "The number of seconds to wait before you send the same request again.",
        "schema": {"type": "integer"},
    },
}


def _list_operation() -> dict[str, object]:
    link = {
        "description": 'The next page, as a reference relative to the URL of this request: `<?…>; rel="next"`.',
        "schema": {"type": "string"},
    }
    return {
        "operationId": "listCustomModels",
        "summary": "List custom models",
        "tags": ["Custom models"],
        "description": (
            "Lists the custom models of the selected sources, page by page, in the order of the inventory. A page may "
            "have fewer models than maxItems, even none, and still have a nextCursor. The listing ends only when "
            "nextCursor is absent. If a source cannot be listed, the request fails, and the problem names the source. "
            "With allowPartial=true the listing continues without this source, and coverage names it. The same cursor "
            "can be used with and without allowPartial. Rules for more than one parameter: creationTimeAfter must not "
            "be later than creationTimeBefore; accounts and regions must select at least one source of the inventory; "
            "sortBy and sortOrder need exactly one selected source; a cursor needs the same filters, order, accounts "
            "and regions as the request that returned it."
        ),
        "parameters": [*(_parameter(parameter) for parameter in PARAMETERS), *_REQUEST_HEADERS],
        "responses": {
            "200": _success(
                "One page of models.",
                {"$ref": "#/components/schemas/Listing"},
                {"Link": link, "ETag": _ETAG},
                _listing(),
            ),
            "304": _NOT_MODIFIED,
            **_problems(
                [error() for error in STATUS if error not in (InvalidQuery, NotFound, MethodNotAllowed)],
                _invalid_query(),
            ),
        },
    }


def _document_operation() -> dict[str, object]:
    return {
        "operationId": "getOpenApi",
        "summary": "Get this document",
        "description": "Returns this OpenAPI document, with the URL of this deployment as its server.",
        "tags": ["Description"],
        "parameters": _REQUEST_HEADERS,
        "responses": {
            "200": _success("This document.", {"type": "object", "additionalProperties": True}, {"ETag": _ETAG}),
            "304": _NOT_MODIFIED,
            **_problems([], InvalidQuery(detail=NO_PARAMETERS)),
        },
    }


_REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
_ETAG = {"description": "A weak entity tag. A page with a nextCursor has none.", "schema": {"type": "string"}}
_GATEWAY = (
    "`forbidden` (401, 403), `too-many-requests` (429, with Retry-After), `bad-request` (400), `request-too-large` "
    "(413), `unsupported-media-type` (415), `refused` (any other 4xx), `gateway-timeout` (504, with Retry-After) and "
    "`gateway-error` (any other 5xx)"
)
"""The gateway responses that infra/rest_api.py configures. A test compares the two."""

_NOT_MODIFIED = {"description": "Not modified: the ETag still matches.", "headers": {**_REQUEST_ID, "ETag": _ETAG}}

_HEADER_DESCRIPTIONS = {
    "If-None-Match": (
        "The ETag of an earlier response: the response is a 304 without a body if that response is still current."
    ),
    "X-Correlation-Id": (
        "Your own id for the request, which is logged: 1 to 256 letters, digits and _ : / = + , . @ -. "
        "Any other value is ignored."
    ),
}
_REQUEST_HEADERS = [
    {
        "name": name,
        "in": "header",
        "description": description,
        "required": False,
        "schema": {"type": "string", "description": description},
    }
    for name, description in _HEADER_DESCRIPTIONS.items()
]


def _parameter(parameter: Parameter) -> dict[str, object]:
    schema = parameter.type.schema()
    # In both descriptions, because some tools show only one of them.
    schema["description"] = description = _description(parameter)
    if parameter.default is not None:
        schema["default"] = parameter.default
    # Lists are separated by commas, in one parameter.
    style = {"style": "form", "explode": False} if isinstance(parameter.type, StringList) else {}
    return {
        "name": parameter.name,
        "in": "query",
        "description": description,
        "required": False,
        **style,
        "schema": schema,
    }


def _description(parameter: Parameter) -> str:
    """Return what a parameter means, with the format of its values in the words of the error messages."""
    meaning, _, rest = parameter.description.partition(".")
    match parameter.type:
        case DateTime(format=text) | String(format=text, pattern=str()):
            pass
        case StringList(format=item):
            text = f"each is {item}, and commas separate them"
        case Enum(values=values):
            text = " or ".join(values)
        case Integer(minimum=minimum, maximum=maximum):
            text = f"a whole number from {minimum} to {maximum}"
        case _:
            return parameter.description
    return f"{meaning}: {text}.{rest}"


def _success(description: str, schema: object, headers: dict[str, object], example: object = None) -> dict[str, object]:
    content = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {
        "description": description,
        "headers": {**_REQUEST_ID, **headers},
        "content": {"application/json": content},
    }


def _problems(errors: list[CustomModelsError], invalid_query: InvalidQuery) -> dict[str, object]:
    by_status: dict[int, list[CustomModelsError]] = defaultdict(list)
    for error in [invalid_query, *errors]:
        by_status[STATUS[type(error)]].append(error)
    problems: dict[str, object] = {str(status): _problem(by_status[status]) for status in sorted(by_status)}
    rest = _problem([NotFound(), MethodNotAllowed()])
    rest["description"] = f"Any other problem. API Gateway itself sends these types: {_GATEWAY}."
    return {**problems, "default": rest}


def _problem(errors: list[CustomModelsError]) -> dict[str, object]:
    headers: dict[str, object] = dict(_REQUEST_ID)
    if any(error.retry_after is not None for error in errors):
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    titles = "; ".join(f"`{TYPE_PREFIX}{error.kind}`: {error.title}" for error in errors)
    examples = {error.kind: {"summary": error.title, "value": problem(error, _EXAMPLE_ID)} for error in errors}
    return {
        "description": f"{titles}.",
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }


_EXAMPLE_ID = "5f2c7a1e-9d4b-4c55-8a36-0b1d7e6f9c20"


def _invalid_query() -> InvalidQuery:
    try:
        Query.from_text({"maxItems": ["0"], "namecontains": ["churn"]}, ())
    except InvalidQuery as error:
        return error
    raise AssertionError("the query should not be valid")


def _listing() -> dict[str, object]:
    foundation = "amazon.nova-lite-v1:0:300k"
    model: SourcedModel = {
        "modelArn": f"arn:aws:bedrock:us-east-1:123456789012:custom-model/{foundation}/a1b2c3d4e5f6",
        "modelName": "churn-emea-v7",
        "creationTime": "2026-11-23T20:21:00.123Z",
        "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{foundation}",
        "baseModelName": "amazon.nova-lite-v1",
        "customizationType": "FINE_TUNING",
        "ownerAccountId": "123456789012",
        "modelStatus": "Active",
        "source": "123456789012/us-east-1",
    }
    coverage = Coverage([Source("123456789012", region) for region in ("us-east-1", "us-west-2")], "")
    return {"modelSummaries": [model], "nextCursor": ".eJwVyk0KgCAQ…", "coverage": coverage.body()}


def _model_schema() -> dict[str, object]:
    properties = {name: {"type": "string", "description": text} for name, text in _MODEL_DESCRIPTIONS.items()}
    properties["creationTime"]["format"] = "date-time"
    return {
        "type": "object",
        "description": "One custom model. An optional field is absent if Bedrock did not return it.",
        "properties": properties,
        "required": [name for name in properties if name in SourcedModel.__required_keys__],
    }


def _listing_schema() -> dict[str, object]:
    return {
        "type": "object",
        "description": "One page of models.",
        "properties": {
            "modelSummaries": {
                "type": "array",
                "description": "The models, source by source; within a source in the requested order.",
                "items": {"$ref": "#/components/schemas/ModelSummary"},
            },
            "nextCursor": {
                "type": "string",
                "description": (
                    "The cursor for the next page. Send it with the same filters, order, accounts and regions. Absent "
                    "on the last page."
                ),
            },
            "coverage": {"$ref": "#/components/schemas/Coverage"},
        },
        "required": ["modelSummaries", "coverage"],
    }


_UNREACHABLE_SOURCE = {
    "type": "object",
    "description": "A source that failed.",
    "properties": {
        "source": {"type": "string", "description": "The source, ACCOUNT/REGION."},
        "problem": {"type": "string", "description": "Why: the last part of a problem's type, upstream-…."},
    },
    "required": ["source", "problem"],
}


def _coverage_schema() -> dict[str, object]:
    return {
        "type": "object",
        "description": (
            "How complete the listing is so far, from its first page to this one. It is about the inventory that this "
            "API is configured with, which may not be every account and region of an organization."
        ),
        "properties": {
            "sources": {"type": "integer", "description": "The number of selected sources: accounts times regions."},
            "listed": {"type": "integer", "description": "How many of them were listed to their end."},
            "notOffered": {
                "type": "array",
                "description": "Listed sources whose region does not have custom models.",
                "items": {"type": "string"},
            },
            "unreachable": {
                "type": "array",
                "description": "Sources that failed. Some of their models, or all, are missing.",
                "items": {"$ref": "#/components/schemas/UnreachableSource"},
            },
            "complete": {"type": "boolean", "description": "Whether all selected sources were listed to their end."},
        },
        "required": ["sources", "listed", "notOffered", "unreachable", "complete"],
    }


_INVALID_PARAMETER = {
    "type": "object",
    "description": "A parameter of the request that is not valid.",
    "properties": {
        "parameter": {"type": "string", "description": "The name of the parameter."},
        "message": {"type": "string", "description": "What the value must be, or that there is no such parameter."},
    },
    "required": ["parameter", "message"],
}


def _problem_schema() -> dict[str, object]:
    return {
        "type": "object",
        "description": "What went wrong and what to do about it (RFC 9457).",
        "properties": {
            "type": {"type": "string", "format": "uri", "description": f"{TYPE_PREFIX}KIND."},
            "title": {"type": "string", "description": "What went wrong. The same for all problems of a type."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "What to do about it."},
            "requestId": {"type": "string", "description": "Identifies this request in the logs, like X-Request-Id."},
            "errors": {
                "type": "array",
                "description": "Every invalid parameter.",
                "items": {"$ref": "#/components/schemas/InvalidParameter"},
            },
            "source": {"type": "string", "description": "The source that failed, ACCOUNT/REGION, if one did."},
        },
        # API Gateway's own default responses have no status in the body.
        "required": ["type", "title", "detail", "requestId"],
    }


if __name__ == "__main__":
    sys.stdout.write(document())
