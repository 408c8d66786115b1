"""The explorer with an inventory of several sources."""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from custom_models.bootstrap import build
from emulators.bedrock import Organization, deny, throttle, unknown_operation
from emulators.models import ACCOUNT, Model, plausible_models
from emulators.server import serve
from emulators.sts import Sts
from tests.api import KEY, Api
from tests.browser.explorer import (
    Tab,
    arns,
    code_of,
    run_python,
    saved_files,
    submit,
    violations,
    violations_by_colors,
    wait_for_status,
)

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]

MEMBER, OTHER = "111122223333", "444455556666"
SOURCES = [f"{account}/{region}" for account in (ACCOUNT, MEMBER) for region in ("us-east-1", "eu-west-1")]
SELECTED = f"accounts={MEMBER}&regions=eu-west-1,us-east-1&allowPartial=true&maxItems=20"


@pytest.fixture
def sources() -> Sequence[str]:
    return SOURCES


def models_in(sources: Sequence[str], count: int) -> dict[str, Sequence[Model]]:
    """Return so many models for each source."""
    pairs = {source: source.split("/") for source in sources}
    return {
        source: plausible_models(count, account=account, region=region) for source, (account, region) in pairs.items()
    }


@pytest.fixture
def organization(sources: Sequence[str]) -> Organization:
    """Three models in each source."""
    return Organization(models_in(sources, 3))


