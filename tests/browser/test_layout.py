"""What the explorer looks like: on a wide and on a narrow screen, while it loads, and how it shortens ARNs."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from emulators.bedrock import Emulator
from emulators.faults import body
from emulators.models import plausible_models
from tests.api import Api
from tests.browser.explorer import submit, violations, wait_for_status

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
MAX_SHIFT = 0.1
"""https://web.dev/articles/cls"""


def shift(page: Page) -> float:
    """Return the sum of all layout shifts so far, those after a click included."""
    return float(
        page.evaluate("""async () => {
            for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
            performance.mark("now"); // the observer is called at once, even if there was no shift
            const shifts = await new Promise(resolve => {
                const observer = new PerformanceObserver(list => resolve(list.getEntriesByType("layout-shift")));
                for (const type of ["layout-shift", "mark"]) observer.observe({type, buffered: true});
            });
            return shifts.reduce((sum, it) => sum + it.value, 0);
        }""")
    )


class TestShift:
    @pytest.fixture
    def slowly(self, page: Page) -> Callable[[Route], None]:
        """Respond after a time in which the browser shows what it has."""

        def slowly(route: Route) -> None:
            page.wait_for_timeout(200)
            route.continue_()

        return slowly

    def test_it_is_measured(self, open_page: Open) -> None:
        page = open_page("/")
        page.evaluate("document.querySelector('header').style.height = '400px'")
        assert shift(page) > MAX_SHIFT

    @pytest.mark.parametrize("size", [WIDE, NARROW])
    @pytest.mark.parametrize("path", ["/", "/?maxItems=20&nameContains=churn", "/?nameContains=none", "/?maxItems=0"])
    def test_a_cold_load(
        self, page: Page, url: str, slowly: Callable[[Route], None], size: dict[str, int], path: str
    ) -> None:
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        for slow in ("**/explorer.js", "**/v1/openapi.json", "**/v1/custom-models*"):
            page.route(slow, slowly)
        page.goto(f"{url}{path}")
        expect(page.locator("#answered")).not_to_be_empty()
        assert shift(page) < MAX_SHIFT / 5

    @pytest.mark.parametrize("size", [WIDE, NARROW])
    def test_pages_are_turned(
        self, open_page: Open, page: Page, slowly: Callable[[Route], None], size: dict[str, int]
    ) -> None:
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        open_page("/?maxItems=30")
        page.route("**/v1/custom-models*", slowly)
        for first in (31, 61, 91):
            page.get_by_role("button", name="Next").click()
            wait_for_status(page, f"Models {first} to {first + 29}; more pages follow.")
        page.get_by_role("button", name="Back").click()
        wait_for_status(page, "Models 61 to 90; more pages follow.")
        assert shift(page) < MAX_SHIFT


class TestCards:
    @pytest.fixture(autouse=True)
    def _narrow(self, page: Page) -> None:
        page.set_viewport_size({"width": NARROW["width"], "height": NARROW["height"]})

    def test_every_field_is_on_the_screen_with_its_label(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=5")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        for row, model in zip(
            page.locator("#rows tr").all(), api.get("maxItems=5").body["modelSummaries"], strict=True
        ):
            shown = [row.get_by_text(model[name], exact=True) for name in ("modelName", "modelStatus", "baseModelName")]
            for field in [*shown, row.locator("time"), row.get_by_role("button").first]:
                box = field.bounding_box()
                assert box
                assert 0 <= box["x"] < box["x"] + box["width"] <= NARROW["width"]
        labels = (
            page.locator("#rows tr")
            .first.locator("td:visible")
            .evaluate_all("cells => cells.map(it => getComputedStyle(it, '::before').content.split('\"')[1])")
        )
        assert labels == ["Status, type", "Created (UTC)", "Base model", "ARN, owner"]

    def test_they_are_a_table_for_a_screen_reader(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=2")
        first = api.get("maxItems=2").body["modelSummaries"][0]
        table = page.get_by_role("table", name="Custom models")
        headers = ["Name", "Status, type", "Created (UTC)", "Base model", "ARN, owner"]
        assert [it.inner_text().strip() for it in table.get_by_role("columnheader").all()] == headers
        assert table.get_by_role("row").count() == 3
        row = table.get_by_role("row").nth(1)
        expect(row.get_by_role("rowheader")).to_have_text(first["modelName"])
        assert row.get_by_role("cell").count() == 4
        expect(row.get_by_role("cell").last).to_contain_text(first["modelArn"])

    def test_they_can_be_sorted(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=5")
        page.get_by_role("button", name="Created").click()
        header = page.get_by_role("columnheader", name="Created")
        expect(header).to_have_attribute("aria-sort", "descending")
        expect(header).to_be_in_viewport()

    def test_the_filters_that_are_set_are_counted(self, open_page: Open) -> None:
        page = open_page("/?nameContains=churn&maxItems=5")
        expect(page.get_by_text("Filters, order and page size")).to_contain_text("2 set")
        page.get_by_text("Filters, order and page size").click()
        page.get_by_label("Name contains").fill("")
        submit(page)
        expect(page.get_by_text("Filters, order and page size")).to_contain_text("1 set")

    def test_long_texts_stay_on_the_screen(self, open_page: Open, emulator: Emulator) -> None:
        model = {**plausible_models(1)[0].summary(), "modelName": "n" * 63, "baseModelName": "b" * 300}
        emulator.misbehave(body({"modelSummaries": [model]}))
        page = open_page("/")
        expect(page.locator("#rows .name")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


class TestArns:
    @pytest.fixture
    def arn(self, open_page: Open) -> Locator:
        """The ARN of the second model."""
        return open_page("/?maxItems=3").locator("#rows .model-arn .arn").nth(1)

    @pytest.fixture
    def whole(self, api: Api) -> str:
        return api.get("maxItems=3").arns[1]

    def test_it_takes_one_line_that_ends_with_what_distinguishes_it(self, arn: Locator, whole: str) -> None:
        short = arn.locator(".end")
        box, text = short.bounding_box(), arn.locator("bdi").bounding_box()
        assert box
        assert text
        assert box["height"] < 20
        assert text["width"] > box["width"]
        # The end of the text is where the end of the box is; its beginning is cut off.
        assert text["x"] + text["width"] == pytest.approx(box["x"] + box["width"], abs=1)
        expect(arn.locator("bdi")).to_have_text(whole)

    def test_the_whole_is_shown_on_hover_and_focus(self, arn: Locator, whole: str) -> None:
        page, tip = arn.page, arn.locator(".tip")
        expect(tip).to_be_hidden()
        arn.hover()
        expect(tip).to_be_visible()
        expect(tip).to_have_text(whole)
        assert tip.evaluate("it => it.scrollWidth <= it.clientWidth && it.scrollHeight <= it.clientHeight")
        # The pointer can be moved onto it, and Escape hides it (WCAG 1.4.13).
        tip.hover()
        expect(tip).to_be_visible()
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        page.mouse.move(0, 0)

        arn.get_by_role("button").focus()
        expect(tip).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        arn.get_by_role("button").blur()
        arn.get_by_role("button").focus()
        expect(tip).to_be_visible()

    def test_it_can_be_copied(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=3")
        model = api.get("maxItems=3").body["modelSummaries"][1]
        for name, field in (("ARN of", "modelArn"), ("ARN of the base model of", "baseModelArn")):
            page.get_by_role("button", name=f"Copy the {name} {model['modelName']}").press("Enter")
            expect(page.get_by_role("status").filter(has_text=re.compile(r"^Copied\.$"))).to_be_visible()
            assert page.evaluate("navigator.clipboard.readText()") == model[field]
