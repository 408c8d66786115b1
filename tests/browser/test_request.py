"""The request that the explorer shows as code to copy."""

import ast
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.api import Api
from tests.browser.explorer import Tab, code_of, run_python, submit, wait_for_status

pytestmark = pytest.mark.slow

Open = Callable[[str], Page]
QUERY = "isOwned=true&nameContains=v2&maxItems=7&creationTimeBefore=2026-10-01T00:00:00%2B02:00"


@pytest.fixture
def code(open_page: Open) -> Callable[[str], str]:
    """Return the request for the second page in one of the three formats."""
    page = open_page(f"/?{QUERY}")
    page.get_by_role("button", name="Next").click()
    wait_for_status(page, "Models 8 to 14; more pages follow.")

    def code(name: str) -> str:
        page.get_by_label(name, exact=True).check()
        return code_of(page)

    return code


@pytest.fixture
def expected(api: Api) -> list[str]:
    """The ARNs of the second page."""
    cursor = api.get(QUERY).body["nextCursor"]
    return api.get(f"{QUERY}&cursor={cursor}").arns


def test_curl(code: Callable[[str], str], expected: list[str]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = shlex.split(code("curl"))
    assert command[0] == "curl"
    done = subprocess.run([*command, "--silent", "--fail"], capture_output=True, text=True, check=True, timeout=30)
    assert [model["modelArn"] for model in json.loads(done.stdout)["modelSummaries"]] == expected


def test_python(code: Callable[[str], str], expected: list[str]) -> None:
    listing = run_python(code("Python"))
    assert [model["modelArn"] for model in listing["modelSummaries"]] == expected


def test_step_functions(code: Callable[[str], str], api: Api) -> None:
    machine = json.loads(code("Step Functions"))
    state = machine["States"][machine["StartAt"]]
    assert state["Resource"] == "arn:aws:states:::lambda:invoke"
    payload = state["Parameters"]["Payload"]
    assert (payload["isOwned"], payload["maxItems"]) == (True, 7)
    # Without the cursor: the deployed function has another key.
    assert api.invoke(payload)["modelSummaries"] == api.get(QUERY).body["modelSummaries"]


def test_unknown_parameters_are_left_out_of_the_state_machine(open_page: Open) -> None:
    page = open_page("/?x.$=$$.Execution&constructor=1&toString=2&isOwned=maybe")
    page.get_by_label("Step Functions").check()
    machine = json.loads(code_of(page))
    assert machine["States"]["ListModels"]["Parameters"]["Payload"] == {"isOwned": "maybe"}


@pytest.mark.parametrize("name", ["a'b", 'a"b\\', "$(id)`id`", "a\n; id", "a');import os#"])
def test_parameters_are_quoted_for_the_shell_and_for_python(open_page: Open, name: str) -> None:
    page = open_page(f"/?{urlencode({name: name, 'maxItems': 5})}")
    command = shlex.split(code_of(page))
    assert command[0] == "curl"
    assert parse_qs(urlsplit(command[1]).query) == {name: [name], "maxItems": ["5"]}
    page.get_by_label("Python", exact=True).check()
    (assigned,) = [it for it in ast.parse(code_of(page)).body if isinstance(it, ast.Assign)]
    assert ast.literal_eval(assigned.value) == [(name, name), ("maxItems", "5")]


def test_no_url_ends_with_a_question_mark(open_page: Open, tab: Tab, api: Api) -> None:
    page = open_page("/")
    assert code_of(page) == f"curl '{page.url}v1/custom-models'"
    page.get_by_label("Python", exact=True).check()
    assert "custom-models?" not in code_of(page)
    # Not the cursor, which has the time in it.
    assert run_python(code_of(page))["modelSummaries"] == api.get().body["modelSummaries"]

    page = open_page("/?cursor=nonsense")
    page.get_by_role("button", name="Start from the first page").click()
    wait_for_status(page, "Models 1 to 100; more pages follow.")
    page.get_by_label("Name contains").fill("churn")
    submit(page)
    page.get_by_role("button", name="Clear").click()
    wait_for_status(page, "Models 1 to 100; more pages follow.")
    assert not page.url.endswith("?")
    assert [address for address in tab.requests if address.endswith("?")] == []


def test_it_takes_one_line_above_the_models_and_can_be_expanded(open_page: Open) -> None:
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


def test_the_code_can_be_copied(open_page: Open) -> None:
    page = open_page("/?maxItems=3")
    page.get_by_role("button", name="Copy request").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == code_of(page)


def test_the_request_id_is_the_same_as_in_the_log(open_page: Open, lines: Callable[[], list[dict[str, Any]]]) -> None:
    page = open_page("/?maxItems=0")
    (request,) = [line for line in lines() if line.get("route") == "/v1/custom-models"]
    expect(page.locator("#answered")).to_contain_text(request["request_id"])
