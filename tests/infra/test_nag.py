"""cdk-nag's AwsSolutions rules. They run here, not in the app, where a finding could block a deployment."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from infra.config import Config
from infra.stack import CustomModelsStack
from tests.infra.settings import STAGES

pytestmark = pytest.mark.slow


class Accepted(NamedTuple):
    """A finding that is accepted, in a construct and everything below it."""

    construct: str
    finding: str
    reason: str


def accepted(config: Config) -> list[Accepted]:
    account, region = config.account or "<AWS::AccountId>", config.region or "<AWS::Region>"
    api = f"arn:<AWS::Partition>:execute-api:{region}:{account}:<ApiRestApiE35FEAFE>"
    stage = f"{api}/<ApiRestApiDeploymentStagedevE2B308CE>"
    paths = "Callers may request every path: the listing, its document, and problem details for any other."
    findings = [
        Accepted("Function/Role", "IAM5[Resource::*]", "bedrock:ListCustomModels supports no other resource."),
        Accepted("CallersPolicy", f"IAM5[Resource::{stage}/GET/*]", paths),
        Accepted("CallersPolicy", f"IAM5[Resource::{stage}/HEAD/*]", paths),
        Accepted(
            "Api/RestApi/CloudWatchRole",
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
            "AWS defines the permissions of the role that all APIs of an account share.",
        ),
        Accepted("Function/Function", "L1", "The packages, their bytecode and the tests are for this Python version."),
        Accepted("CursorKey", "SMG4", "The key signs short-lived cursors. Operators rotate it when they need to."),
        Accepted(
            "Api/RestApi",
            "APIG2",
            "The function validates, because the gateway would not name every invalid parameter.",
        ),
        Accepted(
            "Api/RestApi", "APIG3", "Only signed requests of known principals are accepted. A firewall can be added."
        ),
        Accepted(
            "Api/RestApi", "COG4", "The callers are services and teams with IAM principals, not users of a user pool."
        ),
    ]
    return [each for each in findings if config.api_gateway_log_role or "CloudWatchRole" not in each.construct]


def report(outdir: Path, stages: dict[str, Config]) -> dict[str, Any]:
    """Return cdk-nag's report of a stack for each stage, with the accepted findings acknowledged."""
    # No bundling: cdk-nag does not look at the function's code.
    app = cdk.App(context={"aws:cdk:bundling-stacks": []}, outdir=str(outdir))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    for name, config in stages.items():
        stack = CustomModelsStack(app, name, config=config)
        for construct, finding, reason in accepted(config):
            acknowledgment = cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason)
            cdk.Validations.of(descendant(stack, construct)).acknowledge(acknowledgment)
    app.synth()
    (nag_report,) = json.loads((outdir / "validation-report.json").read_text())["pluginReports"]
    assert isinstance(nag_report, dict)
    return nag_report


def descendant(construct: IConstruct, path: str) -> IConstruct:
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    return construct


def test_every_finding_is_accepted_and_every_accepted_finding_exists(tmp_path: Path) -> None:
    stages = {f"custom-models-{name}": read(settings) for name, settings in STAGES.items()}
    found = report(tmp_path, stages)
    assert (found["pluginName"], found["violations"]) == ("AwsSolutions", [])
    acknowledged = {(finding["acknowledgedAt"], finding["ruleName"]) for finding in found["suppressedViolations"]}
    assert acknowledged == {
        (f"{name}/{each.construct}", f"AwsSolutions-{each.finding}")
        for name, config in stages.items()
        for each in accepted(config)
    }


def read(settings: dict[str, Any]) -> Config:
    return Config.read({"stage": "dev", "stages": {"dev": settings}}.get)
