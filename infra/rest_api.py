"""The API: everything goes to the function, and what the gateway itself says is problem details too."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from aws_cdk import Aws, RemovalPolicy, Size, aws_apigateway, aws_ec2, aws_iam, aws_lambda
from constructs import Construct

from infra.config import Config
from infra.logs import log_group

PROBLEM_TYPE_PREFIX = "urn:problem-type:custom-models:"
"""As the function has it; a test holds the two equal."""


class Api(Construct):
    """A REST API with IAM authorization on everything."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config, alias: aws_lambda.Alias) -> None:
        """Take the settings, and the alias of the function."""
        super().__init__(scope, construct_id)
        self.access_log = log_group(self, "AccessLog", config=config)
        self.rest_api = aws_apigateway.RestApi(
            self,
            "RestApi",
            rest_api_name=f"custom-models-{config.stage}",
            description="Amazon Bedrock's custom models",
            endpoint_configuration=_endpoint(self, config.vpc_endpoints),
            policy=_resource_policy(config),
            default_method_options=aws_apigateway.MethodOptions(
                authorization_type=aws_apigateway.AuthorizationType.IAM
            ),
            min_compression_size=Size.kibibytes(1),
            cloud_watch_role=config.api_gateway_log_role,
            # The account has one for all of its APIs: it must outlive this one.
            cloud_watch_role_removal_policy=RemovalPolicy.RETAIN if config.api_gateway_log_role else None,
            deploy_options=aws_apigateway.StageOptions(
                stage_name=config.stage,
                throttling_rate_limit=config.throttle_rate,
                throttling_burst_limit=config.throttle_burst,
                access_log_destination=aws_apigateway.LogGroupLogDestination(self.access_log),
                access_log_format=aws_apigateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
                logging_level=aws_apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
            ),
        )
        # Its URL, once more, under a name that changes with the construct's.
        self.rest_api.node.try_remove_child("Endpoint")
        integration = aws_apigateway.LambdaIntegration(alias, allow_test_invoke=False)
        # Two ANYs, since the gateway answers what it has no method for with the 403 of an unsigned request.
        self.rest_api.root.add_method("ANY", integration)
        self.rest_api.root.add_proxy(default_integration=integration, any_method=True)
        for response in GATEWAY_RESPONSES:
            _add(self.rest_api, response)


def _endpoint(scope: Construct, vpc_endpoints: Sequence[str]) -> aws_apigateway.EndpointConfiguration:
    if not vpc_endpoints:
        return aws_apigateway.EndpointConfiguration(types=[aws_apigateway.EndpointType.REGIONAL])
    return aws_apigateway.EndpointConfiguration(
        types=[aws_apigateway.EndpointType.PRIVATE],
        vpc_endpoints=[
            aws_ec2.InterfaceVpcEndpoint.from_interface_vpc_endpoint_attributes(
                scope, f"Endpoint{endpoint}", vpc_endpoint_id=endpoint, port=443
            )
            for endpoint in vpc_endpoints
        ],
    )


def _resource_policy(config: Config) -> aws_iam.PolicyDocument | None:
    """Return what the API itself allows and denies; None leaves it to the IAM policies of this account."""
    if not (config.allowed_accounts or config.organization_id or config.vpc_endpoints):
        return None
    # An account as principal only lets it hand the right on: each caller needs an IAM policy of its own too.
    accounts = [aws_iam.AccountPrincipal(account) for account in (Aws.ACCOUNT_ID, *config.allowed_accounts)]
    reading = ["execute-api:/*/GET/*", "execute-api:/*/HEAD/*"]
    statements = [
        aws_iam.PolicyStatement(principals=accounts, actions=["execute-api:Invoke"], resources=reading),
    ]
    if config.organization_id:
        statements.append(_denial({"StringNotEquals": {"aws:PrincipalOrgID": config.organization_id}}))
    if config.vpc_endpoints:
        statements.append(_denial({"StringNotEquals": {"aws:SourceVpce": list(config.vpc_endpoints)}}))
    return aws_iam.PolicyDocument(statements=statements)


def _denial(conditions: dict[str, object]) -> aws_iam.PolicyStatement:
    return aws_iam.PolicyStatement(
        effect=aws_iam.Effect.DENY,
        principals=[aws_iam.AnyPrincipal()],
        actions=["execute-api:Invoke"],
        resources=["execute-api:/*"],
        conditions=conditions,
    )


ACCESS_LOG = {
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "functionRequestId": "$context.integration.requestId",
    "requestTime": "$context.requestTime",
    "caller": "$context.identity.userArn",
    "accountId": "$context.identity.accountId",
    "sourceIp": "$context.identity.sourceIp",
    "userAgent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationLatency": "$context.integrationLatency",
    "integrationStatus": "$context.integration.status",
    "integrationError": "$context.integrationErrorMessage",
    "errorType": "$context.error.responseType",
    "error": "$context.error.message",
}
"""Enough to follow a request into the function's log; without the query string, so without a cursor."""


