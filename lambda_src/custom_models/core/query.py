"""The query: which parameters there are, what each may be, and reading them.

``PARAMETERS`` is the one declaration of the request. It validates what comes over HTTP (text) and
by direct invocation (JSON values), and the OpenAPI document is made of it. Nothing is coerced and
nothing ignored; every bad parameter is named at once.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, cast

from custom_models.core.errors import InvalidQuery, ParameterError

Value: TypeAlias = str | bool | int | datetime
Filters: TypeAlias = Mapping[str, str | bool | datetime]
"""Filters and order, in Bedrock's own names; instants are in UTC."""

_T = TypeVar("_T")

# Patterns, lengths, enums and ranges are Bedrock's own, as in botocore's service model; a test
# compares the two.
_NAME = r"([0-9a-zA-Z][_-]?){1,63}"
_FOUNDATION_MODEL = (
    r"foundation-model/[a-z0-9-]{1,63}[.]{1}([a-z0-9-]{1,63}[.]){0,2}[a-z0-9-]{1,63}([:][a-z0-9-]{1,63}){0,2}"
)
_CUSTOM_MODEL = (
    r"custom-model/((imported)|([a-z0-9-]{1,63}[.]{1}[a-z0-9-]{1,63}))(([:][a-z0-9-]{1,63}){0,2})?/[a-z0-9]{12}"
)
_ARN = r"arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:"
_MODEL_ARN = rf"{_ARN}(([0-9]{{12}}:{_CUSTOM_MODEL})|(:{_FOUNDATION_MODEL}))"
_FOUNDATION_MODEL_ARN = rf"{_ARN}:{_FOUNDATION_MODEL}"


class Kind(Protocol):
    """What the values of a parameter are."""

    def from_json(self, value: object) -> Value:
        """Return the value, or raise ValueError with what it must be (``"must be …"``)."""
        ...

    def from_text(self, text: str) -> Value:
        """Return the value of a query string's text, or raise ValueError likewise."""
        ...

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema (2020-12) of the same values."""
        ...


class Text(NamedTuple):
    """A string with a shape; ``what`` names that shape in a message."""

    what: str = "a string"
    pattern: str | None = None
    min_length: int = 1
    max_length: int | None = None

    def from_json(self, value: object) -> str:
        """Take a string of the right length that matches the pattern from end to end."""
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if self.max_length is not None and len(value) > self.max_length:
            raise ValueError(f"must have at most {self.max_length} characters")
        if len(value) < self.min_length:
            raise ValueError(f"must have at least {self.min_length} characters")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.what}")
        if re.search("[\ud800-\udfff]", value):
            raise ValueError("must be valid Unicode text")
        return value

    def from_text(self, text: str) -> str:
        """Take the same."""
        return self.from_json(text)

    def schema(self) -> dict[str, object]:
        """Return a string schema; JSON Schema's patterns are not anchored, ours are."""
        schema: dict[str, object] = {"type": "string", "minLength": self.min_length}
        if self.max_length is not None:
            schema["maxLength"] = self.max_length
        if self.pattern is not None:
            schema["pattern"] = f"^({self.pattern})$"
        return schema


class Enum(NamedTuple):
    """One of a few words."""

    values: tuple[str, ...]

    def from_json(self, value: object) -> str:
        """Take one of the words, letter for letter."""
        if not isinstance(value, str) or value not in self.values:
            raise ValueError(f"must be {' or '.join(self.values)}")
        return value

    def from_text(self, text: str) -> str:
        """Take the same."""
        return self.from_json(text)

    def schema(self) -> dict[str, object]:
        """Return an enum."""
        return {"type": "string", "enum": list(self.values)}


class Boolean:
    """Yes or no."""

    def from_json(self, value: object) -> bool:
        """Take JSON's true or false."""
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    def from_text(self, text: str) -> bool:
        """Take ``true`` or ``false``, in these letters."""
        if text not in ("true", "false"):
            raise ValueError("must be true or false")
        return text == "true"

    def schema(self) -> dict[str, object]:
        """Return a boolean schema."""
        return {"type": "boolean"}


class Integer(NamedTuple):
    """A whole number in a range."""

    minimum: int
    maximum: int

    def from_json(self, value: object) -> int:
        """Take an integer; a float or a boolean is none."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return value

    def from_text(self, text: str) -> int:
        """Take plain ASCII digits: no sign, no space, no leading zero."""
        plain = re.fullmatch(r"[1-9][0-9]{0,8}", text)
        return self.from_json(int(text) if plain else None)

    def schema(self) -> dict[str, object]:
        """Return an integer schema."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class DateTime:
    """A point in time: an RFC 3339 date-time, whose offset is never guessed."""

    what = (
        "an RFC 3339 date-time with an offset and at most six fraction digits, "
        "such as 2026-01-31T00:00:00Z, in the years 1970 to 9999"
    )
    pattern = (
        r"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"
        r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
    )

    def from_json(self, value: object) -> datetime:
        """Take the text of an instant, and return it in UTC."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            if isinstance(value, str) and re.fullmatch(self.pattern, value.replace(" ", "+")):
                raise ValueError(f"must be {self.what} (in a URL, write the + of its offset as %2B)")
            raise ValueError(f"must be {self.what}")
        try:
            instant = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):  # 30 February; or past the year 9999 in UTC
            raise ValueError(f"must be {self.what} (there is no such day)") from None
        return instant

    from_text = from_json

    def schema(self) -> dict[str, object]:
        """Return a string schema with JSON Schema's own format for RFC 3339."""
        return {"type": "string", "format": "date-time", "pattern": f"^({self.pattern})$"}


