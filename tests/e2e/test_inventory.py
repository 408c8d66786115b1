"""An inventory: the deployed function lists other accounts with a role made from the template for members.

ministack selects the account by the access key: 12 digits are the root user of that account. It enforces trust
policies, external ids and the permissions of both roles. Credentials are cached by the function, so each test that
expects a denial has a member account of its own.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from infra.config import Config
from infra.member_role import template
from tests.api import Response, isolate
from tests.e2e import aws
from tests.e2e.aws import ACCOUNT, REGION, Aws, Deployment, synthesize

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Template: TypeAlias = dict[str, Any]

STAGE, OTHER_REGION = "hub", "us-west-2"
MEMBER, NO_ROLE, NO_TRUST, OTHER_ID, NO_LISTING, NO_PERMISSION = (str(n) * 12 for n in range(1, 7))
MEMBERS = [MEMBER, NO_ROLE, NO_TRUST, OTHER_ID, NO_LISTING, NO_PERMISSION]
NOT_LISTED = "777777777777"
ROLE, EXTERNAL_ID = "custom-models-reader", "an-external-id"


def settings(external_id: str = EXTERNAL_ID) -> dict[str, Any]:
    sources = [
        {"accounts": [ACCOUNT, MEMBER], "regions": [REGION, OTHER_REGION]},
        {"accounts": MEMBERS[1:], "regions": [REGION]},
    ]
    inventory = {"sources": sources, "memberRoleName": ROLE, "externalId": external_id}
    return {"account": ACCOUNT, "region": REGION, "inventory": inventory}


def member_role(stage: str = STAGE, **changed: str) -> Template:
    return template(Config.read({"stage": stage, "stages": {stage: settings(**changed)}}.get))


def without_permissions() -> Template:
    role = member_role()
    del role["Resources"]["Role"]["Properties"]["Policies"]
    return role


def for_all_principals() -> Template:
    role = member_role()
    (statement,) = role["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    del statement["Condition"]["StringEquals"]["aws:PrincipalArn"]
    return role


def root(account: str) -> Credentials:
    return Credentials(account, "test")


def install(aws: Aws, account: str, role: Template) -> None:
    """Create the stack with the role in a member account, or update it."""
    cloudformation = aws.client("cloudformation", root(account))
    stack = {"StackName": "member-role", "TemplateBody": json.dumps(role), "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    try:
        cloudformation.create_stack(**stack)
        waiter = cloudformation.get_waiter("stack_create_complete")
    except cloudformation.exceptions.AlreadyExistsException:
        cloudformation.update_stack(**stack)
        waiter = cloudformation.get_waiter("stack_update_complete")
    waiter.wait(StackName="member-role", WaiterConfig={"Delay": 0.1})


@pytest.fixture(scope="module")
def hub(strict_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The API with an inventory. Each source has one model, and no member has a role."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        for account in (ACCOUNT, *MEMBERS):
            for region in (REGION, OTHER_REGION):
                strict_aws.client("bedrock", root(account), region).create_custom_model(
                    modelName="churn", modelSourceConfig={"s3DataSource": {"s3Uri": "s3://bucket/model"}}
                )
    assembly = synthesize(tmp_path_factory.mktemp("hub") / "assembly", STAGE, settings())
    yield strict_aws.deploy(assembly, f"custom-models-{STAGE}")
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch)
        for region in (REGION, OTHER_REGION):
            strict_aws.client("bedrock", root(ACCOUNT), region).delete_custom_model(modelIdentifier="churn")


def listing(hub: Deployment, *accounts: str, **parameters: str) -> Response:
    query = "&".join(f"{name}={value}" for name, value in {"accounts": ",".join(accounts), **parameters}.items())
    return hub.get(f"/v1/custom-models?{query}")


def owners(response: Response) -> list[tuple[str, str]]:
    """Return the source of each model, and the account and region in its ARN."""
    assert response.status == 200, response.text
    return [
        (model["source"], "{4}/{3}".format(*model["modelArn"].split(":"))) for model in response.body["modelSummaries"]
    ]


def test_members_with_the_role_are_listed_in_each_region(hub: Deployment) -> None:
    install(hub.aws, MEMBER, member_role())
    response = listing(hub, ACCOUNT, MEMBER)
    sources = [f"{account}/{region}" for account in (ACCOUNT, MEMBER) for region in (REGION, OTHER_REGION)]
    assert owners(response) == [(source, source) for source in sources]
    assert response.body["coverage"] == {
        "sources": 4,
        "listed": 4,
        "notOffered": [],
        "unreachable": [],
        "complete": True,
    }


def test_the_stage_is_independent_of_the_other_one(hub: Deployment, guarded: Deployment) -> None:
    own = f"{ACCOUNT}/{REGION}"
    assert owners(guarded.get("/v1/custom-models")) == owners(listing(hub, ACCOUNT, regions=REGION)) == [(own, own)]
    assert guarded.url != hub.url
    found = hub.aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert {entry["DashboardName"] for entry in found} == {
        f"custom-models-{stage}-{REGION}" for stage in (STAGE, aws.STAGE)
    }


@pytest.mark.parametrize(
    ("account", "role", "detail"),
    [
        pytest.param(NO_ROLE, None, "cannot be assumed", id="no role"),
        pytest.param(NO_TRUST, member_role("other"), "cannot be assumed", id="trusts the function of another stage"),
        pytest.param(
            OTHER_ID, member_role(external_id="another-id"), "cannot be assumed", id="requires another external id"
        ),
        pytest.param(NO_LISTING, without_permissions(), "cannot list custom models", id="may not list custom models"),
    ],
)
def test_a_member_with_a_wrong_role_is_denied_until_the_role_is_right(
    hub: Deployment, account: str, role: Template | None, detail: str
) -> None:
    if role is not None:
        install(hub.aws, account, role)
    assert_denied(hub, account, detail)
    install(hub.aws, account, member_role())
    assert owners(listing(hub, account)) == [(f"{account}/{REGION}", f"{account}/{REGION}")]


def assert_denied(hub: Deployment, account: str, detail: str) -> None:
    source = f"{account}/{REGION}"
    response = listing(hub, account)
    assert (response.status, response.kind, response.body["source"]) == (500, "upstream-denied", source)
    assert detail in response.body["detail"]
    succeeded, error = hub.invoke({"accounts": [account]})
    assert (succeeded, error["errorMessage"]) == (False, f"{response.body['detail']} (source {source})")

    partial = listing(hub, ACCOUNT, account, regions=REGION, allowPartial="true")
    assert owners(partial) == [(f"{ACCOUNT}/{REGION}", f"{ACCOUNT}/{REGION}")]
    assert partial.body["coverage"] == {
        "sources": 2,
        "listed": 1,
        "notOffered": [],
        "unreachable": [{"source": source, "problem": "upstream-denied"}],
        "complete": False,
    }


def test_the_functions_role_needs_the_permission_to_assume_the_members_role(hub: Deployment) -> None:
    install(hub.aws, NO_PERMISSION, member_role())
    iam, role = hub.aws.client("iam"), f"custom-models-{STAGE}-{REGION}"
    (policy,) = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    try:
        assert_denied(hub, NO_PERMISSION, "cannot be assumed")
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
    assert owners(listing(hub, NO_PERMISSION)) == [(f"{NO_PERMISSION}/{REGION}", f"{NO_PERMISSION}/{REGION}")]


def test_no_other_principal_of_the_functions_account_can_assume_the_role(hub: Deployment) -> None:
    iam = hub.aws.client("iam")
    iam.create_user(UserName="intruder")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="intruder", PolicyName="assume", PolicyDocument=policy)
    key = iam.create_access_key(UserName="intruder")["AccessKey"]
    sts = hub.aws.client("sts", Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    arn = f"arn:aws:iam::{NOT_LISTED}:role/{ROLE}"
    request = {"RoleArn": arn, "RoleSessionName": "intruder", "ExternalId": EXTERNAL_ID}

    install(hub.aws, NOT_LISTED, for_all_principals())
    assert sts.assume_role(**request)["Credentials"]
    install(hub.aws, NOT_LISTED, member_role())
    with pytest.raises(ClientError, match=f"not authorized to perform: sts:AssumeRole on resource: {arn}"):
        sts.assume_role(**request)
