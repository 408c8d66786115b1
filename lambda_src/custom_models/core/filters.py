"""Checks that the models from Bedrock match the filters, as far as a model summary can show it.

``nameContains`` is not checked: AWS documents that it matches the name of the model's *job*
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListCustomModels.html). A summary has no
field that shows ``foundationModelArnEquals``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from custom_models.core.errors import UpstreamInvalid
from custom_models.core.models import ModelSummary, Source
from custom_models.core.parameters import Filters

_Check: TypeAlias = Callable[[ModelSummary], bool]

_TOLERANCE = timedelta(seconds=1)
"""Bedrock does not document the precision of its comparison, so a smaller difference is not treated as a violation."""


def require_filtered(models: Sequence[ModelSummary], filters: Filters, source: Source) -> None:
    """Raise UpstreamInvalid if a model violates a filter.

    Args:
        models: the models that upstream returned for the filters.
        filters: the filters.
        source: where they were listed; ``isOwned`` refers to its account.
    """
    for name, value in filters.items():
        violates = _violation(name, value, source)
        if violates is not None and any(map(violates, models)):
            raise UpstreamInvalid(f"Bedrock returned models that do not match {name}.")


def _violation(name: str, value: Any, source: Source) -> _Check | None:
    """Return a function that is true for a model that violates the filter; None if a model cannot show it."""
    match name:
        case "modelStatus" | "baseModelArnEquals":
            field = name.removesuffix("Equals")
            # Bedrock may omit the status, so a model without the field may match.
            return lambda model: model.get(field, value) != value
        case "creationTimeAfter":
            return lambda model: value - _created(model) >= _TOLERANCE
        case "creationTimeBefore":
            return lambda model: _created(model) - value >= _TOLERANCE
        case "isOwned" if value:
            return lambda model: not _is_of(model, source)
        case "isOwned":
            return lambda model: _owner(model) == source.account
        case _:
            return None


def _created(model: ModelSummary) -> datetime:
    return datetime.fromisoformat(model["creationTime"])


def _is_of(model: ModelSummary, source: Source) -> bool:
    """Return whether the account and the region in a model's ARN, and its owner, can be those of the source."""
    region, account = [*model["modelArn"].split(":"), *[""] * 5][3:5]
    owner = model.get("ownerAccountId", source.account)
    return region in ("", source.region) and account in ("", source.account) and owner in ("", source.account)


def _owner(model: ModelSummary) -> str:
    """Return the owner of a model; without ``ownerAccountId``, the account in its ARN; empty if there is none."""
    return model.get("ownerAccountId") or "".join(model["modelArn"].split(":")[4:5])
