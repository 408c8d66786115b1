"""Clients that openapi-python-client, OpenAPI Generator and openapi-typescript generate."""

import json
import re
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest

from custom_models.core import parameters
from emulators.bedrock import Emulator, deny, fields
from emulators.models import ACCOUNT, OTHER_ACCOUNT, Model, newest_first, plausible_models
from local.api_gateway import Context
from tests.api import Api
from tests.clients.program import Pages, Program
from tests.organization import ACCOUNTS, EAST, MEMBER, OTHER, OWN, SOURCES, SOUTH, WEST, Deployment, arns_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Serve = Callable[[Api], str]
MODELS = newest_first(plausible_models(300))
MODEL = next(model for model in MODELS[100:] if model.status == "Failed")
CUSTOMIZED_AGAIN = next(model for model in MODELS if ":custom-model/" in model.base_arn)
AFTER = (MODEL.created - timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=5, minutes=30)))
BEFORE = (MODEL.created + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=-3)))

FILTERS: tuple[tuple[dict[str, Any], Callable[[Model], bool]], ...] = (
    ({"creation_time_after": AFTER.isoformat()}, lambda model: model.created > AFTER),
    ({"creation_time_before": BEFORE.isoformat()}, lambda model: model.created < BEFORE),
    (
        {"creation_time_after": AFTER.isoformat(), "creation_time_before": BEFORE.isoformat()},
        lambda model: model.created == MODEL.created,
    ),
    ({"name_contains": "churn-emea_"}, lambda _: False),
    ({"name_contains": "churn-emea"}, lambda model: "churn-emea" in model.name),
    ({"base_model_arn_equals": MODEL.base_arn}, lambda model: model.base_arn == MODEL.base_arn),
    (
        {"base_model_arn_equals": CUSTOMIZED_AGAIN.base_arn},
        lambda model: model.base_arn == CUSTOMIZED_AGAIN.base_arn,
    ),
    (
        {"foundation_model_arn_equals": CUSTOMIZED_AGAIN.foundation_arn},
        lambda model: model.foundation_arn == CUSTOMIZED_AGAIN.foundation_arn,
    ),
    ({"is_owned": True}, lambda model: model.owner == ACCOUNT),
    ({"is_owned": False}, lambda model: model.owner == OTHER_ACCOUNT),
    ({"model_status": "Active"}, lambda model: model.status == "Active"),
    ({"model_status": "Creating"}, lambda model: model.status == "Creating"),
    ({"model_status": "Failed"}, lambda model: model.status == "Failed"),
    ({"sort_by": "CreationTime", "sort_order": "Descending"}, lambda _: True),
    (
        {
            "creation_time_after": AFTER.isoformat(),
            "name_contains": "churn",
            "foundation_model_arn_equals": CUSTOMIZED_AGAIN.foundation_arn,
            "is_owned": True,
            "model_status": "Active",
            "sort_by": "CreationTime",
            "sort_order": "Descending",
        },
        lambda model: (
            model.created > AFTER
            and "churn" in model.name
            and model.foundation_arn == CUSTOMIZED_AGAIN.foundation_arn
            and model.owner == ACCOUNT
            and model.status == "Active"
        ),
    ),
)
"""The arguments of a generated function, and the models that it must return."""


@pytest.fixture(params=["openapi_python_client", "openapi_generator", "openapi_fetch"])
def client(request: pytest.FixtureRequest) -> Program:
    """A generated client."""
    generated: Program = request.getfixturevalue(request.param)
    return generated


def models(pages: Pages) -> list[dict[str, Any]]:
    assert {page["status"] for page in pages} == {200}
    return [model for page in pages for model in page["models"]]


def arns(pages: Pages) -> list[str]:
    return [model["modelArn"] for model in models(pages)]


def kind(page: Any) -> str:
    return str(page["type"]).removeprefix("urn:problem-type:custom-models:")


def test_a_walk_returns_every_model_once_with_all_its_fields(client: Program, api: Api, serve: Serve) -> None:
    ((*pages, last),) = client(serve(api), {"max_items": 70, "page_size": 30})
    assert [len(page["models"]) for page in pages] == [70] * 4
    assert [page["complete"] for page in (*pages, last)] == [False] * 4 + [True]
    expected = [
        {**model.summary(), "creationTime": model.created.isoformat(), "source": f"{ACCOUNT}/us-east-1"}
        for model in MODELS
    ]
    assert models([*pages, last]) == expected


