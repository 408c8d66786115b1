"""``python -m tools.install`` with a shell script in place of the virtual environment's Python."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
INSTALLS_NOTHING = f"""#!/bin/sh
case "$*" in
*"-m uv"*) echo "$*" >>calls; env >>calls ;;
*) exec '{sys.executable}' "$@" ;;
esac
"""
HOLDS_THE_LOCK = """
import fcntl, time
file = open(".cache/install.lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


class Folder:
    """A checkout with a virtual environment in which nothing can be installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamp = path / ".venv" / "function"
        (path / ".venv" / "bin").mkdir(parents=True)
        (path / ".cache").mkdir()
        (path / ".venv" / "bin" / "python").write_text(INSTALLS_NOTHING)
        (path / ".venv" / "bin" / "python").chmod(0o755)

    def requirements(self, pin: str) -> None:
        (self.path / "requirements.txt").write_text(f"{pin} \\\n    --hash=sha256:00\n")

    def start(self, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tools.install", ".venv/function", "requirements.txt"],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def install(self, **variables: str) -> tuple[int, str]:
        """Return the exit status and the messages."""
        with self.start(**variables) as process:
            out, err = process.communicate(timeout=60)
        assert out == ""
        return process.returncode, err


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_stamp_is_written_when_the_packages_are_there(folder: Folder) -> None:
    folder.requirements(f"pytest=={pytest.__version__}")
    assert folder.install()[0] == 0
    assert folder.stamp.exists()
    assert folder.install() == (0, "")
    # A stamp that is older than the requirements counts for nothing.
    os.utime(folder.stamp, (0, 0))
    assert folder.install()[1].startswith("Installing requirements.txt into .venv")
    assert folder.stamp.stat().st_mtime > 0


@pytest.mark.parametrize("pin", ["absent==1.0", "pytest==0.1"])
def test_no_stamp_is_written_when_a_package_is_not_there(folder: Folder, pin: str) -> None:
    folder.stamp.touch()
    folder.requirements(pin)
    status, messages = folder.install()
    assert status == 1
    assert f"{pin} of requirements.txt cannot be imported by .venv/bin/python" in messages
    assert "Traceback" not in messages
    assert not folder.stamp.exists()


def test_only_settings_of_where_packages_come_from_reach_the_installer(folder: Folder) -> None:
    folder.requirements(f"pytest=={pytest.__version__}")
    kept = {"UV_DEFAULT_INDEX": "a", "UV_INDEX_MINE_PASSWORD": "b", "SSL_CERT_FILE": "c", "HTTPS_PROXY": "d"}
    dropped = {"UV_TARGET": "e", "UV_PYTHON": "f", "VIRTUAL_ENV": "g", "PIP_USER": "1", "UV_SYSTEM_PYTHON": "1"}
    assert folder.install(**kept, **dropped)[0] == 0
    lines = (folder.path / "calls").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    assert kept.items() <= found.items()
    assert not dropped.keys() & found.keys()


def test_it_waits_for_another_installation_even_if_that_is_killed(folder: Folder) -> None:
    folder.requirements(f"pytest=={pytest.__version__}")
    command = [sys.executable, "-c", HOLDS_THE_LOCK]
    with subprocess.Popen(command, cwd=folder.path, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            with folder.start() as process:
                assert process.stderr is not None
                assert process.stderr.readline().startswith("Waiting for another make")
                time.sleep(0.2)
                assert not folder.stamp.exists()
                other.send_signal(signal.SIGKILL)
                process.communicate(timeout=30)
                assert process.returncode == 0
        finally:
            other.kill()
    assert folder.stamp.exists()
