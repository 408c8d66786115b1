"""`make` in a new checkout, with what has broken set-ups. The path of each checkout has spaces and an apostrophe."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_IN_A_CHECKOUT = (".git", ".venv*", "node_modules", ".cache", ".hypothesis", ".*_cache", "cdk.out", "__pycache__")
NOWHERE = "http://127.0.0.1:9/nowhere/"

PIP_CONFIG = """
[install]
user = true
target = {elsewhere}
no-deps = true
"""
ELSEWHERE = {
    "CONDA_PREFIX": "{elsewhere}",
    "NODE_ENV": "production",
    "NPM_CONFIG_DRY_RUN": "true",
    "NPM_CONFIG_GLOBAL": "true",
    "NPM_CONFIG_OMIT": "dev",
    "NPM_CONFIG_PACKAGE_LOCK": "false",
    "NPM_CONFIG_PREFIX": "{elsewhere}",
    "PIP_CONFIG_FILE": "{elsewhere}/pip.conf",
    "PIP_PREFIX": "{elsewhere}",
    "PIP_TARGET": "{elsewhere}",
    "PIP_USER": "1",
    "PYTHONHOME": "{elsewhere}",
    "PYTHONPATH": "{elsewhere}",
    "PYTHONSAFEPATH": "1",
    "PYTHONUSERBASE": "{elsewhere}",
    "UV_PREFIX": "{elsewhere}",
    "UV_PROJECT_ENVIRONMENT": "{elsewhere}",
    "UV_PYTHON": "3.9",
    "UV_SYSTEM_PYTHON": "1",
    "UV_TARGET": "{elsewhere}",
    "VIRTUAL_ENV": "{elsewhere}",
    "npm_config_production": "true",
}
"""Settings for other projects. They decide where packages are installed, and which ones."""


class Checkout:
    """A copy of this folder in which nothing is installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(*NOT_IN_A_CHECKOUT))

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start `make` in a process group of its own."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV")
        }
        return subprocess.Popen(
            ["/usr/bin/env", "make", *arguments],
            cwd=self.path,
            env={**inherited, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **variables) as process:
            try:
                out, err = process.communicate(timeout=180)
            finally:
                end(process)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def invoke(self, **variables: str) -> str:
        """Invoke the function, and return the log of the installation."""
        done = self.make("invoke", **variables)
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["modelSummaries"]) == 2
        return done.stderr


def end(process: subprocess.Popen[str]) -> None:
    """End `make` and what it started, if they are running."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "it's a checkout")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the function is installed. Each test breaks it, and repairs it."""
    checkout = Checkout(tmp_path_factory.mktemp("installed") / "it's a checkout")
    assert "Creating .venv" in checkout.invoke()
    return checkout


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings that install in a folder, in which nothing must be installed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "pip.conf").write_text(PIP_CONFIG.format(elsewhere=folder))
    yield {name: value.format(elsewhere=folder) for name, value in ELSEWHERE.items()}
    assert [path.name for path in folder.iterdir()] == ["pip.conf"]


def version(python: str | Path) -> str:
    """Return the minor version of a Python, or nothing if the Makefile would not use it."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2], sep='.')"
    found = subprocess.run([python, "-I", "-c", code], check=False, capture_output=True, text=True).stdout.strip()
    return found if found not in ("3.9", "3.10") else ""


def python(*, not_version: str) -> str:
    """Return the path of a Python of another minor version."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv").glob("versions/3.1[1-9]*/bin/python3")
    path = (shutil.which(f"python3.{minor}") for minor in range(11, 16))
    for candidate in (*map(str, pyenv), *filter(None, path)):
        if version(candidate) not in ("", not_version):
            return candidate
    pytest.skip("this machine has no second version of Python")


def remove_the_interpreter(checkout: Checkout) -> None:
    for path in (checkout.path / ".venv" / "bin").glob("python*"):
        path.unlink()
        path.symlink_to("/nonexistent/python")


def upgrade_the_interpreter(checkout: Checkout) -> None:
    executable = checkout.path / ".venv" / "bin" / "python"
    other = python(not_version=version(executable))
    for path in executable.parent.glob("python*"):
        path.unlink()
        path.symlink_to(other)


