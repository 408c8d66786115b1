"""The API reference at ``/docs`` of ``make run``."""

import pytest
from playwright.sync_api import Page, expect

from tests.api import Api

pytestmark = pytest.mark.slow


def test_every_parameter_is_described_and_the_explorer_is_linked(page: Page, url: str, api: Api) -> None:
    page.goto(f"{url}/docs")
    page.get_by_text("List custom models").click()
    document = api.get(path="/v1/openapi.json").body
    operation = document["paths"]["/custom-models"]["get"]
    shown = page.locator(".parameters .parameter__name")
    expect(shown).to_have_text([parameter["name"] for parameter in operation["parameters"]])
    for parameter in operation["parameters"]:
        expect(page.locator(f"[data-param-name='{parameter['name']}']")).to_contain_text(parameter["description"])
    expect(page.locator(".responses-table .response-col_status").first).to_be_visible()
    page.get_by_role("link", name="Explorer").click()
    expect(page.get_by_role("heading", name="Custom models")).to_be_visible()


def test_requests_can_be_sent(page: Page, url: str, api: Api) -> None:
    page.goto(f"{url}/docs")
    page.get_by_text("List custom models").click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("[data-param-name='maxItems'] input").fill("3")
    with page.expect_response("**/v1/custom-models?maxItems=3") as response:
        page.get_by_role("button", name="Execute").click()
    assert response.value.status == 200
    expect(page.locator(".live-responses-table")).to_contain_text(api.get("maxItems=3").arns[2])
