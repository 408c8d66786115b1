"""Which module may import which."""

import ast
import functools
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = ROOT / "lambda_src"
PACKAGE = FUNCTION / "custom_models"
OUTSIDE_THE_FUNCTION = ("infra", "local", "emulators", "tools", "tests")
FIRST_PARTY = ("custom_models", "handler", *OUTSIDE_THE_FUNCTION)

ADAPTERS = {path.stem: path for path in (PACKAGE / "adapters").iterdir() if not path.name.startswith("__")}


def modules(path: Path) -> list[Path]:
    """Return the path itself if it is a module, else all modules in the folder."""
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*.py") if "__pycache__" not in p.parts)
    assert found, path
    return found


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def packages(path: Path) -> set[str]:
    """Return the top-level packages that a module imports."""
    return {name.split(".")[0] for name in imports(path)}


def first_party_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in FIRST_PARTY}


@pytest.mark.parametrize("path", modules(PACKAGE / "core"), ids=lambda path: path.name)
def test_the_core_imports_only_itself_itsdangerous_and_the_standard_library_without_io(path: Path) -> None:
    assert all(name.startswith("custom_models.core") for name in first_party_imports(path))
    assert packages(path) - {"custom_models"} - sys.stdlib_module_names <= {"itsdangerous"}
    assert packages(path).isdisjoint({"http", "urllib", "socket", "os"})


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_an_adapter_imports_only_itself_the_core_and_the_request_log(adapter: str) -> None:
    allowed = ("custom_models.core", "custom_models.request_log", f"custom_models.adapters.{adapter}")
    for path in modules(ADAPTERS[adapter]):
        for name in first_party_imports(path):
            assert name.startswith(allowed), path


@pytest.mark.parametrize("name", ["inventory.py", "request_log.py", "settings.py"])
def test_inventory_request_log_and_settings_import_only_the_core_and_the_inventory(name: str) -> None:
    allowed = ("custom_models.core", "custom_models.inventory")
    assert all(name.startswith(allowed) for name in first_party_imports(PACKAGE / name))


def test_the_entry_point_imports_only_bootstrap() -> None:
    assert first_party_imports(FUNCTION / "handler.py") == {"custom_models.bootstrap"}


def test_the_function_imports_nothing_from_outside_itself() -> None:
    for path in modules(FUNCTION):
        assert packages(path).isdisjoint(OUTSIDE_THE_FUNCTION), path


def test_infra_imports_only_itself() -> None:
    for path in [ROOT / "app.py", *modules(ROOT / "infra")]:
        assert all(name.split(".")[0] == "infra" for name in first_party_imports(path)), path


def test_local_imports_only_the_entry_point_the_settings_and_the_validation_of_the_function() -> None:
    allowed = {
        *("handler", "custom_models.inventory", "custom_models.settings"),
        *("custom_models.adapters.bedrock.response", "custom_models.core.models", "custom_models.core.parameters"),
    }
    for path in modules(ROOT / "local"):
        of_the_function = {name for name in first_party_imports(path) if not name.startswith(("local", "emulators"))}
        assert of_the_function <= allowed, path


def test_botocores_paging_terms_appear_only_in_the_bedrock_client() -> None:
    terms = ("PageSize", "StartingToken", "paginate(")
    for path in modules(FUNCTION):
        found = any(term in path.read_text() for term in terms)
        assert found == (path == PACKAGE / "adapters" / "bedrock" / "calls.py"), path


def test_no_test_imports_from_a_conftest() -> None:
    for path in modules(ROOT / "tests"):
        assert not any("conftest" in name.split(".") for name in imports(path)), path


def test_mypy_reads_each_module_of_the_cdk_that_is_imported() -> None:
    (read,) = [
        each["module"]
        for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
        if each.get("follow_imports") == "normal"
    ]
    nodes = [
        node
        for path in [ROOT / "app.py", *modules(ROOT / "infra"), *modules(ROOT / "tests")]
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("aws_cdk")
    ]
    imported = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names if alias.name.islower()}
    assert imported | {str(node.module) for node in nodes} == set(read)
