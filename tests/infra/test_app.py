"""The app, run as the CDK's command line runs it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

FULLEST = {
    "account": "123456789012",
    "region": "eu-central-1",
    "reservedConcurrency": 5,
    "alarmEmail": "ops@example.org",
    "allowedAccounts": ["210987654321"],
    "organizationId": "o-a1b2c3d4e5",
    "vpcEndpoints": ["vpce-0a1b2c3d"],
    "removalPolicy": "retain",
}

NO_BUNDLE: dict[str, Any] = {"aws:cdk:bundling-stacks": []}
"""What the command line sets where the code does not matter."""

LINT_EXCEPTIONS = {
    # The CDK makes a function wait for its role's policies, and so for the role once more.
    ("W3005", "AWS::Lambda::Function"),
}


@dataclass(frozen=True)
class Run:
    """How a synth ended."""

    code: int
    said: str
    assembly: Path

    @property
    def template(self) -> dict[str, Any]:
        found = json.loads((self.assembly / "custom-models-dev.template.json").read_text())
        assert isinstance(found, dict)
        return found


def synth(assembly: Path, settings: dict[str, Any], extra: dict[str, Any] | None = None, **environment: str) -> Run:
    """Run the app with the settings of a stage."""
    context = {"stage": "dev", "stages": {"dev": settings}, **(extra or {})}
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, "CDK_OUTDIR": str(assembly), "CDK_CONTEXT_JSON": json.dumps(context), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return Run(done.returncode, done.stdout + done.stderr, assembly)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The app with nothing set."""
    return synth(tmp_path_factory.mktemp("plain"), {})


@pytest.fixture(scope="module")
def fullest(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The app with all that adds something set."""
    return synth(tmp_path_factory.mktemp("fullest"), FULLEST, NO_BUNDLE)


def test_it_makes_a_template_and_the_bundle_that_it_names(plain: Run) -> None:
    assert (plain.code, plain.said) == (0, "")
    (code,) = [
        resource["Properties"]["Code"]
        for resource in plain.template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    asset = plain.assembly / f"asset.{code['S3Key'].removesuffix('.zip')}"
    assert (asset / "handler.py").is_file()
    assert (asset / "boto3").is_dir()
    manifest = json.loads((plain.assembly / "manifest.json").read_text())
    assert manifest["artifacts"]["custom-models-dev"]["environment"] == "aws://unknown-account/unknown-region"
    assert "missing" not in manifest


def test_it_says_nothing_with_everything_set(fullest: Run) -> None:
    assert (fullest.code, fullest.said) == (0, "")


def test_cfn_lint_finds_nothing(plain: Run, fullest: Run) -> None:
    templates = [str(run.assembly / "custom-models-dev.template.json") for run in (plain, fullest)]
    lint = subprocess.run(
        [str(Path(sys.executable).parent / "cfn-lint"), "--format", "json", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert lint.stderr == ""
    resources = {**plain.template["Resources"], **fullest.template["Resources"]}
    unexpected = [
        finding
        for finding in json.loads(lint.stdout)
        if (finding["Rule"]["Id"], resources[finding["Location"]["Path"][1]]["Type"]) not in LINT_EXCEPTIONS
    ]
    assert unexpected == []


@pytest.mark.parametrize(
    ("settings", "extra", "sentence"),
    [
        ({"memoryMb": 1}, {}, "custom-models: stages.dev.memoryMb must be a whole number from 128 to 10240, not 1.\n"),
        ({}, {"stage": "x y"}, "custom-models: stage must be 1 to 20 letters and digits, not 'x y'.\n"),
        ({}, {"stage": "prod"}, "custom-models: cdk.json has no stage 'prod'; it has dev.\n"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    tmp_path: Path, settings: dict[str, Any], extra: dict[str, Any], sentence: str
) -> None:
    run = synth(tmp_path, settings, extra)
    assert (run.code, run.said) == (1, sentence)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_cannot_be_made_is_no_traceback(tmp_path: Path) -> None:
    # As without a network: nothing is there yet, and nothing can be fetched.
    run = synth(tmp_path / "assembly", {}, UV_CACHE_DIR=str(tmp_path / "cache"), UV_OFFLINE="1")
    assert run.code == 1
    assert run.said.startswith("custom-models: The function's packages could not be installed:\n")
    assert "Traceback" not in run.said


def test_where_the_code_does_not_matter_there_is_no_bundle(fullest: Run) -> None:
    assets = list(fullest.assembly.glob("asset.*"))
    assert not any((asset / "boto3").exists() for asset in assets)
