"""The files for GitHub, Renovate and pre-commit match the schemas of those tools, and run what exists."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "examples" / "github-actions-deploy.yml"]
TARGETS = set(re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(path.read_text())["jobs"].values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.renovate", [ROOT / "renovate.json"]),
    ],
)
def test_the_files_match_their_schemas(schema: str, paths: list[Path]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_targets_of_make_exist(path: Path) -> None:
    used = re.findall(r"\bmake ([a-z-]+)", " ".join(step.get("run", "") for job in jobs(path) for step in job["steps"]))
    assert set(used) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_text_of_a_pull_request_reaches_a_shell(path: Path) -> None:
    """An expression in a ``run`` is replaced before the shell reads it, so a title or a branch name could be code."""
    assert not [step["run"] for job in jobs(path) for step in job["steps"] if "${{" in step.get("run", "")]
