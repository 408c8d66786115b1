"""Check a deployed API: send requests to it, and compare what is found with what is expected.

``make smoke URL=…`` runs this. It checks what could not be verified without AWS (docs/first-deployment.md). It changes
nothing. Requests are signed with the credentials that boto3 finds, for the region in the URL, or else for AWS_REGION.
"""

import argparse
import http.client
import json
import os
import re
import signal
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError

from tools.report import Table, progress

TIMEOUT = 35
"""Seconds. API Gateway responds within 29."""

LISTING, DOCUMENT = "/v1/custom-models", "/v1/openapi.json"
FORBIDDEN = "403 forbidden, problem+json, same request id"
EACH_ONCE = "each model once"
UNDOCUMENTED = "not documented"
SKIPPED = "skipped: "


@dataclass(frozen=True)
class Response:
    """The response to a request."""

    status: int
    headers: Message
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object in the body; an empty object if there is none."""
        text = zlib.decompress(self.content, 31) if self.headers.get("Content-Encoding") == "gzip" else self.content
        try:
            body = json.loads(text)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    def __str__(self) -> str:
        """Describe a problem: its status, its kind, its content type, and whether its id is that of the header."""
        content_type = str(self.headers.get("Content-Type")).removeprefix("application/")
        if "type" not in self.body:
            return f"{self.status}, {content_type}, not a problem"
        kind = str(self.body["type"]).rpartition(":")[2]
        same = "same" if self.body.get("requestId") == self.headers.get("X-Request-Id") is not None else "another"
        return f"{self.status} {kind}, {content_type}, {same} request id"


class Api:
    """The deployed API, as a caller sees it."""

    def __init__(self, url: str, credentials: Credentials, region: str) -> None:
        """Take the base URL, without a slash at its end, and what requests are signed with."""
        self.url = url
        self.credentials = credentials
        self.region = region

    def get(self, path: str = LISTING, headers: Mapping[str, str] | None = None, /, **query: str) -> Response:
        """Send a signed ``GET``."""
        return self.request("GET", path, self.credentials, headers, query)

    def request(
        self,
        method: str,
        path: str,
        credentials: Credentials | None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request, unsigned if there are no credentials.

        Raises:
            OSError, http.client.HTTPException: there is no response.
        """
        request = AWSRequest(method, f"{self.url}{path}", params=query or {}, headers=headers or {})
        if credentials is not None:
            SigV4Auth(credentials, "execute-api", self.region).add_auth(request)
        prepared = request.prepare()
        url = urlsplit(prepared.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        with closing(kind(url.netloc, timeout=TIMEOUT)) as connection:
            target = f"{url.path}?{url.query}" if url.query else url.path
            connection.request(method, target, headers=dict(prepared.headers.items()))
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())

    def pages(self) -> Iterator[Response]:
        """Follow the cursors of the whole inventory. Unreachable sources are left out and reported in the coverage."""
        query = {"maxItems": "1000", "allowPartial": "true"}
        while True:
            page = self.get(**query)
            yield page
            if "nextCursor" not in page.body:
                return
            query["cursor"] = page.body["nextCursor"]


class Check(NamedTuple):
    """Something to find out: ``find`` returns it as text, to compare with what is expected."""

    name: str
    expected: str
    find: Callable[[Api], str]


def _unsigned(api: Api) -> str:
    return str(api.request("GET", LISTING, None))


def _unsigned_on_another_path(api: Api) -> str:
    return str(api.request("POST", "/nowhere", None))


def _unknown_key(api: Api) -> str:
    return str(api.request("GET", LISTING, Credentials("AKIAIOSFODNN7UNKNOWN", "x" * 40)))


def _wrong_signature(api: Api) -> str:
    credentials = api.credentials
    return str(api.request("GET", LISTING, Credentials(credentials.access_key, "x" * 40, credentials.token)))


