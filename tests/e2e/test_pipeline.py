"""The example of a pipeline: what it runs deploys a stage, with nobody there to answer a question.

The stage has the settings of a guarded organization.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.aws import ACCOUNT, BYTECODE, REGION, ROOT, Aws, Deployment, cdk_environment

WORKFLOW = ROOT / "examples" / "github-actions-deploy.yml"
INSTALLED = (".venv", "node_modules")
STACK = "custom-models-prod"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this folder, in which everything is installed."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(
        ".git", ".cache", ".hypothesis", "cdk.out", ".venv*", "node_modules", "__pycache__"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    for name in ("requirements", "lambda_src", "package-lock.json"):
        # Older than what is installed, however old the checkout is.
        for path in ((copy / name), *(copy / name).rglob("*")):
            os.utime(path, (0, 0))
    for name in INSTALLED:
        # Links to what is in the folders, so that nothing that runs in the copy can remove it.
        (copy / name).mkdir()
        for path in (ROOT / name).iterdir():
            (copy / name / path.name).symlink_to(path)
    return copy


def run(job: str, checkout: Path, aws: Aws) -> str:
    """Run the commands of a job as GitHub does, and return their output."""
    steps: list[dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"]
    output = ""
    for step in steps:
        if "run" in step:
            done = subprocess.run(
                ["/usr/bin/env", "bash", "-e", "-c", step["run"]],
                cwd=checkout,
                env=cdk_environment(aws.folder, aws.url) | step.get("env", {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            output += done.stdout
            assert done.returncode == 0, output
    return output


@pytest.fixture
def guarded_settings(deployment: Deployment) -> dict[str, Any]:
    """Settings of a guarded organization, whose key and policy exist."""
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    policy = deployment.aws.client("iam").create_policy(PolicyName="developer", PolicyDocument=document)
    return {
        "tags": {"team": "ml-ops"},
        "permissionsBoundary": policy["Policy"]["Arn"],
        "kmsKeyArn": deployment.aws.client("kms").create_key()["KeyMetadata"]["Arn"],
        "tracing": True,
    }


@pytest.mark.skipif(bool(BYTECODE), reason="there is no Python of the function's version, which compiles the bundle")
def test_the_pipeline_deploys_a_stage_with_the_settings_of_a_guarded_organization(
    checkout: Path, deployment: Deployment, guarded_settings: dict[str, Any]
) -> None:
    aws = deployment.aws
    (checkout / "cdk.json").write_text(
        json.dumps({"app": "python3 app.py", "context": {"stages": {"prod": guarded_settings}}})
    )
    shown = run("diff", checkout, aws)
    assert f"Account {ACCOUNT}, region {REGION}, as arn:aws:" in shown
    assert "[+] AWS::Lambda::Function" in shown
    try:
        printed = run("deploy", checkout, aws)
        (url,) = [line.partition(" = ")[2] for line in printed.splitlines() if line.startswith(f"{STACK}.Url")]
        listing = Deployment(aws, {"Url": url}).get("/v1/custom-models?maxItems=3")
        assert len(listing.arns) == 3
        assert "There were no differences" in run("diff", checkout, aws)

        role = aws.client("iam").get_role(RoleName=f"{STACK}-{REGION}")["Role"]
        assert {"Key": "team", "Value": "ml-ops"} in role["Tags"]
    finally:
        aws.cdk("destroy", "--force", "--app", str(checkout / "cdk.out"))
