"""Fixtures: the API over HTTP, and the generated clients."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from local import api_gateway
from tests.api import Api
from tests.clients.program import BIN, DOCUMENT, Program, in_python, only_signed
from tests.installed import NODE, NPM_PACKAGES, environment, node, require

BETA = (
    "[main] WARN  o.o.codegen.DefaultCodegen - OpenAPI 3.1 support is still in beta. To report an issue related to 3.1 "
    "spec, please kindly open an issue in the Github repo: https://github.com/openAPITools/openapi-generator."
)
"""OpenAPI Generator logs this for every document of OpenAPI 3.1, and supports all of it that this document uses."""

NO_NAME = "[main] WARN  o.o.codegen.utils.ModelUtils - Failed to get the schema name: null"
"""OpenAPI Generator logs this for every document with a response that has a schema, OpenAPI 3.0 included."""


@pytest.fixture
def serve() -> Iterator[Callable[[Api], str]]:
    """Serve a function over HTTP until the test ends; return its URL."""
    with ExitStack() as stack:
        yield lambda api: stack.enter_context(api_gateway.serve(only_signed(api.handler)))


@pytest.fixture(scope="session")
def openapi_python_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The client of openapi-python-client."""
    folder = tmp_path_factory.mktemp("openapi-python-client")
    arguments = ("--path", str(DOCUMENT), "--meta", "none", "--output-path", "custom_models_api_client")
    log = run(folder, "openapi-python-client", "generate", "--fail-on-warning", *arguments)
    assert log == ["Generating custom_models_api_client"]
    with closing(in_python("list_with_openapi_python_client.py", folder)) as program:
        yield program


@pytest.fixture(scope="session")
def openapi_generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The client of OpenAPI Generator."""
    folder = tmp_path_factory.mktemp("openapi-generator")
    arguments = ("-g", "python", "-i", str(DOCUMENT), "-o", str(folder), "--package-name", "custom_models_client")
    log = run(folder, "openapi-generator-cli", "generate", *arguments)
    assert {line for line in log if line.startswith("[main] ") and " INFO " not in line} <= {BETA, NO_NAME}
    with closing(in_python("list_with_openapi_generator.py", folder)) as program:
        yield program


@pytest.fixture(scope="session")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs in TypeScript, and the types that openapi-typescript generates."""
    require(NPM_PACKAGES / ".installed")
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(NPM_PACKAGES)
    here, examples = Path(__file__).parent, NPM_PACKAGES.parent
    for path in (*here.glob("*.ts"), examples / "client.ts", examples / "package.json"):
        shutil.copy(path, folder)
    generated = node("openapi-typescript/bin/cli.js", str(DOCUMENT), "--output", str(folder / "custom-models.d.ts"))
    assert generated.returncode == 0, generated.stderr
    return folder


@pytest.fixture(scope="session")
def openapi_fetch(typescript: Path) -> Iterator[Program]:
    """A client with openapi-fetch and the generated types."""
    with closing(Program(str(NODE), str(typescript / "list_with_openapi_fetch.ts"))) as program:
        yield program


@pytest.fixture(scope="session")
def fastmcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A client of the tools that fastmcp serves. It reads the document from the API, and nothing is generated."""
    require(BIN.parent / "installed")
    with closing(in_python("list_with_fastmcp.py", tmp_path_factory.mktemp("nothing"))) as program:
        yield program


def run(folder: Path, *command: str) -> list[str]:
    """Run a generator, and return the lines of its output."""
    require(BIN.parent / "installed")
    # openapi-python-client looks for ruff. Java starts faster without its optimizing compiler.
    variables = environment(PATH=f"{BIN}:/usr/bin:/bin", JAVA_OPTS="-XX:TieredStopAtLevel=1")
    done = subprocess.run(
        [str(BIN / "python"), str(BIN / command[0]), *command[1:]],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()
