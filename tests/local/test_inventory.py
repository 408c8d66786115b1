"""An inventory in a file: the sources that the embedded emulator plays, and those elsewhere."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from emulators.bedrock import Organization
from emulators.models import ACCOUNT, plausible_models
from emulators.server import serve
from emulators.sts import Sts
from local.emulation import all_sources
from local.inventory_file import read_inventory
from local.json_file import FileError
from tests.local.command_line import ROOT, Local

pytestmark = pytest.mark.slow  # each test starts the function with its emulators

EXAMPLE = ROOT / "examples" / "inventory.json"
MEMBER, OTHER = "111122223333", "444455556666"
REGIONS = ["us-east-1", "eu-west-1", "af-south-1"]
ROLE = "custom-models-reader"

Write: TypeAlias = Callable[..., Path]


def entry(*accounts: str, regions: tuple[str, ...] = ("eu-west-1", "us-east-1")) -> dict[str, list[str]]:
    return {"accounts": list(accounts), "regions": list(regions)}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an inventory with these entries, and return its path."""

    def write(*entries: object, **fields: object) -> Path:
        path = tmp_path / "our accounts.json"
        path.write_text(json.dumps({"sources": entries, **fields}))
        return path

    return write


ALL = ("--inventory", str(EXAMPLE))
MODELS = {
    f"{account}/{region}": plausible_models(2, account=account, region=region)
    for account in (ACCOUNT, MEMBER)
    for region in ("eu-west-1", "us-east-1")
}
EVERYTHING = json.dumps({"maxItems": 1000, "allowPartial": True})


def sources_of(result: Any) -> set[str]:
    return {model["source"] for model in result["modelSummaries"]}


