"""The models and the filters of the explorer, at ``/`` of ``make run``."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from emulators.bedrock import Emulator
from emulators.faults import body, hang
from emulators.models import plausible_models
from tests.api import Api
from tests.browser.chromium import ORIGIN
from tests.browser.explorer import arns, submit, wait_for_status

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
