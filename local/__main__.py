"""``python -m local serve`` and ``python -m local invoke``: the API on this machine."""

import argparse
import contextlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from emulators.models import ACCOUNT, REGION, Model, plausible_models
from local.model_file import ModelFileError, likely_account, read_models

ROOT = Path(__file__).resolve().parent.parent
COUNT = 300
MOST = 1_000_000
ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK"

_LOCAL_KEY = "no-secret-at-all-for-this-machine-only"
"""Signs the cursors where CURSOR_KEY is not set: always the same, so that they outlive a restart."""


def main() -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args()
    try:
        with _bedrock(options.bedrock, _Wish(options.models, options.count, options.account), os.environ) as where:
            return _serve(options.port, where) if options.command == "serve" else _invoke(options.event)
    except (Stop, ModelFileError) as stop:
        print(f"custom-models: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


class Stop(Exception):
    """Something about this machine or its settings is not as it must be; the text says what."""


@dataclass(frozen=True)
class _Wish:
    """What the embedded emulator is asked to hold, by the options' names; None where nothing is said."""

    models: Path | None
    count: int | None
    account: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line: `make` has its own way of writing what argparse's usage would tell."""
        self.exit(2, f"custom-models: {message} (--help tells more)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m local",
        description="The Custom Models API on this machine: no AWS account needed.",
        epilog=f"{ENDPOINT} in the environment points it at another Bedrock than the embedded emulator.",
        allow_abbrev=False,
    )
    where = _Parser(add_help=False)
    where.add_argument(
        "--bedrock",
        choices=("emulator", "aws"),
        default="emulator",
        help="emulator: an embedded one (default); aws: the real one, with your credentials",
    )
    models = where.add_mutually_exclusive_group()
    models.add_argument(
        "--models",
        type=_file,
        metavar="FILE",
        help="what the emulator holds: the models of a JSON file, as `aws bedrock list-custom-models` prints them",
    )
    models.add_argument(
        "--count", type=_count, metavar="N", help=f"or so many made-up models, 0 to {MOST} (default: {COUNT})"
    )
    where.add_argument(
        "--account",
        type=_account,
        metavar="ID",
        help="whose the file's models are for isOwned (default: the account that owns most of them)",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve", parents=[where], help="serve the API over HTTP until Ctrl-C", allow_abbrev=False
    )
    serve.add_argument("--port", type=_port, default=8000, help="on 127.0.0.1; 0 takes a free one (default: 8000)")
    invoke = commands.add_parser(
        "invoke", parents=[where], help="invoke the function directly, once; logs go to stderr", allow_abbrev=False
    )
    invoke.add_argument("event", type=_event, help="a JSON object of parameters, such as '{\"maxItems\": 2}'")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MOST)) or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {MOST}, not {text!r}")
    return int(text)


def _account(text: str) -> str:
    if re.fullmatch("[0-9]{12}", text) is None:
        raise argparse.ArgumentTypeError(f"must be an account's 12 digits, not {text!r}")
    return text


def _file(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("must name a file; leave it out for made-up models")
    # Not every shell does this behind the = of `make run MODELS=~/models.json`.
    return Path(os.path.expanduser(text))  # noqa: PTH111 -- Path's own raises where there is no such user


def _event(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from None


@contextlib.contextmanager
def _bedrock(which: str, wish: _Wish, environment: MutableMapping[str, str]) -> Iterator[str]:
    """Set the environment up for a Bedrock, started here if need be, and yield what it is."""
    _require_place(which, wish, environment)
    environment.setdefault("CURSOR_KEY", _LOCAL_KEY)
    if which == "aws":
        environment.pop(ENDPOINT, None)
        yield _require_account(environment)
    elif endpoint := environment.get(ENDPOINT):
        _dummy_credentials(environment)
        _require_listener(endpoint)
        yield f"Bedrock at {endpoint}"
    else:
        models, account = _models(wish)
        # Imported here: botocore, which it stands on, takes a moment, and what is wrong is told before.
        from emulators.bedrock import Emulator
        from emulators.server import serve

        # Whatever account the caller is signed in to has no business here.
        for name in [name for name in environment if name.startswith("AWS_")]:
            del environment[name]
        environment["AWS_CONFIG_FILE"] = environment["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        _dummy_credentials(environment)
        with serve(Emulator(models, account).respond) as url:
            environment[ENDPOINT] = url
            yield _told(wish.models, models, account, url)


def _require_place(which: str, wish: _Wish, environment: MutableMapping[str, str]) -> None:
    """Raise Stop where a wish for models would be ignored."""
    wishes = [name for name, value in vars(wish).items() if value is not None]
    elsewhere = "BEDROCK=aws" if which == "aws" else ENDPOINT if environment.get(ENDPOINT) else None
    if wishes and elsewhere:
        raise Stop(
            f"{wishes[0].upper()}= (--{wishes[0]}) is for the embedded emulator, and {elsewhere} "
            "takes the models from elsewhere; leave one of them out."
        )
    if wish.account and not wish.models:
        raise Stop("ACCOUNT= (--account) is for the models of a file; it needs MODELS= (--models).")


def _models(wish: _Wish) -> tuple[Sequence[Model], str]:
    """Return the models for the emulator, and the account whose they are for isOwned."""
    if wish.models:
        with _told_if_long(f"Reading {wish.models} …"):
            models = read_models(wish.models)
        return models, wish.account or likely_account(models)
    count = COUNT if wish.count is None else wish.count
    with _told_if_long(f"Making up {count:,} models …"):
        return plausible_models(count), ACCOUNT


@contextlib.contextmanager
def _told_if_long(what: str) -> Iterator[None]:
    """Say on stderr what is done, if it takes more than a second."""
    timer = threading.Timer(1, lambda: print(what, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _told(file: Path | None, models: Sequence[Model], account: str, url: str) -> str:
    if file is None:
        return f"the embedded Bedrock emulator ({len(models):,} made-up models, {url})"
    number = "1 model" if len(models) == 1 else f"{len(models):,} models"
    own = sum(model.account == account for model in models)
    return f"{file} ({number}, {own:,} owned by account {account}) by the embedded Bedrock emulator, {url}"


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

    # As the AWS CLI and the other SDKs have it; boto3 reads AWS_DEFAULT_REGION alone.
    if region := environment.get("AWS_REGION"):
        environment["AWS_DEFAULT_REGION"] = region
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
    from local.pages import pages

    try:
        server = create_server(_handler(), port, pages(where))
    except OSError as error:
        raise Stop(f"Port {port} cannot be used ({error.strerror}); choose another with PORT=…, or PORT=0.") from None
    url = f"http://127.0.0.1:{server.server_port}"
    print(
        f"Custom Models API  {url}\n"
        f"Models come from   {where}\n"
        f"In a browser       {url}/ to explore, {url}/docs for the reference\n"
        f"Try                curl '{url}/v1/custom-models?maxItems=5'\n"
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
