"""Direct invocation: the same listings as over HTTP, and errors reported by their class."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from custom_models.adapters.rest_api.problem import STATUS
from custom_models.core import errors
from emulators.bedrock import Emulator, deny, internal_error, throttle, unknown_operation
from emulators.faults import Fault, not_json
from emulators.models import newest_first, plausible_models
from tests.api import Api

MODELS = newest_first(plausible_models(300))
"""In the default order: newest first."""


def test_an_empty_event_returns_the_first_hundred_models(api: Api) -> None:
    result = api.invoke({})
    assert [model["modelArn"] for model in result["modelSummaries"]] == [model.arn for model in MODELS[:100]]


def test_the_result_is_the_body_of_the_http_response(api: Api) -> None:
    event = {"nameContains": "churn", "isOwned": True, "maxItems": 500}
    assert api.invoke(event) == api.get({**event, "isOwned": "true"}).body


def test_a_cursor_can_be_used_over_http_and_by_direct_invocation(api: Api) -> None:
    first = api.invoke({"maxItems": 4, "isOwned": True})
    second = api.get({"maxItems": 4, "isOwned": "true", "cursor": first["nextCursor"]}).body
    third = api.invoke({"maxItems": 4, "isOwned": True, "cursor": second["nextCursor"]})
    owned = [model.arn for model in MODELS if model.owner == "123456789012"]
    found = first["modelSummaries"] + second["modelSummaries"] + third["modelSummaries"]
    assert [model["modelArn"] for model in found] == owned[:12]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"maxItems": "5"}, "maxItems must be a whole number from 1 to 1000."),
        ({"isOwned": "true", "filter": 1}, "isOwned must be true or false; filter is not a parameter of this API."),
        ({"version": "2.0", "requestContext": {"http": {"method": "GET"}}}, "version is not a parameter"),
        ({"requestContext": {"elb": {}}, "httpMethod": "GET"}, "httpMethod is not a parameter"),
        ([], "must be a JSON object"),
        ("maxItems=5", "must be a JSON object"),
        (None, "must be a JSON object"),
        (5, "must be a JSON object"),
    ],
)
def test_an_event_that_is_not_a_valid_query_raises_invalid_query(
    api: Api, emulator: Emulator, event: Any, text: str
) -> None:
    with pytest.raises(errors.InvalidQuery) as caught:
        api.invoke(event)
    assert text in str(caught.value)
    assert emulator.calls == []


def test_the_messages_are_those_of_the_http_response(api: Api) -> None:
    with pytest.raises(errors.InvalidQuery) as caught:
        api.invoke({"creationTimeAfter": "May", "nameContains": "", "x": 1})
    assert str(caught.value) == api.get("creationTimeAfter=May&nameContains=&x=1").body["detail"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (throttle, errors.UpstreamThrottled),
        (internal_error, errors.UpstreamUnavailable),
        (deny, errors.UpstreamDenied),
        (unknown_operation, errors.UpstreamRejected),
        (not_json, errors.UpstreamInvalid),
    ],
    ids=["throttling", "internal error", "access denied", "unknown operation", "HTML"],
)
def test_a_failure_of_bedrock_raises_the_class_that_names_it(
    new_api: Callable[[], Api], emulator: Emulator, fault: Fault, error: type[Exception]
) -> None:
    emulator.misbehave(always=fault)
    with pytest.raises(error) as caught:
        new_api().invoke({})
    assert type(caught.value) is error


def test_each_kind_of_unusable_cursor_raises_its_own_class(api: Api, emulator: Emulator) -> None:
    cursor = api.invoke({"maxItems": 1})["nextCursor"]
    with pytest.raises(errors.InvalidCursor):
        api.invoke({"cursor": cursor[:-1]})
    with pytest.raises(errors.CursorMismatch):
        api.invoke({"cursor": cursor, "isOwned": True})
    emulator.load(plausible_models(3, seed=1))
    with pytest.raises(errors.ExpiredCursor):
        api.invoke({"cursor": cursor})


def test_an_internal_error_does_not_reveal_its_cause(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("custom_models.dispatch.list_models", fail)
    with pytest.raises(errors.Internal) as caught:
        api.invoke({})
    # The Lambda runtime reports the stack trace, including chained exceptions.
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_the_names_of_the_error_classes_do_not_change() -> None:
    names = {error.__name__ for error in STATUS if error.__module__ == errors.__name__}
    assert names == {
        *("InvalidQuery", "InvalidCursor", "ExpiredCursor", "CursorMismatch"),
        *("UpstreamThrottled", "UpstreamUnavailable", "UpstreamDenied", "UpstreamRejected", "UpstreamInvalid"),
        "Internal",
    }
