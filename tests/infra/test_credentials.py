"""The check of the credentials before a deployment: one sentence for each thing that can be wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.models import ACCOUNT
from emulators.server import serve
from emulators.sts import Sts, error
from infra.config import Config
from infra.credentials import CredentialsError, check

REGION = "eu-west-1"


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    """STS, and credentials for it."""
    sts = Sts({})
    with serve(sts.respond) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        yield sts


def test_it_reports_the_account_the_region_and_the_principal(sts: Sts) -> None:
    found = check(Config(stage="dev", account=ACCOUNT, region=REGION))
    assert found.startswith(f"Account {ACCOUNT}, region {REGION}, as arn:aws:")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_can_come_from_the_environment(sts: Sts, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, REGION)
    assert f"region {REGION}," in check(Config(stage="dev"))


def refusal(config: Config) -> str:
    with pytest.raises(CredentialsError) as caught:
        check(config)
    return str(caught.value)


def test_a_stage_of_another_account_is_refused(sts: Sts) -> None:
    message = refusal(Config(stage="prod", account="210987654321", region=REGION))
    assert message == f"stages.prod.account is 210987654321, but the credentials are for {ACCOUNT}."


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"permissionsBoundary": "arn:aws:iam::210987654321:policy/developer"},
            f".permissionsBoundary must be a policy of the account {ACCOUNT}, not of 210987654321.",
        ),
        (
            {"kmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"},
            f".kmsKeyArn must be a key in the region {REGION}, not in us-east-1.",
        ),
    ],
)
def test_an_arn_of_another_place_is_refused_if_the_stage_has_no_account_and_region(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], problem: str
) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)
    config = Config.read({"stage": "prod", "stages": {"prod": settings}}.get)
    assert refusal(config) == f"stages.prod{problem}"


def test_a_missing_region_is_reported(sts: Sts) -> None:
    assert refusal(Config(stage="prod")) == "There is no region. Set AWS_REGION, or region in stages.prod."


def test_missing_credentials_are_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert refusal(Config(stage="dev", region=REGION)) == "There are no AWS credentials. Set AWS_PROFILE, or log in."


def test_an_unknown_profile_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    assert refusal(Config(stage="dev", region=REGION)) == "The config profile (nope) could not be found."


def test_expired_credentials_are_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: error("ExpiredToken", 403, "The token has expired")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        message = refusal(Config(stage="dev", region=REGION))
    assert message.startswith("AWS does not accept the credentials: ")
    assert "ExpiredToken" in message


def test_an_sts_that_cannot_be_reached_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    assert "Could not connect to the endpoint URL" in refusal(Config(stage="dev", region=REGION))


def test_an_endpoint_that_is_not_a_url_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "nonsense")
    assert refusal(Config(stage="dev", region=REGION)) == "Invalid endpoint: nonsense."


def test_a_process_that_does_not_exist_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "config").write_text("[profile me]\ncredential_process = /nowhere/keys\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "me")
    assert "/nowhere/keys" in refusal(Config(stage="dev", region=REGION))
