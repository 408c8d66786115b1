"""``make screenshots``: the pictures of the explorer that the README shows, docs/explorer-light.png and -dark.png."""

import socket
import sys
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect, sync_playwright

from custom_models.bootstrap import build
from emulators.bedrock import Emulator
from emulators.models import plausible_models
from emulators.server import serve as serve_bedrock
from local.api_gateway import serve
from local.pages import pages
from tests.api import KEY, isolate
from tests.browser.chromium import FLAGS, find_chromium

DOCS = Path(__file__).resolve().parents[1] / "docs"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PORT = 8000
"""As the README has it."""


def main() -> int:
    """Take the pictures, and return the exit status."""
    if (chromium := find_chromium()) is None:
        print("No Chromium is installed.", file=sys.stderr)
        return 1
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            print(f"Port {PORT}, which the pictures show, is in use.", file=sys.stderr)
            return 1
    with pytest.MonkeyPatch.context() as monkeypatch, serve_bedrock(Emulator(plausible_models(300)).respond) as bedrock:
        isolate(monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", bedrock)
        monkeypatch.setenv("CURSOR_KEY", KEY)
        source = "the embedded Bedrock emulator (300 made-up models)"
        with serve(build(), PORT, pages(source)) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            for scheme in SCHEMES:
                page = browser.new_page(viewport={"width": 1360, "height": 880}, color_scheme=scheme)
                page.goto(f"{url}/?nameContains=churn&isOwned=true&maxItems=5")
                expect(page.locator("#answered")).not_to_be_empty()
                page.screenshot(path=DOCS / f"explorer-{scheme}.png")
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