class TestEmbeddedEmulator:
    def test_the_example_has_every_source_but_those_without_the_operation(self, local: Local) -> None:
        result = local.listing(*ALL, event=EVERYTHING)
        assert result["coverage"] == {
            "sources": 9,
            "listed": 9,
            "notOffered": [f"{account}/af-south-1" for account in (ACCOUNT, MEMBER, OTHER)],
            "unreachable": [],
            "complete": True,
        }
        counts = Counter(model["source"] for model in result["modelSummaries"])
        for model in result["modelSummaries"]:
            assert model["modelArn"].split(":")[3] == model["source"].partition("/")[2]
        assert len(set(counts.values())) > 2
        # One of the six sources that offer the operation has no models.
        assert len(counts) == 5
        assert 100 < len(result["modelSummaries"]) < 500
        origin, not_offered = local.banner(*ALL)
        assert origin.startswith(
            f"Models come from   {EXAMPLE} (accounts: 3, regions: 3, sources: 9, "
            f"models: {len(result['modelSummaries'])}; embedded emulator: http://"
        )
        assert not_offered == "Not offered in     af-south-1 (sources: 3)"

    def test_denied_accounts_and_sources_are_unreachable(self, local: Local) -> None:
        result = local.listing(*ALL, "--deny", f"{OTHER},{MEMBER}/us-east-1,{ACCOUNT}", event=EVERYTHING)
        denied = [f"{ACCOUNT}/{region}" for region in REGIONS] + [f"{MEMBER}/us-east-1"]
        denied += [f"{OTHER}/{region}" for region in REGIONS]
        assert result["coverage"]["unreachable"] == [
            {"source": source, "problem": "upstream-denied"} for source in denied
        ]
        assert result["coverage"]["complete"] is False
        _, *problems = local.banner(*ALL, "--deny", f"{OTHER},{MEMBER}/us-east-1")
        assert problems == [
            f"Denied             {OTHER}, {MEMBER}/us-east-1",
            "Not offered in     af-south-1 (sources: 3)",
        ]

    def test_a_denied_account_is_one_whose_role_cannot_be_assumed(self, local: Local) -> None:
        done = local.run("invoke", *ALL, "--deny", f"{OTHER},{MEMBER}/us-east-1", EVERYTHING)
        log = next(line for line in map(json.loads, done.stderr.splitlines()) if line.get("message") == "request")
        assert log["sources_failed"][f"{OTHER}/us-east-1"].startswith("sts:")
        assert log["sources_failed"][f"{MEMBER}/us-east-1"] == "AccessDeniedException"

    @pytest.mark.parametrize(("own", "region"), [(MEMBER, "us-west-2"), (OTHER, "eu-west-1"), (ACCOUNT, "us-west-2")])
    def test_the_function_runs_in_the_first_region_of_its_account(self, write: Write, own: str, region: str) -> None:
        file = write(entry(MEMBER, regions=("us-west-2",)), entry(OTHER, regions=("eu-west-1", "us-west-2")))
        assert all_sources(read_inventory(file), None, own, ()).region == region

    def test_count_is_the_number_of_models_of_each_source(self, local: Local, write: Write) -> None:
        file = write(entry(ACCOUNT, MEMBER), memberRoleName=ROLE)
        result = local.listing("--inventory", str(file), "--count", "3", event=EVERYTHING)
        listed = [model["source"] for model in result["modelSummaries"]]
        sources = [f"{account}/{region}" for account in (ACCOUNT, MEMBER) for region in ("eu-west-1", "us-east-1")]
        assert listed == [source for source in sources for _ in range(3)]

    def test_without_other_accounts_no_role_is_needed(self, local: Local, write: Write) -> None:
        file = write(entry(MEMBER))
        refused = local.refusal("--inventory", str(file))
        assert refused.startswith(f"{file}: memberRoleName is missing")
        assert ACCOUNT in refused
        assert local.listing("--inventory", str(file), "--account", MEMBER, event=EVERYTHING)["coverage"]["complete"]

    def test_settings_of_the_shell_do_not_matter(self, local: Local) -> None:
        shell = {
            "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
            "AWS_REGION": "eu-north-1",
            "AWS_PROFILE": "none-such",
            "INVENTORY": "{}",
            "OWN_ACCOUNT_ID": MEMBER,
        }
        assert local.listing(*ALL, **shell, event=EVERYTHING)["coverage"]["listed"] == 9
        assert local.listing(**shell, event=EVERYTHING)["coverage"]["sources"] == 1

    def test_what_the_options_contradict_is_one_line(self, local: Local, write: Write) -> None:
        assert local.refusal(*ALL, "--models", "a").startswith("MODELS= (--models) ")
        assert local.refusal("--deny", OTHER).startswith("DENY= (--deny) needs INVENTORY= (--inventory)")
        unknown = local.refusal(*ALL, "--deny", "777788889999")
        assert "names 777788889999, " in unknown
        assert unknown.endswith(f"Its accounts are {ACCOUNT}, {MEMBER}, {OTHER}.")
        assert "names 444455556666/eu-west-2, " in local.refusal(*ALL, "--deny", f"{OTHER}/eu-west-2")
        assert "6,000,000 models" in local.refusal(*ALL, "--count", "1000000")
        assert local.refusal(*ALL, "--deny", OTHER, "--bedrock", "aws").startswith("DENY= (--deny) ")


