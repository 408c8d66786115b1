"""The settings of a deployment: which are accepted, and the error message for each that is not."""

import json
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from infra.config import Config, ConfigError
from tests.infra.settings import GOOD

ROOT = Path(__file__).resolve().parents[2]
OWN, OTHER = "123456789012", "210987654321"


def read(settings: Any, stage: Any = "dev") -> Config:
    return Config.read({"stage": stage, "stages": {"dev": settings}}.get)


def error_message(settings: Any, stage: Any = "dev") -> str:
    with pytest.raises(ConfigError) as caught:
        read(settings, stage)
    return str(caught.value)


def test_every_stage_of_cdk_json_is_valid() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    for stage in context["stages"]:
        assert Config.read({**context, "stage": stage}.get).stage == stage


@pytest.mark.parametrize("text", ["", "{", '{"context": {},}', "[]", "{}", '{"context": null}', '{"context": 5}'])
def test_a_cdk_json_that_cannot_be_read_is_reported(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cdk.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"^cdk\.json (cannot be read as JSON: .+|has no object context)\.$"):
        Config.of_stage("dev", path)


def test_every_setting_has_a_default() -> None:
    assert read({}) == Config(stage="dev")


def test_every_setting_can_be_set() -> None:
    config = read(GOOD)
    assert {*GOOD, "stage"} == set(map(to_camel, Config.model_fields))
    assert json.loads(config.model_dump_json(by_alias=True)) == {**GOOD, "stage": "dev"}
    assert (config.memory_mb, config.allowed_accounts) == (1024, ("210987654321",))
    assert (config.vpc_endpoints, config.api_gateway_log_role) == (("vpce-0a1b2c3d",), False)


def test_the_settings_are_immutable() -> None:
    config = read(GOOD)
    with pytest.raises(ValidationError, match="frozen"):
        config.memory_mb = 128


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("account", bad) for bad in ("12345", 123456789012, "12345678901x")),
        *(("region", bad) for bad in ("europe", "", "us-east-1\n")),
        *(("memoryMb", bad) for bad in (127, 10_241, "512", 512.0, True)),
        *(("timeoutSeconds", bad) for bad in (13, 28, 0, None)),
        *(("reservedConcurrency", bad) for bad in (0, -1, None)),
        *(("trustRoots", bad) for bad in ("Amazon", "none", True)),
        *(("logLevel", bad) for bad in ("info", "TRACE", 20, None)),
        *(("logRetentionDays", bad) for bad in (2, 0, "30", True, 1.0)),
        *(("throttleRate", bad) for bad in (0, 0.5)),
        *(("throttleBurst", bad) for bad in (0, 5_001)),
        *(("cursorLifetimeSeconds", bad) for bad in (59, 604_801)),
        *(("alarmTopicArn", bad) for bad in ("arn", "arn:aws:sqs:eu-central-1:123456789012:q")),
        *(("alarmEmail", bad) for bad in ("ops", "a@b c", "a b@c")),
        *(("allowedAccounts", bad) for bad in ("123456789012", [123456789012], ["1"], ["123456789012"] * 2)),
        *(("organizationId", bad) for bad in ("o-1", "123")),
        *(("vpcEndpoints", bad) for bad in (["vpc-1"], "vpce-0a1b2c3d", [None])),
        *(("apiGatewayLogRole", bad) for bad in ("true", 1, None)),
        *(("removalPolicy", bad) for bad in ("Retain", "snapshot", True)),
        *(("tags", bad) for bad in ("team=ml-ops", ["team"], None)),
        *(("permissionsBoundary", bad) for bad in ("developer", "arn:aws:iam::123456789012:role/developer", None)),
        *(("kmsKeyArn", bad) for bad in ("alias/key", "arn:aws:kms:eu-central-1:123456789012:alias/key", True)),
        *(("tracing", bad) for bad in ("Active", 1, None)),
        *(("inventory", bad) for bad in ("inventory.json", ["us-east-1"], None, 5)),
    ],
)
def test_an_error_names_the_setting_what_it_must_be_and_what_it_was(name: str, bad: object) -> None:
    message = error_message({name: bad})
    assert message.startswith(f"stages.dev.{name} must be ")
    assert message.endswith(f", not {bad!r}.")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("account", "1", "an account id, 12 digits, not '1'."),
        ("memoryMb", 1, "a whole number from 128 to 10240, not 1."),
        ("logLevel", "info", "'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL', not 'info'."),
        ("apiGatewayLogRole", 1, "true or false, not 1."),
    ],
)
def test_error_messages(name: str, bad: object, message: str) -> None:
    assert error_message({name: bad}) == f"stages.dev.{name} must be {message}"


