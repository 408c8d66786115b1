"""The arrows: who may import whom."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lambda_src" / "custom_models"


OURS = ("custom_models", "handler", "infra", "local", "emulators", "tools", "tests")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def modules(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    assert found, folder
    return found


def ours(path: Path) -> set[str]:
    return {
        name
        for name in imports(path)
        if name.split(".")[0] in ("custom_models", "handler", "local", "infra", "emulators", "tools", "tests")
    }


@pytest.mark.parametrize("path", modules(PACKAGE / "core"), ids=lambda path: path.name)
def test_the_core_knows_itself_the_standard_library_and_the_signer(path: Path) -> None:
    assert all(name.startswith("custom_models.core") for name in ours(path))
    others = {name.split(".")[0] for name in imports(path)} - {"custom_models"} - sys.stdlib_module_names
    assert others <= {"itsdangerous"}
    assert not any(name.split(".")[0] in ("http", "urllib", "socket", "os") for name in imports(path))


ROOMS = {path.stem: path for path in (PACKAGE / "adapters").iterdir() if not path.name.startswith("__")}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_an_adapter_knows_the_core_and_itself(room: str) -> None:
    folder = ROOMS[room]
    for path in modules(folder) if folder.is_dir() else [folder]:
        for name in ours(path):
            assert name.startswith(
                ("custom_models.core", "custom_models.request_log", f"custom_models.adapters.{room}")
            ), path


def test_only_the_bedrock_adapter_speaks_botocores_paging() -> None:
    for path in modules(ROOT / "lambda_src"):
        speaks = any(word in path.read_text() for word in ("PageSize", "StartingToken", "paginate("))
        assert speaks == (path.parent.name == "bedrock" and path.name == "client.py"), path


def test_settings_know_the_core_alone() -> None:
    assert all(name.startswith("custom_models.core") for name in ours(PACKAGE / "settings.py"))


def test_the_function_knows_nothing_of_what_stands_around_it() -> None:
    for path in modules(ROOT / "lambda_src"):
        assert not any(
            name.split(".")[0] in ("local", "infra", "emulators", "tools", "tests") for name in imports(path)
        ), path


def test_the_deployment_knows_nothing_of_the_function() -> None:
    for path in [ROOT / "app.py", *modules(ROOT / "infra")]:
        assert all(name.split(".")[0] == "infra" for name in ours(path)), path


def test_the_entry_point_only_builds() -> None:
    assert ours(ROOT / "lambda_src" / "handler.py") == {"custom_models.bootstrap"}


def test_what_stands_around_knows_the_function_by_its_entry_point() -> None:
    for path in modules(ROOT / "local"):
        assert {name for name in ours(path) if not name.startswith(("local", "emulators"))} <= {
            "handler",
            "custom_models.settings",
        }, path
