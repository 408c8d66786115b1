"""The Lambda function: its code, its role, its log group, and the alias that is invoked."""

import json
import tempfile
from pathlib import Path

from aws_cdk import (
    Annotations,
    Aws,
    Duration,
    RemovalPolicy,
    Stack,
    aws_iam,
    aws_lambda,
    aws_logs,
    aws_secretsmanager,
)
from constructs import Construct

from infra.bundling import AMAZON_ROOTS, MOUNTED_AT, RUNTIME, SOURCE, bundle
from infra.config import Config, ConfigError
from infra.logs import log_group

INVENTORY = "inventory.json"
"""The file in the bundle with the inventory of the stage."""


class Function(Construct):
    """The Lambda function, published behind an alias.

    ``tracing`` turns on X-Ray's segments of Lambda itself. X-Ray's SDK would slow down each cold start.
    """

    def __init__(self, scope: Construct, construct_id: str, *, config: Config, key: aws_secretsmanager.Secret) -> None:
        """Create the function; ``key`` is the secret with the signing key of the cursors."""
        super().__init__(scope, construct_id)
        logs = log_group(self, "Logs", config=config)
        # The CDK copies the bundle, so a temporary directory is enough.
        with tempfile.TemporaryDirectory(prefix="custom-models-") as folder:
            self.function = aws_lambda.Function(
                self,
                "Function",
                description="Amazon Bedrock's custom models, over HTTP and by direct invocation",
                code=_code(self, config, Path(folder)),
                handler="handler.handler",
                runtime=aws_lambda.Runtime(f"python{RUNTIME}", aws_lambda.RuntimeFamily.PYTHON),
                architecture=aws_lambda.Architecture.ARM_64,
                memory_size=config.memory_mb,
                timeout=Duration.seconds(config.timeout_seconds),
                reserved_concurrent_executions=config.reserved_concurrency,
                role=_role(self, config, logs, key),
                log_group=logs,
                tracing=aws_lambda.Tracing.ACTIVE if config.tracing else None,
                environment={
                    **_trust(config),
                    **({"INVENTORY": INVENTORY} if config.inventory is not None else {}),
                    "OWN_ACCOUNT_ID": Aws.ACCOUNT_ID,
                    "CURSOR_SECRET_ID": key.secret_arn,
                    "CURSOR_LIFETIME_SECONDS": str(config.cursor_lifetime_seconds),
                    "POWERTOOLS_SERVICE_NAME": f"custom-models-{config.stage}",
                    "POWERTOOLS_LOG_LEVEL": config.log_level,
                },
                current_version_options=aws_lambda.VersionOptions(
                    # Keep old versions for rollbacks. But delete a version whose deployment was rolled back: otherwise
                    # the next attempt fails with "A version for this Lambda function exists".
                    removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
                ),
            )
        self.alias = aws_lambda.Alias(self, "Alias", alias_name="live", version=self.function.current_version)


def _trust(config: Config) -> dict[str, str]:
    """Return the variable that makes boto3 load only AWS's roots. Loading all of its usual roots takes longer."""
    return {"AWS_CA_BUNDLE": f"{MOUNTED_AT}/{AMAZON_ROOTS}"} if config.trust_roots == "amazon" else {}


def _role(scope: Construct, config: Config, logs: aws_logs.LogGroup, key: aws_secretsmanager.Secret) -> aws_iam.Role:
    role = aws_iam.Role(
        scope,
        "Role",
        # Fixed, because the roles in member accounts trust it. A path would be a part of the ARN that they trust.
        role_name=config.role_name(Stack.of(scope).region),
        assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"),
    )
    if config.inventory is None or config.account in config.inventory.accounts:
        # Bedrock supports no resources and no condition keys for this action.
        role.add_to_policy(aws_iam.PolicyStatement(actions=["bedrock:ListCustomModels"], resources=["*"]))
    _allow_members(scope, config, role)
    role.add_to_policy(aws_iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[key.secret_arn]))
    if config.kms_key_arn is not None:
        role.add_to_policy(_decrypt(config.kms_key_arn, key))
    role.add_to_policy(
        aws_iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[logs.log_group_arn])
    )
    return role


def _decrypt(kms_key_arn: str, secret: aws_secretsmanager.Secret) -> aws_iam.PolicyStatement:
    """Return the permission to decrypt this secret, and nothing else that the key encrypts.

    Secrets Manager uses the caller's permission, and sends this encryption context
    (https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html).
    """
    return aws_iam.PolicyStatement(
        actions=["kms:Decrypt"],
        resources=[kms_key_arn],
        conditions={"StringEquals": {"kms:EncryptionContext:SecretARN": secret.secret_arn}},
    )


_ROLES_PER_POLICY = 50
"""A managed policy has room for this many ARNs of the longest names: it may have 6,144 characters.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


def _allow_members(scope: Construct, config: Config, role: aws_iam.Role) -> None:
    """Allow the function to assume the role in each member account, and no other role."""
    if config.inventory is None:
        return
    name = config.inventory.member_role_name
    arns = [f"arn:{Aws.PARTITION}:iam::{account}:role/{name}" for account in config.members]
    for start in range(0, len(arns), _ROLES_PER_POLICY):
        # Not inline, because the ARNs of 100 accounts do not fit into the inline policies of a role.
        aws_iam.ManagedPolicy(
            scope,
            f"Members{start // _ROLES_PER_POLICY + 1}",
            description="Lets the Custom Models API list custom models in other accounts",
            roles=[role],
            statements=[
                aws_iam.PolicyStatement(actions=["sts:AssumeRole"], resources=arns[start : start + _ROLES_PER_POLICY])
            ],
        )


def _code(scope: Construct, config: Config, target: Path) -> aws_lambda.Code:
    if not Stack.of(scope).bundling_required:
        # The CDK needs no code for this command, for example `cdk ls`. The sources are a placeholder.
        return aws_lambda.Code.from_asset(str(SOURCE))
    bytecode = scope.node.try_get_context("bytecode") or "required"
    if bytecode not in ("required", "optional"):
        raise ConfigError(f"bytecode must be required or optional, not {bytecode!r}.")
    if not bundle(target, require_bytecode=bytecode == "required"):
        Annotations.of(scope).add_warning_v2(
            "custom-models:no-bytecode",
            f"There is no Python {RUNTIME} on this machine, so the bundle has no bytecode. It works, but each cold "
            f"start takes about three times as long. Install Python {RUNTIME} (`uv python install {RUNTIME}`) and "
            "deploy again.",
        )
    if config.inventory is not None:
        # A file, because the largest inventory does not fit into the 4,096 bytes of a function's environment.
        content = config.inventory.model_dump(by_alias=True, exclude_none=True)
        (target / INVENTORY).write_text(json.dumps(content), encoding="utf-8")
        (target / INVENTORY).chmod(0o644)  # like all files of the bundle
    return aws_lambda.Code.from_asset(str(target))
