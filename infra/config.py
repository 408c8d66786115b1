"""The settings of a deployment: one of ``cdk.json``'s ``stages``, checked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

Rule: TypeAlias = Callable[[object], bool]


class ConfigError(ValueError):
    """A setting is unknown or wrong; the text names it and says what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one stage. In ``cdk.json`` their names are in camelCase; README says what they do."""

    stage: str
    account: str | None = None
    region: str | None = None
    memory_mb: int = 512
    timeout_seconds: int = 27
    reserved_concurrency: int | None = None
    log_level: str = "INFO"
    log_retention_days: int = 30
    throttle_rate: int = 20
    throttle_burst: int = 40
    cursor_lifetime_seconds: int = 86_400
    trust_roots: str = "usual"
    alarm_topic_arn: str | None = None
    alarm_email: str | None = None
    allowed_accounts: tuple[str, ...] = ()
    organization_id: str | None = None
    vpc_endpoints: tuple[str, ...] = ()
    api_gateway_log_role: bool = True
    removal_policy: str = "destroy"

    @classmethod
    def read(cls, context: Callable[[str], Any]) -> "Config":
        """Read the stage that the context names; ``context`` returns a context value, None if there is none.

        Raises:
            ConfigError: naming the first setting that is unknown or wrong.
        """
        stage, stages = context("stage"), context("stages")
        if not isinstance(stages, dict):
            raise ConfigError("The context has no stages; run cdk where cdk.json is.")
        if not isinstance(stage, str) or not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9]{0,19}", stage):
            raise ConfigError(f"stage must be 1 to 20 letters and digits, not {stage!r}.")
        if stage not in stages:
            raise ConfigError(f"cdk.json has no stage {stage!r}; it has {', '.join(sorted(stages))}.")
        given = stages[stage]
        if not isinstance(given, dict):
            raise ConfigError(f"stages.{stage} must be an object of settings.")
        config = cls(stage=stage, **_settings(stage, given))
        if config.throttle_burst < config.throttle_rate:
            raise ConfigError(f"stages.{stage}.throttleBurst must not be less than throttleRate.")
        if config.vpc_endpoints and config.region is None:
            raise ConfigError(f"stages.{stage}.region must be set along with vpcEndpoints.")
        return config


def _settings(stage: str, given: Mapping[str, object]) -> dict[str, Any]:
    names = {_camel_case(field.name): field.name for field in fields(Config) if field.name != "stage"}
    for name, value in given.items():
        if name not in names:
            raise ConfigError(f"stages.{stage}.{name} is not a setting; the settings are {', '.join(sorted(names))}.")
        rule, what = _RULES[name]
        if not rule(value):
            raise ConfigError(f"stages.{stage}.{name} must be {what}, not {value!r}.")
    return {names[name]: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text(pattern: str) -> Rule:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _each(pattern: str) -> Rule:
    return lambda value: isinstance(value, list) and all(map(_text(pattern), value)) and len(set(value)) == len(value)


def _whole(least: int, most: int) -> Rule:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _one_of(*values: object) -> Rule:
    return lambda value: type(value) in (str, int) and value in values


# AWS's own: what CloudWatch Logs takes as a retention.
_RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_ACCOUNT = r"[0-9]{12}"

_RULES: Mapping[str, tuple[Rule, str]] = {
    "account": (_text(_ACCOUNT), "an account id, 12 digits"),
    "region": (_text(r"[a-z]{2}(-[a-z]+)+-[0-9]"), "a region, such as us-east-1"),
    "memoryMb": (_whole(128, 10_240), "a whole number from 128 to 10240"),
    # Below: no room for one attempt at Bedrock and for what is kept back. Above: the gateway's 29 s less a cold start.
    "timeoutSeconds": (_whole(14, 27), "a whole number from 14 to 27"),
    "reservedConcurrency": (_whole(1, 1000), "a whole number from 1 to 1000"),
    "logLevel": (_one_of(*_LEVELS), f"one of {', '.join(_LEVELS)}"),
    "logRetentionDays": (_one_of(*_RETENTIONS), f"one of {', '.join(map(str, _RETENTIONS))}"),
    "throttleRate": (_whole(1, 10_000), "a whole number from 1 to 10000"),
    "throttleBurst": (_whole(1, 5_000), "a whole number from 1 to 5000"),
    "cursorLifetimeSeconds": (_whole(60, 604_800), "a whole number from 60 to 604800"),
    "trustRoots": (_one_of("usual", "amazon"), "usual or amazon"),
    "alarmTopicArn": (_text(rf"arn:aws[a-z-]*:sns:[a-z0-9-]+:{_ACCOUNT}:[A-Za-z0-9_-]+"), "the ARN of an SNS topic"),
    "alarmEmail": (_text(r"[^@\s]+@[^@\s]+"), "an e-mail address"),
    "allowedAccounts": (_each(_ACCOUNT), "a list of different account ids, 12 digits each"),
    "organizationId": (_text(r"o-[a-z0-9]{10,32}"), "the id of an organization, such as o-a1b2c3d4e5"),
    "vpcEndpoints": (_each(r"vpce-[0-9a-f]+"), "a list of different VPC endpoint ids, such as vpce-0a1b2c3d"),
    "apiGatewayLogRole": (lambda value: isinstance(value, bool), "true or false"),
    "removalPolicy": (_one_of("destroy", "retain"), "destroy or retain"),
}