class Parameter(NamedTuple):
    """One parameter of the request, under Bedrock's name where Bedrock has it."""

    name: str
    kind: Kind
    description: str
    default: int | None = None


FILTERS = (
    Parameter("creationTimeBefore", DateTime(), "Only models created before this time."),
    Parameter("creationTimeAfter", DateTime(), "Only models created after this time."),
    Parameter(
        "nameContains",
        Text("letters and digits, each followed by at most one - or _", _NAME, max_length=63),
        "Only models whose name contains this.",
    ),
    Parameter(
        "baseModelArnEquals",
        Text("the ARN of a custom or a foundation model", _MODEL_ARN, min_length=20, max_length=1011),
        "Only models that were made from this model, a custom or a foundation model.",
    ),
    Parameter(
        "foundationModelArnEquals",
        # Bedrock states no length here; but these are some of the ARNs above, so theirs holds.
        Text("the ARN of a foundation model", _FOUNDATION_MODEL_ARN, min_length=20, max_length=1011),
        "Only models that go back to this foundation model.",
    ),
    Parameter("isOwned", Boolean(), "true: only models that this account owns; false: only those shared with it."),
    Parameter("modelStatus", Enum(("Active", "Creating", "Failed")), "Only models in this status."),
    Parameter("sortBy", Enum(("CreationTime",)), "What to sort by."),
    Parameter("sortOrder", Enum(("Ascending", "Descending")), "In which order."),
)
"""What goes to Bedrock as it is, and what a cursor is bound to."""

MAX_ITEMS = Parameter(
    "maxItems",
    Integer(1, 1000),
    "How many models this response holds at most. It may hold fewer, even none, and still have a nextCursor.",
    default=100,
)
PAGE_SIZE = Parameter(
    "pageSize", Integer(1, 1000), "How many models to ask Bedrock for at a time; as many as maxItems if left out."
)
CURSOR = Parameter(
    "cursor",
    Text(),
    "The nextCursor of an earlier response, sent with the same filters and order, to get what comes next.",
)

PARAMETERS = (*FILTERS, MAX_ITEMS, PAGE_SIZE, CURSOR)
"""Every parameter that there is."""

_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}
_MAX_UNKNOWN = 50


class Query(NamedTuple):
    """A valid request for a listing."""

    filters: Filters
    max_items: int
    page_size: int
    cursor: str | None

    @classmethod
    def from_text(cls, given: Mapping[str, Sequence[str]]) -> "Query":
        """Read a query string: for each name its decoded values, as often as it was given.

        Raises:
            InvalidQuery: naming every bad parameter.
        """

        def read(parameter: Parameter, values: Sequence[str]) -> Value:
            if len(values) != 1:
                raise ValueError(f"must be given once, not {len(values)} times")
            if not values[0]:
                raise ValueError("must not be empty: leave it out instead")
            return parameter.kind.from_text(values[0])

        return cls._read(given, read)

    @classmethod
    def from_json(cls, given: Mapping[str, object]) -> "Query":
        """Read the members of a JSON object.

        Raises:
            InvalidQuery: naming every bad parameter.
        """

        def read(parameter: Parameter, value: object) -> Value:
            if value is None or value == "":
                raise ValueError("must not be empty: leave it out instead")
            return parameter.kind.from_json(value)

        return cls._read(given, read)

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
        if _later(values.get("creationTimeAfter"), values.get("creationTimeBefore")):
            errors.append(ParameterError("creationTimeAfter", "must not be later than creationTimeBefore"))
        unknown = [name for name in given if name not in _BY_NAME]
        errors += [ParameterError(_clip(name), _unknown(name)) for name in unknown[:_MAX_UNKNOWN]]
        if len(unknown) > _MAX_UNKNOWN:
            rest = len(unknown) - _MAX_UNKNOWN
            errors.append(ParameterError("…", f"and {rest} more are not parameters of this API"))
        if errors:
            raise InvalidQuery(errors)

        max_items = cast("int", values.pop(MAX_ITEMS.name, MAX_ITEMS.default))
        page_size = cast("int", values.pop(PAGE_SIZE.name, max_items))
        cursor = cast("str | None", values.pop(CURSOR.name, None))
        return cls(cast("Filters", values), max_items, page_size, cursor)

    @property
    def fingerprint(self) -> str:
        """Return 32 hex digits that are the same for the same filters and order, however they were written."""
        canonical = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in self.filters.items()
        }
        return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()[:32]


def _later(one: Value | None, other: Value | None) -> bool:
    return isinstance(one, datetime) and isinstance(other, datetime) and one > other


def _clip(name: object) -> str:
    # As a client wrote it, it may hold what breaks a line of the log, or the runtime that reports it.
    text = str(name)
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:64])
    return shown if len(text) <= 64 else f"{shown}…"


def _unknown(name: object) -> str:
    # Imported here: only a request that fails needs it.
    from difflib import get_close_matches

    folded = {known.lower(): known for known in _BY_NAME}
    near = get_close_matches(str(name)[:64].lower(), folded, n=1, cutoff=0.75)
    hint = f" (did you mean {folded[near[0]]}?)" if near else ""
    return f"is not a parameter of this API{hint}"
