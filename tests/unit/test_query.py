"""The query: what is taken, what is refused, and that the declarations are Bedrock's."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import botocore.loaders
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.core.errors import InvalidQuery
from custom_models.core.models import ModelSummary
from custom_models.core.parameters import FILTERS, PARAMETERS, Boolean, DateTime, Enum, String
from custom_models.core.query import Query

ARN = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0:300k"
CUSTOM_ARN = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-pro-v1:0:300k/abcdefghij12"
IMPORTED_ARN = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:custom-model/imported/abcdefghij12"


NO_VALUES: list[object] = [[], {}, "", 1.5, ["Active"]]


def errors_of_text(**given: str | list[str]) -> dict[str, str]:
    with pytest.raises(InvalidQuery) as caught:
        Query.from_text({name: [value] if isinstance(value, str) else value for name, value in given.items()})
    return dict(caught.value.errors)


def errors_of_json(given: dict[Any, object]) -> dict[str, str]:
    with pytest.raises(InvalidQuery) as caught:
        Query.from_json(given)
    return dict(caught.value.errors)


def test_nothing_asked_is_a_query() -> None:
    assert Query.from_text({}) == Query.from_json({}) == Query({}, max_items=100, page_size=100, cursor=None)


def test_null_means_absent_in_json() -> None:
    """Serializers of Java, C# and Go write unset fields so."""
    assert Query.from_json({parameter.name: None for parameter in PARAMETERS}) == Query.from_json({})
    assert Query.from_json({"nameContains": "churn", "cursor": None}) == Query.from_json({"nameContains": "churn"})
    assert Query.from_json({"unknown": None}) == Query.from_json({})


