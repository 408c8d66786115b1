"""What the explorer shows instead of models: problems, empty listings, and waiting."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from emulators.bedrock import Emulator, throttle
from emulators.faults import body, hang
from tests.api import Api
from tests.browser.explorer import arns, submit, wait_for_status

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]


class TestProblems:
    def test_errors_are_shown_at_their_fields(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=5")
        page.get_by_label("Models per page").fill("0")
        page.get_by_label("Creation time after").fill("yesterday")
        submit(page)
        errors = api.get("maxItems=0&creationTimeAfter=yesterday").body["errors"]
        assert len(errors) == 2
        for error in errors:
            field = page.locator(f"#{error['parameter']}")
            expect(field).to_have_attribute("aria-invalid", "true")
            message = f"{error['parameter']} {error['message']}"
            expect(field).to_have_accessible_description(re.compile(re.escape(message)))
            expect(page.locator(f"#{error['parameter']}-error")).to_have_text(message)
            expect(page.get_by_role("alert")).to_contain_text(message)
        expect(page.get_by_role("alert")).to_contain_text("parameters are not valid")
        expect(page.get_by_label("Creation time after")).to_be_focused()
        assert page.locator("#rows").is_hidden()

        page.get_by_label("Models per page").fill("3")
        page.get_by_label("Creation time after").fill("")
        submit(page)
        expect(page.locator("[aria-invalid]")).to_have_count(0)
        expect(page.get_by_role("alert")).to_be_hidden()
        assert len(arns(page)) == 3

    def test_an_error_without_a_field_is_shown_above_the_table(self, open_page: Open) -> None:
        # A URL that somebody typed: none of its parameters is ignored.
        page = open_page("/?namecontains=churn&isOwned=true&isOwned=false&modelStatus=active")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("namecontains is not a parameter of this API (did you mean nameContains?)")
        expect(page.locator("#isOwned-error")).to_contain_text("isOwned must be given once")
        expect(page.locator("#modelStatus-error")).to_contain_text("modelStatus must be")

    def test_bedrock_throttles(self, open_page: Open, emulator: Emulator) -> None:
        emulator.misbehave(always=throttle)
        page = open_page("/?maxItems=5")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Bedrock is throttling")
        expect(alert).to_contain_text(re.compile(r"Try again in \d+ s\."))
        expect(alert).to_contain_text("upstream-throttled")
        expect(page.locator("#answered")).to_contain_text("429")
        assert page.locator("#rows").is_hidden()
        emulator.misbehave()
        page.get_by_role("button", name="Try again").click()
        wait_for_status(page, "Models 1 to 5; more pages follow.")
        expect(alert).to_be_hidden()

    def test_a_problem_hides_the_table(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=5")
        emulator.misbehave(body({"modelSummaries": "many"}))
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("alert")).to_contain_text("upstream-invalid")
        expect(page.get_by_role("table")).to_be_hidden()
        page.get_by_role("button", name="Back").click()
        wait_for_status(page, "Models 1 to 5; more pages follow.")

    @pytest.mark.parametrize(
        ("cursor", "message"), [("nonsense", "The cursor is not valid"), ("", "cursor must not be empty")]
    )
    def test_an_invalid_cursor(self, open_page: Open, cursor: str, message: str) -> None:
        page = open_page(f"/?maxItems=5&cursor={cursor}")
        expect(page.get_by_role("alert")).to_contain_text(message)
        expect(page.get_by_role("button", name="Try again")).to_be_hidden()
        page.get_by_role("button", name="Start from the first page").click()
        wait_for_status(page, "Models 1 to 5; more pages follow.")

    def test_a_button_that_would_lead_to_the_same_errors_is_not_offered(self, open_page: Open) -> None:
        page = open_page("/?maxItems=0&cursor=")
        expect(page.get_by_role("alert")).to_contain_text("maxItems must be")
        for name in ("Try again", "Start from the first page"):
            expect(page.get_by_role("button", name=name)).to_be_hidden()
        for name in ("Next", "Download all pages as CSV", "Download all pages as JSON"):
            expect(page.get_by_role("button", name=name)).to_be_disabled()

    @pytest.mark.parametrize(
        ("status", "content"),
        [
            (200, "<html>Please log in</html>"),
            (200, "null"),
            (200, "{}"),
            (200, '{"modelSummaries": [{"modelName": "a"}]}'),
            (502, "{}"),
            (400, '{"title": "a", "detail": "b", "errors": null}'),
        ],
    )
    def test_a_response_that_is_not_from_the_api(self, open_page: Open, status: int, content: str) -> None:
        page = open_page("/?maxItems=5")
        page.route("**/v1/custom-models*", lambda route: route.fulfill(status=status, body=content))
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("alert")).to_contain_text("Unexpected response")
        expect(page.get_by_role("table")).to_be_hidden()
        page.unroute("**/v1/custom-models*")
        page.get_by_role("button", name="Try again").click()
        wait_for_status(page, "Models 6 to 10; more pages follow.")

    def test_the_openapi_document_cannot_be_loaded(self, page: Page, url: str) -> None:
        page.route("**/v1/openapi.json", lambda route: route.fulfill(status=502, body="{}"))
        page.goto(f"{url}/?nameContains=churn")
        expect(page.get_by_role("alert")).to_contain_text("Unexpected response")
        expect(page.get_by_role("button", name="Show models")).to_be_hidden()
        page.unroute("**/v1/openapi.json")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#rows .name").first).to_contain_text("churn")
        expect(page.get_by_label("Name contains")).to_have_value("churn")

    def test_an_error_does_not_move_the_focus_if_the_user_has_moved_it(self, open_page: Open) -> None:
        page = open_page("/?maxItems=5")

        def slowly(route: Route) -> None:
            page.wait_for_timeout(500)
            route.continue_()

        page.route("**/v1/custom-models*", slowly)
        page.get_by_label("Models per page").fill("0")
        page.get_by_label("Models per page").press("Enter")
        page.get_by_label("Name contains").focus()
        expect(page.locator("#maxItems")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_label("Name contains")).to_be_focused()

    def test_the_next_request_removes_errors(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=0")
        expect(page.locator("#maxItems")).to_have_attribute("aria-invalid", "true")
        emulator.misbehave(hang(1))
        page.get_by_label("Models per page").fill("5")
        page.get_by_label("Models per page").press("Enter")
        wait_for_status(page, "Waiting for Bedrock …")
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator("[aria-invalid]")).to_have_count(0)

    def test_no_response(self, context: BrowserContext, open_page: Open) -> None:
        page = open_page("/?maxItems=5")
        context.set_offline(True)
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("alert")).to_contain_text("No response from the API")
        expect(page.get_by_role("alert")).to_contain_text("make run")
        context.set_offline(False)
        page.get_by_role("button", name="Try again").click()
        wait_for_status(page, "Models 6 to 10; more pages follow.")


class TestEmpty:
    def test_no_model_matches(self, open_page: Open) -> None:
        page = open_page("/?nameContains=nothing-of-the-kind")
        expect(page.get_by_role("heading", name="No models match")).to_be_visible()
        expect(page.get_by_role("table")).to_be_hidden()
        wait_for_status(page, "No models; last page.")

    def test_the_account_has_no_models(self, open_page: Open, emulator: Emulator) -> None:
        emulator.load([])
        page = open_page("/?sortBy=CreationTime")
        expect(page.get_by_role("heading", name="No custom models")).to_be_visible()

    def test_the_page_after_the_last_full_page_is_empty(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?nameContains=v1&maxItems=20")
        emulator.load([])
        emulator.misbehave(body({"modelSummaries": []}))
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("heading", name="No more models")).to_be_visible()

    def test_an_empty_page_before_the_last_page(self, open_page: Open, emulator: Emulator) -> None:
        # More empty pages than the API requests from Bedrock for one response.
        emulator.page_sizes = lambda _: 0
        page = open_page("/?maxItems=5")
        expect(page.get_by_role("heading", name="No models on this page")).to_be_visible()
        wait_for_status(page, "No models; more pages follow.")
        emulator.page_sizes = lambda asked: asked
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 1 to 5; more pages follow.")


class TestSlow:
    @pytest.fixture
    def context(self, own_context: BrowserContext) -> BrowserContext:
        return own_context

    def test_waiting_is_shown_and_can_be_stopped(self, page: Page, url: str, emulator: Emulator) -> None:
        page.clock.install()
        page.goto(f"{url}/?maxItems=5")
        wait_for_status(page, "Models 1 to 5; more pages follow.")
        emulator.misbehave(hang(5))
        page.get_by_role("button", name="Next").click()
        page.clock.run_for(500)
        wait_for_status(page, "Waiting for Bedrock …")
        expect(page.get_by_role("table")).to_have_attribute("aria-busy", "true")
        expect(page.locator("#progress")).to_be_visible()
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()
        page.clock.run_for(3_000)
        expect(page.get_by_role("status").first).to_contain_text("Bedrock is slow")
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("alert")).to_contain_text("You stopped waiting")
        page.get_by_role("button", name="Try again").click()
        wait_for_status(page, "Models 6 to 10; more pages follow.")
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()

    def test_the_response_to_an_older_request_is_dropped(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=5")
        emulator.misbehave(hang(3), hang(3))
        page.get_by_label("Name contains").fill("churn")
        page.get_by_label("Name contains").press("Enter")
        page.get_by_label("Name contains").fill("fraud")
        page.get_by_label("Name contains").press("Enter")
        wait_for_status(page, "Waiting for Bedrock …")
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator("#rows .name").first).to_contain_text("fraud")
        page.wait_for_timeout(1_000)
        assert all("fraud" in name for name in page.locator("#rows .name").all_inner_texts())
