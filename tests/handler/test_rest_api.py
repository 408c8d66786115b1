"""The HTTP contract: the responses to API Gateway's events."""

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
from emulators.bedrock import Emulator, deny, fields, internal_error, throttle, unknown_operation
from emulators.faults import not_json
from emulators.models import newest_first, plausible_models
from local.api_gateway import Context, proxy_event
from tests.api import KEY, Api, Response
from tests.doubles import from_text

MODELS = newest_first(plausible_models(300))
"""In the default order: newest first."""

DOCUMENT = "/v1/openapi.json"
REGISTRY = Registry().with_resource(
    "urn:api",
    DRAFT202012.create_resource(json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())),
)


def assert_matches_schema(response: Response, schema: str) -> None:
    """Validate the body against a schema of the OpenAPI document."""
    Draft202012Validator({"$ref": f"urn:api#/components/schemas/{schema}"}, registry=REGISTRY).validate(response.body)


class TestListing:
    def test_the_first_page_has_models_a_cursor_and_the_documented_headers(self, api: Api) -> None:
        response = api.get("maxItems=5")
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert response.arns == [model.arn for model in MODELS[:5]]
        assert set(response.body) == {"modelSummaries", "nextCursor", "coverage"}
        assert_matches_schema(response, "Listing")

    def test_the_default_is_one_hundred_models_in_one_call(self, api: Api, emulator: Emulator) -> None:
        assert len(api.get().arns) == 100
        assert emulator.calls == [{"maxResults": "100"}]

    def test_a_model_has_the_values_that_bedrock_returned(self, api: Api) -> None:
        (summary,) = api.get("maxItems=1").body["modelSummaries"]
        assert summary == {**MODELS[0].summary(), "source": "123456789012/us-east-1"}

    @pytest.mark.parametrize(
        ("received", "returned"),
        [
            ("2026-11-23T20:21:00Z", "2026-11-23T20:21:00Z"),
            ("2026-11-23T20:21:00.5Z", "2026-11-23T20:21:00.5Z"),
            ("2026-11-23T20:21:00.123456789Z", "2026-11-23T20:21:00.123456789Z"),
            ("2026-11-23T22:21:00.120+02:00", "2026-11-23T20:21:00.120Z"),
            (1795465260, "2026-11-23T20:21:00Z"),
            (1795465260.5, "2026-11-23T20:21:00.500000Z"),
        ],
    )
    def test_a_creation_time_is_converted_to_utc_and_keeps_its_precision(
        self, api: Api, emulator: Emulator, received: str | float, returned: str
    ) -> None:
        emulator.misbehave(fields(modelSummaries=[{**MODELS[0].summary(), "creationTime": received}], nextToken=None))
        assert api.get().body["modelSummaries"][0]["creationTime"] == returned

    def test_missing_fields_are_omitted_and_new_values_are_returned(self, api: Api, emulator: Emulator) -> None:
        summary = {**MODELS[0].summary(), "modelStatus": "Hibernating"}
        del summary["customizationType"]
        emulator.misbehave(fields(modelSummaries=[summary], nextToken=None))
        assert api.get().body["modelSummaries"] == [{**summary, "source": "123456789012/us-east-1"}]

    def test_every_filter_is_passed_to_bedrock(self, api: Api, emulator: Emulator) -> None:
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

    def test_a_filter_that_matches_no_model_returns_an_empty_list(self, api: Api) -> None:
        assert api.get("nameContains=nothing-like-it").body == {
            "modelSummaries": [],
            "coverage": {"sources": 1, "listed": 1, "notOffered": [], "unreachable": [], "complete": True},
        }


