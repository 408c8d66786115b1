"""Rule 2, end to end: following the cursor gives what one boto3 paginator gives, each model once."""

from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bedrock_emulator import Emulator
from local.models import plausible_models
from tests.conftest import Api

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

    assert [model["modelArn"] for model in found] == [m["modelArn"] for m in reference.get("modelSummaries", [])]
    tokens = [call.get("nextToken") for call in emulator.calls]
    assert len(tokens) == len(set(tokens)), "nothing is fetched twice"


@pytest.mark.parametrize("max_items", [7, 100, 150, 299, 300, 301, 1000])
def test_three_hundred_models(api: Api, max_items: int) -> None:
    found: list[str] = []
    query: dict[str, object] = {"maxItems": max_items}
    while True:
        answer = api.get(query)
        found += answer.arns
        if "nextCursor" not in answer.body:
            break
        query["cursor"] = answer.body["nextCursor"]
    assert len(found) == len(set(found)) == 300
    assert set(found) == {model.arn for model in plausible_models(300)}