def test_every_wrong_setting_is_reported_on_a_line_of_its_own() -> None:
    lines = error_message({"region": "x", "memoryMb": 512, "timeoutSeconds": "20", "memory": 1}).splitlines()
    assert [line.split()[0] for line in lines] == [
        "stages.dev.region",
        "stages.dev.timeoutSeconds",
        "stages.dev.memory",
    ]


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("account", 123456789012, "an account id, 12 digits, in quotes, not 123456789012."),
        ("region", 5, "a region, such as us-east-1, in quotes, not 5."),
        ("memoryMb", "512", "a whole number from 128 to 10240, without quotes, not '512'."),
        ("logRetentionDays", "365", "one of "),
        ("tracing", "true", "true or false, without quotes, not 'true'."),
    ],
)
def test_a_value_of_another_type_is_named(name: str, bad: object, message: str) -> None:
    found = error_message({name: bad})
    assert found.startswith(f"stages.dev.{name} must be {message}")
    assert found.endswith(f"quotes, not {bad!r}.")


@pytest.mark.parametrize("name", ["memory", "memory_mb", "stage", ""])
def test_an_unknown_setting_is_reported_with_the_names_of_all_settings(name: str) -> None:
    message = error_message({name: 512})
    assert message.startswith(f"stages.dev.{name} is not a setting")
    assert message.partition("; the settings are ")[2].removesuffix(".").split(", ") == sorted(GOOD)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("memory_mb", " (did you mean memoryMb?)"),
        ("Tags", " (did you mean tags?)"),
        ("permissionBoundary", " (did you mean permissionsBoundary?)"),
        ("kmsKeyARN", " (did you mean kmsKeyArn?)"),
        ("stage", ""),
    ],
)
def test_an_unknown_setting_is_reported_with_the_similar_one(name: str, hint: str) -> None:
    assert error_message({name: 512}).startswith(f"stages.dev.{name} is not a setting{hint}; ")


@pytest.mark.parametrize(
    "settings",
    [
        {"throttleRate": 50, "throttleBurst": 10},
        {"tags": {}},
        {"tags": {f"key {number}": "x" * 256 for number in range(50)}},
        {"tags": {"Kostenträger": "größer: +1 @ a/b=c_d-e.f"}},
        {"account": OWN, "permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess"},
        {"account": OWN, "permissionsBoundary": f"arn:aws:iam::{OWN}:policy/a/b/c"},
        {"region": "us-gov-west-1", "kmsKeyArn": f"arn:aws-us-gov:kms:us-gov-west-1:{OWN}:key/mrk-{'0' * 32}"},
        {"vpcEndpoints": ["vpce-0a1b2c3d"]},
        *({"region": region} for region in ("eusc-de-east-1", "us-gov-west-1", "cn-northwest-1", "us-iso-east-1")),
        *({"region": region} for region in ("ap-southeast-7", "mx-central-1", "il-central-1", "us-isob-east-1")),
    ],
)
def test_settings_of_real_accounts_are_accepted(settings: dict[str, Any]) -> None:
    assert read(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tags": {"aws:team": "x"}}, ".tags has the key 'aws:team'; a key is 1 to 128 letters"),
        ({"tags": {"AWS:team": "x"}}, ".tags has the key 'AWS:team'; a key is 1 to 128 letters"),
        ({"tags": {"": "x"}}, ".tags has the key ''; a key is 1 to 128 letters"),
        ({"tags": {"k" * 129: "x"}}, f".tags has the key {'k' * 129!r}; a key is 1 to 128 letters"),
        ({"tags": {"team\n": "x"}}, ".tags has the key 'team\\n'; a key is 1 to 128 letters"),
        *(
            (
                {"tags": {"cost-center": "0042", "team": bad}},
                f".tags.team must be a string of 1 to 256 letters, digits, spaces and _.:/=+-@, not {bad!r}.",
            )
            for bad in ("", "a,b", "x" * 257, "line\n", 42, None, ["ml-ops"], True)
        ),
        ({"tags": {"Team": "x", "team": "y"}}, ".tags has keys that differ only in case"),
        ({"tags": {f"k{number}": "x" for number in range(51)}}, ".tags has 51 tags; the maximum is 50."),
        (
            {"account": OWN, "permissionsBoundary": f"arn:aws:iam::{OTHER}:policy/developer"},
            f".permissionsBoundary must be a policy of the account {OWN}, not of {OTHER}.",
        ),
        (
            {"region": "us-east-1", "kmsKeyArn": f"arn:aws:kms:us-east-2:{OWN}:key/mrk-{'0' * 32}"},
            ".kmsKeyArn must be in the region us-east-1, not in us-east-2.",
        ),
        (
            {"region": "us-east-1", "alarmTopicArn": f"arn:aws:sns:us-east-2:{OTHER}:alarms"},
            ".alarmTopicArn must be in the region us-east-1, not in us-east-2.",
        ),
        *(
            (
                {"region": region, "permissionsBoundary": f"arn:{found}:iam::aws:policy/PowerUserAccess"},
                f".permissionsBoundary must be in the partition {partition} of {region}, not in {found}.",
            )
            for region, partition, found in (
                ("eu-west-1", "aws", "aws-cn"),
                ("eu-west-1", "aws", "aws-foo"),
                ("us-gov-west-1", "aws-us-gov", "aws"),
                ("cn-north-1", "aws-cn", "aws-us-gov"),
            )
        ),
        ({"kmsKeyArn": f"arn:aws:kms:us-east-1:{OWN}:key/x"}, ".kmsKeyArn must be the ARN of a KMS key"),
        ({"kmsKeyArn": f"arn:aws:kms:us-east-1:{OWN}:alias/{'0' * 32}"}, ".kmsKeyArn must be the ARN of a KMS key"),
        ({"permissionsBoundary": f"arn:awsx:iam::{OWN}:policy/a"}, ".permissionsBoundary must be the ARN of a policy"),
        ({"tags": {"team": "AWS:x"}}, ".tags.team must not start with aws:, which AWS reserves in values too"),
    ],
)
def test_settings_that_would_fail_in_a_deployment_are_reported(settings: dict[str, Any], message: str) -> None:
    assert error_message(settings).startswith(f"stages.dev{message}")


