"""The API reference in Markdown, made of the OpenAPI document.

``python -m docs.api`` writes docs/openapi.json and docs/api.md. Every sentence about the API is the
document's; only headings and the names of columns are written here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urljoin

from custom_models.adapters.rest_api.api import DOCUMENT
from custom_models.adapters.rest_api.openapi import document

Node: TypeAlias = Mapping[str, Any]

FOLDER = Path(__file__).parent


def main() -> None:
    """Write both."""
    text = document()
    (FOLDER / "openapi.json").write_text(text, "utf-8")
    (FOLDER / "api.md").write_text(reference(json.loads(text), DOCUMENT), "utf-8")


def reference(api: Node, location: str) -> str:
    """Return the reference of an OpenAPI 3.1 document that the API serves at ``location``."""
    return "\n".join(_Reference(api, location).lines()).rstrip() + "\n"


class _Reference:
    def __init__(self, api: Node, location: str) -> None:
        self._api = api
        # A server's URL is relative to the document's own.
        self._base = urljoin(location, api["servers"][0]["url"])
        self._operations = [
            (path, method, operation) for path, item in api["paths"].items() for method, operation in item.items()
        ]

    def lines(self) -> Iterator[str]:
        info = self._api["info"]
        yield "<!-- Made of openapi.json by `make openapi`. -->"
        yield from ("", f"# {info['title']}", "", info["summary"], "", info["description"], "")
        yield f"Version {info['version']}, made of [the OpenAPI {self._api['openapi']} document](openapi.json)."
        yield ""
        operations = (operation["summary"] for _, _, operation in self._operations)
        for heading in ("Authorization", *operations, *self._api["components"]["schemas"], "Problem types"):
            yield f"- {_link(heading)}"
        yield ""
        yield from self._authorization()
        for path, method, operation in self._operations:
            yield from self._operation(path, method, operation)
        for name, schema in self._api["components"]["schemas"].items():
            yield from self._schema(name, schema)
        yield from self._problem_types()

    def _authorization(self) -> Iterator[str]:
        yield from ("## Authorization", "")
        for scheme in self._api["components"]["securitySchemes"].values():
            yield from (f"{scheme['description']} It is sent as the {scheme['in']} `{scheme['name']}`.", "")

    def _operation(self, path: str, method: str, operation: Node) -> Iterator[str]:
        yield from (f"## {operation['summary']}", "", f"`{method.upper()} {self._base}{path}`", "")
        if "description" in operation:
            yield from (operation["description"], "")
        yield from _parameters(operation.get("parameters", ()))
        yield from self._responses(operation["responses"])
        yield from self._examples(operation["responses"])

    def _responses(self, responses: Node) -> Iterator[str]:
        yield from ("### Responses", "")
        rows = []
        for status, response in responses.items():
            bodies = (f"{self._type(media['schema'])} ({kind})" for kind, media in response.get("content", {}).items())
            headers = " ".join(f"`{name}`" for name in response["headers"])
            rows.append((f"**{status}**", response["description"], ", ".join(bodies), headers))
        yield from _table(("status", "meaning", "body", "headers"), rows)
        seen = {name: self._resolved(header) for it in responses.values() for name, header in it["headers"].items()}
        yield from _table(
            ("header", "type", "meaning"),
            [(f"`{name}`", header["schema"]["type"], header["description"]) for name, header in seen.items()],
        )

    def _examples(self, responses: Node) -> Iterator[str]:
        for status, response in responses.items():
            for media in response.get("content", {}).values():
                if "example" in media:
                    yield from (f"A body of a {status}:", "", *_json(media["example"]), "")

    def _schema(self, name: str, schema: Node) -> Iterator[str]:
        yield from (f"## {name}", "", schema["description"], "")
        rows = [
            (f"`{member}`", self._type(of), "always" if always else "", of.get("description", ""))
            for member, of, always in _members(schema)
        ]
        yield from _table(("member", "type", "there", "meaning"), rows)

    def _problem_types(self) -> Iterator[str]:
        yield from ("## Problem types", "")
        problems: dict[str, Node] = {}
        for _, _, operation in self._operations:
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    for example in media.get("examples", {}).values():
                        problems.setdefault(example["value"]["type"], example["value"])
        rows = [
            (f"`{kind}`", str(problem["status"]), f"{problem['title']}.", problem["detail"])
            for kind, problem in sorted(problems.items(), key=lambda item: item[1]["status"])
        ]
        yield from _table(("`type`", "`status`", "`title`", "`detail`, for example"), rows)
        longest = max(problems.values(), key=len)
        yield from (f"A body of a {longest['status']}:", "", *_json(longest))

    def _type(self, schema: Node) -> str:
        if "$ref" in schema:
            return _link(schema["$ref"].rpartition("/")[2])
        if schema["type"] == "array":
            return f"array of {self._type(schema['items'])}"
        return _type(schema)

    def _resolved(self, node: Node) -> Node:
        while "$ref" in node:
            target: Node = self._api
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node


def _parameters(parameters: Iterable[Node]) -> Iterator[str]:
    rows = []
    for parameter in parameters:
        schema = parameter["schema"]
        default = f"`{schema['default']}`" if "default" in schema else ""
        told = parameter["description"]
        if "description" in schema:
            told += f" Its value is {schema['description']}."
        if parameter["required"]:
            told += " Required."
        rows.append((f"`{parameter['name']}`", _type(schema), default, told))
    if not rows:
        return
    yield from ("### Parameters", "", "In the query.", "")
    yield from _table(("name", "type", "default", "meaning"), rows)
    patterns = [(p["name"], p["schema"]["pattern"]) for p in parameters if "pattern" in p["schema"]]
    yield from ("### Patterns", "")
    yield from (f"- `{name}`: `{pattern}`" for name, pattern in patterns)
    yield ""


def _members(schema: Node, prefix: str = "") -> Iterator[tuple[str, Node, bool]]:
    """Yield the members of an object, those of the objects in its arrays behind them."""
    for name, member in schema["properties"].items():
        yield f"{prefix}{name}", member, name in schema["required"]
        items = member.get("items", {})
        if "properties" in items:
            yield from _members(items, f"{prefix}{name}[].")


def _type(schema: Node) -> str:
    """Return the type of a value in words: its kind, its words, its range."""
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    words = [schema["type"]]
    if "format" in schema:
        words.append(schema["format"])
    if "minimum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    if "maxLength" in schema:
        words.append(f"{schema['minLength']} to {schema['maxLength']} characters")
    elif "minLength" in schema:
        words.append("not empty")
    return ", ".join(words)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table, without the columns in which nothing stands."""
    cells = [tuple(map(_cell, row)) for row in rows]
    used = [place for place in range(len(head)) if any(row[place] for row in cells)]
    for row in (head, ("---",) * len(head), *cells):
        yield f"| {' | '.join(row[place] for place in used)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _link(heading: str) -> str:
    # The anchor that code hosts give a heading.
    return f"[{heading}](#{re.sub('[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"


def _json(value: object) -> Iterator[str]:
    yield from ("```json", json.dumps(value, indent=2, ensure_ascii=False), "```")


if __name__ == "__main__":
    main()
