"""The stack: a table of contents of everything that is deployed."""

from typing import cast

from aws_cdk import CfnOutput, RemovalPolicy, Stack, Tags, aws_iam, aws_secretsmanager
from constructs import Construct

from infra.config import Config
from infra.function import Function
from infra.monitoring import Monitoring
from infra.rest_api import RestApi


class CustomModelsStack(Stack):
    """The Custom Models API in one account and region."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config) -> None:
        """Create the stack of one stage."""
        super().__init__(
            scope,
            construct_id,
            env={"account": config.account, "region": config.region} if config.account or config.region else None,
            description=f"Custom Models API ({config.stage})",
        )
        key = _cursor_key(self, config)
        function = Function(self, "Function", config=config, key=key)
        api = RestApi(self, "Api", config=config, alias=function.alias)
        Monitoring(self, "Monitoring", config=config, api=api, function=function)
        policy = _callers_policy(self, api, function)
        _apply_to_all(self, config)

        CfnOutput(self, "Url", value=api.rest_api.url, description="Base URL; the listing is at v1/custom-models")
        CfnOutput(self, "FunctionAliasArn", value=function.alias.function_arn, description="For direct invocation")
        CfnOutput(self, "CallersPolicyArn", value=policy.managed_policy_arn, description="Attach it to callers' roles")
        if config.members:
            CfnOutput(
                self,
                "Members",
                value=", ".join(config.members),
                description=f"Deploy the role of `make member-role STAGE={config.stage}` in each of these accounts",
            )
        CfnOutput(self, "CursorKeyArn", value=key.secret_arn, description="The secret with the signing key")


def _cursor_key(scope: Construct, config: Config) -> aws_secretsmanager.Secret:
    key = aws_secretsmanager.Secret(
        scope,
        "CursorKey",
        description="Signs the cursors of the Custom Models API. docs/operate.md describes how to rotate it.",
        generate_secret_string=aws_secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
        removal_policy=RemovalPolicy[config.removal_policy.upper()],
    )
    # Set on the resource, because the construct would try to change the policy of the KMS key.
    cast("aws_secretsmanager.CfnSecret", key.node.default_child).kms_key_id = config.kms_key_arn
    return key


def _apply_to_all(stack: Stack, config: Config) -> None:
    """Add the tags to everything that can have tags, and the permissions boundary to every role."""
    for name, value in config.tags.items():
        Tags.of(stack).add(name, value)
    if config.permissions_boundary is not None:
        boundary = aws_iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", config.permissions_boundary)
        aws_iam.PermissionsBoundary.of(stack).apply(boundary)


def _callers_policy(scope: Construct, api: RestApi, function: Function) -> aws_iam.ManagedPolicy:
    """Return a policy that allows calling the API over HTTP and directly, to attach to the roles of callers."""
    stage = api.rest_api.deployment_stage.stage_name
    return aws_iam.ManagedPolicy(
        scope,
        "CallersPolicy",
        # CloudFormation replaces the policy, under another ARN, if its description changes.
        description="May list custom models: GET and HEAD on the Custom Models API, and invoke its function",
        statements=[
            aws_iam.PolicyStatement(
                actions=["execute-api:Invoke"],
                resources=[api.rest_api.arn_for_execute_api(method, "/*", stage) for method in ("GET", "HEAD")],
            ),
            aws_iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.alias.function_arn]),
        ],
    )
