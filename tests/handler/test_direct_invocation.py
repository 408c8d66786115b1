"""Direct invocation: the same listing, and errors by their class."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from custom_models.adapters.rest_api.problem import STATUS
from custom_models.core import errors
from emulators.bedrock import Emulator, deny, internal_error, throttle, unknown_operation
from emulators.faults import not_json
from emulators.models import plausible_models
from tests.api import Api

MODELS = sorted(plausible_models(300), key=lambda model: (model.created, model.arn), reverse=True)


def test_an_empty_event_is_a_listing(api: Api) -> None:
    result = api.invoke({})
    assert [model["modelArn"] for model in result["modelSummaries"]] == [model.arn for model in MODELS[:100]]


def test_the_result_is_the_body_of_http(api: Api) -> None:
    event = {"nameContains": "churn", "isOwned": True, "maxItems": 500}
    assert api.invoke(event) == api.get({**event, "isOwned": "true"}).body


def test_a_cursor_goes_on_whichever_way_it_came(api: Api) -> None:
    first = api.invoke({"maxItems": 4, "isOwned": True})
    over_http = api.get({"maxItems": 4, "isOwned": "true", "cursor": first["nextCursor"]})
    third = api.invoke({"maxItems": 4, "isOwned": True, "cursor": over_http.body["nextCursor"]})
    owned = [model.arn for model in MODELS if model.owner == "123456789012"]
    found = first["modelSummaries"] + over_http.body["modelSummaries"] + third["modelSummaries"]
    assert [model["modelArn"] for model in found] == owned[:12]


@pytest.mark.parametrize(
    ("event", "named"),
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
def test_what_is_no_query_raises(api: Api, emulator: Emulator, event: Any, named: str) -> None:
    with pytest.raises(errors.InvalidQuery) as caught:
        api.invoke(event)
    assert named in str(caught.value)
    assert emulator.calls == []


def test_messages_are_those_of_http(api: Api) -> None:
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
)
def test_bedrocks_failures(new_api: Callable[[], Api], emulator: Emulator, fault: Any, error: type[Exception]) -> None:
    emulator.misbehave(always=fault)
    with pytest.raises(error) as caught:
        new_api().invoke({})
    assert type(caught.value) is error


def test_cursors_that_are_refused(api: Api, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = api.invoke({"maxItems": 1})["nextCursor"]
    with pytest.raises(errors.InvalidCursor):
        api.invoke({"cursor": cursor[:-1]})
    with pytest.raises(errors.CursorMismatch):
        api.invoke({"cursor": cursor, "isOwned": True})
    emulator.load(plausible_models(3, seed=1))
    with pytest.raises(errors.ExpiredCursor):
        api.invoke({"cursor": cursor})


def test_a_fault_of_ours_is_internal_and_shows_nothing_of_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("custom_models.dispatch.list_models", fail)
    with pytest.raises(errors.Internal) as caught:
        api.invoke({})
    # What the Lambda runtime would report, chained exceptions included.
    assert "inside" not in "".join(traceback.format_exception(caught.value))


def test_the_class_names_are_public() -> None:
    names = {error.__name__ for error in STATUS if error.__module__ == errors.__name__}
    assert names == {
        *("InvalidQuery", "InvalidCursor", "ExpiredCursor", "CursorMismatch"),
        *("UpstreamThrottled", "UpstreamUnavailable", "UpstreamDenied", "UpstreamRejected", "UpstreamInvalid"),
        "Internal",
    }
