"""The query: which parameters are valid, what the errors say, and that the declarations match Bedrock's."""

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
from custom_models.core.models import ModelSummary, Source
from custom_models.core.parameters import FILTERS, MAX_ITEMS, PAGE_SIZE, PARAMETERS, Boolean, DateTime, Enum, String
from custom_models.core.query import Query
from tests.doubles import SOURCE, from_json, from_text

ARN = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0:300k"
CUSTOM_ARN = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-pro-v1:0:300k/abcdefghij12"
IMPORTED_ARN = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:custom-model/imported/abcdefghij12"

NEVER_VALID: list[object] = [[], {}, "", 1.5, ["Active"]]
"""JSON values that no parameter accepts."""


def errors_of_text(**parameters: str | list[str]) -> dict[str, str]:
    with pytest.raises(InvalidQuery) as caught:
        from_text({name: [value] if isinstance(value, str) else value for name, value in parameters.items()})
    return dict(caught.value.errors)


def errors_of_json(parameters: dict[Any, object]) -> dict[str, str]:
    with pytest.raises(InvalidQuery) as caught:
        from_json(parameters)
    return dict(caught.value.errors)


def test_a_query_without_parameters_has_no_filters_and_the_default_sizes() -> None:
    assert (
        from_text({})
        == from_json({})
        == Query({}, (SOURCE,), allow_partial=False, max_items=100, page_size=100, cursor=None)
    )


def test_null_means_absent_in_json() -> None:
    """Serializers of Java, C# and Go write unset fields as null."""
    assert from_json({parameter.name: None for parameter in PARAMETERS}) == from_json({})
    assert from_json({"nameContains": "churn", "cursor": None}) == from_json({"nameContains": "churn"})
    assert from_json({"unknown": None}) == from_json({})