def test_text_and_json_are_the_same_query() -> None:
    text = {
        "creationTimeBefore": "2026-02-01T00:00:00Z",
        "creationTimeAfter": "2026-01-01T00:00:00.123456+02:00",
        "nameContains": "churn-v2_x",
        "baseModelArnEquals": CUSTOM_ARN,
        "foundationModelArnEquals": ARN,
        "isOwned": "false",
        "modelStatus": "Active",
        "sortBy": "CreationTime",
        "sortOrder": "Ascending",
        "maxItems": "7",
        "pageSize": "3",
        "cursor": "abc",
    }
    query = Query.from_text({name: [value] for name, value in text.items()})
    assert query == Query.from_json({**text, "isOwned": False, "maxItems": 7, "pageSize": 3})
    assert query.filters["creationTimeBefore"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert query.filters["creationTimeAfter"] == datetime(2025, 12, 31, 22, 0, 0, 123456, tzinfo=UTC)
    assert query.filters["isOwned"] is False
    assert (query.max_items, query.page_size, query.cursor) == (7, 3, "abc")
    assert set(query.filters) == set(text) - {"maxItems", "pageSize", "cursor"}


def test_the_page_size_is_max_items_if_left_out() -> None:
    assert Query.from_json({"maxItems": 20}).page_size == 20
    assert Query.from_json({"pageSize": 1000}).page_size == 1000


def test_both_flags_are_told_apart() -> None:
    for text, value in (("true", True), ("false", False)):
        assert Query.from_text({"isOwned": [text]}).filters == Query.from_json({"isOwned": value}).filters
        assert Query.from_text({"isOwned": [text]}).filters == {"isOwned": value}


@pytest.mark.parametrize("good", [ARN, CUSTOM_ARN, IMPORTED_ARN])
def test_arns(good: str) -> None:
    assert Query.from_json({"baseModelArnEquals": good}).filters == {"baseModelArnEquals": good}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("creationTimeAfter", bad) for bad in ("2015-01-01", "5", "May", "2015-01-01T00:00:00", "1")),
        *(("creationTimeAfter", bad) for bad in ("2015-01-01T00:00:00.1234567890Z", "2015-01-01T00:00:00,5Z")),
        *(("creationTimeAfter", bad) for bad in ("2015-01-01  00:00:00Z", "2015-01-01T00:00:00Z\n", "20150101T00Z")),
        *(
            ("creationTimeAfter", bad)
            for bad in ("2015-02-30T00:00:00Z", "2015-13-01T00:00:00Z", "2015-01-01T24:00:00Z")
        ),
        *(
            ("creationTimeAfter", bad)
            for bad in ("2015-01-01T00:00:60Z", "2015-01-01T00:00:00+24:00", "٢٠١٥-01-01T00:00:00Z")
        ),
        *(
            ("creationTimeAfter", bad)
            for bad in ("1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z")
        ),
        *(
            ("maxItems", bad)
            for bad in ("+5", " 5", "5 ", "٣", "0", "1001", "-1", "05", "5.0", "1e2", "five", "9" * 5000)
        ),
        *(("pageSize", bad) for bad in ("0", "1001", "0x10", "1_0", "²")),
        *(("nameContains", bad) for bad in ("-a", "a--b", "a b", "ä", "a" * 64, "a\n", "*", "a.b")),
        *(("baseModelArnEquals", bad) for bad in (ARN + "\n", "arn", ARN.upper(), CUSTOM_ARN + "3", "x" * 1012)),
        *(("foundationModelArnEquals", bad) for bad in (ARN + "\n", CUSTOM_ARN, " " + ARN, "amazon.nova-pro-v1:0")),
        *(("isOwned", bad) for bad in ("True", "1", "yes", "true ", "TRUE")),
        *(("modelStatus", bad) for bad in ("active", "Deleting", "Active,Failed")),
        *(("sortBy", bad) for bad in ("Name", "creationTime")),
        *(("sortOrder", bad) for bad in ("asc", "descending")),
    ],
)
def test_bad_text_is_named(name: str, bad: str) -> None:
    assert list(errors_of_text(**{name: bad})) == [name]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *((parameter.name, bad) for parameter in PARAMETERS for bad in NO_VALUES),
        *(("maxItems", bad) for bad in ("5", True, 5.0)),
        *(("maxItems", bad) for bad in (0, 1001, 10**400)),
        *(("isOwned", bad) for bad in ("true", 1, 0)),
        *(("nameContains", bad) for bad in (5, True, "\ud800")),
        ("baseModelArnEquals", ARN.replace("aws", "aws-\ud800")),
        *(("cursor", bad) for bad in (5, False, "\udfff")),
        *(("creationTimeBefore", bad) for bad in (1767225600, "2015-01-01")),
    ],
)
def test_bad_json_is_named(name: str, bad: object) -> None:
    assert list(errors_of_json({name: bad})) == [name]


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("nameContains", "", "must not be empty: omit it instead"),
        ("nameContains", 5, "must be a string"),
        ("nameContains", "a" * 64, "must have at most 63 characters"),
        ("baseModelArnEquals", "arn", "must have at least 20 characters"),
        ("nameContains", "a b", "must be letters and digits, each followed by at most one - or _"),
        ("cursor", "\udfff", "must be valid Unicode text"),
        ("modelStatus", "active", "must be Active or Creating or Failed"),
        ("isOwned", "TRUE", "must be true or false"),
        ("creationTimeAfter", "yesterday", f"must be {DateTime.format}"),
        ("creationTimeAfter", "2026-02-30T00:00:00Z", f"must be {DateTime.format} (this day does not exist)"),
    ],
)
def test_a_message_says_what_it_must_be(name: str, bad: object, message: str) -> None:
    assert errors_of_json({name: bad}) == {name: message}
    if isinstance(bad, str):
        assert errors_of_text(**{name: bad}) == {name: message}


@pytest.mark.parametrize(
    ("name", "longest"),
    [("nameContains", "a_" * 31 + "a"), ("baseModelArnEquals", ARN.replace("aws", "aws-" + "x" * (1010 - len(ARN))))],
)
def test_the_longest_is_taken(name: str, longest: str) -> None:
    assert len(longest) in (63, 1011)
    assert Query.from_json({name: longest}).filters == {name: longest}
    assert "at most" in errors_of_json({name: longest.replace("a", "aa", 1)})[name]


def test_every_bad_parameter_is_named_at_once() -> None:
    errors = errors_of_text(maxItems="0", nameContain="x", isOwned="", pageSize=["5", "5"], sortOrder="Ascending")
    assert set(errors) == {"maxItems", "nameContain", "isOwned", "pageSize"}
    assert errors["nameContain"] == "is not a parameter of this API (did you mean nameContains?)"
    assert errors["isOwned"] == "must not be empty: omit it instead"
    assert errors["pageSize"] == "must be given once, not 2 times"


