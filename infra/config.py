"""The settings of a deployment: one of the ``stages`` in ``cdk.json``, validated."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

# The values that CloudWatch Logs accepts.
_RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class ConfigError(ValueError):
    """The settings are wrong. The message names each wrong setting, what it must be, and what it was."""


def _check_retention(days: int) -> int:
    if days not in _RETENTIONS:
        raise ValueError
    return days


def _check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError
    return values


def _integer(minimum: int, maximum: int) -> Any:
    return Field(ge=minimum, le=maximum, description=f"a whole number from {minimum} to {maximum}")


def _string(pattern: str, description: str | None = None) -> Any:
    return Field(pattern=f"^{pattern}$", description=description)


def _list(description: str) -> Any:
    # Not strict, because JSON has lists and the field is a tuple. The items are still validated strictly.
    return Field(strict=False, description=description)


_AccountId = Annotated[str, _string("[0-9]{12}")]
_VpcEndpointId = Annotated[str, _string("vpce-[0-9a-f]+")]
_Unique = AfterValidator(_check_unique)


class Settings(BaseModel):
    """The settings of one stage. In ``cdk.json``, their names are in camelCase; the README describes them.

    A description says what the setting must be. Error messages quote it.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True)

    account: Annotated[_AccountId | None, Field(description="an account id, 12 digits")] = None
    region: Annotated[str | None, _string("[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}", "a region, such as us-east-1")] = None
    memory_mb: Annotated[int, _integer(128, 10_240)] = 512
    # Less would leave no time to call Bedrock; with more, a cold start could exceed API Gateway's limit of 29 s.
    timeout_seconds: Annotated[int, _integer(14, 27)] = 27
    reserved_concurrency: Annotated[int | None, _integer(1, 1000)] = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_retention_days: Annotated[
        int, AfterValidator(_check_retention), Field(description=f"one of {', '.join(map(str, _RETENTIONS))}")
    ] = 30
    throttle_rate: Annotated[int, _integer(1, 10_000)] = 20
    throttle_burst: Annotated[int, _integer(1, 5_000)] = 40
    cursor_lifetime_seconds: Annotated[int, _integer(60, 604_800)] = 86_400
    trust_roots: Literal["usual", "amazon"] = "usual"
    alarm_topic_arn: Annotated[
        str | None, _string("arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+", "the ARN of an SNS topic")
    ] = None
    alarm_email: Annotated[str | None, _string(r"[^@\s]+@[^@\s]+", "an e-mail address")] = None
    allowed_accounts: Annotated[
        tuple[_AccountId, ...], _Unique, _list("a list of different account ids, 12 digits each")
    ] = ()
    organization_id: Annotated[
        str | None, _string("o-[a-z0-9]{10,32}", "the id of an organization, such as o-a1b2c3d4e5")
    ] = None
    vpc_endpoints: Annotated[
        tuple[_VpcEndpointId, ...], _Unique, _list("a list of different VPC endpoint ids, such as vpce-0a1b2c3d")
    ] = ()
    api_gateway_log_role: Annotated[bool, Field(description="true or false")] = True
    removal_policy: Literal["destroy", "retain"] = "destroy"

    @field_validator("*", mode="wrap")
    @classmethod
    def _quote_description(cls, value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        """Report one error for a field with a description. ``null`` is an error: omit the setting instead."""
        description = cls.model_fields[str(info.field_name)].description
        if description is None:
            return validate(value)
        try:
            if value is not None:
                return validate(value)
        except ValidationError:
            pass
        raise PydanticCustomError("setting", "Input should be {description}", {"description": description})


class Config(Settings):
    """The stage to deploy: its name and its settings."""

    stage: str

    @classmethod
    def read(cls, context: Callable[[str], Any]) -> "Config":
        """Read the stage that the CDK's context selects.

        Args:
            context: returns a value of the context by its key, or None if it is not set.

        Raises:
            ConfigError: the stage or one of its settings is unknown or wrong.
        """
        stage, stages = context("stage"), context("stages")
        if not isinstance(stages, dict):
            raise ConfigError("The context has no stages; run cdk in the directory of cdk.json.")
        # The names of the stack, the API's stage, the alarms and the dashboard contain it.
        if not isinstance(stage, str) or not re.fullmatch(r"[a-zA-Z](-?[a-zA-Z0-9]){0,19}", stage) or len(stage) > 20:
            raise ConfigError(f"stage must be 1 to 20 letters, digits and hyphens, such as dev-eu, not {stage!r}.")
        if stage not in stages:
            raise ConfigError(f"cdk.json has no stage {stage!r}; it has {', '.join(sorted(stages))}.")
        if not isinstance(stages[stage], dict):
            raise ConfigError(f"stages.{stage} must be an object of settings.")
        try:
            settings = Settings.model_validate(stages[stage], by_alias=True, by_name=False)
        except ValidationError as error:
            raise ConfigError("\n".join(_sentence(f"stages.{stage}", it) for it in error.errors())) from None
        return cls(stage=stage, **settings.model_dump(exclude_unset=True))


def _sentence(root: str, error: ErrorDetails) -> str:
    path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{path} is not a setting; the settings are {', '.join(sorted(map(to_camel, Settings.model_fields)))}."
    # pydantic's messages start like "Input should be" or "List should have".
    requirement = re.sub(r"^[A-Z]\w+ should", "must", error["msg"])
    return f"{path} {requirement}, not {error['input']!r}."