class GatewayResponse(NamedTuple):
    """What the gateway says where the function is not asked, or gives no answer."""

    type: aws_apigateway.ResponseType
    status: int | None
    """None leaves it to the gateway, which knows better than a default for all of 4xx or 5xx."""
    kind: str
    title: str
    detail: str
    retry_after: int | None = None


_FORBIDDEN = ("forbidden", "Forbidden")
_SIGN = "Sign the request with AWS Signature Version 4 for execute-api, as a principal that may invoke this API."
_ERROR = ("gateway-error", "Gateway error", "The gateway could not answer; try again, and tell this API's operators.")
_Type = aws_apigateway.ResponseType

GATEWAY_RESPONSES = (
    GatewayResponse(_Type.ACCESS_DENIED, 403, *_FORBIDDEN, "You may not invoke this API; ask its operators."),
    GatewayResponse(_Type.EXPIRED_TOKEN, 403, *_FORBIDDEN, "Your credentials have expired; renew them and try again."),
    GatewayResponse(_Type.INVALID_API_KEY, 403, *_FORBIDDEN, _SIGN),
    GatewayResponse(_Type.INVALID_SIGNATURE, 403, *_FORBIDDEN, f"The signature is not valid. {_SIGN}"),
    GatewayResponse(_Type.MISSING_AUTHENTICATION_TOKEN, 403, *_FORBIDDEN, _SIGN),
    GatewayResponse(_Type.UNAUTHORIZED, 401, *_FORBIDDEN, _SIGN),
    GatewayResponse(_Type.WAF_FILTERED, 403, *_FORBIDDEN, "A firewall refused the request; ask this API's operators."),
    GatewayResponse(_Type.RESOURCE_NOT_FOUND, 404, "not-found", "Not found", "There is nothing here."),
    GatewayResponse(_Type.REQUEST_TOO_LARGE, 413, "request-too-large", "Request too large", "Send a shorter request."),
    GatewayResponse(
        _Type.UNSUPPORTED_MEDIA_TYPE, 415, "unsupported-media-type", "Unsupported media type", "Send no body."
    ),
    GatewayResponse(_Type.BAD_REQUEST_PARAMETERS, 400, "bad-request", "Bad request", "Correct the request's URL."),
    GatewayResponse(_Type.BAD_REQUEST_BODY, 400, "bad-request", "Bad request", "Send no body."),
    GatewayResponse(
        *(_Type.THROTTLED, 429, "too-many-requests", "Too many requests"),
        detail="This API takes fewer requests at once; wait and send the same request again.",
        retry_after=1,
    ),
    GatewayResponse(
        *(_Type.QUOTA_EXCEEDED, 429, "too-many-requests", "Too many requests"),
        detail="Your quota is used up; ask this API's operators.",
        retry_after=3600,
    ),
    GatewayResponse(
        *(_Type.INTEGRATION_TIMEOUT, 504, "gateway-timeout", "Gateway timeout"),
        detail="There was no answer in time; wait and send the same request again.",
        retry_after=5,
    ),
    GatewayResponse(_Type.INTEGRATION_FAILURE, 504, *_ERROR),
    GatewayResponse(_Type.API_CONFIGURATION_ERROR, 500, *_ERROR),
    GatewayResponse(_Type.AUTHORIZER_CONFIGURATION_ERROR, 500, *_ERROR),
    GatewayResponse(_Type.AUTHORIZER_FAILURE, 500, *_ERROR),
    GatewayResponse(
        *(_Type.DEFAULT_4_XX, None, "refused", "Refused"),
        "The gateway refused the request; check its signature and credentials first, then its URL.",
    ),
    GatewayResponse(_Type.DEFAULT_5_XX, None, *_ERROR),
)
"""One for each type that API Gateway has."""


def _add(rest_api: aws_apigateway.RestApi, response: GatewayResponse) -> None:
    problem = {
        "type": PROBLEM_TYPE_PREFIX + response.kind,
        "title": response.title,
        "status": response.status,
        "detail": response.detail,
        "requestId": "$context.requestId",
    }
    headers = {
        "Content-Type": "'application/problem+json'",
        "Cache-Control": "'no-store'",
        "X-Request-Id": "context.requestId",
    }
    if response.retry_after is not None:
        headers["Retry-After"] = f"'{response.retry_after}'"
    rest_api.add_gateway_response(
        f"Says{response.type.response_type}",
        type=response.type,
        status_code=None if response.status is None else str(response.status),
        response_headers=headers,
        # One template, for whatever the client accepts.
        templates={
            "application/json": json.dumps({name: value for name, value in problem.items() if value is not None})
        },
    )
