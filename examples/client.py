"""An example client of the Custom Models API: lists all models, page by page, with signed requests. Copy and adapt it.

    python client.py https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true

It needs boto3 (`pip install boto3`). Requests are signed with the credentials that boto3 finds, for the region in the
URL, or else for AWS_REGION or boto3's default region. Without credentials they are not signed: `make run` needs no
signature, and the deployed API rejects unsigned requests.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep
from typing import Any
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


class ApiError(Exception):
    """A response that is not a listing: its HTTP ``status``, and the ``kind`` of a problem (``expired-cursor``)."""

    def __init__(self, status: int, content: bytes) -> None:
        """Parse the body of the response."""
        try:
            problem = dict(json.loads(content))
        except (TypeError, ValueError):  # not from the API, but from a proxy in front of it
            problem = {"detail": content[:200].decode(errors="replace")}
        self.status, self.kind = status, str(problem.get("type", "")).rpartition(":")[2]
        super().__init__(f"{status} {self.kind}: {problem.get('detail')} (request {problem.get('requestId')})")


def custom_models(url: str, /, **filters: str | int | bool) -> Iterator[dict[str, str]]:
    """Yield each custom model once. The filters are the API's parameters; ``maxItems`` is the page size (default 1000).

    Raises:
        ApiError: the API returned an error, or was busy five times in a row. The listing is incomplete.
        ValueError: there are credentials, but no region to sign for.
    """
    signer = _signer(url)
    query = {"maxItems": str(PAGE_SIZE)}
    query |= {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in filters.items()}
    while True:
        page = _get(f"{url.rstrip('/')}/v1/custom-models", query, signer)
        yield from page["modelSummaries"]
        if not page.get("nextCursor"):  # only this means the end: a page may be short or empty
            return
        query["cursor"] = page["nextCursor"]


def _signer(url: str) -> SigV4Auth | None:
    session, in_url = boto3.Session(), re.search(r"\.execute-api\.([a-z0-9-]+)\.", url)
    credentials = session.get_credentials()
    region = in_url[1] if in_url else os.environ.get("AWS_REGION") or session.region_name
    if credentials and region:
        return SigV4Auth(credentials, "execute-api", region)
    if credentials and urlsplit(url).hostname not in {"127.0.0.1", "localhost"}:
        raise ValueError("set AWS_REGION to the API's region: requests are signed for a region")
    return None


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


def main() -> None:
    """Print each model as one line of JSON."""
    parser = argparse.ArgumentParser(description="List custom models. Signs requests if there are AWS credentials.")
    parser.add_argument("url", metavar="URL", help="the API's URL, such as http://127.0.0.1:8000")
    parser.add_argument(
        "filters", metavar="NAME=VALUE", nargs="*", default=[], help="a parameter, such as nameContains=churn"
    )
    options = parser.parse_args()
    filters = [text.partition("=")[::2] for text in options.filters]
    if len(dict(filters)) < len(filters):
        parser.error("a parameter is given twice")
    try:
        sys.stdout.writelines(f"{json.dumps(model)}\n" for model in custom_models(options.url, **dict(filters)))
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ApiError, BotoCoreError, OSError, ValueError) as error:
        sys.exit(f"client: {error}")


if __name__ == "__main__":
    main()
