"""The check of the credentials before a deployment: one sentence for each thing that can be wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulators.models import ACCOUNT
from emulators.server import Request, Response, serve
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
            {"kmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"},
            f".kmsKeyArn must be in the region {REGION}, not in us-east-1.",
        ),
        (
            {"alarmTopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms"},
            f".alarmTopicArn must be in the region {REGION}, not in us-east-1.",
        ),
        (
            {"permissionsBoundary": f"arn:aws-cn:iam::{ACCOUNT}:policy/developer"},
            f".permissionsBoundary must be in the partition aws of {REGION}, not in aws-cn.",
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
    assert refusal(Config(stage="dev", region=REGION)) == (
        "The config profile (nope) could not be found. The profiles are: none."
    )


def test_expired_credentials_are_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: error("ExpiredToken", 403, "The token has expired")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        message = refusal(Config(stage="dev", region=REGION))
    assert message.startswith("AWS does not accept the credentials: ")
    assert "ExpiredToken" in message


def test_an_sts_that_cannot_be_reached_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    message = refusal(Config(stage="dev", region=REGION))
    assert message.startswith("Could not connect to the endpoint URL")
    assert message.endswith("Check the region and the network.")


def test_an_endpoint_that_is_not_a_url_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "nonsense")
    assert refusal(Config(stage="dev", region=REGION)).endswith("Invalid endpoint: nonsense).")


@pytest.fixture
def profile(sts: Sts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    def profile(settings: str, rest: str = "") -> None:
        """Use a profile with these settings, and no other credentials."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
        (tmp_path / "config").write_text(f"[profile me]\n{settings}\n{rest}")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "me")

    return profile


def test_a_process_that_does_not_exist_is_reported(profile: Callable[[str], None]) -> None:
    profile("credential_process = /nowhere/keys")
    assert "/nowhere/keys" in refusal(Config(stage="dev", region=REGION))


EXPIRED = {"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "Expiration": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "printed", ["", "garbage", "[]", "5", "null", '{"Version": 1, "AccessKeyId": 5}', json.dumps(EXPIRED)]
)
def test_a_process_that_prints_no_credentials_is_one_line(
    profile: Callable[[str], None], tmp_path: Path, printed: str
) -> None:
    (tmp_path / "printed").write_text(printed)
    profile(f"credential_process = cat {tmp_path / 'printed'}")
    message = refusal(Config(stage="dev", region=REGION))
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, ""), (200, "garbage"), (200, "<html>Please log in</html>"), (500, "oops"), (301, "moved"), (403, "<html/>")],
)
def test_a_response_that_is_not_from_sts_is_one_line(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, status: int, body: str
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with serve(lambda _: Response(status, body.encode())) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        message = refusal(Config(stage="dev", region=REGION))
    assert message.startswith(("AWS ", "The AWS credentials "))
    assert "\n" not in message


def test_a_response_without_an_account_is_refused(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    result = "<GetCallerIdentityResult><Account/></GetCallerIdentityResult>"
    body = f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>".encode()
    with serve(lambda _: Response(200, body)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert "the response has no account" in refusal(Config(stage="dev", region=REGION))


def test_an_error_of_sts_is_not_one_of_the_credentials(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with serve(lambda _: error("InternalFailure", 500, "Try later")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert refusal(Config(stage="dev", region=REGION)).startswith("AWS could not check the credentials: ")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", ["VALUE\r", "VALUE ", "VAL\nUE"])
def test_credentials_that_no_header_can_have_are_not_printed(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    message = refusal(Config(stage="dev", region=REGION))
    assert message == "The AWS credentials start or end with a space, or contain a control character."


def test_the_password_of_an_endpoint_is_not_printed(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://me:password@127.0.0.1:9")
    assert "password" not in refusal(Config(stage="dev", region=REGION))


@pytest.mark.parametrize("region", ["eu-west-1\n", " ", "nowhere", "eu west 1"])
def test_a_wrong_region_is_reported(sts: Sts, monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    message = refusal(Config(stage="dev"))
    assert message == f"The region must be one such as us-east-1, not {region!r}. Set AWS_REGION."


def test_a_role_is_assumed_in_the_region_of_the_stage(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, profile: Callable[..., None]
) -> None:
    received: list[Request] = []

    def record(request: Request) -> Response:
        received.append(request)
        return error("AccessDenied", 403, "Not you")

    profile(
        f"role_arn = arn:aws:iam::{ACCOUNT}:role/deployer\nsource_profile = keys",
        "[profile keys]\naws_access_key_id = A\naws_secret_access_key = S\n",
    )
    with serve(record) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert "AccessDenied" in refusal(Config(stage="dev", region="us-gov-west-1"))
    assert "/us-gov-west-1/sts/aws4_request" in received[0].headers["Authorization"]
