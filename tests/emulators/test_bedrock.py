"""The Bedrock emulator as boto3 sees it: listings, validation errors and faults."""

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.bedrock import (
    DEFAULT_MAX_RESULTS,
    Emulator,
    deny,
    fields,
    internal_error,
    throttle,
    unknown_operation,
)
from emulators.faults import Fault, body, disconnect, hang, not_json, unavailable
from emulators.models import ACCOUNT, OTHER_ACCOUNT, Model, plausible_models
from emulators.server import Response, json_response

MODELS = plausible_models(60)
NEWEST_FIRST = sorted(MODELS, key=lambda model: (model.created, model.arn), reverse=True)
MODEL = next(model for model in MODELS if "custom-model" in model.base_arn)
MOMENT = timedelta(microseconds=1)

FILTERS_FINDING: dict[str, Callable[[Model], Any]] = {
    "creationTimeBefore": lambda model: model.created + MOMENT,
    "creationTimeAfter": lambda model: model.created - MOMENT,
    "nameContains": lambda model: model.name.split("-")[1],
    "baseModelArnEquals": lambda model: model.base_arn,
    "foundationModelArnEquals": lambda model: model.foundation_arn,
    "isOwned": lambda model: model.owner == ACCOUNT,
    "modelStatus": lambda model: model.status,
    "sortBy": lambda _: "CreationTime",
    "sortOrder": lambda _: "Ascending",
}
"""For each filter, a value that includes the model."""


@pytest.fixture(autouse=True)
def _models(emulator: Emulator) -> None:
    emulator.load(MODELS)


@functools.cache
def _client(**options: Any) -> Any:
    # Cached: creating a client takes longer than most of these tests, and the emulator's URL stays the same.
    return boto3.client("bedrock", config=Config(retries={"total_max_attempts": 1}, **options))


@pytest.fixture
def bedrock(emulator: Emulator) -> Any:
    return _client()


@pytest.fixture
def unchecked(emulator: Emulator) -> Any:
    """A client that does not validate parameters."""
    return _client(parameter_validation=False)


def arns(page: Any) -> list[str]:
    return [summary["modelArn"] for summary in page["modelSummaries"]]


def content(emulator: Emulator) -> bytes:
    """Return the body as it is sent, because boto3 drops nulls."""
    return emulator.list_custom_models("").body


def expected(arguments: dict[str, Any], newest_first: Sequence[Model] = NEWEST_FIRST) -> list[str]:
    """Return the ARNs of the expected listing, computed in plain Python."""
    return [
        model.arn
        for model in (newest_first[::-1] if arguments.get("sortOrder") == "Ascending" else newest_first)
        if ("creationTimeBefore" not in arguments or model.created < arguments["creationTimeBefore"])
        and ("creationTimeAfter" not in arguments or model.created > arguments["creationTimeAfter"])
        and arguments.get("nameContains", "") in model.name
        and arguments.get("baseModelArnEquals", model.base_arn) == model.base_arn
        and arguments.get("foundationModelArnEquals", model.foundation_arn) == model.foundation_arn
        and arguments.get("isOwned", model.owner == ACCOUNT) == (model.owner == ACCOUNT)
        and arguments.get("modelStatus", model.status) == model.status
    ]


