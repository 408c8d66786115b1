"""The Bedrock that the local function calls: an embedded emulator, the real one, or another endpoint."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from emulators.models import ACCOUNT, REGION, plausible_models
from local import SetupError

ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK"
DEFAULT_COUNT = 300
SLOW_COUNT = 50_000
"""Generating this many models takes noticeable time."""

_SIGN_IN = "sign in (aws sso login, AWS_PROFILE=...) or use the embedded emulator."

_CURSOR_KEY = "this-key-is-public-use-it-only-locally"
"""Signs cursors unless CURSOR_KEY is set. A constant, so that cursors stay valid after a restart."""


@contextmanager
def bedrock(which: str, file: Path | None, count: int | None, account: str | None) -> Iterator[str]:
    """Set the environment variables that select a Bedrock, and yield a description of where the models come from.

    Args:
        which: ``aws`` for the real Bedrock; ``emulator`` for the endpoint in the environment, or else
            for an emulator that this starts.
        file: a file with the models of the emulator.
        count: the number of generated models in the emulator if there is no file.
        account: the account that ``isOwned`` refers to, for the models of a file.

    Raises:
        SetupError: the options contradict each other, the file is not valid, or this Bedrock cannot be used.
    """
    elsewhere = "BEDROCK=aws" if which == "aws" else ENDPOINT if os.environ.get(ENDPOINT) else None
    for name, value in {"models": file, "count": count, "account": account}.items():
        if elsewhere and value is not None:
            option = f"{name.upper()}= (--{name})"
            raise SetupError(f"{option} needs the embedded emulator, which {elsewhere} replaces; omit one of them.")
    if account and not file:
        raise SetupError("ACCOUNT= (--account) needs MODELS= (--models): it is the account for the models of a file.")
    os.environ.setdefault("CURSOR_KEY", _CURSOR_KEY)
    if which == "aws":
        yield _use_aws()
    elif elsewhere:
        _use_endpoint(endpoint := os.environ[ENDPOINT])
        if (called := _called_endpoint()) != endpoint:
            raise SetupError(
                f"{ENDPOINT}={endpoint} is ignored, because AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or your profile says "
                f"so: the function would call {called}. Change one of these settings."
            )
        yield f"Bedrock at {called}"
    else:
        with _emulator(file, DEFAULT_COUNT if count is None else count, account) as description:
            yield description


@contextmanager
def _emulator(file: Path | None, count: int, account: str | None) -> Iterator[str]:
    # Imported here because importing botocore takes a moment. Errors in the options are reported before that.
    from emulators.bedrock import Emulator
    from emulators.server import serve
    from local.model_file import likely_account, read_models

    if count >= SLOW_COUNT and not file:
        print(f"Generating {count:,} models ...", file=sys.stderr, flush=True)
    models = read_models(file) if file else plausible_models(count)
    owner = account or (likely_account(models) if file else ACCOUNT)
    # The emulator must not be affected by the AWS settings of the user.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["OWN_ACCOUNT_ID"] = owner
    with serve(Emulator(models, owner).respond) as url:
        _use_endpoint(url)
        if file:
            owned = sum(model.account == owner for model in models)
            yield f"{file} (models: {len(models):,}, owned by account {owner}: {owned:,}; embedded emulator: {url})"
        else:
            yield f"the embedded Bedrock emulator ({len(models):,} generated models, {url})"


def _use_endpoint(endpoint: str) -> None:
    # A proxy cannot connect back to this machine. A star means that no proxy is used, but only if it is the only entry.
    given = [name.strip() for variable in ("no_proxy", "NO_PROXY") for name in os.environ.get(variable, "").split(",")]
    names = "*" if "*" in given else ",".join(["127.0.0.1", "localhost", *filter(None, given)])
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = names
    _require_listener(endpoint)
    os.environ[ENDPOINT] = endpoint
    os.environ.setdefault("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", REGION))
    os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])
    if "AWS_PROFILE" not in os.environ:
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")


def _require_listener(endpoint: str) -> None:
    from botocore.httpsession import ProxyConfiguration  # here for the same reason as above
    from botocore.utils import get_environ_proxies

    proxy, host = None, "in the environment"
    try:
        # Behind a proxy, this machine may not even resolve the endpoint's name, so the proxy is what must listen.
        proxy = ProxyConfiguration(get_environ_proxies(endpoint)).proxy_url_for(endpoint)
        url = urlsplit(proxy or endpoint)
        host = url.hostname or host
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        socket.create_connection((url.hostname or "", port), timeout=2).close()
    except (OSError, ValueError, KeyError):
        place = f"{ENDPOINT}={endpoint}" if proxy is None else f"the proxy {host} for {ENDPOINT}={endpoint}"
        raise SetupError(f"Nothing listens at {place}; start it, or unset it to use the embedded emulator.") from None


def _use_aws() -> str:
    # These two may be set in this shell for another purpose.
    os.environ.pop(ENDPOINT, None)
    os.environ.pop("OWN_ACCOUNT_ID", None)
    # boto3 reads only AWS_DEFAULT_REGION; the AWS CLI and the other SDKs prefer AWS_REGION.
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    return f"Bedrock at {_called_endpoint()}, with your credentials"


def _called_endpoint() -> str:
    """Return the endpoint that boto3's client calls: variables and the profile may replace or ignore it."""
    import boto3  # here for the same reason as above

    try:
        session = boto3.Session()
        if credentials := session.get_credentials():
            credentials.get_frozen_credentials()
        endpoint = session.client("bedrock").meta.endpoint_url if session.region_name else None
    except Exception as error:  # a credential provider may raise anything, for example for an expired SSO session
        reason = str(error).strip().rstrip(".:")
        raise SetupError(f"Your AWS settings cannot be used: {reason}. Correct them, {_SIGN_IN}") from None
    if credentials is None:
        raise SetupError(f"There are no AWS credentials; {_SIGN_IN}")
    if endpoint is None:
        raise SetupError("No AWS region is set; set AWS_REGION.")
    return endpoint
