"""The settings of a deployment: one of the ``stages`` in ``cdk.json``, validated."""

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

_CDK_JSON = Path(__file__).resolve().parents[1] / "cdk.json"

# The values that CloudWatch Logs accepts.
_RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

MAX_ACCOUNTS = 100
MAX_SOURCES = 500
MAX_TAGS = 50


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


def _item(pattern: str, description: str) -> Any:
    """Return the annotation of a string in a list. An error says what this string must be."""

    def check(value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise PydanticCustomError("setting", "Input should be {description}", {"description": description})
        return value

    return BeforeValidator(check)


_AccountId = Annotated[str, _string("[0-9]{12}")]
_VpcEndpointId = Annotated[str, _string("vpce-[0-9a-f]+")]
_Unique = AfterValidator(_check_unique)
REGION = "[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}"
_ARN = "arn:aws(-[a-z]+)*"


# AWS's rules for tags: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html
_TAG = r"[\w .:/=+@-]"


def _check_tags(tags: object) -> object:
    """Check the rules that hold for the tags of every AWS service."""
    if not isinstance(tags, dict):
        raise PydanticCustomError("setting", "Input should be an object of strings")
    if len(tags) > MAX_TAGS:
        raise _error(f" has {len(tags)} tags; the maximum is {MAX_TAGS}.")
    for key, value in tags.items():
        if not re.fullmatch(f"{_TAG}{{1,128}}", key) or key.lower().startswith("aws:"):
            raise _error(
                f" has the key {key!r}; a key is 1 to 128 letters, digits, spaces and _.:/=+-@, not starting with aws:."
            )
        if not isinstance(value, str) or not re.fullmatch(f"{_TAG}{{1,256}}", value):
            raise _error(f".{key} must be a string of 1 to 256 letters, digits, spaces and _.:/=+-@, not {value!r}.")
        # https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_TagResource.html
        if value.lower().startswith("aws:"):
            raise _error(f".{key} must not start with aws:, which AWS reserves in values too, not {value!r}.")
    # IAM does not distinguish them: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    if len({key.lower() for key in tags}) < len(tags):
        raise _error(" has keys that differ only in case; for IAM they are the same key.")
    return tags


def _check_list(value: object) -> object:
    if not isinstance(value, list | tuple) or not value:
        raise PydanticCustomError("setting", "Input should be a list that is not empty")
    return value


def _check_object(value: object) -> object:
    if not isinstance(value, dict | BaseModel):
        raise PydanticCustomError("setting", "Input should be an object")
    return value


_Object = BeforeValidator(_check_object)
_List = BeforeValidator(_check_list)
# Not strict, because JSON has lists and the field is a tuple.
_Lax = Field(strict=False)


class _Model(BaseModel):
    """A JSON object of settings. In ``cdk.json``, their names are in camelCase.

    A description says what a setting must be. Error messages quote it.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True)

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
        quotes = _quotes(cls.model_fields[str(info.field_name)].annotation, value)
        raise PydanticCustomError("setting", "Input should be {description}", {"description": description + quotes})


def _quotes(expected: object, value: object) -> str:
    """Return how to write a value in JSON that has another type than expected."""
    if isinstance(value, str) and expected in (int, bool, int | None):
        return ", without quotes"
    if isinstance(value, int) and not isinstance(value, bool) and expected == str | None:
        return ", in quotes"
    return ""


class Sources(_Model):
    """Each of these accounts in each of these regions."""

    accounts: Annotated[tuple[Annotated[str, _item("[0-9]{12}", "an account id, 12 digits")], ...], _List, _Lax]
    regions: Annotated[tuple[Annotated[str, _item(REGION, "a region, such as us-east-1")], ...], _List, _Lax]


class Inventory(_Model):
    """The sources that a deployment lists, in this order. docs/inventory.md describes it."""

    sources: Annotated[tuple[Annotated[Sources, _Object], ...], _List, _Lax]
    # The rules for these two are STS's own.
    member_role_name: Annotated[
        str | None, _string("[A-Za-z0-9_+=,.@-]{1,64}", "the name of a role, 1 to 64 characters, without a path")
    ] = None
    external_id: Annotated[
        str | None, _string("[A-Za-z0-9_+=,.@:/-]{2,1224}", "an external id, 2 to 1224 letters, digits and _+=,.@:/-")
    ] = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The sources: each account and region."""
        return [(account, region) for it in self.sources for account in it.accounts for region in it.regions]

    @property
    def accounts(self) -> list[str]:
        """The accounts, in the order of the sources."""
        return list(dict.fromkeys(account for account, _ in self.pairs))

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        pairs = self.pairs
        if len(set(pairs)) < len(pairs):
            account, region = next(pair for index, pair in enumerate(pairs) if pair in pairs[:index])
            raise _error(f".sources has {account}/{region} more than once.")
        if len(self.accounts) > MAX_ACCOUNTS:
            raise _error(f".sources has {len(self.accounts)} accounts; the maximum is {MAX_ACCOUNTS}.")
        if len(pairs) > MAX_SOURCES:
            raise _error(f".sources has {len(pairs)} accounts times regions; the maximum is {MAX_SOURCES}.")
        return self


def _error(text: str) -> PydanticCustomError:
    """Return an error whose text continues the path of the setting."""
    return PydanticCustomError("sentence", "{text}", {"text": text})


class Settings(_Model):
    """The settings of one stage. docs/settings.md describes them."""

    account: Annotated[str | None, _string("[0-9]{12}", "an account id, 12 digits")] = None
    region: Annotated[str | None, _string(REGION, "a region, such as us-east-1")] = None
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
        str | None, _string(f"{_ARN}:sns:{REGION}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}", "the ARN of an SNS topic")
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
    tags: Annotated[dict[str, str], BeforeValidator(_check_tags)] = {}
    permissions_boundary: Annotated[
        str | None,
        _string(
            f"{_ARN}:iam::([0-9]{{12}}|aws):policy/([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{{1,128}}",
            "the ARN of a policy",
        ),
    ] = None
    kms_key_arn: Annotated[
        str | None,
        _string(
            f"{_ARN}:kms:{REGION}:[0-9]{{12}}:key/(mrk-[0-9a-f]{{32}}|[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})",
            "the ARN of a KMS key (not of an alias)",
        ),
    ] = None
    tracing: Annotated[bool, Field(description="true or false")] = False
    inventory: Annotated[Inventory | None, _Object] = None

    @property
    def members(self) -> list[str]:
        """The accounts of the inventory in which the function assumes a role."""
        accounts = self.inventory.accounts if self.inventory is not None else []
        return [account for account in accounts if account != self.account]

    def misplaced(self, account: str | None, region: str | None) -> str | None:
        """Return which ARN a deployment to this account and region cannot use, and why, or None.

        None as the account or the region means that it is not known yet. Such a deployment would fail half-way.
        """
        owner = self.permissions_boundary.split(":")[4] if self.permissions_boundary is not None else "aws"
        if account is not None and owner not in ("aws", account):
            return f".permissionsBoundary must be a policy of the account {account}, not of {owner}."
        if region is None:
            return None
        for name, arn in self._arns().items():
            partition, home = arn.split(":")[1], arn.split(":")[3] or region
            if home != region:
                return f".{name} must be in the region {region}, not in {home}."
            if partition != (_partition(region) or partition):
                return f".{name} must be in the partition {_partition(region)} of {region}, not in {partition}."
        return None

    def _arns(self) -> dict[str, str]:
        arns = {
            "permissionsBoundary": self.permissions_boundary,
            "kmsKeyArn": self.kms_key_arn,
            "alarmTopicArn": self.alarm_topic_arn,
        }
        return {name: arn for name, arn in arns.items() if arn is not None}

    @model_validator(mode="after")
    def _check_arns(self) -> Self:
        if (problem := self.misplaced(self.account, self.region)) is not None:
            raise _error(problem)
        return self

    @model_validator(mode="after")
    def _check_inventory(self) -> Self:
        if self.inventory is None:
            return self
        if self.account is None or self.region is None:
            raise _error(".inventory needs the settings account and region of the stage: where the function runs.")
        offered = _bedrock_regions(self.region)
        for region in dict.fromkeys(region for _, region in self.inventory.pairs):
            if region not in offered:
                raise _error(
                    f".inventory.sources has the region {region}, which botocore does not list for Bedrock in the "
                    f"partition of {self.region}. It lists {', '.join(offered)}."
                )
        if self.members and self.inventory.member_role_name is None:
            raise _error(f".inventory needs memberRoleName, because it has other accounts, such as {self.members[0]}.")
        return self


@cache
def _partition(region: str) -> str | None:
    """Return the partition of a region, or None if botocore does not know it."""
    # Imported here because few stages need it.
    import botocore.session
    from botocore.exceptions import UnknownRegionError

    try:
        return str(botocore.session.Session().get_partition_for_region(region))
    except UnknownRegionError:
        return None


@cache
def _bedrock_regions(region: str) -> tuple[str, ...]:
    """Return the regions of a region's partition for which botocore lists Bedrock."""
    import botocore.session

    partition = _partition(region)
    if partition is None:
        return ()
    return tuple(sorted(botocore.session.Session().get_available_regions("bedrock", partition_name=partition)))


class Config(Settings):
    """The stage to deploy: its name and its settings."""

    stage: str

    def role_name(self, region: str) -> str:
        """Return the name of the function's role in a region. Members trust this name, so it must not change."""
        return f"custom-models-{self.stage}-{region}"

    @classmethod
    def of_stage(cls, stage: str, path: Path = _CDK_JSON) -> "Config":
        """Read a stage of ``cdk.json``.

        Raises:
            ConfigError: ``cdk.json`` is not JSON; otherwise like ``read``.
        """
        try:
            context = {**json.loads(path.read_text("utf-8"))["context"]}
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{path.name} cannot be read as JSON: {error}.") from None
        except (LookupError, TypeError):
            raise ConfigError(f"{path.name} has no object context.") from None
        return cls.read({**context, "stage": stage}.get)

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
        if same := [name for name in stages if name != stage and name.lower() == stage.lower()]:
            # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
            raise ConfigError(
                f"cdk.json has the stages {stage!r} and {same[0]!r}; for IAM, their roles have the same name."
            )
        if not isinstance(stages[stage], dict):
            raise ConfigError(f"stages.{stage} must be an object of settings.")
        try:
            settings = Settings.model_validate(stages[stage], by_alias=True, by_name=False)
        except ValidationError as error:
            raise ConfigError("\n".join(_sentence(f"stages.{stage}", it) for it in error.errors())) from None
        return cls(stage=stage, **{name: getattr(settings, name) for name in settings.model_fields_set})


def _names(location: tuple[int | str, ...]) -> list[str]:
    """Return the names of all settings of the object that has the one at a location."""
    models: dict[int, type[BaseModel]] = {1: Settings, 2: Inventory}
    model = models.get(len(location), Sources)
    return sorted(map(to_camel, model.model_fields))


def _sentence(root: str, error: ErrorDetails) -> str:
    path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    if error["type"] == "sentence":
        return f"{path}{error['msg']}"
    if error["type"] == "extra_forbidden":
        names = _names(error["loc"])
        similar = {name.lower(): name for name in names}
        close = get_close_matches(str(error["loc"][-1]).lower(), similar, 1, 0.7)
        hint = f" (did you mean {similar[close[0]]}?)" if close else ""
        return f"{path} is not a setting{hint}; the settings are {', '.join(names)}."
    if error["type"] == "missing":
        return f"{path} is missing."
    # pydantic's messages start like "Input should be" or "List should have".
    requirement = re.sub(r"^[A-Z]\w+ should", "must", error["msg"])
    return f"{path} {requirement}, not {error['input']!r}."
