"""examples/calling_lambda.py, whose boto3 invokes the real bundle."""

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
"""What the function's own attempts do not get past."""


@pytest.fixture
def example(invoked: InvokeApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module as Lambda loads it, in its environment."""
    monkeypatch.setenv("ALIAS_ARN", ALIAS)
    yield importlib.import_module("examples.calling_lambda")
    del sys.modules["examples.calling_lambda"]


@pytest.fixture
def slept(example: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that it slept, which take none."""
    seconds: list[float] = []
    monkeypatch.setattr(example, "sleep", seconds.append)
    return seconds


def arns(models: Any) -> list[str]:
    return [model["modelArn"] for model in models]


@pytest.mark.parametrize("max_items", [70, 100, 300, 1000])
def test_each_model_once_and_in_order(example: Any, max_items: int) -> None:
    assert arns(example.custom_models(maxItems=max_items)) == ARNS


def test_the_handler_counts(example: Any) -> None:
    churn = [model for model in MODELS if "churn" in model.name]
    counted = example.handler({"nameContains": "churn", "maxItems": 10}, object())
    assert counted == Counter(model.status for model in churn)
    assert len(churn) > 20


def test_it_waits_and_goes_on_in_the_middle(example: Any, emulator: Emulator, slept: list[float]) -> None:
    emulator.misbehave(None, *BUSY, unavailable, unavailable, unavailable)
    assert arns(example.custom_models(maxItems=200)) == ARNS
    assert slept == [2, 5]


def test_it_gives_up_with_the_functions_error(example: Any, emulator: Emulator, slept: list[float]) -> None:
    emulator.misbehave(always=throttle)
    with pytest.raises(example.ListingFailed, match="UpstreamThrottled: Bedrock limits the rate") as raised:
        example.handler({}, object())
    assert raised.value.error_type == "UpstreamThrottled"
    assert slept == [2, 5]


def test_an_expired_cursor_is_an_error(example: Any, emulator: Emulator, slept: list[float]) -> None:
    emulator.misbehave(None, unknown_operation)
    with pytest.raises(example.ListingFailed) as raised:
        list(example.custom_models(maxItems=100))
    assert raised.value.error_type == "ExpiredCursor"
    assert slept == []


def test_a_wrong_filter_is_named(example: Any, slept: list[float]) -> None:
    with pytest.raises(example.ListingFailed, match="did you mean nameContains") as raised:
        example.handler({"namecontains": "churn"}, object())
    assert raised.value.error_type == "InvalidQuery"
    assert slept == []


def test_lambdas_own_throttling_is_waited_out(example: Any, invoked: InvokeApi) -> None:
    invoked.failures = [(429, "TooManyRequestsException"), (500, "ServiceException")]
    assert arns(example.custom_models()) == ARNS
    assert len(invoked.events) == 1


def test_another_function_is_not_found(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIAS_ARN", ALIAS.replace("live", "dead"))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        list(example.custom_models())
