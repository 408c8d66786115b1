"""Following the cursor returns the same models as one boto3 paginator, each of them once."""

import itertools
import math
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.bedrock import Emulator
from emulators.models import plausible_models
from tests.api import Api, Response

pytestmark = pytest.mark.slow  # whole listings, page by page

sizes = st.integers(1, 30)
filters = st.fixed_dictionaries(
    {},
    optional={
        "nameContains": st.sampled_from(["churn", "v1", "a"]),
        "isOwned": st.booleans(),
        "modelStatus": st.sampled_from(["Active", "Failed"]),
        "sortBy": st.just("CreationTime"),
        "sortOrder": st.sampled_from(["Ascending", "Descending"]),
    },
)


def as_json(model: Any) -> dict[str, str]:
    """Return a model of boto3 as the API returns it."""
    creation_time = model["creationTime"].astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {**model, "creationTime": creation_time, "source": "123456789012/us-east-1"}


def as_text(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as a query string spells them."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in parameters.items()}


@pytest.fixture
def paginator(emulator: Emulator) -> Any:
    """boto3's paginator of the emulator's models."""
    return boto3.client("bedrock").get_paginator("list_custom_models")


@given(
    count=st.integers(0, 80),
    seed=st.integers(0, 10),
    parameters=filters,
    requests=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4),
    pages=st.lists(st.integers(0, 30), min_size=1, max_size=4).filter(any) | st.just([1000]),
)
def test_following_the_cursor_returns_what_one_paginator_returns(
    emulator: Emulator,
    paginator: Any,
    api: Api,
    count: int,
    seed: int,
    parameters: dict[str, Any],
    requests: list[tuple[int, int]],
    pages: list[int],
) -> None:
    emulator.load(plausible_models(count, seed))
    expected = paginator.paginate(**parameters).build_full_result()
    emulator.load(plausible_models(count, seed))
    page_lengths = itertools.cycle(pages)
    emulator.page_sizes = lambda requested: min(requested, next(page_lengths))

    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for request in range(10_000):
        max_items, page_size = requests[request % len(requests)]
        event = {**parameters, "maxItems": max_items, "pageSize": page_size, **cursor}
        page = api.invoke(event) if request % 2 else api.get(as_text(event)).body
        assert len(page["modelSummaries"]) <= max_items
        found += page["modelSummaries"]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert found == [as_json(model) for model in expected.get("modelSummaries", [])]
    tokens = [call.get("nextToken") for call in emulator.calls]
    assert len(tokens) == len(set(tokens)), "a page was requested twice"


def walk(api: Api, max_items: int) -> Iterator[Response]:
    query: dict[str, object] = {"maxItems": max_items}
    while True:
        response = api.get(query)
        yield response
        if "nextCursor" not in response.body:
            return
        query["cursor"] = response.body["nextCursor"]


@pytest.mark.parametrize("max_items", [7, 100, 150, 299, 300, 301, 1000])
def test_a_walk_makes_the_fewest_possible_calls(api: Api, emulator: Emulator, max_items: int) -> None:
    found = [arn for response in walk(api, max_items) for arn in response.arns]
    assert len(found) == len(set(found)) == 300
    assert set(found) == {model.arn for model in plausible_models(300)}
    assert len(emulator.calls) == math.ceil(300 / max_items)


def test_cursors_and_calls_do_not_grow_during_a_long_walk(api: Api, emulator: Emulator) -> None:
    emulator.load(plausible_models(20_000))
    lengths: list[int] = []
    for response in walk(api, 1000):
        assert len(response.arns) == 1000
        lengths.append(len(response.body.get("nextCursor", "")))
    *cursors, last = lengths
    assert (len(cursors), last) == (19, 0)
    assert max(cursors) - min(cursors) < 100
    assert len(emulator.calls) == 20
