"""The listing: each model once and in order, no call more than needed, and an end in every case."""

import time
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.core.budget import CallUsage, Limits, Usage
from custom_models.core.errors import (
    CustomModelsError,
    ExpiredCursor,
    InvalidCursor,
    UpstreamDenied,
    UpstreamInvalid,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from custom_models.core.listing import Listing, list_models
from custom_models.core.models import ModelSummary, Page, PageRequest, PageSource
from custom_models.core.parameters import Filters
from tests.doubles import SOURCE, MemorySource, from_json, model, signer

sizes = st.integers(1, 12)


def listing(
    source: PageSource, limits: Limits | None = None, cursor: str | None = None, **parameters: object
) -> Listing:
    query = from_json(parameters if cursor is None else {**parameters, "cursor": cursor})
    return list_models(query, source, signer(), limits or Limits.from_now(60), Usage())


def arns(listing: Listing) -> list[str]:
    return [model["modelArn"] for model in listing.models]


def first_arns(count: int) -> list[str]:
    return [model(number)["modelArn"] for number in range(count)]


class TestPages:
    @given(st.integers(0, 60), st.lists(st.tuples(sizes, sizes), min_size=1), st.lists(st.integers(0, 12), min_size=1))
    def test_following_the_cursor_returns_each_model_once_and_in_order(
        self, count: int, requests: list[tuple[int, int]], page_lengths: list[int]
    ) -> None:
        """Even if the sizes change from request to request, and pages are short or empty."""
        if not any(page_lengths):
            page_lengths = [*page_lengths, 1]
        turn = iter(range(10**9))
        source = MemorySource(count, lambda page_size: min(page_size, page_lengths[next(turn) % len(page_lengths)]))
        found: list[str] = []
        cursor: str | None = None
        for request in range(10_000):
            max_items, page_size = requests[request % len(requests)]
            part = listing(source, cursor=cursor, maxItems=max_items, pageSize=page_size)
            assert len(part.models) <= max_items
            found += arns(part)
            cursor = part.cursor
            if cursor is None:
                break
        assert found == first_arns(count)
        assert all(1 <= page_size <= 12 for page_size, _ in source.requests)

    @given(st.integers(1, 200), sizes, sizes)
    def test_each_call_requests_only_missing_models_and_no_token_twice(
        self, count: int, max_items: int, page_size: int
    ) -> None:
        source = MemorySource(count)
        first = listing(source, maxItems=max_items, pageSize=page_size)
        assert sum(size for size, _ in source.requests) == max_items or first.cursor is None
        assert all(size <= page_size for size, _ in source.requests)
        if first.cursor is not None:
            listing(source, cursor=first.cursor, maxItems=max_items, pageSize=page_size)
        tokens = [token for _, token in source.requests]
        assert len(tokens) == len(set(tokens))

    def test_every_page_is_requested_with_the_same_filters(self) -> None:
        received: list[Filters] = []

        class RecordingSource(MemorySource):
            def fetch(self, request: PageRequest, usage: CallUsage) -> Page:
                received.append(request.filters)
                return super().fetch(request, usage)

        first = listing(RecordingSource(5), maxItems=2, pageSize=1, isOwned=True)
        listing(RecordingSource(5), cursor=first.cursor, isOwned=True)
        assert received == [{"isOwned": True}] * 3

    def test_a_listing_that_fits_one_page_needs_one_call(self) -> None:
        source = MemorySource(100)
        assert listing(source).cursor is None
        assert source.requests == [(100, None)]

    def test_short_pages_are_joined_in_order(self) -> None:
        assert arns(listing(MemorySource(30, page_length=lambda _: 1))) == first_arns(30)

    def test_empty_pages_are_skipped(self) -> None:
        source = MemorySource(script=[(0, "a"), (0, "b"), (2, "c"), (0, None)])
        assert arns(listing(source)) == first_arns(2)


class TestEnd:
    def test_max_items_models_without_a_token_are_the_end(self) -> None:
        assert listing(MemorySource(5), maxItems=5).stop_reason == "complete"

    def test_max_items_models_with_a_token_have_a_cursor_even_if_nothing_follows(self) -> None:
        source = MemorySource(script=[(5, "t"), (0, None)])
        first = listing(source, maxItems=5)
        assert first.stop_reason == "max-items"
        assert first.cursor is not None
        last = listing(source, maxItems=5, cursor=first.cursor)
        assert (arns(last), last.cursor) == ([], None)

    def test_the_body_has_a_next_cursor_only_if_more_may_follow(self) -> None:
        part = listing(MemorySource(script=[(2, "t")]), maxItems=2)
        coverage = {"sources": 1, "listed": 0, "notOffered": [], "unreachable": [], "complete": False}
        models = [{**model(number), "source": "123456789012/us-east-1"} for number in range(2)]
        assert part.body() == {"modelSummaries": models, "nextCursor": part.cursor, "coverage": coverage}
        complete = {**coverage, "listed": 1, "complete": True}
        assert listing(MemorySource(0)).body() == {"modelSummaries": [], "coverage": complete}

    def test_endless_empty_pages_end_with_a_cursor_after_fifty_calls_with_a_token(self) -> None:
        source = MemorySource(script=[(0, f"t{number}") for number in range(1000)])
        part = listing(source)
        assert (part.stop_reason, len(source.requests)) == ("budget", 51)
        assert part.cursor is not None
        listing(source, cursor=part.cursor)
        assert source.requests[51] == (100, "t50")

    @pytest.mark.parametrize("empty_pages", [999, 1000])
    def test_a_source_with_a_thousand_empty_pages_in_a_row_is_upstream_invalid(self, empty_pages: int) -> None:
        pages = [(1, "start"), *((0, f"t{number}") for number in range(empty_pages)), (1, "more"), (0, "x"), (1, None)]
        source = MemorySource(script=pages)

        def walk() -> int:
            part = listing(source)
            found = len(part.models)
            while part.cursor is not None:
                part = listing(source, cursor=part.cursor)
                found += len(part.models)
            return found

        if empty_pages < 1000:
            assert walk() == 3
        else:
            with pytest.raises(UpstreamInvalid, match="1,000 empty pages"):
                walk()

    def test_no_call_starts_that_could_end_after_the_deadline(self) -> None:
        source = MemorySource(5, max_attempt_seconds=10)
        message = r"^There was too little time left to call Bedrock; send the same request again\.$"
        with pytest.raises(UpstreamUnavailable, match=message):
            listing(source, Limits.from_now(9.9))
        assert source.requests == []

    def test_models_read_before_the_time_runs_out_are_returned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: now)

        def slow_page(page_size: int) -> int:
            nonlocal now
            now += 15
            return page_size

        source = MemorySource(100, page_length=slow_page, max_attempt_seconds=10)
        part = listing(source, Limits(deadline=60), pageSize=5)
        assert (len(part.models), part.stop_reason) == (20, "budget")
        assert part.cursor is not None


