"""The HTTP contract: what API Gateway's events are answered with."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from custom_models.adapters.signing_keys import StaticKey
from custom_models.core.cursor import CursorSigner, Position
from custom_models.core.errors import ExpiredCursor
from custom_models.core.query import Query
from emulators.bedrock import Emulator, deny, fields, internal_error, throttle, unknown_operation
from emulators.faults import not_json
from emulators.models import plausible_models
from local.api_gateway import Context, proxy_event
from tests.api import KEY, Api, Response

MODELS = sorted(plausible_models(300), key=lambda model: (model.created, model.arn), reverse=True)
"""Newest first, which is the order that nobody asked for."""
DOCUMENT = "/v1/openapi.json"
REGISTRY = Registry().with_resource(
    "urn:api",
    DRAFT202012.create_resource(json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())),
)


def require_documented(answer: Response, schema: str) -> None:
    """Hold a body against its schema in the OpenAPI document."""
    Draft202012Validator({"$ref": f"urn:api#/components/schemas/{schema}"}, registry=REGISTRY).validate(answer.body)


class TestListing:
    def test_the_first_page(self, api: Api) -> None:
        answer = api.get("maxItems=5")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.arns == [model.arn for model in MODELS[:5]]
        assert set(answer.body) == {"modelSummaries", "nextCursor"}
        require_documented(answer, "Listing")

    def test_a_hundred_models_if_nothing_is_said(self, api: Api, emulator: Emulator) -> None:
        assert len(api.get().arns) == 100
        assert emulator.calls == [{"maxResults": "100"}]

    def test_a_summary_is_bedrocks(self, api: Api) -> None:
        (summary,) = api.get("maxItems=1").body["modelSummaries"]
        assert summary == MODELS[0].summary()

    @pytest.mark.parametrize(
        ("wire", "told"),
        [
            ("2026-11-23T20:21:00Z", "2026-11-23T20:21:00Z"),
            ("2026-11-23T20:21:00.5Z", "2026-11-23T20:21:00.5Z"),
            ("2026-11-23T20:21:00.123456789Z", "2026-11-23T20:21:00.123456789Z"),
            ("2026-11-23T22:21:00.120+02:00", "2026-11-23T20:21:00.120Z"),
            (1795465260, "2026-11-23T20:21:00Z"),
            (1795465260.5, "2026-11-23T20:21:00.500000Z"),
        ],
    )
    def test_the_creation_time_keeps_its_precision(
        self, api: Api, emulator: Emulator, wire: str | float, told: str
    ) -> None:
        emulator.misbehave(fields(modelSummaries=[{**MODELS[0].summary(), "creationTime": wire}], nextToken=None))
        assert api.get().body["modelSummaries"][0]["creationTime"] == told

    def test_optional_fields_stay_out_and_new_values_pass(self, api: Api, emulator: Emulator) -> None:
        summary = {**MODELS[0].summary(), "modelStatus": "Hibernating"}
        del summary["customizationType"]
        emulator.misbehave(fields(modelSummaries=[summary], nextToken=None))
        assert api.get().body["modelSummaries"] == [summary]

    def test_every_filter_reaches_bedrock_as_it_is(self, api: Api, emulator: Emulator) -> None:
        parameters = {
            "creationTimeBefore": "2026-10-01T02:00:00+02:00",
            "creationTimeAfter": "2025-01-01T00:00:00.5Z",
            "nameContains": "churn",
            "baseModelArnEquals": MODELS[0].base_arn,
            "foundationModelArnEquals": MODELS[0].foundation_arn,
            "isOwned": "true",
            "modelStatus": "Active",
            "sortBy": "CreationTime",
            "sortOrder": "Ascending",
        }
        assert api.get({**parameters, "maxItems": "50", "pageSize": "20"}).status == 200
        times = {"creationTimeBefore": "2026-10-01T00:00:00Z", "creationTimeAfter": "2025-01-01T00:00:00.500000Z"}
        assert emulator.calls == [{**parameters, **times, "maxResults": "20"}]

    def test_nothing_found_is_an_empty_list(self, api: Api) -> None:
        assert api.get("nameContains=nothing-like-it").body == {"modelSummaries": []}


class TestNextPage:
    def test_the_link_is_the_next_request(self, api: Api) -> None:
        answer = api.get({"creationTimeAfter": "2020-01-01T00:00:00+02:00", "maxItems": "7", "sortOrder": "Ascending"})
        link = answer.headers["Link"]
        assert link.startswith("<?")
        assert link.endswith('>; rel="next"')
        query = link.removeprefix("<?").removesuffix('>; rel="next"')
        assert parse_qs(query)["cursor"] == [answer.body["nextCursor"]]
        following = api.get(query)
        oldest_first = [model.arn for model in reversed(MODELS)]
        assert answer.arns + following.arns == oldest_first[:14]

    def test_the_last_page_has_neither_cursor_nor_link(self, api: Api) -> None:
        answer = api.get("maxItems=1000")
        assert "nextCursor" not in answer.body
        assert "Link" not in answer.headers

    def test_sizes_may_change_on_the_way(self, api: Api, emulator: Emulator) -> None:
        cursor = api.get("maxItems=10").body["nextCursor"]
        assert api.get({"cursor": cursor, "maxItems": "3", "pageSize": "2"}).arns == [m.arn for m in MODELS[10:13]]
        assert [call["maxResults"] for call in emulator.calls] == ["10", "2", "1"]

    def test_the_same_instant_in_another_offset_is_the_same_listing(self, api: Api) -> None:
        cursor = api.get("maxItems=1&creationTimeAfter=2020-01-01T00:00:00Z").body["nextCursor"]
        assert api.get({"cursor": cursor, "creationTimeAfter": "2020-01-01T01:00:00+01:00"}).status == 200

    @pytest.mark.parametrize("change", ["isOwned=true", "sortOrder=Ascending", "nameContains=a", "modelStatus=Failed"])
    def test_other_filters_or_another_order_are_a_mismatch(self, api: Api, emulator: Emulator, change: str) -> None:
        cursor = api.get("maxItems=1").body["nextCursor"]
        answer = api.get(f"{change}&cursor={cursor}")
        assert (answer.status, answer.kind) == (400, "cursor-mismatch")
        assert len(emulator.calls) == 1

    @pytest.mark.parametrize(("setting", "lifetime"), [("", 86_400), ("60", 60)])
    def test_a_cursor_expires(
        self, new_api: Callable[[], Api], monkeypatch: pytest.MonkeyPatch, setting: str, lifetime: int
    ) -> None:
        if setting:
            monkeypatch.setenv("CURSOR_LIFETIME_SECONDS", setting)
        cursor = new_api().get("maxItems=1").body["nextCursor"]
        fingerprint = Query.from_text({}).fingerprint
        assert CursorSigner(StaticKey(KEY), 0, lambda: time.time() + lifetime - 30).verify(cursor, fingerprint)
        with pytest.raises(ExpiredCursor):
            CursorSigner(StaticKey(KEY), 0, lambda: time.time() + lifetime + 1).verify(cursor, fingerprint)

    def test_an_expired_cursor_says_to_start_again(self, api: Api, emulator: Emulator) -> None:
        expired = CursorSigner(StaticKey(KEY), -1).sign(Position.start("token"), Query.from_text({}).fingerprint)
        answer = api.get({"cursor": expired})
        assert (answer.status, answer.kind) == (400, "expired-cursor")
        assert "start the listing again" in answer.body["detail"]
        assert emulator.calls == []

    def test_a_token_that_bedrock_no_longer_takes_has_expired_too(self, api: Api, emulator: Emulator) -> None:
        cursor = api.get("maxItems=1").body["nextCursor"]
        emulator.load(plausible_models(3, seed=1))
        answer = api.get({"cursor": cursor})
        assert (answer.status, answer.kind) == (400, "expired-cursor")

    @pytest.mark.parametrize(
        "bad",
        [
            "x",
            "a" * 100_000,
            "eyJuZXh0VG9rZW4iOiAieCIsICJpc093bmVkIjogdHJ1ZX0=",  # {"nextToken": "x", "isOwned": true}
            "bnVsbA==",
            "abc___5",
            "None",
            "a.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ],
    )
    def test_what_is_no_cursor_never_reaches_bedrock(self, api: Api, emulator: Emulator, bad: str) -> None:
        answer = api.get({"cursor": bad})
        assert (answer.status, answer.kind) == (400, "invalid-cursor")
        assert emulator.calls == []

    def test_a_token_of_full_length_is_gone_on_with(self, api: Api, emulator: Emulator) -> None:
        token = "".join(chr(33 + (number * 7919) % 94) for number in range(2048))
        emulator.misbehave(fields(nextToken=token), always=unknown_operation)
        answer = api.get("maxItems=1")
        assert len(answer.headers["Link"]) < 8000
        api.get({"cursor": answer.body["nextCursor"]})
        assert emulator.calls[1]["nextToken"] == token


class TestRefusals:
    def test_every_bad_parameter_is_named(self, api: Api, emulator: Emulator) -> None:
        answer = api.get(
            "creationTimeAfter=2015-01-01&creationTimeBefore=May&maxItems=%D9%A3&pageSize=%205&isOwned=&modelStatus=Active"
            "&modelStatus=Failed&filter=x&baseModelArnEquals=arn:aws:bedrock:us-east-1::foundation-model/a.b%0A"
        )
        assert (answer.status, answer.kind) == (400, "invalid-query")
        named = {error["parameter"]: error["message"] for error in answer.body["errors"]}
        assert set(named) == {
            *("creationTimeAfter", "creationTimeBefore", "maxItems", "pageSize"),
            *("isOwned", "modelStatus", "filter", "baseModelArnEquals"),
        }
        assert named["modelStatus"] == "must be given once, not 2 times"
        assert all(f"{name} {message}" in answer.body["detail"] for name, message in named.items())
        assert emulator.calls == []
        require_documented(answer, "Problem")

    @pytest.mark.parametrize(
        "query", ["maxItems=+5", "maxItems=%2B5", "maxItems", "=5", "maxitems=5", "maxItems=5;pageSize=5"]
    )
    def test_nothing_is_coerced(self, api: Api, query: str) -> None:
        assert api.get(query).kind == "invalid-query"

    def test_a_plus_that_became_a_space_gets_the_hint(self, api: Api) -> None:
        assert "%2B" in api.get("creationTimeAfter=2026-01-01T00:00:00+02:00").body["detail"]

    @pytest.mark.parametrize(
        ("fault", "status", "kind"),
        [
            (throttle, 429, "upstream-throttled"),
            (internal_error, 503, "upstream-unavailable"),
            (deny, 500, "upstream-denied"),
            (unknown_operation, 502, "upstream-rejected"),
            (not_json, 502, "upstream-invalid"),
        ],
    )
    def test_bedrocks_failures(
        self, new_api: Callable[[], Api], emulator: Emulator, fault: Any, status: int, kind: str
    ) -> None:
        emulator.misbehave(always=fault)
        answer = new_api().get()
        assert (answer.status, answer.kind) == (status, kind)
        assert ("Retry-After" in answer.headers) == (status in (429, 503))
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.body["requestId"] == answer.headers["X-Request-Id"]
        require_documented(answer, "Problem")

    def test_a_fault_of_ours_shows_nothing_of_itself(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("the inside")

        monkeypatch.setattr("custom_models.dispatch.list_models", fail)
        answer = api.get()
        assert (answer.status, answer.kind) == (500, "internal")
        assert "inside" not in answer.text
        assert "Traceback" not in answer.text

    @pytest.mark.parametrize("path", [
        "/", "/v1", "/v1/custom-models%0A", "/v1/Custom-Models", "/v1//custom-models",
        "/custom-models", "/v1/custom-models/x", "/%2e%2e/v1/custom-models",
    ])  # fmt: skip
    def test_other_paths_are_not_found(self, api: Api, path: str) -> None:
        answer = api.get(path=path)
        assert (answer.status, answer.kind) == (404, "not-found")

    def test_a_slash_at_the_end_is_none_to_the_gateway(self, api: Api) -> None:
        answer = api.get("maxItems=5", path="/v1/custom-models/")
        following = api.get(answer.headers["Link"].removeprefix("<?").removesuffix('>; rel="next"'))
        assert (answer.status, following.status) == (200, 200)

    @pytest.mark.parametrize("path", ["/v1/custom-models", DOCUMENT])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"])
    def test_other_methods_are_not_allowed(self, api: Api, path: str, method: str) -> None:
        answer = api.request(method, path)
        assert (answer.status, answer.kind, answer.headers["Allow"]) == (405, "method-not-allowed", "GET, HEAD")


class TestConditional:
    def test_a_whole_listing_has_a_weak_tag_that_saves_it(self, api: Api) -> None:
        answer = api.get("maxItems=1000")
        tag = answer.headers["ETag"]
        assert tag.startswith('W/"')
        for header in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            again = api.get("maxItems=1000", If_None_Match=header)
            assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
            assert "Content-Type" not in again.headers
            assert again.headers["Cache-Control"] == "private, no-cache"

    def test_another_listing_has_another_tag(self, api: Api, emulator: Emulator) -> None:
        tag = api.get("maxItems=1000").headers["ETag"]
        emulator.load(plausible_models(299))
        answer = api.get("maxItems=1000", If_None_Match=tag)
        assert (answer.status, len(answer.arns)) == (200, 299)

    def test_a_page_with_a_cursor_has_none_and_is_never_saved(self, api: Api) -> None:
        assert "ETag" not in api.get("maxItems=5").headers
        assert api.get("maxItems=5", If_None_Match="*").status == 200

    def test_a_refusal_is_never_saved(self, api: Api) -> None:
        assert api.get("maxItems=0", If_None_Match="*").status == 400


class TestHead:
    def test_it_has_the_headers_of_get_and_no_body(self, api: Api) -> None:
        for query in ("maxItems=1000", "maxItems=0"):
            get, head = api.get(query), api.request("HEAD", "/v1/custom-models", query)
            assert (head.status, head.text) == (get.status, "")
            assert {**head.headers, "X-Request-Id": ""} == {**get.headers, "X-Request-Id": ""}


class TestRequestId:
    def test_it_is_the_gateways(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        response = api.handler(event, Context())
        assert response["headers"]["X-Request-Id"] == event["requestContext"]["requestId"]

    def test_what_is_none_is_not_echoed(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event["requestContext"]["requestId"] = "a\r\nSet-Cookie: x"
        context = Context()
        assert api.handler(event, context)["headers"]["X-Request-Id"] == context.aws_request_id


class TestDocument:
    def test_it_is_served(self, api: Api, emulator: Emulator) -> None:
        answer = api.get(path=DOCUMENT)
        assert answer.status == 200
        assert answer.text == (Path(__file__).parents[2] / "docs" / "openapi.json").read_text()
        assert api.get(path=DOCUMENT, If_None_Match=answer.headers["ETag"]).status == 304
        assert emulator.calls == []

    def test_it_takes_no_parameters(self, api: Api) -> None:
        assert api.get("format=yaml", path=DOCUMENT).kind == "invalid-query"


class TestEvents:
    """What AWS's events may look like besides, and what others make of them."""

    def test_behind_a_custom_domain_with_a_base_path(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event["path"] = event["requestContext"]["path"] = "/inventory/v1/custom-models"
        assert api.handler(event, Context())["statusCode"] == 200

    def test_from_a_console_that_gives_single_values_alone(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=3", [])
        event["multiValueQueryStringParameters"] = event["multiValueHeaders"] = None
        assert len(json.loads(api.handler(event, Context())["body"])["modelSummaries"]) == 3

    @pytest.mark.parametrize("single", [5, ["a"], {"maxItems": 5}, {"maxItems": None}, "maxItems=5"])
    def test_maps_that_are_none(self, api: Api, single: object) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event["queryStringParameters"] = single
        assert api.handler(event, Context())["statusCode"] == 400

    def test_two_maps_that_disagree_hide_nothing(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=3", [])
        for single in ({"maxItems": "3", "filter": "x"}, {"maxItems": "7"}):
            event["queryStringParameters"] = single
            assert api.handler(event, Context())["statusCode"] == 400

    def test_with_next_to_nothing_in_it(self, api: Api) -> None:
        assert api.handler({"requestContext": {"httpMethod": None}}, Context())["statusCode"] == 404
