"""Log groups."""

from typing import cast

from aws_cdk import RemovalPolicy, aws_logs
from constructs import Construct

from infra.config import Config


def log_group(scope: Construct, construct_id: str, *, config: Config) -> aws_logs.LogGroup:
    """Return a log group that keeps its lines, and itself, as long as the settings say."""
    group = aws_logs.LogGroup(scope, construct_id, removal_policy=RemovalPolicy[config.removal_policy.upper()])
    # The construct's own enum has the same days in words.
    cast("aws_logs.CfnLogGroup", group.node.default_child).retention_in_days = config.log_retention_days
    return group
