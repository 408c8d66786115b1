"""The web pages of ``make run``: the explorer at ``/``, and the API reference at ``/docs``.

Their files are in ``local/explorer``. Swagger UI comes from the package of Powertools.
"""

import html
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from local.api_gateway import Headers, Response

_FOLDER = Path(__file__).parent / "explorer"
_EXPLORER = (
    *("explorer.js", "query.js", "form.js", "table.js", "request.js", "download.js"),
    *("explorer.css", "icon.svg"),
)
_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{}; img-src 'self'{}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OWN = _POLICY.format("", "")
_SWAGGER_UI = _POLICY.format(" 'unsafe-inline'", " data:")
"""Pages load only from this server, even if the name of a model contains HTML (https://www.w3.org/TR/CSP3/)."""


def pages(origin: str, sources: Sequence[str] = ()) -> Mapping[str, Response]:
    """Return the pages by path.

    Args:
        origin: describes where the models come from.
        sources: the sources of the inventory, ``ACCOUNT/REGION``; empty without an inventory.
    """
    swagger_ui = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui"
    template = Template((_FOLDER / "index.html").read_text("utf-8"))
    index = template.substitute(origin=html.escape(origin), sources=html.escape(" ".join(sources)))
    return {
        "/": _page("html", index.encode(), _OWN),
        "/docs": _page("html", (_FOLDER / "docs.html").read_bytes(), _SWAGGER_UI),
        "/docs/docs.js": _file("docs.js"),
        "/docs/swagger-ui.js": _page("js", (swagger_ui / "swagger-ui-bundle.min.js").read_bytes()),
        "/docs/swagger-ui.css": _page("css", (swagger_ui / "swagger-ui.min.css").read_bytes()),
        **{f"/explorer/{name}": _file(name) for name in _EXPLORER},
    }


def _file(name: str) -> Response:
    return _page(name.rpartition(".")[2], (_FOLDER / name).read_bytes())


def _page(kind: str, content: bytes, policy: str | None = None) -> Response:
    headers: Headers = [
        ("Content-Type", _TYPES[kind]),
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]
    if policy:
        headers.append(("Content-Security-Policy", policy))
    return Response(200, headers, content)