def test_the_same_parameters_as_text_and_as_json_are_the_same_query() -> None:
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
    query = from_text({name: [value] for name, value in text.items()})
    assert query == from_json({**text, "isOwned": False, "maxItems": 7, "pageSize": 3})
    assert query.filters["creationTimeBefore"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert query.filters["creationTimeAfter"] == datetime(2025, 12, 31, 22, 0, 0, 123456, tzinfo=UTC)
    assert query.filters["isOwned"] is False
    assert (query.max_items, query.page_size, query.cursor) == (7, 3, "abc")
    assert set(query.filters) == set(text) - {"maxItems", "pageSize", "cursor"}


def test_the_default_page_size_is_max_items() -> None:
    assert from_json({"maxItems": 20}).page_size == 20
    assert from_json({"pageSize": 1000}).page_size == 1000


def test_true_and_false_are_read_from_text_and_from_json() -> None:
    for text, value in (("true", True), ("false", False)):
        assert from_text({"isOwned": [text]}).filters == from_json({"isOwned": value}).filters
        assert from_text({"isOwned": [text]}).filters == {"isOwned": value}


@pytest.mark.parametrize("arn", [ARN, CUSTOM_ARN, IMPORTED_ARN])
def test_arns_of_foundation_custom_and_imported_models_are_valid(arn: str) -> None:
    assert from_json({"baseModelArnEquals": arn}).filters == {"baseModelArnEquals": arn}


INVALID_TEXT: dict[str, tuple[str, ...]] = {
    "creationTimeAfter": (
        "2015-01-01",
        "5",
        "May",
        "2015-01-01T00:00:00",
        "1",
        "2015-01-01T00:00:00.1234567890Z",
        "2015-01-01T00:00:00,5Z",
        "2015-01-01  00:00:00Z",
        "2015-01-01T00:00:00Z\n",
        "20150101T00Z",
        "2015-02-30T00:00:00Z",
        "2015-13-01T00:00:00Z",
        "2015-01-01T24:00:00Z",
        "2015-01-01T00:00:60Z",
        "2015-01-01T00:00:00+24:00",
        "٢٠١٥-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00Z",
    ),
    "maxItems": ("+5", " 5", "5 ", "٣", "0", "1001", "-1", "05", "5.0", "1e2", "five", "9" * 5000),
    "pageSize": ("0", "1001", "0x10", "1_0", "²"),
    "nameContains": ("-a", "a--b", "a b", "ä", "a" * 64, "a\n", "*", "a.b"),
    "baseModelArnEquals": (ARN + "\n", "arn", ARN.upper(), CUSTOM_ARN + "3", "x" * 1012),
    "foundationModelArnEquals": (ARN + "\n", CUSTOM_ARN, " " + ARN, "amazon.nova-pro-v1:0"),
    "isOwned": ("True", "1", "yes", "true ", "TRUE"),
    "modelStatus": ("active", "Deleting", "Active,Failed"),
    "sortBy": ("Name", "creationTime"),
    "sortOrder": ("asc", "descending"),
}


@pytest.mark.parametrize(("name", "bad"), [(name, bad) for name, values in INVALID_TEXT.items() for bad in values])
def test_text_that_is_not_valid_is_reported_with_the_parameter(name: str, bad: str) -> None:
    assert list(errors_of_text(**{name: bad})) == [name]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *((parameter.name, bad) for parameter in PARAMETERS for bad in NEVER_VALID),
        *(("maxItems", bad) for bad in ("5", True, 5.0)),
        *(("maxItems", bad) for bad in (0, 1001, 10**400)),
        *(("isOwned", bad) for bad in ("true", 1, 0)),
        *(("nameContains", bad) for bad in (5, True, "\ud800")),
        ("baseModelArnEquals", ARN.replace("aws", "aws-\ud800")),
        *(("cursor", bad) for bad in (5, False, "\udfff")),
        *(("creationTimeBefore", bad) for bad in (1767225600, "2015-01-01")),
    ],
)
def test_json_that_is_not_valid_is_reported_with_the_parameter(name: str, bad: object) -> None:
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
def test_the_message_says_what_the_value_must_be(name: str, bad: object, message: str) -> None:
    assert errors_of_json({name: bad}) == {name: message}
    if isinstance(bad, str):
        assert errors_of_text(**{name: bad}) == {name: message}


@pytest.mark.parametrize(
    ("name", "longest"),
    [("nameContains", "a_" * 31 + "a"), ("baseModelArnEquals", ARN.replace("aws", "aws-" + "x" * (1010 - len(ARN))))],
)
def test_the_longest_value_is_valid_and_a_longer_one_is_not(name: str, longest: str) -> None:
    assert len(longest) in (63, 1011)
    assert from_json({name: longest}).filters == {name: longest}
    assert "at most" in errors_of_json({name: longest.replace("a", "aa", 1)})[name]


def test_all_parameters_that_are_not_valid_are_reported_at_once() -> None:
    errors = errors_of_text(maxItems="0", nameContain="x", isOwned="", pageSize=["5", "5"], sortOrder="Ascending")
    assert set(errors) == {"maxItems", "nameContain", "isOwned", "pageSize"}
    assert errors["nameContain"] == "is not a parameter of this API (did you mean nameContains?)"
    assert errors["isOwned"] == "must not be empty: omit it instead"
    assert errors["pageSize"] == "must be given once, not 2 times"


def test_the_text_of_the_error_is_one_sentence_about_all_parameters() -> None:
    with pytest.raises(InvalidQuery, match=r"^isOwned must be true or false; maxItems must be .* from 1 to 1000\.$"):
        from_json({"maxItems": 0, "isOwned": "x"})


def test_an_offset_whose_plus_became_a_space_gets_a_hint() -> None:
    assert "%2B" in errors_of_text(creationTimeAfter="2026-01-01T00:00:00 02:00")["creationTimeAfter"]
    assert "%2B" not in errors_of_text(creationTimeAfter="2026-01-01 00:00:00")["creationTimeAfter"]


