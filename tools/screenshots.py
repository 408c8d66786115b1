"""Take the pictures of the explorer that the README shows, docs/explorer-*.png."""

import argparse
import json
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from custom_models.bootstrap import build
from emulators.bedrock import Organization, deny, unknown_operation
from emulators.models import ACCOUNT, plausible_models
from emulators.server import serve
from emulators.sts import Sts
from local.api_gateway import serve as serve_api
from local.pages import pages
from tools.processes import use_bedrock
from tools.report import DOCS

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"]
"""The browser makes no request on its own."""

PORT = 8000
"""The port in the README, which the pictures show."""


class Picture(NamedTuple):
    """A picture of one page."""

    name: str
    query: str
    size: ViewportSize
    scheme: Literal["light", "dark"] = "light"


WIDE, NARROW = ViewportSize(width=1360, height=800), ViewportSize(width=390, height=800)
ONE_SOURCE = (
    Picture("light", "nameContains=churn&isOwned=true&maxItems=20", WIDE),
    Picture("dark", "nameContains=churn&isOwned=true&maxItems=20", WIDE, "dark"),
    Picture("narrow", "nameContains=churn&isOwned=true&maxItems=20", NARROW),
)
INVENTORY = (Picture("inventory", "nameContains=churn&allowPartial=true", WIDE),)

COUNTS = (74, 12, 0, 31, 58, 0, 3, 21, 0)
"""How many models the sources of the inventory have."""

DENIED = "444455556666"
NOT_OFFERED = "af-south-1"
ACCOUNTS, REGIONS = (ACCOUNT, "111122223333", DENIED), ("us-east-1", "eu-west-1", NOT_OFFERED)


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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        own = {f"{ACCOUNT}/us-east-1": 300}
        _take(browser, "the embedded Bedrock emulator (300 generated models)", own, ONE_SOURCE)
        sources = [f"{account}/{region}" for account in ACCOUNTS for region in REGIONS]
        counts = dict(zip(sources, COUNTS, strict=True))
        _take(browser, "examples/inventory.json (accounts: 3, regions: 3, sources: 9)", counts, INVENTORY)
        browser.close()
    return 0


def _take(browser: Browser, origin: str, counts: Mapping[str, int], pictures: Sequence[Picture]) -> None:
    """Take pictures of the explorer with this many models in each source."""
    pairs = {source: source.split("/") for source in counts}
    models = {
        it: plausible_models(counts[it], account=account, region=region) for it, (account, region) in pairs.items()
    }
    organization = Organization(models)
    for source, (account, region) in pairs.items():
        if account == DENIED:
            organization.sources[source].misbehave(always=deny)
        elif region == NOT_OFFERED:
            organization.sources[source].misbehave(always=unknown_operation)
    entries = [{"accounts": [account], "regions": [region]} for account, region in pairs.values()]
    sts = Sts({f"arn:aws:iam::{account}:role/reader": None for account, _ in pairs.values()})
    with serve(organization.respond) as bedrock, serve(sts.respond) as sts_url:
        inventory = json.dumps({"sources": entries, "memberRoleName": "reader"})
        use_bedrock({"AWS_ENDPOINT_URL_BEDROCK": bedrock, "AWS_ENDPOINT_URL_STS": sts_url, "INVENTORY": inventory})
        with serve_api(build(), PORT, pages(origin, list(counts))) as url:
            for picture in pictures:
                page = browser.new_page(viewport=picture.size, color_scheme=picture.scheme)
                page.goto(f"{url}/?{picture.query}")
                expect(page.locator("#answered")).not_to_be_empty()
                # 256 colors, without dithering: a file that is half as large and looks the same.
                taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
                taken.quantize(256, dither=Image.Dither.NONE).save(DOCS / f"explorer-{picture.name}.png", optimize=True)
                page.close()


if __name__ == "__main__":
    sys.exit(main())