class TestListing:
    def test_a_summary_has_the_fields_of_its_model(self, bedrock: Any) -> None:
        page = bedrock.list_custom_models(maxResults=1000)
        assert "nextToken" not in page
        assert page["modelSummaries"] == [
            {
                "modelArn": model.arn,
                "modelName": model.name,
                "creationTime": model.created,
                "baseModelArn": model.base_arn,
                "baseModelName": model.base_name,
                "customizationType": model.customization_type,
                "ownerAccountId": model.owner,
                "modelStatus": model.status,
            }
            for model in NEWEST_FIRST
        ]

    @pytest.mark.parametrize(
        "created", [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)]
    )
    def test_fields_without_a_value_are_omitted(self, bedrock: Any, emulator: Emulator, created: datetime) -> None:
        emulator.load([replace(MODEL, created=created, customization_type=None, owner=None, status=None)])
        (summary,) = bedrock.list_custom_models()["modelSummaries"]
        assert summary.keys() == {"modelArn", "modelName", "creationTime", "baseModelArn", "baseModelName"}
        assert summary["creationTime"] == created
        assert b"null" not in content(emulator)

    def test_a_listing_can_be_empty(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.load([])
        page = bedrock.list_custom_models()
        assert page["modelSummaries"] == []
        assert "nextToken" not in page

    def test_calls_are_recorded(self, bedrock: Any, emulator: Emulator) -> None:
        bedrock.list_custom_models(isOwned=True, maxResults=7, creationTimeAfter=datetime(2026, 1, 1, tzinfo=UTC))
        bedrock.list_custom_models()
        assert emulator.calls == [
            {"isOwned": "true", "maxResults": "7", "creationTimeAfter": "2026-01-01T00:00:00Z"},
            {},
        ]


class TestFilters:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"creationTimeBefore": MODEL.created},
            {"creationTimeBefore": MODEL.created + MOMENT},
            {"creationTimeAfter": MODEL.created},
            {"creationTimeAfter": MODEL.created - MOMENT},
            {"creationTimeAfter": MODEL.created - MOMENT, "creationTimeBefore": MODEL.created + MOMENT},
            {"nameContains": "churn"},
            {"nameContains": "a-v1"},
            {"nameContains": "v6"},
            {"baseModelArnEquals": MODEL.base_arn},
            {"foundationModelArnEquals": MODEL.foundation_arn},
            {"isOwned": True},
            {"isOwned": False},
            {"modelStatus": "Active"},
            {"modelStatus": "Creating"},
            {"modelStatus": "Failed"},
            {"sortBy": "CreationTime"},
            {"sortOrder": "Ascending"},
            {"sortOrder": "Descending"},
        ],
        ids=str,
    )
    def test_each_filter_alone(self, bedrock: Any, arguments: dict[str, Any]) -> None:
        found = arns(bedrock.list_custom_models(**arguments))
        assert found == expected(arguments)
        assert 0 < len(found) < len(MODELS) or arguments.keys() <= {"sortBy", "sortOrder"}

    @settings(max_examples=40)
    @given(model=st.sampled_from(MODELS), names=st.sets(st.sampled_from(list(FILTERS_FINDING))))
    def test_filters_combined(self, bedrock: Any, model: Model, names: set[str]) -> None:
        arguments = {name: FILTERS_FINDING[name](model) for name in names}
        found = arns(bedrock.list_custom_models(**arguments))
        assert found == expected(arguments)
        assert model.arn in found


