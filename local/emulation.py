"""What the embedded emulator plays: one source, or STS and all sources of an inventory."""

import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from custom_models.core.models import Source
from custom_models.inventory import Inventory
from emulators.bedrock import Emulator, Organization, deny, unknown_operation
from emulators.models import ACCOUNT, REGION, Model, plausible_models
from emulators.server import Respond
from emulators.sts import Sts
from local import DEFAULT_COUNT, MAX_COUNT, WITHOUT_OPERATION, SetupError
from local.inventory_file import InventoryFile
from local.model_file import likely_account, read_models, region_of

SLOW_COUNT = 50_000
"""Generating this many models takes noticeable time."""

_COUNTS = (74, 12, 31, 0, 58, 3, 21)
"""How many models the sources of an inventory have, in turn."""

_PARTITIONS = ("aws", "aws-cn", "aws-us-gov")


class Emulation(NamedTuple):
    """Two emulators, and the function that calls them."""

    bedrock: Respond
    sts: Respond
    account: str
    region: str
    description: str
    """Where the models come from; the URL and a closing parenthesis follow."""
    problems: Mapping[str, str]
    """The sources that cannot be listed, by what is wrong with them."""


def one_source(file: Path | None, count: int | None, account: str | None) -> Emulation:
    """Return one source with the models of a file, or else with generated ones.

    Raises:
        SetupError: the file is not valid.
    """
    if file:
        models = read_models(file)
        own = account or likely_account(models)
        owned = sum(model.account == own for model in models)
        text = f"{file} (models: {len(models):,}, owned by account {own}: {owned:,}; embedded emulator: "
        region = region_of(models)
    else:
        own, region = account or ACCOUNT, REGION
        models = _generated({Source(own, region): DEFAULT_COUNT if count is None else count})[f"{own}/{region}"]
        text = f"the embedded Bedrock emulator ({len(models):,} generated models, "
    return Emulation(Emulator(models, own).respond, Sts({}, own).respond, own, region, text, {})


def all_sources(file: InventoryFile, count: int | None, own: str, denied: Sequence[str]) -> Emulation:
    """Return STS and the sources of an inventory, each with ``count`` generated models.

    Args:
        file: the inventory.
        count: by default a different small number in each source.
        own: the account of the function.
        denied: accounts, whose role STS refuses, and sources, which Bedrock denies.

    Raises:
        SetupError: these are too many models, or ``denied`` names what is not in the inventory.
    """
    sources = file.inventory.sources
    absent = [source for source in sources if source.region == WITHOUT_OPERATION]
    counts = dict(zip(sources, itertools.cycle(_COUNTS if count is None else [count]), strict=False))
    counts.update(dict.fromkeys(absent, 0))
    organization = Organization(_generated(counts), own)
    for source in absent:
        organization.sources[str(source)].misbehave(always=unknown_operation)
    for source in _named(denied, sources):
        organization.sources[str(source)].misbehave(always=deny)
    text = f"{file.path} ({file.size}, models: {sum(counts.values()):,}; embedded emulator: "
    problems = {"Denied": ", ".join(denied)} if denied else {}
    if absent:
        problems["Not offered in"] = f"{WITHOUT_OPERATION} (sources: {len(absent)})"
    sts = Sts(_trust(file.inventory, denied), own)
    return Emulation(organization.respond, sts.respond, own, file.region(own), text, problems)


def _generated(counts: Mapping[Source, int]) -> Mapping[str, Sequence[Model]]:
    total = sum(counts.values())
    if total > MAX_COUNT:
        raise SetupError(f"COUNT= (--count) makes {total:,} models in all sources; the maximum is {MAX_COUNT:,}.")
    if total >= SLOW_COUNT:
        print(f"Generating {total:,} models ...", file=sys.stderr, flush=True)
    return {
        str(source): plausible_models(count, account=source.account, region=source.region)
        for source, count in counts.items()
    }


def _named(names: Sequence[str], sources: Sequence[Source]) -> Iterable[Source]:
    for name in names:
        named = [source for source in sources if name in (source.account, str(source))]
        if not named:
            known = ", ".join(dict.fromkeys(source.account for source in sources))
            raise SetupError(
                f"DENY= (--deny) names {name}, which is no account and no ACCOUNT/REGION of the inventory. "
                f"Its accounts are {known}."
            )
        yield from named


def _trust(inventory: Inventory, denied: Sequence[str]) -> Mapping[str, str | None]:
    accounts = {source.account for source in inventory.sources} - set(denied)
    return {
        f"arn:{partition}:iam::{account}:role/{inventory.member_role_name}": inventory.external_id
        for partition in _PARTITIONS
        for account in accounts
    }
