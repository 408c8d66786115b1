"""A Lambda function that invokes the Custom Models API's function directly, and counts the models by status.

Set ALIAS_ARN in its environment to the stack output FunctionAliasArn, and attach the policy in the stack output
CallersPolicyArn to its role.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from time import sleep
from typing import Any

import boto3
from botocore.config import Config

PAUSES = (2, 5)
"""Seconds to wait before each further attempt when Bedrock is busy. The function itself has retried by then."""

# botocore retries Lambda's own throttling and errors.
LAMBDA = boto3.client("lambda", config=Config(retries={"mode": "standard", "total_max_attempts": 4}))


class ListingFailed(Exception):
    """The function raised an error; ``error_type`` is its class, such as ``InvalidQuery`` or ``ExpiredCursor``."""

    def __init__(self, error: dict[str, Any]) -> None:
        """``error`` is the payload of Lambda's response."""
        self.error_type = str(error.get("errorType"))
        super().__init__(f"{self.error_type}: {error.get('errorMessage')}")


def custom_models(**filters: str | int | bool) -> Iterator[dict[str, str]]:
    """Yield all custom models. The filters are the function's parameters; ``maxItems`` is the page size.

    Raises:
        ListingFailed: the function failed, or Bedrock was still busy at the last attempt.
    """
    event: dict[str, str | int | bool] = {"maxItems": 1000, **filters}
    while True:
        page = _invoke(event)
        yield from page["modelSummaries"]
        if "nextCursor" not in page:  # only this means the end: a page may be short or empty
            return
        event["cursor"] = page["nextCursor"]


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


def handler(event: dict[str, Any], _: object) -> dict[str, int]:
    """Return the number of models by status. The event holds the filters."""
    return Counter(model.get("modelStatus", "unknown") for model in custom_models(**event))