class TestPages:
    def test_max_results_limits_the_page(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.load(MODELS[:8])
        everything = arns(bedrock.list_custom_models())
        for size in (*range(1, 10), 1000):
            page = bedrock.list_custom_models(maxResults=size)
            assert arns(page) == everything[:size]
            assert ("nextToken" in page) == (size < 8)

    def test_max_results_has_a_default(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.load(plausible_models(DEFAULT_MAX_RESULTS + 1))
        page = bedrock.list_custom_models()
        assert len(arns(page)) == DEFAULT_MAX_RESULTS
        assert "nextToken" in page

    @settings(max_examples=25)
    @given(
        size=st.integers(1, 10),
        page_sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5).filter(any),
        arguments=st.sampled_from([{}, {"sortOrder": "Ascending"}, {"isOwned": True, "sortOrder": "Ascending"}]),
    )
    def test_tokens_lead_to_every_model_once(
        self, bedrock: Any, emulator: Emulator, size: int, page_sizes: list[int], arguments: dict[str, Any]
    ) -> None:
        models = NEWEST_FIRST[:9]
        emulator.load(models)
        sizes = itertools.cycle(page_sizes)
        emulator.page_sizes = lambda _: next(sizes)
        found: list[str] = []
        tokens: list[str] = []
        while True:
            token = {"nextToken": tokens[-1]} if tokens else {}
            page = bedrock.list_custom_models(maxResults=size, **arguments, **token)
            assert len(arns(page)) <= size
            found += arns(page)
            if "nextToken" not in page:
                break
            assert page["nextToken"] not in tokens
            tokens.append(page["nextToken"])
        assert found == expected(arguments, models)

    def test_a_token_stays_valid_and_works_with_another_page_size(self, bedrock: Any) -> None:
        token = bedrock.list_custom_models(maxResults=3)["nextToken"]
        for size in (1, 3, 50):
            page = bedrock.list_custom_models(maxResults=size, nextToken=token)
            assert arns(page) == expected({})[3 : 3 + size]

    def test_pages_can_be_short_or_empty(self, bedrock: Any, emulator: Emulator) -> None:
        sizes = itertools.chain([2, 0, 0, 4], itertools.repeat(100))
        emulator.page_sizes = lambda _: next(sizes)
        pages = bedrock.get_paginator("list_custom_models").paginate(PaginationConfig={"PageSize": 30})
        assert [len(arns(page)) for page in pages] == [2, 0, 0, 4, 30, 24]

    def test_the_paginator_of_boto3_finds_every_model(self, bedrock: Any) -> None:
        pages = bedrock.get_paginator("list_custom_models").paginate(PaginationConfig={"PageSize": 7})
        assert arns(pages.build_full_result()) == expected({})


class TestValidation:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"maxResults": 0},
            {"maxResults": -1},
            {"maxResults": 1001},
            {"nameContains": ""},
            {"nameContains": "a" * 64},
            {"nameContains": "a b"},
            {"nameContains": "a\n"},
            {"baseModelArnEquals": "arn:aws:bedrock"},
            {"baseModelArnEquals": f"{MODEL.arn}x"},
            {"foundationModelArnEquals": MODEL.arn},
            {"modelStatus": "active"},
            {"sortBy": "Name"},
            {"sortOrder": "Up"},
            {"nextToken": ""},
            {"nextToken": "a b"},
            {"nextToken": "a" * 2049},
            {"nextToken": "garbage"},
            {"nextToken": "é"},
            {"nextToken": "bnVsbA=="},
            {"nextToken": "e30="},
        ],
        ids=lambda arguments: str(arguments)[:60],
    )
    def test_invalid_parameters_are_rejected(self, unchecked: Any, arguments: dict[str, Any]) -> None:
        with pytest.raises(unchecked.exceptions.ValidationException):
            unchecked.list_custom_models(**arguments)

    @pytest.mark.parametrize(
        ("arguments", "constraint"),
        [
            ({"maxResults": 1001}, "value less than or equal to 1000"),
            ({"maxResults": 0}, "value greater than or equal to 1"),
            ({"nameContains": "a" * 64}, "length less than or equal to 63"),
            ({"baseModelArnEquals": "arn"}, "length greater than or equal to 20"),
            ({"modelStatus": "active"}, "enum value set: [Active, Creating, Failed]"),
            ({"nextToken": "a b"}, r"regular expression pattern: \S*"),
        ],
        ids=lambda value: str(value)[:60],
    )
    def test_errors_have_the_wording_of_aws(self, unchecked: Any, arguments: dict[str, Any], constraint: str) -> None:
        with pytest.raises(unchecked.exceptions.ValidationException) as caught:
            unchecked.list_custom_models(**arguments)
        ((name, value),) = arguments.items()
        message = caught.value.response["Error"]["Message"]
        assert message.startswith(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must "
        )
        assert message.endswith(constraint)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert caught.value.response["ResponseMetadata"]["RequestId"]

    @pytest.mark.parametrize(
        "other",
        [
            {},
            {"isOwned": False, "sortOrder": "Ascending"},
            {"isOwned": True, "sortOrder": "Descending"},
            {"isOwned": True, "sortOrder": "Ascending", "nameContains": "a"},
        ],
        ids=str,
    )
    def test_a_token_of_another_listing_is_rejected(self, bedrock: Any, other: dict[str, Any]) -> None:
        token = bedrock.list_custom_models(isOwned=True, sortOrder="Ascending", maxResults=2)["nextToken"]
        with pytest.raises(bedrock.exceptions.ValidationException):
            bedrock.list_custom_models(**other, maxResults=2, nextToken=token)

    def test_a_token_whose_model_was_deleted_is_rejected(self, bedrock: Any, emulator: Emulator) -> None:
        token = bedrock.list_custom_models(maxResults=2)["nextToken"]
        emulator.load(NEWEST_FIRST[:2] + NEWEST_FIRST[3:])
        with pytest.raises(bedrock.exceptions.ValidationException):
            bedrock.list_custom_models(maxResults=2, nextToken=token)