def remove_uv(checkout: Checkout) -> None:
    for path in (checkout.path / ".venv").glob("lib/python*/site-packages/uv*"):
        shutil.rmtree(path)


def break_off(checkout: Checkout) -> None:
    """Leave what an installation leaves that was killed."""
    (checkout.path / ".venv" / "installer").unlink()
    shutil.rmtree(checkout.path / ".venv" / "bin")


@pytest.mark.parametrize("damage", [remove_the_interpreter, upgrade_the_interpreter, remove_uv, break_off])
def test_a_damaged_environment_is_created_again(installed: Checkout, damage: Callable[[Checkout], None]) -> None:
    damage(installed)
    assert "Creating .venv" in installed.invoke()
    assert "Creating .venv" not in installed.invoke()


def test_a_moved_checkout_works_as_it_is(installed: Checkout) -> None:
    installed.path = installed.path.rename(installed.path.with_name("moved & renamed"))
    assert "Installing" not in installed.invoke()


def test_settings_for_other_projects_change_nothing(checkout: Checkout, elsewhere: dict[str, str]) -> None:
    settings = checkout.path / "cdk.json"
    app = json.loads(settings.read_text())
    # This machine may not have the function's version of Python.
    settings.write_text(json.dumps({**app, "context": {**app["context"], "bytecode": "optional"}}))
    done = checkout.make("synth", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert "AWS::Lambda::Function" in done.stdout
    # All commands that `make lint` needs, in a checkout that was moved.
    checkout.path = checkout.path.rename(checkout.path.with_name("moved & renamed"))
    done = checkout.make("format", "synth", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert "Installing" not in done.stderr
    assert checkout.make(".venv-ministack/installed", **elsewhere).returncode == 0
    assert (checkout.path / ".venv-ministack" / "bin" / "ministack").exists()


@pytest.mark.parametrize(
    "variables",
    [{"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "1", "PIP_NO_CACHE_DIR": "1"}, {"UV_DEFAULT_INDEX": NOWHERE}],
    ids=["pip", "uv"],
)
def test_the_index_of_the_user_is_used(checkout: Checkout, variables: dict[str, str]) -> None:
    done = checkout.make("invoke", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert "/nowhere/" in done.stderr
    assert not (checkout.path / ".venv" / "function").exists()


def test_no_stamp_is_written_when_nothing_was_installed(checkout: Checkout, tmp_path: Path) -> None:
    """A configuration file of uv can name another folder, and no option takes that back."""
    config = tmp_path / "uv.toml"
    config.write_text(f'[pip]\ntarget = "{tmp_path / "elsewhere"}"\n')
    done = checkout.make("invoke", UV_CONFIG_FILE=str(config))
    assert (done.returncode, done.stdout) == (2, "")
    assert "`target` in uv.toml" in done.stderr
    assert not (checkout.path / ".venv" / "function").exists()


def test_two_first_times_at_once(checkout: Checkout) -> None:
    processes = [checkout.start("invoke"), checkout.start("invoke")]
    try:
        results = [process.communicate(timeout=180) for process in processes]
    finally:
        for process in processes:
            end(process)
    assert [process.returncode for process in processes] == [0, 0], results
    assert all(json.loads(out)["modelSummaries"] for out, _ in results)
    assert sum(err.count("Creating .venv") for _, err in results) == 1


def test_a_server_that_nohup_started_stays_when_its_shell_ends(installed: Checkout) -> None:
    server = subprocess.run(
        ["/bin/sh", "-c", "nohup make run PORT=0 >server.log 2>&1 & echo $!"],
        cwd=installed.path,
        check=True,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    make = int(server.stdout)
    log = installed.path / "server.log"
    try:
        end_time = time.monotonic() + 60
        while "Press Ctrl-C" not in log.read_text() and time.monotonic() < end_time:
            time.sleep(0.2)
        time.sleep(1.5)  # it looks for its parent twice a second
        url = log.read_text().split("Custom Models API")[1].split()[0]
        with urlopen(f"{url}/v1/custom-models?maxItems=1", timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["modelSummaries"]
    finally:
        os.kill(make, signal.SIGTERM)
    time.sleep(2)
    with pytest.raises(URLError, match="refused"):
        urlopen(url, timeout=10)  # noqa: S310
