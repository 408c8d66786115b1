"""``python -m local`` in an environment of its own: in this process, which is faster, or as another one."""

import gc
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

from local.__main__ import main
from tests.api import log_to_current_stdout

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "local")


class Local:
    """Runs it with a home directory, and without AWS settings."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}

    def configure(self, config: str) -> None:
        """Write the file of AWS settings."""
        (self._home / ".aws").mkdir()
        (self._home / ".aws" / "config").write_text(config)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a process."""
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_process(self, *arguments: str, **environment: str) -> CompletedProcess[str]:
        """Run it as a process until it exits."""
        with self.start(*COMMAND, *arguments, **environment) as process:
            try:
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
        return CompletedProcess(arguments, process.returncode, out, err)

    def run(self, *arguments: str, **environment: str) -> CompletedProcess[str]:
        """Run it in this process. A server stops as soon as it has started."""
        # The help is as wide as the terminal, unless COLUMNS is set. With MAKELEVEL, `nohup` has no effect.
        given = {**self._environment, "COLUMNS": "80", "MAKELEVEL": "1", **environment}
        with (
            patch.dict(os.environ, given, clear=True),
            patch.object(sys, "argv", ["local", *arguments]),
            # The parent process is another one at each call, as if it had ended.
            patch("os.getppid", itertools.count().__next__),
            redirect_stdout(io.StringIO()) as out,
            redirect_stderr(io.StringIO()) as err,
        ):
            try:
                status: Any = main()
            except SystemExit as exited:
                status = exited.code
            finally:
                # The function reads its settings, and freezes the objects that exist, when it is imported.
                sys.modules.pop("handler", None)
                gc.unfreeze()
                log_to_current_stdout()
        return CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    def listing(self, *arguments: str, event: str = '{"maxItems": 3}', **environment: str) -> Any:
        """Return the result of a successful invocation."""
        done = self.run("invoke", *arguments, event, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def refusal(self, *arguments: str, **environment: str) -> str:
        """Return the one line with which it refuses to start."""
        return refusal_of(self.run("invoke", *arguments, "{}", **environment))

    def banner(self, *arguments: str, **environment: str) -> Sequence[str]:
        """Start a server, and return what it printed about where the models come from."""
        done = self.run("serve", "--port", "0", *arguments, **environment)
        assert (done.returncode, done.stdout) == (0, ""), done
        return done.stderr.partition("\nIn a browser")[0].splitlines()[1:]


def refusal_of(done: CompletedProcess[str]) -> str:
    """Return the one line with which it refused to start."""
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("custom-models: ")
    return line.removeprefix("custom-models: ")
