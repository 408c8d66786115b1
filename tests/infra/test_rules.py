"""cdk-nag's AwsSolutions rules and cfn-lint, for every setting.

cdk-nag runs here, not in the app, where a finding could block a deployment.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from infra.config import Config
from tests.infra.settings import STAGES
from tests.installed import script

if TYPE_CHECKING:
    from constructs import IConstruct

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIGS = {
    f"custom-models-{name}": Config.read({"stage": "dev", "stages": {"dev": settings}}.get)
    for name, settings in STAGES.items()
}
"""The settings of each stage, by the name of its stack."""

LINT_EXCEPTIONS = {
    # The CDK adds a dependency on the role's policies, and with it a redundant one on the role.
    ("W3005", "AWS::Lambda::Function"),
}


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


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stacks of all stages, and cdk-nag's report with the accepted findings acknowledged."""
    import aws_cdk as cdk
    from cdk_nag import AwsSolutionsChecks

    from infra.stack import CustomModelsStack

    outdir = tmp_path_factory.mktemp("assembly")
    # No bundling: neither cdk-nag nor cfn-lint looks at the function's code.
    app = cdk.App(context={"aws:cdk:bundling-stacks": []}, outdir=str(outdir))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    for name, config in CONFIGS.items():
        stack = CustomModelsStack(app, name, config=config)
        for construct, finding, reason in accepted(config):
            acknowledgment = cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason)
            cdk.Validations.of(descendant(stack, construct)).acknowledge(acknowledgment)
    app.synth()
    return outdir


def descendant(construct: IConstruct, path: str) -> IConstruct:
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    return construct


def test_every_finding_is_accepted_and_every_accepted_finding_exists(assembly: Path) -> None:
    # The CDK's own validation has no report, because it finds nothing.
    (found,) = json.loads((assembly / "validation-report.json").read_text())["pluginReports"]
    assert (found["pluginName"], found["violations"]) == ("AwsSolutions", [])
    acknowledged = {(finding["acknowledgedAt"], finding["ruleName"]) for finding in found["suppressedViolations"]}
    assert acknowledged == {
        (f"{name}/{each.construct}", f"AwsSolutions-{each.finding}")
        for name, config in CONFIGS.items()
        for each in accepted(config)
    }


def test_cfn_lint_reports_nothing(assembly: Path) -> None:
    templates = sorted(map(str, assembly.glob("*.template.json")))
    assert len(templates) == len(STAGES)
    lint = subprocess.run(
        [*script("cfn-lint"), "--format", "json", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert lint.stderr == ""
    kinds = {
        (path, name): resource["Type"]
        for path in templates
        for name, resource in json.loads(Path(path).read_text())["Resources"].items()
    }
    unexpected = [
        finding
        for finding in json.loads(lint.stdout)
        if (finding["Rule"]["Id"], kinds[finding["Filename"], finding["Location"]["Path"][1]]) not in LINT_EXCEPTIONS
    ]
    assert unexpected == []
