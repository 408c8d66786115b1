"""The template of the role in each member account."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.config import Config, ConfigError
from infra.member_role import template
from tests.infra.settings import GOOD
from tests.installed import script

ROOT = Path(__file__).resolve().parents[2]


def role(**changed: object) -> dict[str, Any]:
    return role_of(inventory={**GOOD["inventory"], **changed})


def role_of(**settings: object) -> dict[str, Any]:
    settings = {"account": "123456789012", "region": "eu-central-1", "inventory": GOOD["inventory"], **settings}
    config = Config.read({"stage": "dev", "stages": {"dev": settings}}.get)
    properties: dict[str, Any] = template(config)["Resources"]["Role"]["Properties"]
    return properties


def test_only_the_functions_role_with_the_external_id_may_assume_it() -> None:
    (statement,) = role()["AssumeRolePolicyDocument"]["Statement"]
    arn = "arn:${AWS::Partition}:iam::123456789012"
    assert statement == {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": {"Fn::Sub": f"{arn}:root"}},
        "Condition": {
            "StringEquals": {
                "aws:PrincipalArn": {"Fn::Sub": f"{arn}:role/custom-models-dev-eu-central-1"},
                "sts:ExternalId": "a1b2c3",
            }
        },
    }


def test_without_an_external_id_none_is_required() -> None:
    inventory = {name: value for name, value in GOOD["inventory"].items() if name != "externalId"}
    config = Config.read({"stage": "dev", "stages": {"dev": {**GOOD, "inventory": inventory}}}.get)
    conditions = json.dumps(template(config)["Resources"])
    assert "aws:PrincipalArn" in conditions
    assert "sts:ExternalId" not in conditions


def test_it_may_list_custom_models_and_nothing_else() -> None:
    (policy,) = role()["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "bedrock:ListCustomModels", "Resource": "*"}
    ]
    assert "ManagedPolicyArns" not in role()


def test_it_has_the_name_in_the_settings_and_no_path() -> None:
    assert role(memberRoleName="reader")["RoleName"] == "reader"
    assert "Path" not in role()


def test_it_has_the_tags_of_the_stage() -> None:
    assert role_of(tags={"team": "ml-ops"})["Tags"] == [{"Key": "team", "Value": "ml-ops"}]
    assert "Tags" not in role_of()


@pytest.mark.parametrize(
    ("boundary", "member_boundary"),
    [
        ("123456789012:policy/boundaries/developer", "${AWS::AccountId}:policy/boundaries/developer"),
        ("aws:policy/PowerUserAccess", "aws:policy/PowerUserAccess"),
    ],
)
def test_its_boundary_is_the_policy_of_that_name_in_its_own_account(boundary: str, member_boundary: str) -> None:
    found = role_of(permissionsBoundary=f"arn:aws:iam::{boundary}")["PermissionsBoundary"]
    assert found == {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{member_boundary}"}
    assert "PermissionsBoundary" not in role_of()


HUB = {"account": "123456789012", "region": "eu-central-1"}


@pytest.mark.parametrize(
    ("settings", "has"),
    [
        ({}, "no inventory"),
        (HUB, "no inventory"),
        (
            {**HUB, "inventory": {"sources": [{"accounts": ["123456789012"], "regions": ["eu-central-1"]}]}},
            "an inventory without another account",
        ),
    ],
)
def test_a_stage_without_members_needs_no_role(settings: dict[str, Any], has: str) -> None:
    with pytest.raises(ConfigError) as raised:
        template(Config(stage="dev", **settings))
    assert str(raised.value) == f"stages.dev has {has}, so no role is needed."


def test_the_command_reports_errors_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.member_role", "dev"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "custom-models: stages.dev has no inventory, so no role is needed.\n"


@pytest.mark.slow
def test_it_has_no_parameters_and_cfn_lint_accepts_it(tmp_path: Path) -> None:
    config = Config.read({"stage": "dev", "stages": {"dev": GOOD}}.get)
    content = template(config)
    assert "Parameters" not in content
    path = tmp_path / "member-role.json"
    path.write_text(json.dumps(content))
    command = [*script("cfn-lint"), "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
