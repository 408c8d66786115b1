"""The log and the metrics: one line of each per request, without secrets."""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from custom_models.core import errors
from emulators import sts
from emulators.bedrock import Emulator, deny, fields, throttle, unknown_operation
from emulators.faults import Fault, disconnect, respond_with, unavailable
from emulators.server import json_response
from local.api_gateway import Context, proxy_event
from tests.api import KEY, Api
from tests.organization import OTHER, OWN, SOURCES, WEST, Deployment

NewApi = Callable[[], Api]
Logged = Callable[[], dict[str, Any]]
Lines = Callable[[], list[dict[str, Any]]]


def test_the_line_of_an_http_request(api: Api, logged: Logged) -> None:
    response = api.get("maxItems=5&nameContains=churn&isOwned=true&sortOrder=Ascending")
    line = logged()
    assert line["level"] == "INFO"
    assert line["service"] == "custom-models"
    assert line["route"] == "/v1/custom-models"
    assert (line["outcome"], line["status"], line["items"], line["stop_reason"]) == ("ok", 200, 5, "max-items")
    assert line["filters"] == ["isOwned", "nameContains", "sortOrder"]
    assert (line["cursor_in"], line["cursor_out"]) == (False, True)
    assert (line["upstream_pages"], line["upstream_retries"]) == (1, 0)
    assert 0 < line["upstream_ms"] <= line["total_ms"]
    assert line["caller"] == "arn:aws:iam::123456789012:user/local"
    assert line["request_id"] == line["correlation_id"] == response.headers["X-Request-Id"]
    assert line["function_request_id"] != line["request_id"]
    assert isinstance(line["cold_start"], bool)


def test_the_line_of_a_direct_invocation(api: Api, logged: Logged) -> None:
    cursor = api.invoke({"maxItems": 299})["nextCursor"]
    logged()
    api.invoke({"cursor": cursor})
    line = logged()
    assert (line["route"], line["outcome"], line["items"], line["stop_reason"]) == ("direct", "ok", 1, "complete")
    assert (line["cursor_in"], line["cursor_out"]) == (True, False)
    assert "caller" not in line
    assert "status" not in line
    assert line["request_id"] == line["function_request_id"]


def test_only_the_first_request_is_a_cold_start(new_api: NewApi, logged: Logged) -> None:
    api = new_api()
    cold_starts = []
    for _ in range(3):
        api.get()
        cold_starts.append(logged()["cold_start"])
    assert cold_starts == [True, False, False]


@pytest.mark.parametrize(
    ("path", "query", "route", "outcome", "status"),
    [
        ("/v1/custom-models", "maxItems=0", "/v1/custom-models", "invalid-query", 400),
        ("/v1/custom-models", "cursor=x", "/v1/custom-models", "invalid-cursor", 400),
        ("/v1/openapi.json", "", "/v1/openapi.json", "ok", 200),
        ("/nothing/here?", "", "unknown", "not-found", 404),
    ],
)
def test_the_route_the_outcome_and_the_status_are_logged(
    api: Api, logged: Logged, path: str, query: str, route: str, outcome: str, status: int
) -> None:
    api.get(query, path=path)
    line = logged()
    assert (line["route"], line["outcome"], line["status"]) == (route, outcome, status)


def test_a_304_has_the_outcome_not_modified(api: Api, logged: Logged) -> None:
    api.get("maxItems=1000", If_None_Match="*")
    line = logged()
    assert (line["outcome"], line["status"], line["items"]) == ("not-modified", 304, 300)


def test_an_error_for_the_operators_has_the_level_error(api: Api, emulator: Emulator, logged: Logged) -> None:
    emulator.misbehave(always=deny)
    api.get()
    line = logged()
    assert (line["level"], line["outcome"]) == ("ERROR", "upstream-denied")
    assert line["upstream_error"] == "AccessDeniedException"
    assert "exception" not in line


def test_the_reason_why_a_response_is_invalid_is_logged(api: Api, emulator: Emulator, logged: Logged) -> None:
    emulator.misbehave(fields(nextToken=5))
    api.get()
    assert logged()["upstream_error"] == "Bedrock returned an invalid page token."


