"""The pages of the documentation: the files and headings that they link to exist, and the version is one."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests import markdown
from tests.api import Api

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|srcset)="([^"]+)"', text)]
    broken = []
    for target in targets:
        path, _, anchor = target.partition("#")
        file = page if not path else page.parent / path
        if target.startswith("https://"):
            continue
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_the_newest_release_in_the_changelog_is_the_version_of_the_project() -> None:
    releases = re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0][0] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert [date for _, date in releases] == sorted((date for _, date in releases), reverse=True)


def test_a_newcomer_reads_the_readme_in_a_few_minutes() -> None:
    assert 600 <= len((ROOT / "README.md").read_text("utf-8").split()) <= 900


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_documented_listing_is_that_of_make_run(page: str, api: Api) -> None:
    text = (ROOT / page).read_text("utf-8")
    (request, same_block), *_ = re.findall(
        r"^\$ curl 'http://127.0.0.1:8000/v1/custom-models\?(.*)'\n(.*)", text, re.MULTILINE
    )
    documented = same_block if same_block.startswith("{") else markdown.code(text, "json")[0]
    # The documentation shortens some texts.
    pattern = ".*".join(map(re.escape, json.dumps(json.loads(documented), ensure_ascii=False).split("…")))
    assert re.fullmatch(pattern, json.dumps(api.get(request).body))
