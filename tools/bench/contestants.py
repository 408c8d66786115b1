"""What is measured: the function's bundle, and those of its peers, each made as its own users make it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

from infra.bundling import AMAZON_ROOTS, RUNTIME, bundle, find_interpreter
from local.api_gateway import proxy_event

ROUTE = "/v1/custom-models"

_PEERS = Path(__file__).resolve().parent / "peers"

Parameters: TypeAlias = Mapping[str, int | str]


class BenchError(RuntimeError):
    """The measurement cannot be made, or what was measured did not do its work; the text says why."""


@dataclass(frozen=True)
class Contestant:
    """A handler in a bundle, the event that asks it for a listing, and the root certificates that it trusts."""

    name: str
    bundle: Path
    target: str
    event: Callable[[Parameters], Any]
    own_roots: str = "botocore/cacert.pem"

    @property
    def roots(self) -> Path:
        """The file of its root certificates."""
        return self.bundle / self.own_roots


@dataclass(frozen=True)
class Contestants:
    """All of them: ``call`` is boto3's bare call, in the bundle of the peer boto3; ``nothing`` starts, and ends."""

    nothing: Contestant
    ours: Contestant
    direct: Contestant
    trusting: Contestant
    uncompiled: Contestant
    call: Contestant
    boto3: Contestant
    powertools: Contestant
    fastapi: Contestant
    chalice: Contestant

    @property
    def handlers(self) -> tuple[Contestant, ...]:
        """The peers and the function, which all answer the same event."""
        return (self.boto3, self.chalice, self.powertools, self.fastapi, self.ours)


@cache
def interpreter() -> str:
    """Return the interpreter that everything is compiled and measured with.

    Raises:
        BenchError: this machine has none of the runtime's version.
    """
    found = find_interpreter()
    if found is None:
        raise BenchError(f"This needs Python {RUNTIME}, the function's runtime: install it, and start again.")
    return found


def build(folder: Path) -> Contestants:
    """Make every bundle anew in a folder.

    Raises:
        BenchError: a peer's packages could not be installed, or a bundle has a module without bytecode.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ours = folder / "ours"
    ours.mkdir(parents=True)
    bundle(ours)
    uncompiled = folder / "uncompiled"
    shutil.copytree(ours, uncompiled, ignore=shutil.ignore_patterns("__pycache__"))
    boto3, powertools, fastapi, chalice = (
        _peer(name, folder / name) for name in ("boto3", "powertools", "fastapi", "chalice")
    )
    _add_chalice(chalice)
    for made in (boto3, powertools, fastapi, chalice):
        _compile(made)
    return Contestants(
        nothing=Contestant("an empty interpreter", ours, "", dict),
        ours=Contestant("this function", ours, "handler:handler", _gateway_event),
        direct=Contestant("this function, invoked directly", ours, "handler:handler", dict),
        trusting=Contestant("this function, AWS's roots alone", ours, "handler:handler", _gateway_event, AMAZON_ROOTS),
        uncompiled=Contestant("this function, without bytecode", uncompiled, "handler:handler", _gateway_event),
        call=Contestant("the call alone", boto3, "handler:call", _call_event),
        boto3=Contestant("boto3", boto3, "handler:handler", _gateway_event),
        powertools=Contestant("Powertools + pydantic", powertools, "handler:handler", _gateway_event),
        fastapi=Contestant("FastAPI + Mangum", fastapi, "handler:handler", _gateway_event),
        chalice=Contestant("Chalice", chalice, "app:app", _chalice_event),
    )


def _gateway_event(parameters: Parameters) -> Any:
    headers = [("Accept", "application/json"), ("Host", "localhost"), ("User-Agent", "bench")]
    return proxy_event("GET", f"{ROUTE}?{urlencode(parameters)}", headers)


def _chalice_event(parameters: Parameters) -> Any:
    event = _gateway_event(parameters)
    # Chalice makes a resource of each route, and finds the route again by the resource.
    context = {**event["requestContext"], "resourcePath": ROUTE}
    return {**event, "resource": ROUTE, "pathParameters": None, "requestContext": context}


def _call_event(parameters: Parameters) -> Any:
    return {"maxResults": parameters["maxItems"]}


def _peer(name: str, target: Path) -> Path:
    """Install a peer's packages and add its source; nothing is pruned, since its users do not."""
    _install(_PEERS / name / "requirements.txt", target)
    for source in (_PEERS / name).glob("*.py"):
        shutil.copy(source, target)
    return target


def _add_chalice(target: Path) -> None:
    """Add the two files that ``chalice package`` takes of Chalice itself; its requirements are the command line's."""
    whole = target.with_name("chalice-whole")
    _install(_PEERS / "chalice" / "runtime.txt", whole, "--no-deps")
    (target / "chalice").mkdir()
    for name in ("__init__.py", "app.py"):
        shutil.copy(whole / "chalice" / name, target / "chalice")


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


def _compile(target: Path) -> None:
    # Not all of a package is a module: what does not compile is a template, which nothing imports.
    subprocess.run(
        [interpreter(), "-I", "-m", "compileall", "-qq", "-j", "0", str(target)], check=False, capture_output=True
    )
