"""Check a deployed API: send requests to it, and compare what is found with what is expected.

``make smoke URL=…`` runs this. It checks what could not be verified without AWS (docs/first-deployment.md). It changes
nothing. Requests are signed with the credentials that boto3 finds, for the region in the URL, or else for AWS_REGION.
"""

import argparse
import http.client
import io
import json
import os
import re
import signal
import socket
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tools.report import Table, progress

TIMEOUT = 35
"""Seconds for a whole response. API Gateway responds within 29."""

MAX_BODY = 10_000_000
"""Bytes. API Gateway's responses have at most 10 MB, and are not much larger before compression."""

MAX_PAGES = 10_000
"""An inventory has fewer pages. A listing that has more does not end."""

MAX_FOUND = 1000
"""Characters in the table. More are cut off."""

LISTING, DOCUMENT = "/v1/custom-models", "/v1/openapi.json"
TYPE = "urn:problem-type:custom-models:"
PROBLEM = "application/problem+json, same request id"
FORBIDDEN = f"403 forbidden, {PROBLEM}"
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
        """The JSON object in the body.

        Raises:
            ValueError: there is none.
        """
        try:
            body = json.loads(self._text())
        except (zlib.error, RecursionError) as error:
            raise ValueError("neither JSON nor compressed JSON") from error
        if not isinstance(body, dict):
            raise ValueError("not an object")
        return body

    def _text(self) -> bytes:
        if self.headers.get("Content-Encoding") != "gzip":
            return self.content
        stream = zlib.decompressobj(31)
        text = stream.decompress(self.content, MAX_BODY)
        if not stream.eof:
            raise ValueError("cut off, or too large")
        return text

    @property
    def models(self) -> list[dict[str, str]]:
        """The models of a listing.

        Raises:
            LookupError, TypeError, ValueError: this is not a listing.
        """
        models = self.body["modelSummaries"]
        fields = ("modelArn", "creationTime", "source")
        if not isinstance(models, list) or not all(isinstance(model[name], str) for model in models for name in fields):
            raise ValueError("not a list of models")
        return models

    @property
    def cursor(self) -> str | None:
        """The cursor of the next page, or ``None``: this is the last one.

        Raises:
            ValueError: it is not a cursor.
        """
        cursor = self.body.get("nextCursor")
        if cursor is None or (isinstance(cursor, str) and cursor):
            return cursor
        raise ValueError("not a cursor")

    def __str__(self) -> str:
        """Describe a problem: its status, its kind, its content type, and whether its id is that of the header."""
        content_type, request_id = self.headers.get("Content-Type"), self.headers.get("X-Request-Id")
        try:
            problem = self.body
            kind = str(problem["type"])
        except (LookupError, ValueError):
            return f"{self.status}, {content_type}, not a problem"
        kind = kind.removeprefix(TYPE) if kind.startswith(TYPE) else repr(kind)
        same = "same" if request_id and problem.get("requestId") == request_id else "another"
        return f"{self.status} {kind}, {content_type}, {same} request id"


