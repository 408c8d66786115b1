"""The inventory: which JSON objects are valid, and what the errors say."""

import json
import re
from typing import Any

import botocore.session
import pytest

from custom_models.core.models import Source
from custom_models.inventory import MAX_ACCOUNTS, MAX_SOURCES, Inventory
from custom_models.settings import Settings, SettingsError

OWN, ONE, TWO = "123456789012", "111122223333", "444455556666"
EAST, WEST = "us-east-1", "eu-west-1"


def entry(accounts: object = (ONE,), regions: object = (EAST,)) -> dict[str, Any]:
    listed = [list(value) if isinstance(value, tuple) else value for value in (accounts, regions)]
    return {"accounts": listed[0], "regions": listed[1]}


def accounts(count: int) -> list[str]:
    return [f"{number:012}" for number in range(count)]


def test_each_entry_is_every_account_times_every_region_in_the_order_written() -> None:
    inventory = Inventory.from_json({"sources": [entry((TWO, ONE), (WEST, EAST)), entry((OWN,), ("us-gov-west-1",))]})
    names = [str(source) for source in inventory.sources]
    assert names == [f"{TWO}/{WEST}", f"{TWO}/{EAST}", f"{ONE}/{WEST}", f"{ONE}/{EAST}", f"{OWN}/us-gov-west-1"]
    assert (inventory.member_role_name, inventory.external_id) == (None, None)


