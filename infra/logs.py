"""Log groups."""

from typing import cast

from aws_cdk import RemovalPolicy, aws_logs
from constructs import Construct

from infra.config import Config


def log_group(scope: Construct, construct_id: str, *, config: Config) -> aws_logs.LogGroup:
    """Return a log group with the retention, the removal policy and the key in the settings."""
    group = aws_logs.LogGroup(scope, construct_id, removal_policy=RemovalPolicy[config.removal_policy.upper()])
    resource = cast("aws_logs.CfnLogGroup", group.node.default_child)
    # Set on the resource, because the construct takes an enum (RetentionDays.ONE_MONTH) instead of a number.
    resource.retention_in_days = config.log_retention_days
    resource.kms_key_id = config.kms_key_arn
    return group
