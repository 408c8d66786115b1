"""The explorer at ``/`` of ``make run``, used with a browser."""

import ast
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from emulators.bedrock import Emulator, throttle
from emulators.faults import body, hang
from emulators.models import plausible_models
from tests.api import Api
from tests.browser.chromium import ORIGIN
from tests.browser.explorer import Tab, arns, code_of, run_python, submit, violations_by_colors, wait_for_status

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]
TWICE = "button => { button.click(); button.click(); }"
"""Clicks twice, before any response can arrive."""

ABSENT = "\N{EN DASH}"
MODELS = {model.arn: model for model in plausible_models(300)}


def last_query(emulator: Emulator) -> Mapping[str, str]:
    return emulator.calls[-1]


def suggestions(page: Page, label: str) -> set[str]:
    """Return the values that a field suggests."""
    return set(page.get_by_label(label).evaluate("field => [...field.list.options].map(it => it.value)"))


class TestListing:
    def test_the_page_says_where_the_models_come_from(self, open_page: Open) -> None:
        page = open_page("/?maxItems=1")
        expect(page.get_by_text(f"from {ORIGIN}")).to_be_visible()

    def test_each_model_is_shown_with_all_its_fields(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=1000")
        shown = page.locator("#rows tr")
        models = api.get("maxItems=1000").body["modelSummaries"]
        expect(shown).to_have_count(300)
        rows = shown.evaluate_all("rows => rows.map(it => [it.innerText, it.querySelector('time').dateTime])")
        for (text, time), model in zip(rows, models, strict=True):
            names = ("modelName", "modelArn", "modelStatus", "customizationType")
            for name in (*names, "baseModelName", "baseModelArn", "ownerAccountId"):
                assert model[name] in text
            assert model["creationTime"][:19].replace("T", " ") in text
            assert time == model["creationTime"]
        assert arns(page) == [model["modelArn"] for model in models]

    def test_next_and_back_go_through_all_pages(self, open_page: Open, emulator: Emulator) -> None:
        emulator.load(models := plausible_models(43))
        page = open_page("/?maxItems=10")
        back, next_ = page.get_by_role("button", name="Back"), page.get_by_role("button", name="Next")
        expect(back).to_be_disabled()
        seen = []
        for first, last in ((1, 10), (11, 20), (21, 30), (31, 40)):
            wait_for_status(page, f"Models {first} to {last}; more pages follow.")
            seen.append(arns(page))
            next_.click()
        wait_for_status(page, "Models 41 to 43; last page.")
        seen.append(arns(page))
        expect(next_).to_be_disabled()
        all_arns = [arn for arns in seen for arn in arns]
        assert len(all_arns) == 43
        assert set(all_arns) == {model.arn for model in models}

        for number in (3, 2, 1, 0):
            back.click()
            wait_for_status(page, f"Models {number * 10 + 1} to {number * 10 + 10}; more pages follow.")
            assert arns(page) == seen[number]
        expect(back).to_be_disabled()

        page.go_back()
        wait_for_status(page, "Models 11 to 20; more pages follow.")
        assert arns(page) == seen[1]
        page.reload()
        wait_for_status(page, "Models 11 to 20; more pages follow.")
        assert arns(page) == seen[1]

    def test_clicking_twice_turns_one_page(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=5")
        page.get_by_role("button", name="Next").evaluate(TWICE)
        wait_for_status(page, "Models 6 to 10; more pages follow.")
        page.get_by_role("button", name="Back").evaluate(TWICE)
        wait_for_status(page, "Models 1 to 5; more pages follow.")
        emulator.misbehave(hang(1))
        page.get_by_role("button", name="Next").click()
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 6 to 10; more pages follow.")
        page.reload()
        wait_for_status(page, "Models 6 to 10; more pages follow.")

    def test_a_new_page_is_scrolled_to_its_top(self, open_page: Open) -> None:
        page = open_page("/")
        page.mouse.move(700, 500)
        page.mouse.wheel(0, 2_000)
        page.wait_for_function("scrollY > 1000")
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 101 to 200; more pages follow.")
        expect(page.locator("#rows .name").first).to_be_in_viewport()

    def test_a_url_with_a_cursor(self, open_page: Open, api: Api) -> None:
        first = api.get("maxItems=5").body
        page = open_page(f"/?maxItems=5&cursor={first['nextCursor']}")
        wait_for_status(page, "Models: 5; more pages follow.")
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_role("button", name="Back")).to_be_enabled()
        assert arns(page) == api.get("maxItems=15").arns[10:]

    def test_text_of_a_model_is_never_html(self, open_page: Open, emulator: Emulator) -> None:
        model = {**next(iter(MODELS.values())).summary(), "modelName": "<img src=x onerror='document.title=1'>"}
        model["modelStatus"] = '"><b id=planted>'
        emulator.misbehave(body({"modelSummaries": [model]}))
        page = open_page("/")
        expect(page.locator("#rows .name")).to_have_text(str(model["modelName"]))
        expect(page.locator("#rows .status")).to_have_text('"><b id=planted>')
        assert page.title() == "Custom models"
        assert page.locator("#rows img, #planted").count() == 0

    def test_fields_that_bedrock_omits(self, open_page: Open, emulator: Emulator) -> None:
        model = next(iter(MODELS.values())).summary()
        for name in ("customizationType", "ownerAccountId", "modelStatus"):
            del model[name]
        emulator.misbehave(body({"modelSummaries": [model]}))
        page = open_page("/")
        expect(page.locator("#rows .customization")).to_have_text(ABSENT)
        expect(page.locator("#rows .owner")).to_have_text(ABSENT)


class TestFilters:
    def test_the_form_has_a_field_for_each_parameter(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=1")
        document = api.get(path="/v1/openapi.json").body
        parameters = [it for it in document["paths"]["/custom-models"]["get"]["parameters"] if it["in"] == "query"]
        names = [parameter["name"] for parameter in parameters]
        fields = page.locator("#fields [name]")
        assert [field.get_attribute("name") for field in fields.all()] == [name for name in names if name != "cursor"]
        for parameter in parameters:
            if choices := parameter["schema"].get("enum"):
                shown = page.locator(f"#{parameter['name']} option").all_inner_texts()
                assert shown[0] in ("any", "default")
                assert shown[1:] == choices
            if parameter["name"] != "cursor":
                expect(page.locator(f"#{parameter['name']}-hint")).to_have_text(parameter["description"])

    @pytest.mark.parametrize(
        ("label", "value"),
        [
            ("Creation time before", "2026-09-15T00:00:00+02:00"),
            ("Creation time after", "2026-09-15T00:00:00.5Z"),
            ("Name contains", "churn"),
            ("Base model ARN equals", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0:300k"),
            ("Foundation model ARN equals", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0:300k"),
            ("Models per page", "7"),
        ],
    )
    def test_text_fields_filter(self, open_page: Open, api: Api, label: str, value: str) -> None:
        page = open_page("/?maxItems=20")
        page.get_by_label(label).fill(value)
        name = page.get_by_label(label).get_attribute("name") or ""
        submit(page)
        expected = api.get({"maxItems": "20", name: value}).arns
        assert 0 < len(expected) <= 20
        assert arns(page) == expected
        assert parse_qs(urlsplit(page.url).query)[name] == [value]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("isOwned", "false"), ("modelStatus", "Failed"), ("sortOrder", "Ascending"), ("sortBy", "CreationTime")],
    )
    def test_lists_filter(self, open_page: Open, api: Api, emulator: Emulator, name: str, value: str) -> None:
        page = open_page("/?maxItems=5")
        page.locator(f"#{name}").select_option(value)
        submit(page)
        assert last_query(emulator)[name] == value
        assert arns(page) == api.get({"maxItems": "5", name: value}).arns

    def test_the_page_size_is_sent_to_bedrock(self, open_page: Open, emulator: Emulator) -> None:
        page = open_page("/?maxItems=20")
        page.get_by_label("Models per Bedrock call").fill("5")
        submit(page)
        assert [call["maxResults"] for call in emulator.calls[-4:]] == ["5"] * 4

    def test_the_url_holds_the_filters(self, open_page: Open) -> None:
        page = open_page("/?nameContains=churn&isOwned=true&maxItems=5")
        expect(page.get_by_label("Name contains")).to_have_value("churn")
        expect(page.get_by_label("Is owned")).to_have_value("true")
        assert len(arns(page)) == 5
        assert all("churn" in MODELS[arn].name and MODELS[arn].owner == "123456789012" for arn in arns(page))

        page.get_by_label("Name contains").fill("fraud")
        submit(page)
        expect(page.locator("#rows .name").first).to_contain_text("fraud")
        page.go_back()
        expect(page.locator("#rows .name").first).to_contain_text("churn")
        expect(page.get_by_label("Name contains")).to_have_value("churn")

    def test_a_changed_filter_starts_with_the_first_page(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=10")
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 11 to 20; more pages follow.")
        page.get_by_label("Model status").select_option("Active")
        submit(page)
        wait_for_status(page, "Models 1 to 10; more pages follow.")
        assert arns(page) == api.get("maxItems=10&modelStatus=Active").arns

    def test_clear_removes_all_filters(self, open_page: Open, api: Api) -> None:
        page = open_page("/?nameContains=churn&maxItems=5")
        page.get_by_role("button", name="Clear").click()
        wait_for_status(page, "Models 1 to 100; more pages follow.")
        assert arns(page) == api.get().arns
        expect(page.get_by_label("Name contains")).to_have_value("")
        expect(page.get_by_label("Models per page")).to_have_value("")
        page.reload()
        wait_for_status(page, "Models 1 to 100; more pages follow.")

    def test_the_form_shows_the_query_of_the_page(self, open_page: Open) -> None:
        page = open_page("/?maxItems=10&sortOrder=Descending")
        page.get_by_label("Name contains").fill("fraud")
        page.locator("#sortOrder").select_option("Ascending")
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 11 to 20; more pages follow.")
        expect(page.get_by_label("Name contains")).to_have_value("")
        expect(page.locator("#sortOrder")).to_have_value("Descending")
        expect(page.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "descending")

    def test_an_unknown_choice_in_the_url_stays_in_the_request(self, open_page: Open) -> None:
        page = open_page("/?modelStatus=active&maxItems=5")
        expect(page.locator("#modelStatus")).to_have_value("active")
        submit(page)
        expect(page.locator("#modelStatus-error")).to_contain_text("modelStatus must be")
        expect(page.get_by_role("table")).to_be_hidden()

    def test_sort_by_time(self, open_page: Open, api: Api) -> None:
        page = open_page("/?maxItems=10")
        header, button = page.get_by_role("columnheader", name="Created"), page.get_by_role("button", name="Created")
        for order in ("Descending", "Ascending", "Descending"):
            button.click()
            expect(header).to_have_attribute("aria-sort", order.lower())
            assert arns(page) == api.get(f"maxItems=10&sortBy=CreationTime&sortOrder={order}").arns

    def test_base_models_on_the_page_are_suggested(self, open_page: Open) -> None:
        page = open_page("/?maxItems=50")
        bases = {MODELS[arn].base_arn for arn in arns(page)}
        assert suggestions(page, "Base model ARN equals") == bases
        # The API refuses the ARN of a custom model in this one.
        foundations = suggestions(page, "Foundation model ARN equals")
        assert foundations == {arn for arn in bases if ":foundation-model/" in arn}
        assert 0 < len(foundations) < len(bases)


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


QUERY = "isOwned=true&nameContains=v2&maxItems=7&creationTimeBefore=2026-10-01T00:00:00%2B02:00"


class TestRequest:
    @pytest.fixture
    def code(self, open_page: Open) -> Callable[[str], str]:
        """Return the request for the second page in one of the three formats."""
        page = open_page(f"/?{QUERY}")
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 8 to 14; more pages follow.")

        def code(name: str) -> str:
            page.get_by_label(name, exact=True).check()
            return code_of(page)

        return code

    @pytest.fixture
    def expected(self, api: Api) -> list[str]:
        """The ARNs of the second page."""
        cursor = api.get(QUERY).body["nextCursor"]
        return api.get(f"{QUERY}&cursor={cursor}").arns

    def test_curl(self, code: Callable[[str], str], expected: list[str]) -> None:
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        command = shlex.split(code("curl"))
        assert command[0] == "curl"
        done = subprocess.run([*command, "--silent", "--fail"], capture_output=True, text=True, check=True, timeout=30)
        assert [model["modelArn"] for model in json.loads(done.stdout)["modelSummaries"]] == expected

    def test_python(self, code: Callable[[str], str], expected: list[str]) -> None:
        listing = run_python(code("Python"))
        assert [model["modelArn"] for model in listing["modelSummaries"]] == expected

    def test_step_functions(self, code: Callable[[str], str], api: Api) -> None:
        machine = json.loads(code("Step Functions"))
        state = machine["States"][machine["StartAt"]]
        assert state["Resource"] == "arn:aws:states:::lambda:invoke"
        payload = state["Parameters"]["Payload"]
        assert (payload["isOwned"], payload["maxItems"]) == (True, 7)
        # Without the cursor: the deployed function has another key.
        assert api.invoke(payload)["modelSummaries"] == api.get(QUERY).body["modelSummaries"]

    def test_unknown_parameters_are_left_out_of_the_state_machine(self, open_page: Open) -> None:
        page = open_page("/?x.$=$$.Execution&constructor=1&toString=2&isOwned=maybe")
        page.get_by_label("Step Functions").check()
        machine = json.loads(code_of(page))
        assert machine["States"]["ListModels"]["Parameters"]["Payload"] == {"isOwned": "maybe"}

    @pytest.mark.parametrize("name", ["a'b", 'a"b\\', "$(id)`id`", "a\n; id", "a');import os#"])
    def test_parameters_are_quoted_for_the_shell_and_for_python(self, open_page: Open, name: str) -> None:
        page = open_page(f"/?{urlencode({name: name, 'maxItems': 5})}")
        command = shlex.split(code_of(page))
        assert command[0] == "curl"
        assert parse_qs(urlsplit(command[1]).query) == {name: [name], "maxItems": ["5"]}
        page.get_by_label("Python", exact=True).check()
        (assigned,) = [it for it in ast.parse(code_of(page)).body if isinstance(it, ast.Assign)]
        assert ast.literal_eval(assigned.value) == [(name, name), ("maxItems", "5")]

    def test_no_url_ends_with_a_question_mark(self, open_page: Open, tab: Tab, api: Api) -> None:
        page = open_page("/")
        assert code_of(page) == f"curl '{page.url}v1/custom-models'"
        page.get_by_label("Python", exact=True).check()
        assert "custom-models?" not in code_of(page)
        assert run_python(code_of(page)) == api.get().body

        page = open_page("/?cursor=nonsense")
        page.get_by_role("button", name="Start from the first page").click()
        wait_for_status(page, "Models 1 to 100; more pages follow.")
        page.get_by_label("Name contains").fill("churn")
        submit(page)
        page.get_by_role("button", name="Clear").click()
        wait_for_status(page, "Models 1 to 100; more pages follow.")
        assert not page.url.endswith("?")
        assert [address for address in tab.requests if address.endswith("?")] == []

    def test_it_takes_one_line_above_the_models_and_can_be_expanded(self, open_page: Open) -> None:
        page = open_page(f"/?nameContains=churn&baseModelArnEquals={'a' * 300}&maxItems=1000")
        snippet, expand = page.locator("#snippet"), page.get_by_role("button", name="Expand")
        line = snippet.bounding_box()
        status = page.get_by_role("status").first.bounding_box()
        assert line
        assert status
        assert line["height"] < 40
        assert line["y"] < status["y"]
        expect(page.locator("#answered")).to_be_hidden()

        expect(expand).to_have_attribute("aria-expanded", "false")
        expand.click()
        expect(expand).to_have_attribute("aria-expanded", "true")
        whole = snippet.bounding_box()
        assert whole
        assert whole["height"] > line["height"]
        assert snippet.evaluate("it => it.scrollWidth <= it.clientWidth")
        expect(page.locator("#answered")).to_be_visible()
        expand.click()
        expect(page.locator("#answered")).to_be_hidden()

    def test_the_code_can_be_copied(self, open_page: Open) -> None:
        page = open_page("/?maxItems=3")
        page.get_by_role("button", name="Copy request").click()
        expect(page.get_by_text("Copied.")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == code_of(page)

    def test_the_request_id_is_the_same_as_in_the_log(
        self, open_page: Open, lines: Callable[[], list[dict[str, Any]]]
    ) -> None:
        page = open_page("/?maxItems=0")
        (request,) = [line for line in lines() if line.get("route") == "/v1/custom-models"]
        expect(page.locator("#answered")).to_contain_text(request["request_id"])


class TestAccessibility:
    @pytest.mark.parametrize("width", [1280, 390])
    @pytest.mark.parametrize(
        # Few models, because axe takes seconds for a hundred.
        "path",
        ["/?maxItems=5", "/?nameContains=nothing-of-the-kind", "/?maxItems=0&foo=1&nameContains=a+b"],
    )
    def test_axe_finds_no_violations(self, open_page: Open, page: Page, path: str, width: int) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        open_page(path)
        assert violations_by_colors(page) == {}

    def test_colors_follow_the_system(self, open_page: Open, page: Page) -> None:
        def background() -> int:
            rgb = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return sum(map(int, re.findall(r"\d+", rgb)[:3]))

        page.emulate_media(color_scheme="light")
        open_page("/?maxItems=5")
        assert background() > 600
        page.emulate_media(color_scheme="dark")
        assert background() < 150

    def test_everything_works_with_the_keyboard(self, open_page: Open) -> None:
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

    def test_focus_moves_to_the_models_when_its_button_disappears(self, open_page: Open, emulator: Emulator) -> None:
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

    def test_a_result_with_the_same_status_is_announced_again(self, open_page: Open) -> None:
        page = open_page("/?maxItems=5")
        page.evaluate("""() => {
            window.announced = [];
            const note = () => announced.push(document.getElementById("status").textContent);
            new MutationObserver(note).observe(document.getElementById("status"), {childList: true, subtree: true});
        }""")
        page.get_by_label("Name contains").fill("churn")
        submit(page)
        assert page.evaluate("announced").pop() == "Models 1 to 5; more pages follow."

    def test_the_skip_link_stays_on_the_page(self, open_page: Open) -> None:
        page = open_page("/?maxItems=5")
        page.get_by_role("button", name="Next").click()
        wait_for_status(page, "Models 6 to 10; more pages follow.")
        page.get_by_role("link", name="Skip to models").press("Enter")
        expect(page.locator("main")).to_be_focused()
        wait_for_status(page, "Models 6 to 10; more pages follow.")
        expect(page.get_by_role("button", name="Back")).to_be_enabled()

    def test_filters_are_collapsed_on_a_narrow_screen(self, page: Page, open_page: Open) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        open_page("/?maxItems=5")
        expect(page.get_by_label("Name contains")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_text("Filters, order and page size").click()
        expect(page.get_by_label("Name contains")).to_be_visible()
        page.get_by_text("Filters, order and page size").click()
        page.set_viewport_size({"width": 1280, "height": 800})
        expect(page.get_by_label("Name contains")).to_be_visible()

    def test_long_names_wrap(self, open_page: Open, emulator: Emulator) -> None:
        model = {**next(iter(MODELS.values())).summary(), "modelName": "n" * 63, "modelStatus": "S" * 40}
        emulator.misbehave(body({"modelSummaries": [model]}))
        page = open_page("/")
        expect(page.locator("#rows .owner")).to_be_in_viewport(ratio=1)
