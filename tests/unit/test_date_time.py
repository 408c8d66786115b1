"""Date-times of a query: every form that cannot be misread, and no other."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_models.core.errors import InvalidQuery
from tests.doubles import from_json, from_text

AFTER, BEFORE = "creationTimeAfter", "creationTimeBefore"


def read(name: str, text: str) -> object:
    value = from_text({name: [text]}).filters[name]
    assert from_json({name: text}).filters[name] == value
    return value


def message(text: str) -> str:
    with pytest.raises(InvalidQuery) as caught:
        from_text({AFTER: [text]})
    return caught.value.errors[0].message


@pytest.mark.parametrize("separator", ["T", "t", " "])
@pytest.mark.parametrize("offset", ["Z", "z", "+00:00", "+0000", "-00:00", "-0000"])
@pytest.mark.parametrize("fraction", ["", ".5", ".50", ".500000000"])
def test_every_form_of_the_same_time_is_the_same_time(separator: str, offset: str, fraction: str) -> None:
    text = f"2026-10-01{separator}12:34:56{fraction}{offset}"
    expected = datetime(2026, 10, 1, 12, 34, 56, 500_000 if fraction else 0, tzinfo=UTC)
    assert read(AFTER, text) == read(BEFORE, text) == expected


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001 - the offset is added below
    st.integers(-23 * 60, 23 * 60),
    st.integers(0, 9),
    st.integers(0, 10**9 - 1),
    st.booleans(),
)
def test_the_interval_of_two_filters_contains_the_exact_time(
    local: datetime, minutes: int, digits: int, nanoseconds: int, colon: bool
) -> None:
    fraction = f"{nanoseconds:09d}"[:digits]
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = f"{local:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (f".{fraction}" if fraction else "")
    text += f"{sign}{hours:02d}{':' if colon else ''}{rest:02d}"
    whole = local.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    exact = int(fraction.ljust(9, "0"))
    after, before = read(AFTER, text), read(BEFORE, text)
    assert isinstance(after, datetime)
    assert isinstance(before, datetime)
    assert after == whole + timedelta(microseconds=exact // 1000)
    assert before == whole + timedelta(microseconds=-(-exact // 1000))


def test_digits_after_microseconds_widen_the_interval_so_that_no_model_is_left_out() -> None:
    text = "2026-10-01T00:00:00.1234561Z"
    assert read(AFTER, text) == datetime(2026, 10, 1, 0, 0, 0, 123_456, tzinfo=UTC)
    assert read(BEFORE, text) == datetime(2026, 10, 1, 0, 0, 0, 123_457, tzinfo=UTC)
    assert from_json({AFTER: text, BEFORE: text}).filters


def test_rounding_up_carries_into_the_next_second_day_and_year() -> None:
    assert read(BEFORE, "2026-12-31T23:59:59.9999999Z") == datetime(2027, 1, 1, tzinfo=UTC)


def test_the_largest_time_of_dotnet_is_accepted() -> None:
    """``DateTime.MaxValue`` of .NET; rounded up, it would be in the year 10000."""
    assert read(BEFORE, "9999-12-31T23:59:59.9999999Z") == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T00:00:00 02:00",
        "2026-10-01T00:00:00.1234567 0200",
        "2026-10-01 00:00:00 00:00",
    ],
)
def test_a_plus_that_was_not_encoded_gets_a_hint(text: str) -> None:
    assert message(text).endswith("(in a URL, write the + of the offset as %2B)")


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T00:00:00",
        "2026-10-01 00:00",
        "2026-10-01T00:00:00+02",
        "2026-10-01T00:00:00.Z",
        "2026-10-01T00:00:00.1234567891Z",
        "2026-10-01_00:00:00Z",
        "2026-10-01T00:00:00 Z",
        "2026-10-01T00:00:00UTC",
        "2026-10-01T00:00:00\u221202:00",
        "2026-10-1T00:00:00Z",
        "01/10/2026 00:00:00Z",
        "Thu, 01 Oct 2026 00:00:00 GMT",
        "1790812800",
    ],
)
def test_a_form_that_can_be_misread_is_refused(text: str) -> None:
    assert message(text).endswith("in the years 1970 to 9999")


def test_a_day_that_does_not_exist_is_refused() -> None:
    assert message("2026-02-29T00:00:00Z").endswith("(this day does not exist)")
