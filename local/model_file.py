"""One's own custom models for the emulator, out of a file that a listing was saved in.

The file holds what ``aws bedrock list-custom-models`` prints, an answer of this API, or a bare JSON
array of model summaries. It is taken whole and as it is, or refused: a listing that is served must
be the one that was saved.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulators.models import ACCOUNT, Model

_MODELS = "modelSummaries"
_NEXT = ("nextToken", "NextToken", "nextCursor")
"""Bedrock's, that of the AWS CLI's own --max-items, and this API's."""

_ARN = r"(arn:aws(?:-[a-z]+)*:bedrock:[a-z0-9-]{1,20}):"
_CUSTOM_MODEL = re.compile(_ARN + r"[0-9]{12}:custom-model/([!-~]+)/[!-~]+")
_FOUNDATION_MODEL = re.compile(_ARN + r":foundation-model/[!-~]+")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_MAX_ARN = 1011
_MAX_TEXT = 2048
"""The function takes no longer member for one of Bedrock's."""


class ModelFileError(Exception):
    """The file cannot be served as a listing; the text says why, and where in it."""


def read_models(path: Path) -> Sequence[Model]:
    """Return the models of a file, each with the foundation model that it goes back to.

    That is its base, or that of a base which is in the same file too; of another custom model it is
    the one that the base's ARN names, and where that names none (imported models) the base itself.

    Raises:
        ModelFileError: the file cannot be read, or is not a whole and sound listing.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_object)
        where, summaries = _summaries(content)
        members = [_members(f"{where}[{place}]", summary) for place, summary in enumerate(summaries)]
        _require_each_once(where, members)
        foundations = _foundations(where, {given["modelArn"]: given["baseModelArn"] for given in members})
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path} is not UTF-8 text (its byte {error.start} is not).") from None
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{path} is not JSON: {error}.") from None
    except RecursionError:
        raise ModelFileError(f"{path} is not a listing: it is nested too deep.") from None
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}.") from None
    return [_model(given, foundations[given["modelArn"]]) for given in members]


def likely_account(models: Sequence[Model]) -> str:
    """Return the account that owns most of the models, the first of them where several do."""
    owners = Counter(model.account for model in models)
    return owners.most_common(1)[0][0] if owners else ACCOUNT


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"an object has {_shown(name)} twice")
    return members


def _summaries(content: object) -> tuple[str, list[object]]:
    """Return the path of the list of models in the file, as jq writes it, and the list."""
    if isinstance(content, list):
        return ".", content
    models = content.get(_MODELS) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(models, list):
        raise ValueError(f"this is no listing: it must be an object with an array {_MODELS}, or an array of models")
    for name, value in content.items():
        if name in _NEXT and value is not None:
            raise ValueError(
                f"this is one page of a listing and not all of it, for it has {name}: list all of it, "
                f"or take {name} out to serve this page as if it were all"
            )
        if name not in (_MODELS, *_NEXT, "ResponseMetadata"):
            raise ValueError(f".{_shown(name)} is not a member of a listing")
    return f".{_MODELS}", models


def _members(place: str, summary: object) -> Mapping[str, str]:
    if not isinstance(summary, dict):
        raise ValueError(f"{place} must be an object, a model's summary, not {_shown(summary)}")
    for name, value in summary.items():
        if name not in _RULES:
            raise ValueError(f"{place}.{_shown(name)} is not a member of a model's summary")
        holds, what = _RULES[name]
        if not isinstance(value, str) or not holds(value):
            raise ValueError(f"{place}.{name} must be {what}, not {_shown(value)}")
    missing = [name for name in _REQUIRED if name not in summary]
    if missing:
        raise ValueError(f"{place}.{missing[0]} is missing")
    return summary


def _is_text(value: str) -> bool:
    return value.isprintable() and 0 < len(value) <= _MAX_TEXT


def _is_custom_model(value: str) -> bool:
    return len(value) <= _MAX_ARN and _CUSTOM_MODEL.fullmatch(value) is not None


def _is_model(value: str) -> bool:
    return _is_custom_model(value) or (len(value) <= _MAX_ARN and _FOUNDATION_MODEL.fullmatch(value) is not None)


def _is_time(value: str) -> bool:
    if not _TIME.fullmatch(value):
        return False
    try:
        _instant(value)
    except (ValueError, OverflowError):  # 30 February; or past the year 9999 in UTC
        return False
    return True


def _is_account(value: str) -> bool:
    return re.fullmatch("[0-9]{12}", value) is not None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_TEXT = (_is_text, "a text that can be shown, not empty")
_RULES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "modelArn": (_is_custom_model, "the ARN of a custom model"),
    "modelName": _TEXT,
    "creationTime": (
        _is_time,
        "an ISO 8601 time with an offset and at most six fraction digits, such as 2026-01-31T12:00:00Z",
    ),
    "baseModelArn": (_is_model, "the ARN of a custom or a foundation model"),
    "baseModelName": _TEXT,
    "customizationType": _TEXT,
    "ownerAccountId": (_is_account, "an account's 12 digits"),
    "modelStatus": _TEXT,
}
_REQUIRED = ("modelArn", "modelName", "creationTime", "baseModelArn", "baseModelName")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _require_each_once(where: str, members: Sequence[Mapping[str, str]]) -> None:
    seen: dict[str, int] = {}
    for place, given in enumerate(members):
        first = seen.setdefault(given["modelArn"], place)
        if first != place:
            raise ValueError(f"{where}[{place}].modelArn is that of {where}[{first}] too: {given['modelArn']}")


def _foundations(where: str, bases: Mapping[str, str]) -> Mapping[str, str]:
    """Return the foundation model of each model by its ARN; ``bases`` has their bases, in the file's order."""
    found: dict[str, str] = {}
    for arn in bases:
        # A dict, for its order and its speed: a chain may be as long as the file.
        chain: dict[str, None] = {}
        end = arn
        while end in bases and end not in found:
            if end in chain:
                place = list(bases).index(end)
                raise ValueError(f"{where}[{place}].baseModelArn leads back to the model itself")
            chain[end] = None
            end = bases[end]
        found.update(dict.fromkeys(chain, found[end] if end in found else _named_foundation(end)))
    return found


def _named_foundation(base: str) -> str:
    match = _CUSTOM_MODEL.fullmatch(base)
    if match is None or match[2].startswith("imported"):
        return base
    return f"{match[1]}::foundation-model/{match[2]}"


def _model(given: Mapping[str, str], foundation: str) -> Model:
    return Model(
        arn=given["modelArn"],
        name=given["modelName"],
        created=_instant(given["creationTime"]),
        base_arn=given["baseModelArn"],
        base_name=given["baseModelName"],
        foundation_arn=foundation,
        customization_type=given.get("customizationType"),
        owner=given.get("ownerAccountId"),
        status=given.get("modelStatus"),
    )
