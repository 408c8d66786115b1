"""``make smoke``: what it finds at the API on this machine, which differs from a deployed one only at the gateway."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.api_gateway import Handler, serve
from tests.api import NOWHERE, Api
from tools import smoke

Findings = dict[str, tuple[str, str]]

SIGNED = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "a secret that no output may contain"}
OF_THE_GATEWAY = {
    *("an unsigned request", "an unsigned request on another path", "an unknown access key", "a wrong signature"),
    *("Accept-Encoding: gzip", "the server in the OpenAPI document"),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        """Return the exit status, and what was printed to both streams."""
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["smoke", *arguments])
        capsys.readouterr()
        status = smoke.main()
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def check(run: Callable[..., tuple[int, str, str]]) -> Callable[[Handler], tuple[int, Findings]]:
    def check(handler: Handler) -> tuple[int, Findings]:
        """Return the exit status, and the verdict and the finding of each check by its name."""
        with serve(handler) as url:
            status, printed, progress = run(f"{url}/", **SIGNED)
        assert SIGNED["AWS_SECRET_ACCESS_KEY"] not in printed + progress
        rows = [line for line in printed.splitlines() if line.startswith("| ")][2:]
        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
        return status, {name: (verdict, found) for verdict, name, _, found in cells}

    return check


def test_only_the_checks_of_the_gateway_differ_here(api: Api, check: Callable[[Handler], tuple[int, Findings]]) -> None:
    status, found = check(api.handler)
    assert {name for name, (verdict, _) in found.items() if verdict == "DIFFERS"} == OF_THE_GATEWAY
    assert status == 1
    assert found["the whole inventory"] == ("ok", "each model once, complete")
    assert found["the second page"] == ("ok", "200, 0 models of the first page")
    assert found["the default order"] == ("info", "newest first")
    assert found["the bounds of creationTime"] == ("info", "After excludes its time, Before excludes its time")


MODEL = {"modelArn": "arn", "creationTime": "2026-01-31T00:00:00Z", "source": "123456789012/us-east-1"}
COMPLETE = {"sources": 1, "listed": 1, "notOffered": [], "unreachable": [], "complete": True}


def answers(content: object, status: int = 200) -> Handler:
    """Return a function that has one response for every request."""

    def handler(event: Any, context: Any) -> Any:
        return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(content)}

    return handler


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        (
            {
                "modelSummaries": [MODEL],
                "coverage": {**COMPLETE, "unreachable": [{"source": "1/b", "problem": "upstream-denied"}]},
            },
            ("DIFFERS", "each model once, without 1/b (upstream-denied)"),
        ),
        ({"modelSummaries": [MODEL] * 3, "coverage": COMPLETE}, ("DIFFERS", "2 models listed again, complete")),
        (
            {"modelSummaries": [], "coverage": {**COMPLETE, "complete": False}},
            ("DIFFERS", "each model once, not complete"),
        ),
        ({"modelSummaries": [], "coverage": COMPLETE}, ("ok", "each model once, complete")),
        ({"message": "Forbidden"}, ("DIFFERS", "the response is not a listing")),
        ({"modelSummaries": [{}], "coverage": COMPLETE}, ("DIFFERS", "the response is not a listing")),
    ],
)
def test_an_inventory_with_gaps_differs(
    listing: object, found: tuple[str, str], check: Callable[[Handler], tuple[int, Findings]]
) -> None:
    assert check(answers(listing))[1]["the whole inventory"] == found


def test_an_account_without_models_is_as_expected(check: Callable[[Handler], tuple[int, Findings]]) -> None:
    _, found = check(answers({"modelSummaries": [], "coverage": COMPLETE}))
    assert found["the second page"] == ("info", "skipped: the listing has one page")
    assert found["the default order"] == ("info", "skipped: fewer than two models")
    assert found["the bounds of creationTime"] == ("info", "skipped: no models")


def test_a_server_that_does_not_answer_is_one_line(run: Callable[..., tuple[int, str, str]]) -> None:
    status, printed, error = run(NOWHERE, **SIGNED)
    assert (status, printed) == (2, "")
    assert error.startswith(f"smoke: no response from {NOWHERE}: ")
    assert error.endswith("Connection refused\n")
    assert error.count("\n") == 1


def test_an_api_that_is_open_to_everyone_is_named(api: Api, run: Callable[..., tuple[int, str, str]]) -> None:
    with serve(api.handler) as url:
        assert run(url, **SIGNED)[2].endswith(
            "This API answers unsigned requests. That of `make run` does; a deployed one must not.\n"
        )
    with serve(answers({"message": "Forbidden"}, 403)) as url:
        assert "unsigned requests." not in run(url, **SIGNED)[2]


@pytest.mark.parametrize(
    ("url", "environment", "message"),
    [
        ("", SIGNED, "URL must be the output Url of a deployment, such as https://…/prod/, not ''."),
        ("example.com", SIGNED, "URL must be the output Url of a deployment, such as https://…/prod/,"),
        ("https://example.com/?a=b", SIGNED, "URL must be the output Url of a deployment, such as https://…/prod/,"),
        ("https://[", SIGNED, "URL must be the output Url of a deployment, such as https://…/prod/,"),
        ("https://example.com/dev/", {}, "there are no AWS credentials; set AWS_PROFILE, or log in."),
        ("https://example.com/dev/", {"AWS_PROFILE": "nope"}, "The config profile (nope) could not be found"),
    ],
)
def test_wrong_arguments_are_one_line(
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    environment: dict[str, str],
    message: str,
) -> None:
    for name in SIGNED:
        monkeypatch.delenv(name, raising=False)
    status, printed, error = run(url, **environment)
    assert (status, printed) == (2, "")
    assert error.startswith(f"smoke: {message}")
    assert error.count("\n") == 1


def test_a_custom_domain_needs_a_region(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert run("https://models.example.com/", **SIGNED)[2].startswith("smoke: set AWS_REGION to the API's region")
