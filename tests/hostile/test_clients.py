"""Events that API Gateway never sends, and direct events that no reasonable caller sends."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from custom_models.core import errors
from custom_models.core.parameters import PARAMETERS
from emulators.bedrock import Emulator
from local.api_gateway import proxy_event
from tests.api import Api
from tests.hostile.contract import Attack

Json: TypeAlias = Any

LARGEST_EVENT = 6_000_000
"""The number of characters in the largest event that Lambda accepts (6 MB)."""

NAMES = [parameter.name for parameter in PARAMETERS]
TEXTS = [
    "",
    " ",
    "\0",
    "\ud800",
    "\r\nX-Evil: 1",
    '"}\n{"message": "request"}',
    "\x1b[2J\u202e\u2028\x85",
    "٣",
    "NaN",
    "-1",
    "__proto__",
    "${jndi:ldap://localhost/x}",
    "%00%0d%0a",
    "Traceback (most recent call last):",
    "x" * 10_000,
    "🦄" * 3_000,
]
texts = (
    st.sampled_from(TEXTS) | st.text(st.characters(), max_size=12) | st.sampled_from([*NAMES, "httpMethod", "proxy"])
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(10**4000)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)

VALID_EVENTS = [
    proxy_event(method, target, [("Host", "x"), ("X-Correlation-Id", "a-1"), ("If-None-Match", '"a", W/"b"'), *twice])
    for method, target, twice in (
        ("GET", "/v1/custom-models?maxItems=2&isOwned=true&creationTimeAfter=2020-01-01T00:00:00Z", []),
        ("GET", "/v1/custom-models?maxItems=2&maxItems=3&cursor=x", [("X-Correlation-Id", "b")]),
        ("HEAD", "/v1/custom-models?maxItems=1", []),
        ("GET", "/v1/openapi.json", []),
        ("POST", "/", []),
    )
]


def places(value: Json) -> Iterator[tuple[Json, Any]]:
    """Yield every place in a JSON value, as its container and its key or index."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """Valid events with one to five changes: values removed, renamed, added or replaced."""
    event = copy.deepcopy(draw(st.sampled_from(VALID_EVENTS)))
    for _ in range(draw(st.integers(1, 5))):
        # Change the top level half of the time: it is a small part of the event, but the most important one.
        at = list(places(event)) if draw(st.booleans()) else [(event, key) for key in event]
        if not at:
            break
        holder, key = at[draw(st.integers(0, len(at) - 1))]
        match draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"])):
            case "remove":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[draw(texts)] = holder.pop(key)
            case "add" if isinstance(holder, dict):
                holder[draw(texts)] = draw(values)
            case _:
                holder[key] = draw(values)
    return event


class TestGatewayEvents:
    @given(mutated())
    def test_any_change_to_a_valid_event_gets_a_valid_response(self, attack: Attack, event: Json) -> None:
        attack(event)

    @given(st.dictionaries(st.sampled_from([*VALID_EVENTS[0]]), values), values, values)
    def test_an_event_with_only_a_method_gets_a_valid_response(
        self, attack: Attack, event: dict[str, Json], method: Json, proxy: Json
    ) -> None:
        context = event.get("requestContext")
        event["requestContext"] = {**(context if isinstance(context, dict) else {}), "httpMethod": method}
        assert attack(event)["statusCode"] in (400, 404, 405)
        event["pathParameters"] = {"proxy": proxy}
        attack(event)

    @given(
        st.none() | st.dictionaries(st.sampled_from(["maxItems", "pageSize", "filter"]), st.sampled_from("12")),
        st.none()
        | st.dictionaries(
            st.sampled_from(["maxItems", "pageSize", "filter"]), st.lists(st.sampled_from("12"), max_size=2)
        ),
    )
    @example({"maxItems": "1"}, {"maxItems": ["1"]})
    def test_query_maps_that_disagree_are_rejected(
        self,
        attack: Attack,
        emulator: Emulator,
        single: dict[str, str] | None,
        multi: dict[str, list[str]] | None,
    ) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event |= {"queryStringParameters": single, "multiValueQueryStringParameters": multi}
        emulator.calls.clear()
        status = attack(event)["statusCode"]
        parameters = {name: [value] for name, value in (single or {}).items()}
        for name, given_values in (multi or {}).items():
            parameters[name] = parameters.get(name, given_values)
            if parameters[name] != given_values:
                parameters["filter"] = given_values
        valid = "filter" not in parameters and all(len(given_values) == 1 for given_values in parameters.values())
        assert status == (200 if valid else 400)
        assert len(emulator.calls) > 0 if valid else emulator.calls == []

    @pytest.mark.parametrize("place", ["headers", "multiValueHeaders"])
    @given(headers=values)
    def test_malformed_header_maps_are_ignored(self, attack: Attack, place: str, headers: Json) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=1", [])
        event[place] = headers
        assert attack(event)["statusCode"] == 200

    @pytest.mark.parametrize("is_base64", [True, "true", None])
    @pytest.mark.parametrize("body", ["bm8=", "*", '{"maxItems": 5}', None, {}])
    def test_request_bodies_are_ignored(self, attack: Attack, body: Json, is_base64: Json) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=1", [])
        event |= {"body": body, "isBase64Encoded": is_base64}
        assert len(json.loads(attack(event)["body"])["modelSummaries"]) == 1

    def test_values_nested_too_deeply_to_compare_are_rejected(self, attack: Attack) -> None:
        # The JSON parser rejects such nesting earlier, but that is not guaranteed.
        def nested() -> Json:
            value: Json = "x"
            for _ in range(100_000):
                value = [value]
            return value

        event = proxy_event("GET", "/v1/custom-models", [])
        event |= {"queryStringParameters": {"a": nested()}, "multiValueQueryStringParameters": {"a": [nested()]}}
        assert attack(event)["statusCode"] == 400


OTHER_EVENTS = {
    "HTTP API, format 2.0": {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/v1/custom-models",
        "rawQueryString": "maxItems=5",
        "headers": {"host": "localhost"},
        "queryStringParameters": {"maxItems": "5"},
        "requestContext": {"http": {"method": "GET", "path": "/v1/custom-models"}, "requestId": "x", "stage": "x"},
        "isBase64Encoded": False,
    },
    "load balancer": {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
        "httpMethod": "GET",
        "path": "/v1/custom-models",
        "queryStringParameters": {"maxItems": "5"},
        "headers": {"host": "localhost"},
        "body": "",
        "isBase64Encoded": False,
    },
    "WebSocket": {"requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "x"}},
    "SQS": {"Records": [{"eventSource": "aws:sqs", "body": '{"maxItems": 5}'}]},
    "EventBridge": {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
}


class TestDirectEvents:
    @given(
        st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
        | st.dictionaries(
            texts | st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.tuples(texts), values
        )
        | values
    )
    @example({"maxItems": float("nan"), "pageSize": float("inf")})
    @example({"maxItems": 5.0, "isOwned": 1})
    @example({"requestContext": {}, "maxItems": 5})
    @example({"requestContext": ["httpMethod"]})
    def test_any_event_is_a_listing_or_a_client_error(self, attack: Attack, emulator: Emulator, event: Json) -> None:
        emulator.calls.clear()
        result = attack(event)
        assert isinstance(result, errors.CustomModelsError) == (emulator.calls == [])

    @pytest.mark.parametrize("event", OTHER_EVENTS.values(), ids=OTHER_EVENTS.keys())
    def test_events_of_other_services_are_rejected(self, attack: Attack, event: Json) -> None:
        assert isinstance(attack(event), errors.InvalidQuery)

    @pytest.mark.parametrize("name", [*NAMES, "x" * LARGEST_EVENT])
    @pytest.mark.parametrize("character", ["a", "9", " ", "-", ".", "\0", "\ud800"])
    def test_the_largest_events_are_rejected(
        self, attack: Attack, emulator: Emulator, name: str, character: str
    ) -> None:
        huge = character * LARGEST_EVENT
        assert isinstance(attack({name: huge}), errors.InvalidQuery | errors.InvalidCursor)
        assert emulator.calls == []

    @pytest.mark.parametrize("character", ["a", "."])
    def test_a_huge_cursor_is_rejected_quickly(self, api: Api, character: str) -> None:
        # With the smallest memory size, Lambda provides only a twentieth of a CPU.
        event = {"cursor": character * LARGEST_EVENT}
        start = time.thread_time()
        with pytest.raises(errors.InvalidCursor):
            api.invoke(event)
        assert time.thread_time() - start < 0.1

    def test_the_error_for_many_unknown_parameters_is_short(self, attack: Attack) -> None:
        error = attack({f"maxitems{number}": 1 for number in range(300_000)})
        assert isinstance(error, errors.InvalidQuery)
        assert len(error.errors) < 100
        assert len(str(error)) < 10_000
