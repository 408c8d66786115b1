"""STS and Bedrock of an organization as boto3 sees them: roles, and a source of its own for each account and region."""

import functools
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from emulators.bedrock import Call, Organization, deny, throttle, unknown_operation
from emulators.credentials import Credentials, issue
from emulators.faults import Fault, hang, unavailable
from emulators.models import ACCOUNT, plausible_models
from emulators.server import serve
from emulators.sts import Sts, internal_error, region_disabled
from emulators.sts import deny as deny_role
from emulators.sts import throttle as throttle_roles

MEMBER, OTHER = "111122223333", "444455556666"
EAST, WEST = "us-east-1", "eu-west-1"
SOURCES = [f"{account}/{region}" for account in (ACCOUNT, MEMBER) for region in (EAST, WEST)]
MODELS = {
    source: plausible_models(count, account=source.split("/")[0], region=source.split("/")[1])
    for count, source in enumerate(SOURCES, 2)
}
ROLE, GUARDED = f"arn:aws:iam::{MEMBER}:role/reader", f"arn:aws:iam::{OTHER}:role/team/reader"


@functools.cache
def _client(service: str, url: str, region: str, *credentials: str, **options: Any) -> Any:
    key, secret, token = credentials or ("local", "local", None)
    # boto3's stubs declare names of services only.
    create: Any = boto3.client
    return create(
        service,
        region,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, **options),
    )


@pytest.fixture(scope="module")
def served_sts() -> Iterator[tuple[Sts, str]]:
    sts = Sts({})
    with serve(sts.respond) as url:
        yield sts, url


@pytest.fixture
def sts(served_sts: tuple[Sts, str]) -> Sts:
    served_sts[0].load({ROLE: None, GUARDED: "our-secret"})
    return served_sts[0]


@pytest.fixture
def client(sts: Sts, served_sts: tuple[Sts, str]) -> Any:
    return _client("sts", served_sts[1], WEST)


@pytest.fixture
def unchecked(sts: Sts, served_sts: tuple[Sts, str]) -> Any:
    return _client("sts", served_sts[1], WEST, parameter_validation=False)


@pytest.fixture(scope="module")
def served_bedrock() -> Iterator[tuple[Organization, str]]:
    organization = Organization({})
    with serve(organization.respond) as url:
        yield organization, url


@pytest.fixture
def organization(served_bedrock: tuple[Organization, str]) -> Organization:
    served_bedrock[0].load(MODELS)
    return served_bedrock[0]


class Bedrock:
    def __init__(self, url: str) -> None:
        self._url = url

    def list(self, region: str, *credentials: str, **arguments: Any) -> list[str]:
        page = _client("bedrock", self._url, region, *credentials).list_custom_models(**arguments)
        return [summary["modelArn"] for summary in page["modelSummaries"]]

    def code(self, region: str, *credentials: str) -> str:
        with pytest.raises(ClientError) as caught:
            self.list(region, *credentials)
        return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def bedrock(organization: Organization, served_bedrock: tuple[Organization, str]) -> Bedrock:
    return Bedrock(served_bedrock[1])


def assume(client: Any, arn: str = ROLE, **parameters: Any) -> Any:
    return client.assume_role(RoleArn=arn, RoleSessionName="custom-models", **parameters)


def credentials(answer: Any) -> tuple[str, str, str]:
    issued = answer["Credentials"]
    return issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]


def signed_with(issued: Credentials) -> tuple[str, str, str]:
    return issued.access_key, issued.secret_key, issued.session_token


def refusal(client: Any, arn: str = ROLE, **parameters: Any) -> tuple[int, str, str]:
    """Return status, code and message of the error."""
    with pytest.raises(ClientError) as caught:
        assume(client, arn, **parameters)
    response = caught.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


