"""The stack: a table of contents."""

from aws_cdk import CfnOutput, RemovalPolicy, Stack, aws_iam, aws_secretsmanager
from constructs import Construct

from infra.config import Config
from infra.function import Function
from infra.monitoring import Monitoring
from infra.rest_api import Api


class CustomModelsStack(Stack):
    """The Custom Models API in one account and region."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config) -> None:
        """Take the settings of a stage."""
        super().__init__(
            scope,
            construct_id,
            env={"account": config.account, "region": config.region} if config.account or config.region else None,
            description=f"Custom Models API ({config.stage})",
        )
        key = aws_secretsmanager.Secret(
            self,
            "CursorKey",
            description="Signs the cursors of the Custom Models API; rotate it at will (see its README)",
            generate_secret_string=aws_secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
            removal_policy=RemovalPolicy[config.removal_policy.upper()],
        )
        function = Function(self, "Function", config=config, key=key)
        api = Api(self, "Api", config=config, alias=function.alias)
        Monitoring(self, "Monitoring", config=config, api=api, function=function)
        callers = _callers_policy(self, api=api, function=function)

        CfnOutput(self, "Url", value=api.rest_api.url, description="The API; the listing is at v1/custom-models")
        CfnOutput(self, "FunctionAliasArn", value=function.alias.function_arn, description="To invoke directly")
        CfnOutput(
            self,
            "CallersPolicyArn",
            value=callers.managed_policy_arn,
            description="Attach it to the roles that may call",
        )
        CfnOutput(self, "CursorKeyArn", value=key.secret_arn, description="The secret to rotate")


def _callers_policy(scope: Construct, *, api: Api, function: Function) -> aws_iam.ManagedPolicy:
    """Return the right to call the API, over HTTP and directly, to attach to a team's roles."""
    return aws_iam.ManagedPolicy(
        scope,
        "CallersPolicy",
        description="May list custom models: GET and HEAD on the Custom Models API, and invoke its function",
        statements=[
            aws_iam.PolicyStatement(
                actions=["execute-api:Invoke"],
                resources=[
                    api.rest_api.arn_for_execute_api(method, "/*", api.rest_api.deployment_stage.stage_name)
                    for method in ("GET", "HEAD")
                ],
            ),
            aws_iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.alias.function_arn]),
        ],
    )
