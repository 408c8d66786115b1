"""Validation of parameters with botocore's service models, with AWS's error messages."""

import functools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel, Shape


class ValidationError(Exception):
    """The request is invalid; the text is AWS's message."""


@functools.cache
def input_shape(service: str, operation: str) -> Any:
    """Return the structure of an operation's parameters."""
    model: Any = ServiceModel(botocore.loaders.create_loader().load_service_model(service, "service-2"))
    return model.operation_model(operation).input_shape


def parse(name: str, text: str, shape: Shape | None) -> Any:
    """Return the value of a parameter; ``name`` is its name in the message.

    Raises:
        ValidationError: it breaks a rule of botocore's service model.
    """
    if shape is None:
        return text
    try:
        value = _PARSERS[shape.type_name](text)
    except (KeyError, ValueError):
        raise _invalid(name, text, f"be of type {shape.type_name}") from None
    rules: Mapping[str, Any] = shape.metadata
    size, unit = (value, "value") if shape.type_name == "integer" else (len(text), "length")
    if text not in rules.get("enum", [text]):
        raise _invalid(name, text, f"satisfy enum value set: [{', '.join(rules['enum'])}]")
    if size < rules.get("min", size):
        raise _invalid(name, text, f"have {unit} greater than or equal to {rules['min']}")
    if size > rules.get("max", size):
        raise _invalid(name, text, f"have {unit} less than or equal to {rules['max']}")
    if "pattern" in rules and not re.fullmatch(rules["pattern"], text):
        raise _invalid(name, text, f"satisfy regular expression pattern: {rules['pattern']}")
    return value


def _invalid(name: str, text: str, constraint: str) -> ValidationError:
    failed = f"Value '{text}' at '{name}' failed to satisfy constraint: Member must {constraint}"
    return ValidationError(f"1 validation error detected: {failed}")


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ" if "." in text else "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]+", text):
        raise ValueError(text)
    return int(text)


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": {"true": True, "false": False}.__getitem__,
    "integer": _integer,
    "string": str,
    "timestamp": _instant,
}