def test_every_filter_selects_the_same_models_as_the_emulator(client: Program, api: Api, serve: Serve) -> None:
    used = {name for arguments, _ in FILTERS for name in arguments}
    assert used == {re.sub("[A-Z]", r"_\g<0>", parameter.name).lower() for parameter in parameters.FILTERS}
    found = client(serve(api), *({**arguments, "max_items": 40} for arguments, _ in FILTERS))
    for (arguments, selects), pages in zip(FILTERS, found, strict=True):
        assert arns(pages) == [model.arn for model in MODELS if selects(model)], arguments


def test_the_order_accounts_and_regions_of_an_inventory(client: Program, deployment: Deployment, serve: Serve) -> None:
    everything, several, oldest_first = client(
        serve(deployment.build()),
        {"max_items": 7},
        {"accounts": [MEMBER, OTHER], "regions": [EAST, SOUTH], "max_items": 5, "allow_partial": False},
        {"accounts": [OWN], "regions": [WEST], "sort_by": "CreationTime", "sort_order": "Ascending"},
    )
    assert len(everything) > 5
    assert arns(everything) == arns_of(*SOURCES)
    assert {model["source"] for model in models(everything)} == set(SOURCES)
    assert arns(several) == arns_of(*(f"{account}/{region}" for account in (MEMBER, OTHER) for region in (EAST, SOUTH)))
    assert arns(oldest_first) == arns_of(f"{OWN}/{WEST}")[::-1]


def test_a_source_that_fails_is_a_problem_or_missing_in_the_coverage(
    client: Program, deployment: Deployment, serve: Serve
) -> None:
    failing = f"{ACCOUNTS[0]}/{WEST}"
    deployment.misbehave(failing, always=deny)
    strict, partial = client(serve(deployment.build()), {}, {"allow_partial": True})
    assert [(page["status"], kind(page), page["source"]) for page in strict] == [(500, "upstream-denied", failing)]
    assert arns(partial) == arns_of(*(source for source in SOURCES if source != failing))
    assert (partial[-1]["complete"], partial[-1]["unreachable"]) == (False, {failing: "upstream-denied"})


def test_problems_have_their_fields(
    client: Program, new_api: Callable[[], Api], emulator: Emulator, serve: Serve
) -> None:
    emulator.misbehave(always=fields(modelSummaries="none"))
    ((query,), (order,), (upstream,)) = client(
        serve(new_api()),
        {"regions": ["us-east-1", "mars-1"], "cursor": "forged", "name_contains": "a b"},
        {"creation_time_after": (BEFORE + timedelta(seconds=1)).isoformat(), "creation_time_before": AFTER.isoformat()},
        {},
    )
    assert (query["status"], kind(query), query["source"]) == (400, "invalid-query", None)
    assert query["errors"].keys() == {"nameContains", "regions"}
    assert (order["status"], order["errors"].keys()) == (400, {"creationTimeAfter"})
    assert (upstream["status"], kind(upstream), upstream["errors"]) == (502, "upstream-invalid", {})


def test_fields_and_values_that_later_versions_add_are_accepted(client: Program, api: Api, serve: Serve) -> None:
    def later_version(event: Any, context: Context) -> dict[str, Any]:
        response = api.handler(event, context)
        page = json.loads(response["body"])
        for model in page["modelSummaries"]:
            model |= {"modelStatus": "Archived", "customizationType": "DREAMING", "tags": ["new"]}
        page["coverage"]["new"] = page["new"] = {"new": None}
        return {**response, "body": json.dumps(page)}

    (pages,) = client(serve(Api(later_version)), {"max_items": 1000})
    assert arns(pages) == [model.arn for model in MODELS]
    assert {model["modelStatus"] for model in models(pages)} == {"Archived"}


def test_request_headers_are_arguments(
    client: Program, api: Api, serve: Serve, logged: Callable[[], dict[str, Any]]
) -> None:
    ((page,),) = client(serve(api), {"name_contains": "churn", "max_items": 1000, "x_correlation_id": "order:66"})
    assert logged()["correlation_id"] == "order:66"
    url = serve(api)
    same, other = client(
        url,
        {"name_contains": "churn", "max_items": 1000, "if_none_match": page["etag"]},
        {"name_contains": "fraud", "max_items": 1000, "if_none_match": page["etag"]},
    )
    assert same == [{"status": 304, "etag": page["etag"]}]
    assert arns(other) == [model.arn for model in MODELS if "fraud" in model.name]