@pytest.fixture
def api(organization: Organization, sources: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    pairs = [source.split("/") for source in sources]
    entries = [{"accounts": [account], "regions": [region]} for account, region in pairs]
    sts = Sts({f"arn:aws:iam::{account}:role/reader": None for account, _ in pairs})
    with serve(organization.respond) as bedrock_url, serve(sts.respond) as sts_url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", bedrock_url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
        monkeypatch.setenv("INVENTORY", json.dumps({"sources": entries, "memberRoleName": "reader"}))
        monkeypatch.setenv("CURSOR_KEY", KEY)
        # botocore waits up to two seconds before a retry; the tests do not have to.
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        yield Api(build())


def choices(page: Page, name: str) -> Locator:
    """Open the list of accounts or regions, and return it."""
    page.get_by_role("button", name=name).click()
    return page.get_by_role("group", name=name)


def choose(page: Page, name: str, *chosen: str) -> None:
    listed = choices(page, name)
    for choice in chosen:
        listed.get_by_label(choice).check()
    page.keyboard.press("Escape")
    expect(listed).to_be_hidden()


class TestListing:
    def test_each_model_is_shown_with_its_source(self, open_page: Open) -> None:
        page = open_page("/")
        expect(page.get_by_role("columnheader", name="Source")).to_be_visible()
        shown = page.locator("#rows .source").all_inner_texts()
        assert shown == [source for source in SOURCES for _ in range(3)]
        wait_for_status(page, "Models 1 to 12; last page.")

    def test_accounts_and_regions_are_selected_in_the_form(self, open_page: Open, api: Api) -> None:
        page = open_page("/")
        choose(page, "Accounts", MEMBER)
        choose(page, "Regions", "us-east-1", "eu-west-1")
        page.get_by_label("Allow partial").select_option("true")
        page.get_by_label("Models per page").fill("20")
        submit(page)
        wait_for_status(page, "Models 1 to 6; last page.")
        assert arns(page) == api.get(SELECTED).arns
        selected = parse_qs(SELECTED) | {"regions": ["us-east-1,eu-west-1"]}
        assert parse_qs(urlsplit(page.url).query) == selected

    def test_the_url_holds_the_selection(self, open_page: Open, api: Api) -> None:
        page = open_page(f"/?{SELECTED}")
        expect(page.get_by_role("button", name="Accounts")).to_have_accessible_name(f"Accounts {MEMBER}")
        expect(page.get_by_role("button", name="Regions")).to_have_accessible_name("Regions 2 of 2")
        for choice in ("us-east-1", "eu-west-1"):
            expect(choices(page, "Regions").get_by_label(choice)).to_be_checked()
            page.keyboard.press("Escape")
        expect(page.get_by_label("Allow partial")).to_have_value("true")
        assert len(arns(page)) == 6
        assert arns(page) == api.get(SELECTED).arns

    @pytest.mark.parametrize("regions", ["us-east-1,", "us-east-1, eu-west-1", "us-east-1,us-east-1", "us-west-2"])
    def test_an_invalid_selection_is_shown_at_its_field(self, open_page: Open, api: Api, regions: str) -> None:
        page = open_page(f"/?regions={regions}")
        button = page.get_by_role("button", name="Regions")
        (error,) = api.get({"regions": regions}).body["errors"]
        expect(button).to_have_accessible_description(re.compile(re.escape(f"regions {error['message']}")))
        # It stays until the user removes it.
        with page.expect_response("**/v1/custom-models*") as response:
            page.get_by_role("button", name="Show models").click()
        assert parse_qs(urlsplit(response.value.url).query) == {"regions": [regions]}
        choices(page, "Regions").get_by_label(regions, exact=True).uncheck()
        page.keyboard.press("Escape")
        submit(page)
        wait_for_status(page, "Models 1 to 12; last page.")

    def test_the_selection_is_in_the_copied_requests(self, open_page: Open, api: Api) -> None:
        page = open_page(f"/?{SELECTED}")
        command = shlex.split(code_of(page))
        assert parse_qs(urlsplit(command[1]).query) == parse_qs(SELECTED)

        page.get_by_label("Python", exact=True).check()
        assert run_python(code_of(page)) == api.get(SELECTED).body

        page.get_by_label("Step Functions").check()
        payload = json.loads(code_of(page))["States"]["ListModels"]["Parameters"]["Payload"]
        regions = ["eu-west-1", "us-east-1"]
        assert payload == {"accounts": [MEMBER], "regions": regions, "allowPartial": True, "maxItems": 20}
        assert api.invoke(payload) == api.get(SELECTED).body

    def test_an_incomplete_listing_names_the_unreachable_sources(
        self, open_page: Open, organization: Organization
    ) -> None:
        for source in SOURCES[1:3]:
            organization.sources[source].misbehave(always=deny)
        page = open_page("/?allowPartial=true&maxItems=3")
        # The failed sources come after the first page.
        wait_for_status(page, "Models 1 to 3; more pages follow.")
        page.get_by_role("button", name="Next").click()
        missing = f"Incomplete: 2 of 4 sources unreachable ({SOURCES[1]}, {SOURCES[2]})."
        wait_for_status(page, f"Models 4 to 6; last page. {missing}")

    def test_an_unreachable_source_is_named_from_the_page_on_that_it_is_known(
        self, open_page: Open, organization: Organization
    ) -> None:
        organization.sources[SOURCES[0]].misbehave(always=deny)
        page = open_page("/?allowPartial=true&maxItems=3")
        missing = f"Incomplete: 1 of 4 sources unreachable ({SOURCES[0]})."
        wait_for_status(page, f"Models 1 to 3; more pages follow. {missing}")

    def test_an_empty_listing_with_an_unreachable_source(self, open_page: Open, organization: Organization) -> None:
        organization.load({source: [] for source in SOURCES})
        page = open_page("/?allowPartial=true")
        expect(page.get_by_role("heading", name="No custom models")).to_be_visible()
        expect(page.get_by_text("No source has custom models.")).to_be_visible()

        organization.sources[SOURCES[3]].misbehave(always=deny)
        page = open_page("/?allowPartial=true")
        expect(page.get_by_role("heading", name="No models listed")).to_be_visible()
        expect(page.get_by_text("The unreachable sources may have models.")).to_be_visible()
        missing = f"Incomplete: 1 of 4 sources unreachable ({SOURCES[3]})."
        wait_for_status(page, f"No models; last page. {missing}")

    def test_many_unreachable_sources_are_counted(self, open_page: Open) -> None:
        page = open_page("/")
        names = [f"<b>{number}</b>/r" for number in range(7)]
        unreachable = [{"source": name, "problem": "upstream-denied"} for name in names]
        coverage = {"sources": 9, "listed": 2, "notOffered": [], "unreachable": unreachable, "complete": False}
        model = {**plausible_models(1)[0].summary(), "source": names[0]}
        listing = {"modelSummaries": [model], "coverage": coverage}
        page.route("**/v1/custom-models*", lambda route: route.fulfill(json=listing))
        submit(page)
        missing = f"Incomplete: 7 of 9 sources unreachable ({', '.join(names[:5])}, 2 more)."
        wait_for_status(page, f"Model 1; last page. {missing}")
        assert page.locator("#status b, #rows .source b, #missing b b, #missing summary b").count() == 0

    def test_a_problem_names_its_source(self, open_page: Open, organization: Organization) -> None:
        organization.sources[SOURCES[2]].misbehave(always=deny)
        page = open_page("/")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("upstream-denied")
        expect(alert).to_contain_text(f"Source: {SOURCES[2]}.")
        page.get_by_label("Allow partial").select_option("true")
        submit(page)
        expect(alert).to_be_hidden()
        expect(page.get_by_role("status").first).to_contain_text(f"unreachable ({SOURCES[2]})")

    @pytest.mark.parametrize("width", [1280, 390])
    @pytest.mark.parametrize("path", ["/", "/?allowPartial=true", "/?regions=nowhere,"])
    def test_axe_finds_no_violations(
        self, open_page: Open, page: Page, organization: Organization, path: str, width: int
    ) -> None:
        page.set_viewport_size({"width": width, "height": 900})
        organization.load(models_in(SOURCES, 1))
        organization.sources[SOURCES[2]].misbehave(always=deny)
        open_page(path)
        assert violations_by_colors(page) == {}

    def test_axe_finds_no_violations_in_an_open_list(self, open_page: Open) -> None:
        page = open_page("/")
        expect(choices(page, "Regions")).to_be_visible()
        assert violations(page) == []


class TestCertainErrors:
    """No control leads to a request that the API is certain to refuse."""

    @pytest.fixture
    def sources(self) -> Sequence[str]:
        return [*SOURCES, f"{OTHER}/ap-south-1"]

    def test_several_sources_cannot_be_sorted(self, open_page: Open, tab: Tab) -> None:
        page = open_page("/")
        sort = page.get_by_role("button", name="Created")
        reason = "Only one source can be sorted: select one account and one region."
        expect(sort).to_be_disabled()
        expect(sort).to_have_accessible_description(reason)
        # It can still have the focus, which shows the reason.
        expect(page.get_by_text(reason)).to_be_hidden()
        sort.focus()
        expect(page.get_by_text(reason)).to_be_visible()
        requests = len(tab.requests)
        page.keyboard.press("Enter")
        sort.click(force=True)
        assert len(tab.requests) == requests
        for name in ("#sortBy", "#sortOrder"):
            options = page.locator(f"{name} option:not([value=''])").all()
            assert options
            for option in options:
                expect(option).to_be_disabled()

    def test_one_selected_source_can_be_sorted(self, open_page: Open, api: Api) -> None:
        page = open_page("/")
        choose(page, "Accounts", OTHER)
        expect(page.locator("#sortOrder option:disabled")).to_have_count(0)
        submit(page)
        sort = page.get_by_role("button", name="Created")
        expect(sort).to_be_enabled()
        expect(sort).to_have_accessible_description("")
        sort.click()
        expect(page.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "descending")
        assert arns(page) == api.get(f"accounts={OTHER}&sortBy=CreationTime&sortOrder=Descending").arns

    def test_choices_that_would_add_no_source_are_disabled(self, open_page: Open) -> None:
        page = open_page("/")
        choose(page, "Accounts", OTHER)
        regions = choices(page, "Regions")
        expect(regions.get_by_label("ap-south-1")).to_be_enabled()
        expect(regions.get_by_label("us-east-1")).to_be_disabled()
        page.keyboard.press("Escape")
        choices(page, "Accounts").get_by_label(MEMBER).check()
        page.keyboard.press("Escape")
        expect(choices(page, "Regions").get_by_label("us-east-1")).to_be_enabled()


class TestCoverage:
    @pytest.fixture
    def sources(self) -> Sequence[str]:
        return [*SOURCES, f"{OTHER}/us-east-1", f"{OTHER}/eu-west-1", f"{OTHER}/af-south-1"]

    @pytest.fixture(autouse=True)
    def _faults(self, organization: Organization) -> None:
        organization.sources[SOURCES[1]].misbehave(always=throttle)
        organization.sources[f"{OTHER}/us-east-1"].misbehave(always=deny)
        organization.sources[f"{OTHER}/eu-west-1"].misbehave(always=deny)
        organization.sources[f"{OTHER}/af-south-1"].misbehave(always=unknown_operation)

    def test_it_names_what_is_missing_and_why(self, open_page: Open) -> None:
        page = open_page("/?allowPartial=true&maxItems=6")
        coverage = page.get_by_role("region", name="7 sources")
        expect(coverage.get_by_role("heading")).to_have_text("So far: 7 sources")
        legend = coverage.get_by_role("listitem")
        expect(legend).to_have_text(["2 listed", "1 unreachable", "4 still to come"])
        expect(coverage).to_contain_text(f"Unreachable (upstream-throttled): {SOURCES[1]}")

        page.get_by_role("button", name="Next").click()
        expect(coverage.get_by_role("heading")).to_have_text("Incomplete: 7 sources")
        expect(legend).to_have_text(["3 listed", "1 not offered", "3 unreachable"])
        expect(coverage).to_contain_text(f"Unreachable (upstream-denied): {OTHER}/us-east-1, {OTHER}/eu-west-1")
        expect(coverage).to_contain_text(f"Not offered (no custom models in this region): {OTHER}/af-south-1")

    def test_its_bar_has_the_shares(self, open_page: Open) -> None:
        page = open_page("/?allowPartial=true")
        boxes = [share.bounding_box() for share in page.locator("#shares span").all()]
        widths = [box["width"] for box in boxes if box]
        whole = page.locator("#shares").bounding_box()
        assert whole
        # 3 listed, 1 not offered and 3 unreachable, with a gap of 2 pixels between them
        assert widths == pytest.approx([whole["width"] * share / 7 for share in (3, 1, 3)], abs=5)

    def test_a_complete_listing(self, open_page: Open) -> None:
        page = open_page(f"/?accounts={MEMBER}")
        coverage = page.get_by_role("region", name="2 sources")
        expect(coverage.get_by_role("heading")).to_have_text("Complete: 2 sources")
        expect(coverage.get_by_role("listitem")).to_have_text(["2 listed"])

    def test_a_problem_hides_it(self, open_page: Open) -> None:
        page = open_page(f"/?accounts={OTHER}")
        expect(page.get_by_role("alert")).to_contain_text("upstream-denied")
        expect(page.locator("#coverage")).to_be_hidden()


class TestDownload:
    def test_an_incomplete_listing_says_so_in_its_name_and_on_the_page(
        self, open_page: Open, organization: Organization
    ) -> None:
        organization.sources[SOURCES[1]].misbehave(always=deny)
        page = open_page("/?allowPartial=true&maxItems=2")
        for kind in ("CSV", "JSON"):
            with page.expect_download() as download:
                page.get_by_role("button", name=f"as {kind}").click()
            name = download.value.suggested_filename
            assert re.fullmatch(rf"custom-models-incomplete-\d{{8}}T\d{{6}}Z\.{kind.lower()}", name)
            message = f"Saved {name}: 9 models. Incomplete: 1 of 4 sources unreachable ({SOURCES[1]})."
            expect(page.get_by_text(message)).to_be_visible()
        saved = json.loads(download.value.path().read_text("utf-8"))
        assert len(saved["modelSummaries"]) == 9
        assert saved["coverage"]["unreachable"] == [{"source": SOURCES[1], "problem": "upstream-denied"}]
        assert saved["coverage"]["complete"] is False

    def test_a_source_that_fails_ends_a_strict_download(self, open_page: Open, organization: Organization) -> None:
        page = open_page("/?maxItems=2&regions=us-east-1")
        organization.sources[SOURCES[2]].misbehave(always=deny)
        downloads = saved_files(page)
        page.get_by_role("button", name="as JSON").click()
        expect(page.get_by_text("No file was saved.")).to_contain_text(f"Source: {SOURCES[2]}.")
        assert downloads == []