class _Reader(io.RawIOBase):
    """Reads from a socket until a deadline. A socket's own timeout starts again with each byte."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._deadline = monotonic() + TIMEOUT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        return self._socket.recv_into(buffer)


def _receive(connection: socket.socket, method: str) -> Response:
    response = http.client.HTTPResponse(connection, method=method)
    response.fp.close()
    response.fp = io.BufferedReader(_Reader(connection))
    response.begin()
    content = bytearray()
    while chunk := response.read(65_536):
        content += chunk
        if len(content) > MAX_BODY:
            raise http.client.HTTPException(f"the body has more than {MAX_BODY:,} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(content), response.length)
    return Response(response.status, response.headers, bytes(content))


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
            return _receive(connection.sock, method)

    def pages(self) -> Iterator[Response]:
        """Follow the cursors of the whole inventory. Unreachable sources are left out and reported in the coverage.

        Raises:
            ValueError: the listing does not end, or a page has no valid cursor.
        """
        query, seen = {"maxItems": "1000", "allowPartial": "true"}, set[str]()
        while len(seen) < MAX_PAGES:
            page = self.get(**query)
            yield page
            if page.cursor is None:
                return
            if page.cursor in seen:
                break
            seen.add(page.cursor)
            query["cursor"] = page.cursor
        raise ValueError("the listing does not end")


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
    _ = response.models  # raises if this is not a listing
    return f"200, {response.headers.get('Content-Type')}, {response.headers.get('Cache-Control')}"


def _head(api: Api) -> str:
    # Without its body: http.client does not read one.
    return str(api.request("HEAD", LISTING, api.credentials, query={"maxItems": "1"}).status)


def _second_page(api: Api) -> str:
    first = api.get(maxItems="1", allowPartial="true")
    if first.status != 200:
        return str(first)
    models = first.models
    if first.cursor is None:
        return f"{SKIPPED}the listing has one page"
    second = api.get(maxItems="1", allowPartial="true", cursor=first.cursor)
    if second.status != 200:
        return str(second)
    shared = [model for model in second.models if model in models]
    return f"200, {len(shared)} models of the first page"


def _walk(api: Api) -> str:
    arns: set[tuple[str, str]] = set()
    count = 0
    for page in api.pages():
        if page.status != 200:
            return str(page)
        arns |= {(model["modelArn"], model["source"]) for model in page.models}
        count += len(page.models)
        progress(f"  {count} models so far ...")
    coverage = page.body["coverage"]
    if not isinstance(coverage["unreachable"], list):
        raise TypeError("not a coverage")
    missing = [f"{failed['source']} ({failed['problem']})" for failed in coverage["unreachable"]]
    whole = "complete" if coverage["complete"] is True else "not complete"
    complete = f"without {', '.join(missing)}" if missing else whole
    return f"{f'{count - len(arns)} models listed again' if count > len(arns) else EACH_ONCE}, {complete}"


def _not_modified(api: Api) -> str:
    # Not of the listing, because a model may be added between the two requests.
    tag = api.get(DOCUMENT).headers.get("ETag") or ""
    response = api.get(DOCUMENT, {"If-None-Match": tag})
    etag = "with ETag" if response.headers.get("ETag") else "without ETag"
    return f"{response.status}, {etag}"


def _compressed(api: Api) -> str:
    response = api.get(DOCUMENT, {"Accept-Encoding": "gzip"})
    if response.status != 200:
        return str(response)
    _ = response.body["openapi"]  # raises if it cannot be decompressed, or is another document
    return f"200, {response.headers.get('Content-Encoding')}"


def _invalid(api: Api) -> str:
    response = api.get(maxItems="0", namecontains="x")
    if response.status != 400:
        return str(response)
    errors = response.body.get("errors")
    return f"{response}, {len(errors) if isinstance(errors, list) else 'no list of'} errors"


def _invalid_cursor(api: Api) -> str:
    return str(api.get(cursor="not-a-cursor"))


def _not_found(api: Api) -> str:
    return str(api.get("/v1/nowhere"))


def _server(api: Api) -> str:
    url = api.get(DOCUMENT).body["servers"][0]["url"]
    return "the URL of this API" if url == f"{api.url}/v1" else repr(url)


def _default_order(api: Api) -> str:
    models = api.get(maxItems="1000", allowPartial="true").models
    times = [datetime.fromisoformat(it["creationTime"]) for it in models if it["source"] == models[0]["source"]]
    if len(set(times)) < 2:
        return f"{SKIPPED}fewer than two models"
    orders = {"oldest first": sorted(times), "newest first": sorted(times, reverse=True)}
    return next((name for name, order in orders.items() if order == times), "neither oldest nor newest first")


def _bounds(api: Api) -> str:
    models = api.get(maxItems="1", allowPartial="true").models
    if not models:
        return f"{SKIPPED}no models"
    time, second = datetime.fromisoformat(models[0]["creationTime"]), timedelta(seconds=1)
    account, _, region = models[0]["source"].partition("/")
    found = []
    for name, after, before in (("After", time, time + second), ("Before", time - second, time)):
        bounds = {"creationTimeAfter": after.isoformat(), "creationTimeBefore": before.isoformat()}
        listed = api.get(**bounds, accounts=account, regions=region, maxItems="1000").models
        found.append(f"{name} {'includes' if models[0] in listed else 'excludes'} its time")
    return ", ".join(found)


CHECKS = (
    Check("an unsigned request", FORBIDDEN, _unsigned),
    Check("an unsigned request on another path", FORBIDDEN, _unsigned_on_another_path),
    Check("an unknown access key", FORBIDDEN, _unknown_key),
    Check("a wrong signature", FORBIDDEN, _wrong_signature),
    Check("a listing", "200, application/json, private, no-cache", _listing),
    Check("HEAD", "200", _head),
    Check("the second page", "200, 0 models of the first page", _second_page),
    Check("the whole inventory", f"{EACH_ONCE}, complete", _walk),
    Check("If-None-Match", "304, with ETag", _not_modified),
    Check("Accept-Encoding: gzip", "200, gzip", _compressed),
    Check("two invalid parameters", f"400 invalid-query, {PROBLEM}, 2 errors", _invalid),
    Check("an invalid cursor", f"400 invalid-cursor, {PROBLEM}", _invalid_cursor),
    Check("another path", f"404 not-found, {PROBLEM}", _not_found),
    Check("the server in the OpenAPI document", "the URL of this API", _server),
    Check("the default order", UNDOCUMENTED, _default_order),
    Check("the bounds of creationTime", UNDOCUMENTED, _bounds),
)


def run(api: Api, checks: Sequence[Check] = CHECKS) -> bool:
    """Run the checks, print a table of them and what differs, and return whether everything is as expected."""
    rows = []
    for check in checks:
        progress(f"Checking {check.name} ...")
        rows.append(_row(check, api))
    print(Table("", ("", "check", "expected", "found"), rows, text_columns=range(4)), flush=True)
    differing = [name for verdict, name, *_ in rows if verdict == "DIFFERS"]
    progress(f"{len(differing)} of {len(rows)} checks differ: {', '.join(differing)}." if differing else "As expected.")
    return not differing


def _row(check: Check, api: Api) -> tuple[str, str, str, str]:
    try:
        found = check.find(api)
        undecided = check.expected == UNDOCUMENTED or found.startswith(SKIPPED)
    except (OSError, http.client.HTTPException) as error:
        found, undecided = f"no response: {error!r}", False
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        found, undecided = "the response is not valid", False
    verdict = "ok" if found == check.expected else "info" if undecided else "DIFFERS"
    return verdict, check.name, check.expected, _printable(found)


def _printable(text: str) -> str:
    """Escape what is not printable ASCII, and what separates cells: a response must not look like rows of the table."""
    cut = text if len(text) <= MAX_FOUND else f"{text[:MAX_FOUND]}..."
    return re.sub(r"[^ -~]", lambda found: found[0].encode("unicode_escape").decode(), cut).replace("|", r"\x7c")


def _api(url: str) -> Api:
    """Return the API at a URL.

    Raises:
        ValueError: the URL is not one of an API, or there are no valid credentials or no region.
    """
    base, host = _parse(url)
    in_url = re.search(r"\.execute-api\.([a-z0-9-]+)\.", host)
    try:
        session = boto3.Session(region_name=in_url[1] if in_url else os.environ.get("AWS_REGION") or None)
        region = session.region_name
    except Exception as error:
        raise _unreadable(error) from error
    if not re.fullmatch("[a-z0-9-]+", region or ""):
        raise ValueError("set AWS_REGION to the API's region; requests are signed for a region.")
    return Api(base, _credentials(session), region)


def _parse(url: str) -> tuple[str, str]:
    """Return the base URL of the API, and its host."""
    label = "[a-z0-9-]{1,63}"
    host = rf"({label}(\.{label})*\.?|\[[0-9a-f:.]+\])"
    try:
        if not re.fullmatch(rf"https?://{host}(:[0-9]+)?(/[a-z0-9._/-]*)?", url, re.ASCII | re.IGNORECASE):
            raise ValueError("another form")
        parts = urlsplit(url)
        _ = parts.port  # raises if it is too large
    except ValueError:
        raise ValueError(f"URL must be the output Url of a deployment, such as https://…/prod/, not {url!r}.") from None
    base = parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/").removesuffix(LISTING)
    return base, parts.hostname or ""


def _credentials(session: boto3.Session) -> Credentials:
    try:
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials()[:3] if credentials else ()
        access_key, secret_key, token = (str(value or "") for value in frozen or ("", "", ""))
    except Exception as error:  # whatever a credential process or the files of a login cause
        raise _unreadable(error) from error
    if not (access_key and secret_key):
        raise ValueError("there are no AWS credentials; set AWS_PROFILE, or log in.")
    if re.search("[^!-~]", access_key + secret_key + token):
        raise ValueError("the AWS credentials contain a space or a control character, or one that is not ASCII.")
    return Credentials(access_key, secret_key, token or None)


def _unreadable(error: Exception) -> ValueError:
    message = _printable(" ".join(str(error).split()))
    return ValueError(f"the AWS credentials could not be read ({type(error).__name__}): {message}")


def main() -> int:
    """Check the API at the URL in the arguments. Return 0 if it is as expected, 1 if not, and 2 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m tools.smoke", description=__doc__)
    parser.add_argument("url", metavar="URL", help="the output Url of the deployment")
    url = parser.parse_args().url
    try:
        api = _api(url)
    except ValueError as error:
        return _fail(str(error))
    try:
        unsigned = api.request("GET", LISTING, None)
    except (OSError, http.client.HTTPException) as error:
        return _fail(f"no response from {url}: {_printable(str(error)) or type(error).__name__}")
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