class TestAssumeRole:
    def test_the_credentials_list_the_models_of_the_roles_account_in_each_region(
        self, client: Any, bedrock: Bedrock, organization: Organization
    ) -> None:
        issued = credentials(assume(client))
        for region in (EAST, WEST):
            found = bedrock.list(region, *issued)
            assert sorted(found) == sorted(model.arn for model in MODELS[f"{MEMBER}/{region}"])
            assert sorted(bedrock.list(region)) == sorted(model.arn for model in MODELS[f"{ACCOUNT}/{region}"])
        assert organization.calls == [
            Call(f"{MEMBER}/{EAST}", issued[0]),
            Call(f"{ACCOUNT}/{EAST}", "local"),
            Call(f"{MEMBER}/{WEST}", issued[0]),
            Call(f"{ACCOUNT}/{WEST}", "local"),
        ]

    def test_the_response_is_that_of_the_service_model(self, client: Any) -> None:
        answer = assume(client)
        assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{MEMBER}:assumed-role/reader/custom-models"
        shapes = client.meta.service_model.shape_for("Credentials").members
        for name, value in zip(("AccessKeyId", "SecretAccessKey", "SessionToken"), credentials(answer), strict=True):
            rules = shapes[name].metadata
            assert rules.get("min", 0) <= len(value) <= rules.get("max", len(value))
        assert answer["Credentials"]["AccessKeyId"].startswith(f"ASIA{MEMBER}")

    def test_the_credentials_expire_when_asked(self, client: Any, sts: Sts, bedrock: Bedrock) -> None:
        def seconds(answer: Any) -> float:
            metadata = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
            return float((answer["Credentials"]["Expiration"] - parsedate_to_datetime(metadata)).total_seconds())

        assert 3595 < seconds(assume(client)) < 3605
        assert 895 < seconds(assume(client, DurationSeconds=900)) < 905
        sts.lifetime = 5000
        assert 4995 < seconds(assume(client, DurationSeconds=900)) < 5005
        sts.lifetime = 0
        assert bedrock.code(EAST, *credentials(assume(client))) == "ExpiredTokenException"

    def test_calls_are_recorded_with_account_region_and_key(self, client: Any, sts: Sts) -> None:
        assume(client, ExternalId="abc")
        refusal(client, f"arn:aws:iam::{OTHER}:role/none")
        assert [(call.account, call.region, call.access_key) for call in sts.calls] == [
            (MEMBER, WEST, "local"),
            (OTHER, WEST, "local"),
        ]
        assert sts.calls[0].parameters == {
            "RoleArn": ROLE,
            "RoleSessionName": "custom-models",
            "ExternalId": "abc",
        }

    @pytest.mark.parametrize(
        ("arn", "parameters"),
        [
            (f"arn:aws:iam::{MEMBER}:role/other", {}),
            (f"arn:aws:iam::{ACCOUNT}:role/reader", {}),
            (GUARDED, {}),
            (GUARDED, {"ExternalId": "guessed"}),
        ],
    )
    def test_a_role_that_does_not_trust_the_caller_is_denied(
        self, client: Any, arn: str, parameters: dict[str, str]
    ) -> None:
        status, code, message = refusal(client, arn, **parameters)
        assert (status, code) == (403, "AccessDenied")
        assert message.startswith(f"User: arn:aws:iam::{ACCOUNT}:")
        assert message.endswith(f" is not authorized to perform: sts:AssumeRole on resource: {arn}")

    def test_an_external_id_opens_the_role_that_requires_it(self, client: Any) -> None:
        assert credentials(assume(client, GUARDED, ExternalId="our-secret"))[0].startswith(f"ASIA{OTHER}")

    def test_the_roles_do_not_trust_each_other(self, client: Any, served_sts: tuple[Sts, str]) -> None:
        member = _client("sts", served_sts[1], WEST, *credentials(assume(client)))
        assert refusal(member)[:2] == (403, "AccessDenied")

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"RoleArn": "short"}, "Value 'short' at 'roleArn' failed to satisfy constraint: Member must have length"),
            ({"RoleArn": "arn:aws:iam::1:role/reader"}, "arn:aws:iam::1:role/reader is invalid"),
            (
                {"RoleSessionName": "a"},
                "'roleSessionName' failed to satisfy constraint: Member must have length greater",
            ),
            ({"RoleSessionName": "a" * 65}, "Member must have length less than or equal to 64"),
            ({"RoleSessionName": "a b"}, r"Member must satisfy regular expression pattern: [\w+=,.@-]*"),
            ({"ExternalId": "a"}, "at 'externalId' failed to satisfy constraint: Member must have length greater"),
            ({"ExternalId": "a" * 1225}, "Member must have length less than or equal to 1224"),
            ({"ExternalId": "<&>"}, "Value '<&>' at 'externalId' failed"),
            (
                {"DurationSeconds": 899},
                "'durationSeconds' failed to satisfy constraint: Member must have value greater",
            ),
            ({"DurationSeconds": 3601}, "DurationSeconds exceeds the 1 hour session limit"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_invalid_parameters_are_rejected(self, unchecked: Any, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ClientError) as caught:
            unchecked.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "custom-models", **parameters})
        assert caught.value.response["Error"]["Code"] == "ValidationError"
        assert message in caught.value.response["Error"]["Message"]

    def test_a_missing_parameter_is_rejected(self, unchecked: Any) -> None:
        with pytest.raises(ClientError, match="Value null at 'roleSessionName'"):
            unchecked.assume_role(RoleArn=ROLE)

    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            (throttle_roles, 400, "Throttling"),
            (deny_role, 403, "AccessDenied"),
            (internal_error, 500, "InternalFailure"),
            (region_disabled, 403, "RegionDisabledException"),
            (unavailable, 503, "503"),
        ],
    )
    def test_the_roles_of_one_account_can_misbehave(
        self, client: Any, sts: Sts, fault: Fault, status: int, code: str
    ) -> None:
        sts.faults[OTHER].misbehave(fault)
        with pytest.raises(ClientError) as caught:
            assume(client, GUARDED, ExternalId="our-secret")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert caught.value.response["Error"]["Code"] == code
        assume(client)
        assume(client, GUARDED, ExternalId="our-secret")

    def test_the_roles_of_one_account_can_hang(self, client: Any, sts: Sts) -> None:
        sts.faults[MEMBER].misbehave(hang(0.01))
        with pytest.raises(ConnectionClosedError):
            assume(client)
        assume(client)

    def test_the_caller_is_identified(self, client: Any, served_sts: tuple[Sts, str]) -> None:
        assert client.get_caller_identity()["Account"] == ACCOUNT
        member = _client("sts", served_sts[1], WEST, *credentials(assume(client)))
        assert member.get_caller_identity()["Account"] == MEMBER

    def test_other_operations_are_rejected(self, client: Any) -> None:
        with pytest.raises(ClientError, match="InvalidAction"):
            client.get_session_token()


