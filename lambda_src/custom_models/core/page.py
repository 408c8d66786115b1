"""One page of models, as Bedrock gave it."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, TypedDict


class ModelSummary(TypedDict):
    """One custom model in Bedrock's own names, ready for JSON.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CustomModelSummary.html
    """

    modelArn: str
    modelName: str
    creationTime: str
    """RFC 3339 in UTC (``Z``), with all the precision that Bedrock gave."""
    baseModelArn: str
    baseModelName: str
    customizationType: NotRequired[str]
    ownerAccountId: NotRequired[str]
    modelStatus: NotRequired[str]


class Page(NamedTuple):
    """What one upstream call gave: models, and the token of the next page if there is one."""

    models: Sequence[ModelSummary]
    next_token: str | None
