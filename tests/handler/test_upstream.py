"""How the function handles Bedrock's failures, invalid responses and delays, over real HTTP."""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.adapters.bedrock import deadline
from custom_models.core import errors
from custom_models.dispatch import RESERVED_SECONDS
from emulators.bedrock import Emulator, deny, error, fields, internal_error, throttle, unknown_operation
from emulators.faults import Fault, body, cut, disconnect, drip, hang, not_json, respond_with, unavailable
from emulators.models import newest_first, plausible_models
from emulators.server import json_response
from local.api_gateway import FUNCTION_TIMEOUT
from tests.api import NOWHERE, Api

NewApi = Callable[[], Api]
Logged = Callable[[], dict[str, Any]]

ARNS = [m.arn for m in newest_first(plausible_models(300))]
"""In the default order: newest first."""

SUMMARY = plausible_models(1)[0].summary()
SOURCE = {"source": "123456789012/us-east-1"}
"""The field that the API adds to each model."""


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "CONNECT_TIMEOUT", 0.1)
    monkeypatch.setattr(deadline, "READ_TIMEOUT", 0.2)
    monkeypatch.setattr(deadline, "MAX_ATTEMPT_SECONDS", 0.3)


def error_kind(api: Api, event: Any = None) -> str:
    with pytest.raises(errors.CustomModelsError) as caught:
        api.invoke(event or {})
    return caught.value.kind


def arns(listing: Mapping[str, Any]) -> list[str]:
    return [model["modelArn"] for model in listing["modelSummaries"]]


def listing_of(*models: object) -> Fault:
    return body({"modelSummaries": list(models)})


ODD_BODIES = (b"[]", b"null", b'"x"', b"5", b'{"code": {}}', b'{"code": ["ThrottlingException"]}', b'{"__type": 5}')
"""Bodies of errors that botocore cannot parse, or cannot find the code in."""

LASTING_FAILURES: dict[str, tuple[Fault, str, int]] = {
    "throttling": (throttle, "upstream-throttled", 3),
    "another code for throttling": (
        respond_with(error("TooManyRequestsException", 429)),
        "upstream-throttled",
        3,
    ),
    "429 without a body": (respond_with(json_response(b"", 429)), "upstream-throttled", 3),
    "internal error": (internal_error, "upstream-unavailable", 3),
    "503 of a load balancer": (unavailable, "upstream-unavailable", 3),
    "closed connection": (disconnect, "upstream-unavailable", 3),
    "access denied": (deny, "upstream-denied", 1),
    "unknown credentials": (respond_with(error("UnrecognizedClientException", 403)), "upstream-denied", 1),
    "expired credentials": (respond_with(error("ExpiredTokenException", 400)), "upstream-denied", 1),
    "unknown operation": (unknown_operation, "upstream-rejected", 1),
    "unknown error": (respond_with(error("SomethingNewException", 418)), "upstream-rejected", 1),
    "redirect": (
        respond_with(json_response(b"", 302, {"Location": "http://127.0.0.1:9/"})),
        "upstream-invalid",
        1,
    ),
    "408 without a body": (respond_with(json_response(b"", 408)), "upstream-unavailable", 1),
    **{
        f"{status} with body {content.decode()}": (respond_with(json_response(content, status)), kind, 1)
        for status, kind in ((503, "upstream-unavailable"), (429, "upstream-throttled"), (403, "upstream-denied"))
        for content in ODD_BODIES
    },
}


