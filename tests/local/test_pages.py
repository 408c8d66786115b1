"""The pages that ``make run`` serves in addition to the API, and the requests that it rejects."""

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.api_gateway import serve
from local.pages import pages

MODULES = ("explorer", "query", "form", "table", "request", "download")
ORIGIN = "Bedrock in <eu-west-1> & elsewhere"


def handler(event: Any, _: Any) -> dict[str, Any]:
    """Return the requested path, in place of the function."""
    return {"statusCode": 404, "headers": {}, "body": event["path"]}


@pytest.fixture
def server() -> Iterator[HTTPConnection]:
    with serve(handler, pages=pages(ORIGIN)) as url:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        yield connection
        connection.close()


def get(server: HTTPConnection, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, str]:
    server.request(method, path, headers=headers)
    response = server.getresponse()
    return response, response.read().decode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/?maxItems=5", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript"),
        ("/docs/swagger-ui.js", "text/javascript"),
        ("/docs/swagger-ui.css", "text/css"),
        *((f"/explorer/{name}.js", "text/javascript") for name in MODULES),
        ("/explorer/explorer.css", "text/css"),
        ("/explorer/icon.svg", "image/svg+xml"),
    ],
)
def test_every_page_is_served_with_its_type(server: HTTPConnection, path: str, kind: str) -> None:
    response, text = get(server, path)
    assert (response.status, response.headers["Content-Type"]) == (200, kind)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert text
    head, nothing = get(server, path, "HEAD")
    assert (head.status, head.headers["Content-Length"], nothing) == (200, response.headers["Content-Length"], "")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_only_from_this_server(server: HTTPConnection, path: str) -> None:
    response, text = get(server, path)
    policy = dict(rule.strip().split(" ", 1) for rule in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "http:" not in text
    assert "https:" not in text


def test_the_explorer_says_where_the_models_come_from(server: HTTPConnection) -> None:
    assert "Bedrock in &lt;eu-west-1&gt; &amp; elsewhere" in get(server, "/")[1]


def test_the_explorer_knows_the_sources_of_the_inventory(server: HTTPConnection) -> None:
    assert 'data-sources=""' in get(server, "/")[1]
    with serve(handler, pages=pages(ORIGIN, ["123456789012/us-east-1", '"/<b>'])) as url:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        assert 'data-sources="123456789012/us-east-1 &quot;/&lt;b&gt;"' in get(connection, "/")[1]
        connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("DELETE", "/docs"), ("GET", "/docs/"), ("GET", "/v1/custom-models")],
)
def test_other_requests_go_to_the_function(server: HTTPConnection, method: str, path: str) -> None:
    response, text = get(server, path, method)
    assert (response.status, text) == (404, path)


def test_without_pages_the_function_gets_every_request() -> None:
    with serve(handler) as url:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        assert get(connection, "/")[0].status == 404
        connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:8000"])
def test_local_host_names_are_accepted(server: HTTPConnection, host: str) -> None:
    assert get(server, "/", Host=host)[0].status == 200
    assert get(server, "/v1/custom-models", Host=host)[1] == "/v1/custom-models"


@pytest.mark.parametrize("host", ["models.example", "127.0.0.1.example:8000", "localhost.example", "x@127.0.0.1", ""])
@pytest.mark.parametrize("path", ["/", "/v1/custom-models"])
def test_other_host_names_are_rejected(server: HTTPConnection, host: str, path: str) -> None:
    # DNS rebinding: a page of that host in the user's browser could read the response.
    response, text = get(server, path, Host=host)
    assert response.status == 403
    assert '"urn:problem-type:custom-models:forbidden"' in text


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_pages_of_other_sites_can_only_link_here(server: HTTPConnection, site: str, mode: str, status: int) -> None:
    # Browsers send fetch metadata (W3C), and pages cannot change it.
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert get(server, "/", **headers)[0].status == status
