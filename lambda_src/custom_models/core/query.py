"""A query: the parameters of one request, validated.

Values are not converted, and nothing is ignored. One error reports every invalid parameter.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from custom_models.core.errors import InvalidQuery, ParameterError
from custom_models.core.models import Source
from custom_models.core.parameters import (
    ACCOUNTS,
    ALLOW_PARTIAL,
    CURSOR,
    MAX_ITEMS,
    PAGE_SIZE,
    PARAMETERS,
    REGIONS,
    Filters,
    Parameter,
    Value,
)

_MAX_UNKNOWN = 50
"""The maximum number of unknown parameters that an error names."""

_MAX_NAME = 64
"""The maximum number of characters of an unknown parameter's name in an error."""

_T = TypeVar("_T")

_NAMES = frozenset(parameter.name for parameter in PARAMETERS)


class Query(NamedTuple):
    """A valid request for a listing."""

    filters: Filters
    sources: Sequence[Source]
    """The selected sources, in the order of the inventory."""
    allow_partial: bool
    max_items: int
    page_size: int
    cursor: str | None
    accounts: Sequence[str] | None = None
    """The accounts that the request names, for the log."""
    regions: Sequence[str] | None = None
    """The regions that the request names, for the log."""

    @classmethod
    def from_text(cls, given: Mapping[str, Sequence[str]], inventory: Sequence[Source]) -> "Query":
        """Read a query string: the decoded values of each name, one for each time that it was sent.

        ``inventory`` has the sources that can be selected.

        Raises:
            InvalidQuery: names every parameter that is not valid.
        """

        def read(parameter: Parameter, values: Sequence[str]) -> Value:
            if len(values) != 1:
                raise ValueError(f"must be given once, not {len(values)} times")
            if not values[0]:
                raise ValueError("must not be empty: omit it instead")
            return parameter.type.from_text(values[0])

        return cls._read(given, read, inventory)

    @classmethod
    def from_json(cls, given: Mapping[str, object], inventory: Sequence[Source]) -> "Query":
        """Read the fields of a JSON object. ``null`` means absent, because many serializers write it for unset fields.

        ``inventory`` has the sources that can be selected.

        Raises:
            InvalidQuery: names every parameter that is not valid.
        """

        def read(parameter: Parameter, value: object) -> Value:
            if value == "":
                raise ValueError("must not be empty: omit it instead")
            return parameter.type.from_json(value)

        return cls._read({name: value for name, value in given.items() if value is not None}, read, inventory)

    @classmethod
    def _read(
        cls, given: Mapping[str, _T], read: Callable[[Parameter, _T], Value], inventory: Sequence[Source]
    ) -> "Query":
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
        accounts = cast("tuple[str, ...] | None", values.pop(ACCOUNTS.name, None))
        regions = cast("tuple[str, ...] | None", values.pop(REGIONS.name, None))
        sources = inventory
        if accounts is not None or regions is not None:
            sources, wrong = _select(inventory, accounts, regions)
            errors += wrong
        if len(sources) > 1 and not any(error.parameter in (ACCOUNTS.name, REGIONS.name) for error in errors):
            errors += [ParameterError(name, _ONE_SOURCE) for name in ("sortBy", "sortOrder") if name in values]
        errors += _unknown([name for name in given if name not in _NAMES])
        if errors:
            raise InvalidQuery(errors)

        allow_partial = cast("bool", values.pop(ALLOW_PARTIAL.name, False))
        max_items = cast("int", values.pop(MAX_ITEMS.name, MAX_ITEMS.default))
        page_size = cast("int", values.pop(PAGE_SIZE.name, max_items))
        cursor = cast("str | None", values.pop(CURSOR.name, None))
        filters = cast("Filters", values)
        return cls(filters, sources, allow_partial, max_items, page_size, cursor, accounts, regions)

    @property
    def fingerprint(self) -> str:
        """32 hex digits that are equal for equal filters, order and selected sources, however they were written."""
        filters = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in self.filters.items()
        }
        canonical = json.dumps([filters, self.sources], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]


_ONE_SOURCE = (
    "orders the models of one source, but more than one is selected: select one with accounts and regions, or omit it"
)


def _select(
    inventory: Sequence[Source], accounts: Sequence[str] | None, regions: Sequence[str] | None
) -> tuple[Sequence[Source], list[ParameterError]]:
    """Return the selected sources in the order of the inventory, and what is wrong with the selection."""
    errors: list[ParameterError] = []
    for parameter, names, known in (
        (ACCOUNTS, accounts, {source.account for source in inventory}),
        (REGIONS, regions, {source.region for source in inventory}),
    ):
        if missing := [name for name in names or () if name not in known]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            errors.append(ParameterError(parameter.name, f"has {missing[0]}{more}, not in the inventory of this API"))
    if errors:
        # A direct invocation may name hundreds of thousands: comparing each with every source would take too long.
        return (), errors
    selected = tuple(
        source
        for source in inventory
        if (accounts is None or source.account in accounts) and (regions is None or source.region in regions)
    )
    if not selected:
        errors.append(ParameterError(REGIONS.name, "has no region that the inventory lists for these accounts"))
    return selected, errors


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
