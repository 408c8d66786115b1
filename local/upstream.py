"""The Bedrock that the local function calls: an embedded emulator, the real one, or another endpoint."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from emulators.models import ACCOUNT, REGION
from local import SetupError

if TYPE_CHECKING:
    from local.inventory_file import InventoryFile

ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK"
STS_ENDPOINT = "AWS_ENDPOINT_URL_STS"

_SIGN_IN = "sign in (aws sso login, AWS_PROFILE=...) or use the embedded emulator."

_CURSOR_KEY = "this-key-is-public-use-it-only-locally"
"""Signs cursors unless CURSOR_KEY is set. A constant, so that cursors stay valid after a restart."""

_Inventory: TypeAlias = "InventoryFile | None"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line that select a Bedrock, and what it contains."""

    bedrock: str = "emulator"
    """``aws`` for the real Bedrock; ``emulator`` for the endpoint in the environment, or else for an embedded one."""
    models: Path | None = None
    """A file with the models of the embedded emulator."""
    count: int | None = None
    """The number of models that it generates; with an inventory, in each source."""
    account: str | None = None
    """The own account, which the function's credentials belong to."""
    inventory: Path | None = None
    """A file with the sources."""
    deny: Sequence[str] | None = None
    """Accounts and sources of the inventory that the embedded emulator denies."""


class Upstream(NamedTuple):
    """The selected Bedrock."""

    description: str
    problems: Mapping[str, str]
    """The sources of the embedded emulator that cannot be listed, by what is wrong with them."""
    sources: Sequence[str]
    """The sources of the inventory; empty without an inventory."""


@contextmanager
def bedrock(options: Options) -> Iterator[Upstream]:
    """Set the environment variables that select a Bedrock, and yield a description of it.

    Raises:
        SetupError: the options contradict each other, a file is not valid, or this Bedrock cannot be used.
    """
    elsewhere = "BEDROCK=aws" if options.bedrock == "aws" else ENDPOINT if os.environ.get(ENDPOINT) else None
    _refuse_contradictions(options, elsewhere)
    os.environ.setdefault("CURSOR_KEY", _CURSOR_KEY)
    # It may be set in this shell for another purpose.
    os.environ.pop("INVENTORY", None)
    if elsewhere is None:
        with _emulator(options) as upstream:
            yield upstream
    else:
        inventory = _inventory(options)
        text = _use_aws(inventory) if options.bedrock == "aws" else _use_given(inventory, options.account or ACCOUNT)
        yield Upstream(text, {}, _names(inventory))


def _refuse_contradictions(options: Options, elsewhere: str | None) -> None:
    account = options.account if options.bedrock == "aws" else None
    needs_emulator = {"models": options.models, "count": options.count, "deny": options.deny, "account": account}
    for name, value in needs_emulator.items():
        if elsewhere and value is not None:
            option = f"{name.upper()}= (--{name})"
            raise SetupError(f"{option} needs the embedded emulator, which {elsewhere} replaces; omit one of them.")
    if options.models and options.inventory:
        raise SetupError(
            "MODELS= (--models) are those of one source, not of INVENTORY= (--inventory); omit one of them."
        )
    if options.deny is not None and not options.inventory:
        raise SetupError("DENY= (--deny) needs INVENTORY= (--inventory): it names accounts or sources of it.")


def _inventory(options: Options) -> _Inventory:
    # Imported here because importing botocore takes a moment. Errors in the options are reported before that.
    from local.inventory_file import read_inventory

    return read_inventory(options.inventory) if options.inventory else None


def _names(inventory: _Inventory) -> Sequence[str]:
    return [str(source) for source in inventory.inventory.sources] if inventory else []


