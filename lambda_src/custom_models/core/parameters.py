"""The parameters of a request: their names, and how their values are parsed and validated.

``PARAMETERS`` is the only declaration of them. It is used to validate HTTP query strings (text) and
direct invocations (JSON values), and to generate the OpenAPI document.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, TypeAlias

Value: TypeAlias = str | bool | int | datetime | tuple[str, ...]
Filters: TypeAlias = Mapping[str, str | bool | datetime]
"""Filters and sort order under Bedrock's own names. Times are in UTC."""

# Patterns, lengths, enums and ranges are Bedrock's own, from botocore's service model; a test compares them.
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


class ParameterType(Protocol):
    """The type of a parameter's values."""

    def from_json(self, value: object) -> Value:
        """Return the value, or raise ValueError with a text that says what it must be (``"must be …"``)."""
        ...

    def from_text(self, text: str) -> Value:
        """Return the value for the text in a query string, or raise ValueError in the same way."""
        ...

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema (2020-12) of the values."""
        ...


class String(NamedTuple):
    """A string with a format; ``format`` describes it in messages."""

    format: str = "a string"
    pattern: str | None = None
    min_length: int = 1
    max_length: int | None = None

    def from_json(self, value: object) -> str:
        """Accept a string of valid length that matches the whole pattern."""
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if self.max_length is not None and len(value) > self.max_length:
            raise ValueError(f"must have at most {self.max_length} characters")
        if len(value) < self.min_length:
            raise ValueError(f"must have at least {self.min_length} characters")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.format}")
        if re.search("[\ud800-\udfff]", value):
            raise ValueError("must be valid Unicode text")
        return value

    def from_text(self, text: str) -> str:
        """Accept the same values."""
        return self.from_json(text)

    def schema(self) -> dict[str, object]:
        """Return a string schema. JSON Schema's patterns are not anchored, so anchors are added."""
        schema: dict[str, object] = {"type": "string", "minLength": self.min_length}
        if self.max_length is not None:
            schema["maxLength"] = self.max_length
        if self.pattern is not None:
            schema["pattern"] = f"^({self.pattern})$"
        return schema


class Enum(NamedTuple):
    """One of a list of words."""

    values: tuple[str, ...]

    def from_json(self, value: object) -> str:
        """Accept one of the words. They are case-sensitive."""
        if not isinstance(value, str) or value not in self.values:
            raise ValueError(f"must be {' or '.join(self.values)}")
        return value

    def from_text(self, text: str) -> str:
        """Accept the same values."""
        return self.from_json(text)

    def schema(self) -> dict[str, object]:
        """Return an enum schema."""
        return {"type": "string", "enum": list(self.values)}


class StringList(NamedTuple):
    """Different strings; ``format`` describes one of them in messages. In a query string, commas separate them."""

    format: str
    pattern: str

    def from_json(self, value: object) -> tuple[str, ...]:
        """Accept an array of strings that match the whole pattern. It must not be empty."""
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"must be an array of strings, each {self.format}")
        for item in value:
            if not isinstance(item, str) or not re.fullmatch(self.pattern, item):
                raise ValueError(f"has an element that is not {self.format}")
        if len(set(value)) < len(value):
            raise ValueError("has an element twice")
        return tuple(value)

    def from_text(self, text: str) -> tuple[str, ...]:
        """Accept the same elements, separated by commas."""
        return self.from_json(text.split(","))

    def schema(self) -> dict[str, object]:
        """Return an array schema."""
        items = {"type": "string", "pattern": f"^({self.pattern})$"}
        return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


class Boolean:
    """True or false."""

    def from_json(self, value: object) -> bool:
        """Accept JSON's true and false."""
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    def from_text(self, text: str) -> bool:
        """Accept ``true`` and ``false`` in lower case."""
        if text not in ("true", "false"):
            raise ValueError("must be true or false")
        return text == "true"

    def schema(self) -> dict[str, object]:
        """Return a boolean schema."""
        return {"type": "boolean"}


class Integer(NamedTuple):
    """A whole number in a range, limits included."""

    minimum: int
    maximum: int

    def from_json(self, value: object) -> int:
        """Accept an integer, but not a float or a boolean."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return value

    def from_text(self, text: str) -> int:
        """Accept ASCII digits without sign, spaces or leading zeros."""
        plain = re.fullmatch(r"[1-9][0-9]{0,8}", text)
        return self.from_json(int(text) if plain else None)

    def schema(self) -> dict[str, object]:
        """Return an integer schema."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


