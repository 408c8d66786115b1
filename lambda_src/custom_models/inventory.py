"""The inventory: the accounts and regions that this deployment lists."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from custom_models.core.models import Source

MAX_ACCOUNTS = 100
MAX_SOURCES = 500

# STS's own rules; a test compares them with botocore's service model.
_ROLE_NAME = r"[\w+=,.@-]{1,64}"
_EXTERNAL_ID = r"[\w+=,.@:/-]{2,1224}"
_REGION = r"[a-z]{2,}(-[a-z]+)+-[0-9]+"


class Inventory(NamedTuple):
    """The sources, in the order of listings, and how other accounts are accessed."""

    sources: Sequence[Source]
    member_role_name: str | None = None
    """The role that is assumed in each account but the function's own."""

    external_id: str | None = None
    """The external id that these roles require; None if they require none."""

    @classmethod
    def from_json(cls, content: object) -> "Inventory":
        """Read the object of the setting ``inventory``.

        Each entry of ``sources`` is every account times every region of it.

        Raises:
            ValueError: it is not valid. The text starts with the path of the wrong field.
        """
        fields = _object(content, "the inventory", {"sources", "memberRoleName", "externalId"})
        sources: list[Source] = []
        for path, entry in _items(fields.get("sources"), "sources"):
            lists = _object(entry, path, {"accounts", "regions"})
            accounts = _texts(lists.get("accounts"), f"{path}.accounts", "[0-9]{12}", "an account id of 12 digits")
            regions = _texts(lists.get("regions"), f"{path}.regions", _REGION, "a region, such as us-east-1")
            sources += [Source(account, region) for account in accounts for region in regions]
        _check_sources(sources)
        return cls(
            tuple(sources),
            _text(fields.get("memberRoleName"), "memberRoleName", _ROLE_NAME, "the name of a role, without its path"),
            _text(fields.get("externalId"), "externalId", _EXTERNAL_ID, "2 to 1,224 letters, digits and _+=,.@:/-"),
        )

    def require_role(self, own_account: str) -> None:
        """Raise ValueError if there is another account than this one, and no role to assume in it."""
        other = next((source.account for source in self.sources if source.account != own_account), None)
        if other is not None and self.member_role_name is None:
            raise ValueError(
                f"memberRoleName is missing: it is the role to assume in {other}, which is not the function's own "
                f"account ({own_account})"
            )


def _check_sources(sources: Sequence[Source]) -> None:
    if len(set(sources)) < len(sources):
        twice = next(source for index, source in enumerate(sources) if source in sources[:index])
        raise ValueError(f"sources has {twice} more than once")
    accounts = {source.account for source in sources}
    if len(accounts) > MAX_ACCOUNTS:
        raise ValueError(f"sources has {len(accounts)} accounts; the maximum is {MAX_ACCOUNTS}")
    if len(sources) > MAX_SOURCES:
        raise ValueError(f"sources has {len(sources)} accounts times regions; the maximum is {MAX_SOURCES}")


def _object(value: object, path: str, names: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path} must be an object")
    if unknown := sorted(value.keys() - names):
        raise ValueError(f"{path} has an unknown field {unknown[0]!r}; its fields are {', '.join(sorted(names))}")
    return value


def _items(value: object, path: str) -> Iterator[tuple[str, object]]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{path} must be an array that is not empty")
    return ((f"{path}[{index}]", item) for index, item in enumerate(value))


def _texts(value: object, path: str, pattern: str, what: str) -> Sequence[str]:
    return [_required(item, item_path, pattern, what) for item_path, item in _items(value, path)]


def _text(value: object, path: str, pattern: str, what: str) -> str | None:
    return None if value is None else _required(value, path, pattern, what)


def _required(value: object, path: str, pattern: str, what: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(f"{path} must be {what}")
    return value
