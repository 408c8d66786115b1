"""A query: the parameters of one request, validated.

Values are not converted, and nothing is ignored. One error reports every invalid parameter.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from custom_models.core.errors import InvalidQuery, ParameterError
from custom_models.core.parameters import CURSOR, MAX_ITEMS, PAGE_SIZE, PARAMETERS, Filters, Parameter, Value

_MAX_UNKNOWN = 50
"""The maximum number of unknown parameters that an error names."""

_MAX_NAME = 64
"""The maximum number of characters of an unknown parameter's name in an error."""

_T = TypeVar("_T")

_NAMES = frozenset(parameter.name for parameter in PARAMETERS)


class Query(NamedTuple):
    """A valid request for a listing."""

    filters: Filters
    max_items: int
    page_size: int
    cursor: str | None

    @classmethod
    def from_text(cls, given: Mapping[str, Sequence[str]]) -> "Query":
        """Read a query string: the decoded values of each name, one for each time that it was sent.

        Raises:
            InvalidQuery: names every parameter that is not valid.
        """

        def read(parameter: Parameter, values: Sequence[str]) -> Value:
            if len(values) != 1:
                raise ValueError(f"must be given once, not {len(values)} times")
            if not values[0]:
                raise ValueError("must not be empty: omit it instead")
            return parameter.type.from_text(values[0])

        return cls._read(given, read)

    @classmethod
    def from_json(cls, given: Mapping[str, object]) -> "Query":
        """Read the fields of a JSON object. ``null`` means absent, because many serializers write it for unset fields.

        Raises:
            InvalidQuery: names every parameter that is not valid.
        """

        def read(parameter: Parameter, value: object) -> Value:
            if value == "":
                raise ValueError("must not be empty: omit it instead")
            return parameter.type.from_json(value)

        return cls._read({name: value for name, value in given.items() if value is not None}, read)

    @classmethod
    def _read(cls, given: Mapping[str, _T], read: Callable[[Parameter, _T], Value]) -> "Query":
        values: dict[str, Value] = {}
        errors: list[ParameterError] = []
        for parameter in PARAMETERS:
            if parameter.name in given:
                try:
                    values[parameter.name] = read(parameter, given[parameter.name])
                except ValueError as error:
                    errors.append(ParameterError(parameter.name, str(error)))
        if _is_later(values.get("creationTimeAfter"), values.get("creationTimeBefore")):
            errors.append(ParameterError("creationTimeAfter", "must not be later than creationTimeBefore"))
        errors += _unknown([name for name in given if name not in _NAMES])
        if errors:
            raise InvalidQuery(errors)

        max_items = cast("int", values.pop(MAX_ITEMS.name, MAX_ITEMS.default))
        page_size = cast("int", values.pop(PAGE_SIZE.name, max_items))
        cursor = cast("str | None", values.pop(CURSOR.name, None))
        return cls(cast("Filters", values), max_items, page_size, cursor)

    @property
    def fingerprint(self) -> str:
        """32 hex digits that are equal for equal filters and order, however they were written."""
        canonical = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in self.filters.items()
        }
        return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()[:32]


def _is_later(one: Value | None, other: Value | None) -> bool:
    return isinstance(one, datetime) and isinstance(other, datetime) and one > other


def _unknown(names: Sequence[object]) -> list[ParameterError]:
    errors = [ParameterError(_printable(name), _not_a_parameter(name)) for name in names[:_MAX_UNKNOWN]]
    if len(names) > _MAX_UNKNOWN:
        errors.append(ParameterError("…", f"and {len(names) - _MAX_UNKNOWN} more are not parameters of this API"))
    return errors


def _printable(name: object) -> str:
    # The text comes from the client. Control characters could break a log line or the runtime's error report.
    text = str(name)
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:_MAX_NAME])
    return shown if len(text) <= _MAX_NAME else f"{shown}…"


def _not_a_parameter(name: object) -> str:
    # Imported here because only a request that fails needs it.
    from difflib import get_close_matches

    known = {parameter.name.lower(): parameter.name for parameter in PARAMETERS}
    similar = get_close_matches(str(name)[:_MAX_NAME].lower(), known, n=1, cutoff=0.75)
    hint = f" (did you mean {known[similar[0]]}?)" if similar else ""
    return f"is not a parameter of this API{hint}"
