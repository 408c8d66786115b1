"""docs/api.md: committed, whole, and with links that lead somewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from custom_models.adapters.rest_api.api import DOCUMENT as LOCATION
from custom_models.adapters.rest_api.openapi import document
from custom_models.adapters.rest_api.problem import STATUS, TYPE_PREFIX
from docs.api import reference

FOLDER = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT: dict[str, Any] = json.loads(document())
TEXT = reference(DOCUMENT, LOCATION)
OPERATIONS = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]


def section(heading: str) -> str:
    (found,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def row(text: str, first: str) -> list[str]:
    """The cells of the one row that starts with this cell."""
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", found)[1:-1]]


def test_the_committed_copy_is_the_one_that_is_made() -> None:
    assert (FOLDER / "api.md").read_text("utf-8") == TEXT, "run make openapi"


def test_it_says_where_the_api_is() -> None:
    assert [line for line in TEXT.splitlines() if line.startswith("`GET ")] == [
        "`GET /v1/custom-models`",
        f"`GET {LOCATION}`",
    ]


def test_every_parameter_is_there_with_all_that_it_may_be() -> None:
    text = section("List custom models")
    for parameter in OPERATIONS[0]["parameters"]:
        _, kind, default, meaning = row(text, f"`{parameter['name']}`")
        schema = parameter["schema"]
        assert parameter["description"] in meaning
        assert schema.get("description", "") in meaning
        assert default == (f"`{schema['default']}`" if "default" in schema else "")
        for limit in ("minimum", "maximum", "maxLength", "format"):
            assert str(schema.get(limit, "")) in kind
        assert all(f"`{word}`" in kind for word in schema.get("enum", ()))
        assert f"- `{parameter['name']}`: `{schema.get('pattern')}`" in text or "pattern" not in schema


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["operationId"])
def test_every_response_is_there(operation: dict[str, Any]) -> None:
    text = section(operation["summary"])
    for status, response in operation["responses"].items():
        _, meaning, body, headers = row(text, f"**{status}**")
        assert meaning == response["description"]
        assert all(kind in body for kind in response.get("content", ()))
        assert headers.split() == [f"`{name}`" for name in response["headers"]]
        assert all(len(row(text, name)) == 3 for name in headers.split())


def test_every_member_of_a_schema_is_there() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for member, of in schema["properties"].items():
            _, _, there, meaning = row(section(name), f"`{member}`")
            assert meaning == of["description"]
            assert (there == "always") == (member in schema["required"])
    assert row(section("Problem"), "`errors[].parameter`")


def test_every_type_of_problem_is_there() -> None:
    for error, status in STATUS.items():
        _, told, title, detail = row(section("Problem types"), f"`{TYPE_PREFIX}{error.kind}`")
        assert (told, title) == (str(status), f"{error.title}.")
        assert detail == error.advice or error.kind == "invalid-query"


def test_every_example_is_one() -> None:
    examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]
    assert [set(example) for example in examples] == [
        {"modelSummaries", "nextCursor"},
        {"type", "title", "status", "detail", "requestId", "errors"},
    ]


def test_every_link_leads_somewhere() -> None:
    anchors = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
               for line in TEXT.splitlines() if line.startswith("#")}  # fmt: skip
    links = re.findall(r"\]\(([^)]*)\)", re.sub("`[^`\n]*`", "", TEXT))
    assert links
    for link in links:
        assert link.removeprefix("#") in anchors if link.startswith("#") else (FOLDER / link).is_file(), link


def test_a_bar_does_not_end_a_cell() -> None:
    changed = json.loads(document())
    changed["paths"]["/custom-models"]["get"]["parameters"][0]["description"] = "a | b\nc"
    assert r"| a \| b c Its value is" in reference(changed, LOCATION)
