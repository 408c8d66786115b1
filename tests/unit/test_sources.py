"""Walks over many sources: nothing lost, nothing twice, and coverage that says what is missing."""

import itertools
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.core.budget import CallUsage, Limits, Usage
from custom_models.core.coverage import Coverage
from custom_models.core.cursor import MAX_LENGTH, Position
from custom_models.core.errors import (
    ExpiredCursor,
    OperationNotOffered,
    UpstreamDenied,
    UpstreamError,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from custom_models.core.listing import Listing, list_models
from custom_models.core.models import ModelSummary, Page, PageRequest, Source
from tests.doubles import MemoryCalls, from_json, model, signer

TEMPORARY: tuple[type[UpstreamError], ...] = (UpstreamThrottled, UpstreamUnavailable)
LASTING: tuple[type[UpstreamError], ...] = (UpstreamDenied, UpstreamRejected, UpstreamInvalid)


def sources(count: int) -> tuple[Source, ...]:
    """Return sources in the order of an inventory: accounts times three regions."""
    regions = ("us-east-1", "us-west-2", "eu-west-1")
    return tuple(Source(f"{number // 3:012}", regions[number % 3]) for number in range(count))


@dataclass
class Behavior:
    """One source: its models, and what its calls raise: each for one call, and then ``always``."""

    models: int = 0
    failures: list[type[Exception] | None] = field(default_factory=list)
    always: type[Exception] | None = None


@dataclass
class Organization:
    """All sources. Calls in the background are made at once if ``ahead`` says so, else when it is their turn."""

    behaviors: Mapping[Source, Behavior]
    ahead: Iterator[bool] = field(default_factory=lambda: itertools.repeat(True))
    page_lengths: Iterator[int] = field(default_factory=lambda: itertools.repeat(1000))
    late: bool = False
    calls: list[PageRequest] = field(default_factory=list)

    def open(self, _: Limits) -> MemoryCalls:
        return MemoryCalls(self.respond, ahead=lambda: next(self.ahead))

    def respond(self, request: PageRequest, usage: CallUsage) -> Page:
        usage.attempts += 1
        usage.late = self.late
        self.calls.append(request)
        behavior = self.behaviors[request.source]
        failure = behavior.failures.pop(0) if behavior.failures else behavior.always
        if failure is not None:
            raise failure()
        start = int(request.token.partition(".")[0]) if request.token else 0
        end = min(behavior.models, start + min(request.page_size, next(self.page_lengths)))
        token = f"{end}.{len(self.calls)}" if end < behavior.models else None
        return Page([self.model(request.source, number) for number in range(start, end)], token)

    @staticmethod
    def model(source: Source, number: int) -> ModelSummary:
        return {**model(number), "modelArn": f"{source}:{number}"}

    def expected(self, *missing: Source) -> list[str]:
        return [
            f"{source}:{number}"
            for source, behavior in self.behaviors.items()
            if source not in missing
            for number in range(behavior.models)
        ]


def listing(
    organization: Organization, cursor: str | None = None, usage: Usage | None = None, **parameters: Any
) -> Listing:
    query = from_json({**parameters, "cursor": cursor}, *organization.behaviors)
    return list_models(query, organization, signer(), Limits.from_now(60), usage or Usage())


def arns(part: Listing) -> list[str]:
    return [model["modelArn"] for model in part.models]


def walk(
    organization: Organization, requests: Sequence[Mapping[str, Any]] = ({},), retries: int = 0
) -> tuple[list[str], list[Listing]]:
    """Follow the cursor to the end. Send a request again, at most ``retries`` times in all, if it fails temporarily."""
    found: list[str] = []
    parts: list[Listing] = []
    cursor: str | None = None
    for number in range(5000):
        try:
            part = listing(organization, cursor, **requests[number % len(requests)])
        except TEMPORARY:
            retries -= 1
            if retries < 0:
                raise
            continue
        found += arns(part)
        parts.append(part)
        cursor = part.cursor
        if cursor is None:
            return found, parts
    raise AssertionError("the walk does not end")


def organizations(failures: st.SearchStrategy[type[Exception] | None]) -> st.SearchStrategy[Organization]:
    behavior = st.builds(Behavior, st.integers(0, 12) | st.just(0) | st.integers(0, 60), st.lists(failures, max_size=4))
    booleans = st.lists(st.booleans(), min_size=1, max_size=5).map(itertools.cycle)
    lengths = st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any) | st.just([1000])
    return st.builds(
        lambda behaviors, ahead, page_lengths: Organization(
            dict(zip(sources(len(behaviors)), behaviors, strict=True)), ahead, itertools.cycle(page_lengths)
        ),
        st.lists(behavior, min_size=1, max_size=12),
        booleans,
        lengths,
    )


