"""What Bedrock may do, over real HTTP, and what becomes of it."""

import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.adapters.bedrock import deadline
from custom_models.core import errors
from emulators.bedrock import Emulator, deny, error, fields, internal_error, throttle, unknown_operation
from emulators.faults import Fault, body, cut, disconnect, drip, hang, not_json, unavailable
from emulators.models import plausible_models
from emulators.server import json_response
from tests.api import NOWHERE, Api

ARNS = [m.arn for m in sorted(plausible_models(300), key=lambda model: (model.created, model.arn), reverse=True)]
SUMMARY = plausible_models(1)[0].summary()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timeouts of a fraction of a second, so that tests of them do not take minutes."""
    monkeypatch.setattr(deadline, "CONNECT_TIMEOUT", 0.1)
    monkeypatch.setattr(deadline, "READ_TIMEOUT", 0.2)
    monkeypatch.setattr(deadline, "MAX_ATTEMPT_SECONDS", 0.3)
    monkeypatch.setattr(deadline, "MAX_BACKOFF", 0.5)


def kind_of(api: Api, event: Any = None) -> str:
    with pytest.raises(errors.CustomModelsError) as caught:
        api.invoke(event or {})
    return caught.value.kind


ODD_BODIES = (b"[]", b"null", b'"x"', b"5", b'{"code": {}}', b'{"code": ["ThrottlingException"]}', b'{"__type": 5}')
"""Of errors: botocore fails at some of them, or tries again because of their status."""


class TestRetries:
    """As botocore's standard mode has them: three attempts at what may pass, one at what will not."""

    @pytest.mark.parametrize("fault", [throttle, internal_error, unavailable, disconnect])
    def test_what_passes_in_time_is_not_seen(
        self, new_api: Callable[[], Api], emulator: Emulator, fault: Fault, logged: Callable[[], dict[str, Any]]
    ) -> None:
        emulator.misbehave(fault, fault)
        assert len(new_api().get().arns) == 100
        assert len(emulator.calls) == 3
        line = logged()
        assert (line["upstream_pages"], line["upstream_retries"]) == (1, 2)
        assert line["upstream_throttles"] == (2 if fault is throttle else 0)

    @pytest.mark.parametrize(
        ("fault", "kind", "attempts"),
        [
            (throttle, "upstream-throttled", 3),
            (lambda *_: error("TooManyRequestsException", 429), "upstream-throttled", 3),
            (lambda *_: json_response(b"", 429), "upstream-throttled", 3),
            (internal_error, "upstream-unavailable", 3),
            (unavailable, "upstream-unavailable", 3),
            (disconnect, "upstream-unavailable", 3),
            (deny, "upstream-denied", 1),
            (lambda *_: error("UnrecognizedClientException", 403), "upstream-denied", 1),
            (lambda *_: error("ExpiredTokenException", 400), "upstream-denied", 1),
            (unknown_operation, "upstream-rejected", 1),
            (lambda *_: error("SomethingNewException", 418), "upstream-rejected", 1),
            (lambda *_: json_response(b"", 302, {"Location": "http://127.0.0.1:9/"}), "upstream-invalid", 1),
            (lambda *_: json_response(b"", 408), "upstream-unavailable", 1),
            *((lambda *_, b=b: json_response(b, 503), "upstream-unavailable", 1) for b in ODD_BODIES),
            *((lambda *_, b=b: json_response(b, 429), "upstream-throttled", 1) for b in ODD_BODIES),
            *((lambda *_, b=b: json_response(b, 403), "upstream-denied", 1) for b in ODD_BODIES),
        ],
    )
    def test_what_does_not_pass(
        self, new_api: Callable[[], Api], emulator: Emulator, fault: Fault, kind: str, attempts: int
    ) -> None:
        emulator.misbehave(always=fault)
        assert kind_of(new_api()) == kind
        assert len(emulator.calls) == attempts

    @pytest.mark.parametrize("fault", [RuntimeError, AttributeError, KeyError])
    def test_what_fails_before_there_is_an_answer_is_not_bedrocks(
        self, api: Api, fault: type[Exception], monkeypatch: pytest.MonkeyPatch, logged: Callable[[], dict[str, Any]]
    ) -> None:
        def fail(*_: object) -> None:
            raise fault("the credentials were renewed and are still expired")

        monkeypatch.setattr("botocore.auth.SigV4Auth.add_auth", fail)
        assert kind_of(api) == "internal"
        assert "still expired" in logged()["exception"]

    def test_nobody_there(self, new_api: Callable[[], Api], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", NOWHERE)
        assert kind_of(new_api()) == "upstream-unavailable"


NO_TOKENS: list[object] = [5, 0, 0.0, False, [], {}]


class TestNoListing:
    """An answer that is no listing must never look like an empty one."""

    @pytest.mark.parametrize(
        "fault",
        [
            not_json,
            body(b""),
            body(b"null"),
            body(b"[]"),
            body(b'"modelSummaries"'),
            body(b'{"modelSummaries": ['),
            body(b'{"modelSummaries": [\xff]}'),
            body(b"[" * 200_000),
            lambda *_: json_response({"modelSummaries": []}, 201),
            body({"message": "none"}),
            body({"modelSummaries": None, "ModelSummaries": []}),
            body({"modelSummaries": "none"}),
            body({"modelSummaries": {}}),
            body({"modelSummaries": [None]}),
            body({"modelSummaries": ["x"]}),
            body({"modelSummaries": [[]]}),
            *(body({"modelSummaries": [{**SUMMARY, "modelArn": bad}]}) for bad in (None, "")),
            body({"modelSummaries": [{key: SUMMARY[key] for key in SUMMARY if key != "modelName"}]}),
            body({"modelSummaries": [{**SUMMARY, "modelName": 5}]}),
            body({"modelSummaries": [{**SUMMARY, "creationTime": "yesterday"}]}),
            body({"modelSummaries": [{**SUMMARY, "creationTime": "2026-02-30T00:00:00Z"}]}),
            body({"modelSummaries": [{**SUMMARY, "creationTime": "2026-01-31T24:00:00Z"}]}),
            body({"modelSummaries": [{**SUMMARY, "creationTime": "2026-01-01"}]}),
            body({"modelSummaries": [{**SUMMARY, "creationTime": 1e300}]}),
            body({"modelSummaries": [SUMMARY] * 101}),
            *(body({"modelSummaries": [{**SUMMARY, "modelName": bad}]}) for bad in ("a\nb", "\ud800", "x" * 2049)),
            *(fields(nextToken=bad) for bad in NO_TOKENS),
            fields(nextToken="a b"),
            fields(nextToken="x" * 2049),
            fields(nextToken="\ud800"),
            fields(nextToken=["x"]),
        ],
    )
    def test_it_is_upstream_invalid(self, api: Api, emulator: Emulator, fault: Fault) -> None:
        emulator.misbehave(always=fault)
        assert kind_of(api) == "upstream-invalid"

    def test_a_time_that_botocore_would_take_for_1970(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(always=body({"modelSummaries": [{**SUMMARY, "creationTime": True}]}))
        assert kind_of(api) == "upstream-invalid"

    def test_also_in_between(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(None, not_json)
        assert kind_of(api, {"pageSize": 10}) == "upstream-invalid"

    def test_a_time_that_is_not_as_rfc_3339_has_it(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(always=body({"modelSummaries": [{**SUMMARY, "creationTime": "2026-01-31T20210050Z"}]}))
        assert kind_of(api) == "upstream-invalid"

    def test_members_may_be_as_long_as_each_may_be(self, api: Api, emulator: Emulator) -> None:
        summary = {**SUMMARY, "modelArn": "a" * 2048, "baseModelArn": "b" * 2048}
        emulator.misbehave(always=body({"modelSummaries": [summary]}))
        assert api.invoke({})["modelSummaries"] == [summary]

    def test_members_of_an_answer_that_are_none_of_a_listing_are_not_looked_at(
        self, api: Api, emulator: Emulator
    ) -> None:
        error = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        emulator.misbehave(always=body({"modelSummaries": [SUMMARY], **error}))
        assert api.invoke({})["modelSummaries"] == [SUMMARY]

    @pytest.mark.parametrize(
        "filters",
        [{"modelStatus": "Creating"}, {"baseModelArnEquals": SUMMARY["baseModelArn"]}],
        ids=lambda it: next(iter(it)),
    )
    def test_a_filter_that_was_ignored(
        self, api: Api, emulator: Emulator, filters: dict[str, Any], logged: Callable[[], dict[str, Any]]
    ) -> None:
        (name,) = filters
        assert api.invoke(filters)["modelSummaries"]
        logged()
        emulator.ignored = {name}
        assert kind_of(api, filters) == "upstream-invalid"
        assert logged()["upstream_error"] == f"Bedrock returned models that do not match {name}."

    def test_a_model_that_does_not_show_its_status_is_believed(self, api: Api, emulator: Emulator) -> None:
        silent = {name: value for name, value in SUMMARY.items() if name != "modelStatus"}
        emulator.misbehave(always=body({"modelSummaries": [silent]}))
        assert api.invoke({"modelStatus": "Failed"})["modelSummaries"] == [silent]

    def test_an_empty_token_is_none(self, api: Api, emulator: Emulator) -> None:
        """As botocore's paginator has it."""
        emulator.misbehave(fields(nextToken=""))
        assert "nextCursor" not in api.invoke({"maxItems": 5})

    def test_fields_that_botocore_does_not_know_are_not_passed_on(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(body({"modelSummaries": [{**SUMMARY, "secret": "x"}]}))
        assert api.invoke({})["modelSummaries"] == [SUMMARY]


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)
INSTANTS = st.integers(0, 4 * 10**15).map(lambda us: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
TIMES = (
    INSTANTS.map(lambda it: it.astimezone(timezone(timedelta(minutes=it.minute - 30))).isoformat())
    | INSTANTS.map(lambda it: it.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    | INSTANTS.map(lambda it: int(it.timestamp()))
)
SUMMARIES = st.fixed_dictionaries(
    {
        **dict.fromkeys(["modelArn", "modelName", "baseModelArn", "baseModelName"], TEXTS),
        "creationTime": TIMES,
    },
    optional={
        **dict.fromkeys(["customizationType", "ownerAccountId", "modelStatus"], TEXTS | st.none()),
        "newOfLate": TEXTS | st.lists(TEXTS),
    },
)


@given(summaries=st.lists(SUMMARIES, min_size=1, max_size=5), token=st.none() | st.just("next"))
def test_a_listing_has_the_values_that_botocore_reads(
    api: Api, emulator: Emulator, summaries: list[dict[str, Any]], token: str | None
) -> None:
    emulator.misbehave(always=body({"modelSummaries": summaries, "nextToken": token, "newOfLate": {}}))
    stock = boto3.client("bedrock").list_custom_models()
    listing = api.invoke({"maxItems": len(summaries)})
    assert all(model["creationTime"].endswith("Z") for model in listing["modelSummaries"])
    assert [
        {**model, "creationTime": datetime.fromisoformat(model["creationTime"])} for model in listing["modelSummaries"]
    ] == stock["modelSummaries"]
    assert ("nextCursor" in listing) == ("nextToken" in stock)


def test_botocore_leaves_the_body_to_its_before_parse_event(api: Api, emulator: Emulator) -> None:
    """The function reads listings in a handler of this event. botocore's parser would cut the fraction."""
    precise = {**SUMMARY, "creationTime": "2026-11-23T20:21:00.123456789Z"}
    emulator.misbehave(body({"modelSummaries": [precise]}))
    assert api.invoke({})["modelSummaries"] == [precise]


class TestInBetween:
    """A failure after the first page that may pass: what there is, and where to go on."""

    @pytest.mark.parametrize(
        ("fault", "stop_reason"),
        [(throttle, "upstream-throttled"), (unavailable, "upstream-unavailable"), (disconnect, "upstream-unavailable")],
    )
    def test_nothing_is_lost(
        self,
        new_api: Callable[[], Api],
        emulator: Emulator,
        fault: Fault,
        stop_reason: str,
        logged: Callable[[], dict[str, Any]],
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

    @pytest.mark.parametrize(("fault", "kind"), [(deny, "upstream-denied"), (unknown_operation, "expired-cursor")])
    def test_what_will_not_pass_is_raised(self, api: Api, emulator: Emulator, fault: Fault, kind: str) -> None:
        emulator.misbehave(None, always=fault)
        assert kind_of(api, {"pageSize": 10}) == kind

    @pytest.mark.parametrize("status", [404, 409, 418])
    def test_only_a_validation_of_bedrocks_makes_a_cursor_expired(
        self, api: Api, emulator: Emulator, status: int
    ) -> None:
        cursor = api.invoke({"maxItems": 1})["nextCursor"]
        emulator.misbehave(lambda *_: error("ResourceNotFoundException", status))
        assert kind_of(api, {"cursor": cursor}) == "upstream-rejected"

    def test_a_body_that_was_cut_off_is_an_outage(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        api = new_api()
        emulator.misbehave(None, always=cut)
        part = api.get("maxItems=50&pageSize=10")
        assert (part.status, part.arns) == (200, ARNS[:10])
        assert kind_of(api) == "upstream-unavailable"

    def test_what_follows_a_broken_answer_is_not_read_as_another(self, api: Api, emulator: Emulator) -> None:
        """Behind an early 103, which http.client takes for the answer, the real one would come on the connection."""
        emulator.misbehave(None, None, lambda *_: json_response(b"", 103))
        api.invoke({})
        api.invoke({})
        assert kind_of(api) == "upstream-invalid"
        api.invoke({})
        first, second, third, fourth = emulator.connections
        assert first == second == third != fourth

    def test_endless_empty_pages_end_with_a_cursor(self, api: Api, emulator: Emulator) -> None:
        emulator.page_sizes = lambda _: 0
        part = api.get()
        assert (part.status, part.arns, len(emulator.calls)) == (200, [], 50)
        emulator.page_sizes = lambda asked: asked
        assert api.get({"cursor": part.body["nextCursor"]}).arns == ARNS[:100]

    def test_tokens_in_a_circle_are_no_listing(self, api: Api, emulator: Emulator) -> None:
        emulator.misbehave(*(body({"modelSummaries": [], "nextToken": token}) for token in "abab"))
        with pytest.raises(errors.UpstreamInvalid, match="twice"):
            api.invoke({})
        assert len(emulator.calls) == 3


class TestTime:
    @pytest.mark.usefixtures("hasty")
    def test_a_hang_is_unavailable(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        emulator.misbehave(always=hang(30))
        start = time.monotonic()
        assert kind_of(new_api()) == "upstream-unavailable"
        assert len(emulator.calls) == 3
        assert time.monotonic() - start < 5

    @pytest.mark.usefixtures("hasty")
    def test_a_retry_that_could_end_too_late_is_not_made(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        emulator.misbehave(always=throttle)
        with pytest.raises(errors.UpstreamThrottled):
            new_api().invoke({}, timeout=6.0 + 0.7)
        assert len(emulator.calls) == 1

    @pytest.mark.usefixtures("hasty")
    def test_with_too_little_time_nothing_is_asked(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        with pytest.raises(errors.UpstreamUnavailable, match="too little time"):
            new_api().invoke({}, timeout=6.0 + 0.25)
        assert emulator.calls == []

    @pytest.mark.usefixtures("hasty")
    def test_what_was_collected_when_bedrock_starts_to_hang_is_given(
        self, new_api: Callable[[], Api], emulator: Emulator
    ) -> None:
        emulator.misbehave(None, None, always=hang(30))
        part = new_api().invoke({"pageSize": 10, "maxItems": 50})
        assert [model["modelArn"] for model in part["modelSummaries"]] == ARNS[:20]
        assert "nextCursor" in part

    @pytest.mark.usefixtures("hasty")
    def test_an_answer_that_drips_ends_in_time(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        api = new_api()
        emulator.misbehave(None, always=drip(0.05))
        start = time.monotonic()
        part = api.invoke({"pageSize": 10, "maxItems": 50}, timeout=6.0 + 0.8)
        assert [model["modelArn"] for model in part["modelSummaries"]] == ARNS[:10]
        assert "nextCursor" in part
        with pytest.raises(errors.UpstreamUnavailable):
            api.invoke({}, timeout=6.0 + 0.8)
        assert time.monotonic() - start < 4
        assert len(emulator.calls) == 3

    @pytest.mark.usefixtures("hasty")
    def test_time_that_is_up_between_two_steps_is_the_same(
        self, new_api: Callable[[], Api], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        api = new_api()
        monkeypatch.setattr("botocore.auth.SigV4Auth.add_auth", lambda *_: threading.Event().wait(5))
        start = time.monotonic()
        with pytest.raises(errors.UpstreamUnavailable):
            api.invoke({}, timeout=6.0 + 0.5)
        assert time.monotonic() - start < 4

    @pytest.mark.usefixtures("hasty")
    def test_an_alarm_of_somebody_elses_is_left_as_it_was(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        handler = signal.getsignal(signal.SIGALRM)
        before = signal.getitimer(signal.ITIMER_REAL)[0]
        new_api().invoke({})
        assert signal.getsignal(signal.SIGALRM) is handler
        after = signal.getitimer(signal.ITIMER_REAL)[0]
        assert before - 2 < after <= before or before == after == 0

    def test_the_limits_fit_into_each_other(self) -> None:
        """The gateway waits 29 s, the function has 27, and keeps back what the key may take."""
        from custom_models.dispatch import RESERVED_SECONDS
        from local.api_gateway import FUNCTION_TIMEOUT

        attempt = deadline.MAX_ATTEMPT_SECONDS
        budget = FUNCTION_TIMEOUT - RESERVED_SECONDS
        assert FUNCTION_TIMEOUT <= 29 - 2
        assert budget >= 2 * attempt + deadline.MAX_BACKOFF, "there must be room for one retry of the first call"

    @pytest.mark.slow
    def test_a_hang_ends_before_the_gateway_gives_up(self, new_api: Callable[[], Api], emulator: Emulator) -> None:
        emulator.misbehave(always=hang(60))
        start = time.monotonic()
        assert new_api().get().kind == "upstream-unavailable"
        assert time.monotonic() - start < 25


class TestCalls:
    def test_one_page_is_one_call(self, api: Api, emulator: Emulator) -> None:
        api.get("maxItems=1000")
        assert len(emulator.calls) == 1

    def test_a_resumed_walk_fetches_nothing_again(self, api: Api, emulator: Emulator) -> None:
        found: list[str] = []
        query: dict[str, object] = {"maxItems": 70, "pageSize": 30}
        while True:
            answer = api.get(query)
            found += answer.arns
            if "nextCursor" not in answer.body:
                break
            query["cursor"] = answer.body["nextCursor"]
        assert found == ARNS
        # 30 + 30 + 10 for each of four requests, and 20 in the last.
        assert [call["maxResults"] for call in emulator.calls] == ["30", "30", "10"] * 4 + ["30"]

    def test_a_token_that_decodes_as_json_is_passed_on_as_it_is(self, api: Api, emulator: Emulator) -> None:
        """Botocore would take such a token apart, and merge it into the call."""
        cursor = api.invoke({"maxItems": 10, "isOwned": True})["nextCursor"]
        assert len(api.invoke({"maxItems": 10, "isOwned": True, "cursor": cursor})["modelSummaries"]) == 10
        first, second = emulator.calls
        assert set(second) == {*first, "nextToken"}
