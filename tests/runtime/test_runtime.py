"""The built bundle, run by Lambda's own runtime client."""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custom_models.core import errors
from emulators import secrets_manager
from emulators.bedrock import Emulator, Organization, deny, internal_error, throttle, unknown_operation
from emulators.faults import Fault, drip, hang, not_json
from emulators.lambda_runtime import Function
from emulators.models import Model, newest_first, plausible_models
from emulators.secrets_manager import SecretsManager
from emulators.server import serve
from emulators.sts import Sts
from local.api_gateway import proxy_event
from tests.organization import SOURCES, arns_of, inventory, models_of, trust, until
from tests.runtime.function import Start

pytestmark = pytest.mark.slow

MODELS = newest_first(plausible_models(300))
ARNS = [model.arn for model in MODELS]

needs_python_of_the_runtime = pytest.mark.skipif(
    sys.version_info[:2] != (3, 13), reason="this Python is not the runtime's"
)


def get(target: str) -> dict[str, Any]:
    return proxy_event("GET", target, [("Host", "localhost")])


def arns(body: Any) -> list[str]:
    return [model["modelArn"] for model in body["modelSummaries"]]


@pytest.fixture
def function(emulator: Emulator, shared_function: Function) -> Function:
    """A container that other tests may have used before."""
    return shared_function


@pytest.fixture
def new_function(emulator: Emulator, start: Start) -> Function:
    """A container that was just started."""
    return start()


class TestInvocation:
    def test_rest_api_events_cold_and_warm(self, new_function: Function) -> None:
        for _ in range(2):
            response = new_function.result(get("/v1/custom-models?maxItems=5"))
            assert response["statusCode"] == 200
            assert response["headers"]["Content-Type"] == "application/json"
            assert arns(json.loads(response["body"])) == ARNS[:5]

    def test_direct_events_cold_and_warm(self, new_function: Function) -> None:
        first = new_function.result({"maxItems": 5})
        assert arns(first) == ARNS[:5]
        assert arns(new_function.result({"maxItems": 5, "cursor": first["nextCursor"]})) == ARNS[5:10]

    def test_the_openapi_document(self, function: Function) -> None:
        response = function.result(get("/v1/openapi.json"))
        assert json.loads(response["body"])["openapi"].startswith("3.1")

    def test_the_log_is_in_json_lines(self, new_function: Function) -> None:
        new_function.result(get("/v1/custom-models?maxItems=5"))
        new_function.result(get("/v1/custom-models?maxItems=0"))
        report = new_function.invoke({})
        requests = [line for line in new_function.logged() if line.get("message") == "request"]
        assert [line["outcome"] for line in requests] == ["ok", "invalid-query", "ok"]
        assert [line["cold_start"] for line in requests] == [True, False, False]
        assert requests[2]["function_request_id"] == report.request_id
        assert sum("_aws" in line for line in new_function.logged()) == 3

    def test_the_error_of_a_direct_invocation_is_logged_once(self, new_function: Function) -> None:
        new_function.error({"maxItems": 0})
        ours = [json.loads(line) for line in new_function.lines() if line.startswith("{")]
        (lambdas,) = [line for line in new_function.lines() if line.startswith("[ERROR]")]
        assert [line["outcome"] for line in ours if line.get("message") == "request"] == ["invalid-query"]
        assert lambdas.startswith("[ERROR] InvalidQuery: maxItems must be a whole number from 1 to 1000.")

    def test_a_warning_is_logged_once(
        self, emulator: Emulator, start: Start, secret: tuple[SecretsManager, str], linked: Path
    ) -> None:
        # Read the secret at every request.
        change(linked, "signing_keys.py", "CACHE_SECONDS = 300", "CACHE_SECONDS = 0")
        function = start(linked, **with_secret(secret))
        function.result({"maxItems": 1})
        secret[0].misbehave(always=secrets_manager.deny)
        function.result({"maxItems": 1})
        (line,) = [line for line in function.lines() if "The secret cannot be read" in line]
        assert json.loads(line)["level"] == "WARNING"

    def test_a_thousand_models_of_maximum_size_fit_into_a_response(
        self, emulator: Emulator, function: Function
    ) -> None:
        emulator.load([longest(number) for number in range(1001)])
        direct = function.invoke({"maxItems": 1000})
        http = function.invoke(get("/v1/custom-models?maxItems=1000"))
        for listing in (direct.body, json.loads(http.body["body"])):
            assert len(listing["modelSummaries"]) == 1000
            assert "nextCursor" in listing
        # Lambda's limit is 6 MB.
        assert len(direct.content) < len(http.content) < 4_000_000