def _listing(api: Api) -> str:
    response = api.get(maxItems="1")
    if response.status != 200:
        return str(response)
    return f"200, {response.headers.get('Content-Type')}, {response.headers.get('Cache-Control')}"


def _head(api: Api) -> str:
    response = api.request("HEAD", LISTING, api.credentials, query={"maxItems": "1"})
    return f"{response.status}, {len(response.content)} bytes"


def _second_page(api: Api) -> str:
    first = api.get(maxItems="1", allowPartial="true")
    if "nextCursor" not in first.body:
        return f"{SKIPPED}the listing has one page"
    second = api.get(maxItems="1", allowPartial="true", cursor=first.body["nextCursor"])
    shared = [model for model in first.body["modelSummaries"] if model in second.body.get("modelSummaries", [])]
    return f"{second.status}, {len(shared)} models of the first page"


def _walk(api: Api) -> str:
    arns: set[tuple[str, str]] = set()
    count = 0
    for page in api.pages():
        if page.status != 200:
            return str(page)
        arns |= {(model["modelArn"], model["source"]) for model in page.body["modelSummaries"]}
        count += len(page.body["modelSummaries"])
        progress(f"  {count} models so far ...")
    coverage = page.body["coverage"]
    missing = [f"{failed['source']} ({failed['problem']})" for failed in coverage["unreachable"]]
    complete = f"without {', '.join(missing)}" if missing else "complete" if coverage["complete"] else "not complete"
    return f"{f'{count - len(arns)} models listed again' if count > len(arns) else EACH_ONCE}, {complete}"


def _not_modified(api: Api) -> str:
    # Not of the listing, because a model may be added between the two requests.
    tag = api.get(DOCUMENT).headers.get("ETag") or ""
    response = api.get(DOCUMENT, {"If-None-Match": tag})
    etag = "with ETag" if response.headers.get("ETag") else "without ETag"
    return f"{response.status}, {len(response.content)} bytes, {etag}"


def _compressed(api: Api) -> str:
    return str(api.get(DOCUMENT, {"Accept-Encoding": "gzip"}).headers.get("Content-Encoding"))


def _invalid(api: Api) -> str:
    response = api.get(maxItems="0", namecontains="x")
    return f"{response}, {len(response.body.get('errors', []))} errors"


def _invalid_cursor(api: Api) -> str:
    return str(api.get(cursor="not-a-cursor"))


def _not_found(api: Api) -> str:
    return str(api.get("/v1/nowhere"))


def _server(api: Api) -> str:
    servers = api.get(DOCUMENT).body.get("servers", [{}])
    return "the URL of this API" if servers[0].get("url") == f"{api.url}/v1" else str(servers[0].get("url"))


def _default_order(api: Api) -> str:
    models = api.get(maxItems="1000", allowPartial="true").body.get("modelSummaries", [])
    times = [datetime.fromisoformat(it["creationTime"]) for it in models if it["source"] == models[0]["source"]]
    if len(set(times)) < 2:
        return f"{SKIPPED}fewer than two models"
    orders = {"oldest first": sorted(times), "newest first": sorted(times, reverse=True)}
    return next((name for name, order in orders.items() if order == times), "neither oldest nor newest first")


def _bounds(api: Api) -> str:
    models = api.get(maxItems="1", allowPartial="true").body.get("modelSummaries", [])
    if not models:
        return f"{SKIPPED}no models"
    time, second = datetime.fromisoformat(models[0]["creationTime"]), timedelta(seconds=1)
    account, _, region = models[0]["source"].partition("/")
    found = []
    for name, after, before in (("After", time, time + second), ("Before", time - second, time)):
        bounds = {"creationTimeAfter": after.isoformat(), "creationTimeBefore": before.isoformat()}
        listed = api.get(**bounds, accounts=account, regions=region, maxItems="1000").body.get("modelSummaries", [])
        found.append(f"{name} {'includes' if models[0] in listed else 'excludes'} its time")
    return ", ".join(found)


