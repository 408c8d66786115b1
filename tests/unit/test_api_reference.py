"""docs/api.md: its facts are those of the OpenAPI document, and its links have targets.

The wording of descriptions is free. Names, types, ranges, defaults, statuses and headers are compared.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from custom_models.adapters.rest_api.api import DOCUMENT as DOCUMENT_PATH
from custom_models.adapters.rest_api.api import MODELS as MODELS_PATH
from custom_models.adapters.rest_api.openapi import document
from custom_models.adapters.rest_api.problem import TYPE_PREFIX
from tests import markdown
from tests.doubles import from_text

FOLDER = Path(__file__).resolve().parents[2] / "docs"
TEXT = (FOLDER / "api.md").read_text("utf-8")
DOCUMENT: dict[str, Any] = json.loads(document())
OPERATIONS: dict[str, Any] = {
    "List custom models": DOCUMENT["paths"]["/custom-models"]["get"],
    "Get the OpenAPI document": DOCUMENT["paths"]["/openapi.json"]["get"],
}
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
section = partial(markdown.section, TEXT)


def table(text: str, first_column: str) -> dict[str, list[str]]:
    """Return the rows of the one table whose first column has this heading: the other cells by the first."""
    (rows,) = re.findall(rf"^\| {first_column} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]
    found = {first.strip("`"): rest for first, *rest in cells}
    assert len(found) == len(cells), "a row is there twice"
    return found


def code(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def numbers(cell: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", cell)]


def type_name(schema: Mapping[str, Any]) -> str:
    """Return what the type of a value is called in the reference."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if schema["type"] == "array":
        return f"array of {type_name(schema['items'])}"
    return str(schema.get("format", schema["type"]))


