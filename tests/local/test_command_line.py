"""``python -m local``: its output and its exit status."""

import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from emulators.bedrock import Emulator
from emulators.models import ACCOUNT, OTHER_ACCOUNT, plausible_models
from emulators.server import serve
from tests.local.command_line import COMMAND, Local

SERVE = (*COMMAND, "serve", "--port", "0")
NO_AWS_FILES = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def local(local: Local) -> Local:
    """The command line, with AWS settings in the home directory that do not use the emulator."""
    local.configure("[default]\nignore_configured_endpoint_urls = true\nregion = eu-west-1\n")
    return local


@contextmanager
def serving(local: Local, *command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server, and yield its process and its URL."""
    with local.start(*command) as process:
        too_late = threading.Timer(10, process.kill)
        too_late.start()
        try:
            assert process.stderr is not None
            url = process.stderr.readline().removeprefix("Custom Models API").strip()
            assert url.startswith("http://127.0.0.1:"), process.stderr.read()
            too_late.cancel()
            yield process, url
        finally:
            too_late.cancel()
            process.kill()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is in use during the test, but on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class Client:
    """Sends GET requests over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=10)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str, **query: str | int) -> Any:
        self._connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
        return json.load(self._connection.getresponse())


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--help"], ["serve", "invoke", "AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL_STS"]),
        (["serve", "--help"], ["--port", "8000", "--bedrock {emulator,aws}", "--models FILE", "--count N"]),
        (["invoke", "--help"], ["--inventory FILE", "af-south-1", "--deny NAMES"]),
    ],
)
def test_help_lists_commands_and_options(local: Local, arguments: list[str], parts: list[str]) -> None:
    result = local.run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(part in result.stdout for part in parts), result


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["COMMAND"]),
        (["serve", "--port", "65536"], ["0 to 65535, not '65536'"]),
        (["invoke", "{maxItems: 2}"], ["EVENT= is not JSON: "]),
        (["invoke", "--count", "1000001", "{}"], ["COUNT= (--count) ", "0 to 1000000, not '1000001'"]),
        (["invoke", "--count", "-1", "{}"], ["--count"]),
        (["invoke", "--models", "", "{}"], ["--models", "must be the name of a file"]),
        (["invoke", "--models", "a", "--count", "1", "{}"], ["--count", "not allowed with", "--models"]),
        (["invoke", "--models", "a", "--account", "1", "{}"], ["--account", "12 digits, not '1'"]),
        (["invoke", "--deny", "1", "{}"], ["--deny", "ACCOUNT/REGION", "not '1'"]),
        (["invoke", "--inventory", "", "{}"], ["--inventory", "must be the name of a file"]),
        (["serve", "--model", "a"], ["unrecognized arguments: --model a"]),
    ],
)
def test_an_invalid_argument_is_reported_in_one_line(local: Local, arguments: list[str], parts: list[str]) -> None:
    result = local.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("custom-models: ")
    assert all(part in line for part in parts), line


