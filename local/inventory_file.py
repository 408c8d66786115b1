"""The inventory, from a file with the JSON object of the setting ``inventory``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from custom_models.inventory import Inventory
from local.json_file import FileError, read_json


class InventoryFile(NamedTuple):
    """An inventory, and the file that it comes from."""

    path: Path
    text: str
    """The JSON object, for the function."""
    inventory: Inventory

    @property
    def size(self) -> str:
        """The numbers of accounts, regions and sources."""
        accounts, regions = (len(set(names)) for names in zip(*self.inventory.sources, strict=True))
        return f"accounts: {accounts}, regions: {regions}, sources: {len(self.inventory.sources)}"

    def region(self, account: str) -> str:
        """Return the region of a function whose credentials belong to this account."""
        sources = self.inventory.sources
        return next((source.region for source in sources if source.account == account), sources[0].region)

    def require_role(self, account: str) -> None:
        """Raise FileError if there are other accounts than this one, and no role to assume in them."""
        try:
            self.inventory.require_role(account)
        except ValueError as error:
            raise FileError(f"{self.path}: {error}.") from None


def read_inventory(path: Path) -> InventoryFile:
    """Return the inventory in a file.

    Raises:
        FileError: the file cannot be read, or is not a valid inventory.
    """

    def parse(content: Any) -> InventoryFile:
        inventory = Inventory.from_json(content)
        _require_known_regions(content)
        return InventoryFile(path, json.dumps(content), inventory)

    return read_json(path, parse)


def _require_known_regions(content: Mapping[str, Any]) -> None:
    # Not a session of boto3, because that would read the AWS settings of the user.
    endpoints = EndpointResolver(create_loader().load_data("endpoints"))
    first = content["sources"][0]["regions"][0]
    partitions = [endpoints.get_available_endpoints("bedrock", name) for name in endpoints.get_available_partitions()]
    known = next((regions for regions in partitions if first in regions), partitions[0])
    for index, entry in enumerate(content["sources"]):
        for number, region in enumerate(entry["regions"]):
            if region not in known:
                raise ValueError(f"sources[{index}].regions[{number}] is {region}, which is not a region with Bedrock")
