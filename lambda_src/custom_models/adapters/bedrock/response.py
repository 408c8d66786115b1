"""Validation of Bedrock's responses. An invalid response must never look like an empty listing."""

import re
from datetime import UTC, datetime
from typing import Any, cast

from custom_models.core.errors import UpstreamInvalid
from custom_models.core.models import ModelSummary, Page

_TOKEN = re.compile(r"[^\s\ud800-\udfff]{0,2048}")
"""Bedrock's own pattern and length, without characters that a URL cannot contain. botocore ignores an empty token."""

_MAX_TEXT = 2048
_FIELDS = tuple(ModelSummary.__annotations__)
_NAMES = frozenset(_FIELDS)
_REQUIRED = ModelSummary.__required_keys__
_UTC = re.compile(
    r"[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?Z"
)
"""The format that Bedrock sends, except on 29 February. It is checked first, because that is fast."""

_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])([.][0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def page(content: object) -> Page:
    """Return the page in the JSON content of a response.

    Unknown fields are ignored. The service model does not require ``modelSummaries``: if it is missing,
    the page is empty, but only if the response has no other field than ``nextToken``.

    Raises:
        UpstreamInvalid: the content is not a listing. The text names the field, but never its value.
    """
    if not isinstance(content, dict):
        raise _not_a_listing("it is not a JSON object")
    models = content.get("modelSummaries")
    if models is None:
        if not content.keys() <= {"modelSummaries", "nextToken"}:
            raise _not_a_listing("modelSummaries is missing")
        models = []
    if not isinstance(models, list):
        raise _not_a_listing("modelSummaries is not an array")
    summaries: list[ModelSummary] = []
    try:
        for model in models:
            summaries.append(model_summary(model))  # noqa: PERF401 - its length is the index of an invalid model
    except ValueError as error:
        raise _not_a_listing(f"modelSummaries[{len(summaries)}]{error}") from None
    token = content.get("nextToken")
    if token is not None and not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        raise UpstreamInvalid("Bedrock returned an invalid page token.")
    return Page(summaries, token or None)


def _not_a_listing(reason: str) -> UpstreamInvalid:
    return UpstreamInvalid(f"Bedrock's response is not a list of models: {reason}.")


def model_summary(given: Any) -> ModelSummary:
    """Return the known fields of a model summary, each validated, with the creation time in UTC.

    The result may be ``given`` itself.

    Raises:
        ValueError: it is not a model summary. The text continues a path, such as ``.modelName is missing``.
    """
    try:
        # Most responses have no other fields, so that no copy is needed.
        model = given if given.keys() <= _NAMES and None not in given.values() else _known(given)
        model["creationTime"] = rfc3339(model["creationTime"])
        # Check all values together, which is three times as fast: join raises an error if one is not text.
        text = "".join(model.values())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise ValueError(_reason(given)) from None
    too_long = len(text) > _MAX_TEXT and max(map(len, model.values())) > _MAX_TEXT
    if too_long or not text.isprintable() or not model.get("modelArn") or not model.keys() >= _REQUIRED:
        raise ValueError(_reason(given))
    return cast("ModelSummary", model)


def _known(given: Any) -> dict[str, Any]:
    return {name: value for name in _FIELDS if (value := given.get(name)) is not None}


def _reason(given: Any) -> str:
    """Return why ``given`` is not a model summary: the first field that is wrong."""
    if not isinstance(given, dict):
        return " is not an object"
    wrong = ((name, _field_reason(name, given.get(name))) for name in _FIELDS)
    return next((f".{name} {reason}" for name, reason in wrong if reason is not None), " is not a model summary")


def _field_reason(name: str, value: object) -> str | None:
    if value is None:
        return "is missing" if name in _REQUIRED else None
    if name == "creationTime":
        return None if _is_timestamp(value) else "is not a timestamp"
    if not isinstance(value, str):
        return "is not a string"
    if not value.isprintable():
        return "has characters that are not printable"
    if len(value) > _MAX_TEXT:
        return f"has more than {_MAX_TEXT} characters"
    return "is empty" if name == "modelArn" and not value else None


def _is_timestamp(value: object) -> bool:
    try:
        text = rfc3339(value)
    except (ArithmeticError, ValueError):
        return False
    return len(text) <= _MAX_TEXT


def rfc3339(value: object) -> str:
    """Return a timestamp of an AWS response, text or epoch seconds, as RFC 3339 in UTC.

    Text without an offset is in UTC, as in botocore. Text keeps every digit of its fraction; a
    datetime would drop those after the sixth.

    Raises:
        ArithmeticError, ValueError: it is not a timestamp.
    """
    if isinstance(value, str) and _UTC.fullmatch(value):
        return value
    if isinstance(value, str) and (match := _TIMESTAMP.fullmatch(value)):
        date, time, fraction, offset = match.groups()
        instant = datetime.fromisoformat(f"{date}T{time}{offset if offset not in ('Z', 'z', None) else ''}")
        if instant.tzinfo is not None:
            instant = instant.astimezone(UTC).replace(tzinfo=None)
        return f"{instant.isoformat()}{fraction or ''}Z"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("not a timestamp")
    return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
