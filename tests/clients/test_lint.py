"""Redocly and Spectral find nothing to improve in the OpenAPI document."""

import subprocess
from pathlib import Path

import pytest

from tests.api import Api
from tests.clients.program import DOCUMENT
from tests.installed import NODE, environment, require

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PACKAGES = Path(__file__).with_name("node_modules")
SILENT = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture
def documents(api: Api, tmp_path: Path) -> tuple[str, str]:
    """The document in the repository, and the one that a deployment serves, with its own URL."""
    served = tmp_path / "openapi.json"
    served.write_text(api.get(path="/v1/openapi.json").text)
    assert served.read_text() != DOCUMENT.read_text()
    return str(DOCUMENT), str(served)


def lint(folder: Path, script: str, *arguments: str) -> str:
    """Run a linter, and return what it prints."""
    command = [str(NODE), str(require(PACKAGES / script)), "lint", *arguments]
    variables = environment(HOME=str(folder), **SILENT)
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_redocly_has_no_findings(documents: tuple[str, str], tmp_path: Path) -> None:
    output = lint(tmp_path, "@redocly/cli/bin/cli.js", "--extends", "recommended-strict", *documents)
    assert "Your API descriptions are valid" in output
    assert "warning" not in output


def test_spectral_has_no_findings(documents: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"extends": ["spectral:oas"]}')
    arguments = ("--ruleset", "rules.json", "--fail-severity", "hint", *documents)
    output = lint(tmp_path, "@stoplight/spectral-cli/dist/index.js", *arguments)
    assert "No results with a severity of 'hint' or higher found!" in output