class TestSources:
    def test_each_source_misbehaves_on_its_own_and_keeps_its_calls(
        self, bedrock: Bedrock, organization: Organization
    ) -> None:
        member = signed_with(issue(MEMBER))
        organization.sources[f"{MEMBER}/{EAST}"].misbehave(always=deny)
        organization.sources[f"{MEMBER}/{WEST}"].misbehave(throttle, unknown_operation)
        organization.sources[f"{ACCOUNT}/{EAST}"].page_sizes = lambda _: 1
        assert bedrock.code(EAST, *member) == "AccessDeniedException"
        assert bedrock.code(WEST, *member) == "ThrottlingException"
        assert bedrock.code(WEST, *member) == "ValidationException"
        assert len(bedrock.list(WEST, *member, maxResults=3)) == 3
        assert len(bedrock.list(EAST)) == 1
        assert {source: own.calls for source, own in organization.sources.items()} == {
            f"{ACCOUNT}/{EAST}": [{}],
            f"{ACCOUNT}/{WEST}": [],
            f"{MEMBER}/{EAST}": [{}],
            f"{MEMBER}/{WEST}": [{}, {}, {"maxResults": "3"}],
        }

    def test_is_owned_refers_to_the_account_of_the_source(self, bedrock: Bedrock, organization: Organization) -> None:
        organization.load({f"{MEMBER}/{EAST}": plausible_models(60, account=MEMBER)})
        member = signed_with(issue(MEMBER))
        owned, shared = (bedrock.list(EAST, *member, isOwned=flag) for flag in (True, False))
        assert (len(owned) + len(shared), bool(shared)) == (60, True)
        assert all(f":{MEMBER}:" in arn for arn in owned)
        assert not any(f":{MEMBER}:" in arn for arn in shared)

    def test_retries_are_recorded(self, organization: Organization, served_bedrock: tuple[Organization, str]) -> None:
        organization.sources[f"{ACCOUNT}/{EAST}"].misbehave(throttle)
        client = boto3.client(
            "bedrock", EAST, endpoint_url=served_bedrock[1], config=Config(retries={"total_max_attempts": 2})
        )
        client.list_custom_models()
        assert [call.source for call in organization.calls] == [f"{ACCOUNT}/{EAST}"] * 2

    def test_an_unknown_account_or_region_is_answered_like_a_region_that_is_not_enabled(
        self, bedrock: Bedrock, organization: Organization
    ) -> None:
        assert bedrock.code("af-south-1") == "UnrecognizedClientException"
        assert bedrock.code(EAST, *signed_with(issue(OTHER))) == "UnrecognizedClientException"
        assert [call.source for call in organization.calls] == [f"{ACCOUNT}/af-south-1", f"{OTHER}/{EAST}"]

    def test_a_key_needs_its_own_session_token(self, bedrock: Bedrock) -> None:
        key, secret, token = signed_with(issue(MEMBER))
        other = signed_with(issue(MEMBER))
        assert bedrock.code(EAST, key, secret, other[2]) == "UnrecognizedClientException"
        assert bedrock.code(EAST, key, secret, "é" * 4) == "UnrecognizedClientException"
        assert bedrock.list(EAST, key, secret, token)

    def test_a_token_expires(self, bedrock: Bedrock) -> None:
        assert bedrock.code(EAST, *signed_with(issue(MEMBER, lifetime=0))) == "ExpiredTokenException"

    def test_a_signature_for_another_service_is_rejected(
        self, bedrock: Bedrock, client: Any, served_bedrock: tuple[Organization, str], served_sts: tuple[Sts, str]
    ) -> None:
        crossed = _client("lambda", served_bedrock[1], EAST)
        with pytest.raises(ClientError, match="correct service: 'bedrock'"):
            crossed.list_functions()
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch.*correct service: 'sts'"):
            _client("iam", served_sts[1], EAST).list_users()


class TestPlausibleModels:
    @pytest.mark.parametrize("source", SOURCES)
    def test_they_belong_to_their_source(self, source: str) -> None:
        account, region = source.split("/")
        models = plausible_models(200, account=account, region=region)
        assert len({model.owner for model in models}) == 2
        assert account in {model.owner for model in models}
        for model in models:
            assert model.arn.split(":")[3:5] == [region, model.owner]
            assert model.foundation_arn.split(":")[3] == region

    def test_they_are_different_in_each_source(self) -> None:
        names = [
            tuple(model.name for model in plausible_models(20, account=account, region=region))
            for account in (ACCOUNT, MEMBER)
            for region in (EAST, WEST)
        ]
        assert len(set(names)) == 4
