"""Checks that the models from Bedrock match the filters, as far as a model summary can show it.

``nameContains`` is not checked: AWS documents that it matches the name of the model's *job*
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListCustomModels.html). A summary has no
field that shows ``foundationModelArnEquals``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from custom_models.core.errors import UpstreamInvalid
from custom_models.core.models import ModelSummary
from custom_models.core.parameters import Filters

_Check: TypeAlias = Callable[[ModelSummary], bool]

_TOLERANCE = timedelta(seconds=1)
"""Bedrock does not document the precision of its comparison, so a smaller difference is not treated as a violation."""


def require_filtered(models: Sequence[ModelSummary], filters: Filters, account: str | None) -> None:
    """Raise UpstreamInvalid if a model violates a filter.

    Args:
        models: the models that upstream returned for the filters.
        filters: the filters.
        account: the account that ``isOwned`` refers to; None if it is not known.
    """
    for name, value in filters.items():
        violates = _violation(name, value, account)
        if violates is not None and any(map(violates, models)):
            raise UpstreamInvalid(f"Bedrock returned models that do not match {name}.")


def _violation(name: str, value: Any, account: str | None) -> _Check | None:
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
        case "isOwned" if account is not None:
            return lambda model: (owner := _owner(model)) != "" and (owner == account) != value
        case _:
            return None


def _created(model: ModelSummary) -> datetime:
    return datetime.fromisoformat(model["creationTime"])


def _owner(model: ModelSummary) -> str:
    """Return the owner of a model; without ``ownerAccountId``, the account in its ARN; empty if there is none."""
    return model.get("ownerAccountId") or "".join(model["modelArn"].split(":")[4:5])