def test_what_prevents_the_start_is_reported_in_one_line(local: Local, unused_port: int, tmp_path: Path) -> None:
    models = tmp_path / "models.json"
    models.write_text('[{"modelName": "a"}]')
    nothing_there = [f"http://127.0.0.1:{unused_port}", f"127.0.0.1:{unused_port}"]
    with serve(Emulator([]).respond) as url:
        cases: list[tuple[list[str], dict[str, str], list[str]]] = [
            (["serve", "--port", str(unused_port)], {}, [f"Port {unused_port} ", "in use", "PORT="]),
            (["invoke", "{}"], {"CURSOR_KEY": "short"}, ["CURSOR_KEY", "32 characters"]),
            (
                ["invoke", "{}"],
                {"AWS_ENDPOINT_URL_BEDROCK": url, "AWS_PROFILE": "none-such", **NO_AWS_FILES},
                ["none-such"],
            ),
            (["invoke", "--models", str(models), "{}"], {}, [f"{models}: .[0].modelArn is missing."]),
            (["serve", "--models", f"{models}s"], {}, [f"{models}s cannot be read: No such file or directory."]),
            (["invoke", "--bedrock", "aws", "--count", "5", "{}"], {}, ["COUNT= (--count) ", "BEDROCK=aws"]),
            (
                ["invoke", "--models", str(models), "{}"],
                {"AWS_ENDPOINT_URL_BEDROCK": url},
                ["MODELS= (--models) ", "AWS_ENDPOINT_URL_BEDROCK"],
            ),
            (
                ["invoke", "--bedrock", "aws", "--account", "111122223333", "{}"],
                {},
                ["ACCOUNT= (--account) ", "BEDROCK=aws"],
            ),
            (["invoke", "--bedrock", "aws", "{}"], {"AWS_REGION": "us-east-1", **NO_AWS_FILES}, ["no AWS credentials"]),
            (["serve", "--bedrock", "aws", "--port", "0"], {**CREDENTIALS, **NO_AWS_FILES}, ["AWS_REGION"]),
            *(
                (["invoke", "{}"], {"AWS_ENDPOINT_URL_BEDROCK": endpoint}, [f"AWS_ENDPOINT_URL_BEDROCK={endpoint}"])
                for endpoint in nothing_there
            ),
        ]
        for arguments, given, parts in cases:
            result = local.run(*arguments, **given)
            assert (result.returncode, result.stdout) == (1, ""), result
            (line,) = result.stderr.splitlines()
            assert line.startswith("custom-models: ")
            assert all(part in line for part in parts), line


@pytest.mark.slow
class TestServe:
    @pytest.fixture(autouse=True)
    def _interruptible(self) -> Iterator[None]:
        # Processes inherit an ignored SIGINT, for example if a shell runs these tests with `&`.
        previous = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, previous)

    def test_it_serves_all_models_and_stops_at_ctrl_c(self, local: Local) -> None:
        start = time.monotonic()
        with serving(local, *SERVE) as (process, url):
            with Client(url) as client:
                answers = [client.get("/v1/custom-models", maxItems=70)]
                assert time.monotonic() - start < 10
                while cursor := answers[-1].get("nextCursor"):
                    answers.append(client.get("/v1/custom-models", maxItems=70, cursor=cursor))
                assert client.get("/v1/openapi.json")["openapi"] == "3.1.0"
                assert client.get("/v1/models")["type"] == "urn:problem-type:custom-models:not-found"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=2)
        assert process.returncode == 0
        assert "Traceback" not in err
        arns = [model["modelArn"] for answer in answers for model in answer["modelSummaries"]]
        assert len(arns) == 300
        assert set(arns) == {model.arn for model in plausible_models(300)}
        lines = [json.loads(line) for line in out.splitlines()]
        requests = [line for line in lines if line.get("message") == "request"]
        assert [line["outcome"] for line in requests] == ["ok"] * 6 + ["not-found"]
        assert [line["items"] for line in requests[:5]] == [70, 70, 70, 70, 20]

    def test_it_serves_the_models_of_a_file(self, local: Local, tmp_path: Path) -> None:
        models = [model for model in plausible_models(40) if model.status == "Active"]
        file = tmp_path / "it's mine.json"
        file.write_text(json.dumps([model.summary() for model in models]))
        own = sum(model.owner == OTHER_ACCOUNT for model in models)
        options = ["--models", str(file), "--account", OTHER_ACCOUNT]
        with serving(local, *SERVE, *options) as (process, url):
            assert process.stderr is not None
            line = process.stderr.readline()
            assert f"  {file} (models: {len(models)}, owned by account {OTHER_ACCOUNT}: {own}; embedded emu" in line
            with Client(url) as client:
                source = f"{OTHER_ACCOUNT}/us-east-1"
                answer = client.get("/v1/custom-models")
                assert answer["modelSummaries"] == [{**model.summary(), "source": source} for model in models]
                assert len(client.get("/v1/custom-models", isOwned="true")["modelSummaries"]) == own

    def test_it_stops_when_its_parent_process_ends(self, local: Local) -> None:
        # make, editors and scripts that are killed leave their child processes running.
        shell = f"{shlex.join(SERVE)} & echo $!; wait"
        with serving(local, "sh", "-c", shell) as (parent, url):
            assert parent.stdout is not None
            server = int(parent.stdout.readline())
            try:
                with Client(url) as client:
                    assert client.get("/v1/custom-models", maxItems=1)["modelSummaries"]
                parent.kill()
                require_closed(url)
            finally:
                with suppress(ProcessLookupError):
                    os.kill(server, signal.SIGKILL)

    def test_with_nohup_it_stays_when_its_parent_process_ends(self, local: Local) -> None:
        shell = f"trap '' HUP; {shlex.join(SERVE)} & echo $!; wait"
        with serving(local, "sh", "-c", shell) as (parent, url):
            assert parent.stdout is not None
            server = int(parent.stdout.readline())
            try:
                parent.kill()
                parent.wait()
                time.sleep(1.5)  # it looks for its parent twice a second
                with Client(url) as client:
                    assert client.get("/v1/custom-models", maxItems=1)["modelSummaries"]
            finally:
                os.kill(server, signal.SIGTERM)
            require_closed(url)


