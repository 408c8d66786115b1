"""Builds the bundle: the function's code and its packages, ready to be zipped. Docker is not needed.

The bundle contains only pure Python, so it runs on every architecture. Packages are installed by hash
from ``lambda_src/requirements.txt``. The same sources and interpreter produce the same bytes.

The bundle contains bytecode, because Lambda mounts it read-only: Python could not store bytecode there,
so each cold start would compile every module again, with about three times the instructions.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import botocore_data

SOURCE = Path(__file__).resolve().parent.parent / "lambda_src"
RUNTIME = "3.13"
"""The function's Python version. The bundle's bytecode is for this version."""

MOUNTED_AT = "/var/task"
"""The directory where Lambda mounts the bundle."""

AMAZON_ROOTS = "amazon-roots.pem"
"""The file in the bundle that contains only the root certificates of AWS's endpoints."""


class BundlingError(RuntimeError):
    """The bundle could not be built. The message says why."""


def bundle(target: Path, *, require_bytecode: bool = False) -> bool:
    """Build the bundle in ``target``, an empty directory.

    Returns:
        Whether the bundle contains bytecode. It does if this machine has the function's Python version.
        Without bytecode it works too, but starts more slowly.

    Raises:
        BundlingError: the packages could not be installed or compiled, or cannot be used in the bundle; or
            bytecode is required, and this machine does not have the function's Python version.
    """
    interpreter = find_interpreter()
    if interpreter is None and require_bytecode:
        raise BundlingError(
            f"There is no Python {RUNTIME} on this machine, so the bundle would have no bytecode, and each cold start "
            f"would take about three times as long; install Python {RUNTIME} (`uv python install {RUNTIME}`), or "
            "deploy with -c bytecode=optional."
        )
    with TemporaryDirectory(prefix="custom-models-") as folder:
        _install(Path(folder))
        try:
            shutil.copytree(folder, target, dirs_exist_ok=True, ignore=_unused, copy_function=shutil.copyfile)
        except shutil.Error as error:
            raise BundlingError(f"The function's packages could not be copied: {error.args[0][0][2]}") from None
    botocore_data.trim(target / "botocore" / "data")
    _add_roots(target)
    shutil.copytree(
        SOURCE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "requirements.txt")
    )
    # Before the compilation too, which cannot write into folders that were copied from read-only sources.
    _normalize_modes(target)
    if interpreter is not None:
        _compile(target, interpreter)
        _normalize_modes(target)
    return interpreter is not None


def find_interpreter() -> str | None:
    """Return the path of an interpreter of the function's Python version, or None if this machine has none."""
    if sys.version_info[:2] == tuple(map(int, RUNTIME.split("."))):
        return sys.executable
    found = _uv("python", "find", "--no-python-downloads", RUNTIME)
    return found.stdout.strip() if found.returncode == 0 else None


def _install(target: Path) -> None:
    """Install the packages. Their files may be links into uv's cache, so nothing may write into them."""
    done = _uv(
        *("pip", "install", "--quiet", "--require-hashes", "--requirements", str(SOURCE / "requirements.txt")),
        *("--target", str(target), "--python-version", RUNTIME, "--python-platform", "aarch64-manylinux2014"),
        *("--only-binary", ":all:", "--link-mode", "hardlink", "--no-compile-bytecode"),
    )
    if done.returncode != 0:
        raise BundlingError(f"The function's packages could not be installed:\n{done.stderr.strip()}")
    compiled = [path.name for path in target.rglob("*") if path.suffix in (".so", ".pyd")]
    if compiled:
        raise BundlingError(f"The bundle must be pure Python, but a package has {', '.join(compiled)}.")


def _unused(folder: str, names: list[str]) -> list[str]:
    """Return what is never used in a folder: scripts, tests, type stubs, installation records, other data and features.

    Powertools' event handler and utilities would be 3 of 11 MB, and a quarter of the compilation.
    """
    path = Path(folder)
    if path.suffix == ".dist-info":
        # Licenses must be distributed. The other files are for installers, and some contain paths of this machine.
        return [it for it in names if it != "METADATA" and not it.lower().startswith(("licen", "notice", "copying"))]
    unused = {"bin", "examples", "tests", "py.typed", ".lock", ".changes"}
    if path.name == "boto3":
        unused.add("data")
    if path.parts[-2:] == ("botocore", "data"):
        unused |= {it for it in names if (path / it).is_dir()} - set(botocore_data.OPERATIONS)
    if path.name == "aws_lambda_powertools":
        unused.add("event_handler")
    if path.parts[-2:] == ("aws_lambda_powertools", "utilities"):
        unused |= {it for it in names if (path / it).is_dir()} - {"jmespath_utils", "typing"}
    return [it for it in names if it in unused or it.endswith(".pyi")]


def _add_roots(target: Path) -> None:
    certificates = (target / "botocore" / "cacert.pem").read_text(encoding="utf-8")
    try:
        (target / AMAZON_ROOTS).write_text(botocore_data.amazon_roots(certificates), encoding="ascii")
    except ValueError as error:
        raise BundlingError(str(error)) from None


def _compile(target: Path, interpreter: str) -> None:
    """Add bytecode that Python uses without checking modification times, because a zip file may change them."""
    done = subprocess.run(
        [
            *(interpreter, "-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(target), "-p", MOUNTED_AT, str(target)),
        ],
        check=False,
        capture_output=True,
        text=True,
        env=_environment(),
    )
    if done.returncode != 0:
        raise BundlingError(
            f"{interpreter} could not compile the bundle:\n{done.stderr.strip() or done.stdout.strip()}"
        )


def _normalize_modes(target: Path) -> None:
    """Make everything readable for all users, whatever the umask was: Lambda does not run as the owner.

    The zip file keeps the modes, but the CDK's asset hash ignores them. So if a bundle with wrong modes were deployed,
    a bundle that differs only in the modes would not replace it.
    """
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


_KEPT_UV_VARIABLES = re.compile(
    "UV_(CACHE_DIR|CONCURRENT_.*|CONFIG_FILE|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|HTTP_.*|INDEX|INDEX_.*"
    "|INSECURE_HOST|KEYRING_PROVIDER|NATIVE_TLS|NO_CACHE|NO_CONFIG|NO_INDEX|OFFLINE|PYTHON_INSTALL_DIR"
    "|REQUEST_TIMEOUT|SYSTEM_CERTS)"
)
"""Variables that say where packages and interpreters come from. All others could change the bundle."""


def _environment() -> dict[str, str]:
    """Return this process's environment without the variables that would change the bundle."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV", "CONDA_"))
        and (not name.startswith("UV_") or _KEPT_UV_VARIABLES.fullmatch(name))
    }


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "uv", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=_with_pyenv(_environment()))


def _with_pyenv(variables: dict[str, str]) -> dict[str, str]:
    """Put pyenv's interpreters of the function's version in front: its own commands run only the selected version."""
    root = Path(variables.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [str(path) for path in root.glob(f"versions/{RUNTIME}.*/bin")]
    return {**variables, "PATH": os.pathsep.join([*folders, variables.get("PATH", os.defpath)])}
