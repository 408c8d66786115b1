"""Listings of several accounts and regions, over real HTTP: what is listed, what is not, and what the response says."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_models.adapters.bedrock import deadline
from custom_models.core import errors
from custom_models.dispatch import RESERVED_SECONDS
from emulators.bedrock import deny, error, fields, internal_error, throttle, unknown_operation
from emulators.faults import Fault, cut, disconnect, drip, hang, not_json, respond_with, stall, unavailable
from emulators.sts import deny as deny_role
from tests.api import Api
from tests.organization import (
    EAST,
    MEMBER,
    OTHER,
    OWN,
    REGIONS,
    SOURCES,
    WEST,
    Deployment,
    arns_of,
    inventory,
    models_of,
    threads,
    until,
)

pytestmark = pytest.mark.slow  # each test starts a function with several clients

Logged = Callable[[], dict[str, Any]]

FIRST, SECOND, *_, LAST = SOURCES
ALL = {"maxItems": 1000}
PARTIAL = {**ALL, "allowPartial": True}


def arns(*listings: Mapping[str, Any]) -> list[str]:
    return [model["modelArn"] for listing in listings for model in listing["modelSummaries"]]


def walk(api: Api, **parameters: Any) -> Iterator[Any]:
    """Follow the cursor from page to page."""
    cursor = None
    while True:
        listing = api.invoke({**parameters, "cursor": cursor})
        yield listing
        if (cursor := listing.get("nextCursor")) is None:
            break


def coverage(
    listed: int, unreachable: Mapping[str, str] | None = None, not_offered: Sequence[str] = (), sources: int = 9
) -> dict[str, Any]:
    return {
        "sources": sources,
        "listed": listed,
        "notOffered": list(not_offered),
        "unreachable": [{"source": source, "problem": kind} for source, kind in (unreachable or {}).items()],
        "complete": listed == sources,
    }


def without(*sources: str) -> list[str]:
    return [source for source in SOURCES if source not in sources]


class TestWalk:
    @pytest.mark.parametrize("max_items", [1, 3, 10, 100])
    def test_every_model_is_listed_once_in_the_order_of_the_inventory(
        self, deployment: Deployment, max_items: int
    ) -> None:
        pages = list(walk(deployment.build(), maxItems=max_items))
        assert arns(*pages) == arns_of(*SOURCES)
        assert pages[-1]["coverage"] == coverage(9)
        assert not any(page["coverage"]["complete"] for page in pages[:-1])

    def test_each_model_names_its_source(self, deployment: Deployment) -> None:
        listing = deployment.build().invoke(ALL)
        assert [model["source"] for model in listing["modelSummaries"]] == [s for s in SOURCES for _ in range(4)]

    @settings(max_examples=25)
    @given(
        faults=st.dictionaries(
            st.sampled_from(SOURCES),
            st.lists(st.sampled_from([throttle, internal_error, unavailable, disconnect]), max_size=2),
        ),
        max_items=st.sampled_from([7, 1000]),
    )
    def test_every_attempt_is_signed_by_the_account_of_its_source(
        self, deployment: Deployment, one: Api, faults: dict[str, list[Fault]], max_items: int
    ) -> None:
        """The organization knows the account only from the credentials; each source has its own models and faults."""
        deployment.organization.calls.clear()
        for source, once in faults.items():
            deployment.misbehave(source, *once)
        pages = list(walk(one, maxItems=max_items))
        assert arns(*pages) == arns_of(*SOURCES)
        calls = deployment.organization.calls
        for call in calls:
            account = call.source.partition("/")[0]
            assert call.access_key == "test" if account == OWN else call.access_key.startswith(f"ASIA{account}")
        attempts = [call.source for call in calls]
        assert all(attempts.count(source) >= 1 + len(faults.get(source, ())) for source in SOURCES)
        if max_items == 1000:
            assert len(attempts) == len(SOURCES) + sum(map(len, faults.values()))

    @pytest.fixture
    def one(self, deployment: Deployment) -> Api:
        """One function for all examples, whose role credentials are renewed at every request."""
        deployment.sts.lifetime = 1
        return deployment.build()


LASTING: dict[str, tuple[Fault, str, str]] = {
    "denied": (deny, "upstream-denied", "AccessDeniedException"),
    "not enabled": (respond_with(error("UnrecognizedClientException", 403)), "upstream-denied", "UnrecognizedClient"),
    "rejected": (respond_with(error("ValidationException", 400)), "upstream-rejected", "ValidationException"),
    "invalid": (fields(nextToken=5), "upstream-invalid", "Bedrock returned an invalid page token."),
    "HTML": (not_json, "upstream-invalid", "Bedrock's response is not a list"),
}
TEMPORARY: dict[str, tuple[Fault, str, str]] = {
    "throttled": (throttle, "upstream-throttled", "ThrottlingException"),
    "500": (internal_error, "upstream-unavailable", "InternalServerException"),
    "503 of a load balancer": (unavailable, "upstream-unavailable", "503"),
    "closed connection": (disconnect, "upstream-unavailable", "ConnectionClosedError"),
    "cut": (cut, "upstream-unavailable", "ConnectionClosedError"),
}
FAILURES = {**LASTING, **TEMPORARY}


class TestStrict:
    @pytest.mark.parametrize(("fault", "kind", "code"), FAILURES.values(), ids=FAILURES)
    def test_a_failure_of_the_first_source_is_the_error(
        self, deployment: Deployment, fault: Fault, kind: str, code: str, logged: Logged
    ) -> None:
        deployment.misbehave(FIRST, always=fault)
        api = deployment.build()
        problem = api.get()
        assert (problem.kind, problem.body["source"]) == (kind, FIRST)
        line = logged()
        assert (line["sources"], line["sources_listed"]) == (9, 0)
        assert line["sources_failed"].keys() == {FIRST}
        assert line["sources_failed"][FIRST].startswith(code)
        with pytest.raises(errors.CustomModelsError) as caught:
            api.invoke({})
        assert (caught.value.kind, str(caught.value)) == (kind, f"{problem.body['detail']} (source {FIRST})")

    @pytest.mark.parametrize(("fault", "kind", "code"), LASTING.values(), ids=LASTING)
    def test_a_lasting_failure_of_a_later_source_is_the_error(
        self, deployment: Deployment, fault: Fault, kind: str, code: str
    ) -> None:
        deployment.misbehave(LAST, always=fault)
        problem = deployment.build().get(ALL)
        assert (problem.kind, problem.body["source"]) == (kind, LAST)

    @pytest.mark.parametrize(("fault", "kind", "code"), TEMPORARY.values(), ids=TEMPORARY)
    def test_a_temporary_failure_of_a_later_source_ends_the_response(
        self, deployment: Deployment, fault: Fault, kind: str, code: str, logged: Logged
    ) -> None:
        failing = SOURCES[4]
        deployment.misbehave(failing, always=fault)
        api = deployment.build()
        part = api.invoke(ALL)
        assert arns(part) == arns_of(*SOURCES[:4])
        assert part["coverage"] == coverage(4)
        line = logged()
        assert (line["level"], line["outcome"], line["stop_reason"]) == ("WARNING", "ok", kind)
        assert (line["sources_listed"], line["sources_failed"]) == (4, {failing: line["upstream_error"]})
        deployment.misbehave(failing)
        rest = api.invoke({**ALL, "cursor": part["nextCursor"]})
        assert arns(part, rest) == arns_of(*SOURCES)
        assert rest["coverage"] == coverage(9)


class TestPartial:
    @pytest.mark.parametrize(("fault", "kind", "code"), FAILURES.values(), ids=FAILURES)
    @pytest.mark.parametrize("failing", [FIRST, LAST])
    def test_a_source_that_fails_is_left_out_and_reported(
        self, deployment: Deployment, failing: str, fault: Fault, kind: str, code: str, logged: Logged
    ) -> None:
        deployment.misbehave(failing, always=fault)
        api = deployment.build()
        for over_http in (False, True):
            listing = api.get("maxItems=1000&allowPartial=true").body if over_http else api.invoke(PARTIAL)
            assert arns(listing) == arns_of(*without(failing))
            assert listing["coverage"] == coverage(8, {failing: kind})
            assert "nextCursor" not in listing
            line = logged()
            assert (line["level"], line["outcome"], line["sources_listed"]) == ("WARNING", "ok", 8)
            assert line["sources_failed"][failing].startswith(code)

    def test_an_account_and_a_source_are_denied_and_a_region_is_not_offered(self, deployment: Deployment) -> None:
        deployment.sts.faults[OTHER].misbehave(always=deny_role)
        deployment.misbehave(f"{OWN}/{WEST}", always=deny)
        elsewhere = [f"{MEMBER}/{EAST}", f"{OWN}/{EAST}"]
        for source in elsewhere:
            deployment.misbehave(source, always=unknown_operation)
        denied = [f"{OWN}/{WEST}", *(f"{OTHER}/{region}" for region in REGIONS)]
        pages = list(walk(deployment.build(), maxItems=3, allowPartial=True))
        assert arns(*pages) == arns_of(*without(*denied, *elsewhere))
        assert pages[-1]["coverage"] == coverage(5, dict.fromkeys(denied, "upstream-denied"), elsewhere)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(403, "upstream-denied"), (429, "upstream-throttled"), (500, "upstream-unavailable")],
    )
    def test_a_failure_is_not_a_region_without_the_operation(
        self, deployment: Deployment, status: int, kind: str
    ) -> None:
        deployment.misbehave(SECOND, always=respond_with(error("UnknownOperationException", status)))
        assert deployment.build().invoke(PARTIAL)["coverage"] == coverage(8, {SECOND: kind})

    def test_a_region_that_is_not_enabled_is_denied_and_the_text_says_so(self, deployment: Deployment) -> None:
        regions = [EAST, "af-south-1"]
        api = deployment.build(INVENTORY=inventory(regions=regions))
        assert api.invoke(PARTIAL)["coverage"] == coverage(
            3, {f"{account}/af-south-1": "upstream-denied" for account in (MEMBER, OWN, OTHER)}, sources=6
        )
        for parameters in ({}, {"allowPartial": "true"}):
            problem = api.get({"regions": "af-south-1", **parameters})
            assert (problem.kind, problem.body["source"]) == ("upstream-denied", f"{MEMBER}/af-south-1")
            assert "region may not be enabled" in problem.body["detail"]

    def test_if_all_sources_fail_the_error_is_that_of_the_first(self, deployment: Deployment, logged: Logged) -> None:
        deployment.misbehave(FIRST, always=unavailable)
        for source in SOURCES[1:]:
            deployment.misbehave(source, always=deny)
        with pytest.raises(errors.UpstreamUnavailable) as caught:
            deployment.build().invoke(PARTIAL)
        assert caught.value.source == FIRST
        assert logged()["sources_failed"].keys() == set(SOURCES)

    def test_a_listing_without_models_is_not_a_failure(self, deployment: Deployment) -> None:
        deployment.organization.load({source: models_of(source, 0) for source in SOURCES})
        deployment.misbehave(FIRST, always=deny)
        listing = deployment.build().invoke(PARTIAL)
        assert (arns(listing), listing["coverage"]) == ([], coverage(8, {FIRST: "upstream-denied"}))

    def test_a_strict_walk_can_continue_with_it_and_back(self, deployment: Deployment) -> None:
        deployment.misbehave(SECOND, always=deny)
        api = deployment.build()
        first = api.invoke({"maxItems": 4})
        cursor = first["nextCursor"]
        with pytest.raises(errors.UpstreamDenied):
            api.invoke({"maxItems": 4, "cursor": cursor})
        second = api.invoke({"maxItems": 4, "cursor": cursor, "allowPartial": True})
        rest = api.invoke({**ALL, "cursor": second["nextCursor"]})
        assert arns(first, second, rest) == arns_of(*without(SECOND))
        assert rest["coverage"] == coverage(8, {SECOND: "upstream-denied"})

    def test_a_source_that_has_given_a_page_must_fail_twice(self, deployment: Deployment) -> None:
        api = deployment.build()
        deployment.misbehave(SECOND, None, always=throttle)
        one = api.invoke({"maxItems": 1000, "pageSize": 2, "allowPartial": True})
        assert arns(one) == [*arns_of(FIRST), *arns_of(SECOND)[:2]]
        two = api.invoke({**PARTIAL, "cursor": one["nextCursor"]})
        assert arns(one, two) == [*arns(one), *arns_of(*SOURCES[2:])]
        assert two["coverage"] == coverage(8, {SECOND: "upstream-throttled"})


@pytest.mark.parametrize("fault", [hang(30), drip(0.03), stall(30)], ids=["hangs", "byte by byte", "stalls"])
class TestSlowSources:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deadline, "CONNECT_TIMEOUT", 0.5)
        monkeypatch.setattr(deadline, "READ_TIMEOUT", 0.6)
        monkeypatch.setattr(deadline, "MAX_ATTEMPT_SECONDS", 0.7)
        monkeypatch.setattr(deadline, "MAX_CALL_SECONDS", 1.2)

    @pytest.mark.parametrize("slow", [FIRST, LAST])
    def test_it_neither_delays_nor_fails_the_others(
        self, deployment: Deployment, slow: str, fault: Fault, logged: Logged
    ) -> None:
        before = threads()
        api = deployment.build()
        api.invoke(ALL)
        logged()
        deployment.misbehave(slow, always=fault)
        start = time.monotonic()
        listing = api.invoke(PARTIAL)
        assert time.monotonic() - start < 6
        assert arns(listing) == arns_of(*without(slow))
        assert listing["coverage"] == coverage(8, {slow: "upstream-unavailable"})
        assert logged()["sources_failed"].keys() == {slow}
        until(lambda: threads() <= before)
        deployment.misbehave(slow)
        assert arns(api.invoke(ALL)) == arns_of(*SOURCES)
        line = logged()
        assert (line["level"], line["upstream_pages"], line["upstream_retries"]) == ("INFO", 9, 0)
        assert line["sources_failed"] == {}

    def test_in_strict_mode_the_sources_before_it_are_listed(self, deployment: Deployment, fault: Fault) -> None:
        api = deployment.build()
        deployment.misbehave(SOURCES[2], always=fault)
        start = time.monotonic()
        part = api.invoke(ALL, timeout=RESERVED_SECONDS + 2)
        assert time.monotonic() - start < 6
        assert arns(part) == arns_of(*SOURCES[:2])
        deployment.misbehave(SOURCES[2])
        assert arns(part, api.invoke({**ALL, "cursor": part["nextCursor"]})) == arns_of(*SOURCES)


class TestConnections:
    def test_an_invalid_response_closes_only_its_own_connection(self, deployment: Deployment) -> None:
        api = deployment.build(INVENTORY=inventory(regions=[EAST]))
        for _ in range(2):
            api.invoke(ALL)
        deployment.misbehave(f"{OWN}/{EAST}", not_json)
        api.invoke(PARTIAL)
        before = {n for source in deployment.organization.sources.values() for n in source.connections}
        invalid = deployment.organization.sources[f"{OWN}/{EAST}"].connections[-1]
        for _ in range(3):
            api.invoke(ALL)
        after = {n for source in deployment.organization.sources.values() for n in source.connections[3:]}
        assert invalid not in after
        assert after & before

    def test_an_account_that_fails_does_not_use_up_the_retries_of_others(self, deployment: Deployment) -> None:
        """The quota of botocore would allow about a hundred retries per client."""
        api = deployment.build(INVENTORY=inventory(regions=[EAST]))
        deployment.misbehave(f"{MEMBER}/{EAST}", always=throttle)
        for _ in range(70):
            api.invoke({"accounts": [MEMBER, OWN], "allowPartial": True})
        deployment.calls()
        deployment.misbehave(f"{OWN}/{EAST}", throttle, internal_error)
        assert arns(api.invoke({"accounts": [OWN]})) == arns_of(f"{OWN}/{EAST}")
        assert deployment.calls() == [f"{OWN}/{EAST}"] * 3


class TestHttp:
    def test_following_the_links_keeps_the_selection(self, deployment: Deployment) -> None:
        api = deployment.build()
        query = f"accounts={OTHER},{MEMBER}&regions={WEST}%2C{EAST}&maxItems=5&allowPartial=true"
        found: list[str] = []
        while True:
            response = api.get(query)
            found += response.arns
            if "Link" not in response.headers:
                break
            query = response.headers["Link"].removeprefix("<?").partition(">")[0]
        selected = [f"{account}/{region}" for account in (MEMBER, OTHER) for region in (EAST, WEST)]
        assert found == arns_of(*selected)
        assert response.body["coverage"] == coverage(4, sources=4)

    def test_an_unchanged_listing_is_not_modified(self, deployment: Deployment) -> None:
        api = deployment.build()
        complete = api.get(ALL)
        assert api.get(ALL, If_None_Match=complete.headers["ETag"]).status == 304
        deployment.misbehave(LAST, always=deny)
        partial = api.get("maxItems=1000&allowPartial=true", If_None_Match=complete.headers["ETag"])
        assert partial.status == 200
        head = api.request("HEAD", "/v1/custom-models", "maxItems=1000&allowPartial=true")
        assert (head.status, head.text, head.headers["ETag"]) == (200, "", partial.headers["ETag"])

    def test_coverage_alone_changes_the_etag(self, deployment: Deployment) -> None:
        deployment.organization.load({source: models_of(source, 2 if source == FIRST else 0) for source in SOURCES})
        api = deployment.build()
        tags = []
        for fault in (None, unknown_operation, deny, throttle):
            deployment.misbehave(LAST, always=fault)
            tags.append(api.get("maxItems=1000&allowPartial=true").headers["ETag"])
        assert len(set(tags)) == 4

    @pytest.mark.parametrize(
        ("query", "event", "problems"),
        [
            ("accounts=999900001111", {"accounts": ["999900001111"]}, ["accounts has 999900001111, not in"]),
            ("regions=eu-north-1", {"regions": ["eu-north-1"]}, ["regions has eu-north-1, not in"]),
            (f"accounts={OWN},{OWN}", {"accounts": [OWN, OWN]}, ["accounts has an element twice"]),
            (f"accounts={OWN},", {"accounts": [OWN, ""]}, ["accounts has an element that is not"]),
            (
                f"accounts={OWN}%2C%20{MEMBER}",
                {"accounts": [OWN, f" {MEMBER}"]},
                ["accounts has an element that is not"],
            ),
            ("accounts=", {"accounts": ""}, ["accounts must not be empty"]),
            ("accounts=,", {"accounts": ["", ""]}, ["accounts has an element that is not"]),
            ("accounts=,", {"accounts": [None]}, ["accounts has an element that is not"]),
            ("regions=EU-WEST-1", {"regions": ["EU-WEST-1"]}, ["regions has an element that is not"]),
            (f"accounts={OWN}&accounts={MEMBER}", {"accounts": OWN}, ["accounts must be "]),
            (
                "accounts=1&regions=x-1&sortOrder=Ascending&sortBy=CreationTime",
                {"accounts": [1], "regions": ["x-1"], "sortOrder": "Ascending", "sortBy": "CreationTime"},
                ["accounts has an element that is not", "regions has x-1"],
            ),
            ("sortOrder=Ascending", {"sortOrder": "Ascending"}, ["sortOrder orders the models of one source"]),
        ],
    )
    def test_a_wrong_selection_is_an_error_in_both_forms(
        self, deployment: Deployment, query: str, event: dict[str, object], problems: list[str]
    ) -> None:
        api = deployment.build()
        problem = api.get(query)
        assert problem.kind == "invalid-query"
        with pytest.raises(errors.InvalidQuery) as caught:
            api.invoke(event)
        over_http = [f"{wrong['parameter']} {wrong['message']}" for wrong in problem.body["errors"]]
        for texts in (over_http, [f"{wrong.parameter} {wrong.message}" for wrong in caught.value.errors]):
            assert len(texts) == len(problems)
            assert all(text.startswith(start) for text, start in zip(texts, problems, strict=True))
        assert deployment.calls() == []