def test_an_internal_error_is_logged_once_with_its_stack_trace(
    api: Api, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("custom_models.dispatch.list_models", fail)
    for event in (proxy_event("GET", "/v1/custom-models", []), {}):
        with contextlib.suppress(errors.Internal):
            api.handler(event, Context())
        logged_lines = lines()
        (line,) = [line for line in logged_lines if line.get("message") == "request"]
        assert (line["level"], line["outcome"], line["exception_name"]) == ("ERROR", "internal", "RuntimeError")
        assert json.dumps(logged_lines).count("a secret detail") == json.dumps(line).count("a secret detail") > 0


def test_the_correlation_id_of_the_client_is_logged(api: Api, logged: Logged) -> None:
    api.get(X_Correlation_Id="job-17/step:3")
    assert logged()["correlation_id"] == "job-17/step:3"


@pytest.mark.parametrize("bad", ["", "a b", "a\nb", "\x1b[31m", 'a"b', "ä", "x" * 257, "{}", "a,b;c"])
def test_an_invalid_correlation_id_is_replaced_by_the_request_id(api: Api, logged: Logged, bad: str) -> None:
    api.get(X_Correlation_Id=bad)
    line = logged()
    assert line["correlation_id"] == line["request_id"]


def test_an_invalid_caller_is_replaced_by_the_account(api: Api, logged: Logged) -> None:
    event = proxy_event("GET", "/v1/custom-models", [])
    event["requestContext"]["identity"] |= {"userArn": "x\n{}", "accountId": "123456789012"}
    api.handler(event, Context())
    assert logged()["caller"] == "123456789012"


class TestSecrets:
    def test_no_cursor_token_key_or_authorization_header_is_logged(
        self, new_api: NewApi, emulator: Emulator, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Neither after a success nor after any failure."""
        api = new_api()
        cursor = api.get("maxItems=5").body["nextCursor"]
        token = "token-of-bedrock"
        emulator.misbehave(fields(nextToken=token))
        with_token = api.get("maxItems=5").body["nextCursor"]
        for fault in (None, throttle, deny, fields(nextToken=token), disconnect):
            emulator.misbehave(always=fault)
            api.get({"cursor": with_token, "maxItems": 5}, Authorization="AWS4-HMAC-SHA256 Credential=x")
        emulator.misbehave()
        api.get({"cursor": cursor + "x"})
        api.get({"cursor": cursor, "isOwned": "true"})
        with pytest.raises(errors.InvalidQuery):
            api.invoke({"cursor": cursor, "x": 1})
        output = capsys.readouterr()
        assert "request_id" in output.out
        for secret in (cursor, with_token, token, KEY, "AWS4-HMAC"):
            assert secret not in output.out + output.err

    @pytest.mark.parametrize("code", ["token-of-bedrock", "\ud800", "a\nb", "x" * 65, "a b"])
    def test_an_error_code_that_could_hold_a_token_is_not_logged(
        self, api: Api, emulator: Emulator, logged: Logged, code: str
    ) -> None:
        emulator.misbehave(fields(nextToken="token-of-bedrock"))
        cursor = api.get("maxItems=5").body["nextCursor"]
        logged()
        emulator.misbehave(respond_with(json_response({"code": code}, 403)))
        api.get({"cursor": cursor})
        assert logged()["upstream_error"] == "unreadable, status 403"

    def test_the_url_of_a_response_with_invalid_headers_is_not_logged(
        self, api: Api, emulator: Emulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        """urllib3 would log a warning with the URL, and so with the token."""
        emulator.misbehave(
            fields(nextToken="token-of-bedrock"),
            lambda correct, _: replace(correct, headers={"a b": "c"}),
        )
        api.get("maxItems=50&pageSize=5")
        assert len(emulator.calls) > 1
        assert "token-of-bedrock" not in caplog.text


def definition_of_powertools(line: dict[str, Any], names: list[str], **dimensions: str) -> Any:
    """Return the definition that Powertools writes for some of a line's metrics."""
    metrics = EphemeralMetrics(namespace="CustomModels", service="custom-models")
    for name in names:
        unit = MetricUnit.Milliseconds if name == "UpstreamLatency" else MetricUnit.Count
        metrics.add_metric(name, unit, line[name])
    for name, value in dimensions.items():
        metrics.add_dimension(name, value)
    (definition,) = metrics.serialize_metric_set()["_aws"]["CloudWatchMetrics"]
    return definition


def metrics_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the value of each metric by its name, and the outcome that the requests are counted under."""
    metrics: dict[str, Any] = {}
    for line in lines:
        for definition in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert definition["Namespace"] == "CustomModels"
            for metric in definition["Metrics"]:
                metrics[metric["Name"]] = line[metric["Name"]]
            for dimensions in definition["Dimensions"]:
                assert line["service"] == "custom-models"
                if "outcome" in dimensions:
                    metrics["outcome"] = line["outcome"]
    return metrics


class TestSources:
    """What is logged about the sources of an inventory."""

    def test_the_selected_accounts_and_regions(self, deployment: Deployment, logged: Logged) -> None:
        api = deployment.build()
        api.get(f"accounts={OTHER},{OWN}&regions={WEST}")
        line = logged()
        assert (line["accounts"], line["regions"], line["filters"]) == ([OTHER, OWN], [WEST], [])
        assert (line["sources"], line["sources_listed"], line["sources_failed"]) == (2, 2, {})
        api.invoke({"allowPartial": True})
        line = logged()
        assert (line["sources"], line["sources_listed"]) == (9, 9)
        assert not line.keys() & {"accounts", "regions"}

    def test_each_source_that_failed_has_its_own_error(self, deployment: Deployment, logged: Logged) -> None:
        deployment.sts.faults[OTHER].misbehave(always=sts.deny)
        deployment.misbehave(SOURCES[0], always=throttle)
        deployment.misbehave(SOURCES[1], always=fields(nextToken=5))
        deployment.misbehave(SOURCES[2], always=unknown_operation)
        deployment.build().get("maxItems=1000&allowPartial=true")
        line = logged()
        assert line["sources_failed"] == {
            SOURCES[0]: "ThrottlingException",
            SOURCES[1]: "Bedrock returned an invalid page token.",
            **dict.fromkeys(SOURCES[6:], "sts:AccessDenied"),
        }
        assert (line["level"], line["outcome"], line["sources_listed"]) == ("WARNING", "ok", 4)
        assert (line["upstream_pages"], line["upstream_retries"], line["upstream_throttles"]) == (9, 2, 3)

    def test_a_later_page_does_not_count_unreachable_sources_again(self, deployment: Deployment, lines: Lines) -> None:
        deployment.misbehave(SOURCES[0], always=deny)
        deployment.misbehave(SOURCES[1], always=throttle)
        deployment.misbehave(SOURCES[8], always=deny)
        api = deployment.build()
        cursor, counts = None, []
        while True:
            page = api.invoke({"maxItems": 8, "allowPartial": True, "cursor": cursor})
            metrics = metrics_of(lines())
            counts.append((metrics["UnreachableSources"], metrics["OperatorErrors"]))
            if (cursor := page.get("nextCursor")) is None:
                break
        assert counts == [(2, 0), (0, 0), (0, 0), (1, 0)]
        assert len(page["coverage"]["unreachable"]) == 3

    @pytest.mark.parametrize(("partial", "unreachable"), [(False, 0), (True, 9)])
    def test_a_walk_without_any_source_is_an_error(
        self, deployment: Deployment, lines: Lines, partial: bool, unreachable: int
    ) -> None:
        for source in SOURCES:
            deployment.misbehave(source, always=deny)
        with pytest.raises(errors.UpstreamDenied):
            deployment.build().invoke({"allowPartial": partial})
        metrics = metrics_of(lines())
        assert (metrics["UnreachableSources"], metrics["OperatorErrors"]) == (unreachable, 1)
        assert metrics["outcome"] == "upstream-denied"


OF_EVERY_REQUEST = ["Items", "RejectedCursors", "OperatorErrors", "UnreachableSources"]


class TestMetrics:
    @pytest.mark.parametrize(
        ("query", "others"),
        [
            (
                "maxItems=5",
                [*OF_EVERY_REQUEST, "UpstreamPages", "UpstreamThrottles", "UpstreamLatency"],
            ),
            ("cursor=x", OF_EVERY_REQUEST),
        ],
    )
    def test_the_metrics_are_in_cloudwatchs_embedded_metric_format(
        self, api: Api, lines: Lines, query: str, others: list[str]
    ) -> None:
        api.get(query)
        (line,) = [line for line in lines() if "_aws" in line]
        assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60
        assert line["_aws"]["CloudWatchMetrics"] == [
            definition_of_powertools(line, ["Requests"], outcome=line["outcome"]),
            definition_of_powertools(line, others),
        ]
        assert all(isinstance(line[name], (int, float)) for name in ["Requests", *others])
        assert line.keys() == {"_aws", "service", "outcome", "Requests", *others}

    def test_the_metrics_of_a_listing(self, api: Api, lines: Lines) -> None:
        api.get("maxItems=50&pageSize=20")
        metrics = metrics_of(lines())
        assert metrics.pop("UpstreamLatency") > 0
        assert metrics == {
            "Requests": 1,
            "outcome": "ok",
            "Items": 50,
            "UpstreamPages": 3,
            "UpstreamThrottles": 0,
            "RejectedCursors": 0,
            "OperatorErrors": 0,
            "UnreachableSources": 0,
        }

    def test_the_metrics_of_a_throttled_request(self, new_api: NewApi, emulator: Emulator, lines: Lines) -> None:
        emulator.misbehave(always=throttle)
        new_api().get()
        metrics = metrics_of(lines())
        assert (metrics["outcome"], metrics["UpstreamThrottles"], metrics["Items"]) == ("upstream-throttled", 3, 0)

    @pytest.mark.parametrize("query", ["cursor=x", "cursor=a.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
    def test_the_metrics_of_a_rejected_cursor(self, api: Api, lines: Lines, query: str) -> None:
        api.get(query)
        metrics = metrics_of(lines())
        assert (metrics["outcome"], metrics["RejectedCursors"]) == ("invalid-cursor", 1)
        assert "UpstreamLatency" not in metrics

    @pytest.mark.parametrize(
        ("fault", "expected"),
        [(None, 0), (throttle, 0), (unavailable, 0), (unknown_operation, 0), (deny, 1), (fields(nextToken=5), 1)],
        ids=["ok", "throttled", "unavailable", "rejected", "denied", "invalid"],
    )
    def test_operator_errors_count_what_only_operators_can_fix(
        self, new_api: Callable[[], Api], emulator: Emulator, lines: Lines, fault: Fault | None, expected: int
    ) -> None:
        emulator.misbehave(always=fault)
        new_api().get()
        assert metrics_of(lines())["OperatorErrors"] == expected

    def test_an_internal_error_is_an_operator_error(
        self, api: Api, lines: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("custom_models.dispatch.list_models", fail)
        api.get()
        assert metrics_of(lines())["OperatorErrors"] == 1