class TestRetries:
    """botocore's standard mode: three attempts if the failure may be temporary, else one."""

    @pytest.mark.parametrize(
        "fault",
        [throttle, internal_error, unavailable, disconnect],
        ids=["throttling", "internal error", "503 of a load balancer", "closed connection"],
    )
    def test_two_temporary_failures_are_hidden_from_the_caller_but_logged(
        self, new_api: NewApi, emulator: Emulator, fault: Fault, logged: Logged
    ) -> None:
        emulator.misbehave(fault, fault)
        assert len(new_api().get().arns) == 100
        assert len(emulator.calls) == 3
        line = logged()
        assert (line["upstream_pages"], line["upstream_retries"]) == (1, 2)
        assert line["upstream_throttles"] == (2 if fault is throttle else 0)

    @pytest.mark.slow
    @pytest.mark.parametrize(("fault", "kind", "attempts"), LASTING_FAILURES.values(), ids=LASTING_FAILURES)
    def test_a_lasting_failure_is_reported_after_one_or_three_attempts(
        self, new_api: NewApi, emulator: Emulator, fault: Fault, kind: str, attempts: int
    ) -> None:
        emulator.misbehave(always=fault)
        assert error_kind(new_api()) == kind
        assert len(emulator.calls) == attempts

    @pytest.mark.parametrize("exception", [RuntimeError, AttributeError, KeyError])
    def test_an_exception_before_there_is_a_response_is_an_internal_error(
        self, api: Api, exception: type[Exception], monkeypatch: pytest.MonkeyPatch, logged: Logged
    ) -> None:
        def fail(*_: object) -> None:
            raise exception("a bug in signing")

        monkeypatch.setattr("botocore.auth.SigV4Auth.add_auth", fail)
        assert error_kind(api) == "internal"
        assert "a bug in signing" in logged()["exception"]

    def test_a_refused_connection_is_unavailable(self, new_api: NewApi, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", NOWHERE)
        assert error_kind(new_api()) == "upstream-unavailable"


INVALID_TOKENS: tuple[object, ...] = (5, 0, 0.0, False, [], {}, ["x"])

INVALID_LISTINGS: dict[str, Fault] = {
    "HTML": not_json,
    "no body": body(b""),
    "null": body(b"null"),
    "array": body(b"[]"),
    "string": body(b'"modelSummaries"'),
    "truncated JSON": body(b'{"modelSummaries": ['),
    "not UTF-8": body(b'{"modelSummaries": [\xff]}'),
    "JSON that is nested too deeply": body(b"[" * 200_000),
    "status 201": respond_with(json_response({"modelSummaries": []}, 201)),
    "no models but a message": body({"message": "none"}),
    "models under another name": body({"modelSummaries": None, "ModelSummaries": []}),
    "models that are a string": body({"modelSummaries": "none"}),
    "models that are an object": body({"modelSummaries": {}}),
    "a model that is null": listing_of(None),
    "a model that is a string": listing_of("x"),
    "a model that is an array": listing_of([]),
    "a model without an ARN": listing_of({**SUMMARY, "modelArn": None}),
    "a model with an empty ARN": listing_of({**SUMMARY, "modelArn": ""}),
    "a model without a name": listing_of({key: SUMMARY[key] for key in SUMMARY if key != "modelName"}),
    "a name that is a number": listing_of({**SUMMARY, "modelName": 5}),
    "a name with a line break": listing_of({**SUMMARY, "modelName": "a\nb"}),
    "a name with a surrogate": listing_of({**SUMMARY, "modelName": "\ud800"}),
    "a name that is too long": listing_of({**SUMMARY, "modelName": "x" * 2049}),
    "a time that is a word": listing_of({**SUMMARY, "creationTime": "yesterday"}),
    "a day that does not exist": listing_of({**SUMMARY, "creationTime": "2026-02-30T00:00:00Z"}),
    "an hour that does not exist": listing_of({**SUMMARY, "creationTime": "2026-01-31T24:00:00Z"}),
    "a date without a time": listing_of({**SUMMARY, "creationTime": "2026-01-01"}),
    "a time without colons": listing_of({**SUMMARY, "creationTime": "2026-01-31T20210050Z"}),
    "a time beyond all years": listing_of({**SUMMARY, "creationTime": 1e300}),
    # botocore would read it as one second after the start of 1970.
    "a time that is true": listing_of({**SUMMARY, "creationTime": True}),
    "more models than requested": listing_of(*[SUMMARY] * 101),
    **{f"a token that is {token!r}": fields(nextToken=token) for token in INVALID_TOKENS},
    "a token with a space": fields(nextToken="a b"),
    "a token that is too long": fields(nextToken="x" * 2049),
    "a token with a surrogate": fields(nextToken="\ud800"),
}


class TestResponses:
    """A response that is not a listing must never look like an empty one."""

    @pytest.mark.parametrize("fault", INVALID_LISTINGS.values(), ids=INVALID_LISTINGS)
    def test_an_invalid_listing_is_upstream_invalid(self, api: Api, emulator: Emulator, fault: Fault) -> None:
        emulator.misbehave(always=fault)
        assert error_kind(api) == "upstream-invalid"

    def test_an_invalid_listing_after_a_valid_page_is_upstream_invalid(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(None, not_json)
        assert error_kind(api, {"pageSize": 10}) == "upstream-invalid"

    def test_each_field_may_have_the_maximum_length(self, api: Api, emulator: Emulator) -> None:
        summary = {**SUMMARY, "modelArn": "a" * 2048, "baseModelArn": "b" * 2048}
        emulator.misbehave(always=listing_of(summary))
        assert api.invoke({})["modelSummaries"] == [{**summary, **SOURCE}]

    def test_fields_of_the_response_that_botocore_itself_uses_are_ignored(self, api: Api, emulator: Emulator) -> None:
        reserved = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        emulator.misbehave(always=body({"modelSummaries": [SUMMARY], **reserved}))
        assert api.invoke({})["modelSummaries"] == [{**SUMMARY, **SOURCE}]

    def test_unknown_fields_of_a_model_are_not_returned(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(listing_of({**SUMMARY, "secret": "x"}))
        assert api.invoke({})["modelSummaries"] == [{**SUMMARY, **SOURCE}]

    def test_an_empty_token_is_the_end_of_the_listing(self, api: Api, emulator: Emulator) -> None:
        """As in botocore's paginator."""
        emulator.misbehave(fields(nextToken=""))
        assert "nextCursor" not in api.invoke({"maxItems": 5})

    @pytest.mark.parametrize(
        ("name", "value"), [("modelStatus", "Creating"), ("baseModelArnEquals", SUMMARY["baseModelArn"])]
    )
    def test_a_filter_that_bedrock_ignores_is_upstream_invalid(
        self, api: Api, emulator: Emulator, name: str, value: str, logged: Logged
    ) -> None:
        assert api.invoke({name: value})["modelSummaries"]
        logged()
        emulator.ignored = {name}
        assert error_kind(api, {name: value}) == "upstream-invalid"
        assert logged()["upstream_error"] == f"Bedrock returned models that do not match {name}."

    def test_a_model_without_a_status_may_match_any_status(self, api: Api, emulator: Emulator) -> None:
        without_status = {name: value for name, value in SUMMARY.items() if name != "modelStatus"}
        emulator.misbehave(always=listing_of(without_status))
        assert api.invoke({"modelStatus": "Failed"})["modelSummaries"] == [{**without_status, **SOURCE}]


texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
instants = st.integers(0, 4 * 10**15).map(lambda us: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
times = (
    instants.map(lambda it: it.astimezone(timezone(timedelta(minutes=it.minute - 30))).isoformat())
    | instants.map(lambda it: it.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    | instants.map(lambda it: int(it.timestamp()))
)
summaries_with_any_values = st.fixed_dictionaries(
    {
        **dict.fromkeys(["modelArn", "modelName", "baseModelArn", "baseModelName"], texts),
        "creationTime": times,
    },
    optional={
        **dict.fromkeys(["customizationType", "ownerAccountId", "modelStatus"], texts | st.none()),
        "newField": texts | st.lists(texts),
    },
)


class TestAgainstBotocore:
    @pytest.mark.slow
    @given(
        summaries=st.lists(summaries_with_any_values, min_size=1, max_size=5),
        token=st.none() | st.just("next"),
    )
    def test_a_listing_has_the_values_that_botocore_parses(
        self, api: Api, emulator: Emulator, summaries: list[dict[str, Any]], token: str | None
    ) -> None:
        emulator.misbehave(always=body({"modelSummaries": summaries, "nextToken": token, "newField": {}}))
        expected = boto3.client("bedrock").list_custom_models()
        listing = api.invoke({"maxItems": len(summaries)})
        models = listing["modelSummaries"]
        assert all(model["creationTime"].endswith("Z") for model in models)
        parsed = [{**model, "creationTime": datetime.fromisoformat(model["creationTime"])} for model in models]
        assert parsed == [{**model, **SOURCE} for model in expected["modelSummaries"]]
        assert ("nextCursor" in listing) == ("nextToken" in expected)

    def test_a_handler_of_before_parse_replaces_botocores_parsing(self, api: Api, emulator: Emulator) -> None:
        """The function reads listings in a handler of this event. botocore's parser would cut the fraction."""
        precise = {**SUMMARY, "creationTime": "2026-11-23T20:21:00.123456789Z"}
        emulator.misbehave(listing_of(precise))
        assert api.invoke({})["modelSummaries"] == [{**precise, **SOURCE}]


class TestFailuresAfterTheFirstPage:
    @pytest.mark.parametrize(
        ("fault", "stop_reason"),
        [
            pytest.param(throttle, "upstream-throttled", id="throttling"),
            pytest.param(unavailable, "upstream-unavailable", id="503 of a load balancer"),
            pytest.param(disconnect, "upstream-unavailable", id="closed connection"),
        ],
    )
    def test_a_temporary_failure_ends_the_response_with_a_cursor_and_loses_nothing(
        self, new_api: NewApi, emulator: Emulator, fault: Fault, stop_reason: str, logged: Logged
    ) -> None:
        api = new_api()
        emulator.misbehave(None, None, always=fault)
        part = api.get("maxItems=50&pageSize=10")
        assert (part.status, part.arns) == (200, ARNS[:20])
        line = logged()
        assert (line["level"], line["outcome"], line["stop_reason"]) == ("WARNING", "ok", stop_reason)
        emulator.misbehave()
        rest = api.get({"maxItems": 50, "cursor": part.body["nextCursor"]})
        assert rest.arns == ARNS[20:70]

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            pytest.param(deny, "upstream-denied", id="access denied"),
            pytest.param(unknown_operation, "expired-cursor", id="ValidationException"),
        ],
    )
    def test_any_other_failure_is_reported(self, api: Api, emulator: Emulator, fault: Fault, kind: str) -> None:
        emulator.misbehave(None, always=fault)
        assert error_kind(api, {"pageSize": 10}) == kind

    @pytest.mark.parametrize("status", [404, 409, 418])
    def test_only_a_validation_exception_means_that_the_cursor_has_expired(
        self, api: Api, emulator: Emulator, status: int
    ) -> None:
        cursor = api.invoke({"maxItems": 1})["nextCursor"]
        emulator.misbehave(respond_with(error("ResourceNotFoundException", status)))
        assert error_kind(api, {"cursor": cursor}) == "upstream-rejected"

    def test_a_truncated_body_is_a_temporary_failure(self, new_api: NewApi, emulator: Emulator) -> None:
        api = new_api()
        emulator.misbehave(None, always=cut)
        part = api.get("maxItems=50&pageSize=10")
        assert (part.status, part.arns) == (200, ARNS[:10])
        assert error_kind(api) == "upstream-unavailable"

    def test_the_connection_of_an_invalid_response_is_not_used_again(self, api: Api, emulator: Emulator) -> None:
        """http.client takes an early 103 for the final response, which would then arrive for the next request."""
        emulator.misbehave(None, None, respond_with(json_response(b"", 103)))
        api.invoke({})
        api.invoke({})
        assert error_kind(api) == "upstream-invalid"
        api.invoke({})
        first, second, third, fourth = emulator.connections
        assert first == second == third != fourth

    def test_endless_empty_pages_end_with_a_cursor(self, api: Api, emulator: Emulator) -> None:
        emulator.page_sizes = lambda _: 0
        part = api.get()
        assert (part.status, part.arns, len(emulator.calls)) == (200, [], 51)
        emulator.page_sizes = lambda requested: requested
        assert api.get({"cursor": part.body["nextCursor"]}).arns == ARNS[:100]

    def test_a_cycle_of_tokens_is_upstream_invalid(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(*(body({"modelSummaries": [], "nextToken": token}) for token in "abab"))
        with pytest.raises(errors.UpstreamInvalid, match="twice"):
            api.invoke({})
        assert len(emulator.calls) == 3


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.slow
class TestShortTimeouts:
    """The timeouts of calls and the time left of the invocation, with timeouts of a fraction of a second."""

    def test_hanging_calls_are_unavailable_after_three_attempts(self, new_api: NewApi, emulator: Emulator) -> None:
        emulator.misbehave(always=hang(30))
        start = time.monotonic()
        assert error_kind(new_api()) == "upstream-unavailable"
        assert len(emulator.calls) == 3
        assert time.monotonic() - start < 5

    def test_a_retry_that_could_end_after_the_deadline_is_not_made(self, new_api: NewApi, emulator: Emulator) -> None:
        wait = json_response({}, 429, {"x-amzn-ErrorType": "ThrottlingException", "x-amz-retry-after": "800"})
        emulator.misbehave(always=respond_with(wait))
        for seconds, calls in ((0.9, 1), (5, 3)):
            emulator.calls.clear()
            with pytest.raises(errors.UpstreamThrottled):
                new_api().invoke({}, timeout=RESERVED_SECONDS + seconds)
            assert len(emulator.calls) == calls

    def test_with_too_little_time_left_no_call_is_made(self, new_api: NewApi, emulator: Emulator) -> None:
        with pytest.raises(errors.UpstreamUnavailable, match="too little time"):
            new_api().invoke({}, timeout=RESERVED_SECONDS + 0.25)
        assert emulator.calls == []

    def test_models_read_before_bedrock_hangs_are_returned(self, new_api: NewApi, emulator: Emulator) -> None:
        emulator.misbehave(None, None, always=hang(30))
        part = new_api().invoke({"pageSize": 10, "maxItems": 50})
        assert arns(part) == ARNS[:20]
        assert "nextCursor" in part

    def test_a_response_that_arrives_byte_by_byte_ends_in_time(self, new_api: NewApi, emulator: Emulator) -> None:
        api = new_api()
        emulator.misbehave(None, always=drip(0.05))
        start = time.monotonic()
        part = api.invoke({"pageSize": 10, "maxItems": 50}, timeout=RESERVED_SECONDS + 0.8)
        assert arns(part) == ARNS[:10]
        assert "nextCursor" in part
        with pytest.raises(errors.UpstreamUnavailable):
            api.invoke({}, timeout=RESERVED_SECONDS + 0.8)
        assert time.monotonic() - start < 4
        assert len(emulator.calls) == 3

    @pytest.mark.usefixtures("emulator")
    def test_a_deadline_that_passes_between_socket_operations_is_unavailable(
        self, new_api: NewApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api = new_api()
        monkeypatch.setattr("botocore.auth.SigV4Auth.add_auth", lambda *_: threading.Event().wait(5))
        start = time.monotonic()
        with pytest.raises(errors.UpstreamUnavailable):
            api.invoke({}, timeout=RESERVED_SECONDS + 0.5)
        assert time.monotonic() - start < 4

    @pytest.mark.usefixtures("emulator")
    def test_the_alarm_of_other_code_is_restored(self, new_api: NewApi) -> None:
        handler = signal.getsignal(signal.SIGALRM)
        before = signal.getitimer(signal.ITIMER_REAL)[0]
        new_api().invoke({})
        assert signal.getsignal(signal.SIGALRM) is handler
        after = signal.getitimer(signal.ITIMER_REAL)[0]
        assert before - 2 < after <= before or before == after == 0


class TestInterruption:
    def test_the_block_is_not_interrupted_if_what_it_waits_for_could_be_ended(self) -> None:
        aborted = []

        def abort() -> bool:
            aborted.append(time.monotonic())
            return True

        with deadline.interrupt_after(0.05, abort):
            time.sleep(0.2)
        assert len(aborted) == 1

    def test_otherwise_it_raises_a_timeout_error(self) -> None:
        start = time.monotonic()
        with pytest.raises(TimeoutError), deadline.interrupt_after(0.05, lambda: False):
            time.sleep(5)
        assert time.monotonic() - start < 2

    def test_a_block_that_still_waits_a_second_later_is_interrupted(self) -> None:
        with pytest.raises(TimeoutError), deadline.interrupt_after(0.05, lambda: True):
            time.sleep(5)


class TestTimeouts:
    def test_the_function_has_time_for_one_retry_and_ends_before_the_gateway_does(self) -> None:
        """API Gateway waits for 29 seconds."""
        assert FUNCTION_TIMEOUT <= 29 - 2
        assert FUNCTION_TIMEOUT - RESERVED_SECONDS >= deadline.MAX_CALL_SECONDS + deadline.MAX_ATTEMPT_SECONDS
        assert deadline.MAX_CALL_SECONDS >= 2 * deadline.READ_TIMEOUT + deadline.CONNECT_TIMEOUT

    @pytest.mark.slow
    def test_hanging_calls_end_before_the_gateways_timeout(self, new_api: NewApi, emulator: Emulator) -> None:
        emulator.misbehave(always=hang(60))
        start = time.monotonic()
        assert new_api().get().kind == "upstream-unavailable"
        assert time.monotonic() - start < 25


class TestCalls:
    def test_a_listing_of_one_page_is_one_call(self, api: Api, emulator: Emulator) -> None:
        api.get("maxItems=1000")
        assert len(emulator.calls) == 1

    def test_a_walk_requests_each_model_once(self, api: Api, emulator: Emulator) -> None:
        found: list[str] = []
        query: dict[str, object] = {"maxItems": 70, "pageSize": 30}
        while True:
            response = api.get(query)
            found += response.arns
            if "nextCursor" not in response.body:
                break
            query["cursor"] = response.body["nextCursor"]
        assert found == ARNS
        # The fifth request asks for 70 models too, but only 20 are left.
        assert [call["maxResults"] for call in emulator.calls] == ["30", "30", "10"] * 4 + ["30"]

    def test_a_token_that_is_encoded_json_is_passed_on_unchanged(self, api: Api, emulator: Emulator) -> None:
        """Given as StartingToken, botocore would decode it and add its content to the call."""
        cursor = api.invoke({"maxItems": 10, "isOwned": True})["nextCursor"]
        assert len(api.invoke({"maxItems": 10, "isOwned": True, "cursor": cursor})["modelSummaries"]) == 10
        first, second = emulator.calls
        assert set(second) == {*first, "nextToken"}
