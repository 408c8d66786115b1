"""An example client of the Custom Models API: lists all models, page by page, with signed requests. Copy and adapt it.

    python client.py https://ID.execute-api.us-east-1.amazonaws.com/dev/ nameContains=churn isOwned=true

Add allowPartial=true to list what can be listed when an account or a region of the inventory fails. The exit status is
0 if the listing is complete, 3 if it is not (the models are printed, and a line on stderr names the missing sources),
1 after an error (nothing is printed), and 2 if the arguments are wrong.

It needs boto3 (`pip install boto3`). Requests are signed with the credentials that boto3 finds, for the region in the
URL, or else for AWS_REGION or boto3's default region. Without credentials, only requests to this machine are sent,
unsigned: `make run` needs no signature. Redirects are not followed, because a signature is for one host only.
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
from http.client import HTTPException
from time import sleep
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
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
IDS = {"source": "source", "request": "requestId"}  # in the message of a problem
LOCAL = ("127.0.0.1", "localhost", "::1")  # the names of this machine

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
        except (TypeError, ValueError, RecursionError):
            problem = {}
        detail = problem.get("detail", content[:200].decode(errors="replace"))  # not from the API, but from a proxy
        self.status, self.kind = status, str(problem.get("type", "")).rpartition(":")[2]
        ids = ", ".join(f"{name} {problem[key]}" for name, key in IDS.items() if key in problem)
        super().__init__(f"{status} {self.kind}: {detail}{f' ({ids})' if ids else ''}")


def custom_models(url: str, /, **filters: str | int | bool) -> Listing:
    """List each custom model once. The filters are the API's parameters; ``maxItems`` is the page size (default 1000).

    The models are returned together, because the listing starts again with the first page if the cursor expires or the
    inventory changes.

    Raises:
        ApiError: the API returned an error, or was busy five times in a row, or the third listing had to start again.
        ValueError: the URL is wrong; or there are no credentials, or no region to sign for, and the API is not on this
            machine; or boto3 cannot load the credentials, or they cannot be those of AWS.
        OSError: there is no response, or only a part of one.
    """
    session, opener = _session(url), _opener(url)
    query = {"maxItems": str(PAGE_SIZE)}
    query |= {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in filters.items()}
    for left in reversed(range(WALKS)):
        try:
            return _walk(f"{url.rstrip('/')}/v1/custom-models", query, session, opener)
        except ApiError as error:
            if error.kind not in STARTS_AGAIN or not left:
                raise
            LOG.warning("starting again: %s", error)
    raise AssertionError("the last walk returns or raises")


def _walk(url: str, query: dict[str, str], session: boto3.Session | None, opener: OpenerDirector) -> Listing:
    models: list[dict[str, str]] = []
    while True:
        page = _get(url, query, session, opener)
        models += page["modelSummaries"]
        if not page.get("nextCursor"):  # only this means the end: a page may be short or empty
            return Listing(models, page.get("coverage"))
        query = {**query, "cursor": page["nextCursor"]}
        LOG.info("%d models so far", len(models))


def _session(url: str) -> boto3.Session | None:
    """Return what signs the requests to this URL, or None if they need no signature."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError("the URL must start with http:// or https:// and the name of a host")
    in_url = re.search(r"\.execute-api\.([a-z0-9-]+)\.", parts.hostname)
    session = boto3.Session(region_name=in_url[1] if in_url else os.environ.get("AWS_REGION") or None)
    credentials = _credentials(session)
    if credentials and session.region_name:
        return session
    if parts.hostname in LOCAL:
        return None
    if credentials is None:
        raise ValueError(
            f"there are no AWS credentials: unsigned requests are sent to this machine only ({', '.join(LOCAL)})"
        )
    raise ValueError("set AWS_REGION to the API's region: requests are signed for a region")


def _credentials(session: boto3.Session) -> ReadOnlyCredentials | None:
    """Return the session's credentials, which are renewed if they expire."""
    try:
        found = session.get_credentials()
        if found is None:
            return None
        credentials = found.get_frozen_credentials()
        texts = (credentials.access_key, credentials.secret_key, credentials.token, session.region_name)
        valid = all(re.fullmatch("[!-~]*", text or "") for text in texts)
    except Exception as error:  # a profile can start any program, and botocore lets errors of any class through
        reason = " ".join(str(error).split())
        raise ValueError(f"boto3 cannot load the AWS credentials: {type(error).__name__}: {reason}") from error
    if not valid:  # as a header, they would be in the text of an error
        raise ValueError("the AWS credentials or the region have a space or a control character, such as a line's end")
    return credentials


def _get(url: str, query: dict[str, str], session: boto3.Session | None, opener: OpenerDirector) -> Any:
    for left in reversed(range(ATTEMPTS)):
        request = AWSRequest("GET", url, params=query)
        if session and (credentials := _credentials(session)):
            SigV4Auth(credentials, "execute-api", session.region_name).add_auth(request)
        signed = request.prepare()
        try:
            with opener.open(Request(signed.url, headers=dict(signed.headers)), timeout=TIMEOUT) as response:  # noqa: S310
                status, headers, content = response.status, response.headers, response.read()
        except HTTPException as error:
            raise ConnectionError(f"there is no complete response: {error!r}") from error
        if 300 <= status < 400:
            raise ApiError(status, f"redirects are not followed: {headers.get('Location')}".encode())
        if status not in RETRIED or not left:
            return _page(status, content)
        sleep(_seconds(headers.get("Retry-After", "")))
    raise AssertionError("the last attempt returns or raises")


def _opener(url: str) -> OpenerDirector:
    """Return what opens http and https only. Without handlers for it, no redirect is followed, and no status raises."""
    opener = OpenerDirector()
    opener.add_handler(ProxyHandler({} if urlsplit(url).hostname in LOCAL else None))  # None: those of the environment
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    return opener


def _page(status: int, content: bytes) -> Any:
    """Return a listing; anything else, such as the login page of a proxy, must not look like an empty one."""
    try:
        page = json.loads(content)
    except (ValueError, RecursionError):
        page = None
    if status != 200 or not _is_listing(page):
        raise ApiError(status, content)
    return page


def _is_listing(page: Any) -> bool:
    if not isinstance(page, dict) or not isinstance(page.get("modelSummaries"), list):
        return False
    if not isinstance(page.get("nextCursor"), str | None):
        return False
    match page.get("coverage"):
        case None | {"complete": True}:
            return True
        case {"complete": False, "sources": int(), "listed": int(), "unreachable": list(failed)}:
            return all(isinstance(one, dict) and {"source", "problem"} <= one.keys() for one in failed)
    return False


def _seconds(retry_after: str) -> float:
    """Return how long to wait: Retry-After has seconds or an HTTP date (RFC 9110, section 10.2.3)."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):  # missing, or neither of the two
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
    failure: Exception | None = None
    try:
        models, coverage = custom_models(options.url, **dict(filters))
        _print(models)
    except (ApiError, BotoCoreError, OSError, RecursionError, ValueError) as error:
        failure = error
    if failure:  # not above, where Python would add the traceback of the error
        sys.exit(f"client: {failure}")
    if coverage is None:
        LOG.warning("the API does not report coverage: it is an older version, which lists one account in one region")
    elif not coverage["complete"]:
        LOG.error(incomplete(coverage))
        return INCOMPLETE
    return 0


def _print(models: list[dict[str, str]]) -> None:
    lines = [f"{json.dumps(model)}\n" for model in models]  # all, before the first one is printed
    try:
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the program without a traceback
    sys.exit(main())