def test_the_error_says_it_all_in_one_sentence() -> None:
    with pytest.raises(InvalidQuery, match=r"^isOwned must be true or false; maxItems must be .* from 1 to 1000\.$"):
        Query.from_json({"maxItems": 0, "isOwned": "x"})


def test_a_plus_that_became_a_space_gets_a_hint() -> None:
    assert "%2B" in errors_of_text(creationTimeAfter="2026-01-01T00:00:00 02:00")["creationTimeAfter"]
    assert "%2B" not in errors_of_text(creationTimeAfter="2026-01-01 00:00:00")["creationTimeAfter"]


def test_after_may_not_be_later_than_before() -> None:
    span: dict[Any, object] = {
        "creationTimeAfter": "2026-01-01T01:00:01+01:00",
        "creationTimeBefore": "2026-01-01T00:00:00Z",
    }
    assert errors_of_json(span) == {"creationTimeAfter": "must not be later than creationTimeBefore"}
    assert Query.from_json({**span, "creationTimeAfter": "2026-01-01T01:00:00+01:00"})


def test_many_unknown_parameters_are_counted_not_listed() -> None:
    errors = errors_of_json({f"x{number}": 1 for number in range(10_000)})
    assert len(errors) == 51
    assert errors["…"] == "and 9950 more are not parameters of this API"
    assert "…" not in errors_of_json({f"x{number}": 1 for number in range(50)})


def test_a_name_that_is_only_somewhat_alike_gets_no_hint() -> None:
    assert errors_of_text(modelName="x") == {"modelName": "is not a parameter of this API"}  # and not modelStatus


@pytest.mark.parametrize(("length", "shown"), [(64, "n" * 64), (65, "n" * 64 + "…"), (1_000_000, "n" * 64 + "…")])
def test_a_long_name_is_clipped(length: int, shown: str) -> None:
    assert list(errors_of_json({"n" * length: 1})) == [shown]


def test_what_would_break_a_line_or_an_encoder_is_escaped() -> None:
    (name,) = errors_of_json({'x\n{"a": \u202e\ud800}': 1})
    assert name == r'x\u000a{"a": \u202e\ud800}'


def test_names_of_any_type_are_unknown() -> None:
    assert len(errors_of_json({None: 1, 5: 2, ("maxItems",): 3})) == 3


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_an_instant_is_the_same_query_in_every_offset(naive: datetime, minutes: int) -> None:
    instant = naive.replace(tzinfo=UTC)
    elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes)))
    one, other = (
        Query.from_json({"creationTimeAfter": written})
        for written in (instant.isoformat().replace("+00:00", "Z"), elsewhere.isoformat())
    )
    assert one.filters == other.filters == {"creationTimeAfter": instant}
    assert one.fingerprint == other.fingerprint


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "XYZ-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_east")
def test_an_instant_is_in_utc_wherever_the_machine_is() -> None:
    query = Query.from_json({"creationTimeAfter": "2026-01-01T00:00:00+02:00"})
    assert str(query.filters["creationTimeAfter"]) == "2025-12-31 22:00:00+00:00"


filters = st.fixed_dictionaries(
    {},
    optional={
        "nameContains": st.sampled_from(["a", "b"]),
        "isOwned": st.booleans(),
        "modelStatus": st.sampled_from(["Active", "Failed"]),
        "sortOrder": st.sampled_from(["Ascending", "Descending"]),
        "creationTimeAfter": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"]),
    },
)


@given(filters, filters)
def test_a_fingerprint_is_of_filters_and_order_alone(one: dict[str, object], other: dict[str, object]) -> None:
    queries = Query.from_json({**one, "maxItems": 1}), Query.from_json({**other, "pageSize": 9, "cursor": "x"})
    assert (queries[0].fingerprint == queries[1].fingerprint) == (one == other)


