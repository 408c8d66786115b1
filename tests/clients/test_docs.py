"""docs/clients.md: its code runs, and its facts are those of the API. examples/agentcore_tools.json follows the API."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.model import StructureShape
from botocore.validate import ParamValidator

from custom_models.adapters.rest_api.openapi import document
from custom_models.adapters.rest_api.problem import TYPE_PREFIX
from custom_models.core import errors
from custom_models.core.errors import CustomModelsError
from custom_models.core.parameters import PARAMETERS
from emulators import server
from emulators.bedrock import Emulator, deny
from emulators.models import ACCOUNT, newest_first, plausible_models
from emulators.server import Request, Response, json_response
from local import api_gateway
from tests import markdown
from tests.api import Api
from tests.clients.program import BIN, Program, only_signed
from tests.installed import NODE, NPM_PACKAGES, ROOT, node, require

TEXT = (ROOT / "docs" / "clients.md").read_text("utf-8")
EXAMPLES = ROOT / "examples"
DOCUMENT: dict[str, Any] = json.loads(document())
section = partial(markdown.section, TEXT)
MODELS = newest_first(plausible_models(300))
ACTIVE = sum(model.status == "Active" for model in MODELS)
CHURN = sum("churn" in model.name and model.owner == ACCOUNT for model in MODELS)


def code(heading: str, language: str, number: int = 0) -> str:
    return markdown.code(section(heading), language)[number]


@pytest.fixture
def url(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an API that accepts signed requests only, with a slash at the end as the stack prints it."""
    with api_gateway.serve(only_signed(api.handler)) as url:
        monkeypatch.setenv("URL", f"{url}/")
        yield url


def run(*command: str | Path, **variables: str) -> str:
    """Run a command, and return its output."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
class TestPython:
    def test_the_example_client(self, url: str, tmp_path: Path) -> None:
        (tmp_path / "listing.py").write_text(code("Python", "python"))
        assert run(sys.executable, tmp_path / "listing.py", PYTHONPATH=str(EXAMPLES)) == f"{CHURN} True\n"

    @pytest.mark.parametrize(
        ("heading", "client"),
        [("openapi-python-client", "openapi_python_client"), ("OpenAPI Generator", "openapi_generator")],
    )
    @pytest.mark.timeout(300)
    def test_a_generated_client(
        self, url: str, tmp_path: Path, heading: str, client: str, request: pytest.FixtureRequest
    ) -> None:
        program: Program = request.getfixturevalue(client)
        (tmp_path / "signing.py").write_text(code("Signing with any HTTP library", "python"))
        (tmp_path / "listing.py").write_text(code(heading, "python"))
        found = run(BIN / "python", "-W", "error", tmp_path / "listing.py", **program.variables)
        assert found == f"{ACTIVE} True\n"


@pytest.mark.slow
class TestTypeScript:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder as a user makes it."""
        if not (NPM_PACKAGES / ".installed").exists():
            pytest.skip("the examples' npm packages are missing; `make test` installs them")
        for name in ("client.ts", "custom-models.d.ts", "package.json"):
            shutil.copy(EXAMPLES / name, tmp_path)
        (tmp_path / "node_modules").symlink_to(NPM_PACKAGES)
        for number in (0, 1):
            (tmp_path / f"listing{number}.ts").write_text(code("TypeScript", "ts", number))
        return tmp_path

    def test_it_runs(self, folder: Path, url: str) -> None:
        assert run(NODE, folder / "listing0.ts") == f"{CHURN} true\n"
        assert run(NODE, folder / "listing1.ts") == "100 true false\n"

    def test_it_compiles_with_the_example_client(self, folder: Path) -> None:
        config = json.loads((EXAMPLES / "tsconfig.json").read_text())
        config["files"] += ["listing0.ts", "listing1.ts"]
        (folder / "tsconfig.json").write_text(json.dumps(config))
        done = node("typescript/bin/tsc", "--project", str(folder))
        assert (done.returncode, done.stdout) == (0, "")


needs_curl = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="bash or curl is missing")


@needs_curl
class TestCurl:
    def test_a_signed_request(self, api: Api) -> None:
        handler = only_signed(api.handler, Credentials("AKIA", "a secret", "a/token+="))
        keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "a secret", "AWS_SESSION_TOKEN": "a/token+="}
        with api_gateway.serve(handler) as url:
            output = run("bash", "-euc", code("curl", "bash"), URL=f"{url}/", AWS_REGION="us-east-1", **keys)
        assert len(json.loads(output)["modelSummaries"]) == CHURN

    def test_only_if_something_changed(self, api: Api, tmp_path: Path, emulator: Emulator) -> None:
        first, second = code("Only if something changed", "bash").splitlines()
        with api_gateway.serve(api.handler) as url:
            script = f'cd {tmp_path}; {first}; {second}; echo "$etag"'
            status, etag = run("bash", "-euc", script, URL=url).split()
            assert (status, etag[:3]) == ("304", 'W/"')
            emulator.load(plausible_models(299))
            assert run("bash", "-euc", f"cd {tmp_path}; etag='{etag}'; {second}", URL=url) == "200\n"
        assert len(json.loads((tmp_path / "new.json").read_text())["modelSummaries"]) == 299