def longest(number: int) -> Model:
    """Return a model whose ARNs and names have the maximum length of Bedrock's service model."""
    arn = f"arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:custom-model/{number:0948}"
    assert len(arn) == 1011
    return Model(
        arn=arn,
        name=f"{number:063}",
        created=datetime(2026, 10, 31, 18, 0, 0, 123456, tzinfo=UTC) + timedelta(seconds=number),
        base_arn=arn,
        base_name="b" * 63,
        foundation_arn=arn,
        customization_type="CONTINUED_PRE_TRAINING",
        owner="123456789012",
        status="Creating",
    )


FAILED = " (source 123456789012/us-east-1)"


class TestErrors:
    """The errors that a state machine can name in ``ErrorEquals``."""

    @pytest.mark.parametrize(
        ("fault", "error", "sentence"),
        [
            (throttle, "UpstreamThrottled", errors.UpstreamThrottled.advice),
            (internal_error, "UpstreamUnavailable", errors.UpstreamUnavailable.advice),
            (deny, "UpstreamDenied", errors.UpstreamDenied.advice),
            (unknown_operation, "UpstreamRejected", "None of the selected regions has this operation of Bedrock."),
            (not_json, "UpstreamInvalid", "Bedrock's response is not a list of models: it is not a JSON object."),
        ],
        ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
    )
    def test_errors_of_bedrock(
        self, emulator: Emulator, function: Function, fault: Any, error: str, sentence: str
    ) -> None:
        emulator.misbehave(always=fault)
        reported = function.error({})
        assert (reported["errorType"], reported["errorMessage"]) == (error, sentence + FAILED)
        require_no_internals(reported, "botocore", "urllib3", "Exception", "Too many requests", "system encountered")
        require_no_internals(reported, "is not authorized", "Unknown operation", "Please log in")

    def test_errors_of_the_parameters(self, function: Function) -> None:
        reported = function.error({"maxItems": "5", "isOwned": "yes"})
        assert (reported["errorType"], reported["errorMessage"]) == (
            "InvalidQuery",
            "isOwned must be true or false; maxItems must be a whole number from 1 to 1000.",
        )
        assert function.error([])["errorType"] == "InvalidQuery"

    def test_errors_of_the_cursor(self, emulator: Emulator, function: Function) -> None:
        cursor = function.result({"maxItems": 1})["nextCursor"]
        events = {
            errors.InvalidCursor: {"cursor": cursor[:-1]},
            errors.CursorMismatch: {"cursor": cursor, "isOwned": True},
            errors.ExpiredCursor: {"cursor": cursor},
        }
        emulator.load(plausible_models(3, seed=1))
        for error, event in events.items():
            reported = function.error(event)
            message = error.advice + (FAILED if error is errors.ExpiredCursor else "")
            assert (reported["errorType"], reported["errorMessage"]) == (error.__name__, message)
            require_no_internals(reported, "itsdangerous", "BadSignature", "ValidationException")

    def test_the_cause_of_an_internal_error_is_only_in_the_log(
        self, emulator: Emulator, secret: tuple[SecretsManager, str], start: Start
    ) -> None:
        secret[0].misbehave(always=secrets_manager.deny)
        function = start(**with_secret(secret))
        reported = function.error({"maxItems": 1})
        assert (reported["errorType"], reported["errorMessage"]) == ("Internal", errors.Internal.advice)
        require_no_internals(reported, "AccessDenied", "secretsmanager", "botocore")
        (line,) = [json.loads(line) for line in function.lines() if "AccessDenied" in line]
        assert line["level"] == "ERROR"
        assert "GetSecretValue" in line["exception"]


