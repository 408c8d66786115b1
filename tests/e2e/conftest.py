"""Fixtures: the stack, deployed to ministack with the CDK's command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from emulators.bedrock import Emulator
from emulators.server import serve
from tests.api import isolate
from tests.e2e.aws import ACCOUNT, APP, MODELS, REGION, STACK, Aws, Deployment, cdk, ministack


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the CDK app: the template and the bundle."""
    folder = tmp_path_factory.mktemp("assembly")
    cdk(folder, "synth", "--quiet", "--app", APP, "--output", str(folder / "out"))
    return folder / "out"


@pytest.fixture(scope="session")
def deployment(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The API in front of an emulator of Bedrock with 300 models."""
    folder = tmp_path_factory.mktemp("aws")
    with (
        serve(Emulator(MODELS, ACCOUNT).respond) as bedrock,
        ministack(folder, AWS_ENDPOINT_URL_BEDROCK=bedrock) as aws,
    ):
        aws.bootstrap()
        yield aws.deploy(assembly)
        aws.cdk("destroy", "--force", "--app", str(assembly))
        with pytest.MonkeyPatch.context() as monkeypatch:
            isolate(monkeypatch)
            assert_nothing_is_left(aws)


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
def guarded(assembly: Path, strict_aws: Aws) -> Deployment:
    """The API in front of ministack's own Bedrock."""
    return strict_aws.deploy(assembly)
