"""The CloudFormation template of the role in each member account.

``python -m infra.member_role STAGE`` prints it. It has no parameters: the stage's settings in ``cdk.json`` say
everything. It needs neither AWS nor the CDK.
"""

import json
import sys
from typing import Any

from infra.config import Config, ConfigError


def template(config: Config) -> dict[str, Any]:
    """Return the template of the role that the function of this stage assumes.

    Raises:
        ConfigError: the stage has no member accounts.
    """
    if config.inventory is None or config.region is None or not config.members:
        has = "no inventory" if config.inventory is None else "an inventory without another account"
        raise ConfigError(f"stages.{config.stage} has {has}, so no role is needed.")
    hub = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{config.account}:root"}
    function = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{config.account}:role/{config.role_name(config.region)}"}
    # The account as the principal, because the ARN of a role as the principal breaks when that role is created again:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles
    conditions: dict[str, Any] = {"aws:PrincipalArn": function}
    if config.inventory.external_id is not None:
        conditions["sts:ExternalId"] = config.inventory.external_id
    trust = _statement("sts:AssumeRole", Principal={"AWS": hub}, Condition={"StringEquals": conditions})
    # Bedrock supports no resources and no condition keys for this action.
    permission = _statement("bedrock:ListCustomModels", Resource="*")
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Lets the Custom Models API ({config.stage}) of account {config.account} list custom models",
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": config.inventory.member_role_name,
                    **_guards(config),
                    "Description": "Assumed by the Custom Models API; it can list custom models and nothing else",
                    "AssumeRolePolicyDocument": _policy(trust),
                    "Policies": [{"PolicyName": "list-custom-models", "PolicyDocument": _policy(permission)}],
                },
            }
        },
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    }


def _guards(config: Config) -> dict[str, Any]:
    """Return the tags and the permissions boundary: the policy of the same name in the member account."""
    guards: dict[str, Any] = {}
    if config.tags:
        guards["Tags"] = [{"Key": key, "Value": value} for key, value in config.tags.items()]
    if config.permissions_boundary is not None:
        *_, owner, policy = config.permissions_boundary.split(":", 5)
        owner = "${AWS::AccountId}" if owner != "aws" else owner
        guards["PermissionsBoundary"] = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{owner}:{policy}"}
    return guards


def _statement(action: str, **rest: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": action, **rest}


def _policy(statement: object) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def main(stage: str) -> None:
    """Print the template of a stage of ``cdk.json``."""
    try:
        text = json.dumps(template(Config.of_stage(stage)), indent=2)
    except ConfigError as error:
        sys.exit(f"custom-models: {error}")
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m infra.member_role STAGE")
    main(sys.argv[1])