@pytest.mark.parametrize("stage", [None, "", "a-", "-a", "a--b", "a_b", "1a", "a" * 21, "a-" * 10 + "b", 5, "dev\n"])
def test_a_stage_is_letters_digits_and_hyphens(stage: object) -> None:
    expected = f"stage must be 1 to 20 letters, digits and hyphens, such as dev-eu, not {stage!r}."
    assert error_message({}, stage) == expected


@pytest.mark.parametrize("stage", ["a", "dev-eu", "A1-b-2", "a" * 20, "a-" * 9 + "bc"])
def test_a_stage_may_have_hyphens(stage: str) -> None:
    assert Config.read({"stage": stage, "stages": {stage: {}}}.get).stage == stage


def test_an_unknown_stage_is_reported_with_the_names_of_all_stages() -> None:
    assert error_message({}, "prod") == "cdk.json has no stage 'prod'; it has dev."


def test_stages_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(ConfigError, match="the stages 'dev' and 'Dev'"):
        Config.read({"stage": "dev", "stages": {"dev": {}, "Dev": {}}}.get)


@pytest.mark.parametrize("settings", [None, [], "x", 5])
def test_a_stage_is_an_object(settings: object) -> None:
    assert error_message(settings) == "stages.dev must be an object of settings."


def test_a_context_without_stages_points_to_cdk_json() -> None:
    with pytest.raises(ConfigError, match=r"cdk\.json"):
        Config.read({"stage": "dev"}.get)


def inventory(*entries: tuple[list[str], list[str]], **rest: object) -> dict[str, Any]:
    sources = [{"accounts": accounts, "regions": regions} for accounts, regions in entries]
    return {"account": OWN, "region": "us-east-1", "inventory": {"sources": sources, **rest}}


MANY = [f"{number:012}" for number in range(101)]
REGIONS = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1"]