class TestCursor:
    def test_the_link_is_the_request_for_the_next_page(self, api: Api) -> None:
        response = api.get(
            {"creationTimeAfter": "2020-01-01T00:00:00+02:00", "maxItems": "7", "sortOrder": "Ascending"}
        )
        link = response.headers["Link"]
        assert link.startswith("<?")
        assert link.endswith('>; rel="next"')
        query = link.removeprefix("<?").removesuffix('>; rel="next"')
        assert parse_qs(query)["cursor"] == [response.body["nextCursor"]]
        next_page = api.get(query)
        oldest_first = [model.arn for model in reversed(MODELS)]
        assert response.arns + next_page.arns == oldest_first[:14]

    def test_the_last_page_has_neither_cursor_nor_link(self, api: Api) -> None:
        response = api.get("maxItems=1000")
        assert "nextCursor" not in response.body
        assert "Link" not in response.headers

    def test_max_items_and_page_size_may_change_during_a_walk(self, api: Api, emulator: Emulator) -> None:
        cursor = api.get("maxItems=10").body["nextCursor"]
        assert api.get({"cursor": cursor, "maxItems": "3", "pageSize": "2"}).arns == [m.arn for m in MODELS[10:13]]
        assert [call["maxResults"] for call in emulator.calls] == ["10", "2", "1"]

    def test_the_same_time_with_another_offset_is_the_same_listing(self, api: Api) -> None:
        cursor = api.get("maxItems=1&creationTimeAfter=2020-01-01T00:00:00Z").body["nextCursor"]
        assert api.get({"cursor": cursor, "creationTimeAfter": "2020-01-01T01:00:00+01:00"}).status == 200

    @pytest.mark.parametrize("change", ["isOwned=true", "sortOrder=Ascending", "nameContains=a", "modelStatus=Failed"])
    def test_other_filters_or_another_order_are_a_cursor_mismatch(
        self, api: Api, emulator: Emulator, change: str
    ) -> None:
        cursor = api.get("maxItems=1").body["nextCursor"]
        response = api.get(f"{change}&cursor={cursor}")
        assert (response.status, response.kind) == (400, "cursor-mismatch")
        assert len(emulator.calls) == 1

    @pytest.mark.parametrize(("setting", "lifetime"), [("", 86_400), ("60", 60)])
    def test_a_cursor_expires_after_the_lifetime_of_the_settings(
        self, new_api: Callable[[], Api], monkeypatch: pytest.MonkeyPatch, setting: str, lifetime: int
    ) -> None:
        if setting:
            monkeypatch.setenv("CURSOR_LIFETIME_SECONDS", setting)
        cursor = new_api().get("maxItems=1").body["nextCursor"]
        fingerprint = from_text({}).fingerprint
        assert CursorSigner(StaticKey(KEY), 0, lambda: time.time() + lifetime - 30).verify(cursor, fingerprint)
        with pytest.raises(ExpiredCursor):
            CursorSigner(StaticKey(KEY), 0, lambda: time.time() + lifetime + 1).verify(cursor, fingerprint)

    def test_an_expired_cursor_is_reported_with_advice_to_start_again(self, api: Api, emulator: Emulator) -> None:
        expired = CursorSigner(StaticKey(KEY), -1).sign(Position().advance(1, "token"), from_text({}).fingerprint)
        response = api.get({"cursor": expired})
        assert (response.status, response.kind) == (400, "expired-cursor")
        assert "start the listing again" in response.body["detail"]
        assert emulator.calls == []

    def test_a_token_that_bedrock_no_longer_accepts_is_reported_as_an_expired_cursor(
        self, api: Api, emulator: Emulator
    ) -> None:
        cursor = api.get("maxItems=1").body["nextCursor"]
        emulator.load(plausible_models(3, seed=1))
        response = api.get({"cursor": cursor})
        assert (response.status, response.kind) == (400, "expired-cursor")

    @pytest.mark.parametrize(
        "bad",
        [
            "x",
            pytest.param("a" * 100_000, id="too long"),
            "eyJuZXh0VG9rZW4iOiAieCIsICJpc093bmVkIjogdHJ1ZX0=",  # {"nextToken": "x", "isOwned": true}
            "bnVsbA==",
            "abc___5",
            "None",
            "a.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ],
    )
    def test_text_that_is_not_a_cursor_is_refused_without_a_call(self, api: Api, emulator: Emulator, bad: str) -> None:
        response = api.get({"cursor": bad})
        assert (response.status, response.kind) == (400, "invalid-cursor")
        assert emulator.calls == []

    def test_a_token_of_the_maximum_length_fits_the_cursor_and_the_link(self, api: Api, emulator: Emulator) -> None:
        token = "".join(chr(33 + (number * 7919) % 94) for number in range(2048))
        emulator.misbehave(fields(nextToken=token), always=unknown_operation)
        response = api.get("maxItems=1")
        assert len(response.headers["Link"]) < 8000
        api.get({"cursor": response.body["nextCursor"]})
        assert emulator.calls[1]["nextToken"] == token


class TestProblems:
    def test_every_parameter_that_is_not_valid_is_reported(self, api: Api, emulator: Emulator) -> None:
        response = api.get(
            "creationTimeAfter=2015-01-01&creationTimeBefore=May&maxItems=%D9%A3&pageSize=%205&isOwned=&modelStatus=Active"
            "&modelStatus=Failed&filter=x&baseModelArnEquals=arn:aws:bedrock:us-east-1::foundation-model/a.b%0A"
        )
        assert (response.status, response.kind) == (400, "invalid-query")
        messages = {error["parameter"]: error["message"] for error in response.body["errors"]}
        assert set(messages) == {
            *("creationTimeAfter", "creationTimeBefore", "maxItems", "pageSize"),
            *("isOwned", "modelStatus", "filter", "baseModelArnEquals"),
        }
        assert messages["modelStatus"] == "must be given once, not 2 times"
        assert all(f"{name} {message}" in response.body["detail"] for name, message in messages.items())
        assert emulator.calls == []
        assert_matches_schema(response, "Problem")

    @pytest.mark.parametrize(
        "query", ["maxItems=+5", "maxItems=%2B5", "maxItems", "=5", "maxitems=5", "maxItems=5;pageSize=5"]
    )
    def test_values_and_names_are_not_coerced(self, api: Api, query: str) -> None:
        assert api.get(query).kind == "invalid-query"

    def test_a_plus_that_is_not_encoded_gets_a_hint(self, api: Api) -> None:
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
        ids=["throttling", "internal error", "access denied", "unknown operation", "HTML"],
    )
    def test_a_failure_of_bedrock_is_a_problem_with_its_status(
        self, new_api: Callable[[], Api], emulator: Emulator, fault: Any, status: int, kind: str
    ) -> None:
        emulator.misbehave(always=fault)
        response = new_api().get()
        assert (response.status, response.kind) == (status, kind)
        assert ("Retry-After" in response.headers) == (status in (429, 503))
        assert response.headers["Cache-Control"] == "no-store"
        assert response.body["requestId"] == response.headers["X-Request-Id"]
        assert_matches_schema(response, "Problem")

    def test_an_internal_error_does_not_reveal_its_cause(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("a secret detail")

        monkeypatch.setattr("custom_models.dispatch.list_models", fail)
        response = api.get()
        assert (response.status, response.kind) == (500, "internal")
        assert "secret" not in response.text
        assert "Traceback" not in response.text

    @pytest.mark.parametrize("path", [
        "/", "/v1", "/v1/custom-models%0A", "/v1/Custom-Models", "/v1//custom-models",
        "/custom-models", "/v1/custom-models/x", "/%2e%2e/v1/custom-models",
    ])  # fmt: skip
    def test_any_other_path_is_not_found(self, api: Api, path: str) -> None:
        response = api.get(path=path)
        assert (response.status, response.kind) == (404, "not-found")

    def test_a_slash_at_the_end_of_the_path_is_ignored(self, api: Api) -> None:
        response = api.get("maxItems=5", path="/v1/custom-models/")
        next_page = api.get(response.headers["Link"].removeprefix("<?").removesuffix('>; rel="next"'))
        assert (response.status, next_page.status) == (200, 200)

    @pytest.mark.parametrize("path", ["/v1/custom-models", DOCUMENT])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"])
    def test_any_other_method_is_not_allowed(self, api: Api, path: str, method: str) -> None:
        response = api.request(method, path)
        assert (response.status, response.kind, response.headers["Allow"]) == (405, "method-not-allowed", "GET, HEAD")


class TestConditional:
    def test_a_complete_listing_has_a_weak_etag_that_makes_a_304(self, api: Api) -> None:
        response = api.get("maxItems=1000")
        etag = response.headers["ETag"]
        assert etag.startswith('W/"')
        for header in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
            again = api.get("maxItems=1000", If_None_Match=header)
            assert (again.status, again.text, again.headers["ETag"]) == (304, "", etag)
            assert "Content-Type" not in again.headers
            assert again.headers["Cache-Control"] == "private, no-cache"

    def test_a_changed_listing_has_another_etag(self, api: Api, emulator: Emulator) -> None:
        etag = api.get("maxItems=1000").headers["ETag"]
        emulator.load(plausible_models(299))
        response = api.get("maxItems=1000", If_None_Match=etag)
        assert (response.status, len(response.arns)) == (200, 299)

    def test_a_page_with_a_cursor_has_no_etag_and_is_never_a_304(self, api: Api) -> None:
        assert "ETag" not in api.get("maxItems=5").headers
        assert api.get("maxItems=5", If_None_Match="*").status == 200

    def test_a_problem_is_never_a_304(self, api: Api) -> None:
        assert api.get("maxItems=0", If_None_Match="*").status == 400


class TestHead:
    def test_head_returns_the_headers_of_get_without_the_body(self, api: Api) -> None:
        for query in ("maxItems=1000", "maxItems=0"):
            get, head = api.get(query), api.request("HEAD", "/v1/custom-models", query)
            assert (head.status, head.text) == (get.status, "")
            assert {**head.headers, "X-Request-Id": ""} == {**get.headers, "X-Request-Id": ""}


class TestRequestId:
    def test_the_request_id_is_the_gateways(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        response = api.handler(event, Context())
        assert response["headers"]["X-Request-Id"] == event["requestContext"]["requestId"]

    def test_an_invalid_request_id_is_replaced_by_that_of_the_invocation(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event["requestContext"]["requestId"] = "a\r\nSet-Cookie: x"
        context = Context()
        assert api.handler(event, context)["headers"]["X-Request-Id"] == context.aws_request_id


class TestOpenApiDocument:
    def test_the_document_is_the_committed_one_and_has_an_etag(self, api: Api, emulator: Emulator) -> None:
        response = api.get(path=DOCUMENT)
        assert response.status == 200
        committed = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
        assert response.body == {**committed, "servers": response.body["servers"]}
        assert api.get(path=DOCUMENT, If_None_Match=response.headers["ETag"]).status == 304
        assert emulator.calls == []

    @pytest.mark.parametrize(
        ("domain", "path", "url"),
        [
            ("a1b2c3.execute-api.eu-west-1.amazonaws.com", f"/prod{DOCUMENT}", "https://{}/prod/v1"),
            ("models.example.com", DOCUMENT, "https://{}/v1"),
            ("models.example.com", f"/base/path{DOCUMENT}", "https://{}/base/path/v1"),
            # Not the domain of an API: a URL relative to the document.
            ("localhost", f"/local{DOCUMENT}", "../v1"),
            (None, DOCUMENT, "../v1"),
            ("evil.example/x?", DOCUMENT, "../v1"),
        ],
    )
    def test_the_server_is_the_api_itself_as_the_gateway_says(
        self, api: Api, domain: str | None, path: str, url: str
    ) -> None:
        event = proxy_event("GET", DOCUMENT, [("Host", "other.example"), ("X-Forwarded-Host", "other.example")])
        event["requestContext"] |= {"domainName": domain, "path": path}
        served = json.loads(api.handler(event, Context())["body"])
        assert served["servers"] == [{"url": url.format(domain)}]

    def test_the_document_has_no_parameters(self, api: Api) -> None:
        assert api.get("format=yaml", path=DOCUMENT).kind == "invalid-query"


class TestEvents:
    """Events that differ from the usual ones of API Gateway."""

    def test_the_path_may_have_the_base_path_of_a_custom_domain(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event["path"] = event["requestContext"]["path"] = "/inventory/v1/custom-models"
        assert api.handler(event, Context())["statusCode"] == 200

    def test_an_event_may_have_only_single_values(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=3", [])
        event["multiValueQueryStringParameters"] = event["multiValueHeaders"] = None
        assert len(json.loads(api.handler(event, Context())["body"])["modelSummaries"]) == 3

    @pytest.mark.parametrize("single", [5, ["a"], {"maxItems": 5}, {"maxItems": None}, "maxItems=5"])
    def test_a_query_string_in_an_invalid_form_is_refused(self, api: Api, single: object) -> None:
        event = proxy_event("GET", "/v1/custom-models", [])
        event["queryStringParameters"] = single
        assert api.handler(event, Context())["statusCode"] == 400

    def test_single_and_multiple_values_that_differ_are_refused(self, api: Api) -> None:
        event = proxy_event("GET", "/v1/custom-models?maxItems=3", [])
        for single in ({"maxItems": "3", "filter": "x"}, {"maxItems": "7"}):
            event["queryStringParameters"] = single
            assert api.handler(event, Context())["statusCode"] == 400

    def test_an_event_without_a_path_is_not_found(self, api: Api) -> None:
        assert api.handler({"requestContext": {"httpMethod": None}}, Context())["statusCode"] == 404
