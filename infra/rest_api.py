"""The REST API: passes every request to the function. The gateway's own errors are problem details too."""

import json
from collections.abc import Sequence
from typing import NamedTuple, cast

from aws_cdk import Aws, RemovalPolicy, Size, aws_apigateway, aws_ec2, aws_iam, aws_lambda
from constructs import Construct

from infra.config import Config
from infra.logs import log_group

PROBLEM_TYPE_PREFIX = "urn:problem-type:custom-models:"
"""The prefix of problem types. A test compares it with the function's."""


class RestApi(Construct):
    """A REST API that requires IAM authorization on every path."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config, alias: aws_lambda.Alias) -> None:
        """Create the API in front of the function's alias."""
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
            # All APIs of an account share this role, so it must stay when this API is deleted.
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
        self._require_tls(config)
        # The construct adds an output with the URL under a generated name. The stack has its own.
        self.rest_api.node.try_remove_child("Endpoint")
        integration = aws_apigateway.LambdaIntegration(alias, allow_test_invoke=False)
        # ANY on the root and all paths below it: for an undefined method, the gateway would report a missing signature.
        self.rest_api.root.add_method("ANY", integration)
        self.rest_api.root.add_proxy(default_integration=integration, any_method=True)
        for response in GATEWAY_RESPONSES:
            _add(self.rest_api, response)

    def _require_tls(self, config: Config) -> None:
        """Accept TLS 1.2 and 1.3 only; without a policy, regional endpoints accept TLS 1.0.

        This is the newest policy with TLS 1.2 for regional and private APIs
        (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies-list.html).
        STRICT requires that the TLS server name is the API's own. Clients of a private API without private DNS
        connect to the name of a VPC endpoint, so it needs BASIC
        (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html).
        """
        api = cast("aws_apigateway.CfnRestApi", self.rest_api.node.default_child)
        api.security_policy = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"
        api.endpoint_access_mode = "BASIC" if config.vpc_endpoints else "STRICT"


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
    """Return the resource policy, or None if the IAM policies of this account are enough."""
    if not (config.allowed_accounts or config.organization_id or config.vpc_endpoints):
        return None
    # An account as principal delegates the permission: each caller also needs an IAM policy in its account.
    accounts = [aws_iam.AccountPrincipal(account) for account in (Aws.ACCOUNT_ID, *config.allowed_accounts)]
    resources = ["execute-api:/*/GET/*", "execute-api:/*/HEAD/*"]
    statements = [
        aws_iam.PolicyStatement(principals=accounts, actions=["execute-api:Invoke"], resources=resources),
    ]
    if config.organization_id:
        statements.append(_deny({"StringNotEquals": {"aws:PrincipalOrgID": config.organization_id}}))
    if config.vpc_endpoints:
        statements.append(_deny({"StringNotEquals": {"aws:SourceVpce": list(config.vpc_endpoints)}}))
    return aws_iam.PolicyDocument(statements=statements)


def _deny(conditions: dict[str, object]) -> aws_iam.PolicyStatement:
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
"""The fields connect a request with the function's log. The query string is omitted because it has the cursor."""


class GatewayResponse(NamedTuple):
    """A response of the gateway itself, when the function was not invoked or did not respond."""

    type: aws_apigateway.ResponseType
    status: int | None
    """None means that the gateway chooses it. The two defaults apply to many statuses. For INTEGRATION_FAILURE, AWS
    documents 504, but published access logs show 502 for a function that crashes."""
    kind: str
    detail: str
    retry_after: int | None = None

    @property
    def title(self) -> str:
        """The kind in words, such as "Bad request"."""
        return self.kind.replace("-", " ").capitalize()


_SIGN = (
    "Sign the request with AWS Signature Version 4 for execute-api, as a principal with permission to invoke this API."
)
_DENIED = (
    "You do not have permission to invoke this API, or your access key is unknown; "
    "check which credentials you use, then ask the operators of this API."
)
_SIGNATURE = (
    "The signature is not valid; check the secret key, the clock of your machine, and that nothing changed the "
    "request after it was signed."
)
_EXPIRED = "Your credentials have expired; refresh them and try again."
_FIREWALL = "A firewall blocked the request; ask the operators of this API."
_NO_BODY = "Send the request without a body."
_THROTTLED = "The request rate is above the limit of this API; wait and send the same request again."
_QUOTA = "Your quota is used up; ask the operators of this API."
_TIMEOUT = "The function did not respond in time; wait and send the same request again."
_FAILED = "The gateway failed; try again, and report it to the operators of this API."
_REJECTED = "The gateway rejected the request; check its signature and credentials first, then its URL."
_Type = aws_apigateway.ResponseType

GATEWAY_RESPONSES = (
    GatewayResponse(_Type.ACCESS_DENIED, 403, "forbidden", _DENIED),
    GatewayResponse(_Type.EXPIRED_TOKEN, 403, "forbidden", _EXPIRED),
    GatewayResponse(_Type.INVALID_API_KEY, 403, "forbidden", _SIGN),
    GatewayResponse(_Type.INVALID_SIGNATURE, 403, "forbidden", _SIGNATURE),
    GatewayResponse(_Type.MISSING_AUTHENTICATION_TOKEN, 403, "forbidden", _SIGN),
    GatewayResponse(_Type.UNAUTHORIZED, 401, "forbidden", _SIGN),
    GatewayResponse(_Type.WAF_FILTERED, 403, "forbidden", _FIREWALL),
    GatewayResponse(_Type.RESOURCE_NOT_FOUND, 404, "not-found", "This path does not exist."),
    GatewayResponse(_Type.REQUEST_TOO_LARGE, 413, "request-too-large", "Send a smaller request."),
    GatewayResponse(_Type.UNSUPPORTED_MEDIA_TYPE, 415, "unsupported-media-type", _NO_BODY),
    GatewayResponse(_Type.BAD_REQUEST_PARAMETERS, 400, "bad-request", "Correct the request's URL."),
    GatewayResponse(_Type.BAD_REQUEST_BODY, 400, "bad-request", _NO_BODY),
    GatewayResponse(_Type.THROTTLED, 429, "too-many-requests", _THROTTLED, retry_after=1),
    GatewayResponse(_Type.QUOTA_EXCEEDED, 429, "too-many-requests", _QUOTA, retry_after=3600),
    GatewayResponse(_Type.INTEGRATION_TIMEOUT, 504, "gateway-timeout", _TIMEOUT, retry_after=5),
    GatewayResponse(_Type.INTEGRATION_FAILURE, None, "gateway-error", _FAILED),
    GatewayResponse(_Type.API_CONFIGURATION_ERROR, 500, "gateway-error", _FAILED),
    GatewayResponse(_Type.AUTHORIZER_CONFIGURATION_ERROR, 500, "gateway-error", _FAILED),
    GatewayResponse(_Type.AUTHORIZER_FAILURE, 500, "gateway-error", _FAILED),
    GatewayResponse(_Type.DEFAULT_4_XX, None, "refused", _REJECTED),
    GatewayResponse(_Type.DEFAULT_5_XX, None, "gateway-error", _FAILED),
)
"""One for each type of gateway response."""


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
        # API Gateway uses this template for every Accept header.
        templates={
            "application/json": json.dumps({name: value for name, value in problem.items() if value is not None})
        },
    )
