"""``python -m local serve`` and ``python -m local invoke``: the API on this machine."""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

# The function imports its modules from the top level, as in its bundle.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lambda_src"))

from emulators.models import ACCOUNT
from local import DEFAULT_COUNT, MAX_COUNT, WITHOUT_OPERATION, SetupError
from local.api_gateway import Context, Handler, serve
from local.pages import pages
from local.upstream import ENDPOINT, STS_ENDPOINT, Options, Upstream, bedrock


def main() -> int:
    """Run the command line, and return the exit status."""
    given = _parser().parse_args()
    options = Options(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Options)})
    try:
        with bedrock(options) as upstream:
            return _serve(given.port, upstream) if given.command == "serve" else _invoke(given.event)
    except SetupError as error:
        print(f"custom-models: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Report an error in one line, without the usage: the user may have called `make`."""
        named = re.sub(r"\bargument (--(\w+)):?", lambda found: f"{found[2].upper()}= ({found[1]})", message)
        named = named.replace("argument event:", "EVENT=")
        self.exit(2, f"custom-models: {named} (see `make help` or --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m local",
        description="Run the Custom Models API on this machine. No AWS account is needed.",
        epilog=f"If {ENDPOINT} is set in the environment, the function calls that endpoint instead of an emulator; "
        f"with the roles of an inventory, {STS_ENDPOINT} must be set too.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the API over HTTP until Ctrl-C", allow_abbrev=False)
    invoke = commands.add_parser("invoke", help="invoke the function once; its log goes to stderr", allow_abbrev=False)
    serve.add_argument("--port", type=_integer(65_535), default=8000, help="0 selects a free port (default: 8000)")
    invoke.add_argument("event", type=_event, help="the parameters in JSON, such as '{\"maxItems\": 2}'")
    for command in (serve, invoke):
        _add_model_options(command)
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bedrock",
        choices=("emulator", "aws"),
        default="emulator",
        help="an emulator of Bedrock (default), or the real one with your credentials",
    )
    models = parser.add_mutually_exclusive_group()
    models.add_argument(
        "--models",
        type=_file,
        metavar="FILE",
        help="a file with the models of the emulator, in the format of `aws bedrock list-custom-models`",
    )
    models.add_argument(
        "--count",
        type=_integer(MAX_COUNT),
        metavar="N",
        help=f"the number of models that the emulator generates, 0 to {MAX_COUNT} (default: {DEFAULT_COUNT}); with "
        "--inventory, in each source (default: a different small number in each)",
    )
    parser.add_argument(
        "--account",
        type=_account,
        metavar="ID",
        help=f"the own account, which isOwned refers to (default: {ACCOUNT}; with --models, the account that owns most "
        "of them; with --bedrock aws, always that of your credentials)",
    )
    parser.add_argument(
        "--inventory",
        type=_file,
        metavar="FILE",
        help="a file with the accounts and regions to list, such as examples/inventory.json; the emulator plays all of "
        f"them, and in {WITHOUT_OPERATION} it does not offer the operation",
    )
    parser.add_argument(
        "--deny",
        type=_names,
        metavar="NAMES",
        help="with --inventory, what the emulator denies: an ACCOUNT, whose role cannot be assumed, or an "
        "ACCOUNT/REGION; several are separated by commas",
    )


def _integer(maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or len(text) > len(str(maximum)) or int(text) > maximum:
            raise argparse.ArgumentTypeError(f"must be a number from 0 to {maximum}, not {text!r}")
        return int(text)

    return parse


def _account(text: str) -> str:
    if re.fullmatch("[0-9]{12}", text) is None:
        raise argparse.ArgumentTypeError(f"must be an account ID of 12 digits, not {text!r}")
    return text


def _names(text: str) -> Sequence[str]:
    names = text.split(",")
    if wrong := [name for name in names if re.fullmatch("[0-9]{12}(/[a-z0-9-]+)?", name) is None]:
        raise argparse.ArgumentTypeError(
            f"must be account IDs or ACCOUNT/REGION, separated by commas, not {wrong[0]!r}"
        )
    return names


def _file(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a file; omit it for generated models")
    # Some shells do not expand the ~ in `make run MODELS=~/models.json`.
    return Path(os.path.expanduser(text))  # noqa: PTH111 -- Path.expanduser raises an error for an unknown user


def _event(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is not JSON: {error}") from None


def _handler() -> Handler:
    try:
        # Imported here because the function reads its settings from the environment when it is imported.
        from handler import handler
    except ValueError as error:
        # A SettingsError, or an error of a library that reads the environment when it is imported.
        named = error if type(error).__name__ == "SettingsError" else f"A POWERTOOLS_ setting cannot be used: {error}."
        raise SetupError(str(named)) from None
    return handler


def _serve(port: int, upstream: Upstream) -> int:
    handler = _handler()
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(serve(handler, port, pages(upstream.description, upstream.sources)))
        except OSError as error:
            raise SetupError(f"Port {port} cannot be used ({error.strerror}); set PORT= to another, or to 0.") from None
        problems = (f"{label:<19}{sources}\n" for label, sources in upstream.problems.items())
        print(
            f"Custom Models API  {url}\n"
            f"Models come from   {upstream.description}\n"
            f"{''.join(problems)}"
            f"In a browser       {url}/ (explorer), {url}/docs (API reference)\n"
            f"In a shell         curl '{url}/v1/custom-models?maxItems=5'\n"
            "The log of the function follows, as in CloudWatch. Press Ctrl-C to stop.",
            file=sys.stderr,
            flush=True,
        )
        # Stop with the parent process: make and editors may leave their children running. With `nohup`, stay
        # when a shell ends; `nohup make` itself stays.
        parent = os.getppid()
        stays = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN and "MAKELEVEL" not in os.environ
        while stays or os.getppid() == parent:
            time.sleep(0.5)
    return 0


def _invoke(event: Any) -> int:
    with contextlib.redirect_stdout(sys.stderr):
        handler = _handler()
        try:
            result, status = handler(event, Context()), 0
        except Exception as error:
            # The same as the response of the Lambda API.
            result, status = {"errorType": type(error).__name__, "errorMessage": str(error)}, 1
    print(json.dumps(result, indent=2))
    return status


if __name__ == "__main__":
    sys.exit(main())