sizes = st.integers(1, 40) | st.just(1000)
requests = st.lists(st.fixed_dictionaries({"maxItems": sizes, "pageSize": sizes}), min_size=1, max_size=4)
any_failure = st.sampled_from([None, None, OperationNotOffered, *TEMPORARY, *LASTING])


class TestStrict:
    @given(organizations(st.none()), requests)
    def test_every_model_of_every_source_is_returned_once_and_in_order(
        self, organization: Organization, requests: list[dict[str, Any]]
    ) -> None:
        found, parts = walk(organization, requests)
        assert found == organization.expected()
        assert parts[-1].coverage.body() == {
            "sources": len(organization.behaviors),
            "listed": len(organization.behaviors),
            "notOffered": [],
            "unreachable": [],
            "complete": True,
        }
        assert all(not part.coverage.body()["complete"] for part in parts[:-1])

    @given(organizations(st.sampled_from([None, *TEMPORARY])), requests)
    def test_sources_that_fail_and_recover_lose_and_repeat_nothing(
        self, organization: Organization, requests: list[dict[str, Any]]
    ) -> None:
        found, parts = walk(organization, requests, retries=1000)
        assert found == organization.expected()
        assert parts[-1].coverage.body()["complete"]

    @given(organizations(any_failure), requests)
    def test_a_walk_that_is_always_strict_never_skips_a_source(
        self, organization: Organization, requests: list[dict[str, Any]]
    ) -> None:
        cursor: str | None = None
        for number in range(5000):
            try:
                part = listing(organization, cursor, **requests[number % len(requests)])
            except UpstreamError:
                continue
            assert part.coverage.body()["unreachable"] == []
            cursor = part.cursor
            if cursor is None:
                break
        assert part.coverage.body()["complete"]

    @pytest.mark.parametrize("error", [*TEMPORARY, *LASTING])
    def test_an_error_before_the_first_page_names_its_source(self, error: type[UpstreamError]) -> None:
        one, two = sources(2)
        with pytest.raises(error) as caught:
            listing(Organization({one: Behavior(always=error), two: Behavior(3)}))
        assert caught.value.source == str(one)
        assert str(caught.value).endswith(f" (source {one})")

    @pytest.mark.parametrize("error", TEMPORARY)
    def test_a_later_temporary_error_ends_the_response_with_a_cursor_at_the_source(
        self, error: type[UpstreamError]
    ) -> None:
        one, two, three = sources(3)
        organization = Organization({one: Behavior(2), two: Behavior(2, [error]), three: Behavior(2)})
        part = listing(organization)
        assert (arns(part), part.stop_reason) == ([f"{one}:0", f"{one}:1"], error.kind)
        assert arns(listing(organization, part.cursor)) == organization.expected()[2:]

    @pytest.mark.parametrize("error", LASTING)
    def test_any_other_later_error_is_raised(self, error: type[UpstreamError]) -> None:
        one, two = sources(2)
        with pytest.raises(error) as caught:
            listing(Organization({one: Behavior(2), two: Behavior(2, always=error)}))
        assert caught.value.source == str(two)

    def test_sources_may_use_the_same_tokens(self) -> None:
        @dataclass
        class SameTokens(Organization):
            def respond(self, request: PageRequest, usage: CallUsage) -> Page:
                page = super().respond(request, usage)
                return page._replace(next_token=page.next_token and page.next_token.partition(".")[0])

        organization = SameTokens({source: Behavior(6) for source in sources(3)})
        assert arns(listing(organization, pageSize=2)) == organization.expected()

    def test_a_page_without_models_is_progress(self) -> None:
        one, two = sources(2)
        part = listing(Organization({one: Behavior(0), two: Behavior(2, always=UpstreamThrottled)}))
        assert (arns(part), part.stop_reason, part.cursor is None) == ([], "upstream-throttled", False)