def test_the_fields_of_a_state_are_those_of_the_example() -> None:
    machine = json.loads((EXAMPLES / "state_machine.asl.json").read_text())
    example, documented = machine["States"]["ListModels"], json.loads(code("Step Functions", "json"))
    assert documented["Retry"] == example["Retry"]
    assert documented["Catch"][0]["ErrorEquals"] == example["Catch"][0]["ErrorEquals"]


def test_another_lambda_function(api: Api, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def respond(request: Request) -> Response:
        try:
            return json_response(api.invoke(json.loads(request.body)))
        except CustomModelsError as error:
            content = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return json_response(content, headers={"X-Amz-Function-Error": "Unhandled"})

    (tmp_path / "snippet.py").write_text(code("Another Lambda function", "python"))
    spec = importlib.util.spec_from_file_location("snippet", tmp_path / "snippet.py")
    assert spec is not None
    assert spec.loader is not None
    snippet = importlib.util.module_from_spec(spec)
    with server.serve(respond) as lambda_url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", lambda_url)
        monkeypatch.setenv("ALIAS_ARN", "arn:aws:lambda:us-east-1:123456789012:function:custom-models:live")
        spec.loader.exec_module(snippet)
        models, coverage = snippet.custom_models(maxItems=70, accounts=[ACCOUNT], modelStatus=None)
        assert [model["modelArn"] for model in models] == [model.arn for model in MODELS]
        assert coverage["complete"]
        emulator.misbehave(deny)
        with pytest.raises(RuntimeError, match=r"^UpstreamDenied: "):
            snippet.custom_models()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_mcp_server(url: str, tmp_path: Path) -> None:
    require(BIN.parent / "installed")
    (tmp_path / "signing.py").write_text(code("Signing with any HTTP library", "python"))
    (tmp_path / "server.py").write_text(code("MCP", "python"))
    (tmp_path / "agent.py").write_text(AGENT)
    tools, listing, mistyped = run(BIN / "python", tmp_path / "agent.py", tmp_path / "server.py").splitlines()
    assert json.loads(tools) == ["listCustomModels"]
    assert len(json.loads(listing)["modelSummaries"]) == 20
    assert "Unknown arguments: namecontains" in mistyped


AGENT = """
import asyncio, json, os, sys
from fastmcp import Client
from fastmcp.client.transports import PythonStdioTransport

async def main():
    async with Client(PythonStdioTransport(sys.argv[1], python_cmd=sys.executable, env=dict(os.environ))) as mcp:
        print(json.dumps([tool.name for tool in await mcp.list_tools()]))
        print(json.dumps((await mcp.call_tool("listCustomModels", {"maxItems": 20})).structured_content))
        print((await mcp.call_tool("listCustomModels", {"namecontains": "x"}, raise_on_error=False)).content[0].text)

asyncio.run(main())
"""


class TestAgentCore:
    def test_the_tool_has_the_parameters_of_the_function(self) -> None:
        operation = DOCUMENT["paths"]["/custom-models"]["get"]
        descriptions = {it["name"]: it["description"] for it in operation["parameters"]}
        properties: dict[str, Any] = {}
        for parameter in PARAMETERS:
            schema = parameter.type.schema()
            # In a query string, commas separate the elements of an array.
            description = descriptions[parameter.name].replace(", and commas separate them", "")
            properties[parameter.name] = {"type": schema["type"], "description": description}
            if schema["type"] == "array":
                properties[parameter.name]["items"] = {"type": "string"}
        (tool,) = json.loads((EXAMPLES / "agentcore_tools.json").read_text())
        assert tool["name"] == operation["operationId"]
        assert tool["description"] == operation["description"]
        assert tool["inputSchema"] == {"type": "object", "properties": properties}

    @pytest.mark.skipif(not (shutil.which("bash") and shutil.which("jq")), reason="bash or jq is missing")
    def test_the_command_is_a_valid_request(self, tmp_path: Path) -> None:
        aws = tmp_path / "aws"
        aws.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
        aws.chmod(0o755)
        shutil.copy(EXAMPLES / "agentcore_tools.json", tmp_path)
        alias = "arn:aws:lambda:us-east-1:123456789012:function:custom-models-dev:live"
        script = f"cd {tmp_path}\n{code('AgentCore Gateway', 'bash')}"
        path = f"{tmp_path}:{os.environ['PATH']}"
        output = run("bash", "-euc", script, PATH=path, ALIAS_ARN=alias, GATEWAY_ID="models-0123456789")
        command, operation, *options = json.loads(output)
        model = botocore.session.get_session().get_service_model(command)
        names = [re.sub("-([a-z])", lambda found: found[1].upper(), name[2:]) for name in options[::2]]
        values = [json.loads(value) if value[0] in "[{" else value for value in options[1::2]]
        assert operation == "create-gateway-target"
        shape = model.operation_model("CreateGatewayTarget").input_shape
        assert shape is not None
        report = ParamValidator().validate(dict(zip(names, values, strict=True)), shape)
        assert report.generate_report() == ""
        assert unknown_fields(dict(zip(names, values, strict=True)), shape) == []

    def test_the_level_of_exceptions_exists(self) -> None:
        model = botocore.session.get_session().get_service_model("bedrock-agentcore-control")
        shape = model.operation_model("CreateGateway").input_shape
        assert isinstance(shape, StructureShape)
        ((option, level),) = re.findall("--([a-z-]+) (DEBUG)", section("AgentCore Gateway"))
        assert option == "exception-level"
        assert level in shape.members["exceptionLevel"].metadata["enum"]


def unknown_fields(value: Any, shape: Any) -> list[str]:
    """Return the fields that the service model does not have; botocore ignores them in unions."""
    if shape.type_name == "list":
        return [name for item in value for name in unknown_fields(item, shape.member)]
    if shape.type_name == "map":
        return [name for item in value.values() for name in unknown_fields(item, shape.value)]
    if shape.type_name != "structure":
        return []
    known = {name: item for name, item in value.items() if name in shape.members}
    below = [found for name, item in known.items() for found in unknown_fields(item, shape.members[name])]
    return [*(value.keys() - known.keys()), *below]


OF_THE_API, OF_THE_GATEWAY = (
    [[cell.strip("`") for cell in row] for row in markdown.rows(text)]
    for text in section("Errors").split("### Errors of API Gateway")
)
"""The tables of errors: kind, status, class (only those of the API) and what a client does."""


class TestFacts:
    def test_every_error_has_its_kind_status_and_class(self) -> None:
        examples = [
            example["value"]
            for response in DOCUMENT["paths"]["/custom-models"]["get"]["responses"].values()
            for media in response.get("content", {}).values()
            for example in media.get("examples", {}).values()
            if "value" in example
        ]
        statuses = {it["type"].removeprefix(TYPE_PREFIX): it["status"] for it in examples}
        classes = {it.kind: name for name, it in vars(errors).items() if "kind" in getattr(it, "__dict__", {})}
        expected = [(kind, str(statuses[kind]), name) for kind, name in classes.items()]
        assert sorted((kind, status, name) for kind, status, name, _ in OF_THE_API) == sorted(expected)

    def test_the_errors_of_api_gateway_have_their_status_and_wait_if_the_reference_says_so(self) -> None:
        reference = (ROOT / "docs" / "api.md").read_text("utf-8")
        rows = {kind.strip("`"): rest for kind, *rest in markdown.rows(markdown.section(reference, "From API Gateway"))}
        for kind, status, what in OF_THE_GATEWAY[:-2]:
            assert rows[kind][0] == status
            assert what.startswith("Wait `Retry-After`") == rows[kind][-1].startswith("Wait")
        assert [kind for kind, *_ in OF_THE_GATEWAY[-2:]] == ["any other"] * 2

    def test_a_client_waits_and_starts_again_as_the_examples_do(self) -> None:
        advice = {name: what for _, _, name, what in OF_THE_API}
        state = json.loads(code("Step Functions", "json"))
        waits = [name for name, what in advice.items() if what.startswith("Wait `Retry-After` seconds")]
        assert waits == state["Retry"][0]["ErrorEquals"]
        restarts = [name for name, what in advice.items() if what.startswith("Start again")]
        assert restarts == state["Catch"][0]["ErrorEquals"]

    def test_every_link_has_a_target(self) -> None:
        links = re.findall(r"\]\(([^)]*)\)", re.sub("`[^`\n]*`", "", TEXT))
        assert links
        for link in links:
            path, _, anchor = link.partition("#")
            target = (ROOT / "docs" / path) if path else ROOT / "docs" / "clients.md"
            if link.startswith("https://"):
                continue
            assert target.is_file(), link
            headings = re.findall("^#+ (.*)", target.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in anchors, link

    def test_every_example_exists(self) -> None:
        named = set(re.findall(r"`examples/([\w.]+)", TEXT))
        assert len(named) >= 6
        assert all((EXAMPLES / name).is_file() for name in named)
