"""Filters that a model summary proves to be violated."""

from typing import Any, cast

import pytest

from custom_models.core.errors import UpstreamInvalid
from custom_models.core.filters import require_filtered
from custom_models.core.models import ModelSummary, Source
from tests.doubles import from_json

OWN, OTHER = "111122223333", "444455556666"
SOURCE = Source(OWN, "us-east-1")
MODEL = {
    "modelArn": f"arn:aws:bedrock:us-east-1:{OWN}:custom-model/amazon.nova-pro-v1/abcdefghij12",
    "modelName": "churn",
    "creationTime": "2026-10-01T12:00:00.500Z",
    "baseModelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1",
    "baseModelName": "amazon.nova-pro-v1",
    "modelStatus": "Active",
}
SHARED_ARN = MODEL["modelArn"].replace(OWN, OTHER)


def violates(filters: dict[str, object], **fields: str | None) -> bool:
    model = {name: value for name, value in {**MODEL, **fields}.items() if value is not None}
    try:
        require_filtered([cast("ModelSummary", model)], query(filters), SOURCE)
    except UpstreamInvalid:
        return True
    return False


def query(filters: dict[str, object]) -> Any:
    return from_json(filters).filters


@pytest.mark.parametrize(
    ("filters", "fields", "violated"),
    [
        ({"modelStatus": "Active"}, {}, False),
        ({"modelStatus": "Failed"}, {}, True),
        ({"modelStatus": "Failed"}, {"modelStatus": None}, False),
        ({"baseModelArnEquals": MODEL["baseModelArn"]}, {}, False),
        ({"baseModelArnEquals": MODEL["baseModelArn"] + "0"}, {}, True),
        # Off by less than a second: Bedrock's precision is not documented.
        ({"creationTimeAfter": "2026-10-01T12:00:00.4Z"}, {}, False),
        ({"creationTimeAfter": "2026-10-01T12:00:01.4Z"}, {}, False),
        ({"creationTimeAfter": "2026-10-01T12:00:01.5Z"}, {}, True),
        ({"creationTimeAfter": "2026-10-01T14:00:01.5+02:00"}, {}, True),
        ({"creationTimeBefore": "2026-10-01T12:00:00.6Z"}, {}, False),
        ({"creationTimeBefore": "2026-10-01T11:59:59.6Z"}, {}, False),
        ({"creationTimeBefore": "2026-10-01T11:59:59.5Z"}, {}, True),
        ({"creationTimeBefore": "2026-10-01T11:59:59.5Z"}, {"creationTime": "2026-10-01T11:00:00Z"}, False),
        ({"isOwned": True}, {}, False),
        ({"isOwned": True}, {"ownerAccountId": OTHER}, True),
        ({"isOwned": True}, {"modelArn": SHARED_ARN}, True),
        ({"isOwned": True}, {"modelArn": SHARED_ARN, "ownerAccountId": OWN}, True),
        ({"isOwned": True}, {"modelArn": MODEL["modelArn"].replace("us-east-1", "us-west-2")}, True),
        ({"isOwned": False}, {}, True),
        ({"isOwned": False}, {"ownerAccountId": OWN}, True),
        ({"isOwned": False}, {"ownerAccountId": OTHER}, False),
        ({"isOwned": False}, {"modelArn": SHARED_ARN}, False),
        # Neither an owner nor an account in the ARN: nothing is proved.
        ({"isOwned": True}, {"modelArn": "not-an-arn"}, False),
        ({"isOwned": False}, {"modelArn": "arn:aws:bedrock:us-east-1::x"}, False),
        # AWS documents that this matches the name of the job.
        ({"nameContains": "fraud"}, {}, False),
        ({"foundationModelArnEquals": MODEL["baseModelArn"] + "0"}, {}, False),
        ({"sortBy": "CreationTime", "sortOrder": "Ascending"}, {}, False),
    ],
)
def test_a_filter_is_violated_only_where_the_model_proves_it(
    filters: dict[str, object], fields: dict[str, str | None], violated: bool
) -> None:
    assert violates(filters, **fields) == violated


def test_one_model_of_many_that_violates_a_filter_is_enough() -> None:
    models = [cast("ModelSummary", MODEL)] * 5 + [cast("ModelSummary", {**MODEL, "modelStatus": "Failed"})]
    with pytest.raises(UpstreamInvalid, match=r"^Bedrock returned models that do not match modelStatus\.$"):
        require_filtered(models, query({"modelStatus": "Active"}), SOURCE)
