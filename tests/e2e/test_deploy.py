"""`cdk deploy`, and requests to the API that it deploys.

ministack has no access logs, metrics, alarms on metric math or compression; tests/infra checks them in the
template. It reports every exception as ``Runtime.HandlerError``; tests/runtime checks the names.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from custom_models.adapters.signing_keys import StaticKey
from custom_models.core.cursor import CursorSigner
from custom_models.core.errors import CursorMismatch, InvalidCursor
from emulators.models import newest_first
from tests.api import Response
from tests.e2e.aws import (
    ACCOUNT,
    MODELS,
    REGION,
    ROOT,
    STACK,
    STAGE,
    Deployment,
    smoke,
)
from tests.e2e.pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATH = "/v1/custom-models"
ARNS = [model.arn for model in newest_first(MODELS)]


def test_the_outputs_name_existing_resources(deployment: Deployment) -> None:
    aws, outputs = deployment.aws, deployment.outputs
    assert outputs["Url"].endswith(f".amazonaws.com/{STAGE}/")
    alias = aws.client("lambda").get_alias(FunctionName=deployment.function_name, Name="live")
    assert alias["AliasArn"] == outputs["FunctionAliasArn"]
    assert aws.client("iam").get_policy(PolicyArn=outputs["CallersPolicyArn"])["Policy"]["IsAttachable"]
    # On ministack the output is the secret's name, on AWS its ARN. Both identify it.
    assert aws.client("secretsmanager").describe_secret(SecretId=outputs["CursorKeyArn"])["Name"]


class TestOverHttp:
    def test_following_the_cursor_returns_each_model_once(self, deployment: Deployment) -> None:
        found: list[str] = []
        query: dict[str, Any] = {}
        for max_items, page_size in [(1, 1), (70, 7), (29, 1000), (100, 40), (1000, 60)]:
            response = deployment.get(f"{PATH}?{urlencode({'maxItems': max_items, 'pageSize': page_size, **query})}")
            assert response.status == 200
            found += response.arns
            query = {"cursor": response.body.get("nextCursor")}
        assert query == {"cursor": None}
        assert found == ARNS

    def test_models_have_all_their_fields(self, deployment: Deployment) -> None:
        models = {model.arn: {**model.summary(), "source": f"{ACCOUNT}/{REGION}"} for model in MODELS}
        for found in deployment.get(f"{PATH}?maxItems=1000").body["modelSummaries"]:
            # Bedrock's timestamps have milliseconds, the API's have microseconds.
            expected = models.pop(found["modelArn"])
            assert found == {**expected, "creationTime": found["creationTime"]}
            assert found["creationTime"].rstrip("0Z.") == str(expected["creationTime"]).rstrip("0Z.")
        assert models == {}

    def test_following_the_link_header_returns_every_model(self, deployment: Deployment) -> None:
        target, found = f"{PATH}?isOwned=true&creationTimeAfter=2026-01-01T00:00:00%2B01:00&maxItems=120", list[str]()
        while True:
            response = deployment.get(target)
            found += response.arns
            if "Link" not in response.headers:
                break
            reference, _, relation = response.headers["Link"].partition(">; ")
            assert relation == 'rel="next"'
            target = urljoin(target, reference.removeprefix("<"))
        assert "nextCursor" not in response.body
        assert found == deployment.get(f"{target.partition('&maxItems')[0]}&maxItems=1000").arns
        assert len(found) > 120

    def test_an_invalid_request_reports_every_invalid_parameter(self, deployment: Deployment) -> None:
        response = deployment.get(f"{PATH}?maxItems=0&isOwned=&modelStatus=active&sortBy=CreationTime&page=2&page=3")
        assert (response.status, response.kind) == (400, "invalid-query")
        assert {error["parameter"] for error in response.body["errors"]} == {
            "maxItems",
            "isOwned",
            "modelStatus",
            "page",
        }

    def test_a_repeated_parameter_is_an_error(self, deployment: Deployment) -> None:
        # The event has both values, although the single-value map of parameters has only the last.
        response = deployment.get(f"{PATH}?maxItems=1&maxItems=2")
        assert (response.status, response.kind) == (400, "invalid-query")

    @pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/custom-models/a/b"])
    def test_another_path_is_not_found(self, deployment: Deployment, path: str) -> None:
        response = deployment.get(path)
        assert (response.status, response.kind) == (404, "not-found")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_another_method_is_not_allowed(self, deployment: Deployment, method: str) -> None:
        response = deployment.request(method, PATH)
        assert (response.status, response.kind, response.headers["Allow"]) == (405, "method-not-allowed", "GET, HEAD")

    def test_head_has_the_same_etag_as_get_and_no_body(self, deployment: Deployment) -> None:
        # All models, because a cursor contains the time and so has another ETag.
        target = f"{PATH}?maxItems=1000"
        head, get = deployment.request("HEAD", target), deployment.get(target)
        assert (head.status, head.text) == (200, "")
        assert get.headers["ETag"] == head.headers["ETag"]

    def test_the_openapi_document_is_docs_openapi_json_with_its_own_server(self, deployment: Deployment) -> None:
        response = deployment.get("/v1/openapi.json")
        assert response.status == 200
        committed = json.loads((ROOT / "docs" / "openapi.json").read_text())
        # ministack's event has no domain, so the URL of the API is relative.
        assert response.body == {**committed, "servers": [{"url": "../v1"}]}

    def test_the_gateway_throttles(self, deployment: Deployment) -> None:
        # ministack throttles each method of each path separately. No other test uses this one.
        responses: list[Response] = []
        with ThreadPoolExecutor(4) as threads:
            while len(responses) < 1000 and all(response.status == 404 for response in responses):
                responses += threads.map(lambda _: deployment.request("OPTIONS", "/"), range(50))
        refused = [response for response in responses if response.status != 404]
        assert 0 < len(refused) <= len(responses) - 40
        for response in refused:
            assert (response.status, response.kind, response.headers["Retry-After"]) == (429, "too-many-requests", "1")
            assert response.headers["X-Request-Id"] == response.body["requestId"]


def test_make_smoke_prints_what_it_expects_and_what_it_finds(deployment: Deployment) -> None:
    status, found = smoke(deployment.url)
    # ministack accepts every key here (see test_permissions), does not compress, and its events have no domain.
    different = {name for name, (verdict, _) in found.items() if verdict == "DIFFERS"}
    assert different == {
        *("an unknown access key", "a wrong signature"),
        *("Accept-Encoding: gzip", "the server in the OpenAPI document"),
    }
    assert found["an unsigned request"] == ("ok", "403 forbidden, application/problem+json, same request id")
    assert found["the whole inventory"] == ("ok", "each model once, complete")
    assert status == 1


def test_the_key_is_rotated_while_a_client_follows_cursors(deployment: Deployment) -> None:
    secrets, secret = deployment.aws.client("secretsmanager"), deployment.outputs["CursorKeyArn"]
    old = secrets.get_secret_value(SecretId=secret)["SecretString"]
    first = deployment.get(f"{PATH}?maxItems=50")
    assert signed_with(old, cursor(first))

    new = "a key of this test that replaces the generated one"
    secrets.put_secret_value(SecretId=secret, SecretString=new)
    second = deployment.get(f"{PATH}?maxItems=50&cursor={cursor(first)}")
    # The unqualified function runs in a new container, which reads the new key when it starts. The alias's container
    # reads it when it receives the first cursor that is signed with it.
    succeeded, third = deployment.invoke(
        {"maxItems": 50, "cursor": cursor(second)}, FunctionName=deployment.function_name
    )
    assert succeeded
    assert signed_with(new, third["nextCursor"])
    fourth = deployment.get(f"{PATH}?maxItems=50&cursor={third['nextCursor']}")
    assert signed_with(new, cursor(fourth))
    last = deployment.get(f"{PATH}?maxItems=1000&cursor={cursor(fourth)}")

    found = [*first.arns, *second.arns, *(model["modelArn"] for model in third["modelSummaries"])]
    assert [*found, *fourth.arns, *last.arns] == ARNS


def cursor(response: Response) -> str:
    assert response.status == 200, response.text
    return str(response.body["nextCursor"])


def signed_with(key: str, text: str) -> bool:
    try:
        CursorSigner(StaticKey(key), lifetime=1).verify(text, "another listing")
    except CursorMismatch:
        return True
    except InvalidCursor:
        return False
    raise AssertionError("The cursor was accepted for another listing.")


class TestDirectInvocation:
    def test_the_result_is_the_body_of_the_http_response(self, deployment: Deployment) -> None:
        succeeded, result = deployment.invoke({"isOwned": True, "modelStatus": "Active", "maxItems": 1000})
        assert succeeded
        assert result == deployment.get(f"{PATH}?isOwned=true&modelStatus=Active&maxItems=1000").body
        assert 0 < len(result["modelSummaries"]) < 300

    def test_a_cursor_is_valid_for_both_interfaces(self, deployment: Deployment) -> None:
        _, first = deployment.invoke({"maxItems": 150})
        second = deployment.get(f"{PATH}?maxItems=150&cursor={first['nextCursor']}")
        assert [*(model["modelArn"] for model in first["modelSummaries"]), *second.arns] == ARNS

    def test_an_error_has_the_detail_of_the_http_response_as_its_message(self, deployment: Deployment) -> None:
        succeeded, error = deployment.invoke({"maxItems": "5"})
        assert not succeeded
        assert error["errorMessage"] == deployment.get(f"{PATH}?maxItems=five").body["detail"]

    def test_the_alias_can_be_passed_as_the_qualifier(self, deployment: Deployment) -> None:
        succeeded, result = deployment.invoke({"maxItems": 1}, FunctionName=deployment.function_name, Qualifier="live")
        assert succeeded
        assert result["modelSummaries"][0]["modelArn"] == ARNS[0]


def test_requests_are_logged_to_the_functions_log_group(deployment: Deployment) -> None:
    request_id = deployment.get(f"{PATH}?maxItems=3").headers["X-Request-Id"]
    function = deployment.aws.client("lambda").get_function_configuration(FunctionName=deployment.function_name)
    pages = deployment.aws.client("logs").get_paginator("filter_log_events")
    for _ in range(20):
        messages = pages.paginate(logGroupName=function["LoggingConfig"]["LogGroup"]).search("events[].message")
        lines = [json.loads(message) for message in messages if message.startswith("{")]
        found = [line for line in lines if line.get("request_id") == request_id]
        if found:
            break
        # ministack reads a container's late output at the next request.
        deployment.get("/")
    assert [(line["route"], line["outcome"], line["items"]) for line in found] == [(PATH, "ok", 3)]


@pytest.fixture(scope="module")
def again(pipeline: Pipeline, deployment: Deployment) -> str:
    """What the job for a push prints that changes nothing, and what the CDK prints about differences after it."""
    return pipeline.run("deploy") + pipeline.aws.cdk("diff", "--fail", "--app", str(pipeline.assembly))


@pytest.fixture(scope="module")
def pull_request(pipeline: Pipeline, again: str) -> str:
    """What the job prints for a pull request that adds a region. It comes after the push that changes nothing."""
    # The first account or region of a stage must come with a change of the function (docs/first-deployment.md).
    pipeline.configure({**pipeline.settings, "account": ACCOUNT, "region": REGION, "memoryMb": 640})
    return pipeline.run("diff")


class TestPipeline:
    def test_the_stage_has_the_settings_of_a_guarded_organization(self, deployment: Deployment) -> None:
        role = deployment.aws.client("iam").get_role(RoleName=f"{STACK}-{REGION}")["Role"]
        assert {"Key": "team", "Value": "ml-ops"} in role["Tags"]

    def test_deploying_again_changes_nothing(self, again: str) -> None:
        # The app ran again and built the same bundle, byte for byte.
        assert f"{STACK} (no changes)" in again
        assert "There were no differences" in again

    def test_a_pull_request_shows_what_would_change(self, pull_request: str) -> None:
        assert f"Account {ACCOUNT}, region {REGION}, as arn:aws:" in pull_request
        assert "[~] AWS::Lambda::Function " in pull_request
        assert re.search(r"MemorySize\n.*\[-\] 512\n.*\[\+\] 640\n", pull_request)

    @pytest.mark.usefixtures("pull_request")
    def test_a_region_that_is_added_later(self, pipeline: Pipeline, deployment: Deployment) -> None:
        before = version(deployment), names(deployment)
        after = deployment.aws.deploy(pipeline.assembly)
        assert after.url == deployment.url
        assert (before, (version(after), names(after))) == (("1", before[1]), ("2", before[1]))


def version(deployment: Deployment) -> str:
    alias = deployment.aws.client("lambda").get_alias(FunctionName=deployment.function_name, Name="live")
    return str(alias["FunctionVersion"])


def names(deployment: Deployment) -> list[str]:
    return [model["modelName"] for model in deployment.get("/v1/custom-models?maxItems=3").body["modelSummaries"]]
