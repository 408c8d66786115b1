"""Permissions of callers and of the function's role, with signatures and IAM policies enforced.

ministack's AUTH has two gaps. It does not use our gateway response ACCESS_DENIED. And its Ref of a secret is the
name instead of the ARN, so the role's policy does not match, and the function cannot read the signing key.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from examples.client import ApiError, custom_models
from tests.e2e.aws import ACCOUNT, REGION, ROOT, Deployment, smoke

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODELS = "/v1/custom-models"


@pytest.fixture
def iam(guarded: Deployment) -> Any:
    return guarded.aws.client("iam")


@pytest.fixture
def stranger(iam: Any) -> Iterator[Credentials]:
    """A user of the account without policies."""
    iam.create_user(UserName="someone")
    key = iam.create_access_key(UserName="someone")["AccessKey"]
    yield Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    iam.delete_access_key(UserName="someone", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="someone")


@pytest.fixture
def caller(guarded: Deployment, iam: Any, stranger: Credentials) -> Iterator[Credentials]:
    """A user with the stack's policy for callers."""
    policy = guarded.outputs["CallersPolicyArn"]
    iam.attach_user_policy(UserName="someone", PolicyArn=policy)
    yield stranger
    iam.detach_user_policy(UserName="someone", PolicyArn=policy)


@pytest.fixture
def model(guarded: Deployment) -> Iterator[str]:
    """The ARN of a model in ministack's Bedrock."""
    bedrock = guarded.aws.client("bedrock")
    source = {"s3DataSource": {"s3Uri": "s3://bucket/model"}}
    arn = bedrock.create_custom_model(modelName="churn-emea-v1", modelSourceConfig=source)["modelArn"]
    yield arn
    bedrock.delete_custom_model(modelIdentifier=arn)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["", MODELS, f"{MODELS}?maxItems=0", "/v1/openapi.json", "/nowhere"])
def test_an_unsigned_request_is_forbidden_whatever_its_path_and_method(
    guarded: Deployment, method: str, path: str
) -> None:
    response = guarded.request(method, path, credentials=None)
    assert (response.status, response.kind) == (403, "forbidden")
    assert response.headers["X-Request-Id"] == response.body["requestId"]


def test_a_request_with_a_wrong_signature_is_forbidden(guarded: Deployment, caller: Credentials) -> None:
    response = guarded.get(MODELS, Credentials(caller.access_key, "another secret"))
    assert (response.status, response.kind) == (403, "forbidden")
    assert "signature is not valid" in response.body["detail"]


def test_an_unknown_access_key_is_forbidden(guarded: Deployment) -> None:
    assert guarded.get(MODELS, Credentials("AKIANOBODYSKEY000000", "a secret")).status == 403


def test_make_smoke_finds_what_the_gateway_forbids(guarded: Deployment, caller: Credentials, model: str) -> None:
    _, found = smoke(guarded.url, caller)
    for name in ("an unsigned request", "an unsigned request on another path", "a wrong signature"):
        assert found[name] == ("ok", "403 forbidden, application/problem+json, same request id")
    assert found["the whole inventory"] == ("ok", "each model once, complete")


def test_the_callers_policy_allows_get_and_head(guarded: Deployment, caller: Credentials, model: str) -> None:
    assert guarded.get(MODELS, caller).arns == [model]
    assert guarded.request("HEAD", MODELS, caller).status == 200
    assert guarded.get("/v1/openapi.json", caller).status == 200
    assert guarded.request("POST", MODELS, caller).status == 403


def test_the_examples_sign_their_requests(
    guarded: Deployment, caller: Credentials, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filters = {"nameContains": "churn-emea", "creationTimeAfter": "2020-01-01T00:00:00+01:00", "sortBy": "CreationTime"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", caller.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(ApiError, match="403 forbidden: The signature is not valid"):
        custom_models(guarded.url)

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", caller.secret_key)
    assert [found["modelArn"] for found in custom_models(guarded.url, **filters).models] == [model]

    if shutil.which("curl") is None or shutil.which("jq") is None:
        pytest.skip("curl or jq is missing")
    arguments = [f"{name}={value}" for name, value in filters.items()]
    done = subprocess.run(
        [str(ROOT / "examples" / "list.sh"), guarded.url, *arguments],
        check=False,
        text=True,
        capture_output=True,
        env={**os.environ, "AWS_REGION": REGION},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["modelArn"] == model


def test_the_callers_policy_allows_invoking_only_the_alias(
    guarded: Deployment, caller: Credentials, model: str
) -> None:
    succeeded, result = guarded.invoke({}, caller)
    assert succeeded
    assert [summary["modelArn"] for summary in result["modelSummaries"]] == [model]
    with pytest.raises(ClientError, match="not authorized to perform: lambda:InvokeFunction"):
        guarded.invoke({}, caller, FunctionName=guarded.function_name)


def test_without_a_policy_nothing_is_allowed(guarded: Deployment, stranger: Credentials) -> None:
    assert guarded.get(MODELS, stranger).status == 403
    with pytest.raises(ClientError, match="not authorized to perform: lambda:InvokeFunction"):
        guarded.invoke({}, stranger)


def test_a_missing_permission_of_the_role_is_reported(guarded: Deployment, iam: Any, model: str) -> None:
    function = guarded.aws.client("lambda").get_function_configuration(FunctionName=guarded.function_name)
    role = function["Role"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        response, (succeeded, error) = guarded.get(MODELS), guarded.invoke({})
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
    assert (response.status, response.kind) == (500, "upstream-denied")
    assert (succeeded, error["errorMessage"]) == (False, f"{response.body['detail']} (source {ACCOUNT}/{REGION})")
    assert guarded.get(MODELS).arns == [model]
