"""Downloads of the whole listing in the explorer."""

import csv
import io
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Download, Page, Route, expect

from emulators.bedrock import Emulator, throttle
from emulators.faults import body, hang
from emulators.models import newest_first, plausible_models
from tests.api import Api
from tests.browser.explorer import arns, saved_files, violations, wait_for_status

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]


def click(page: Page, kind: str) -> None:
    page.get_by_role("button", name=f"Download all pages as {kind}").click()


def download(page: Page, kind: str) -> Download:
    with page.expect_download() as started:
        click(page, kind)
    return started.value


def text(file: Download) -> str:
    return Path(file.path()).read_bytes().decode("utf-8")


def table(file: Download) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text(file).removeprefix("\ufeff"), newline=""), strict=True))


def cells_for(page: Page, url: str, api: Api, names: list[str]) -> list[str]:
    """Download models with these names, and return the cells as they are in the file."""
    listing = api.get("maxItems=1").body
    (model,) = listing["modelSummaries"]
    listing["modelSummaries"] = [{**model, "modelName": name} for name in names]
    del listing["nextCursor"]
    page.route("**/v1/custom-models*", lambda route: route.fulfill(json=listing))
    page.goto(url)
    wait_for_status(page, f"Models 1 to {len(names)}; last page.")
    header, *lines = table(download(page, "CSV"))
    return [line[header.index("modelName")] for line in lines]


def answer(status: int, content: Any) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, json=content)