class TestElsewhere:
    """The sources are at the endpoints in the environment, or on AWS."""

    @pytest.fixture
    def sts(self) -> Sts:
        return Sts({f"arn:aws:iam::{account}:role/{ROLE}": "shared" for account in (ACCOUNT, MEMBER)})

    @pytest.fixture
    def endpoints(self, sts: Sts) -> Iterator[dict[str, str]]:
        organization = Organization(MODELS)
        with serve(organization.respond) as bedrock_url, serve(sts.respond) as sts_url:
            yield {"AWS_ENDPOINT_URL_BEDROCK": bedrock_url, "AWS_ENDPOINT_URL_STS": sts_url}

    def test_roles_are_assumed_at_the_given_endpoint(
        self, local: Local, write: Write, endpoints: dict[str, str], sts: Sts
    ) -> None:
        file = write(entry(ACCOUNT, MEMBER), memberRoleName=ROLE, externalId="shared")
        assert sources_of(local.listing("--inventory", str(file), **endpoints, event=EVERYTHING)) == set(MODELS)
        # The function's region is that of the first source of its account.
        assert {(call.account, call.region) for call in sts.calls} == {(MEMBER, "eu-west-1")}

    def test_other_accounts_need_an_endpoint_of_sts(
        self, local: Local, write: Write, endpoints: dict[str, str]
    ) -> None:
        del endpoints["AWS_ENDPOINT_URL_STS"]
        file = write(entry(ACCOUNT, MEMBER), memberRoleName=ROLE)
        assert "set AWS_ENDPOINT_URL_STS too" in local.refusal("--inventory", str(file), **endpoints)
        own = write(entry(ACCOUNT))
        assert len(sources_of(local.listing("--inventory", str(own), **endpoints, event=EVERYTHING))) == 2

    def test_an_endpoint_of_sts_that_does_not_listen_is_named(
        self, local: Local, write: Write, endpoints: dict[str, str]
    ) -> None:
        endpoints["AWS_ENDPOINT_URL_STS"] = "http://127.0.0.1:9"
        file = write(entry(ACCOUNT, MEMBER), memberRoleName=ROLE)
        line = local.refusal("--inventory", str(file), **endpoints)
        assert line.startswith("Nothing listens at AWS_ENDPOINT_URL_STS=http://127.0.0.1:9;")

    def test_the_own_account_is_that_of_the_option(self, local: Local, endpoints: dict[str, str]) -> None:
        del endpoints["AWS_ENDPOINT_URL_STS"]
        assert sources_of(local.listing(**endpoints, event=EVERYTHING)) == {f"{ACCOUNT}/us-east-1"}
        result = local.listing("--account", OTHER, **endpoints, event=EVERYTHING)
        assert sources_of(result) == {f"{OTHER}/us-east-1"}

    def test_on_aws_the_own_account_is_that_of_the_credentials(self, local: Local, write: Write) -> None:
        # The profile, because these variables do not apply to BEDROCK=aws.
        organization = Organization({**MODELS, f"{OTHER}/eu-west-1": plausible_models(1, account=OTHER)}, OTHER)
        sts = Sts({f"arn:aws:iam::{MEMBER}:role/{ROLE}": None}, OTHER)
        with serve(organization.respond) as bedrock_url, serve(sts.respond) as sts_url:
            local.configure(
                "[default]\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\nservices = here\n"
                f"[services here]\nbedrock =\n  endpoint_url = {bedrock_url}\nsts =\n  endpoint_url = {sts_url}\n"
            )
            shell = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9", "OWN_ACCOUNT_ID": ACCOUNT}
            file = write(entry(OTHER, MEMBER, regions=("eu-west-1",)), memberRoleName=ROLE)
            result = local.listing("--bedrock", "aws", "--inventory", str(file), **shell, event=EVERYTHING)
            assert sources_of(result) == {f"{OTHER}/eu-west-1", f"{MEMBER}/eu-west-1"}
            assert sources_of(local.listing("--bedrock", "aws", **shell, event=EVERYTHING)) == {f"{OTHER}/eu-west-1"}


class TestFile:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", " is not JSON: Expecting value: line 1 column 1"),
            (b'{"sources": [], "sources": []}', ': an object has the field "sources" more than once.'),
            (b"[]", ": the inventory must be an object."),
            (b'{"inventory": {}}', ": the inventory has an unknown field 'inventory'"),
            ({"sources": [entry("1")]}, ": sources[0].accounts[0] must be "),
            (
                {"sources": [entry(MEMBER), entry(OTHER, regions=("us-east-1", "us-east-9"))]},
                ": sources[1].regions[1] is us-east-9, which is not a region with Bedrock.",
            ),
            (
                {"sources": [entry(MEMBER, regions=("us-gov-west-1", "us-east-1"))]},
                ": sources[0].regions[1] is us-east-1, which is not a region with Bedrock.",
            ),
            ({"sources": [entry(MEMBER)], "externalId": "x"}, ": externalId must be "),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_is_wrong_with_it_is_one_line(self, tmp_path: Path, content: object, message: str) -> None:
        file = tmp_path / "inventory.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        with pytest.raises(FileError) as caught:
            read_inventory(file)
        assert str(caught.value).startswith(f"{file}{message}")
        assert "\n" not in str(caught.value)

    def test_it_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="cannot be read: No such file or directory"):
            read_inventory(tmp_path / "none.json")

    def test_regions_of_another_partition_can_be_listed(self, write: Write) -> None:
        file = write(entry(MEMBER, regions=("us-gov-west-1", "us-gov-east-1")))
        assert len(read_inventory(file).inventory.sources) == 2
