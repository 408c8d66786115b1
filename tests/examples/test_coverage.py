"""examples/client.py, client.ts and list.sh report what a listing covers, start again, and end quietly.

The API's responses are scripted, or those of the real function with an inventory.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from custom_models.bootstrap import build
from emulators import server
from emulators.bedrock import Organization, deny, unknown_operation
from emulators.models import ACCOUNT, plausible_models
from emulators.sts import Sts
from local.api_gateway import Context, Handler
from tests.api import KEY
from tests.examples.function import Run, Serve, responding
from tests.installed import NODE, NPM_PACKAGES, require

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.slow

Api: TypeAlias = Handler | list[tuple[int, Any]]
Start: TypeAlias = Callable[..., subprocess.Popen[str]]


def with_curl(script: str) -> Any:
    missing = [program for program in ("bash", "curl", "jq") if shutil.which(program) is None]
    return pytest.param(script, marks=pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}"))


CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
INTERPRETERS = {".py": [sys.executable], ".ts": [str(NODE)], ".sh": []}


@pytest.fixture(params=["client.py", "client.ts", with_curl("list.sh")])
def script(request: pytest.FixtureRequest) -> str:
    if request.param == "client.ts":
        require(NPM_PACKAGES / ".installed")
    return str(request.param)


@pytest.fixture
def events() -> list[Any]:
    """The requests that reached the API."""
    return []


@pytest.fixture
def serving(serve: Serve, events: list[Any]) -> Callable[[Api], str]:
    """Serve a function or scripted responses; return the URL."""
    return lambda api: serve(responding(api, events) if isinstance(api, list) else api)


@pytest.fixture
def start(script: str, serving: Callable[[Api], str]) -> Start:
    """Start the script with parameters and without credentials, against a function or scripted responses."""

    def start(api: Api, *parameters: str) -> subprocess.Popen[str]:
        command = [*INTERPRETERS[Path(script).suffix], str(EXAMPLES / script), serving(api), *parameters]
        environment = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    return start


@pytest.fixture
def run_process(start: Start) -> Run:
    """Run the script like ``start``, until it ends."""

    def run(api: Api, *parameters: str) -> subprocess.CompletedProcess[str]:
        with start(api, *parameters) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def run(script: str, run_process: Run, serving: Callable[[Api], str], client_main: Run) -> Run:
    """Run the script like ``run_process``, but client.py in this process."""

    def run(api: Api, *parameters: str) -> subprocess.CompletedProcess[str]:
        with pytest.MonkeyPatch.context() as monkeypatch:
            for name in CREDENTIALS:
                monkeypatch.delenv(name)
            return client_main(serving(api), *parameters)

    return run if script == "client.py" else run_process


def page(*arns: str, cursor: str | None = None, unreachable: list[str] | None = None, sources: int = 4) -> Any:
    """Return a page; ``unreachable`` has the denied sources."""
    failed = [{"source": source, "problem": "upstream-denied"} for source in unreachable or []]
    content = {
        "modelSummaries": [{"modelArn": arn, "source": "111122223333/us-east-1"} for arn in arns],
        "coverage": {
            "sources": sources,
            "listed": 1 if cursor else sources - len(failed),
            "notOffered": ["111122223333/af-south-1"],
            "unreachable": failed,
            "complete": not cursor and not failed,
        },
    }
    return 200, {**content, **({"nextCursor": cursor} if cursor else {})}


def problem(status: int, kind: str, **fields: str) -> tuple[int, Any]:
    detail = {"title": "A problem", "status": status, "detail": f"The advice for {kind}.", "requestId": "r1"}
    return status, {"type": f"urn:problem-type:custom-models:{kind}", **detail, **fields}


def arns(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [json.loads(line)["modelArn"] for line in done.stdout.splitlines()]


class TestCoverage:
    def test_a_complete_listing(self, run: Run) -> None:
        done = run([page("a", cursor="1"), page(cursor="2"), page("b")])
        assert (done.returncode, arns(done), done.stderr) == (0, ["a", "b"], "")
        assert json.loads(done.stdout.splitlines()[0])["source"] == "111122223333/us-east-1"

    def test_an_incomplete_listing(self, run: Run, script: str, events: list[Any]) -> None:
        missing = ["444455556666/us-east-1", "444455556666/eu-west-1"]
        done = run(
            [page("a", cursor="1", unreachable=missing[:1]), page("b", unreachable=missing)], "allowPartial=true"
        )
        assert (done.returncode, arns(done)) == (3, ["a", "b"])
        assert done.stderr == (
            f"{script.removesuffix('.py').removesuffix('.ts')}: INCOMPLETE: 2 of 4 sources missing: "
            "444455556666/us-east-1 (upstream-denied), 444455556666/eu-west-1 (upstream-denied)\n"
        )
        assert [event["queryStringParameters"]["allowPartial"] for event in events] == ["true", "true"]

    @pytest.mark.parametrize(("count", "end"), [(10, ""), (11, ", and 1 more"), (500, ", and 490 more")])
    def test_ten_missing_sources_are_named(self, run: Run, count: int, end: str) -> None:
        done = run([page("a", unreachable=[f"{number:012}/us-east-1" for number in range(count)], sources=500)])
        assert (done.returncode, arns(done)) == (3, ["a"])
        assert done.stderr.count("\n") == 1
        assert f"INCOMPLETE: {count} of 500 sources missing: 000000000000/us-east-1 (" in done.stderr
        assert done.stderr.endswith(f"000000000009/us-east-1 (upstream-denied){end}\n")

    def test_an_incomplete_listing_without_models(self, run: Run) -> None:
        done = run([page(unreachable=["444455556666/us-east-1"])])
        assert (done.returncode, done.stdout) == (3, "")
        assert "INCOMPLETE: 1 of 4 " in done.stderr

    def test_an_api_without_coverage(self, run: Run) -> None:
        done = run([(200, {"modelSummaries": [{"modelArn": "a"}]})])
        assert (done.returncode, arns(done)) == (0, ["a"])
        assert "the API does not report coverage: it is an older version" in done.stderr


class TestStartingAgain:
    def test_no_model_is_printed_twice(self, run: Run, events: list[Any]) -> None:
        changed, expired = problem(400, "cursor-mismatch"), problem(400, "expired-cursor")
        done = run(
            [page("a", "b", cursor="1"), changed, page("a", cursor="2"), expired, page("c", cursor="3"), page("d")]
        )
        assert (done.returncode, arns(done)) == (0, ["c", "d"])
        assert done.stderr.count("starting again") == 2
        cursors = [event["queryStringParameters"].get("cursor") for event in events]
        assert cursors == [None, "1", None, "2", None, "3"]

    def test_the_third_time_is_an_error(self, run: Run, events: list[Any]) -> None:
        changed, expired = problem(400, "cursor-mismatch"), problem(400, "expired-cursor")
        first = page("a", cursor="1")
        done = run([first, expired, first, changed, first, expired, page("b")])
        assert (done.returncode, done.stdout, len(events)) == (1, "", 6)
        assert "The advice for expired-cursor." in done.stderr.splitlines()[-1]

    def test_only_the_last_listing_counts(self, run: Run) -> None:
        first = page("a", cursor="1", unreachable=["444455556666/us-east-1"])
        done = run([first, problem(400, "cursor-mismatch"), page("b")])
        assert (done.returncode, arns(done)) == (0, ["b"])
        assert "INCOMPLETE" not in done.stderr


class TestErrors:
    @pytest.mark.parametrize(
        "coverage",
        [
            "x",
            {},
            [],
            False,
            {"complete": "yes"},
            {"complete": False},
            {"complete": False, "sources": "4", "listed": 3, "unreachable": []},
            {"complete": False, "sources": 4, "listed": 3, "unreachable": ["444455556666/us-east-1"]},
            {"complete": False, "sources": 4, "listed": 3, "unreachable": [{}]},
        ],
    )
    def test_a_malformed_coverage_is_an_error(self, run: Run, coverage: Any) -> None:
        done = run([page("a", cursor="1"), (200, {"modelSummaries": [{"modelArn": "b"}], "coverage": coverage})])
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert '"coverage":' in done.stderr

    def test_a_malformed_cursor_is_an_error(self, run: Run) -> None:
        done = run([(200, {"modelSummaries": [{"modelArn": "b"}], "nextCursor": 1})])
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)

    def test_an_error_in_the_middle_names_its_source(self, run: Run, events: list[Any]) -> None:
        # Real errors of a source are 5xx; curl retries those for 15 seconds.
        done = run([page("a", cursor="1"), problem(400, "upstream-denied", source="444455556666/us-east-1")])
        assert (done.returncode, done.stdout, len(events)) == (1, "", 2)
        line = done.stderr.splitlines()[-1]
        assert "The advice for upstream-denied." in line
        assert "(source 444455556666/us-east-1" in line

    def test_an_error_without_a_source(self, run: Run) -> None:
        done = run([problem(400, "invalid-query")])
        assert (done.returncode, done.stdout) == (1, "")
        assert "source" not in done.stderr.splitlines()[-1]


MEMBER = "111122223333"
SOURCES = [f"{account}/{region}" for account in (ACCOUNT, MEMBER) for region in ("us-east-1", "eu-west-1")]


class TestInventory:
    """With the real function, and two accounts in two regions of ten models each."""

    @pytest.fixture
    def organization(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Organization]:
        models = {source: plausible_models(10, 0, *source.split("/")) for source in SOURCES}
        organization, sts = Organization(models), Sts({f"arn:aws:iam::{MEMBER}:role/reader": None})
        with server.serve(organization.respond) as bedrock_url, server.serve(sts.respond) as sts_url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", bedrock_url)
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
            yield organization

    @pytest.fixture
    def function(self, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Handler]:
        """Return a function that lists these accounts."""
        monkeypatch.setenv("CURSOR_KEY", KEY)

        def function(*accounts: str) -> Handler:
            sources = [{"accounts": accounts, "regions": ["us-east-1", "eu-west-1"]}]
            monkeypatch.setenv("INVENTORY", json.dumps({"sources": sources, "memberRoleName": "reader"}))
            return build()

        return function

    def test_all_sources_in_order(self, run_process: Run, function: Callable[..., Handler]) -> None:
        done = run_process(function(ACCOUNT, MEMBER), "maxItems=15")
        assert (done.returncode, done.stderr) == (0, "")
        assert sources(done) == [source for source in SOURCES for _ in range(10)]
        assert len({*arns(done)}) == 40

    @pytest.mark.parametrize("script", ["client.py", "client.ts"], indirect=True)  # curl retries a 500 for 15 seconds
    def test_a_denied_source_is_an_error(
        self, run_process: Run, function: Callable[..., Handler], organization: Organization
    ) -> None:
        organization.sources[SOURCES[3]].misbehave(always=deny)
        done = run_process(function(ACCOUNT, MEMBER))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"source {SOURCES[3]}" in done.stderr

    def test_a_denied_source_is_missing_in_a_partial_listing(
        self, run_process: Run, function: Callable[..., Handler], organization: Organization
    ) -> None:
        organization.sources[SOURCES[2]].misbehave(always=deny)
        done = run_process(function(ACCOUNT, MEMBER), "maxItems=15", "allowPartial=true")
        assert (done.returncode, {*sources(done)}) == (3, {*SOURCES} - {SOURCES[2]})
        assert done.stderr.endswith(f": INCOMPLETE: 1 of 4 sources missing: {SOURCES[2]} (upstream-denied)\n")

    def test_a_region_that_does_not_have_the_operation_is_not_missing(
        self, run_process: Run, function: Callable[..., Handler], organization: Organization
    ) -> None:
        organization.sources[SOURCES[1]].misbehave(always=unknown_operation)
        done = run_process(function(ACCOUNT, MEMBER))
        assert (done.returncode, done.stderr, {*sources(done)}) == (0, "", {*SOURCES} - {SOURCES[1]})

    def test_it_starts_again_when_the_inventory_changes(
        self, run_process: Run, function: Callable[..., Handler]
    ) -> None:
        before, after = function(ACCOUNT), function(MEMBER)
        calls: list[Any] = []

        def changing(event: Any, context: Context) -> dict[str, Any]:
            calls.append(event)
            return (before if len(calls) == 1 else after)(event, context)

        done = run_process(changing, "maxItems=15")
        assert (done.returncode, sources(done)) == (0, [source for source in SOURCES[2:] for _ in range(10)])
        assert "starting again" in done.stderr


def sources(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [json.loads(line)["source"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("script", ["client.py", "client.ts"], indirect=True)
def test_a_closed_pipe_is_not_an_error(start: Start) -> None:
    arns = [f"{number:01000}" for number in range(1000)]  # more than a pipe holds
    with start([page(*arns)]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["modelArn"] == arns[0]
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.parametrize("script", ["client.py", "client.ts"], indirect=True)
def test_an_interrupt_ends_it_without_output(start: Start) -> None:
    reached = threading.Event()

    def handler(event: Any, _: Context) -> dict[str, Any]:
        reached.set()
        return {"statusCode": 503, "headers": {"Retry-After": "60"}, "body": "{}"}

    with start(handler) as process:
        assert reached.wait(20)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == -signal.SIGINT