def test_creation_time_after_must_not_be_later_than_creation_time_before() -> None:
    interval: dict[Any, object] = {
        "creationTimeAfter": "2026-01-01T01:00:01+01:00",
        "creationTimeBefore": "2026-01-01T00:00:00Z",
    }
    assert errors_of_json(interval) == {"creationTimeAfter": "must not be later than creationTimeBefore"}
    assert from_json({**interval, "creationTimeAfter": "2026-01-01T01:00:00+01:00"})


def test_only_the_first_fifty_unknown_parameters_are_listed() -> None:
    errors = errors_of_json({f"x{number}": 1 for number in range(10_000)})
    assert len(errors) == 51
    assert errors["…"] == "and 9950 more are not parameters of this API"
    assert "…" not in errors_of_json({f"x{number}": 1 for number in range(50)})


def test_a_name_that_is_only_a_little_similar_gets_no_hint() -> None:
    # The most similar parameter is modelStatus.
    assert errors_of_text(modelName="x") == {"modelName": "is not a parameter of this API"}


@pytest.mark.parametrize(("length", "shown"), [(64, "n" * 64), (65, "n" * 64 + "…"), (1_000_000, "n" * 64 + "…")])
def test_a_long_unknown_name_is_truncated(length: int, shown: str) -> None:
    assert list(errors_of_json({"n" * length: 1})) == [shown]


def test_characters_that_would_break_a_log_line_or_an_encoder_are_escaped() -> None:
    (name,) = errors_of_json({'x\n{"a": \u202e\ud800}': 1})
    assert name == r'x\u000a{"a": \u202e\ud800}'


def test_names_that_are_not_strings_are_unknown_parameters() -> None:
    assert len(errors_of_json({None: 1, 5: 2, ("maxItems",): 3})) == 3


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_the_same_instant_in_any_offset_is_the_same_query(naive: datetime, minutes: int) -> None:
    instant = naive.replace(tzinfo=UTC)
    with_offset = instant.astimezone(timezone(timedelta(minutes=minutes)))
    one, other = (
        from_json({"creationTimeAfter": written})
        for written in (instant.isoformat().replace("+00:00", "Z"), with_offset.isoformat())
    )
    assert one.filters == other.filters == {"creationTimeAfter": instant}
    assert one.fingerprint == other.fingerprint


@pytest.fixture
def _local_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XYZ-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_local_time_zone")
def test_times_are_in_utc_whatever_the_local_time_zone() -> None:
    query = from_json({"creationTimeAfter": "2026-01-01T00:00:00+02:00"})
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
def test_fingerprints_are_equal_only_for_equal_filters_and_order(
    one: dict[str, object], other: dict[str, object]
) -> None:
    queries = from_json({**one, "maxItems": 1}), from_json({**other, "pageSize": 9, "cursor": "x"})
    assert (queries[0].fingerprint == queries[1].fingerprint) == (one == other)


def test_fingerprints_are_stable_across_releases() -> None:
    """Cursors that clients keep across deployments contain them."""
    order_and_filters = {"sortOrder": "Ascending", "nameContains": "churn", "isOwned": True}
    query = from_json({**order_and_filters, "creationTimeAfter": "2026-01-01T00:00:00.5Z"})
    assert query.fingerprint == "60a47c9e06679eeff8d8e2f5fd3db383"


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_any_text_is_either_a_query_or_an_invalid_query(parameters: dict[str, list[str]]) -> None:
    try:
        accepted = set(from_text(parameters).filters)
    except InvalidQuery as error:
        assert all(name.isprintable() and message for name, message in error.errors)  # noqa: PT017
        accepted = set()
    assert accepted <= {parameter.name for parameter in PARAMETERS}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from([parameter.name for parameter in PARAMETERS]), json_values))
def test_any_json_without_the_reported_parameters_is_a_query(parameters: dict[str, object]) -> None:
    try:
        query = from_json(parameters)
    except InvalidQuery as error:
        reported = {name for name, _ in error.errors}
        query = from_json({name: value for name, value in parameters.items() if name not in reported})
    assert set(query.filters) <= set(parameters)