def properties(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield name, schema and whether it is required, of each field of an object and of the objects in its arrays."""
    for name, field in schema["properties"].items():
        yield f"{prefix}{name}", field, name in schema["required"]
        if "properties" in field.get("items", {}):
            yield from properties(field["items"], f"{prefix}{name}[].")


def problems(response: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for media in response.get("content", {}).values():
        yield from (example["value"] for example in media.get("examples", {}).values())


def test_it_has_both_operations() -> None:
    assert set(DOCUMENT["paths"]) == {"/custom-models", "/openapi.json"}
    assert all(list(item) == ["get"] for item in DOCUMENT["paths"].values())
    assert re.findall("^`(GET .*)`$", TEXT, re.MULTILINE) == [f"GET {MODELS_PATH}", f"GET {DOCUMENT_PATH}"]


def test_it_has_the_authorization() -> None:
    (scheme,) = DOCUMENT["components"]["securitySchemes"].values()
    assert f"the {scheme['in']} `{scheme['name']}`" in section("Requests")


class TestParameters:
    ROWS = table(section("List custom models"), "Parameter")
    PARAMETERS: Mapping[str, Any] = {
        parameter["name"]: parameter
        for parameter in OPERATIONS["List custom models"]["parameters"]
        if parameter["in"] == "query"
    }

    def test_it_has_every_request_header(self) -> None:
        named = re.findall(r"^- `([A-Za-z-]+)`: ", section("Requests"), re.MULTILINE)
        for operation in OPERATIONS.values():
            headers = [it["name"] for it in operation["parameters"] if it["in"] == "header"]
            assert sorted(headers) == sorted(named)

    def test_it_has_every_parameter(self) -> None:
        assert list(self.ROWS) == list(self.PARAMETERS)
        assert {(parameter["in"], parameter["required"]) for parameter in self.PARAMETERS.values()} == {
            ("query", False)
        }
        assert "All parameters are optional and are sent in the query string." in section("Parameters")

    @pytest.mark.parametrize("name", PARAMETERS)
    def test_type_range_and_default_are_right(self, name: str) -> None:
        schema = self.PARAMETERS[name]["schema"]
        told, default, _ = self.ROWS[name]
        limits = [schema[limit] for limit in ("minimum", "minLength", "maximum", "maxLength") if limit in schema]
        assert numbers(told) == limits
        assert code(told) == schema.get("enum", [])
        assert code(told) or told.split(",")[0] == type_name(schema)
        assert default == (f"`{schema['default']}`" if "default" in schema else "")

    def test_the_rules_of_a_date_time_are_right(self) -> None:
        text = section("Parameters")
        ((first, last),) = re.findall(r"in the years (\d{4}) to (\d{4})", text)
        ((digits, example),) = re.findall(r"an offset and at most (\d) fraction digits, such as `(\S+)Z`", text)
        fraction = "." + int(digits) * "1"
        valid = [f"{example}{fraction}Z", f"{example}z", f"{last}{example[4:]}Z", f"{first}{example[4:]}+01:00"]
        accepted_too = [example.replace("T", " ") + "Z", f"{example}+0100"]
        invalid = [example, f"{example}{fraction}1Z", f"{int(first) - 1}{example[4:]}Z", f"1{last}{example[4:]}Z"]
        for name in ("creationTimeBefore", "creationTimeAfter"):
            pattern = self.PARAMETERS[name]["schema"]["pattern"]
            assert all(re.search(pattern, value) for value in valid)
            assert not any(re.search(pattern, value) for value in invalid)
            # The schema has the forms of RFC 3339 only, because its format is date-time.
            assert not any(re.search(pattern, value) for value in accepted_too)
            assert all(from_text({name: [value]}) for value in [*valid, *accepted_too])

    def test_the_kinds_of_arns_are_right(self) -> None:
        for name, parameter in self.PARAMETERS.items():
            pattern, description = parameter["schema"].get("pattern", ""), self.ROWS[name][2]
            for kind in ("custom model", "foundation model"):
                assert (f"{kind.replace(' ', '-')}/" in pattern) == (kind in description.partition("The ARN of")[2])


@pytest.mark.parametrize("heading", OPERATIONS)
class TestResponses:
    def test_it_has_every_status_with_its_headers_and_its_body(self, heading: str) -> None:
        rows = table(section(heading), "Status")
        responses = OPERATIONS[heading]["responses"]
        assert list(rows) == list(responses)
        for status, response in responses.items():
            body, headers = rows[status]
            assert code(headers) == list(response["headers"])
            assert code(body) == list(response.get("content", {}))
            for media in response.get("content", {}).values():
                assert type_name(media["schema"]) in body or "$ref" not in media["schema"]

    def test_it_describes_every_header(self, heading: str) -> None:
        rows = table(section("List custom models"), "Header")
        used = {
            name: header
            for response in OPERATIONS[heading]["responses"].values()
            for name, header in response["headers"].items()
        }
        assert used.keys() <= rows.keys()
        for name, header in used.items():
            schema = (DOCUMENT["components"]["headers"][name] if "$ref" in header else header)["schema"]
            assert rows[name][0] == type_name(schema)
        assert heading != "List custom models" or used.keys() == rows.keys()


def test_it_has_every_schema() -> None:
    assert set(re.findall("^### (.*)", section("Schemas"), re.MULTILINE)) == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_has_every_field_of_a_schema_with_its_type(name: str) -> None:
    rows = table(section(name), "Field")
    assert [(field, told, required) for field, (told, required, _) in rows.items()] == [
        (field, type_name(schema), "yes" if required else "") for field, schema, required in properties(SCHEMAS[name])
    ]


class TestErrors:
    RESPONSES = tuple(response for it in OPERATIONS.values() for response in it["responses"].values())

    def test_it_has_every_type_of_the_api_with_its_status(self) -> None:
        rows = table(section("From the API"), "Type")
        expected = {(it["type"], str(it["status"])) for response in self.RESPONSES for it in problems(response)}
        assert {(TYPE_PREFIX + kind, status) for kind, (status, *_) in rows.items()} == expected
        assert f"`{TYPE_PREFIX}`" in section("Problem")

    def test_it_has_every_type_of_the_gateway_with_its_status(self) -> None:
        rows = table(section("From API Gateway"), "Type")
        (description,) = {it["responses"]["default"]["description"].rpartition(": ")[2] for it in OPERATIONS.values()}
        expected = re.findall(r"`([a-z-]+)` \(([^)]+)\)", description)
        statuses = re.compile("[0-9x]{3}")
        assert {kind: statuses.findall(status) for kind, (status, *_) in rows.items()} == {
            kind: statuses.findall(status) for kind, status in expected
        }
        assert {kind for kind in rows if "Retry-After" in dict(expected)[kind]} == set(
            code(section("From API Gateway").splitlines()[-1])
        ) - {"Retry-After"}

    def test_it_says_to_wait_where_the_response_has_retry_after(self) -> None:
        rows = table(section("From the API"), "Type") | table(section("From API Gateway"), "Type")
        waiting = {
            problem["type"].removeprefix(TYPE_PREFIX)
            for response in self.RESPONSES
            if "Retry-After" in response["headers"]
            for problem in problems(response)
        }
        assert {kind for kind, row in rows.items() if row[-1].startswith("Wait")} == waiting | {
            "too-many-requests",
            "gateway-timeout",
        }


def test_its_examples_have_the_fields_of_the_schemas() -> None:
    listing, problem = (json.loads(text) for text in markdown.code(TEXT, "json"))
    assert listing.keys() == SCHEMAS["Listing"]["properties"].keys()
    assert all(model.keys() == SCHEMAS["ModelSummary"]["properties"].keys() for model in listing["modelSummaries"])
    # No problem has both.
    assert problem.keys() | {"source"} == SCHEMAS["Problem"]["properties"].keys()