CHECKS = (
    Check("an unsigned request", FORBIDDEN, _unsigned),
    Check("an unsigned request on another path", FORBIDDEN, _unsigned_on_another_path),
    Check("an unknown access key", FORBIDDEN, _unknown_key),
    Check("a wrong signature", FORBIDDEN, _wrong_signature),
    Check("a listing", "200, application/json, private, no-cache", _listing),
    Check("HEAD", "200, 0 bytes", _head),
    Check("the second page", "200, 0 models of the first page", _second_page),
    Check("the whole inventory", f"{EACH_ONCE}, complete", _walk),
    Check("If-None-Match", "304, 0 bytes, with ETag", _not_modified),
    Check("Accept-Encoding: gzip", "gzip", _compressed),
    Check("two invalid parameters", "400 invalid-query, problem+json, same request id, 2 errors", _invalid),
    Check("an invalid cursor", "400 invalid-cursor, problem+json, same request id", _invalid_cursor),
    Check("another path", "404 not-found, problem+json, same request id", _not_found),
    Check("the server in the OpenAPI document", "the URL of this API", _server),
    Check("the default order", UNDOCUMENTED, _default_order),
    Check("the bounds of creationTime", UNDOCUMENTED, _bounds),
)


def run(api: Api, checks: Sequence[Check] = CHECKS) -> bool:
    """Run the checks, print a table of them, and return whether everything is as expected."""
    rows = []
    for check in checks:
        progress(f"Checking {check.name} ...")
        rows.append(_row(check, api))
    print(Table("", ("", "check", "expected", "found"), rows, text_columns=range(4)))
    return "DIFFERS" not in {verdict for verdict, *_ in rows}


def _row(check: Check, api: Api) -> tuple[str, str, str, str]:
    try:
        found = check.find(api)
        undecided = check.expected == UNDOCUMENTED or found.startswith(SKIPPED)
    except (OSError, http.client.HTTPException) as error:
        found, undecided = f"no response: {error!r}", False
    except (LookupError, TypeError, ValueError):
        found, undecided = "the response is not a listing", False
    verdict = "ok" if found == check.expected else "info" if undecided else "DIFFERS"
    return verdict, check.name, check.expected, found


def _api(url: str) -> Api:
    """Return the API at a URL.

    Raises:
        ValueError, BotoCoreError: the URL is not one of an API, or there are no credentials or no region.
    """
    if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*)?", url):
        raise ValueError(f"URL must be the output Url of a deployment, such as https://…/prod/, not {url!r}.")
    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise ValueError("there are no AWS credentials; set AWS_PROFILE, or log in.")
    in_url = re.search(r"\.execute-api\.([a-z0-9-]+)\.", url)
    region = in_url[1] if in_url else os.environ.get("AWS_REGION") or session.region_name
    if region is None:
        raise ValueError("set AWS_REGION to the API's region; requests are signed for a region.")
    frozen = credentials.get_frozen_credentials()
    assert frozen.access_key is not None
    assert frozen.secret_key is not None
    base = url.rstrip("/").removesuffix(LISTING)
    return Api(base, Credentials(frozen.access_key, frozen.secret_key, frozen.token), region)


def main() -> int:
    """Check the API at the URL in the arguments. Return 0 if it is as expected, 1 if not, and 2 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m tools.smoke", description=__doc__)
    parser.add_argument("url", metavar="URL", help="the output Url of the deployment")
    url = parser.parse_args().url
    try:
        api = _api(url)
        unsigned = api.request("GET", LISTING, None)
    except (OSError, http.client.HTTPException) as error:
        return _fail(f"no response from {url}: {error or type(error).__name__}")
    except (ValueError, BotoCoreError) as error:
        return _fail(str(error))
    as_expected = run(api)
    if unsigned.status == 200:
        progress("This API answers unsigned requests. That of `make run` does; a deployed one must not.")
    return 0 if as_expected else 1


def _fail(message: str) -> int:
    print(f"smoke: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the program without a traceback
    sys.exit(main())
