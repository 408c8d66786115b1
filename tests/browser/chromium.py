"""The installed Chromium, how it is started, and where the pages of the tests say that the models come from."""

import shutil

# The headless shell has no user interface, and opens a page in a third of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    # No requests that a browser sends on its own.
    *("--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"),
    # The pages of a context share one process: to start one takes more CPU time than to show a page.
    "--renderer-process-limit=1",
]

ORIGIN = "a Bedrock <of> the tests"


def find_chromium() -> str | None:
    """Return the path of Chromium or Google Chrome; None if neither is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)