@contextmanager
def _emulator(options: Options) -> Iterator[Upstream]:
    from emulators.server import serve  # here for the same reason as above
    from local.emulation import all_sources, one_source

    if inventory := _inventory(options):
        emulation = all_sources(inventory, options.count, options.account or ACCOUNT, options.deny or ())
    else:
        emulation = one_source(options.models, options.count, options.account)
    # The emulator must not be affected by the AWS settings of the user.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    with serve(emulation.bedrock) as url, serve(emulation.sts) as sts_url:
        os.environ.update({ENDPOINT: url, STS_ENDPOINT: sts_url})
        _set_sources(emulation.account, inventory)
        _use_endpoints(emulation.region, ENDPOINT)
        yield Upstream(f"{emulation.description}{url})", emulation.problems, _names(inventory))


def _use_given(inventory: _Inventory, account: str) -> str:
    """Use the endpoint in the environment, and return its description."""
    _set_sources(account, inventory)
    roles = inventory is not None and any(source.account != account for source in inventory.inventory.sources)
    if roles and not os.environ.get(STS_ENDPOINT):
        raise SetupError(
            f"INVENTORY= (--inventory) has other accounts than {account}; set {STS_ENDPOINT} too, because their roles "
            "must be assumed there."
        )
    _use_endpoints(inventory.region(account) if inventory else REGION, ENDPOINT, *([STS_ENDPOINT] if roles else []))
    endpoint = os.environ[ENDPOINT]
    if (called := _called_endpoint()) != endpoint:
        raise SetupError(
            f"{ENDPOINT}={endpoint} is ignored, because AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or your profile says "
            f"so: the function would call {called}. Change one of these settings."
        )
    return f"Bedrock at {called}" + (f" ({inventory.path}: {inventory.size})" if inventory else "")


def _set_sources(account: str, inventory: _Inventory) -> None:
    os.environ["OWN_ACCOUNT_ID"] = account
    if inventory:
        inventory.require_role(account)
        os.environ["INVENTORY"] = inventory.text


def _use_endpoints(region: str, *variables: str) -> None:
    """Check the endpoints in these variables, and set what is missing to call them; ``region`` is the default."""
    # A proxy cannot connect back to this machine. A star means that no proxy is used, but only if it is the only entry.
    given = [name.strip() for variable in ("no_proxy", "NO_PROXY") for name in os.environ.get(variable, "").split(",")]
    names = "*" if "*" in given else ",".join(["127.0.0.1", "localhost", *filter(None, given)])
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = names
    for variable in variables:
        _require_listener(variable, os.environ[variable])
    os.environ.setdefault("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", region))
    os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])
    if "AWS_PROFILE" not in os.environ:
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")


def _require_listener(variable: str, endpoint: str) -> None:
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
        place = f"{variable}={endpoint}" if proxy is None else f"the proxy {host} for {variable}={endpoint}"
        raise SetupError(f"Nothing listens at {place}; start it, or unset it to use the embedded emulator.") from None


def _use_aws(inventory: _Inventory) -> str:
    """Use the real Bedrock, and return its description."""
    # These may be set in this shell for another purpose.
    for name in (ENDPOINT, STS_ENDPOINT):
        os.environ.pop(name, None)
    # boto3 reads only AWS_DEFAULT_REGION; the AWS CLI and the other SDKs prefer AWS_REGION.
    if region := os.environ.get("AWS_REGION"):
        os.environ["AWS_DEFAULT_REGION"] = region
    place = f"at {_called_endpoint()}"
    _set_sources(_caller_account(), inventory)
    if inventory:
        place = f"in the sources of {inventory.path} ({inventory.size})"
    return f"Bedrock {place}, with your credentials"


def _caller_account() -> str:
    import boto3  # here for the same reason as above
    from botocore.config import Config

    try:
        config = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2})
        return str(boto3.Session().client("sts", config=config).get_caller_identity()["Account"])
    except Exception as error:  # for the same reason as below
        reason = str(error).strip().rstrip(".:")
        raise SetupError(f"STS does not accept your AWS credentials: {reason}. Correct them, {_SIGN_IN}") from None


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