class DateTime:
    """A point in time. The offset is required, because a guess could be wrong.

    Values are RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339#section-5.6). Variants that cannot be
    misread are accepted too: a space between date and time, an offset without a colon, lower case letters.
    """

    format = (
        "an RFC 3339 date-time with an offset and at most nine fraction digits, "
        "such as 2026-01-31T00:00:00Z, in the years 1970 to 9999"
    )
    pattern = (
        r"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?"
        r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
    )

    def __init__(self, *, round_up: bool = False) -> None:
        """Round digits after microseconds down, or up for an upper bound, so that no matching model is excluded."""
        self._round_up = round_up

    def from_json(self, value: object) -> datetime:
        """Accept the text of a date-time and return it in UTC."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            # A + in a query string is decoded as a space.
            if isinstance(value, str) and re.fullmatch(self.pattern, re.sub(r" (?=[0-9:]{4,5}$)", "+", value)):
                raise ValueError(f"must be {self.format} (in a URL, write the + of the offset as %2B)")
            raise ValueError(f"must be {self.format}")
        fraction, offset = re.fullmatch(r"[.]?([0-9]*)(.+)", value[19:]).groups()  # type: ignore[union-attr]
        microseconds, rest = int(fraction[:6].ljust(6, "0")), fraction[6:].strip("0")
        try:
            seconds = datetime.fromisoformat(f"{value[:10]}T{value[11:19]}{offset.upper()}").astimezone(UTC)
        except OverflowError:  # after the year 9999 in UTC
            raise ValueError(f"must be {self.format}") from None
        except ValueError:  # such as 30 February
            raise ValueError(f"must be {self.format} (this day does not exist)") from None
        instant = seconds.replace(microsecond=microseconds)
        # The largest datetime cannot be rounded up. No model is created after it.
        rounded_up = self._round_up and rest != "" and instant < datetime.max.replace(tzinfo=UTC)
        return instant + timedelta(microseconds=1) if rounded_up else instant

    from_text = from_json

    def schema(self) -> dict[str, object]:
        """Return a string schema of the forms in RFC 3339: JSON Schema's format ``date-time`` excludes the others."""
        strict = self.pattern.replace("[Tt ]", "[Tt]").replace(":?[0-5]", ":[0-5]")
        return {"type": "string", "format": "date-time", "pattern": f"^({strict})$"}


class Parameter(NamedTuple):
    """One parameter of a request, under Bedrock's name if Bedrock has it."""

    name: str
    type: ParameterType
    description: str
    default: int | None = None


FILTERS = (
    Parameter("creationTimeBefore", DateTime(round_up=True), "Only models created before this time."),
    Parameter("creationTimeAfter", DateTime(), "Only models created after this time."),
    Parameter(
        "nameContains",
        String("letters and digits, each followed by at most one - or _", _NAME, max_length=63),
        "Only models whose name contains this text.",
    ),
    Parameter(
        "baseModelArnEquals",
        String("the ARN of a custom or a foundation model", _MODEL_ARN, min_length=20, max_length=1011),
        "Only models that were customized from this custom model or foundation model. The ARN has a region, which "
        "other regions do not match.",
    ),
    Parameter(
        "foundationModelArnEquals",
        # Bedrock's service model has no length here. These ARNs are a subset of those above, so the same limits apply.
        String("the ARN of a foundation model", _FOUNDATION_MODEL_ARN, min_length=20, max_length=1011),
        "Only models that are based on this foundation model, directly or through other custom models. The ARN has a "
        "region, which other regions do not match.",
    ),
    Parameter(
        "isOwned",
        Boolean(),
        "true: only models that this account owns. false: only models that other accounts share with it.",
    ),
    Parameter("modelStatus", Enum(("Active", "Creating", "Failed")), "Only models with this status."),
    Parameter(
        "sortBy",
        Enum(("CreationTime",)),
        "The field to sort by. Only for one source: select it with accounts and regions.",
    ),
    Parameter(
        "sortOrder",
        Enum(("Ascending", "Descending")),
        "The sort order. Only for one source: select it with accounts and regions.",
    ),
)
"""The parameters that are passed to Bedrock unchanged. A cursor is valid only with the same values of them."""

ACCOUNTS = Parameter(
    "accounts",
    StringList("an account id of 12 digits", "[0-9]{12}"),
    "Only models of these accounts of the inventory. The default is all accounts.",
)
REGIONS = Parameter(
    "regions",
    StringList("a region, such as us-east-1", "[a-z0-9-]{1,32}"),
    "Only models in these regions of the inventory. The default is all regions.",
)
ALLOW_PARTIAL = Parameter(
    "allowPartial",
    Boolean(),
    "What to do if a source cannot be listed. false, the default: the request fails. true: the listing continues "
    "without this source, and coverage names it.",
)
MAX_ITEMS = Parameter(
    "maxItems",
    Integer(1, 1000),
    "The maximum number of models in the response. It may have fewer, even none, and still have a nextCursor.",
    default=100,
)
PAGE_SIZE = Parameter(
    "pageSize", Integer(1, 1000), "The number of models to request from Bedrock at a time. The default is maxItems."
)
CURSOR = Parameter(
    "cursor",
    String(),
    "The nextCursor of an earlier response, to get the next models. Send it with the same filters, order, "
    "accounts and regions.",
)

PARAMETERS = (*FILTERS, ACCOUNTS, REGIONS, ALLOW_PARTIAL, MAX_ITEMS, PAGE_SIZE, CURSOR)
"""All parameters."""
