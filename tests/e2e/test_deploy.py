"""`cdk deploy`, and the API that it makes.

What ministack leaves out is asserted on the template alone (tests/infra): access logs, metrics, alarms on
metric math, compression. It reports every exception as ``Runtime.HandlerError``; tests/runtime has the true names.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from custom_models.adapters.signing_keys import StaticKey
from custom_models.core.cursor import CursorSigner
from custom_models.core.errors import CursorMismatch, InvalidCursor
from emulators.models import plausible_models
from tests.api import Response
from tests.e2e.aws import APP, ROOT, STAGE, Deployment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODELS = "/v1/custom-models"
ARNS = [model.arn for model in sorted(plausible_models(300), key=lambda model: (model.created, model.arn))[::-1]]


def test_what_it_prints_is_there(deployment: Deployment) -> None:
    aws, outputs = deployment.aws, deployment.outputs
    assert outputs["Url"].endswith(f".amazonaws.com/{STAGE}/")
    alias = aws.client("lambda").get_alias(FunctionName=deployment.function_name, Name="live")
    assert alias["AliasArn"] == outputs["FunctionAliasArn"]
    assert aws.client("iam").get_policy(PolicyArn=outputs["CallersPolicyArn"])["Policy"]["IsAttachable"]
    # ministack's Ref of a secret is its name, where AWS's is the ARN; either finds it.
    assert aws.client("secretsmanager").describe_secret(SecretId=outputs["CursorKeyArn"])["Name"]


class TestOverHttp:
    def test_a_walk_gives_each_model_once(self, deployment: Deployment) -> None:
        found: list[str] = []
        query: dict[str, Any] = {}
        for max_items, page_size in [(1, 1), (70, 7), (29, 1000), (100, 40), (1000, 60)]:
            answer = deployment.get(f"{MODELS}?{urlencode({'maxItems': max_items, 'pageSize': page_size, **query})}")
            assert answer.status == 200
            found += answer.arns
            query = {"cursor": answer.body.get("nextCursor")}
        assert query == {"cursor": None}
        assert found == ARNS

    def test_every_member_comes_through(self, deployment: Deployment) -> None:
        models = {model.arn: model.summary() for model in plausible_models(300)}
        for found in deployment.get(f"{MODELS}?maxItems=1000").body["modelSummaries"]:
            # Bedrock gives milliseconds, the API microseconds.
            expected = models.pop(found["modelArn"])
            assert found == {**expected, "creationTime": found["creationTime"]}
            assert found["creationTime"].rstrip("0Z.") == str(expected["creationTime"]).rstrip("0Z.")
        assert models == {}

    def test_the_link_header_leads_to_the_end(self, deployment: Deployment) -> None:
        target, found = f"{MODELS}?isOwned=true&creationTimeAfter=2026-01-01T00:00:00%2B01:00&maxItems=120", list[str]()
        while True:
            answer = deployment.get(target)
            found += answer.arns
            if "Link" not in answer.headers:
                break
            reference, _, relation = answer.headers["Link"].partition(">; ")
            assert relation == 'rel="next"'
            target = urljoin(target, reference.removeprefix("<"))
        assert "nextCursor" not in answer.body
        assert found == deployment.get(f"{target.partition('&maxItems')[0]}&maxItems=1000").arns
        assert len(found) > 120

    def test_a_bad_request_names_each_bad_parameter(self, deployment: Deployment) -> None:
        answer = deployment.get(f"{MODELS}?maxItems=0&isOwned=&modelStatus=active&sortBy=CreationTime&page=2&page=3")
        assert (answer.status, answer.kind) == (400, "invalid-query")
        assert {error["parameter"] for error in answer.body["errors"]} == {"maxItems", "isOwned", "modelStatus", "page"}

    def test_a_repeated_parameter_is_refused(self, deployment: Deployment) -> None:
        # It reaches the function as both, though API Gateway's single-value map holds the last alone.
        answer = deployment.get(f"{MODELS}?maxItems=1&maxItems=2")
        assert (answer.status, answer.kind) == (400, "invalid-query")

    @pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/custom-models/a/b"])
    def test_another_path_is_not_found(self, deployment: Deployment, path: str) -> None:
        answer = deployment.get(path)
        assert (answer.status, answer.kind) == (404, "not-found")

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_another_method_is_not_allowed(self, deployment: Deployment, method: str) -> None:
        answer = deployment.request(method, MODELS)
        assert (answer.status, answer.kind, answer.headers["Allow"]) == (405, "method-not-allowed", "GET, HEAD")

    def test_head(self, deployment: Deployment) -> None:
        # Without a cursor, which would tell the two apart by its time.
        target = f"{MODELS}?maxItems=1000"
        head, get = deployment.request("HEAD", target), deployment.get(target)
        assert (head.status, head.text) == (200, "")
        assert get.headers["ETag"] == head.headers["ETag"]

    def test_its_description_is_the_committed_one(self, deployment: Deployment) -> None:
        answer = deployment.get("/v1/openapi.json")
        assert answer.status == 200
        assert answer.text == (ROOT / "docs" / "openapi.json").read_text()

    def test_too_many_requests_are_refused_by_the_gateway(self, deployment: Deployment) -> None:
        # ministack counts for each method of each path: this one is no other test's.
        answers: list[Response] = []
        with ThreadPoolExecutor(4) as threads:
            while len(answers) < 1000 and all(answer.status == 404 for answer in answers):
                answers += threads.map(lambda _: deployment.request("OPTIONS", "/"), range(50))
        refused = [answer for answer in answers if answer.status != 404]
        assert 0 < len(refused) <= len(answers) - 40
        for answer in refused:
            assert (answer.status, answer.kind, answer.headers["Retry-After"]) == (429, "too-many-requests", "1")
            assert answer.headers["X-Request-Id"] == answer.body["requestId"]


def test_the_key_is_rotated_in_the_middle_of_a_walk(deployment: Deployment) -> None:
    secrets, secret = deployment.aws.client("secretsmanager"), deployment.outputs["CursorKeyArn"]
    old = secrets.get_secret_value(SecretId=secret)["SecretString"]
    first = deployment.get(f"{MODELS}?maxItems=50")
    assert signed_with(old, cursor(first))

    new = "a key of this test, in place of the one that was generated"
    secrets.put_secret_value(SecretId=secret, SecretString=new)
    second = deployment.get(f"{MODELS}?maxItems=50&cursor={cursor(first)}")
    # The function beside its alias has a container of its own, which starts now: it knows the new key
    # at once, as the alias's does from the first cursor on that is signed with it.
    succeeded, third = deployment.invoke(
        {"maxItems": 50, "cursor": cursor(second)}, FunctionName=deployment.function_name
    )
    assert succeeded
    assert signed_with(new, third["nextCursor"])
    fourth = deployment.get(f"{MODELS}?maxItems=50&cursor={third['nextCursor']}")
    assert signed_with(new, cursor(fourth))
    last = deployment.get(f"{MODELS}?maxItems=1000&cursor={cursor(fourth)}")

    found = [*first.arns, *second.arns, *(model["modelArn"] for model in third["modelSummaries"])]
    assert [*found, *fourth.arns, *last.arns] == ARNS


def cursor(answer: Response) -> str:
    assert answer.status == 200, answer.text
    return str(answer.body["nextCursor"])


def signed_with(key: str, text: str) -> bool:
    try:
        CursorSigner(StaticKey(key), lifetime=1).verify(text, "no listing's")
    except CursorMismatch:
        return True
    except InvalidCursor:
        return False
    raise AssertionError("a cursor of any listing")


class TestDirectly:
    def test_the_body_is_that_of_http(self, deployment: Deployment) -> None:
        succeeded, result = deployment.invoke({"isOwned": True, "modelStatus": "Active", "maxItems": 1000})
        assert succeeded
        assert result == deployment.get(f"{MODELS}?isOwned=true&modelStatus=Active&maxItems=1000").body
        assert 0 < len(result["modelSummaries"]) < 300

    def test_a_cursor_is_good_for_both(self, deployment: Deployment) -> None:
        _, first = deployment.invoke({"maxItems": 150})
        second = deployment.get(f"{MODELS}?maxItems=150&cursor={first['nextCursor']}")
        assert [*(model["modelArn"] for model in first["modelSummaries"]), *second.arns] == ARNS

    def test_an_error_is_reported_with_its_message(self, deployment: Deployment) -> None:
        succeeded, error = deployment.invoke({"maxItems": "5"})
        assert not succeeded
        assert error["errorMessage"] == deployment.get(f"{MODELS}?maxItems=five").body["detail"]

    def test_the_alias_can_be_a_qualifier(self, deployment: Deployment) -> None:
        succeeded, result = deployment.invoke({"maxItems": 1}, FunctionName=deployment.function_name, Qualifier="live")
        assert succeeded
        assert result["modelSummaries"][0]["modelArn"] == ARNS[0]


def test_it_logs_to_its_own_group(deployment: Deployment) -> None:
    request_id = deployment.get(f"{MODELS}?maxItems=3").headers["X-Request-Id"]
    function = deployment.aws.client("lambda").get_function_configuration(FunctionName=deployment.function_name)
    pages = deployment.aws.client("logs").get_paginator("filter_log_events")
    for _ in range(20):
        messages = pages.paginate(logGroupName=function["LoggingConfig"]["LogGroup"]).search("events[].message")
        lines = [json.loads(message) for message in messages if message.startswith("{")]
        found = [line for line in lines if line.get("request_id") == request_id]
        if found:
            break
        # What a container writes late, ministack notices at its next request.
        deployment.get("/")
    assert [(line["route"], line["outcome"], line["items"]) for line in found] == [(MODELS, "ok", 3)]


def test_deploying_again_changes_nothing(deployment: Deployment, tmp_path: Path) -> None:
    aws = deployment.aws
    before = aws.client("lambda").get_alias(FunctionName=deployment.function_name, Name="live")
    # The app runs anew: it makes the same bundle, byte for byte.
    printed = aws.cdk("deploy", "--require-approval", "never", "--app", APP, "--output", str(tmp_path))
    assert "(no changes)" in printed
    assert "There were no differences" in aws.cdk("diff", "--fail", "--app", str(tmp_path))
    after = aws.client("lambda").get_alias(FunctionName=deployment.function_name, Name="live")
    assert after["FunctionVersion"] == before["FunctionVersion"] == "1"
