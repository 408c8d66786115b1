"""Custom models for the emulator, from a file.

The file contains the output of ``aws bedrock list-custom-models``, a response of this API, or a JSON
array of model summaries. Its models are served unchanged, except that ``source`` is always the emulator's own.
If one of them is invalid, the file is rejected.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from custom_models.adapters.bedrock.response import model_summary
from custom_models.core.models import ModelSummary
from custom_models.core.parameters import FILTERS
from emulators.models import ACCOUNT, REGION, Model
from local.json_file import read_json

_NEXT = ("nextToken", "NextToken", "nextCursor")
"""The fields for the next page: of Bedrock, of the AWS CLI with ``--max-items``, and of this API."""

_ARN = next(str(filter_.type.schema()["pattern"]) for filter_ in FILTERS if filter_.name == "baseModelArnEquals")
_FORMATS = {
    "modelArn": (rf"(?=.*:custom-model/){_ARN}", "the ARN of a custom model"),
    "baseModelArn": (_ARN, "the ARN of a custom or a foundation model"),
    "creationTime": (
        r".+T[^.]+([.].{1,6})?(Z|[+-]..:..)",
        "a date-time with an offset and at most six fraction digits",
    ),
    "ownerAccountId": ("[0-9]{12}", "an account ID of 12 digits"),
}
"""What the emulator and its filters need, in addition to the checks of the function."""


def read_models(path: Path) -> Sequence[Model]:
    """Return the models in a file. All of them are in the same region.

    Raises:
        FileError: the file cannot be read, or is not a complete and valid listing.
    """
    return read_json(path, _models)


def region_of(models: Sequence[Model]) -> str:
    """Return the region of the models; any region if there are none."""
    return models[0].arn.split(":")[3] if models else REGION


def likely_account(models: Sequence[Model]) -> str:
    """Return the account that owns most of the models; if several own equally many, the first of them."""
    owners = Counter(model.account for model in models)
    return owners.most_common(1)[0][0] if owners else ACCOUNT


def _models(content: Any) -> Sequence[Model]:
    array, summaries = _summaries(content)
    models: dict[str, ModelSummary] = {}
    for index, summary in enumerate(summaries):
        try:
            model = _checked(summary)
        except ValueError as error:
            raise ValueError(f"{array}[{index}]{error}") from None
        if (arn := model["modelArn"]) in models:
            first = list(models).index(arn)
            raise ValueError(f"{array}[{index}].modelArn is the same as that of {array}[{first}]: {arn}")
        models[arn] = model
    _require_one_region(array, list(models))
    foundations = _foundations(array, {arn: model["baseModelArn"] for arn, model in models.items()})
    return [_model(model, foundations[arn]) for arn, model in models.items()]


def _require_one_region(array: str, arns: Sequence[str]) -> None:
    regions = [arn.split(":")[3] for arn in arns]
    if other := next((index for index, region in enumerate(regions) if region != regions[0]), None):
        raise ValueError(
            f"{array}[{other}].modelArn is in {regions[other]}, and {array}[0].modelArn in {regions[0]}: a file is "
            "the listing of one region"
        )


def _summaries(content: Any) -> tuple[str, list[Any]]:
    """Return the path of the array of models, in the notation of jq, and the array."""
    if isinstance(content, list):
        return ".", content
    if not isinstance(content, dict) or not isinstance(content.get("modelSummaries"), list):
        raise ValueError("this is not a listing: it must be an object with an array modelSummaries, or an array")
    for name, value in content.items():
        if name in _NEXT and value is not None:
            raise ValueError(f"this is one page of a longer listing, because it has {name}: save all pages")
        if name == "coverage" and not (isinstance(value, dict) and value.get("complete") is True):
            raise ValueError("this is a part of a listing, because its coverage is not complete: save a complete one")
        if name not in ("modelSummaries", "coverage", "ResponseMetadata", *_NEXT):
            raise ValueError(f".{json.dumps(name)} is not a field of a listing")
    return ".modelSummaries", content["modelSummaries"]


def _checked(summary: Any) -> ModelSummary:
    """Return the summary if it is valid. Otherwise raise ValueError with a text that continues its path."""
    model = model_summary(copy(summary))
    for name, value in summary.items():
        if name == "source":
            continue
        if name not in model:
            raise ValueError(f".{json.dumps(name)} is null, or not a field of a model summary")
        pattern, what = _FORMATS.get(name, (".+", "text that is not empty"))
        if not re.fullmatch(pattern, str(value)):
            raise ValueError(f".{name} must be {what}, not {json.dumps(value):.80}")
    return model


def _foundations(array: str, bases: Mapping[str, str]) -> Mapping[str, str]:
    """Return each model's foundation model by the model's ARN. ``bases`` has the base models, which are followed."""
    foundations: dict[str, str] = {}
    try:
        for arn in TopologicalSorter({arn: [base] for arn, base in bases.items()}).static_order():
            named = re.fullmatch("(.*):[0-9]{12}:custom-model/(?!imported)(.*)/.*", arn)
            own = f"{named[1]}::foundation-model/{named[2]}" if named else arn
            foundations[arn] = foundations[bases[arn]] if arn in bases else own
    except CycleError as error:
        index = min(map(list(bases).index, error.args[1]))
        raise ValueError(f"{array}[{index}].baseModelArn leads back to the model itself") from None
    return foundations


def _model(model: ModelSummary, foundation_arn: str) -> Model:
    return Model(
        arn=model["modelArn"],
        name=model["modelName"],
        created=datetime.fromisoformat(model["creationTime"]),
        base_arn=model["baseModelArn"],
        base_name=model["baseModelName"],
        foundation_arn=foundation_arn,
        customization_type=model.get("customizationType"),
        owner=model.get("ownerAccountId"),
        status=model.get("modelStatus"),
    )
