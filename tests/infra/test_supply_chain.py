"""Everything is installed by hash, on this machine and into the bundle, from whichever index is configured."""

import json
import re
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path

import pytest

from infra import bundling

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted(
    [
        *ROOT.glob("requirements*.txt"),
        *ROOT.glob("requirements/*.txt"),
        ROOT / "lambda_src" / "requirements.txt",
        *ROOT.glob("tools/bench/peers/*/*.txt"),
    ]
)
INSTALL = ROOT / "tools" / "install.py"
PIN = re.compile(r"[a-z0-9.-]+(\[[a-z,-]+\])?==[\w.]+( ; [^#@]+?)?( --hash=sha256:[0-9a-f]{64})+")
"""One version and its hashes: no URL, no index, no folder, no option."""


def pins(path: Path) -> list[str]:
    lines = re.sub(r" *\\\n *", " ", path.read_text()).splitlines()
    return [line.rstrip() for line in lines if not re.fullmatch(r" *(#.*)?", line)]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_requirement_is_pinned_with_hashes(path: Path) -> None:
    found = pins(path)
    assert found
    assert [line for line in found if not PIN.fullmatch(line)] == []


def test_make_lock_writes_every_requirements_file() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nlock:")[2].partition("\n\n")[0]
    (peers,) = re.findall(r"for peer in ([^;]+);", recipe)
    names = re.findall(r"[\w./$-]+\.txt", recipe)
    written = {name.replace("$$peer", peer) for name in names for peer in peers.split()}
    assert {path.relative_to(ROOT).as_posix() for path in REQUIREMENTS} == written


@pytest.mark.parametrize(("path", "count"), [("Makefile", 0), ("infra", 1), ("tools/bench", 1)])
def test_every_install_requires_hashes(path: str, count: int) -> None:
    installs = [line for line in code(ROOT / path) if re.search(r"\bpip\W+install\b", line)]
    assert len(installs) == count
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_make_installs_only_what_has_hashes() -> None:
    text = INSTALL.read_text()
    assert len(re.findall(r'"pip", "install"', text)) == len(re.findall(r"\*_quiet\(source\)", text)) == 2
    (options,) = re.findall(r"def _quiet\(.*\n    return (.*)", text)
    assert '"--require-hashes"' in options


def code(place: Path) -> Iterator[str]:
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        yield from path.read_text().splitlines()


def test_the_bundle_is_installed_from_wheels_only() -> None:
    (install,) = re.findall(r"_uv\(\n(.+?)\n    \)", (ROOT / "infra" / "bundling.py").read_text(), re.DOTALL)
    assert '"--only-binary", ":all:"' in install


@pytest.mark.parametrize("folder", [".", "examples", "tests/clients"])
def test_packages_of_npm_are_installed_from_a_lock_file_without_scripts(folder: str) -> None:
    text = INSTALL.read_text()
    assert re.findall(r'_npm\(folder\.parent, "(\w+)"\)', text) == ["ci", "ls"]
    assert '"--ignore-scripts"' in re.findall(r"^_NPM_OPTIONS = \((.*?)^\)", text, re.MULTILINE | re.DOTALL)[0]
    packages = locked(folder)
    assert packages
    for package in packages.values():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
        assert not {"resolved", "link"} & package.keys()


def test_the_cdk_command_line_has_no_dependencies() -> None:
    assert set(locked(".")) == {"node_modules/aws-cdk"}


def locked(folder: str) -> dict[str, dict[str, str]]:
    """Return the packages of a lock file by their path."""
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    return {path: package for path, package in lock["packages"].items() if path}


@pytest.mark.slow
def test_the_documented_licenses_are_those_of_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Skip bytecode, which takes seconds.
    monkeypatch.setattr(bundling, "find_interpreter", lambda: None)
    bundling.bundle(tmp_path)
    packages = {}
    for path in tmp_path.glob("*.dist-info/METADATA"):
        metadata = message_from_string(path.read_text(encoding="utf-8"))
        classifiers = [it for it in metadata.get_all("Classifier", []) if it.startswith("License :: ")]
        expression = metadata["License-Expression"]
        declared = expression or metadata["License"] or ", ".join(it.rpartition(" :: ")[2] for it in classifiers)
        packages[metadata["Name"].replace("_", "-")] = (metadata["Version"], declared, expression)

    listed = listed_licenses()
    assert {name: (version, declared) for name, (version, _, declared) in listed.items()} == {
        name: (version, declared) for name, (version, declared, _) in packages.items()
    }
    for name, (_, _, expression) in packages.items():
        assert expression in (None, listed[name][1]), name


def listed_licenses() -> dict[str, tuple[str, str, str]]:
    """Return the rows of docs/licenses.md by name: version, SPDX expression, and what the package declares."""
    table = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([\w.]+) \| `([^`]+)` \| ([^|]+) \|", table, re.MULTILINE)
    return {name: (version, expression, declared) for name, version, expression, declared in rows}
