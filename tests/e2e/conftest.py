"""Fixtures: the stack, deployed to ministack with the CDK's command line."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulators.bedrock import Emulator
from emulators.server import serve
from tests.api import isolate
from tests.e2e.aws import ACCOUNT, MODELS, REGION, STACK, Aws, Deployment, ministack
from tests.e2e.pipeline import Pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The pipeline, and an account with an emulator of Bedrock with 300 models."""
    folder = tmp_path_factory.mktemp("aws")
    with (
        serve(Emulator(MODELS, ACCOUNT).respond) as bedrock,
        ministack(folder, AWS_ENDPOINT_URL_BEDROCK=bedrock) as aws,
    ):
        aws.bootstrap()
        yield Pipeline(folder / "checkout", aws, guard(aws))


@pytest.fixture(scope="session")
def deployment(pipeline: Pipeline) -> Iterator[Deployment]:
    """The API that the pipeline deployed."""
    aws = pipeline.aws
    yield Deployment(aws, dict(re.findall(rf"^{STACK}\.(\w+) = (.*)$", pipeline.run("deploy"), re.MULTILINE)))
    aws.cdk("destroy", "--force", "--app", str(pipeline.assembly))
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        assert_nothing_is_left(aws)


def guard(aws: Aws) -> dict[str, Any]:
    """Create what a guarded organization requires, and return the settings."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        policy = aws.client("iam").create_policy(PolicyName="developer", PolicyDocument=json.dumps(everything))
        key = aws.client("kms").create_key()
    return {
        "tags": {"team": "ml-ops"},
        "permissionsBoundary": policy["Policy"]["Arn"],
        "kmsKeyArn": key["KeyMetadata"]["Arn"],
        "tracing": True,
    }


def assert_nothing_is_left(aws: Aws) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        aws.client("cloudformation").describe_stacks(StackName=STACK)
    assert aws.client("apigateway").get_rest_apis()["items"] == []
    assert aws.client("lambda").list_functions()["Functions"] == []
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert aws.client("cloudwatch").list_dashboards()["DashboardEntries"] == []


@pytest.fixture(scope="session")
def strict_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """A ministack with its own Bedrock. It enforces signatures and IAM policies."""
    with ministack(tmp_path_factory.mktemp("guarded"), AUTH="true") as aws:
        aws.bootstrap()
        with pytest.MonkeyPatch.context() as monkeypatch:
            isolate(monkeypatch)
            # The policy denies requests without TLS, and ministack has no TLS.
            aws.client("s3").delete_bucket_policy(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}")
        yield aws


@pytest.fixture(scope="session")
def guarded(pipeline: Pipeline, deployment: Deployment, strict_aws: Aws) -> Deployment:
    """What the pipeline deployed, deployed again in front of ministack's own Bedrock."""
    guard(strict_aws)
    return strict_aws.deploy(pipeline.assembly)
