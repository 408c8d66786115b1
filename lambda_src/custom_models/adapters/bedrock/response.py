"""Validation of Bedrock's responses. An invalid response must never look like an empty listing."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from custom_models.core.errors import UpstreamInvalid
from custom_models.core.models import ModelSummary, Page

_TOKEN = re.compile(r"[^\s\ud800-\udfff]{0,2048}")
"""Bedrock's own pattern and length, without characters that a URL cannot hold. botocore ignores an empty token."""

_MAX_TEXT = 2048
_FIELDS = tuple(ModelSummary.__annotations__)
_REQUIRED = ModelSummary.__required_keys__
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_NOT_A_LISTING = "Bedrock's response is not a list of models."


def page(listing: Mapping[str, object], status: int) -> Page:
    """Return the page that a response holds.

    Raises:
        UpstreamInvalid: the response is not a listing.
    """
    models = listing.get("modelSummaries")
    if status != 200 or not isinstance(models, list):
        raise UpstreamInvalid(_NOT_A_LISTING)
    try:
        summaries = [model_summary(model) for model in models]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UpstreamInvalid(_NOT_A_LISTING) from None
    token = listing.get("nextToken", "")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise UpstreamInvalid("Bedrock returned an invalid page token.")
    return Page(summaries, token or None)


def model_summary(given: Any) -> ModelSummary:
    """Return the known fields of a model summary, each validated, with the creation time in UTC.

    Raises:
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: it is not a model summary.
    """
    model = {name: value for name in _FIELDS if (value := given.get(name)) is not None}
    model["creationTime"] = rfc3339(model["creationTime"])
    # All values at once, which is three times as fast; join accepts only text.
    text = "".join(model.values())
    if not text.isprintable() or (len(text) > _MAX_TEXT and max(map(len, model.values())) > _MAX_TEXT):
        raise ValueError("a field that is not printable, or too long")
    if not model["modelArn"] or not model.keys() >= _REQUIRED:
        raise ValueError("a required field is missing")
    return cast("ModelSummary", model)


def rfc3339(value: object) -> str:
    """Return a timestamp of an AWS response, text or epoch seconds, as RFC 3339 in UTC.

    Text keeps every digit of its fraction, which a datetime would not.

    Raises:
        ArithmeticError, ValueError: it is not a timestamp.
    """
    if isinstance(value, str) and (match := _TIMESTAMP.fullmatch(value)):
        seconds, fraction, offset = match.groups()
        instant = datetime.fromisoformat(seconds if offset == "Z" else seconds + offset)
        if offset == "Z":
            return value
        return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + (fraction or "") + "Z"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("not a timestamp")
    return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