def require_no_internals(reported: dict[str, Any], *texts: str) -> None:
    """Check that the report, including its stack trace, contains nothing that must not leave the function."""
    assert reported["stackTrace"]
    text = json.dumps(reported)
    assert not [inner for inner in (*texts, "direct cause", "During handling") if inner in text], text


class TestDeadline:
    def test_it_responds_in_time_when_bedrock_hangs(self, emulator: Emulator, new_function: Function) -> None:
        new_function.result({"maxItems": 1})
        emulator.misbehave(always=hang(20))
        for event, kind in ((get("/v1/custom-models"), "response"), ({}, "error")):
            report = new_function.invoke(event, seconds=15)
            assert report.kind == kind
            assert report.left > 1
        assert report.body["errorType"] == "UpstreamUnavailable"

    def test_it_returns_the_models_it_has_when_bedrock_hangs_later(
        self, emulator: Emulator, new_function: Function
    ) -> None:
        emulator.misbehave(None, always=hang(20))
        report = new_function.invoke({"maxItems": 20, "pageSize": 10}, seconds=15)
        assert report.left > 1
        assert arns(report.body) == ARNS[:10]
        assert "nextCursor" in report.body


class TestSources:
    """Two invocations of one container: a call that the first one abandoned touches nothing of the second one."""

    @pytest.fixture
    def organization(self) -> Iterator[tuple[Organization, dict[str, str]]]:
        """Accounts and regions, and the environment of a function that lists them."""
        organization, sts = Organization({source: models_of(source) for source in SOURCES}), Sts(trust())
        with serve(organization.respond) as bedrock_url, serve(sts.respond) as sts_url:
            urls = {"AWS_ENDPOINT_URL_BEDROCK": bedrock_url, "AWS_ENDPOINT_URL_STS": sts_url}
            yield organization, {**urls, "INVENTORY": inventory()}

    @pytest.mark.parametrize("fault", [hang(30), drip(0.03)], ids=["hangs", "byte by byte"])
    @pytest.mark.parametrize("slow", [SOURCES[0], SOURCES[-1]], ids=["first", "last"])
    def test_a_source_that_hangs(
        self,
        start: Start,
        linked: Path,
        organization: tuple[Organization, dict[str, str]],
        slow: str,
        fault: Fault,
    ) -> None:
        change(linked, "bedrock/deadline.py", "READ_TIMEOUT = 5", "READ_TIMEOUT = 0.6")
        change(linked, "bedrock/deadline.py", "MAX_CALL_SECONDS = 12", "MAX_CALL_SECONDS = 1.5")
        function = start(linked, **organization[1])
        sources = organization[0].sources
        event = {"maxItems": 1000, "allowPartial": True}
        function.result(event)
        for _ in range(3):
            sources[slow].misbehave(always=fault)
            slowly = function.result(event)
            sources[slow].misbehave()
            assert slowly["coverage"]["unreachable"] == [{"source": slow, "problem": "upstream-unavailable"}]
            assert arns(slowly) == arns_of(*(source for source in SOURCES if source != slow))
            clean = function.result({"maxItems": 1000})
            assert arns(clean) == arns_of(*SOURCES)
            assert clean["coverage"]["complete"]
        _, *lines = (line for line in function.logged() if line.get("message") == "request")
        for failed, line in zip(lines[::2], lines[1::2], strict=True):
            assert failed["sources_failed"].keys() == {slow}
            assert (line["level"], line["outcome"], line["sources_failed"]) == ("INFO", "ok", {})
            assert (line["upstream_pages"], line["upstream_retries"], line["items"]) == (9, 0, 36)
        # The main thread, and the one in which the runtime client waits for the next invocation.
        until(lambda: len(list(Path(f"/proc/{function.pid}/task").iterdir())) <= 2)


