"""The settings of a deployment: what is taken, and the sentence for what is not."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import Config, ConfigError

ROOT = Path(__file__).resolve().parents[2]


def read(settings: Any, stage: Any = "dev") -> Config:
    return Config.read({"stage": stage, "stages": {"dev": settings}}.get)


def refusal(settings: Any, stage: Any = "dev") -> str:
    with pytest.raises(ConfigError) as caught:
        read(settings, stage)
    return str(caught.value)


def test_every_stage_of_cdk_json_is_taken() -> None:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    for stage in context["stages"]:
        assert Config.read({**context, "stage": stage}.get).stage == stage


def test_nothing_set_is_a_deployment() -> None:
    assert read({}) == Config(stage="dev")


GOOD = {
    "account": "123456789012",
    "region": "eu-central-1",
    "memoryMb": 1024,
    "timeoutSeconds": 20,
    "reservedConcurrency": 5,
    "trustRoots": "amazon",
    "logLevel": "DEBUG",
    "logRetentionDays": 90,
    "throttleRate": 100,
    "throttleBurst": 200,
    "cursorLifetimeSeconds": 3600,
    "alarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
    "alarmEmail": "ops@example.org",
    "allowedAccounts": ["210987654321"],
    "organizationId": "o-a1b2c3d4e5",
    "vpcEndpoints": ["vpce-0a1b2c3d"],
    "apiGatewayLogRole": False,
    "removalPolicy": "retain",
}


def test_every_setting() -> None:
    config = read(GOOD)
    assert len(GOOD) == len(fields(Config)) - 1
    assert (config.memory_mb, config.allowed_accounts) == (1024, ("210987654321",))
    assert (config.vpc_endpoints, config.api_gateway_log_role) == (("vpce-0a1b2c3d",), False)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("account", bad) for bad in ("12345", 123456789012, "12345678901x")),
        *(("region", bad) for bad in ("europe", "", "us-east-1\n")),
        *(("memoryMb", bad) for bad in (127, 10_241, "512", 512.0, True)),
        *(("timeoutSeconds", bad) for bad in (13, 28, 0, None)),
        *(("reservedConcurrency", bad) for bad in (0, -1, None)),
        *(("trustRoots", bad) for bad in ("Amazon", "none", True)),
        *(("logLevel", bad) for bad in ("info", "TRACE", 20)),
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
    ],
)
def test_a_wrong_one_is_named_with_what_it_must_be(name: str, bad: object) -> None:
    sentence = refusal({name: bad})
    assert sentence.startswith(f"stages.dev.{name} must be ")
    assert sentence.endswith(f"not {bad!r}.")


def test_an_unknown_one_is_named_with_those_that_there_are() -> None:
    sentence = refusal({"memory": 512})
    assert sentence.startswith("stages.dev.memory is not a setting; ")
    assert all(name in sentence for name in GOOD)


def test_settings_that_do_not_go_together() -> None:
    assert "throttleBurst" in refusal({"throttleRate": 50})
    assert "region" in refusal({"vpcEndpoints": ["vpce-0a1b2c3d"]})


@pytest.mark.parametrize("stage", [None, "", "a-b", "1a", "a" * 21, 5, "dev\n"])
def test_what_is_no_stage(stage: object) -> None:
    assert refusal({}, stage).startswith("stage must be ")


def test_a_stage_that_there_is_not() -> None:
    assert refusal({}, "prod") == "cdk.json has no stage 'prod'; it has dev."


@pytest.mark.parametrize("settings", [None, [], "x", 5])
def test_settings_that_are_none(settings: object) -> None:
    assert refusal(settings) == "stages.dev must be an object of settings."


def test_without_cdk_json() -> None:
    with pytest.raises(ConfigError, match=r"cdk\.json"):
        Config.read({"stage": "dev"}.get)


@given(
    st.dictionaries(
        st.sampled_from(sorted(GOOD)) | st.text(max_size=5), st.none() | st.text() | st.integers() | st.lists(st.text())
    )
)
def test_anything_is_taken_or_refused_in_one_sentence(settings: dict[str, object]) -> None:
    try:
        read(settings)
        sentence = "stages.dev is taken."
    except ConfigError as refused:
        sentence = str(refused)
    assert re.fullmatch(r"stages\.dev.*\.", sentence, re.DOTALL)


def test_the_timeout_has_room_for_what_the_function_does() -> None:
    from custom_models.adapters import bedrock
    from custom_models.dispatch import RESERVED_SECONDS

    least = RESERVED_SECONDS + bedrock.MAX_ATTEMPT_SECONDS
    assert "timeoutSeconds" in refusal({"timeoutSeconds": int(least)})
    assert read({"timeoutSeconds": int(least) + 1})