def test_a_fingerprint_outlives_a_deployment() -> None:
    """CursorSigner in clients' hands are bound to it."""
    order_and_filters = {"sortOrder": "Ascending", "nameContains": "churn", "isOwned": True}
    query = Query.from_json({**order_and_filters, "creationTimeAfter": "2026-01-01T00:00:00.5Z"})
    assert query.fingerprint == "21b96ac317e27c3243e9c53f1e94ec56"


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_any_text_is_a_query_or_refused(given: dict[str, list[str]]) -> None:
    try:
        taken = set(Query.from_text(given).filters)
    except InvalidQuery as refused:
        assert all(name.isprintable() and message for name, message in refused.errors)  # noqa: PT017
        taken = set()
    assert taken <= {parameter.name for parameter in PARAMETERS}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from([parameter.name for parameter in PARAMETERS]), json_values))
def test_any_json_is_a_query_or_refused(given: dict[str, object]) -> None:
    try:
        query = Query.from_json(given)
    except InvalidQuery as refused:
        query = Query.from_json({name: given[name] for name in set(given) - {name for name, _ in refused.errors}})
    assert set(query.filters) <= set(given)


class TestAgainstBotocore:
    """If one of these fails after an upgrade of botocore, Bedrock has changed and the declarations must follow."""

    model: Any = botocore.loaders.create_loader().load_service_model("bedrock", "service-2")
    shapes = model["shapes"]
    request = shapes["ListCustomModelsRequest"]["members"]

    def shape(self, name: str) -> dict[str, Any]:
        shape: dict[str, Any] = self.shapes[self.request[name]["shape"]]
        return shape

    def test_the_filters_are_those_of_the_operation(self) -> None:
        assert {parameter.name for parameter in FILTERS} | {"maxResults", "nextToken"} == set(self.request)

    def test_each_has_the_type_the_pattern_and_the_values_of_its_shape(self) -> None:
        for parameter in FILTERS:
            shape = self.shape(parameter.name)
            match parameter.type:
                case String(pattern=pattern, min_length=shortest, max_length=longest):
                    assert shape["type"] == "string"
                    assert pattern == shape["pattern"]
                    if "max" in shape:
                        assert (shortest, longest) == (shape["min"], shape["max"])
                case Enum(values):
                    assert list(values) == shape["enum"]
                case Boolean():
                    assert shape["type"] == "boolean"
                case DateTime():
                    assert (shape["type"], shape["timestampFormat"]) == ("timestamp", "iso8601")
                case kind:
                    pytest.fail(f"{parameter.name}: {kind}")

    def test_the_only_filter_without_a_length_is_bound_by_the_arns_that_it_is_one_of(self) -> None:
        unbound = [p.name for p in FILTERS if isinstance(p.type, String) and "max" not in self.shape(p.name)]
        assert unbound == ["foundationModelArnEquals"]
        (kind,) = [p.type for p in FILTERS if p.name == "foundationModelArnEquals"]
        assert isinstance(kind, String)
        assert kind.max_length == self.shape("baseModelArnEquals")["max"]

    def test_sizes_are_in_the_range_of_max_results(self) -> None:
        shape = self.shape("maxResults")
        for parameter in PARAMETERS:
            if parameter.name in ("maxItems", "pageSize"):
                assert parameter.type.schema() == {"type": "integer", "minimum": shape["min"], "maximum": shape["max"]}

    def test_a_summary_has_the_members_of_its_shape(self) -> None:
        shape = self.shapes["CustomModelSummary"]
        assert set(ModelSummary.__annotations__) == set(shape["members"])
        assert set(shape["required"]) == ModelSummary.__required_keys__

    def test_the_errors_are_those_that_are_translated(self) -> None:
        errors = {error["shape"] for error in self.model["operations"]["ListCustomModels"]["errors"]}
        assert errors == {
            "AccessDeniedException",
            "ValidationException",
            "InternalServerException",
            "ThrottlingException",
        }

    def test_patterns_mean_the_same_where_they_are_anchored(self) -> None:
        for parameter in FILTERS:
            pattern = parameter.type.schema().get("pattern")
            if isinstance(parameter.type, String) and parameter.type.pattern:
                assert isinstance(pattern, str)
                assert re.search(pattern, "x\n" + ARN) is None
