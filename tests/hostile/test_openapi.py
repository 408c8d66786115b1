"""Schemathesis tests the API over HTTP against its own OpenAPI document."""

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

from emulators.models import ACCOUNT, REGION
from local.api_gateway import serve
from tests.api import Api
from tests.hostile.contract import PROBLEMS

if TYPE_CHECKING:
    from schemathesis import Case

pytestmark = pytest.mark.slow

EXCLUDED_CHECKS = [
    # The stand-in for API Gateway accepts unsigned requests. On AWS, IAM rejects them before the function is called.
    "ignored_auth",
    # A schema cannot say which cursors are valid, or that one time must not be later than another:
    # test_requests_that_match_the_document_are_accepted checks that.
    "positive_data_acceptance",
]
"""All other checks are on.

Of them, use_after_free, ensure_resource_availability and object_level_authorization never apply, because the API
creates nothing; nor does missing_required_header, because only the signature is required.
"""

# Without this, Schemathesis omits the signature and expects an error, but the stand-in does not check signatures.
CONFIGURATION = """
[generation]
with-security-parameters = false

[checks.negative_data_rejection]
expected-statuses = [400, 404, 405, 413]
"""


@pytest.fixture
def url(api: Api) -> Iterator[str]:
    """The URL of the API."""
    with serve(api.handler) as url:
        yield url


def test_schemathesis_finds_no_problem_in_valid_and_invalid_requests(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    hypothesis = settings()
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "--no-color"]
    command += ["run", f"{url}/v1/openapi.json", "--mode", "all", "--max-examples", str(hypothesis.max_examples)]
    command += ["--checks", "all", "--exclude-checks", ",".join(EXCLUDED_CHECKS), "--continue-on-failure"]
    command += ["--max-response-time", "5", "--output-truncate", "false"]
    command += ["--generation-deterministic"] if hypothesis.derandomize else []
    run = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = [line["outcome"] for line in lines if line.get("message") == "request"]
    assert len(lines) == 2 * len(outcomes) > 2 * hypothesis.max_examples
    assert {"ok", "invalid-query", "invalid-cursor", "method-not-allowed"} <= set(outcomes) <= {"ok", *PROBLEMS}


def test_requests_that_match_the_document_are_accepted(url: str) -> None:
    # Imported here because it is slow: it takes longer than starting all other tests.
    import schemathesis

    operation = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")["/custom-models"]["GET"]
    kinds = set()

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE), data=st.data())
    def send(case: "Case[Any]", data: st.DataObject) -> None:
        # Most cases have a cursor: remove it from half of them.
        if "cursor" in case.query and data.draw(st.booleans()):
            del case.query["cursor"]
        # The document does not name the sources of the inventory.
        for name, known in (("accounts", ACCOUNT), ("regions", REGION)):
            if name in case.query and data.draw(st.integers(0, 9)):
                case.query[name] = [known]
        # Otherwise most cases have times in the wrong order.
        if data.draw(st.booleans()):
            case.query.pop("creationTimeAfter", None)
        response = case.call()
        case.validate_response(response, excluded_checks=excluded())
        kinds.add(expected := expected_result(case.query))
        assert response.json().get("type", "listing").removeprefix("urn:problem-type:custom-models:") == expected

    def excluded() -> Any:
        from schemathesis.specs.openapi import checks

        return [getattr(checks, name) for name in EXCLUDED_CHECKS]

    send()
    assert kinds == {"listing", "invalid-query", "invalid-cursor"}


def expected_result(query: dict[str, Any]) -> str:
    """Return the result of a request that matches the document: the rules that a schema cannot express."""
    times = [query.get(name) for name in ("creationTimeAfter", "creationTimeBefore")]
    if all(times):
        after, before = (datetime.fromisoformat(str(time).upper()) for time in times)
        if after > before:
            return "invalid-query"
    if not (set(query.get("accounts", [])) <= {ACCOUNT} and set(query.get("regions", [])) <= {REGION}):
        return "invalid-query"  # not in the inventory
    return "invalid-cursor" if "cursor" in query else "listing"
