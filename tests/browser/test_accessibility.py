"""The explorer with a keyboard, a screen reader, dark colors and a narrow screen."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from emulators.bedrock import Emulator
from emulators.faults import body
from emulators.models import plausible_models
from tests.browser.explorer import submit, violations_by_colors, wait_for_status

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    # Few models, because axe takes seconds for a hundred.
    "path",
    ["/?maxItems=5", "/?nameContains=nothing-of-the-kind", "/?maxItems=0&foo=1&nameContains=a+b"],
)
def test_axe_finds_no_violations(open_page: Open, page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_page(path)
    assert violations_by_colors(page) == {}


def test_colors_follow_the_system(open_page: Open, page: Page) -> None:
    def background() -> int:
        rgb = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", rgb)[:3]))

    page.emulate_media(color_scheme="light")
    open_page("/?maxItems=5")
    assert background() > 600
    page.emulate_media(color_scheme="dark")
    assert background() < 150


def test_everything_works_with_the_keyboard(open_page: Open) -> None:
    page = open_page("/?maxItems=5")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to models")).to_be_focused()
    reached: set[str] = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
    assert reached >= {"nameContains", "isOwned", "maxItems", "next", "sort", "expand", "copy"}

    page.get_by_label("Name contains").focus()
    page.keyboard.type("churn")
    with page.expect_response("**/v1/custom-models?*nameContains=churn*"):
        page.keyboard.press("Enter")
    expect(page.locator("#rows .name").first).to_contain_text("churn")
    page.get_by_label("curl", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#code")).to_contain_text("import json")


def test_focus_moves_to_the_models_when_its_button_disappears(open_page: Open, emulator: Emulator) -> None:
    emulator.load(plausible_models(30))
    page = open_page("/?maxItems=20")
    page.get_by_role("button", name="Next").press("Enter")
    wait_for_status(page, "Models 21 to 30; last page.")
    expect(page.locator("main")).to_be_focused()

    emulator.misbehave(body({"modelSummaries": "many"}))
    page.get_by_role("button", name="Created").press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("button", name="Try again").press("Enter")
    wait_for_status(page, "Models 1 to 20; more pages follow.")
    expect(page.locator("main")).to_be_focused()


def test_a_result_with_the_same_status_is_announced_again(open_page: Open) -> None:
    page = open_page("/?maxItems=5")
    page.evaluate("""() => {
        window.announced = [];
        const note = () => announced.push(document.getElementById("status").textContent);
        new MutationObserver(note).observe(document.getElementById("status"), {childList: true, subtree: true});
    }""")
    page.get_by_label("Name contains").fill("churn")
    submit(page)
    assert page.evaluate("announced").pop() == "Models 1 to 5; more pages follow."


def test_the_skip_link_stays_on_the_page(open_page: Open) -> None:
    page = open_page("/?maxItems=5")
    page.get_by_role("button", name="Next").click()
    wait_for_status(page, "Models 6 to 10; more pages follow.")
    page.get_by_role("link", name="Skip to models").press("Enter")
    expect(page.locator("main")).to_be_focused()
    wait_for_status(page, "Models 6 to 10; more pages follow.")
    expect(page.get_by_role("button", name="Back")).to_be_enabled()


def test_filters_are_collapsed_on_a_narrow_screen(page: Page, open_page: Open) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    open_page("/?maxItems=5")
    expect(page.get_by_label("Name contains")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Filters, order and page size").click()
    expect(page.get_by_label("Name contains")).to_be_visible()
    page.get_by_text("Filters, order and page size").click()
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.get_by_label("Name contains")).to_be_visible()


def test_long_names_wrap(open_page: Open, emulator: Emulator) -> None:
    model = {**plausible_models(1)[0].summary(), "modelName": "n" * 63, "modelStatus": "S" * 40}
    emulator.misbehave(body({"modelSummaries": [model]}))
    page = open_page("/")
    expect(page.locator("#rows .owner")).to_be_in_viewport(ratio=1)
