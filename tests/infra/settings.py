"""Every setting of a stage with a valid value, under its name in cdk.json."""

from itertools import combinations
from typing import Any

GOOD: dict[str, Any] = {
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
    "tags": {"team": "ml-ops", "cost-center": "0042", "data classification": "internal"},
    "permissionsBoundary": "arn:aws:iam::123456789012:policy/boundaries/developer",
    "kmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "tracing": True,
    "inventory": {
        "sources": [{"accounts": ["123456789012", "210987654321"], "regions": ["eu-central-1", "us-east-1"]}],
        "memberRoleName": "custom-models-reader",
        "externalId": "a1b2c3",
    },
}

_PUBLIC = {name: value for name, value in GOOD.items() if name != "vpcEndpoints"}


def _mixed() -> dict[str, dict[str, Any]]:
    """Return seven stages. Each setting is in another three of them, so each two settings are once without the other.

    The inventory is in none of them, because it needs other settings.
    """
    stages: dict[str, dict[str, Any]] = {f"mixed-{number}": {} for number in range(1, 8)}
    names = [name for name in GOOD if name != "inventory"]
    # Too few trios would leave settings out.
    for name, trio in zip(names, list(combinations(stages.values(), 3))[: len(names)], strict=True):
        for stage in trio:
            stage[name] = GOOD[name]
    return stages


STAGES: dict[str, dict[str, Any]] = {
    "none": {},
    **_mixed(),
    "inventory": {name: GOOD[name] for name in ("account", "region", "inventory")},
    "all": _PUBLIC,
    "all-e-mail": {name: value for name, value in _PUBLIC.items() if name != "alarmTopicArn"},
    "private": GOOD,
}
"""Stages in which each two settings are together, each without the other, and both absent."""