def test_the_role_and_the_external_id() -> None:
    inventory = Inventory.from_json({"sources": [entry()], "memberRoleName": "reader", "externalId": "a/b:c"})
    assert inventory == ((Source(ONE, EAST),), "reader", "a/b:c")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "the inventory must be an object"),
        (None, "the inventory must be an object"),
        ({}, "sources must be an array that is not empty"),
        ({"sources": []}, "sources must be an array that is not empty"),
        ({"sources": entry()}, "sources must be an array that is not empty"),
        ({"sources": [entry()], "memberRole": "x"}, "the inventory has an unknown field 'memberRole'"),
        ({"sources": [entry(), ONE]}, "sources[1] must be an object"),
        ({"sources": [{**entry(), "region": EAST}]}, "sources[0] has an unknown field 'region'"),
        ({"sources": [{"accounts": [ONE]}]}, "sources[0].regions must be an array that is not empty"),
        ({"sources": [entry(())]}, "sources[0].accounts must be an array that is not empty"),
        ({"sources": [entry(ONE)]}, "sources[0].accounts must be an array that is not empty"),
        ({"sources": [entry((ONE, "12345"))]}, "sources[0].accounts[1] must be an account id of 12 digits"),
        ({"sources": [entry((int(ONE),))]}, "sources[0].accounts[0] must be an account id of 12 digits"),
        ({"sources": [entry(("\u0661" * 12,))]}, "sources[0].accounts[0] must be an account id of 12 digits"),
        ({"sources": [entry(), entry((TWO,), (f"{EAST}a",))]}, "sources[1].regions[0] must be a region"),
        ({"sources": [entry((TWO,), ("us-east-1\n",))]}, "sources[0].regions[0] must be a region"),
        ({"sources": [entry((ONE, ONE))]}, f"sources has {ONE}/{EAST} more than once"),
        ({"sources": [entry((TWO, ONE)), entry()]}, f"sources has {ONE}/{EAST} more than once"),
        ({"sources": [entry(accounts(101))]}, "sources has 101 accounts; the maximum is 100"),
        (
            {"sources": [entry(accounts(100), [f"us-east-{n}" for n in range(6)])]},
            "sources has 600 accounts times regions; the maximum is 500",
        ),
        ({"sources": [entry()], "memberRoleName": ""}, "memberRoleName must be the name of a role, without its path"),
        ({"sources": [entry()], "memberRoleName": "team/x"}, "memberRoleName must be the name of a role"),
        ({"sources": [entry()], "externalId": 12}, "externalId must be 2 to 1,224 letters"),
    ],
)
def test_the_error_starts_with_the_path_of_the_wrong_field(content: object, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        Inventory.from_json(content)


def test_the_limits_are_valid() -> None:
    sources = [entry(accounts(MAX_ACCOUNTS), [f"us-east-{n}" for n in range(MAX_SOURCES // MAX_ACCOUNTS)])]
    assert len(Inventory.from_json({"sources": sources}).sources) == MAX_SOURCES


def rule(service: str, shape: str) -> Any:
    """Return the length and the pattern of a string in a service model of botocore."""
    metadata = botocore.session.Session().get_service_model(service).shape_for(shape).metadata
    return metadata["min"], metadata["max"], metadata["pattern"]


CHARACTERS = [chr(code) for code in range(0x180)] + ["\u0661", "\u20ac", "\U0001f600"]


@pytest.mark.parametrize(
    ("field", "service", "shape"),
    [("externalId", "sts", "externalIdType"), ("memberRoleName", "iam", "roleNameType")],
)
class TestServiceModel:
    """The rules are those of STS and IAM."""

    @staticmethod
    def is_valid(field: str, value: str) -> bool:
        try:
            Inventory.from_json({"sources": [entry()], field: value})
        except ValueError:
            return False
        return True

    def test_lengths(self, field: str, service: str, shape: str) -> None:
        minimum, maximum, _ = rule(service, shape)
        lengths = [length for length in (0, minimum - 1, minimum, maximum, maximum + 1) if length >= 0]
        assert [self.is_valid(field, "x" * n) for n in lengths] == [minimum <= n <= maximum for n in lengths]

    def test_characters(self, field: str, service: str, shape: str) -> None:
        _, _, pattern = rule(service, shape)
        for character in CHARACTERS:
            expected = re.fullmatch(pattern, f"x{character}x", re.ASCII) is not None
            assert self.is_valid(field, f"x{character}x") == expected, character


class TestSettings:
    @staticmethod
    def read(inventory: str, **environment: str) -> Settings:
        return Settings.read({"CURSOR_KEY": "k" * 32, "OWN_ACCOUNT_ID": OWN, "INVENTORY": inventory, **environment})

    def test_without_an_inventory_there_is_none(self) -> None:
        assert self.read("").inventory is None

    def test_an_inventory(self) -> None:
        inventory = self.read(json.dumps({"sources": [entry((OWN,))]})).inventory
        assert inventory == ((Source(OWN, EAST),), None, None)

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("{", "INVENTORY cannot be used: "),
            ("[" * 100_000, "INVENTORY cannot be used: "),
            ("{}", "INVENTORY cannot be used: sources must be an array that is not empty."),
            (json.dumps({"sources": [entry()]}), "INVENTORY cannot be used: memberRoleName is missing"),
        ],
    )
    def test_a_wrong_inventory_is_reported_in_one_sentence(self, text: str, sentence: str) -> None:
        with pytest.raises(SettingsError) as caught:
            self.read(text)
        assert str(caught.value).startswith(sentence)
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize("service", ["x", "x" * 65, "custom models", "a/b", "a:b"])
    def test_with_a_member_role_the_name_of_the_service_must_be_valid_as_a_session_name(self, service: str) -> None:
        role = json.dumps({"sources": [entry()], "memberRoleName": "reader"})
        minimum, maximum, pattern = rule("sts", "roleSessionNameType")
        assert not (minimum <= len(service) <= maximum and re.fullmatch(pattern, service))
        with pytest.raises(SettingsError, match="POWERTOOLS_SERVICE_NAME must be 2 to 64"):
            self.read(role, POWERTOOLS_SERVICE_NAME=service)
        assert self.read(role, POWERTOOLS_SERVICE_NAME="custom_models-dev.1=x,y@z+").inventory
        assert self.read(json.dumps({"sources": [entry((OWN,))]}), POWERTOOLS_SERVICE_NAME=service).inventory
