"""Validation of Bedrock's responses: what is a listing, and which field is reported if it is not."""

from typing import Any

import pytest

from custom_models.adapters.bedrock.response import page, rfc3339
from custom_models.core.errors import UpstreamInvalid
from emulators.models import plausible_models

SUMMARY = plausible_models(1)[0].summary()


def refusal(content: object) -> str:
    with pytest.raises(UpstreamInvalid) as caught:
        page(content)
    return str(caught.value)


@pytest.mark.parametrize("content", [{}, {"modelSummaries": None}, {"modelSummaries": []}, {"nextToken": None}])
def test_an_account_without_models_is_an_empty_page(content: object) -> None:
    assert page(content) == ([], None)


@pytest.mark.parametrize("content", [{"nextToken": "t"}, {"nextToken": "t", "modelSummaries": None}])
def test_an_empty_page_may_have_a_token(content: object) -> None:
    assert page(content) == ([], "t")


@pytest.mark.parametrize("name", ["message", "Message", "__type", "ModelSummaries", "models", "items", ""])
@pytest.mark.parametrize("summaries", [{}, {"modelSummaries": None}])
def test_without_models_any_other_field_is_upstream_invalid(name: str, summaries: dict[str, object]) -> None:
    """It may be an error, or a listing in another format; both must not look empty."""
    expected = "Bedrock's response is not a list of models: modelSummaries is missing."
    assert refusal({**summaries, name: None}) == expected


def test_with_models_other_fields_are_ignored() -> None:
    assert page({"modelSummaries": [{**SUMMARY, "new": 1}], "message": "new"}) == page({"modelSummaries": [SUMMARY]})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "it is not a JSON object"),
        ([], "it is not a JSON object"),
        ("", "it is not a JSON object"),
        ({"modelSummaries": {}}, "modelSummaries is not an array"),
        ({"modelSummaries": ""}, "modelSummaries is not an array"),
        ({"modelSummaries": 0}, "modelSummaries is not an array"),
        ({"modelSummaries": False}, "modelSummaries is not an array"),
    ],
)
def test_the_reason_says_what_is_wrong_with_the_response(content: object, reason: str) -> None:
    assert refusal(content) == f"Bedrock's response is not a list of models: {reason}."


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"modelArn": None}, ".modelArn is missing"),
        ({"modelArn": ""}, ".modelArn is empty"),
        ({"modelArn": 5}, ".modelArn is not a string"),
        ({"modelName": None}, ".modelName is missing"),
        ({"baseModelArn": ["x"]}, ".baseModelArn is not a string"),
        ({"baseModelName": None}, ".baseModelName is missing"),
        ({"creationTime": None}, ".creationTime is missing"),
        ({"creationTime": "yesterday"}, ".creationTime is not a timestamp"),
        ({"creationTime": "2026-02-30T00:00:00Z"}, ".creationTime is not a timestamp"),
        ({"creationTime": True}, ".creationTime is not a timestamp"),
        ({"creationTime": {}}, ".creationTime is not a timestamp"),
        ({"creationTime": 1e300}, ".creationTime is not a timestamp"),
        ({"customizationType": 1}, ".customizationType is not a string"),
        ({"ownerAccountId": 123456789012}, ".ownerAccountId is not a string"),
        ({"modelStatus": {}}, ".modelStatus is not a string"),
        ({"modelStatus": "a\nb"}, ".modelStatus has characters that are not printable"),
        ({"modelName": "\ud800"}, ".modelName has characters that are not printable"),
        ({"modelName": "x" * 2049}, ".modelName has more than 2048 characters"),
    ],
)
def test_the_reason_names_the_model_and_the_field_but_not_the_value(fields: dict[str, Any], reason: str) -> None:
    wrong = {**SUMMARY, **fields}
    text = refusal({"modelSummaries": [SUMMARY, SUMMARY, wrong, SUMMARY]})
    assert text == f"Bedrock's response is not a list of models: modelSummaries[2]{reason}."


@pytest.mark.parametrize("model", [None, [], "x", 5])
def test_a_model_that_is_not_an_object_is_reported(model: object) -> None:
    assert refusal({"modelSummaries": [model]}).endswith(": modelSummaries[0] is not an object.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-25T22:00:00Z", "2026-11-25T22:00:00Z"),
        ("2026-11-25T22:00:00.123456789Z", "2026-11-25T22:00:00.123456789Z"),
        ("2026-11-25t22:00:00z", "2026-11-25T22:00:00Z"),
        # Without an offset: UTC, as in botocore.
        ("2026-11-25 22:00:00", "2026-11-25T22:00:00Z"),
        ("2026-11-25T22:00:00.5", "2026-11-25T22:00:00.5Z"),
        ("2026-11-25T22:00:00+01:00", "2026-11-25T21:00:00Z"),
        ("2026-11-25T22:00:00.1234567-0130", "2026-11-25T23:30:00.1234567Z"),
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250000Z"),
    ],
)
def test_a_timestamp_is_returned_in_utc_with_all_its_digits(given: object, expected: str) -> None:
    assert rfc3339(given) == expected
