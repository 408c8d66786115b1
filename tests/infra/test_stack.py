"""The stack's template: permissions, the effect of each setting, gateway responses, and monitoring."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.bundling import BundlingError
from infra.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk import Stack
    from aws_cdk.assertions import Annotations, Template

pytestmark = pytest.mark.slow  # the CDK takes seconds to start


def stack(config: Config, **app: Any) -> Stack:
    """Return the stack in an app with these properties."""
    import aws_cdk as cdk

    from infra.stack import CustomModelsStack

    # No validation: test_rules.py has it.
    return CustomModelsStack(
        cdk.App(**app, builtin_cloud_formation_validation=False), f"custom-models-{config.stage}", config=config
    )


def synthesized(**settings: Any) -> Template:
    from aws_cdk.assertions import Template

    # No bundling: these tests do not look at the function's code.
    context: dict[str, Any] = {"aws:cdk:bundling-stacks": []}
    return Template.from_stack(stack(Config(**{"stage": "dev", **settings}), context=context))


@pytest.fixture(scope="module")
def template() -> Template:
    """The template with the default settings."""
    return synthesized()


def resources(template: Template, kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in template.find_resources(kind).values()]


def only(template: Template, kind: str) -> dict[str, Any]:
    (properties,) = resources(template, kind)
    return properties


class TestPermissions:
    def test_the_function_has_three_permissions(self, template: Template) -> None:
        assert only(template, "AWS::IAM::Policy")["PolicyDocument"]["Statement"] == [
            {"Effect": "Allow", "Action": "bedrock:ListCustomModels", "Resource": "*"},
            {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": {"Ref": "CursorKey255E8F8A"}},
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": {"Fn::GetAtt": ["FunctionLogsB2C1DB5C", "Arn"]},
            },
        ]

    def test_only_the_account_wide_log_role_has_an_aws_managed_policy(self, template: Template) -> None:
        managed = [
            role["ManagedPolicyArns"] for role in resources(template, "AWS::IAM::Role") if "ManagedPolicyArns" in role
        ]
        assert "AmazonAPIGatewayPushToCloudWatchLogs" in json.dumps(managed)
        assert len(managed) == 1

    def test_there_are_no_other_wildcards(self, template: Template) -> None:
        found = []
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for policy in resources(template, kind):
                for statement in policy["PolicyDocument"]["Statement"]:
                    actions = statement["Action"]
                    assert "*" not in json.dumps(actions)
                    if "*" in json.dumps(statement["Resource"]):
                        found.append(actions)
        assert found == ["bedrock:ListCustomModels", "execute-api:Invoke"]

    def test_callers_have_permission_for_get_head_and_invoke(self, template: Template) -> None:
        reading, invoking = only(template, "AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]
        methods = [resource["Fn::Join"][1][-1] for resource in reading["Resource"]]
        assert (reading["Action"], methods) == ("execute-api:Invoke", ["/GET/*", "/HEAD/*"])
        assert all({"Ref": "ApiRestApiDeploymentStagedevE2B308CE"} in r["Fn::Join"][1] for r in reading["Resource"])
        assert invoking["Action"] == "lambda:InvokeFunction"
        assert invoking["Resource"] == {"Ref": "FunctionAliasD140E3BC"}

    def test_only_the_gateway_has_permission_to_invoke_the_alias(self, template: Template) -> None:
        for permission in resources(template, "AWS::Lambda::Permission"):
            assert permission["Principal"] == "apigateway.amazonaws.com"
            assert permission["FunctionName"] == {"Ref": "FunctionAliasD140E3BC"}
            assert "SourceArn" in permission


LARGEST: dict[str, Any] = {
    "account": "123456789012",
    "region": "us-gov-west-1",
    "stage": "a" * 20,
    "trust_roots": "amazon",
    "inventory": {
        "sources": [{"accounts": [f"{number:012}" for number in range(100)], "regions": ["us-gov-west-1"]}],
        "memberRoleName": "r" * 64,
        "externalId": "x" * 1224,
    },
}


@pytest.fixture(scope="module")
def largest() -> Template:
    """The template with the largest inventory."""
    return synthesized(**LARGEST)


class TestInventory:
    def test_the_function_may_assume_exactly_the_roles_of_the_members(self) -> None:
        members = ["210987654321", "111122223333"]
        inventory = {
            "sources": [{"accounts": ["123456789012", *members], "regions": ["us-east-1"]}],
            "memberRoleName": "reader",
        }
        template = synthesized(account="123456789012", region="us-east-1", inventory=inventory)
        assert assumed(template) == [f"arn:AWS::Partition:iam::{account}:role/reader" for account in members]
        assert actions(template) == {"bedrock:ListCustomModels", "secretsmanager:GetSecretValue", *LOGGING}
        assert next(iter(template.find_outputs("Members").values()))["Value"] == ", ".join(members)

    def test_without_the_own_account_the_function_may_not_list_its_models(self, largest: Template) -> None:
        assert actions(largest) == {"secretsmanager:GetSecretValue", *LOGGING}

    def test_policies_and_environment_of_the_largest_inventory_fit(self, largest: Template) -> None:
        """The quotas are at https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
        assert len(assumed(largest)) == len(set(assumed(largest))) == 100
        inline = sum(len(resolved(policy)) for policy in resources(largest, "AWS::IAM::Policy"))
        assert inline < 10_240
        managed = [policy for policy in resources(largest, "AWS::IAM::ManagedPolicy") if "Roles" in policy]
        assert 0 < len(managed) <= 10
        assert all(len(resolved(policy["PolicyDocument"])) < 6_144 for policy in managed)
        variables = only(largest, "AWS::Lambda::Function")["Environment"]["Variables"]
        assert sum(len(name) + len(resolved(value)) for name, value in variables.items()) < 4_096

    def test_the_role_has_a_name_that_members_can_trust(self, template: Template, largest: Template) -> None:
        roles = [role for it in (template, largest) for role in resources(it, "AWS::IAM::Role") if "RoleName" in role]
        assert [role["RoleName"] for role in roles] == [
            {"Fn::Join": ["", ["custom-models-dev-", {"Ref": "AWS::Region"}]]},
            f"custom-models-{'a' * 20}-us-gov-west-1",
        ]
        assert all("Path" not in role for role in roles)


LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")


def actions(template: Template) -> set[str]:
    """Return the actions in the function's inline policy."""
    statements = only(template, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    return {
        action for it in statements for action in ([it["Action"]] if isinstance(it["Action"], str) else it["Action"])
    }


def assumed(template: Template) -> list[str]:
    """Return the roles that the function may assume."""
    statements = [
        statement
        for policy in resources(template, "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "sts:AssumeRole"
    ]
    found = [it["Resource"] if isinstance(it["Resource"], list) else [it["Resource"]] for it in statements]
    return [
        "".join(p if isinstance(p, str) else p["Ref"] for p in arn["Fn::Join"][1]) for arns in found for arn in arns
    ]


def resolved(value: object) -> str:
    """Return a value of the template without spaces, with references as long as the longest ARN of a secret."""
    text = json.dumps(value, separators=(",", ":"))
    text = text.replace('{"Ref":"AWS::Partition"}', '"aws-us-gov"')
    text = re.sub(r'\{"Fn::Join":\["",\[(.*?)\]\]\}', lambda match: match[1].replace('","', ""), text)
    return re.sub(r'\{"(?:Ref|Fn::GetAtt)":[^}]*\}', f'"{"x" * 150}"', text)


class TestFunction:
    def test_its_default_properties(self, template: Template) -> None:
        function = only(template, "AWS::Lambda::Function")
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert function["Handler"] == "handler.handler"
        assert (function["MemorySize"], function["Timeout"]) == (512, 27)
        assert "ReservedConcurrentExecutions" not in function
        assert "TracingConfig" not in function
        assert function["LoggingConfig"] == {"LogGroup": {"Ref": "FunctionLogsB2C1DB5C"}}
        assert function["Environment"]["Variables"] == {
            "OWN_ACCOUNT_ID": {"Ref": "AWS::AccountId"},
            "CURSOR_SECRET_ID": {"Ref": "CursorKey255E8F8A"},
            "CURSOR_LIFETIME_SECONDS": "86400",
            "POWERTOOLS_SERVICE_NAME": "custom-models-dev",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }

    def test_the_function_can_read_its_environment(self, template: Template) -> None:
        from custom_models.settings import Settings

        variables = only(template, "AWS::Lambda::Function")["Environment"]["Variables"]
        deployed = {**variables, "OWN_ACCOUNT_ID": "123456789012", "CURSOR_SECRET_ID": "arn"}
        settings = Settings.read(deployed)
        assert (settings.service, settings.cursor_lifetime) == ("custom-models-dev", 86_400)

    def test_old_versions_are_kept(self, template: Template) -> None:
        (version,) = template.find_resources("AWS::Lambda::Version").values()
        # A rollback deletes the version of the failed deployment; otherwise it blocks the next one.
        assert (version["UpdateReplacePolicy"], version["DeletionPolicy"]) == ("Retain", "RetainExceptOnCreate")
        assert only(template, "AWS::Lambda::Alias")["Name"] == "live"

    def test_its_properties_can_be_set(self) -> None:
        settings = {"memory_mb": 1024, "timeout_seconds": 20, "reserved_concurrency": 7}
        function = only(synthesized(**settings, log_level="DEBUG", cursor_lifetime_seconds=60), "AWS::Lambda::Function")
        assert (function["MemorySize"], function["Timeout"], function["ReservedConcurrentExecutions"]) == (1024, 20, 7)
        assert function["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
        assert function["Environment"]["Variables"]["CURSOR_LIFETIME_SECONDS"] == "60"

    def test_it_can_trust_only_awss_roots(self) -> None:
        function = only(synthesized(trust_roots="amazon"), "AWS::Lambda::Function")
        assert function["Environment"]["Variables"]["AWS_CA_BUNDLE"] == "/var/task/amazon-roots.pem"


class TestRestApi:
    def test_every_request_needs_iam_and_goes_to_the_alias(self, template: Template) -> None:
        methods = resources(template, "AWS::ApiGateway::Method")
        assert len(methods) == 2
        for method in methods:
            assert (method["HttpMethod"], method["AuthorizationType"]) == ("ANY", "AWS_IAM")
            assert method["Integration"]["Type"] == "AWS_PROXY"
            assert {"Ref": "FunctionAliasD140E3BC"} in method["Integration"]["Uri"]["Fn::Join"][1]
        assert only(template, "AWS::ApiGateway::Resource")["PathPart"] == "{proxy+}"

    def test_the_stage_throttles_and_logs_without_query_strings_or_headers(self, template: Template) -> None:
        stage = only(template, "AWS::ApiGateway::Stage")
        assert stage["StageName"] == "dev"
        (settings,) = stage["MethodSettings"]
        assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (20, 40)
        assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("ERROR", False)
        assert "CachingEnabled" not in settings
        fields = json.loads(stage["AccessLogSetting"]["Format"])
        assert {"requestId", "functionRequestId", "caller", "path", "status", "responseLatency"} <= set(fields)
        assert not any("querystring" in value.lower() or "header" in value.lower() for value in fields.values())

    def test_by_default_it_is_regional_compresses_and_has_no_policy(self, template: Template) -> None:
        rest_api = only(template, "AWS::ApiGateway::RestApi")
        assert rest_api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
        assert rest_api["MinimumCompressionSize"] == 1024
        assert "Policy" not in rest_api

    @pytest.mark.parametrize(("vpc_endpoints", "mode"), [((), "STRICT"), (("vpce-0a1b2c3d",), "BASIC")])
    def test_it_accepts_tls_1_2_and_1_3_only(self, vpc_endpoints: tuple[str, ...], mode: str) -> None:
        api = only(synthesized(vpc_endpoints=vpc_endpoints), "AWS::ApiGateway::RestApi")
        assert (api["SecurityPolicy"], api["EndpointAccessMode"]) == ("SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", mode)

    def test_a_burst_below_the_rate_is_legal_as_in_api_gateway(self) -> None:
        stage = only(synthesized(throttle_rate=100, throttle_burst=10), "AWS::ApiGateway::Stage")
        (setting,) = stage["MethodSettings"]
        assert (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"]) == (100, 10)

    def test_throttling_can_be_set(self) -> None:
        template = synthesized(throttle_rate=5, throttle_burst=9)
        (settings,) = only(template, "AWS::ApiGateway::Stage")["MethodSettings"]
        assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (5, 9)

    def test_the_account_wide_log_role_can_be_left_out(self) -> None:
        template = synthesized(api_gateway_log_role=False)
        template.resource_count_is("AWS::ApiGateway::Account", 0)
        assert "AmazonAPIGatewayPushToCloudWatchLogs" not in json.dumps(template.to_json())

    def test_the_account_wide_log_role_is_kept_when_the_stack_is_deleted(self, template: Template) -> None:
        (account,) = template.find_resources("AWS::ApiGateway::Account").values()
        assert account["DeletionPolicy"] == "Retain"


def statements(template: Template) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = only(template, "AWS::ApiGateway::RestApi")["Policy"]["Statement"]
    return found


class TestResourcePolicy:
    def test_it_allows_the_listed_accounts(self) -> None:
        (allowance,) = statements(synthesized(allowed_accounts=("210987654321",)))
        assert allowance["Effect"] == "Allow"
        assert "210987654321" in json.dumps(allowance["Principal"])
        assert {"Ref": "AWS::AccountId"} in allowance["Principal"]["AWS"][0]["Fn::Join"][1]
        assert allowance["Resource"] == ["execute-api:/*/GET/*", "execute-api:/*/HEAD/*"]

    def test_it_denies_other_organizations(self) -> None:
        _, denial = statements(synthesized(organization_id="o-a1b2c3d4e5"))
        assert (denial["Effect"], denial["Principal"], denial["Resource"]) == ("Deny", {"AWS": "*"}, "execute-api:/*")
        assert denial["Condition"] == {"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}

    def test_vpc_endpoints_make_the_api_private(self) -> None:
        template = synthesized(vpc_endpoints=("vpce-0a1b2c3d",), region="eu-central-1")
        endpoint = only(template, "AWS::ApiGateway::RestApi")["EndpointConfiguration"]
        assert endpoint == {"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-0a1b2c3d"]}
        _, denial = statements(template)
        assert denial["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-0a1b2c3d"]}}


class TestGatewayResponses:
    def test_every_type_of_gateway_response_is_configured(self, template: Template) -> None:
        from aws_cdk.aws_apigateway import ResponseType

        types = {getattr(ResponseType, name).response_type for name in dir(ResponseType) if name.isupper()}
        found = [response["ResponseType"] for response in resources(template, "AWS::ApiGateway::GatewayResponse")]
        assert sorted(found) == sorted(types)

    def test_each_is_a_problem_details_document(self, template: Template) -> None:
        for response in resources(template, "AWS::ApiGateway::GatewayResponse"):
            problem = json.loads(response["ResponseTemplates"]["application/json"])
            assert re.fullmatch(r"urn:problem-type:custom-models:[a-z-]+", problem["type"])
            assert problem["title"]
            assert problem["detail"].endswith(".")
            assert problem["requestId"] == "$context.requestId"
            assert problem.get("status") == (int(response["StatusCode"]) if "StatusCode" in response else None)
            headers = response["ResponseParameters"]
            assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
            assert headers["gatewayresponse.header.X-Request-Id"] == "context.requestId"
            assert ("gatewayresponse.header.Retry-After" in headers) == (response.get("StatusCode") in ("429", "504"))

    def test_the_gateway_decides_the_status_of_a_failed_function(self, template: Template) -> None:
        """AWS documents 504, but others have seen 502."""
        (failure,) = [
            response
            for response in resources(template, "AWS::ApiGateway::GatewayResponse")
            if response["ResponseType"] == "INTEGRATION_FAILURE"
        ]
        assert "StatusCode" not in failure
        assert "status" not in json.loads(failure["ResponseTemplates"]["application/json"])

    @pytest.mark.parametrize(
        ("kind", "cause"),
        [("ACCESS_DENIED", "your access key is unknown"), ("INVALID_SIGNATURE", "the clock of your machine")],
    )
    def test_the_advice_names_every_likely_cause(self, template: Template, kind: str, cause: str) -> None:
        (text,) = [
            response["ResponseTemplates"]["application/json"]
            for response in resources(template, "AWS::ApiGateway::GatewayResponse")
            if response["ResponseType"] == kind
        ]
        assert cause in json.loads(text)["detail"]

    def test_problem_types_have_the_same_prefix_as_the_functions(self) -> None:
        from custom_models.adapters.rest_api.problem import TYPE_PREFIX
        from infra import rest_api

        assert rest_api.PROBLEM_TYPE_PREFIX == TYPE_PREFIX

    def test_their_kinds_are_documented(self) -> None:
        from custom_models.adapters.rest_api.openapi import document
        from infra import rest_api

        kinds = {f"`{response.kind}`" for response in rest_api.GATEWAY_RESPONSES} - {"`not-found`"}
        listing = json.loads(document())["paths"]["/custom-models"]["get"]
        assert set(re.findall("`[a-z-]+`", listing["responses"]["default"]["description"])) == kinds
        reference = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
        table = reference.partition("### From API Gateway")[2]
        assert set(re.findall(r"^\| (`[a-z-]+`) \|", table, re.MULTILINE)) == kinds


class TestStatefulResources:
    """If a logical id changed, CloudFormation would replace the resource and lose its data."""

    @pytest.mark.parametrize(("policy", "kept"), [("destroy", "Delete"), ("retain", "Retain")])
    def test_the_secret_and_the_logs_keep_their_logical_ids(self, policy: str, kept: str) -> None:
        found = synthesized(removal_policy=policy).to_json()["Resources"]
        stateful = {name: resource for name, resource in found.items() if resource["Type"] in _STATEFUL}
        assert set(stateful) == {"CursorKey255E8F8A", "FunctionLogsB2C1DB5C", "ApiAccessLog713001CC"}
        assert {resource["DeletionPolicy"] for resource in stateful.values()} == {kept}

    def test_log_retention_can_be_set(self) -> None:
        assert [
            group["RetentionInDays"] for group in resources(synthesized(log_retention_days=90), "AWS::Logs::LogGroup")
        ] == [90, 90]

    def test_the_signing_key_is_generated_at_deployment(self, template: Template) -> None:
        secret = only(template, "AWS::SecretsManager::Secret")
        assert secret["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": 64}
        assert "SecretString" not in secret
        assert "resolve:secretsmanager" not in json.dumps(template.to_json())


_STATEFUL = ("AWS::SecretsManager::Secret", "AWS::Logs::LogGroup")


class TestMonitoring:
    def test_metrics_and_outcomes_are_the_functions(self) -> None:
        from custom_models.adapters import telemetry
        from custom_models.adapters.rest_api.problem import STATUS
        from infra import monitoring

        assert monitoring.NAMESPACE == telemetry.NAMESPACE
        assert monitoring.OUTCOME == telemetry.OUTCOME
        for name in (
            "REQUESTS",
            "ITEMS",
            "UPSTREAM_PAGES",
            "UPSTREAM_THROTTLES",
            "UPSTREAM_LATENCY",
            "REJECTED_CURSORS",
            "OPERATOR_ERRORS",
        ):
            assert getattr(monitoring, name) == getattr(telemetry, name)
        assert set(monitoring.OUTCOMES) == {error.kind for error in STATUS} | {"ok", "not-modified"}

    def test_an_idle_api_raises_no_alarm_and_has_data(self, template: Template) -> None:
        for alarm in resources(template, "AWS::CloudWatch::Alarm"):
            assert alarm["TreatMissingData"] == "notBreaching"

    def test_alarms_need_no_metric_math(self, template: Template) -> None:
        """Math over metrics without data has none itself, and such an alarm stays INSUFFICIENT_DATA."""
        for alarm in resources(template, "AWS::CloudWatch::Alarm"):
            (metric,) = alarm["Metrics"]
            assert "Expression" not in metric
            assert metric["MetricStat"]["Metric"]["MetricName"]

    def test_only_alarms_of_this_account_may_notify_the_topic(self) -> None:
        policy = only(synthesized(alarm_email="ops@example.org"), "AWS::SNS::TopicPolicy")["PolicyDocument"]
        (allowed,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
        assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}

    def test_alarm_names(self, template: Template) -> None:
        names = {alarm["AlarmName"] for alarm in resources(template, "AWS::CloudWatch::Alarm")}
        assert names == {
            "custom-models-dev-Api-Fault-Count-Faults",
            "custom-models-dev-Api-Latency-P99-Slow",
            "custom-models-dev-Function-Fault-Count-Errors",
            "custom-models-dev-Listings-OperatorErrors-Any",
            "custom-models-dev-Listings-UnreachableSources-Any",
            "custom-models-dev-Listings-UpstreamThrottles-Many",
        }

    def test_without_a_topic_alarms_have_no_actions(self, template: Template) -> None:
        assert all("AlarmActions" not in alarm for alarm in resources(template, "AWS::CloudWatch::Alarm"))

    def test_alarms_notify_the_topic_in_the_settings(self) -> None:
        arn = "arn:aws:sns:eu-central-1:123456789012:alarms"
        alarms = resources(synthesized(alarm_topic_arn=arn), "AWS::CloudWatch::Alarm")
        assert all(alarm["AlarmActions"] == [arn] for alarm in alarms)

    def test_alarms_notify_a_new_topic_for_an_e_mail_address(self) -> None:
        template = synthesized(alarm_email="ops@example.org")
        subscription = only(template, "AWS::SNS::Subscription")
        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.org")
        assert all(len(alarm["AlarmActions"]) == 1 for alarm in resources(template, "AWS::CloudWatch::Alarm"))

    def test_the_dashboard_shows_the_metrics_of_its_stage(self, template: Template) -> None:
        body = json.dumps(only(template, "AWS::CloudWatch::Dashboard")["DashboardBody"])
        assert "custom-models-dev" in body
        assert "by caller" in body


KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundaries/developer"


class TestGuardedOrganizations:
    """Settings for organizations whose policies refuse resources without tags, a boundary, or a key of their own."""

    def test_everything_that_can_have_tags_has_them(self) -> None:
        found = synthesized(tags={"team": "ml-ops", "cost-center": "0042"}, alarm_email="ops@example.org").to_json()
        tagged = {it["Type"] for it in found["Resources"].values() if tags_of(it) == TAGS}
        untagged = {it["Type"] for it in found["Resources"].values() if tags_of(it) != TAGS}
        assert not {kind for kind in untagged if taggable(kind)}
        assert {"AWS::IAM::Role", "AWS::Lambda::Function", "AWS::SecretsManager::Secret", "AWS::SNS::Topic"} <= tagged

    def test_other_tags_do_not_publish_another_version_of_the_function(self, template: Template) -> None:
        assert versions(synthesized(tags={"team": "ml-ops"})) == versions(template)

    def test_every_role_has_the_permissions_boundary(self) -> None:
        roles = resources(synthesized(permissions_boundary=BOUNDARY), "AWS::IAM::Role")
        assert [role["PermissionsBoundary"] for role in roles] == [BOUNDARY, BOUNDARY]

    def test_the_key_encrypts_the_secret_the_logs_and_the_topic(self) -> None:
        template = synthesized(kms_key_arn=KEY, alarm_email="ops@example.org")
        assert only(template, "AWS::SecretsManager::Secret")["KmsKeyId"] == KEY
        assert [group["KmsKeyId"] for group in resources(template, "AWS::Logs::LogGroup")] == [KEY, KEY]
        assert only(template, "AWS::SNS::Topic")["KmsMasterKeyId"] == KEY

    def test_the_function_may_decrypt_its_secret_and_nothing_else(self, template: Template) -> None:
        found = only(synthesized(kms_key_arn=KEY), "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
        (decrypt,) = [it for it in found if it not in only(template, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]]
        assert decrypt == {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": KEY,
            "Condition": {"StringEquals": {"kms:EncryptionContext:SecretARN": {"Ref": "CursorKey255E8F8A"}}},
        }

    def test_tracing_is_lambdas_own(self) -> None:
        template = synthesized(tracing=True)
        assert only(template, "AWS::Lambda::Function")["TracingConfig"] == {"Mode": "Active"}
        assert actions(template) >= {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


TAGS = [{"Key": "cost-center", "Value": "0042"}, {"Key": "team", "Value": "ml-ops"}]


def tags_of(resource: dict[str, Any]) -> Any:
    return resource["Properties"].get("Tags")


def taggable(kind: str) -> bool:
    """Return whether CloudFormation's own schema of this type of resource says that it can have tags."""
    # Imported here because it is slow, and would delay collecting the tests.
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    schema: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return bool(schema.get("tagging", {}).get("taggable"))


def versions(template: Template) -> set[str]:
    return set(template.find_resources("AWS::Lambda::Version"))


class TestBytecode:
    """The stack without the function's Python version, and with it."""

    @pytest.fixture
    def build(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Annotations]:
        """Return the annotations of a stack with an empty bundle, which has bytecode or not."""
        from aws_cdk.assertions import Annotations

        def build(bytecode: bool, context: dict[str, str]) -> Annotations:
            def bundle(target: Path, **_: object) -> bool:
                (target / "handler.py").touch()
                return bytecode

            monkeypatch.setattr("infra.function.bundle", bundle)
            return Annotations.from_stack(stack(Config(stage="dev"), outdir=str(tmp_path), context=context))

        return build

    def test_it_warns_of_slow_starts_and_says_how_to_fix_it(self, build: Callable[..., Annotations]) -> None:
        from aws_cdk.assertions import Match

        warning = Match.string_like_regexp(
            r"no Python 3\.13.*no bytecode.*each cold start takes about three times as long.*uv python install 3\.13"
        )
        build(False, {"bytecode": "optional"}).has_warning("*", warning)

    def test_with_bytecode_there_are_no_warnings(self, build: Callable[..., Annotations]) -> None:
        from aws_cdk.assertions import Match

        assert build(True, {}).find_warning("*", Match.any_value()) == []

    @pytest.mark.parametrize("context", [{}, {"bytecode": "required"}])
    def test_by_default_the_synthesis_fails_and_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: dict[str, str]
    ) -> None:
        monkeypatch.setattr("infra.bundling.find_interpreter", lambda: None)
        with pytest.raises(BundlingError, match=r"^There is no Python 3\.13 .*`uv python install 3\.13`.*optional\.$"):
            stack(Config(stage="dev"), outdir=str(tmp_path), context=context)


def test_output_names(template: Template) -> None:
    assert {"Url", "FunctionAliasArn", "CallersPolicyArn", "CursorKeyArn"} <= set(template.find_outputs("*"))


def test_the_template_has_no_paths_of_this_machine(template: Template) -> None:
    text = json.dumps(template.to_json())
    assert not re.search(r"/(work|root|home|tmp|Users)/", text)


GLOBAL_NAMES = {
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::S3::Bucket": "BucketName",
}
"""The names that an account, or all of AWS, can have only once in all regions, by type of resource."""


def global_names(template: Template) -> set[str]:
    return {
        f"{kind} {json.dumps(properties[name])}"
        for kind, name in GLOBAL_NAMES.items()
        for properties in resources(template, kind)
        if name in properties
    }


@pytest.mark.parametrize("settings", [{}, {"alarm_email": "ops@example.org", "vpc_endpoints": ("vpce-0a1b2c3d",)}])
def test_two_regions_of_an_account_share_no_global_name(settings: dict[str, Any]) -> None:
    account = {"account": "123456789012"}
    one, other = (
        global_names(synthesized(**settings, **account, region=region)) for region in ("us-east-1", "eu-west-1")
    )
    assert len(one) == len(other) == 2
    assert not one & other
    # Without a region in the settings, CloudFormation puts it in.
    assert all("AWS::Region" in name for name in global_names(synthesized(**settings)))
