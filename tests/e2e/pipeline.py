"""examples/github-actions-deploy.yml, run in a copy of this folder against ministack."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.aws import BYTECODE, ROOT, STAGE, Aws, cdk_environment

WORKFLOW = ROOT / "examples" / "github-actions-deploy.yml"


class Pipeline:
    """The jobs of the workflow, and the repository that they run in."""

    def __init__(self, folder: Path, aws: Aws, settings: Mapping[str, object]) -> None:
        """Copy this folder, in which everything is installed, into ``folder``, with these settings of the stage."""
        self.aws, self.settings = aws, settings
        self._checkout = folder
        ignored = (".git", ".cache", ".hypothesis", "cdk.out", ".venv*", "node_modules", "__pycache__")
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*ignored))
        for name in ("requirements", "lambda_src", "package-lock.json"):
            # Older than what is installed, however old the checkout is.
            for path in ((folder / name), *(folder / name).rglob("*")):
                os.utime(path, (0, 0))
        for name in (".venv", "node_modules"):
            # Links to what is in the folders, so that nothing that runs in the copy can remove it.
            (folder / name).mkdir()
            for path in (ROOT / name).iterdir():
                (folder / name / path.name).symlink_to(path)
        self.configure(settings)

    @property
    def assembly(self) -> Path:
        """The output of the CDK app in the last job."""
        return self._checkout / "cdk.out"

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write cdk.json with these settings of the stage."""
        context = {"stages": {STAGE: settings}, "bytecode": "optional" if BYTECODE else "required"}
        (self._checkout / "cdk.json").write_text(json.dumps({"app": "python3 app.py", "context": context}))

    def run(self, job: str) -> str:
        """Run the commands of a job as GitHub does, and return their output."""
        steps: list[dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text())["jobs"][job]["steps"]
        output = ""
        for step in steps:
            if "run" in step:
                done = subprocess.run(
                    ["/usr/bin/env", "bash", "-e", "-c", step["run"]],
                    cwd=self._checkout,
                    env=cdk_environment(self.aws.folder, self.aws.url) | step.get("env", {}),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
                output += done.stdout
                assert done.returncode == 0, output
        return output
