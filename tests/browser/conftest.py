"""The pages of ``make run`` in a real headless Chromium: before the real function and the emulator."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from local.api_gateway import serve
from local.pages import pages
from tests.conftest import Api

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"]
"""A browser of its own accord asks for nothing."""

SOURCE = "a Bedrock <of> the tests"


def find_chromium() -> str | None:
    """Return the path of a Chromium, or of Google's."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if (chromium := find_chromium()) is None:
        pytest.skip("no Chromium is installed (on Debian: apt install chromium)")
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def url(api: Api) -> Iterator[str]:
    """Where ``make run`` would be."""
    with serve(api.handler, pages=pages(SOURCE)) as url:
        yield url


@dataclass
class Tab:
    """A page of the browser, and what it did."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def context(browser: Browser, url: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def tab(context: BrowserContext, url: str) -> Iterator[Tab]:
    """A page, which must not have complained of anything in the end, and asked no one but this server."""
    tab = Tab(context.new_page())

    def complain(message: ConsoleMessage) -> None:
        # Chromium says so of every status that is an error; the tests ask for these.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            tab.complaints.append(message.text)

    def keep(request: Request) -> None:
        tab.requests.append(request.url)

    tab.page.on("console", complain)
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on("request", keep)
    yield tab
    assert tab.complaints == []
    assert [address for address in tab.requests if not address.startswith((f"{url}/", "data:"))] == []


@pytest.fixture
def page(tab: Tab) -> Page:
    return tab.page


@pytest.fixture
def open_page(page: Page) -> Callable[[str], Page]:
    """Open a path and wait for its first answer, a listing or a problem."""

    def open_page(path: str) -> Page:
        page.goto(path)
        expect(page.locator("#answered")).not_to_be_empty()
        return page

    return open_page
