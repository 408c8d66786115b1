"""Take the pictures of the explorer that the README shows: docs/explorer-light.png and docs/explorer-dark.png."""

import argparse
import shutil
import socket
import sys
from typing import Literal

from playwright.sync_api import expect, sync_playwright

from custom_models.bootstrap import build
from emulators.bedrock import Emulator
from emulators.models import plausible_models
from emulators.server import serve
from local.api_gateway import serve as serve_api
from local.pages import pages
from tools.processes import use_bedrock
from tools.report import DOCS

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"]
"""The browser makes no request on its own."""

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PORT = 8000
"""The port in the README, which the pictures show."""


def main() -> int:
    """Take the pictures; return the exit status."""
    argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__).parse_args()
    if (chromium := next(filter(None, map(shutil.which, CHROMIUM)), None)) is None:
        print("screenshots: Chromium is not installed (on Debian: apt install chromium)", file=sys.stderr)
        return 1
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            print(f"screenshots: port {PORT}, which the pictures show, is in use", file=sys.stderr)
            return 1
    with serve(Emulator(plausible_models(300)).respond) as bedrock:
        use_bedrock({"AWS_ENDPOINT_URL_BEDROCK": bedrock})
        origin = "the embedded Bedrock emulator (300 generated models)"
        with serve_api(build(), PORT, pages(origin)) as url, sync_playwright() as playwright:
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
