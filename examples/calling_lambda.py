"""A Lambda function that invokes the Custom Models API's function directly, and counts the models by status.

Set ALIAS_ARN in its environment to the stack output FunctionAliasArn, and attach the policy in the stack output
CallersPolicyArn to its role.
"""

import json
import os
from collections import Counter
from time import sleep
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

PAUSES = (2, 5)
"""Seconds to wait before each further attempt when Bedrock is busy. The function itself has retried by then."""

WALKS = 3
"""How often to list from the first page."""

# botocore retries Lambda's own throttling and errors.
LAMBDA = boto3.client("lambda", config=Config(retries={"mode": "standard", "total_max_attempts": 4}))


class ListingFailed(Exception):
    """The function raised an error; ``error_type`` is its class, such as ``InvalidQuery`` or ``ExpiredCursor``."""

    def __init__(self, error: dict[str, Any]) -> None:
        """``error`` is the payload of Lambda's response."""
        self.error_type = str(error.get("errorType"))
        super().__init__(f"{self.error_type}: {error.get('errorMessage')}")


class Listing(NamedTuple):
    """All models, and how much of the inventory they cover.

    ``coverage`` is the last page's: only if ``coverage["complete"]`` are these the models of all selected sources.
    It is None if the function is older than inventories; then it lists one account in one region.
    """

    models: list[dict[str, str]]
    coverage: dict[str, Any] | None


def custom_models(**filters: Any) -> Listing:
    """List each custom model once. The filters are the function's parameters; ``maxItems`` is the page size.

    The listing starts again with the first page if the cursor expires or the inventory changes.

    Raises:
        ListingFailed: the function failed, or Bedrock was still busy at the last attempt.
    """
    for left in reversed(range(WALKS)):
        try:
            return _walk({"maxItems": 1000, **filters})
        except ListingFailed as error:
            if error.error_type not in {"ExpiredCursor", "CursorMismatch"} or not left:
                raise
    raise AssertionError("the last walk returns or raises")


def _walk(event: dict[str, Any]) -> Listing:
    models: list[dict[str, str]] = []
    while True:
        page = _invoke(event)
        models += page["modelSummaries"]
        if "nextCursor" not in page:  # only this means the end: a page may be short or empty
            return Listing(models, page.get("coverage"))
        event = {**event, "cursor": page["nextCursor"]}


def _invoke(event: dict[str, Any]) -> Any:
    for pause in (*PAUSES, None):
        response = LAMBDA.invoke(FunctionName=os.environ["ALIAS_ARN"], Payload=json.dumps(event))
        payload = json.load(response["Payload"])
        if "FunctionError" not in response:
            return payload
        error = ListingFailed(payload)
        if pause is None or error.error_type not in {"UpstreamThrottled", "UpstreamUnavailable"}:
            raise error
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Return the number of models by status, and what they cover. The event holds the filters.

    With ``"allowPartial": true`` among them, the coverage may be incomplete; otherwise a source that fails is an error.
    """
    models, coverage = custom_models(**event)
    return {"models": Counter(model.get("modelStatus", "unknown") for model in models), "coverage": coverage}
