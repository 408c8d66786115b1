"""The CDK app, run in the same way as the CDK's command line runs it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.bundling import find_interpreter
from tests.infra.settings import GOOD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]

NO_BUNDLE: dict[str, Any] = {"aws:cdk:bundling-stacks": []}
"""What the command line sets for commands that need no code."""


@dataclass(frozen=True)
class Run:
    """The result of a synthesis."""

    exit_code: int
    output: str
    assembly: Path

    @property
    def template(self) -> dict[str, Any]:
        template = json.loads((self.assembly / "custom-models-dev.template.json").read_text())
        assert isinstance(template, dict)
        return template


def synth(assembly: Path, settings: dict[str, Any], extra: dict[str, Any] | None = None, **environment: str) -> Run:
    """Run the app with the settings of a stage."""
    bytecode = "optional" if find_interpreter() is None else "required"
    context = {"stage": "dev", "stages": {"dev": settings}, "bytecode": bytecode, **(extra or {})}
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
def default(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The app with the default settings."""
    return synth(tmp_path_factory.mktemp("default"), {})


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The app with every setting."""
    return synth(tmp_path_factory.mktemp("complete"), GOOD, NO_BUNDLE)


def test_it_writes_a_template_and_the_bundle(default: Run) -> None:
    assert (default.exit_code, default.output) == (0, "")
    (code,) = [
        resource["Properties"]["Code"]
        for resource in default.template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    asset = default.assembly / f"asset.{code['S3Key'].removesuffix('.zip')}"
    assert (asset / "handler.py").is_file()
    assert (asset / "boto3").is_dir()
    manifest = json.loads((default.assembly / "manifest.json").read_text())
    assert manifest["artifacts"]["custom-models-dev"]["environment"] == "aws://unknown-account/unknown-region"
    assert "missing" not in manifest


def test_all_settings_cause_no_warnings(complete: Run) -> None:
    assert (complete.exit_code, complete.output) == (0, "")


@pytest.mark.parametrize(
    ("settings", "extra", "message"),
    [
        ({"memoryMb": 1}, {}, "custom-models: stages.dev.memoryMb must be a whole number from 128 to 10240, not 1.\n"),
        ({}, {"bytecode": "perhaps"}, "custom-models: bytecode must be required or optional, not 'perhaps'.\n"),
    ],
)
def test_a_wrong_setting_is_reported_without_a_traceback(
    tmp_path: Path, settings: dict[str, Any], extra: dict[str, Any], message: str
) -> None:
    run = synth(tmp_path, settings, extra)
    assert (run.exit_code, run.output) == (1, message)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_bundle_is_reported_without_a_traceback(tmp_path: Path) -> None:
    # Offline, with an empty cache.
    run = synth(tmp_path / "assembly", {}, UV_CACHE_DIR=str(tmp_path / "cache"), UV_OFFLINE="1")
    assert run.exit_code == 1
    assert run.output.startswith("custom-models: The function's packages could not be installed:\n")
    assert "Traceback" not in run.output


def test_no_bundle_is_built_for_commands_that_need_no_code(complete: Run) -> None:
    assets = list(complete.assembly.glob("asset.*"))
    assert not any((asset / "boto3").exists() for asset in assets)
