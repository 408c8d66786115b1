"""The OpenAPI document: valid, committed, and complete."""

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from custom_models.adapters.rest_api import problem
from custom_models.adapters.rest_api.openapi import document
from custom_models.core.errors import CustomModelsError
from custom_models.core.models import SourcedModel
from custom_models.core.parameters import PARAMETERS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = json.loads(document())
LIST = DOCUMENT["paths"]["/custom-models"]["get"]


def concrete_errors(base: type[CustomModelsError] = CustomModelsError) -> list[type[CustomModelsError]]:
    """Return the function's classes of errors that are raised. Their base classes have no kind."""
    # Other tests define classes too, which exist as long as something refers to them.
    of_the_function = [it for it in base.__subclasses__() if it.__module__.startswith("custom_models.")]
    found = [error for subclass in of_the_function for error in concrete_errors(subclass)]
    return found or [base]


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_committed_document_is_up_to_date() -> None:
    assert (ROOT / "docs" / "openapi.json").read_text() == document(), "run make openapi"


def test_every_parameter_and_its_default_is_documented() -> None:
    of_query = [parameter["name"] for parameter in LIST["parameters"] if parameter["in"] == "query"]
    assert of_query == [parameter.name for parameter in PARAMETERS]
    assert {
        parameter["name"]: parameter["schema"]["default"]
        for parameter in LIST["parameters"]
        if "default" in parameter["schema"]
    } == {"maxItems": 100}


def test_tools_show_the_whole_description_of_each_parameter() -> None:
    """Some show that of the parameter, others that of its schema."""
    for operation in (LIST, DOCUMENT["paths"]["/openapi.json"]["get"]):
        for parameter in operation["parameters"]:
            assert parameter["description"] == parameter["schema"]["description"]
            assert parameter["description"].endswith(".")


def test_operations_are_tagged_and_described() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for item in DOCUMENT["paths"].values():
        assert set(item["get"]["tags"]) <= tags
        assert re.match(r"(Lists|Returns) ", item["get"]["description"])


def test_every_error_of_a_listing_is_documented() -> None:
    text = json.dumps(LIST["responses"])
    for error in concrete_errors():
        if error.__module__ == "custom_models.core.errors":
            assert f"`{problem.TYPE_PREFIX}{error.kind}`" in text
            assert str(problem.STATUS[error]) in LIST["responses"]


def test_every_problem_has_an_example_and_every_example_matches_its_schema() -> None:
    resource = DRAFT202012.create_resource(DOCUMENT)
    registry: Registry[Any] = Registry().with_resource("urn:api", resource)
    responses = [response for item in DOCUMENT["paths"].values() for response in item["get"]["responses"].items()]
    examples: dict[str, Any] = {}
    for status, response in responses:
        for media in response.get("content", {}).values():
            schema = media["schema"].get("$ref", "").replace("#", "urn:api#")
            values = [example["value"] for example in media.get("examples", {}).values()]
            for example in [*values, *([media["example"]] if "example" in media else [])]:
                Draft202012Validator({"$ref": schema}, registry=registry).validate(example)
                assert str(example.get("status", status)) == status or status == "default"
                examples[example.get("type", "")] = example
    assert set(examples) == {"", *(problem.TYPE_PREFIX + error.kind for error in problem.STATUS)}
    assert examples[f"{problem.TYPE_PREFIX}not-found"]["status"] == 404


def test_every_field_of_a_model_is_documented() -> None:
    schema = DOCUMENT["components"]["schemas"]["ModelSummary"]
    assert set(schema["properties"]) == set(SourcedModel.__annotations__)
    assert set(schema["required"]) == SourcedModel.__required_keys__


def test_every_object_is_a_component() -> None:
    """Otherwise each generator of clients invents its own name for the class."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, nested in schema["properties"].items():
            assert "object" not in (nested.get("type"), nested.get("items", {}).get("type")), f"{name}.{field}"


def test_every_error_has_a_status_and_a_unique_kind() -> None:
    all_errors = concrete_errors()
    assert set(problem.STATUS) == set(all_errors)
    assert len({error.kind for error in all_errors}) == len(all_errors)
