"""A Lambda function that asks the Custom Models API's function directly: how many models there are in each status.

Its environment has ALIAS_ARN, which the deployment prints as FunctionAliasArn; its role has the policy that is
printed as CallersPolicyArn.
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
"""Seconds before another attempt when Bedrock is busy; the function has tried some times itself."""

# Lambda's own throttling and failures are botocore's to retry.
LAMBDA = boto3.client("lambda", config=Config(retries={"mode": "standard", "total_max_attempts": 4}))


class ListingFailed(Exception):
    """The function raised; ``error_type`` is its error's class, such as ``InvalidQuery`` or ``ExpiredCursor``."""

    def __init__(self, error: dict[str, Any]) -> None:
        """Take what Lambda reports."""
        self.error_type = str(error.get("errorType"))
        super().__init__(f"{self.error_type}: {error.get('errorMessage')}")


def custom_models(**filters: str | int | bool) -> Iterator[dict[str, str]]:
    """Yield all custom models; the filters are the function's parameters, and ``maxItems`` is the size of a page.

    Raises:
        ListingFailed: the function failed, or Bedrock was still busy at the last attempt.
    """
    event: dict[str, str | int | bool] = {"maxItems": 1000, **filters}
    while True:
        page = _invoke(event)
        yield from page["modelSummaries"]
        if "nextCursor" not in page:  # nothing else is the end: a page may be short, or empty
            return
        event["cursor"] = page["nextCursor"]


def _invoke(event: dict[str, Any]) -> Any:
    for pause in (*PAUSES, None):
        answer = LAMBDA.invoke(FunctionName=os.environ["ALIAS_ARN"], Payload=json.dumps(event))
        payload = json.load(answer["Payload"])
        if "FunctionError" not in answer:
            return payload
        error = ListingFailed(payload)
        if pause is None or error.error_type not in {"UpstreamThrottled", "UpstreamUnavailable"}:
            raise error
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def handler(event: dict[str, Any], _: object) -> dict[str, int]:
    """Return the number of models by their status; the event holds filters."""
    return Counter(model.get("modelStatus", "unknown") for model in custom_models(**event))
