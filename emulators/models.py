"""Plausible custom models for the Bedrock emulator."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

REGION = "us-east-1"
ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"

_FOUNDATION_MODELS = (
    "amazon.nova-lite-v1:0:300k",
    "amazon.nova-pro-v1:0:300k",
    "amazon.titan-text-express-v1:0:8k",
    "anthropic.claude-3-haiku-20240307-v1:0:200k",
    "cohere.command-light-text-v14:7:4k",
    "meta.llama3-1-70b-instruct-v1:0:128k",
)
_TASKS = ("churn", "fraud", "invoice", "support", "triage", "sentiment", "catalog", "contracts", "forecast", "routing")
_TEAMS = ("emea", "apac", "latam", "retail", "banking", "care", "legal", "ops")
_TYPES = ("FINE_TUNING", "FINE_TUNING", "FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION")
_STATUSES = ("Active",) * 8 + ("Creating", "Failed")
_NEWEST = datetime(2026, 10, 31, 18, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Model:
    """A custom model: the fields of its summary, and the foundation model that it is based on."""

    arn: str
    name: str
    created: datetime
    base_arn: str
    base_name: str
    foundation_arn: str
    customization_type: str | None = None
    owner: str | None = None
    status: str | None = None

    @property
    def account(self) -> str:
        """The owner; if unknown, the account in the ARN."""
        return self.owner or self.arn.split(":")[4]

    def summary(self) -> dict[str, object]:
        """Return the summary in ListCustomModels, without the fields that are None."""
        fields = {
            "modelArn": self.arn,
            "modelName": self.name,
            "creationTime": self.created.isoformat().replace("+00:00", "Z"),
            "baseModelArn": self.base_arn,
            "baseModelName": self.base_name,
            "customizationType": self.customization_type,
            "ownerAccountId": self.owner,
            "modelStatus": self.status,
        }
        return {name: value for name, value in fields.items() if value is not None}


def newest_first(models: Iterable[Model]) -> list[Model]:
    """Return the models in the order in which the emulator of Bedrock lists them."""
    return sorted(models, key=lambda model: (model.created, model.arn), reverse=True)


def plausible_models(count: int, seed: int = 0, account: str = ACCOUNT, region: str = REGION) -> Sequence[Model]:
    """Return this many models of a source, newest first.

    Some have the same creation time, and some belong to another account. The same arguments return the same models;
    each source has different ones.
    """
    # The models of the default source are in the documents.
    rng = random.Random(seed if (account, region) == (ACCOUNT, REGION) else f"{seed} {account}/{region}")
    models: list[Model] = []
    created = _NEWEST
    for number in range(count, 0, -1):
        if rng.random() > 0.05:
            created -= timedelta(seconds=rng.randint(60, 86_400), milliseconds=rng.randint(0, 999))
        models.append(_plausible(rng, number, created, models, (account, region)))
    return models


def _plausible(
    rng: random.Random, number: int, created: datetime, earlier: Sequence[Model], source: tuple[str, str]
) -> Model:
    account, region = source
    foundation_id = rng.choice(_FOUNDATION_MODELS)
    foundation_arn = f"arn:aws:bedrock:{region}::foundation-model/{foundation_id}"
    base_arn = foundation_arn
    kind = rng.choice(_TYPES)
    if earlier and rng.random() < 0.1:
        # Customized again: the base is a custom model.
        base = rng.choice(earlier)
        base_arn, foundation_arn = base.arn, base.foundation_arn
        foundation_id = foundation_arn.rpartition("/")[2]
    sharing = OTHER_ACCOUNT if account != OTHER_ACCOUNT else ACCOUNT
    owner = sharing if rng.random() < 0.08 else account
    suffix = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12))
    return Model(
        arn=f"arn:aws:bedrock:{region}:{owner}:custom-model/{foundation_id}/{suffix}",
        name=f"{rng.choice(_TASKS)}-{rng.choice(_TEAMS)}-v{number}",
        created=created,
        base_arn=base_arn,
        base_name=foundation_id.partition(":")[0],
        foundation_arn=foundation_arn,
        customization_type=kind,
        owner=owner,
        status=rng.choice(_STATUSES),
    )
