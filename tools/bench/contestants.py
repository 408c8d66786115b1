"""The bundles of the function and of its peers, each built as its users build it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode

from infra.bundling import AMAZON_ROOTS, RUNTIME, bundle, find_interpreter
from local.api_gateway import proxy_event

ROUTE = "/v1/custom-models"

_PEERS = Path(__file__).resolve().parent / "peers"

Parameters: TypeAlias = Mapping[str, int | str]


class BenchError(RuntimeError):
    """The measurement is not possible, or a contestant returned a wrong result. The message says why."""


@dataclass(frozen=True)
class Contestant:
    """A handler in a bundle, and how to make an event that requests a listing."""

    name: str
    bundle: Path
    target: str
    """``MODULE:NAME`` of the handler; empty for a process that ends instead of importing one."""

    event: Callable[[Parameters], Any]
    roots: str = "botocore/cacert.pem"
    """The file of its root certificates in the bundle."""


class Contestants(NamedTuple):
    """Everything that is measured. The first peer, the bare boto3 handler, is the base of most comparisons."""

    nothing: Contestant
    call: Contestant
    peers: tuple[Contestant, ...]
    ours: Contestant
    direct: Contestant
    amazon_roots: Contestant
    uncompiled: Contestant
    new_clients: Contestant
    """A peer that lists all sources, each with a new client at every request."""

    kept_clients: Contestant
    """The same with clients that are kept between requests."""

    @property
    def handlers(self) -> tuple[Contestant, ...]:
        """The peers and the function, which all accept the same requests."""
        return (*self.peers, self.ours)


@cache
def interpreter() -> str:
    """Return the interpreter that compiles and runs everything that is measured.

    Raises:
        BenchError: this machine does not have the runtime's version.
    """
    found = find_interpreter()
    if found is None:
        raise BenchError(f"This needs Python {RUNTIME}, the function's runtime. Install it and try again.")
    return found


def build(folder: Path) -> Contestants:
    """Build every bundle in a folder, whose content is deleted first.

    Raises:
        BenchError: the packages of a peer could not be installed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ours = folder / "ours"
    ours.mkdir(parents=True)
    bundle(ours)
    uncompiled = folder / "uncompiled"
    shutil.copytree(ours, uncompiled, ignore=shutil.ignore_patterns("__pycache__"))
    boto3, chalice = (_build_peer(folder / name) for name in ("boto3", "chalice"))
    powertools, fastapi = (_build_peer(folder / name, _PEERS / "listing.py") for name in ("powertools", "fastapi"))
    target = "handler:handler"
    return Contestants(
        nothing=Contestant("an empty interpreter", ours, "", dict),
        call=Contestant("the call alone", boto3, "handler:call", lambda it: {"maxResults": it["maxItems"]}),
        peers=(
            Contestant("boto3", boto3, target, _gateway_event),
            Contestant("Chalice", chalice, "app:app", _chalice_event),
            Contestant("Powertools + pydantic", powertools, target, _gateway_event),
            Contestant("FastAPI + Mangum", fastapi, target, _gateway_event),
        ),
        ours=Contestant("this function", ours, target, _gateway_event),
        direct=Contestant("this function, invoked directly", ours, target, dict),
        amazon_roots=Contestant("this function, AWS's roots alone", ours, target, _gateway_event, AMAZON_ROOTS),
        uncompiled=Contestant("this function, without bytecode", uncompiled, target, _gateway_event),
        new_clients=Contestant("new clients at every request", boto3, "sources:with_new_clients", _gateway_event),
        kept_clients=Contestant("clients kept between requests", boto3, "sources:with_kept_clients", _gateway_event),
    )


def _gateway_event(parameters: Parameters) -> Any:
    headers = [("Accept", "application/json"), ("Host", "localhost"), ("User-Agent", "bench")]
    return proxy_event("GET", f"{ROUTE}?{urlencode(parameters)}", headers)


def _chalice_event(parameters: Parameters) -> Any:
    event = _gateway_event(parameters)
    # Chalice deploys a resource for each route, and finds the route by the resource.
    context = {**event["requestContext"], "resourcePath": ROUTE}
    return {**event, "resource": ROUTE, "pathParameters": None, "requestContext": context}


def _build_peer(target: Path, *modules: Path) -> Path:
    """Install a peer's packages, add its source and compile all; nothing is pruned, because its users do not prune."""
    source = _PEERS / target.name
    _install(source / "requirements.txt", target)
    for module in (*source.glob("*.py"), *modules):
        shutil.copy(module, target)
    if (source / "runtime.txt").exists():
        _add_chalice(source / "runtime.txt", target / "chalice")
    # Some files of packages are templates, which do not compile and are never imported.
    subprocess.run(
        [interpreter(), "-I", "-m", "compileall", "-qq", "-j", "0", str(target)], check=False, capture_output=True
    )
    return target


def _add_chalice(requirements: Path, target: Path) -> None:
    """Add the two files of Chalice that ``chalice package`` adds. Only its command line needs its requirements."""
    whole = target.with_name("chalice-whole")
    _install(requirements, whole, "--no-deps")
    target.mkdir()
    for name in ("__init__.py", "app.py"):
        shutil.copy(whole / "chalice" / name, target)
    shutil.rmtree(whole)


def _install(requirements: Path, target: Path, *options: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--python", interpreter()),
            *("--target", str(target), "--link-mode", "copy", *options, "--requirements", str(requirements)),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BenchError(f"The packages of {requirements.parent.name} could not be installed:\n{done.stderr.strip()}")