class TestRepeatedTokens:
    @pytest.mark.parametrize("tokens", ["aa", "aba", "abcdb"])
    def test_a_token_that_is_repeated_in_one_request_is_upstream_invalid(self, tokens: str) -> None:
        source = MemorySource(script=[(1, token) for token in tokens])
        with pytest.raises(UpstreamInvalid, match="twice"):
            listing(source, maxItems=1000)
        assert len(source.requests) == len(tokens)

    def test_the_token_that_a_request_starts_with_also_counts(self) -> None:
        source = MemorySource(script=[(1, token) for token in "abca"])
        part = listing(source, maxItems=1)
        with pytest.raises(UpstreamInvalid, match="twice"):
            listing(source, maxItems=1000, cursor=part.cursor)
        assert len(source.requests) == 4

    def test_a_token_that_is_repeated_in_a_later_request_is_upstream_invalid(self) -> None:
        source = MemorySource(script=[(1, token) for token in "abc" * 10])
        part = listing(source, maxItems=1)

        def follow(cursor: str | None) -> None:
            while cursor is not None:
                cursor = listing(source, maxItems=1, cursor=cursor).cursor

        with pytest.raises(UpstreamInvalid, match="twice"):
            follow(part.cursor)
        assert len(source.requests) < 12


class TestInvalidPages:
    """A page that breaks Bedrock's contract is not returned."""

    BASE = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    MATCHING = model(0) | cast("ModelSummary", {"modelStatus": "Active", "baseModelArn": BASE})

    def listing_with(self, fields: dict[str, str], filters: dict[str, Any]) -> tuple[Listing, ModelSummary]:
        """Return the listing of a model that matches all filters and one with these fields, and the latter."""
        other = model(1) | cast("ModelSummary", fields)

        class TwoModels(MemorySource):
            def fetch(self, request: PageRequest, usage: CallUsage) -> Page:
                return Page([TestInvalidPages.MATCHING, other], None)

        return listing(TwoModels(), **filters), other

    def test_more_models_than_requested_are_upstream_invalid(self) -> None:
        with pytest.raises(UpstreamInvalid, match=r"^Bedrock returned more models than were requested\."):
            listing(MemorySource(script=[(3, None)]), maxItems=2)

    @pytest.mark.parametrize(
        ("name", "value", "fields"),
        [
            ("modelStatus", "Active", {"modelStatus": "Failed"}),
            ("baseModelArnEquals", BASE, {"baseModelArn": f"{BASE}0"}),
        ],
    )
    def test_a_model_that_violates_a_filter_is_upstream_invalid(
        self, name: str, value: str, fields: dict[str, str]
    ) -> None:
        with pytest.raises(UpstreamInvalid, match=rf"^Bedrock returned models that do not match {name}\."):
            self.listing_with(fields, {name: value})

    @pytest.mark.parametrize(
        ("filters", "fields"),
        [
            ({"modelStatus": "Active"}, {"modelStatus": "Active"}),
            ({"modelStatus": "Active"}, {}),  # Bedrock may omit the status.
            ({"baseModelArnEquals": BASE}, {"baseModelArn": BASE}),
            ({"isOwned": True}, {"modelStatus": "Failed", "baseModelArn": BASE}),
        ],
    )
    def test_a_model_that_may_match_the_filters_is_returned(
        self, filters: dict[str, Any], fields: dict[str, str]
    ) -> None:
        part, other = self.listing_with(fields, filters)
        assert [{**it, "source": str(SOURCE)} for it in (self.MATCHING, other)] == part.models


