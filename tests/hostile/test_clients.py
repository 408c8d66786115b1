"""Integer events that API Gateway would never make, and direct ones that nobody would send."""

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
"""Characters that fit the 6 MB that Lambda takes."""

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

GENUINE = [
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
    """Yield every place in a JSON value: what holds it, and under which key or index."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    """Genuine events with one to five places of them missing, renamed or something else."""
    event = copy.deepcopy(draw(st.sampled_from(GENUINE)))
    for _ in range(draw(st.integers(1, 5))):
        # The outermost places are most of what is read, and few among all.
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
    def test_any_place_may_be_anything(self, attack: Attack, event: Json) -> None:
        attack(event)

    @given(st.dictionaries(st.sampled_from([*GENUINE[0]]), values), values, values)
    def test_nothing_but_what_makes_it_http_may_be_genuine(
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
    def test_two_maps_that_disagree_are_no_listing(
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
        meant = {name: [value] for name, value in (single or {}).items()}
        for name, given_values in (multi or {}).items():
            meant[name] = meant.get(name, given_values)
            if meant[name] != given_values:
                meant["filter"] = given_values
        agreed = "filter" not in meant and all(len(given_values) == 1 for given_values in meant.values())
        assert status == (200 if agreed else 400)
        assert len(emulator.calls) > 0 if agreed else emulator.calls == []

    @pytest.mark.parametrize("place", ["headers", "multiValueHeaders"])
    @given(headers=values)
    def test_header_maps_of_any_shape_are_a_listing_all_the_same(
        self, attack: Attack, place: str, headers: Json
    ) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=1", [])
        event[place] = headers
        assert attack(event)["statusCode"] == 200

    @pytest.mark.parametrize("is_base64", [True, "true", None])
    @pytest.mark.parametrize("body", ["bm8=", "*", '{"maxItems": 5}', None, {}])
    def test_bodies_and_their_flags_change_nothing(self, attack: Attack, body: Json, is_base64: Json) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=1", [])
        event |= {"body": body, "isBase64Encoded": is_base64}
        assert len(json.loads(attack(event)["body"])["modelSummaries"]) == 1

    def test_values_nested_deeper_than_can_be_compared(self, attack: Attack) -> None:
        # JSON's parser gives up one level before that, and nobody promises it.
        def nested() -> Json:
            value: Json = "x"
            for _ in range(100_000):
                value = [value]
            return value

        event = proxy_event("GET", "/v1/custom-models", [])
        event |= {"queryStringParameters": {"a": nested()}, "multiValueQueryStringParameters": {"a": [nested()]}}
        assert attack(event)["statusCode"] == 400


OTHERS = {
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
    def test_anything(self, attack: Attack, emulator: Emulator, event: Json) -> None:
        emulator.calls.clear()
        answer = attack(event)
        assert isinstance(answer, errors.CustomModelsError) == (emulator.calls == [])

    @pytest.mark.parametrize("event", OTHERS.values(), ids=OTHERS.keys())
    def test_those_of_other_front_doors(self, attack: Attack, event: Json) -> None:
        assert isinstance(attack(event), errors.InvalidQuery)

    @pytest.mark.parametrize("name", [*NAMES, "x" * LARGEST_EVENT])
    @pytest.mark.parametrize("character", ["a", "9", " ", "-", ".", "\0", "\ud800"])
    def test_the_largest_there_are(self, attack: Attack, emulator: Emulator, name: str, character: str) -> None:
        huge = character * LARGEST_EVENT
        assert isinstance(attack({name: huge}), errors.InvalidQuery | errors.InvalidCursor)
        assert emulator.calls == []

    @pytest.mark.parametrize("character", ["a", "."])
    def test_a_huge_cursor_costs_next_to_nothing(self, api: Api, character: str) -> None:
        # Lambda's smallest memory size has a twentieth of a processor.
        event = {"cursor": character * LARGEST_EVENT}
        start = time.thread_time()
        with pytest.raises(errors.InvalidCursor):
            api.invoke(event)
        assert time.thread_time() - start < 0.1

    def test_as_many_unknown_names_as_fit(self, attack: Attack) -> None:
        refusal = attack({f"maxitems{number}": 1 for number in range(300_000)})
        assert isinstance(refusal, errors.InvalidQuery)
        assert len(refusal.errors) < 100
        assert len(str(refusal)) < 10_000