def missing(part: Listing) -> dict[str, str]:
    """Return the problem of each unreachable source."""
    return {str(source): problem for source, problem in part.coverage.unreachable()}


class TestPartial:
    @given(organizations(any_failure), requests, st.integers(0, 11))
    def test_coverage_is_the_whole_truth(
        self, organization: Organization, requests: list[dict[str, Any]], denied: int
    ) -> None:
        """Whatever fails and recovers, in whatever mode: what is not reported as missing is there, once."""
        list(organization.behaviors.values())[denied % len(organization.behaviors)].always = UpstreamDenied
        found: list[str] = []
        cursor: str | None = None
        reported: dict[str, str] = {}
        for number in range(2000):
            parameters = {**requests[number % len(requests)], "allowPartial": number % 3 > 0}
            try:
                part = listing(organization, cursor, **parameters)
            except UpstreamError:
                if parameters["allowPartial"]:
                    assert found == [], "it is an error only if no source gave a page"
                    return
                continue
            found += arns(part)
            assert missing(part).items() >= reported.items()
            reported = missing(part)
            assert part.coverage.body()["listed"] == len(part.coverage.outcomes) - len(reported)
            assert part.coverage.body()["complete"] == (part.cursor is None and not reported)
            cursor = part.cursor
            if cursor is None:
                break
        assert cursor is None, "the walk ends"
        assert len(part.coverage.outcomes) == len(organization.behaviors)
        absent = [
            source
            for source in organization.behaviors
            if str(source) in {*reported, *part.coverage.body()["notOffered"]}  # type: ignore[misc]
        ]
        assert [arn for arn in found if arn.partition(":")[0] not in map(str, absent)] == organization.expected(*absent)
        assert found == [arn for arn in organization.expected() if arn in set(found)]

    @pytest.mark.parametrize("error", [*TEMPORARY, *LASTING])
    def test_a_source_whose_first_page_fails_is_recorded_at_once(self, error: type[UpstreamError]) -> None:
        one, two, three = sources(3)
        organization = Organization({one: Behavior(2, always=error), two: Behavior(2), three: Behavior(2)})
        part = listing(organization, allowPartial=True)
        assert arns(part) == organization.expected(one)
        assert part.coverage.body() == {
            "sources": 3,
            "listed": 2,
            "notOffered": [],
            "unreachable": [{"source": str(one), "problem": error.kind}],
            "complete": False,
        }
        assert len(organization.calls) == 3

    @pytest.mark.parametrize("error", TEMPORARY)
    def test_a_source_that_fails_after_a_page_is_recorded_when_it_fails_in_the_next_request_too(
        self, error: type[UpstreamError]
    ) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(4, [None], always=error), two: Behavior(1)})
        first = listing(organization, allowPartial=True, pageSize=2)
        assert (arns(first), first.stop_reason, missing(first)) == ([f"{one}:0", f"{one}:1"], error.kind, {})
        second = listing(organization, first.cursor, allowPartial=True)
        assert (arns(second), missing(second)) == ([f"{two}:0"], {str(one): error.kind})
        assert second.cursor is None

    @pytest.mark.parametrize("error", TEMPORARY)
    def test_one_failure_of_a_source_that_gave_a_page_earlier_ends_the_response_without_models(
        self, error: type[UpstreamError]
    ) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(4, [None, error]), two: Behavior(1)})
        first = listing(organization, allowPartial=True, maxItems=2)
        second = listing(organization, first.cursor, allowPartial=True)
        assert (arns(second), second.stop_reason, missing(second)) == ([], error.kind, {})
        assert arns(listing(organization, second.cursor, allowPartial=True)) == organization.expected()[2:]

    @pytest.mark.parametrize("error", LASTING)
    def test_a_source_that_is_denied_after_a_page_is_recorded_and_its_models_stay(
        self, error: type[UpstreamError]
    ) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(4, [None], always=error), two: Behavior(1)})
        part = listing(organization, allowPartial=True, pageSize=2)
        assert (arns(part), missing(part)) == ([f"{one}:0", f"{one}:1", f"{two}:0"], {str(one): error.kind})

    @pytest.mark.parametrize("allow_partial", [True, False])
    def test_a_token_that_is_no_longer_accepted_is_an_expired_cursor(self, allow_partial: bool) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(4, [None], always=ExpiredCursor), two: Behavior(1)})
        first = listing(organization, maxItems=2)
        with pytest.raises(ExpiredCursor) as caught:
            listing(organization, first.cursor, allowPartial=allow_partial)
        assert caught.value.source == str(one)

    def test_a_strict_walk_that_meets_a_denied_source_can_continue_without_it(self) -> None:
        one, two, three = sources(3)
        organization = Organization({one: Behavior(2), two: Behavior(2, always=UpstreamDenied), three: Behavior(2)})
        first = listing(organization, maxItems=2)
        with pytest.raises(UpstreamDenied):
            listing(organization, first.cursor, maxItems=1)
        second = listing(organization, first.cursor, allowPartial=True, maxItems=1)
        third = listing(organization, second.cursor)
        assert arns(first) + arns(second) + arns(third) == organization.expected(two)
        assert missing(third) == {str(two): "upstream-denied"}

    def test_a_call_that_started_too_late_ends_the_response_instead(self) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(1), two: Behavior(1, [UpstreamThrottled] * 3)})
        organization.late = True
        part = listing(organization, allowPartial=True)
        assert (arns(part), part.stop_reason, missing(part)) == ([f"{one}:0"], "upstream-throttled", {})
        # The first call of a request has all the time that there is, so that every walk ends.
        assert missing(listing(organization, part.cursor, allowPartial=True)) == {str(two): "upstream-throttled"}

    def test_a_late_failure_after_a_page_does_not_count(self) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(4, [None, UpstreamThrottled, UpstreamThrottled]), two: Behavior(1)})
        organization.late = True
        first = listing(organization, allowPartial=True, pageSize=2)
        organization.late = False
        second = listing(organization, first.cursor, allowPartial=True)
        assert (arns(second), second.stop_reason, missing(second)) == ([], "upstream-throttled", {})

    def test_the_usage_counts_what_this_request_left_out(self) -> None:
        one, two, three = sources(3)
        organization = Organization(
            {one: Behavior(always=UpstreamDenied), two: Behavior(2), three: Behavior(always=UpstreamRejected)}
        )
        first, second = Usage(), Usage()
        part = listing(organization, usage=first, allowPartial=True, maxItems=2)
        listing(organization, part.cursor, usage=second, allowPartial=True)
        assert (first.unreachable, list(first.failed)) == (1, [str(one)])
        assert (second.unreachable, list(second.failed)) == (1, [str(three)])

    def test_a_region_that_fails_in_every_account_costs_one_request(self) -> None:
        organization = Organization(
            {
                source: Behavior(3, always=None if number % 3 else UpstreamUnavailable)
                for number, source in enumerate(sources(300))
            }
        )
        found, parts = walk(organization, [{"allowPartial": True, "maxItems": 1000}])
        assert len(parts) == 1
        assert (len(found), len(missing(parts[0]))) == (600, 100)