class TestFailures:
    RETRYABLE = (UpstreamThrottled, UpstreamUnavailable)
    NOT_RETRYABLE = (ExpiredCursor, UpstreamDenied, UpstreamRejected, UpstreamInvalid)

    @pytest.mark.parametrize("error", [*RETRYABLE, *NOT_RETRYABLE])
    def test_an_error_of_the_first_page_is_raised(self, error: type[CustomModelsError]) -> None:
        with pytest.raises(error):
            listing(MemorySource(script=[error()]))

    @pytest.mark.parametrize("error", RETRYABLE)
    def test_a_retryable_error_of_a_later_page_ends_the_listing_with_a_cursor(
        self, error: type[CustomModelsError]
    ) -> None:
        source = MemorySource(script=[(2, "a"), error(), (3, None)])
        part = listing(source)
        assert (arns(part), part.stop_reason) == (first_arns(2), error.kind)
        assert part.cursor is not None
        rest = listing(source, cursor=part.cursor)
        assert (len(rest.models), rest.stop_reason) == (3, "complete")
        assert source.requests[2] == (100, "a")

    @pytest.mark.parametrize("error", NOT_RETRYABLE)
    def test_any_other_error_of_a_later_page_is_raised(self, error: type[CustomModelsError]) -> None:
        with pytest.raises(error):
            listing(MemorySource(script=[(2, "a"), error()]))

    def test_an_invalid_cursor_is_refused_without_a_call(self) -> None:
        source = MemorySource(5)
        with pytest.raises(InvalidCursor):
            listing(source, cursor="a." + "A" * 43)
        assert source.requests == []
