"""moto's server as an upstream that others wrote: it has tokens and times of its own."""

from collections.abc import Iterator

import boto3
import pytest

from custom_models.bootstrap import build
from tests.api import KEY, Api, isolate

pytestmark = pytest.mark.slow  # moto takes seconds to start

COUNT = 23


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A moto server with some custom models, made by customization jobs."""
    # Imported here because it is slow, and would delay collecting the tests.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        bedrock = boto3.client("bedrock", endpoint_url=f"http://{host}:{port}")
        for number in range(COUNT):
            bedrock.create_model_customization_job(
                jobName=f"job-{number}",
                customModelName=f"model-{number}",
                roleArn="arn:aws:iam::123456789012:role/customization",
                baseModelIdentifier="amazon.nova-lite-v1",
                trainingDataConfig={"s3Uri": "s3://bucket/train"},
                outputDataConfig={"s3Uri": "s3://bucket/output"},
                hyperParameters={"epochs": "1"},
            )
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_api(moto: str, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", moto)
    monkeypatch.setenv("CURSOR_KEY", KEY)
    return Api(build())


@pytest.mark.parametrize("max_items", [1, 2, 7, 100, 1000])
def test_a_walk_returns_every_model_once(moto_api: Api, max_items: int) -> None:
    expected = boto3.client("bedrock").get_paginator("list_custom_models").paginate().build_full_result()
    names: list[str] = []
    event: dict[str, object] = {"maxItems": max_items}
    for _ in range(COUNT + 1):
        listing = moto_api.invoke(event)
        assert len(listing["modelSummaries"]) <= max_items
        names += [model["modelName"] for model in listing["modelSummaries"]]
        if "nextCursor" not in listing:
            break
        event["cursor"] = listing["nextCursor"]
    assert names == [model["modelName"] for model in expected["modelSummaries"]]
    assert sorted(names) == sorted(f"model-{number}" for number in range(COUNT))


def test_times_without_an_offset_are_in_utc_and_are_accepted_as_a_filter(moto_api: Api) -> None:
    model = moto_api.get({"maxItems": 1}).body["modelSummaries"][0]
    assert model["creationTime"].endswith("Z")
    assert moto_api.get({"creationTimeAfter": model["creationTime"]}).status == 200


def test_filters_that_moto_supports(moto_api: Api) -> None:
    assert [model["modelName"] for model in moto_api.invoke({"nameContains": "job-7"})["modelSummaries"]] == ["model-7"]
