"""An example client of the Custom Models API: lists all models, page by page, with signed requests. Copy and adapt it.

    python client.py https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true

Add allowPartial=true to list what can be listed when an account or a region of the inventory fails. The exit status is
0 if the listing is complete, 3 if it is not (the models are printed, and a line on stderr names the missing sources),
1 after an error (nothing is printed), and 2 if the arguments are wrong.

It needs boto3 (`pip install boto3`). Requests are signed with the credentials that boto3 finds, for the region in the
URL, or else for AWS_REGION or boto3's default region. Without credentials, only requests to this machine are sent,
unsigned: `make run` needs no signature.
"""

import argparse
import json
import logging
import math
import os
import re
import signal
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

ATTEMPTS = 5
RETRIED = {429, 503, 504}
MAX_WAIT = 60  # seconds between two attempts
PAGE_SIZE = 1000  # the largest page, so that a listing needs the fewest requests
TIMEOUT = 35  # seconds; the API responds within 29
WALKS = 3  # how often to list from the first page
STARTS_AGAIN = {"expired-cursor", "cursor-mismatch"}  # only a new listing can succeed
MAX_NAMED = 10  # missing sources in the line on stderr
INCOMPLETE = 3  # the exit status
LOCAL = {"127.0.0.1", "localhost"}

LOG = logging.getLogger(__name__)


class Listing(NamedTuple):
    """All models, and how much of the inventory they cover.

    ``coverage`` is the last page's: only if ``coverage["complete"]`` are these the models of all selected sources.
    It is None if the API is older than inventories; then it lists one account in one region.
    """

    models: list[dict[str, str]]
    coverage: dict[str, Any] | None


class ApiError(Exception):
    """A response that is not a listing: its HTTP ``status``, and the ``kind`` of a problem (``expired-cursor``)."""

    def __init__(self, status: int, content: bytes) -> None:
        """Parse the body of the response."""
        try:
            problem = dict(json.loads(content))
        except (TypeError, ValueError):  # not from the API, but from a proxy in front of it
            problem = {"detail": content[:200].decode(errors="replace")}
        self.status, self.kind = status, str(problem.get("type", "")).rpartition(":")[2]
        source = f"source {problem['source']}, " if "source" in problem else ""
        super().__init__(f"{status} {self.kind}: {problem.get('detail')} ({source}request {problem.get('requestId')})")


def custom_models(url: str, /, **filters: str | int | bool) -> Listing:
    """List each custom model once. The filters are the API's parameters; ``maxItems`` is the page size (default 1000).

    The models are returned together, because the listing starts again with the first page if the cursor expires or the
    inventory changes.

    Raises:
        ApiError: the API returned an error, or was busy five times in a row, or the third listing had to start again.
        ValueError: there are no credentials, or no region to sign for, and the API is not on this machine.
    """
    signer = _signer(url)
    query = {"maxItems": str(PAGE_SIZE)}
    query |= {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in filters.items()}
    for left in reversed(range(WALKS)):
        try:
            return _walk(f"{url.rstrip('/')}/v1/custom-models", query, signer)
        except ApiError as error:
            if error.kind not in STARTS_AGAIN or not left:
                raise
            LOG.warning("starting again: %s", error)
    raise AssertionError("the last walk returns or raises")


def _walk(url: str, query: dict[str, str], signer: SigV4Auth | None) -> Listing:
    models: list[dict[str, str]] = []
    while True:
        page = _get(url, query, signer)
        models += page["modelSummaries"]
        if not page.get("nextCursor"):  # only this means the end: a page may be short or empty
            return Listing(models, page.get("coverage"))
        query = {**query, "cursor": page["nextCursor"]}
        LOG.info("%d models so far", len(models))


def _signer(url: str) -> SigV4Auth | None:
    session, in_url = boto3.Session(), re.search(r"\.execute-api\.([a-z0-9-]+)\.", url)
    credentials = session.get_credentials()
    region = in_url[1] if in_url else os.environ.get("AWS_REGION") or session.region_name
    if credentials and region:
        return SigV4Auth(credentials, "execute-api", region)
    if urlsplit(url).hostname in LOCAL:
        return None
    if credentials is None:
        raise ValueError("there are no AWS credentials: a deployed API accepts signed requests only")
    raise ValueError("set AWS_REGION to the API's region: requests are signed for a region")


def _get(url: str, query: dict[str, str], signer: SigV4Auth | None) -> Any:
    for left in reversed(range(ATTEMPTS)):
        request = AWSRequest("GET", url, params=query)
        if signer:
            signer.add_auth(request)
        signed = request.prepare()
        try:
            with urlopen(Request(signed.url, headers=dict(signed.headers)), timeout=TIMEOUT) as response:  # noqa: S310
                return _page(response.status, response.read())
        except HTTPError as error:
            with error:
                if error.code not in RETRIED or not left:
                    raise ApiError(error.code, error.read()) from None
                sleep(_seconds(error.headers.get("Retry-After", "")))
    raise AssertionError("the last attempt returns or raises")


def _page(status: int, content: bytes) -> Any:
    """Return a listing; anything else, such as the login page of a proxy, must not look like an empty one."""
    try:
        page = json.loads(content)
    except ValueError:
        page = None
    if not isinstance(page, dict) or not isinstance(page.get("modelSummaries"), list):
        raise ApiError(status, content)
    return page


def _seconds(retry_after: str) -> float:
    """Return how long to wait: Retry-After has seconds or an HTTP date (RFC 9110, section 10.2.3)."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):  # missing, or neither of the two
            seconds = 1
    return min(max(seconds, 0), MAX_WAIT) if math.isfinite(seconds) else 1


def incomplete(coverage: dict[str, Any]) -> str:
    """Return a line that says how much is missing, and why."""
    unreachable = coverage["unreachable"]
    named = [f"{failed['source']} ({failed['problem']})" for failed in unreachable[:MAX_NAMED]]
    if len(unreachable) > MAX_NAMED:
        named.append(f"and {len(unreachable) - MAX_NAMED} more")
    missing = coverage["sources"] - coverage["listed"]
    return f"INCOMPLETE: {missing} of {coverage['sources']} sources missing: {', '.join(named)}"


def main() -> int:
    """Print each model as one line of JSON, and return the exit status."""
    parser = argparse.ArgumentParser(description="List custom models. Signs requests if there are AWS credentials.")
    parser.add_argument("url", metavar="URL", help="the API's URL, such as http://127.0.0.1:8000")
    parser.add_argument(
        "filters", metavar="NAME=VALUE", nargs="*", default=[], help="a parameter, such as nameContains=churn"
    )
    options = parser.parse_args()
    filters = [text.partition("=")[::2] for text in options.filters]
    if len(dict(filters)) < len(filters):
        parser.error("a parameter is given twice")
    logging.basicConfig(format="client: %(message)s")
    LOG.setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
    try:
        models, coverage = custom_models(options.url, **dict(filters))
        _print(models)
    except (ApiError, BotoCoreError, OSError, ValueError) as error:
        sys.exit(f"client: {error}")
    if coverage is None:
        LOG.warning("the API does not report coverage: it is an older version, which lists one account in one region")
    elif not coverage["complete"]:
        LOG.error(incomplete(coverage))
        return INCOMPLETE
    return 0


def _print(models: list[dict[str, str]]) -> None:
    try:
        sys.stdout.writelines(f"{json.dumps(model)}\n" for model in models)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the program without a traceback
    sys.exit(main())
