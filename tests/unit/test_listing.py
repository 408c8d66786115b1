"""The listing: nothing lost, nothing twice, no more asked than needed, and an end to everything."""

import time
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.core.budget import Limits, Usage
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
from custom_models.core.models import ModelSummary, Page
from custom_models.core.parameters import Filters
from custom_models.core.query import Query
from tests.doubles import MemorySource, model, signer

BASE = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"


def listing(source: MemorySource, limits: Limits | None = None, **parameters: object) -> Listing:
    return list_models(Query.from_json(parameters), source, signer(), limits or Limits.from_now(60), Usage())


def numbers(*listings: Listing) -> list[str]:
    return [model["modelArn"] for listing in listings for model in listing.models]


def all_of(count: int) -> list[str]:
    return [model(number)["modelArn"] for number in range(count)]


sizes = st.integers(1, 12)


@given(st.integers(0, 60), st.lists(st.tuples(sizes, sizes), min_size=1), st.lists(st.integers(0, 12), min_size=1))
def test_following_the_cursor_gives_each_model_once(
    count: int, requests: list[tuple[int, int]], shorter: list[int]
) -> None:
    """Whatever the sizes, from request to request, and however short or empty the pages are."""
    if not any(shorter):
        shorter = [*shorter, 1]
    turn = iter(range(10**9))
    source = MemorySource(count, shorten=lambda asked: min(asked, shorter[next(turn) % len(shorter)]))
    found: list[str] = []
    cursor: str | None = None
    for request in range(10_000):
        max_items, page_size = requests[request % len(requests)]
        parameters: dict[str, object] = {"maxItems": max_items, "pageSize": page_size}
        query = Query.from_json(parameters | ({"cursor": cursor} if cursor else {}))
        part = list_models(query, source, signer(), Limits.from_now(60), Usage())
        assert len(part.models) <= max_items
        found += numbers(part)
        cursor = part.cursor
        if cursor is None:
            break
    assert found == all_of(count)
    assert all(1 <= size <= 12 for size, _ in source.asked)


@given(st.integers(1, 200), sizes, sizes)
def test_only_what_is_missing_is_asked_for_and_nothing_again(count: int, max_items: int, page_size: int) -> None:
    source = MemorySource(count)
    first = listing(source, maxItems=max_items, pageSize=page_size)
    assert sum(size for size, _ in source.asked) == max_items or first.cursor is None
    assert all(size <= page_size for size, _ in source.asked)
    if first.cursor is not None:
        listing(source, maxItems=max_items, pageSize=page_size, cursor=first.cursor)
    tokens = [token for _, token in source.asked]
    assert len(tokens) == len(set(tokens))


def test_every_page_is_asked_for_with_the_same_filters() -> None:
    asked: list[Filters] = []

    class Noting(MemorySource):
        def fetch(self, filters: Filters, page_size: int, token: str | None, limits: Limits, usage: Usage) -> Page:
            asked.append(filters)
            return super().fetch(filters, page_size, token, limits, usage)

    first = listing(Noting(5), maxItems=2, pageSize=1, isOwned=True)
    listing(Noting(5), cursor=first.cursor, isOwned=True)
    assert asked == [{"isOwned": True}] * 3


def test_one_page_takes_one_call() -> None:
    source = MemorySource(100)
    assert listing(source).cursor is None
    assert source.asked == [(100, None)]


def test_a_page_that_ends_on_the_limit_with_nothing_after_it_is_the_end() -> None:
    assert listing(MemorySource(5), maxItems=5).stop_reason == "complete"


def test_a_page_that_ends_on_the_limit_with_a_token_has_a_cursor() -> None:
    source = MemorySource(script=[(5, "t"), (0, None)])
    first = listing(source, maxItems=5)
    assert first.stop_reason == "max-items"
    assert first.cursor is not None
    last = listing(source, maxItems=5, cursor=first.cursor)
    assert (numbers(last), last.cursor) == ([], None)


def test_its_body_has_a_next_cursor_only_where_more_comes() -> None:
    part = listing(MemorySource(script=[(2, "t")]), maxItems=2)
    assert part.body() == {"modelSummaries": [model(0), model(1)], "nextCursor": part.cursor}
    assert listing(MemorySource(0)).body() == {"modelSummaries": []}


def test_empty_pages_are_gone_through() -> None:
    source = MemorySource(script=[(0, "a"), (0, "b"), (2, "c"), (0, None)])
    assert numbers(listing(source)) == all_of(2)


def test_endless_empty_pages_end_with_a_cursor_after_so_many_calls() -> None:
    source = MemorySource(script=[(0, f"t{number}") for number in range(1000)])
    part = listing(source)
    assert (part.stop_reason, len(source.asked)) == ("budget", 50)
    assert part.cursor is not None
    listing(source, cursor=part.cursor)
    assert source.asked[50] == (100, "t49")


@pytest.mark.parametrize("circle", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "d", "b"]])
def test_a_token_that_comes_back_is_no_listing(circle: list[str]) -> None:
    source = MemorySource(script=[(1, token) for token in circle])
    with pytest.raises(UpstreamInvalid, match="twice"):
        listing(source, maxItems=1000)
    assert len(source.asked) == len(circle)


