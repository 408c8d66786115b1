"""Schemathesis attacks the API by its own description, over HTTP, as anybody could who has read it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.api_gateway import serve
from tests.api import Api
from tests.hostile.contract import PROBLEMS

if TYPE_CHECKING:
    from schemathesis import Case

LEFT_OUT = [
    # The stand-in for API Gateway takes unsigned requests: on AWS, IAM refuses them before the function is called.
    "ignored_auth",
    # No schema tells a cursor of ours from another text, nor which of two times is the later one:
    # test_what_the_document_allows_is_taken knows.
    "positive_data_acceptance",
]
"""All other checks are made.

Of them, use_after_free, ensure_resource_availability and object_level_authorization find nothing to do, as nothing
can be created; so does missing_required_header, as no header is required but the signature.
"""

# The signature is the one header that there is, and the stand-in asks for none: without it is not invalid here.
CONFIGURATION = """
[generation]
with-security-parameters = false
"""


@pytest.fixture
def url(api: Api) -> Iterator[str]:
    """The API, served."""
    with serve(api.handler) as url:
        yield url


@pytest.mark.slow
def test_every_check_on_valid_and_invalid_requests(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    hypothesis = settings()
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "--no-color"]
    command += ["run", f"{url}/v1/openapi.json", "--mode", "all", "--max-examples", str(hypothesis.max_examples)]
    command += ["--checks", "all", "--exclude-checks", ",".join(LEFT_OUT), "--continue-on-failure"]
    command += ["--max-response-time", "5", "--output-truncate", "false"]
    command += ["--generation-deterministic"] if hypothesis.derandomize else []
    run = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = [line["outcome"] for line in lines if line.get("message") == "request"]
    assert len(lines) == 2 * len(outcomes) > 2 * hypothesis.max_examples
    assert {"ok", "invalid-query", "invalid-cursor", "method-not-allowed"} <= set(outcomes) <= {"ok", *PROBLEMS}


def test_what_the_document_allows_is_taken(url: str) -> None:
    # Imported here: it takes longer than all other tests need to start.
    import schemathesis

    operation = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")["/custom-models"]["GET"]
    kinds = set()

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE), data=st.data())
    def take(case: "Case[Any]", data: st.DataObject) -> None:
        # Most have a cursor, since most parameters are there most of the time.
        if "cursor" in case.query and data.draw(st.booleans()):
            del case.query["cursor"]
        response = case.call()
        case.validate_response(response, excluded_checks=excluded())
        kinds.add(expected := what_becomes_of(case.query))
        assert response.json().get("type", "listing").removeprefix("urn:problem-type:custom-models:") == expected

    def excluded() -> Any:
        from schemathesis.specs.openapi import checks

        return [getattr(checks, name) for name in LEFT_OUT]

    take()
    assert kinds == {"listing", "invalid-query", "invalid-cursor"}


def what_becomes_of(query: dict[str, Any]) -> str:
    """Return what a request is that the document allows: what a schema cannot say, said here."""
    times = [query.get(name) for name in ("creationTimeAfter", "creationTimeBefore")]
    if all(times):
        after, before = (datetime.fromisoformat(str(time).upper()) for time in times)
        if after > before:
            return "invalid-query"
    return "invalid-cursor" if "cursor" in query else "listing"
