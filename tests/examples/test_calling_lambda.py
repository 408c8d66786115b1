"""examples/calling_lambda.py, invoking the real bundle with boto3."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulators.bedrock import Emulator, throttle, unknown_operation
from emulators.faults import unavailable
from emulators.lambda_invoke import ALIAS, InvokeApi
from tests.examples.function import ARNS, MODELS

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
    assert arns(example.custom_models(maxItems=max_items)) == ARNS


def test_the_handler_counts_models_by_status(example: Any) -> None:
    churn = [model for model in MODELS if "churn" in model.name]
    counted = example.handler({"nameContains": "churn", "maxItems": 10}, object())
    assert counted == Counter(model.status for model in churn)
    assert len(churn) > 20


def test_it_waits_and_retries_in_the_middle_of_the_listing(
    example: Any, emulator: Emulator, slept: list[float]
) -> None:
    emulator.misbehave(None, *BUSY, unavailable, unavailable, unavailable)
    assert arns(example.custom_models(maxItems=200)) == ARNS
    assert slept == [2, 5]


def test_it_raises_the_functions_error_after_the_last_attempt(
    example: Any, emulator: Emulator, slept: list[float]
) -> None:
    emulator.misbehave(always=throttle)
    with pytest.raises(example.ListingFailed, match="UpstreamThrottled: Bedrock limits the rate") as raised:
        example.handler({}, object())
    assert raised.value.error_type == "UpstreamThrottled"
    assert slept == [2, 5]


def test_an_expired_cursor_is_not_retried(example: Any, emulator: Emulator, slept: list[float]) -> None:
    emulator.misbehave(None, unknown_operation)
    with pytest.raises(example.ListingFailed) as raised:
        list(example.custom_models(maxItems=100))
    assert raised.value.error_type == "ExpiredCursor"
    assert slept == []


def test_an_unknown_filter_is_reported(example: Any, slept: list[float]) -> None:
    with pytest.raises(example.ListingFailed, match="did you mean nameContains") as raised:
        example.handler({"namecontains": "churn"}, object())
    assert raised.value.error_type == "InvalidQuery"
    assert slept == []


def test_throttling_by_lambda_is_retried(example: Any, invoked: InvokeApi) -> None:
    invoked.failures = [(429, "TooManyRequestsException"), (500, "ServiceException")]
    assert arns(example.custom_models()) == ARNS
    assert len(invoked.events) == 1


def test_a_function_that_does_not_exist(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIAS_ARN", ALIAS.replace("live", "dead"))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        list(example.custom_models())
