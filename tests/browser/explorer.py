"""What the tests do with the explorer, and read from it."""

from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Download, Page, expect


@dataclass
class Tab:
    """A page of the browser, the requests it sent, and the errors and warnings on its console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def arns(page: Page) -> list[str]:
    """Return the whole ARNs of the models on the page, which it shows in short."""
    return page.locator("#rows .model-arn bdi").all_inner_texts()


def wait_for_status(page: Page, status: str) -> None:
    """Wait until the status line has this text."""
    expect(page.get_by_role("status").first).to_have_text(status)


def code_of(page: Page) -> str:
    """Return the whole request to copy, of which the page shows one line."""
    return page.locator("#code").text_content() or ""


def run_python(code: str) -> Any:
    """Run the request to copy in Python; return the response, which it must have printed."""
    names: dict[str, Any] = {}
    with redirect_stdout(StringIO()) as printed:
        exec(code, names)  # noqa: S102
    assert str(names["listing"]["modelSummaries"]) in printed.getvalue()
    return names["listing"]


def submit(page: Page) -> None:
    """Submit the form, and wait for the response."""
    with page.expect_response("**/v1/custom-models*"):
        page.get_by_role("button", name="Show models").click()
    expect(page.locator("#answered")).not_to_be_empty()


def saved_files(page: Page) -> list[Download]:
    """Return a list to which each file is added that the page saves from now on."""
    files: list[Download] = []

    def keep(file: Download) -> None:
        files.append(file)

    page.on("download", keep)
    return files


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Return the rules of axe that a page violates, each with the elements that do."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    # Only what is read below: the whole result takes a tenth of a second to transfer.
    passes, found = page.evaluate("""async () => {
        const {passes, violations} = await axe.run({resultTypes: ["violations"]});
        return [passes.length, violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)])];
    }""")
    assert passes > 10
    return [(rule, elements) for rule, elements in found]


def violations_by_colors(page: Page) -> dict[str, list[tuple[str, list[str]]]]:
    """Return what violates axe's rules with light and with dark colors, if anything does."""
    found = {}
    for colors in ("light", "dark"):
        page.emulate_media(color_scheme=colors)
        found[colors] = violations(page)
    return {colors: rules for colors, rules in found.items() if rules}