class TestInventory:
    def test_each_entry_is_every_account_times_every_region_in_the_order_written(self) -> None:
        entries = ([OWN, OTHER], ["us-west-2", "us-east-1"]), (["000000000001"], ["eu-west-1"])
        config = read(inventory(*entries, memberRoleName="reader"))
        assert config.inventory is not None
        assert config.inventory.pairs == [
            *((OWN, "us-west-2"), (OWN, "us-east-1"), (OTHER, "us-west-2"), (OTHER, "us-east-1")),
            ("000000000001", "eu-west-1"),
        ]
        assert config.members == [OTHER, "000000000001"]

    def test_the_largest_inventory_is_accepted(self) -> None:
        longest = {"memberRoleName": "r" * 64, "externalId": "x" * 1224}
        assert read(inventory((MANY[:100], REGIONS), **longest)).members == MANY[:100]

    def test_the_own_account_alone_needs_no_role(self) -> None:
        assert read(inventory(([OWN], REGIONS))).members == []

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (inventory(([OWN, OTHER], ["us-east-1"])), " needs memberRoleName, because it has other accounts"),
            (inventory(([OWN], REGIONS), ([OWN], ["us-east-2"])), f".sources has {OWN}/us-east-2 more than once."),
            (inventory(([OWN, OWN], ["us-east-1"])), f".sources has {OWN}/us-east-1 more than once."),
            (inventory((MANY, ["us-east-1"])), ".sources has 101 accounts; the maximum is 100."),
            (inventory((MANY[:51], [*REGIONS, *(f"aa-b-{n}" for n in range(5))])), ".sources has 510 accounts times"),
            (inventory(([OWN], ["us-east-9"])), ".sources has the region us-east-9, which botocore does not list"),
            (inventory(([OWN], ["cn-north-1"])), ".sources has the region cn-north-1, which botocore does not list"),
            (inventory(), ".sources must be a list that is not empty, not []."),
            (inventory(([], ["us-east-1"])), ".sources[0].accounts must be a list that is not empty, not []."),
            (inventory(([OWN], ["us-east-1"]), (["1"], ["us-east-1"])), ".sources[1].accounts[0] must be an account"),
            (
                inventory(([OWN], ["us-east-1", ""])),
                ".sources[0].regions[1] must be a region, such as us-east-1, not ''.",
            ),
            (inventory(([OWN], REGIONS), memberRoleName="a/b"), ".memberRoleName must be the name of a role"),
            (inventory(([OWN], REGIONS), memberRoleName="r" * 65), ".memberRoleName must be the name of a role"),
            (inventory(([OWN], REGIONS), externalId="x"), ".externalId must be an external id, 2 to 1224"),
            (inventory(([OWN], REGIONS), externalId="a b"), ".externalId must be an external id, 2 to 1224"),
            (
                inventory(([OWN], REGIONS), externalID="ab"),
                ".externalID is not a setting (did you mean externalId?); the settings are externalId,",
            ),
            ({**inventory(([OWN], REGIONS)), "account": ...}, " needs the settings account and region"),
            ({**inventory(([OWN], REGIONS)), "region": ...}, " needs the settings account and region"),
        ],
    )
    def test_error_messages(self, settings: dict[str, Any], message: str) -> None:
        given = {name: value for name, value in settings.items() if value is not ...}
        assert error_message(given).startswith(f"stages.dev.inventory{message}")

    def test_regions_of_another_partition_are_accepted_in_that_partition(self) -> None:
        settings = inventory(([OWN], ["us-gov-west-1"]))
        assert read({**settings, "region": "us-gov-east-1"})
        assert "partition of us-east-1" in error_message(settings)

    def test_the_rules_for_role_and_external_id_are_those_of_sts(self) -> None:
        model = botocore.session.Session().get_service_model("sts").operation_model("AssumeRole").input_shape
        assert model is not None
        shape = model.members["ExternalId"]
        assert (shape.metadata["min"], shape.metadata["max"]) == (2, 1224)
        for character in map(chr, range(32, 127)):
            accepted = bool(re.fullmatch(shape.metadata["pattern"], f"a{character}"))
            given = inventory(([OWN], REGIONS), externalId=f"a{character}")
            assert (accepted and bool(read(given))) or "externalId" in error_message(given)

    @pytest.mark.parametrize("region", botocore.session.Session().get_available_regions("bedrock"))
    def test_the_name_of_the_functions_role_is_never_too_long(self, region: str) -> None:
        assert len(Config(stage="a" * 20).role_name(region)) <= 64


@given(
    st.dictionaries(
        st.sampled_from(sorted(GOOD)) | st.text(max_size=5), st.none() | st.text() | st.integers() | st.lists(st.text())
    )
)
def test_any_settings_are_accepted_or_reported_as_config_errors(settings: dict[str, object]) -> None:
    try:
        read(settings)
        message = "stages.dev is valid."
    except ConfigError as error:
        message = str(error)
    assert re.fullmatch(r"stages\.dev.*\.", message, re.DOTALL)


def test_the_minimum_timeout_allows_one_call_and_the_reserve() -> None:
    from custom_models.adapters import bedrock
    from custom_models.dispatch import RESERVED_SECONDS

    minimum = RESERVED_SECONDS + bedrock.MAX_ATTEMPT_SECONDS
    assert "timeoutSeconds" in error_message({"timeoutSeconds": int(minimum)})
    assert read({"timeoutSeconds": int(minimum) + 1})