def test_the_token_that_a_request_began_with_is_known_when_it_comes_back() -> None:
    source = MemorySource(script=[(1, token) for token in "abca"])
    part = listing(source, maxItems=1)
    with pytest.raises(UpstreamInvalid, match="twice"):
        listing(source, maxItems=1000, cursor=part.cursor)
    assert len(source.asked) == 4


def test_a_token_that_comes_back_in_a_later_request_is_no_listing() -> None:
    source = MemorySource(script=[(1, token) for token in "abc" * 10])
    part = listing(source, maxItems=1)

    def go_on(cursor: str | None) -> None:
        while cursor is not None:
            cursor = listing(source, maxItems=1, cursor=cursor).cursor

    with pytest.raises(UpstreamInvalid, match="twice"):
        go_on(part.cursor)
    assert len(source.asked) < 12


def test_more_models_than_asked_for_is_no_listing() -> None:
    with pytest.raises(UpstreamInvalid, match=r"^Bedrock returned more models than were requested\.$"):
        listing(MemorySource(script=[(3, None)]), maxItems=2)


@pytest.mark.parametrize(
    ("filters", "shown", "passes"),
    [
        ({"modelStatus": "Active"}, {"modelStatus": "Active"}, True),
        ({"modelStatus": "Active"}, {"modelStatus": "Failed"}, False),
        ({"modelStatus": "Active"}, {}, True),  # Bedrock may leave it out
        ({"baseModelArnEquals": BASE}, {"baseModelArn": BASE}, True),
        ({"baseModelArnEquals": BASE}, {"baseModelArn": f"{BASE}0"}, False),
        ({"isOwned": True}, {"modelStatus": "Failed", "baseModelArn": BASE}, True),
    ],
)
def test_a_model_that_its_filter_leaves_out_makes_it_no_listing(
    filters: dict[str, object], shown: dict[str, str], passes: bool
) -> None:
    fitting = model(0) | cast("ModelSummary", {"modelStatus": "Active", "baseModelArn": BASE})
    odd = model(1) | cast("ModelSummary", shown)

    class Given(MemorySource):
        def fetch(self, filters: Filters, page_size: int, token: str | None, limits: Limits, usage: Usage) -> Page:
            return Page([fitting, odd], None)

    def listed() -> Listing:
        return list_models(Query.from_json(filters), Given(), signer(), Limits.from_now(60), Usage())

    if passes:
        assert listed().models == [fitting, odd]
    else:
        with pytest.raises(
            UpstreamInvalid, match=rf"^Bedrock returned models that do not match {next(iter(filters))}\.$"
        ):
            listed()


PASSING = [UpstreamThrottled, UpstreamUnavailable]
LASTING = [ExpiredCursor, UpstreamDenied, UpstreamRejected, UpstreamInvalid]


@pytest.mark.parametrize("error", [*PASSING, *LASTING])
def test_a_failure_of_the_first_page_is_raised(error: type[CustomModelsError]) -> None:
    with pytest.raises(error):
        listing(MemorySource(script=[error()]))


@pytest.mark.parametrize("error", PASSING)
def test_a_failure_in_between_that_may_pass_gives_what_there_is(error: type[CustomModelsError]) -> None:
    source = MemorySource(script=[(2, "a"), error(), (3, None)])
    part = listing(source)
    assert (numbers(part), part.stop_reason) == (all_of(2), error.kind)
    assert part.cursor is not None
    rest = listing(source, cursor=part.cursor)
    assert (len(rest.models), rest.stop_reason) == (3, "complete")
    assert source.asked[2] == (100, "a")


@pytest.mark.parametrize("error", LASTING)
def test_a_failure_in_between_that_will_not_pass_is_raised(error: type[CustomModelsError]) -> None:
    with pytest.raises(error):
        listing(MemorySource(script=[(2, "a"), error()]))


def test_a_bad_cursor_asks_nothing_of_upstream() -> None:
    source = MemorySource(5)
    with pytest.raises(InvalidCursor):
        listing(source, cursor="a." + "A" * 43)
    assert source.asked == []


def test_no_call_starts_that_may_not_end_in_time() -> None:
    source = MemorySource(5, max_attempt_seconds=10)
    too_late = r"^There was too little time left to call Bedrock; send the same request again\.$"
    with pytest.raises(UpstreamUnavailable, match=too_late):
        listing(source, Limits.from_now(9.9))
    assert source.asked == []


def test_models_that_were_collected_in_time_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def late(asked: int) -> int:
        nonlocal now
        now += 15
        return asked

    part = listing(MemorySource(100, shorten=late, max_attempt_seconds=10), Limits(deadline=60), pageSize=5)
    assert (len(part.models), part.stop_reason) == (20, "budget")
    assert part.cursor is not None


def test_short_pages_are_put_together_in_order() -> None:
    assert numbers(listing(MemorySource(30, shorten=lambda _: 1))) == all_of(30)