class TestStart:
    def test_the_error_for_a_missing_key_names_the_settings(self, emulator: Emulator, start: Start) -> None:
        error, code = start(CURSOR_KEY=None).init_error()
        assert error["errorType"] == "SettingsError"
        assert "CURSOR_SECRET_ID" in error["errorMessage"]
        assert "CURSOR_KEY" in error["errorMessage"]
        assert code == 1

    def test_a_missing_package_is_reported(self, emulator: Emulator, start: Start, linked: Path) -> None:
        (linked / "jmespath").unlink()
        error, _ = start(linked).init_error()
        assert error["errorType"] == "Runtime.ImportModuleError"
        assert "jmespath" in error["errorMessage"]

    def test_the_bundle_can_be_read_only_and_is_not_changed(
        self, emulator: Emulator, start: Start, copied: Path
    ) -> None:
        for path in (copied, *copied.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = snapshot(copied)
        function = start(copied)
        function.result({})
        function.result(get("/v1/openapi.json"))
        assert snapshot(copied) == before

    @needs_python_of_the_runtime
    def test_it_runs_the_bytecode(self, emulator: Emulator, start: Start, copied: Path) -> None:
        for source in copied.rglob("*.py"):
            source.write_text("raise SystemExit('the source was compiled')\n")
        assert arns(start(copied).result({"maxItems": 1})) == ARNS[:1]


@pytest.fixture
def linked(bundled: Path, tmp_path: Path) -> Path:
    """The bundle with a copy of our package, which the test can change, and links to all others."""
    task = tmp_path / "task"
    shutil.copytree(bundled / "custom_models", task / "custom_models")
    for path in bundled.iterdir():
        if path.name != "custom_models":
            (task / path.name).symlink_to(path)
    return task


@pytest.fixture
def copied(bundled: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the bundle that the test can change."""
    copy = tmp_path / "task"
    shutil.copytree(bundled, copy)
    yield copy
    for path in (copy, *copy.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def change(bundle: Path, module: str, old: str, new: str) -> None:
    """Replace text in an adapter of a bundle."""
    path = bundle / "custom_models" / "adapters" / module
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    for bytecode in path.parent.glob(f"__pycache__/{path.stem}.*"):
        bytecode.unlink()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.fixture
def secret() -> Iterator[tuple[SecretsManager, str]]:
    """A Secrets Manager emulator, and its URL."""
    manager = SecretsManager()
    with serve(manager.respond) as url:
        yield manager, url


def with_secret(secret: tuple[SecretsManager, str]) -> dict[str, Any]:
    return {
        "CURSOR_KEY": None,
        "CURSOR_SECRET_ID": secrets_manager.ARN,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": secret[1],
    }


class TestKeys:
    def test_a_listing_of_one_page_does_not_read_the_key(
        self, emulator: Emulator, start: Start, secret: tuple[SecretsManager, str]
    ) -> None:
        start(**with_secret(secret)).result({"maxItems": 300})
        assert secret[0].calls == []

    def test_a_rotation_during_a_walk_that_two_containers_serve(
        self, emulator: Emulator, start: Start, secret: tuple[SecretsManager, str]
    ) -> None:
        older = start(**with_secret(secret))
        pages = [older.result({"maxItems": 50})]
        secret[0].rotate()
        newer = start(**with_secret(secret))
        for function in (newer, older, newer, older, older):
            pages.append(function.result({"maxItems": 50, "cursor": pages[-1]["nextCursor"]}))
        assert [arn for page in pages for arn in arns(page)] == ARNS
        assert "nextCursor" not in pages[-1]
        # Each container read it once, and the older one again because of the unknown signature.
        assert secret[0].reads == 3
        # Signed before the rotation, with the previous version.
        assert arns(newer.result({"maxItems": 50, "cursor": pages[0]["nextCursor"]})) == ARNS[50:100]

    def test_a_forged_cursor_is_rejected(
        self, emulator: Emulator, start: Start, secret: tuple[SecretsManager, str]
    ) -> None:
        function = start(**with_secret(secret))
        cursor = function.result({"maxItems": 1})["nextCursor"]
        forged = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
        assert function.error({"cursor": forged})["errorType"] == "InvalidCursor"
