"""``python -m local serve`` and ``python -m local invoke``: the API on this machine."""

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from local.models import REGION, plausible_models

ROOT = Path(__file__).resolve().parent.parent
MODELS = 300
ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK"

_LOCAL_KEY = "no-secret-at-all-for-this-machine-only"
"""Signs the cursors where CURSOR_KEY is not set: always the same, so that they outlive a restart."""


def main() -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args()
    try:
        with _bedrock(options.bedrock, os.environ) as where:
            return _serve(options.port, where) if options.command == "serve" else _invoke(options.event)
    except Stop as stop:
        print(f"custom-models: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


class Stop(Exception):
    """Something about this machine or its settings is not as it must be; the text says what."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="The Custom Models API on this machine: no AWS account needed.",
        epilog=f"{ENDPOINT} in the environment points it at another Bedrock than the embedded emulator.",
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--bedrock",
        choices=("emulator", "aws"),
        default="emulator",
        help="emulator: an embedded one with a few hundred made-up models; aws: the real one, with your credentials",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", parents=[where], help="serve the API over HTTP until Ctrl-C")
    serve.add_argument("--port", type=_port, default=8000, help="on 127.0.0.1; 0 takes a free one (default: 8000)")
    invoke = commands.add_parser(
        "invoke", parents=[where], help="invoke the function directly, once; logs go to stderr"
    )
    invoke.add_argument("event", type=_event, help="a JSON object of parameters, such as '{\"maxItems\": 2}'")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def _event(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from None


@contextlib.contextmanager
def _bedrock(which: str, environment: MutableMapping[str, str]) -> Iterator[str]:
    """Set the environment up for a Bedrock, started here if need be, and yield what it is."""
    environment.setdefault("CURSOR_KEY", _LOCAL_KEY)
    if which == "aws":
        environment.pop(ENDPOINT, None)
        yield _require_account(environment)
    elif endpoint := environment.get(ENDPOINT):
        _dummy_credentials(environment)
        _require_listener(endpoint)
        yield f"Bedrock at {endpoint}"
    else:
        from local.bedrock_emulator import Emulator, serve

        # Whatever account the caller is signed in to has no business here.
        for name in [name for name in environment if name.startswith("AWS_")]:
            del environment[name]
        environment["AWS_CONFIG_FILE"] = environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        _dummy_credentials(environment)
        with serve(Emulator(plausible_models(MODELS))) as url:
            environment[ENDPOINT] = url
            yield f"the embedded Bedrock emulator ({MODELS} made-up models, {url})"


def _dummy_credentials(environment: MutableMapping[str, str]) -> None:
    environment.setdefault("AWS_REGION", environment.get("AWS_DEFAULT_REGION", REGION))
    environment.setdefault("AWS_DEFAULT_REGION", environment["AWS_REGION"])
    if "AWS_PROFILE" not in environment:
        environment.setdefault("AWS_ACCESS_KEY_ID", "local")
        environment.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    # A proxy for the way out has no way back to this machine.
    environment["NO_PROXY"] = environment["no_proxy"] = ",".join(
        filter(None, ("127.0.0.1", "localhost", environment.get("NO_PROXY") or environment.get("no_proxy")))
    )


def _require_listener(endpoint: str) -> None:
    url = urlsplit(endpoint)
    try:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        socket.create_connection((url.hostname or "", port), timeout=2).close()
    except (OSError, ValueError, KeyError):
        raise Stop(
            f"Nothing answers at {ENDPOINT}={endpoint}; start it, or unset it for the embedded emulator."
        ) from None


def _require_account(environment: MutableMapping[str, str]) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        session = boto3.Session()
        credentials, region = session.get_credentials(), session.region_name
    except BotoCoreError as error:
        raise Stop(f"Your AWS settings cannot be used: {error}") from None
    if credentials is None:
        raise Stop("There are no AWS credentials; sign in (aws sso login, AWS_PROFILE=…) or do without BEDROCK=aws.")
    if region is None:
        raise Stop("No AWS region is set; set AWS_REGION.")
    environment["AWS_DEFAULT_REGION"] = region
    return f"Bedrock in {region}, with your credentials"


def _handler() -> Any:
    sys.path.insert(0, str(ROOT / "lambda_src"))
    from botocore.exceptions import BotoCoreError

    from custom_models.settings import SettingsError

    try:
        from handler import handler
    except SettingsError as error:
        raise Stop(str(error)) from None
    except BotoCoreError as error:
        raise Stop(f"Your AWS settings cannot be used: {error}") from None
    return handler


def _serve(port: int, where: str) -> int:
    from local.api_gateway import create_server

    try:
        server = create_server(_handler(), port)
    except OSError as error:
        raise Stop(f"Port {port} cannot be used ({error.strerror}); choose another with PORT=…, or PORT=0.") from None
    url = f"http://127.0.0.1:{server.server_port}"
    print(
        f"Custom Models API  {url}\n"
        f"Models come from   {where}\n"
        f"Try                curl '{url}/v1/custom-models?nameContains=churn&maxItems=5'\n"
        "Log lines follow as CloudWatch would have them; Ctrl-C ends everything.",
        file=sys.stderr,
        flush=True,
    )
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    with server:
        server.serve_forever(poll_interval=0.05)
    return 0


def _end_with_parent(parent: int) -> NoReturn:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def _invoke(event: Any) -> int:
    from local.api_gateway import Context

    with contextlib.redirect_stdout(sys.stderr):
        handler = _handler()
        try:
            answer, status = handler(event, Context()), 0
        except Exception as error:
            # What the Lambda API would answer.
            answer, status = {"errorType": type(error).__name__, "errorMessage": str(error)}, 1
    print(json.dumps(answer, indent=2))
    return status


if __name__ == "__main__":
    sys.exit(main())