class TestFiles:
    def test_json_is_the_whole_listing(self, open_page: Open, emulator: Emulator, api: Api) -> None:
        emulator.load(plausible_models(2_500))
        page = open_page("/?nameContains=churn&maxItems=3&pageSize=2")
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 4 to 6; more pages follow.")
        file = download(page, "JSON")
        saved = json.loads(text(file))
        assert saved == api.get("nameContains=churn&maxItems=1000").body
        assert saved["coverage"]["complete"] is True
        assert re.fullmatch(r"custom-models-\d{8}T\d{6}Z\.json", file.suggested_filename)
        count = len(saved["modelSummaries"])
        expect(page.get_by_text(f"Saved {file.suggested_filename}: {count} models.")).to_be_visible()

    def test_all_pages_are_in_the_file(self, open_page: Open, emulator: Emulator) -> None:
        emulator.load(models := newest_first(plausible_models(2_500)))
        page = open_page("/?maxItems=5")
        saved = json.loads(text(download(page, "JSON")))
        assert [model["modelArn"] for model in saved["modelSummaries"]] == [model.arn for model in models]
        header, *lines = table(download(page, "CSV"))
        assert [line[header.index("modelArn")] for line in lines] == [model.arn for model in models]

    def test_csv_has_a_column_for_each_field(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=7")
        file = download(page, "CSV")
        assert text(file).startswith("\ufeffmodelArn,modelName,")
        assert text(file).count("\r\n") == text(file).count("\n") == 301
        header, *lines = table(file)
        document = api.get(path="/v1/openapi.json").body
        assert header == list(document["components"]["schemas"]["ModelSummary"]["properties"])
        models = api.get("maxItems=1000").body["modelSummaries"]
        assert [dict(zip(header, line, strict=True)) for line in lines] == models
        assert re.fullmatch(r"custom-models-\d{8}T\d{6}Z\.csv", file.suggested_filename)

    def test_csv_keeps_every_text(self, page: Page, url: str, api: Api) -> None:
        names = ['a"b', "a,b", "a\r\nb", "\N{LATIN SMALL LETTER E WITH ACUTE}\N{SNOWMAN}", " a ", "a=1"]
        assert cells_for(page, url, api, names) == names

    def test_no_cell_of_a_csv_is_a_formula(self, page: Page, url: str, api: Api) -> None:
        # https://owasp.org/www-community/attacks/CSV_Injection
        starts = ["=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}"]
        names = [f'{start}HYPERLINK("http://x",A1)' for start in starts]
        assert cells_for(page, url, api, names) == [f"'{name}" for name in names]

    def test_an_absent_field_is_an_empty_cell(self, open_page: Open, emulator: Emulator) -> None:
        summary = plausible_models(1)[0].summary()
        del summary["modelStatus"]
        emulator.misbehave(always=body({"modelSummaries": [summary]}))
        header, line = table(download(open_page("/"), "CSV"))
        assert line[header.index("modelStatus")] == ""

    def test_an_empty_listing(self, open_page: Open, emulator: Emulator) -> None:
        emulator.load([])
        page = open_page("/")
        assert json.loads(text(download(page, "JSON")))["modelSummaries"] == []
        assert len(table(download(page, "CSV"))) == 1

    def test_the_file_has_the_filters_of_the_page_and_not_its_cursor(self, open_page: Open, api: Api) -> None:
        cursor = api.get("nameContains=churn&maxItems=5").body["nextCursor"]
        page = open_page(f"/?nameContains=churn&maxItems=5&cursor={cursor}")
        page.get_by_label("Name contains").fill("typed but not shown yet")
        saved = json.loads(text(download(page, "JSON")))
        assert [model["modelArn"] for model in saved["modelSummaries"]] == api.get("nameContains=churn").arns


@pytest.fixture
def held(page: Page) -> Callable[[], None]:
    """Hold every request for the second page of a download until the returned function is called."""
    release = threading.Event()
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        if "cursor=" in route.request.url and not release.is_set():
            waiting.append(route)
        else:
            route.continue_()

    def let_go() -> None:
        release.set()
        for route in waiting:
            route.continue_()

    page.route("**/v1/custom-models?maxItems=1000*", hold)
    return let_go


class TestProgress:
    @pytest.fixture(autouse=True)
    def _many(self, emulator: Emulator) -> None:
        emulator.load(plausible_models(1_500))

    def test_progress_is_shown(self, open_page: Open, held: Callable[[], None]) -> None:
        page = open_page("/?maxItems=5")
        click(page, "CSV")
        expect(page.get_by_text("Downloading all pages as CSV")).to_be_visible()
        expect(page.get_by_text("1,000 models so far")).to_be_visible()
        expect(page.get_by_role("progressbar", name="Download")).to_be_visible()
        for kind in ("CSV", "JSON"):
            expect(page.get_by_role("button", name=f"as {kind}")).to_be_disabled()
        assert violations(page) == []
        with page.expect_download():
            held()
        expect(page.get_by_text("1,500 models.")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_be_hidden()
        assert violations(page) == []

    def test_the_page_can_be_used_meanwhile(self, open_page: Open, held: Callable[[], None]) -> None:
        page = open_page("/?maxItems=5")
        click(page, "JSON")
        expect(page.get_by_text("1,000 models so far")).to_be_visible()
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 6 to 10; more pages follow.")
        page.get_by_label("Name contains").fill("churn")
        page.get_by_label("Name contains").press("Enter")
        expect(page.locator("#rows .name").first).to_contain_text("churn")
        with page.expect_download() as saved:
            held()
        assert len(json.loads(text(saved.value))["modelSummaries"]) == 1_500

    def test_it_can_be_cancelled(self, open_page: Open, held: Callable[[], None]) -> None:
        page = open_page("/?maxItems=5")
        files = saved_files(page)
        page.get_by_role("button", name="as CSV").press("Enter")
        expect(page.get_by_text("1,000 models so far")).to_be_visible()
        cancel = page.get_by_role("button", name="Cancel")
        expect(cancel).to_be_focused()
        cancel.press("Enter")
        expect(page.get_by_text("Cancelled. No file was saved.")).to_be_visible()
        page.get_by_role("button", name="Close").press("Enter")
        expect(page.get_by_text("Cancelled.")).to_be_hidden()
        expect(page.get_by_role("button", name="as CSV")).to_be_focused()
        assert files == []
        page.unroute("**/v1/custom-models?maxItems=1000*")
        assert len(table(download(page, "CSV"))) == 1_501


class TestWaiting:
    @pytest.fixture
    def context(self, own_context: BrowserContext) -> BrowserContext:
        return own_context

    def test_it_waits_when_the_api_asks_for_it(self, open_page: Open, page: Page) -> None:
        answers = iter([(429, "200"), (503, "100"), None])

        def answer(route: Route) -> None:
            status = next(answers)
            if status is None:
                return route.continue_()
            problem = {"title": f"Title {status[0]}", "detail": "Wait.", "type": "t"}
            return route.fulfill(status=status[0], headers={"Retry-After": status[1]}, json=problem)

        page.clock.install()
        open_page("/?maxItems=5")
        page.route("**/v1/custom-models?maxItems=1000*", answer)
        click(page, "JSON")
        expect(page.get_by_text("Title 429. Continuing in 200 s.")).to_be_visible()
        assert violations(page) == []
        page.clock.fast_forward(200_000)
        expect(page.get_by_text("Title 503. Continuing in 100 s.")).to_be_visible()
        with page.expect_download() as saved:
            page.clock.fast_forward(100_000)
        assert len(json.loads(text(saved.value))["modelSummaries"]) == 300

    def test_a_wait_can_be_cancelled(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=5")
        emulator.misbehave(always=throttle)
        click(page, "JSON")
        expect(page.get_by_text(re.compile(r"Continuing in \d+ s\."))).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Cancelled. No file was saved.")).to_be_visible()


class TestTrouble:
    def test_any_other_problem_ends_it(self, open_page: Open, emulator: Emulator) -> None:
        foreign = "Unexpected response. The response does not come from this API. No file"
        emulator.load(plausible_models(1_500))
        page = open_page("/?maxItems=5")
        files = saved_files(page)
        for status, content, message in (
            (502, {"title": "Title", "detail": "Do this.", "source": "a/b"}, "Title. Do this. Source: a/b. No file"),
            (502, {}, foreign),
            (429, {"title": "Title", "detail": "No Retry-After."}, "Title. No Retry-After. No file"),
            (200, None, foreign),
            (400, {"title": "Title", "detail": "Do this."}, "Title. Do this. No file"),
            (200, {"modelSummaries": []}, foreign),
        ):
            page.route("**/v1/custom-models?*cursor=*", answer(status, content), times=1)
            click(page, "CSV")
            expect(page.get_by_text(message)).to_be_visible()
        assert files == []
        assert len(table(download(page, "CSV"))) == 1_501

    def test_the_api_cannot_be_reached(self, open_page: Open) -> None:
        page = open_page("/?maxItems=5")
        page.context.set_offline(True)
        click(page, "CSV")
        expect(
            page.get_by_text("No response from the API. Check that make run is still running. No file")
        ).to_be_visible()

    def test_an_invalid_query_cannot_be_downloaded(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=0")
        expect(page.get_by_role("button", name="as CSV")).to_be_disabled()
        emulator.misbehave(hang(0))
        page.get_by_label("Models per page").fill("5")
        page.get_by_label("Models per page").press("Enter")
        expect(page.get_by_role("button", name="as CSV")).to_be_enabled()
        assert len(arns(page)) == 5
