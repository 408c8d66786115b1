"""Rule 2, end to end: following the cursor gives what one boto3 paginator gives, each model once."""

import math
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.bedrock import Emulator
from emulators.models import plausible_models
from tests.api import Api, Response

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
    """Return what boto3 makes of a model, as the API tells it."""
    return {**model, "creationTime": model["creationTime"].astimezone(UTC).isoformat().replace("+00:00", "Z")}


class Pages:
    """Makes pages shorter, some of them empty, some ending just where the models do."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._turn = 0

    def __call__(self, asked: int) -> int:
        self._turn += 1
        return min(asked, self._sizes[self._turn % len(self._sizes)])


@given(
    count=st.integers(0, 80),
    seed=st.integers(0, 10),
    parameters=filters,
    requests=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4),
    pages=st.lists(st.integers(0, 30), min_size=1, max_size=4).filter(any) | st.just([1000]),
)
def test_following_the_cursor_gives_what_one_paginator_gives(
    emulator: Emulator,
    api: Api,
    count: int,
    seed: int,
    parameters: dict[str, Any],
    requests: list[tuple[int, int]],
    pages: list[int],
) -> None:
    emulator.load(plausible_models(count, seed))
    reference = boto3.client("bedrock").get_paginator("list_custom_models").paginate(**parameters).build_full_result()
    emulator.load(plausible_models(count, seed))
    emulator.page_sizes = Pages(pages)

    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for request in range(10_000):
        max_items, page_size = requests[request % len(requests)]
        event = {**parameters, "maxItems": max_items, "pageSize": page_size, **cursor}
        if request % 2:
            answer = api.invoke(event)
        else:
            answer = api.get({**event, "isOwned": str(event["isOwned"]).lower()} if "isOwned" in event else event).body
        assert len(answer["modelSummaries"]) <= max_items
        found += answer["modelSummaries"]
        if "nextCursor" not in answer:
            break
        cursor = {"cursor": answer["nextCursor"]}

    assert found == [as_json(model) for model in reference.get("modelSummaries", [])]
    tokens = [call.get("nextToken") for call in emulator.calls]
    assert len(tokens) == len(set(tokens)), "nothing is fetched twice"


def walk(api: Api, max_items: int) -> Iterator[Response]:
    query: dict[str, object] = {"maxItems": max_items}
    while True:
        answer = api.get(query)
        yield answer
        if "nextCursor" not in answer.body:
            return
        query["cursor"] = answer.body["nextCursor"]


@pytest.mark.parametrize("max_items", [7, 100, 150, 299, 300, 301, 1000])
def test_three_hundred_models_in_as_few_calls_as_there_can_be(api: Api, emulator: Emulator, max_items: int) -> None:
    found = [arn for answer in walk(api, max_items) for arn in answer.arns]
    assert len(found) == len(set(found)) == 300
    assert set(found) == {model.arn for model in plausible_models(300)}
    assert len(emulator.calls) == math.ceil(300 / max_items)


def test_the_last_page_of_a_large_account_is_made_as_the_first(api: Api, emulator: Emulator) -> None:
    """Nothing that a request does or carries grows on the way."""
    emulator.load(plausible_models(20_000))
    lengths: list[int] = []
    for answer in walk(api, 1000):
        assert len(answer.arns) == 1000
        lengths.append(len(answer.body.get("nextCursor", "")))
    *cursors, last = lengths
    assert (len(cursors), last) == (19, 0)
    assert max(cursors) - min(cursors) < 100
    assert len(emulator.calls) == 20
