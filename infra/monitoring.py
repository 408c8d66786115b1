"""Alarms and a dashboard: errors, latency, throttling by Bedrock, and who calls the API."""

from typing import cast

from aws_cdk import Aws, Duration, Stack, aws_cloudwatch, aws_iam, aws_sns, aws_sns_subscriptions
from cdk_monitoring_constructs import (
    AlarmFactoryDefaults,
    CustomMetricGroup,
    CustomMetricWithAlarm,
    CustomThreshold,
    DefaultDashboardFactory,
    ErrorCountThreshold,
    LatencyThreshold,
    MonitoringFacade,
    SnsAlarmActionStrategy,
)
from constructs import Construct

from infra.config import Config
from infra.function import Function
from infra.rest_api import RestApi

# The function's metrics, dimension and outcomes. A test compares them with the function's own.
NAMESPACE = "CustomModels"
REQUESTS = "Requests"
ITEMS = "Items"
UPSTREAM_PAGES = "UpstreamPages"
UPSTREAM_THROTTLES = "UpstreamThrottles"
UPSTREAM_LATENCY = "UpstreamLatency"
REJECTED_CURSORS = "RejectedCursors"
OPERATOR_ERRORS = "OperatorErrors"
UNREACHABLE_SOURCES = "UnreachableSources"
OUTCOME = "outcome"
OUTCOMES = (
    *("ok", "not-modified", "invalid-query", "invalid-cursor", "expired-cursor", "cursor-mismatch"),
    *("upstream-throttled", "upstream-unavailable", "upstream-rejected", "not-found", "method-not-allowed"),
    *("internal", "upstream-denied", "upstream-invalid"),
)

_SUM = aws_cloudwatch.Stats.SUM
_IDLE_IS_OK = aws_cloudwatch.TreatMissingData.NOT_BREACHING
"""An API without requests has no data. That must not raise an alarm."""


class Monitoring(Construct):
    """Alarms, the topic that they notify, and a dashboard."""

    def __init__(
        self, scope: Construct, construct_id: str, *, config: Config, api: RestApi, function: Function
    ) -> None:
        """Monitor the REST API, the function and the function's own metrics."""
        super().__init__(scope, construct_id)
        name = f"custom-models-{config.stage}"
        facade = _facade(self, config, name)
        facade.monitor_api_gateway(
            api=api.rest_api,
            api_stage=config.stage,
            human_readable_name="API",
            alarm_friendly_name="Api",
            add5_xx_fault_count_alarm={"Faults": _errors(5)},
            add_latency_p99_alarm={
                "Slow": LatencyThreshold(
                    max_latency=Duration.seconds(10), datapoints_to_alarm=3, treat_missing_data_override=_IDLE_IS_OK
                )
            },
        )
        facade.monitor_lambda_function(
            lambda_function=function.function,
            human_readable_name="Function",
            alarm_friendly_name="Function",
            # A direct invocation reports each error as an exception, which this metric counts. So a few are normal.
            add_fault_count_alarm={"Errors": _errors(20)},
        )
        facade.monitor_custom(
            human_readable_name="Listings",
            alarm_friendly_name="Listings",
            metric_groups=[_outcomes(name), _sources(name), _throttling(name), _latency(name), _volume(name)],
        )
        facade.add_widget(_callers(function))


def _facade(scope: Construct, config: Config, name: str) -> MonitoringFacade:
    topic = _topic(scope, config)
    return MonitoringFacade(
        scope,
        "Facade",
        alarm_factory_defaults=AlarmFactoryDefaults(
            actions_enabled=topic is not None,
            alarm_name_prefix=name,
            action=SnsAlarmActionStrategy(on_alarm_topic=topic) if topic is not None else None,
        ),
        # Dashboards are global to an account, so the name must differ between regions.
        dashboard_factory=DefaultDashboardFactory(
            scope, "Dashboards", dashboard_name_prefix=f"{name}-{Stack.of(scope).region}"
        ),
    )