class TestNothingListed:
    @pytest.mark.parametrize(("first", "second"), [*itertools.permutations([*TEMPORARY, *LASTING], 2)])
    def test_if_every_source_fails_the_error_is_that_of_the_first_one(
        self, first: type[UpstreamError], second: type[UpstreamError]
    ) -> None:
        one, two, three = sources(3)
        organization = Organization(
            {one: Behavior(always=OperationNotOffered), two: Behavior(always=first), three: Behavior(always=second)}
        )
        with pytest.raises(first) as caught:
            listing(organization, allowPartial=True)
        assert caught.value.source == str(two)

    def test_a_source_that_gave_a_page_before_it_failed_makes_it_a_listing(self) -> None:
        one, two = sources(2)
        organization = Organization(
            {one: Behavior(4, [None], always=UpstreamDenied), two: Behavior(always=UpstreamDenied)}
        )
        part = listing(organization, allowPartial=True, pageSize=1)
        assert (len(part.models), part.cursor, len(missing(part))) == (1, None, 2)

    def test_an_error_of_the_same_request_keeps_its_text(self) -> None:
        class Specific(UpstreamDenied):
            advice = "The role in this account cannot be assumed."

        one, two = sources(2)
        organization = Organization({one: Behavior(always=Specific), two: Behavior(always=UpstreamDenied)})
        with pytest.raises(UpstreamDenied, match="cannot be assumed"):
            listing(organization, allowPartial=True)

    def test_the_error_is_raised_also_if_the_sources_failed_in_earlier_requests(self) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(always=UpstreamDenied), two: Behavior(1, [UpstreamThrottled])})
        signed = signer().sign(Position().finish("d").finish("t"), from_json({}, one, two).fingerprint)
        with pytest.raises(UpstreamDenied) as caught:
            listing(organization, signed, allowPartial=True)
        assert (caught.value.source, organization.calls) == (str(one), [])

    @pytest.mark.parametrize("allow_partial", [True, False])
    def test_regions_without_the_operation_are_listed_and_named(self, allow_partial: bool) -> None:
        one, two = sources(2)
        organization = Organization({one: Behavior(always=OperationNotOffered), two: Behavior(1)})
        body = listing(organization, allowPartial=allow_partial).coverage.body()
        assert (body["listed"], body["notOffered"], body["complete"]) == (2, [str(one)], True)

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("allow_partial", [True, False])
    def test_if_no_region_has_the_operation_it_is_upstream_rejected(self, count: int, allow_partial: bool) -> None:
        organization = Organization({source: Behavior(always=OperationNotOffered) for source in sources(count)})
        with pytest.raises(UpstreamRejected) as caught:
            listing(organization, allowPartial=allow_partial)
        assert caught.value.source == (str(sources(1)[0]) if count == 1 else None)