def require_closed(url: str) -> None:
    """Check that within 10 s nothing listens at the URL."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass  # the process ended just now
        time.sleep(0.05)
    pytest.fail("it is still running")


class TestInvoke:
    @pytest.mark.slow
    def test_a_second_invocation_continues_the_listing_of_the_first(self, local: Local) -> None:
        first = local.run_process("invoke", '{"maxItems": 2}')
        assert first.returncode == 0
        answer = json.loads(first.stdout)
        assert answer.keys() == {"modelSummaries", "nextCursor", "coverage"}
        (request,) = [line for line in map(json.loads, first.stderr.splitlines()) if line.get("message") == "request"]
        assert (request["route"], request["outcome"], request["items"]) == ("direct", "ok", 2)

        models = plausible_models(300)
        following = json.dumps({"maxItems": 1000, "cursor": answer["nextCursor"]})
        emulator = Emulator(models)
        with serve(emulator.respond) as url:
            # With this endpoint the user's AWS settings apply, and those in the home directory use the real Bedrock.
            second = local.run("invoke", following, AWS_ENDPOINT_URL_BEDROCK=url, **NO_AWS_FILES)
        assert len(emulator.calls) == 1
        assert second.returncode == 0
        rest = json.loads(second.stdout)
        assert rest.keys() == {"modelSummaries", "coverage"}
        arns = [model["modelArn"] for model in answer["modelSummaries"] + rest["modelSummaries"]]
        assert len(arns) == 300
        assert set(arns) == {model.arn for model in models}

    @pytest.mark.parametrize("count", [0, 7])
    def test_count_is_the_number_of_models(self, local: Local, count: int) -> None:
        result = local.run("invoke", "--count", str(count), "{}")
        expected = [{**model.summary(), "source": f"{ACCOUNT}/us-east-1"} for model in plausible_models(count)]
        assert json.loads(result.stdout)["modelSummaries"] == expected
        assert not [line for line in result.stderr.splitlines() if not line.startswith("{")]

    @pytest.mark.slow
    def test_generating_many_models_is_reported(self, local: Local) -> None:
        result = local.run("invoke", "--count", "50000", '{"maxItems": 1}')
        assert result.stderr.startswith("Generating 50,000 models ...\n")
        assert len(json.loads(result.stdout)["modelSummaries"]) == 1

    def test_an_error_has_the_format_of_lambda(self, local: Local) -> None:
        result = local.run("invoke", '{"maxItems": "2", "page": 1}')
        assert result.returncode == 1
        answer = json.loads(result.stdout)
        assert answer.keys() == {"errorType", "errorMessage"}
        assert answer["errorType"] == "InvalidQuery"
        assert "maxItems must be" in answer["errorMessage"]
        assert "page is not a parameter" in answer["errorMessage"]
        assert "Traceback" not in result.stderr
