"""Alarms and a dashboard: errors, latency, throttling by Bedrock, and who calls the API."""

from aws_cdk import Duration, aws_cloudwatch, aws_iam, aws_sns, aws_sns_subscriptions
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
OUTCOME = "outcome"
OPERATOR_OUTCOMES = ("internal", "upstream-denied", "upstream-invalid")
"""The errors that only the operators of this API can fix."""

OTHER_OUTCOMES = (
    *("ok", "not-modified", "invalid-query", "invalid-cursor", "expired-cursor", "cursor-mismatch"),
    *("upstream-throttled", "upstream-unavailable", "upstream-rejected", "not-found", "method-not-allowed"),
)

_ABOVE = aws_cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_SUM = aws_cloudwatch.Stats.SUM


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
            add5_xx_fault_count_alarm={"Faults": ErrorCountThreshold(max_error_count=5, datapoints_to_alarm=1)},
            add_latency_p99_alarm={"Slow": LatencyThreshold(max_latency=Duration.seconds(10), datapoints_to_alarm=3)},
        )
        facade.monitor_lambda_function(
            lambda_function=function.function,
            human_readable_name="Function",
            alarm_friendly_name="Function",
            # Every error response to a direct invocation is an exception, which this counts too. So a few are normal.
            add_fault_count_alarm={"Errors": ErrorCountThreshold(max_error_count=20, datapoints_to_alarm=1)},
        )
        facade.monitor_custom(
            human_readable_name="Listings",
            alarm_friendly_name="Listings",
            metric_groups=[_outcomes(name), _throttling(name), _latency(name), _volume(name)],
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
        dashboard_factory=DefaultDashboardFactory(scope, "Dashboards", dashboard_name_prefix=name),
    )


def _topic(scope: Construct, config: Config) -> aws_sns.ITopic | None:
    """Return the topic in the settings, or a new one that sends e-mail, or None if neither is set."""
    if config.alarm_topic_arn is not None:
        return aws_sns.Topic.from_topic_arn(scope, "Topic", config.alarm_topic_arn)
    if config.alarm_email is None:
        return None
    topic = aws_sns.Topic(scope, "Topic", enforce_ssl=True)
    topic.add_to_resource_policy(
        aws_iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            resources=[topic.topic_arn],
        )
    )
    topic.add_subscription(aws_sns_subscriptions.EmailSubscription(config.alarm_email))
    return topic


def _outcomes(service: str) -> CustomMetricGroup:
    """Return the requests by outcome, with an alarm on the outcomes that operators must act on."""

    def requests(outcome: str) -> aws_cloudwatch.Metric:
        return _metric(service, REQUESTS, label=outcome, **{OUTCOME: outcome})

    faults = aws_cloudwatch.MathExpression(
        expression=" + ".join(f"FILL(m{index}, 0)" for index in range(len(OPERATOR_OUTCOMES))),
        using_metrics={f"m{index}": requests(outcome) for index, outcome in enumerate(OPERATOR_OUTCOMES)},
        label="faults",
        period=Duration.minutes(5),
    )
    alarm = CustomThreshold(threshold=0, comparison_operator=_ABOVE, datapoints_to_alarm=1)
    return CustomMetricGroup(
        title="Requests by outcome",
        metrics=[
            *map(requests, OTHER_OUTCOMES),
            CustomMetricWithAlarm(metric=faults, alarm_friendly_name="Faults", add_alarm={"Any": alarm}),
        ],
    )


def _throttling(service: str) -> CustomMetricGroup:
    alarm = CustomThreshold(threshold=20, comparison_operator=_ABOVE, datapoints_to_alarm=2)
    return CustomMetricGroup(
        title="Bedrock's throttling",
        metrics=[
            CustomMetricWithAlarm(
                metric=_metric(service, UPSTREAM_THROTTLES),
                alarm_friendly_name="UpstreamThrottles",
                add_alarm={"Many": alarm},
            ),
        ],
    )


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
        title="Who calls it",
        log_group_names=[function.function.log_group.log_group_name],
        width=24,
        height=8,
        query_lines=[
            "filter message = 'request'",
            "stats count(*) as requests, sum(items) as models, pct(total_ms, 99) as p99_ms by caller, route, outcome",
            "sort requests desc",
        ],
    )