class TestLookAhead:
    @pytest.mark.slow
    @pytest.mark.parametrize("max_items", [1000, 100, 30, 10])
    @pytest.mark.parametrize("models", [0, 2, 10, 12, 25, 40, 300])
    def test_few_calls_are_wasted(self, max_items: int, models: int) -> None:
        ahead, in_turn = (
            Organization({source: Behavior(models) for source in sources(80)}, itertools.repeat(is_ahead))
            for is_ahead in (True, False)
        )
        for organization in (ahead, in_turn):
            walk(organization, [{"maxItems": max_items}])
        assert len(ahead.calls) <= len(in_turn.calls) * 1.2 + 3

    def test_wasted_calls_are_counted(self) -> None:
        organization = Organization({source: Behavior(100) for source in sources(16)})
        usage = Usage()
        listing(organization, usage=usage, maxItems=100)
        assert usage.calls == len(organization.calls) == 4

    def test_calls_that_are_not_used_because_the_time_is_over_are_not_wasted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise the next requests would read source by source, and take even longer."""
        organization = Organization({source: Behavior(0) for source in sources(40)}, iter([True, False] * 40))
        now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: now)

        def take_long(request: PageRequest, usage: CallUsage) -> Page:
            nonlocal now
            now += 100 if request.source == sources(1)[0] else 0
            return Organization.respond(organization, request, usage)

        monkeypatch.setattr(organization, "respond", take_long)
        query = from_json({"maxItems": 1000}, *organization.behaviors)
        part = list_models(query, organization, signer(), Limits(deadline=60), Usage())
        assert part.stop_reason == "budget"
        assert part.cursor is not None
        assert signer().verify(part.cursor, query.fingerprint).wasted == 0

    def test_no_source_is_fetched_ahead_while_too_many_calls_were_wasted(self) -> None:
        """Small sources first, so that a response is expected to have many."""
        models = [1] * 15 + [1000] * 60
        organization = Organization(dict(zip(sources(75), map(Behavior, models), strict=True)))
        walk(organization, [{"maxItems": 1000}])
        fewest = len({(request.source, request.token) for request in organization.calls})
        assert 0 < len(organization.calls) - fewest <= 75 / 5 + 15

    def test_no_source_is_fetched_ahead_of_later_pages(self) -> None:
        models = [1] * 200 + [5000] + [1] * 100
        organization = Organization(dict(zip(sources(301), map(Behavior, models), strict=True)))
        part = listing(organization, maxItems=1000)
        part = listing(organization, part.cursor, maxItems=1000)
        calls = len(organization.calls)
        for number in range(1, 4):
            part = listing(organization, part.cursor, maxItems=1000)
            assert len(organization.calls) == calls + number

    @given(organizations(st.none()), st.lists(sizes, min_size=1, max_size=4))
    def test_waste_is_bounded(self, organization: Organization, max_items: list[int]) -> None:
        walk(organization, [{"maxItems": size} for size in max_items])
        needed = {(request.source, request.token) for request in organization.calls}
        assert len(organization.calls) - len(needed) <= len(organization.behaviors) / 5 + 15

    def test_at_most_sixteen_sources_are_fetched_at_a_time(self) -> None:
        organization = Organization({source: Behavior(0) for source in sources(100)})
        walk(organization, [{"maxItems": 1000}])
        assert len(organization.calls) == 100
        first = Organization({source: Behavior(1000) for source in sources(100)})
        listing(first, maxItems=1000)
        assert len(first.calls) == 16

    def test_one_source_is_never_fetched_ahead(self) -> None:
        (one,) = sources(1)
        organization = Organization({one: Behavior(50)}, iter(()))
        assert len(walk(organization, [{"maxItems": 7}])[0]) == 50


@pytest.mark.parametrize("outcomes", ["d" * 500, "".join(random.Random(1).choices("tudriTUDRI.-", k=500))])
def test_the_cursor_has_room_for_500_failed_sources_and_the_longest_token(outcomes: str) -> None:
    position = Position(outcomes[:499], 10**6, 115)
    for number in range(3):
        token = "".join(random.Random(number).choices(string.ascii_letters + string.digits + "+/=_-", k=2048))
        position = position.advance(0, token)
    cursor = signer().sign(position.fail(), "0123456789abcdef" * 2)
    assert len(cursor) < 3400 < MAX_LENGTH
    assert signer().verify(cursor, "0123456789abcdef" * 2) == position.fail()


def test_coverage_of_a_walk_under_way() -> None:
    one, two, three, four, five = sources(5)
    assert Coverage((one, two, three, four, five), ".-tI").body() == {
        "sources": 5,
        "listed": 2,
        "notOffered": [str(two)],
        "unreachable": [
            {"source": str(three), "problem": "upstream-throttled"},
            {"source": str(four), "problem": "upstream-invalid"},
        ],
        "complete": False,
    }
