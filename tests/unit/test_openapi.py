"""The OpenAPI document: valid, committed, and about all that the code does."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from custom_models.adapters.rest_api import problem
from custom_models.adapters.rest_api.openapi import document
from custom_models.core import errors
from custom_models.core.models import ModelSummary
from custom_models.core.parameters import PARAMETERS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = json.loads(document())
LIST = DOCUMENT["paths"]["/custom-models"]["get"]


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_committed_copy_is_the_one_that_the_code_makes() -> None:
    assert (ROOT / "docs" / "openapi.json").read_text() == document(), "run make openapi"


def test_it_has_every_parameter() -> None:
    assert [parameter["name"] for parameter in LIST["parameters"]] == [parameter.name for parameter in PARAMETERS]
    assert {
        parameter["name"]: parameter["schema"]["default"]
        for parameter in LIST["parameters"]
        if "default" in parameter["schema"]
    } == {"maxItems": 100}


def concrete(error: type[errors.CustomModelsError]) -> list[type[errors.CustomModelsError]]:
    """Return the classes of errors that are raised; base classes have no kind."""
    found = [leaf for subclass in error.__subclasses__() for leaf in concrete(subclass)]
    return found or [error]


def test_it_has_every_error() -> None:
    text = json.dumps(LIST["responses"])
    for error in concrete(errors.CustomModelsError):
        if error.__module__ == "custom_models.core.errors":
            assert f"`{problem.TYPE_PREFIX}{error.kind}`" in text
            assert str(problem.STATUS[error]) in LIST["responses"]


def test_its_examples_are_as_its_schemas_say() -> None:
    resource = DRAFT202012.create_resource(DOCUMENT)
    registry: Registry[Any] = Registry().with_resource("urn:api", resource)
    responses = [response for item in DOCUMENT["paths"].values() for response in item["get"]["responses"].items()]
    examples: dict[str, Any] = {}
    for status, response in responses:
        for media in response.get("content", {}).values():
            schema = media["schema"].get("$ref", "").replace("#", "urn:api#")
            given = [example["value"] for example in media.get("examples", {}).values()]
            for example in [*given, *([media["example"]] if "example" in media else [])]:
                Draft202012Validator({"$ref": schema}, registry=registry).validate(example)
                assert str(example.get("status", status)) == status or status == "default"
                examples[example.get("type", "")] = example
    assert set(examples) == {"", *(problem.TYPE_PREFIX + error.kind for error in problem.STATUS)}
    assert examples[f"{problem.TYPE_PREFIX}not-found"]["status"] == 404


def test_it_has_every_field_of_a_model() -> None:
    schema = DOCUMENT["components"]["schemas"]["ModelSummary"]
    assert set(schema["properties"]) == set(ModelSummary.__annotations__)
    assert set(schema["required"]) == ModelSummary.__required_keys__


def test_every_error_has_a_status_and_a_kind_of_its_own() -> None:
    classes = concrete(errors.CustomModelsError)
    assert set(problem.STATUS) == set(classes)
    assert len({error.kind for error in classes}) == len(classes)
