"""The pages of ``make run`` in a real headless Chromium: served in front of the real function and the emulator."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

from local.api_gateway import serve
from local.pages import pages
from tests.api import Api
from tests.browser.chromium import FLAGS, ORIGIN, find_chromium
from tests.browser.explorer import Tab

VIEWPORT: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if (chromium := find_chromium()) is None:
        pytest.skip("Chromium is not installed (on Debian: apt install chromium-headless-shell)")
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def sources() -> Sequence[str]:
    """The sources of the inventory; there is no inventory unless a test overrides this."""
    return ()


@pytest.fixture
def url(api: Api, sources: Sequence[str]) -> Iterator[str]:
    """The URL of a server like that of ``make run``."""
    with serve(api.handler, pages=pages(ORIGIN, sources)) as url:
        yield url


@pytest.fixture
def own_context(browser: Browser) -> Iterator[BrowserContext]:
    """A context for one test: for what stays in a context, such as a clock."""
    with browser.new_context(viewport=VIEWPORT) as context:
        yield context


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> BrowserContext:
    """One context for all tests, in which each opens its own page. An empty page keeps the renderer process running."""
    context = browser.new_context(viewport=VIEWPORT, permissions=["clipboard-read", "clipboard-write"])
    context.new_page()
    return context


@pytest.fixture
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    yield shared_context
    shared_context.set_offline(False)


@pytest.fixture
def tab(context: BrowserContext, url: str) -> Iterator[Tab]:
    """Open a page; at the end, check that it logged no errors and sent requests to this server only."""
    tab = Tab(context.new_page())

    def keep_complaint(message: ConsoleMessage) -> None:
        # Chromium logs this for every error status, and the tests cause such statuses on purpose.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            tab.complaints.append(message.text)

    def keep_request(request: Request) -> None:
        tab.requests.append(request.url)

    tab.page.on("console", keep_complaint)
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on("request", keep_request)
    yield tab
    tab.page.close()
    assert tab.complaints == []
    assert [address for address in tab.requests if not address.startswith((f"{url}/", "data:", "blob:"))] == []


@pytest.fixture
def page(tab: Tab) -> Page:
    return tab.page


@pytest.fixture
def open_page(page: Page, url: str) -> Callable[[str], Page]:
    """Open a path and wait until its first response, a list or a problem, is shown."""

    def open_page(path: str) -> Page:
        page.goto(f"{url}{path}")
        expect(page.locator("#answered")).not_to_be_empty()
        return page

    return open_page
