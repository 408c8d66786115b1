"""An organization with three accounts in three regions, as the function's tests use it."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulators.bedrock import Organization
from emulators.models import ACCOUNT, Model, newest_first, plausible_models
from emulators.sts import Sts
from tests.api import Api

OWN, MEMBER, OTHER = ACCOUNT, "111122223333", "444455556666"
ACCOUNTS = (MEMBER, OWN, OTHER)
EAST, WEST, SOUTH = REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")
SOURCES = tuple(f"{account}/{region}" for account in ACCOUNTS for region in REGIONS)
"""In the order of the inventory."""

ROLE, EXTERNAL_ID = "custom-models-reader", "an-external-id"


def models_of(source: str, count: int = 4) -> Sequence[Model]:
    account, _, region = source.partition("/")
    return plausible_models(count, account=account, region=region)


def arns_of(*sources: str) -> list[str]:
    """Return the ARNs of all models of these sources, in the order of a listing."""
    return [model.arn for source in sources for model in newest_first(models_of(source))]


def inventory(accounts: Sequence[str] = ACCOUNTS, regions: Sequence[str] = REGIONS, **fields: str) -> str:
    """Return the setting INVENTORY: each account in each region, with the member role."""
    sources = [{"accounts": accounts, "regions": regions}]
    return json.dumps({"sources": sources, "memberRoleName": ROLE, **fields})


def trust(external_id: str | None = None) -> Mapping[str, str | None]:
    """Return the member roles, for the STS emulator."""
    return {f"arn:aws:iam::{account}:role/{ROLE}": external_id for account in ACCOUNTS if account != OWN}


@dataclass
class Deployment:
    """The services that the function calls, and the function in front of them."""

    organization: Organization
    sts: Sts
    build: Callable[..., Api]
    """Build a function. Keyword arguments are settings, such as INVENTORY."""

    def misbehave(self, source: str, *once: Any, always: Any = None) -> None:
        """Inject faults into the responses of a source."""
        self.organization.sources[source].misbehave(*once, always=always)

    def calls(self) -> list[str]:
        """Return the sources of all attempts since the last call of this method."""
        calls = [call.source for call in self.organization.calls]
        self.organization.calls.clear()
        return calls


def threads() -> set[threading.Thread]:
    """Return all threads but those in which a server handles a connection."""
    return {thread for thread in threading.enumerate() if "process_request" not in thread.name}


def until(condition: Callable[[], bool]) -> None:
    """Wait at most two seconds for a condition."""
    end = time.monotonic() + 2
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