def _topic(scope: Construct, config: Config) -> aws_sns.ITopic | None:
    """Return the topic in the settings, or a new one that sends e-mail, or None if neither is set."""
    if config.alarm_topic_arn is not None:
        return aws_sns.Topic.from_topic_arn(scope, "Topic", config.alarm_topic_arn)
    if config.alarm_email is None:
        return None
    topic = aws_sns.Topic(scope, "Topic", enforce_ssl=True)
    cast("aws_sns.CfnTopic", topic.node.default_child).kms_master_key_id = config.kms_key_arn
    topic.add_to_resource_policy(
        aws_iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            resources=[topic.topic_arn],
            # Reject the alarms of other accounts.
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        )
    )
    topic.add_subscription(aws_sns_subscriptions.EmailSubscription(config.alarm_email))
    return topic


def _errors(maximum: int) -> ErrorCountThreshold:
    return ErrorCountThreshold(max_error_count=maximum, datapoints_to_alarm=1, treat_missing_data_override=_IDLE_IS_OK)


def _outcomes(service: str) -> CustomMetricGroup:
    """Return the requests by outcome, and the errors that only operators can fix, with an alarm."""
    return CustomMetricGroup(
        title="Requests by outcome",
        metrics=[
            *(_metric(service, REQUESTS, label=outcome, **{OUTCOME: outcome}) for outcome in OUTCOMES),
            _alarm("Any", above=0, datapoints=1, metric=_metric(service, OPERATOR_ERRORS)),
        ],
    )


def _sources(service: str) -> CustomMetricGroup:
    """Return the sources that requests with ``allowPartial`` left out, with an alarm: their listings are incomplete."""
    return CustomMetricGroup(
        title="Unreachable sources",
        metrics=[_alarm("Any", above=0, datapoints=1, metric=_metric(service, UNREACHABLE_SOURCES))],
    )


def _throttling(service: str) -> CustomMetricGroup:
    return CustomMetricGroup(
        title="Bedrock's throttling",
        metrics=[_alarm("Many", above=20, datapoints=2, metric=_metric(service, UPSTREAM_THROTTLES))],
    )


def _alarm(name: str, *, above: int, datapoints: int, metric: aws_cloudwatch.Metric) -> CustomMetricWithAlarm:
    threshold = CustomThreshold(
        threshold=above,
        comparison_operator=aws_cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        datapoints_to_alarm=datapoints,
        treat_missing_data_override=_IDLE_IS_OK,
    )
    return CustomMetricWithAlarm(metric=metric, alarm_friendly_name=metric.metric_name, add_alarm={name: threshold})


def _latency(service: str) -> CustomMetricGroup:
    metrics = [_metric(service, UPSTREAM_LATENCY, statistic, label=statistic) for statistic in ("p50", "p99")]
    return CustomMetricGroup(title="Bedrock's latency", metrics=metrics)


def _volume(service: str) -> CustomMetricGroup:
    metrics = [_metric(service, name) for name in (ITEMS, UPSTREAM_PAGES, REJECTED_CURSORS)]
    return CustomMetricGroup(title="Models and pages", metrics=metrics)


def _metric(
    service: str,
    name: str,
    statistic: str = _SUM,
    label: str | None = None,
    **dimensions: str,
) -> aws_cloudwatch.Metric:
    return aws_cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        statistic=statistic,
        label=label or name,
        period=Duration.minutes(5),
        dimensions_map={"service": service, **dimensions},
    )


def _callers(function: Function) -> aws_cloudwatch.LogQueryWidget:
    return aws_cloudwatch.LogQueryWidget(
        title="Requests by caller",
        log_group_names=[function.function.log_group.log_group_name],
        width=24,
        height=8,
        query_lines=[
            "filter message = 'request'",
            "stats count(*) as requests, sum(items) as models, pct(total_ms, 99) as p99_ms by caller, route, outcome",
            "sort requests desc",
        ],
    )
