"""The bundle: the function's code and its packages, ready to be zipped, made without Docker.

It holds pure Python alone, so that it runs on every architecture; packages are installed by hash
from ``lambda_src/requirements.txt``. The same sources and interpreter give the same bytes.

Lambda mounts the bundle read-only: without bytecode in it, each cold start compiles every module
again, at about three times the instructions.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from infra import botocore_data

SOURCE = Path(__file__).resolve().parent.parent / "lambda_src"
RUNTIME = "3.13"
"""The version of the function's Python, whose bytecode belongs in the bundle."""

MOUNTED_AT = "/var/task"
"""Where Lambda puts the bundle."""

AMAZON_ROOTS = "amazon-roots.pem"
"""The file in the bundle with the few roots that AWS's endpoints are signed under."""


class BundlingError(RuntimeError):
    """The bundle could not be made; the text says why and what to do."""


def bundle(target: Path) -> bool:
    """Make the bundle in an empty folder; return whether it holds the runtime's bytecode.

    It does where this machine has the runtime's Python, and works without it too.

    Raises:
        BundlingError: the packages could not be installed.
    """
    _install(target)
    _prune(target)
    _add_roots(target)
    shutil.copytree(
        SOURCE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "requirements.txt")
    )
    interpreter = find_interpreter()
    if interpreter is not None:
        _compile(target, interpreter)
    return interpreter is not None


def find_interpreter() -> str | None:
    """Return the path of an interpreter of the runtime's version; None if this machine has none."""
    if sys.version_info[:2] == tuple(map(int, RUNTIME.split("."))):
        return sys.executable
    found = _uv("python", "find", "--no-python-downloads", RUNTIME)
    return found.stdout.strip() if found.returncode == 0 else None


def _install(target: Path) -> None:
    done = _uv(
        *("pip", "install", "--quiet", "--require-hashes", "--requirements", str(SOURCE / "requirements.txt")),
        *("--target", str(target), "--python-version", RUNTIME, "--python-platform", "aarch64-manylinux2014"),
        *("--only-binary", ":all:", "--link-mode", "copy", "--no-compile-bytecode"),
    )
    if done.returncode != 0:
        raise BundlingError(f"The function's packages could not be installed:\n{done.stderr.strip()}")
    compiled = [path.name for path in target.rglob("*") if path.suffix in (".so", ".pyd")]
    if compiled:
        raise BundlingError(f"The bundle must be pure Python, but a package has {', '.join(compiled)}.")


def _prune(target: Path) -> None:
    """Remove what never runs: scripts, tests, type stubs, models of what is not called, and installers' records."""
    botocore_data.trim(target / "botocore" / "data")
    for path in [
        target / "bin",
        target / "boto3" / "examples",
        target / "boto3" / "data",
        *target.rglob("tests"),
        *target.rglob("py.typed"),
    ]:
        _remove(path)
    for path in [*target.rglob("*.pyi"), *target.rglob("swagger-ui*")]:
        _remove(path)
    for path in target.glob("*.dist-info/*"):
        # Licences must come along; the rest is of use to installers, and some of it names this machine.
        if path.name != "METADATA" and not path.name.lower().startswith(("licen", "notice", "copying")):
            _remove(path)
    for path in (target / ".lock", target / "botocore" / ".changes"):
        _remove(path)


def _add_roots(target: Path) -> None:
    usual = (target / "botocore" / "cacert.pem").read_text(encoding="utf-8")
    try:
        (target / AMAZON_ROOTS).write_text(botocore_data.amazon_roots(usual), encoding="ascii")
    except ValueError as error:
        raise BundlingError(str(error)) from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _compile(target: Path, interpreter: str) -> None:
    """Add bytecode that is never checked against its source: what a zip does to modification times is no matter."""
    done = subprocess.run(
        [
            *(interpreter, "-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(target), "-p", MOUNTED_AT, str(target)),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BundlingError(
            f"{interpreter} could not compile the bundle:\n{done.stderr.strip() or done.stdout.strip()}"
        )


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "uv", *arguments], check=False, capture_output=True, text=True)
