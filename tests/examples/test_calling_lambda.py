"""examples/calling_lambda.py, invoking the real bundle with boto3."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from custom_models.core.errors import CursorMismatch
from emulators.bedrock import Emulator, throttle, unknown_operation
from emulators.faults import unavailable
from emulators.lambda_invoke import ALIAS, InvokeApi
from tests.examples.function import ARNS, MODELS, Reply

pytestmark = pytest.mark.slow

BUSY = (throttle, throttle, throttle)
"""As many failures as the function has attempts, so that it raises an error."""


@pytest.fixture
def example(invoked: InvokeApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, loaded with its environment variables set, as Lambda does."""
    monkeypatch.setenv("ALIAS_ARN", ALIAS)
    yield importlib.import_module("examples.calling_lambda")
    del sys.modules["examples.calling_lambda"]


@pytest.fixture
def slept(example: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each sleep; the tests do not really sleep."""
    seconds: list[float] = []
    monkeypatch.setattr(example, "sleep", seconds.append)
    return seconds


def arns(models: Any) -> list[str]:
    return [model["modelArn"] for model in models]


@pytest.mark.parametrize("max_items", [70, 100, 300, 1000])
def test_each_model_once_and_in_order(example: Any, max_items: int) -> None:
    assert arns(example.custom_models(maxItems=max_items).models) == ARNS


def test_the_handler_counts_models_by_status(example: Any) -> None:
    churn = [model for model in MODELS if "churn" in model.name]
    counted = example.handler({"nameContains": "churn", "maxItems": 10}, object())
    assert counted["models"] == Counter(model.status for model in churn)
    assert len(churn) > 20


def test_it_waits_and_retries_in_the_middle_of_the_listing(
    example: Any, emulator: Emulator, slept: list[float]
) -> None:
    emulator.misbehave(None, *BUSY, unavailable, unavailable, unavailable)
    assert arns(example.custom_models(maxItems=200).models) == ARNS
    assert slept == [2, 5]


def test_it_raises_the_functions_error_after_the_last_attempt(
    example: Any, emulator: Emulator, slept: list[float]
) -> None:
    emulator.misbehave(always=throttle)
    with pytest.raises(example.ListingFailed, match="UpstreamThrottled: Bedrock limits the rate") as raised:
        example.handler({}, object())
    assert raised.value.error_type == "UpstreamThrottled"
    assert slept == [2, 5]


def test_after_an_expired_cursor_each_model_is_listed_once(
    example: Any, emulator: Emulator, slept: list[float]
) -> None:
    emulator.misbehave(None, unknown_operation)
    assert arns(example.custom_models(maxItems=100).models) == ARNS
    assert slept == []


def test_the_third_expired_cursor_is_an_error(example: Any, emulator: Emulator, slept: list[float]) -> None:
    emulator.misbehave(*[None, unknown_operation] * 3)
    with pytest.raises(example.ListingFailed) as raised:
        example.custom_models(maxItems=100)
    assert raised.value.error_type == "ExpiredCursor"
    assert (len(emulator.calls), slept) == (6, [])


def test_after_a_mismatch_each_model_is_listed_once(reply: Reply, example: Any) -> None:
    coverage = {"sources": 1, "listed": 1, "notOffered": [], "unreachable": [], "complete": True}
    first = {"modelSummaries": [{"modelArn": "a"}], "coverage": {**coverage, "complete": False}, "nextCursor": "1"}
    last = {"modelSummaries": [{"modelArn": "b"}], "coverage": coverage}
    events = reply(first, CursorMismatch(), first, last)
    assert example.custom_models() == ([{"modelArn": "a"}, {"modelArn": "b"}], coverage)
    assert [event.get("cursor") for event in events] == [None, "1", None, "1"]


def test_the_handler_returns_an_incomplete_coverage(reply: Reply, example: Any) -> None:
    failed = [{"source": "111122223333/us-east-1", "problem": "upstream-denied"}]
    coverage = {"sources": 2, "listed": 1, "notOffered": [], "unreachable": failed, "complete": False}
    events = reply({"modelSummaries": [{"modelArn": "a", "modelStatus": "Active"}], "coverage": coverage})
    assert example.handler({"allowPartial": True}, object()) == {"models": {"Active": 1}, "coverage": coverage}
    assert events == [{"maxItems": 1000, "allowPartial": True}]


def test_an_unknown_filter_is_reported(example: Any, slept: list[float]) -> None:
    with pytest.raises(example.ListingFailed, match="did you mean nameContains") as raised:
        example.handler({"namecontains": "churn"}, object())
    assert raised.value.error_type == "InvalidQuery"
    assert slept == []


def test_throttling_by_lambda_is_retried(example: Any, invoked: InvokeApi) -> None:
    invoked.failures = [(429, "TooManyRequestsException"), (500, "ServiceException")]
    assert arns(example.custom_models().models) == ARNS
    assert len(invoked.events) == 1


def test_a_function_that_does_not_exist(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIAS_ARN", ALIAS.replace("live", "dead"))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        example.custom_models()