class TestAgainstBotocore:
    """The declarations match botocore's service model.

    If one of these tests fails after an upgrade of botocore, Bedrock's API has changed: change the
    declarations too.
    """

    model: Any = botocore.loaders.create_loader().load_service_model("bedrock", "service-2")
    shapes = model["shapes"]
    request = shapes["ListCustomModelsRequest"]["members"]

    def shape(self, name: str) -> dict[str, Any]:
        shape: dict[str, Any] = self.shapes[self.request[name]["shape"]]
        return shape

    def test_the_filters_are_the_operations_parameters(self) -> None:
        assert {parameter.name for parameter in FILTERS} | {"maxResults", "nextToken"} == set(self.request)

    def test_each_filter_has_the_type_pattern_length_and_values_of_its_shape(self) -> None:
        for parameter in FILTERS:
            shape = self.shape(parameter.name)
            match parameter.type:
                case String(pattern=pattern, min_length=min_length, max_length=max_length):
                    assert shape["type"] == "string"
                    assert pattern == shape["pattern"]
                    if "max" in shape:
                        assert (min_length, max_length) == (shape["min"], shape["max"])
                case Enum(values):
                    assert list(values) == shape["enum"]
                case Boolean():
                    assert shape["type"] == "boolean"
                case DateTime():
                    assert (shape["type"], shape["timestampFormat"]) == ("timestamp", "iso8601")
                case other:
                    pytest.fail(f"{parameter.name}: {other}")

    def test_the_only_string_without_a_maximum_length_has_that_of_base_model_arns(self) -> None:
        unlimited = [p for p in FILTERS if isinstance(p.type, String) and "max" not in self.shape(p.name)]
        assert [parameter.name for parameter in unlimited] == ["foundationModelArnEquals"]
        assert unlimited[0].type.schema()["maxLength"] == self.shape("baseModelArnEquals")["max"]

    def test_max_items_and_page_size_have_the_range_of_max_results(self) -> None:
        shape = self.shape("maxResults")
        for parameter in (MAX_ITEMS, PAGE_SIZE):
            assert parameter.type.schema() == {"type": "integer", "minimum": shape["min"], "maximum": shape["max"]}

    def test_a_model_summary_has_the_fields_of_its_shape(self) -> None:
        shape = self.shapes["CustomModelSummary"]
        assert set(ModelSummary.__annotations__) == set(shape["members"])
        assert set(shape["required"]) == ModelSummary.__required_keys__

    def test_the_operation_has_no_other_errors_than_those_that_are_translated(self) -> None:
        errors = {error["shape"] for error in self.model["operations"]["ListCustomModels"]["errors"]}
        assert errors == {
            "AccessDeniedException",
            "ValidationException",
            "InternalServerException",
            "ThrottlingException",
        }

    def test_the_patterns_of_the_schemas_are_anchored(self) -> None:
        for parameter in FILTERS:
            pattern = parameter.type.schema().get("pattern")
            if isinstance(parameter.type, String) and parameter.type.pattern:
                assert isinstance(pattern, str)
                assert re.search(pattern, "x\n" + ARN) is None
                assert re.search(pattern, ARN + "\nx") is None


def test_a_huge_selection_is_refused_in_little_time() -> None:
    # As many as fit into a direct invocation's 6 MB. Comparing each with every source takes minutes of processor time.
    inventory = [Source(f"{number // 5:012}", f"eu-west-{number % 5}") for number in range(500)]
    accounts = [str(number) for number in range(10**11, 10**11 + 400_000)]
    started = time.process_time()
    with pytest.raises(InvalidQuery, match="accounts has 100000000000 and 399999 more, not in the inventory"):
        from_json({"accounts": accounts}, *inventory)
    assert time.process_time() - started < 2
