"""examples/state_machine.asl.json, run by an interpreter of the Amazon States Language that invokes the real bundle.

The interpreter is LocalStack's, which moto includes. It invokes the function with a real Lambda client, so that
``Retry`` and ``Catch`` match the errors that the function raises. It enforces the 256 KiB limit, and LocalStack
verified its behavior against AWS. This module adds two parts that moto left out: a JSONata engine (a Python port of
the one that LocalStack uses), and JSON bodies for S3.

Alternatives that do not work: ministack 1.5.33 has neither the limit nor putObject, and reports every exception of a
Python function as Runtime.HandlerError; aws-local-stepfunctions 3.0.0 (npm) has neither JSONata nor lambda:invoke;
aws-stepfunctions-toolkit 0.1.1 calls AWS to run each state.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from custom_models.core.cursor import MAX_LENGTH
from custom_models.core.errors import CursorMismatch, ExpiredCursor, UpstreamThrottled
from emulators.bedrock import Emulator, throttle, unknown_operation
from emulators.faults import unavailable
from emulators.lambda_invoke import ALIAS, InvokeApi
from emulators.models import plausible_models
from tests.examples.function import ARNS, MODELS, Reply
from tests.installed import script
from tests.runtime.test_runtime import longest

DEFINITION = Path(__file__).resolve().parents[2] / "examples" / "state_machine.asl.json"
BUCKET = "inventory"
PAGES = [ARNS[start : start + 50] for start in range(0, len(ARNS), 50)]
BUSY = (throttle, throttle, throttle)
"""As many failures as the function has attempts, so that it raises an error."""

LONGEST_SOURCE = "111122223333/us-isof-south-1"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Execution:
    """How an execution ended, and the pages that it wrote to the bucket: the models by key."""

    output: dict[str, Any] | None
    error: tuple[str, str] | None
    pages: dict[str, list[Any]]

    @property
    def listing(self) -> list[list[str]]:
        """The ARNs of each page under the prefix in the output."""
        assert self.output is not None, self.error
        pages = [models for key, models in self.pages.items() if key.startswith(self.output["prefix"])]
        return [[model["modelArn"] for model in models] for models in pages]


class Machine:
    """The state machine and its bucket."""

    def __init__(self, alias: str = ALIAS, bucket: str = BUCKET) -> None:
        definition = DEFINITION.read_text().replace("${AliasArn}", alias).replace("${Bucket}", bucket)
        role = "arn:aws:iam::123456789012:role/machine"
        self._states: Any = boto3.client("stepfunctions")
        self._s3 = boto3.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)
        machine = self._states.create_state_machine(name="inventory", definition=definition, roleArn=role)
        self._arn = machine["stateMachineArn"]

    def run(self, event: Any) -> Execution:
        execution = self._states.start_execution(stateMachineArn=self._arn, name="run", input=json.dumps(event))
        while True:
            state = self._states.describe_execution(executionArn=execution["executionArn"])
            if state["status"] == "SUCCEEDED":
                return Execution(json.loads(state["output"]), None, self._pages())
            if state["status"] != "RUNNING":
                return Execution(None, (state["error"], state["cause"]), self._pages())
            time.sleep(0.1)

    def _pages(self) -> dict[str, list[Any]]:
        keys = [entry["Key"] for entry in self._s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        objects = {key: self._s3.get_object(Bucket=BUCKET, Key=key) for key in keys}
        return {key: json.load(object_["Body"])["modelSummaries"] for key, object_ in objects.items()}


def evaluate(text: str) -> Any:
    """Evaluate JSONata as Step Functions does."""
    import jsonata  # type: ignore[import-untyped]

    # moto declares the variables in the text: whole pages, which would take seconds to parse as JSONata.
    variables: dict[str, Any] = {}
    while declared := re.search(r"\$(\w+):=(?!function)", text):
        variables[declared[1]], end = json.JSONDecoder().raw_decode(text, declared.end())
        text = text[: declared.start()] + text[end + 1 :]
    return jsonata.Jsonata(text).evaluate(None, variables)


def body_as_json(params: dict[str, Any], **_: Any) -> None:
    params["Body"] = json.dumps(params["Body"]).encode()


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait before a retry; the tests do not really wait."""
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

    seconds: list[float] = []
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def aws(invoked: InvokeApi, monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> Iterator[None]:
    """An AWS account, mocked in this process, except for the function."""
    # Imported here because it is slow, and would delay collecting the tests.
    from moto import mock_aws
    from moto.stepfunctions.parser.asl.jsonata import jsonata as engine

    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(engine, "_eval_jsonata", evaluate)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        # The interpreter uses boto3's default session: create a new one for each account.
        boto3.setup_default_session()
        session: Any = boto3.DEFAULT_SESSION
        session.events.register("provide-client-params.s3.PutObject", body_as_json)
        yield


A, B = {"modelArn": "a"}, {"modelArn": "b"}


def page(*models: Any, unreachable: Sequence[Any] = (), sources: int = 4, complete: bool = True) -> dict[str, Any]:
    coverage = {
        "sources": sources,
        "listed": sources - len(unreachable),
        "notOffered": [],
        "unreachable": [*unreachable],
        "complete": complete and not unreachable,
    }
    return {"modelSummaries": [*models], "coverage": coverage}


@pytest.fixture
def machine(aws: None) -> Machine:
    return Machine()


class TestListing:
    def test_each_model_once_and_in_order(self, machine: Machine) -> None:
        execution = machine.run({})
        prefix = "custom-models/run/1/"
        coverage = {"sources": 1, "listed": 1, "notOffered": [], "unreachable": [], "complete": True}
        written = {"bucket": BUCKET, "prefix": prefix, "pages": 6, "models": 300}
        assert execution.output == {**written, "coverage": coverage}
        assert list(execution.pages) == [f"{prefix}{number:05}.json" for number in range(1, 7)]
        assert execution.listing == PAGES
        assert execution.pages[f"{prefix}00001.json"][0]["modelName"] == MODELS[0].name

    def test_the_input_is_the_functions_event(self, machine: Machine, invoked: InvokeApi) -> None:
        execution = machine.run({"nameContains": "churn", "maxItems": 10})
        assert [*chain.from_iterable(execution.listing)] == [model.arn for model in MODELS if "churn" in model.name]
        assert invoked.events[0] == {"nameContains": "churn", "maxItems": 10}
        assert len(invoked.events) > 2
        assert {tuple(event) for event in invoked.events[1:]} == {("maxItems", "nameContains", "cursor")}

    @pytest.mark.parametrize("count", [0, 1])
    def test_pages_of_no_model_and_of_one_are_lists(self, machine: Machine, emulator: Emulator, count: int) -> None:
        emulator.load(plausible_models(count))
        execution = machine.run({})
        assert execution.listing == [[model.arn for model in plausible_models(count)]]
        assert execution.output is not None
        assert execution.output["models"] == count

    def test_an_empty_page_is_not_the_end(self, machine: Machine, emulator: Emulator) -> None:
        emulator.page_sizes = lambda asked: 0 if len(emulator.calls) == 1 else asked
        emulator.misbehave(None, *BUSY)
        assert machine.run({}).listing == [[], *PAGES]

    def test_a_page_of_the_longest_models_fits(self, machine: Machine, emulator: Emulator) -> None:
        emulator.load([longest(number) for number in range(51)])
        assert [len(page) for page in machine.run({}).listing] == [50, 1]

    def test_the_largest_page_fits(
        self, machine: Machine, shared_invoke_api: tuple[InvokeApi, str], emulator: Emulator, reply: Reply
    ) -> None:
        """With the longest cursor, and 500 unreachable sources with the longest names of a region and a problem."""
        emulator.load([longest(number) for number in range(50)])
        function = boto3.client("lambda", endpoint_url=shared_invoke_api[1])
        listing = json.load(function.invoke(FunctionName=ALIAS, Payload=b'{"maxItems": 50}')["Payload"])
        models = [{**model, "source": LONGEST_SOURCE} for model in listing["modelSummaries"]]
        failed = [{"source": LONGEST_SOURCE, "problem": "upstream-unavailable"}] * 500
        first = {**page(*models, unreachable=failed, sources=500), "nextCursor": "c" * MAX_LENGTH}
        last = page(*models, unreachable=failed[1:], sources=500)
        assert len(models) == 50
        assert 150_000 < len(json.dumps(first)) < 200_000
        reply(first, last)
        execution = machine.run({})
        assert execution.error is not None
        assert execution.error[0] == "IncompleteCoverage"
        assert len(execution.error[1]) < 32_768
        assert execution.error[1].count(LONGEST_SOURCE) == 499
        assert [*execution.pages.values()] == [models, models]


class TestBusy:
    def test_it_waits_and_retries_in_the_middle_of_the_listing(
        self, machine: Machine, emulator: Emulator, waited: list[float]
    ) -> None:
        emulator.misbehave(None, *BUSY, *BUSY, None, unavailable, unavailable, unavailable)
        assert machine.run({}).listing == PAGES
        assert waited == [5, 10, 5]

    def test_it_fails_with_the_functions_error_after_the_last_attempt(
        self, machine: Machine, emulator: Emulator, waited: list[float]
    ) -> None:
        emulator.misbehave(None, always=throttle)
        execution = machine.run({})
        assert execution.error is not None
        assert execution.error[0] == "UpstreamThrottled"
        assert execution.error[1].startswith(UpstreamThrottled.advice)
        assert waited == [5, 10, 20, 40]

    def test_errors_of_lambda_are_retried(self, machine: Machine, invoked: InvokeApi, waited: list[float]) -> None:
        names = {429: "TooManyRequestsException", 500: "ServiceException", 502: "AWSLambdaException"}
        invoked.failures = [*names.items()]
        assert machine.run({"maxItems": 150}).listing == [ARNS[:150], ARNS[150:]]
        assert len(waited) == 3
        assert all(wait <= limit for wait, limit in zip(waited, (1, 2, 4), strict=True))


class TestExpired:
    def test_it_starts_again_under_another_prefix(self, machine: Machine, emulator: Emulator) -> None:
        emulator.misbehave(None, None, unknown_operation)
        execution = machine.run({})
        prefix = "custom-models/run/2/"
        assert execution.output is not None
        assert execution.output.items() >= {"bucket": BUCKET, "prefix": prefix, "pages": 6, "models": 300}.items()
        assert execution.listing == PAGES
        assert len([key for key in execution.pages if not key.startswith(prefix)]) == 2

    def test_it_fails_after_three_attempts(self, machine: Machine, emulator: Emulator) -> None:
        emulator.misbehave(*[None, unknown_operation] * 3)
        execution = machine.run({})
        assert execution.error is not None
        assert execution.error[0] == ExpiredCursor.__name__
        assert "in three attempts" in execution.error[1]
        assert len(emulator.calls) == 6

    def test_it_starts_again_after_a_mismatch(self, machine: Machine, invoked: InvokeApi, reply: Reply) -> None:
        events = reply(
            {**page(A), "nextCursor": "1"}, CursorMismatch("Changed."), {**page(A), "nextCursor": "2"}, page(B)
        )
        execution = machine.run({})
        assert execution.listing == [["a"], ["b"]]
        assert execution.output is not None
        assert execution.output["models"] == 2
        assert [event.get("cursor") for event in events] == [None, "1", None, "2"]

    def test_it_fails_after_three_mismatches(self, machine: Machine, reply: Reply) -> None:
        events = reply(*[{**page(A), "nextCursor": "1"}, CursorMismatch("Changed.")] * 4)
        execution = machine.run({})
        assert execution.error is not None
        assert execution.error[0] == "CursorMismatch"
        assert "in three attempts" in execution.error[1]
        assert len(events) == 6


class TestCoverage:
    def test_a_complete_listing_has_it_in_the_output(self, machine: Machine, reply: Reply) -> None:
        reply({**page(A, complete=False), "nextCursor": "1"}, page(B))
        execution = machine.run({})
        assert execution.listing == [["a"], ["b"]]
        assert execution.output is not None
        assert execution.output["coverage"] == page(B)["coverage"]

    def test_an_incomplete_listing_fails_and_names_the_sources(self, machine: Machine, reply: Reply) -> None:
        failed = [{"source": f"{account}/us-east-1", "problem": "upstream-denied"} for account in ("1" * 12, "2" * 12)]
        events = reply({**page(A, unreachable=failed[:1]), "nextCursor": "1"}, page(B, unreachable=failed))
        execution = machine.run({"allowPartial": True})
        cause = (
            "2 of 4 sources missing. The 2 models that were listed are in the bucket inventory under "
            "custom-models/run/1/. Missing: 111111111111/us-east-1 (upstream-denied), "
            "222222222222/us-east-1 (upstream-denied)"
        )
        assert execution.error == ("IncompleteCoverage", cause)
        assert [*execution.pages.values()] == [[A], [B]]
        assert [event["allowPartial"] for event in events] == [True, True]

    def test_one_missing_source(self, machine: Machine, reply: Reply) -> None:
        reply(page(unreachable=[{"source": "111111111111/us-east-1", "problem": "upstream-denied"}]))
        execution = machine.run({"allowPartial": True})
        assert execution.error is not None
        assert execution.error[1].startswith("1 of 4 sources missing. The 0 models ")
        assert execution.error[1].endswith(" Missing: 111111111111/us-east-1 (upstream-denied)")

    def test_a_function_without_coverage(self, machine: Machine, reply: Reply) -> None:
        reply({"modelSummaries": [A]})
        execution = machine.run({})
        assert execution.listing == [["a"]]
        assert execution.output is not None
        assert "coverage" not in execution.output


class TestFailure:
    def test_an_unknown_filter_is_reported(self, machine: Machine, waited: list[float]) -> None:
        execution = machine.run({"namecontains": 'ch"urn', "maxItems": 0})
        assert execution.error is not None
        assert execution.error[0] == "InvalidQuery"
        assert execution.error[1].startswith("maxItems must be a whole number from 1 to 1000; namecontains ")
        assert execution.error[1].endswith("(did you mean nameContains?).")
        assert (execution.pages, waited) == ({}, [])

    def test_an_input_that_is_not_an_object(self, machine: Machine, invoked: InvokeApi) -> None:
        execution = machine.run(5)
        assert execution.error is not None
        # States.QueryEvaluationError on AWS; a Fail state must not say States.
        assert execution.error[0] == "Runtime"
        assert "Argument 1 of Object merge" in execution.error[1]
        assert invoked.events == []

    def test_a_function_that_does_not_exist(self, aws: None) -> None:
        execution = Machine(alias=ALIAS.replace("live", "dead")).run({})
        assert execution.error is not None
        assert execution.error[0] == "Lambda.ResourceNotFoundException"
        assert "This is ResourceNotFoundException" in execution.error[1]

    def test_a_bucket_that_does_not_exist(self, aws: None, waited: list[float]) -> None:
        execution = Machine(bucket="nowhere").run({})
        assert execution.error is not None
        # On AWS, the name starts with S3 in upper case.
        assert execution.error[0].upper() == "S3.NOSUCHBUCKETEXCEPTION"
        assert waited == [1, 2, 4, 8, 16]


def test_the_definition_is_valid(tmp_path: Path) -> None:
    properties = {
        "RoleArn": "arn:aws:iam::123456789012:role/machine",
        "Definition": json.loads(DEFINITION.read_text()),
        "DefinitionSubstitutions": {"AliasArn": ALIAS, "Bucket": BUCKET},
    }
    template = tmp_path / "template.json"
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
    template.write_text(json.dumps({"Resources": resources}))
    done = subprocess.run([*script("cfn-lint"), "--", str(template)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
