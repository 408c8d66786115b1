"""``python -m local`` as a process, in an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Local:
    """Runs it with a home directory, and without AWS settings."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}

    def configure(self, config: str) -> None:
        """Write the file of AWS settings."""
        (self._home / ".aws").mkdir()
        (self._home / ".aws" / "config").write_text(config)

    def invoke(self, *arguments: str, event: str = "{}", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local", "invoke", *arguments, event],
            cwd=ROOT,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def listing(self, *arguments: str, event: str = '{"maxItems": 3}', **environment: str) -> Any:
        """Return the result of a successful invocation."""
        done = self.invoke(*arguments, event=event, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def refusal(self, *arguments: str, **environment: str) -> str:
        """Return the one line with which it refuses to start."""
        done = self.invoke(*arguments, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done
        (line,) = done.stderr.splitlines()
        return line.removeprefix("custom-models: ")

    def banner(self, *arguments: str, **environment: str) -> Sequence[str]:
        """Start a server, stop it, and return what it printed about where the models come from."""
        command = [sys.executable, "-m", "local", "serve", "--port", "0", *arguments]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                lines = [process.stderr.readline()]
                while not lines[-1].startswith("In a browser"):
                    lines.append(process.stderr.readline())
                    assert lines[-1], lines
            finally:
                process.kill()
        return [line.rstrip("\n") for line in lines[1:-1]]