class TestWire:
    """Requests that boto3 does not send."""

    @pytest.fixture
    def status(self, bedrock: Any) -> Callable[..., int]:
        def status(target: str, **headers: str) -> int:
            connection = HTTPConnection(urlsplit(bedrock.meta.endpoint_url).netloc, timeout=10)
            try:
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
                response.read()
                return response.status
            finally:
                connection.close()

        return status

    def test_unsigned_requests_and_other_paths_are_rejected(
        self, status: Callable[..., int], emulator: Emulator
    ) -> None:
        assert status("/custom-models") == 403
        assert status("/other") == 403
        assert status("/other", Authorization="AWS4-HMAC-SHA256") == 404
        assert status("/custom-models/", Authorization="AWS4-HMAC-SHA256") == 404
        assert emulator.calls == []
        assert status("/custom-models", Authorization="AWS4-HMAC-SHA256") == 200

    @pytest.mark.parametrize(
        "query",
        [
            "maxResults=ten",
            "maxResults=",
            "maxResults=+5",
            "maxResults=1_0",
            "isOwned=yes",
            "isOwned=True",
            "creationTimeAfter=5",
            "creationTimeBefore=2026-01-01",
            "creationTimeBefore=2026-02-30T00:00:00Z",
        ],
    )
    def test_values_of_the_wrong_type_are_rejected(self, status: Callable[..., int], query: str) -> None:
        assert status(f"/custom-models?{query}", Authorization="AWS4-HMAC-SHA256") == 400


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "code", "status"),
        [
            (throttle, "ThrottlingException", 429),
            (internal_error, "InternalServerException", 500),
            (deny, "AccessDeniedException", 403),
            (unknown_operation, "ValidationException", 400),
        ],
    )
    def test_errors_are_those_of_the_operation(
        self, bedrock: Any, emulator: Emulator, fault: Fault, code: str, status: int
    ) -> None:
        modelled = bedrock.meta.service_model.operation_model("ListCustomModels").error_shapes
        assert {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in modelled}[code] == status
        emulator.misbehave(fault)
        with pytest.raises(getattr(bedrock.exceptions, code)) as caught:
            bedrock.list_custom_models()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["Error"]["Message"]
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

    def test_an_unavailable_service(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.misbehave(unavailable)
        with pytest.raises(ClientError) as caught:
            bedrock.list_custom_models()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503

    @pytest.mark.parametrize("fault", [disconnect, hang(0.01)])
    def test_disconnects(self, bedrock: Any, emulator: Emulator, fault: Fault) -> None:
        emulator.misbehave(fault)
        with pytest.raises(ConnectionClosedError):
            bedrock.list_custom_models()
        assert arns(bedrock.list_custom_models()) == expected({})

    @pytest.mark.parametrize("fault", [not_json, body(b'{"modelSummaries": [')])
    def test_invalid_json(self, bedrock: Any, emulator: Emulator, fault: Fault) -> None:
        emulator.misbehave(fault)
        # boto3 treats it as a success, which a careless caller takes for an empty list.
        assert "modelSummaries" not in bedrock.list_custom_models()

    def test_a_hanging_response_times_out(self, emulator: Emulator) -> None:
        emulator.misbehave(hang(60))
        with pytest.raises(ReadTimeoutError):
            _client(read_timeout=0.1).list_custom_models()

    def test_a_replaced_body(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.misbehave(body({"modelSummaries": [], "nextToken": "more"}))
        page = bedrock.list_custom_models()
        assert (arns(page), page["nextToken"]) == ([], "more")

    def test_replaced_and_removed_fields(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.misbehave(fields(nextToken="again"), fields(nextToken=None, modelSummaries=[]))
        first, second = bedrock.list_custom_models(maxResults=2), bedrock.list_custom_models(maxResults=2)
        assert (arns(first), first["nextToken"]) == (expected({})[:2], "again")
        assert arns(second) == []
        assert "nextToken" not in second
        emulator.misbehave(fields(nextToken=None))
        assert b"null" not in content(emulator)

    def test_a_custom_fault_gets_the_parameters(self, bedrock: Any, emulator: Emulator) -> None:
        def ignore_filters(_: Response, parameters: Any) -> Response:
            received.append(dict(parameters))
            return json_response({"modelSummaries": [model.summary() for model in MODELS]})

        received: list[dict[str, str]] = []
        emulator.misbehave(ignore_filters)
        assert arns(bedrock.list_custom_models(nameContains="nothing")) == [model.arn for model in MODELS]
        assert received == [{"nameContains": "nothing"}]

    def test_faults_in_order_and_then_always(self, bedrock: Any, emulator: Emulator) -> None:
        def codes() -> list[str]:
            return [self.code(bedrock) for _ in range(5)]

        emulator.misbehave(throttle, None, deny)
        assert codes() == ["ThrottlingException", "", "AccessDeniedException", "", ""]
        emulator.misbehave(None, deny, always=throttle)
        assert codes() == ["", "AccessDeniedException"] + ["ThrottlingException"] * 3
        assert len(emulator.calls) == 10
        emulator.misbehave()
        assert codes() == [""] * 5

    def test_loading_models_resets_faults_and_calls(self, bedrock: Any, emulator: Emulator) -> None:
        emulator.misbehave(always=deny)
        emulator.page_sizes = lambda _: 1
        assert self.code(bedrock) == "AccessDeniedException"
        emulator.load(MODELS)
        assert emulator.calls == []
        assert arns(bedrock.list_custom_models()) == expected({})

    @staticmethod
    def code(bedrock: Any) -> str:
        try:
            bedrock.list_custom_models()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""


class TestPlausibleModels:
    @pytest.fixture
    def models(self) -> Sequence[Model]:
        return plausible_models(300)

    def test_they_are_the_same_for_a_seed(self, models: Sequence[Model]) -> None:
        assert plausible_models(300) == models
        assert plausible_models(300, seed=1) != models

    @pytest.mark.parametrize("count", [0, 1, 300])
    def test_there_are_as_many_as_requested_and_each_is_unique(self, count: int) -> None:
        assert len({model.arn for model in plausible_models(count)}) == count

    def test_they_are_of_every_kind(self, models: Sequence[Model]) -> None:
        own = {model.arn for model in models}
        assert len({model.created for model in models}) < len(models)
        assert {model.owner for model in models} == {ACCOUNT, OTHER_ACCOUNT}
        assert {model.status for model in models} == {"Active", "Creating", "Failed"}
        assert any(model.base_arn in own for model in models)
        assert all(model.base_arn in own or model.base_arn == model.foundation_arn for model in models)

    def test_a_model_has_the_foundation_model_of_its_base(self, models: Sequence[Model]) -> None:
        by_arn = {model.arn: model for model in models}
        for model in models:
            if model.base_arn in by_arn:
                assert model.foundation_arn == by_arn[model.base_arn].foundation_arn
            assert model.arn.split(":")[4] == model.owner

    def test_they_conform_to_the_service_model(self, bedrock: Any, models: Sequence[Model]) -> None:
        shapes = bedrock.meta.service_model.shape_for("CustomModelSummary").members
        for model in models:
            for name, value in model.summary().items():
                rules = shapes[name].metadata
                if name != "creationTime":
                    assert isinstance(value, str)
                    assert rules.get("min", 0) <= len(value) <= rules.get("max", len(value)), (name, value)
                    assert re.fullmatch(rules.get("pattern", ".*"), value), (name, value)
                    assert value in rules.get("enum", [value])
            pattern = bedrock.meta.service_model.shape_for("FoundationModelArn").metadata["pattern"]
            assert re.fullmatch(pattern, model.foundation_arn)
