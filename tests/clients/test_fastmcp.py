"""Agents: fastmcp makes tools of the OpenAPI document, and a client of MCP calls them."""

from collections.abc import Callable

import pytest

from emulators.bedrock import deny
from tests.api import Api
from tests.clients.program import Program
from tests.organization import EAST, MEMBER, OTHER, SOURCES, WEST, Deployment, arns_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_an_agent_lists_page_by_page_and_reads_problems(
    fastmcp: Program, deployment: Deployment, serve: Callable[[Api], str]
) -> None:
    failing = SOURCES[1]
    deployment.misbehave(failing, always=deny)
    partial, selected, denied, invalid, mistyped = fastmcp(
        serve(deployment.build()),
        {"maxItems": 5, "allowPartial": True},
        {"accounts": [MEMBER, OTHER], "regions": [EAST], "creationTimeAfter": "2026-01-01T00:00:00+01:00"},
        {"accounts": [MEMBER], "regions": [WEST]},
        {"maxItems": 0, "nameContains": "a b", "regions": ["mars-1"]},
        {"namecontains": "churn"},
    )
    assert len(partial) > 5
    found = [model["modelArn"] for page in partial for model in page["modelSummaries"]]
    assert found == arns_of(*(source for source in SOURCES if source != failing))
    assert partial[-1]["coverage"]["unreachable"] == [{"source": failing, "problem": "upstream-denied"}]
    assert {model["source"] for model in selected[0]["modelSummaries"]} == {f"{MEMBER}/{EAST}", f"{OTHER}/{EAST}"}
    assert f'"source": "{failing}"' in denied[0]
    assert "urn:problem-type:custom-models:upstream-denied" in denied[0]
    assert all(text in invalid[0] for text in ("invalid-query", "maxItems", "nameContains", "mars-1"))
    assert mistyped[0].startswith("Unknown arguments: namecontains.")
